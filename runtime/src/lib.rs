//! Tasks, per-core event loops, work stealing, timers and executors of corio.
//!
//! Users depend on the facade crate `corio`; this crate is its engine. The protocols (state words,
//! queues, ownership words) compile under loom and shuttle too; what needs a system call, a real
//! thread or `crossbeam-deque` does not, and is left out there.
#![cfg_attr(any(corio_loom, corio_shuttle), allow(dead_code, unused_imports))]
#![allow(dead_code)]

mod blocking;
mod quiet;
#[doc(hidden)]
pub mod reactor;
mod scheduler;
mod task;
mod timer;
mod wake_batch;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod bridge;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod builder;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod cancel;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod compose;
#[cfg(not(any(corio_loom, corio_shuttle)))]
#[doc(hidden)]
pub mod context;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub mod debug;
mod error;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod handle;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod metrics;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod report;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod runtime;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub mod sim;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod spawn;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub mod time;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod exports {
    pub use crate::blocking::{Job, StuckJob, ThreadPoolExecutor};
    pub use crate::bridge::{ConcurrentError, ConcurrentFuture, run_coroutine_threadsafe};
    pub use crate::builder::{BuildError, Builder};
    pub use crate::cancel::{
        CatchCancel, DeferCancel, Finally, OnCancel, Raise, catch_cancel, defer_cancel, finally,
        on_cancel,
    };
    pub use crate::compose::{
        AsCompleted, EmptySet, GatherAll, GatherVec, GroupClosed, GroupError, GroupOutput,
        IntoTask, NextCompleted, ReturnWhen, Shield, Shieldable, TaskGroup, TaskGroupScope, Wait,
        as_completed, ensure_future, gather, gather_all, shield, task_group, wait,
    };
    pub use crate::error::{Cancelled, PanicInfo, ResultError, TaskError};
    pub use crate::handle::{EnterGuard, Handle, LoopClosed, NoLoop, Refused};
    pub use crate::metrics::{Metrics, WorkerCounters};
    pub use crate::runtime::{RunError, Runtime, run};
    pub use crate::scheduler::block_in_place::block_in_place;
    pub use crate::scheduler::callback::CallHandle;
    pub use crate::scheduler::shutdown::ShutdownReport;
    pub use crate::spawn::{
        TaskBuilder, all_tasks, create_local_task, create_task, current_task, run_in_executor,
        task, to_thread,
    };
    pub use crate::task::join::{CancelOnDrop, Task, TaskJoin, TaskObserve};
    pub use crate::task::registry::{Frame, TaskId, TaskRef, TaskStatus};
}
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub use exports::*;
