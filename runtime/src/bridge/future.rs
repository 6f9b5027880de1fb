//! The thread-side future of a submitted coroutine.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use corio_sync::park;

use crate::error::{Cancelled, TaskError};
use crate::scheduler::shared::Shared;
use crate::scheduler::worker;
use crate::task::join::Task;

/// The result of a submitted coroutine, for threads and for other loops. asyncio:
/// `concurrent.futures.Future`. Dropping it detaches the coroutine.
///
/// # Panics
///
/// When it is awaited after it gave a value or an error of the task, be it by an await or by
/// [`result`](Self::result).
#[doc(alias = "concurrent.futures.Future")]
#[must_use = "a coroutine that nobody waits for runs detached"]
pub struct ConcurrentFuture<T> {
    task: Task<T>,
    /// Where it was cancelled here.
    cancelled_at: OnceLock<&'static Location<'static>>,
    /// `result` has given a cancel, which the task no longer holds.
    gave_cancel: bool,
    shared: Arc<Shared>,
}

/// Why [`ConcurrentFuture::result`] gave no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConcurrentError {
    /// The time was up; the coroutine runs on, and `result` may be called again.
    Timeout,
    /// The coroutine was cancelled or panicked.
    Task(TaskError),
    /// The caller is a worker of the runtime that has to run the coroutine.
    WouldDeadlock {
        /// Which worker called.
        worker: usize,
    },
    /// The runtime was shut down before the coroutine ended, and nobody had cancelled it.
    LoopClosed,
}

impl fmt::Display for ConcurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("timed out waiting for the coroutine"),
            Self::Task(error) => error.fmt(f),
            Self::WouldDeadlock { worker } => write!(
                f,
                "worker {worker} would wait for its own runtime; `.await` the future instead"
            ),
            Self::LoopClosed => f.write_str("the event loop was closed before the coroutine ended"),
        }
    }
}

impl Error for ConcurrentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Task(error) => Some(error),
            _ => None,
        }
    }
}

impl<T> ConcurrentFuture<T> {
    pub(crate) fn new(task: Task<T>, shared: Arc<Shared>) -> Self {
        Self { task, cancelled_at: OnceLock::new(), gave_cancel: false, shared }
    }

    /// Blocks the calling thread until the coroutine ends, or for `timeout`.
    ///
    /// # Errors
    ///
    /// See [`ConcurrentError`]. On a worker of the coroutine's own runtime a coroutine that has
    /// not ended is always refused, also where another worker might have run it: nothing keeps
    /// all workers from waiting so. Two runtimes whose workers wait for each other's coroutines are
    /// not noticed; `.await` the future there, too.
    ///
    /// # Panics
    ///
    /// When it is called again after it gave a value or an error of the task.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use corio::ConcurrentError;
    /// use std::time::Duration;
    ///
    /// let runtime = corio::Runtime::new().unwrap();
    /// let answer = corio::Deferred::new();
    /// let asked = answer.clone();
    /// let waits = async move { asked.await };
    /// let mut future = corio::run_coroutine_threadsafe(waits, runtime.handle());
    /// let early = future.result(Some(Duration::from_millis(1)));
    /// assert!(matches!(early, Err(ConcurrentError::Timeout)));
    /// answer.set_result(42).unwrap();
    /// assert_eq!(future.result(None).unwrap().unwrap(), 42);
    /// ```
    pub fn result(&mut self, timeout: Option<Duration>) -> Result<T, ConcurrentError> {
        if let Some(error) = self.cancelled_here() {
            return Err(ConcurrentError::Task(error));
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if !self.done() {
            if let Some(worker) = self.calling_worker() {
                return Err(ConcurrentError::WouldDeadlock { worker });
            }
        }
        let task = &mut self.task;
        let ended = park::block_on_deadline(task, deadline);
        let cancelled = |error: &TaskError| error.is_cancelled();
        self.gave_cancel |= matches!(&ended, Some(Err(error)) if cancelled(error));
        match ended {
            None => Err(ConcurrentError::Timeout),
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) if error.cancelled().is_some_and(|it| it.shut_down) => {
                Err(ConcurrentError::LoopClosed)
            }
            Some(Err(error)) => Err(ConcurrentError::Task(error)),
        }
    }

