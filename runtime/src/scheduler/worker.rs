//! The loop of one worker: which task runs next, when to look elsewhere, when to sleep.
//!
//! ```text
//!   lifo slot (at most 3 in a row) -> deque and pinned queue in turn -> inbox, callbacks
//!     -> own timers and poller -> injector -> siblings' deques -> stuck siblings -> park
//! ```
//! About every 100 us of run time, and at most every [`MAINTENANCE_MAX`] polls, a worker also looks
//! at its timers, poller, inbox and the injector while it has tasks of its own, so that neither
//! sockets nor foreign submissions wait behind a full queue.
//!
//! # Who is woken for local work
//!
//! A push into the lifo slot wakes nobody. At the end of each poll the worker compares its backlog:
//! more than [`BACKLOG_ALONE`] tasks, or any task after a poll of more than [`POLL_LONG`], wakes a
//! sleeping sibling. Nothing is lost by comparing late: the worker does not sleep while it has a
//! backlog, so the comparison is made again after every poll; and Watch makes it for a worker
//! that is stuck in one. A poll that pushes more than [`PUSHES_PER_CHECK`] tasks compares within
//! it.

use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::future::Future;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corio_sync::coop;
use corio_sync::shim::Ordering::{Relaxed, Release};

use super::queue::{Deque, Local};
use super::shared::{Phase, Remote, Shared, WorkerMetrics};
use crate::context::{self, Driver, Drivers};
use crate::reactor;
use crate::task::raw::{self, RuntimeHead, TaskPtr};
use crate::task::slab::Arena;
use crate::timer::Role;
use crate::timer::wheel::NEVER;
use crate::wake_batch::WakeBatch;

/// Polls in a row from the lifo slot: two tasks that wake each other may not starve the rest.
const LIFO_IN_A_ROW: u32 = 3;
/// Tasks that a worker may keep to itself while a sibling sleeps: waking one costs 1-30 us, more
/// than a few short polls.
const BACKLOG_ALONE: usize = 4;
/// A poll longer than this makes waking a sibling worth its price for any backlog.
const POLL_LONG: Duration = Duration::from_micros(50);
/// Pushes within one poll after which the backlog is compared before the poll ends.
const PUSHES_PER_CHECK: u32 = 8;
/// Run time between two looks at timers, poller and injector.
const MAINTENANCE_PERIOD: Duration = Duration::from_micros(100);
/// Polls between two such looks, at least: a look costs about 200 ns.
const MAINTENANCE_MIN: u32 = 8;
/// Polls between two such looks, at most: bounds the wait where single polls vary in length.
const MAINTENANCE_MAX: u32 = 128;
/// Tasks from one queue before the other has its turn.
const TURN: u32 = 16;
/// Callbacks called in a row.
const CALLBACKS_IN_A_ROW: usize = 64;
/// Remote frees taken back by one look, and empty pages returned: bounds its length.
const MAINTAIN_CELLS: usize = 1024;
const MAINTAIN_PAGES: usize = 1;
/// Longest sleep: a bound on the damage of a clock that jumps, not a polling interval.
const PARK_MAX: Duration = Duration::from_secs(3600);

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
    polls_left: Cell<u32>,
    maintenance_every: Cell<u32>,
    last_maintenance: Cell<Instant>,
    /// End of the previous poll, if the backlog was compared by time then.
    poll_ended: Cell<Option<Instant>>,
    searching: Cell<bool>,
    in_poll: Cell<bool>,
    /// A stand-in runs the loop for a thread inside `block_in_place`: pinned tasks wait.
    standing_in: Cell<bool>,
    random: Cell<u32>,
    last_victim: Cell<usize>,
    polls: Cell<u64>,
}

// SAFETY: a worker moves to its thread before it runs, and between threads only while nobody is
// inside it; what it points to is its own, and its tasks are touched by the thread that runs it.
unsafe impl Send for Worker {}

