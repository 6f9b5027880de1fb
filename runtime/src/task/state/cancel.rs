//! The transitions of a task's state word that ask a task to stop, and those that answer.
//!
//! CANCEL is set by a cancel and cleared by whoever takes, retracts or answers it; marks in the
//! tree of scopes only say who *may* take it. So a cancel can neither be lost with a scope that is
//! dropped nor be delivered after it was retracted, and nothing has to be put back. The one
//! exception is a cancel that was taken, and raised again into a wait that did not last, or kept by a
//! wait that was dropped: see [`State::return_cancel`].

use super::{
    ABORT, AcqRel, Acquire, CANCEL, COUNT_MASK, COUNT_SHIFT, DONE, LOOK, RUNNING, Relaxed,
    SCHEDULED, Snapshot, State, Woken, mutant, ord,
};

/// What anybody may ask for.
impl State {
    /// Edge 1. Counts a cancel and schedules its delivery. `None` if the task is done.
    pub(crate) fn request_cancel(&self) -> Option<Woken> {
        self.request_cancel_if(|_| true)
    }

    /// As [`State::request_cancel`], if a cancel is pending anyhow, which this one joins: it brings no
    /// message, for of those that are delivered as one the first one's counts.
    pub(crate) fn join_cancel(&self) -> Option<Woken> {
        self.request_cancel_if(|old| old & CANCEL != 0 || mutant("state.joins_anyhow"))
    }

    #[inline]
    fn request_cancel_if(&self, may: impl Fn(u64) -> bool) -> Option<Woken> {
        let mut old = self.0.load(Relaxed);
        loop {
            if old & DONE != 0 || !may(old) {
                return None;
            }
            let mut new = old | CANCEL | SCHEDULED;
            if old & COUNT_MASK != COUNT_MASK {
                new += 1 << COUNT_SHIFT;
            }
            // Ordering(state.request): AcqRel; pairs with Ordering(state.start) and
            // Ordering(state.take_cancel): who delivers the cancel sees its message; and with
            // Ordering(state.pause), as Ordering(state.wake) does.
            match self.0.compare_exchange_weak(old, new, ord("state.request", AcqRel), Relaxed) {
                Ok(_) if old & (SCHEDULED | RUNNING) == 0 => return Some(Woken::Enqueue),
                Ok(_) => return Some(Woken::Nothing),
                Err(now) => old = now,
            }
        }
    }

    /// Edge 1. Asks for the body to be dropped.
    pub(crate) fn request_abort(&self) -> Woken {
        // Ordering(state.request_abort): AcqRel; pairs with Ordering(state.start) and
        // Ordering(state.pause), as Ordering(state.wake) does, of which this is a case.
        let old = self.0.fetch_or(ABORT | SCHEDULED, ord("state.request_abort", AcqRel));
        if old & (SCHEDULED | RUNNING | DONE) == 0 { Woken::Enqueue } else { Woken::Nothing }
    }

