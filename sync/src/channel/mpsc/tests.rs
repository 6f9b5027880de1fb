//! The mpsc channels on one thread, and with threads.

use super::*;
use crate::testing::{block_on, poll_once};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

#[test]
fn values_arrive_in_order_over_many_blocks() {
    let (sender, mut receiver) = unbounded();
    for round in 0..10 {
        for number in 0..100 {
            sender.send((round, number)).unwrap();
        }
        for number in 0..100 {
            assert_eq!(receiver.try_recv(), Ok((round, number)));
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(block_on(receiver.recv()), None);
}

#[test]
fn a_full_channel_makes_senders_wait_in_order() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(1).unwrap();
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
    let mut second = Box::pin(sender.send(2));
    let mut third = Box::pin(sender.send(3));
    assert!(poll_once(|cx| second.as_mut().poll(cx)).is_pending());
    assert!(poll_once(|cx| third.as_mut().poll(cx)).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(poll_once(|cx| third.as_mut().poll(cx)).is_pending());
    assert!(poll_once(|cx| second.as_mut().poll(cx)).is_ready());
    assert_eq!(receiver.try_recv(), Ok(2));
    assert!(poll_once(|cx| third.as_mut().poll(cx)).is_ready());
    assert_eq!(sender.capacity(), 0);
}

#[test]
fn room_passes_over_sends_that_have_left() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(0).unwrap();
    let mut waits: Vec<_> = (1..=1000).map(|number| Box::pin(sender.send(number))).collect();
    for send in &mut waits {
        assert!(poll_once(|cx| send.as_mut().poll(cx)).is_pending());
    }
    let mut last = waits.pop().unwrap();
    let mut middle = waits.swap_remove(500);
    drop(waits);
    assert_eq!(sender.capacity(), 0);
    assert_eq!(receiver.try_recv(), Ok(0));
    assert!(poll_once(|cx| last.as_mut().poll(cx)).is_pending(), "out of order");
    assert!(poll_once(|cx| middle.as_mut().poll(cx)).is_ready());
    assert_eq!(receiver.try_recv(), Ok(501));
    assert!(poll_once(|cx| last.as_mut().poll(cx)).is_ready());
    assert_eq!(receiver.try_recv(), Ok(1000));
    assert_eq!(sender.capacity(), 1);
}

#[test]
fn a_close_tells_sends_that_wait_and_counts_none_that_has_left() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(0).unwrap();
    let mut waits: Vec<_> = (1..=100).map(|number| Box::pin(sender.send(number))).collect();
    for send in &mut waits {
        assert!(poll_once(|cx| send.as_mut().poll(cx)).is_pending());
    }
    waits.drain(20..80);
    receiver.close();
    for send in &mut waits {
        assert!(matches!(poll_once(|cx| send.as_mut().poll(cx)), Poll::Ready(Err(SendError(_)))));
    }
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_closed_channel_delivers_what_was_sent_and_refuses_the_rest() {
    let (sender, mut receiver) = unbounded();
    sender.send(1).unwrap();
    receiver.close();
    assert_eq!(sender.send(2), Err(SendError(2)));
    assert!(sender.is_closed());
    assert_eq!(block_on(receiver.recv()), Some(1));
    assert_eq!(block_on(receiver.recv()), None);
    block_on(sender.closed());
}

#[test]
fn tokio_8260_a_permit_that_is_out_keeps_a_closed_channel_open() {
    let (sender, mut receiver) = channel(2);
    let permit = sender.try_reserve().unwrap();
    let other = sender.clone().try_reserve_owned().unwrap();
    receiver.close();
    assert_eq!(sender.try_send(9), Err(TrySendError::Closed(9)));
    let mut waits = Box::pin(receiver.recv());
    assert!(poll_once(|cx| waits.as_mut().poll(cx)).is_pending());
    permit.send(7);
    assert_eq!(poll_once(|cx| waits.as_mut().poll(cx)), Poll::Ready(Some(7)));
    drop(waits);
    let mut waits = Box::pin(receiver.recv());
    assert!(poll_once(|cx| waits.as_mut().poll(cx)).is_pending());
    drop(other);
    assert_eq!(poll_once(|cx| waits.as_mut().poll(cx)), Poll::Ready(None));
}

#[test]
fn weak_senders_do_not_keep_the_channel_open() {
    let (sender, mut receiver) = unbounded();
    let weak = sender.downgrade();
    weak.upgrade().unwrap().send(1).unwrap();
    drop(sender);
    assert!(weak.upgrade().is_none());
    assert_eq!(block_on(receiver.recv()), Some(1));
    assert_eq!(block_on(receiver.recv()), None);
}

#[test]
fn recv_many_takes_what_is_here() {
    let (sender, mut receiver) = channel(8);
    for number in 0..5 {
        sender.try_send(number).unwrap();
    }
    let mut buffer = Vec::new();
    assert_eq!(block_on(receiver.recv_many(&mut buffer, 3)), 3);
    assert_eq!(block_on(receiver.recv_many(&mut buffer, 9)), 2);
    assert_eq!(buffer, [0, 1, 2, 3, 4]);
    drop(sender);
    assert_eq!(block_on(receiver.recv_many(&mut buffer, 9)), 0);
}

#[test]
fn crossbeam_1187_values_that_nobody_takes_are_dropped_once() {
    let value = Arc::new(());
    for sent in [0, 1, 16, 17, 40] {
        let (sender, mut receiver) = unbounded();
        for _ in 0..sent {
            sender.send(value.clone()).unwrap();
        }
        let _ = receiver.try_recv();
        drop(receiver);
        assert_eq!(Arc::strong_count(&value), 1, "the receiver drops what is here");
        assert!(sender.send(value.clone()).is_err());
    }
    let (sender, receiver) = channel(4);
    sender.try_send(value.clone()).unwrap();
    drop(sender);
    drop(receiver);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn a_stream_of_values() {
    use futures_core::Stream;
    let (sender, mut receiver) = channel(1);
    sender.try_send(1).unwrap();
    let next = poll_once(|cx| Pin::new(&mut receiver).poll_next(cx));
    assert_eq!(next, Poll::Ready(Some(1)));
}

#[test]
fn many_threads_one_receiver() {
    let (sender, mut receiver) = channel(3);
    let (free, mut unlimited) = unbounded();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (sender, free) = (sender.clone(), free.clone());
            std::thread::spawn(move || {
                for number in 0..2000 {
                    sender.blocking_send((thread, number)).unwrap();
                    free.send((thread, number)).unwrap();
                }
            })
        })
        .collect();
    drop((sender, free));
    let check = |next: &mut [i32; 4], (thread, number): (usize, i32)| {
        assert_eq!(number, next[thread], "in order for each sender");
        next[thread] += 1;
    };
    let (mut bounded, mut free) = ([0; 4], [0; 4]);
    while let Some(value) = receiver.blocking_recv() {
        check(&mut bounded, value);
    }
    while let Some(value) = unlimited.blocking_recv() {
        check(&mut free, value);
    }
    assert_eq!((bounded, free), ([2000; 4], [2000; 4]));
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_channel_of_one_is_small() {
    let empty = size_of::<super::chan::Chan<u64>>() + 16;
    assert!(empty <= 200, "{empty} bytes");
}

/// tokio's receiver slept for ever when a queued reservation gave its room back (tokio#8260).
#[test]
fn room_that_a_waiting_send_gives_back_wakes_a_receiver_that_has_closed() {
    #[derive(Default)]
    struct Counts(std::sync::atomic::AtomicUsize);
    impl std::task::Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let (sender, mut receiver) = channel(1);
    sender.try_send(1).unwrap();
    let mut waits = Box::pin(sender.reserve());
    assert!(poll_once(|cx| waits.as_mut().poll(cx)).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1), "its room goes to the reservation");
    receiver.close();
    let counts = Arc::new(Counts::default());
    let waker = counts.clone().into();
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(receiver.poll_recv(&mut cx).is_pending(), "the reservation may still send");
    drop(waits);
    assert_eq!(counts.0.load(std::sync::atomic::Ordering::Relaxed), 1, "nobody told the receiver");
    assert_eq!(receiver.poll_recv(&mut cx), Poll::Ready(None));
}
