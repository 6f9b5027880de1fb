//! asyncio's model on every core.
//!
//! A [`Runtime`] is one event loop for each core, each with its own run queue, poller and timers.
//! Tasks run on any loop unless they are pinned; work moves by stealing; anything may be submitted
//! from anywhere; nothing on the way takes a lock.
//!
//! Names are asyncio's; search finds most of them by tokio's, too. Where to begin:
//!
//! | for | see |
//! |---|---|
//! | a program | [`run`](fn@run), [`main`](macro@main), [`Builder`]; [`Runtime`] and [`Handle`] for other threads |
//! | tasks | [`create_task`], [`Task`]; [`task_group`], [`JoinSet`], [`gather()`](fn@gather), [`select!`] |
//! | time | [`sleep`], [`timeout`], [`interval`] |
//! | blocking code | [`to_thread`], [`run_in_executor`], [`block_in_place`] |
//! | cancelling | [`Task::cancel`], [`catch_cancel`], [`finally`], [`shield`] |
//! | waiting for each other | [`sync`]: locks, queues, channels |
//! | the outside | [`net`], [`stream`], [`fs`], [`process`], [`signal`], [`io`] |
//! | finding faults | [`dump`], [`debug`], [`sim`] |
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//!
//! corio::run(async {
//!     let slow = corio::create_task(async {
//!         corio::sleep(Duration::from_millis(5)).await;
//!         "slow"
//!     });
//!     let quick = corio::create_task(async { "quick" });
//!     assert_eq!(quick.await.unwrap(), "quick");
//!     assert_eq!(slow.await.unwrap(), "slow");
//! });
//! ```
#![forbid(unsafe_code)]

/// asyncio has no counterpart; this is the name that tokio's users know for
/// [`create_local_task`].
pub use corio_runtime::create_local_task as spawn_local;
/// asyncio's name for it is [`create_task`]; this is the one that tokio's users know.
pub use corio_runtime::create_task as spawn;
/// asyncio: `python -m asyncio ps`, from inside.
pub use corio_runtime::debug::{
    CallGraph, CallGraphEntry, Dump, capture_call_graph, dump, format_call_graph, print_call_graph,
};
pub use corio_runtime::time::{
    Interval, MissedTick, Sleep, Tick, Timeout, TimeoutError, TimeoutScope, TimeoutScoped, WaitFor,
    YieldNow, interval, interval_at, now, sleep, sleep_until, timeout, timeout_at, timeout_scope,
    wait_for, yield_now,
};
pub use corio_runtime::{
    AsCompleted, AsCompletedWithin, BuildError, Builder, CallHandle, CancelOnDrop, Cancelled,
    CatchCancel, ConcurrentError, ConcurrentFuture, DeferCancel, EmptySet, EnterGuard, Finally,
    Frame, Gather, GatherAll, GatherError, GatherVec, GroupClosed, GroupError, GroupOutput, Handle,
    IntoTask, InvalidState, Job, JoinAll, JoinNext, JoinNextWithId, JoinSet, JoinShutdown,
    LoopClosed, Metrics, NextCompleted, NextCompletedWithin, NoLoop, OnCancel, PanicInfo, Raise,
    Refused, ResultError, ReturnWhen, RunError, Runtime, Shield, Shieldable, ShutdownReport,
    StaggeredRace, StuckJob, Task, TaskBuilder, TaskError, TaskGroup, TaskGroupScope, TaskId,
    TaskJoin, TaskObserve, TaskRef, TaskStatus, ThreadPoolExecutor, TryGather, Wait,
    WorkerCounters, all_tasks, as_completed, block_in_place, catch_cancel, create_local_task,
    create_task, current_task, defer_cancel, ensure_future, finally, gather, gather_all, join,
    on_cancel, run, run_coroutine_threadsafe, run_in_executor, select, shield, staggered_race,
    task, task_group, to_thread, try_gather, try_join, wait,
};

pub use corio_runtime::{
    ErrorContext, EventLoop, ExceptionHandler, LoopRunning, Runner, ShutdownExecutor, TimerHandle,
    get_event_loop, get_running_loop, new_event_loop, set_event_loop,
};

pub use corio_runtime::{
    BoxError, CallbackId, Context, ContextVar, CoroError, CoroHandle, CoroState, Coroutine,
    copy_context, task_local,
};

/// asyncio's name for it is [`to_thread`]; this is the one that tokio's users know.
pub use corio_runtime::to_thread as spawn_blocking;

/// tokio: `task::unconstrained`.
pub use corio_sync::{Unconstrained, unconstrained};

#[cfg(feature = "macros")]
pub use corio_macros::{main, test};

pub use corio_runtime::{debug, sim};

pub mod contextvars;
pub mod fs;
pub mod io;
pub mod net;
pub mod process;
pub mod signal;
pub mod stream;
pub mod sync;

/// What the pages show runs: as doctests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../docs/from-asyncio.md")]
    mod from_asyncio {}
    #[doc = include_str!("../docs/debugging.md")]
    mod debugging {}
    #[cfg(feature = "axum_0_8")]
    #[doc = include_str!("../docs/server.md")]
    mod server {}
    #[doc = include_str!("../README.md")]
    mod readme {}
}

#[cfg(feature = "hickory_0_26")]
pub mod hickory_0_26;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "quinn_0_11")]
pub mod quinn_0_11;
#[cfg(feature = "tls")]
pub mod ssl;
#[cfg(feature = "axum_0_8")]
pub use corio_io::{serve, serve_make_service};
