//! A runtime as a value, and `run`.

mod engine;
mod interrupts;
mod new_loop;
mod runner;
pub(crate) mod start;
mod teardown;

pub use new_loop::new_event_loop;
pub use runner::Runner;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use corio_sync::park;

use crate::builder::{Builder, Settled};
use crate::debug::{DebugSocket, QuitDump};
use crate::error::{BuildError, RunError};
use crate::handle::{EnterGuard, Handle};
use crate::report::{ReportKind, report};
use crate::scheduler::shutdown::ShutdownReport;
use crate::scheduler::worker;
use crate::task::join::Task;

use engine::Engine;
use start::Started;

/// How long a dropped runtime waits for what is stuck unless the builder says otherwise.
const DROP_TIMEOUT: Duration = Duration::from_secs(10);

/// Event loops on threads of their own. Dropping it shuts it down: on a worker, this runtime's or
/// another's, without waiting; anywhere else, a future in `block_on` included, it waits for what is
/// inside a poll or a job, for 10 s at most or as
/// [`shutdown_timeout`](Builder::shutdown_timeout) says.
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
    _top: Option<DebugSocket>,
}

impl Runtime {
    /// A runtime with the default settings.
    ///
    /// # Errors
    ///
    /// If the system refuses a thread or a poller.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Runtime::new()?;
    /// assert_eq!(runtime.block_on(async { 5 }), 5);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn new() -> io::Result<Self> {
        Ok(Builder::new().build()?)
    }

    /// The settings to start from.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Runtime::builder().workers(2).build().unwrap();
    /// assert_eq!(runtime.handle().loops().len(), 2);
    /// ```
    #[track_caller]
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn start(settled: Settled) -> Result<Self, BuildError> {
        let Started { shared, threads, .. } = start::start(settled, start::Caller::Stays)?;
        let (_dump, _top) = (QuitDump::new(&shared), DebugSocket::new(&shared));
        Ok(Self { handle: Handle::new(shared), threads, _dump, _top })
    }

    /// The handle of the runtime, for other threads.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Runtime::new().unwrap();
    /// let handle = runtime.handle().clone();
    /// let thread = std::thread::spawn(move || handle.create_task(async { 6 * 7 }));
    /// let task = thread.join().unwrap();
    /// assert_eq!(runtime.block_on(async { task.await.unwrap() }), 42);
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Runtime::new().unwrap();
    /// let words = vec!["a", "b"];
    /// // The future may borrow, and need not be `Send`.
    /// let count = runtime.block_on(async {
    ///     corio::time::sleep(std::time::Duration::from_millis(1)).await;
    ///     words.len()
    /// });
    /// assert_eq!(count, 2);
    /// ```
    #[track_caller]
    pub fn block_on<F: IntoFuture>(&self, future: F) -> F::Output {
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
        park::block_on(future.into_future())
    }

    /// Spawns a task; see [`Handle::create_task`].
    ///
    /// # Cancel safety
    ///
    /// As [`create_task`](crate::create_task).
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Runtime::new().unwrap();
    /// let tasks: Vec<_> = (0..3).map(|n| runtime.create_task(async move { n * n })).collect();
    /// let squares = runtime.block_on(corio::gather_all(tasks));
    /// assert!(squares.into_iter().map(Result::unwrap).eq([0, 1, 4]));
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Runtime::new().unwrap();
    /// let task = {
    ///     let _inside = runtime.enter();
    ///     corio::create_task(async { 5 })
    /// };
    /// assert_eq!(runtime.block_on(async { task.await.unwrap() }), 5);
    /// ```
    #[must_use = "the runtime is left again when the guard is dropped"]
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Ends the runtime: the bodies of all tasks are dropped, then threads are joined until
    /// `deadline` is over (`None`: however long it takes). What is stuck by then is left behind
    /// and reported.
    ///
    /// On a worker of the runtime itself nothing is waited for, and the report tells of nothing. On a
    /// worker of another runtime the call blocks that one: [`to_thread`](crate::to_thread) is better.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Runtime::new().unwrap();
    /// let task = runtime.create_task(std::future::pending::<()>());
    /// let report = runtime.shutdown(Some(std::time::Duration::from_secs(5)));
    /// assert!(report.is_clean(), "{report}");
    /// assert_eq!(report.stopped, 1);
    /// assert!(task.done() && task.cancelled());
    /// ```
    #[doc(alias("shutdown_timeout", "shutdown_background"))]
    pub fn shutdown(mut self, deadline: Option<Duration>) -> ShutdownReport {
        self.shut_down(deadline, false)
    }

    fn shut_down(&mut self, timeout: Option<Duration>, in_drop: bool) -> ShutdownReport {
        let threads = std::mem::take(&mut self.threads);
        // True: waits for nobody. Who ends a runtime by name on a worker of another wants to wait there.
        let stays = start::is_own_thread(self.handle.shared()) || in_drop && worker::is_one();
        start::shut_down(self.handle.shared(), threads, timeout, timeout, !stays)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.handle.shared().phase().is_open() {
            let timeout = self.handle.shared().config.shutdown_timeout;
            let left = self.shut_down(timeout.or(Some(DROP_TIMEOUT)), true);
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

/// Runs a program's `main`: the calling thread becomes worker 0 of a new runtime, runs `main` to
/// its end, then ends every task that is left. `main` may be `!Send` and may borrow.
///
/// asyncio: `asyncio.run`, and its end: all tasks that are left are cancelled and awaited, those
/// that they spawn meanwhile too, and errors of theirs go to the exception handler; then the default
/// executor is joined, for 5 minutes at most. A task that does not heed its cancel is waited for,
/// unless [`Builder::shutdown_timeout`] sets a limit. SIGINT cancels `main`; see
/// [`Runner`](crate::Runner).
///
/// # Panics
///
/// If it is called inside another `run` (the message says where that is), if the runtime cannot be
/// started, if `main` is cancelled or interrupted, or if `main` panics. [`Builder::run`] returns all
/// but the last as errors.
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
#[doc(alias = "block_on")]
#[track_caller]
pub fn run<F: Future>(main: F) -> F::Output {
    match Builder::new().run(main) {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn run_main<F: Future>(
    settled: Settled,
    main: F,
    at: &'static Location<'static>,
) -> Result<F::Output, RunError> {
    let engine = Engine::start(settled).map_err(RunError::Build)?;
    let outcome = engine.run(main, at);
    engine.close(at);
    outcome?.settle()
}
