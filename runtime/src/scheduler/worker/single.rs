//! A worker as a single event loop: asyncio's order.
//!
//! A single loop has one ready queue, first in, first out, for callbacks, task steps and wake-ups
//! alike, and none of what makes many loops fast: no deque, no LIFO slot, no stealing, no budget, no
//! preemption. All its tasks are pinned, so that the queues of the other kind of worker stay empty.
//!
//! One [turn](Worker::turn) is an iteration of asyncio's `_run_once`:
//!
//! 1. what other threads sent becomes ready;
//! 2. the poller is asked; the loop sleeps there if nothing is ready and it is not to stop. A turn that
//!    has only passed wake-ups on is not followed by a question: the system has been told nothing new;
//! 3. the wake-ups by events become ready, then what other threads sent meanwhile, then what is due, by
//!    deadline: callbacks, and the wake-ups of tasks;
//! 4. exactly the entries that are ready now run. A wake-up makes the step of its task ready, for the
//!    next turn: see [`hops`](super::hops). What they make ready waits for the next turn, so
//!    that a task that yields for ever does not keep the poller from being asked; but for those to whom a
//!    step passes its cancel on, of which a chain has an end.
//!
//! What other threads submit lies in the worker's inbox and queue of callbacks until the loop's
//! thread touches its ready queue: each local push takes it in first, so the order of the ready
//! queue is the order in time. Of what came since the last push, callbacks go before tasks.
//!
//! A loop belongs to the thread that made it ([`own`]); it may be used there while it does not run.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::hops::Landing;
use super::tidy::earlier;
use super::{WORKER, Worker};
use crate::quiet::{drop_quietly, quietly};
use crate::reactor;
use crate::report::{ReportKind, report};
use crate::scheduler::callback::{Callback, LocalCallback};
use crate::scheduler::lost::Lost;
use crate::scheduler::shared::{Phase, Shared, WorkerMetrics};
use crate::task::raw::TaskPtr;

/// What only a single loop has.
#[derive(Debug, Default)]
pub(crate) struct Single {
    pub(super) ready: ReadyQueue,
    /// The turn that runs is the last one.
    stopping: Cell<bool>,
    /// Counts the runs: a stop that was meant for an earlier one does nothing.
    runs: Cell<u64>,
    /// The owner is gone: who runs the loop closes it.
    orphan: Cell<bool>,
    /// The last turn has only passed wake-ups on: no code of a user's has run since the poller was asked.
    passed_on: Cell<bool>,
    /// Where a task goes that is woken now.
    pub(super) landing: Cell<Landing>,
    /// The one that was woken to run at once.
    pub(super) held: Cell<Option<TaskPtr>>,
    /// Those that the step which runs has passed a cancel on to: they come right after it.
    pub(super) passed: RefCell<Vec<TaskPtr>>,
    /// How many of them, from the front of the ready queue on, have not run.
    ahead: Cell<usize>,
    /// A step of this very loop runs.
    pub(super) stepping: Cell<bool>,
    lost: RefCell<Lost>,
}

/// An entry of the ready queue.
pub(super) enum Ready {
    /// The task's queue entry.
    Task(TaskPtr),
    Call(LocalCallback),
    /// The task's queue entry, on its way from another thread: the step is the next turn's.
    Start(TaskPtr),
    /// Wakes a task: the step is the next turn's.
    Wake(Waker),
    /// The end of a task that a composition waits for, which is to hear of it in the next turn.
    Ended(Waker),
    /// Wakes the composition, and runs its task's step at once.
    Look(Waker),
}

impl Ready {
    /// True if it runs no code of a user's.
    const fn passes_on(&self) -> bool {
        matches!(self, Self::Start(_) | Self::Wake(_) | Self::Ended(_))
    }
}

/// First in, first out.
#[derive(Default)]
pub(super) struct ReadyQueue(UnsafeCell<VecDeque<Ready>>);

impl std::fmt::Debug for ReadyQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReadyQueue({})", self.len())
    }
}

impl ReadyQueue {
    fn with<R>(&self, f: impl FnOnce(&mut VecDeque<Ready>) -> R) -> R {
        // SAFETY: a worker is used by one thread at a time, and the closures of this file call
        // nothing that could come back here.
        f(unsafe { &mut *self.0.get() })
    }

    pub(super) fn push(&self, entry: Ready) {
        self.with(|queue| queue.push_back(entry));
    }

    fn pop(&self) -> Option<Ready> {
        self.with(VecDeque::pop_front)
    }

    /// Puts tasks before all entries, in their order; says how many.
    fn push_ahead(&self, tasks: &mut Vec<TaskPtr>) -> usize {
        let count = tasks.len();
        self.with(|queue| tasks.drain(..).rev().for_each(|it| queue.push_front(Ready::Task(it))));
        count
    }

    pub(super) fn len(&self) -> usize {
        self.with(|queue| queue.len())
    }

