//! What a worker does in debug mode only: it times each poll and each callback.
//!
//! The loop of a worker is compiled twice, with these calls and without them, so a runtime that is
//! not in debug mode does not even ask whether it is.

use std::time::{Duration, Instant};

use super::Worker;
use crate::report::{ReportKind, report};
use crate::scheduler::callback::Callback;
use crate::task::raw::TaskPtr;
use crate::task::registry::TaskRef;
use crate::task::state::Snapshot;

impl Worker {
    /// Runs a task once, counts the poll, and tells of it if it took too long. asyncio: "Executing
    /// <Task ..> took 0.150 seconds".
    ///
    /// # Safety
    ///
    /// As [`TaskPtr::run`].
    pub(super) unsafe fn run_watched(&self, task: TaskPtr) -> Option<Snapshot> {
        // The task may be over afterwards, and is to be named all the same.
        let named = TaskRef::new(task);
        task.header().ext_or_make().count_poll();
        self.stepped_out.set(false);
        let began = Instant::now();
        // SAFETY: passed on.
        let again = unsafe { task.run_apart() };
        // A thread that has lent its loop to another one may block.
        if !self.stepped_out.get() {
            self.check_duration(&named, began.elapsed());
        }
        again
    }

    /// Calls at most `limit` callbacks; how many there were.
    pub(super) fn run_callbacks_watched(&self, limit: usize) -> usize {
        let callbacks = &self.remote().callbacks;
        let mut count = 0;
        while count < limit {
            let Some(callback) = callbacks.pop() else { break };
            count += 1;
            self.call_watched(callback);
        }
        count
    }

    /// Calls a callback, and tells of it if it took too long.
    pub(super) fn call_watched<C: FnOnce()>(&self, callback: Callback<C>) {
        let handle = callback.handle().clone();
        let calling = &self.remote().calling;
        calling.set(Some(handle.clone()));
        let began = Instant::now();
        callback.run(|payload, from| self.shared.callback_panicked(payload, from));
        calling.set(None);
        self.check_duration(&handle, began.elapsed());
    }

    fn check_duration(&self, what: &dyn std::fmt::Debug, took: Duration) {
        if took >= self.shared.config.slow_callback_duration {
            let seconds = took.as_secs_f64();
            report(
                ReportKind::SlowCallback,
                format_args!("executing {what:?} took {seconds:.3} seconds"),
            );
        }
    }
}
