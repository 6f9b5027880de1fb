//! `as_completed`.
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use corio_sync::place::{Made, WaitKind};
use futures_core::Stream;

use super::into_task::IntoTask;
use super::watched::{Told, Watched};
use crate::error::TaskError;
use crate::task::ready::ends::Nothing;
use crate::time::{Sleep, TimeoutError, sleep};

/// Runs all at once and gives their results in the order in which they come, each with its place in
/// the order of the arguments.
///
/// Observes only: a cancel of the waiting task ends the wait and cancels nothing; no result is lost.
/// Dropping it cancels those tasks that it made of futures. A [`Stream`], too.
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
#[doc(alias = "FuturesUnordered")]
#[track_caller]
pub fn as_completed<A: IntoTask>(aws: impl IntoIterator<Item = A>) -> AsCompleted<A::Output> {
    let at = Location::caller();
    let tasks = Watched::collect(aws, at, Told::InItsTurn, Nothing);
    tasks.await_ends(1);
    AsCompleted { tasks, made: A::MAKES, at }
}

/// Results as they come; made by [`as_completed`].
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let mut results = corio::as_completed((0..2).map(|_| async { 1 }));
/// assert_eq!(results.len(), 2);
/// while let Some((_, result)) = results.next().await {
///     assert_eq!(result.unwrap(), 1);
/// }
/// assert!(results.is_empty());
/// # });
/// ```
pub struct AsCompleted<T> {
    tasks: Watched<T>,
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
    #[track_caller]
    pub fn next(&mut self) -> NextCompleted<'_, T> {
        NextCompleted { all: self, made: Made::here(WaitKind::AsCompleted) }
    }

    /// How many were not given yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// True if all were given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the results for at most `limit`, all in all, from now on.
    ///
    /// When the limit has come, what has ended is still given; each of the rest is an error then.
    /// Nothing is cancelled by that.
    ///
    /// asyncio: `as_completed(aws, timeout=..)`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::time::Duration;
    ///
    /// # corio::sim::run(1, async {
    /// let tasks = [corio::create_task(async { 1 }), corio::create_task(std::future::pending())];
    /// let mut results = corio::as_completed(tasks).with_timeout(Duration::from_millis(50));
    /// assert_eq!(results.next().await.unwrap().unwrap().1.unwrap(), 1);
    /// assert!(results.next().await.unwrap().is_err());
    /// assert!(results.next().await.is_none());
    /// # });
    /// ```
    #[track_caller]
    pub fn with_timeout(self, limit: Duration) -> AsCompletedWithin<T> {
        let at = Location::caller();
        AsCompletedWithin { all: self, alarm: Some(sleep(limit).inside()), left: None, limit, at }
    }
}

impl<T> Stream for AsCompleted<T> {
    type Item = (usize, Result<T, TaskError>);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let ended = this.tasks.poll_ended(cx, this.at);
        this.tasks.await_ends(usize::from(ended.is_pending()));
        ended.map(|index| index.map(|index| (index, this.tasks.take_output(index))))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<T> Drop for AsCompleted<T> {
    fn drop(&mut self) {
        if self.made {
            for task in self.tasks.iter() {
                task.as_ref().request(None, self.at);
            }
        }
    }
}

/// Future of [`AsCompleted::next`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct NextCompleted<'a, T> {
    all: &'a mut AsCompleted<T>,
    made: Made,
}

impl<T> Future for NextCompleted<'_, T> {
    type Output = Option<(usize, Result<T, TaskError>)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.made.begin();
        let next = Pin::new(&mut *this.all).poll_next(cx);
        this.made.noted(next)
    }
}

/// Results as they come, up to a limit; made by [`AsCompleted::with_timeout`].
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use std::time::Duration;
///
/// # corio::run(async {
/// let never = corio::create_task(std::future::pending::<()>());
/// let mut results = corio::as_completed([never]).with_timeout(Duration::from_millis(1));
/// assert_eq!(results.len(), 1);
/// assert!(results.next().await.unwrap().is_err(), "its time was up");
/// assert!(results.is_empty() && results.next().await.is_none());
/// # });
/// ```
pub struct AsCompletedWithin<T> {
    all: AsCompleted<T>,
    /// Gone when the limit has come, or everything else.
    alarm: Option<Sleep>,
    /// From the limit on: how many errors are still to be given.
    left: Option<usize>,
    limit: Duration,
    at: &'static Location<'static>,
}

impl<T> AsCompletedWithin<T> {
    /// The next result, or an error for one that did not come in time; `None` when there was one or
    /// the other for each.
    ///
    /// # Panics
    ///
    /// When polled outside a corio runtime, if it has to wait.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[expect(clippy::should_implement_trait, reason = "it is a stream's `next`, and is awaited")]
    #[track_caller]
    pub fn next(&mut self) -> NextCompletedWithin<'_, T> {
        NextCompletedWithin { all: self, made: Made::here(WaitKind::AsCompleted) }
    }

    /// How many were not given yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.left.unwrap_or_else(|| self.all.len())
    }

    /// True if there was something for each.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Stream for AsCompletedWithin<T> {
    type Item = Result<(usize, Result<T, TaskError>), TimeoutError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.left.is_none() {
            let mut next = Pin::new(&mut this.all).poll_next(cx);
            if next.is_pending() {
                let Some(alarm) = &mut this.alarm else { return Poll::Pending };
                if Pin::new(alarm).poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.all.tasks.hurry();
                next = Pin::new(&mut this.all).poll_next(cx);
            }
            if let Poll::Ready(next) = next {
                if this.all.is_empty() {
                    this.alarm = None;
                }
                return Poll::Ready(next.map(Ok));
            }
            this.left = Some(this.all.len());
            this.alarm = None;
        }
        let error = TimeoutError::of(Some(this.limit), this.at);
        let left = this.left.as_mut().filter(|left| **left > 0);
        Poll::Ready(left.map(|left| {
            *left -= 1;
            Err(error)
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

/// Future of [`AsCompletedWithin::next`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Debug)]
pub struct NextCompletedWithin<'a, T> {
    all: &'a mut AsCompletedWithin<T>,
    made: Made,
}

impl<T> Future for NextCompletedWithin<'_, T> {
    type Output = Option<Result<(usize, Result<T, TaskError>), TimeoutError>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.made.begin();
        let next = Pin::new(&mut *this.all).poll_next(cx);
        this.made.noted(next)
    }
}

impl<T> fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for AsCompletedWithin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompletedWithin").field("left", &self.len()).finish_non_exhaustive()
    }
}
