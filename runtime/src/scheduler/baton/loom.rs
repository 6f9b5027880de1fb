//! Models of a baton: one thread at a time is with the worker, and each comes back to it.

use corio_sync::model;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

use super::Baton;
use crate::reactor::ownership::Ownership;

/// What a baton is about: something that one thread at a time may use, and what it sleeps on.
struct Worker {
    polls: UnsafeCell<u32>,
    ownership: Ownership,
    baton: Baton,
}

// SAFETY: loom watches the accesses; that they are ordered is what the models show.
unsafe impl Sync for Worker {}
// SAFETY: as above.
unsafe impl Send for Worker {}

impl Worker {
    fn new() -> Arc<Self> {
        let (polls, ownership) = (UnsafeCell::new(0), Ownership::new());
        Arc::new(Self { polls, ownership, baton: Baton::held() })
    }

    fn poll(&self) {
        // SAFETY: as above.
        self.polls.with_mut(|polls| unsafe { *polls += 1 });
    }

    /// A stand-in: the loop of a worker without work, which sleeps in its poller until it is wanted.
    fn stand_in(&self) {
        if !self.baton.try_take() {
            return;
        }
        self.poll();
        while !self.baton.is_wanted() {
            let wait = |may_block: bool| {
                if may_block {
                    thread::park()
                }
            };
            self.ownership.park(|| Arc::new(thread::current()), wait, thread::park);
            self.poll();
        }
        self.baton.release();
    }

    /// The end of a closure that blocked, and the rest of its poll.
    fn come_back(&self, ring: impl FnOnce()) {
        self.baton.take(|| self.ownership.wake(ring));
        self.poll();
    }
}

model! {
    /// The owner blocks, and wants its worker back while the stand-in works or sleeps, or is late.
    baton_comes_back(threads = 2, bound = 3, claim = "the owner gets its worker as the stand-in left it, also out of its sleep; a late stand-in keeps away") {
        let worker = Worker::new();
        worker.poll();
        let lent = worker.clone();
        let thread = thread::spawn(move || lent.stand_in());
        let ring = thread.thread().clone();
        worker.baton.release();
        worker.come_back(|| ring.unpark());
        thread.join().unwrap();
        assert!(!worker.baton.try_take(), "it is the owner's");
        worker.poll();
    }
}

model! {
    /// As above, with a sibling that harvests the worker's poller meanwhile.
    baton_comes_back_beside_a_harvester(threads = 3, bound = 2, claim = "a harvester of the worker's poller does not swallow the wish for the baton") {
        let worker = Worker::new();
        let lent = worker.clone();
        worker.baton.release();
        let thread = thread::spawn(move || lent.stand_in());
        let (ring, bell) = (thread.thread().clone(), thread.thread().clone());
        let harvested = worker.clone();
        let harvester = thread::spawn(move || harvested.ownership.harvest(|| (), || bell.unpark()));
        worker.come_back(|| ring.unpark());
        thread.join().unwrap();
        harvester.join().unwrap();
    }
}

model! {
    /// A stand-in's poll blocks in place, too, and waits for what the first one does afterwards.
    baton_of_two_who_wait_for_each_other(threads = 2, bound = 3, claim = "a poll that blocks in place on a stand-in keeps the owner's from nothing, and goes on after it") {
        let worker = Worker::new();
        let owner = thread::current();
        let lent = worker.clone();
        worker.baton.release();
        let inner = thread::spawn(move || {
            if !lent.baton.try_take() {
                return;
            }
            lent.poll();
            // Its closure: until the owner has polled.
            lent.baton.release();
            thread::park();
            lent.come_back(|| owner.unpark());
            lent.baton.release();
        });
        worker.come_back(|| ());
        inner.thread().unpark();
        // Between two polls, and whenever the owner would sleep.
        worker.baton.release();
        worker.come_back(|| ());
        worker.baton.release();
        inner.join().unwrap();
        worker.come_back(|| ());
    }
}

model! {
    /// Nobody has the baton, since no stand-in came, and two polls come back at once.
    baton_is_claimed_while_it_is_free(threads = 3, bound = 3, claim = "of two who claim a free baton each gets it, one after the other") {
        let worker = Worker::new();
        worker.baton.release();
        let back = || {
            let worker = worker.clone();
            thread::spawn(move || {
                worker.come_back(|| ());
                worker.baton.release();
            })
        };
        let others = [back(), back()];
        for other in others {
            other.join().unwrap();
        }
        worker.come_back(|| ());
    }
}
