//! Queues.

use super::{Plan, held, held_join, held_leave, ready, wait};
use crate::testing::{block_on, poll_once};
use crate::{BaseQueue, LifoQueue, PriorityQueue, Queue, Store};

/// A queue with some items.
fn filled<S: Store<u8>>(queue: BaseQueue<u8, S>, items: u8) -> BaseQueue<u8, S> {
    for item in 0..items {
        queue.put_nowait(item).unwrap();
    }
    queue
}

fn put_and_get<S: Store<u8>>(queue: &BaseQueue<u8, S>) {
    ready();
    queue.put_nowait(9).unwrap();
    block_on(queue.get()).unwrap();
}

fn get<S: Store<u8>>(queue: &BaseQueue<u8, S>) {
    ready();
    block_on(queue.get()).unwrap();
}

#[test]
fn stall_queue_put() {
    Plan {
        name: "stall_queue_put",
        claim: "others put and get beside a put that has stopped",
        make: || Queue::new(0),
        victim: |queue| held(|| queue.put_nowait(1).unwrap()),
        others: [put_and_get, put_and_get],
        after: |queue| assert_eq!(queue.qsize(), 1),
    }
    .run();
}

#[test]
fn stall_queue_put_owes() {
    Plan {
        name: "stall_queue_put_owes",
        claim: "a get that waits, waits for the put that owes it an item",
        make: || Queue::new(0),
        victim: |queue| held(|| queue.put_nowait(1).unwrap()),
        others: [
            |queue| {
                let mut get = Box::pin(queue.get());
                assert!(poll_once(|cx| get.as_mut().poll(cx)).is_pending());
                ready();
                block_on(get).unwrap();
            },
            |queue| {
                ready();
                queue.put_nowait(2).unwrap();
            },
        ],
        after: |queue| assert_eq!(queue.qsize(), 1),
    }
    .run();
}

#[test]
fn stall_queue_lifo_put() {
    Plan {
        name: "stall_queue_lifo_put",
        claim: "others put and get beside a put that has stopped",
        make: || LifoQueue::new(0),
        victim: |queue| held(|| queue.put_nowait(1).unwrap()),
        others: [put_and_get, put_and_get],
        after: |queue| assert_eq!(queue.qsize(), 1),
    }
    .run();
}

#[test]
fn stall_queue_get() {
    Plan {
        name: "stall_queue_get",
        claim: "others put and get beside a get that has stopped",
        make: || filled(Queue::new(0), 2),
        victim: |queue| held(|| _ = queue.get_nowait().unwrap()),
        others: [get, put_and_get],
        after: |queue| assert!(queue.empty()),
    }
    .run();
}

#[test]
fn stall_queue_lifo_get() {
    Plan {
        name: "stall_queue_lifo_get",
        claim: "others put and get beside a get that has stopped",
        make: || filled(LifoQueue::new(0), 2),
        victim: |queue| held(|| _ = queue.get_nowait().unwrap()),
        others: [get, put_and_get],
        after: |queue| assert!(queue.empty()),
    }
    .run();
}

#[test]
fn stall_queue_priority_put() {
    Plan {
        name: "stall_queue_priority_put",
        claim: "others put and get beside a put that has stopped",
        make: || PriorityQueue::new(0),
        victim: |queue| held(|| queue.put_nowait(1).unwrap()),
        others: [put_and_get, put_and_get],
        after: |queue| assert_eq!(queue.qsize(), 1),
    }
    .run();
}

#[test]
fn stall_queue_priority_get() {
    Plan {
        name: "stall_queue_priority_get",
        claim: "others put and get beside a get that has stopped",
        make: || filled(PriorityQueue::new(0), 2),
        victim: |queue| held(|| _ = queue.get_nowait().unwrap()),
        others: [get, put_and_get],
        after: |queue| assert!(queue.empty()),
    }
    .run();
}

fn put_only(queue: &PriorityQueue<u8>) {
    ready();
    queue.put_nowait(50).unwrap();
}

#[test]
fn stall_queue_priority_compare() {
    Plan {
        name: "stall_queue_priority_compare",
        claim: "a get waits for a put that has stopped while it compares the item that is due",
        make: || filled(PriorityQueue::new(0), 1),
        victim: |queue| held(|| queue.put_nowait(99).unwrap()),
        others: [put_and_get, |_| ready()],
        after: |queue| assert_eq!(queue.qsize(), 2),
    }
    .run();
}

#[test]
fn stall_queue_priority_puts_beside_compare() {
    Plan {
        name: "stall_queue_priority_puts_beside_compare",
        claim: "puts go on beside a put that has stopped, wherever it has",
        make: || filled(PriorityQueue::new(0), 1),
        victim: |queue| held(|| queue.put_nowait(99).unwrap()),
        others: [put_only, put_only],
        after: |queue| assert_eq!(queue.qsize(), 4),
    }
    .run();
}

