//! From threads to loops and back.

mod future;
mod submit;

pub use future::{ConcurrentError, ConcurrentFuture};
pub use submit::run_coroutine_threadsafe;
