//! The default executor of a loop or runtime: replacing it, and ending it early.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use corio_sync::place::{Made, WaitKind};

use crate::blocking::{Pool, StuckJob, ThreadPoolExecutor};
use crate::handle::Handle;
use crate::report::{ReportKind, report};
use crate::scheduler::shared::Shared;
use crate::time::{Sleep, sleep};

impl Handle {
    /// Puts an executor in the place of the default one: for `to_thread` and for
    /// `run_in_executor(None, ..)` from now on. What the one before has taken it finishes.
    ///
    /// asyncio: `set_default_executor`. It is shut down with the runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() {
    /// use corio_runtime::ThreadPoolExecutor;
    ///
    /// corio_runtime::run(async {
    ///     let executor = ThreadPoolExecutor::new(1).name("mine");
    ///     corio_runtime::Handle::current().set_default_executor(executor);
    ///     let name = || std::thread::current().name().map(str::to_owned);
    ///     let name = corio_runtime::to_thread(name).await.unwrap().unwrap();
    ///     assert!(name.starts_with("mine"), "{name}");
    /// });
    /// # }
    /// ```
    pub fn set_default_executor(&self, executor: ThreadPoolExecutor) {
        self.shared().executor.push(executor);
    }

    /// Lets the default executor take no more jobs, and waits until it has finished those it has and
    /// its threads have ended, for `timeout` at most. Gives the jobs that were running then: they
    /// are reported and left behind, and what was queued is dropped.
    ///
    /// asyncio: `shutdown_default_executor`, which warns of a timeout. A job that is submitted
    /// later ends with a cancelled error, where asyncio raises `RuntimeError`.
    ///
    /// # Panics
    ///
    /// When polled outside a corio runtime, if it has to wait and has a limit.
    ///
    /// # Cancel safety
    ///
    /// Strict: dropped, it only waits no longer. The executor is stopped by this call, awaited or
    /// not.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() {
    /// corio_runtime::run(async {
    ///     let job = corio_runtime::to_thread(|| 5);
    ///     let handle = corio_runtime::Handle::current();
    ///     assert!(handle.shutdown_default_executor(None).await.is_empty());
    ///     assert_eq!(job.await.unwrap(), 5);
    ///     assert!(corio_runtime::to_thread(|| 6).await.is_err());
    /// });
    /// # }
    /// ```
    #[track_caller]
    pub fn shutdown_default_executor(&self, timeout: Option<Duration>) -> ShutdownExecutor {
        let executor = match self.shared().executor.iter().next() {
            Some(executor) => DefaultExecutor::Set(executor.clone()),
            None => DefaultExecutor::Own(self.shared().clone()),
        };
        executor.pool().stop();
        let deadline = timeout.map(|limit| sleep(limit).inside());
        ShutdownExecutor { executor, told: None, deadline, made: Made::here(WaitKind::Shutdown) }
    }
}

enum DefaultExecutor {
    Own(Arc<Shared>),
    Set(ThreadPoolExecutor),
}

impl DefaultExecutor {
    fn pool(&self) -> &Pool {
        match self {
            Self::Own(shared) => &shared.pool,
            Self::Set(executor) => executor.pool(),
        }
    }
}

/// Future of [`Handle::shutdown_default_executor`]: the jobs that were running at the deadline.
///
/// # Panics
///
/// When polled outside a corio runtime, if it has to wait and has a limit.
#[must_use = "nothing is waited for unless this is awaited"]
pub struct ShutdownExecutor {
    executor: DefaultExecutor,
    /// The waker that the pool knows.
    told: Option<Waker>,
    deadline: Option<Sleep>,
    made: Made,
}

impl Future for ShutdownExecutor {
    type Output = Vec<StuckJob>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<StuckJob>> {
        let Self { executor, told, deadline, made } = self.get_mut();
        made.begin();
        let pool = executor.pool();
        if pool.poll_ended(told, cx).is_ready() {
            return Poll::Ready(Vec::new());
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        ready!(Pin::new(deadline).poll(cx));
        let stuck = pool.give_up_waiting();
        for job in &stuck {
            report(
                ReportKind::Shutdown,
                format_args!("the default executor did not end in time; still running {job:?}"),
            );
        }
        Poll::Ready(stuck)
    }
}

impl std::fmt::Debug for ShutdownExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShutdownExecutor").field("executor", self.executor.pool()).finish()
    }
}
