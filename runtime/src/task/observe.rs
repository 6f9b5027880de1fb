//! Looking at a task through `&`: any number of tasks may wait so for its end.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll, Waker};

use corio_sync::place::{self, WaitKind};

use super::join::Task;
use super::observers::WaitPlace;
use super::raw::TaskPtr;
use super::waker::task_of;
use crate::error::TaskError;

impl<'a, T> IntoFuture for &'a Task<T> {
    type Output = Result<&'a T, &'a TaskError>;
    type IntoFuture = TaskObserve<'a, T>;

    #[track_caller]
    fn into_future(self) -> TaskObserve<'a, T> {
        TaskObserve { task: self, place: None, at: Location::caller() }
    }
}

/// The wait for a task through a shared reference; made by awaiting `&task`.
///
/// # Panics
///
/// In a task that awaits its own handle.
///
/// # Cancel safety
///
/// Strict: nothing happens to the task.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct TaskObserve<'a, T> {
    task: &'a Task<T>,
    place: Option<NonNull<WaitPlace>>,
    at: &'static Location<'static>,
}

// SAFETY: the place is shared by atomics only and lives as long as the cell, which `task` keeps.
unsafe impl<T: Send + Sync> Send for TaskObserve<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for TaskObserve<'_, T> {}

impl<'a, T> TaskObserve<'a, T> {
    pub(crate) fn has_ended(&self) -> bool {
        self.task.done()
    }

    /// Waits with a waker of somebody between, on behalf of the task or whoever `who` wakes.
    pub(crate) fn poll_by(
        &mut self,
        waker: &Waker,
        who: &Waker,
    ) -> Poll<Result<&'a T, &'a TaskError>> {
        let task = self.task.ptr();
        let header = task.header();
        if !header.state.load().is_done() {
            task.refuse_itself(who, self.at);
            let observers = &header.ext_or_make().observers;
            let place = *self.place.get_or_insert_with(|| NonNull::from(observers.add_wait()));
            // SAFETY: the place lives as long as the cell.
            let place = unsafe { place.as_ref() };
            place.set_who(task_of(who).map_or(ptr::null(), TaskPtr::as_raw));
            place.register(waker);
            if !header.state.observe() {
                place::note(WaitKind::Join, self.at);
                return Poll::Pending;
            }
        }
        let outcome = self.task.seen_outcome();
        Poll::Ready(
            outcome
                .expect("the result was taken through `&mut`, which excludes this borrow")
                .as_ref(),
        )
    }
}

impl<'a, T> Future for TaskObserve<'a, T> {
    type Output = Result<&'a T, &'a TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_by(cx.waker(), cx.waker())
    }
}

impl<T> Drop for TaskObserve<'_, T> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            // SAFETY: the place lives as long as the cell, which `task` keeps.
            let place = unsafe { place.as_ref() };
            self.task.ptr().header().ext_or_make().observers.vacate(place);
        }
    }
}

impl<T> fmt::Debug for TaskObserve<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskObserve").field("task", self.task).finish_non_exhaustive()
    }
}
