//! Threads for work that blocks or computes.
//!
//! From the bottom: [`word`] decides who looks at the queue, [`job_state`] who owns a job; these two,
//! [`alive`] and [`taken`] are modelled. [`job`] is the closure and the future of its outcome, [`slots`] and [`worker`] are
//! a pool's threads, [`pool`] puts them together, [`executor`] is what users see of it.

mod alive;
pub(crate) mod job_state;
mod taken;
pub(crate) mod word;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod executor;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod job;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod pool;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod slots;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod worker;

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub use executor::ThreadPoolExecutor;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub use job::Job;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub use pool::StuckJob;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use pool::{Pool, PoolConfig};
