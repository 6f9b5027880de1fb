//! `gather`, `gather_all`, and what `gather!` is made of.
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::into_task::IntoTask;
use crate::error::{Cancelled, TaskError};
use crate::task::join::Task;
use crate::task::scope::Waits;

/// Runs all at once and gives their values in order; the first failure is the result, and the
/// others go on.
///
/// Futures become tasks; tasks are awaited as they are. To fail is to panic or to be cancelled: an
/// `Err` that a task returns is a value here.
///
/// If the waiting task is cancelled, all that have not ended are cancelled and *all* ends are
/// awaited; then the cancel goes on, even if they returned values.
///
/// asyncio: `gather(*aws)`. There a cancelled `gather` returns with the first child that ends.
///
/// # Errors
///
/// The first [`TaskError`].
///
/// # Panics
///
/// With futures, outside a runtime.
///
/// # Cancel safety
///
/// Lossy: dropping it cancels the tasks that it made, and detaches the others.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let squares = corio::gather((1..=3).map(|n| async move { n * n })).await.unwrap();
/// assert_eq!(squares, [1, 4, 9]);
/// # });
/// ```
#[track_caller]
pub fn gather<A: IntoTask>(aws: impl IntoIterator<Item = A>) -> GatherVec<A::Output> {
    GatherVec(Gathering::new(aws))
}

/// Runs all at once and gives all results in order, failures included.
///
/// Otherwise like [`gather`]. asyncio: `gather(*aws, return_exceptions=True)`.
///
/// # Panics
///
/// With futures, outside a runtime.
///
/// # Cancel safety
///
/// Lossy: dropping it cancels the tasks that it made, and detaches the others.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let cancelled = corio::create_task(std::future::pending());
/// cancelled.cancel();
/// let results = corio::gather_all([cancelled, corio::create_task(async { 2 })]).await;
/// assert!(results[0].as_ref().unwrap_err().is_cancelled());
/// assert_eq!(results[1].as_ref().unwrap(), &2);
/// # });
/// ```
#[track_caller]
pub fn gather_all<A: IntoTask>(aws: impl IntoIterator<Item = A>) -> GatherAll<A::Output> {
    GatherAll(Gathering::new(aws))
}

/// Future of [`gather`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct GatherVec<T>(Gathering<T>);

/// Future of [`gather_all`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct GatherAll<T>(Gathering<T>);

/// Several tasks, awaited together.
struct Gathering<T> {
    parts: Vec<Part<T>>,
    waits: Waits,
    /// True if the tasks were made for this.
    made: bool,
    at: &'static Location<'static>,
}

enum Part<T> {
    Runs(Task<T>),
    Ended(Result<T, TaskError>),
    Given,
}

impl<T> Unpin for Gathering<T> {}

/// What a gathering came to.
enum Gathered {
    Waits,
    /// All have ended.
    All,
    /// This one has failed.
    Failed(usize),
}

impl<T> Gathering<T> {
    #[track_caller]
    fn new<A: IntoTask<Output = T>>(aws: impl IntoIterator<Item = A>) -> Self {
        let at = Location::caller();
        let parts = aws.into_iter().map(|it| Part::Runs(it.into_task())).collect();
        Self { parts, waits: Waits::new(), made: A::MAKES, at }
    }

    fn poll(&mut self, cx: &mut Context<'_>, stops_at_failure: bool) -> Gathered {
        if self.waits.is_addressed() && self.pass_cancel_on(cx) {
            return Gathered::Waits;
        }
        let (mut all, mut failed) = (true, None);
        for (i, part) in self.parts.iter_mut().enumerate() {
            if let Part::Runs(task) = part {
                match task.poll_slot(cx, self.at) {
                    Poll::Pending => all = false,
                    Poll::Ready(result) => {
                        failed = failed.or(result.is_err().then_some(i));
                        *part = Part::Ended(result);
                    }
                }
            }
        }
        match self.waits.kept() {
            // It has ended for the waiting task, too.
            Some(request) if all => self.waits.raise(request),
            None if all => return Gathered::All,
            None if stops_at_failure && failed.is_some() => {
                return failed.map_or(Gathered::Waits, Gathered::Failed);
            }
            _ => self.waits.suspend(cx),
        }
        Gathered::Waits
    }

    /// True if it must go on waiting, whatever the tasks do.
    #[cold]
    fn pass_cancel_on(&mut self, cx: &Context<'_>) -> bool {
        if self.waits.is_raising() {
            return true;
        }
        let Some(request) = self.waits.take(cx) else { return false };
        if self.cancel_all(&request) {
            self.waits.keep(request);
            return false;
        }
        self.waits.raise(request);
        true
    }

    /// True if one of them had not ended.
    fn cancel_all(&self, request: &Cancelled) -> bool {
        let at = request.requested_at().unwrap_or(self.at);
        let mut any = false;
        for part in &self.parts {
            if let Part::Runs(task) = part {
                any |= task.as_ref().request(request.shared_msg(), at);
            }
        }
        any
    }

    fn give(&mut self, i: usize) -> Result<T, TaskError> {
        match std::mem::replace(&mut self.parts[i], Part::Given) {
            Part::Ended(result) => result,
            Part::Runs(_) | Part::Given => unreachable!("each part is given once, when it ended"),
        }
    }

    /// The tasks are left alone from now on.
    fn let_go(&mut self) {
        self.waits.release();
        self.made = false;
    }
}

impl<T> Drop for Gathering<T> {
    fn drop(&mut self) {
        if self.made {
            self.cancel_all(&Cancelled::from_parts(None, Some(self.at)));
        }
    }
}

impl<T> Future for GatherVec<T> {
    type Output = Result<Vec<T>, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let all = &mut self.get_mut().0;
        match all.poll(cx, true) {
            Gathered::Waits => Poll::Pending,
            Gathered::Failed(i) => {
                all.let_go();
                Poll::Ready(all.give(i).map(|_| Vec::new()))
            }
            Gathered::All => {
                all.let_go();
                Poll::Ready((0..all.parts.len()).map(|i| all.give(i)).collect())
            }
        }
    }
}

impl<T> Future for GatherAll<T> {
    type Output = Vec<Result<T, TaskError>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let all = &mut self.get_mut().0;
        match all.poll(cx, false) {
            Gathered::Waits | Gathered::Failed(_) => Poll::Pending,
            Gathered::All => {
                all.let_go();
                Poll::Ready((0..all.parts.len()).map(|i| all.give(i)).collect())
            }
        }
    }
}

impl<T> fmt::Debug for GatherVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatherVec").field("of", &self.0.parts.len()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for GatherAll<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatherAll").field("of", &self.0.parts.len()).finish_non_exhaustive()
    }
}
