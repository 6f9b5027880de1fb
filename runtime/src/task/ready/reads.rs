//! Reads of what belongs to the owner, which puts an end to them before it gives that away.
//!
//! Rejected: a mutex, whose readers could sleep. A read is some instructions long and calls no code of
//! a user's, so the owner waits actively, if it is on another thread at all.

use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicU8;
use corio_sync::shim::{hint, mutant, ord};

const FREE: u8 = 0;
const READING: u8 = 1;
const OVER: u8 = 2;

/// See the module.
pub(super) struct Reads(AtomicU8);

impl Reads {
    pub(super) fn new() -> Self {
        Self(AtomicU8::new(FREE))
    }

    /// What `read` gives; none if reads are over, or another one is under way.
    pub(super) fn read<R>(&self, read: impl FnOnce() -> R) -> Option<R> {
        // Ordering: Relaxed; what is read was there before the reader was told of it, and the owner
        // does away with it only after the word has said so.
        self.0.compare_exchange(FREE, READING, Relaxed, Relaxed).ok()?;
        let read = read();
        // Ordering(reads.done): Release; pairs with Ordering(reads.end): what the owner does then comes
        // after the read.
        self.0.store(FREE, ord("reads.done", Release));
        Some(read)
    }

    /// No read is under way from now on.
    pub(super) fn end(&self) {
        // Ordering(reads.end): Acquire; pairs with Ordering(reads.done).
        let acquire = ord("reads.end", Acquire);
        while let Err(READING) = self.0.compare_exchange(FREE, OVER, acquire, Relaxed) {
            if mutant("reads.waits_for_nobody") {
                return;
            }
            hint::spin_loop();
        }
    }

    /// True if the caller, or who has told it, has ended them.
    pub(super) fn are_over(&self) -> bool {
        // Ordering: Relaxed; nothing is read then.
        self.0.load(Relaxed) == OVER
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom {
    use corio_sync::model;
    use corio_sync::shim::Witness;
    use corio_sync::shim::sync::Arc;
    use corio_sync::shim::thread;

    use super::*;

    model! {
        /// The owner gives its tasks away while one of them is read.
        reads_end_vs_read(threads = 2, bound = 3, claim = "nothing is read once the owner has ended the reads") {
            let read = Arc::new((Reads::new(), Witness::new(0)));
            let reading = read.clone();
            let reader = thread::spawn(move || reading.0.read(|| reading.1.get()));
            read.0.end();
            read.1.set(1);
            assert!(read.0.are_over() && read.0.read(|| ()).is_none());
            assert_ne!(reader.join().unwrap(), Some(1));
        }
    }
}
