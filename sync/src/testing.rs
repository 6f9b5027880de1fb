//! What the tests and models of this crate share: polling without a runtime.

#[cfg(any(corio_loom, corio_shuttle))]
use crate::shim::thread;
use std::task::{Context, Waker};

// loom's own: a wake-up that comes after the future has completed must not hit a thread that waits
// in `join` by then, which loom takes for an error of its own.
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use crate::park::block_on;
#[cfg(corio_loom)]
pub(crate) use loom::future::block_on;
#[cfg(all(corio_shuttle, not(corio_loom)))]
pub(crate) use shuttle::future::block_on;

/// One poll with a waker that does nothing.
pub(crate) fn poll_once<R>(mut poll: impl FnMut(&mut Context<'_>) -> R) -> R {
    poll(&mut Context::from_waker(Waker::noop()))
}

/// Joins the threads of a model.
#[cfg(any(corio_loom, corio_shuttle))]
pub(crate) fn join_all<const N: usize>(threads: [thread::JoinHandle<()>; N]) {
    for thread in threads {
        thread.join().unwrap();
    }
}
