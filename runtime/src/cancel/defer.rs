//! `defer_cancel`.
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use corio_sync::place::{Made, WaitKind};
use pin_project_lite::pin_project;

use crate::task::scope::{Kind, Scope};

/// Awaits `future` to its end; a cancel that comes meanwhile is delivered at the next wait after it.
///
/// For parts that must not be interrupted: committing a transaction, taking a lock again. Scopes
/// inside of `future` get nothing either; limits and task groups there work as ever. A scope around it waits with its own end until `future`
/// has ended. A request that is *raised* inside still goes outwards, and [`abort`] and the end of
/// the runtime drop everything.
///
/// asyncio: `Condition.wait` does the like by hand; there is no general form.
///
/// [`abort`]: crate::Task::abort
///
/// # Cancel safety
///
/// That of `future`: dropping it is not cancelling.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let task = corio::create_task(async {
///     corio::catch_cancel(async {
///         corio::defer_cancel(corio::time::yield_now()).await;
///         println!("committed");
///         std::future::pending::<()>().await;
///     })
///     .await
///     .is_err()
/// });
/// corio::time::yield_now().await;
/// task.cancel();
/// assert!(task.await.unwrap());
/// # });
/// ```
#[track_caller]
pub fn defer_cancel<F: IntoFuture>(future: F) -> DeferCancel<F::IntoFuture> {
    DeferCancel::new(future.into_future())
}

pin_project! {
    /// Future of [`defer_cancel`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct DeferCancel<F> {
        #[pin]
        future: F,
        scope: Scope,
        // Wakes the task that waits here, if this future is carried off: nothing is held back there
        // any more.
        waker: Option<Waker>,
        made: Made,
    }

    impl<F> PinnedDrop for DeferCancel<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.scope.leave_elsewhere() {
                if let Some(waker) = this.waker.take() {
                    waker.wake();
                }
            }
        }
    }
}

impl<F> DeferCancel<F> {
    #[track_caller]
    fn new(future: F) -> Self {
        let made = Made::here(WaitKind::DeferCancel);
        Self { future, scope: Scope::new(), waker: None, made }
    }

    /// A part of another future, which tells if nobody has awaited it.
    pub(super) fn inside(future: F) -> Self {
        let mut it = Self::new(future);
        it.made.begin();
        it
    }
}

impl<F: Future> Future for DeferCancel<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.made.begin();
        if this.scope.leave_elsewhere() {
            if let Some(waker) = this.waker.take() {
                waker.wake();
            }
        }
        let polled = this.scope.poll_through(Kind::Mask, None, cx, |cx| this.future.poll(cx));
        if let Poll::Ready(value) = polled {
            this.scope.release();
            return Poll::Ready(value);
        }
        this.scope.suspend(Kind::Mask, cx);
        if !this.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *this.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
