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
