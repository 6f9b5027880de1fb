//! What the calling thread is to corio: a worker, a thread that entered a runtime, or neither.
use std::cell::RefCell;
use std::sync::Arc;

use crate::reactor::Poller;
use crate::timer::Timers;

/// The event sources of one worker. Kept alive by its runtime, its sources and its timers.
#[derive(Debug)]
pub(crate) struct Driver {
    /// Which worker of its runtime this belongs to.
    pub(crate) index: usize,
    pub(crate) poller: Poller,
    pub(crate) timers: Timers,
}

/// The drivers a thread may use.
#[derive(Clone, Debug)]
pub(crate) struct Drivers {
    /// All drivers of the runtime, one per worker.
    pub(crate) all: Arc<[Arc<Driver>]>,
    /// The calling worker's own, or the one that serves this foreign thread.
    pub(crate) mine: usize,
    /// True if the calling thread is the worker `mine`.
    pub(crate) is_worker: bool,
}

thread_local! {
    static DRIVERS: RefCell<Option<Drivers>> = const { RefCell::new(None) };
}

/// Calls `f` with the calling thread's drivers: `None` outside a runtime.
pub(crate) fn with_drivers<R>(f: impl FnOnce(Option<&Drivers>) -> R) -> R {
    DRIVERS.with(|drivers| f(drivers.borrow().as_ref()))
}
