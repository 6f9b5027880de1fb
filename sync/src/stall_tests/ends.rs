//! The rare steps of channels: a new block, a seat that is used again, the last sender, another waker.

use super::channels::{Announced, Unbounded, Watched, WatchedOf, hears_change};
use super::edges::{asleep, other_waker, poll_anew};
use super::{Plan, glance, held, ready};
use crate::waker_slot::WakerSlot;
use crate::{broadcast, mpsc, oneshot, watch};
use std::sync::Mutex;
use std::task::Waker;

fn sends(ends: &Unbounded) {
    ready();
    (0..3).for_each(|value| _ = ends.sender.send(value));
}

#[test]
fn stall_mpsc_blocks() {
    Plan {
        name: "stall_mpsc_blocks",
        claim: "sends go on beside one that has stopped on its way to a new block",
        make: || Unbounded::new(mpsc::unbounded()),
        victim: |ends| held(|| (0..7).for_each(|value| _ = ends.sender.send(value))),
        others: [sends, sends],
        after: |ends| drop(ends.receiver()),
    }
    .run();
}

#[test]
fn stall_mpsc_receives_blocks() {
    Plan {
        name: "stall_mpsc_receives_blocks",
        claim: "sends go on beside a receiver that uses blocks again",
        make: || Unbounded::new(mpsc::unbounded()),
        victim: |ends| {
            let mut receiver = ends.receiver();
            (0..7).for_each(|value| ends.sender.send(value).unwrap());
            held(|| {
                (0..7).for_each(|_| _ = receiver.try_recv().unwrap());
                glance(receiver.recv());
                _ = receiver.try_recv();
                assert!(!ends.sender.is_closed());
            });
            ends.back(receiver);
        },
        others: [sends, sends],
        after: |ends| drop(ends.receiver()),
    }
    .run();
}

#[test]
fn stall_mpsc_more_senders() {
    Plan {
        name: "stall_mpsc_more_senders",
        claim: "sends go on beside a sender that comes and goes",
        make: || Unbounded::new(mpsc::unbounded()),
        victim: |ends| {
            held(|| {
                let weak = ends.sender.clone().downgrade();
                drop(weak.upgrade());
            });
        },
        others: [sends, sends],
        after: |ends| drop(ends.receiver()),
    }
    .run();
}

/// The only sender, for whoever takes it.
struct Last<S, R>(Mutex<Option<S>>, Mutex<Option<R>>);

impl<S, R> Last<S, R> {
    fn new((sender, receiver): (S, R)) -> Self {
        Self(Mutex::new(Some(sender)), Mutex::new(Some(receiver)))
    }

    fn sender(&self) -> S {
        self.0.lock().unwrap().take().unwrap()
    }

    fn receiver(&self) -> R {
        self.1.lock().unwrap().take().unwrap()
    }
}

#[test]
fn stall_broadcast_last_sender() {
    Plan {
        name: "stall_broadcast_last_sender",
        claim: "receivers look and leave beside a last sender that is going",
        make: || Last::new(broadcast::channel::<u8>(4)),
        victim: |ends| {
            let sender = ends.sender();
            held(|| drop((sender.clone(), sender)));
        },
        others: [
            |ends| {
                let mut receiver = ends.receiver();
                glance(receiver.recv());
                ready();
                glance(receiver.recv());
            },
            |_| ready(),
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_broadcast_pushes_out() {
    Plan {
        name: "stall_broadcast_pushes_out",
        claim: "sends and looks go on beside a send that pushes out a value, or a whole run",
        make: || Announced::new(broadcast::channel(2)),
        victim: |ends| held(|| (0..5).for_each(|value| _ = ends.sender.send(value))),
        others: [
            |ends| {
                ready();
                (0..3).for_each(|value| _ = ends.sender.send(value));
            },
            |ends| {
                let mut receiver = ends.receiver();
                ready();
                (0..3).for_each(|_| _ = receiver.try_recv());
                ends.back(receiver);
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_broadcast_look() {
    Plan {
        name: "stall_broadcast_look",
        claim: "senders and receivers go on beside a receiver that looks",
        make: || Announced::new(broadcast::channel(2)),
        victim: |ends| {
            let mut receiver = ends.receiver();
            (0..4).for_each(|value| _ = ends.sender.send(value).unwrap());
            held(|| {
                // It has lagged; then there is a value, unless others send more; then a seat that
                // was left before.
                assert!(receiver.try_recv().is_err());
                _ = receiver.try_recv();
                for _ in 0..2 {
                    let mut late = ends.sender.subscribe();
                    glance(late.recv());
                }
            });
            ends.back(receiver);
        },
        others: [
            |ends| {
                ready();
                ends.sender.send(5).unwrap();
            },
            |ends| {
                ready();
                glance(ends.sender.subscribe().recv());
            },
        ],
        after: |_| {},
    }
    .run();
}

type WatchedBoxes = WatchedOf<Box<u8>>;

#[test]
fn stall_watch_send_owned() {
    Plan {
        name: "stall_watch_send_owned",
        claim: "a send of a value with a node of its own keeps nobody from sending and looking",
        make: || WatchedBoxes::new(watch::channel(Box::new(0))),
        victim: |ends| held(|| ends.sender.send(Box::new(1)).unwrap()),
        others: [
            |ends| {
                ready();
                ends.sender.send(Box::new(2)).unwrap();
                assert!(**ends.sender.borrow() > 0);
            },
            hears_change,
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_watch_last_sender() {
    Plan {
        name: "stall_watch_last_sender",
        claim: "receivers look and leave beside a last sender that is going",
        make: || Last::new(watch::channel(0)),
        victim: |ends| {
            let sender = ends.sender();
            held(|| drop((sender.clone(), sender)));
        },
        others: [
            |ends| {
                let mut receiver = ends.receiver();
                glance(receiver.changed());
                ready();
                glance(receiver.changed());
            },
            |_| ready(),
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_watch_seats() {
    Plan {
        name: "stall_watch_seats",
        claim: "a receiver that sits where another one sat keeps nobody from sending",
        make: || Watched::new(watch::channel(0)),
        victim: |ends| {
            let receiver = ends.receiver();
            held(|| {
                for _ in 0..2 {
                    glance(receiver.clone().changed());
                }
            });
            ends.back(receiver);
        },
        others: [
            |ends| {
                ready();
                ends.sender.send(1).unwrap();
            },
            |ends| {
                ready();
                glance(ends.sender.subscribe().changed());
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_oneshot_moves() {
    Plan {
        name: "stall_oneshot_moves",
        claim: "a sender sends beside a receiver that has moved to another task",
        make: || Last::new(oneshot::channel::<u8>()),
        victim: |ends| {
            let mut receiver = asleep(ends.receiver());
            held(|| _ = poll_anew(receiver.as_mut()));
        },
        others: [
            |ends| {
                let sender = ends.sender();
                ready();
                _ = sender.send(1);
            },
            |_| ready(),
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_waker_slot() {
    Plan {
        name: "stall_waker_slot",
        claim: "who leaves a waker, another one, and takes it back keeps nobody from waking it",
        make: WakerSlot::new,
        victim: |slot| {
            held(|| {
                slot.register(Waker::noop());
                slot.register(&other_waker());
                _ = format!("{slot:?}");
                drop(slot.take());
            });
        },
        others: [
            |slot| {
                ready();
                slot.wake();
            },
            |slot| {
                ready();
                drop(slot.take());
            },
        ],
        after: |_| {},
    }
    .run();
}
