//! A runtime as a value, and `run`.

pub(crate) mod start;

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use corio_sync::park;

use crate::builder::{BuildError, Builder, Settled};
use crate::debug::QuitDump;
use crate::error::Cancelled;
use crate::handle::{EnterGuard, Handle};
use crate::report::{ReportKind, report};
use crate::scheduler::shared::Phase;
use crate::scheduler::shutdown::ShutdownReport;
use crate::scheduler::worker;
use crate::task::join::Task;

use start::Started;

/// Event loops on threads of their own. Dropping it shuts it down.
///
/// asyncio has no counterpart: there a loop is run by the thread that made it. Use [`run`] for a
/// program's `main`; use this where the thread has something else to do, or for several runtimes.
///
/// # Examples
///
/// ```
/// # fn main() {
/// let runtime = corio_runtime::Runtime::new().unwrap();
/// let sum = runtime.block_on(async {
///     let task = corio_runtime::create_task(async { 1 + 2 });
///     task.await.unwrap()
/// });
/// assert_eq!(sum, 3);
/// # }
/// ```
pub struct Runtime {
    handle: Handle,
    threads: Vec<JoinHandle<()>>,
    /// For its drop.
    _dump: Option<QuitDump>,
}

impl Runtime {
    /// A runtime with the default settings.
    ///
    /// # Errors
    ///
    /// If the system refuses a thread or a poller.
    #[track_caller]
    pub fn new() -> io::Result<Self> {
        Ok(Builder::new().build()?)
    }

    /// The settings to start from.
    #[track_caller]
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn start(settled: Settled) -> Result<Self, BuildError> {
        let Started { shared, threads, .. } = start::start(settled, start::Caller::Stays)?;
        let dump = QuitDump::new(&shared);
        Ok(Self { handle: Handle::new(shared), threads, _dump: dump })
    }

    /// The handle of the runtime, for other threads.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a future on the calling thread, inside the runtime but on none of its workers, until
    /// it ends.
    ///
    /// # Panics
    ///
    /// On a worker of this runtime, which would wait for itself; `.await` there instead. If the
    /// future panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let nested = worker::with(|worker| {
            worker.is_some_and(|worker| Arc::ptr_eq(worker.shared(), self.handle.shared()))
        });
        assert!(
            !nested,
            "block_on was called on a worker of its own runtime '{}', which would wait for itself; \
             use `.await`, or `to_thread` for blocking code",
            self.handle.shared().config.name
        );
        let _entered = self.handle.enter();
        park::block_on(future)
    }

    /// Spawns a task; see [`Handle::create_task`].
    #[doc(alias = "spawn")]
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.create_task(future)
    }

    /// Makes this runtime the calling thread's until the guard is dropped.
    #[must_use = "the runtime is left again when the guard is dropped"]
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Ends the runtime: the bodies of all tasks are dropped, then threads are joined until
    /// `deadline` is over (`None`: however long it takes). What is stuck by then is left behind
    /// and reported.
    ///
    /// On one of the runtime's own threads nothing is waited for.
    pub fn shutdown(mut self, deadline: Option<Duration>) -> ShutdownReport {
        self.shut_down(deadline)
    }

    fn shut_down(&mut self, timeout: Option<Duration>) -> ShutdownReport {
        let threads = std::mem::take(&mut self.threads);
        start::shut_down(self.handle.shared(), threads, timeout)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.handle.shared().phase() == Phase::Running {
            let timeout = self.handle.shared().config.shutdown_timeout;
            let left = self.shut_down(timeout);
            if !left.is_clean() {
                report(ReportKind::Shutdown, format_args!("shutdown of a dropped runtime: {left}"));
            }
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("handle", &self.handle).finish_non_exhaustive()
    }
}

/// Why `run` gave no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The calling thread is inside another `run`.
    Nested {
        /// Where that one was called, or where the runtime of the calling worker was built.
        outer: &'static Location<'static>,
    },
    /// `main` was cancelled.
    Cancelled(Cancelled),
    /// An interrupt ended `main`.
    Interrupted,
    /// The loop was stopped before the future ended.
    Stopped,
    /// The loop is closed.
    Closed,
    /// The loop belongs to another thread.
    WrongThread,
    /// The runtime could not be started.
    Build(BuildError),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nested { outer } => write!(
                f,
                "run() was called inside the runtime that was started at {outer}; use `.await`, or \
                 `to_thread` for blocking code"
            ),
            Self::Cancelled(cancelled) => write!(f, "main was cancelled: {cancelled}"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Stopped => f.write_str("the event loop stopped before the future ended"),
            Self::Closed => f.write_str("the event loop is closed"),
            Self::WrongThread => f.write_str("the event loop belongs to another thread"),
            Self::Build(error) => error.fmt(f),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Build(error) => Some(error),
            _ => None,
        }
    }
}