thread_local! {
    static WORKER: Cell<*const Worker> = const { Cell::new(std::ptr::null()) };
}

/// Calls `f` with the worker that the calling thread runs.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = WORKER.get();
    // SAFETY: the pointer is set only while its worker runs on this thread, which keeps it alive.
    f(unsafe { worker.as_ref() })
}

/// Pushes a queue entry: [`RuntimeHead::schedule`].
///
/// # Safety
///
/// `head` is the first field of a live `Shared`; SCHEDULED of `task` was just set by the caller.
pub(crate) unsafe fn schedule(head: NonNull<RuntimeHead>, task: TaskPtr) {
    let shared: NonNull<Shared> = head.cast();
    let worker = WORKER.get();
    // SAFETY: as in `with`.
    if let Some(worker) = unsafe { worker.as_ref() }
        && std::ptr::eq(Arc::as_ptr(&worker.shared), shared.as_ptr())
    {
        worker.push(task);
        return;
    }
    // SAFETY: the task's arena keeps the shared part alive; the task is kept by its entry, which
    // `push_remote` passes on last.
    let shared = unsafe { shared.as_ref() };
    let home = task.header().state.load().home();
    // An entry may be run and its arena freed before `push_remote` has woken a worker, so the
    // shared part gets a reference of its own for that long.
    // SAFETY: it is alive, see above, and was made by an `Arc`.
    unsafe { Arc::increment_strong_count(std::ptr::from_ref(shared)) };
    // SAFETY: the reference was just made.
    let shared = unsafe { Arc::from_raw(std::ptr::from_ref(shared)) };
    shared.push_remote(task, home);
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
        // arena initialized.
        shared.remotes[index].arena.store(arena.as_ptr(), Release);
        let driver = shared.drivers[index].clone();
        Box::new(Self {
            index,
            driver,
            queue,
            pinned: UnsafeCell::new(VecDeque::new()),
            arena,
            lifo_run: Cell::new(0),
            turn: Cell::new(0),
            pushes: Cell::new(0),
            polls_left: Cell::new(MAINTENANCE_MIN),
            maintenance_every: Cell::new(MAINTENANCE_MIN),
            last_maintenance: Cell::new(Instant::now()),
            poll_ended: Cell::new(None),
            searching: Cell::new(false),
            in_poll: Cell::new(false),
            standing_in: Cell::new(false),
            random: Cell::new(0x9E37_79B9 ^ (index as u32 + 1).wrapping_mul(0x85EB_CA6B)),
            last_victim: Cell::new(index),
            polls: Cell::new(0),
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
    pub(crate) fn arena(&self) -> NonNull<Arena> {
        self.arena
    }

    #[inline]
    pub(crate) fn remote(&self) -> &Remote {
        &self.shared.remotes[self.index]
    }

    /// Makes the calling thread this worker until the guard is dropped.
    pub(crate) fn enter(&self) -> EnteredWorker<'_> {
        let drivers =
            Drivers { all: self.shared.drivers.clone(), mine: self.index, is_worker: true };
        let outer = WORKER.replace(std::ptr::from_ref(self));
        let outer_arena = raw::own_arena();
        raw::set_own_arena(Some(self.arena));
        EnteredWorker { outer, outer_arena, _drivers: context::enter(drivers), _worker: self }
    }
}

/// Undoes [`Worker::enter`].
pub(crate) struct EnteredWorker<'a> {
    outer: *const Worker,
    outer_arena: Option<NonNull<Arena>>,
    _drivers: context::Entered,
    _worker: &'a Worker,
}

impl Drop for EnteredWorker<'_> {
    fn drop(&mut self) {
        WORKER.set(self.outer);
        raw::set_own_arena(self.outer_arena);
    }
}

/// Undoes [`Worker::step_out`].
pub(crate) struct SteppedOut<'a> {
    worker: &'a Worker,
    task: Option<TaskPtr>,
    _drivers: context::Entered,
}

