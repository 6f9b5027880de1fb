//! Running, stopping and closing a single loop.

use std::error::Error;
use std::fmt;
use std::future::IntoFuture;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;

use corio_sync::shim::Ordering::Relaxed;

use super::main_task::{self, Ended};
use crate::error::RunError;
use crate::handle::Handle;
use crate::reactor::set_timer_slack;
use crate::report::{ReportKind, report};
use crate::scheduler::callback::Callback;
use crate::scheduler::shared::Shared;
use crate::scheduler::worker::{self, Worker, single};

impl Handle {
    /// Runs the single loop on the calling thread until `main` ends, as a task of the loop. Other
    /// tasks stay where they are until the loop runs again.
    ///
    /// asyncio: `loop.run_until_complete`. A task may be given too: `run_until_complete(&mut task)`
    /// leaves it where it is if the loop stops before its end; it is awaited by a task of its own,
    /// so the loop runs one iteration more than asyncio's.
    ///
    /// # Errors
    ///
    /// [`RunError::Stopped`] if [`stop`](Handle::stop) came first: `main` is dropped, the loop may
    /// run again. [`RunError::Cancelled`] if `main` was cancelled. [`RunError::Closed`];
    /// [`RunError::Nested`] if a loop runs on this thread; [`RunError::WrongThread`] if another
    /// thread made the loop, and for a `Runtime`, whose loops run on threads of their own.
    ///
    /// # Panics
    ///
    /// If `main` does, with its panic.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let event_loop = corio::new_event_loop()?;
    /// let mut task = event_loop.create_task(std::future::pending::<()>());
    /// event_loop.stop();
    /// let stopped = event_loop.run_until_complete(&mut task);
    /// assert!(matches!(stopped, Err(corio::RunError::Stopped)));
    /// task.cancel();
    /// assert!(event_loop.run_until_complete(task).unwrap().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "block_on")]
    #[track_caller]
    pub fn run_until_complete<F: IntoFuture>(&self, main: F) -> Result<F::Output, RunError> {
        let at = Location::caller();
        let worker = self.own_loop()?;
        let ended = drive(&worker, at, |worker| {
            main_task::run(worker, main.into_future(), at.into(), stop_soon, |_| {
                worker.run_single()
            })
        });
        match ended? {
            Ended::Value(value) => Ok(value),
            Ended::Panicked(payload) => resume_unwind(payload),
            Ended::Cancelled { cancelled, .. } => Err(RunError::Cancelled(cancelled)),
            Ended::Left => Err(RunError::Stopped),
        }
    }

    /// Runs the single loop on the calling thread until [`stop`](Handle::stop). asyncio:
    /// `loop.run_forever`.
    ///
    /// # Errors
    ///
    /// As [`run_until_complete`](Handle::run_until_complete), except that to be stopped is its
    /// proper end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let event_loop = corio::new_event_loop()?;
    /// let handle = event_loop.clone();
    /// let thread = std::thread::spawn(move || handle.stop());
    /// event_loop.run_forever().unwrap();
    /// thread.join().unwrap();
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn run_forever(&self) -> Result<(), RunError> {
        let worker = self.own_loop()?;
        drive(&worker, Location::caller(), Worker::run_single)
    }

    /// Lets the single loop end its run after the present iteration: everything that is ready runs,
    /// and what that makes ready waits for the next run. If it does not run, the next run is one
    /// iteration long.
    ///
    /// asyncio: `loop.stop`. From another thread it is submitted like a callback. On a `Runtime` it
    /// does nothing: that ends by its shutdown.
    ///
    /// See [`run_forever`](Handle::run_forever) for an example.
    pub fn stop(&self) {
        let here =
            self.shared().with_own_worker(|worker| worker.map(Worker::stop_single).is_some());
        if !here {
            let shared = Arc::downgrade(self.shared());
            let _closed = self.call_soon_threadsafe(move || {
                if let Some(shared) = shared.upgrade() {
                    shared.with_own_worker(|worker| worker.map(Worker::stop_single));
                }
            });
        }
    }

