//! Who awaits a task through something that has wakers of its own, as `gather` has: noted in debug
//! mode only.
//!
//! A plain `.await` leaves the awaiting task's waker in the join slot, where it can be seen (see
//! [`Header::joined_by`](super::raw::Header::joined_by)). A future that waits for many tasks leaves
//! wakers that point into its own memory instead, which nobody else may follow. Such a future names
//! itself here. Without debug mode that would cost each awaited task an extension.

use std::ptr;

use super::raw::TaskPtr;
use super::scope::current;

/// The task that the calling thread is inside awaits these.
#[inline]
pub(crate) fn note(tasks: impl Iterator<Item = TaskPtr>) {
    if corio_sync::debug::is_on() {
        set(current(), tasks);
    }
}

/// Nobody awaits these any more.
#[inline]
pub(crate) fn clear(tasks: impl Iterator<Item = TaskPtr>) {
    if corio_sync::debug::is_on() {
        set(None, tasks);
    }
}

#[cold]
fn set(who: Option<TaskPtr>, tasks: impl Iterator<Item = TaskPtr>) {
    let who = who.map_or(ptr::null(), TaskPtr::as_raw);
    for task in tasks {
        task.header().ext_or_make().set_awaited_by(who);
    }
}
