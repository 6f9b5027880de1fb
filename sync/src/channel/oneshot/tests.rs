//! The oneshot channel on one thread.

use super::*;
use crate::testing::{block_on, poll_once};
use std::sync::Arc;

#[test]
fn a_value_sent_before_it_is_awaited() {
    let (sender, receiver) = channel();
    sender.send(7).unwrap();
    assert_eq!(block_on(receiver), Ok(7));
}

#[test]
fn a_dropped_sender_is_an_error() {
    let (sender, mut receiver) = channel::<u8>();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert!(poll_once(|cx| Pin::new(&mut receiver).poll(cx)).is_pending());
    drop(sender);
    assert_eq!(block_on(&mut receiver), Err(RecvError(())));
    assert!(receiver.is_terminated());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn a_refused_value_comes_back() {
    let (sender, receiver) = channel();
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send(7), Err(7));
    let (sender, mut receiver) = channel();
    receiver.close();
    assert_eq!(sender.send(7), Err(7));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn a_value_that_nobody_takes_is_dropped_once() {
    let value = Arc::new(());
    let (sender, receiver) = channel();
    sender.send(value.clone()).unwrap();
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_closed_receiver_still_gets_what_was_sent() {
    let (sender, mut receiver) = channel();
    sender.send(7).unwrap();
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(7));
}

#[test]
fn tokio_7886_no_waker_outlives_its_receiver() {
    struct Flag;
    impl std::task::Wake for Flag {
        fn wake(self: Arc<Self>) {}
    }
    let flag = Arc::new(Flag);
    let (sender, mut receiver) = channel::<u8>();
    let waker = std::task::Waker::from(flag.clone());
    assert!(Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    assert_eq!(Arc::strong_count(&flag), 2);
    drop(receiver);
    assert_eq!(Arc::strong_count(&flag), 1, "the sender is still there, the waker must not be");
    drop(sender);
}

#[test]
fn a_sender_learns_that_its_receiver_is_gone() {
    let (mut sender, receiver) = channel::<u8>();
    {
        let mut closed = std::pin::pin!(sender.closed());
        assert!(poll_once(|cx| closed.as_mut().poll(cx)).is_pending());
        drop(receiver);
        assert!(poll_once(|cx| closed.as_mut().poll(cx)).is_ready());
    }
    assert_eq!(sender.send(1), Err(1));
}
