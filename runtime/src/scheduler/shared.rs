//! What all threads see of a runtime: the parts that workers share and the way in from outside.

use std::future::Future;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed};
use corio_sync::shim::atomic::{AtomicPtr, AtomicU8, AtomicU64, fence};
use crossbeam_deque::Injector;
use crossbeam_utils::CachePadded;

use super::callback::Callbacks;
use super::hog::HogLine;
use super::idle::IdleSet;
use super::inbox::Inbox;
use super::lifo::LifoSlot;
use super::queue::local::Stealer;
use super::watch_sleep::WatchSleep;
use super::worker;
use crate::blocking::Pool;
use crate::context::Driver;
use crate::task::join::Task;
use crate::task::raw::{Header, RuntimeHead, TaskPtr};
use crate::task::registry::TaskRef;
use crate::task::slab::{Arena, SharedArenas};

/// What a builder settles for the life of a runtime.
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) workers: usize,
    pub(crate) stack_size: Option<usize>,
    pub(crate) lifo_slot: bool,
    pub(crate) stealing: bool,
    pub(crate) watch: bool,
    pub(crate) debug: bool,
    pub(crate) poll_budget: u32,
    pub(crate) slow_callback_duration: Duration,
    pub(crate) shutdown_timeout: Option<Duration>,
    pub(crate) handle_signals: bool,
    pub(crate) on_thread_start: Option<Hook>,
    pub(crate) on_thread_stop: Option<Hook>,
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
    /// The task that the owner is inside, for reports; compared and named, never trusted.
    pub(crate) running: AtomicPtr<()>,
    pub(crate) stealer: Stealer<TaskPtr>,
    pub(crate) arena: AtomicPtr<Arena>,
    pub(crate) metrics: CachePadded<WorkerMetrics>,
}

/// Counters of one worker; only the owner writes, so plain loads and stores suffice.
#[derive(Debug, Default)]
pub(crate) struct WorkerMetrics {
    pub(crate) polls: AtomicU64,
    pub(crate) steals: AtomicU64,
    pub(crate) parks: AtomicU64,
    pub(crate) searches: AtomicU64,
}

impl WorkerMetrics {
    /// Adds to a counter of the calling worker.
    #[inline]
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        // Ordering: Relaxed; one writer, and readers want a number only.
        counter.store(counter.load(Relaxed) + n, Relaxed);
    }
}

/// The life of a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Tasks are accepted and run.
    Running = 0,
    /// No new task is accepted; workers leave their loops.
    Closing = 1,
    /// Every task is stopped.
    Closed = 2,
}

/// The shared part of a runtime. `head` is first: an arena's tag points here.
#[repr(C)]
pub(crate) struct Shared {
    pub(crate) head: RuntimeHead,
    pub(crate) config: Config,
    pub(crate) remotes: Box<[Remote]>,
    pub(crate) injector: Injector<TaskPtr>,
    pub(crate) idle: IdleSet,
    pub(crate) drivers: Arc<[Arc<Driver>]>,
    pub(crate) arenas: SharedArenas,
    pub(crate) watch_sleep: WatchSleep,
    pub(crate) watch_thread: std::sync::OnceLock<std::thread::Thread>,
    pub(crate) pool: Pool,
    phase: AtomicU8,
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
    pub(crate) fn phase(&self) -> Phase {
        // Ordering(shared.phase): Acquire; pairs with Ordering(shared.advance): who sees a later
        // phase sees what the shutdown did before it.
        match self.phase.load(Acquire) {
            0 => Phase::Running,
            1 => Phase::Closing,
            _ => Phase::Closed,
        }
    }

    /// Moves to a later phase; true for the one who did it.
    pub(crate) fn advance(&self, to: Phase) -> bool {
        // Ordering(shared.advance): AcqRel; pairs with Ordering(shared.phase).
        let before = self.phase.fetch_max(to as u8, AcqRel);
        before < to as u8
    }

