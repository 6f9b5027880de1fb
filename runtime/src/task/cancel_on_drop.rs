//! The handle whose drop cancels its task.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::join::Task;
use crate::error::TaskError;

/// A handle that cancels its task when it is dropped; made by [`Task::cancel_on_drop`].
///
/// # Panics
///
/// If it is awaited again after it gave its result.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let watched = corio::create_task(std::future::pending::<()>());
/// let watcher = watched.task_ref();
/// drop(watched.cancel_on_drop());
/// assert!(watcher.cancelling() == 1 || watcher.cancelled());
///
/// let kept = corio::create_task(async { 5 }).cancel_on_drop();
/// assert_eq!(kept.into_inner().await.unwrap(), 5);
/// # });
/// ```
#[doc(alias = "AbortOnDropHandle")]
#[must_use = "dropping it cancels the task"]
#[derive(Debug)]
pub struct CancelOnDrop<T>(pub(super) Option<Task<T>>);

impl<T> CancelOnDrop<T> {
    /// Gives the plain handle back.
    ///
    /// # Panics
    ///
    /// After the result was taken.
    ///
    /// # Cancel safety
    ///
    /// As [`create_task`](crate::create_task).
    pub fn into_inner(mut self) -> Task<T> {
        self.0.take().expect("the handle is there until the result is taken")
    }
}

impl<T> Future for CancelOnDrop<T> {
    type Output = Result<T, TaskError>;

    // As with `&mut Task`.
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let slot = &mut self.get_mut().0;
        let task = slot.as_mut().expect("CancelOnDrop was polled after it gave its result");
        let result = ready!(task.poll_join(cx, Location::caller()));
        *slot = None;
        Poll::Ready(result)
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.cancel();
        }
    }
}
