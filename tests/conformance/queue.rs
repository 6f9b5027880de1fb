//! Queues: test_queues.py.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use corio::Task;
use corio_tests::kit::poll_once;

use crate::support::sync::{GetError, LifoQueue, PriorityQueue, PutError, Queue, QueueShutDown};
use crate::support::{Trace, done, on_loop, py, task, turn, turns};

fn put<T: Copy + Send + std::fmt::Display + 'static>(
    queue: &Arc<Queue<T>>,
    trace: &Trace,
    item: T,
) -> Task<()> {
    task!([queue, trace] {
        queue.put(item).await.unwrap();
        trace.say(format!("put {item}"));
    })
}

fn get<T: Copy + Send + std::fmt::Display + 'static>(
    queue: &Arc<Queue<T>>,
    trace: &Trace,
    name: &'static str,
) -> Task<()> {
    task!([queue, trace] {
        let item = queue.get().await.unwrap();
        trace.say(format!("{name} got {item}"));
    })
}

fn queue<T>(maxsize: usize) -> (Arc<Queue<T>>, Trace, Trace) {
    let trace = Trace::default();
    (Arc::new(Queue::new(maxsize)), trace.clone(), trace)
}

// conforms: 13 test_repr
// conforms: 13 test_str
// conforms: 13 test_format
// differs: the items themselves and the numbers of waiters are not shown
#[test]
fn debug_tells_the_counts() {
    let queue = Queue::new(2);
    queue.put_nowait(1).unwrap();
    let shown = "Queue { maxsize: 2, items: 1, unfinished: 1, shut: false }";
    assert_eq!(format!("{queue:?}"), shown);
    queue.shutdown(true);
    let shown = "Queue { maxsize: 2, items: 0, unfinished: 0, shut: true }";
    assert_eq!(format!("{queue:?}"), shown);
}

// conforms: 13 test_empty
// conforms: 13 test_full
#[test]
fn test_empty_and_full() {
    let queue = Queue::new(1);
    assert!(queue.empty() && !queue.full() && queue.maxsize() == 1);
    queue.put_nowait(1).unwrap();
    assert!(!queue.empty() && queue.full() && queue.qsize() == 1);
    let unbounded = Queue::new(0);
    unbounded.put_nowait(1).unwrap();
    assert!(!unbounded.full());
}

// conforms: 13 test_order
// conforms: 13 LifoQueueTests.test_order
// conforms: 13 PriorityQueueTests.test_order
#[test]
fn test_order() {
    let (fifo, lifo, priority) = (Queue::new(0), LifoQueue::new(0), PriorityQueue::new(0));
    for item in [1, 3, 2] {
        fifo.put_nowait(item).unwrap();
        lifo.put_nowait(item).unwrap();
        priority.put_nowait(item).unwrap();
    }
    assert_eq!([(); 3].map(|()| fifo.get_nowait().unwrap()), [1, 3, 2]);
    assert_eq!([(); 3].map(|()| lifo.get_nowait().unwrap()), [2, 3, 1]);
    assert_eq!([(); 3].map(|()| priority.get_nowait().unwrap()), [1, 2, 3]);
}

// conforms: 13 test_maxsize
// differs: the room that a get makes is handed to the waiting putter at once: meanwhile the queue stays full
#[test]
fn test_maxsize() {
    let (queue, trace, said) = queue(2);
    on_loop(|| async move {
        let tasks = [1, 2, 3].map(|item| put(&queue, &trace, item));
        turns(5).await;
        trace.say(format!("{} {}", queue.qsize(), py(queue.full())));
        for taken in 1..=3 {
            trace.say(format!("take {}", queue.get_nowait().unwrap()));
            assert_eq!(queue.full(), taken == 1);
            turns(5).await;
        }
        trace.say(format!("{} {}", done(&tasks), queue.qsize()));
    });
    said.expect_recorded("queue test_maxsize");
}

// conforms: 13 test_blocking_get
// conforms: 13 test_nonblocking_get
#[test]
fn an_item_that_is_there_needs_no_waiting() {
    let queue = Queue::new(0);
    for _ in 0..2 {
        queue.put_nowait(1).unwrap();
    }
    assert_eq!(poll_once(queue.get()), Poll::Ready(Ok(1)));
    assert_eq!(queue.get_nowait(), Ok(1));
}

// conforms: 13 test_get_with_putters
#[test]
fn test_get_with_putters() {
    on_loop(|| async {
        let (queue, trace, _) = queue(1);
        queue.put_nowait(1).unwrap();
        let waiting = put(&queue, &trace, 2);
        turn().await;
        assert_eq!(queue.get().await, Ok(1));
        waiting.await.unwrap();
        assert_eq!(queue.get_nowait(), Ok(2));
    });
}

