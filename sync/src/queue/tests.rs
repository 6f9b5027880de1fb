//! Queues on one thread, poll by poll; asyncio's `test_queues` by name.

use super::*;
use crate::testing::{block_on, poll_once};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

fn put<'a, T, S: Store<T>>(queue: &'a BaseQueue<T, S>, value: T) -> Pin<Box<Put<'a, T, S>>> {
    let mut put = Box::pin(queue.put(value));
    assert!(poll_once(|cx| put.as_mut().poll(cx)).is_pending());
    put
}

fn get<T, S: Store<T>>(queue: &BaseQueue<T, S>) -> Pin<Box<Get<'_, T, S>>> {
    let mut get = Box::pin(queue.get());
    assert!(poll_once(|cx| get.as_mut().poll(cx)).is_pending());
    get
}

fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
    match poll_once(|cx| future.as_mut().poll(cx)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn test_order() {
    let fifo = Queue::new(0);
    let lifo = LifoQueue::new(0);
    for number in [1, 3, 2] {
        fifo.put_nowait(number).unwrap();
        lifo.put_nowait(number).unwrap();
    }
    assert_eq!([(); 3].map(|()| fifo.get_nowait().unwrap()), [1, 3, 2]);
    assert_eq!([(); 3].map(|()| lifo.get_nowait().unwrap()), [2, 3, 1]);
    assert_eq!(fifo.get_nowait(), Err(GetError::Empty));
}

#[test]
fn test_empty_and_full() {
    let queue = Queue::new(2);
    assert!(queue.empty() && !queue.full());
    queue.put_nowait(1).unwrap();
    queue.put_nowait(2).unwrap();
    assert!(!queue.empty() && queue.full());
    assert_eq!(queue.qsize(), 2);
    assert_eq!(queue.put_nowait(3), Err(PutError::Full(3)));
    let unbounded = Queue::new(0);
    unbounded.put_nowait(1).unwrap();
    assert!(!unbounded.full());
}

#[test]
fn test_maxsize_a_putter_resumes_per_get() {
    let queue = Queue::new(1);
    queue.put_nowait(1).unwrap();
    let mut second = put(&queue, 2);
    let mut third = put(&queue, 3);
    assert_eq!(queue.get_nowait(), Ok(1));
    assert!(queue.try_put(9).is_err(), "the room was handed over");
    assert!(poll(&mut third).is_none());
    assert_eq!(poll(&mut second), Some(Ok(())));
    assert_eq!(queue.get_nowait(), Ok(2));
    assert_eq!(poll(&mut third), Some(Ok(())));
}

#[test]
fn test_get_cancelled_race() {
    let queue = Queue::new(0);
    let first = get(&queue);
    let mut second = get(&queue);
    drop(first);
    queue.put_nowait(7).unwrap();
    assert_eq!(poll(&mut second), Some(Ok(7)));
}

#[test]
fn test_get_cancel_drop_one_pending_reader() {
    let queue = Queue::new(0);
    let woken = get(&queue);
    queue.put_nowait(7).unwrap();
    drop(woken);
    assert_eq!(queue.get_nowait(), Ok(7));
}

#[test]
fn test_put_cancel_drop() {
    let queue = Queue::new(1);
    queue.put_nowait(1).unwrap();
    let mut woken = put(&queue, 2);
    assert_eq!(queue.get_nowait(), Ok(1));
    assert_eq!(woken.take(), Some(2), "a put that is taken back has not put");
    drop(woken);
    assert!(queue.empty());
    queue.put_nowait(3).unwrap();
}

#[test]
fn test_why_are_putters_waiting() {
    let queue = Queue::new(2);
    queue.put_nowait(0).unwrap();
    queue.put_nowait(1).unwrap();
    let mut waiting = [put(&queue, 2), put(&queue, 3)];
    for expected in 0..2 {
        assert_eq!(queue.get_nowait(), Ok(expected));
    }
    for put in &mut waiting {
        assert_eq!(poll(put), Some(Ok(())));
    }
}

#[test]
fn test_task_done_and_join() {
    let queue = Queue::new(0);
    block_on(queue.join());
    assert!(queue.task_done().is_err());
    queue.put_nowait(1).unwrap();
    queue.put_nowait(2).unwrap();
    let mut join = Box::pin(queue.join());
    assert!(poll(&mut join).is_none());
    drop(block_on(queue.get_tracked()).unwrap());
    assert!(poll(&mut join).is_none());
    assert_eq!(block_on(queue.get_tracked()).unwrap().into_inner(), 2);
    assert!(poll(&mut join).is_some());
    assert!(queue.task_done().is_err());
}

#[test]
fn test_shutdown_empty() {
    let queue = Queue::<u8>::new(0);
    let mut waiting = get(&queue);
    queue.shutdown(false);
    assert_eq!(poll(&mut waiting), Some(Err(QueueShutDown(()))));
    assert_eq!(queue.put_nowait(1), Err(PutError::ShutDown(1)));
    assert_eq!(queue.get_nowait(), Err(GetError::ShutDown));
    block_on(queue.join());
}

#[test]
fn test_shutdown_nonempty() {
    let queue = Queue::new(1);
    queue.put_nowait(1).unwrap();
    let mut waiting = put(&queue, 2);
    queue.shutdown(false);
    assert_eq!(poll(&mut waiting), Some(Err(QueueShutDown(2))));
    let mut join = Box::pin(queue.join());
    assert!(poll(&mut join).is_none());
    assert_eq!(block_on(queue.get()), Ok(1));
    assert_eq!(block_on(queue.get()), Err(QueueShutDown(())));
    queue.task_done().unwrap();
    assert!(poll(&mut join).is_some());
}

#[test]
fn test_shutdown_immediate_with_unfinished() {
    let queue = Queue::new(0);
    queue.put_nowait(1).unwrap();
    queue.put_nowait(2).unwrap();
    assert_eq!(queue.get_nowait(), Ok(1));
    queue.shutdown(true);
    assert!(queue.empty());
    let mut join = Box::pin(queue.join());
    assert!(poll(&mut join).is_none(), "the item that was taken still counts");
    queue.task_done().unwrap();
    assert!(poll(&mut join).is_some());
}

#[test]
fn items_that_nobody_takes_are_dropped_once() {
    let item = Arc::new(());
    let fifo = Queue::new(0);
    let lifo = LifoQueue::new(0);
    for _ in 0..40 {
        fifo.put_nowait(item.clone()).unwrap();
        lifo.put_nowait(item.clone()).unwrap();
    }
    for _ in 0..20 {
        fifo.get_nowait().unwrap();
        lifo.get_nowait().unwrap();
    }
    assert_eq!(Arc::strong_count(&item), 41);
    drop((fifo, lifo));
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn test_cancelled_getters_and_putters_leave_no_memory() {
    let queue = Queue::new(1);
    for _ in 0..500_000 {
        drop(get(&queue));
    }
    queue.put_nowait(1).unwrap();
    for _ in 0..500_000 {
        drop(put(&queue, 2));
    }
    let (items, slots) = queue.core.live_segments();
    assert!(items <= 4 && slots <= 4, "{items} and {slots} segments");
    assert_eq!(queue.get_nowait(), Ok(1));
    queue.put_nowait(3).unwrap();
}

#[test]
fn threads_and_tasks_meet_at_one_queue() {
    let queue = Arc::new(Queue::new(3));
    let producers: Vec<_> = (0..2)
        .map(|producer| {
            let queue = queue.clone();
            std::thread::spawn(move || {
                for number in 0..1000 {
                    queue.put_blocking((producer, number), None).unwrap();
                }
            })
        })
        .collect();
    let mut next = [0, 0];
    block_on(async {
        for _ in 0..2000 {
            let (producer, number) = queue.get().await.unwrap();
            assert_eq!(number, next[producer], "in order for each producer");
            next[producer] += 1;
        }
    });
    for producer in producers {
        producer.join().unwrap();
    }
    let short = Some(Duration::from_millis(1));
    assert_eq!(queue.get_blocking(short), Err(GetError::Timeout));
    for _ in 0..3 {
        queue.put_nowait((0, 0)).unwrap();
    }
    assert_eq!(queue.put_blocking((9, 9), short), Err(PutError::Timeout((9, 9))));
}
