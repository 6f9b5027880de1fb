//! Raising a request again, or letting it be.
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_sync::place::{Made, WaitKind};

use crate::error::{Cancelled, FROM_TASK};
use crate::task::registry::TaskRef;
use crate::task::scope::{self, Unwind};

impl Cancelled {
    /// Goes on with the cancellation: control passes to the next scope outwards, and what lies
    /// between is dropped. Without a scope the task ends cancelled.
    ///
    /// Never returns, so it has whatever type the caller needs. A request that was made by hand
    /// with [`Cancelled::new`] cancels the task in the same way, without a call of `cancel`.
    ///
    /// asyncio: `raise`.
    ///
    /// # Panics
    ///
    /// The returned future, when it is polled outside a corio task: there is no scope to go to.
    ///
    /// # Cancel safety
    ///
    /// Strict: a request that was dropped before the scope outwards has taken it is delivered
    /// again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let task = corio::create_task(async {
    ///     let number: u32 = corio::Cancelled::new("no number").raise().await;
    ///     number
    /// });
    /// let error = task.await.unwrap_err();
    /// assert_eq!(error.cancelled().unwrap().msg(), Some("no number"));
    /// assert_eq!(error.cancelled().unwrap().requested_at().unwrap().file(), file!());
    /// # });
    /// ```
    #[track_caller]
    pub fn raise<T>(self) -> Raise<T> {
        let made = Made::here(WaitKind::Raise);
        Raise { raising: self.raising(), made, never: PhantomData }
    }

    /// [`raise`](Self::raise) as a part of another future.
    pub(crate) fn raising(mut self) -> Raising {
        // That it came from the end of another task's loop says nothing of this task.
        self.shut_down = false;
        Raising { request: Some(self), unwind: None }
    }

    /// The task goes on: takes the cancel back that this request came from, as
    /// [`TaskRef::uncancel`] does, and drops it.
    ///
    /// Call it in the task that was cancelled. A request that came from a timeout or a task group,
    /// or that was made by hand, was not counted as a cancel of the task, and is only dropped.
    ///
    /// asyncio: `asyncio.current_task().uncancel()` in an `except CancelledError`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let task = corio::task().eager(true).spawn(async {
    ///     if let Err(request) = corio::catch_cancel(std::future::pending::<()>()).await {
    ///         request.suppress();
    ///     }
    ///     corio::current_task().unwrap().cancelling()
    /// });
    /// task.cancel();
    /// assert_eq!(task.await.unwrap(), 0);
    /// # });
    /// ```
    pub fn suppress(self) {
        if self.origin() == FROM_TASK {
            if let Some(task) = scope::current() {
                TaskRef::new(task).uncancel();
            }
        }
    }
}

/// Future of [`Cancelled::raise`]; never ready.
///
/// # Cancel safety
///
/// Strict: if it is dropped before the scope outwards has taken the request, because it was one
/// branch of a `select!` that lost, the request is delivered again.
#[must_use = "raising does nothing unless it is awaited"]
pub struct Raise<T> {
    raising: Raising,
    made: Made,
    never: PhantomData<fn() -> T>,
}

impl<T> Future for Raise<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        this.made.begin();
        this.raising.go();
        Poll::Pending
    }
}

/// A request on its way outwards, which is taken back if this is dropped before it is there.
#[derive(Debug)]
pub(crate) struct Raising {
    /// Until it goes.
    request: Option<Cancelled>,
    unwind: Option<Unwind>,
}

impl Raising {
    /// Passes the request on, once; whoever calls is pending from then on.
    pub(crate) fn go(&mut self) {
        if let Some(request) = self.request.take() {
            self.unwind = Unwind::raise(request);
            assert!(
                self.unwind.is_some(),
                "Cancelled::raise was awaited outside a corio task, where no scope can take the \
                 request; return it to the caller instead"
            );
        }
    }
}

impl Drop for Raising {
    fn drop(&mut self) {
        if let Some(unwind) = self.unwind {
            unwind.withdraw();
        }
    }
}

impl<T> fmt::Debug for Raise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raise").field("request", &self.raising.request).finish_non_exhaustive()
    }
}