// conforms: 13 test_blocking_get_wait
#[test]
fn test_blocking_get_wait() {
    on_loop(|| async {
        let (queue, trace, said) = queue(0);
        let waiting = get(&queue, &trace, "it");
        turns(3).await;
        assert!(!waiting.done());
        queue.put_nowait(1).unwrap();
        waiting.await.unwrap();
        said.expect(&["it got 1"]);
    });
}

// conforms: 13 test_nonblocking_get_exception
#[test]
fn test_nonblocking_get_exception() {
    assert_eq!(Queue::<u8>::new(0).get_nowait(), Err(GetError::Empty));
}

// conforms: 13 test_get_cancelled_race
#[test]
fn test_get_cancelled_race() {
    let (queue, trace, said) = queue(0);
    on_loop(|| async move {
        let first = get(&queue, &trace, "first");
        let second = get(&queue, &trace, "second");
        turns(5).await;
        first.cancel();
        turn().await;
        queue.put_nowait("a").unwrap();
        turns(5).await;
        trace.say([first.cancelled(), second.done()].map(py).join(" "));
    });
    said.expect_recorded("queue test_get_cancelled_race");
}

// conforms: 13 test_get_with_waiting_putters
#[test]
fn test_get_with_waiting_putters() {
    let (queue, trace, said) = queue(1);
    on_loop(|| async move {
        let tasks = ["a", "b"].map(|item| put(&queue, &trace, item));
        turns(5).await;
        for _ in 0..2 {
            let item = queue.get().await.unwrap();
            trace.say(format!("main got {item}"));
        }
        assert_eq!(done(&tasks), "[True, True]");
    });
    said.expect_recorded("queue test_get_with_waiting_putters");
}

// conforms: 13 test_why_are_getters_waiting
#[test]
fn test_why_are_getters_waiting() {
    on_loop(|| async {
        let (queue, _, _) = queue(1);
        let (count, sum) = (200, Arc::new(AtomicUsize::new(0)));
        let producer = task!([queue] for item in 0..count {
            queue.put(item).await.unwrap();
            turn().await;
        });
        let consumer = task!([queue, sum] for _ in 0..count {
            sum.fetch_add(queue.get().await.unwrap(), Ordering::Relaxed);
        });
        producer.await.unwrap();
        consumer.await.unwrap();
        assert_eq!(sum.load(Ordering::Relaxed), count * (count - 1) / 2);
    });
}

// conforms: 13 test_why_are_putters_waiting
#[test]
fn test_why_are_putters_waiting() {
    on_loop(|| async {
        let (queue, trace, _) = queue(2);
        let putters = [0, 1, 2, 3].map(|item| put(&queue, &trace, item));
        turns(3).await;
        let mut got = Vec::new();
        while got.len() < 4 {
            while let Ok(item) = queue.get_nowait() {
                got.push(item);
            }
            turn().await;
        }
        assert_eq!(got, [0, 1, 2, 3]);
        assert_eq!(done(&putters), "[True, True, True, True]");
    });
}

/// A timeout that has long passed after the first poll.
const SHORT: Duration = Duration::from_micros(100);

// conforms: 13 test_cancelled_getters_not_being_held_in_self_getters
#[test]
fn test_cancelled_getters_not_being_held() {
    on_loop(|| async {
        let queue = Queue::new(0);
        for _ in 0..20 {
            assert!(corio::timeout(SHORT, queue.get()).await.is_err());
        }
        queue.put_nowait(1).unwrap();
        assert_eq!(queue.get_nowait(), Ok(1), "nobody else was promised the item");
    });
}

// conforms: 13 test_cancelled_puts_not_being_held_in_self_putters
#[test]
fn test_cancelled_puts_not_being_held() {
    on_loop(|| async {
        let queue = Queue::new(1);
        queue.put_nowait(0).unwrap();
        for item in 1..20 {
            assert!(corio::timeout(SHORT, queue.put(item)).await.is_err());
        }
        assert_eq!(queue.get_nowait(), Ok(0));
        assert!(queue.empty() && queue.put_nowait(1).is_ok(), "nobody else has the room");
    });
}

// conforms: 13 test_blocking_put
// conforms: 13 test_nonblocking_put
#[test]
fn a_put_into_room_needs_no_waiting() {
    let queue = Queue::new(2);
    assert_eq!(poll_once(queue.put(1)), Poll::Ready(Ok(())));
    queue.put_nowait(2).unwrap();
    assert_eq!((queue.get_nowait(), queue.get_nowait()), (Ok(1), Ok(2)));
}

