//! Finding work elsewhere: the injector, siblings, and siblings that are stuck.

use super::{Worker, fire_timers};
use crate::scheduler::adopted;
use crate::scheduler::queue::Deque;
use crate::scheduler::shared::WorkerMetrics;
use crate::task::raw::TaskPtr;
use crate::timer::Role;

/// Age of a sibling's last look at its poller from which on another worker may look, in
/// nanoseconds: the maintenance period.
const STALE_NS: u64 = 100_000;
/// Steals from a stuck sibling in one look, at most. Each takes half of what is there, up to 33.
const RELIEF_STEALS: usize = 16;

impl Worker {
    /// Looks everywhere else.
    ///
    /// The worker's own poller comes before work of others. But where there is none, the worker is
    /// about to park, and that asks the poller too: a look that finds nothing would be a second
    /// system call for each message that is waited for. Should the worker not park after all, it
    /// owes its poller a look.
    pub(super) fn find(&self) -> Option<TaskPtr> {
        let drained = self.drain_inbox();
        let elsewhere = self.shared.has_stealable();
        if drained || self.owes_poll.replace(true) || elsewhere {
            self.poll_driver();
        } else if !self.driver.timers.is_quiet() {
            fire_timers(&self.driver, Role::Owner);
        }
        let mut found = self.pop();
        if found.is_none() && (elsewhere || self.sees_stuck_sibling()) {
            found = self.take_injected().or_else(|| self.search());
        }
        self.stop_searching(found.is_some());
        found
    }

    /// True if a sibling's sockets or timers may need help.
    fn sees_stuck_sibling(&self) -> bool {
        let remotes = &self.shared.remotes;
        let stuck = |victim: usize| remotes[victim].hog.is_hog() || self.is_stale(victim);
        self.shared.config.stealing
            && (0..remotes.len()).any(|victim| victim != self.index && stuck(victim))
    }

    pub(super) fn take_injected(&self) -> Option<TaskPtr> {
        self.queue.take_from(&self.shared.injector)
    }

    /// Steals from siblings, if not too many do.
    pub(super) fn search(&self) -> Option<TaskPtr> {
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

    pub(super) fn steal_from(&self, victim: usize) -> Option<TaskPtr> {
        let remote = &self.shared.remotes[victim];
        if !remote.keeps_tasks() {
            if let Some(task) = self.queue.steal_into(&remote.stealer) {
                return Some(task);
            }
        }
        if remote.hog.is_hog() || self.is_stale(victim) {
            self.rescue(victim, None);
            if remote.hog.is_hog() {
                if let Some(task) = remote.lifo.steal() {
                    return Some(TaskPtr::from_header(task));
                }
            }
            return self.pop();
        }
        None
    }

    /// Fires the timers and harvests the poller of a sibling that is stuck in one poll. `told` is who
    /// has adopted it, if that is why.
    pub(super) fn rescue(&self, victim: usize, told: Option<usize>) {
        let Some(driver) = self.shared.drivers.get(victim) else { return };
        fire_timers(driver, Role::Rescuer);
        adopted::harvest(&self.shared, victim, told);
    }

    pub(super) fn stop_searching(&self, found: bool) {
        if self.searching.replace(false)
            && self.shared.idle.end_search(found)
            && (self.shared.has_stealable() || !self.queue.is_empty())
        {
            self.shared.notify();
        }
    }

    /// True if a sibling runs but has not looked at its poller for long: it is in a long poll, or
    /// the kernel runs something else in its place.
    fn is_stale(&self, victim: usize) -> bool {
        let poller = &self.shared.drivers[victim].poller;
        if poller.sources() == 0 || self.shared.remotes[victim].hog.is_parked() {
            return false;
        }
        let now = self.driver.timers.clock().now();
        now.saturating_sub(poller.last_poll()) > STALE_NS
    }

    /// Harvests a sibling that runs but has not looked at its poller for long, so that its
    /// sockets do not wait behind it (it may be descheduled), and takes the tasks of one that is
    /// stuck: under full load nobody is idle who would steal them.
    pub(super) fn relieve_sibling(&self) {
        let count = self.shared.remotes.len();
        if count < 2 || !self.shared.config.stealing {
            return;
        }
        let victim = self.next_random() as usize % count;
        if victim == self.index {
            return;
        }
        let remote = &self.shared.remotes[victim];
        if remote.hog.is_hog() {
            for _ in 0..RELIEF_STEALS {
                let Some(task) = self.queue.steal_into(&remote.stealer) else { break };
                self.queue.push(task, &self.shared.injector);
            }
            if let Some(task) = remote.lifo.steal() {
                self.queue.push(TaskPtr::from_header(task), &self.shared.injector);
            }
        }
        if remote.hog.is_hog() || self.is_stale(victim) {
            self.rescue(victim, None);
        }
    }

    pub(super) fn next_random(&self) -> u32 {
        // Marsaglia's xorshift: quality does not matter, only that victims differ.
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x
    }
}
