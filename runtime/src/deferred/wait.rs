//! Waiting for a deferred: by value, which cancels it when the wait is dropped, and by reference,
//! which only looks.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll};

use corio_sync::place::{Made, WaitKind};

use super::{Deferred, DeferredError, lend};
use crate::task::observers::WaitPlace;
use crate::task::raw::TaskPtr;
use crate::task::waker::task_of;

/// Where a future waits; empty until it does.
struct Waits {
    /// Lives as long as its deferred, which whoever holds this holds too.
    place: Option<NonNull<WaitPlace>>,
    made: Made,
}

// SAFETY: the place is shared by atomics only.
unsafe impl Send for Waits {}
// SAFETY: as above.
unsafe impl Sync for Waits {}

impl Waits {
    #[track_caller]
    fn new() -> Self {
        Self { place: None, made: Made::here(WaitKind::Deferred) }
    }

    fn poll<T>(&mut self, deferred: &Deferred<T>, cx: &Context<'_>) -> Poll<()> {
        self.made.begin();
        let inner = &deferred.0;
        if inner.core.done() {
            return Poll::Ready(());
        }
        let place = *self.place.get_or_insert_with(|| NonNull::from(inner.observers.add_wait()));
        // SAFETY: the place lives as long as the deferred.
        let place = unsafe { place.as_ref() };
        place.set_who(task_of(cx.waker()).map_or(ptr::null(), TaskPtr::as_raw));
        place.register(cx.waker());
        if inner.end.observe() {
            return Poll::Ready(());
        }
        self.made.note();
        Poll::Pending
    }

    /// The wait is over; the caller still holds the deferred.
    fn leave<T>(&mut self, deferred: &Deferred<T>) -> bool {
        let Some(place) = self.place.take() else { return false };
        // SAFETY: as in `poll`.
        deferred.0.observers.vacate(unsafe { place.as_ref() });
        true
    }
}

impl<T: Clone> IntoFuture for Deferred<T> {
    type Output = Result<T, DeferredError>;
    type IntoFuture = DeferredWait<T>;

    #[track_caller]
    fn into_future(self) -> DeferredWait<T> {
        DeferredWait { deferred: self, waits: Waits::new() }
    }
}

/// The wait for a deferred; made by awaiting a [`Deferred`] by value.
///
/// # Cancel safety
///
/// Lossy: dropped after it has begun to wait, it cancels the deferred. Await `&deferred` to leave it
/// alone.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct DeferredWait<T> {
    deferred: Deferred<T>,
    waits: Waits,
}

impl<T: Clone> Future for DeferredWait<T> {
    type Output = Result<T, DeferredError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        std::task::ready!(this.waits.poll(&this.deferred, cx));
        this.waits.leave(&this.deferred);
        Poll::Ready(this.deferred.result().cloned())
    }
}

impl<T> Drop for DeferredWait<T> {
    fn drop(&mut self) {
        if self.waits.leave(&self.deferred) {
            self.deferred.cancel_at(None, self.waits.made.at());
        }
    }
}

impl<T> fmt::Debug for DeferredWait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeferredWait").field(&self.deferred).finish()
    }
}

impl<'a, T> IntoFuture for &'a Deferred<T> {
    type Output = Result<&'a T, DeferredError>;
    type IntoFuture = DeferredObserve<'a, T>;

    #[track_caller]
    fn into_future(self) -> DeferredObserve<'a, T> {
        DeferredObserve { deferred: self, waits: Waits::new() }
    }
}

/// The wait for a deferred through a shared reference; made by awaiting `&deferred`.
///
/// # Cancel safety
///
/// Strict: nothing happens to the deferred.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct DeferredObserve<'a, T> {
    deferred: &'a Deferred<T>,
    waits: Waits,
}

impl<'a, T> Future for DeferredObserve<'a, T> {
    type Output = Result<&'a T, DeferredError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        std::task::ready!(this.waits.poll(this.deferred, cx));
        this.waits.leave(this.deferred);
        let outcome = this.deferred.0.core.get().expect("the end comes after the outcome");
        Poll::Ready(lend(outcome))
    }
}

impl<T> Drop for DeferredObserve<'_, T> {
    fn drop(&mut self) {
        self.waits.leave(self.deferred);
    }
}

impl<T> fmt::Debug for DeferredObserve<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeferredObserve").field(self.deferred).finish()
    }
}
