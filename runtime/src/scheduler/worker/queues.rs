//! A worker's own queues: where a woken or spawned task goes, and which one runs next.

use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::waking;

use super::Worker;
use super::keeping::POLL_LONG;
use crate::context;
use crate::scheduler::queue::Deque;
use crate::scheduler::shared::Phase;
use crate::task::awaited::Awaiter;
use crate::task::birth::Birth;
use crate::task::join::Task;
use crate::task::raw::TaskPtr;
use crate::task::state::Snapshot;

/// Polls in a row from the lifo slot: two tasks that wake each other may not starve the rest.
const LIFO_IN_A_ROW: u32 = 3;
/// Tasks that a worker may keep to itself while a sibling sleeps, as long as it gets through them
/// in time. A wake-up costs 1 to 30 us on each side, and the sibling one more wait in the kernel: the
/// messages of one harvest are answered sooner than the sibling has begun.
const BACKLOG_ALONE: usize = 64;
/// Tasks that wait for longer than this are worth a sibling's wake-up, however few they are.
const DRAIN_LONG: Duration = Duration::from_micros(300);
/// After a poll shorter than this the next [`UNTIMED`] are not timed: reading the clock costs 20 ns or
/// more, as much as a tenth of a poll that does little.
const POLL_SHORT: Duration = Duration::from_micros(2);
/// Polls that end without a look at the clock after a short one.
const UNTIMED: u32 = 4;
/// Pushes within one poll after which the backlog is compared before the poll ends.
const PUSHES_PER_CHECK: u32 = 8;
/// Tasks from one queue before the other has its turn.
const TURN: u32 = 16;
/// Callbacks called in a row.
const CALLBACKS_IN_A_ROW: usize = 64;

/// How a worker gets through a small backlog while a sibling sleeps.
#[derive(Clone, Copy)]
pub(super) struct Drain {
    /// End of a poll.
    since: Instant,
    /// End of the last poll that was timed.
    last: Instant,
    /// How many of the tasks that waited then have not begun.
    left: usize,
    /// Polls to come that are not timed.
    untimed: u32,
}

impl Worker {
    /// Pushes a queue entry of a task that was woken or spawned on this worker. `home` is that of the
    /// task.
    #[inline]
    pub(crate) fn push(&self, task: TaskPtr, home: Option<usize>) {
        if let Some(home) = home {
            return self.push_pinned(task, home);
        }
        if !self.shared.config.lifo_slot || !self.in_poll.get() {
            return self.push_back(task);
        }
        if self.eager.push(&self.shared.kinds) && self.is_eager() {
            self.keep(false);
            self.push_back(task);
            self.shared.notify();
            return;
        }
        // It would only put the task back that was woken before it.
        if waking::is_one_of_several() {
            return self.push_back(task);
        }
        let displaced = self.remote().lifo.push(task.header_ptr());
        if let Some(displaced) = displaced {
            self.push_back(TaskPtr::from_header(displaced));
        }
    }

    /// True if a sibling is to take what the running task pushes.
    #[cold]
    fn is_eager(&self) -> bool {
        let shared = &self.shared;
        shared.config.stealing
            && shared.idle.any()
            && context::task_kind().is_some_and(|kind| self.eager.is_long(&shared.kinds, kind))
    }

    /// Pushes to the end of the deque.
    pub(super) fn push_back(&self, task: TaskPtr) {
        match self.keeping.keeps() {
            false => self.queue.push(task, &self.shared.injector),
            true => self.queue.append(task),
        }
        let pushes = self.pushes.get() + 1;
        self.pushes.set(pushes);
        if pushes % PUSHES_PER_CHECK == 0 {
            self.compare_backlog(false);
        }
    }

    #[cold]
    pub(crate) fn push_pinned(&self, task: TaskPtr, home: usize) {
        if home != self.index {
            self.shared.push_remote(task, Some(home));
        } else if let Some(single) = &self.single {
            self.take_in_remote();
            single.land(task);
        } else {
            // SAFETY: one thread at a time uses the worker, and no reference to the queue is held
            // across a call.
            unsafe { &mut *self.pinned.get() }.push_back(task);
        }
        self.tell_ready();
    }

