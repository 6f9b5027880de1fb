//! The loop of one worker: which task runs next, when to look elsewhere, when to sleep.
//!
//! ```text
//!   lifo slot (at most 3 in a row) -> deque and pinned queue in turn -> inbox, callbacks
//!     -> own timers and poller -> injector -> siblings' deques -> stuck siblings -> park
//! ```
//! The own poller is left to the park if there is no work elsewhere.
//!
//! About every 100 us of run time, and at most every [`MAINTENANCE_MAX`] polls, a worker also looks
//! at its timers, poller, inbox and the injector while it has tasks of its own, so that neither
//! sockets nor foreign submissions wait behind a full queue.
//!
//! # Who is woken for local work
//!
//! A push into the lifo slot wakes nobody; but the tasks that a poll wakes go to the deque, and wake
//! a sleeping sibling at once, if polls of its kind are known to go on for long after that (see
//! [`kinds`](super::kinds)). At the end of each poll the worker compares its backlog:
//! more than [`BACKLOG_ALONE`] tasks, or any task that waits for more than [`DRAIN_LONG`] or behind
//! a poll of more than [`POLL_LONG`], wakes a sleeping sibling (decision 024); behind a brief poll
//! the next few are not timed. Nothing is lost by comparing late: the worker does not sleep while it
//! has a backlog, so the comparison is made again after every poll; and Watch makes it for a worker
//! that is stuck in one. A poll that pushes more than [`PUSHES_PER_CHECK`] tasks compares within it.

use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use corio_sync::coop;
use corio_sync::shim::Ordering::{Relaxed, Release};
use corio_sync::spin::Gate;

use super::baton::Baton;
use super::kinds::Pushes;
use super::queue::Local;
use super::shared::{Phase, Remote, Shared};
use crate::context::{self, Driver, Drivers};
use crate::task::observers::DoneCall;
use crate::task::raw::{self, RuntimeHead, TaskPtr};
use crate::task::slab::Arena;
use crate::task::state::Snapshot;
use crate::timer::Role;
use crate::wake_batch::WakeBatch;

/// Polls between two such looks, at least: a look costs about 200 ns.
const MAINTENANCE_MIN: u32 = 16;

/// One worker. Lives in a box of its own and is used by one thread at a time.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    index: usize,
    driver: Arc<Driver>,
    queue: Local<TaskPtr>,
    /// Pinned tasks that are ready, oldest first.
    pinned: UnsafeCell<VecDeque<TaskPtr>>,
    arena: NonNull<Arena>,
    lifo_run: Cell<u32>,
    turn: Cell<u32>,
    pushes: Cell<u32>,
    /// Whether a push of the task that runs is worth a sibling's wake-up.
    eager: Pushes,
    /// Whether siblings are to help with what waits here.
    keeping: Keeping,
    polls_left: Cell<u32>,
    maintenance_every: Cell<u32>,
    /// Maintenances so far.
    looks: Cell<u32>,
    /// A time of the timers' clock.
    last_maintenance: Cell<u64>,
    /// When a sleep ends for memory to be given back, if there is any; a time of the same clock.
    tidy_at: Cell<Option<u64>>,
    /// The last look at the arenas of other threads has left some there.
    shared_spare: Cell<bool>,
    /// The backlog that is being worked off, if it is compared by time.
    drain: Cell<Option<queues::Drain>>,
    searching: Cell<bool>,
    /// The last look for work left the poller out.
    owes_poll: Cell<bool>,
    in_poll: Cell<bool>,
    /// The Watch has heard that the worker got up.
    watched: Cell<bool>,
    /// The sibling that hears of this worker's events while it is in a poll that was announced.
    lent_to: Cell<Option<usize>>,
    /// Says which thread may use all of this.
    baton: Arc<Baton>,
    /// Threads inside `block_in_place` that are to come back.
    away: Cell<u32>,
    /// The owner has let go of the baton until it goes on. It alone asks and says so.
    adrift: Cell<bool>,
    /// Another thread than the owner holds the baton: pinned tasks wait.
    standing_in: Cell<bool>,
    random: Cell<u32>,
    last_victim: Cell<usize>,
    polls: Cell<u64>,
    /// The poll that is under way has stepped out; for debug mode.
    stepped_out: Cell<bool>,
    /// Whether to wait actively before a sleep; taken out while in use.
    gate: Cell<Gate>,
    /// What makes it a single loop.
    single: Option<Box<single::Single>>,
}

