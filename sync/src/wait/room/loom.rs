//! Models of permits with a seat: conserved, handed on in order, whoever leaves.

use super::{At, Room, Shut};
use crate::model;
use crate::shim::cell::UnsafeCell;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};
use std::future::poll_fn;
use std::task::{Context, Poll, Wake, Waker};

/// Wakes nobody, and is not `Waker::noop`.
struct Nothing;

impl Wake for Nothing {
    fn wake(self: std::sync::Arc<Self>) {}
}

/// Data for whoever holds the one permit.
struct Guarded {
    room: Room,
    data: UnsafeCell<usize>,
}

// SAFETY: the models use `data` while they hold the permit; loom checks it.
unsafe impl Sync for Guarded {}
// SAFETY: as above.
unsafe impl Send for Guarded {}

impl Guarded {
    /// With one permit, which somebody has.
    fn new() -> Arc<Self> {
        let guarded = Self { room: Room::new(1), data: UnsafeCell::new(0) };
        assert!(guarded.room.try_take().is_ok_and(|taken| taken));
        Arc::new(guarded)
    }

    fn poll(&self, at: &mut At) -> Poll<Result<(), Shut>> {
        poll_once(|cx| self.room.poll_take(at, cx))
    }

    fn finish(&self, at: &mut At) -> Result<(), Shut> {
        block_on(poll_fn(|cx| self.room.poll_take(at, cx)))
    }

    fn take(&self) -> Result<(), Shut> {
        self.finish(&mut At::default())
    }

    /// One poll, then leaves; true if the permit came in time and is kept.
    fn try_once(&self) -> bool {
        let mut at = At::default();
        let got = self.poll(&mut at);
        self.room.leave(&mut at);
        matches!(got, Poll::Ready(Ok(())))
    }

    fn start(&self) -> At {
        let mut at = At::default();
        assert!(self.poll(&mut at).is_pending());
        at
    }

    fn write(&self) {
        self.data.with_mut(|data| {
            // SAFETY: the model's claim.
            unsafe { *data += 1 };
        });
    }

    /// Writes, and gives the permit back.
    fn pass(&self) {
        self.write();
        self.room.release();
    }

