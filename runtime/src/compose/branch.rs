//! One branch of a `join!` or a `select!`: a future with a scope of its own.
//!
//! Branches run in one task, so a cancel of the task has to reach each of them. Where a branch has a
//! cancellation scope inside, the request goes there; one without is stopped as a whole, by its own
//! scope. So none runs on because another one still cleans up.
//!
//! The scopes of branches are not in the tree until one of them has a scope inside: without any, the
//! whole is dropped as one future. In a poll all branches share a frame, so that what a branch costs
//! is a few stores; all that has to do with requests is out of line.
use std::cell::Cell;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_sync::debug;
use pin_project_lite::pin_project;

use crate::cancel::Raising;
use crate::error::Cancelled;
use crate::task::scope::{self, Covering, Entered, Kept, Kind, Landing, Scope, Shared};

pin_project! {
    /// A future that is polled until it is ready or was stopped.
    #[derive(Debug)]
    pub struct Branch<F> {
        // Gone once it has ended; first, so that it is dropped first.
        #[pin]
        future: Option<F>,
        scope: Scope,
    }

    impl<F> PinnedDrop for Branch<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut future = this.project().future;
            if mem::needs_drop::<F>() && future.is_some() {
                // One that has lost before its first poll was not forgotten.
                debug::silently(|| future.set(None));
            }
        }
    }
}

impl<F: Future> Branch<F> {
    /// `None` is a branch that has ended before it began.
    pub(super) fn new(future: Option<F>) -> Self {
        Self { future, scope: Scope::new() }
    }

    /// True if something inside has taken a request from further out.
    pub(super) fn has_felt(&self) -> bool {
        self.scope.has_felt()
    }

    /// True while it is owed a request, or something inside is, or is offered one.
    pub(super) fn is_asked(&self) -> bool {
        self.scope.is_asked()
    }

    /// Polls the future, if it has not ended. Its value, if it is ready. `all` was entered.
    #[inline(always)]
    pub(super) fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        all: &Progress<'_>,
    ) -> Option<F::Output> {
        let mut this = self.as_mut().project();
        let future = this.future.as_mut().as_pin_mut()?;
        if this.scope.is_known() {
            if let Some(request) = this.scope.take_in_turn(&all.shared) {
                self.stop(request, true, all);
                return None;
            }
        }
        let polled = this.scope.poll_in_turn(&all.shared, || future.poll(cx));
        if all.shared.is_eventful() {
            return self.settle(polled, all);
        }
        let Poll::Ready(value) = polled else {
            all.pending.set(true);
            return None;
        };
        all.shared.end_turn();
        this.future.set(None);
        Some(value)
    }

    /// The end of a poll in which the branch had a scope inside, or has raised a request.
    #[inline(never)]
    fn settle(
        self: Pin<&mut Self>,
        polled: Poll<F::Output>,
        all: &Progress<'_>,
    ) -> Option<F::Output> {
        let raised = all.shared.end_eventful_turn();
        match (polled, raised) {
            (Poll::Ready(value), raised) => {
                if let Some(request) = raised {
                    scope::return_request(request);
                }
                all.felt.set(all.felt.get() || self.scope.has_felt() || self.scope.is_owed());
                self.end();
                Some(value)
            }
            (Poll::Pending, Some(request)) => {
                self.stop(request, false, all);
                None
            }
            (Poll::Pending, None) => {
                all.pending.set(true);
                all.has_scopes.set(all.has_scopes.get() || self.scope.is_known());
                None
            }
        }
    }

    /// A request ends the branch, which was offered it or has raised it.
    #[cold]
    fn stop(self: Pin<&mut Self>, request: Cancelled, offered: bool, all: &Progress<'_>) {
        let covering = Covering::begin(&request);
        self.end();
        drop(covering);
        let mut kept = all.kept.take().unwrap_or_default();
        if offered {
            kept.keep_owed(request);
        } else {
            kept.keep_raised(request);
        }
        all.kept.set(Some(kept));
        all.stopped.set(true);
    }

    fn end(self: Pin<&mut Self>) {
        let mut this = self.project();
        this.future.set(None);
        this.scope.release();
    }

    /// True once the future has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.future.is_none()
    }

    /// The future, if it has not ended.
    pub(super) fn future(self: Pin<&mut Self>) -> Option<Pin<&mut F>> {
        self.project().future.as_pin_mut()
    }

    /// The branch waits, beside others that have scopes.
    pub(super) fn suspend(self: Pin<&mut Self>, cx: &Context<'_>, all: &Progress<'_>) {
        let this = self.project();
        if this.future.is_some() {
            this.scope.suspend(Kind::Catch, cx);
            if let Some(origin) = all.stopped_by.get() {
                this.scope.ask_beside(origin);
            }
        }
    }
}

/// A poll of all branches, and what it has found.
#[doc(hidden)]
pub struct Progress<'a> {
    shared: Shared<'a>,
    /// Some branch waits.
    pending: Cell<bool>,
    /// Some branch that waits has a scope inside.
    has_scopes: Cell<bool>,
    /// Some branch was stopped.
    stopped: Cell<bool>,
    /// Something inside of a branch that has ended had taken a request.
    pub(super) felt: Cell<bool>,
    /// What has stopped branches.
    kept: Cell<Option<Box<Kept>>>,
    /// The origin of that, be it in this poll or before, if others are awaited.
    stopped_by: Cell<Option<u32>>,
}