    /// Publishes the length of the queue that is this worker's alone.
    pub(super) fn tell_ready(&self) {
        let ready = match self.single() {
            Some(single) => single.ready.len(),
            // SAFETY: as in `push_pinned`.
            None => unsafe { &*self.pinned.get() }.len(),
        };
        // Ordering: Relaxed; a number for people.
        self.remote().metrics.ready.store(ready as u64, Relaxed);
    }

    /// Spawns a task; the body comes back if the runtime is closed.
    #[inline]
    pub(crate) fn spawn<F>(&self, future: F, birth: &mut Birth) -> Result<Task<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if self.shared.phase() != Phase::Running {
            return self.spawn_single(future, birth);
        }
        Ok(self.spawn_running(future, birth.take()))
    }

    /// [`spawn`](Self::spawn) of a task that is given nothing but its place, and perhaps who awaits it.
    #[inline]
    pub(crate) fn spawn_at<F>(
        &self,
        future: F,
        at: &'static Location<'static>,
        awaiter: Awaiter,
    ) -> Result<Task<F::Output>, F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // Made twice: one that is lent to the first call would lie in memory for the second one, too.
        let birth = || Birth { awaiter, ..Birth::from(at) };
        if self.shared.phase() != Phase::Running {
            return self.spawn_single(future, &mut birth());
        }
        Ok(self.spawn_running(future, birth()))
    }

    #[inline]
    fn spawn_running<F>(&self, future: F, birth: Birth) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: the worker owns its arena, and the body is `Send`.
        let task = unsafe { TaskPtr::new(self.arena, future, None, birth) };
        self.push(task, None);
        // SAFETY: the cell was made for `F`; its handle is made once.
        unsafe { Task::from_ptr(task) }
    }

    /// Spawns a task if this is a single loop, whose tasks are all its own.
    #[cold]
    fn spawn_single<F: Future + 'static>(
        &self,
        future: F,
        birth: &mut Birth,
    ) -> Result<Task<F::Output>, F> {
        match self.shared.phase() {
            Phase::Single => Ok(self.spawn_local(future, birth)),
            _ => Err(future),
        }
    }

    /// Spawns a task on this very loop; its body may be `!Send`.
    pub(crate) fn spawn_local<F: Future + 'static>(
        &self,
        future: F,
        birth: &mut Birth,
    ) -> Task<F::Output> {
        // SAFETY: the worker owns its arena and is the home.
        let task = unsafe { TaskPtr::new(self.arena, future, Some(self.index), birth.take()) };
        self.push_pinned(task, self.index);
        // SAFETY: the cell was made for `F`; its handle is made once.
        unsafe { Task::from_ptr(task) }
    }

    pub(super) fn pop(&self) -> Option<TaskPtr> {
        let run = self.lifo_run.get();
        // Who would only go through the deque to come out of it at once need not.
        if run < LIFO_IN_A_ROW || self.is_queueless() {
            if let Some(task) = self.remote().lifo.pop() {
                self.lifo_run.set(LIFO_IN_A_ROW.min(run + 1));
                return Some(TaskPtr::from_header(task));
            }
        }
        if self.lifo_run.replace(0) >= LIFO_IN_A_ROW {
            if let Some(task) = self.remote().lifo.pop() {
                self.queue.push(TaskPtr::from_header(task), &self.shared.injector);
            }
        }
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        if turn & TURN == 0 {
            self.queue.pop().or_else(|| self.pop_pinned())
        } else {
            self.pop_pinned().or_else(|| self.queue.pop())
        }
    }

    /// Whether neither the deque nor the pinned queue has a task.
    fn is_queueless(&self) -> bool {
        // SAFETY: as in `push_pinned`.
        self.queue.len() == 0 && unsafe { &*self.pinned.get() }.is_empty()
    }

    pub(super) fn pop_pinned(&self) -> Option<TaskPtr> {
        if self.standing_in.get() {
            return None;
        }
        // SAFETY: as in `push_pinned`.
        let task = unsafe { &mut *self.pinned.get() }.pop_front()?;
        self.tell_ready();
        Some(task)
    }

    /// Moves what others sent to this loop into its own queue. True if there was anything.
    pub(super) fn drain_inbox(&self) -> bool {
        let remote = self.remote();
        let mut any = false;
        if !remote.inbox.is_empty() {
            for task in remote.inbox.drain() {
                any = true;
                // SAFETY: as in `push_pinned`.
                unsafe { &mut *self.pinned.get() }.push_back(TaskPtr::from_header(task));
            }
            self.tell_ready();
        }
        if !remote.callbacks.is_empty() && !self.standing_in.get() {
            any |= self.run_callbacks();
        }
        any
    }

    pub(super) fn run_callbacks(&self) -> bool {
        let remote = self.remote();
        // It has found something, and what it runs may take long, or wait for what lies elsewhere: no
        // producer may rely on its search.
        self.stop_searching(true);
        self.begin_poll();
        let count = match self.shared.is_debug() {
            false => remote.callbacks.run(CALLBACKS_IN_A_ROW, |payload, from| {
                self.shared.callback_panicked(payload, from);
            }),
            true => self.run_callbacks_watched(CALLBACKS_IN_A_ROW),
        };
        remote.hog.end_poll();
        count > 0
    }

    /// Pushes a task behind everything else; `seen` is a value of its word, of any time. To ask for
    /// the present one right after a step of it would be to wait for that step.
    #[inline]
    pub(super) fn push_again(&self, task: TaskPtr, seen: Snapshot) {
        match seen.home() {
            Some(home) => self.push_pinned(task, home),
            None => self.queue.push(task, &self.shared.injector),
        }
    }

    /// Wakes a sibling if the backlog is worth it; see the module's documentation.
    #[inline(always)]
    pub(super) fn compare_backlog(&self, poll_ended: bool) {
        let shared = &self.shared;
        if shared.remotes.len() < 2 || !shared.config.stealing {
            return;
        }
        let backlog = self.queue.len();
        if backlog == 0 || !shared.idle.any() {
            self.drain.set(None);
        } else if self.keeping.keeps() {
            if poll_ended {
                self.look_for_a_long_poll();
            }
        } else if backlog > BACKLOG_ALONE {
            shared.notify();
        } else if poll_ended {
            let drain = match self.drain.get() {
                Some(Drain { since, last, left, untimed }) if left > 0 && untimed > 0 => {
                    Drain { since, last, left: left - 1, untimed: untimed - 1 }
                }
                drain => self.time(drain, backlog),
            };
            self.drain.set(Some(drain));
        }
    }

    /// The end of a poll of a worker that keeps its tasks, beside a sleeping sibling: one that took
    /// long shows that they are worth sharing. One that pushed many was busy with that.
    fn look_for_a_long_poll(&self) {
        if let Some(drain) = self.drain.get() {
            if drain.untimed > 0 {
                return self.drain.set(Some(Drain { untimed: drain.untimed - 1, ..drain }));
            }
        }
        let now = Instant::now();
        let last = self.drain.get().map_or(now, |drain| drain.last);
        let took = now.duration_since(last) / (1 + self.pushes.get());
        let untimed = if took < POLL_SHORT && last != now { UNTIMED } else { 0 };
        self.drain.set(Some(Drain { since: now, last: now, left: 0, untimed }));
        if took > POLL_LONG {
            self.keep(false);
            self.shared.notify();
        }
    }

    /// Reads the clock at the end of a poll behind which `backlog` tasks wait.
    #[inline]
    fn time(&self, drain: Option<Drain>, backlog: usize) -> Drain {
        let now = Instant::now();
        let noted = Drain { since: now, last: now, left: backlog, untimed: 0 };
        let Some(Drain { since, last, left, .. }) = drain else { return noted };
        let took = now.duration_since(last);
        if now.duration_since(since) > DRAIN_LONG || took > POLL_LONG {
            self.shared.notify();
        }
        let untimed = if took < POLL_SHORT { UNTIMED } else { 0 };
        if left == 0 { noted } else { Drain { since, last: now, left: left - 1, untimed } }
    }

    /// Any entry of the worker's own queues, for its end.
    pub(crate) fn pop_any(&self) -> Option<TaskPtr> {
        self.standing_in.set(false);
        let lifo = self.remote().lifo.pop().map(TaskPtr::from_header);
        let own = lifo.or_else(|| self.queue.pop()).or_else(|| self.pop_pinned());
        own.or_else(|| self.single.as_ref()?.ready.pop_task())
    }
}