// conforms: 13 test_blocking_put_wait
#[test]
fn test_blocking_put_wait() {
    on_loop(|| async {
        let (queue, trace, said) = queue(1);
        queue.put_nowait(1).unwrap();
        let waiting = put(&queue, &trace, 2);
        turns(3).await;
        assert!(!waiting.done());
        assert_eq!(queue.get_nowait(), Ok(1));
        waiting.await.unwrap();
        said.expect(&["put 2"]);
    });
}

// conforms: 13 test_get_cancel_drop_one_pending_reader
#[test]
fn test_get_cancel_drop_one_pending_reader() {
    on_loop(|| async {
        let (queue, trace, _) = queue(0);
        let reader = get(&queue, &trace, "reader");
        turn().await;
        queue.put_nowait(1).unwrap();
        queue.put_nowait(2).unwrap();
        reader.cancel();
        assert!(reader.await.unwrap_err().is_cancelled());
        let mut left = [queue.get_nowait().unwrap(), queue.get_nowait().unwrap()];
        left.sort_unstable();
        assert_eq!(left, [1, 2], "neither item is lost");
    });
}

// conforms: 13 test_get_cancel_drop_many_pending_readers
#[test]
fn test_get_cancel_drop_many_pending_readers() {
    let (queue, trace, said) = queue(1);
    on_loop(|| async move {
        let tasks = ["first", "second", "third"].map(|name| get(&queue, &trace, name));
        turns(5).await;
        queue.put_nowait(1).unwrap();
        tasks[0].cancel();
        turns(5).await;
        queue.put_nowait(2).unwrap();
        turns(5).await;
        trace.say(format!("{} {} {}", done(&tasks), py(tasks[0].cancelled()), queue.qsize()));
    });
    said.expect_recorded("queue test_get_cancel_drop_many_pending_readers");
}

// conforms: 13 test_put_cancel_drop
#[test]
fn test_put_cancel_drop() {
    let (queue, trace, said) = queue(1);
    on_loop(|| async move {
        queue.put_nowait(1).unwrap();
        let (writer, other) = (put(&queue, &trace, 2), put(&queue, &trace, 3));
        turns(5).await;
        trace.say(queue.get_nowait().unwrap());
        writer.cancel();
        turns(5).await;
        let words = [writer.cancelled(), other.done()].map(py).join(" ");
        trace.say(format!("{words} {} {}", queue.get_nowait().unwrap(), queue.qsize()));
    });
    said.expect_recorded("queue test_put_cancel_drop");
}

// conforms: 13 test_nonblocking_put_exception
#[test]
fn test_nonblocking_put_exception() {
    let queue = Queue::new(1);
    queue.put_nowait("a").unwrap();
    assert_eq!(queue.put_nowait("b"), Err(PutError::Full("b")), "the item comes back");
}

// conforms: 13 test_put_cancelled
// conforms: 13 test_put_cancelled_race
#[test]
fn test_put_cancelled_race() {
    let (queue, trace, said) = queue(1);
    on_loop(|| async move {
        let tasks = ["a", "b", "c"].map(|item| put(&queue, &trace, item));
        turns(5).await;
        tasks[1].cancel();
        turns(5).await;
        trace.say(queue.get_nowait().unwrap());
        turns(5).await;
        trace.say(format!("{} {}", queue.get_nowait().unwrap(), done(&tasks)));
    });
    said.expect_recorded("queue test_put_cancelled_race");
}

// conforms: 13 test_put_with_waiting_getters
#[test]
fn test_put_with_waiting_getters() {
    let (queue, trace, said) = queue(0);
    on_loop(|| async move {
        let _tasks = ["first", "second"].map(|name| get(&queue, &trace, name));
        turns(5).await;
        queue.put_nowait("a").unwrap();
        queue.put_nowait("b").unwrap();
        turns(5).await;
        trace.say(queue.qsize());
    });
    said.expect_recorded("queue test_put_with_waiting_getters");
}

// conforms: 13 test_cancelled_put_silence_value_error_exception
#[test]
fn a_put_that_was_let_in_can_still_be_cancelled() {
    on_loop(|| async {
        let (queue, trace, said) = queue(1);
        queue.put_nowait(1).unwrap();
        let writer = put(&queue, &trace, 2);
        turn().await;
        assert_eq!(queue.get_nowait(), Ok(1));
        writer.cancel();
        assert!(writer.await.unwrap_err().is_cancelled());
        said.expect(&[]);
        assert!(queue.empty() && queue.put_nowait(3).is_ok());
    });
}