impl Drop for SteppedOut<'_> {
    fn drop(&mut self) {
        WORKER.set(std::ptr::from_ref(self.worker));
        raw::set_own_arena(Some(self.worker.arena));
        context::set_task(self.task);
        self.worker.in_poll.set(true);
        self.worker.remote().hog.unpark();
        self.worker.remote().hog.begin_poll();
    }
}

/// Pushing and popping.
impl Worker {
    /// Pushes a queue entry of a task that was woken or spawned on this worker.
    #[inline]
    pub(crate) fn push(&self, task: TaskPtr) {
        if let Some(home) = task.header().state.load_relaxed().home() {
            return self.push_pinned(task, home);
        }
        if !self.shared.config.lifo_slot || !self.in_poll.get() {
            return self.push_back(task);
        }
        let displaced = self.remote().lifo.push(task.header_ptr());
        if let Some(displaced) = displaced {
            self.push_back(TaskPtr::from_header(displaced));
        }
    }

    /// Pushes to the end of the deque.
    fn push_back(&self, task: TaskPtr) {
        self.queue.push(task, &self.shared.injector);
        let pushes = self.pushes.get() + 1;
        self.pushes.set(pushes);
        if pushes.is_multiple_of(PUSHES_PER_CHECK) {
            self.compare_backlog(false);
        }
    }

    #[cold]
    fn push_pinned(&self, task: TaskPtr, home: usize) {
        if home == self.index {
            // SAFETY: one thread at a time uses the worker, and no reference to the queue is held
            // across a call.
            unsafe { &mut *self.pinned.get() }.push_back(task);
        } else {
            self.shared.push_remote(task, Some(home));
        }
    }

    /// Spawns a task; the body comes back if the runtime is closed.
    #[inline]
    pub(crate) fn spawn<F>(
        &self,
        future: F,
        at: &'static std::panic::Location<'static>,
    ) -> Result<crate::task::join::Task<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if self.shared.phase() != Phase::Running {
            return Err(future);
        }
        // SAFETY: the worker owns its arena, and the body is `Send`.
        let task = unsafe { TaskPtr::new(self.arena, future, None, at) };
        self.push(task);
        // SAFETY: the cell was made for `F`; its handle is made once.
        Ok(unsafe { crate::task::join::Task::from_ptr(task) })
    }

    /// Spawns a task on this very loop; its body may be `!Send`.
    pub(crate) fn spawn_local<F: Future + 'static>(
        &self,
        future: F,
        at: &'static std::panic::Location<'static>,
    ) -> crate::task::join::Task<F::Output> {
        // SAFETY: the worker owns its arena and is the home.
        let task = unsafe { TaskPtr::new(self.arena, future, Some(self.index), at) };
        self.push_pinned(task, self.index);
        // SAFETY: the cell was made for `F`; its handle is made once.
        unsafe { crate::task::join::Task::from_ptr(task) }
    }

    fn pop(&self) -> Option<TaskPtr> {
        if self.lifo_run.get() < LIFO_IN_A_ROW
            && let Some(task) = self.remote().lifo.pop()
        {
            self.lifo_run.set(self.lifo_run.get() + 1);
            return Some(TaskPtr::from_header(task));
        }
        if self.lifo_run.replace(0) >= LIFO_IN_A_ROW
            && let Some(task) = self.remote().lifo.pop()
        {
            self.queue.push(TaskPtr::from_header(task), &self.shared.injector);
        }
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        if turn & TURN == 0 {
            self.queue.pop().or_else(|| self.pop_pinned())
        } else {
            self.pop_pinned().or_else(|| self.queue.pop())
        }
    }

    fn pop_pinned(&self) -> Option<TaskPtr> {
        if self.standing_in.get() {
            return None;
        }
        // SAFETY: as in `push_pinned`.
        unsafe { &mut *self.pinned.get() }.pop_front()
    }

    /// Moves what others sent to this loop into its own queue. True if there was anything.
    fn drain_inbox(&self) -> bool {
        let remote = self.remote();
        let mut any = false;
        if !remote.inbox.is_empty() {
            for task in remote.inbox.drain() {
                any = true;
                // SAFETY: as in `push_pinned`.
                unsafe { &mut *self.pinned.get() }.push_back(TaskPtr::from_header(task));
            }
        }
        if !remote.callbacks.is_empty() && !self.standing_in.get() {
            any |= self.run_callbacks();
        }
        any
    }

    fn run_callbacks(&self) -> bool {
        let remote = self.remote();
        remote.hog.begin_poll();
        let count = remote.callbacks.run(CALLBACKS_IN_A_ROW, |payload| {
            crate::debug::callback_panicked(payload);
        });
        remote.hog.end_poll();
        count > 0
    }
}

