//! What a worker does besides tasks: the look at everything else, and sleeping.

use std::time::Duration;

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::spin;

use super::tidy::earlier;
use super::{MAINTENANCE_MIN, Worker, fire_timers};
use crate::reactor;
use crate::report::{ReportKind, report};
use crate::scheduler::adopted;
use crate::scheduler::queue::Deque;
use crate::scheduler::shared::WorkerMetrics;
use crate::task::raw::TaskPtr;
use crate::task::slab::Arena;
use crate::timer::Role;
use crate::timer::wheel::NEVER;

/// Run time between two looks at timers, poller and injector, in nanoseconds: 100 us.
const MAINTENANCE_PERIOD_NS: u64 = 100_000;
/// Polls between two such looks, at most: bounds the wait where single polls vary in length.
const MAINTENANCE_MAX: u32 = 128;
/// Remote frees taken back by one look, and empty pages returned: bounds its length.
const MAINTAIN_CELLS: usize = 1024;
const MAINTAIN_PAGES: usize = 1;
/// Of so many looks one is for the arenas of threads that are no workers, and returns so many pages.
const SHARED_EVERY: u32 = 64;
const SHARED_PAGES: usize = 16;
/// A worker whose next timer is due sooner does not spin: the attempt could end too late for it.
const SPIN_TIMEOUT_MIN: Duration = Duration::from_micros(200);

impl Worker {
    /// The look at everything else while there are tasks.
    #[cold]
    pub(super) fn maintain(&self) {
        let now = self.driver.timers.clock().now();
        let ran = now.saturating_sub(self.last_maintenance.replace(now));
        let every = self.maintenance_every.get();
        // Aim at the period by the mean poll since the last look, changing at most twofold.
        let aim = MAINTENANCE_PERIOD_NS * u64::from(every) / ran.max(1);
        let aim = aim.clamp(u64::from(every / 2), u64::from(every * 2)) as u32;
        let every = aim.clamp(MAINTENANCE_MIN, MAINTENANCE_MAX);
        self.maintenance_every.set(every);
        self.polls_left.set(every);
        self.consider_keeping(ran, every);
        self.publish_metrics();
        if self.is_wanted() {
            self.pass_on();
        }
        self.drain_inbox();
        self.poll_driver();
        if let Some(task) = self.take_injected() {
            self.queue.push(task, &self.shared.injector);
        }
        self.relieve_sibling();
        // SAFETY: this thread owns the arena.
        unsafe { Arena::maintain(self.arena, MAINTAIN_CELLS, MAINTAIN_PAGES) };
        let looks = self.looks.get().wrapping_add(1);
        self.looks.set(looks);
        if looks % SHARED_EVERY == 0 {
            self.shared.arenas.maintain(MAINTAIN_CELLS, SHARED_PAGES);
        }
    }

    pub(super) fn publish_metrics(&self) {
        let polls = self.polls.replace(0);
        WorkerMetrics::add(&self.remote().metrics.polls, polls);
    }

    /// Fires due timers and takes events without waiting.
    pub(super) fn poll_driver(&self) {
        fire_timers(&self.driver, Role::Owner);
        self.owes_poll.set(false);
        let poller = &self.driver.poller;
        // What was fired just now has read the clock for it.
        poller.stamp(self.driver.timers.last_look());
        let mut wakers = reactor::WakeBatch::new();
        poller.poll(&mut wakers);
        wakers.wake_all();
        for sibling in wakers.take_adopted() {
            self.rescue(sibling, Some(self.index));
        }
    }

    /// How long the worker may sleep, if not for ever; `None` if a timer is due.
    ///
    /// Without a timer it sleeps without a deadline, which saves the kernel one of its own.
    pub(super) fn park_timeout(&self) -> Option<Option<Duration>> {
        let timers = &self.driver.timers;
        match timers.park_deadline() {
            NEVER => Some(None),
            deadline => {
                let left = deadline.checked_sub(timers.clock().now()).filter(|&left| left > 0)?;
                Some(Some(Duration::from_nanos(left)))
            }
        }
    }

    /// Lets a sleeping sibling hear of this worker's events, for the length of a long poll.
    ///
    /// Not left to the Watch: the poll that begins may keep a core from it for a whole slice. A
    /// circle of adoptions is refused by the system; the Watch helps then.
    #[cold]
    pub(super) fn lend_poller(&self) {
        let shared = &self.shared;
        if self.lent_to.get().is_some() || !shared.config.stealing {
            return;
        }
        let sleeper = (0..shared.remotes.len())
            .filter(|&sibling| sibling != self.index)
            .find(|&sibling| adopted::sleeps_in_its_loop(&shared.remotes[sibling]));
        if let Some(sleeper) = sleeper {
            self.lend_poller_to(sleeper);
        }
    }

    pub(super) fn lend_poller_to(&self, sibling: usize) -> bool {
        let adopter = &self.shared.drivers[sibling].poller;
        let lent = adopter.adopt(&self.driver.poller, self.index).is_ok();
        if lent {
            self.lent_to.set(Some(sibling));
            // Relaxed: a hint for the Watch.
            self.remote().is_lent.store(true, Relaxed);
        }
        lent
    }

    /// Undoes [`lend_poller`](Self::lend_poller).
    #[cold]
    pub(super) fn take_back_poller(&self) {
        if let Some(by) = self.lent_to.take() {
            // Relaxed: as above.
            self.remote().is_lent.store(false, Relaxed);
            // The Watch may have taken it back as well.
            let _ = self.shared.drivers[by].poller.unadopt(&self.driver.poller);
        }
    }

