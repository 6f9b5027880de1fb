//! How a wait for several tasks passes a cancel on to them.
use std::task::Context;

use crate::error::Cancelled;
use crate::task::inside;
use crate::task::scope::Waits;

/// The wait of `gather` and its kin: a cancel is passed on to all tasks, their ends are awaited, and
/// then it goes on outwards.
pub(crate) struct Passing(Waits);

impl Passing {
    pub(crate) const fn new() -> Self {
        Self(Waits::new())
    }

    /// True if a request may have reached the wait.
    #[inline]
    pub(crate) fn is_addressed(&self) -> bool {
        self.0.is_addressed()
    }

    /// A request that has reached the wait is passed on by `cancel_all`, which says whether anybody
    /// was there to take it. True if the wait must go on, whatever the tasks do.
    #[inline]
    pub(crate) fn is_raising(
        &mut self,
        cx: &Context<'_>,
        cancel_all: impl FnOnce(&Cancelled) -> bool,
    ) -> bool {
        self.0.is_addressed() && self.pass_on(cx, cancel_all)
    }

    #[cold]
    fn pass_on(&mut self, cx: &Context<'_>, cancel_all: impl FnOnce(&Cancelled) -> bool) -> bool {
        if self.0.is_raising() {
            return true;
        }
        let Some(request) = self.0.take(cx) else { return false };
        if inside::passing(|| cancel_all(&request)) {
            self.0.keep(request);
            return false;
        }
        self.0.raise(request);
        true
    }

    /// True if a request was passed on and has not gone on outwards.
    pub(crate) fn has_passed_on(&self) -> bool {
        self.0.kept().is_some()
    }

    /// All tasks have ended. True if a request was passed on, which goes on outwards now: the wait
    /// says Pending.
    pub(crate) fn goes_on_outwards(&mut self) -> bool {
        let Some(request) = self.0.kept() else { return false };
        self.0.raise(request);
        true
    }

    /// The tasks are awaited.
    #[inline]
    pub(crate) fn suspend(&mut self, cx: &Context<'_>) {
        self.0.suspend(cx);
    }

    /// The wait is over.
    #[inline]
    pub(crate) fn release(&mut self) {
        self.0.release();
    }
}
