//! Models of the readiness word together with the waker cells: tasks that read and write, a kernel
//! that announces each change once, and pollers that deliver the announcement.
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::task::{Poll, Wake, Waker};

use corio_sync::model;
use corio_sync::shim::atomic::{AtomicBool, AtomicUsize};
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

use super::{Direction, Proof, Ready};
use crate::reactor::record::{Attempt, Record};

/// Wakes the thread that polls.
struct Unparker {
    woken: AtomicBool,
    thread: thread::Thread,
}

impl Wake for Unparker {
    fn wake(self: std::sync::Arc<Self>) {
        self.woken.swap(true, AcqRel);
        self.thread.unpark();
    }
}

/// Polls until ready; deadlocks if a wake-up is lost.
///
/// Not for the model's main thread: a late `unpark` would end its `join` (a limit of loom).
fn block_on<R>(mut poll: impl FnMut(&Waker) -> Poll<R>) -> R {
    let unparker = Unparker { woken: AtomicBool::new(false), thread: thread::current() };
    let unparker = std::sync::Arc::new(unparker);
    let waker = Waker::from(unparker.clone());
    loop {
        if let Poll::Ready(result) = poll(&waker) {
            return result;
        }
        while !unparker.woken.swap(false, AcqRel) {
            thread::park();
        }
    }
}

/// A source with the kernel's side of it.
struct Source {
    record: Record,
    /// How many bytes the peer has sent. Relaxed everywhere: what orders the reader behind the
    /// sender has to be the event.
    sent: AtomicUsize,
}

impl Source {
    fn new() -> Arc<Self> {
        Arc::new(Self { record: Record::new(), sent: AtomicUsize::new(0) })
    }

    fn deliver(&self, ready: Ready) {
        self.record.event(0, ready, Waker::wake);
    }

    /// A peer and a poller in one: a byte arrives and is announced.
    fn send(&self, total: usize) {
        self.sent.store(total, Relaxed);
        self.deliver(Ready::READ);
    }

    /// A thread that reads until `total` bytes are there; its reads come up short or block.
    fn reader(source: &Arc<Self>, total: usize) -> thread::JoinHandle<()> {
        let source = source.clone();
        thread::spawn(move || source.read(total))
    }

    fn read(&self, total: usize) {
        let mut read = 0;
        while read < total {
            read += block_on(|waker| {
                let cell = self.record.waiters.inline(Direction::Read);
                self.record.poll(
                    Direction::Read,
                    || cell,
                    waker,
                    || true,
                    |_| match self.sent.load(Relaxed) - read {
                        0 => Attempt::WouldBlock,
                        new => Attempt::Short(new),
                    },
                )
            });
        }
    }
}

model! {
    /// Two bytes arrive while the reader reads, finds nothing, clears and sleeps.
    readiness_clear_and_event(
        threads = 2, bound = 3,
        claim = "a reader never sleeps on what was announced to it, whenever it clears"
    ) {
        let source = Source::new();
        let reader = Source::reader(&source, 2);
        source.send(1);
        source.send(2);
        reader.join().unwrap();
    }
}

model! {
    /// A task that waits on a node of its own, which the event has to find.
    readiness_arm_and_walk(
        threads = 2, bound = 3,
        claim = "an event that finds WAIT finds the waiter, though it joined only just before"
    ) {
        let source = Source::new();
        let reader = {
            let source = source.clone();
            thread::spawn(move || {
                let node = source.record.waiters.claim(Direction::Read);
                // SAFETY: the node lives as long as the source.
                let cell = unsafe { &node.as_ref().cell };
                block_on(|waker| {
                    source.record.poll(Direction::Read, || cell, waker, || true, |_| {
                        match source.sent.load(Relaxed) {
                            0 => Attempt::WouldBlock,
                            _ => Attempt::Done(()),
                        }
                    })
                });
            })
        };
        source.send(1);
        reader.join().unwrap();
    }
}

model! {
    /// The owner and a thread that adopted its poller deliver at one time.
    readiness_two_pollers(
        threads = 3, bound = 2,
        claim = "events delivered by two pollers at a time reach the reader, in whatever order"
    ) {
        let source = Source::new();
        let reader = Source::reader(&source, 3);
        let deliver = |source: &Source, bytes| {
            source.sent.fetch_add(bytes, Relaxed);
            source.deliver(Ready::READ);
        };
        let adopter = {
            let source = source.clone();
            thread::spawn(move || deliver(&source, 2))
        };
        deliver(&source, 1);
        adopter.join().unwrap();
        reader.join().unwrap();
    }
}

model! {
    /// The tick is about to wrap when the reader looks.
    readiness_tick_wraps(
        threads = 2, bound = 3,
        claim = "an event between the call and the clear counts although the tick wraps to 0"
    ) {
        let source = Source::new();
        for _ in 0..super::TICK_MASK {
            source.deliver(Ready::READ);
        }
        let reader = Source::reader(&source, 1);
        source.send(1);
        reader.join().unwrap();
    }
}

