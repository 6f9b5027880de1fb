//! Models of the weighted counter: permits are conserved, demands met in order, whoever leaves.

use super::{Shut, Weighted};
use crate::model;
use crate::shim::cell::UnsafeCell;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};
use crate::wait::queue::Place;
use std::future::poll_fn;
use std::task::Poll;

/// Data that whoever holds permits may look at, and whoever holds all may change.
struct Guarded {
    permits: Weighted,
    data: UnsafeCell<usize>,
}

// SAFETY: the models take as many permits as their use of `data` needs; loom checks it.
unsafe impl Sync for Guarded {}
// SAFETY: as above.
unsafe impl Send for Guarded {}

impl Guarded {
    fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { permits: Weighted::new(count), data: UnsafeCell::new(0) })
    }

    fn take(&self, n: usize) -> Result<(), Shut> {
        let mut at = Place::default();
        block_on(poll_fn(|cx| self.permits.poll_take(&mut at, n, cx)))
    }

    /// One poll, then leaves; true if the permits came in time and are kept.
    fn try_once(&self, n: usize) -> bool {
        let mut at = Place::default();
        let got = poll_once(|cx| self.permits.poll_take(&mut at, n, cx));
        self.permits.leave(&mut at, n);
        matches!(got, Poll::Ready(Ok(())))
    }

    fn start(&self, n: usize) -> Place {
        let mut at = Place::default();
        assert!(poll_once(|cx| self.permits.poll_take(&mut at, n, cx)).is_pending());
        at
    }

    fn write(&self) {
        self.data.with_mut(|data| {
            // SAFETY: the model's claim.
            unsafe { *data += 1 };
        });
    }

    fn read(&self) {
        self.data.with(|data| {
            // SAFETY: the model's claim.
            std::hint::black_box(unsafe { *data });
        });
    }

    /// At the end exactly `free` permits can be taken, and nothing is on its way for nobody.
    fn settle(&self, free: usize) {
        assert_eq!(self.permits.available(), free, "permits were lost or made");
        assert!(self.permits.try_take(free).is_ok_and(|taken| taken));
        let mut last = self.start(1);
        self.permits.release(1);
        let got = poll_once(|cx| self.permits.poll_take(&mut last, 1, cx));
        assert!(matches!(got, Poll::Ready(Ok(()))), "a permit went astray");
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
    /// Two demands, two deliveries of other sizes.
    weighted_two_by_two(threads = 3, bound = 2, claim = "demands are met by deliveries of any size") {
        let gate = Guarded::new(0);
        let threads = [
            spawn(&gate, |gate| gate.take(2).unwrap()),
            spawn(&gate, |gate| { gate.permits.release(1) }),
        ];
        gate.permits.release(4);
        gate.take(3).unwrap();
        join_all(threads);
        gate.settle(0);
    }
}

model! {
    /// Readers share, a writer excludes, in any order.
    weighted_readers_writer(threads = 3, bound = 2, claim = "all permits exclude, one does not; writes are seen") {
        let lock = Guarded::new(2);
        let read = |lock: &Guarded| { lock.take(1).unwrap(); lock.read(); lock.permits.release(1) };
        let threads = [spawn(&lock, read), spawn(&lock, |lock| {
            lock.take(2).unwrap();
            lock.write();
            lock.permits.release(2);
        })];
        read(&lock);
        join_all(threads);
        lock.settle(2);
    }
}

model! {
    /// Two writers: nothing but the permits connects them.
    weighted_two_writers(threads = 2, bound = 3, claim = "permits carry their holders' writes") {
        let lock = Guarded::new(2);
        let write = |lock: &Guarded| { lock.take(2).unwrap(); lock.write(); lock.permits.release(2) };
        let other = spawn(&lock, move |lock| { write(lock); write(lock) });
        write(&lock);
        if lock.permits.try_take(2).is_ok_and(|taken| taken) {
            lock.write();
            assert!(lock.permits.release_below(2, 2));
        }
        other.join().unwrap();
        assert!(!lock.permits.release_below(1, 2));
        lock.settle(2);
    }
}

model! {
    /// One that waits and one that only tries.
    weighted_try_one(threads = 2, bound = 3, claim = "a permit that is taken without a place carries its holder's writes") {
        let lock = Guarded::new(1);
        let other = spawn(&lock, |lock| { lock.take(1).unwrap(); lock.write(); lock.permits.release(1) });
        if lock.permits.try_take_one() {
            lock.write();
            lock.permits.release(1);
        }
        other.join().unwrap();
        lock.settle(1);
    }
}

model! {
    /// A grant is seen by a poll, without a wake-up in between.
    weighted_handover(threads = 2, bound = 3, claim = "a place carries its bringers' writes") {
        let gate = Guarded::new(0);
        let _ = gate.try_once(1);
        let other = spawn(&gate, |gate| { gate.write(); gate.permits.release(1); gate.permits.release(1) });
        let mut at = Place::default();
        while poll_once(|cx| gate.permits.poll_take(&mut at, 2, cx)).is_pending() {
            thread::yield_now();
        }
        gate.write();
        other.join().unwrap();
        gate.settle(0);
    }
}

model! {
    /// A large demand leaves while permits for it are on their way; a small one waits behind.
    weighted_leave_deliver(threads = 3, bound = 2, claim = "permits for a demand that leaves reach the next") {
        let gate = Guarded::new(0);
        let mut large = gate.start(3);
        let threads = [
            spawn(&gate, |gate| { gate.write(); gate.permits.release(2) }),
            spawn(&gate, |gate| { gate.take(1).unwrap(); gate.read() }),
        ];
        gate.permits.leave(&mut large, 3);
        join_all(threads);
        gate.settle(1);
    }
}

