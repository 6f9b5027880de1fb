//! Models of the barrier: rounds, waits that give up, reset and abort.

use super::Barrier;
use crate::model;
use crate::shim::cell::UnsafeCell;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};
use std::pin::pin;

struct Shared {
    barrier: Barrier,
    data: [UnsafeCell<usize>; 2],
}

// SAFETY: each task writes its own cell before the barrier and reads the other's after it.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

fn shared(parties: usize) -> Arc<Shared> {
    let data = [UnsafeCell::new(0), UnsafeCell::new(0)];
    Arc::new(Shared { barrier: Barrier::new(parties), data })
}

fn meet(shared: &Shared, me: usize) -> usize {
    // SAFETY: the model's claim.
    shared.data[me].with_mut(|data| unsafe { *data = 7 });
    let index = block_on(shared.barrier.wait()).expect("not broken").index();
    // SAFETY: the model's claim.
    shared.data[1 - me].with(|data| assert_eq!(unsafe { *data }, 7));
    index
}

fn spawn(
    shared: &Arc<Shared>,
    body: impl FnOnce(&Shared) + Send + 'static,
) -> thread::JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || body(&shared))
}

fn glance(shared: &Shared) {
    let mut wait = pin!(shared.barrier.wait());
    let _ = poll_once(|cx| wait.as_mut().poll(cx));
}

model! {
    /// Two tasks meet; each sees what the other did before.
    barrier_meet(threads = 2, bound = 3, claim = "whoever passes sees what all did before; indices differ") {
        let shared = shared(2);
        let other = shared.clone();
        let thread = thread::spawn(move || meet(&other, 1));
        let index = meet(&shared, 0);
        assert_eq!(index + thread.join().unwrap(), 1);
    }
}

model! {
    /// Two rounds without a pause: the second waits until the first has left.
    barrier_two_rounds(threads = 2, bound = 2, claim = "a round starts when the last has left") {
        let shared = shared(2);
        let mut first = Box::pin(shared.barrier.wait());
        assert!(poll_once(|cx| first.as_mut().poll(cx)).is_pending());
        let thread = spawn(&shared, |shared| {
            for _ in 0..2 {
                block_on(shared.barrier.wait()).unwrap();
            }
        });
        block_on(first).unwrap();
        block_on(shared.barrier.wait()).unwrap();
        thread.join().unwrap();
        assert_eq!(shared.barrier.n_waiting(), 0);
    }
}

model! {
    /// A wait gives up while the round fills.
    barrier_give_up(threads = 3, bound = 2, claim = "a wait that gives up is not counted, or took part") {
        let shared = shared(2);
        let threads = [spawn(&shared, glance), spawn(&shared, |shared| { let _ = block_on(shared.barrier.wait()); })];
        // One other waits for sure; it may have met the one that glanced.
        let mut wait = Box::pin(shared.barrier.wait());
        let passed = poll_once(|cx| wait.as_mut().poll(cx)).is_ready();
        if !passed {
            shared.barrier.abort();
            let _ = block_on(wait);
        }
        shared.barrier.abort();
        join_all(threads);
        shared.barrier.reset();
        assert_eq!(shared.barrier.n_waiting(), 0);
        assert!(!shared.barrier.broken());
    }
}

model! {
    /// A reset meets a round that fills and drains.
    barrier_reset(threads = 3, bound = 2, claim = "a reset breaks the round or the next one never, and leaves the barrier usable") {
        let shared = shared(2);
        let wait = |shared: &Shared| { let _ = block_on(shared.barrier.wait()); };
        let threads = [spawn(&shared, |shared| shared.barrier.reset()), spawn(&shared, move |shared| {
            wait(shared);
            // Whoever is alone now is let go.
            shared.barrier.abort();
        })];
        wait(&shared);
        shared.barrier.abort();
        join_all(threads);
        shared.barrier.reset();
        assert!(!shared.barrier.broken());
        assert_eq!(shared.barrier.n_waiting(), 0);
    }
}

