//! The two futures of a deferred's core.

use super::{At, DeferredCore, Outcome};
use crate::place::{WaitKind, noted};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The future of [`DeferredCore::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct DeferredWait<'a, T, E, C> {
    pub(super) core: &'a DeferredCore<T, E, C>,
    pub(super) at: At,
    pub(super) caller: &'static Location<'static>,
}

future_debug!([<T, E, C>] DeferredWait<'_, T, E, C>, "DeferredWait");

impl<'a, T, E, C> Future for DeferredWait<'a, T, E, C> {
    type Output = &'a Outcome<T, E, C>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        noted(this.core.poll_wait(&mut this.at, cx), WaitKind::Deferred, this.caller)
    }
}

impl<T, E, C> Drop for DeferredWait<'_, T, E, C> {
    #[inline]
    fn drop(&mut self) {
        self.core.leave(&mut self.at);
    }
}

/// The future of [`DeferredCore::wait_owned`].
#[must_use = "futures do nothing unless awaited"]
pub struct DeferredOwnedWait<T, E, C> {
    /// Gone once it has been given back.
    pub(super) core: Option<Arc<DeferredCore<T, E, C>>>,
    pub(super) at: At,
    pub(super) caller: &'static Location<'static>,
}

future_debug!([<T, E, C>] DeferredOwnedWait<T, E, C>, "DeferredOwnedWait");

impl<T, E, C> Future for DeferredOwnedWait<T, E, C> {
    type Output = Arc<DeferredCore<T, E, C>>;

    /// # Panics
    ///
    /// If it has completed.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let core = this.core.as_ref().expect("a waiting future was polled after it had completed");
        let waited = core.poll_wait(&mut this.at, cx).map(drop);
        ready!(noted(waited, WaitKind::Deferred, this.caller));
        core.leave(&mut this.at);
        Poll::Ready(this.core.take().expect("looked at above"))
    }
}

impl<T, E, C> Drop for DeferredOwnedWait<T, E, C> {
    #[inline]
    fn drop(&mut self) {
        if let Some(core) = &self.core {
            core.leave(&mut self.at);
        }
    }
}
