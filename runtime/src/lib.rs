//! Tasks, per-core event loops, work stealing, timers and executors of corio.
//!
//! Users depend on the facade crate `corio`; this crate is its engine. The protocols (state words,
//! queues, ownership words) compile under loom and shuttle too; what needs a system call, a real
//! thread or `crossbeam-deque` does not, and is left out there.
#![cfg_attr(any(corio_loom, corio_shuttle), allow(dead_code, unused_imports))]

mod blocking;
mod panic_place;
mod quiet;
#[doc(hidden)]
pub mod reactor;
mod scheduler;
mod task;
mod timer;
mod tokio_context;
mod visit;
mod wake_batch;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod alarm;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod bridge;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod builder;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod cancel;
mod compose;
#[cfg(not(any(corio_loom, corio_shuttle)))]
#[doc(hidden)]
pub mod context;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod coroutine;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub mod debug;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod deferred;
mod error;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod event_loop;
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
#[doc(hidden)]
pub mod sys;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub mod time;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod exports {
    pub use crate::blocking::{Job, StuckJob, ThreadPoolExecutor};
    pub use crate::bridge::{ConcurrentError, ConcurrentFuture, run_coroutine_threadsafe};
    pub use crate::builder::Builder;
    pub use crate::cancel::{
        CatchCancel, Condition, ConditionWait, ConditionWaitFor, DeferCancel, Finally, OnCancel,
        Raise, catch_cancel, defer_cancel, finally, on_cancel,
    };
    pub use crate::compose::*;
    pub use crate::coroutine::{CoroError, CoroHandle, CoroState, Coroutine};
    pub use crate::deferred::{Deferred, DeferredError, DeferredObserve, DeferredWait};
    pub use crate::error::{
        BoxError, BuildError, Cancelled, InvalidState, PanicInfo, ResultError, RunError, TaskError,
    };
    pub use crate::event_loop::{
        EventLoop, ExceptionHandler, LoopRunning, ShutdownExecutor, get_event_loop,
        get_running_loop, set_event_loop,
    };
    pub use crate::handle::{EnterGuard, Handle, LoopClosed, NoLoop, Refused};
    pub use crate::metrics::{Metrics, WorkerCounters};
    pub use crate::runtime::{Runner, Runtime, new_event_loop, run};
    pub use crate::scheduler::call_later::TimerHandle;
    pub use crate::scheduler::callback::CallHandle;
    pub use crate::scheduler::exception::ErrorContext;
    pub use crate::scheduler::shutdown::ShutdownReport;
    pub use crate::spawn::{
        TaskBuilder, all_tasks, block_in_place, create_local_task, create_task, current_task,
        run_in_executor, task, to_thread,
    };
    pub use crate::task::callback::CallbackId;
    pub use crate::task::cancel_on_drop::CancelOnDrop;
    pub use crate::task::contextvars::{Context, ContextVar, ResetError, Token, copy_context};
    pub use crate::task::join::{Task, TaskJoin};
    pub use crate::task::observe::TaskObserve;
    pub use crate::task::registry::{Frame, TaskId, TaskRef, TaskStatus};
}
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub use exports::*;

/// What the macros are made of, and what the crate of sockets and files needs besides.
#[cfg(not(any(corio_loom, corio_shuttle)))]
#[doc(hidden)]
pub mod __private {
    pub use crate::compose::gather_macro::{gather_list, gather_part};
    pub use crate::compose::join::{join, join_branch, try_join};
    pub use crate::compose::select::{Which, select, select_branch};
    pub use crate::report::report;
}
