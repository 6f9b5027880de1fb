//! What all threads see of a runtime: the parts that workers share and the way in from outside.

use std::future::Future;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use corio_sync::SetOnce;
use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed};
use corio_sync::shim::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
use crossbeam_utils::CachePadded;

use super::callback::Callbacks;
use super::calling::Calling;
use super::exception::HandlerSlot;
use super::hog::HogLine;
use super::idle::IdleSet;
use super::inbox::{Inbox, Link};
use super::kinds::Kinds;
use super::life::Life;
pub(crate) use super::life::Phase;
use super::lifo::LifoSlot;
use super::queue::{Deque, Inject, Injector, Local, Steal, Victim};
use super::shutdown::Ending;
use super::watch::{self, WatchThread};
use super::worker;
use crate::blocking::{Pool, ThreadPoolExecutor};
use crate::context::Driver;
use crate::reactor::{self, Poller};
use crate::task::birth::Birth;
use crate::task::grow_list::GrowList;
use crate::task::join::Task;
use crate::task::raw::{Header, RuntimeHead, TaskPtr};
use crate::task::slab::{Arena, SharedArenas};
use crate::tokio_context::TokioContext;
use crate::visit::Host;
use crate::wake_batch::WakeBatch;

/// What a builder settles for the life of a runtime.
pub(crate) struct Config {
    pub(crate) name: String,
    /// Where the runtime was built, or `run` was called.
    pub(crate) built_at: &'static Location<'static>,
    pub(crate) workers: usize,
    pub(crate) stack_size: Option<usize>,
    pub(crate) lifo_slot: bool,
    pub(crate) stealing: bool,
    pub(crate) watch: bool,
    pub(crate) debug: bool,
    /// `corio-top` may ask for the runtime.
    pub(crate) debug_socket: bool,
    /// The seed of a simulation, whose clock is virtual.
    pub(crate) simulated: Option<u64>,
    pub(crate) poll_budget: u32,
    pub(crate) slow_callback_duration: Duration,
    pub(crate) shutdown_timeout: Option<Duration>,
    pub(crate) handle_signals: bool,
    pub(crate) on_thread_start: Option<Hook>,
    pub(crate) on_thread_stop: Option<Hook>,
    pub(crate) tokio: TokioContext,
}

/// A user's function that runs on each worker thread.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("workers", &self.workers)
            .field("lifo_slot", &self.lifo_slot)
            .field("stealing", &self.stealing)
            .field("watch", &self.watch)
            .field("poll_budget", &self.poll_budget)
            .finish_non_exhaustive()
    }
}

/// The part of one worker that others touch.
pub(crate) struct Remote {
    /// The task that runs next. Owner writes; thieves read it from a stuck worker only.
    pub(crate) lifo: CachePadded<LifoSlot<Header>>,
    /// Pinned tasks that were woken or submitted elsewhere. Everyone writes, the owner drains.
    pub(crate) inbox: CachePadded<Inbox<Header>>,
    /// Callbacks that were submitted from anywhere.
    pub(crate) callbacks: Callbacks,
    /// What Watch samples. The owner writes; Watch reads and sets its flags.
    pub(crate) hog: CachePadded<HogLine>,
    /// A sibling hears of this worker's events, by the worker's own doing.
    pub(crate) is_lent: AtomicBool,
    /// The worker's loop was left, and nobody hears of its events: the Watch sees to that.
    pub(crate) stands_still: AtomicBool,
    /// The worker's tasks are not worth sharing. The owner writes.
    pub(crate) keeps: AtomicBool,
    /// The task that the owner is inside, for reports; compared and named, never trusted.
    pub(crate) running: AtomicPtr<()>,
    pub(crate) stealer: Victim<TaskPtr>,
    pub(crate) arena: AtomicPtr<Arena>,
    pub(crate) metrics: CachePadded<WorkerMetrics>,
    /// The callback that the owner is inside, in debug mode.
    pub(crate) calling: Calling,
}

