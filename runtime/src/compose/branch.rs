//! One branch of a `join!` or a `select!`: a future with a scope of its own.
//!
//! Branches run in one task, so a cancel of the task has to reach each of them. Where a branch has a
//! cancellation scope inside, the request goes there; one without is stopped as a whole, by its own
//! scope. So none runs on because another one still cleans up.
//!
//! The scopes of branches cost nothing until one of them has a scope inside: without any, the whole
//! is dropped as one future.
use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use corio_sync::debug;
use pin_project_lite::pin_project;

use crate::cancel::Raising;
use crate::error::Cancelled;
use crate::task::scope::{self, Kind, Polled, Scope};

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
            // One that has lost before its first poll was not forgotten.
            debug::silently(|| this.project().future.set(None));
        }
    }
}

impl<F: Future> Branch<F> {
    /// `None` is a branch that has ended before it began.
    pub(super) fn new(future: Option<F>) -> Self {
        Self { future, scope: Scope::new() }
    }

    /// Polls the future, if it has not ended. Its value, if it is ready.
    #[inline]
    pub(super) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        all: &mut Progress,
    ) -> Option<F::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut()?;
        let (value, request) = match this.scope.take() {
            Some(request) => (None, Some(request)),
            None => match this.scope.poll(Kind::Catch, cx, |cx| future.poll(cx)) {
                Polled::Ready(value) => (Some(value), None),
                Polled::Unwound(request) => (None, Some(request)),
                Polled::Pending => {
                    all.pending = true;
                    all.has_scopes |= this.scope.is_known();
                    return None;
                }
            },
        };
        this.future.set(None);
        this.scope.release();
        if let Some(request) = request {
            all.stopped(request);
        }
        value
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
    pub(super) fn suspend(self: Pin<&mut Self>, cx: &Context<'_>) {
        let this = self.project();
        if this.future.is_some() {
            this.scope.suspend(Kind::Catch, cx);
        }
    }
}

/// What a poll of all branches has found.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct Progress {
    /// Some branch waits.
    pub(super) pending: bool,
    /// Some branch that waits has a scope inside.
    has_scopes: bool,
    /// What has stopped a branch.
    request: Option<Cancelled>,
}

impl Progress {
    /// The branches are polled once more; what has stopped one is kept.
    pub(super) fn begin_again(&mut self) {
        *self = Self { request: self.request.take(), ..Self::default() };
    }

    #[cold]
    fn stopped(&mut self, request: Cancelled) {
        self.request.get_or_insert(request);
    }
}

/// Branches, and the request that has stopped some of them.
#[derive(Debug, Default)]
pub(super) struct Stopping {
    request: Option<Cancelled>,
    raise: Option<Box<Raising>>,
    /// Where the next poll begins, so that each branch is the first in turn.
    turn: usize,
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
        self.raise.is_some()
    }

    /// True if some branch was stopped, in this poll or before.
    pub(super) fn has_stopped(&self, found: &Progress) -> bool {
        self.request.is_some() || found.request.is_some()
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
    pub(super) fn look(&mut self, found: Progress) -> Next {
        if found.request.is_some() || self.request.is_some() {
            return self.stop(found);
        }
        if found.pending { Next::Wait(found.has_scopes) } else { Next::Ended }
    }

    /// Some branch was stopped. The others were asked as well and are awaited, unless they cannot
    /// know of it: a request that was made by hand, in a branch, ends the whole.
    #[cold]
    fn stop(&mut self, found: Progress) -> Next {
        if let Some(request) = found.request {
            self.request.get_or_insert(request);
        }
        let by_hand = self.request.as_ref().is_some_and(Cancelled::is_by_hand);
        if found.pending && !by_hand {
            return Next::Wait(true);
        }
        if let Some(request) = self.request.take() {
            self.raise.insert(Box::new(request.raising())).go();
        }
        Next::Wait(false)
    }

    /// One branch's value is the result of all: a request that has stopped another one is delivered
    /// again, at the next wait.
    pub(super) fn give_back(&mut self, found: Progress) {
        if let Some(request) = self.request.take().or(found.request) {
            scope::return_request(request);
        }
    }
}