    /// Closes the single loop: callbacks are dropped, tasks that are left are ended as cancelled,
    /// the default executor takes no more jobs and is not waited for. Closing it again does nothing.
    ///
    /// asyncio: `loop.close`, where tasks that are left are destroyed while pending.
    ///
    /// # Errors
    ///
    /// [`LoopRunning`] while it runs, on another thread than its own, and for a `Runtime` that was
    /// not shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let event_loop = corio::new_event_loop()?;
    /// let handle = event_loop.clone();
    /// let inside = event_loop.run_until_complete(async { handle.close() });
    /// assert!(inside.unwrap().is_err(), "it runs");
    /// event_loop.close().unwrap();
    /// assert!(handle.is_closed());
    /// assert!(matches!(handle.run_forever(), Err(corio::RunError::Closed)));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn close(&self) -> Result<(), LoopRunning> {
        if self.is_closed() {
            return Ok(());
        }
        // Ordering: Relaxed; the loop's own thread reads what it has written itself, and any other
        // thread is refused below.
        if self.shared().turning.load(Relaxed) {
            return Err(LoopRunning(()));
        }
        let worker = single::disown(self.shared()).ok_or(LoopRunning(()))?;
        end(&worker);
        Ok(())
    }

    /// The loop that this handle names, if it is the calling thread's.
    fn own_loop(&self) -> Result<Rc<Worker>, RunError> {
        if self.is_closed() {
            return Err(RunError::Closed);
        }
        single::own(self.shared()).ok_or(RunError::WrongThread)
    }
}

/// Calls `f`, which runs the loop, with the calling thread inside it.
pub(crate) fn drive<R>(
    worker: &Rc<Worker>,
    at: &'static Location<'static>,
    f: impl FnOnce(&Worker) -> R,
) -> Result<R, RunError> {
    main_task::check_not_nested()?;
    let _turning = Turning::begin(worker, at);
    let _slack = set_timer_slack();
    let _tokio = worker.shared().config.tokio.enter();
    let _entered = worker.enter();
    Ok(f(worker))
}

/// Says that a loop runs, until it is dropped.
struct Turning<'a> {
    worker: &'a Rc<Worker>,
    outer: Option<&'static Location<'static>>,
}

impl<'a> Turning<'a> {
    fn begin(worker: &'a Rc<Worker>, at: &'static Location<'static>) -> Self {
        // Ordering: Relaxed; a word for people of other threads, see `Handle::is_running`.
        worker.shared().turning.store(true, Relaxed);
        Self { worker, outer: worker::set_running_at(Some(at)) }
    }
}

impl Drop for Turning<'_> {
    fn drop(&mut self) {
        // Ordering: Relaxed; as above.
        self.worker.shared().turning.store(false, Relaxed);
        worker::set_running_at(self.outer);
        if self.worker.is_orphan() {
            if let Some(worker) = single::disown(self.worker.shared()) {
                end(&worker);
            }
        }
    }
}

/// asyncio's `_run_until_complete_cb`: `main` has ended, so the run ends with the next iteration.
pub(crate) fn stop_soon() {
    worker::with(|worker| {
        let Some(worker) = worker else { return };
        let run = worker.run_number();
        let stop = move || worker::with(|worker| worker.map_or((), |worker| worker.stop_run(run)));
        worker.push_call(Callback::new(Box::new(stop) as Box<dyn FnOnce()>).0);
    });
}

/// Ends a loop that does not run, on its own thread.
fn end(worker: &Worker) {
    let shared: Arc<Shared> = worker.shared().clone();
    shared.begin_shutdown();
    {
        let _tokio = shared.config.tokio.enter();
        let _entered = worker.enter();
        worker.finish();
    }
    shared.worker_left();
    if let Some(watch) = shared.watch.take() {
        // Its panic has been printed; who closes the loop may be unwinding himself.
        let _ = watch.join();
    }
    shared.pool.stop();
    if let Some(executor) = shared.executor.iter().next() {
        executor.pool().stop();
    }
}

/// The loop's owner is gone: it is closed now, or when its run ends.
pub(super) fn close_dropped(handle: &Handle) {
    if handle.is_closed() {
        return;
    }
    if handle.shared().is_debug() {
        report(
            ReportKind::Unclosed,
            format_args!(
                "an event loop was dropped without close(); it was made at {}",
                handle.shared().config.built_at
            ),
        );
    }
    if handle.close().is_err() {
        if let Some(worker) = single::own(handle.shared()) {
            worker.orphan();
        }
    }
}

/// The loop runs, so it cannot be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopRunning(());

impl fmt::Display for LoopRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a running event loop cannot be closed, and only its own thread closes a loop")
    }
}

impl Error for LoopRunning {}
