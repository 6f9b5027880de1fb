//! Starting and ending a runtime's threads.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use corio_sync::shim::atomic::{AtomicBool, AtomicPtr};
use crossbeam_utils::CachePadded;

use crate::blocking::{Pool, PoolConfig};
use crate::builder::Settled;
use crate::context::Driver;
use crate::error::BuildError;
use crate::handle::Handle;
use crate::reactor::{Poller, set_timer_slack_for_good};
use crate::scheduler::callback::Callbacks;
use crate::scheduler::calling::Calling;
use crate::scheduler::hog::HogLine;
use crate::scheduler::inbox::Inbox;
use crate::scheduler::lifo::LifoSlot;
use crate::scheduler::queue::{Deque, Local};
use crate::scheduler::shared::{Hook, Parts, Remote, Shared, WorkerMetrics};
use crate::scheduler::shutdown::ShutdownReport;
use crate::scheduler::worker::{self, Worker};
use crate::task::raw::TaskPtr;
use crate::timer::Timers;
use crate::timer::clock::Clock;
use crate::tokio_context::Drive;

/// What the thread that starts a runtime does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Something else: all workers get threads of their own.
    Stays,
    /// It becomes worker 0.
    BecomesWorker,
}

/// A runtime whose threads run.
pub(crate) struct Started {
    pub(crate) shared: Arc<Shared>,
    pub(crate) threads: Vec<JoinHandle<()>>,
    /// The caller's worker, if it becomes one.
    pub(crate) own: Option<Box<Worker>>,
}

/// Makes the shared part and starts the threads; if one fails, ends those that run.
pub(crate) fn start(settled: Settled, caller: Caller) -> Result<Started, BuildError> {
    let workers = settled.config.workers;
    let queues: Vec<Local<TaskPtr>> = (0..workers).map(|_| Local::new()).collect();
    let clock = match settled.config.simulated {
        Some(_) => Clock::new_virtual(),
        None => Clock::real(),
    };
    let drivers = (0..workers).map(|_| make_driver(&clock)).collect::<io::Result<_>>();
    let drivers = drivers.map_err(BuildError::Poller)?;
    let remotes = queues.iter().map(make_remote).collect();
    let pool = make_pool(&settled);
    let shared = Shared::new(Parts {
        config: settled.config,
        remotes,
        drivers,
        pollers: settled.pollers,
        pool,
        single: settled.single,
    });
    if shared.config.debug {
        crate::debug::turn_on();
    }
    let mut starting = Starting { shared: shared.clone(), threads: Vec::new(), own: None };
    if let Some(drive) = settled.drive_tokio {
        if let Err(error) = starting.spawn_tokio(drive) {
            return Err(starting.give_up(error, workers));
        }
    }
    for (index, queue) in queues.into_iter().enumerate() {
        let worker = Worker::new(shared.clone(), index, queue);
        if index == 0 && caller == Caller::BecomesWorker {
            starting.own = Some(worker);
        } else if let Err(error) = starting.spawn_worker(worker) {
            return Err(starting.give_up(error, workers - index));
        }
    }
    Ok(Started { shared, threads: starting.threads, own: starting.own })
}

/// A runtime whose threads are being started.
struct Starting {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    own: Option<Box<Worker>>,
}

impl Starting {
    fn spawn_worker(&mut self, worker: Box<Worker>) -> io::Result<()> {
        let config = &self.shared.config;
        let mut builder =
            thread::Builder::new().name(format!("{}-{}", config.name, worker.index()));
        if let Some(bytes) = config.stack_size {
            builder = builder.stack_size(bytes);
        }
        self.threads.push(builder.spawn(move || work(worker))?);
        Ok(())
    }

    /// Starts tokio's driver, which is inside the runtime too: what a library spawns on tokio may use
    /// corio. Nobody joins the thread; the shutdown waits for it by the context.
    fn spawn_tokio(&self, drive: Drive) -> io::Result<()> {
        let handle = Handle::new(self.shared.clone());
        let name = format!("{}-tokio", self.shared.config.name);
        let driver = thread::Builder::new().name(name).spawn(move || {
            let _entered = handle.enter();
            drive();
        })?;
        drop(driver);
        Ok(())
    }

    /// Ends what was started; `unborn` workers have no thread.
    fn give_up(mut self, error: io::Error, unborn: usize) -> BuildError {
        let unborn = unborn + usize::from(self.own.is_some());
        drop(self.own.take());
        self.shared.begin_shutdown();
        for _ in 0..unborn {
            self.shared.worker_left();
        }
        shut_down(&self.shared, self.threads, None, None, !worker::is_one());
        BuildError::Thread(error)
    }
}

