//! What the calling thread is to corio: a worker, a thread that entered a runtime, or neither.
//!
//! Timers and sources find the drivers of their runtime here, and a task finds itself.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::reactor::{self, Poller, Pollers};
use crate::task::raw::TaskPtr;
use crate::task::registry::TaskRef;
use crate::task::scope;
use crate::timer::Timers;
use crate::visit;

/// The event sources of one worker. Kept alive by its runtime, its sources and its timers.
#[derive(Debug)]
pub(crate) struct Driver {
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
    static DRIVERS: Cell<Held> = const { Cell::new(Held(None)) };
    static HOME: Cell<Option<Home>> = const { Cell::new(None) };
    /// What each guard that lives goes back to, innermost last.
    static OUTER: RefCell<Vec<Outer>> = const { RefCell::new(Vec::new()) };
}

/// What a thread had before one of its guards was made.
struct Outer {
    /// Of the guard, among those that live; they rise.
    number: u64,
    drivers: Option<Drivers>,
    pollers: Option<Pollers>,
}

/// The drivers of a thread. A guard that is never dropped leaves them to the end of the thread,
/// where they may go before a timer in another local does: then [`HOME`], which has no destructor,
/// must not name them any more.
struct Held(Option<Drivers>);

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.is_some() {
            HOME.set(None);
        }
    }
}

/// The driver that serves a thread: a short cut to `DRIVERS`, for the timers.
#[derive(Clone, Copy)]
struct Home {
    /// Kept alive by `DRIVERS`.
    driver: NonNull<Driver>,
    is_worker: bool,
}

/// Calls `f` with the driver that serves the calling thread, and whether the thread is its worker:
/// `None` outside a runtime, and in destructors that run at the end of the thread. `f` runs no code
/// of a user's.
#[inline(always)]
pub(crate) fn with_home<R>(f: impl FnOnce(Option<(&Driver, bool)>) -> R) -> R {
    if HOME.get().is_none() {
        arrive();
    }
    f(HOME.get().map(|home| {
        // SAFETY: `DRIVERS` holds the driver; it changes in `enter` and in the drop of its guard
        // only, which `f` does not call.
        (unsafe { home.driver.as_ref() }, home.is_worker)
    }))
}

/// Lets a thread without a driver enter the runtime that it visits, if it does.
#[cold]
#[inline(never)]
fn arrive() {
    visit::arrive();
}

/// True if the calling thread is inside a runtime; not if it only visits one.
pub(crate) fn is_inside() -> bool {
    HOME.get().is_some()
}

/// Replaces the drivers of the calling thread.
fn replace(drivers: Option<Drivers>) -> Option<Drivers> {
    let home = drivers.as_ref().map(|drivers| Home {
        driver: NonNull::from(&*drivers.all[drivers.mine]),
        is_worker: drivers.is_worker,
    });
    // A thread whose locals are gone has nothing to replace.
    let mut outer = DRIVERS.try_with(|cell| cell.replace(Held(drivers))).ok()?;
    HOME.set(home);
    outer.0.take()
}

/// Makes the drivers those of the calling thread until the guard is dropped. Guards may be dropped
/// in any order: the thread has what the latest of those that live was made for.
pub(crate) fn enter(drivers: Drivers) -> Entered {
    visit::arrive();
    let pollers =
        Pollers { all: drivers.pollers.clone(), own: drivers.is_worker.then_some(drivers.mine) };
    let (pollers, drivers) = (reactor::set_pollers(Some(pollers)), replace(Some(drivers)));
    // A thread whose locals are gone has nothing to go back to.
    let number = OUTER.try_with(|outer| {
        let mut outer = outer.borrow_mut();
        let number = outer.last().map_or(0, |last| last.number + 1);
        outer.push(Outer { number, drivers, pollers });
        number
    });
    Entered { number: number.unwrap_or(u64::MAX), here: PhantomData }
}

/// Undoes [`enter`]; stays on its thread.
#[derive(Debug)]
pub(crate) struct Entered {
    number: u64,
    here: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = OUTER.try_with(|outer| leave(&mut outer.borrow_mut(), self.number));
        match left {
            Ok(Some(Left::Innermost(Outer { drivers, pollers, .. }))) => {
                reactor::set_pollers(pollers);
                drop(replace(drivers));
            }
            // Dropped outside the borrow. A thread whose locals are gone has nothing to undo.
            left => drop(left),
        }
    }
}

/// What the end of a guard leaves to be done.
enum Left {
    /// The thread goes back to this.
    Innermost(Outer),
    /// Nothing: this was for going back from a guard that lives.
    Between { _unused: Outer },
}

/// Takes out what a guard goes back to. The guard that was made after it goes back there instead.
fn leave(outer: &mut Vec<Outer>, number: u64) -> Option<Left> {
    let at = outer.iter().rposition(|outer| outer.number == number)?;
    let mut own = outer.remove(at);
    let Some(later) = outer.get_mut(at) else { return Some(Left::Innermost(own)) };
    mem::swap(&mut later.drivers, &mut own.drivers);
    mem::swap(&mut later.pollers, &mut own.pollers);
    Some(Left::Between { _unused: own })
}

/// How often the thread has become a worker inside of what it was before, and how many guards of
/// `Handle::enter` that were made since then it has.
#[derive(Clone, Copy)]
pub(crate) struct Guests {
    depth: u32,
    guards: u32,
}

thread_local! {
    static GUESTS: Cell<Guests> = const { Cell::new(Guests { depth: 0, guards: 0 }) };
}

/// True if a worker has entered another runtime, or its own once more, by hand: what it spawns is
/// not for its own queue.
#[inline]
pub(crate) fn is_guest() -> bool {
    GUESTS.get().guards > 0
}

/// A guard is made; gives what [`end_guest`] is to be told, and [`depth`] to be compared with.
pub(crate) fn begin_guest() -> u32 {
    let Guests { depth, guards } = GUESTS.get();
    GUESTS.set(Guests { depth, guards: guards + 1 });
    depth
}

/// The guard is dropped. One that outlives the worker which made it counts for nothing any more.
pub(crate) fn end_guest(depth: u32) {
    let now = GUESTS.get();
    if now.depth == depth {
        GUESTS.set(Guests { depth, guards: now.guards.saturating_sub(1) });
    }
}

/// How often the thread has become a worker inside of what it was before.
pub(crate) fn depth() -> u32 {
    GUESTS.get().depth
}

/// The thread becomes a worker: the guards that it has wait until [`leave_worker`] is told this.
pub(crate) fn become_worker() -> Guests {
    let outer = GUESTS.get();
    GUESTS.set(Guests { depth: outer.depth + 1, guards: 0 });
    outer
}

pub(crate) fn leave_worker(outer: Guests) {
    GUESTS.set(outer);
}

/// Names the task that the calling thread is inside; returns the one before.
#[inline]
pub(crate) fn set_task(task: Option<TaskPtr>) -> Option<TaskPtr> {
    scope::set_current(task)
}

/// What tells the kind of the task that the calling thread is inside: the address of its vtable.
pub(crate) fn task_kind() -> Option<usize> {
    // The runner keeps the cell while it is inside the task.
    scope::current().map(|task| task.header().kind())
}

/// The task that the calling thread is inside.
pub(crate) fn current_task() -> Option<TaskRef> {
    // The runner keeps the cell while it is inside the task.
    scope::current().map(TaskRef::new)
}
