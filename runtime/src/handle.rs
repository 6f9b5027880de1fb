//! Handles: how any thread reaches a runtime or one of its loops.

mod entered;

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corio_sync::shim::Ordering::Relaxed;

use crate::blocking::{Job, ThreadPoolExecutor};
use crate::context::{self, Drivers};
use crate::scheduler::call_later::TimerHandle;
use crate::scheduler::callback::{CallHandle, Callback};
use crate::scheduler::shared::{Phase, Shared};
use crate::scheduler::worker::{self, Worker};
use crate::task::birth::Birth;
use crate::task::join::Task;
use crate::task::observers::DoneCall;
use crate::task::registry::TaskRef;
use crate::timer::clock;
use crate::tokio_context::Inside;
use crate::visit::{self, Host};
pub(crate) use entered::Named;

/// A runtime, or one of its loops. Cheap to clone, usable from any thread, and harmless after the
/// runtime is gone: everything is then refused. asyncio: the loop object.
///
/// # Examples
///
/// ```
/// let runtime = corio_runtime::Runtime::new().unwrap();
/// let handle = runtime.handle().clone();
/// let task = std::thread::spawn(move || handle.create_task(async { 6 * 7 })).join().unwrap();
/// assert_eq!(runtime.block_on(async { task.await.unwrap() }), 42);
/// ```
#[doc(alias = "AbstractEventLoop")]
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    /// The loop that this handle names; `None`: the runtime as a whole.
    home: Option<usize>,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, home: None }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The runtime of the calling thread.
    ///
    /// # Panics
    ///
    /// Outside a runtime. [`Handle::try_current`] returns an error instead.
    #[track_caller]
    #[must_use]
    pub fn current() -> Handle {
        match Self::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// The runtime of the calling thread.
    ///
    /// # Errors
    ///
    /// [`NoLoop`] outside a runtime.
    pub fn try_current() -> Result<Handle, NoLoop> {
        let known = || {
            if let Some(handle) = Self::entered() {
                return Some(handle);
            }
            worker::with(|worker| worker.map(|worker| Handle::new(worker.shared().clone())))
        };
        known().or_else(|| visit::arrive().then(known).flatten()).ok_or(NoLoop(()))
    }

    /// The calling thread's loop if it is a worker, else the runtime that it entered.
    pub(crate) fn here() -> Option<Handle> {
        let mut here = Self::try_current().ok()?;
        here.home = here.home.or_else(|| {
            let ours = |worker: &&Worker| Arc::ptr_eq(worker.shared(), &here.shared);
            worker::with(|worker| worker.filter(ours).map(Worker::index))
        });
        Some(here)
    }

    /// One handle for each loop of the runtime.
    #[must_use]
    pub fn loops(&self) -> Vec<Handle> {
        let workers = 0..self.shared.config.workers;
        workers.map(|index| Handle { shared: self.shared.clone(), home: Some(index) }).collect()
    }

    /// All tasks that have not ended, found by a walk that stops nothing: a task that lives from the
    /// call to its return is there, once; one that begins or ends meanwhile may be there or not. So
    /// two of them need not have lived at the same moment.
    ///
    /// asyncio: `all_tasks`, which copies a set of the loop under the interpreter's lock.
    /// See [`metrics`](Self::metrics) for an example.
    #[must_use]
    pub fn all_tasks(&self) -> Vec<TaskRef> {
        let mut tasks = self.shared.all_tasks();
        if let Some(home) = self.home {
            tasks.retain(|task| task.ptr().header().state.load().home() == Some(home));
        }
        tasks
    }

    /// Makes this runtime the calling thread's until the guard is dropped: `create_task`, timers
    /// and sockets then work outside its tasks too.
    ///
    /// Of several guards on a thread the latest that lives counts; they may be dropped in any order.
    /// (In tokio's context too, where the feature `tokio-context` is on, they may not: tokio's own
    /// guards panic unless the last one is dropped first.) In a destructor that runs at the end of a
    /// thread nothing is entered, and no panic comes of it.
    #[must_use = "the runtime is left again when the guard is dropped"]
    pub fn enter(&self) -> EnterGuard<'_> {
        let (_named, _drivers) = self.clone().enter_here();
        EnterGuard { _named, _drivers, _tokio: self.shared.config.tokio.enter() }
    }

    /// As [`Handle::enter`], without tokio's context.
    fn enter_here(self) -> (Named, context::Entered) {
        let drivers = Drivers {
            all: self.shared.drivers.clone(),
            pollers: self.shared.pollers.clone(),
            mine: self.home.unwrap_or(0),
            is_worker: false,
        };
        (self.name_here(), context::enter(drivers))
    }

    /// Calls `f` inside this runtime, which the thread enters when `f` first asks for it.
    pub(crate) fn visit<R>(self, f: impl FnOnce() -> R) -> R {
        // What a thread is inside already, it would not ask for; nor would tokio, whose libraries look
        // for its own.
        if self.home.is_some() || context::is_inside() || self.shared.config.tokio.is_there() {
            let _inside = self.enter();
            return f();
        }
        visit::during(self.shared, f)
    }

    /// Spawns a task on the runtime, or on the loop that this handle names.
    ///
    /// After a shutdown the body is dropped and the task ends cancelled at once;
    /// [`Handle::try_create_task`] gives the body back instead.
    ///
    /// # Cancel safety
    ///
    /// As [`create_task`](crate::create_task).
    #[doc(alias = "spawn")]
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.create_task_from(future, &mut Location::caller().into())
    }

    pub(crate) fn create_task_from<F>(&self, future: F, birth: &mut Birth) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.spawn(future, birth) {
            Ok(task) => task,
            Err(future) => self.shared.cancelled_task(future, birth),
        }
    }

    /// Starts the task here and now, if the calling thread is a worker that may run it.
    pub(crate) fn create_eager_task<F>(&self, future: F, birth: &mut Birth) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let started = worker::with(|worker| {
            let ours = |worker: &&Worker| Arc::ptr_eq(worker.shared(), &self.shared);
            match (worker.filter(ours), self.home) {
                (Some(worker), None) => worker.spawn_eager(future, birth),
                (Some(worker), Some(home)) if home == worker.index() && !worker.is_lent() => {
                    Ok(worker.spawn_local_eager(future, birth))
                }
                _ => Err(future),
            }
        });
        started.unwrap_or_else(|future| self.create_task_from(future, birth))
    }

    fn spawn<F>(&self, future: F, birth: &mut Birth) -> Result<Task<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.home {
            None if self.shared.phase() == Phase::Single => self.spawn_single(future, birth),
            None => self.shared.spawn(future, birth),
            Some(home) => self.shared.spawn_from_outside(future, Some(home), birth),
        }
    }

    /// Spawns onto a single loop: from its own thread right into its ready queue.
    fn spawn_single<F>(&self, future: F, birth: &mut Birth) -> Result<Task<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.shared.with_own_worker(|worker| match worker {
            Some(worker) => worker.spawn(future, birth),
            None => self.shared.spawn_from_outside(future, None, birth),
        })
    }

    /// As [`Handle::create_task`], but a closed runtime gives the body back.
    ///
    /// # Errors
    ///
    /// [`Refused`] holds the body.
    ///
    /// # Cancel safety
    ///
    /// As [`create_task`](crate::create_task).
    #[track_caller]
    pub fn try_create_task<F>(&self, future: F) -> Result<Task<F::Output>, Refused<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn(future, &mut Location::caller().into()).map_err(Refused)
    }

    /// Makes a future on a loop and runs it there: only the closure travels, so the future may be
    /// `!Send`. On a handle of the runtime as a whole the first loop is taken.
    ///
    /// # Cancel safety
    ///
    /// As [`create_task`](crate::create_task).
    #[doc(alias = "spawn_pinned")]
    #[track_caller]
    pub fn create_pinned_task<F, Fut>(&self, make: F) -> Task<Fut::Output>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        let birth = &mut Location::caller().into();
        let body = async move { make().await };
        match self.shared.spawn_from_outside(body, Some(self.home.unwrap_or(0)), birth) {
            Ok(task) => task,
            Err(body) => self.shared.cancelled_task(body, birth),
        }
    }

    /// Calls `f` soon: on the loop that this handle names, else on the calling worker's, else on
    /// the first one. Callbacks of one loop are called in the order in which they were submitted,
    /// each between two tasks; on a single loop in one order with the steps of tasks.
    ///
    /// asyncio: `loop.call_soon`. After a shutdown `f` is dropped and the handle says `cancelled`,
    /// where asyncio raises `RuntimeError`. A callback that panics goes to the exception handler.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() {
    /// corio_runtime::run(async {
    ///     let (said, hear) = std::sync::mpsc::channel();
    ///     let handle = corio_runtime::Handle::current();
    ///     handle.call_soon(move || said.send("called").unwrap());
    ///     let heard = corio_runtime::to_thread(move || hear.recv()).await.unwrap();
    ///     assert_eq!(heard, Ok("called"));
    /// });
    /// # }
    /// ```
    #[track_caller]
    pub fn call_soon(&self, f: impl FnOnce() + Send + 'static) -> CallHandle {
        self.call_soon_threadsafe(f).unwrap_or_else(|_| CallHandle::refused())
    }

    /// Calls `f` soon, from any thread.
    ///
    /// # Errors
    ///
    /// [`LoopClosed`] after a shutdown.
    #[track_caller]
    pub fn call_soon_threadsafe(
        &self,
        f: impl FnOnce() + Send + 'static,
    ) -> Result<CallHandle, LoopClosed> {
        let (callback, handle) = Callback::new(Box::new(f) as Box<dyn FnOnce() + Send>);
        let submitted = self.shared.submit_call(self.home_of_call(), callback);
        submitted.map(|()| handle).map_err(|_| LoopClosed(()))
    }

    /// Queues a done-callback; a closed loop drops it.
    pub(crate) fn call_done(&self, call: DoneCall) {
        drop(self.shared.submit_call(self.home_of_call(), call.into()));
    }

    /// Calls `f` when `delay` is over; see [`Handle::call_at`].
    ///
    /// asyncio: `loop.call_later`, which takes seconds; a negative delay there is zero here.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() {
    /// use std::time::Duration;
    ///
    /// corio_runtime::run(async {
    ///     let (said, hear) = std::sync::mpsc::channel();
    ///     let handle = corio_runtime::Handle::current();
    ///     let other = said.clone();
    ///     handle.call_later(Duration::from_millis(100), move || other.send("later").unwrap());
    ///     handle.call_later(Duration::from_millis(1), move || said.send("sooner").unwrap());
    ///     let heard = corio_runtime::to_thread(move || hear.iter().collect::<Vec<_>>()).await;
    ///     assert_eq!(heard.unwrap(), ["sooner", "later"]);
    /// });
    /// # }
    /// ```
    #[track_caller]
    pub fn call_later(&self, delay: Duration, f: impl FnOnce() + Send + 'static) -> TimerHandle {
        let now = self.shared.drivers[0].timers.clock().now();
        self.call_at(clock::to_instant(clock::after(now, delay)), f)
    }

    /// Calls `f` at a time of [`Handle::time`], or soon if that has passed; on the loop that
    /// [`Handle::call_soon`] would take. Callbacks of one loop become ready in the order of their
    /// times, equal ones in the order in which they were made.
    ///
    /// asyncio: `loop.call_at`, where equal times have no order.
    #[track_caller]
    pub fn call_at(&self, when: Instant, f: impl FnOnce() + Send + 'static) -> TimerHandle {
        self.shared.call_at(self.home_of_call(), when, Box::new(f))
    }

    /// The loop that calls what is submitted through this handle here and now.
    fn home_of_call(&self) -> usize {
        let calling = || self.shared.with_own_worker(|worker| worker.map(Worker::index));
        self.home.or_else(calling).unwrap_or(0)
    }

    /// The clock of the runtime.
    #[must_use]
    pub fn time(&self) -> Instant {
        clock::to_instant(self.shared.drivers[0].timers.clock().now())
    }

    /// Runs `f` on a thread that may block; see [`run_in_executor`](crate::run_in_executor).
    ///
    /// # Cancel safety
    ///
    /// Lossy, as [`Job`]: dropped while it is awaited, a call that has not begun never does, and
    /// one that has runs on, its value lost.
    #[doc(alias = "spawn_blocking")]
    #[track_caller]
    pub fn run_in_executor<R: Send + 'static>(
        &self,
        executor: Option<&ThreadPoolExecutor>,
        f: impl FnOnce() -> R + Send + 'static,
    ) -> Job<R> {
        match executor {
            Some(executor) => executor.submit(f),
            None => run_in_default_executor(&self.shared, f, Location::caller()),
        }
    }

    /// [`to_thread`](crate::to_thread), which says what it does.
    #[track_caller]
    pub(crate) fn to_thread<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> Job<R> {
        let at = Location::caller();
        let mut f = Some(f);
        let own = worker::with(|worker| {
            let worker = worker.filter(|_| !context::is_guest())?;
            Some(to_thread_of(worker.shared(), None, f.take()?, at))
        });
        if let Some(job) = own {
            return job;
        }
        let Handle { shared, home } = Handle::current();
        to_thread_of(&shared, home, f.expect("it was not submitted"), at)
    }

    /// True until the runtime is shut down; for a single loop, true while it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        match self.shared.phase() {
            Phase::Running => true,
            // Ordering: Relaxed; an answer that may be old as soon as it is given.
            Phase::Single => self.shared.turning.load(Relaxed),
            Phase::Closing | Phase::Closed => false,
        }
    }

    /// True once the runtime is shut down, or the single loop closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        !self.shared.phase().is_open()
    }
}

