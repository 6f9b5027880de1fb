//! `as_completed`.
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::into_task::IntoTask;
use crate::error::TaskError;
use crate::task::join::Task;

/// Runs all at once and gives their results as they come, each with its place in the order of the
/// arguments.
///
/// Observes only: a cancel of the waiting task ends the wait and cancels nothing; no result is lost.
/// Dropping it cancels those tasks that it made of futures. Each wait looks at every task that has
/// not been given: meant for some, not for tens of thousands.
///
/// asyncio: `as_completed(aws)`, with indices in place of the original tasks.
///
/// # Panics
///
/// With futures, outside a runtime.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let mut results = corio::as_completed((0..3).map(|n| async move { n * 10 }));
/// while let Some((index, result)) = results.next().await {
///     assert_eq!(result.unwrap(), index * 10);
/// }
/// # });
/// ```
#[track_caller]
pub fn as_completed<A: IntoTask>(aws: impl IntoIterator<Item = A>) -> AsCompleted<A::Output> {
    let at = Location::caller();
    let tasks = aws.into_iter().map(A::into_task).enumerate().collect();
    AsCompleted { tasks, made: A::MAKES, at }
}

/// Results as they come; made by [`as_completed`].
pub struct AsCompleted<T> {
    tasks: Vec<(usize, Task<T>)>,
    made: bool,
    at: &'static Location<'static>,
}

impl<T> AsCompleted<T> {
    /// The next result; `None` when all were given.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[expect(clippy::should_implement_trait, reason = "it is a stream's `next`, and is awaited")]
    pub fn next(&mut self) -> NextCompleted<'_, T> {
        NextCompleted(self)
    }

    /// How many were not given yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// True if all were given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl<T> Drop for AsCompleted<T> {
    fn drop(&mut self) {
        if self.made {
            for (_, task) in &self.tasks {
                task.as_ref().request(None, self.at);
            }
        }
    }
}

/// Future of [`AsCompleted::next`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct NextCompleted<'a, T>(&'a mut AsCompleted<T>);

impl<T> Future for NextCompleted<'_, T> {
    type Output = Option<(usize, Result<T, TaskError>)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let AsCompleted { tasks, at, .. } = &mut *self.get_mut().0;
        if tasks.is_empty() {
            return Poll::Ready(None);
        }
        for i in 0..tasks.len() {
            if let Poll::Ready(result) = tasks[i].1.poll_slot(cx, at) {
                let (index, _) = tasks.remove(i);
                return Poll::Ready(Some((index, result)));
            }
        }
        Poll::Pending
    }
}

impl<T> fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.tasks.len()).finish_non_exhaustive()
    }
}