// SAFETY: a worker moves to its thread before it runs, and between threads only while nobody is
// inside it; what it points to is its own, and its tasks are touched by the thread that runs it.
unsafe impl Send for Worker {}

mod eager;
pub(crate) mod hops;
mod keeping;
mod lent;
mod queues;
mod rest;
mod search;
mod simulated;
pub(crate) mod single;
mod tidy;
mod watched;

use keeping::Keeping;
pub(crate) use simulated::take_stalled;

thread_local! {
    static WORKER: Cell<*const Worker> = const { Cell::new(std::ptr::null()) };
    /// As `WORKER`, but null as well while the thread has entered another runtime by hand.
    static SPAWNER: Cell<*const Worker> = const { Cell::new(std::ptr::null()) };
    /// The runtime of the worker that the thread has stepped out of; compared, never followed.
    static OUT_OF: Cell<*const Shared> = const { Cell::new(std::ptr::null()) };
    /// Where the thread is inside `run`, unless it has stepped out.
    static RUNNING_AT: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// The `run` that the calling thread is inside of.
pub(crate) fn running_at() -> Option<&'static Location<'static>> {
    RUNNING_AT.get()
}

/// Names the place that made the calling thread a worker; returns the one before.
pub(crate) fn set_running_at(
    at: Option<&'static Location<'static>>,
) -> Option<&'static Location<'static>> {
    RUNNING_AT.replace(at)
}

/// True inside a poll of this runtime whose worker was lent to another thread.
pub(crate) fn has_stepped_out_of(shared: &Shared) -> bool {
    std::ptr::eq(OUT_OF.get(), shared)
}

/// True if the calling thread runs a worker.
pub(crate) fn is_one() -> bool {
    !WORKER.get().is_null()
}

/// Calls `f` with the worker that the calling thread runs.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = WORKER.get();
    // SAFETY: the pointer is set only while its worker runs on this thread, which keeps it alive.
    f(unsafe { worker.as_ref() })
}

/// Calls `f` with the worker that what the calling thread spawns is for.
#[inline]
pub(crate) fn with_spawner<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = SPAWNER.get();
    // SAFETY: as in `with`.
    f(unsafe { worker.as_ref() })
}

/// What [`with_spawner`] gives has to follow: the thread has become a worker or is none any more, or
/// has entered another runtime or left it.
pub(crate) fn choose_spawner() {
    SPAWNER.set(if context::is_guest() { std::ptr::null() } else { WORKER.get() });
}

/// Pushes a queue entry: [`RuntimeHead::schedule`].
///
/// # Safety
///
/// `head` is the first field of a live `Shared`; SCHEDULED of `task`, whose word was `seen`, was just
/// set by the caller.
pub(crate) unsafe fn schedule(head: NonNull<RuntimeHead>, task: TaskPtr, seen: Snapshot) {
    let shared: NonNull<Shared> = head.cast();
    let worker = WORKER.get();
    // SAFETY: as in `with`.
    if let Some(worker) = unsafe { worker.as_ref() } {
        if std::ptr::eq(Arc::as_ptr(&worker.shared), shared.as_ptr()) {
            worker.push(task, seen.home());
            return;
        }
    }
    // SAFETY: the task's arena keeps the shared part alive; the task is kept by its entry, which
    // `push_remote` passes on last.
    let shared = unsafe { shared.as_ref() };
    let home = seen.home();
    // An entry may be run and its arena freed before `push_remote` has woken a worker, so the
    // shared part gets a reference of its own for that long.
    // SAFETY: it is alive, see above, and was made by an `Arc`.
    unsafe { Arc::increment_strong_count(std::ptr::from_ref(shared)) };
    // SAFETY: the reference was just made.
    let shared = unsafe { Arc::from_raw(std::ptr::from_ref(shared)) };
    shared.push_remote(task, home);
}

/// Queues a done-callback: [`RuntimeHead::call_done`].
///
/// # Safety
///
/// `task` is alive, and its runtime a `Shared`.
pub(crate) unsafe fn call_done(task: TaskPtr, chosen: u32, call: DoneCall) -> u32 {
    let shared = Shared::of(task);
    let home = match chosen.checked_sub(1) {
        Some(home) => home as usize,
        None => {
            let here = with(|worker| {
                worker.filter(|worker| Arc::ptr_eq(&worker.shared, &shared)).map(|it| it.index)
            });
            let pinned = task.header().state.load_relaxed().home();
            pinned.or(here).unwrap_or(0)
        }
    };
    // A closed loop drops it.
    drop(shared.submit_call(home, call.into()));
    home as u32 + 1
}

