//! The thread-side future of a submitted coroutine.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use corio_sync::park;
use corio_sync::shim::Ordering::AcqRel;
use corio_sync::shim::atomic::AtomicPtr;

use crate::error::TaskError;
use crate::scheduler::shared::Shared;
use crate::scheduler::worker;
use crate::task::join::Task;

/// The result of a submitted coroutine, for threads and for other loops. asyncio:
/// `concurrent.futures.Future`. Dropping it detaches the coroutine.
#[must_use = "a coroutine that nobody waits for runs detached"]
pub struct ConcurrentFuture<T> {
    task: Task<T>,
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
    /// The runtime was shut down before the coroutine ended.
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
        Self { task, shared }
    }

    /// Blocks the calling thread until the coroutine ends, or for `timeout`.
    ///
    /// # Errors
    ///
    /// See [`ConcurrentError`]. On a worker of the coroutine's own runtime a coroutine that has
    /// not ended is always refused, also where another worker might have run it: nothing keeps
    /// all workers from waiting so.
    ///
    /// # Panics
    ///
    /// When it is called again after it gave a value or an error of the task.
    pub fn result(&mut self, timeout: Option<Duration>) -> Result<T, ConcurrentError> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if !self.done()
            && let Some(worker) = self.calling_worker()
        {
            return Err(ConcurrentError::WouldDeadlock { worker });
        }
        let task = &mut self.task;
        match park::block_on_deadline(task, deadline) {
            None => Err(ConcurrentError::Timeout),
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) if error.is_cancelled() && !self.shared.phase().is_open() => {
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

    /// True once the coroutine has ended.
    #[must_use]
    pub fn done(&self) -> bool {
        self.task.done()
    }

    /// Asks the coroutine to stop. `false` if it has ended.
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.task.cancel()
    }

    /// True if the coroutine was cancelled.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.task.cancelled()
    }

    /// Calls `f` when the coroutine has ended: on the thread that ends it, or here if it has ended
    /// already. Callbacks should be short; a panic in one is reported and goes no further.
    pub fn add_done_callback(&self, f: impl FnOnce() + Send + 'static) {
        let task = self.task.ptr();
        let header = task.header();
        let call: Box<dyn FnOnce() + Send> = Box::new(f);
        let once = Arc::new(CallOnce(AtomicPtr::new(Box::into_raw(Box::new(call)))));
        let waker = Waker::from(once.clone());
        // The node is never vacated: the callback waits until the task ends or its cell goes.
        let node = header.ext_or_make().add_observer();
        // SAFETY: the node lives as long as the cell, which `self` keeps.
        unsafe { node.as_ref() }.register(&waker);
        if header.state.observe() {
            once.call();
        }
    }
}

/// A function that is called by the first of several who try.
struct CallOnce(AtomicPtr<Box<dyn FnOnce() + Send>>);

impl CallOnce {
    fn take(&self) -> Option<Box<dyn FnOnce() + Send>> {
        // Ordering(call_once.take): AcqRel; pairs with itself: the swap alone decides who calls, and hands over what the box holds.
        let raw = self.0.swap(std::ptr::null_mut(), AcqRel);
        // SAFETY: a non-null pointer came from `Box::into_raw` and was swapped out once.
        (!raw.is_null()).then(|| *unsafe { Box::from_raw(raw) })
    }

    fn call(&self) {
        if let Some(f) = self.take() {
            let called = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
            if let Err(payload) = called {
                crate::report::callback_panicked(payload);
            }
        }
    }
}

impl Wake for CallOnce {
    fn wake(self: Arc<Self>) {
        self.call();
    }
}

impl Drop for CallOnce {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T> Future for ConcurrentFuture<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut &mut self.task).poll(cx)
    }
}

impl<T> fmt::Debug for ConcurrentFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConcurrentFuture").field(&self.task).finish()
    }
}
