//! How a runtime is configured and started.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{BuildError, RunError};
use crate::event_loop::main_task;
use crate::runtime::Runtime;
use crate::scheduler::shared::{Config, Hook};
use crate::task::state::WORKERS_MAX;
use crate::tokio_context::{Drive, TokioContext, Wanted};

/// Most threads of the default executor unless the builder says otherwise.
const BLOCKING_THREADS: usize = 512;
/// Idle life of a thread of the default executor unless the builder says otherwise.
const BLOCKING_KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Units of work that a task may do in one poll before it must yield.
const POLL_BUDGET: u32 = 128;
/// A callback that runs longer is reported.
const SLOW_CALLBACK: Duration = Duration::from_millis(100);

/// Settings of a runtime.
///
/// # Examples
///
/// ```
/// # fn main() {
/// let answer = corio_runtime::Builder::new().workers(2).run(async { 42 }).unwrap();
/// assert_eq!(answer, 42);
/// # }
/// ```
#[must_use = "a builder does nothing until `build` or `run`"]
pub struct Builder {
    config: Config,
    workers: Option<usize>,
    pollers: Option<usize>,
    blocking_threads: usize,
    blocking_keep_alive: Duration,
    tokio: Wanted,
}

impl Default for Builder {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// The default settings: one worker for each core that the process may use.
    #[doc(alias = "new_multi_thread")]
    #[track_caller]
    pub fn new() -> Self {
        Self {
            config: Config {
                name: "corio".to_owned(),
                built_at: Location::caller(),
                workers: 0,
                stack_size: None,
                lifo_slot: true,
                stealing: true,
                watch: true,
                debug: std::env::var_os("CORIO_DEBUG").is_some_and(|v| v == "1"),
                debug_socket: std::env::var_os("CORIO_TOP").is_some_and(|v| v == "1"),
                simulated: None,
                poll_budget: POLL_BUDGET,
                slow_callback_duration: SLOW_CALLBACK,
                shutdown_timeout: None,
                handle_signals: true,
                on_thread_start: None,
                on_thread_stop: None,
                tokio: TokioContext::default(),
            },
            workers: None,
            pollers: None,
            blocking_threads: BLOCKING_THREADS,
            blocking_keep_alive: BLOCKING_KEEP_ALIVE,
            tokio: Wanted::default(),
        }
    }

    /// How many workers, that is, event loops. Default: the cores that affinity and the cgroup's
    /// quota leave to the process.
    #[doc(alias = "worker_threads")]
    pub fn workers(mut self, n: usize) -> Self {
        self.workers = Some(n);
        self
    }