/// The loop.
impl Worker {
    /// Runs tasks until `stop` says so or the runtime closes.
    pub(crate) fn run(&self, stop: impl Fn() -> bool) {
        let budget = self.shared.config.poll_budget;
        coop::enter(budget, self.remote().hog.preempt(), || self.run_loop(stop));
    }

    fn run_loop(&self, stop: impl Fn() -> bool) {
        self.remote().hog.unpark();
        self.shared.wake_watch();
        while !stop() {
            if let Some(task) = self.next() {
                self.run_task(task);
                continue;
            }
            if self.shared.phase() != Phase::Running || stop() {
                break;
            }
            self.park();
        }
        self.stop_searching(false);
        self.remote().hog.park();
    }

    /// Runs the loop for the thread that owns the worker and is inside `block_in_place`.
    pub(crate) fn stand_in(&self, stop: impl Fn() -> bool) {
        self.standing_in.set(true);
        self.run(stop);
        self.standing_in.set(false);
    }

    /// True inside a poll on the worker's own thread.
    pub(crate) fn can_be_lent(&self) -> bool {
        self.in_poll.get() && !self.standing_in.get()
    }

    /// Ends the sleep of whoever runs this worker's loop.
    pub(crate) fn wake_own_poller(&self) {
        self.driver.poller.wake();
    }

