//! Room in a channel: who waits sits, or is in the queue.

use super::channels::{Bounded, permit, permits};
use super::{Plan, held, held_join, held_leave, ready, wait};
use crate::mpsc;
use crate::testing::{block_on, poll_once};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

/// Wakes nobody, and is not `Waker::noop`.
struct Nothing;

impl Wake for Nothing {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn stall_mpsc_permits_go() {
    Plan {
        name: "stall_mpsc_permits_go",
        claim: "sends that wait for room wait for the one who owes it, in the seat or behind",
        make: || permits(2),
        victim: |shared| {
            let both = (permit(shared), permit(shared));
            held(|| drop(both));
        },
        others: [
            |shared| wait(shared.0.send(1)).unwrap(),
            |shared| wait(shared.0.send(2)).unwrap(),
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_mpsc_send_repolls() {
    Plan {
        name: "stall_mpsc_send_repolls",
        claim: "no send waits for another one that changes its waker",
        make: || permits(2),
        victim: |shared| {
            let mut send = Box::pin(shared.0.send(1));
            assert!(poll_once(|cx| send.as_mut().poll(cx)).is_pending());
            let waker = Waker::from(Arc::new(Nothing));
            let mut came = false;
            held(|| came = send.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
            if !came {
                block_on(send).unwrap();
            }
        },
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
fn stall_mpsc_close_tells() {
    Plan {
        name: "stall_mpsc_close_tells",
        claim: "sends that wait are told by the receiver that closes, and by nobody else",
        make: || {
            let ends = Bounded::new(mpsc::channel(1));
            ends.sender.try_send(1).unwrap();
            ends
        },
        victim: |ends| {
            let mut receiver = ends.receiver();
            held(|| receiver.close());
            ends.back(receiver);
        },
        others: [
            |ends| assert!(wait(ends.sender.send(2)).is_err()),
            |ends| assert!(wait(ends.sender.send(3)).is_err()),
        ],
        after: |ends| assert!(ends.sender.is_closed()),
    }
    .run();
}

#[test]
fn stall_mpsc_seat_leaves() {
    Plan {
        name: "stall_mpsc_seat_leaves",
        claim: "no send waits for one that is leaving its seat",
        make: || permits(2),
        victim: |shared| held_leave(shared.0.send(1)),
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
fn stall_mpsc_queue_joins() {
    Plan {
        name: "stall_mpsc_queue_joins",
        claim: "who sits does not wait for a send that is joining the queue",
        make: || permits(2),
        victim: |shared| held_join(shared.0.send(1)).unwrap(),
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
fn stall_mpsc_try_reserve() {
    Plan {
        name: "stall_mpsc_try_reserve",
        claim: "nobody waits for one that looks for room and takes it",
        make: || Bounded::new(mpsc::channel(3)),
        victim: |ends| {
            held(|| {
                assert!(ends.sender.capacity() <= 3);
                drop(ends.sender.try_reserve().unwrap());
            });
        },
        others: [
            |ends| {
                ready();
                drop(ends.sender.try_reserve().unwrap());
            },
            |ends| {
                ready();
                drop(block_on(ends.sender.reserve()).unwrap());
            },
        ],
        after: |ends| assert_eq!(ends.sender.capacity(), 3),
    }
    .run();
}