    /// At the end exactly `free` permits can be taken, and nothing is on its way for nobody.
    fn settle(&self, free: usize) {
        assert_eq!(self.room.available(), free, "permits were lost or made");
        for _ in 0..free {
            assert!(self.room.try_take().is_ok_and(|taken| taken));
        }
        let (mut first, mut second) = (self.start(), self.start());
        self.room.release();
        assert!(self.poll(&mut second).is_pending(), "out of order");
        assert!(matches!(self.poll(&mut first), Poll::Ready(Ok(()))), "a permit went astray");
        self.room.leave(&mut second);
        self.room.release();
        assert_eq!(self.room.available(), 1);
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
    /// Two who take in turn: nothing but the permit connects them.
    room_two(threads = 2, bound = 3, claim = "a permit carries its holders' writes, by the seat or by the word") {
        let gate = Guarded::new();
        let other = spawn(&gate, |gate| for _ in 0..2 { gate.take().unwrap(); gate.pass() });
        gate.pass();
        gate.take().unwrap();
        gate.pass();
        other.join().unwrap();
        gate.settle(1);
    }
}

model! {
    /// Three meet: one has the permit, one sits, one is in the queue.
    room_three(threads = 3, bound = 2, claim = "nobody is forgotten beside the seat") {
        let gate = Guarded::new();
        let both = |gate: &Guarded| { gate.take().unwrap(); gate.pass() };
        let threads = [spawn(&gate, both), spawn(&gate, both)];
        gate.pass();
        gate.take().unwrap();
        gate.pass();
        join_all(threads);
        gate.settle(1);
    }
}

model! {
    /// A permit is seen by a poll, without a wake-up in between; the seat is wanted again at once.
    room_again(threads = 2, bound = 3, claim = "a seat is not taken again before the last waker is out") {
        let gate = Guarded::new();
        let mut at = gate.start();
        let other = spawn(&gate, |gate| {
            gate.pass();
            gate.take().unwrap();
            gate.pass();
        });
        while gate.poll(&mut at).is_pending() {
            thread::yield_now();
        }
        gate.pass();
        gate.take().unwrap();
        gate.pass();
        other.join().unwrap();
        gate.settle(1);
    }
}

model! {
    /// Two holders of the seat come and go beside a release that is slow to take the first waker out.
    room_slow_wake(threads = 3, bound = 2, claim = "whoever takes the seat does so after the last waker was read") {
        let gate = Guarded::new();
        let mut at = gate.start();
        let threads = [
            spawn(&gate, |gate| gate.pass()),
            spawn(&gate, |gate| { let _ = gate.try_once() && { gate.pass(); true }; }),
        ];
        if gate.poll(&mut at).is_pending() {
            gate.finish(&mut at).unwrap();
        }
        gate.write();
        let mut next = gate.start();
        gate.room.release();
        gate.finish(&mut next).unwrap();
        gate.pass();
        join_all(threads);
        gate.settle(1);
    }
}

model! {
    /// One comes and goes while another one sits, has its permit and goes before its waker was taken.
    room_seat_race(threads = 3, bound = 3, claim = "who claims a seat looks then whether a waker is still there") {
        let gate = Guarded::new();
        let threads = [
            spawn(&gate, |gate| if gate.try_once() { gate.pass() }),
            spawn(&gate, Guarded::pass),
        ];
        let mut at = At::default();
        while gate.poll(&mut at).is_pending() {
            thread::yield_now();
        }
        gate.pass();
        join_all(threads);
        gate.settle(1);
    }
}

model! {
    /// The holder of the seat leaves while the permit arrives; another one waits behind.
    room_seat_leaves(threads = 3, bound = 2, claim = "a permit for a seat that is left reaches the next") {
        let gate = Guarded::new();
        let mut first = gate.start();
        let threads = [
            spawn(&gate, Guarded::pass),
            spawn(&gate, |gate| { gate.take().unwrap(); gate.pass() }),
        ];
        gate.room.leave(&mut first);
        join_all(threads);
        gate.settle(1);
    }
}

model! {
    /// A place in the queue is left while its permit is on the way; a newcomer may sit.
    room_place_leaves(threads = 3, bound = 2, claim = "a permit for a place that is left reaches the next, who may sit") {
        let gate = Guarded::new();
        let mut first = gate.start();
        let mut second = gate.start();
        gate.room.release();
        assert!(matches!(gate.poll(&mut first), Poll::Ready(Ok(()))));
        let threads = [
            spawn(&gate, Guarded::pass),
            spawn(&gate, |gate| { gate.take().unwrap(); gate.pass() }),
        ];
        gate.room.leave(&mut second);
        join_all(threads);
        gate.settle(1);
    }
}

model! {
    /// Places come and go; the segments are freed, and a release walks over them.
    room_sweep(threads = 2, bound = 3, claim = "places that were left are swept, and each costs no permit") {
        let gate = Guarded::new();
        let mut first = gate.start();
        let other = spawn(&gate, |gate| for _ in 0..2 {
            if gate.try_once() {
                gate.room.release();
            }
        });
        let _ = gate.try_once() && { gate.room.release(); true };
        gate.room.release();
        gate.finish(&mut first).unwrap();
        gate.room.release();
        other.join().unwrap();
        assert!(gate.room.live_segments() <= 4);
        gate.settle(1);
    }
}

model! {
    /// The holder of the seat changes its waker while the permit arrives.
    room_repoll(threads = 2, bound = 3, claim = "the waker of the last poll is woken") {
        let gate = Guarded::new();
        let mut at = gate.start();
        let other = spawn(&gate, Guarded::pass);
        gate.finish(&mut at).unwrap();
        gate.write();
        other.join().unwrap();
        gate.settle(0);
    }
}

model! {
    /// As above, and leaves.
    room_repoll_leave(threads = 2, bound = 3, claim = "a waker that is being replaced is dropped once, and the permit goes on") {
        let gate = Guarded::new();
        let mut at = gate.start();
        let other = spawn(&gate, Guarded::pass);
        let waker = Waker::from(std::sync::Arc::new(Nothing));
        let came = gate.room.poll_take(&mut at, &mut Context::from_waker(&waker)).is_ready();
        gate.room.leave(&mut at);
        other.join().unwrap();
        gate.settle(usize::from(!came));
    }
}

model! {
    /// Shutting meets one who sits, a newcomer and a release.
    room_shut(threads = 3, bound = 2, claim = "shutting tells everybody who waits or comes, and keeps the count") {
        let gate = Guarded::new();
        let mut at = gate.start();
        let threads = [
            spawn(&gate, |gate| if gate.take().is_ok() { gate.pass() }),
            spawn(&gate, Guarded::pass),
        ];
        gate.room.shut();
        if gate.finish(&mut at).is_ok() {
            gate.pass();
        }
        join_all(threads);
        assert!(gate.take().is_err());
        assert_eq!(gate.room.available(), 1);
    }
}

model! {
    /// Shutting meets places in the queue, of which one is left.
    room_shut_places(threads = 2, bound = 3, claim = "as many places are told as were counted") {
        let gate = Guarded::new();
        let (mut first, mut second, mut third) = (gate.start(), gate.start(), gate.start());
        let other = spawn(&gate, Guarded::pass);
        gate.room.leave(&mut second);
        gate.room.shut();
        for at in [&mut first, &mut third] {
            if gate.finish(at).is_ok() {
                gate.pass();
            }
        }
        other.join().unwrap();
        assert_eq!(gate.room.available(), 1);
    }
}

model! {
    /// The holder of the seat changes its waker while the counter is shut.
    room_shut_repoll(threads = 2, bound = 3, claim = "shutting does not miss a waker that is being replaced") {
        let gate = Guarded::new();
        let mut at = gate.start();
        let other = spawn(&gate, |gate| gate.room.shut());
        assert!(gate.finish(&mut at).is_err());
        other.join().unwrap();
        assert_eq!(gate.room.available(), 0);
    }
}

model! {
    /// One who sat was told, and leaves without having looked.
    room_shut_leave(threads = 2, bound = 3, claim = "who is told that the counter is shut gives nothing back") {
        let gate = Guarded::new();
        let mut at = gate.start();
        let other = spawn(&gate, |gate| gate.room.shut());
        gate.room.leave(&mut at);
        other.join().unwrap();
        assert_eq!(gate.room.available(), 0);
        gate.room.release();
        assert_eq!(gate.room.available(), 1);
    }
}