/// Calls `f` inside the runtime whose pool the calling thread belongs to, unless that is gone.
fn visit_owner<R>(f: impl FnOnce() -> R) -> R {
    match visit::owner() {
        Some(host) if context::is_inside() => {
            let _inside = host.enter();
            f()
        }
        Some(host) => visit::during(host, f),
        None => f(),
    }
}

/// Runs `f` on a thread of the runtime, inside of it.
fn to_thread_of<R: Send + 'static>(
    shared: &Arc<Shared>,
    home: Option<usize>,
    f: impl FnOnce() -> R + Send + 'static,
    at: &'static Location<'static>,
) -> Job<R> {
    // The pool's threads know whose they are.
    if home.is_none() && shared.executor.iter().next().is_none() {
        return shared.pool.submit_from(|| visit_owner(f), at);
    }
    let handle = Handle { shared: shared.clone(), home };
    run_in_default_executor(shared, move || handle.visit(f), at)
}

fn run_in_default_executor<R: Send + 'static>(
    shared: &Shared,
    f: impl FnOnce() -> R + Send + 'static,
    at: &'static Location<'static>,
) -> Job<R> {
    match shared.executor.iter().next() {
        Some(executor) => executor.pool().submit_from(f, at),
        None => shared.pool.submit_from(f, at),
    }
}

