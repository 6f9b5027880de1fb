//! Models of the Watch's sleep: it must be awake in the end, since the workers run in the end.

use super::WatchSleep;
use corio_sync::model;
use corio_sync::shim::atomic::{AtomicUsize, Ordering::*};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;
use std::sync::atomic::AtomicUsize as Tally;

/// The workers' parked flags, and how often the Watch slept and was unparked.
struct World {
    state: WatchSleep,
    parked: Vec<AtomicUsize>,
    /// How to unpark the Watch: written before its first sleep, read by who finds it asleep.
    watch: UnsafeCell<Option<thread::Thread>>,
    sleeps: Tally,
    unparks: Tally,
}

// SAFETY: who may touch `watch` is what the models check; the rest is atomics.
unsafe impl Sync for World {}

impl World {
    fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            state: WatchSleep::new(),
            parked: (0..workers).map(|_| AtomicUsize::new(1)).collect(),
            watch: UnsafeCell::new(None),
            sleeps: Tally::new(0),
            unparks: Tally::new(0),
        })
    }

    /// B1 to B5.
    fn leave(&self, worker: usize) {
        self.parked[worker].store(0, Relaxed);
        if self.state.wake() {
            self.unparks.fetch_add(1, Relaxed);
            // SAFETY: the Watch wrote it before it slept; loom looks for a race here.
            let watch = self.watch.with(|watch| unsafe { (*watch).clone() });
            watch.expect("a Watch that sleeps has registered").unpark();
        }
    }

    fn all_parked(&self) -> bool {
        self.parked.iter().all(|parked| parked.load(Relaxed) == 1)
    }

    /// The Watch's loop until it has seen a worker run after a look of its own.
    fn watch(&self) {
        // SAFETY: nobody looks before the Watch sleeps for the first time.
        self.watch.with_mut(|watch| unsafe { *watch = Some(thread::current()) });
        while self.all_parked() {
            self.sleeps.fetch_add(1, Relaxed);
            self.state.sleep(|| self.all_parked(), thread::park);
        }
    }
}

/// What the first worker does.
fn start(world: &Arc<World>) -> thread::JoinHandle<()> {
    assert!(world.state.wake(), "there is no Watch yet");
    let world = world.clone();
    thread::spawn(move || world.watch())
}

fn check(world: &World) {
    assert!(world.unparks.load(Relaxed) <= world.sleeps.load(Relaxed), "two wakes of one sleep");
}

model! {
    /// A worker leaves its park while the Watch goes to sleep.
    watch_sleep_leave(threads = 2, bound = 3, claim = "the Watch does not sleep while a worker runs") {
        let world = World::new(1);
        let watch = start(&world);
        world.leave(0);
        watch.join().unwrap();
        check(&world);
    }
}

model! {
    /// The worker parks once more in between, so that a wake of one sleep may meet the next.
    watch_sleep_leave_twice(threads = 2, bound = 3, claim = "a late wake of one sleep does not spoil the next") {
        let world = World::new(1);
        let watch = start(&world);
        world.leave(0);
        world.parked[0].store(1, Relaxed);
        world.leave(0);
        watch.join().unwrap();
        check(&world);
    }
}

model! {
    /// Two workers are the first to run, on a runtime that has no Watch yet.
    watch_sleep_first(threads = 2, bound = 3, claim = "one of the first workers makes the Watch") {
        let world = World::new(2);
        let other = { let world = world.clone(); thread::spawn(move || world.state.wake()) };
        let one = world.state.wake();
        assert!(one != other.join().unwrap());
    }
}

model! {
    /// Two workers leave at once; one of them parks again.
    watch_sleep_two_workers(threads = 3, bound = 3, claim = "two leaving workers make at most one wake per sleep") {
        let world = World::new(2);
        let watch = start(&world);
        let other = world.clone();
        let other = thread::spawn(move || {
            other.leave(1);
            other.parked[1].store(1, Relaxed);
        });
        world.leave(0);
        other.join().unwrap();
        watch.join().unwrap();
        check(&world);
    }
}