model! {
    /// A reader and a writer wait for one source.
    readiness_both_directions(
        threads = 3, bound = 2,
        claim = "an event of one direction neither hides nor undoes one of the other"
    ) {
        let source = Source::new();
        let room = Arc::new(AtomicUsize::new(0));
        let writer = {
            let (source, room) = (source.clone(), room.clone());
            thread::spawn(move || block_on(|waker| {
                let cell = source.record.waiters.inline(Direction::Write);
                source.record.poll(Direction::Write, || cell, waker, || true, |_| {
                    if room.load(Relaxed) == 1 { Attempt::Done(()) } else { Attempt::WouldBlock }
                })
            }))
        };
        let reader = Source::reader(&source, 1);
        source.send(1);
        room.store(1, Relaxed);
        source.deliver(Ready::WRITE);
        reader.join().unwrap();
        writer.join().unwrap();
    }
}

model! {
    /// The last byte and the FIN are announced together.
    readiness_fin(
        threads = 2, bound = 3,
        claim = "a short read does not clear the announcement of the end of the stream"
    ) {
        let source = Source::new();
        // A read returns one byte, or the end as byte 2, and comes up short each time.
        let reader = {
            let source = source.clone();
            thread::spawn(move || for read in 0..2 {
                block_on(|waker| {
                    let cell = source.record.waiters.inline(Direction::Read);
                    source.record.poll(Direction::Read, || cell, waker, || true, |_| {
                        if source.sent.load(Relaxed) > read {
                            Attempt::Short(())
                        } else {
                            Attempt::WouldBlock
                        }
                    })
                });
            })
        };
        source.sent.store(2, Relaxed);
        source.deliver(Ready::READ.and(Ready::READ_CLOSED));
        reader.join().unwrap();
    }
}

model! {
    /// A record is given to its next source while an event for the last one is delivered.
    readiness_generation(
        threads = 2, bound = 3,
        claim = "an event for the last source of a record does not touch the next one"
    ) {
        let source = Source::new();
        let seen = source.record.readiness.load();
        source.record.readiness.clear(Direction::Read, seen, Proof::WouldBlock);
        let poller = {
            let source = source.clone();
            thread::spawn(move || source.deliver(Ready::READ.and(Ready::READ_CLOSED)))
        };
        assert_eq!(source.record.readiness.renew(), 1);
        let seen = source.record.readiness.load();
        source.record.readiness.clear(Direction::Read, seen, Proof::WouldBlock);
        poller.join().unwrap();
        let state = source.record.readiness.load();
        assert!(!state.is_ready(Direction::Read) && !state.is_closed(Direction::Read));
        assert_eq!(state.generation(), 1);
    }
}

/// The kernel's side of a direction: room comes once, and is announced if somebody has asked, or to
/// who asks then. Relaxed everywhere: what orders the writer behind the peer has to be the event.
struct Room {
    record: Record,
    kernel: AtomicUsize,
}

impl Room {
    const ROOM: usize = 1;
    const ASKED: usize = 2;

    fn new() -> Arc<Self> {
        Arc::new(Self { record: Record::new(), kernel: AtomicUsize::new(0) })
    }

    fn change(&self, mine: usize, other: usize) {
        if self.kernel.fetch_or(mine, Relaxed) & other != 0 {
            self.record.event(0, Ready::WRITE, Waker::wake);
        }
    }

    fn make_room(&self) {
        self.change(Self::ROOM, Self::ASKED);
    }

    /// The system promises to tell.
    fn ask(&self) -> bool {
        if self.kernel.load(Relaxed) & Self::ASKED == 0 {
            self.change(Self::ASKED, Self::ROOM);
        }
        true
    }

    fn has_room(&self) -> bool {
        self.kernel.load(Relaxed) & Self::ROOM != 0
    }

    /// A call that does not wait, by somebody who cannot ask.
    fn try_once(&self) {
        let seen = self.record.readiness.load();
        if !self.has_room() {
            self.record.readiness.clear(Direction::Write, seen, Proof::WouldBlock);
        }
    }
}

model! {
    /// A call that does not wait clears what the kernel was never asked about, while a task tries
    /// and goes to sleep.
    readiness_promise(
        threads = 3, bound = 2,
        claim = "nobody sleeps on a bit that was cleared before the system promised to set it again"
    ) {
        let room = Room::new();
        let writer = {
            let room = room.clone();
            thread::spawn(move || block_on(|waker| {
                let cell = room.record.waiters.inline(Direction::Write);
                room.record.poll(Direction::Write, || cell, waker, || room.ask(), |_| {
                    if room.has_room() {
                        return Attempt::Done(());
                    }
                    room.ask();
                    Attempt::WouldBlock
                })
            }))
        };
        let peer = {
            let room = room.clone();
            thread::spawn(move || room.make_room())
        };
        room.try_once();
        peer.join().unwrap();
        writer.join().unwrap();
    }
}

model! {
    /// The same for a task that waits for room and makes no call.
    readiness_promise_ready(
        threads = 3, bound = 2,
        claim = "who waits until a call is worth trying has the system's promise before it sleeps"
    ) {
        let room = Room::new();
        let writer = {
            let room = room.clone();
            thread::spawn(move || block_on(|waker| {
                let cell = room.record.waiters.inline(Direction::Write);
                let promised = || Ok(room.ask());
                room.record.poll_ready(Direction::Write, || cell, waker, promised)
            }).map(drop))
        };
        let peer = {
            let room = room.clone();
            thread::spawn(move || room.make_room())
        };
        room.try_once();
        peer.join().unwrap();
        writer.join().unwrap().unwrap();
    }
}
