//! Tasks that nobody can wake any more: they wait, and their last waker is gone.
//!
//! A task that waits left a clone of its waker with whoever shall wake it: a lock's queue, a timer, a
//! socket. If the last clone is dropped, because somebody forgot to keep or to call it, the task
//! stays where it is for ever; only a cancel through its handle can end it. Wakers are references of
//! the task's cell, so such a task shows by its count alone (see
//! [`is_lost`](crate::task::state::Snapshot::is_lost)), and once it is lost it stays so: that makes a
//! look now and then as good as a look at each drop of a waker, and costs the drops nothing.
//!
//! The Watch looks, in debug mode, and a single loop does itself when it goes to sleep. References that
//! the runtime itself keeps and that wake nobody are [counted out](crate::task::silent). A task whose
//! [`TaskRef`] a program keeps counts as one that can still be woken.

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::report::{ReportKind, report};
use crate::task::registry::{TaskId, TaskRef};

/// Between two looks: one look takes some 20 ns for each task.
const PERIOD: Duration = Duration::from_millis(250);

/// What is known of lost tasks.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// Those that were reported and are still there.
    known: HashSet<TaskId>,
    last: Option<Instant>,
    /// The last look has found no task that could be lost later.
    is_settled: bool,
}

impl Lost {
    /// Looks, unless the last look is too fresh.
    pub(super) fn look(&mut self, shared: &Shared) {
        if self.last.is_some_and(|last| last.elapsed() < PERIOD) {
            self.is_settled = false;
            return;
        }
        self.last = Some(Instant::now());
        self.is_settled = true;
        let mut found = HashSet::new();
        shared.for_each_task(|task| {
            if task.is_lost() {
                found.insert(task.id());
                if !self.known.contains(&task.id()) {
                    tell(&task);
                }
            } else {
                self.is_settled = false;
            }
        });
        self.known = found;
    }

    /// Looks for a single loop that is about to sleep; its Watch, if it has one, looks for slow steps
    /// only. Returns for how long it may, if there is a task that could be lost meanwhile.
    pub(super) fn before_sleep(&mut self, shared: &Shared) -> Option<Duration> {
        self.look(shared);
        (!self.is_settled).then_some(PERIOD)
    }

    /// Parks the Watch of workers that all sleep. Whoever keeps a waker may drop it meanwhile, on a
    /// thread of his own: while a task waits, the Watch looks in between.
    pub(super) fn park(&mut self, shared: &Shared) {
        if !shared.is_debug() || self.is_settled {
            return thread::park();
        }
        thread::park_timeout(PERIOD);
        self.look(shared);
    }
}

fn tell(task: &TaskRef) {
    let held = match task.ptr().header().state.load().has_handle() {
        true => "only a cancel through its handle can end it",
        false => "only the end of the runtime can end it",
    };
    report(
        ReportKind::LostTask,
        format_args!(
            "lost task: {task:?} waits, but its last waker was dropped, so nobody can wake it; {held}"
        ),
    );
}
