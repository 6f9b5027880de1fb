//! A deadline that one party waits for and others may move, as long as it has not come.
//!
//! The *holder* waits: it says when the deadline has come and when the wait is over. *Movers* have
//! a handle. One word says both when and how far, so a move that came too late is refused, and one
//! that was accepted cannot be overtaken by the expiry of the old deadline:
//!
//! ```text
//! bits 0..2   ACTIVE, EXPIRING, EXPIRED or FINISHED
//! bits 2..64  the deadline in ns; all ones: never
//!
//!              move 1
//!             .------.
//!             |      v   expire 2            conclude 3
//!             `-- ACTIVE ----------> EXPIRING ----------> EXPIRED
//!                    `-------------------------------> FINISHED
//!                                conclude 3
//! ```
//! 1 [`Deadline::set`], any number of movers; 2 [`Deadline::expire`]; 3 [`Deadline::conclude`], both
//! by the holder alone. 2^62 ns are 146 years: what does not fit never comes.
//!
//! `set` is lock-free, the rest wait-free. The holder leaves its waker *after* the poll in which
//! its own task may have moved the deadline, so only moves from elsewhere wake it; and only those to an
//! earlier time.

use std::task::Waker;

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicU64;
use corio_sync::shim::mutant;
use corio_sync::waker_slot::WakerSlot;

use super::wheel::NEVER;

const PHASE: u64 = 0b11;
const ACTIVE: u64 = 0;
const EXPIRING: u64 = 1;
const EXPIRED: u64 = 2;
const FINISHED: u64 = 3;
const SHIFT: u32 = 2;
/// What means never, in the word.
const FAR: u64 = NEVER >> SHIFT;

/// How far a deadline has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It may be moved.
    Active,
    /// It has come, and what it limits is being stopped.
    Expiring,
    /// It had come when the wait ended.
    Expired,
    /// The wait ended before it came.
    Finished,
}

/// A deadline that may be moved; see the module.
#[derive(Debug)]
pub(crate) struct Deadline {
    word: AtomicU64,
    /// Wakes the holder.
    holder: WakerSlot,
}

const fn pack(at: u64) -> u64 {
    let at = if at < FAR { at } else { FAR };
    at << SHIFT
}

const fn time_of(word: u64) -> u64 {
    let at = word >> SHIFT;
    if at == FAR { NEVER } else { at }
}

const fn phase_of(word: u64) -> Phase {
    match word & PHASE {
        ACTIVE => Phase::Active,
        EXPIRING => Phase::Expiring,
        EXPIRED => Phase::Expired,
        _ => Phase::Finished,
    }
}

impl Deadline {
    pub(crate) fn new(at: u64) -> Self {
        Self { word: AtomicU64::new(pack(at) | ACTIVE), holder: WakerSlot::new() }
    }

    /// The deadline and how far it has come.
    pub(crate) fn get(&self) -> (u64, Phase) {
        // Ordering: Relaxed; the word carries no data but itself. Who is woken by a move sees it,
        // because the holder's waker slot orders the two.
        let word = self.word.load(Relaxed);
        (time_of(word), phase_of(word))
    }

    /// Edge 1. Moves the deadline and has the holder look at it, if that is before the one it may wait
    /// for: else it looks when that has come, and nothing is in need of it before.
    pub(crate) fn set(&self, at: u64) -> Result<(), Phase> {
        // Ordering: Relaxed here and below; as in `get`.
        let mut old = self.word.load(Relaxed);
        loop {
            if old & PHASE != ACTIVE {
                return Err(phase_of(old));
            }
            match self.word.compare_exchange_weak(old, pack(at) | ACTIVE, Relaxed, Relaxed) {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        if pack(at) < old && !mutant("deadline.tells_nobody") {
            self.holder.wake();
        }
        Ok(())
    }

    /// The holder is woken by the next move to an earlier time. It looks at the deadline afterwards.
    pub(crate) fn watch(&self, waker: &Waker) {
        self.holder.register(waker);
    }

    /// The holder is not woken by moves.
    pub(crate) fn unwatch(&self) {
        drop(self.holder.take());
    }

    /// Edge 2. The deadline that was seen as `at` has come. False if it was moved meanwhile.
    pub(crate) fn expire(&self, at: u64) -> bool {
        let seen = pack(at) | ACTIVE;
        if mutant("deadline.expires_unseen") {
            // Ordering: Relaxed; as in `get`.
            self.word.fetch_or(EXPIRING, Relaxed);
            return true;
        }
        // Ordering: Relaxed; as in `get`.
        self.word.compare_exchange(seen, seen | EXPIRING, Relaxed, Relaxed).is_ok()
    }

    /// Edge 3. The wait is over.
    pub(crate) fn conclude(&self) {
        // From ACTIVE to FINISHED, or from EXPIRING to EXPIRED; what has ended stays as it is.
        // Ordering: Relaxed; as in `get`.
        let mut old = self.word.load(Relaxed);
        loop {
            let end = match phase_of(old) {
                Phase::Active => FINISHED,
                Phase::Expiring => EXPIRED,
                Phase::Expired | Phase::Finished => return,
            };
            // Ordering: Relaxed; as in `get`.
            match self.word.compare_exchange_weak(old, old & !PHASE | end, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn the_edges() {
        let deadline = Deadline::new(40);
        assert_eq!(deadline.get(), (40, Phase::Active));
        assert_eq!(deadline.set(NEVER), Ok(()));
        assert_eq!(deadline.get(), (NEVER, Phase::Active));
        assert!(!deadline.expire(40), "it was moved");
        assert_eq!(deadline.set(50), Ok(()));
        assert!(deadline.expire(50));
        assert_eq!(deadline.get(), (50, Phase::Expiring));
        assert_eq!(deadline.set(60), Err(Phase::Expiring));
        deadline.conclude();
        assert_eq!(deadline.set(60), Err(Phase::Expired));
        deadline.conclude();
        assert_eq!(deadline.get(), (50, Phase::Expired));
        let finished = Deadline::new(1);
        finished.conclude();
        assert_eq!(finished.set(2), Err(Phase::Finished));
        assert!(!finished.expire(1));
    }

    #[test]
    fn what_does_not_fit_never_comes() {
        assert_eq!(Deadline::new(NEVER - 1).get().0, NEVER);
        assert_eq!(Deadline::new(FAR - 1).get().0, FAR - 1);
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