/// Fires due timers of a worker: its own call, or that of a thread that helps it.
pub(crate) fn fire_timers(driver: &Driver, role: Role) {
    let timers = &driver.timers;
    let mut wakers = WakeBatch::new();
    loop {
        let expired = timers.expire(role, timers.clock().now(), &mut wakers);
        wakers.wake_all();
        if expired.wake_owner {
            driver.poller.wake();
        }
        if !expired.more {
            return;
        }
    }
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, index: usize, queue: Local<TaskPtr>) -> Box<Self> {
        let tag = Arc::into_raw(shared.clone()).cast();
        // SAFETY: `release_tag` gives the reference back.
        let arena = unsafe { Arena::new(index as u32, tag, super::shared::release_tag) };
        // Ordering(worker.arena): Release; pairs with Ordering(shared.arena): walkers find the
        // arena initialized. Not killable: workers are not built for models; the pattern, one pointer
        // that is published once, is that of Ordering(context_cell.make), which is.
        shared.remotes[index].arena.store(arena.as_ptr(), Release);
        let driver = shared.drivers[index].clone();
        Box::new(Self {
            index,
            queue,
            pinned: UnsafeCell::new(VecDeque::new()),
            arena,
            lifo_run: Cell::new(0),
            turn: Cell::new(0),
            pushes: Cell::new(0),
            eager: Pushes::new(),
            keeping: Keeping::default(),
            polls_left: Cell::new(MAINTENANCE_MIN),
            maintenance_every: Cell::new(MAINTENANCE_MIN),
            looks: Cell::new(0),
            last_maintenance: Cell::new(driver.timers.clock().now()),
            tidy_at: Cell::new(None),
            shared_spare: Cell::new(false),
            driver,
            drain: Cell::new(None),
            searching: Cell::new(false),
            owes_poll: Cell::new(false),
            in_poll: Cell::new(false),
            watched: Cell::new(false),
            lent_to: Cell::new(None),
            baton: Arc::new(Baton::held()),
            away: Cell::new(0),
            adrift: Cell::new(false),
            standing_in: Cell::new(false),
            random: Cell::new(0x9E37_79B9 ^ (index as u32 + 1).wrapping_mul(0x85EB_CA6B)),
            last_victim: Cell::new(index),
            polls: Cell::new(0),
            stepped_out: Cell::new(false),
            gate: Cell::new(Gate::new()),
            single: (shared.phase() == Phase::Single).then(Box::default),
            shared,
        })
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    #[inline]
    pub(crate) fn remote(&self) -> &Remote {
        &self.shared.remotes[self.index]
    }

    /// Makes the calling thread this worker until the guard is dropped.
    pub(crate) fn enter(&self) -> EnteredWorker<'_> {
        let drivers = Drivers {
            all: self.shared.drivers.clone(),
            pollers: self.shared.pollers.clone(),
            mine: self.index,
            is_worker: true,
        };
        let outer = WORKER.replace(std::ptr::from_ref(self));
        let outer_arena = raw::own_arena();
        raw::set_own_arena(Some(self.arena));
        let guests = context::become_worker();
        choose_spawner();
        EnteredWorker {
            outer,
            outer_arena,
            guests,
            _drivers: context::enter(drivers),
            _worker: self,
        }
    }
}

/// Undoes [`Worker::enter`].
pub(crate) struct EnteredWorker<'a> {
    outer: *const Worker,
    outer_arena: Option<NonNull<Arena>>,
    guests: context::Guests,
    _drivers: context::Entered,
    _worker: &'a Worker,
}

impl Drop for EnteredWorker<'_> {
    fn drop(&mut self) {
        WORKER.set(self.outer);
        raw::set_own_arena(self.outer_arena);
        context::leave_worker(self.guests);
        choose_spawner();
    }
}

/// The loop.
impl Worker {
    /// Runs tasks until `stop` says so or the runtime closes.
    pub(crate) fn run(&self, stop: impl Fn() -> bool) {
        let budget = self.shared.config.poll_budget;
        let preempt = self.remote().hog.preempt();
        coop::enter(budget, preempt, || match self.shared.config.simulated {
            Some(seed) => self.run_simulated(seed, stop),
            None => while self.run_in_mode(&stop) {},
        });
    }

