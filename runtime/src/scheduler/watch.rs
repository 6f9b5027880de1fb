//! The Watch: one thread that notices workers stuck in a poll, and brings help.
//!
//! It looks at each worker's tick every millisecond while one may be stuck and another sleeps, every
//! four otherwise, and sleeps without a deadline while all workers are parked and nothing runs (in
//! debug mode it looks for [lost](super::lost) tasks in between). The decisions are those of
//! [`hog`](super::hog), which is tested without threads; this file acts on them.
//!
//! Help for a worker that has been in one poll for a millisecond:
//!
//! 1. it is marked, so that its task's waiting calls yield and thieves may take its lifo slot;
//! 2. a sleeping sibling adopts its poller: events there then end the sibling's sleep, and the
//!    sibling harvests them. Should that fail, Watch harvests;
//! 3. Watch fires its timers;
//! 4. a sleeping sibling is woken as long as the stuck worker has tasks.
//!
//! With no sibling asleep there is nobody to be woken: those that are awake harvest a stuck worker's
//! poller, fire its timers and take its tasks in their maintenance. A worker that expects to be stuck
//! has lent its poller by itself (decision 025).
//!
//! A sibling is also woken for a worker that merely has had a backlog at two samples. A poll of
//! 100 ms or more is reported while it runs, with the task's name and place, at most once a second.
//!
//! Its thread is made when a worker runs something for the first time, not with the runtime: a
//! runtime that does nothing, or is a handle for `block_on` alone, has no use for it.
//!
//! With one worker there is nobody to help: Watch then marks and reports only, and fires no timers,
//! since what they wake could not run. A single loop has a Watch in debug mode only, for the reports:
//! nothing may interrupt its order, so it is not even marked.

use std::sync::Arc;
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use concurrent_queue::ConcurrentQueue;
use corio_sync::SetOnce;
use corio_sync::shim::Ordering::Relaxed;

use super::adopted;
use super::hog::{Limits, Pace, Sampler, Verdict};
use super::lost::Lost;
use super::queue::Steal;
use super::shared::{Phase, Shared};
use super::watch_sleep::WatchSleep;
use super::worker;
use crate::report::{ReportKind, report};
use crate::timer::Role;

/// At most one report of a slow poll in this time: a server full of them must not drown its log.
const REPORT_PERIOD: Duration = Duration::from_secs(1);

/// Makes the Watch of a runtime, once: on the thread of the first worker that runs something.
///
/// A system that has no thread left for it is no reason to end the program; it is reported.
#[cold]
pub(crate) fn start(shared: &Arc<Shared>) {
    let mut watch = Watch::new(shared.clone());
    let name = format!("{}-watch", shared.config.name);
    match thread::Builder::new().name(name).spawn(move || watch.run()) {
        // Made once, so there is room.
        Ok(thread) => drop(shared.watch.join.push(thread)),
        Err(error) => report(
            ReportKind::System,
            format_args!(
                "no thread for the Watch, so a worker that is stuck gets no help: {error}"
            ),
        ),
    }
}

/// What a runtime knows of its Watch.
#[derive(Debug)]
pub(crate) struct WatchThread {
    pub(crate) sleep: WatchSleep,
    /// How to unpark it; set by itself before it sleeps.
    thread: SetOnce<Thread>,
    /// For whoever waits for its end: there between its making and that.
    join: ConcurrentQueue<JoinHandle<()>>,
}

impl WatchThread {
    /// There is no Watch yet.
    pub(crate) fn new() -> Self {
        Self { sleep: WatchSleep::new(), thread: SetOnce::new(), join: ConcurrentQueue::bounded(1) }
    }

    /// Unparks it; false if it was never made, or has not begun yet.
    pub(crate) fn unpark(&self) -> bool {
        let thread = self.thread.get();
        thread.inspect(|thread| thread.unpark()).is_some()
    }

    /// The handle to join, for one caller. All workers have left, so nobody makes a Watch any more.
    pub(crate) fn take(&self) -> Option<JoinHandle<()>> {
        self.join.pop().ok()
    }
}