fn make_driver(clock: &Clock) -> io::Result<Arc<Driver>> {
    let timers = Timers::new(clock.clone());
    Ok(Arc::new(Driver { poller: Poller::new()?, timers }))
}

fn make_remote(queue: &Local<TaskPtr>) -> Remote {
    Remote {
        lifo: CachePadded::new(LifoSlot::new()),
        inbox: CachePadded::new(Inbox::new()),
        callbacks: Callbacks::new(),
        hog: CachePadded::new(HogLine::new()),
        is_lent: AtomicBool::new(false),
        stands_still: AtomicBool::new(false),
        keeps: AtomicBool::new(false),
        running: AtomicPtr::new(std::ptr::null_mut()),
        calling: Calling::default(),
        stealer: queue.victim(),
        arena: AtomicPtr::new(std::ptr::null_mut()),
        metrics: CachePadded::new(WorkerMetrics::default()),
    }
}

fn make_pool(settled: &Settled) -> Pool {
    Pool::new(PoolConfig {
        name: format!("{}-blocking", settled.config.name),
        threads: settled.blocking_threads,
        keep_alive: settled.blocking_keep_alive,
        stack_size: settled.config.stack_size,
        on_thread_start: settled.config.on_thread_start.clone(),
        on_thread_stop: settled.config.on_thread_stop.clone(),
        tokio: settled.config.tokio.clone(),
        ..PoolConfig::default()
    })
}

/// Calls a user's hook. Its panic is reported and goes no further: a worker that did not begin, or
/// did not leave, would be waited for at the end.
pub(super) fn call_hook(hook: Option<&Hook>) {
    if let Some(hook) = hook {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| hook())) {
            crate::report::callback_panicked(payload);
        }
    }
}

/// The life of a worker's thread.
fn work(worker: Box<Worker>) {
    let shared = worker.shared().clone();
    let _tokio = shared.config.tokio.enter();
    call_hook(shared.config.on_thread_start.as_ref());
    {
        // Where the kernel refuses it, sleeps are up to 50 us less exact.
        let _ = set_timer_slack_for_good();
        let _entered = worker.enter();
        worker.run(|| false);
        worker.finish();
    }
    drop(worker);
    call_hook(shared.config.on_thread_stop.as_ref());
    shared.worker_left();
}

/// True on a thread that runs a worker of the runtime, or is in `block_in_place` there.
pub(super) fn is_own_thread(shared: &Arc<Shared>) -> bool {
    worker::has_stepped_out_of(shared)
        || worker::with(|worker| worker.is_some_and(|it| Arc::ptr_eq(it.shared(), shared)))
}

/// Ends a runtime; waits for its threads until `timeout` is over, for those of the default executor
/// until `executor` is, and not at all unless the caller `waits`.
pub(crate) fn shut_down(
    shared: &Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    timeout: Option<Duration>,
    executor: Option<Duration>,
    waits: bool,
) -> ShutdownReport {
    let began = Instant::now();
    let after = |timeout: Option<Duration>| began.checked_add(timeout?);
    let (deadline, executor) = (after(timeout), after(executor));
    shared.begin_shutdown();
    let mut report = ShutdownReport::default();
    if !waits {
        // The last worker to leave does the rest.
        shared.pool.shutdown_now();
        if let Some(set) = shared.executor.iter().next() {
            set.pool().stop();
        }
        return report;
    }
    if shared.wait_for_workers(deadline) {
        let here = thread::current().id();
        let others = |thread: &JoinHandle<()>| thread.thread().id() != here;
        for thread in threads.into_iter().chain(shared.watch.take()).filter(others) {
            // A worker catches every panic, so its thread ends well.
            let _ = thread.join();
        }
    } else {
        report.stuck = shared.stuck_workers();
        if report.stuck.is_empty() {
            // In a callback or a hook, or kept from its core.
            report.stuck.push("a worker, in no task".to_owned());
        }
        shared.finish_shutdown();
    }
    report.busy_threads = shared.pool.shutdown(executor);
    if let Some(set) = shared.executor.iter().next() {
        report.busy_threads.extend(set.pool().shutdown(executor));
    }
    // A worker that was left behind stops it when it leaves.
    if report.stuck.is_empty() && !shared.config.tokio.wait_for_end(executor) {
        report.stuck.push("a task or a blocking closure of tokio's".to_owned());
    }
    report.stopped = shared.stopped_tasks();
    report.took = began.elapsed();
    report
}
