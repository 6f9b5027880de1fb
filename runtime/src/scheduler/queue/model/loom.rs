//! Models of the queue twin: owner against thieves, the spill, and the twin with the idle set.

use super::{BOUND, Injector, Local, Victim};
use crate::scheduler::idle::IdleSet;
use crate::scheduler::queue::{Deque, Inject, Steal};
use corio_sync::model;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;
use std::sync::OnceLock;

/// Takes until nothing is left here or at the victim; boxes, so that a double run is a double free.
fn rob(victim: &Victim<Box<usize>>, tries: usize) -> Vec<usize> {
    let own = Local::new();
    let mut ran = Vec::new();
    for _ in 0..tries {
        ran.extend(own.steal_into(victim).map(|task| *task));
        ran.extend(std::iter::from_fn(|| own.pop()).map(|task| *task));
    }
    ran
}

/// An owner that pushes `pushes` tasks, pops as many times, and thieves that rob it meanwhile.
fn contend(pushes: usize, thieves: usize) {
    let queue = Local::new();
    queue.append(Box::new(0));
    let thieves: Vec<_> = (0..thieves)
        .map(|_| {
            let victim = queue.victim();
            thread::spawn(move || rob(&victim, 1))
        })
        .collect();
    (1..pushes).for_each(|task| queue.append(Box::new(task)));
    let mut ran: Vec<_> = (0..pushes).filter_map(|_| queue.pop()).map(|task| *task).collect();
    assert!(ran.is_sorted(), "the owner pops in order");
    for thief in thieves {
        ran.extend(thief.join().unwrap());
    }
    ran.extend(std::iter::from_fn(|| queue.pop()).map(|task| *task));
    ran.sort_unstable();
    assert_eq!(ran, (0..pushes).collect::<Vec<_>>());
}

model! {
    /// A batch steal against pushes and pops.
    queue_owner_vs_thief(threads = 2, bound = 3, claim = "owner and thief run each task once") {
        contend(4, 1);
    }
}

model! {
    /// Two batch steals and the owner compete for the front.
    queue_owner_vs_two_thieves(threads = 3, bound = 2, claim = "owner and two thieves run each task once") {
        contend(3, 2);
    }
}

model! {
    /// The push that finds the queue full moves half of it, while a thief robs and another takes
    /// from the injector.
    queue_spill(threads = 3, bound = 2, claim = "a spill beside a thief loses no task") {
        let queue = Local::new();
        let injector = Arc::new(Injector::<Box<usize>>::new());
        (0..BOUND).for_each(|task| queue.append(Box::new(task)));
        let victim = queue.victim();
        let thief = thread::spawn(move || rob(&victim, 1));
        let shared = injector.clone();
        let taker = thread::spawn(move || {
            let own = Local::new();
            let first = own.take_from(&shared);
            first.into_iter().chain(std::iter::from_fn(|| own.pop())).map(|task| *task).collect()
        });
        queue.push(Box::new(BOUND), &injector);
        let mut ran: Vec<usize> = thief.join().unwrap();
        ran.extend::<Vec<usize>>(taker.join().unwrap());
        ran.extend(std::iter::from_fn(|| queue.pop()).map(|task| *task));
        ran.extend(std::iter::from_fn(|| queue.take_from(&injector)).map(|task| *task));
        ran.extend(std::iter::from_fn(|| queue.pop()).map(|task| *task));
        ran.sort_unstable();
        assert_eq!(ran, (0..=BOUND).collect::<Vec<_>>());
    }
}

/// Two workers with the twin for queues; worker 1 steals from worker 0.
struct World {
    idle: IdleSet,
    injector: Injector<usize>,
    thief: OnceLock<thread::Thread>,
}

impl World {
    fn notify(&self) {
        if let Some(worker) = self.idle.notify(None) {
            assert_eq!(worker, 1, "worker 0 never sleeps here");
            self.thief.get().expect("a worker that sleeps has registered").unpark();
        }
    }

    /// Worker 1: steals and parks until it has run `tasks` tasks.
    fn steal(&self, victim: &Victim<usize>, tasks: usize) {
        let _ = self.thief.set(thread::current());
        let own = Local::new();
        let mut ran = 0;
        let mut searching = false;
        loop {
            searching = searching || self.idle.try_search();
            let search = || own.steal_into(victim).or_else(|| own.take_from(&self.injector));
            let found = if searching { search() } else { None };
            if searching && self.idle.end_search(found.is_some()) && !victim.is_empty() {
                self.notify();
            }
            ran += found.into_iter().chain(std::iter::from_fn(|| own.pop())).count();
            if ran == tasks {
                return;
            }
            searching = found.is_none() && self.sleep(victim);
        }
    }

    fn sleep(&self, victim: &Victim<usize>) -> bool {
        self.idle.enter(1);
        if victim.is_empty() && self.injector.is_empty() {
            thread::park();
            return !self.idle.leave(1);
        }
        self.idle.leave_to_search(1);
        true
    }
}

model! {
    /// Worker 0 keeps one of its two tasks and gets stuck in it; an outsider submits a third. The
    /// other two must reach the sleeping worker.
    queue_push_steal_park(threads = 3, bound = 2, claim = "what a stuck worker pushed and what came from outside is run by its sibling") {
        let world = Arc::new(World {
            idle: IdleSet::new(2),
            injector: Injector::new(),
            thief: OnceLock::new(),
        });
        let queue = Local::new();
        let (victim, sibling) = (queue.victim(), world.clone());
        let sibling = thread::spawn(move || sibling.steal(&victim, 2));
        let outside = world.clone();
        let outside = thread::spawn(move || {
            outside.injector.push(3);
            outside.notify();
        });
        queue.push(1, &world.injector);
        queue.push(2, &world.injector);
        world.notify();
        let own = queue.pop();
        outside.join().unwrap();
        if own.is_none() {
            // The sibling took both tasks and ended; worker 0 is free for what came from outside.
            assert!(queue.take_from(&world.injector).is_some());
        }
        sibling.join().unwrap();
    }
}