model! {
    /// Three for two: the third comes early.
    barrier_early(threads = 3, bound = 2, claim = "whoever comes while a round leaves is in the next one") {
        let shared = shared(2);
        let mut first = Box::pin(shared.barrier.wait());
        assert!(poll_once(|cx| first.as_mut().poll(cx)).is_pending());
        let second = spawn(&shared, |shared| { block_on(shared.barrier.wait()).unwrap(); });
        second.join().unwrap();
        let third = spawn(&shared, |shared| { block_on(shared.barrier.wait()).unwrap(); });
        assert!(poll_once(|cx| first.as_mut().poll(cx)).is_ready());
        block_on(shared.barrier.wait()).unwrap();
        third.join().unwrap();
    }
}

/// A round of two that is full: one of its tasks has left, this is the other one.
fn full(shared: &Shared) -> std::pin::Pin<Box<super::BarrierWait<'_>>> {
    let mut first = Box::pin(shared.barrier.wait());
    assert!(poll_once(|cx| first.as_mut().poll(cx)).is_pending());
    assert!(poll_once(|cx| pin!(shared.barrier.wait()).poll(cx)).is_ready());
    first
}

model! {
    /// Two for two come early: who leaves last fills their round.
    barrier_moves_in(threads = 3, bound = 2, claim = "a round whose tasks have all come early is released by who leaves last") {
        let shared = shared(2);
        let first = full(&shared);
        let pass = |shared: &Shared| { block_on(shared.barrier.wait()).unwrap(); };
        let threads = [spawn(&shared, pass), spawn(&shared, pass)];
        block_on(first).unwrap();
        join_all(threads);
        assert_eq!(shared.barrier.n_waiting(), 0);
    }
}

model! {
    /// A wait that came early gives up while the round leaves.
    barrier_early_gives_up(threads = 2, bound = 3, claim = "a wait that came early and gives up is counted nowhere") {
        let shared = shared(2);
        let first = full(&shared);
        let thread = spawn(&shared, glance);
        block_on(first).unwrap();
        thread.join().unwrap();
        assert_eq!(shared.barrier.n_waiting(), 0);
        block_on(full(&shared)).unwrap();
    }
}

model! {
    /// As many have come early as there is room for; one more comes.
    barrier_gate(threads = 2, bound = 3, claim = "whoever waits at the gate is let in when the round has left") {
        let shared = shared(2);
        let start = || {
            let mut wait = Box::pin(shared.barrier.wait());
            assert!(poll_once(|cx| wait.as_mut().poll(cx)).is_pending());
            wait
        };
        let first = full(&shared);
        let early = [start(), start()];
        let thread = spawn(&shared, |shared| { block_on(shared.barrier.wait()).unwrap(); });
        block_on(first).unwrap();
        for (index, wait) in early.into_iter().enumerate() {
            assert_eq!(block_on(wait).unwrap().index(), index);
        }
        block_on(shared.barrier.wait()).unwrap();
        thread.join().unwrap();
    }
}

model! {
    /// An abort and a reset, while one leaves and another one has come early.
    barrier_mends(threads = 3, bound = 2, claim = "a broken barrier lets all go, and is usable when they have gone") {
        let shared = shared(2);
        let first = full(&shared);
        let waits = spawn(&shared, |shared| { let _ = block_on(shared.barrier.wait()); });
        let breaks = spawn(&shared, |shared| { shared.barrier.abort(); shared.barrier.reset(); });
        let _ = block_on(first);
        breaks.join().unwrap();
        // Whoever is alone now is let go.
        shared.barrier.abort();
        waits.join().unwrap();
        shared.barrier.reset();
        assert_eq!(shared.barrier.n_waiting(), 0);
        block_on(full(&shared)).unwrap();
    }
}

model! {
    /// The last one leaves a broken barrier that has been reset; another one comes.
    barrier_mended(threads = 2, bound = 3, claim = "whoever waits for a barrier to mend is let in when it has") {
        let shared = shared(2);
        let first = full(&shared);
        shared.barrier.abort();
        shared.barrier.reset();
        let thread = spawn(&shared, |shared| { block_on(shared.barrier.wait()).unwrap(); });
        assert!(block_on(first).is_err());
        block_on(shared.barrier.wait()).unwrap();
        thread.join().unwrap();
    }
}
