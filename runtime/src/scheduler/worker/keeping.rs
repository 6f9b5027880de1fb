//! Whether the tasks of this worker are worth a sibling's help.
//!
//! A task that is run by another core than the one that spawned it costs both of them cache misses:
//! its cell goes there and comes back, and so does whatever it shares with the others. That is some
//! hundred nanoseconds, which is nothing beside a message or a computation. But a burst of tasks
//! that end in their first poll and do next to nothing takes two cores longer than one (decision
//! 052). A worker that has seen only such tasks between two looks *keeps* what it has: a backlog of
//! them wakes nobody, siblings that are awake do not take from it, and nothing spills into the
//! injector. Tasks that live on are shared as ever: a sibling that takes one takes its later polls
//! with it.
//!
//! It is a guess about the tasks to come, like those of [`kinds`](crate::scheduler::kinds), and a
//! wrong one delays them, no more: the first poll that takes long ends it, so do a sleep and the end
//! of the loop, and a worker that the Watch has found stuck keeps nothing. Without a Watch nobody keeps
//! anything: a poll may block for good, and siblings that are awake are all the help there is.

use std::cell::Cell;
use std::time::Duration;

use corio_sync::shim::Ordering::Relaxed;

use super::Worker;

/// A poll or a push of a task that is worth nobody's help takes at most so long by the mean, in
/// nanoseconds: about what it costs two cores to share one.
const BRIEF_NS: u64 = 300;
/// And so long while siblings are awake: what they take makes the rest slower.
const BRIEF_SHARED_NS: u64 = 800;
/// Fewer polls than this say little.
const POLLS_MIN: u32 = 16;
/// One that takes so long is worth it at once, however brief those before it were.
pub(super) const POLL_LONG: Duration = Duration::from_micros(50);

/// What a worker counts between two looks, and what it has concluded from it.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// How many polls the next look will have behind it.
    polls: Cell<u32>,
    ends: Cell<u32>,
    pushes: Cell<u32>,
    keeps: Cell<bool>,
}

impl Keeping {
    /// Begins to count; the next look is after so many polls.
    fn begin(&self, polls: u32) {
        self.polls.set(polls);
        self.ends.set(0);
        self.pushes.set(0);
    }

    /// A poll has ended its task.
    #[inline]
    pub(super) fn count_end(&self) {
        self.ends.set(self.ends.get().wrapping_add(1));
    }

    /// A poll has pushed so many tasks.
    #[inline]
    pub(super) fn count_pushes(&self, pushes: u32) {
        if pushes > 0 {
            self.pushes.set(self.pushes.get().wrapping_add(pushes));
        }
    }

    /// True while the worker's tasks are its own affair.
    #[inline]
    pub(super) fn keeps(&self) -> bool {
        self.keeps.get()
    }
}

/// True if `polls` that took `ran_ns` together, ended `ends` tasks and pushed `pushes` were not worth
/// sharing. A push counts as much as a poll: who spawns many is busy with brief things as well.
fn is_brief(ran_ns: u64, polls: u32, ends: u32, pushes: u32, shared: bool) -> bool {
    let limit = if shared { BRIEF_SHARED_NS } else { BRIEF_NS };
    let steps = u64::from(polls) + u64::from(pushes);
    polls >= POLLS_MIN && u64::from(ends) * 4 >= u64::from(polls) * 3 && ran_ns < steps * limit
}

impl Worker {
    /// Concludes from the polls since the last look, or sleep, which took `ran_ns`; the next look is
    /// after `next` polls.
    pub(super) fn consider_keeping(&self, ran_ns: u64, next: u32) {
        let Keeping { polls, ends, pushes, .. } = &self.keeping;
        let shared = !self.shared.idle.any();
        let watched = self.shared.config.watch;
        self.keep(watched && is_brief(ran_ns, polls.get(), ends.get(), pushes.get(), shared));
        self.keeping.begin(next);
    }

    /// Before a sleep, and where the loop stands still: nothing is known of what will go on with it.
    pub(super) fn forget_keeping(&self) {
        self.keep(false);
        self.keeping.begin(self.polls_left.get());
    }

