//! `wait`.
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::task::join::Task;
use crate::time::{Sleep, sleep};

/// When [`wait`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnWhen {
    /// When all have ended.
    AllCompleted,
    /// When one has ended.
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
    Wait { tasks, when, timeout: timeout.map(sleep), at: Location::caller() }
}

/// Future of [`wait`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Wait<T> {
    tasks: Vec<Task<T>>,
    when: ReturnWhen,
    timeout: Option<Sleep>,
    at: &'static Location<'static>,
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
        if this.tasks.is_empty() {
            return Poll::Ready(Err(EmptySet));
        }
        let (mut done, mut failed) = (0, false);
        for task in &mut this.tasks {
            if task.poll_done(cx, this.at).is_ready() {
                done += 1;
                let panicked = |result: &Result<T, _>| result.as_ref().is_err_and(is_panic);
                failed |= task.outcome().is_some_and(panicked);
            }
        }
        let enough = match this.when {
            ReturnWhen::AllCompleted => false,
            ReturnWhen::FirstCompleted => done > 0,
            ReturnWhen::FirstException => failed,
        };
        let expired = this.timeout.as_mut().is_some_and(|it| Pin::new(it).poll(cx).is_ready());
        if !enough && !expired && done < this.tasks.len() {
            return Poll::Pending;
        }
        let tasks = std::mem::take(&mut this.tasks);
        Poll::Ready(Ok(tasks.into_iter().partition(Task::done)))
    }
}

fn is_panic(error: &crate::error::TaskError) -> bool {
    error.is_panic()
}

impl<T> fmt::Debug for Wait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("tasks", &self.tasks).field("when", &self.when).finish()
    }
}
