//! The end of `run`, before the runtime's: every task that is left is cancelled and awaited.
//!
//! asyncio cancels what is left in one pass and awaits that; tasks spawned meanwhile are neither
//! cancelled nor awaited there. Here the pass is repeated until no task is left, or until the
//! deadline: what is left then is the shutdown's, which drops the bodies. Panics of tasks whose
//! handles are gone are told to the exception handler when they come, as those of this end.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use corio_sync::Event;
use corio_sync::shim::Ordering::{AcqRel, Relaxed};
use corio_sync::shim::atomic::AtomicUsize;

use crate::context;
use crate::scheduler::shared::Shared;
use crate::task::registry::{TaskId, TaskRef};
use crate::time::timeout_at;

/// True if a task is left to end.
pub(super) fn is_due(shared: &Shared) -> bool {
    !shared.all_tasks().is_empty()
}

/// Cancels all tasks but the calling one until none is left. A task that has been asked is not
/// asked again.
pub(super) async fn cancel_all(shared: Arc<Shared>, deadline: Option<Instant>) {
    let own = context::current_task();
    let mut asked: HashSet<TaskId> = HashSet::new();
    // Ordering: Relaxed; see `message_of_panics`.
    shared.tearing_down.store(true, Relaxed);
    loop {
        let mut left = shared.all_tasks();
        left.retain(|task| Some(task) != own.as_ref());
        if left.is_empty() {
            break;
        }
        for task in &left {
            if asked.insert(task.id()) {
                task.cancel();
            }
        }
        let ended = all_done(&left);
        match deadline {
            None => ended.wait().await,
            Some(deadline) => {
                if timeout_at(deadline, ended.wait()).await.is_err() {
                    break;
                }
            }
        }
    }
}

/// An event that is set when all of the tasks have ended.
fn all_done(tasks: &[TaskRef]) -> Arc<Event> {
    let left = Arc::new(AtomicUsize::new(tasks.len()));
    let all = Arc::new(Event::new());
    for task in tasks {
        let (left, all) = (left.clone(), all.clone());
        task.add_done_callback(move |_| {
            // Ordering(teardown.left): AcqRel; pairs with itself: the last one to end sees what the
            // others did, and so does who waits. Not killable: callbacks of whole tasks are not built for
            // models; a count that is only taken from orders all before the last, as in std's `Arc`.
            if left.fetch_sub(1, AcqRel) == 1 {
                all.set();
            }
        });
    }
    all
}
