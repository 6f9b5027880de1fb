//! The priority queue: order, panics, what is dropped, and threads.

use crate::queue::{GetError, Prioritized, PriorityQueue, PutError, QueueShutDown};
use crate::testing::{block_on, poll_once};
use proptest::prelude::*;
use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;

/// Compared by its key; says what its comparison shall do.
struct Odd {
    key: u32,
    act: Act,
}

enum Act {
    None,
    Panic,
    /// Says that it was called, then waits to be let go; once.
    Stop(mpsc::Sender<()>, std::sync::Mutex<Option<mpsc::Receiver<()>>>),
}

fn odd(key: u32) -> Odd {
    Odd { key, act: Act::None }
}

fn panicking(key: u32) -> Odd {
    Odd { key, act: Act::Panic }
}

impl PartialEq for Odd {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Odd {}

impl PartialOrd for Odd {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Odd {
    fn cmp(&self, other: &Self) -> Ordering {
        for one in [self, other] {
            match &one.act {
                Act::None => {}
                Act::Panic => panic!("{} does not compare", one.key),
                Act::Stop(called, go) => {
                    let first = go.lock().unwrap().take();
                    if let Some(go) = first {
                        called.send(()).unwrap();
                        go.recv().unwrap();
                    }
                }
            }
        }
        self.key.cmp(&other.key)
    }
}

/// Runs what shall panic.
fn panics<R>(body: impl FnOnce() -> R) {
    assert!(catch_unwind(AssertUnwindSafe(body)).is_err(), "it should have panicked");
}

fn drain<T: Ord>(queue: &PriorityQueue<T>) -> Vec<T> {
    std::iter::from_fn(|| queue.get_nowait().ok()).collect()
}

#[test]
fn test_order() {
    let queue = PriorityQueue::new(0);
    for number in [1, 3, 2] {
        queue.put_nowait(number).unwrap();
    }
    assert_eq!(drain(&queue), [1, 2, 3]);
    assert_eq!(queue.get_nowait(), Err(GetError::Empty));
}

#[test]
fn waiting_gets_are_served_by_arrival_with_what_is_smallest_then() {
    let queue = PriorityQueue::new(0);
    let mut gets: Vec<_> = (0..2).map(|_| Box::pin(queue.get())).collect();
    for get in &mut gets {
        assert!(poll_once(|cx| get.as_mut().poll(cx)).is_pending());
    }
    queue.put_nowait(2).unwrap();
    queue.put_nowait(1).unwrap();
    let gotten: Vec<_> = gets.into_iter().map(|get| block_on(get).unwrap()).collect();
    assert_eq!(gotten, [1, 2]);
}

#[test]
fn it_is_bounded_joined_and_shut_down_as_the_others() {
    let queue = PriorityQueue::new(2);
    queue.put_nowait(2).unwrap();
    queue.put_nowait(1).unwrap();
    assert!(queue.full());
    assert_eq!(queue.put_nowait(0), Err(PutError::Full(0)));
    let mut waiting = Box::pin(queue.put(0));
    assert!(poll_once(|cx| waiting.as_mut().poll(cx)).is_pending());
    assert_eq!(queue.get_blocking(None), Ok(1));
    block_on(waiting).unwrap();
    assert_eq!(*block_on(queue.get_tracked()).unwrap(), 0);
    queue.shutdown(false);
    assert_eq!(block_on(queue.put(5)), Err(QueueShutDown(5)));
    assert_eq!(block_on(queue.get()), Ok(2));
    assert_eq!(block_on(queue.get()), Err(QueueShutDown(())));
    queue.task_done().unwrap();
    queue.task_done().unwrap();
    block_on(queue.join());

    let queue = PriorityQueue::new(0);
    let item = Arc::new(1);
    queue.put_nowait(item.clone()).unwrap();
    queue.shutdown(true);
    assert_eq!(Arc::strong_count(&item), 1);
    block_on(queue.join());
}

#[test]
fn items_that_nobody_takes_are_dropped_once() {
    let item = Arc::new(());
    let queue = PriorityQueue::new(0);
    for number in 0..40 {
        queue.put_nowait((number * 7 % 40, item.clone())).unwrap();
    }
    for expected in 0..20 {
        assert_eq!(queue.get_nowait().unwrap().0, expected);
    }
    assert_eq!(Arc::strong_count(&item), 21);
    drop(queue);
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn a_long_queue_is_dropped_without_recursion() {
    let queue = PriorityQueue::new(0);
    for number in (0..200_000).rev() {
        queue.put_nowait(number).unwrap();
    }
    assert_eq!(queue.get_nowait(), Ok(0));
}

#[test]
fn a_put_whose_comparison_panics_has_not_put() {
    let queue = PriorityQueue::new(2);
    queue.put_nowait(odd(1)).unwrap();
    let mut put = queue.put(panicking(9));
    panics(|| poll_once(|cx| Pin::new(&mut put).poll(cx)));
    assert_eq!(put.take().expect("it keeps its item").key, 9);
    drop(put);
    panics(|| queue.put_nowait(panicking(9)));
    assert_eq!(queue.qsize(), 1);
    queue.put_nowait(odd(0)).expect("the room was given back");
    assert_eq!(drain(&queue).iter().map(|item| item.key).collect::<Vec<_>>(), [0, 1]);
    queue.task_done().unwrap();
    queue.task_done().unwrap();
    assert!(queue.task_done().is_err(), "a put that panicked does not count");
}

#[test]
fn an_item_that_compares_with_nothing_can_be_gotten() {
    let queue = PriorityQueue::new(0);
    queue.put_nowait(panicking(1)).unwrap();
    panics(|| queue.put_nowait(odd(5)));
    assert_eq!(queue.get_nowait().unwrap().key, 1, "an item alone is compared with nobody");
    queue.put_nowait(odd(5)).unwrap();
    assert_eq!(drain(&queue).len(), 1);
}

#[test]
fn incomparable_items_do_not_block_the_gets() {
    /// A number whose comparison panics for two that are not alike in parity, but for 1.
    #[derive(PartialEq, Eq, Debug)]
    struct Parity(u32);
    impl PartialOrd for Parity {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Parity {
        fn cmp(&self, other: &Self) -> Ordering {
            let alike = self.0 % 2 == other.0 % 2 || self.0 == 1 || other.0 == 1;
            assert!(alike, "{self:?} and {other:?} do not compare");
            self.0.cmp(&other.0)
        }
    }
    let queue = PriorityQueue::new(0);
    for number in [1, 3, 4] {
        queue.put_nowait(Parity(number)).unwrap();
    }
    assert_eq!(queue.get_nowait(), Ok(Parity(1)));
    panics(|| queue.get_nowait());
    assert_eq!(queue.qsize(), 2, "nothing was taken");
    assert_eq!(queue.get_nowait(), Ok(Parity(3)), "the older one first");
    assert_eq!(queue.get_nowait(), Ok(Parity(4)));
}

#[test]
fn a_get_whose_item_is_being_compared_may_leave() {
    let queue = Arc::new(PriorityQueue::new(0));
    let (called, calls) = mpsc::channel();
    let (go, wait) = mpsc::channel();
    let act = Act::Stop(called, std::sync::Mutex::new(Some(wait)));
    queue.put_nowait(Odd { key: 1, act }).unwrap();
    let other = queue.clone();
    let putting = thread::spawn(move || other.put_nowait(odd(2)).unwrap());
    calls.recv().unwrap();
    // The put is inside the comparison of the only item.
    let mut get = Box::pin(queue.get());
    assert!(poll_once(|cx| get.as_mut().poll(cx)).is_pending());
    assert!(poll_once(|cx| get.as_mut().poll(cx)).is_pending());
    assert_eq!(queue.qsize(), 0, "it was promised");
    drop(get);
    assert_eq!(queue.qsize(), 1, "the promise was given back");
    // Another put is not held up.
    queue.put_nowait(odd(0)).unwrap();
    assert_eq!(queue.get_nowait().unwrap().key, 0);
    let waiting = queue.clone();
    let getting = thread::spawn(move || block_on(waiting.get()).unwrap().key);
    go.send(()).unwrap();
    putting.join().unwrap();
    assert_eq!(getting.join().unwrap(), 1);
    assert_eq!(queue.get_nowait().unwrap().key, 2);
}

#[test]
fn what_is_sync_and_what_is_not() {
    fn shared<T: Send + Sync>() {}
    shared::<PriorityQueue<u32>>();
    shared::<PriorityQueue<Prioritized<u32, Box<dyn FnOnce() + Send>>>>();
    shared::<crate::queue::Put<'static, u32, crate::queue::Priority<u32>>>();
}

#[test]
fn threads_lose_nothing_and_keep_the_order() {
    const PRODUCERS: u32 = 2;
    const EACH: u32 = 3_000;
    let queue = Arc::new(PriorityQueue::new(64));
    let live = Arc::new(AtomicUsize::new(0));
    struct Live(Arc<AtomicUsize>);
    impl Drop for Live {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Relaxed);
        }
    }
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (queue, live) = (queue.clone(), live.clone());
            thread::spawn(move || {
                for number in 0..EACH {
                    live.fetch_add(1, Relaxed);
                    let item =
                        Prioritized::new(number * 7 % 13, (producer, number, Live(live.clone())));
                    queue.put_blocking(item, None).unwrap();
                }
            })
        })
        .collect();
    let consumers: Vec<_> = (0..2)
        .map(|_| {
            let queue = queue.clone();
            thread::spawn(move || {
                let mut seen = Vec::new();
                while let Ok(item) = block_on(queue.get()) {
                    let (priority, (producer, number, _live)) = item.into_parts();
                    assert_eq!(priority, number * 7 % 13);
                    // Of one producer's items of one priority, the older comes first.
                    let later =
                        |&(p, n): &(u32, u32)| p == producer && n > number && n % 13 == number % 13;
                    assert!(!seen.iter().any(later), "{producer} {number}");
                    seen.push((producer, number));
                }
                seen
            })
        })
        .collect();
    for producer in producers {
        producer.join().unwrap();
    }
    queue.shutdown(false);
    let mut seen: Vec<_> = consumers.into_iter().flat_map(|c| c.join().unwrap()).collect();
    seen.sort_unstable();
    let all: Vec<_> = (0..PRODUCERS).flat_map(|p| (0..EACH).map(move |n| (p, n))).collect();
    assert_eq!(seen, all);
    assert_eq!(live.load(Relaxed), 0);
}

