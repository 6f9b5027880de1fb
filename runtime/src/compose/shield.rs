//! `shield`.
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_sync::place::{Made, WaitKind};
use pin_project_lite::pin_project;

use crate::error::TaskError;
use crate::scheduler::worker::hops;
use crate::spawn::create_task;
use crate::task::inside;
use crate::task::join::Task;
use crate::task::observe::TaskObserve;

/// Awaits a task that goes on if its waiter is cancelled.
///
/// A future becomes a task, here and now; a [`Task`] is awaited as it is. A cancel of the waiting
/// task ends the wait at once and leaves the inner task alone: it runs on, detached if the shield
/// was its only handle. Shield `&task` to keep the handle.
///
/// A cancel of the inner task by somebody else is `Err`, as without a shield.
///
/// asyncio: `shield(aw)`.
///
/// # Panics
///
/// With a future, outside a runtime.
///
/// # Cancel safety
///
/// Lossy for the result if the shield owns the task; strict with `&task`.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let written = corio::create_task(async { "written" });
/// let waiter = async { corio::shield(&written).await.map(|said| *said).ok() };
/// assert_eq!(waiter.await, Some("written"));
/// # });
/// ```
#[track_caller]
pub fn shield<S: Shieldable>(inner: S) -> Shield<S> {
    Shield { wait: inner.into_wait(), waited: false, made: Made::here(WaitKind::Shield) }
}

/// What [`shield`] accepts: a future that can become a task, a task, or a borrowed task.
pub trait Shieldable {
    /// What awaiting it gives.
    type Output;
    /// The wait.
    #[doc(hidden)]
    type Wait: Future<Output = Self::Output>;

    #[doc(hidden)]
    #[track_caller]
    fn into_wait(self) -> Self::Wait;

    #[doc(hidden)]
    fn has_ended(wait: &Self::Wait) -> bool;
}

pin_project! {
    /// Future of [`shield`].
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Shield<S: Shieldable> {
        #[pin]
        wait: S::Wait,
        // The end has not been seen yet.
        waited: bool,
        made: Made,
    }
}

impl<S: Shieldable> Future for Shield<S> {
    type Output = S::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<S::Output> {
        let this = self.project();
        this.made.begin();
        // On a single loop the end is told a turn later: asyncio's outer future is completed by a
        // done-callback of the inner one.
        if *this.waited && hops::is_in_single() && S::has_ended(&this.wait) {
            *this.waited = false;
            inside::poll_again(cx);
            return Poll::Pending;
        }
        let polled = this.wait.poll(cx);
        *this.waited = polled.is_pending();
        polled
    }
}

impl<S: Shieldable> fmt::Debug for Shield<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").finish_non_exhaustive()
    }
}

/// Waits for a task and passes no cancel on.
#[derive(Debug)]
#[doc(hidden)]
pub struct Unforwarded<T> {
    task: Task<T>,
    at: &'static Location<'static>,
}

impl<T> Future for Unforwarded<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.task.poll_slot(cx, this.at)
    }
}

impl<T> Shieldable for Task<T> {
    type Output = Result<T, TaskError>;
    type Wait = Unforwarded<T>;

    #[track_caller]
    fn into_wait(self) -> Unforwarded<T> {
        Unforwarded { task: self, at: Location::caller() }
    }

    fn has_ended(wait: &Unforwarded<T>) -> bool {
        wait.task.done()
    }
}

impl<F> Shieldable for F
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    type Output = Result<F::Output, TaskError>;
    type Wait = Unforwarded<F::Output>;

    #[track_caller]
    fn into_wait(self) -> Self::Wait {
        create_task(self).into_wait()
    }

    fn has_ended(wait: &Self::Wait) -> bool {
        wait.task.done()
    }
}

impl<'a, T> Shieldable for &'a Task<T> {
    type Output = Result<&'a T, &'a TaskError>;
    type Wait = TaskObserve<'a, T>;

    #[track_caller]
    fn into_wait(self) -> TaskObserve<'a, T> {
        self.into_future()
    }

    fn has_ended(wait: &TaskObserve<'a, T>) -> bool {
        wait.has_ended()
    }
}