impl Host for Shared {
    fn enter(self: Arc<Self>) -> Box<dyn Any> {
        Box::new(Handle::new(self).enter_here())
    }
}

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) && self.home == other.home
    }
}

impl Eq for Handle {}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("runtime", &self.shared.config.name)
            .field("loop", &self.home)
            .field("running", &self.is_running())
            .finish()
    }
}

/// Leaves a runtime that [`Handle::enter`] entered.
#[derive(Debug)]
pub struct EnterGuard<'a> {
    _named: Named,
    _drivers: context::Entered,
    _tokio: Inside<'a>,
}

impl<T> Task<T> {
    /// The runtime that the task belongs to, or its loop; see [`TaskRef::get_loop`].
    #[must_use]
    pub fn get_loop(&self) -> Handle {
        self.as_ref().get_loop()
    }
}

impl TaskRef {
    /// The loop that the task is pinned to; of any other, the runtime that it belongs to.
    ///
    /// asyncio: `Task.get_loop`. See [`status`](Self::status) for an example.
    #[must_use]
    pub fn get_loop(&self) -> Handle {
        let shared = Shared::of(self.ptr());
        let pinned = self.ptr().header().state.load_relaxed().home();
        // Of one loop alone there is one name.
        Handle { home: pinned.filter(|_| shared.config.workers > 1), shared }
    }
}

/// There is no runtime on the calling thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NoLoop(());

impl NoLoop {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for NoLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no running event loop: call this inside corio::run or a task, or enter a runtime with \
             Handle::enter",
        )
    }
}

/// With the remedy: inside of an `io::Error` this is all that an `unwrap` shows.
impl fmt::Debug for NoLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NoLoop").field(&format_args!("{self}")).finish()
    }
}

impl Error for NoLoop {}

/// The loop was closed before the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopClosed(pub(crate) ());

impl fmt::Display for LoopClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop is closed")
    }
}

impl Error for LoopClosed {}

/// A body that a closed runtime did not take.
pub struct Refused<F>(pub F);

impl<F> fmt::Debug for Refused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refused({})", std::any::type_name::<F>())
    }
}

impl<F> fmt::Display for Refused<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime is shut down and takes no new tasks")
    }
}

impl<F> Error for Refused<F> {}