/// What a thread did: when it called, what came of it, when it returned.
#[derive(Clone, Copy)]
struct Step {
    put: bool,
    /// The priority, and which item of that it is.
    item: (u64, u64),
    called: u64,
    returned: u64,
}

/// No get may return an item while a better one is in the queue from before its call until after
/// its return. Better are those of a smaller priority, and equal ones whose put had returned before
/// the other's was called.
fn assert_strict(steps: &[Step]) {
    let end = |item: (u64, u64)| {
        let get = steps.iter().find(|step| !step.put && step.item == item);
        get.map_or(u64::MAX, |get| get.called)
    };
    let puts: Vec<_> =
        steps.iter().filter(|step| step.put).map(|put| (put, end(put.item))).collect();
    for get in steps.iter().filter(|step| !step.put) {
        let (own, _) = puts.iter().find(|(put, _)| put.item == get.item).expect("it was put");
        for (put, taken) in &puts {
            let better =
                put.item.0 < own.item.0 || put.item.0 == own.item.0 && put.returned < own.called;
            let there = put.returned < get.called && *taken > get.returned;
            assert!(!(better && there), "{:?} was due before {:?}", put.item, get.item);
        }
    }
}

#[test]
fn gets_are_strict_between_threads() {
    const EACH: u64 = 40;
    for round in 0..60 {
        let queue = Arc::new(PriorityQueue::new(0));
        let clock = Arc::new(AtomicU64::new(0));
        let start = Arc::new(Barrier::new(3));
        let threads = [0, 1, 2].map(|thread| {
            let (queue, clock, start) = (queue.clone(), clock.clone(), start.clone());
            thread::spawn(move || {
                // A call that begins after another one has returned sees what that did.
                let now = || clock.fetch_add(1, AcqRel);
                let mut steps = Vec::new();
                start.wait();
                for number in 0..EACH {
                    let item = ((number * 5 + round + thread) % 3, thread * EACH + number);
                    let called = now();
                    queue.put_nowait(Prioritized::new(item.0, item.1)).unwrap();
                    steps.push(Step { put: true, item, called, returned: now() });
                    if number % 3 == thread {
                        continue;
                    }
                    let called = now();
                    let item = queue.get_nowait().expect("there is at least our own").into_parts();
                    steps.push(Step { put: false, item, called, returned: now() });
                }
                steps
            })
        });
        assert_strict(&threads.map(|thread| thread.join().unwrap()).concat());
    }
}

proptest! {
    /// The oracle is a vector that is searched.
    #[test]
    fn as_a_sorted_vector(steps in prop::collection::vec(prop::option::of(0..6_u8), 0..200)) {
        let queue = PriorityQueue::new(0);
        let mut oracle: Vec<(u8, usize)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            if let Some(priority) = step {
                queue.put_nowait(Prioritized::new(priority, number)).unwrap();
                let at = oracle.partition_point(|&(other, _)| other <= priority);
                oracle.insert(at, (priority, number));
            } else {
                let expected = (!oracle.is_empty()).then(|| oracle.remove(0));
                prop_assert_eq!(queue.get_nowait().ok().map(Prioritized::into_parts), expected);
            }
            prop_assert_eq!(queue.qsize(), oracle.len());
        }
        let rest: Vec<_> = drain(&queue).into_iter().map(Prioritized::into_parts).collect();
        prop_assert_eq!(rest, oracle);
    }
}