    fn calling_worker(&self) -> Option<usize> {
        worker::with(|worker| {
            let worker = worker?;
            Arc::ptr_eq(worker.shared(), &self.shared).then(|| worker.index())
        })
    }

    fn cancelled_here(&self) -> Option<TaskError> {
        let said = Cancelled::from_parts(None, Some(*self.cancelled_at.get()?));
        let spawned_at = self.task.task_ref().spawned_at();
        Some(TaskError::new_cancelled(said, self.task.name().into(), spawned_at))
    }

    /// True once the coroutine has ended, or was cancelled here.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Runtime::new().unwrap();
    /// let mut future = corio::run_coroutine_threadsafe(async { 5 }, runtime.handle());
    /// while !future.done() {
    ///     std::thread::yield_now();
    /// }
    /// assert_eq!(future.result(None).unwrap(), 5);
    /// ```
    #[must_use]
    pub fn done(&self) -> bool {
        self.cancelled_at.get().is_some() || self.task.done()
    }

    /// Asks the coroutine to stop. `false` if it has ended, and then nothing happens.
    ///
    /// As in asyncio the future is cancelled from then on, whatever the coroutine does: nobody waits
    /// for its clean-up, and a value that it may still give is dropped. A second call asks nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Runtime::new().unwrap();
    /// let endless = std::future::pending::<()>();
    /// let mut future = corio::run_coroutine_threadsafe(endless, runtime.handle());
    /// assert!(future.cancel());
    /// assert!(future.cancelled() && future.done());
    /// assert!(future.result(None).is_err());
    /// ```
    #[track_caller]
    pub fn cancel(&self) -> bool {
        if self.cancelled_at.get().is_some() {
            return true;
        }
        let asked = self.task.cancel();
        if asked {
            // Another thread may have asked as well.
            let _ = self.cancelled_at.set(Location::caller());
        }
        asked
    }

    /// True if the coroutine was cancelled, or is asked to stop by [`ConcurrentFuture::cancel`].
    ///
    /// See [`cancel`](Self::cancel) for an example.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.cancelled_at.get().is_some() || self.gave_cancel || self.task.cancelled()
    }

    /// Has `f` called when the coroutine has ended: by its loop as a plain callback, as for
    /// [`Task::add_done_callback`](crate::Task::add_done_callback), never inside this call. If the
    /// loop is closed, it is called by whoever closes it, or here: it is called in any case, so that
    /// a thread may wait for it. Callbacks should be short; a panic in one is reported and goes no
    /// further.
    ///
    /// asyncio: `concurrent.futures.Future.add_done_callback`, which calls it inside the end, or at
    /// once; after a cancel without waiting for the coroutine.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Runtime::new().unwrap();
    /// let future = corio::run_coroutine_threadsafe(async { 5 }, runtime.handle());
    /// let (said, hear) = std::sync::mpsc::channel();
    /// future.add_done_callback(move || said.send("done").unwrap());
    /// assert_eq!(hear.recv(), Ok("done"));
    /// ```
    #[track_caller]
    pub fn add_done_callback(&self, f: impl FnOnce() + Send + 'static) {
        let call = CallAnyway(Some(f));
        self.task.add_done_callback(move |_| call.now());
    }
}

/// A function that is called when it is dropped, if it was not called before.
struct CallAnyway<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> CallAnyway<F> {
    fn now(mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

impl<F: FnOnce()> Drop for CallAnyway<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
                crate::report::callback_panicked(payload);
            }
        }
    }
}

impl<T> Future for ConcurrentFuture<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(error) = self.cancelled_here() {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut &mut self.task).poll(cx)
    }
}

impl<T> fmt::Debug for ConcurrentFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConcurrentFuture").field(&self.task).finish()
    }
}