struct Watch {
    shared: Arc<Shared>,
    samplers: Vec<Sampler>,
    /// For each worker, the sibling that has adopted its poller.
    adopted_by: Vec<Option<usize>>,
    had_backlog: Vec<bool>,
    limits: Limits,
    pace: Pace,
    last_report: Option<Instant>,
    unreported: usize,
    lost: Lost,
    /// The worker is a single loop, which looks for lost tasks itself.
    is_single: bool,
}

impl Watch {
    fn new(shared: Arc<Shared>) -> Self {
        let workers = shared.remotes.len();
        let limits = Limits { report: shared.config.slow_callback_duration, ..Limits::default() };
        let is_single = shared.phase() == Phase::Single;
        Self {
            shared,
            is_single,
            samplers: vec![Sampler::new(); workers],
            adopted_by: vec![None; workers],
            had_backlog: vec![false; workers],
            limits,
            pace: Pace::default(),
            last_report: None,
            unreported: 0,
            lost: Lost::default(),
        }
    }

    fn run(&mut self) {
        let began = Instant::now();
        let _ = self.shared.watch.thread.set(thread::current());
        // Its help is as exact as its sleep.
        let _ = crate::reactor::set_timer_slack_for_good();
        while self.shared.phase().is_open() {
            let now = began.elapsed();
            for worker in 0..self.samplers.len() {
                let sight = self.shared.remotes[worker].hog.sight();
                let verdict = self.samplers[worker].observe(sight, now, &self.limits);
                self.pace.note(&verdict);
                self.act(worker, &verdict);
            }
            let (period, still) = self.pace.next_period(self.someone_sleeps());
            if self.shared.is_debug() && !self.is_single {
                self.lost.look(&self.shared);
            }
            if !still || !self.sleep_while_idle() {
                thread::park_timeout(period);
            }
        }
        for worker in 0..self.samplers.len() {
            self.release(worker);
        }
    }

    /// Sleeps as long as all workers do; false if one does not.
    ///
    /// Called when nothing has run since the last sample. Workers that merely happen to sleep at
    /// one moment are no reason: the next message would have to wake the Watch, again and again.
    fn sleep_while_idle(&mut self) -> bool {
        let Self { shared, lost, adopted_by, is_single, .. } = self;
        let stays = |worker: usize| stands_still(shared, worker);
        let idle = || {
            shared.remotes.iter().all(|remote| remote.hog.is_parked()) && shared.phase().is_open()
        };
        let mut lent = adopted_by.iter().enumerate();
        let idles = idle() && lent.all(|(worker, by)| by.is_some() == stays(worker));
        if idles {
            let park = || if *is_single { thread::park() } else { lost.park(shared) };
            shared.watch.sleep.sleep(idle, park);
        }
        idles
    }

    fn act(&mut self, worker: usize, verdict: &Verdict) {
        if !self.is_single {
            self.bring_help(worker, verdict);
        }
        if let Some(ran) = verdict.report {
            self.report(worker, ran);
        }
    }

    fn bring_help(&mut self, worker: usize, verdict: &Verdict) {
        if stands_still(&self.shared, worker) {
            // It could not lend its poller itself. It stays lent until the loop runs again.
            if self.adopted_by[worker].is_none() {
                self.adopt(worker);
            }
            return;
        }
        if verdict.released || !self.samplers[worker].is_stuck() {
            self.release(worker);
        }
        if verdict.became_stuck {
            self.shared.remotes[worker].hog.mark();
        }
        if self.samplers[worker].is_stuck() && self.someone_sleeps() {
            self.help(worker);
        } else {
            self.spread_backlog(worker, verdict);
        }
    }

    /// True if there is a worker to be woken for a stuck one. Those that are awake look after stuck
    /// siblings by themselves.
    fn someone_sleeps(&self) -> bool {
        self.shared.remotes.iter().any(|remote| remote.hog.is_parked())
    }

