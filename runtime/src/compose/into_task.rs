//! What compositions accept: tasks, and futures that become tasks.
use std::future::Future;

use crate::spawn::{create_awaited_task, create_task};
use crate::task::awaited::Awaiter;
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

    /// The same, for a composition; a new task is born with the address of the one that awaits it.
    #[doc(hidden)]
    #[track_caller]
    fn into_child(self, awaiter: usize) -> Child<Self::Output>;
}

/// A task of a composition.
#[doc(hidden)]
#[derive(Debug)]
pub struct Child<T> {
    pub(super) task: Task<T>,
    /// It was born with the one that awaits it.
    pub(super) born: bool,
}

impl<T> IntoTask for Task<T> {
    type Output = T;
    const MAKES: bool = false;

    fn into_task(self) -> Self {
        self
    }

    fn into_child(self, _awaiter: usize) -> Child<T> {
        Child { task: self, born: false }
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

    #[track_caller]
    fn into_child(self, awaiter: usize) -> Child<F::Output> {
        Child { task: create_awaited_task(self, Awaiter::of_addr(awaiter)), born: true }
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
