//! `shield`.
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use corio_sync::place::{Made, WaitKind};
use pin_project_lite::pin_project;

use crate::error::TaskError;
use crate::scheduler::worker::hops;
use crate::spawn::create_task;
use crate::task::awaited::Awaiter;
use crate::task::join::Task;
use crate::task::observe::TaskObserve;
use crate::task::ready::Ready;
use crate::task::waker::task_of;

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
    Shield { wait: inner.into_wait(), turn: Turn::Unpolled, made: Made::here(WaitKind::Shield) }
}

/// What [`shield`] accepts: a future that can become a task, a task, or a borrowed task.
pub trait Shieldable {
    /// What awaiting it gives.
    type Output;
    /// The wait.
    #[doc(hidden)]
    type Wait: Future<Output = Self::Output> + Unpin;

    #[doc(hidden)]
    #[track_caller]
    fn into_wait(self) -> Self::Wait;

    #[doc(hidden)]
    fn has_ended(wait: &Self::Wait) -> bool;

    /// Polls the wait with a waker of the shield's; `who` is its task's.
    #[doc(hidden)]
    fn poll_by(wait: &mut Self::Wait, waker: &Waker, who: &Waker) -> Poll<Self::Output>;
}

/// When the end of the inner task is seen; decided by the first poll.
enum Turn {
    Unpolled,
    /// As soon as it has come.
    AtOnce,
    /// On a single loop, when it was told: asyncio's outer future is completed by a done-callback of the
    /// inner one.
    Told(Ready),
}

pin_project! {
    /// Future of [`shield`].
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Shield<S: Shieldable> {
        #[pin]
        wait: S::Wait,
        turn: Turn,
        made: Made,
    }
}

impl<S: Shieldable> Future for Shield<S> {
    type Output = S::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<S::Output> {
        let this = self.project();
        this.made.begin();
        if let Turn::Unpolled = this.turn {
            *this.turn = Turn::of(cx, S::has_ended(&this.wait));
        }
        let Turn::Told(ready) = this.turn else { return this.wait.poll(cx) };
        ready.watch(cx.waker());
        if ready.take().is_none() && S::has_ended(&this.wait) {
            this.made.note();
            return Poll::Pending;
        }
        S::poll_by(this.wait.get_mut(), &ready.waker(0), cx.waker())
    }
}

impl Turn {
    fn of(cx: &Context<'_>, ended: bool) -> Self {
        // Who blocks the loop inside of a task is not kept waiting for its turns.
        if ended || !hops::is_in_single() || task_of(cx.waker()).is_none() {
            return Self::AtOnce;
        }
        let mut ready = Ready::telling(1, None);
        let _first = ready.add();
        ready.await_ends(1);
        Self::Told(ready)
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
    /// The task was told who awaits it.
    named: bool,
    at: &'static Location<'static>,
}

impl<T> Future for Unforwarded<T> {
    type Output = Result<T, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.task.poll_slot(cx, this.at)
    }
}

impl<T> Unforwarded<T> {
    fn poll_by(&mut self, waker: &Waker, who: &Waker) -> Poll<Result<T, TaskError>> {
        self.task.ptr().refuse_itself(who, self.at);
        Awaiter::here().awaits(self.task.ptr());
        self.named = true;
        self.task.poll_slot(&mut Context::from_waker(waker), self.at)
    }
}

impl<T> Drop for Unforwarded<T> {
    fn drop(&mut self) {
        if self.named && !self.task.done() {
            Awaiter::none().awaits(self.task.ptr());
        }
    }
}

impl<T> Shieldable for Task<T> {
    type Output = Result<T, TaskError>;
    type Wait = Unforwarded<T>;

    #[track_caller]
    fn into_wait(self) -> Unforwarded<T> {
        Unforwarded { task: self, named: false, at: Location::caller() }
    }

    fn has_ended(wait: &Unforwarded<T>) -> bool {
        wait.task.done()
    }

    fn poll_by(wait: &mut Unforwarded<T>, waker: &Waker, who: &Waker) -> Poll<Self::Output> {
        wait.poll_by(waker, who)
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

    fn poll_by(wait: &mut Self::Wait, waker: &Waker, who: &Waker) -> Poll<Self::Output> {
        wait.poll_by(waker, who)
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

    fn poll_by(wait: &mut TaskObserve<'a, T>, waker: &Waker, who: &Waker) -> Poll<Self::Output> {
        wait.poll_by(waker, who)
    }
}
