//! Queues: an item is in the queue, with one getter, or back with its putter.

use std::sync::Arc;

use corio::sync::{Prioritized, PriorityQueue, Queue};

use crate::driver::{Make, awaits, case};
use crate::support::{next, turns};

/// An operation that gets from an empty queue, to which three items come, and the check that
/// nothing was lost: what it got and what is left are these three, in order.
macro_rules! gets {
    (|$queue:ident| $get:expr) => {{
        let queue = Arc::new(Queue::new(0));
        let ($queue, other) = (queue.clone(), queue.clone());
        let stimulus = async move {
            for item in 1..=3 {
                turns().await;
                other.put(item).await.expect("it is open");
            }
        };
        case(async move { $get }, stimulus, async move |got: Option<i32>| {
            let mut all = Vec::from_iter(got);
            while let Ok(item) = queue.get_nowait() {
                all.push(item);
            }
            assert_eq!(all, [1, 2, 3]);
        })
    }};
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "sync::BaseQueue::get" => gets!(|queue| queue.get().await.unwrap());
    "sync::BaseQueue::get_tracked" => {
        gets!(|queue| queue.get_tracked().await.unwrap().into_inner())
    };
    "sync::Items as Stream" => gets!(|queue| next(&mut queue.stream()).await.unwrap());

    // A queue of one place: the item that was put, or not, and the place.
    "sync::BaseQueue::put" => {
        let queue = Arc::new(PriorityQueue::new(1));
        queue.put_nowait(Prioritized::new(2, "first")).unwrap();
        let (mine, other) = (queue.clone(), queue.clone());
        let stimulus = async move {
            turns().await;
            assert_eq!(other.get().await.unwrap().into_item(), "first");
        };
        let operation = async move { mine.put(Prioritized::new(1, "second")).await.unwrap() };
        case(operation, stimulus, async move |got: Option<()>| {
            let second = queue.get_nowait().map(Prioritized::into_item);
            assert_eq!(second.ok(), got.map(|()| "second"));
            queue.put_nowait(Prioritized::new(3, "third")).expect("the place is free");
        })
    };
    "sync::BaseQueue::join" => {
        let queue = Arc::new(Queue::new(0));
        queue.put_nowait(1).unwrap();
        let (mine, other) = (queue.clone(), queue.clone());
        let stimulus = async move {
            turns().await;
            other.get_nowait().unwrap();
            other.task_done().unwrap();
        };
        case(async move { mine.join().await }, stimulus, async move |_| {
            queue.join().await;
            assert!(queue.task_done().is_err());
        })
    };
};
