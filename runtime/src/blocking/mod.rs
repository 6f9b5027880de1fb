//! Threads for work that blocks or computes.

pub(crate) mod word;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod executor;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod pool;

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use pool::Pool;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub use pool::{Job, ThreadPoolExecutor};