    /// The name of the runtime; its threads are called `name-N`. A NUL, which no thread's name may
    /// have, is left out.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let builder = corio::Builder::new().name("web");
    /// let name = builder.run(async {
    ///     corio::to_thread(|| std::thread::current().name().map(String::from)).await.unwrap()
    /// });
    /// assert!(name.unwrap().unwrap().starts_with("web"));
    /// ```
    #[doc(alias = "thread_name")]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self.config.name.retain(|c| c != '\0');
        self
    }

    /// Stack of each worker thread in bytes. Default: the standard library's.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Builder::new().workers(1).stack_size(8 << 20).build().unwrap();
    /// let deep = runtime.create_task(async { [1_u8; 4 << 20].iter().filter(|n| **n == 1).count() });
    /// assert_eq!(runtime.block_on(async { deep.await.unwrap() }), 4 << 20);
    /// ```
    #[doc(alias = "thread_stack_size")]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.config.stack_size = Some(bytes);
        self
    }

    /// Most threads of the default executor; above 4095 counts as 4095. Default: 512.
    ///
    /// See [`blocking_keep_alive`](Self::blocking_keep_alive) for an example.
    #[doc(alias = "max_blocking_threads")]
    pub fn blocking_threads(mut self, max: usize) -> Self {
        self.blocking_threads = max;
        self
    }

    /// How long a thread of the default executor lives without work. Default: 10 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::time::Duration;
    ///
    /// let builder = corio::Builder::new().blocking_threads(2);
    /// let builder = builder.blocking_keep_alive(Duration::from_secs(1));
    /// let threads = builder.run(async {
    ///     let thread = || std::thread::current().id();
    ///     let jobs: Vec<_> = (0..8).map(|_| corio::to_thread(thread)).collect();
    ///     let mut threads = std::collections::HashSet::new();
    ///     for job in jobs {
    ///         threads.insert(job.await.unwrap());
    ///     }
    ///     threads.len()
    /// });
    /// assert!(threads.unwrap() <= 2);
    /// ```
    #[doc(alias = "thread_keep_alive")]
    pub fn blocking_keep_alive(mut self, d: Duration) -> Self {
        self.blocking_keep_alive = d;
        self
    }

    /// How many pollers. Default, and the most there can be: one for each worker. Sources are
    /// placed on the first `n` workers only.
    ///
    /// See [`stealing`](Self::stealing) for an example.
    pub fn pollers(mut self, n: usize) -> Self {
        self.pollers = Some(n);
        self
    }

    /// Whether a thread watches the workers, rescues the tasks, timers and sockets of one that is
    /// stuck in a poll, and reports slow polls; in debug mode it finds lost tasks, too. Default: on.
    /// Without it per-core pollers have a far worse tail than one shared poller.
    ///
    /// See [`stealing`](Self::stealing) for an example.
    pub fn watch(mut self, on: bool) -> Self {
        self.config.watch = on;
        self
    }

    /// Debug mode: reports of futures that nobody awaited, of files and streams that were dropped
    /// open, of tasks that end with the runtime or that nobody can wake any more, of cycles of
    /// locks, of threads that block a loop, and of how long slow callbacks took; and a dump of all
    /// tasks on SIGQUIT. Costs some hundred nanoseconds for each poll and each lock that is taken.
    /// See the module [`debug`](crate::debug). Default: off, unless `CORIO_DEBUG=1`; this setting
    /// beats the variable.
    ///
    /// asyncio: `debug=True`, `PYTHONASYNCIODEBUG=1`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let builder = corio::Builder::new().debug(true);
    /// assert!(builder.run(async { corio::Handle::current().get_debug() }).unwrap());
    /// ```
    pub fn debug(mut self, on: bool) -> Self {
        self.config.debug = on;
        self
    }

    /// Whether the runtime is shown by `corio-top`, a program that asks this process over a socket
    /// which the same user and root may use; see the module [`debug`](crate::debug). One thread,
    /// `corio-top`, answers for all such runtimes of the process. It looks at their tasks once a second
    /// and takes a hundredth of a core at most for that; tasks and workers pay nothing. Linux only.
    /// Default: off, unless `CORIO_TOP=1`; this setting beats the variable. A simulation is not shown.
    ///
    /// asyncio: `python -m asyncio ps` reads the memory of a process that knows nothing of it.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() {
    /// let shown = corio_runtime::Builder::new().debug_socket(true).run(async { 42 });
    /// assert_eq!(shown.unwrap(), 42);
    /// # }
    /// ```
    pub fn debug_socket(mut self, on: bool) -> Self {
        self.config.debug_socket = on;
        self
    }

    /// One worker, whose schedule the seed chooses, on a virtual clock.
    pub(crate) fn simulated(mut self, seed: u64) -> Self {
        self.config.simulated = Some(seed);
        self.config.debug_socket = false;
        self.workers(1).lifo_slot(false).stealing(false).watch(false).handle_signals(false)
    }

    /// A poll or callback that takes longer is reported while it lasts, by [`watch`](Self::watch); in debug mode
    /// each of them again, when it is over. Default: 100 ms.
    ///
    /// asyncio: `loop.slow_callback_duration`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::time::Duration;
    ///
    /// // Nobody is told of a poll unless it takes a second.
    /// let builder = corio::Builder::new().slow_callback_duration(Duration::from_secs(1));
    /// builder.run(async { std::thread::sleep(Duration::from_millis(1)) }).unwrap();
    /// ```
    pub fn slow_callback_duration(mut self, d: Duration) -> Self {
        self.config.slow_callback_duration = d;
        self
    }

    /// Whether a task that another one wakes may run before the queue. Default: on.
    ///
    /// See [`stealing`](Self::stealing) for an example.
    #[doc(alias = "disable_lifo_slot")]
    pub fn lifo_slot(mut self, on: bool) -> Self {
        self.config.lifo_slot = on;
        self
    }

    /// Whether workers take each other's tasks. Default: on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// // What a worker makes ready it runs itself, and in the order in which it became ready.
    /// let builder = corio::Builder::new().workers(2).pollers(1);
    /// let builder = builder.stealing(false).lifo_slot(false).watch(false);
    /// let here = builder.run(async {
    ///     let here = std::thread::current().id();
    ///     let there = corio::create_task(async { std::thread::current().id() });
    ///     here == there.await.unwrap()
    /// });
    /// assert!(here.unwrap());
    /// ```
    pub fn stealing(mut self, on: bool) -> Self {
        self.config.stealing = on;
        self
    }

    /// Units of work that a task may do in one poll before it must yield. Default: 128. A single
    /// [`EventLoop`](crate::EventLoop) has no such limit, as asyncio has none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// // Tasks give way to each other more often than by default.
    /// let answer = corio::Builder::new().poll_budget(32).run(async { 42 });
    /// assert_eq!(answer.unwrap(), 42);
    /// assert!(corio::Builder::new().poll_budget(0).build().is_err());
    /// ```
    pub fn poll_budget(mut self, n: u32) -> Self {
        self.config.poll_budget = n;
        self
    }

    /// Whether `run` turns an interrupt into a cancel of its main; see
    /// [`Runner`](crate::Runner). A runtime that is built installs no handler. Default: on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// // The program has a handler of its own, or dies of Ctrl-C.
    /// let answer = corio::Builder::new().handle_signals(false).run(async { 42 });
    /// assert_eq!(answer.unwrap(), 42);
    /// ```
    pub fn handle_signals(mut self, on: bool) -> Self {
        self.config.handle_signals = on;
        self
    }

    /// How long the end waits for what is stuck. A dropped runtime waits so long for tasks that are
    /// inside a poll and for jobs; the default is 10 s. The end of `run` waits so long for tasks that
    /// do not heed their cancel, whose bodies are then dropped, and as long again for the rest; by
    /// default it waits for tasks without limit and for jobs 5 minutes, as asyncio does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::time::Duration;
    ///
    /// let builder = corio::Builder::new().shutdown_timeout(Duration::from_millis(1));
    /// builder.run(async {
    ///     // It answers its cancel with another wait, for ever.
    ///     drop(corio::create_task(async {
    ///         loop {
    ///             let _ = corio::catch_cancel(std::future::pending::<()>()).await;
    ///         }
    ///     }));
    ///     corio::time::yield_now().await;
    /// }).unwrap();
    /// ```
    pub fn shutdown_timeout(mut self, d: Duration) -> Self {
        self.config.shutdown_timeout = Some(d);
        self
    }

    /// Runs on each thread of the runtime before anything else does: its workers, the threads of its
    /// default executor, and who becomes worker 0.
    ///
    /// See [`on_thread_stop`](Self::on_thread_stop) for an example.
    pub fn on_thread_start(mut self, f: impl Fn() + Send + Sync + 'static) -> Self {
        let hook: Hook = Arc::new(f);
        self.config.on_thread_start = Some(hook);
        self
    }

    /// Runs on each thread of the runtime after everything else; see
    /// [`on_thread_start`](Self::on_thread_start).
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    ///
    /// let (started, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    /// let (starts, stops) = (started.clone(), stopped.clone());
    /// let builder = corio::Builder::new()
    ///     .workers(2)
    ///     .on_thread_start(move || drop(starts.fetch_add(1, SeqCst)))
    ///     .on_thread_stop(move || drop(stops.fetch_add(1, SeqCst)));
    /// builder.build().unwrap().shutdown(None);
    /// assert_eq!((started.load(SeqCst), stopped.load(SeqCst)), (2, 2));
    /// ```
    pub fn on_thread_stop(mut self, f: impl Fn() + Send + Sync + 'static) -> Self {
        let hook: Hook = Arc::new(f);
        self.config.on_thread_stop = Some(hook);
        self
    }

    /// Puts tokio's context on all threads of the runtime (workers, the default executor, threads
    /// that enter it), so that libraries that call `tokio::spawn`, open tokio's sockets or sleep on
    /// its timers work inside tasks: reqwest, sqlx, and others. Default: off.
    ///
    /// One more thread, `NAME-tokio`, drives tokio's reactor and timers. A library's futures run on
    /// the worker of the task that awaits them; what the library spawns by itself runs on that
    /// thread, which is inside the corio runtime too. tokio's timers know no virtual time, and
    /// `tokio::task::spawn_local` and `block_in_place` want a worker of tokio's.
    ///
    /// When the last worker has left, tokio's runtime is dropped, and the tasks that it still has
    /// with it; its blocking closures are waited for like jobs of the default executor.
    ///
    /// asyncio has no counterpart.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() {
    /// # use std::time::Duration;
    /// let spawned = corio_runtime::Builder::new().tokio_context(true).run(async {
    ///     tokio::time::sleep(Duration::from_millis(1)).await;
    ///     tokio::spawn(async { 42 }).await.unwrap()
    /// });
    /// assert_eq!(spawned.unwrap(), 42);
    /// # }
    /// ```
    #[cfg(feature = "tokio-context")]
    pub fn tokio_context(mut self, on: bool) -> Self {
        self.tokio = if on { Wanted::Own } else { Wanted::None };
        self
    }

    /// As [`tokio_context`](Self::tokio_context), with a tokio runtime of yours, which you drive:
    /// a multi-threaded one, or a current-thread one inside its `block_on`. It has to outlive this
    /// runtime, and is not stopped with it.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() {
    /// let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// let corio = corio_runtime::Builder::new().tokio_handle(tokio.handle().clone());
    /// let corio = corio.build().unwrap();
    /// let task = corio.create_task(async { tokio::spawn(async { 42 }).await.unwrap() });
    /// assert_eq!(tokio.block_on(async { task.await.unwrap() }), 42);
    /// # }
    /// ```
    #[cfg(feature = "tokio-context")]
    pub fn tokio_handle(mut self, handle: tokio::runtime::Handle) -> Self {
        self.tokio = Wanted::Given(handle);
        self
    }

    /// Starts the runtime with all workers on threads of their own.
    ///
    /// # Errors
    ///
    /// [`BuildError`]: a setting makes no sense, or the system refuses a thread or a poller. What
    /// was started by then has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Builder::new().workers(2).build().unwrap();
    /// let task = runtime.create_task(async { 6 * 7 });
    /// assert_eq!(runtime.block_on(async { task.await.unwrap() }), 42);
    ///
    /// let error = corio::Builder::new().workers(0).build().unwrap_err();
    /// assert!(error.to_string().contains("workers"), "{error}");
    /// ```
    #[track_caller]
    pub fn build(mut self) -> Result<Runtime, BuildError> {
        self.config.built_at = Location::caller();
        let settled = self.settle()?;
        Runtime::start(settled)
    }

    /// Runs `main` on the calling thread, which becomes worker 0, and shuts the runtime down after
    /// it; see [`run`](crate::run).
    ///
    /// # Errors
    ///
    /// [`RunError`]: nested in another `run`, not started, or `main` was cancelled or interrupted.
    ///
    /// # Panics
    ///
    /// If `main` does, with its panic.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let error = corio::Builder::new().run(async {
    ///     corio::current_task().unwrap().cancel();
    ///     std::future::pending::<()>().await;
    /// });
    /// assert!(matches!(error, Err(corio::RunError::Cancelled(_))));
    /// ```
    #[track_caller]
    pub fn run<F: Future>(mut self, main: F) -> Result<F::Output, RunError> {
        let at = Location::caller();
        self.config.built_at = at;
        main_task::check_not_nested()?;
        let settled = self.settle().map_err(RunError::Build)?;
        crate::runtime::run_main(settled, main, at)
    }

    /// The caller is the place that the runtime comes from.
    #[track_caller]
    pub(crate) fn built_here(mut self) -> Self {
        self.config.built_at = Location::caller();
        self
    }

    pub(crate) fn settle(mut self) -> Result<Settled, BuildError> {
        let workers = match self.workers {
            Some(n) => n,
            None => std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX),
        };
        let invalid =
            |setting, value, allowed| Err(BuildError::Invalid { setting, value, allowed });
        if workers == 0 || workers > WORKERS_MAX {
            return invalid("workers", workers, "at least 1 and at most 1024");
        }
        const { assert!(WORKERS_MAX == 1024) };
        if self.blocking_threads == 0 {
            return invalid("blocking_threads", 0, "at least 1");
        }
        if self.config.poll_budget == 0 {
            return invalid("poll_budget", 0, "at least 1");
        }
        let pollers = self.pollers.unwrap_or(workers);
        if pollers == 0 || pollers > workers {
            return invalid("pollers", pollers, "at least 1 and at most the number of workers");
        }
        self.config.workers = workers;
        let (tokio, drive_tokio) = self.tokio.settle().map_err(BuildError::Poller)?;
        self.config.tokio = tokio;
        Ok(Settled {
            config: self.config,
            pollers,
            blocking_threads: self.blocking_threads,
            blocking_keep_alive: self.blocking_keep_alive,
            single: false,
            drive_tokio,
        })
    }
}

/// Settings that were found to make sense.
pub(crate) struct Settled {
    pub(crate) config: Config,
    pub(crate) pollers: usize,
    pub(crate) blocking_threads: usize,
    pub(crate) blocking_keep_alive: Duration,
    /// The runtime is to be a single loop.
    pub(crate) single: bool,
    /// What the thread of tokio's driver does, if there is to be one.
    pub(crate) drive_tokio: Option<Drive>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("workers", &self.workers)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
