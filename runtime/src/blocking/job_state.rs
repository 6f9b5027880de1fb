//! The state word of a job: who owns the closure, who owns its outcome, who frees the cell.
//!
//! Vocabulary: the *runner* is the pool's side of a job, from the queue to its end; the *handle* is
//! the awaiting side. A *claim* takes the closure: to run it, or to drop it because it was cancelled.
//!
//! ```text
//! bit 0  CLAIMED    the closure has been taken, by exactly one thread
//! bit 1  DONE       the outcome has been written
//! bit 2  ABANDONED  the handle does not want the outcome (any more)
//! rest   references to the cell; it is freed with the last
//!
//! CLAIMED DONE ABANDONED   owner of what lies in the cell
//!    -     -      any      nobody: the closure waits for a claim
//!    x     -      any      the thread that claimed
//!    x     x       -       the handle
//!    x     x       x       nobody: whoever set the second of the two bits has dropped the outcome
//!
//! 1 claim    runner or canceller   CLAIMED; who finds it set was too late
//! 2 finish   who claimed           DONE; then wakes the handle
//! 3 is_done  handle                acquires the outcome
//! 4 abandon  handle, once          ABANDONED
//! 5 release  any                   references - 1
//! ```
//! Every transition is one read-modify-write: wait-free. Nothing is ever undone.
use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicU32;
use corio_sync::shim::ord;

const CLAIMED: u32 = 1;
const DONE: u32 = 1 << 1;
const ABANDONED: u32 = 1 << 2;
const REFERENCE: u32 = 1 << 3;

/// A new job is referred to by its runner and its handle; nothing makes more.
const BOTH: u32 = 2 * REFERENCE;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct JobState(AtomicU32);

/// What the side that has just set DONE or ABANDONED must do with the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an outcome that nobody drops leaks"]
pub(crate) enum Outcome {
    /// It belongs to the other side, now or when it comes to be.
    Theirs,
    /// The other side does not want it or is done with it: drop it.
    Ours,
}

impl JobState {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(BOTH))
    }

    /// Edge 1. True for one caller only: the closure is its own.
    ///
    /// Ordering: Relaxed; the closure was written before either side got its reference, and whoever
    /// finds CLAIMED set touches nothing.
    pub(crate) fn claim(&self) -> bool {
        self.0.fetch_or(CLAIMED, Relaxed) & CLAIMED == 0
    }

    /// Edge 2: the outcome has been written. If it is [`Outcome::Theirs`], the handle is to be
    /// woken.
    pub(crate) fn finish(&self) -> Outcome {
        // Ordering(job_state.finish): Release; pairs with Ordering(job_state.done) and
        // Ordering(job_state.abandon). The outcome is visible to the handle that takes or drops it.
        let before = self.0.fetch_or(DONE, ord("job_state.finish", Release));
        if before & ABANDONED == 0 { Outcome::Theirs } else { Outcome::Ours }
    }

    /// Edge 3: true if the outcome may be taken.
    pub(crate) fn is_done(&self) -> bool {
        // Ordering(job_state.done): Acquire; pairs with Ordering(job_state.finish). Without it the
        // handle reads an outcome that it cannot see yet.
        self.0.load(ord("job_state.done", Acquire)) & DONE != 0
    }

    /// Edge 4: the handle is dropped without having taken the outcome.
    pub(crate) fn abandon(&self) -> Outcome {
        // Ordering(job_state.abandon): Acquire; pairs with Ordering(job_state.finish). An outcome
        // that is there already is dropped by us, so we must see it.
        let before = self.0.fetch_or(ABANDONED, ord("job_state.abandon", Acquire));
        if before & DONE == 0 { Outcome::Theirs } else { Outcome::Ours }
    }

    /// Edge 5. True if this was the last reference: free the cell.
    #[must_use = "the last reference frees the cell"]
    pub(crate) fn release(&self) -> bool {
        // Ordering(job_state.release): AcqRel; pairs with Ordering(job_state.release). What either
        // side did with the cell has happened before it is freed.
        let before = self.0.fetch_sub(REFERENCE, ord("job_state.release", AcqRel));
        debug_assert!(before >= REFERENCE, "a reference was released twice");
        before / REFERENCE == 1
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