/// Counters of one worker; only the owner writes, so plain loads and stores suffice.
#[derive(Debug, Default)]
pub(crate) struct WorkerMetrics {
    pub(crate) polls: AtomicU64,
    pub(crate) steals: AtomicU64,
    pub(crate) parks: AtomicU64,
    pub(crate) searches: AtomicU64,
    /// What lies in the queue that is the worker's alone: of pinned tasks, or of a single loop.
    pub(crate) ready: AtomicU64,
}

impl Remote {
    /// True if siblings leave the worker's tasks alone: see `worker::keeping`.
    pub(crate) fn keeps_tasks(&self) -> bool {
        // Ordering: Relaxed; a hint, as the other flag.
        self.keeps.load(Relaxed) && !self.hog.is_hog()
    }
}

impl WorkerMetrics {
    /// Adds to a counter of the calling worker.
    #[inline]
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        // Ordering: Relaxed; one writer, and readers want a number only.
        counter.store(counter.load(Relaxed) + n, Relaxed);
    }
}

/// Index of the first arena made for a task that a closed runtime refused; the next ones count
/// down, so that each such task has a number of its own.
const LATE_ARENA: u32 = (1 << 24) - 1;

/// The shared part of a runtime. `head` is first: an arena's tag points here.
#[repr(C)]
pub(crate) struct Shared {
    pub(crate) head: RuntimeHead,
    pub(crate) config: Config,
    pub(crate) remotes: Box<[Remote]>,
    pub(crate) injector: Injector<TaskPtr>,
    pub(crate) idle: IdleSet,
    pub(crate) drivers: Arc<[Arc<Driver>]>,
    /// Those that sources may be placed on.
    pub(crate) pollers: Arc<[Poller]>,
    pub(crate) arenas: SharedArenas,
    pub(crate) watch: WatchThread,
    pub(crate) kinds: Kinds,
    pub(crate) pool: Pool,
    pub(crate) life: Life,
    /// Who hears of what goes wrong where nobody listens.
    pub(crate) exception_handler: HandlerSlot,
    /// The executor that was put in the place of `pool`; a program sets it once or twice.
    pub(crate) executor: GrowList<ThreadPoolExecutor>,
    /// The end of a run cancels what is left.
    pub(crate) tearing_down: AtomicBool,
    /// A single loop is running.
    pub(crate) turning: AtomicBool,
    /// Debug mode is on; the last worker to leave switches it off for good.
    debug: AtomicBool,
    /// Tasks whose bodies a shutdown dropped.
    stopped: AtomicUsize,
    /// Tasks that were refused.
    late: AtomicU32,
    /// The thread that waits for the workers to leave. Not std's `OnceLock`: its store lies in the
    /// built std, where ThreadSanitizer does not see it.
    waiter: SetOnce<std::thread::Thread>,
}

