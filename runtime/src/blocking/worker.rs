//! The life of a pool's thread: look for a job, run it; rest when there is none; leave in the end.
//!
//! Vocabulary and transitions are those of [`word`](super::word). This file is the loop that its
//! models have, with the parts that a model leaves out: clock, hooks, priority.
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use corio_sync::park::Parker;
use corio_sync::spin::{self, Gate};

use super::job::quietly;
use super::pool::Shared;
use super::slots::Order;
use super::word::{Duty, Seen, SlotId};
use crate::visit;

thread_local! {
    /// The pool that this thread belongs to; null on other threads. Compared, never followed.
    static POOL: Cell<*const Shared> = const { Cell::new(ptr::null()) };
}

/// True on a thread of this pool.
pub(super) fn is_worker_of(shared: &Shared) -> bool {
    ptr::eq(POOL.get(), shared)
}

/// The body of a worker's thread, which the word has counted and which holds `slot`.
pub(super) fn work(shared: &Arc<Shared>, slot: SlotId) {
    POOL.set(Arc::as_ptr(shared));
    lower_priority(shared.nice);
    let _tokio = shared.config.tokio.enter();
    visit::settle(shared.owner.get().cloned());
    run_hook(shared.config.on_thread_start.as_deref());
    let mut worker = Worker {
        shared,
        slot,
        parker: Parker::new(),
        arrived: false,
        gate: Gate::new(),
        has_spun: false,
        leaving: false,
    };
    worker.settle_in();
    worker.run();
    run_hook(shared.config.on_thread_stop.as_deref());
    shared.one_ended();
}

struct Worker<'a> {
    shared: &'a Arc<Shared>,
    slot: SlotId,
    parker: Parker,
    /// It has been searching, and owes the jobs that it leaves behind a worker.
    arrived: bool,
    /// It was told to leave, unless there is a job.
    leaving: bool,
    /// Whether to spin before a rest.
    gate: Gate,
    /// It has just spun for nothing.
    has_spun: bool,
}

impl Worker<'_> {
    /// Runs jobs until the worker is struck from the word.
    fn run(&mut self) {
        let mut seen = Some(self.arrive());
        loop {
            if let Ok(job) = self.shared.queue.pop() {
                self.assist();
                self.leaving = false;
                seen = None;
                let running = self.shared.slots.running(self.slot);
                if let Some(origin) = job.origin() {
                    running.set(origin);
                }
                job.run();
                running.clear();
                continue;
            }
            visit::go_home();
            let Some(nothing_since) = seen.take() else {
                seen = Some(self.shared.word.look());
                continue;
            };
            if self.leaving || nothing_since.is_stopping() {
                if self.leave(nothing_since) {
                    return;
                }
            } else {
                seen = self.rest(nothing_since);
            }
        }
    }

    fn arrive(&mut self) -> Seen {
        self.arrived = true;
        self.shared.word.arrive()
    }

    /// Fetches workers for the jobs left in the queue: two that rest, so that a burst spreads by
    /// doubling, or one new one, because a thread costs more to make than many short jobs to run.
    fn assist(&mut self) {
        if !std::mem::take(&mut self.arrived) {
            return;
        }
        for _ in 0..2 {
            let left = self.shared.queue.len();
            if left == 0 {
                return;
            }
            let duty = self.shared.word.assist(left, &self.shared.slots);
            Shared::carry_out(self.shared, duty);
            if duty == Duty::Spawn {
                return;
            }
        }
    }

    /// Rests until woken, or spins, or finds that the word has changed. What the queue is to be
    /// looked at under, if that is known already.
    fn rest(&mut self, nothing_since: Seen) -> Option<Seen> {
        let Shared { word, slots, queue, epoch, config, .. } = &**self.shared;
        if !std::mem::take(&mut self.has_spun) && self.gate.is_open() && word.search(nothing_since)
        {
            // After a failed attempt the next rest, if still nothing has come, is a real one.
            self.has_spun = !self.gate.spin(spin::BUDGET, || !queue.is_empty());
            return Some(self.arrive());
        }
        let now = Instant::now();
        let deadline = (now - *epoch).saturating_add(config.keep_alive);
        slots.set_deadline(self.slot, deadline);
        if !word.rest(nothing_since, self.slot, slots) {
            return None;
        }
        match self.sleep(deadline) {
            Order::Work => Some(self.arrive()),
            Order::Leave => {
                self.leaving = true;
                None
            }
        }
    }

    /// Sleeps on the stack until woken. When its time is up one worker leaves, but that is the one
    /// on top: the stack gives no other. The sleeper takes over that one's deadline, so in effect
    /// each has its own.
    fn sleep(&self, mut deadline: Duration) -> Order {
        let Shared { word, slots, epoch, .. } = &**self.shared;
        while !self.parker.park_deadline(epoch.checked_add(deadline)) {
            match word.retire(slots) {
                Some(slot) if slot == self.slot => return Order::Leave,
                Some(other) => {
                    deadline = slots.deadline(other);
                    // SAFETY: the word has taken that worker from the stack for us.
                    unsafe { slots.wake(other, Order::Leave) };
                }
                // Nobody rests, so somebody has taken us, and is about to wake us.
                None => {
                    self.parker.park();
                    break;
                }
            }
        }
        slots.order(self.slot)
    }

    /// Strikes the worker from the word. False if there may be a job.
    ///
    /// The slot is free before: whoever is counted in its place must find one.
    fn leave(&mut self, nothing_since: Seen) -> bool {
        let Shared { word, slots, .. } = &**self.shared;
        slots.free(self.slot);
        if word.leave(nothing_since) {
            return true;
        }
        self.slot = slots.take();
        self.settle_in();
        false
    }

    fn settle_in(&self) {
        // SAFETY: the slot is ours, and we do not rest.
        unsafe { self.shared.slots.set_unparker(self.slot, self.parker.unparker()) };
    }
}

fn run_hook(hook: Option<&(dyn Fn() + Send + Sync)>) {
    if let Some(hook) = hook {
        quietly(hook);
    }
}

/// The lowest priority there is, see setpriority(2).
const NICE_MAX: i32 = 19;

/// The nice value that is `by` above the calling thread's; `None` if it is the same, or if nice
/// values belong to the whole process, which is not ours to change (everywhere but on Linux).
pub(super) fn nice_above_ours(by: i32) -> Option<i32> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if by > 0 {
        let ours = rustix::process::getpriority_process(None).unwrap_or(0);
        return Some((ours + by).min(NICE_MAX));
    }
    let _ = by;
    None
}

/// Gives the calling thread a nice value. It is a value and not a step, because a thread starts with
/// that of the thread that made it, which may be a worker.
fn lower_priority(nice: Option<i32>) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(nice) = nice {
        // No pid means the calling thread here. A refusal leaves the priority as it was, which is
        // slower for others and otherwise right.
        let _ = rustix::process::setpriority_process(None, nice);
    }
    let _ = nice;
}
