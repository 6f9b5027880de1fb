//! A runtime whose worker 0 is the calling thread: what `run` and `Runner` are made of.

use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::interrupts::{Heard, Interrupts};
use super::start::{self, Caller, Started};
use super::teardown;
use crate::builder::Settled;
use crate::debug::{DebugSocket, QuitDump};
use crate::error::{BuildError, RunError};
use crate::event_loop::main_task::{self, Ended};
use crate::event_loop::{EventLoop, drive};
use crate::handle::Handle;
use crate::reactor::set_timer_slack;
use crate::report::ReportKind;
use crate::scheduler::shared::{Phase, Shared};
use crate::scheduler::worker::{self, Worker, single};
use crate::task::birth::Birth;
use crate::task::contextvars::{Context, copy_context};
use crate::task::ext::TaskExt;
use crate::task::join::Task;

/// How long the end of a run waits for the default executor unless the builder says otherwise;
/// asyncio's limit.
const EXECUTOR_TIMEOUT: Duration = Duration::from_secs(300);

/// See the module.
pub(super) struct Engine {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    own: Own,
    /// Dumps the tasks at SIGQUIT, if that was asked for.
    _dump: Option<QuitDump>,
    /// Shows it to `corio-top`, if that was asked for.
    _top: Option<DebugSocket>,
    /// What the context variables of each `main` are: those of the maker, and what the mains before
    /// have set.
    context: Context,
}

/// What the calling thread runs.
enum Own {
    /// Worker 0 of several.
    Worker(Rc<Worker>),
    /// A single loop.
    Single(EventLoop),
}

/// How a `main` has ended, and what interrupts came meanwhile.
pub(super) struct Outcome<T> {
    ended: Ended<T>,
    interrupts: Heard,
}

impl<T> Outcome<T> {
    /// The value, the error, or the panic.
    pub(super) fn settle(self) -> Result<T, RunError> {
        let Heard { come, late } = self.interrupts;
        match self.ended {
            Ended::Panicked(payload) => std::panic::resume_unwind(payload),
            _ if come > 1 || late => Err(RunError::Interrupted),
            Ended::Value(value) => Ok(value),
            // Had others cancelled it too, the interrupt's own cancel would not be the last.
            Ended::Cancelled { requests: ..=1, .. } if come > 0 => Err(RunError::Interrupted),
            Ended::Cancelled { cancelled, .. } => Err(RunError::Cancelled(cancelled)),
            Ended::Left => Err(RunError::Stopped),
        }
    }
}

impl Engine {
    pub(super) fn start(settled: Settled) -> Result<Self, BuildError> {
        let Started { shared, threads, own } = start::start(settled, Caller::BecomesWorker)?;
        start::call_hook(shared.config.on_thread_start.as_ref());
        let own = Own::Worker(Rc::from(own.expect("the caller's worker was asked for")));
        let (_dump, _top) = (QuitDump::new(&shared), DebugSocket::new(&shared));
        Ok(Self { shared, threads, own, _dump, _top, context: copy_context() })
    }

    pub(super) fn of(event_loop: EventLoop) -> Self {
        let shared = event_loop.shared().clone();
        let own = Own::Single(event_loop);
        let _dump = QuitDump::new(&shared);
        // The loop shows itself.
        Self { shared, threads: Vec::new(), own, _dump, _top: None, context: copy_context() }
    }

    pub(super) fn handle(&self) -> Handle {
        Handle::new(self.shared.clone())
    }

    /// Nobody runs the caller's loop for now: siblings hear of what its sockets have.
    pub(super) fn stand_still(&self) {
        if let Own::Worker(worker) = &self.own {
            worker.leave_poller();
        }
    }

    /// Runs `main` until it ends; interrupts cancel it, and its end is awaited.
    pub(super) fn run<F: Future>(
        &self,
        main: F,
        at: &'static Location<'static>,
    ) -> Result<Outcome<F::Output>, RunError> {
        let mut interrupts = None;
        let ended = self.run_task(main, at, |task| {
            interrupts = Some(Interrupts::listen(&self.shared, task.task_ref()));
        })?;
        let interrupts = interrupts.map(Interrupts::end).unwrap_or_default();
        Ok(Outcome { ended, interrupts })
    }

    /// Runs a task on the caller's loop until it ends; `begin` is called inside the loop's worker
    /// before that.
    fn run_task<F: Future>(
        &self,
        main: F,
        at: &'static Location<'static>,
        begin: impl FnOnce(&Task<()>),
    ) -> Result<Ended<F::Output>, RunError> {
        let ext = TaskExt::for_birth(None, Some(self.context.clone()));
        let birth = Birth { ext: Some(ext), ..Birth::from(at) };
        match &self.own {
            Own::Worker(worker) => {
                main_task::check_not_nested()?;
                let _slack = set_timer_slack();
                let _at = RunningAt(worker::set_running_at(Some(at)));
                let _tokio = self.shared.config.tokio.enter();
                let _entered = worker.enter();
                worker.go_on();
                let ended = main_task::run(
                    worker,
                    main,
                    birth,
                    || (),
                    |task| {
                        begin(task);
                        worker.run(|| task.done());
                    },
                );
                worker.stand_still();
                Ok(ended)
            }
            Own::Single(event_loop) => {
                let worker = single::own(event_loop.shared()).ok_or(RunError::Closed)?;
                drive::drive(&worker, at, |worker| {
                    main_task::run(worker, main, birth, drive::stop_soon, |task| {
                        begin(task);
                        worker.run_single();
                    })
                })
            }
        }
    }

    /// The end, in asyncio's order: what is left is cancelled and awaited, then the executor and
    /// the threads are joined.
    pub(super) fn close(self, at: &'static Location<'static>) {
        let timeout = self.shared.config.shutdown_timeout;
        if self.shared.phase().is_open() && teardown::is_due(&self.shared) {
            let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            let cancel_all = teardown::cancel_all(self.shared.clone(), deadline);
            let ended = self.run_task(cancel_all, at, |_| ());
            if let Ok(Ended::Panicked(payload)) = ended {
                crate::report::callback_panicked(payload);
            }
        }
        let Self { shared, threads, own, .. } = self;
        match own {
            Own::Worker(worker) => {
                shared.begin_shutdown();
                {
                    let _slack = set_timer_slack();
                    let _tokio = shared.config.tokio.enter();
                    let _entered = worker.enter();
                    worker.finish();
                }
                start::call_hook(shared.config.on_thread_stop.as_ref());
                drop(worker);
                shared.worker_left();
            }
            // Nothing runs it any more, unless its owner is inside of it.
            Own::Single(event_loop) => drop(event_loop),
        }
        debug_assert!(shared.phase() > Phase::Single);
        let executor = timeout.or(Some(EXECUTOR_TIMEOUT));
        let report = start::shut_down(&shared, threads, timeout, executor, !worker::is_one());
        if !report.is_clean() {
            crate::report::report(
                ReportKind::Shutdown,
                format_args!("shutdown after main: {report}"),
            );
        }
    }
}

/// Puts back where the calling thread was inside a run.
struct RunningAt(Option<&'static Location<'static>>);

impl Drop for RunningAt {
    fn drop(&mut self) {
        worker::set_running_at(self.0);
    }
}