model! {
    /// A demand leaves that was met already; another one waits behind.
    weighted_leave_met(threads = 3, bound = 2, claim = "permits of a demand that leaves bring their writes to the next") {
        let gate = Guarded::new(0);
        let mut first = gate.start(1);
        let threads = [
            spawn(&gate, |gate| { gate.write(); gate.permits.release(1) }),
            spawn(&gate, |gate| { gate.take(1).unwrap(); gate.write() }),
        ];
        gate.permits.leave(&mut first, 1);
        join_all(threads);
        gate.settle(0);
    }
}

model! {
    /// Two demands leave while three permits arrive.
    weighted_two_leave(threads = 3, bound = 2, claim = "quotas are paid exactly") {
        let gate = Guarded::new(0);
        let mut first = gate.start(2);
        let second = gate.start(2);
        let threads = [
            spawn(&gate, |gate| gate.permits.release(3)),
            spawn(&gate, move |gate| { let mut at = second; gate.permits.leave(&mut at, 2) }),
        ];
        gate.permits.leave(&mut first, 2);
        join_all(threads);
        gate.settle(3);
    }
}

model! {
    /// A demand comes and goes in front of another, with one permit free from the start.
    weighted_partial(threads = 3, bound = 2, claim = "a partly met demand that leaves gives its part back") {
        let gate = Guarded::new(1);
        let threads = [
            spawn(&gate, |gate| if gate.try_once(2) { gate.permits.release(2) }),
            spawn(&gate, |gate| gate.permits.release(1)),
        ];
        gate.take(2).unwrap();
        join_all(threads);
        gate.settle(0);
    }
}

model! {
    /// Two large demands and a holder that leaves: places are taken in another order than demands.
    weighted_parts(threads = 3, bound = 3, claim = "two demands never each hold what the other lacks") {
        let gate = Guarded::new(2);
        assert!(gate.permits.try_take(1).is_ok_and(|taken| taken));
        let both = |gate: &Guarded| { gate.take(2).unwrap(); gate.write(); gate.permits.release(2) };
        let threads = [spawn(&gate, both), spawn(&gate, both)];
        gate.permits.release(1);
        join_all(threads);
        gate.settle(2);
    }
}

model! {
    /// Demands come and go; the last one is met, and the segments are freed.
    weighted_sweep(threads = 2, bound = 3, claim = "places that were left are swept, deliveries walk over them") {
        let gate = Guarded::new(0);
        let other = spawn(&gate, |gate| {
            for _ in 0..2 {
                if gate.try_once(1) {
                    gate.permits.release(1);
                }
            }
        });
        let _ = gate.try_once(2);
        gate.permits.release(1);
        other.join().unwrap();
        assert!(gate.permits.live_segments() <= 4);
        gate.settle(1);
    }
}

model! {
    /// Closing meets a waiter, a newcomer and a release.
    weighted_shut(threads = 3, bound = 2, claim = "closing tells everybody who waits or comes, and keeps the count") {
        let gate = Guarded::new(0);
        let waits = |gate: &Guarded| {
            if gate.take(1).is_ok() {
                gate.permits.release(1);
            }
        };
        let threads = [spawn(&gate, waits), spawn(&gate, |gate| gate.permits.release(1))];
        gate.permits.shut();
        join_all(threads);
        assert!(gate.take(1).is_err());
        assert_eq!(gate.permits.available(), 1);
    }
}

model! {
    /// A waiter changes its waker while the counter is closed.
    weighted_shut_repoll(threads = 2, bound = 3, claim = "closing does not miss a waker that is being replaced") {
        let gate = Guarded::new(0);
        let mut at = gate.start(1);
        let other = spawn(&gate, |gate| gate.permits.shut());
        let told = block_on(poll_fn(|cx| gate.permits.poll_take(&mut at, 1, cx)));
        assert!(told.is_err());
        other.join().unwrap();
        assert_eq!(gate.permits.available(), 0);
    }
}

model! {
    /// A newcomer and the closer, with nothing else in between.
    weighted_shut_newcomer(threads = 2, bound = 3, claim = "a newcomer is told, or seen by the closer") {
        let gate = Guarded::new(0);
        let _ = gate.try_once(1);
        let other = spawn(&gate, |gate| assert!(gate.take(1).is_err()));
        gate.permits.shut();
        other.join().unwrap();
    }
}

model! {
    /// A permit arrives at a place that has been told of the close.
    weighted_shut_handover(threads = 2, bound = 3, claim = "a permit that beats the news of the close brings its writes") {
        let gate = Guarded::new(0);
        let mut at = gate.start(1);
        let other = spawn(&gate, |gate| { gate.write(); gate.permits.release(1) });
        gate.permits.shut();
        match poll_once(|cx| gate.permits.poll_take(&mut at, 1, cx)) {
            Poll::Ready(Ok(())) => gate.read(),
            Poll::Ready(Err(Shut)) => {}
            // The permit's bringer was first, and is about to wake us.
            Poll::Pending => {
                block_on(poll_fn(|cx| gate.permits.poll_take(&mut at, 1, cx))).unwrap();
                gate.read();
            }
        }
        other.join().unwrap();
    }
}
