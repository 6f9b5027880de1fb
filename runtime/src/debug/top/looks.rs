//! What the thread of the debug socket remembers from look to look.
//!
//! Tasks and workers note no times, so that they pay nothing. The thread looks instead:
//!
//! - at all tasks, once a second and at each question: a task is as old as the first look that found it.
//!   It waits since the first look that found the wait: a look marks the word in which a task keeps its
//!   place, and the next wait stores another one ([`mark_wait`](TaskRef::mark_wait)). Looks that take
//!   long become rarer: they take a hundredth of a core at most.
//! - at the ticks of the workers, then too, and every 10 ms for some seconds after a question: how often
//!   they were awake, and inside a poll. A poll is as old as the first sample that found its tick.
//!
//! Some 50 bytes are kept for each task, until the look after its end.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::scheduler::shared::Shared;
use crate::task::registry::{TaskId, TaskRef};

/// Between two looks at the tasks.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// A look at the tasks is followed by this many times its cost without.
const LOOK_SHARE: u32 = 99;
/// Between two samples of the workers.
const SAMPLE_PERIOD: Duration = Duration::from_millis(10);
/// How long samples are taken after a question: the next one of a screen has come by then.
const SAMPLES_AFTER: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Looks {
    runtimes: Vec<Seen>,
    next_look: Instant,
    next_sample: Instant,
    samples_until: Instant,
}

impl Looks {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { runtimes: Vec::new(), next_look: now, next_sample: now, samples_until: now }
    }

    /// When [`take_due`](Self::take_due) wants to be called.
    pub(super) fn due(&self) -> Instant {
        match self.next_sample < self.samples_until {
            true => self.next_sample.min(self.next_look),
            false => self.next_look,
        }
    }

    /// Takes the looks that are due.
    pub(super) fn take_due(&mut self, shown: &[Arc<Shared>]) {
        let now = Instant::now();
        let look = self.next_look <= now;
        if look || self.next_sample <= now && now < self.samples_until {
            self.sample(shown);
        }
        if look {
            let began = cpu_time();
            self.runtimes.retain(|seen| shown.iter().any(|shared| seen.is_of(shared)));
            for shared in shown {
                self.look(shared, &shared.all_tasks());
            }
            let took = cpu_time().saturating_sub(began);
            self.next_look = now + LOOK_PERIOD.max(took * LOOK_SHARE);
        }
    }

    /// A client asks: its next question wants samples from now on.
    pub(super) fn asked(&mut self, shown: &[Arc<Shared>]) {
        self.samples_until = Instant::now() + SAMPLES_AFTER;
        self.sample(shown);
    }

    fn sample(&mut self, shown: &[Arc<Shared>]) {
        let now = Instant::now();
        for shared in shown {
            self.of(shared).sample(shared, now);
        }
        self.next_sample = now + SAMPLE_PERIOD;
    }

    /// Looks at the tasks of a runtime.
    pub(super) fn look(&mut self, shared: &Arc<Shared>, tasks: &[TaskRef]) -> &Seen {
        let seen = self.of(shared);
        seen.look(tasks, Instant::now());
        seen
    }

    /// What is known of a runtime.
    pub(super) fn of(&mut self, shared: &Arc<Shared>) -> &mut Seen {
        let at = self.runtimes.iter().position(|seen| seen.is_of(shared));
        let at = at.unwrap_or_else(|| {
            self.runtimes.push(Seen::new(shared));
            self.runtimes.len() - 1
        });
        &mut self.runtimes[at]
    }
}

/// What the calling thread has computed so far: on a busy machine a look lasts longer than it costs.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What is known of a runtime.
#[derive(Debug)]
pub(super) struct Seen {
    shared: Weak<Shared>,
    tasks: HashMap<TaskId, SeenTask>,
    pub(super) workers: Vec<SeenWorker>,
}

/// What is known of a task.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeenTask {
    /// The first look that found it.
    pub(super) first: Instant,
    /// The first look that found the wait that it is in.
    pub(super) waits_since: Option<Instant>,
}

/// What is known of a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeenWorker {
    pub(super) samples: u64,
    /// Samples inside a poll or a callback.
    pub(super) in_poll: u64,
    /// Samples that did not find it asleep.
    pub(super) awake: u64,
    tick: u64,
    /// The first sample that found this tick.
    since: Instant,
}

impl SeenWorker {
    /// How long a poll is known to last that is now at `tick`.
    pub(super) fn polls_for(&self, tick: u64) -> Duration {
        if self.tick == tick { self.since.elapsed() } else { Duration::ZERO }
    }
}

impl Seen {
    fn new(shared: &Arc<Shared>) -> Self {
        let unseen =
            SeenWorker { samples: 0, in_poll: 0, awake: 0, tick: 0, since: Instant::now() };
        Self {
            shared: Arc::downgrade(shared),
            tasks: HashMap::new(),
            workers: vec![unseen; shared.remotes.len()],
        }
    }

    fn is_of(&self, shared: &Arc<Shared>) -> bool {
        std::ptr::eq(self.shared.as_ptr(), Arc::as_ptr(shared))
    }

    fn sample(&mut self, shared: &Shared, now: Instant) {
        for (worker, remote) in self.workers.iter_mut().zip(&shared.remotes) {
            let sight = remote.hog.sight();
            worker.samples += 1;
            worker.in_poll += u64::from(sight.in_poll());
            worker.awake += u64::from(!sight.parked);
            if worker.tick != sight.tick {
                (worker.tick, worker.since) = (sight.tick, now);
            }
        }
    }

    fn look(&mut self, tasks: &[TaskRef], now: Instant) {
        let before = std::mem::replace(&mut self.tasks, HashMap::with_capacity(tasks.len()));
        for task in tasks {
            let id = task.id();
            let known = before.get(&id);
            let waits_since = match task.mark_wait() {
                Some(true) => known.and_then(|known| known.waits_since).or(Some(now)),
                Some(false) => Some(now),
                None => None,
            };
            let first = known.map_or(now, |known| known.first);
            self.tasks.insert(id, SeenTask { first, waits_since });
        }
    }

    /// What the last look knew of a task.
    pub(super) fn task(&self, id: TaskId) -> Option<&SeenTask> {
        self.tasks.get(&id)
    }
}
