//! Reads of an output that belongs to somebody else, who may give it away meanwhile.
//!
//! The loop reads how a task has ended before the owner of its handle is told. The owner may be dropped at
//! that moment, on another thread. Nobody waits: an owner who meets a read leaves it the handle of the
//! task that is read, and the reader drops that when it is done.
//!
//! ```text
//!          read            done                   end: the owner drops all handles
//!   FREE --------> READING -----> FREE      FREE -----------------------------------> OVER
//!                     |                                    done: the reader drops that one
//!                     `--end: all but this--> LEFT -----------------------------------> OVER
//! ```
//! Reading and ending are lock-free.

use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::{mutant, ord};

const FREE: usize = 0;
const OVER: usize = 1;
/// With the number of the part from here on.
const READING: usize = 2;
const LEFT: usize = 3;
const SHIFT: u32 = 2;

/// See the module.
pub(super) struct Reads(AtomicUsize);

/// What a read came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<R> {
    /// Reads are over, or another loop reads.
    Over,
    Done(R),
    /// It is over since, and the handle is the reader's.
    Left,
}

impl Reads {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(FREE))
    }

    /// What `read` gives of a part. One at a time: of several loops, whose tasks one owner awaits, the
    /// second does without.
    pub(super) fn read<R>(&self, part: usize, read: impl FnOnce() -> R) -> Read<R> {
        let reading = part << SHIFT | READING;
        // Ordering: Relaxed; what is read was there before the reader was told of it, and the owner
        // does away with it only after the word has said so.
        if self.0.compare_exchange(FREE, reading, Relaxed, Relaxed).is_err() {
            return Read::Over;
        }
        let read = read();
        // Ordering(reads.done): Release; pairs with Ordering(reads.end) and Ordering(reads.try_end): what the
        // owner does afterwards comes after the read.
        let done = ord("reads.done", Release);
        // Ordering(reads.left): Acquire; pairs with Ordering(reads.end): the reader drops what the owner
        // has left as that left it.
        match self.0.compare_exchange(reading, FREE, done, ord("reads.left", Acquire)) {
            Ok(_) => Read::Done(read),
            Err(_) => {
                // Ordering: Relaxed; nobody else writes the word any more.
                self.0.store(OVER, Relaxed);
                Read::Left
            }
        }
    }

    /// Nothing is read from now on, but the part whose number this gives: its handle is the reader's.
    pub(super) fn end(&self) -> Option<usize> {
        // Ordering: Relaxed; the exchange below orders.
        let mut old = self.0.load(Relaxed);
        loop {
            let (new, left) = match old {
                FREE | OVER => (OVER, None),
                reading => (reading & !READING | LEFT, Some(reading >> SHIFT)),
            };
            // Ordering(reads.end): AcqRel; pairs with Ordering(reads.done) and Ordering(reads.left).
            let end = ord("reads.end", AcqRel);
            match self.0.compare_exchange(old, new, end, Relaxed) {
                Ok(_) => return left.filter(|_| !mutant("reads.leaves_nothing")),
                Err(now) => old = now,
            }
        }
    }

    /// As [`end`](Self::end), unless a part is being read: then false, and nothing has happened.
    pub(super) fn try_end(&self) -> bool {
        // Ordering(reads.try_end): Acquire; pairs with Ordering(reads.done).
        let ended = self.0.compare_exchange(FREE, OVER, ord("reads.try_end", Acquire), Relaxed);
        ended.is_ok() || ended == Err(OVER)
    }

    /// True if the owner has ended them.
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
        reads_end_vs_read(threads = 2, bound = 3, claim = "what is being read is dropped by the reader, all else by the owner, and each once") {
            let all = Arc::new((Reads::new(), Witness::new(0), Witness::new(0)));
            let reading = all.clone();
            let reader = thread::spawn(move || {
                let (reads, output, handle) = &*reading;
                let read = reads.read(5, || output.get());
                if read == Read::Left {
                    assert_eq!((output.get(), handle.get()), (0, 1), "the owner has left both");
                    output.set(1);
                }
                read
            });
            let (reads, output, handle) = &*all;
            // What the owner has done with the handle before.
            handle.set(1);
            let left = reads.end();
            if left.is_none() {
                output.set(1);
            }
            let read = reader.join().unwrap();
            assert_eq!(left.is_some(), read == Read::Left);
            assert!(left.is_none_or(|part| part == 5) && read != Read::Done(1));
            assert!(reads.are_over() && output.get() == 1);
        }
    }

    model! {
        /// The owner hands its tasks out when none is being read.
        reads_try_end_vs_read(threads = 2, bound = 3, claim = "what is handed out is not read any more") {
            let both = Arc::new((Reads::new(), Witness::new(0)));
            let reading = both.clone();
            let reader = thread::spawn(move || reading.0.read(5, || reading.1.get()));
            let (reads, output) = &*both;
            let ended = reads.try_end();
            if ended {
                output.set(1);
            }
            let read = reader.join().unwrap();
            assert!(matches!(read, Read::Over | Read::Done(0)));
            assert_eq!((ended, output.get()), (reads.are_over(), i32::from(ended)));
        }
    }
}
