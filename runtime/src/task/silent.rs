//! References to tasks that wake nobody: a group has its children, a run its main, and a request that
//! somebody keeps the task it was taken in.
//!
//! A task whose last waker is gone shows by the count of its references (see [`is_lost`](super::state::Snapshot::is_lost)),
//! and these are no wakers. So in debug mode they are counted in the extension of their task; a task that
//! nobody has such a reference to needs none. What began to be kept before the mode was switched on is
//! not counted, and then nothing is told of its task.

use std::fmt;
use std::ops::Deref;

use super::registry::TaskRef;

/// A reference that never wakes its task, except by a cancel.
pub(crate) struct SilentRef {
    task: TaskRef,
    counted: bool,
}

impl SilentRef {
    pub(crate) fn new(task: TaskRef) -> Self {
        let counted = corio_sync::debug::is_on();
        if counted {
            count(&task);
        }
        Self { task, counted }
    }

    /// One that is counted in any case, for there are few of its kind.
    pub(crate) fn counted(task: TaskRef) -> Self {
        count(&task);
        Self { task, counted: true }
    }
}

/// Comes after the reference was made, and is taken back before it goes: whoever compares the two numbers
/// finds a reference too many rather than one too few.
#[cold]
fn count(task: &TaskRef) {
    task.ptr().header().ext_or_make().add_silent();
}

impl Drop for SilentRef {
    fn drop(&mut self) {
        if self.counted {
            self.task.ptr().header().ext_or_make().sub_silent();
        }
    }
}

impl Deref for SilentRef {
    type Target = TaskRef;

    fn deref(&self) -> &TaskRef {
        &self.task
    }
}

impl fmt::Debug for SilentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.fmt(f)
    }
}

impl TaskRef {
    /// True if the task waits and nobody has a waker of it; the caller's reference is the only one that was
    /// made to ask. What is true once stays so.
    pub(crate) fn is_lost(&self) -> bool {
        let task = self.ptr();
        let header = task.header();
        let before = header.state.load();
        let silent = header.ext().map_or(0, |ext| ext.silent());
        // Between the two a reference may have come or gone, and its count.
        before.is_lost(1 + silent) && header.state.load() == before
    }
}
