//! Who awaits a task through something that has wakers of its own, as `gather` has.
//!
//! A plain `.await` leaves the awaiting task's waker in the join slot, where it can be seen (see
//! [`Header::joined_by`](super::raw::Header::joined_by)). A future that waits for many tasks leaves
//! wakers that point into its own memory instead, which nobody else may follow; and who waits for a
//! group leaves no waker with its children. Such a future names its task in each of them: a word of the
//! child's header that the spawn writes anyway, or, if the child was there before, an exchange of that
//! word (see [`ext_slot`](super::ext_slot)). An address may be that of a task that has ended since, and of the next
//! one in its cell, if the future was carried to another task and has not been polled there.
//!
//! Rejected: to tell a gather by the wakers' addresses, which costs the child nothing: whoever looks must
//! then find the memory that a waker points into, alive, and that wants a list of all gathers.

use super::raw::TaskPtr;
use super::scope::current;

/// A task that awaits others, by its address; or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Awaiter(usize);

impl Awaiter {
    /// The task that the calling thread is inside.
    #[inline]
    pub(crate) fn here() -> Self {
        Self(current().map_or(0, |task| task.as_raw().addr()))
    }

    pub(crate) const fn none() -> Self {
        Self(0)
    }

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// As a number, for an atomic.
    pub(crate) fn addr(self) -> usize {
        self.0
    }

    pub(crate) fn of_addr(addr: usize) -> Self {
        Self(addr)
    }

    /// It awaits `task`. Nobody: the task may live on, and is awaited no more.
    #[inline]
    pub(crate) fn awaits(self, task: TaskPtr) {
        task.header().set_awaiter(self.0);
    }
}
