//! What the calling thread is to corio: a worker, a thread that entered a runtime, or neither.
//!
//! Timers and sources find the drivers of their runtime here, and a task finds itself.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::reactor::{self, Poller, Pollers};
use crate::task::raw::TaskPtr;
use crate::task::registry::TaskRef;
use crate::task::scope;
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
    /// Those pollers that sources may be placed on.
    pub(crate) pollers: Arc<[Poller]>,
    /// The calling worker's own, or the one that serves this foreign thread.
    pub(crate) mine: usize,
    /// True if the calling thread is the worker `mine`.
    pub(crate) is_worker: bool,
}

thread_local! {
    static DRIVERS: RefCell<Option<Drivers>> = const { RefCell::new(None) };
}

/// Calls `f` with the calling thread's drivers: `None` outside a runtime, and in destructors that
/// run at the end of the thread.
#[inline]
pub(crate) fn with_drivers<R>(f: impl FnOnce(Option<&Drivers>) -> R) -> R {
    let mut f = Some(f);
    let called = DRIVERS.try_with(|drivers| f.take().map(|f| f(drivers.borrow().as_ref())));
    match (called, f) {
        (Ok(Some(result)), _) => result,
        (_, Some(f)) => f(None),
        (_, None) => unreachable!("what took the function has returned a result"),
    }
}

/// Makes the drivers those of the calling thread until the guard is dropped.
pub(crate) fn enter(drivers: Drivers) -> Entered {
    let pollers =
        Pollers { all: drivers.pollers.clone(), own: drivers.is_worker.then_some(drivers.mine) };
    let outer_pollers = reactor::set_pollers(Some(pollers));
    Entered { outer: DRIVERS.replace(Some(drivers)), outer_pollers, here: PhantomData }
}

/// Undoes [`enter`]; stays on its thread.
#[derive(Debug)]
pub(crate) struct Entered {
    outer: Option<Drivers>,
    outer_pollers: Option<Pollers>,
    here: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // A thread whose locals are gone has nothing to undo.
        reactor::set_pollers(self.outer_pollers.take());
        let outer = self.outer.take();
        let _ = DRIVERS.try_with(|drivers| drivers.replace(outer));
    }
}

/// Names the task that the calling thread is inside; returns the one before.
#[inline]
pub(crate) fn set_task(task: Option<TaskPtr>) -> Option<TaskPtr> {
    scope::set_current(task)
}

/// The task that the calling thread is inside.
pub(crate) fn current_task() -> Option<TaskRef> {
    // The runner keeps the cell while it is inside the task.
    scope::current().map(TaskRef::new)
}
