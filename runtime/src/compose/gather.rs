//! `gather`, `gather_all` and `try_gather`: as many tasks as an iterator gives.
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_sync::place::{Made, WaitKind};

use super::into_task::IntoTask;
use super::passing::Passing;
use super::watched::{Told, Watched};
use crate::error::{Cancelled, TaskError};
use crate::task::ready::ends::{Errors, Nothing, Refuse};

/// Runs all at once and gives their values in order; the first failure is the result, and the
/// others go on.
///
/// Futures become tasks; tasks are awaited as they are. To fail is to panic or to be cancelled: an
/// `Err` that a task returns is a value here.
///
/// If the waiting task is cancelled, all that have not ended are cancelled and *all* ends are
/// awaited; then the cancel goes on, even if they returned values. If one has failed before, the others
/// go on.
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
#[doc(alias = "join_all")]
#[track_caller]
pub fn gather<A: IntoTask>(aws: impl IntoIterator<Item = A>) -> GatherVec<A::Output> {
    GatherVec(Gathering::new(aws, Errors))
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
#[doc(alias("join_all", "return_exceptions"))]
#[track_caller]
pub fn gather_all<A: IntoTask>(aws: impl IntoIterator<Item = A>) -> GatherAll<A::Output> {
    GatherAll(Gathering::new(aws, Nothing))
}

/// Runs all at once and gives their values in order; the first `Err` is the result, and the others
/// go on.
///
/// Like [`gather`], except that a task which returns `Err` has failed, too.
///
/// asyncio: `gather(*aws)`, where an exception is what `Err` is here.
///
/// # Errors
///
/// The first failure, with its place in the order of the arguments.
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
/// use corio::GatherError;
///
/// # corio::run(async {
/// let halves = corio::try_gather([4, 7].map(|n| async move {
///     if n % 2 == 0 { Ok(n / 2) } else { Err("odd") }
/// }));
/// let Err(GatherError::Failed { index, error }) = halves.await else { panic!("7 is odd") };
/// assert_eq!((index, error), (1, "odd"));
/// # });
/// ```
#[doc(alias = "try_join_all")]
#[track_caller]
pub fn try_gather<T, E, A>(aws: impl IntoIterator<Item = A>) -> TryGather<T, E>
where
    A: IntoTask<Output = Result<T, E>>,
{
    TryGather(Gathering::new(aws, Errs))
}

/// Why [`try_gather`] has no values.
#[derive(Debug)]
pub enum GatherError<E> {
    /// A task has returned `Err`.
    Failed {
        /// Its place in the order of the arguments.
        index: usize,
        /// What it returned.
        error: E,
    },
    /// A task has panicked or was cancelled.
    Task {
        /// Its place in the order of the arguments.
        index: usize,
        /// How it ended.
        error: TaskError,
    },
}

impl<E> GatherError<E> {
    /// The place of the task in the order of the arguments.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let halves = corio::try_gather([4, 7].map(|n| async move {
    ///     if n % 2 == 0 { Ok(n / 2) } else { Err("odd") }
    /// }));
    /// assert_eq!(halves.await.unwrap_err().index(), 1);
    /// # });
    /// ```
    #[must_use]
    pub fn index(&self) -> usize {
        match self {
            Self::Failed { index, .. } | Self::Task { index, .. } => *index,
        }
    }
}

impl<E: fmt::Display> fmt::Display for GatherError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { index, error } => write!(f, "number {index} of a gather: {error}"),
            Self::Task { index, error } => write!(f, "number {index} of a gather: {error}"),
        }
    }
}

impl<E: Error + 'static> Error for GatherError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed { error, .. } => Some(error),
            Self::Task { error, .. } => Some(error),
        }
    }
}

/// Future of [`gather`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct GatherVec<T>(Gathering<T>);

/// Future of [`gather_all`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct GatherAll<T>(Gathering<T>);

/// Future of [`try_gather`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct TryGather<T, E>(Gathering<Result<T, E>>);

/// What is no value for [`try_gather`].
struct Errs;

impl<T, E> Refuse<Result<T, E>> for Errs {
    fn refuses(result: &Result<Result<T, E>, TaskError>) -> bool {
        !matches!(result, Ok(Ok(_)))
    }
}

/// Several tasks, awaited together.
struct Gathering<T> {
    tasks: Watched<T>,
    /// The results of those that have ended.
    results: Vec<Option<Result<T, TaskError>>>,
    /// The first that has failed, before a cancel was passed on.
    failed: Option<usize>,
    passing: Passing,
    /// True if the tasks were made for this, and are cancelled with it.
    made: bool,
    place: Made,
}

impl<T> Unpin for Gathering<T> {}

/// What a gathering came to.
enum Gathered {
    /// All have ended.
    All,
    /// This one has failed.
    Failed(usize),
}