    /// Runs until the end, or until debug mode is switched: then it is true.
    fn run_in_mode(&self, stop: &impl Fn() -> bool) -> bool {
        match self.shared.is_debug() {
            false => self.run_loop::<false>(stop),
            true => self.run_loop::<true>(stop),
        }
    }

    fn run_loop<const DEBUG: bool>(&self, stop: &impl Fn() -> bool) -> bool {
        self.get_up();
        let mut switched = false;
        while !stop() && !switched {
            if let Some(task) = self.next::<DEBUG>() {
                self.run_task::<DEBUG, false>(task);
                continue;
            }
            if self.shared.phase() != Phase::Running || stop() {
                break;
            }
            if self.shared.is_debug() == DEBUG {
                self.park();
            }
            switched = self.shared.is_debug() != DEBUG;
        }
        self.stop_searching(false);
        // Nobody would mark a worker whose loop stands still.
        self.forget_keeping();
        self.remote().hog.park();
        // Producers may have relied on this worker's search.
        self.shared.notify();
        switched
    }

    /// The next task, without sleeping; none as well if the runtime closes, or debug mode is not what
    /// it was.
    #[inline(always)]
    fn next<const DEBUG: bool>(&self) -> Option<TaskPtr> {
        if self.polls_left.get() == 0 {
            self.maintain();
            if self.shared.phase() != Phase::Running || self.shared.is_debug() != DEBUG {
                return None;
            }
        }
        if let Some(task) = self.pop() {
            if self.searching.get() {
                self.stop_searching(true);
            }
            return Some(task);
        }
        self.find()
    }

    /// The worker sleeps no more. The Watch need not know before something runs.
    fn get_up(&self) {
        self.remote().hog.unpark();
        self.watched.set(false);
    }

    /// A task, or callbacks, are about to run.
    #[inline]
    fn begin_poll(&self) {
        self.begin_poll_at(self.remote());
    }

    #[inline]
    fn begin_poll_at(&self, remote: &Remote) {
        if !self.watched.replace(true) {
            self.wake_watch();
        }
        remote.hog.begin_poll();
    }

    /// Not a part of the loop, whose polls would pay for its registers.
    #[inline(never)]
    fn wake_watch(&self) {
        self.shared.wake_watch();
    }

    /// The poll that begins will take long, as the last one of its kind did: help is called now, and
    /// not when the Watch finds it stuck.
    #[cold]
    fn expect_stuck(&self) {
        if self.shared.remotes.len() > 1 {
            self.remote().hog.mark();
            self.lend_poller();
            self.shared.watch.unpark();
        }
    }

    #[inline]
    fn run_task<const DEBUG: bool, const SINGLE: bool>(&self, task: TaskPtr) {
        let remote = self.remote();
        // Ordering: Relaxed; Watch compares the address with live tasks and never follows it.
        remote.running.store(task.as_raw().cast_mut(), Relaxed);
        self.begin_poll_at(remote);
        self.in_poll.set(true);
        let outer = context::set_task(Some(task));
        coop::refill(self.shared.config.poll_budget);
        // Read now: the task may be gone afterwards.
        let kind = task.header().kind();
        if self.eager.begin(&self.shared.kinds, kind) {
            self.expect_stuck();
        }
        let again = if DEBUG {
            // SAFETY: as below.
            unsafe { self.run_watched(task) }
        } else if SINGLE {
            // SAFETY: as below.
            unsafe { task.run_apart() }
        } else {
            // SAFETY: the entry was popped here; pinned tasks come only from this loop's own queues.
            unsafe { task.run::<false>(|| self.keeping.count_end()) }
        };
        // The mark of the Watch stays until the next poll.
        let was_marked = remote.hog.is_hog();
        if was_marked {
            self.take_back_poller();
        }
        let pushes = self.pushes.get();
        self.eager.end(&self.shared.kinds, was_marked, pushes, || kind);
        self.keeping.count_pushes(pushes);
        context::set_task(outer);
        self.in_poll.set(false);
        remote.hog.end_poll();
        if let Some(seen) = again {
            // It yielded, or was woken while it ran: behind everything else.
            self.push_again(task, seen);
        }
        self.polls.set(self.polls.get() + 1);
        self.polls_left.set(self.polls_left.get().saturating_sub(1));
        self.compare_backlog(true);
        self.pushes.set(0);
    }
}