    /// The next entry, if `left` says that it is of this turn, and if it is such a one.
    pub(super) fn pop_look(&self, left: &mut usize) -> Option<Waker> {
        if *left == 0 || !self.with(|queue| matches!(queue.front(), Some(Ready::Look(_)))) {
            return None;
        }
        *left -= 1;
        match self.pop() {
            Some(Ready::Look(waker)) => Some(waker),
            _ => None,
        }
    }

    /// For the end: the next task. Callbacks before it are dropped; who was to be woken is, since that
    /// need not be a task of this loop.
    pub(super) fn pop_task(&self) -> Option<TaskPtr> {
        loop {
            match self.pop()? {
                Ready::Task(task) | Ready::Start(task) => return Some(task),
                Ready::Call(call) => drop_quietly(call),
                Ready::Wake(waker) | Ready::Ended(waker) | Ready::Look(waker) => {
                    quietly(|| waker.wake());
                }
            }
        }
    }
}

thread_local! {
    /// The single loops that the thread has made and not closed.
    static LOOPS: RefCell<Vec<Rc<Worker>>> = const { RefCell::new(Vec::new()) };
}

/// Notes a loop as the calling thread's.
pub(crate) fn adopt(worker: Rc<Worker>) {
    LOOPS.with_borrow_mut(|loops| loops.push(worker));
}

/// The loop of `shared`, if the calling thread has made it and not closed it.
pub(crate) fn own(shared: &Shared) -> Option<Rc<Worker>> {
    let find = |loops: &RefCell<Vec<Rc<Worker>>>| {
        let loops = loops.borrow();
        loops.iter().find(|worker| std::ptr::eq(Arc::as_ptr(worker.shared()), shared)).cloned()
    };
    LOOPS.try_with(find).ok().flatten()
}

/// Takes a loop from the calling thread, which closes it.
pub(crate) fn disown(shared: &Arc<Shared>) -> Option<Rc<Worker>> {
    let take = |loops: &RefCell<Vec<Rc<Worker>>>| {
        let mut loops = loops.borrow_mut();
        let at = loops.iter().position(|worker| Arc::ptr_eq(worker.shared(), shared))?;
        Some(loops.swap_remove(at))
    };
    LOOPS.try_with(take).ok().flatten()
}

impl Shared {
    /// Calls `f` with the worker of this runtime that the calling thread is: that it runs, or whose
    /// single loop it owns.
    pub(crate) fn with_own_worker<R>(self: &Arc<Self>, f: impl FnOnce(Option<&Worker>) -> R) -> R {
        // SAFETY: as in `with`.
        let running = unsafe { WORKER.get().as_ref() };
        match running.filter(|worker| Arc::ptr_eq(worker.shared(), self)) {
            Some(worker) => f(Some(worker)),
            None if self.phase() == Phase::Single => f(own(self).as_deref()),
            None => f(None),
        }
    }

    /// Submits a callback to a loop; it comes back if the loop is closed.
    pub(crate) fn submit_call(
        self: &Arc<Self>,
        home: usize,
        callback: Callback,
    ) -> Result<(), Callback> {
        let mut callback = Some(callback);
        if self.phase() == Phase::Single {
            self.with_own_worker(|worker| {
                if let Some(worker) = worker {
                    let callback = callback.take().expect("it is submitted once");
                    worker.push_call(callback.into_local());
                }
            });
        }
        let Some(callback) = callback else { return Ok(()) };
        self.remotes[home].callbacks.push(callback)?;
        self.wake_worker(home);
        Ok(())
    }
}

impl Single {
    /// The next entry of a turn that had `left` more when it began.
    fn next(&self, left: &mut usize) -> Option<Ready> {
        match self.ahead.get() {
            0 => *left = left.checked_sub(1)?,
            ahead => self.ahead.set(ahead - 1),
        }
        self.ready.pop()
    }

    /// Whom the step that has ended has passed a cancel on to come next, still in this turn.
    fn keep_places(&self) {
        let mut passed = self.passed.borrow_mut();
        if !passed.is_empty() {
            self.ahead.set(self.ahead.get() + self.ready.push_ahead(&mut passed));
        }
    }
}

impl Worker {
    /// The part of a single loop, if this is one.
    pub(crate) fn single(&self) -> Option<&Single> {
        self.single.as_deref()
    }

    /// Makes a callback of the loop's own thread ready.
    pub(crate) fn push_call(&self, call: LocalCallback) {
        let single = self.single().expect("only a single loop has local callbacks");
        self.take_in_remote();
        single.ready.push(Ready::Call(call));
        self.tell_ready();
    }

    /// Step 1: makes ready what other threads sent.
    pub(super) fn take_in_remote(&self) {
        let Some(single) = self.single() else { return };
        let remote = self.remote();
        if !remote.callbacks.is_empty() {
            while let Some(callback) = remote.callbacks.pop() {
                single.ready.push(Ready::Call(callback.into_local()));
            }
        }
        if !remote.inbox.is_empty() {
            for task in remote.inbox.drain() {
                single.ready.push(Ready::Start(TaskPtr::from_header(task)));
            }
        }
    }

