//! The end of a runtime, in order, so that nothing is polled, freed or waited for twice.
//!
//! 1. The phase becomes Closing: spawns are refused, workers leave their loops.
//! 2. Each worker, on its own thread, stops the pinned tasks of its loop: their bodies may be
//!    `!Send`. Only then it closes its inbox, so that an entry refused later belongs to a task that
//!    is done, or to one that was never polled and is `Send`.
//! 3. When all workers are through, the phase becomes Closed, and one thread stops all other tasks,
//!    then whatever the injector holds. Whoever pushes later stops its own entry; see [`life`].
//!    If the deadline has passed and some workers are still inside a poll, the waiting thread does
//!    so in their place, but leaves every task to the holder of its queue entry: a worker that
//!    returns may start what it pops. What lies in the queues of such workers is stolen first.
//! 4. The arenas are closed. They, and the shared part with them, live on until the last handle or
//!    waker of a task is gone; a wake finds its task done and does nothing.
//!
//! A worker that is stuck in a poll beyond the deadline is reported and left behind; when its poll
//! ends it finds the runtime closed, stops what is left in its queues and ends. The last one to do
//! so repeats step 3.

use std::cell::Cell;
use std::time::Duration;

use super::life::Phase;
use super::shared::Shared;
use super::worker::Worker;
use crate::blocking::StuckJob;
use crate::report::{ReportKind, report};
use crate::task::ext::TaskExt;
use crate::task::raw::TaskPtr;
use crate::task::registry::TaskRef;

/// What a shutdown left behind.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Tasks that had not ended when the shutdown began; their bodies were dropped.
    pub stopped: usize,
    /// Workers that had not left at the deadline: the names of the tasks whose polls they were stuck
    /// in, or that it was none (a callback, a hook, or a machine that is too slow for the deadline).
    pub stuck: Vec<String>,
    /// Jobs of the default executor that were running at the deadline.
    pub busy_threads: Vec<StuckJob>,
    /// How long it took.
    pub took: Duration,
}

impl ShutdownReport {
    /// True if every task ended and every thread was joined; also of a shutdown by one of the
    /// runtime's own workers, which waits for none.
    ///
    /// See [`Runtime::shutdown`](crate::Runtime::shutdown) for an example.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.stuck.is_empty() && self.busy_threads.is_empty()
    }
}

impl std::fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stopped {} tasks in {:?}", self.stopped, self.took)?;
        for name in &self.stuck {
            write!(f, "; still inside {name}")?;
        }
        for job in &self.busy_threads {
            write!(f, "; still running {job:?}")?;
        }
        Ok(())
    }
}

impl Shared {
    /// Step 1. True for the first caller.
    pub(crate) fn begin_shutdown(&self) -> bool {
        let first = self.life.advance(Phase::Closing);
        self.wake_all();
        // True also if there is no Watch: then none is made any more.
        let _ = self.watch.sleep.wake();
        self.watch.unpark();
        first
    }

    /// Step 3, once no worker starts tasks any more, or beside workers that were left behind.
    pub(crate) fn finish_shutdown(&self) {
        self.life.advance(Phase::Closed);
        let _ending = Ending::of(self);
        let alone = self.life.all_left();
        self.life.close_doors();
        let mut stopped = 0;
        self.for_each_task(|task| {
            // A pinned task is its home's to stop; a home that is stuck does so when it returns.
            if !task.done() && task.ptr().header().state.load().home().is_none() {
                self.mourn(&task);
                stopped += usize::from(if alone {
                    // SAFETY: no worker is left to start tasks; the body is `Send`.
                    unsafe { task.ptr().stop() }
                } else {
                    // SAFETY: the body is `Send`.
                    unsafe { task.ptr().stop_idle() }
                });
            }
        });
        stopped += self.drain_queues();
        self.arenas.close();
        self.count_stopped(stopped);
    }
}

/// Debug mode.
impl Shared {
    /// Tells of a task that is ended with its runtime. asyncio: "Task was destroyed but it is
    /// pending!".
    pub(crate) fn mourn(&self, task: &TaskRef) {
        if !self.is_debug() || task.done() {
            return;
        }
        // Polls are counted in debug mode only, so it must have been on from the beginning.
        let polls = task.ptr().header().ext().map_or(0, TaskExt::polls);
        let unpolled = self.config.debug && polls == 0;
        let unpolled = if unpolled { "; its body was never awaited" } else { "" };
        report(
            ReportKind::DestroyedPending,
            format_args!("task was destroyed but it is pending: {task:?}{unpolled}"),
        );
    }

    /// As [`Shared::mourn`], for the holder of a queue entry.
    pub(crate) fn mourn_entry(&self, task: TaskPtr) {
        if self.is_debug() {
            self.mourn(&TaskRef::new(task));
        }
    }
}

thread_local! {
    /// The runtime whose tasks the calling thread is ending.
    static ENDING: Cell<*const Shared> = const { Cell::new(std::ptr::null()) };
}

/// Says that the calling thread ends the tasks of a runtime and will look at its queues again. A
/// task that ends wakes its awaiter, whose entry comes late: ending it on the spot would recurse as
/// deep as tasks await each other.
pub(crate) struct Ending(*const Shared);

impl Ending {
    pub(crate) fn of(shared: &Shared) -> Self {
        Self(ENDING.replace(std::ptr::from_ref(shared)))
    }

    /// True if a caller of the calling function is at it.
    pub(crate) fn is_under_way(shared: &Shared) -> bool {
        std::ptr::eq(ENDING.get(), shared)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        ENDING.set(self.0);
    }
}

impl Worker {
    /// Step 2, on the worker's own thread after its loop.
    pub(crate) fn finish(&self) {
        self.wait_for_lenders();
        let shared = self.shared();
        let remote = self.remote();
        let mut stopped = 0;
        shared.for_each_task(|task| {
            if task.ptr().header().state.load().home() == Some(self.index()) && !task.done() {
                shared.mourn(&task);
                // SAFETY: this is the home, and its loop has ended.
                stopped += usize::from(unsafe { task.ptr().stop() });
            }
        });
        remote.callbacks.close();
        remote.inbox.close();
        for task in remote.inbox.drain() {
            let task = TaskPtr::from_header(task);
            shared.mourn_entry(task);
            // SAFETY: the entry keeps the cell, and this is the home.
            stopped += usize::from(unsafe { task.stop_entry() });
        }
        // Dropped bodies may wake others onto this worker's queues: until nothing is left.
        while let Some(task) = self.pop_any() {
            shared.mourn_entry(task);
            // SAFETY: the entry was popped here, so nobody else starts the task.
            stopped += usize::from(unsafe { task.stop_entry() });
        }
        shared.count_stopped(stopped);
    }
}