impl<'a> Progress<'a> {
    #[inline]
    pub(super) fn new(landing: &'a Landing) -> Self {
        Self {
            shared: Shared::new(landing),
            pending: Cell::new(false),
            has_scopes: Cell::new(false),
            stopped: Cell::new(false),
            felt: Cell::new(false),
            kept: Cell::new(None),
            stopped_by: Cell::new(None),
        }
    }

    /// Branches are polled until the guard goes.
    #[inline]
    pub(super) fn enter(&self) -> Entered<'_> {
        self.shared.enter()
    }

    /// The branches are polled once more; what has stopped one is kept.
    pub(super) fn begin_again(&self) {
        self.pending.set(false);
        self.has_scopes.set(false);
    }
}

/// Branches that are polled in one go: a bit each, the last one's first. From the 65th on they
/// share bits.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Due(u64);

impl Due {
    /// The most branches of which each may be the first.
    const BITS: usize = u64::BITS as usize;

    /// Those of `len` from `first` on, which is below [`firsts`](Self::firsts).
    #[inline]
    pub(super) fn from(first: usize, len: usize) -> Self {
        // Without any branch the shift wraps, and nobody looks at the bits.
        Self(u64::MAX.wrapping_shr((Self::BITS - (Self::firsts(len) - first)) as u32))
    }

    /// How many of `len` branches may be the first.
    #[inline]
    pub(super) const fn firsts(len: usize) -> usize {
        if len < Self::BITS { len } else { Self::BITS }
    }

    /// All others.
    #[inline]
    pub(super) fn others(self) -> Self {
        Self(!self.0)
    }

    /// True for the branch which so many come after.
    #[inline]
    pub(super) const fn has(self, after: usize) -> bool {
        self.0 & 1 << (after % Self::BITS) != 0
    }
}

/// Whose turn it is, and the request that has stopped some branches.
#[derive(Debug, Default)]
pub(super) struct Stopping {
    stopped: Option<Box<Stopped>>,
    /// Where the next poll begins, so that each branch is the first in turn.
    turn: usize,
}

/// What has become of a request that has stopped a branch.
#[derive(Debug, Default)]
struct Stopped {
    /// Until all branches have ended.
    kept: Kept,
    /// From then on.
    raise: Option<Raising>,
}

/// What the holder of the branches does next.
pub(super) enum Next {
    /// Waits; `true`: its branches go into the tree of scopes.
    Wait(bool),
    /// All have ended, none was stopped.
    Ended,
}

impl Stopping {
    /// True if a request goes on outwards: the whole is never polled again.
    #[inline]
    pub(super) fn is_raising(&self) -> bool {
        self.stopped.as_ref().is_some_and(|stopped| stopped.raise.is_some())
    }

    /// True if some branch was stopped, in this poll or before.
    #[inline]
    pub(super) fn has_stopped(&self, found: &Progress<'_>) -> bool {
        self.stopped.is_some() || found.stopped.get()
    }

    /// The first branch of the next poll, of `len`.
    #[inline]
    pub(super) fn turn(&mut self, len: usize) -> usize {
        let turn = self.turn;
        self.turn = if turn + 1 < len { turn + 1 } else { 0 };
        turn
    }

    /// All branches were polled.
    #[inline]
    pub(super) fn look(&mut self, found: &Progress<'_>) -> Next {
        if self.has_stopped(found) {
            return self.stop(found);
        }
        if found.pending.get() { Next::Wait(found.has_scopes.get()) } else { Next::Ended }
    }

    /// Some branch was stopped. The others were asked as well and are awaited, unless they cannot
    /// know of it: a request that was made by hand, in a branch, ends the whole.
    #[cold]
    fn stop(&mut self, found: &Progress<'_>) -> Next {
        let stopped = self.stopped.get_or_insert_default();
        if let Some(kept) = found.kept.take() {
            stopped.kept.absorb(*kept);
        }
        let by_hand = stopped.kept.first().is_some_and(Cancelled::is_by_hand);
        if found.pending.get() && !by_hand {
            found.stopped_by.set(stopped.kept.origin());
            return Next::Wait(true);
        }
        if let Some(request) = stopped.kept.take_first() {
            stopped.raise.insert(request.raising()).go();
        }
        Next::Wait(false)
    }

    /// One branch's value is the result of all: a request that has stopped another one is delivered
    /// again, at the next wait.
    #[inline]
    pub(super) fn give_back(&mut self, found: &Progress<'_>) {
        if self.has_stopped(found) {
            self.give_request_back(found);
        }
    }

    #[cold]
    fn give_request_back(&mut self, found: &Progress<'_>) {
        if let Some(mut stopped) = self.stopped.take() {
            stopped.kept.give_back();
        }
        if let Some(mut kept) = found.kept.take() {
            kept.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Due;

    #[test]
    fn each_branch_is_due_once_in_a_poll_and_first_in_its_turn() {
        for len in 1..200 {
            for first in 0..Due::firsts(len) {
                let due = Due::from(first, len);
                // By how many come after, as lists know their branches.
                let (now, later) = (0..len).rev().partition::<Vec<_>, _>(|&after| due.has(after));
                assert!(later.iter().all(|&after| due.others().has(after)));
                assert_eq!(now.len() + later.len(), len);
                if len <= Due::BITS {
                    assert!(now.iter().all(|&after| len - 1 - after >= first));
                    assert_eq!(now.len(), len - first, "{first} of {len}");
                }
            }
        }
    }
}
