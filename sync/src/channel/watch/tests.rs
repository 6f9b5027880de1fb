//! The watch channel on one thread, poll by poll.

use super::*;
use crate::testing::{block_on, poll_once};

#[test]
fn receivers_see_the_latest_value_once() {
    let (sender, mut receiver) = channel(1);
    assert!(!receiver.has_changed().unwrap());
    let held = receiver.borrow();
    sender.send(2).unwrap();
    sender.send(3).unwrap();
    assert_eq!((*held, *receiver.borrow()), (1, 3), "a snapshot blocks nobody");
    block_on(receiver.changed()).unwrap();
    let mut other = receiver.clone();
    let mut waits = Box::pin(receiver.changed());
    assert!(poll_once(|cx| waits.as_mut().poll(cx)).is_pending());
    sender.send_modify(|value| *value += 1);
    assert!(poll_once(|cx| waits.as_mut().poll(cx)).is_ready());
    assert_eq!(*other.borrow_and_update(), 4);
    assert!(!sender.send_if_modified(|_| false));
    assert!(!other.has_changed().unwrap());
}

#[test]
fn the_last_value_is_seen_before_the_end() {
    let (sender, mut receiver) = channel(1);
    sender.send(2).unwrap();
    drop(sender);
    assert_eq!(block_on(receiver.changed()), Ok(()));
    assert_eq!(block_on(receiver.changed()), Err(RecvError(())));
    assert_eq!(*receiver.borrow(), 2);
}

#[test]
fn senders_learn_that_nobody_is_there() {
    let (sender, receiver) = channel(1);
    let mut closed = Box::pin(sender.closed());
    assert!(poll_once(|cx| closed.as_mut().poll(cx)).is_pending());
    drop(receiver);
    assert!(poll_once(|cx| closed.as_mut().poll(cx)).is_ready());
    assert_eq!(sender.send(2), Err(SendError(2)));
    let receiver = sender.subscribe();
    assert_eq!(*sender.send_replace(5), 1);
    assert_eq!(*receiver.borrow(), 5);
}

#[test]
fn wait_for_a_value() {
    let (sender, mut receiver) = channel(1);
    {
        let mut waits = Box::pin(receiver.wait_for(|value| *value > 2));
        assert!(poll_once(|cx| waits.as_mut().poll(cx)).is_pending());
        sender.send(2).unwrap();
        assert!(poll_once(|cx| waits.as_mut().poll(cx)).is_pending());
        sender.send(3).unwrap();
        assert!(
            matches!(poll_once(|cx| waits.as_mut().poll(cx)), Poll::Ready(Ok(value)) if *value == 3)
        );
    }
    drop(sender);
    assert!(block_on(receiver.wait_for(|value| *value > 9)).is_err());
}

#[test]
fn small_values_share_a_run_and_follow_each_other_over_its_end() {
    let (sender, mut receiver) = channel(0_u64);
    let mut slow = receiver.clone();
    assert_eq!(*slow.borrow_and_update(), 0);
    for n in 1..100 {
        assert_eq!(*sender.send_replace(n), n - 1);
        assert!(receiver.has_changed().unwrap());
        assert_eq!(*receiver.borrow(), n);
        assert_eq!(*receiver.borrow_and_update(), n);
        assert!(!receiver.has_changed().unwrap());
        sender.send_if_modified(|_| false);
    }
    assert_eq!(*slow.borrow_and_update(), 99);
}

#[test]
fn values_that_own_something_or_are_large_share_no_run() {
    assert!(!Run::new(0, 1_u64).newest().is_closed());
    assert!(Run::new(0, Arc::new(1)).newest().is_closed());
    assert!(Run::new(0, [0_u64; 8]).newest().is_closed());
}