// conforms: 29 X14
// differs: nobody overtakes: an item goes to the getter that has waited longest when it is put, and a newcomer queues behind it
#[test]
fn nobody_overtakes_a_woken_getter() {
    on_loop(|| async {
        let (queue, trace, said) = queue(0);
        let waiting = get(&queue, &trace, "waiting");
        turn().await;
        queue.put_nowait(1).unwrap();
        assert_eq!(queue.get_nowait(), Err(GetError::Empty));
        waiting.await.unwrap();
        said.expect(&["waiting got 1"]);
    });
}

// conforms: 13 test_task_done_underflow
#[test]
fn test_task_done_underflow() {
    let (fifo, lifo) = (Queue::<u8>::new(0), LifoQueue::<u8>::new(0));
    assert!(fifo.task_done().is_err() && lifo.task_done().is_err());
}

// conforms: 13 test_task_done
#[test]
fn test_task_done() {
    let (queue, trace, said) = queue(0);
    on_loop(|| async move {
        let total = Arc::new(AtomicUsize::new(0));
        for item in 0..100 {
            queue.put_nowait(item).unwrap();
        }
        let workers = [1, 2].map(|_| {
            task!([queue, total] loop {
                let item = queue.get().await.unwrap();
                total.fetch_add(item, Ordering::Relaxed);
                turns(item % 3).await;
                queue.task_done().unwrap();
            })
        });
        queue.join().await;
        trace.say(format!("{} {}", total.load(Ordering::Relaxed), queue.qsize()));
        for worker in &workers {
            worker.cancel();
        }
        for worker in workers {
            let Err(error) = worker.await.map(|never: ()| never) else { panic!("it loops") };
            assert!(error.is_cancelled());
        }
    });
    said.expect_recorded("queue test_task_done");
}

// conforms: 13 test_join_empty_queue
#[test]
fn test_join_empty_queue() {
    let queue = Queue::<u8>::new(0);
    for _ in 0..2 {
        assert!(poll_once(queue.join()).is_ready());
    }
}

// conforms: 13 test_shutdown_empty
#[test]
fn test_shutdown_empty() {
    on_loop(|| async {
        let queue = Arc::new(Queue::<u8>::new(0));
        let waiting = [(), ()].map(|()| task!([queue] queue.get().await));
        turn().await;
        queue.shutdown(false);
        for getter in waiting {
            assert_eq!(getter.await.unwrap(), Err(QueueShutDown(())));
        }
        assert_eq!(queue.put(1).await, Err(QueueShutDown(1)));
        assert_eq!(queue.put_nowait(1), Err(PutError::ShutDown(1)));
        assert_eq!(queue.get_nowait(), Err(GetError::ShutDown));
        queue.join().await;
    });
}

// conforms: 13 test_shutdown_nonempty
#[test]
fn test_shutdown_nonempty() {
    on_loop(|| async {
        let queue = Arc::new(Queue::new(1));
        queue.put_nowait(1).unwrap();
        let putter = task!([queue] queue.put(2).await);
        let joiner = task!([queue] queue.join().await);
        turn().await;
        queue.shutdown(false);
        assert_eq!(putter.await.unwrap(), Err(QueueShutDown(2)), "the item comes back");
        assert_eq!(queue.get().await, Ok(1));
        assert_eq!(queue.get().await, Err(QueueShutDown(())));
        turns(3).await;
        assert!(!joiner.done(), "the item that was gotten is not done");
        queue.task_done().unwrap();
        joiner.await.unwrap();
    });
}

// conforms: 13 test_shutdown_immediate
#[test]
fn test_shutdown_immediate() {
    on_loop(|| async {
        let queue = Arc::new(Queue::new(0));
        queue.put_nowait(1).unwrap();
        let joiner = task!([queue] queue.join().await);
        turn().await;
        queue.shutdown(true);
        joiner.await.unwrap();
        assert_eq!(queue.get().await, Err(QueueShutDown(())));
        assert!(queue.task_done().is_err());
    });
}

// conforms: 13 test_shutdown_immediate_with_unfinished
#[test]
fn test_shutdown_immediate_with_unfinished() {
    on_loop(|| async {
        let queue = Arc::new(Queue::new(0));
        queue.put_nowait(1).unwrap();
        queue.put_nowait(2).unwrap();
        let joiner = task!([queue] queue.join().await);
        assert_eq!(queue.get().await, Ok(1));
        queue.shutdown(true);
        turns(3).await;
        assert!(!joiner.done() && queue.empty());
        queue.task_done().unwrap();
        joiner.await.unwrap();
        assert!(queue.task_done().is_err());
    });
}
