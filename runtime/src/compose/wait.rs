//! `wait`.
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use corio_sync::place::{Made, WaitKind};

use super::watched::{Told, Watched};
use crate::error::TaskError;
use crate::task::join::Task;
use crate::task::ready::ends::{Nothing, Panics};
use crate::time::{Sleep, sleep};

/// When [`wait`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnWhen {
    /// When all have ended.
    AllCompleted,
    /// When one has ended.
    #[doc(alias = "FIRST_COMPLETED")]
    FirstCompleted,
    /// When one has panicked, or all have ended. A cancelled task is none.
    FirstException,
}

/// Waits until tasks have ended and gives them back: those that have, and those that have not.
///
/// Observes only: it cancels nothing, neither at the end of `timeout` nor when the waiting task is
/// cancelled, and gives no errors of the tasks; await those that are done.
///
/// asyncio: `wait(fs, timeout, return_when)`.
///
/// # Errors
///
/// [`EmptySet`] if there are no tasks: there would be nothing to wait for.
///
/// # Panics
///
/// With a timeout, when polled outside a corio runtime.
///
/// # Cancel safety
///
/// Lossy: dropping it detaches the tasks.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use corio::ReturnWhen;
///
/// # corio::run(async {
/// let tasks = vec![corio::create_task(async { 1 }), corio::create_task(std::future::pending())];
/// let (done, pending) = corio::wait(tasks, ReturnWhen::FirstCompleted, None).await.unwrap();
/// assert_eq!((done.len(), pending.len()), (1, 1));
/// # });
/// ```
#[track_caller]
pub fn wait<T>(tasks: Vec<Task<T>>, when: ReturnWhen, timeout: Option<Duration>) -> Wait<T> {
    let made = Made::here(WaitKind::WaitTasks);
    let told = Told::InItsTurn;
    let tasks = match when {
        ReturnWhen::FirstException => Watched::collect(tasks, made.at(), told, Panics),
        _ => Watched::collect(tasks, made.at(), told, Nothing),
    };
    if when == ReturnWhen::FirstCompleted {
        tasks.await_ends(1);
    }
    let left = tasks.len();
    Wait { tasks, left, when, timeout: timeout.map(|limit| sleep(limit).inside()), made }
}

/// Future of [`wait`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Wait<T> {
    tasks: Watched<T>,
    /// How many were not seen to have ended; none any more if that is enough.
    left: usize,
    when: ReturnWhen,
    timeout: Option<Sleep>,
    made: Made,
}

/// There is nothing to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmptySet;

impl fmt::Display for EmptySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wait() was given no tasks")
    }
}

impl Error for EmptySet {}

impl<T> Future for Wait<T> {
    type Output = Result<(Vec<Task<T>>, Vec<Task<T>>), EmptySet>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.made.begin();
        if this.tasks.len() == 0 {
            return Poll::Ready(Err(EmptySet));
        }
        let mut enough = false;
        while let Poll::Ready(Some(index)) = this.tasks.poll_ended(cx, this.made.at()) {
            this.left = this.left.saturating_sub(1);
            enough |= match this.when {
                ReturnWhen::AllCompleted => false,
                ReturnWhen::FirstCompleted => true,
                ReturnWhen::FirstException => this.tasks.get(index).is_some_and(has_panicked),
            };
        }
        let expired = this.timeout.as_mut().is_some_and(|it| Pin::new(it).poll(cx).is_ready());
        if !enough && !expired && this.left > 0 {
            this.made.note();
            return Poll::Pending;
        }
        if !this.tasks.may_give() {
            this.left = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(this.tasks.drain().partition(Task::done)))
    }
}

fn has_panicked<T>(task: &Task<T>) -> bool {
    task.outcome().is_some_and(|outcome| outcome.as_ref().is_err_and(TaskError::is_panic))
}
impl<T> fmt::Debug for Wait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("tasks", &self.tasks).field("when", &self.when).finish()
    }
}
