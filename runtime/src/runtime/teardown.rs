//! The end of `run`, before the runtime's: every task that is left is cancelled and awaited.
//!
//! asyncio cancels what is left in one pass and awaits that; tasks spawned meanwhile are neither
//! cancelled nor awaited there. Here the pass is repeated until no task is left, or until the
//! deadline: what is left then is the shutdown's, which drops the bodies.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use corio_sync::Event;
use corio_sync::shim::Ordering::AcqRel;
use corio_sync::shim::atomic::AtomicUsize;

use crate::bridge::on_done;
use crate::context;
use crate::scheduler::exception::ErrorContext;
use crate::scheduler::shared::Shared;
use crate::task::registry::{TaskId, TaskRef};
use crate::time::timeout_at;

/// What a failed task is reported with.
const MESSAGE: &str = "unhandled exception during run() shutdown";

/// True if a task is left to end.
pub(super) fn is_due(shared: &Shared) -> bool {
    !shared.all_tasks().is_empty()
}

/// Cancels all tasks but the calling one until none is left. A task that has been asked is not
/// asked again.
pub(super) async fn cancel_all(shared: Arc<Shared>, deadline: Option<Instant>) {
    let own = context::current_task();
    let mut asked: HashMap<TaskId, TaskRef> = HashMap::new();
    loop {
        let mut left = shared.all_tasks();
        left.retain(|task| Some(task) != own.as_ref());
        if left.is_empty() {
            break;
        }
        for task in &left {
            asked.entry(task.id()).or_insert_with(|| {
                task.cancel();
                task.clone()
            });
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
    for task in asked.into_values().filter(TaskRef::done) {
        if let Some(panic) = task.panic_info() {
            let said = panic.message().unwrap_or("a value that is not a string");
            let context = ErrorContext::new(MESSAGE).exception(said).task(task);
            shared.call_exception_handler(&context);
        }
    }
}

/// An event that is set when all of the tasks have ended.
fn all_done(tasks: &[TaskRef]) -> Arc<Event> {
    let left = Arc::new(AtomicUsize::new(tasks.len()));
    let all = Arc::new(Event::new());
    for task in tasks {
        let (left, all) = (left.clone(), all.clone());
        on_done(task, move || {
            // Ordering(teardown.left): AcqRel; pairs with itself: the last one to end sees what the
            // others did, and so does who waits.
            if left.fetch_sub(1, AcqRel) == 1 {
                all.set();
            }
        });
    }
    all
}