/// Waits for room, and puts.
fn wait_and_put(queue: &Queue<u8>) {
    let mut put = Box::pin(queue.put(9));
    assert!(poll_once(|cx| put.as_mut().poll(cx)).is_pending());
    ready();
    block_on(put).unwrap();
}

#[test]
fn stall_queue_bounded_get() {
    Plan {
        name: "stall_queue_bounded_get",
        claim: "a put that waits, waits for the get that owes it room",
        make: || filled(Queue::new(2), 2),
        victim: |queue| held(|| _ = queue.get_nowait().unwrap()),
        others: [wait_and_put, get],
        after: |queue| assert_eq!(queue.qsize(), 1),
    }
    .run();
}

#[test]
fn stall_queue_put_leaves() {
    Plan {
        name: "stall_queue_put_leaves",
        claim: "those behind a put that is leaving wait while it settles",
        make: || filled(Queue::new(2), 2),
        victim: |queue| {
            let mut put = Box::pin(queue.put(8));
            assert!(poll_once(|cx| put.as_mut().poll(cx)).is_pending());
            held(|| drop(put));
        },
        others: [wait_and_put, |queue| {
            ready();
            queue.get_nowait().unwrap();
            queue.get_nowait().unwrap();
        }],
        after: |queue| assert_eq!(queue.qsize(), 1),
    }
    .run();
}

#[test]
fn stall_queue_shutdown() {
    Plan {
        name: "stall_queue_shutdown",
        claim: "whoever shuts down tells all who wait, whatever another one is doing",
        make: || Queue::<u8>::new(0),
        victim: |queue| held(|| queue.shutdown(false)),
        others: [
            |queue| {
                let mut get = Box::pin(queue.get());
                assert!(poll_once(|cx| get.as_mut().poll(cx)).is_pending());
                ready();
                assert!(block_on(get).is_err());
            },
            |queue| {
                ready();
                queue.shutdown(false);
            },
        ],
        after: |queue| assert!(queue.put_nowait(1).is_err()),
    }
    .run();
}

#[test]
fn stall_queue_put_shut() {
    Plan {
        name: "stall_queue_put_shut",
        claim: "the last get of a queue that was shut down waits for a put that was let in",
        make: || Queue::new(0),
        victim: |queue| held(|| _ = queue.put_nowait(1)),
        others: [
            |queue| {
                ready();
                queue.shutdown(false);
            },
            |queue| {
                ready();
                queue.shutdown(false);
                let _ = block_on(queue.get());
            },
        ],
        after: |queue| assert!(queue.put_nowait(1).is_err()),
    }
    .run();
}

#[test]
fn stall_queue_task_done() {
    Plan {
        name: "stall_queue_task_done",
        claim: "a report that has stopped keeps nobody from reporting and asking",
        make: || filled(Queue::new(0), 2),
        victim: |queue| held(|| queue.task_done().unwrap()),
        others: [
            |queue| {
                let mut join = Box::pin(queue.join());
                assert!(poll_once(|cx| join.as_mut().poll(cx)).is_pending());
                ready();
            },
            |queue| {
                ready();
                queue.task_done().unwrap();
                let _ = format!("{queue:?}");
            },
        ],
        after: |queue| block_on(queue.join()),
    }
    .run();
}

#[test]
fn stall_queue_get_leaves() {
    Plan {
        name: "stall_queue_get_leaves",
        claim: "those behind a get that is leaving wait while it settles",
        make: || Queue::new(0),
        victim: |queue| held_leave(queue.get()),
        others: [
            |queue| _ = wait(queue.get()).unwrap(),
            |queue| {
                ready();
                queue.put_nowait(1).unwrap();
                queue.put_nowait(2).unwrap();
            },
        ],
        after: |queue| assert_eq!(queue.qsize(), 1),
    }
    .run();
}

#[test]
fn stall_queue_join_leaves() {
    Plan {
        name: "stall_queue_join_leaves",
        claim: "a join that is leaving keeps no other one waiting",
        make: || filled(Queue::new(0), 1),
        victim: |queue| held_leave(queue.join()),
        others: [
            |queue| wait(queue.join()),
            |queue| {
                ready();
                queue.task_done().unwrap();
            },
        ],
        after: |queue| block_on(queue.join()),
    }
    .run();
}

#[test]
fn stall_queue_get_joins() {
    Plan {
        name: "stall_queue_get_joins",
        claim: "those behind a get that is joining wait for it",
        make: || Queue::new(0),
        victim: |queue| _ = held_join(queue.get()).unwrap(),
        others: [
            |queue| {
                ready();
                _ = block_on(queue.get()).unwrap();
            },
            |queue| {
                ready();
                queue.put_nowait(1).unwrap();
                queue.put_nowait(2).unwrap();
            },
        ],
        after: |queue| assert!(queue.empty()),
    }
    .run();
}