// SAFETY: every field that is not Sync by itself is used under the protocol of its own module.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Shared {
    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        self.life.phase()
    }

    /// Spawns a task on the current worker or, from outside, into the injector. The body comes
    /// back if the runtime is closed.
    #[inline]
    pub(crate) fn spawn<F>(
        self: &Arc<Self>,
        future: F,
        birth: &mut Birth,
    ) -> Result<Task<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        worker::with(|worker| match worker {
            Some(worker) if Arc::ptr_eq(worker.shared(), self) => worker.spawn(future, birth),
            _ => self.spawn_from_outside(future, None, birth),
        })
    }

    /// Spawns from a thread that is no worker of this runtime, or onto a chosen loop.
    ///
    /// A body for a chosen loop must be `Send` until its first poll; see `create_pinned_task`.
    pub(crate) fn spawn_from_outside<F>(
        self: &Arc<Self>,
        future: F,
        home: Option<usize>,
        birth: &mut Birth,
    ) -> Result<Task<F::Output>, F>
    where
        F: Future + 'static,
    {
        let home = match self.phase() {
            Phase::Running => home,
            // All tasks of a single loop are its own.
            Phase::Single => Some(0),
            Phase::Closing | Phase::Closed => return Err(future),
        };
        let mut body = Some(future);
        let made = self.arenas.with(
            || Arc::into_raw(self.clone()).cast(),
            |token| {
                let future = body.take()?;
                // SAFETY: the token owns the arena; a body with a home is `Send` until then.
                Some(unsafe { TaskPtr::new(token.arena(), future, home, birth.take()) })
            },
        );
        let Some(task) = made.flatten() else {
            return Err(body.take().expect("a refused body was not used"));
        };
        // SAFETY: the cell was made for `F`; its handle is made once.
        let handle = unsafe { Task::from_ptr(task) };
        self.push_remote(task, home);
        Ok(handle)
    }

    /// Pushes a queue entry from a thread that is no worker of this runtime.
    pub(crate) fn push_remote(&self, task: TaskPtr, home: Option<usize>) {
        match home {
            Some(home) => {
                if self.phase() == Phase::Single {
                    // Its own thread, while the loop stands still.
                    if let Some(worker) = worker::single::own(self) {
                        return worker.push_pinned(task, home);
                    }
                }
                // SAFETY: the entry keeps the header until it is drained.
                let pushed = unsafe { self.remotes[home].inbox.push(task.header_ptr()) };
                let Ok(first) = pushed else {
                    // The home stopped its tasks before it closed its inbox, so this one is done
                    // or was never polled; the latter is `Send` and may be stopped here.
                    // SAFETY: the entry keeps the cell; nobody starts tasks any more.
                    unsafe { task.stop_entry() };
                    return;
                };
                if first {
                    self.wake_worker(home);
                }
            }
            None => {
                self.injector.push(task);
                self.notify();
                self.check_late_entry();
            }
        }
    }

    /// An entry that was pushed after the shutdown's last look is stopped by its pusher.
    fn check_late_entry(&self) {
        if self.life.doors_are_closed() && !Ending::is_under_way(self) {
            self.count_stopped(self.drain_queues());
        }
    }

    /// A worker is through: the last one ends what is left and closes the arenas.
    pub(crate) fn worker_left(self: &Arc<Self>) {
        let last = self.life.leave();
        if last || self.phase() == Phase::Closed {
            self.finish_shutdown();
        }
        if last {
            self.config.tokio.stop();
            for index in 0..self.remotes.len() {
                self.close_arena(index);
                self.close_driver(index);
            }
            self.switch_debug(false);
            self.exception_handler.close();
            if self.life.someone_waits() {
                if let Some(waiter) = self.waiter.get() {
                    waiter.unpark();
                }
            }
        }
    }

    #[inline]
    pub(crate) fn is_debug(&self) -> bool {
        // Ordering: Relaxed; a switch that is seen late leaves something untold.
        self.debug.load(Relaxed)
    }

    /// Switches debug mode; true if it was not so before. The primitives are switched off with it, and
    /// on by the caller, who knows whom they tell. Nothing is left on once all workers have left: of a
    /// switch at that very moment and theirs one comes second, and it sees the other.
    pub(crate) fn switch_debug(&self, on: bool) -> bool {
        // Ordering(shared.debug): AcqRel; pairs with itself: who comes second sees what the first one
        // has done before, which is to leave. Not killable: the runtime's shared part is not built for
        // models; of two exchanges of one word the later one reads the earlier one.
        let switched = self.debug.swap(on, AcqRel) != on;
        if switched && !on {
            corio_sync::debug::turn_off();
        }
        switched
    }

    /// Waits until all workers have left; false at the deadline.
    pub(crate) fn wait_for_workers(&self, deadline: Option<Instant>) -> bool {
        let _ = self.waiter.set(std::thread::current());
        self.life.announce_wait();
        while !self.life.all_left() {
            match deadline {
                None => std::thread::park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    std::thread::park_timeout(left);
                }
            }
        }
        true
    }

    /// Counts tasks whose bodies were dropped.
    pub(crate) fn count_stopped(&self, n: usize) {
        // Ordering: Relaxed; a number for the report, read after the workers have left.
        self.stopped.fetch_add(n, Relaxed);
    }

    pub(crate) fn stopped_tasks(&self) -> usize {
        // Ordering: Relaxed; as above.
        self.stopped.load(Relaxed)
    }

    /// Names of the tasks that workers are inside.
    pub(crate) fn stuck_workers(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.for_each_task(|task| {
            if task.ptr().header().state.load().is_running() {
                names.push(format!("{task:?}"));
            }
        });
        names
    }

    /// The runtime that a live task belongs to.
    pub(crate) fn of(task: TaskPtr) -> Arc<Self> {
        let shared: *const Self = task.head().cast::<Self>().as_ptr();
        // SAFETY: the task's arena keeps the shared part, which was made by an `Arc`.
        unsafe { Arc::increment_strong_count(shared) };
        // SAFETY: the reference was just made.
        unsafe { Arc::from_raw(shared) }
    }

    /// A task of a closed runtime: its body is dropped and it ends cancelled.
    pub(crate) fn cancelled_task<F: Future + 'static>(
        self: &Arc<Self>,
        future: F,
        birth: &mut Birth,
    ) -> Task<F::Output> {
        // Ordering: Relaxed; only that every task gets another number matters.
        let index = LATE_ARENA - self.late.fetch_add(1, Relaxed) % (LATE_ARENA / 2);
        let tag = Arc::into_raw(self.clone()).cast();
        // SAFETY: `release_tag` gives the reference back; the arena is this thread's.
        let arena = unsafe { Arena::new(index, tag, release_tag) };
        // SAFETY: this thread owns the arena; the task never runs.
        let task = unsafe { TaskPtr::new(arena, future, None, birth.take()) };
        // SAFETY: the cell was made for `F`; its handle is made once.
        let handle = unsafe { Task::from_ptr(task) };
        // SAFETY: the entry is this thread's, and nobody starts the task.
        unsafe { task.stop_entry() };
        // SAFETY: nobody lists the arena.
        unsafe { Arena::unlist(arena) };
        // SAFETY: this thread owns the arena and uses it no more.
        unsafe { Arena::close(arena) };
        handle
    }

    /// Tells whoever waits elsewhere for this runtime's timers and sockets that it is gone.
    fn close_driver(&self, index: usize) {
        let driver = &self.drivers[index];
        let mut wakers = reactor::WakeBatch::new();
        driver.poller.close(&mut wakers);
        wakers.wake_all();
        let mut wakers = WakeBatch::new();
        while driver.timers.close(&mut wakers) {
            wakers.wake_all();
        }
    }

    fn close_arena(&self, index: usize) {
        // Ordering: Acquire as Ordering(shared.arena); the worker that stored it has left.
        let arena = self.remotes[index].arena.load(Acquire);
        if let Some(arena) = NonNull::new(arena) {
            // SAFETY: the worker has left, so this thread is the owner now; the last worker does
            // this once.
            unsafe { Arena::close(arena) };
        }
    }

    /// Stops whatever lies in those queues of a closed runtime that any thread may take from; how
    /// many tasks that were.
    pub(crate) fn drain_queues(&self) -> usize {
        let _ending = Ending::of(self);
        let queue = Local::new();
        let mut stopped = 0;
        loop {
            let lifo =
                || self.remotes.iter().find_map(|r| r.lifo.steal().map(TaskPtr::from_header));
            let stolen = || self.remotes.iter().find_map(|r| queue.steal_into(&r.stealer));
            let next = queue.pop().or_else(|| queue.take_from(&self.injector));
            let Some(task) = next.or_else(stolen).or_else(lifo) else {
                // A steal may have given up in the face of other thieves.
                if self.injector.is_empty() && self.remotes.iter().all(|r| r.stealer.is_empty()) {
                    return stopped;
                }
                continue;
            };
            self.mourn_entry(task);
            // SAFETY: the entry keeps the cell and was taken here; what lies in these queues is
            // not pinned.
            stopped += usize::from(unsafe { task.stop_entry() });
        }
    }

    /// Wakes one sleeping worker for work that any may take, unless one is searching already.
    pub(crate) fn notify(&self) {
        if let Some(worker) = self.idle.notify(None) {
            self.drivers[worker].poller.wake();
        }
    }

    /// Wakes one worker for work that only it can take.
    pub(crate) fn wake_worker(&self, worker: usize) {
        if self.idle.notify_worker(worker) {
            self.drivers[worker].poller.wake();
        }
    }

    /// Wakes all workers, whatever they sleep on.
    pub(crate) fn wake_all(&self) {
        for driver in self.drivers.iter() {
            driver.poller.wake();
        }
    }

    /// Wakes the Watch if it sleeps while a worker starts to run, or makes it.
    #[inline]
    pub(crate) fn wake_watch(self: &Arc<Self>) {
        if self.has_watch() && self.watch.sleep.wake() && !self.watch.unpark() {
            watch::start(self);
        }
    }

    /// A single loop is watched in debug mode only.
    fn has_watch(&self) -> bool {
        self.config.watch || self.is_debug() && self.phase() == Phase::Single
    }

    /// True if some queue that any worker may take from holds a task.
    pub(crate) fn has_stealable(&self) -> bool {
        !self.injector.is_empty()
            || self.config.stealing
                && self.remotes.iter().any(|r| !r.stealer.is_empty() && !r.keeps_tasks())
    }

    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        crate::panic_place::install();
        let workers = parts.config.workers;
        // SAFETY: the tag of every arena is an `Arc<Shared>` turned into a pointer.
        let arenas = unsafe { SharedArenas::new(workers as u32, release_tag) };
        let shared = Arc::new(Self {
            head: RuntimeHead {
                schedule: worker::schedule,
                call_done: worker::call_done,
                pass_on: worker::hops::pass_on,
                report_panic: super::exception::report_panic,
            },
            remotes: parts.remotes,
            injector: Injector::new(),
            idle: IdleSet::new(workers),
            pollers: parts.drivers[..parts.pollers].iter().map(|d| d.poller.clone()).collect(),
            drivers: parts.drivers,
            arenas,
            watch: WatchThread::new(),
            kinds: Kinds::new(workers),
            pool: parts.pool,
            life: if parts.single { Life::new_single() } else { Life::new(workers) },
            exception_handler: HandlerSlot::new(),
            executor: GrowList::new(),
            tearing_down: AtomicBool::new(false),
            turning: AtomicBool::new(false),
            debug: AtomicBool::new(parts.config.debug),
            stopped: AtomicUsize::new(0),
            late: AtomicU32::new(0),
            waiter: SetOnce::new(),
            config: parts.config,
        });
        let owner: Weak<dyn Host> = Arc::<Self>::downgrade(&shared);
        shared.pool.set_owner(owner);
        shared
    }
}

