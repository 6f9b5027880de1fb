//! What compositions accept: tasks, and futures that become tasks.
use std::future::Future;

use crate::spawn::create_task;
use crate::task::join::Task;

/// A task, or a future that can become one.
///
/// asyncio: what `ensure_future` accepts.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use corio::IntoTask;
///
/// /// Takes tasks and futures.
/// fn start<A: IntoTask>(what: A) -> corio::Task<A::Output> {
///     what.into_task()
/// }
///
/// # corio::run(async {
/// let task = start(async { 5 });
/// assert_eq!(start(task).await.unwrap(), 5);
/// # });
/// ```
pub trait IntoTask {
    /// What the task gives.
    type Output;

    /// The task itself, or a new one.
    ///
    /// # Panics
    ///
    /// For a future, outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// As [`create_task`].
    #[track_caller]
    fn into_task(self) -> Task<Self::Output>;

    /// True if [`into_task`](IntoTask::into_task) makes a new task.
    #[doc(hidden)]
    const MAKES: bool;
}

impl<T> IntoTask for Task<T> {
    type Output = T;
    const MAKES: bool = false;

    fn into_task(self) -> Self {
        self
    }
}

impl<F> IntoTask for F
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    type Output = F::Output;
    const MAKES: bool = true;

    #[track_caller]
    fn into_task(self) -> Task<F::Output> {
        create_task(self)
    }
}

/// Makes a task of a future; a task is returned as it is.
///
/// asyncio: `ensure_future`.
///
/// # Panics
///
/// For a future, outside a runtime.
///
/// # Cancel safety
///
/// Lossy: dropping the wait detaches the task, which runs on, and its value is lost. Await
/// `&mut task` to wait again, `&task` to look only.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let task = corio::ensure_future(async { 5 });
/// assert_eq!(corio::ensure_future(task).await.unwrap(), 5);
/// # });
/// ```
#[track_caller]
pub fn ensure_future<A: IntoTask>(a: A) -> Task<A::Output> {
    a.into_task()
}
