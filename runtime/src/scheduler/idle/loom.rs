//! Models of the idle set with counters for queues.
//!
//! A worker of these models ends after a fixed number of tasks. A push that nobody is responsible
//! for therefore shows as a worker that parks for good, which loom reports as a deadlock.

use super::IdleSet;
use corio_sync::model;
use corio_sync::shim::atomic::{AtomicUsize, Ordering::*};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize as Tally;

/// A runtime reduced to counters: `shared` may be taken by all, `inbox` only by worker 0.
struct World {
    idle: IdleSet,
    shared: AtomicUsize,
    inbox: AtomicUsize,
    threads: Vec<OnceLock<thread::Thread>>,
    /// Sleeps announced and system calls made, per worker. Not part of the model.
    sleeps: Vec<Tally>,
    wakes: Vec<Tally>,
}

impl World {
    fn new(workers: usize) -> Arc<Self> {
        let tallies = || (0..workers).map(|_| Tally::new(0)).collect();
        Arc::new(Self {
            idle: IdleSet::new(workers),
            shared: AtomicUsize::new(0),
            inbox: AtomicUsize::new(0),
            threads: (0..workers).map(|_| OnceLock::new()).collect(),
            sleeps: tallies(),
            wakes: tallies(),
        })
    }

    /// A producer: P1 to P5. Relaxed, so that only the fences carry the proof.
    fn push(&self) {
        self.shared.fetch_add(1, Relaxed);
        self.notify();
    }

    fn notify(&self) {
        if let Some(worker) = self.idle.notify(None) {
            self.wake(worker);
        }
    }

    fn push_inbox(&self) {
        if self.inbox.fetch_add(1, Relaxed) == 0 && self.idle.notify_worker(0) {
            self.wake(0);
        }
    }

    fn wake(&self, worker: usize) {
        self.wakes[worker].fetch_add(1, Relaxed);
        self.threads[worker].get().expect("a worker that sleeps has registered").unpark();
    }

    /// One task of the shared queue, if there is one.
    fn take(&self) -> bool {
        take_one(&self.shared)
    }

    /// The last look, W4. Plain loads, as the queues' `is_empty` are.
    fn anything(&self, worker: usize) -> bool {
        self.shared.load(Relaxed) != 0 || worker == 0 && self.inbox.load(Relaxed) != 0
    }

    /// Runs one worker until it has taken `tasks` tasks, then leaves it awake and gone.
    fn work(&self, worker: usize, tasks: usize, mut searching: bool) {
        let _ = self.threads[worker].set(thread::current());
        let mut taken = 0;
        loop {
            searching = searching || self.idle.try_search();
            let own = if worker == 0 { self.inbox.swap(0, Relaxed) } else { 0 };
            let stolen = usize::from(searching && self.take());
            taken += own + stolen;
            if searching && self.idle.end_search(own + stolen > 0) && self.shared.load(Relaxed) != 0
            {
                self.notify();
            }
            if taken >= tasks {
                return;
            }
            searching = false;
            if own + stolen > 0 {
                continue;
            }
            searching = self.sleep(worker);
        }
    }

    /// W2 to W5; true if the worker is counted as a searcher afterwards.
    fn sleep(&self, worker: usize) -> bool {
        self.sleeps[worker].fetch_add(1, Relaxed);
        self.idle.enter(worker);
        if self.anything(worker) {
            self.idle.leave_to_search(worker);
            return true;
        }
        thread::park();
        !self.idle.leave(worker)
    }

    /// No sleep was interrupted by two system calls, and every search has ended.
    fn check(&self) {
        for (sleeps, wakes) in self.sleeps.iter().zip(&self.wakes) {
            assert!(wakes.load(Relaxed) <= sleeps.load(Relaxed), "two wakes of one sleep");
        }
        assert_eq!(self.idle.searching(), 0);
        assert_eq!(self.shared.load(Relaxed) + self.inbox.load(Relaxed), 0, "a task was left");
    }
}

fn take_one(queue: &AtomicUsize) -> bool {
    let mut seen = queue.load(Relaxed);
    while seen > 0 {
        match queue.compare_exchange(seen, seen - 1, Relaxed, Relaxed) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
    }
    false
}

/// Starts a worker that ends after `tasks` tasks.
fn start(world: &Arc<World>, worker: usize, tasks: usize) -> thread::JoinHandle<()> {
    let world = world.clone();
    thread::spawn(move || world.work(worker, tasks, false))
}

