//! Values of waits that end too early: each is in one place, and is dropped once.
//!
//! A get that is dropped after its item has reached it leaves the item to the next one; a put that is
//! dropped, refused or taken back has put nothing, and has its item as long as it lives.
#![cfg(not(any(corio_loom, corio_shuttle)))]

use corio_sync::{
    BaseQueue, GetError, LifoQueue, PriorityQueue, PutError, Queue, QueueShutDown, Store,
    broadcast, mpsc, watch,
};
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Begins to wait for a value, has it sent, and drops the wait without a look.
fn leaves<F: Future>(wait: F, send: impl FnOnce()) {
    let mut wait = Box::pin(wait);
    assert!(poll(wait.as_mut()).is_pending());
    send();
}

#[test]
fn what_has_reached_a_get_that_is_dropped_is_there_for_the_next() {
    fn check<S: Store<u8>>(queue: &BaseQueue<u8, S>) {
        leaves(queue.get(), || queue.put_nowait(1).unwrap());
        assert_eq!((queue.qsize(), queue.get_nowait()), (1, Ok(1)));
        leaves(queue.get_tracked(), || queue.put_nowait(2).unwrap());
        assert_eq!((queue.qsize(), queue.get_nowait()), (1, Ok(2)));
        assert_eq!(queue.get_nowait(), Err(GetError::Empty));
        // Neither wait has reported an item that it never gave.
        queue.task_done().unwrap();
        queue.task_done().unwrap();
        assert!(queue.task_done().is_err());
    }
    for maxsize in [0, 1] {
        check(&Queue::new(maxsize));
        check(&LifoQueue::new(maxsize));
        check(&PriorityQueue::new(maxsize));
    }
}

#[test]
fn what_has_reached_a_receive_that_is_dropped_is_there_for_the_next() {
    let (sender, mut receiver) = mpsc::unbounded();
    leaves(receiver.recv(), || sender.send(1).unwrap());
    assert_eq!(receiver.try_recv(), Ok(1));
    let (sender, mut receiver) = mpsc::channel(2);
    leaves(receiver.recv(), || sender.try_send(1).unwrap());
    let mut values = Vec::new();
    assert_eq!(receiver.try_recv(), Ok(1));
    leaves(receiver.recv_many(&mut values, 2), || (2..4).for_each(|n| sender.try_send(n).unwrap()));
    assert!(values.is_empty());
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(2), Ok(3)));
    assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Empty));
    assert_eq!(sender.capacity(), 2);
    let (sender, mut receiver) = broadcast::channel(4);
    leaves(receiver.recv(), || _ = sender.send(1).unwrap());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(broadcast::TryRecvError::Empty));
    let (sender, mut receiver) = watch::channel(0);
    leaves(receiver.changed(), || sender.send(1).unwrap());
    assert!(receiver.has_changed().unwrap(), "the change was not seen");
}

/// Whatever becomes of a put, its item is in the queue, in the put or with the caller.
#[test]
fn a_put_that_does_not_end_keeps_its_item_or_gives_it_back() {
    type Item = Arc<()>;
    fn check<S: Store<Item>>(queue: BaseQueue<Item, S>) {
        let item = Arc::new(());
        let count = || Arc::strong_count(&item);
        queue.put_nowait(item.clone()).unwrap();
        let begin = || {
            let mut put = Box::pin(queue.put(item.clone()));
            assert!(poll(put.as_mut()).is_pending());
            put
        };
        // Never polled, waiting, and let in without having looked.
        drop(queue.put(item.clone()));
        assert_eq!(count(), 2);
        let waiting = begin();
        assert_eq!(count(), 3);
        drop(waiting);
        assert_eq!(count(), 2);
        let let_in = begin();
        drop(queue.get_nowait().unwrap());
        drop(let_in);
        assert_eq!((count(), queue.qsize()), (1, 0));
        // The room has come back.
        queue.put_nowait(item.clone()).unwrap();
        // Taken back: once, and not to be put any more.
        let mut taken = begin();
        drop(queue.get_nowait().unwrap());
        assert!(taken.take().is_some() && taken.take().is_none());
        drop(taken);
        assert_eq!((count(), queue.qsize()), (1, 0));
        queue.put_nowait(item.clone()).unwrap();
        // Refused.
        assert!(matches!(queue.put_nowait(item.clone()), Err(PutError::Full(_))));
        assert!(queue.try_put(item.clone()).is_err());
        assert_eq!(count(), 2);
        let mut refused = begin();
        queue.shutdown(false);
        let Poll::Ready(Err(QueueShutDown(back))) = poll(refused.as_mut()) else {
            panic!("it was put after the end")
        };
        drop(refused);
        assert!(Arc::ptr_eq(&back, &item) && count() == 3, "one is here, one in the queue");
        drop((back, queue));
        assert_eq!(count(), 1);
    }
    check(Queue::new(1));
    check(LifoQueue::new(1));
    check(PriorityQueue::new(1));
}

