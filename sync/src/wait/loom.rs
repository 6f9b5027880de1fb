//! Models of the waiter queue, through [`Permits`]: one segment is one cell, so that every place
//! crosses every edge of the list.

use super::permits::Permits;
use super::queue::Place;
use crate::model;
use crate::shim::cell::UnsafeCell;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};
use std::future::poll_fn;
use std::task::{Context, Waker};

/// Data that only the holder of a permit may touch.
struct Guarded {
    permits: Permits,
    data: UnsafeCell<usize>,
}

// SAFETY: `data` is touched by the holder of the only permit; loom checks exactly that.
unsafe impl Sync for Guarded {}
// SAFETY: as above.
unsafe impl Send for Guarded {}

impl Guarded {
    fn new(count: isize) -> Arc<Self> {
        Arc::new(Self { permits: Permits::new(count), data: UnsafeCell::new(0) })
    }

    fn acquire(&self) {
        let mut at = Place::default();
        block_on(poll_fn(|cx| self.permits.poll_acquire(&mut at, cx)));
    }

    fn release(&self) {
        self.permits.release();
    }

    fn touch(&self) {
        self.data.with_mut(|data| {
            // SAFETY: the model's claim.
            unsafe { *data += 1 };
        });
    }

    fn locked(&self) {
        self.acquire();
        self.touch();
        self.release();
    }

    /// Polls once with a waker that does nothing; true if that was enough.
    fn poll(&self, at: &mut Place) -> bool {
        poll_once(|cx| self.permits.poll_acquire(at, cx)).is_ready()
    }

    /// Waits for one poll, then leaves; true if the permit came in time and is kept.
    fn try_once(&self) -> bool {
        let mut at = Place::default();
        let got = self.poll(&mut at);
        self.permits.abandon(&mut at);
        got
    }
}

fn spawn(
    guarded: &Arc<Guarded>,
    body: impl FnOnce(&Guarded) + Send + 'static,
) -> thread::JoinHandle<()> {
    let guarded = guarded.clone();
    thread::spawn(move || body(&guarded))
}

model! {
    /// Two threads exclude each other and see each other's writes.
    wait_lock_two(threads = 2, bound = 3, claim = "one holder at a time, none lost") {
        let lock = Guarded::new(1);
        let other = spawn(&lock, |lock| { lock.locked(); lock.locked() });
        lock.locked();
        other.join().unwrap();
        assert_eq!(lock.permits.available(), 1);
    }
}

model! {
    /// Three threads, one round each.
    wait_lock_three(threads = 3, bound = 2, claim = "one holder at a time among three") {
        let lock = Guarded::new(1);
        let threads = [spawn(&lock, Guarded::locked), spawn(&lock, Guarded::locked)];
        lock.locked();
        join_all(threads);
        assert_eq!(lock.permits.available(), 1);
    }
}

model! {
    /// Two releasers meet two waiters.
    wait_two_by_two(threads = 4, bound = 2, claim = "as many grants as releases") {
        let gate = Guarded::new(0);
        let threads =
            [spawn(&gate, Guarded::acquire), spawn(&gate, Guarded::acquire), spawn(&gate, Guarded::release)];
        gate.release();
        join_all(threads);
        assert_eq!(gate.permits.available(), 0);
    }
}

model! {
    /// A waiter leaves while the permit is on its way to it, and another waits behind.
    wait_cancel_release(threads = 3, bound = 3, claim = "a grant to a waiter that leaves moves on") {
        let gate = Guarded::new(0);
        let leaving = spawn(&gate, |gate| if gate.try_once() { gate.touch(); gate.release() });
        let staying = spawn(&gate, Guarded::locked);
        gate.touch();
        gate.release();
        leaving.join().unwrap();
        staying.join().unwrap();
        gate.locked();
    }
}

model! {
    /// A second poll with another waker races with the grant.
    wait_repoll_release(threads = 2, bound = 3, claim = "a replaced waker is not missed") {
        let gate = Guarded::new(0);
        let other = spawn(&gate, |gate| { gate.touch(); gate.release() });
        let mut at = Place::default();
        if !gate.poll(&mut at) {
            block_on(poll_fn(|cx| gate.permits.poll_acquire(&mut at, cx)));
        }
        gate.touch();
        other.join().unwrap();
        assert_eq!(gate.permits.available(), 0);
    }
}

model! {
    /// Waiters come and go behind one that stays, while two permits arrive.
    wait_sweep_behind(threads = 3, bound = 2, claim = "sweeping behind a live waiter loses no permit") {
        let gate = Guarded::new(0);
        let mut front = Place::default();
        assert!(!gate.poll(&mut front));
        let leaving = spawn(&gate, |gate| for _ in 0..3 { if gate.try_once() { gate.release() } });
        let other = spawn(&gate, Guarded::release);
        gate.release();
        other.join().unwrap();
        leaving.join().unwrap();
        assert!(gate.poll(&mut front), "the front waiter starves");
        assert!(gate.try_once(), "a permit was lost");
        assert!(gate.permits.live_segments() <= 4, "{}", gate.permits.live_segments());
    }
}