impl<T> Gathering<T> {
    #[track_caller]
    fn new<A, R>(aws: impl IntoIterator<Item = A>, refuse: R) -> Self
    where
        A: IntoTask<Output = T>,
        R: Refuse<T>,
    {
        let place = Made::here(WaitKind::Gather);
        let tasks = Watched::collect(aws, place.at(), Told::AtOnce, refuse);
        let results = (0..tasks.len()).map(|_| None).collect();
        let passing = Passing::new();
        Self { tasks, results, failed: None, passing, made: A::MAKES, place }
    }

    /// `R` says which results end the wait.
    fn poll<R: Refuse<T>>(&mut self, cx: &mut Context<'_>) -> Poll<Gathered> {
        self.place.begin();
        if self.passing.is_addressed() && self.meets_cancel::<R>(cx) {
            return Poll::Pending;
        }
        let at = self.place.at();
        while self.failed.is_none() {
            match self.tasks.poll_ended(cx, at) {
                Poll::Ready(Some(index)) => self.ended::<R>(index),
                Poll::Ready(None) if self.passing.goes_on_outwards() => return Poll::Pending,
                Poll::Ready(None) => {
                    self.let_go();
                    return Poll::Ready(Gathered::All);
                }
                Poll::Pending => {
                    self.passing.suspend(cx);
                    self.place.note();
                    return Poll::Pending;
                }
            }
        }
        self.let_go();
        Poll::Ready(Gathered::Failed(self.failed.expect("the loop has seen it")))
    }

    /// One has ended and was told.
    // A call for each task that is gathered is 18 instructions: the result would go through memory.
    #[inline(always)]
    fn ended<R: Refuse<T>>(&mut self, index: usize) {
        let result = self.tasks.take_output(index);
        if R::ANY && R::refuses(&result) && !self.passing.has_passed_on() {
            self.failed = Some(index);
        }
        self.results[index] = Some(result);
    }

    /// A request may have reached the wait. What had ended before counts, and if one has failed the
    /// others are left alone. True if the wait must go on, whatever the tasks do.
    #[cold]
    fn meets_cancel<R: Refuse<T>>(&mut self, cx: &Context<'_>) -> bool {
        let at = self.place.at();
        while self.failed.is_none() {
            let Some(index) = self.tasks.next_ended(at) else { break };
            self.ended::<R>(index);
        }
        let (tasks, failed) = (&self.tasks, self.failed.is_some());
        let raises = self.passing.is_raising(cx, |request| {
            if failed || tasks.iter().any(|task| task.as_ref().was_asked_in_vain()) {
                return false;
            }
            cancel_all(tasks, request, at);
            // All ends are awaited, also of those that have ended and are still to be told.
            tasks.await_all();
            tasks.len() > 0
        });
        if raises && failed {
            self.made = false;
        }
        raises
    }

    fn give(&mut self, index: usize) -> Result<T, TaskError> {
        self.results[index].take().expect("each result is given once, when it is there")
    }

    fn give_all<R: FromIterator<Result<T, TaskError>>>(&mut self) -> R {
        std::mem::take(&mut self.results)
            .into_iter()
            .map(|result| result.expect("all have ended"))
            .collect()
    }

    /// The tasks are left alone from now on.
    fn let_go(&mut self) {
        self.passing.release();
        self.made = false;
    }
}

fn cancel_all<T>(tasks: &Watched<T>, request: &Cancelled, at: &'static Location<'static>) {
    let at = request.requested_at().unwrap_or(at);
    for task in tasks.iter() {
        task.as_ref().request(request.shared_msg(), at);
    }
}

impl<T> Drop for Gathering<T> {
    fn drop(&mut self) {
        if self.made {
            cancel_all(&self.tasks, &Cancelled::from_parts(None, None), self.place.at());
        }
    }
}

impl<T> Future for GatherVec<T> {
    type Output = Result<Vec<T>, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let all = &mut self.get_mut().0;
        all.poll::<Errors>(cx).map(|gathered| match gathered {
            Gathered::Failed(index) => all.give(index).map(|_| Vec::new()),
            Gathered::All => all.give_all(),
        })
    }
}

impl<T> Future for GatherAll<T> {
    type Output = Vec<Result<T, TaskError>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let all = &mut self.get_mut().0;
        all.poll::<Nothing>(cx).map(|_| all.give_all())
    }
}

impl<T, E> Future for TryGather<T, E> {
    type Output = Result<Vec<T>, GatherError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let all = &mut self.get_mut().0;
        all.poll::<Errs>(cx).map(|gathered| {
            let which = match gathered {
                Gathered::All => 0..all.results.len(),
                Gathered::Failed(index) => index..index + 1,
            };
            which
                .map(|index| match all.give(index) {
                    Ok(Ok(value)) => Ok(value),
                    Ok(Err(error)) => Err(GatherError::Failed { index, error }),
                    Err(error) => Err(GatherError::Task { index, error }),
                })
                .collect()
        })
    }
}

impl<T> fmt::Debug for GatherVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GatherVec").field(&self.0.tasks).finish()
    }
}

impl<T> fmt::Debug for GatherAll<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GatherAll").field(&self.0.tasks).finish()
    }
}

impl<T, E> fmt::Debug for TryGather<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryGather").field(&self.0.tasks).finish()
    }
}
