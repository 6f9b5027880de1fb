//! Threads for work that blocks or computes.

pub(crate) mod job_state;
pub(crate) mod word;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod executor;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod pool;