    fn help(&mut self, worker: usize) {
        // Relaxed: a hint; who is lent twice is heard of twice.
        let is_lent = self.shared.remotes[worker].is_lent.load(Relaxed);
        if self.adopted_by[worker].is_none() && !is_lent {
            self.adopt(worker);
        }
        let shared = &self.shared;
        let by = self.adopted_by[worker];
        if !is_lent && by.is_none_or(|by| !shared.remotes[by].hog.is_parked()) {
            adopted::harvest(shared, worker, None);
        }
        worker::fire_timers(&shared.drivers[worker], Role::Rescuer);
        let remote = &shared.remotes[worker];
        if shared.config.stealing && (!remote.stealer.is_empty() || !remote.lifo.is_empty()) {
            shared.notify();
        }
    }

    /// Lets a sleeping sibling hear of the stuck worker's events.
    fn adopt(&mut self, worker: usize) {
        let shared = &self.shared;
        let mut siblings = (0..shared.remotes.len()).filter(|&sibling| sibling != worker);
        let sleeper = siblings.find(|&sibling| {
            // An adopter may not be adopted itself: edges must not form a circle.
            adopted::sleeps_in_its_loop(&shared.remotes[sibling])
                && self.adopted_by[sibling].is_none()
                && !self.adopted_by.contains(&Some(worker))
        });
        if let Some(sleeper) = sleeper {
            let adopter = &shared.drivers[sleeper].poller;
            if adopter.adopt(&shared.drivers[worker].poller, worker).is_ok() {
                self.adopted_by[worker] = Some(sleeper);
            }
        }
    }

    fn release(&mut self, worker: usize) {
        if let Some(by) = self.adopted_by[worker].take() {
            let drivers = &self.shared.drivers;
            // The pollers are both alive, so the edge is there to be removed.
            let _ = drivers[by].poller.unadopt(&drivers[worker].poller);
        }
    }

    /// Wakes a sibling for tasks that have waited from one sample to the next.
    fn spread_backlog(&mut self, worker: usize, verdict: &Verdict) {
        let shared = &self.shared;
        let backlog = verdict.awake_twice
            && shared.config.stealing
            && !shared.remotes[worker].stealer.is_empty()
            && !shared.remotes[worker].keeps_tasks();
        if backlog && std::mem::replace(&mut self.had_backlog[worker], backlog) {
            shared.notify();
        }
        self.had_backlog[worker] = backlog;
    }

    fn report(&mut self, worker: usize, ran: Duration) {
        let now = Instant::now();
        if self.last_report.is_some_and(|last| now.duration_since(last) < REPORT_PERIOD) {
            self.unreported += 1;
            return;
        }
        self.last_report = Some(now);
        let others = std::mem::take(&mut self.unreported);
        // Ordering: Relaxed; compared with the tasks that a walk finds, never followed.
        let inside = self.shared.remotes[worker].running.load(Relaxed).cast_const();
        // Debug mode knows which one.
        let called = self.shared.remotes[worker].calling.get();
        let mut name = called.map_or(String::from("a callback"), |handle| format!("{handle:?}"));
        self.shared.for_each_task(|task| {
            if task.ptr().as_raw() == inside && task.ptr().header().state.load().is_running() {
                name = format!("task '{}' (spawned at {})", task.name(), task.spawned_at());
            }
        });
        report(
            ReportKind::SlowCallback,
            format_args!(
                "{} has been inside {name} for {ran:?}; use to_thread for work that blocks{}",
                Who { worker, is_single: self.is_single },
                Others(others)
            ),
        );
    }
}

/// True if the worker's loop was left and its poller is the Watch's to lend.
fn stands_still(shared: &Shared, worker: usize) -> bool {
    // Ordering: Relaxed; a hint, looked at again and again.
    shared.remotes[worker].stands_still.load(Relaxed)
}

/// Who is stuck.
struct Who {
    worker: usize,
    is_single: bool,
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_single {
            f.write_str("the event loop")
        } else {
            write!(f, "worker {}", self.worker)
        }
    }
}

/// How many reports were left out.
struct Others(usize);

impl std::fmt::Display for Others {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, " ({} more since the last report)", self.0) }
    }
}
