//! Tasks, per-core event loops, work stealing, timers and executors of corio.
//!
//! Users depend on the facade crate `corio`; this crate is its engine. The protocols (state words,
//! queues, ownership words) compile under loom and shuttle too; what needs a system call, a real
//! thread or `crossbeam-deque` does not, and is left out there.
#![cfg_attr(any(corio_loom, corio_shuttle), allow(dead_code, unused_imports))]
#![allow(dead_code)]

mod blocking;
#[doc(hidden)]
pub mod reactor;
mod scheduler;
mod task;
mod timer;

#[cfg(not(any(corio_loom, corio_shuttle)))]
#[doc(hidden)]
pub mod context;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub mod time;