    /// Keeps its tasks from now on, or shares them.
    #[inline]
    pub(super) fn keep(&self, keeps: bool) {
        if self.keeping.keeps.replace(keeps) != keeps {
            // Ordering: Relaxed; a hint. A worker with tasks does not sleep, and wakes a sibling after
            // it has changed its mind.
            self.remote().keeps.store(keeps, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::builder::Builder;
    use crate::scheduler::worker;
    use crate::spawn::create_task;

    /// Longer than any wait that works.
    const LIMIT: Duration = Duration::from_secs(120);

    #[test]
    fn what_is_brief() {
        assert!(is_brief(128 * 130, 128, 128, 0, false), "tasks that do nothing");
        assert!(is_brief(1_000_000, 128, 128, 9_872, false), "and the one that spawns them");
        assert!(!is_brief(128 * 400, 128, 128, 0, false), "tasks that do something");
        assert!(is_brief(128 * 400, 128, 128, 0, true), "the same, slower for a sibling's sake");
        assert!(!is_brief(128 * 1_000, 128, 128, 0, true));
        assert!(!is_brief(128 * 60, 128, 64, 0, false), "half of them live on");
        assert!(!is_brief(1_000_000, 16, 16, 0, false), "polls of a message's length");
        assert!(!is_brief(0, 3, 3, 0, false), "who knows");
    }

    fn keep() {
        worker::with(|worker| worker.unwrap().keep(true));
    }

    /// Spawns tasks that wait for each other, each in its one poll, and so need two workers.
    fn spawn_a_pair(met: &Arc<AtomicUsize>) {
        for _ in 0..2 {
            let met = met.clone();
            drop(create_task(async move {
                met.fetch_add(1, Ordering::Relaxed);
                let begin = Instant::now();
                while met.load(Ordering::Relaxed) < 2 {
                    assert!(begin.elapsed() < LIMIT, "nobody ran the other one");
                    std::thread::yield_now();
                }
                met.fetch_add(1, Ordering::Relaxed);
            }));
        }
    }

    async fn until_both_ended(met: &AtomicUsize) {
        let begin = Instant::now();
        while met.load(Ordering::Relaxed) < 4 {
            assert!(begin.elapsed() < 2 * LIMIT, "one of them has not met the other");
            crate::time::yield_now().await;
        }
    }

    #[test]
    fn a_stuck_worker_keeps_nothing() {
        let run = Builder::new().workers(2).run(async {
            let met = Arc::new(AtomicUsize::new(0));
            keep();
            spawn_a_pair(&met);
            let begin = Instant::now();
            // In one poll: this worker runs neither of them.
            while met.load(Ordering::Relaxed) < 1 {
                assert!(begin.elapsed() < LIMIT, "the sibling took nothing");
                std::thread::yield_now();
            }
            until_both_ended(&met).await;
        });
        run.unwrap();
    }

    /// There is no Watch to help.
    #[test]
    fn a_long_poll_ends_it() {
        // Without the slot for the newest task they run in the order of their spawning.
        let builder = Builder::new().workers(2).watch(false).lifo_slot(false);
        let run = builder.run(async {
            let met = Arc::new(AtomicUsize::new(0));
            // Beside a sibling that has not gone to sleep yet nobody reads the clock.
            while !worker::with(|worker| worker.unwrap().shared().idle.any()) {
                crate::time::yield_now().await;
            }
            keep();
            // The first is where the clock is read, the next is found long.
            for _ in 0..10 {
                drop(create_task(async {
                    let begin = Instant::now();
                    while begin.elapsed() < 4 * POLL_LONG {
                        std::hint::spin_loop();
                    }
                }));
            }
            spawn_a_pair(&met);
            until_both_ended(&met).await;
        });
        run.unwrap();
    }

    /// The loop stands still between two runs, and nothing marks a worker that does not run.
    #[test]
    fn a_worker_that_leaves_its_loop_keeps_nothing() {
        let (ran, runs) = mpsc::channel();
        let mut runner = Builder::new().workers(2).lifo_slot(false).runner();
        let run = runner.run(async move {
            keep();
            for _ in 0..4 {
                let ran = ran.clone();
                drop(create_task(async move { ran.send(()).unwrap() }));
            }
        });
        run.unwrap();
        for _ in 0..4 {
            runs.recv_timeout(LIMIT).expect("the sibling took none of what the loop has left");
        }
    }

    /// The executor has no thread left that would run the loop meanwhile.
    #[test]
    fn a_worker_that_is_lent_keeps_nothing() {
        let run = Builder::new().workers(2).blocking_threads(1).run(async {
            let (hold, held) = mpsc::channel::<()>();
            let (begun, begins) = mpsc::channel();
            let busy = crate::spawn::to_thread(move || {
                begun.send(()).unwrap();
                held.recv().unwrap_err()
            });
            begins.recv().unwrap();
            // The newest lies in the slot, the other one in the queue.
            let (ran, runs) = mpsc::channel();
            keep();
            for _ in 0..2 {
                let ran = ran.clone();
                drop(create_task(async move { ran.send(()).unwrap() }));
            }
            crate::spawn::block_in_place(|| {
                for _ in 0..2 {
                    runs.recv_timeout(LIMIT).expect("they wait for the worker that blocks");
                }
            });
            drop(hold);
            busy.await.unwrap();
        });
        run.unwrap();
    }
}
