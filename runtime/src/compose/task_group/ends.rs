//! What a group's tasks may return, and how a group, or a spawn on it, fails.

use std::error::Error;
use std::{fmt, io};

/// What a task of a group may return: nothing, or a `Result` whose error fails the group.
pub trait GroupOutput<E> {
    /// What the task's handle gives.
    type Value;

    #[doc(hidden)]
    fn split(self) -> Result<Self::Value, E>;
}

impl<E> GroupOutput<E> for () {
    type Value = ();

    fn split(self) -> Result<(), E> {
        Ok(())
    }
}

impl<T, E> GroupOutput<E> for Result<T, E> {
    type Value = T;

    fn split(self) -> Self {
        self
    }
}

/// A task was refused because its group is ending; holds the future.
///
/// `?` makes an [`io::Error`] of it, and a `Box<dyn Error + Send + Sync>` if the future is `Sync`; if
/// not, `map_err(GroupClosed::without_future)?` does.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use std::io;
///
/// # corio::run(async {
/// let stopped = corio::task_group(async |group: corio::TaskGroup<io::Error>| {
///     let _one = group.create_task(async { Ok::<_, io::Error>(1) })?;
///     group.cancel();
///     let _late = group.create_task(async { println!("too late") })?;
///     Ok(())
/// })
/// .await;
/// assert!(stopped.unwrap_err().to_string().contains("takes no more tasks"));
/// # });
/// ```
pub struct GroupClosed<F>(pub F);

impl<F> GroupClosed<F> {
    /// The error alone: an error type that wants `Send` and `Sync` takes it, whatever the future was.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::error::Error;
    ///
    /// type Anything = Box<dyn Error + Send + Sync>;
    ///
    /// # corio::run(async {
    /// let group = corio::task_group(async |group: corio::TaskGroup<Anything>| {
    ///     let not_sync = std::cell::Cell::new(1);
    ///     let task = group.create_task(async move { not_sync.set(2) });
    ///     task.map_err(corio::GroupClosed::without_future)?;
    ///     Ok(())
    /// });
    /// group.await.unwrap();
    /// # });
    /// ```
    #[must_use]
    pub fn without_future(self) -> GroupClosed<()> {
        GroupClosed(())
    }
}

impl<F> From<GroupClosed<F>> for io::Error {
    fn from(closed: GroupClosed<F>) -> Self {
        Self::other(closed.without_future())
    }
}

impl<F> fmt::Debug for GroupClosed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupClosed(..)")
    }
}

impl<F> fmt::Display for GroupClosed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task group is ending and takes no more tasks")
    }
}

impl<F> Error for GroupClosed<F> {}

/// How a task group failed. asyncio: `ExceptionGroup`.
#[doc(alias = "ExceptionGroup")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupError<E> {
    /// The errors of tasks in the order in which they came, then the body's own.
    Errors(Vec<E>),
    /// [`TaskGroup::cancel`](super::TaskGroup::cancel) stopped the body before it had a value.
    Stopped,
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the task group was cancelled"),
            Self::Errors(errors) => {
                write!(f, "{} errors in a task group", errors.len())?;
                errors.iter().try_for_each(|error| write!(f, "; {error}"))
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for GroupError<E> {}