    /// Ends the run that is under way after the present turn; without one, the next run ends after
    /// its first turn.
    pub(crate) fn stop_single(&self) {
        if let Some(single) = self.single() {
            single.stopping.set(true);
        }
    }

    /// As [`Worker::stop_single`], but only in the run of this number.
    pub(crate) fn stop_run(&self, run: u64) {
        if self.single().is_some_and(|single| single.runs.get() == run) {
            self.stop_single();
        }
    }

    /// The number of the run that is under way, or of the last one.
    pub(crate) fn run_number(&self) -> u64 {
        self.single().map_or(0, |single| single.runs.get())
    }

    /// The owner has gone while the loop runs.
    pub(crate) fn orphan(&self) {
        if let Some(single) = self.single() {
            single.orphan.set(true);
        }
    }

    pub(crate) fn is_orphan(&self) -> bool {
        self.single().is_some_and(|single| single.orphan.get())
    }

    /// Runs turns until one is the last. The caller has entered the worker.
    pub(crate) fn run_single(&self) {
        let single = self.single().expect("the worker is a single loop");
        self.get_up();
        single.passed_on.set(false);
        loop {
            if self.shared.is_debug() {
                self.turn::<true>(single);
            } else {
                self.turn::<false>(single);
            }
            if single.stopping.replace(false) {
                break;
            }
        }
        self.remote().hog.park();
        single.runs.set(single.runs.get() + 1);
        self.publish_metrics();
    }

    /// One iteration; see the module.
    fn turn<const DEBUG: bool>(&self, single: &Single) {
        self.take_in_remote();
        let mut wakers = reactor::WakeBatch::new();
        if single.ready.len() == 0 && !single.stopping.get() {
            self.sleep_single(single, &mut wakers);
        } else if !single.passed_on.get() {
            single.landing(Landing::Hop, || self.driver.poller.poll(&mut wakers));
        }
        single.hop_all(&mut wakers);
        self.take_in_remote();
        self.fire_timers_single(single);
        self.tell_ready();
        let mut left = single.ready.len();
        let mut passes_on = true;
        while let Some(entry) = single.next(&mut left) {
            passes_on &= entry.passes_on();
            match entry {
                Ready::Task(task) => self.step::<DEBUG>(single, task),
                Ready::Call(call) => self.call::<DEBUG>(call),
                Ready::Start(task) => single.ready.push(Ready::Task(task)),
                Ready::Wake(waker) => quietly(|| waker.wake()),
                Ready::Ended(waker) => single.tell(waker),
                Ready::Look(waker) => self.look::<DEBUG>(single, waker, &mut left),
            }
        }
        single.passed_on.set(passes_on);
        self.tell_ready();
    }

    /// One step of a task, unless it was ended while its entry lay in the queue.
    pub(super) fn step<const DEBUG: bool>(&self, single: &Single, task: TaskPtr) {
        if task.header().state.load().is_done() {
            // SAFETY: the entry was popped here, and the body is gone.
            unsafe { task.stop_entry() };
        } else {
            single.stepping.set(true);
            self.run_task::<DEBUG, true>(task);
            single.stepping.set(false);
            single.keep_places();
        }
    }

    fn call<const DEBUG: bool>(&self, call: LocalCallback) {
        self.begin_poll();
        if DEBUG {
            self.call_watched(call);
        } else {
            call.run(|payload, from| self.shared.callback_panicked(payload, from));
        }
        self.remote().hog.end_poll();
    }

    /// Sleeps until there is something to do; takes the events in.
    fn sleep_single(&self, single: &Single, wakers: &mut reactor::WakeBatch) {
        self.publish_metrics();
        WorkerMetrics::add(&self.remote().metrics.parks, 1);
        let looks = self.look_for_lost();
        let chores = earlier(self.tidy(), looks);
        self.remote().hog.park();
        self.shared.idle.enter(self.index);
        let timeout = self.park_timeout().filter(|_| !self.has_work());
        let poller = &self.driver.poller;
        let parked = single.landing(Landing::Hop, || match timeout {
            Some(timeout) => poller.park(earlier(timeout, chores), wakers),
            None => Ok(poller.poll(wakers)),
        });
        self.get_up();
        // Only work that any worker may take claims a searcher, and here there is none.
        if !self.shared.idle.leave(self.index) {
            let _more = self.shared.idle.end_search(true);
        }
        if let Err(error) = parked {
            report(ReportKind::System, format_args!("event loop: poll failed: {error}"));
        }
    }

    /// Tells of lost tasks in debug mode; returns for how long nobody need look again.
    fn look_for_lost(&self) -> Option<Duration> {
        let single = self.single().filter(|_| self.shared.is_debug())?;
        single.lost.borrow_mut().before_sleep(&self.shared)
    }
}
