//! The idle set without a model: its rules one by one, and real threads under load.

use super::*;
use crate::scheduler::queue::{Deque, Inject, Injector, Local, Steal, Victim};
use std::sync::OnceLock;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

#[test]
fn wakes_the_preferred_or_else_the_lowest() {
    let set = IdleSet::new(70);
    for worker in [69, 3, 40] {
        set.enter(worker);
    }
    assert_eq!(set.notify(Some(40)), Some(40));
    assert_eq!(set.notify(None), None, "one searcher is on its way");
    assert!(!set.leave(40));
    assert!(set.end_search(true));
    assert_eq!(set.notify(Some(5)), Some(3));
    assert!(!set.leave(3));
    assert!(!set.end_search(false));
    assert_eq!(set.notify(None), Some(69));
    assert!(!set.any());
}

#[test]
fn a_direct_claim_counts_no_searcher() {
    let set = IdleSet::new(2);
    set.enter(1);
    assert!(set.notify_worker(1));
    assert!(!set.notify_worker(1), "claimed once");
    assert!(!set.notify_worker(0), "awake");
    assert_eq!(set.notify(None), None);
    assert!(set.leave(1));
    assert_eq!(set.searching(), 0);
    set.enter(1);
    assert!(set.leave(1), "nobody claimed it");
}

#[test]
fn at_most_half_search() {
    for (workers, half) in [(1, 1), (2, 1), (3, 2), (4, 2), (64, 32)] {
        let set = IdleSet::new(workers);
        let admitted = (0..workers).filter(|_| set.try_search()).count();
        assert_eq!(admitted, half, "of {workers}");
        let last = (0..half).filter(|_| set.end_search(true)).count();
        assert_eq!(last, 1, "one of them is the last");
    }
}

#[test]
fn a_last_look_that_finds_something_makes_a_searcher() {
    let set = IdleSet::new(2);
    set.enter(0);
    set.leave_to_search(0);
    assert_eq!(set.searching(), 1);
    set.enter(1);
    assert_eq!(set.notify(None), None, "the searcher is relied on");
    assert!(set.end_search(true));
    assert_eq!(set.notify(None), Some(1));
    set.leave_to_search(1);
    assert_eq!(set.searching(), 1, "its waker had counted it");
}

/// Workers with real queues and real parking, for a second of load.
struct Load {
    idle: IdleSet,
    injector: Injector<usize>,
    victims: Vec<Victim<usize>>,
    threads: Vec<OnceLock<Thread>>,
    /// Tasks that are still to run in this round; the last one ends it.
    left: AtomicUsize,
}

/// Far longer than any schedule of the machine delays a thread that was woken.
const LOST: Duration = Duration::from_secs(120);

impl Load {
    fn notify(&self) {
        if let Some(worker) = self.idle.notify(None) {
            self.wake(worker);
        }
    }

    fn wake(&self, worker: usize) {
        self.threads[worker].get().expect("every worker registered").unpark();
    }

    fn has_work(&self) -> bool {
        !self.injector.is_empty() || self.victims.iter().any(|victim| !victim.is_empty())
    }

    /// One worker's round: the loop of `worker.rs` without tasks, timers and pollers.
    fn work(&self, me: usize, own: &Local<usize>) {
        let mut searching = false;
        while self.left.load(Acquire) > 0 {
            let mut task = own.pop();
            if task.is_none() {
                searching = searching || self.idle.try_search();
                task = own.take_from(&self.injector);
                let mut victims = self.victims.iter().filter(|_| searching);
                task = task.or_else(|| victims.find_map(|victim| own.steal_into(victim)));
            }
            let last = searching && self.idle.end_search(task.is_some());
            searching = false;
            if last && self.has_work() {
                self.notify();
            }
            match task {
                Some(task) => self.run(task, own),
                None => searching = self.sleep(me),
            }
        }
        if searching {
            let _ = self.idle.end_search(false);
        }
    }

    /// A task is the number of children that it pushes here.
    fn run(&self, children: usize, own: &Local<usize>) {
        (0..children).for_each(|_| own.push(0, &self.injector));
        if children > 0 {
            self.notify();
        }
        if self.left.fetch_sub(1, AcqRel) == 1 {
            (0..self.threads.len()).for_each(|worker| self.wake(worker));
        }
    }

    fn sleep(&self, me: usize) -> bool {
        self.idle.enter(me);
        if self.has_work() {
            self.idle.leave_to_search(me);
            return true;
        }
        if self.left.load(Acquire) > 0 {
            let asleep = Instant::now();
            thread::park_timeout(LOST);
            assert!(asleep.elapsed() < LOST, "worker {me} slept through {} tasks", self.left());
        }
        !self.idle.leave(me)
    }

    fn left(&self) -> usize {
        self.left.load(Relaxed)
    }
}

/// Two producers and three workers; each of the `tasks` of a producer has two children.
fn load_round(tasks: usize) {
    const WORKERS: usize = 3;
    let queues: Vec<_> = (0..WORKERS).map(|_| Local::new()).collect();
    let load = Load {
        idle: IdleSet::new(WORKERS),
        injector: Injector::new(),
        victims: queues.iter().map(Local::victim).collect(),
        threads: (0..WORKERS).map(|_| OnceLock::new()).collect(),
        left: AtomicUsize::new(2 * tasks * 3),
    };
    let ready = std::sync::Barrier::new(WORKERS + 2);
    let (load, ready) = (&load, &ready);
    thread::scope(|scope| {
        for (me, own) in queues.into_iter().enumerate() {
            scope.spawn(move || {
                let _ = load.threads[me].set(thread::current());
                ready.wait();
                load.work(me, &own);
            });
        }
        for _ in 0..2 {
            scope.spawn(move || {
                ready.wait();
                for task in 0..tasks {
                    load.injector.push(2);
                    load.notify();
                    // Now and then the workers run dry.
                    if task % 8 == 0 {
                        thread::yield_now();
                    }
                }
            });
        }
    });
    assert!(!load.has_work());
    assert_eq!(load.idle.searching(), 0);
    assert!(!load.idle.any());
}

#[test]
fn no_wake_is_lost_under_load() {
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        load_round(200);
    }
}
