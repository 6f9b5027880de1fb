//! Ready parts, on one thread.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering};
use std::task::Wake;

use super::*;

#[derive(Default)]
struct Counting(Count);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn parts(count: usize) -> Ready {
    let mut ready = Ready::with_capacity(count);
    for i in 0..count {
        assert_eq!(ready.add(), i);
    }
    ready
}

fn taken(ready: &mut Ready) -> Vec<usize> {
    std::iter::from_fn(|| ready.take()).collect()
}

#[test]
fn parts_come_in_the_order_in_which_they_were_woken() {
    let mut ready = parts(3);
    assert_eq!(ready.take(), None);
    for i in [2, 0, 2] {
        ready.waker(i).wake_by_ref();
    }
    ready.mark(1);
    assert_eq!(ready.take(), Some(2));
    // What comes while the others are looked at comes after them.
    ready.waker(2).wake_by_ref();
    assert_eq!(taken(&mut ready), [0, 1, 2]);
}

#[test]
fn the_owner_is_woken_once_for_a_list() {
    let count = Arc::new(Counting::default());
    let waker = Waker::from(count.clone());
    let mut ready = parts(2);
    ready.watch(&waker);
    ready.waker(0).wake_by_ref();
    ready.waker(1).wake_by_ref();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(taken(&mut ready), [0, 1]);
    ready.watch(&waker);
    let owned = ready.waker(1).clone();
    assert!(owned.will_wake(&ready.waker(1)) && !owned.will_wake(&ready.waker(0)));
    owned.wake();
    assert_eq!(count.0.load(Ordering::Relaxed), 2);
    drop(ready);
    assert_eq!(Arc::strong_count(&count), 2, "the owner takes its waker with it");
}

#[test]
fn an_owner_that_has_left_its_waker_is_woken_by_its_own_mark() {
    let count = Arc::new(Counting::default());
    let mut ready = parts(2);
    ready.watch(&Waker::from(count.clone()));
    assert_eq!(ready.take(), None);
    ready.mark(1);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    // It is awake until it leaves its waker again.
    ready.waker(0).wake_by_ref();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(taken(&mut ready), [1, 0]);
}

#[test]
fn slots_keep_their_place_when_more_are_added() {
    let mut ready = Ready::with_capacity(0);
    let mut wakers = Vec::new();
    for i in 0..200 {
        assert_eq!(ready.add(), i);
        wakers.push(ready.waker(i).clone());
    }
    for waker in wakers.iter().rev() {
        waker.wake_by_ref();
    }
    assert!(taken(&mut ready).into_iter().eq((0..200).rev()));
    drop(ready);
    // The wakers keep the hub; they wake nobody any more.
    wakers.into_iter().for_each(Waker::wake);
}
