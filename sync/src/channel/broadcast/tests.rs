//! The broadcast channel on one thread, poll by poll.

use super::*;
use crate::testing::{block_on, poll_once};

#[test]
fn everybody_gets_everything_in_order() {
    let (sender, mut one) = channel(4);
    sender.send(1).unwrap();
    let mut two = sender.subscribe();
    assert_eq!(sender.send(2), Ok(2));
    assert_eq!([block_on(one.recv()), block_on(one.recv())], [Ok(1), Ok(2)]);
    assert_eq!(two.try_recv(), Ok(2));
    assert_eq!(two.try_recv(), Err(TryRecvError::Empty));
    drop(sender);
    assert_eq!(block_on(two.recv()), Err(RecvError::Closed));
}

#[test]
fn a_slow_receiver_is_told_what_it_missed() {
    let (sender, mut receiver) = channel(3);
    for number in 0..10 {
        sender.send(number).unwrap();
    }
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(7)));
    for number in 7..10 {
        assert_eq!(receiver.try_recv(), Ok(number));
    }
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(receiver.resubscribe().try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_waiting_receiver_is_woken() {
    let (sender, mut receiver) = channel(1);
    let mut waits = Box::pin(receiver.recv());
    assert!(poll_once(|cx| waits.as_mut().poll(cx)).is_pending());
    sender.send(7).unwrap();
    assert_eq!(poll_once(|cx| waits.as_mut().poll(cx)), Poll::Ready(Ok(7)));
    drop(waits);
    drop(receiver);
    assert_eq!(sender.send(8), Err(SendError(8)));
}

/// What a channel does, in the plainest words.
struct Plain {
    sent: u64,
    capacity: u64,
}

impl Plain {
    fn receive(&self, next: &mut u64) -> Result<u64, TryRecvError> {
        let oldest = self.sent.saturating_sub(self.capacity);
        if *next < oldest {
            let missed = oldest - *next;
            *next = oldest;
            return Err(TryRecvError::Lagged(missed));
        }
        if *next == self.sent {
            return Err(TryRecvError::Empty);
        }
        *next += 1;
        Ok(*next - 1)
    }
}

#[test]
fn every_capacity_and_length_of_run_loses_what_it_says_and_no_more() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    let lengths = (1..=40).map(Ring::new).chain(
        (1..=20).flat_map(|capacity| (0..=3).map(move |shift| Ring::with_runs(capacity, shift))),
    );
    for ring in lengths {
        let mut plain = Plain { sent: 0, capacity: ring.capacity() };
        let (sender, first) = ends(ring);
        let mut receivers = vec![(first, 0)];
        for _ in 0..300 {
            match below(8) {
                0 => receivers.push((sender.subscribe(), plain.sent)),
                1..4 => (0..below(plain.capacity + 3)).for_each(|_| {
                    sender.send(Box::new(plain.sent)).unwrap();
                    plain.sent += 1;
                }),
                _ => {
                    let which = below(receivers.len() as u64) as usize;
                    let (receiver, next) = &mut receivers[which];
                    for _ in 0..below(6) {
                        let expected = plain.receive(next);
                        assert_eq!(receiver.try_recv().map(|value| *value), expected);
                    }
                }
            }
        }
    }
}

#[test]
fn a_receiver_that_stands_still_keeps_a_quarter_of_the_capacity() {
    for capacity in [1, 7, 16, 100, 1024] {
        let (sender, mut receiver) = channel(capacity);
        let first = Arc::new(());
        let received = Arc::downgrade(&first);
        sender.send(first).unwrap();
        drop(receiver.try_recv());
        let kept = receiver.kept.as_ref().map_or(0, |run| run.length());
        assert!(kept * 4 <= capacity, "{kept} of {capacity}");
        assert_eq!(kept > 1, capacity >= 8);
        drop((sender, receiver));
        assert!(received.upgrade().is_none(), "its run went with the receiver");
    }
}

#[test]
fn values_are_dropped_with_the_channel() {
    let value = Arc::new(());
    let (sender, receiver) = channel(2);
    for _ in 0..5 {
        sender.send(value.clone()).unwrap();
    }
    drop((sender, receiver));
    // Overwritten values go when the collector gets to them; those in the ring go at once.
    assert!(Arc::strong_count(&value) <= 4);
}
