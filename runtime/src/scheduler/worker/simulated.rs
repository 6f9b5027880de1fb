//! The loop of a simulated runtime: one worker, a virtual clock, and a seed that chooses which of
//! the ready tasks runs next and how far.
//!
//! ```text
//!   ready tasks -> one of them, by the seed; its budget, by the seed, ends the poll at one of the
//!                  next few waiting calls, ready or not
//!   none ready  -> threads at work for us: wait for them
//!               -> a timer: the clock jumps to it
//!               -> a socket: wait for it
//!               -> nothing: the program has stalled, and the loop ends
//! ```
//! The schedule draws its numbers for polls only, and what tasks draw, as `select!` does, follows from the
//! seed as well. So what does not depend on threads, sockets or the real
//! clock runs the same way each time.

use std::cell::Cell;
use std::time::Duration;

use corio_sync::coop;

use super::Worker;
use crate::context;
use crate::reactor;
use crate::scheduler::queue::Deque;
use crate::scheduler::shared::Phase;
use crate::task::raw::TaskPtr;
use crate::timer::wheel::NEVER;

/// Waiting calls that one poll gets through if they are ready: fewer than this.
const BUDGET_LIMIT: u64 = 4;
/// How long to wait for the real world between two looks at it.
const REAL_WAIT: Duration = Duration::from_millis(1);

thread_local! {
    /// What all tasks waited for when the last simulation of this thread stalled.
    static STALLED: Cell<Option<String>> = const { Cell::new(None) };
}

/// Why the simulation that this thread ran last has ended, if it has stalled.
pub(crate) fn take_stalled() -> Option<String> {
    STALLED.take()
}

/// SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

impl Worker {
    /// Runs tasks in the seed's order until `stop` says so, the runtime closes, or nothing can go on.
    pub(super) fn run_simulated(&self, seed: u64, stop: impl Fn() -> bool) {
        STALLED.set(None);
        let mut random = Random(seed);
        // A generator of their own, so that a program that draws keeps the schedule of one that does not.
        let _seeded = reactor::Seeded::begin(Random(!seed).below(1 << 32) as u32);
        let mut ready = Vec::new();
        self.get_up();
        while !stop() && self.shared.phase() == Phase::Running {
            if self.is_wanted() {
                self.pass_on();
            }
            self.collect(&mut ready);
            if ready.is_empty() {
                if !self.let_time_pass() {
                    STALLED.set(Some(self.describe_stall()));
                    break;
                }
                continue;
            }
            let next = random.below(ready.len() as u64) as usize;
            self.run_step(ready.swap_remove(next), random.below(BUDGET_LIMIT) as u32);
        }
        // They are stopped with what lies in the queues.
        for task in ready {
            self.push_again(task, task.header().state.load_relaxed());
        }
        self.remote().hog.park();
    }

    /// Moves all ready tasks into one list; its order depends on what happened before alone.
    fn collect(&self, ready: &mut Vec<TaskPtr>) {
        self.drain_inbox();
        while let Some(task) = self.take_injected() {
            ready.push(task);
        }
        while let Some(task) = self.pop_any() {
            ready.push(task);
        }
    }

    fn run_step(&self, task: TaskPtr, budget: u32) {
        self.begin_poll();
        self.in_poll.set(true);
        let outer = context::set_task(Some(task));
        coop::refill(budget);
        // SAFETY: the entry was popped here, and this is the only worker, so every task's home.
        let again = unsafe { task.run_apart() };
        context::set_task(outer);
        self.in_poll.set(false);
        self.remote().hog.end_poll();
        if let Some(seen) = again {
            self.push_again(task, seen);
        }
        self.polls.set(self.polls.get() + 1);
        self.pushes.set(0);
    }

    /// Nothing is ready. False if nothing ever will be.
    fn let_time_pass(&self) -> bool {
        self.publish_metrics();
        self.poll_driver();
        if self.has_work() || !self.queue.is_empty() || !self.remote().lifo.is_empty() {
            return true;
        }
        let pool = &self.shared.pool;
        if pool.queued() > 0 || !pool.running().is_empty() {
            self.wait_for_the_world();
            return true;
        }
        let timers = &self.driver.timers;
        let deadline = timers.park_deadline();
        if deadline != NEVER {
            let now = timers.clock().now();
            timers.clock().advance(Duration::from_nanos(deadline.saturating_sub(now)));
            self.poll_driver();
            return true;
        }
        if self.driver.poller.sources() > 0 {
            self.wait_for_the_world();
            return true;
        }
        // A job may have ended between the looks at the queues and at the pool.
        self.has_work()
    }

    fn wait_for_the_world(&self) {
        let mut wakers = reactor::WakeBatch::new();
        // An error of the poller shows with the next look, too.
        let _ = self.driver.poller.park(Some(REAL_WAIT), &mut wakers);
        wakers.wake_all();
    }

    fn describe_stall(&self) -> String {
        let tasks = self.shared.all_tasks();
        let lines: Vec<String> = tasks.iter().map(|task| format!("  {task:?}")).collect();
        lines.join("\n")
    }
}