model! {
    /// Two threads leave place after place: sweeps overlap.
    wait_two_sweepers(threads = 2, bound = 2, claim = "overlapping sweeps free each segment once") {
        let gate = Guarded::new(0);
        let other = spawn(&gate, |gate| for _ in 0..2 { assert!(!gate.try_once()) });
        for _ in 0..3 {
            assert!(!gate.try_once());
        }
        other.join().unwrap();
        gate.release();
        assert_eq!(gate.permits.available(), 1);
        assert!(gate.permits.live_segments() <= 4, "{}", gate.permits.live_segments());
    }
}

model! {
    /// A thread sweeps after another one, and was pinned before that one began.
    wait_sweep_twice(threads = 2, bound = 2, claim = "a sweeper follows the links that the last one left") {
        let gate = Guarded::new(0);
        let [mut front, one, two, three, four, five, mut back] = [(); 7].map(|()| {
            let mut at = Place::default();
            assert!(!gate.poll(&mut at));
            at
        });
        let leave = |gate: &Guarded, mut at: Place| gate.permits.abandon(&mut at);
        let other = spawn(&gate, move |gate| for at in [four, five] { leave(gate, at) });
        for at in [one, two, three] {
            leave(&gate, at);
        }
        other.join().unwrap();
        for at in [&mut front, &mut back] {
            gate.release();
            assert!(gate.poll(at), "it stayed, and has a permit");
        }
    }
}

model! {
    /// A permit walks over swept places while newcomers take new ones.
    wait_sweep_walk(threads = 3, bound = 2, claim = "a granter that walks over a sweep finds the live waiter") {
        let gate = Guarded::new(0);
        let leaving = spawn(&gate, |gate| for _ in 0..3 { if gate.try_once() { gate.release() } });
        let waiting = spawn(&gate, Guarded::locked);
        gate.touch();
        gate.release();
        leaving.join().unwrap();
        waiting.join().unwrap();
        assert!(gate.try_once(), "a permit was lost");
    }
}

model! {
    /// A grant is collected late, after both ends have passed its segment.
    wait_late_collect(threads = 2, bound = 3, claim = "a segment outlives the last of its owners") {
        let gate = Guarded::new(0);
        let mut late = Place::default();
        assert!(!gate.poll(&mut late));
        let other = spawn(&gate, |gate| { gate.release(); gate.locked() });
        gate.release();
        block_on(poll_fn(|cx| gate.permits.poll_acquire(&mut late, cx)));
        other.join().unwrap();
        gate.release();
    }
}

model! {
    /// Nothing but the place connects the releaser with the next holder.
    wait_handover(threads = 2, bound = 3, claim = "the place carries the last holder's writes") {
        let gate = Guarded::new(0);
        gate.permits.queue.get();
        let other = spawn(&gate, |gate| { gate.touch(); gate.release() });
        let mut at = Place::default();
        while !gate.poll(&mut at) {
            thread::yield_now();
        }
        gate.touch();
        other.join().unwrap();
    }
}

model! {
    /// A permit that is taken without waiting brings the last holder's writes, too.
    wait_try_acquire(threads = 3, bound = 3, claim = "a free permit carries the last holder's writes") {
        let lock = Guarded::new(1);
        let threads = [(); 2].map(|()| spawn(&lock, |lock| {
            if lock.permits.try_acquire() {
                lock.touch();
                lock.permits.release();
            }
        }));
        if lock.permits.try_acquire() {
            lock.touch();
            lock.release();
        }
        join_all(threads);
    }
}

model! {
    /// The first waiter and the first granter both make the queue.
    wait_make_queue(threads = 3, bound = 2, claim = "one queue is made, the loser's is freed") {
        let gate = Guarded::new(0);
        let threads = [spawn(&gate, Guarded::acquire), spawn(&gate, Guarded::acquire)];
        gate.release();
        gate.release();
        join_all(threads);
    }
}

model! {
    /// Leaving with a swept run in front: the permit skips it in one step.
    wait_skip_run(threads = 2, bound = 3, claim = "a swept run is skipped and counted exactly") {
        let gate = Guarded::new(0);
        for _ in 0..4 {
            assert!(!gate.try_once());
        }
        let other = spawn(&gate, |gate| { gate.release() });
        let got = gate.try_once();
        other.join().unwrap();
        if got {
            gate.release();
        }
        assert!(gate.try_once(), "the permit was lost");
        assert_eq!(gate.permits.available(), 0);
    }
}

model! {
    /// The holder of the only permit opens the gate while others come and wait.
    wait_open(threads = 3, bound = 2, claim = "whoever comes through the open gate sees what was done before") {
        let gate = Guarded::new(0);
        let look = |gate: &Guarded| {
            gate.acquire();
            // SAFETY: the model's claim.
            gate.data.with(|data| assert_eq!(unsafe { *data }, 1));
        };
        let threads = [spawn(&gate, look), spawn(&gate, move |gate| if gate.try_once() { look(gate) })];
        gate.touch();
        gate.permits.open();
        join_all(threads);
    }
}

/// The models' wakers may be compared without harm.
#[test]
fn noop_waker_is_shared() {
    let context = Context::from_waker(Waker::noop());
    assert!(context.waker().will_wake(Waker::noop()));
}