thread_local! {
    /// Where the calling thread is inside `run`.
    static RUNNING_AT: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// Refuses a `run` inside a `run`, or on a worker.
pub(crate) fn check_not_nested() -> Result<(), RunError> {
    let on_worker = || worker::with(|worker| Some(worker?.shared().config.built_at));
    match RUNNING_AT.get().or_else(on_worker) {
        Some(outer) => Err(RunError::Nested { outer }),
        None => Ok(()),
    }
}

/// Names the place that made the calling thread a worker; returns the one before.
pub(crate) fn set_running_at(
    at: Option<&'static Location<'static>>,
) -> Option<&'static Location<'static>> {
    RUNNING_AT.replace(at)
}

/// Runs a program's `main`: the calling thread becomes worker 0 of a new runtime, runs `main` to
/// its end, then ends every task that is left. `main` may be `!Send` and may borrow.
///
/// asyncio: `asyncio.run`.
///
/// # Panics
///
/// If it is called inside another `run` (the message says where that is), if the runtime cannot be
/// started, if `main` is cancelled, or if `main` panics. [`Builder::run`] returns the first three
/// as errors.
///
/// # Examples
///
/// ```
/// # fn main() {
/// let greeting = String::from("hello");
/// let length = corio_runtime::run(async { greeting.len() });
/// assert_eq!(length, 5);
/// # }
/// ```
#[track_caller]
pub fn run<F: Future>(main: F) -> F::Output {
    match Builder::new().run(main) {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

/// `main` as a task: the future and its result stay with `run`, only a pointer is in the cell.
struct Main<'a, F: Future> {
    future: Pin<&'a mut F>,
    result: &'a mut Option<std::thread::Result<F::Output>>,
}

/// What the cell holds: the life of `main` is erased, because `run` outlives the task.
struct Erased(std::ptr::NonNull<dyn MainPoll + 'static>);

trait MainPoll {
    fn poll_main(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

impl<F: Future> MainPoll for Main<'_, F> {
    fn poll_main(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let future = self.future.as_mut();
        let polled = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(payload) => Err(payload),
        };
        *self.result = Some(polled);
        Poll::Ready(())
    }
}

impl Future for Erased {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: `run_main` does not return before the task is done, so `main` is alive; the
        // task is pinned to this thread, and nobody else uses the pointer.
        unsafe { self.0.as_mut() }.poll_main(cx)
    }
}

pub(crate) fn run_main<F: Future>(
    settled: Settled,
    main: F,
    at: &'static Location<'static>,
) -> Result<F::Output, RunError> {
    let started = start::start(settled, start::Caller::BecomesWorker).map_err(RunError::Build)?;
    let Started { shared, threads, own } = started;
    let own = own.expect("the caller's worker was asked for");
    let _dump = QuitDump::new(&shared);
    let outer = set_running_at(Some(at));
    let mut result = None;
    let cancelled = {
        let mut main = Main { future: pin!(main), result: &mut result };
        let erased: std::ptr::NonNull<dyn MainPoll + '_> = std::ptr::NonNull::from(&mut main);
        // SAFETY: only the lifetime changes; `run_worker_zero` ends the task before it returns,
        // also when something panics: it catches what tasks and callbacks throw.
        let erased: std::ptr::NonNull<dyn MainPoll + 'static> =
            unsafe { std::mem::transmute(erased) };
        start::run_worker_zero(&own, Erased(erased), at)
    };
    set_running_at(outer);
    let timeout = shared.config.shutdown_timeout;
    drop(own);
    shared.worker_left();
    let left = start::shut_down(&shared, threads, timeout);
    if !left.is_clean() {
        report(ReportKind::Shutdown, format_args!("shutdown after main: {left}"));
    }
    match (result, cancelled) {
        (Some(Ok(value)), None) => Ok(value),
        (Some(Err(payload)), _) => resume_unwind(payload),
        (_, Some(cancelled)) => Err(RunError::Cancelled(cancelled)),
        (None, None) => Err(RunError::Stopped),
    }
}
