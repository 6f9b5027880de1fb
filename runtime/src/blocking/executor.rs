//! The executor that users make: a pool with a number of threads and a name.
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::job::Job;
use super::pool::{Pool, PoolConfig, StuckJob};
use super::word::THREADS_MAX;

/// How far the nice value of the threads of [`ThreadPoolExecutor::for_cpu`] is above the process's.
/// At 10 a thread gets about a tenth of the share of a normal one, so loops that must answer soon do.
const CPU_NICE: i32 = 10;

/// Runs closures on threads of its own, so that they may block or compute.
///
/// Threads are made when jobs need them, at most as many as it was made for; one that had nothing
/// to do for 10 s ends. Clones are handles to the same executor. When the last handle is dropped
/// the executor stops: queued jobs still run, then the threads end. That never waits.
///
/// asyncio: `concurrent.futures.ThreadPoolExecutor`. Its threads end only with it; it runs a job
/// once submitted even if the future was dropped, see [`Job`] for when that differs.
///
/// # Examples
///
/// ```
/// use corio_runtime::ThreadPoolExecutor;
/// use corio_sync::park::block_on;
///
/// let executor = ThreadPoolExecutor::new(2).name("resize");
/// let job = executor.submit(|| 6 * 7);
/// assert_eq!(block_on(job).unwrap(), 42);
/// assert!(executor.shutdown(None).is_empty());
/// ```
#[derive(Clone)]
pub struct ThreadPoolExecutor {
    pool: Arc<Pool>,
}

impl ThreadPoolExecutor {
    /// An executor of at most `max_workers` threads; above 4095 counts as 4095.
    ///
    /// asyncio: `max_workers`, there `min(32, cpus + 4)` by default.
    ///
    /// # Panics
    ///
    /// If `max_workers` is 0.
    #[must_use]
    #[track_caller]
    pub fn new(max_workers: usize) -> Self {
        assert!(
            max_workers > 0,
            "ThreadPoolExecutor::new(0): max_workers is 0, so no job would ever run; give at least \
             1, or use ThreadPoolExecutor::for_cpu() for one thread per core"
        );
        Self::with(PoolConfig {
            name: "corio-executor".into(),
            threads: max_workers.min(THREADS_MAX),
            ..PoolConfig::default()
        })
    }

    /// An executor for work that computes: one thread per core that this process may use, at a
    /// lower priority than the loops, so that those stay responsive on the same cores.
    ///
    /// The priority is a nice value 10 above the calling thread's. It takes effect on Linux only:
    /// elsewhere nice belongs to the whole process. Threads that a job makes inherit it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let executor = corio::ThreadPoolExecutor::for_cpu();
    /// # corio::run(async {
    /// let sum = corio::run_in_executor(Some(&executor), || (1..=1000_u64).sum::<u64>());
    /// assert_eq!(sum.await.unwrap(), 500_500);
    /// # });
    /// ```
    #[doc(alias("ProcessPoolExecutor", "rayon"))]
    #[must_use]
    pub fn for_cpu() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with(PoolConfig {
            name: "corio-cpu".into(),
            threads: cores.min(THREADS_MAX),
            nice: CPU_NICE,
            ..PoolConfig::default()
        })
    }

    fn with(config: PoolConfig) -> Self {
        Self { pool: Arc::new(Pool::new(config)) }
    }

    /// The same executor with threads called `name-0`, `name-1` and so on. On Linux 15 bytes of a
    /// thread's name are shown.
    ///
    /// asyncio: `thread_name_prefix`.
    ///
    /// # Panics
    ///
    /// If the executor has been cloned or has threads already, and if `name` contains a NUL.
    #[must_use]
    #[track_caller]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        assert!(!name.contains('\0'), "a thread's name cannot contain a NUL: {name:?}");
        let config = Arc::get_mut(&mut self.pool).and_then(Pool::config_mut);
        let config = config.unwrap_or_else(|| {
            panic!("the executor is in use and cannot be named {name:?}; name it when it is made")
        });
        config.name = name;
        self
    }

    /// Queues `f`, to be run on one of the executor's threads. Never waits.
    ///
    /// asyncio: `executor.submit(f)`; `loop.run_in_executor(executor, f)` does the same.
    ///
    /// # Errors
    ///
    /// None here, see [`Job`]: of an executor that was shut down, awaiting the job gives a cancelled
    /// error (asyncio raises `RuntimeError` at once).
    ///
    /// # Cancel safety
    ///
    /// Lossy, as [`Job`]: dropped while it is awaited, a call that has not begun never does, and
    /// one that has runs on, its value lost.
    #[track_caller]
    pub fn submit<R, F>(&self, f: F) -> Job<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.pool.submit(f)
    }

    /// Takes no more jobs and waits until those it has are finished and its threads have ended.
    ///
    /// After `timeout` it waits no longer: queued jobs are dropped (awaiting them gives a cancelled
    /// error), and those that are running are returned. `None` waits for as long as they take.
    ///
    /// This blocks the calling thread: do not call it in async code, drop the executor there. Called
    /// from a job of this executor it does not wait.
    ///
    /// asyncio: `executor.shutdown(wait=True)`, which has no timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::time::Duration;
    ///
    /// let executor = corio::ThreadPoolExecutor::new(1).name("stuck");
    /// let (go, waits) = std::sync::mpsc::channel::<()>();
    /// let (started, starts) = std::sync::mpsc::channel();
    /// let job = executor.submit(move || {
    ///     started.send(()).unwrap();
    ///     drop(waits.recv());
    /// });
    /// starts.recv().unwrap();
    /// assert_eq!(executor.shutdown(Some(Duration::from_millis(1))).len(), 1);
    /// drop(go);
    /// corio::run(job).unwrap();
    /// ```
    pub fn shutdown(&self, timeout: Option<Duration>) -> Vec<StuckJob> {
        // A timeout too long for the clock is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.pool.shutdown(deadline)
    }

    /// The pool behind it.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }
}

impl fmt::Debug for ThreadPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.pool, f)
    }
}

#[cfg(test)]
mod tests;