/// What a builder puts together before the shared part exists.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) remotes: Box<[Remote]>,
    pub(crate) drivers: Arc<[Arc<Driver>]>,
    /// How many drivers take sources.
    pub(crate) pollers: usize,
    pub(crate) pool: Pool,
    /// The runtime is a single loop.
    pub(crate) single: bool,
}

/// Gives back the reference that an arena held.
///
/// # Safety
///
/// `tag` came from `Arc::<Shared>::into_raw` and is given back once.
pub(crate) unsafe fn release_tag(tag: *const ()) {
    // SAFETY: the caller promises so.
    drop(unsafe { Arc::from_raw(tag.cast::<Shared>()) });
}

impl Drop for Shared {
    fn drop(&mut self) {
        for remote in &self.remotes {
            // Ordering: Acquire; pairs with Ordering(worker.arena).
            if let Some(arena) = NonNull::new(remote.arena.load(Acquire)) {
                // SAFETY: nobody can walk the arena through a shared part that is gone.
                unsafe { Arena::unlist(arena) };
            }
        }
    }
}

// SAFETY: the word belongs to whoever holds the queue entry, and lives as long as the cell.
unsafe impl Link for Header {
    unsafe fn link<'a>(node: NonNull<Self>) -> &'a AtomicUsize {
        // SAFETY: the caller keeps the cell.
        unsafe { &(*node.as_ptr()).link }
    }
}

mod walk;