    /// Makes a cancel that was taken, and carried off to another thread, pending again; whoever calls
    /// wakes the task if this says true. One that was taken back meanwhile, or is pending anyhow, is
    /// not. A part's request that is counted is no cancel; the runner, which can tell, forgets it.
    pub(crate) fn return_from_elsewhere(&self) -> bool {
        let mut old = self.0.load(Relaxed);
        loop {
            if old & (DONE | CANCEL) != 0 {
                return false;
            }
            if old & COUNT_MASK == 0 && !mutant("state.returns_retracted_elsewhere") {
                return false;
            }
            // Ordering: Relaxed; it carries no data, and the wake that follows orders.
            match self.0.compare_exchange_weak(old, old | CANCEL, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
    }

    /// Takes one cancel back; returns how many are left. A cancel that was not delivered yet is
    /// retracted with the last one, by the runner if requests to parts are counted beside it.
    pub(crate) fn uncancel(&self) -> u32 {
        let mut old = self.0.load(Relaxed);
        loop {
            if old & COUNT_MASK == 0 {
                return 0;
            }
            let mut new = old - (1 << COUNT_SHIFT);
            if new & COUNT_MASK == 0 {
                new &= !CANCEL;
            }
            // Ordering: Relaxed; the count carries no data, and a retracted cancel leaves only a
            // spurious wake-up behind.
            match self.0.compare_exchange_weak(old, new, Relaxed, Relaxed) {
                Ok(_) => return Snapshot(new).cancelling(),
                Err(now) => old = now,
            }
        }
    }
}

/// What the runner of a task with scopes notes.
impl State {
    /// A model becomes the runner of an idle task, to end it.
    #[cfg(all(test, any(corio_loom, corio_shuttle)))]
    pub(crate) fn start_for_models(&self) {
        assert_eq!(self.wake(), Woken::Enqueue);
        self.start();
    }

    /// Takes the pending cancel; false if it was retracted or somebody took it.
    pub(crate) fn take_cancel(&self) -> bool {
        if mutant("state.take_leaves_cancel") {
            return self.load_relaxed().is_cancel_pending();
        }
        // Ordering(state.take_cancel): Acquire; pairs with Ordering(state.request): who takes the
        // cancel finds its message.
        self.0.fetch_and(!CANCEL, ord("state.take_cancel", Acquire)) & CANCEL != 0
    }

    /// Forgets the pending cancel if it was taken back: no more than `parts`, requests to parts of the
    /// task, are counted.
    pub(crate) fn retract(&self, parts: u32) {
        let mut old = self.0.load(Relaxed);
        while old & CANCEL != 0
            && (Snapshot(old).cancelling() <= parts || mutant("state.retracts_counted"))
        {
            // Ordering: Relaxed; as in `uncancel`.
            match self.0.compare_exchange_weak(old, old & !CANCEL, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }

    /// Makes a request that was raised by hand, which nobody has counted, pending again.
    pub(crate) fn return_uncounted(&self) {
        // Ordering: Relaxed; the runner alone calls this and delivers what it returns.
        self.0.fetch_or(CANCEL | SCHEDULED, Relaxed);
    }

    /// Makes a cancel that was taken pending again, without counting it once more; false if it was
    /// taken back meanwhile: no more than `parts`, requests to parts of the task, are counted.
    pub(crate) fn return_cancel(&self, parts: u32) -> bool {
        self.return_with(parts, CANCEL | SCHEDULED)
    }

    /// As [`return_cancel`](Self::return_cancel), before a poll: that is the one which delivers it.
    #[cfg_attr(any(corio_loom, corio_shuttle), allow(dead_code, reason = "no model has a group"))]
    pub(crate) fn return_before_poll(&self, parts: u32) -> bool {
        self.return_with(parts, CANCEL)
    }

    fn return_with(&self, parts: u32, bits: u64) -> bool {
        let mut old = self.0.load(Relaxed);
        loop {
            if Snapshot(old).cancelling() <= parts && !mutant("state.returns_retracted") {
                return false;
            }
            // Ordering: Relaxed; as in `return_uncounted`, and the count carries no data.
            match self.0.compare_exchange_weak(old, old | bits, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
    }

    /// Runs the task again and has the scopes looked at before.
    pub(crate) fn look_again(&self) {
        // Ordering: Relaxed; the runner alone sets, reads and clears LOOK, and its own `pause`
        // releases what it wrote to whoever takes the entry.
        self.0.fetch_or(LOOK | SCHEDULED, Relaxed);
    }

    /// Has the scopes looked at before the next poll, whenever that is.
    pub(crate) fn look_on(&self) {
        // Ordering: Relaxed; as in `look_again`.
        self.0.fetch_or(LOOK, Relaxed);
    }

    /// The scopes are being looked at.
    pub(crate) fn looked(&self) {
        // Ordering: Relaxed; as in `look_again`.
        self.0.fetch_and(!LOOK, Relaxed);
    }

    /// Counts a request to a part of the task, while it is on its way. It is not CANCEL: only the
    /// part's owner delivers it.
    pub(crate) fn count_part(&self) {
        let mut old = self.0.load(Relaxed);
        while old & COUNT_MASK != COUNT_MASK {
            // Ordering: Relaxed; the count carries no data.
            match self.0.compare_exchange_weak(old, old + (1 << COUNT_SHIFT), Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }

    /// Takes back what [`State::count_part`] counted. A pending cancel of the whole task stays.
    pub(crate) fn uncount_part(&self) {
        let mut old = self.0.load(Relaxed);
        while old & COUNT_MASK != 0 {
            // Ordering: Relaxed; the count carries no data.
            match self.0.compare_exchange_weak(old, old - (1 << COUNT_SHIFT), Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => old = now,
            }
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
