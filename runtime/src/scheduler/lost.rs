//! Tasks that nobody can wake any more: they wait, and their last waker is gone.
//!
//! A task that waits left a clone of its waker with whoever shall wake it: a lock's queue, a timer, a
//! socket. If the last clone is dropped, because somebody forgot to keep or to call it, the task
//! stays where it is for ever; only a cancel through its handle can end it. Wakers are references of
//! the task's cell, so such a task shows by its count alone (see
//! [`is_lost`](crate::task::state::Snapshot::is_lost)), and once it is lost it stays so: that makes a
//! look now and then as good as a look at each drop of a waker, and costs the drops nothing.
//!
//! The Watch looks, in debug mode. A task whose [`TaskRef`] somebody keeps counts as one that can
//! still be woken.

use std::collections::HashSet;
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
}

impl Lost {
    /// Looks, unless the last look is too fresh; how long the next one is to be waited for then.
    pub(super) fn look(&mut self, shared: &Shared) -> Option<Duration> {
        let fresh = self.last.and_then(|last| PERIOD.checked_sub(last.elapsed()));
        if fresh.is_some_and(|left| !left.is_zero()) {
            return fresh;
        }
        self.last = Some(Instant::now());
        let mut found = HashSet::new();
        shared.for_each_task(|task| {
            // The walk has made one reference.
            if task.ptr().header().state.load().is_lost(1) {
                found.insert(task.id());
                if !self.known.contains(&task.id()) {
                    tell(&task);
                }
            }
        });
        self.known = found;
        None
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