    /// Sleeps until there may be work.
    pub(super) fn park(&self) {
        if self.is_wanted() {
            return self.pass_on();
        }
        let shared = &self.shared;
        let remote = self.remote();
        if self.lent_to.get().is_some() {
            self.take_back_poller();
        }
        self.forget_keeping();
        self.publish_metrics();
        WorkerMetrics::add(&remote.metrics.parks, 1);
        // While it still counts as awake: who comes meanwhile is found by the last look.
        let tidies = self.tidy();
        remote.hog.park();
        shared.idle.enter(self.index);
        let timeout = self.park_timeout().filter(|_| !self.has_work());
        let Some(timeout) = timeout else {
            self.get_up();
            shared.idle.leave_to_search(self.index);
            self.searching.set(true);
            return;
        };
        let timeout = earlier(timeout, tidies);
        let mut wakers = reactor::WakeBatch::new();
        let parked = if self.spin(timeout) {
            Ok(0)
        } else {
            let parked = self.driver.poller.park(timeout, &mut wakers);
            self.owes_poll.set(false);
            parked
        };
        self.get_up();
        if !shared.idle.leave(self.index) {
            self.searching.set(true);
        }
        let now = self.driver.timers.clock().now();
        self.last_maintenance.set(now);
        if !self.owes_poll.get() {
            self.driver.poller.stamp(now);
        }
        wakers.wake_all();
        for sibling in wakers.take_adopted() {
            self.rescue(sibling, Some(self.index));
        }
        if !self.driver.timers.is_quiet() {
            fire_timers(&self.driver, Role::Owner);
        }
        if let Err(error) = parked {
            let index = self.index;
            report(ReportKind::System, format_args!("worker {index}: poll failed: {error}"));
        }
    }

    /// Waits actively for a wake-up for a moment, if that went well lately. True if one came: it is
    /// used up, and has cost the waker no system call.
    ///
    /// Others see a worker that sleeps: it is claimed before it is woken. Events of its sockets wait
    /// meanwhile, so with sockets an attempt is shorter.
    fn spin(&self, timeout: Option<Duration>) -> bool {
        if timeout.is_some_and(|timeout| timeout < SPIN_TIMEOUT_MIN) {
            return false;
        }
        let mut gate = self.gate.take();
        let idle = &self.shared.idle;
        let woken = gate.is_open() && idle.begin_spin(self.index) && {
            let poller = &self.driver.poller;
            let budget = if poller.sources() == 0 { spin::BUDGET } else { spin::BUDGET_SHORT };
            let woken = gate.spin(budget, || poller.take_notice());
            idle.end_spin();
            woken
        };
        self.gate.set(gate);
        woken
    }

    /// Leaves to the siblings what any worker may run: this one goes on with none of it for now. Its
    /// stand-in may be late, or never come, since the executor has a limit.
    pub(super) fn share_queue(&self) {
        self.forget_keeping();
        if let Some(task) = self.remote().lifo.pop() {
            self.queue.push(TaskPtr::from_header(task), &self.shared.injector);
        }
        if self.shared.config.stealing && !self.queue.is_empty() {
            self.shared.notify();
        }
    }

    /// The last look before sleeping.
    pub(super) fn has_work(&self) -> bool {
        let shared = &self.shared;
        let remote = self.remote();
        !remote.inbox.is_empty()
            || !remote.callbacks.is_empty() && !self.standing_in.get()
            || !shared.phase().is_open()
            || self.baton.is_wanted()
            || shared.has_stealable()
            || self.driver.timers.has_mail()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::time::Duration;

    use crate::builder::Builder;
    use crate::reactor::{Direction, Source, SourceKind};
    use crate::scheduler::worker;
    use crate::spawn::create_task;
    use crate::time::yield_now;

    /// Longer than any wait that works.
    const LIMIT: Duration = Duration::from_secs(120);

    /// No Watch is there to help, and the owner of the poller is in one poll all the while.
    #[test]
    fn a_sleeping_sibling_serves_a_poller_that_is_lent() {
        let run = Builder::new().workers(2).watch(false).run(async {
            let (near, mut far) = UnixStream::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            let (heard, hears) = mpsc::channel();
            let (waits, waiting) = mpsc::channel();
            let reader = create_task(async move {
                let mut source = Source::new(SourceKind::UnixStream);
                let read = || Ok(rustix::io::read(&near, &mut [0; 8])?);
                std::future::poll_fn(|cx| {
                    let read = source.poll_io(near.as_fd(), Direction::Read, cx, read);
                    // Whether anybody still listens is the test's affair.
                    let _ = waits.send(());
                    read
                })
                .await
                .unwrap();
                heard.send(()).unwrap();
                source.deregister(near.as_fd()).unwrap();
            });
            while waiting.try_recv().is_err() {
                yield_now().await;
            }
            let mut lends = || {
                worker::with(|worker| {
                    let worker = worker.unwrap();
                    assert_eq!(worker.index(), 0, "the first loop runs main and has the source");
                    worker.lend_poller();
                    if worker.lent_to.get() != Some(1) {
                        return false;
                    }
                    far.write_all(b"x").unwrap();
                    hears.recv_timeout(LIMIT).expect("the sibling reads while this poll goes on");
                    worker.take_back_poller();
                    assert_eq!(worker.lent_to.get(), None);
                    true
                })
            };
            // Nobody takes it before the sibling has gone to sleep.
            while !lends() {
                yield_now().await;
            }
            reader.await.unwrap();
            io::Result::Ok(())
        });
        run.unwrap().unwrap();
    }
}
