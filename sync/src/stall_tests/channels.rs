//! Channels.

use super::{Plan, glance, held, held_join, held_leave, leave, ready, wait};
use crate::testing::{block_on, poll_once};
use crate::{broadcast, mpsc, oneshot, watch};
use std::pin::Pin;
use std::sync::Mutex;

/// The ends of a channel, each for one thread.
pub(super) struct Ends<S, R> {
    pub(super) sender: S,
    receiver: Mutex<Option<R>>,
}

impl<S, R> Ends<S, R> {
    pub(super) fn new((sender, receiver): (S, R)) -> Self {
        Self { sender, receiver: Mutex::new(Some(receiver)) }
    }

    /// Lends the receiver; it must come back, or the channel would close.
    pub(super) fn receiver(&self) -> R {
        self.receiver.lock().unwrap().take().unwrap()
    }

    pub(super) fn back(&self, receiver: R) {
        self.receiver.lock().unwrap().replace(receiver);
    }
}

pub(super) type Unbounded = Ends<mpsc::UnboundedSender<u8>, mpsc::UnboundedReceiver<u8>>;

#[test]
fn stall_mpsc_send() {
    Plan {
        name: "stall_mpsc_send",
        claim: "the receiver waits for a send whose place is the next",
        make: || Unbounded::new(mpsc::unbounded()),
        victim: |ends| held(|| ends.sender.send(1).unwrap()),
        others: [
            |ends| {
                ready();
                ends.sender.send(2).unwrap();
            },
            |ends| {
                let mut receiver = ends.receiver();
                ready();
                block_on(receiver.recv()).unwrap();
                ends.back(receiver);
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_mpsc_send_wakes() {
    Plan {
        name: "stall_mpsc_send_wakes",
        claim: "a receiver that sleeps waits for the send of the very next value",
        make: || Unbounded::new(mpsc::unbounded()),
        victim: |ends| held(|| ends.sender.send(1).unwrap()),
        others: [
            |ends| {
                ready();
                ends.sender.send(2).unwrap();
            },
            |ends| {
                let mut receiver = ends.receiver();
                wait(receiver.recv()).unwrap();
                ends.back(receiver);
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_mpsc_receive() {
    Plan {
        name: "stall_mpsc_receive",
        claim: "no send waits for the receiver",
        make: || {
            let ends = Unbounded::new(mpsc::unbounded());
            (0..3).for_each(|value| ends.sender.send(value).unwrap());
            ends
        },
        victim: |ends| {
            let mut receiver = ends.receiver();
            held(|| (0..4).for_each(|_| _ = receiver.try_recv()));
            ends.back(receiver);
        },
        others: [
            |ends| {
                ready();
                (0..3).for_each(|value| ends.sender.send(value).unwrap());
            },
            |ends| {
                ready();
                (0..3).for_each(|value| ends.sender.send(value).unwrap());
            },
        ],
        after: |_| {},
    }
    .run();
}

pub(super) type Bounded = Ends<mpsc::Sender<u8>, mpsc::Receiver<u8>>;

#[test]
fn stall_mpsc_bounded_receive() {
    Plan {
        name: "stall_mpsc_bounded_receive",
        claim: "senders use the room that is left beside a receiver that has stopped",
        make: || {
            let ends = Bounded::new(mpsc::channel(2));
            ends.sender.try_send(1).unwrap();
            ends
        },
        victim: |ends| {
            let mut receiver = ends.receiver();
            held(|| (0..2).for_each(|_| _ = receiver.try_recv()));
            ends.back(receiver);
        },
        others: [
            |ends| {
                ready();
                block_on(ends.sender.send(2)).unwrap();
            },
            |ends| {
                ready();
                drop(ends.sender.try_reserve());
            },
        ],
        after: |_| {},
    }
    .run();
}

type One = Ends<Mutex<Option<oneshot::Sender<u8>>>, oneshot::Receiver<u8>>;

fn one() -> One {
    let (sender, receiver) = oneshot::channel();
    Ends::new((Mutex::new(Some(sender)), receiver))
}

#[test]
fn stall_oneshot_send() {
    Plan {
        name: "stall_oneshot_send",
        claim: "a receiver closes and goes beside a send that has stopped",
        make: one,
        victim: |ends| {
            let sender = ends.sender.lock().unwrap().take().unwrap();
            held(|| _ = sender.send(1));
        },
        others: [
            |ends| {
                let mut receiver = ends.receiver();
                let _ = poll_once(|cx| Pin::new(&mut receiver).poll(cx));
                ready();
                receiver.close();
                let _ = receiver.try_recv();
            },
            |_| ready(),
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_oneshot_receiver_goes() {
    Plan {
        name: "stall_oneshot_receiver_goes",
        claim: "a sender sends beside a receiver that is going",
        make: one,
        victim: |ends| {
            let mut receiver = ends.receiver();
            let _ = poll_once(|cx| Pin::new(&mut receiver).poll(cx));
            held(|| drop(receiver));
        },
        others: [
            |ends| {
                let sender = ends.sender.lock().unwrap().take().unwrap();
                ready();
                let _ = sender.send(1);
            },
            |_| ready(),
        ],
        after: |_| {},
    }
    .run();
}

pub(super) type Announced = Ends<broadcast::Sender<u8>, broadcast::Receiver<u8>>;

#[test]
fn stall_broadcast_send() {
    Plan {
        name: "stall_broadcast_send",
        claim: "receivers wait for a send whose number is the next, other senders do not",
        make: || Announced::new(broadcast::channel(4)),
        victim: |ends| held(|| _ = ends.sender.send(1)),
        others: [
            |ends| {
                ready();
                ends.sender.send(2).unwrap();
            },
            |ends| {
                let mut receiver = ends.receiver();
                ready();
                block_on(receiver.recv()).unwrap();
                ends.back(receiver);
            },
        ],
        after: |_| {},
    }
    .run();
}

pub(super) type WatchedOf<T> = Ends<watch::Sender<T>, watch::Receiver<T>>;
pub(super) type Watched = WatchedOf<u8>;

/// Sleeps before the others begin, and is woken by a change.
pub(super) fn hears_change<T>(ends: &WatchedOf<T>) {
    let mut receiver = ends.receiver();
    let mut changed = Box::pin(receiver.changed());
    assert!(poll_once(|cx| changed.as_mut().poll(cx)).is_pending());
    ready();
    block_on(changed).unwrap();
    ends.back(receiver);
}

#[test]
fn stall_watch_send() {
    Plan {
        name: "stall_watch_send",
        claim: "who waits is woken by the next send, wherever this one has stopped",
        make: || Watched::new(watch::channel(0)),
        // More than a run holds.
        victim: |ends| held(|| (1..4).for_each(|value| ends.sender.send(value).unwrap())),
        others: [
            |ends| {
                ready();
                ends.sender.send(2).unwrap();
                assert!(*ends.sender.borrow() > 0);
            },
            hears_change,
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_watch_look() {
    Plan {
        name: "stall_watch_look",
        claim: "a look that has stopped keeps nobody from sending and looking",
        make: || Watched::new(watch::channel(0)),
        victim: |ends| held(|| _ = *ends.sender.borrow()),
        others: [
            |ends| {
                ready();
                ends.sender.send(2).unwrap();
            },
            |ends| {
                let mut receiver = ends.receiver();
                ready();
                block_on(receiver.changed()).unwrap();
                ends.back(receiver);
            },
        ],
        after: |_| {},
    }
    .run();
}

pub(super) type Permits = (mpsc::Sender<u8>, Mutex<Vec<mpsc::OwnedPermit<u8>>>, mpsc::Receiver<u8>);

/// A channel whose room is out, in permits.
pub(super) fn permits(room: usize) -> Permits {
    let (sender, receiver) = mpsc::channel(room);
    let out = (0..room).map(|_| sender.clone().try_reserve_owned().unwrap()).collect();
    (sender, Mutex::new(out), receiver)
}

pub(super) fn permit(permits: &Permits) -> mpsc::OwnedPermit<u8> {
    permits.1.lock().unwrap().pop().unwrap()
}

#[test]
fn stall_mpsc_permit_goes() {
    Plan {
        name: "stall_mpsc_permit_goes",
        claim: "a send that waits for room waits for the one who owes it",
        make: || permits(2),
        victim: |shared| {
            let permit = permit(shared);
            held(|| drop(permit));
        },
        others: [
            |shared| wait(shared.0.send(1)).unwrap(),
            |shared| {
                let permit = permit(shared);
                ready();
                drop(permit);
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_mpsc_send_leaves() {
    Plan {
        name: "stall_mpsc_send_leaves",
        claim: "no send waits for another one that is leaving",
        make: || permits(2),
        victim: |shared| held_leave(shared.0.send(1)),
        others: [
            |shared| wait(shared.0.send(2)).unwrap(),
            |shared| {
                let both = (permit(shared), permit(shared));
                ready();
                drop(both);
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_mpsc_close() {
    Plan {
        name: "stall_mpsc_close",
        claim: "sends beside a receiver that is closing are refused or accepted",
        make: || Bounded::new(mpsc::channel(1)),
        victim: |ends| {
            let mut receiver = ends.receiver();
            held(|| receiver.close());
            ends.back(receiver);
        },
        others: [
            |ends| {
                ready();
                let _ = ends.sender.try_send(1);
            },
            |ends| leave(ends.sender.closed()),
        ],
        after: |ends| assert!(ends.sender.is_closed()),
    }
    .run();
}

#[test]
fn stall_mpsc_sender_goes() {
    Plan {
        name: "stall_mpsc_sender_goes",
        claim: "others send and receive beside a sender that is going",
        make: || Unbounded::new(mpsc::unbounded()),
        victim: |ends| {
            let sender = ends.sender.clone();
            held(|| drop(sender));
        },
        others: [
            |ends| {
                ready();
                ends.sender.send(2).unwrap();
            },
            |ends| {
                let mut receiver = ends.receiver();
                ready();
                assert_eq!(block_on(receiver.recv()), Some(2));
                ends.back(receiver);
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_broadcast_receives() {
    Plan {
        name: "stall_broadcast_receives",
        claim: "a receiver that comes, waits and goes keeps no other one waiting",
        make: || Announced::new(broadcast::channel(4)),
        victim: |ends| {
            held(|| {
                let mut receiver = ends.sender.subscribe();
                glance(receiver.recv());
            });
        },
        others: [
            |ends| {
                ready();
                ends.sender.send(1).unwrap();
            },
            |ends| {
                let mut receiver = ends.receiver();
                assert_eq!(wait(receiver.recv()), Ok(1));
                ends.back(receiver);
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_broadcast_wakes() {
    Plan {
        name: "stall_broadcast_wakes",
        claim: "a receiver that sits waits for a send that has drawn its number",
        make: || Announced::new(broadcast::channel(4)),
        victim: |ends| held(|| _ = ends.sender.send(1)),
        others: [
            |ends| {
                ready();
                ends.sender.send(2).unwrap();
            },
            |ends| {
                let mut receiver = ends.receiver();
                wait(receiver.recv()).unwrap();
                ends.back(receiver);
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_watch_receives() {
    Plan {
        name: "stall_watch_receives",
        claim: "a receiver that comes, waits and goes keeps no other one waiting",
        make: || Watched::new(watch::channel(0)),
        victim: |ends| {
            held(|| {
                let mut receiver = ends.sender.subscribe();
                glance(receiver.changed());
            });
        },
        others: [
            |ends| {
                ready();
                ends.sender.send(1).unwrap();
            },
            |ends| {
                let mut receiver = ends.receiver();
                wait(receiver.changed()).unwrap();
                ends.back(receiver);
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_watch_deserted() {
    Plan {
        name: "stall_watch_deserted",
        claim: "a last receiver that is going keeps nobody from coming and leaving",
        make: || Watched::new(watch::channel(0)),
        victim: |ends| {
            let receiver = ends.receiver();
            held(|| drop(receiver));
        },
        others: [
            |ends| leave(ends.sender.closed()),
            |ends| {
                ready();
                drop(ends.sender.subscribe());
            },
        ],
        after: |ends| assert!(ends.sender.is_closed()),
    }
    .run();
}

#[test]
fn stall_mpsc_send_joins() {
    Plan {
        name: "stall_mpsc_send_joins",
        claim: "no send waits for another one that is joining",
        make: || permits(2),
        victim: |shared| held_join(shared.0.send(1)).unwrap(),
        others: [
            |shared| {
                ready();
                block_on(shared.0.send(2)).unwrap();
            },
            |shared| {
                let both = (permit(shared), permit(shared));
                ready();
                drop(both);
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_mpsc_receiver_waits() {
    Plan {
        name: "stall_mpsc_receiver_waits",
        claim: "no send waits for a receiver that is going to sleep, or closing",
        make: || Unbounded::new(mpsc::unbounded()),
        victim: |ends| {
            let mut receiver = ends.receiver();
            held(|| {
                glance(receiver.recv());
                drop(receiver);
            });
        },
        others: [
            |ends| {
                ready();
                (0..3).for_each(|value| _ = ends.sender.send(value));
            },
            |ends| {
                ready();
                (0..3).for_each(|value| _ = ends.sender.send(value));
            },
        ],
        after: |ends| assert!(ends.sender.is_closed()),
    }
    .run();
}

#[test]
fn stall_oneshot_ends() {
    Plan {
        name: "stall_oneshot_ends",
        claim: "a receiver looks and goes beside a sender that is going",
        make: one,
        victim: |ends| {
            let sender = ends.sender.lock().unwrap().take().unwrap();
            held(|| drop(sender));
        },
        others: [
            |ends| {
                let mut receiver = ends.receiver();
                glance(&mut receiver);
                ready();
                glance(&mut receiver);
                drop(receiver);
            },
            |_| ready(),
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_oneshot_receive() {
    Plan {
        name: "stall_oneshot_receive",
        claim: "a sender sends beside a receiver that is going to sleep",
        make: one,
        victim: |ends| {
            let mut receiver = ends.receiver();
            held(|| glance(&mut receiver));
        },
        others: [
            |ends| {
                let sender = ends.sender.lock().unwrap().take().unwrap();
                ready();
                let _ = sender.send(1);
            },
            |_| ready(),
        ],
        after: |_| {},
    }
    .run();
}