    /// Spawns a task on the current worker or, from outside, into the injector. The body comes
    /// back if the runtime is closed.
    #[inline]
    pub(crate) fn spawn<F>(
        self: &Arc<Self>,
        future: F,
        at: &'static Location<'static>,
    ) -> Result<Task<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        worker::with(|worker| match worker {
            Some(worker) if Arc::ptr_eq(worker.shared(), self) => {
                if self.phase() != Phase::Running {
                    return Err(future);
                }
                // SAFETY: the worker owns its arena, and the body is `Send`.
                let task = unsafe { TaskPtr::new(worker.arena(), future, None, at) };
                worker.push(task);
                // SAFETY: the cell was made for `F`; its handle is made once.
                Ok(unsafe { Task::from_ptr(task) })
            }
            _ => self.spawn_from_outside(future, None, at),
        })
    }

    /// Spawns from a thread that is no worker of this runtime, or onto a chosen loop.
    ///
    /// A body for a chosen loop must be `Send` until its first poll; see `create_pinned_task`.
    pub(crate) fn spawn_from_outside<F>(
        self: &Arc<Self>,
        future: F,
        home: Option<usize>,
        at: &'static Location<'static>,
    ) -> Result<Task<F::Output>, F>
    where
        F: Future + 'static,
    {
        if self.phase() != Phase::Running {
            return Err(future);
        }
        let mut body = Some(future);
        let made = self.arenas.with(
            || Arc::into_raw(self.clone()).cast(),
            |token| {
                let future = body.take()?;
                // SAFETY: the token owns the arena; a body with a home is `Send` until then.
                Some(unsafe { TaskPtr::new(token.arena(), future, home, at) })
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
                if self.remotes[home].inbox.push(task.header_ptr()).is_err() {
                    // The home stopped its tasks before it closed its inbox, so this one is done
                    // or was never polled; the latter is `Send` and may be stopped here.
                    // SAFETY: the entry keeps the cell; nobody starts tasks any more.
                    unsafe { task.stop_entry() };
                    return;
                }
                self.wake_worker(home);
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
        // `notify` made the fence between the push and this look; the shutdown makes one between
        // its change of phase and its last look at the injector.
        // Ordering: Relaxed; the fences order it.
        if self.phase.load(Relaxed) == Phase::Closed as u8 {
            self.drain_injector();
        }
    }

    /// Stops whatever lies in the injector of a closed runtime.
    pub(crate) fn drain_injector(&self) {
        loop {
            match self.injector.steal() {
                crossbeam_deque::Steal::Success(task) => {
                    // SAFETY: the entry keeps the cell; nobody starts tasks any more, and what
                    // lies in the injector is not pinned.
                    unsafe { task.stop_entry() };
                }
                crossbeam_deque::Steal::Empty => return,
                crossbeam_deque::Steal::Retry => {}
            }
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
        fence(corio_sync::shim::Ordering::SeqCst);
        for driver in self.drivers.iter() {
            driver.poller.wake();
        }
    }

    /// Wakes the Watch if it sleeps while a worker starts to run.
    #[inline]
    pub(crate) fn wake_watch(&self) {
        if self.watch_sleep.wake()
            && let Some(watch) = self.watch_thread.get()
        {
            watch.unpark();
        }
    }

    /// True if some queue that any worker may take from holds a task.
    pub(crate) fn has_stealable(&self) -> bool {
        !self.injector.is_empty()
            || self.config.stealing && self.remotes.iter().any(|r| !r.stealer.is_empty())
    }

    /// All tasks that are not done.
    pub(crate) fn all_tasks(&self) -> Vec<TaskRef> {
        let mut tasks = Vec::new();
        self.for_each_task(|task| {
            if !task.done() {
                tasks.push(task);
            }
        });
        tasks
    }

    /// Calls `f` with a reference to every cell in use.
    pub(crate) fn for_each_task(&self, mut f: impl FnMut(TaskRef)) {
        let mut visit = |cell: NonNull<u8>| {
            let task = TaskPtr::from_cell(cell);
            if task.header().state.try_ref() {
                // SAFETY: `try_ref` made the reference that passes to the handle.
                f(unsafe { TaskRef::from_ptr(task) });
            }
        };
        for remote in &self.remotes {
            // Ordering(shared.arena): Acquire; pairs with Ordering(worker.arena): the arena is
            // seen initialized.
            let arena = remote.arena.load(Acquire);
            if let Some(arena) = NonNull::new(arena) {
                // SAFETY: arenas of workers are closed after the last walk; see `shutdown`.
                unsafe { Arena::for_each(arena, &mut visit) };
            }
        }
        self.arenas.for_each_arena(|arena| {
            // SAFETY: the list keeps its arenas.
            unsafe { Arena::for_each(arena, &mut visit) };
        });
    }

    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let workers = parts.config.workers;
        // SAFETY: the tag of every arena is an `Arc<Shared>` turned into a pointer.
        let arenas = unsafe { SharedArenas::new(workers as u32, release_tag) };
        Arc::new(Self {
            head: RuntimeHead { schedule: worker::schedule },
            remotes: parts.remotes,
            injector: Injector::new(),
            idle: IdleSet::new(workers),
            drivers: parts.drivers,
            arenas,
            watch_sleep: WatchSleep::new(),
            watch_thread: std::sync::OnceLock::new(),
            pool: parts.pool,
            phase: AtomicU8::new(Phase::Running as u8),
            config: parts.config,
        })
    }
}

/// What a builder puts together before the shared part exists.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) remotes: Box<[Remote]>,
    pub(crate) drivers: Arc<[Arc<Driver>]>,
    pub(crate) pool: Pool,
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