model! {
    /// The eventcount: a push beside a worker that gives up its search and parks.
    idle_push_vs_park(threads = 2, bound = 3, claim = "a push beside a parking worker is run") {
        let world = World::new(1);
        let worker = start(&world, 0, 1);
        world.push();
        worker.join().unwrap();
        world.check();
    }
}

model! {
    /// Two producers, one worker that parks up to twice: edges 1, 2 and 4.
    idle_two_producers(threads = 3, bound = 3, claim = "two pushes are run, with at most one system call per sleep") {
        let world = World::new(1);
        let worker = start(&world, 0, 2);
        let second = world.clone();
        let second = thread::spawn(move || second.push());
        world.push();
        second.join().unwrap();
        worker.join().unwrap();
        world.check();
    }
}

model! {
    /// Each worker ends after one task, so both pushes must reach a worker of their own.
    idle_two_sleepers(threads = 3, bound = 2, claim = "two tasks that wait for each other run on two workers") {
        let world = World::new(2);
        let workers = [start(&world, 0, 1), start(&world, 1, 1)];
        world.push();
        world.push();
        for worker in workers {
            worker.join().unwrap();
        }
        world.check();
    }
}

model! {
    /// A searcher takes the first task while the second is pushed by a producer that relies on it.
    idle_last_searcher_found(threads = 3, bound = 3, claim = "the last searcher wakes a sibling for what it leaves") {
        let world = World::new(2);
        world.shared.store(1, Relaxed);
        let sleeper = world.clone();
        let sleeper = thread::spawn(move || {
            let _ = sleeper.threads[1].set(thread::current());
            let searching = sleeper.sleep(1);
            sleeper.work(1, 1, searching);
        });
        let searcher = start(&world, 0, 1);
        world.push();
        sleeper.join().unwrap();
        searcher.join().unwrap();
        world.check();
    }
}

model! {
    /// A pinned task by the inbox and a shared one, while the only worker parks.
    idle_inbox_and_shared(threads = 3, bound = 3, claim = "a remote wake and a push reach a parking worker") {
        let world = World::new(1);
        let worker = start(&world, 0, 2);
        let remote = world.clone();
        let remote = thread::spawn(move || remote.push_inbox());
        world.push();
        remote.join().unwrap();
        worker.join().unwrap();
        world.check();
    }
}

/// What a claim carries: where the worker sleeps to the waker, the push to the worker.
struct Carried {
    idle: IdleSet,
    bed: UnsafeCell<usize>,
    push: UnsafeCell<usize>,
}

// SAFETY: the cells are what the models check: `bed` is written before `enter` and read after a
// claim, `push` is written before a claim and read after a `leave` that shows it.
unsafe impl Sync for Carried {}
// SAFETY: as above; the contents are integers.
unsafe impl Send for Carried {}

impl Carried {
    fn new() -> Arc<Self> {
        Arc::new(Self { idle: IdleSet::new(1), bed: UnsafeCell::new(0), push: UnsafeCell::new(0) })
    }

    fn write(cell: &UnsafeCell<usize>) {
        // SAFETY: loom checks that no other access overlaps; that is the claim of the model.
        cell.with_mut(|value| unsafe { *value = 7 });
    }

    fn expect(cell: &UnsafeCell<usize>) {
        // SAFETY: loom checks that the write happened before; that is the claim of the model.
        cell.with(|value| assert_eq!(unsafe { *value }, 7));
    }
}

model! {
    /// The waker reads where the worker sleeps; the worker reads what it was woken for.
    idle_claim_carries(threads = 2, bound = 3, claim = "a claim shows the worker's bed, and leave shows the push") {
        let world = Carried::new();
        let producer = world.clone();
        let producer = thread::spawn(move || {
            Carried::write(&producer.push);
            if producer.idle.notify(None).is_some() {
                Carried::expect(&producer.bed);
            }
        });
        Carried::write(&world.bed);
        world.idle.enter(0);
        if !world.idle.leave(0) {
            Carried::expect(&world.push);
            assert!(!world.idle.end_search(false));
        }
        producer.join().unwrap();
    }
}

model! {
    /// The same for a claim by name.
    idle_direct_claim_carries(threads = 2, bound = 3, claim = "a claim by name shows the worker's bed") {
        let world = Carried::new();
        let producer = world.clone();
        let producer = thread::spawn(move || {
            if producer.idle.notify_worker(0) {
                Carried::expect(&producer.bed);
            }
        });
        Carried::write(&world.bed);
        world.idle.enter(0);
        assert!(world.idle.leave(0), "a claim by name counts no searcher");
        producer.join().unwrap();
    }
}