/// Whoever waits is told, items are dropped, and those that nobody took count as done.
#[test]
fn an_immediate_shutdown_tells_everybody_and_drops_what_is_left() {
    fn check<S: Store<Arc<()>>>(make: fn(usize) -> BaseQueue<Arc<()>, S>) {
        // Puts and a join wait, also if the queue was shut down before.
        for twice in [false, true] {
            let (queue, item) = (make(1), Arc::new(()));
            queue.put_nowait(item.clone()).unwrap();
            let mut puts = [(); 2].map(|()| Box::pin(queue.put(item.clone())));
            assert!(puts.iter_mut().all(|put| poll(put.as_mut()).is_pending()));
            let mut join = Box::pin(queue.join());
            assert!(poll(join.as_mut()).is_pending());
            if twice {
                queue.shutdown(false);
                assert!(poll(join.as_mut()).is_pending(), "an item is left");
            }
            queue.shutdown(true);
            assert_eq!(Arc::strong_count(&item), 3, "the puts have theirs, the queue none");
            for mut put in puts {
                assert!(matches!(poll(put.as_mut()), Poll::Ready(Err(QueueShutDown(_)))));
            }
            assert_eq!(Arc::strong_count(&item), 1);
            assert!(poll(join.as_mut()).is_ready());
            assert!(queue.empty() && queue.task_done().is_err());
            assert!(matches!(queue.get_nowait(), Err(GetError::ShutDown)));
        }
        // Gets wait.
        let queue = make(0);
        let mut gets = [(); 2].map(|()| Box::pin(queue.get()));
        assert!(gets.iter_mut().all(|get| poll(get.as_mut()).is_pending()));
        queue.shutdown(true);
        for mut get in gets {
            assert!(matches!(poll(get.as_mut()), Poll::Ready(Err(QueueShutDown(())))));
        }
    }
    check(Queue::new);
    check(LifoQueue::new);
    check(PriorityQueue::new);
}

/// The value of a send that is refused comes back; one that is dropped goes with its send.
#[test]
fn a_send_that_does_not_end_gives_its_value_back_or_drops_it() {
    fn refused<E: Debug>(sent: Result<(), E>) {
        drop(sent.unwrap_err());
    }
    let value = Arc::new(());
    let count = || Arc::strong_count(&value);
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(value.clone()).unwrap();
    refused(sender.try_send(value.clone()));
    leaves(sender.send(value.clone()), || drop(receiver.try_recv().unwrap()));
    assert_eq!((count(), sender.capacity()), (1, 1));
    assert!(receiver.try_recv().is_err(), "a send that was dropped has sent");
    sender.try_send(value.clone()).unwrap();
    let mut told = Box::pin(sender.send(value.clone()));
    assert!(poll(told.as_mut()).is_pending());
    receiver.close();
    let Poll::Ready(Err(mpsc::SendError(back))) = poll(told.as_mut()) else {
        panic!("it was sent after the end")
    };
    assert!(Arc::ptr_eq(&back, &value));
    drop((told, back));
    assert_eq!(count(), 2, "what had been sent before");
    drop(receiver);
    refused(sender.try_send(value.clone()));
    assert_eq!(count(), 1);
}

#[test]
fn weak_senders_of_both_kinds_keep_no_channel_open_and_open_none() {
    let (sender, mut receiver) = mpsc::channel(1);
    let weak = sender.downgrade();
    let mut waits = Box::pin(receiver.recv());
    assert!(poll(waits.as_mut()).is_pending());
    drop(weak.upgrade().expect("a sender is left"));
    assert!(poll(waits.as_mut()).is_pending());
    drop(sender);
    assert_eq!(poll(waits.as_mut()), Poll::Ready(None::<u8>));
    assert!(weak.clone().upgrade().is_none());
    let (sender, mut receiver) = mpsc::unbounded();
    let weak = sender.downgrade();
    let mut waits = Box::pin(receiver.recv());
    assert!(poll(waits.as_mut()).is_pending());
    let again = weak.upgrade().expect("a sender is left");
    drop(sender);
    again.send(7).unwrap();
    assert_eq!(poll(waits.as_mut()), Poll::Ready(Some(7)));
    drop(waits);
    drop(again);
    assert_eq!(poll(Box::pin(receiver.recv()).as_mut()), Poll::Ready(None));
    assert!(weak.upgrade().is_none());
}
