//! The body of a task as a thing of its own, which it hardly is in Rust.

use std::error::Error;
use std::fmt;

use crate::context;
use crate::error::Cancelled;
use crate::task::join::Task;
use crate::task::registry::TaskRef;

/// How far a coroutine has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoroState<T> {
    /// It waits for something.
    Yielded,
    /// It has returned this.
    Complete(T),
}

/// Why a coroutine cannot be resumed, or what ended it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CoroError {
    /// It is running: it would resume itself. asyncio: `ValueError`.
    Running,
    /// It has ended. asyncio: `RuntimeError`, "cannot reuse already awaited coroutine".
    Finished,
    /// A task has it, and resumes it when it can go on; in asyncio a `send` or `throw` from
    /// elsewhere wedges the task.
    OwnedByTask,
}

impl fmt::Display for CoroError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "the coroutine is running already",
            Self::Finished => "the coroutine has ended and cannot be resumed",
            Self::OwnedByTask => "the coroutine belongs to a task, which alone resumes it",
        })
    }
}

impl Error for CoroError {}

/// The body of a task; made by [`Task::get_coro`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoroHandle(TaskRef);

impl CoroHandle {
    /// Refused: only the task resumes its body.
    ///
    /// asyncio: `coro.send(None)`.
    ///
    /// # Errors
    ///
    /// Always, and the error says why.
    pub fn send(&self) -> Result<CoroState<()>, CoroError> {
        Err(self.refusal())
    }

    /// Refused: [`Task::cancel`] asks the body to stop.
    ///
    /// asyncio: `coro.throw(..)`.
    ///
    /// # Errors
    ///
    /// Always, and the error says why.
    pub fn throw(&self, request: Cancelled) -> Result<CoroState<()>, CoroError> {
        drop(request);
        Err(self.refusal())
    }

    /// Drops the body as soon as no poll is inside it: [`Task::abort`]. The task ends cancelled.
    ///
    /// asyncio: `coro.close()`, which leaves the task waiting for ever.
    #[track_caller]
    pub fn close(&self) {
        self.0.abort();
    }

    fn refusal(&self) -> CoroError {
        if self.0.done() {
            CoroError::Finished
        } else if context::current_task().as_ref() == Some(&self.0) {
            CoroError::Running
        } else {
            CoroError::OwnedByTask
        }
    }
}

impl<T> Task<T> {
    /// The task's body; `None` if it has ended inside an [eager start](crate::TaskBuilder::eager).
    ///
    /// asyncio: `Task.get_coro`.
    #[must_use]
    pub fn get_coro(&self) -> Option<CoroHandle> {
        self.task_ref().get_coro()
    }
}

impl TaskRef {
    /// The task's body; see [`Task::get_coro`].
    #[must_use]
    pub fn get_coro(&self) -> Option<CoroHandle> {
        let ended_eagerly = self.done() && self.ptr().has_ended_eagerly();
        (!ended_eagerly).then(|| CoroHandle(self.clone()))
    }
}
