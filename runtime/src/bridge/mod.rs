//! From threads to loops and back.

mod done;
mod future;
mod submit;

pub(crate) use done::on_done;
pub use future::{ConcurrentError, ConcurrentFuture};
pub use submit::run_coroutine_threadsafe;
