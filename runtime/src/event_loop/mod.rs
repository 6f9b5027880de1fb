//! asyncio's own loop, callbacks and what a program sets on a loop.
//!
//! - here: [`EventLoop`], and what it takes that is not `Send`;
//! - [`drive`]: `run_until_complete`, `run_forever`, `stop`, `close`;
//! - [`policy`]: which loop is the thread's;
//! - [`exception`]: the exception handler; [`executor`]: the default executor;
//! - [`main_task`]: `main` as a task, for all that run one.
//!
//! The loop itself is a worker of one, see `scheduler/worker/single.rs`.

mod bound;
pub(crate) mod drive;
mod exception;
mod executor;
pub(crate) mod main_task;
mod policy;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bound::Bound;
pub use drive::LoopRunning;
pub use exception::ExceptionHandler;
pub use executor::ShutdownExecutor;
pub use policy::{get_event_loop, get_running_loop, set_event_loop};

use crate::handle::Handle;
use crate::scheduler::call_later::TimerHandle;
use crate::scheduler::callback::{CallHandle, Callback};
use crate::scheduler::worker::{Worker, single};
use crate::task::join::Task;

/// A loop of one thread, with asyncio's order: callbacks, steps of tasks and wake-ups stand in one
/// queue, first in, first out; what runs in an iteration makes things ready for the next one. Code
/// between two awaits is atomic.
///
/// As in asyncio a task that waits for a timer, a socket or another thread is woken in the iteration of
/// that event, among the callbacks that are due, and goes on in the next one; who waits for tasks in a
/// `gather`, `wait`, `as_completed`, `shield` or task group goes on two iterations after they end. What
/// differs is little, and stands in `docs/from-asyncio.md` under *Order*: the macros, `join!`, `select!`
/// and their kin, poll futures within one task and have no iterations between; a cancel reaches the
/// innermost of tasks that await each other with the next step of the first, and not at the call.
///
/// As in asyncio, an `await` of something that is ready runs on: here a poll has no
/// [budget](crate::Builder::poll_budget), which on a runtime makes a task give way after so many calls
/// that did not have to wait. A task that reads from a socket whose peer is always faster, or gets from
/// a queue that is never empty, keeps all others waiting until it awaits
/// [`yield_now`](crate::time::yield_now), asyncio's `sleep(0)`.
///
/// It runs while its thread is in [`run_until_complete`](Handle::run_until_complete) or
/// [`run_forever`](Handle::run_forever), and stands still otherwise. It dereferences to its
/// [`Handle`], which any thread may use; what the loop itself takes need not be `Send`.
///
/// asyncio: the object that `new_event_loop()` returns. Dropping it closes it.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// let event_loop = corio_runtime::new_event_loop()?;
/// let lines = Rc::new(RefCell::new(Vec::new()));
/// let line = lines.clone();
/// event_loop.call_soon(move || line.borrow_mut().push("first"));
/// let line = lines.clone();
/// let sum = event_loop.run_until_complete(async move {
///     line.borrow_mut().push("second");
///     1 + 2
/// });
/// assert_eq!(sum.unwrap(), 3);
/// assert_eq!(*lines.borrow(), ["first", "second"]);
/// event_loop.close().unwrap();
/// # Ok(())
/// # }
/// ```
pub struct EventLoop {
    handle: Handle,
    /// Whatever shows the loop to other processes as long as it is there.
    _shown: Option<Box<dyn Any>>,
    /// It stays with the thread that made it.
    here: PhantomData<*const ()>,
}

impl EventLoop {
    pub(crate) fn adopt(worker: Box<Worker>, shown: Option<Box<dyn Any>>) -> Self {
        let handle = Handle::new(worker.shared().clone());
        single::adopt(Rc::from(worker));
        Self { handle, _shown: shown, here: PhantomData }
    }

    /// Calls `f` in the next iteration, after everything that is ready now. asyncio: `call_soon`.
    ///
    /// As [`Handle::call_soon`], which is hidden by this one, but `f` need not be `Send`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// let (event_loop, called) = (corio::new_event_loop()?, Rc::new(Cell::new(false)));
    /// let calls = called.clone();
    /// event_loop.call_soon(move || calls.set(true));
    /// event_loop.run_until_complete(async {}).unwrap();
    /// assert!(called.get());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn call_soon(&self, f: impl FnOnce() + 'static) -> CallHandle {
        let (call, handle) = Callback::new(Box::new(f) as Box<dyn FnOnce()>);
        match single::own(self.handle.shared()) {
            Some(worker) => {
                worker.push_call(call);
                handle
            }
            None => CallHandle::refused(),
        }
    }

    /// Calls `f` when `delay` is over. asyncio: `call_later`.
    ///
    /// As [`Handle::call_later`], but `f` need not be `Send`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::time::Duration;
    ///
    /// let event_loop = corio::new_event_loop()?;
    /// let stops = event_loop.clone();
    /// event_loop.call_later(Duration::from_millis(1), move || stops.stop());
    /// event_loop.run_forever().unwrap();
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> TimerHandle {
        self.handle.call_later(delay, self.bound(f))
    }

    /// Calls `f` at a time of [`Handle::time`]. asyncio: `call_at`.
    ///
    /// As [`Handle::call_at`], but `f` need not be `Send`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::{cell::RefCell, rc::Rc, time::Duration};
    ///
    /// let (event_loop, lines) = (corio::new_event_loop()?, Rc::new(RefCell::new(Vec::new())));
    /// let now = event_loop.time();
    /// for n in [2, 1] {
    ///     let lines = lines.clone();
    ///     event_loop.call_at(now + Duration::from_millis(n), move || lines.borrow_mut().push(n));
    /// }
    /// event_loop.run_until_complete(corio::time::sleep(Duration::from_millis(5))).unwrap();
    /// assert_eq!(*lines.borrow(), [1, 2]);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn call_at(&self, when: Instant, f: impl FnOnce() + 'static) -> TimerHandle {
        self.handle.call_at(when, self.bound(f))
    }

    fn bound(&self, f: impl FnOnce() + 'static) -> impl FnOnce() + Send + 'static {
        let bound = Bound::new(f, self.handle.shared().clone());
        move || bound.into_inner()()
    }

    /// Spawns a task, whose first step comes after everything that is ready now. asyncio:
    /// `loop.create_task`.
    ///
    /// As [`Handle::create_task`], but the body need not be `Send`.
    ///
    /// # Cancel safety
    ///
    /// As [`create_task`](crate::create_task).
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::rc::Rc;
    ///
    /// let (event_loop, word) = (corio::new_event_loop()?, Rc::new("word"));
    /// let task = event_loop.create_task(async move { word.len() });
    /// assert_eq!(event_loop.run_until_complete(task).unwrap().unwrap(), 4);
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "spawn_local")]
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let at = Location::caller();
        match single::own(self.handle.shared()) {
            Some(worker) => worker.spawn_local(future, &mut at.into()),
            None => self.handle.shared().cancelled_task(future, &mut at.into()),
        }
    }
}

impl Deref for EventLoop {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        drive::close_dropped(&self.handle);
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("running", &self.is_running())
            .field("closed", &self.is_closed())
            .finish()
    }
}