    /// Leaves the worker in the middle of a poll, until the guard is dropped.
    pub(crate) fn step_out(&self) -> SteppedOut<'_> {
        self.remote().hog.end_poll();
        self.in_poll.set(false);
        raw::set_own_arena(None);
        let drivers =
            Drivers { all: self.shared.drivers.clone(), mine: self.index, is_worker: false };
        WORKER.set(std::ptr::null());
        SteppedOut {
            worker: self,
            task: context::set_task(None),
            _drivers: context::enter(drivers),
        }
    }

    /// The next task, without sleeping.
    fn next(&self) -> Option<TaskPtr> {
        if self.polls_left.get() == 0 {
            self.maintain();
            if self.shared.phase() != Phase::Running {
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

    /// Looks everywhere else.
    fn find(&self) -> Option<TaskPtr> {
        self.drain_inbox();
        self.poll_driver();
        if let Some(task) = self.pop() {
            self.stop_searching(true);
            return Some(task);
        }
        let found = self.take_injected().or_else(|| self.search());
        self.stop_searching(found.is_some());
        found
    }

    fn take_injected(&self) -> Option<TaskPtr> {
        self.queue.take_from(&self.shared.injector)
    }

    /// Steals from siblings, if not too many do.
    fn search(&self) -> Option<TaskPtr> {
        let shared = &self.shared;
        if shared.remotes.len() < 2 || !shared.config.stealing {
            return None;
        }
        if !self.searching.get() {
            if !shared.idle.try_search() {
                return None;
            }
            self.searching.set(true);
        }
        WorkerMetrics::add(&self.remote().metrics.searches, 1);
        let count = shared.remotes.len();
        let start = self.next_random() as usize % count;
        let order = std::iter::once(self.last_victim.get())
            .chain((0..count).map(|step| (start + step) % count));
        for victim in order.filter(|&victim| victim != self.index) {
            if let Some(task) = self.steal_from(victim) {
                self.last_victim.set(victim);
                WorkerMetrics::add(&self.remote().metrics.steals, 1);
                return Some(task);
            }
        }
        None
    }

    fn steal_from(&self, victim: usize) -> Option<TaskPtr> {
        let remote = &self.shared.remotes[victim];
        if let Some(task) = self.queue.steal_into(&remote.stealer) {
            return Some(task);
        }
        if remote.hog.is_hog() {
            self.rescue(victim);
            if let Some(task) = remote.lifo.steal() {
                return Some(TaskPtr::from_header(task));
            }
            return self.pop();
        }
        None
    }

    /// Fires the timers and harvests the poller of a sibling that is stuck in one poll.
    fn rescue(&self, victim: usize) {
        let Some(driver) = self.shared.drivers.get(victim) else { return };
        fire_timers(driver, Role::Rescuer);
        let mut wakers = reactor::WakeBatch::new();
        driver.poller.harvest(&mut wakers);
        wakers.wake_all();
    }

    fn stop_searching(&self, found: bool) {
        if self.searching.replace(false)
            && self.shared.idle.end_search(found)
            && (self.shared.has_stealable() || !self.queue.is_empty())
        {
            self.shared.notify();
        }
    }

    #[inline]
    fn run_task(&self, task: TaskPtr) {
        let remote = self.remote();
        remote.running.store(task.as_raw().cast_mut(), Relaxed);
        remote.hog.begin_poll();
        self.in_poll.set(true);
        let outer = context::set_task(Some(task));
        coop::refill(self.shared.config.poll_budget);
        // SAFETY: the entry was popped here; pinned tasks come only from this loop's own queues.
        let again = unsafe { task.run() };
        context::set_task(outer);
        self.in_poll.set(false);
        remote.hog.end_poll();
        if again {
            // It yielded, or was woken while it ran: behind everything else.
            self.push_again(task);
        }
        self.polls.set(self.polls.get() + 1);
        self.polls_left.set(self.polls_left.get().saturating_sub(1));
        self.compare_backlog(true);
        self.pushes.set(0);
    }

    fn push_again(&self, task: TaskPtr) {
        match task.header().state.load_relaxed().home() {
            Some(home) => self.push_pinned(task, home),
            None => self.queue.push(task, &self.shared.injector),
        }
    }

    /// Wakes a sibling if the backlog is worth it; see the module's documentation.
    #[inline]
    fn compare_backlog(&self, poll_ended: bool) {
        let shared = &self.shared;
        if shared.remotes.len() < 2 || !shared.config.stealing {
            return;
        }
        let backlog = self.queue.len();
        if backlog == 0 || !shared.idle.any() {
            self.poll_ended.set(None);
        } else if backlog > BACKLOG_ALONE {
            shared.notify();
        } else if poll_ended {
            let now = Instant::now();
            let before = self.poll_ended.replace(Some(now));
            if before.is_some_and(|before| now.duration_since(before) > POLL_LONG) {
                shared.notify();
            }
        }
    }

    /// The look at everything else while there are tasks.
    #[cold]
    fn maintain(&self) {
        let now = Instant::now();
        let ran = now.duration_since(self.last_maintenance.replace(now));
        let every = self.maintenance_every.get();
        // Aim at the period by the mean poll since the last look, changing at most twofold.
        let aim = if ran.is_zero() {
            MAINTENANCE_MAX
        } else {
            let ratio = MAINTENANCE_PERIOD.as_nanos() as u64 * u64::from(every)
                / ran.as_nanos().max(1) as u64;
            (ratio as u32).clamp(every / 2, every * 2)
        };
        let every = aim.clamp(MAINTENANCE_MIN, MAINTENANCE_MAX);
        self.maintenance_every.set(every);
        self.polls_left.set(every);
        self.publish_metrics();
        self.drain_inbox();
        self.poll_driver();
        if let Some(task) = self.take_injected() {
            self.queue.push(task, &self.shared.injector);
        }
        self.harvest_stale();
        // SAFETY: this thread owns the arena.
        unsafe { Arena::maintain(self.arena, MAINTAIN_CELLS, MAINTAIN_PAGES) };
    }

    fn publish_metrics(&self) {
        let polls = self.polls.replace(0);
        WorkerMetrics::add(&self.remote().metrics.polls, polls);
    }

    /// Harvests a sibling that runs but has not looked at its poller for long, so that its
    /// sockets do not wait behind it (it may be descheduled).
    fn harvest_stale(&self) {
        let count = self.shared.remotes.len();
        if count < 2 || !self.shared.config.stealing {
            return;
        }
        let victim = self.next_random() as usize % count;
        if victim != self.index && self.shared.remotes[victim].hog.is_hog() {
            self.rescue(victim);
        }
    }

    /// Fires due timers and takes events without waiting.
    fn poll_driver(&self) {
        fire_timers(&self.driver, Role::Owner);
        if self.driver.poller.sources() > 0 {
            let mut wakers = reactor::WakeBatch::new();
            self.driver.poller.poll(&mut wakers);
            wakers.wake_all();
            for sibling in wakers.take_adopted() {
                self.rescue(sibling);
            }
        }
    }

    /// How long the worker may sleep; `None` if a timer is due.
    fn park_timeout(&self) -> Option<Duration> {
        let timers = &self.driver.timers;
        match timers.park_deadline() {
            NEVER => Some(PARK_MAX),
            deadline => {
                let left = deadline.checked_sub(timers.clock().now()).filter(|&left| left > 0)?;
                Some(Duration::from_nanos(left).min(PARK_MAX))
            }
        }
    }

    /// Sleeps until there may be work.
    fn park(&self) {
        let shared = &self.shared;
        let remote = self.remote();
        self.publish_metrics();
        WorkerMetrics::add(&remote.metrics.parks, 1);
        remote.hog.park();
        shared.idle.enter(self.index);
        let timeout = self.park_timeout().filter(|_| !self.has_work());
        let Some(timeout) = timeout else {
            remote.hog.unpark();
            shared.idle.leave_to_search(self.index);
            self.searching.set(true);
            shared.wake_watch();
            return;
        };
        let mut wakers = reactor::WakeBatch::new();
        let parked = self.driver.poller.park(Some(timeout), &mut wakers);
        remote.hog.unpark();
        if !shared.idle.leave(self.index) {
            self.searching.set(true);
        }
        shared.wake_watch();
        self.last_maintenance.set(Instant::now());
        wakers.wake_all();
        for sibling in wakers.take_adopted() {
            self.rescue(sibling);
        }
        fire_timers(&self.driver, Role::Owner);
        if let Err(error) = parked {
            crate::debug::report(format_args!("worker {}: poll failed: {error}", self.index));
        }
    }

    /// The last look before sleeping.
    fn has_work(&self) -> bool {
        let shared = &self.shared;
        let remote = self.remote();
        !remote.inbox.is_empty()
            || !remote.callbacks.is_empty() && !self.standing_in.get()
            || shared.phase() != Phase::Running
            || shared.has_stealable()
            || self.driver.timers.has_mail()
    }

    /// Any entry of the worker's own queues, for its end.
    pub(crate) fn pop_any(&self) -> Option<TaskPtr> {
        self.standing_in.set(false);
        let lifo = self.remote().lifo.pop().map(TaskPtr::from_header);
        lifo.or_else(|| self.queue.pop()).or_else(|| self.pop_pinned())
    }

    fn next_random(&self) -> u32 {
        // Marsaglia's xorshift: quality does not matter, only that victims differ.
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x
    }
}
