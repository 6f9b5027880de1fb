//! `main` as a task, although it may be `!Send` and may borrow.
//!
//! The future and its result stay on the stack of whoever runs it; only a pointer is in the task's
//! cell. So `run` never returns before the task is done: a task that the loop has left behind is
//! ended here.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::ptr::NonNull;
use std::task::{Context, Poll};

use crate::error::{Cancelled, ResultError, RunError};
use crate::panic_place::payload_message;
use crate::scheduler::worker::{self, Worker};
use crate::task::birth::Birth;
use crate::task::join::Task;
use crate::tokio_context::report_hint;

/// How `main` has ended.
pub(crate) enum Ended<T> {
    Value(T),
    Panicked(Box<dyn Any + Send>),
    Cancelled {
        cancelled: Cancelled,
        /// Cancels that were not taken back.
        requests: u32,
    },
    /// The loop was left before.
    Left,
}

/// What stays with `run`.
struct Main<'a, F: Future, E> {
    future: Pin<&'a mut Option<F>>,
    result: &'a mut Option<Result<F::Output, Box<dyn Any + Send>>>,
    on_end: Option<E>,
    /// The loop was left: nobody is to be told of the end.
    left: &'a Cell<bool>,
}

/// What the cell holds: the life of `main` is erased, because `run` outlives the task.
struct Erased(NonNull<dyn MainPoll + 'static>);

trait MainPoll {
    fn poll_main(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// The task drops its body, polled to its end or not.
    fn end_main(&mut self);
}

impl<F: Future, E: FnOnce()> MainPoll for Main<'_, F, E> {
    fn poll_main(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(future) = self.future.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        let polled = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(payload) => Err(payload),
        };
        *self.result = Some(polled);
        Poll::Ready(())
    }

    fn end_main(&mut self) {
        let end = self.on_end.take();
        let dropped = catch_unwind(AssertUnwindSafe(|| self.future.set(None)));
        if let Some(end) = end.filter(|_| !self.left.get()) {
            end();
        }
        if let Err(payload) = dropped {
            if !matches!(self.result, Some(Err(_))) {
                *self.result = Some(Err(payload));
            }
        }
    }
}

impl Future for Erased {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: `run` does not return before the task is done, so `main` is alive; the task is
        // pinned to this thread, and nobody else uses the pointer.
        unsafe { self.0.as_mut() }.poll_main(cx)
    }
}

impl Drop for Erased {
    fn drop(&mut self) {
        // SAFETY: as in `poll`; a task drops its body before it is done.
        unsafe { self.0.as_mut() }.end_main();
    }
}

/// Ends the task of `main`, whatever happens to the loop.
struct Last<'a> {
    task: &'a Task<()>,
    left: &'a Cell<bool>,
}

impl Drop for Last<'_> {
    fn drop(&mut self) {
        if !self.task.done() {
            self.left.set(true);
            // SAFETY: the task is pinned to the worker that this thread runs, whose loop has been
            // left; a queue entry that is left behind finds it done.
            let stopped = unsafe { self.task.ptr().stop() };
            assert!(stopped, "main is inside a poll, although its loop was left");
        }
    }
}

/// Runs `main` as a pinned task of `worker`, which the caller has entered. `drive` runs the loop
/// until it may be left; `on_end` is called when the task drops its body.
pub(crate) fn run<F: Future>(
    worker: &Worker,
    main: F,
    mut birth: Birth,
    on_end: impl FnOnce(),
    drive: impl FnOnce(&Task<()>),
) -> Ended<F::Output> {
    let mut result = None;
    let mut future = pin!(Some(main));
    let left = Cell::new(false);
    let mut main =
        Main { future: future.as_mut(), result: &mut result, on_end: Some(on_end), left: &left };
    let erased: NonNull<dyn MainPoll + '_> = NonNull::from(&mut main);
    // SAFETY: only the lifetime changes; `Last` ends the task before `main` goes, also when
    // something panics.
    let erased: NonNull<dyn MainPoll + 'static> = unsafe { std::mem::transmute(erased) };
    let task = worker.spawn_local(Erased(erased), &mut birth);
    task.set_name("main");
    let cancelled = {
        let _last = Last { task: &task, left: &left };
        drive(&task);
        task.exception().err().and_then(|error| match error {
            ResultError::Cancelled(cancelled) => Some(cancelled),
            _ => None,
        })
    };
    match (result, cancelled) {
        (Some(Ok(value)), None) => Ended::Value(value),
        (Some(Err(payload)), _) => {
            report_hint(payload_message(&*payload).as_deref());
            Ended::Panicked(payload)
        }
        (_, Some(cancelled)) => Ended::Cancelled { cancelled, requests: task.cancelling() },
        (None, None) => {
            debug_assert!(left.get(), "main has ended in no way");
            Ended::Left
        }
    }
}

/// Refuses a `run` inside a `run`, or on a worker.
pub(crate) fn check_not_nested() -> Result<(), RunError> {
    let on_worker = || worker::with(|worker| Some(worker?.shared().config.built_at));
    match worker::running_at().or_else(on_worker) {
        Some(outer) => Err(RunError::Nested { outer }),
        None => Ok(()),
    }
}
