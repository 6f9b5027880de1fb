//! The barrier on one thread, poll by poll; asyncio's `BarrierTests` by name.

use super::*;
use crate::testing::poll_once;

type Wait<'a> = Pin<Box<BarrierWait<'a>>>;

fn start(barrier: &Barrier) -> Wait<'_> {
    let mut wait = Box::pin(barrier.wait());
    assert!(poll(&mut wait).is_none());
    wait
}

fn poll(wait: &mut Wait<'_>) -> Option<Result<usize, BrokenBarrier>> {
    match poll_once(|cx| wait.as_mut().poll(cx)) {
        Poll::Ready(result) => Some(result.map(|result| result.index())),
        Poll::Pending => None,
    }
}

/// `wait` is the first of a round of two, which the next one completes.
fn meets(barrier: &Barrier, wait: &mut Wait<'_>) {
    assert_eq!(barrier.n_waiting(), 1);
    assert_eq!(poll(&mut Box::pin(barrier.wait())), Some(Ok(1)));
    assert_eq!(poll(wait), Some(Ok(0)));
}

const BROKE: Option<Result<usize, BrokenBarrier>> = Some(Err(BrokenBarrier(())));

#[test]
fn test_filling_one_task_twice_never_suspends() {
    let barrier = Barrier::new(1);
    for _ in 0..2 {
        assert_eq!(poll(&mut Box::pin(barrier.wait())), Some(Ok(0)));
    }
}

#[test]
fn test_filling_tasks_check_return_value() {
    let barrier = Barrier::new(3);
    for _ in 0..3 {
        let mut waits = [start(&barrier), start(&barrier)];
        assert_eq!(barrier.n_waiting(), 2);
        assert_eq!(poll(&mut Box::pin(barrier.wait())), Some(Ok(2)), "the last returns first");
        assert_eq!(barrier.n_waiting(), 0);
        assert_eq!(poll(&mut waits[1]), Some(Ok(1)));
        assert_eq!(poll(&mut waits[0]), Some(Ok(0)));
    }
}

#[test]
fn test_blocking_tasks_while_draining() {
    let barrier = Barrier::new(2);
    let mut first = start(&barrier);
    assert!(poll(&mut Box::pin(barrier.wait())).is_some());
    let mut next = start(&barrier);
    assert_eq!(barrier.n_waiting(), 0, "the round is still draining");
    assert!(poll(&mut next).is_none());
    assert!(poll(&mut first).is_some());
    assert!(poll(&mut next).is_none());
    meets(&barrier, &mut next);
}

#[test]
fn test_filling_tasks_cancel_one() {
    let barrier = Barrier::new(3);
    let mut waits = vec![start(&barrier), start(&barrier)];
    drop(waits.remove(0));
    assert_eq!(barrier.n_waiting(), 1);
    waits.push(start(&barrier));
    assert_eq!(poll(&mut Box::pin(barrier.wait())), Some(Ok(2)));
    assert_eq!(poll(&mut waits[0]), Some(Ok(0)), "indices stay unique");
    assert_eq!(poll(&mut waits[1]), Some(Ok(1)));
    assert!(!barrier.broken());
}

#[test]
fn test_reset_barrier_while_tasks_waiting_and_waiting_again() {
    let barrier = Barrier::new(3);
    barrier.reset();
    let mut waits = [start(&barrier), start(&barrier)];
    barrier.reset();
    let mut blocked = start(&barrier);
    for wait in &mut waits {
        assert_eq!(poll(wait), BROKE);
    }
    assert!(!barrier.broken());
    assert!(poll(&mut blocked).is_none(), "blocked for the next round: not broken");
    let mut again = start(&barrier);
    assert_eq!(poll(&mut Box::pin(barrier.wait())), Some(Ok(2)));
    assert_eq!(poll(&mut blocked), Some(Ok(0)));
    assert_eq!(poll(&mut again), Some(Ok(1)));
}

#[test]
fn test_reset_barrier_when_tasks_half_draining() {
    let barrier = Barrier::new(3);
    let mut waits = [start(&barrier), start(&barrier)];
    assert_eq!(poll(&mut Box::pin(barrier.wait())), Some(Ok(2)));
    assert_eq!(poll(&mut waits[0]), Some(Ok(0)));
    barrier.reset();
    assert_eq!(poll(&mut waits[1]), BROKE);
    assert_eq!(barrier.n_waiting(), 0);
    drop(start(&barrier));
}

#[test]
fn test_abort_barrier_when_tasks_half_draining_half_blocking() {
    let barrier = Barrier::new(3);
    let mut waits = [start(&barrier), start(&barrier)];
    assert!(poll(&mut Box::pin(barrier.wait())).is_some());
    let mut blocked = start(&barrier);
    barrier.abort();
    assert!(barrier.broken());
    assert_eq!(poll(&mut waits[0]), BROKE);
    assert_eq!(poll(&mut blocked), BROKE);
    assert_eq!(poll(&mut Box::pin(barrier.wait())), BROKE);
    barrier.reset();
    assert!(!barrier.broken());
    assert_eq!(poll(&mut waits[1]), BROKE, "inside since before the abort");
    drop(start(&barrier));
}

#[test]
fn a_wait_that_is_dropped_at_any_moment_leaves_a_usable_barrier() {
    for released in [false, true] {
        let barrier = Barrier::new(2);
        let wait = start(&barrier);
        if released {
            assert!(poll(&mut Box::pin(barrier.wait())).is_some());
        }
        drop(wait);
        let mut first = start(&barrier);
        assert!(poll(&mut Box::pin(barrier.wait())).is_some());
        assert!(poll(&mut first).is_some());
    }
}

#[test]
fn who_comes_early_moves_in_without_being_woken() {
    let barrier = Barrier::new(2);
    for _ in 0..3 {
        let mut first = start(&barrier);
        assert!(poll(&mut Box::pin(barrier.wait())).is_some());
        let (mut second, mut third) = (start(&barrier), start(&barrier));
        assert_eq!(barrier.n_waiting(), 0);
        let mut gate = start(&barrier);
        assert_eq!(poll(&mut first), Some(Ok(0)));
        assert_eq!(barrier.n_waiting(), 0, "their round is full, and leaves");
        assert!(poll(&mut gate).is_none(), "early for the one after it");
        assert_eq!(poll(&mut third), Some(Ok(1)), "in order of arrival");
        assert_eq!(poll(&mut second), Some(Ok(0)));
        assert_eq!(barrier.n_waiting(), 1);
        drop(gate);
        assert_eq!(barrier.n_waiting(), 0);
    }
}

#[test]
fn who_came_early_may_give_up_before_and_after_it_has_moved_in() {
    for moved in [false, true] {
        let barrier = Barrier::new(2);
        let mut first = start(&barrier);
        assert!(poll(&mut Box::pin(barrier.wait())).is_some());
        let early = start(&barrier);
        let mut other = start(&barrier);
        if !moved {
            drop(early);
            assert_eq!(poll(&mut first), Some(Ok(0)));
            meets(&barrier, &mut other);
        } else {
            assert_eq!(poll(&mut first), Some(Ok(0)));
            drop(early);
            assert_eq!(poll(&mut other), Some(Ok(1)), "the round was full");
        }
        assert_eq!(barrier.n_waiting(), 0);
        drop(start(&barrier));
    }
}

#[test]
fn an_early_wait_breaks_with_the_barrier_even_if_it_is_reset_before_it_is_polled() {
    let barrier = Barrier::new(2);
    let mut first = start(&barrier);
    assert!(poll(&mut Box::pin(barrier.wait())).is_some());
    let mut early = start(&barrier);
    barrier.abort();
    barrier.reset();
    assert!(!barrier.broken());
    let mut next = start(&barrier);
    assert_eq!(poll(&mut first), BROKE);
    assert!(poll(&mut next).is_none(), "one has not left yet");
    assert_eq!(barrier.n_waiting(), 0);
    barrier.reset();
    assert_eq!(poll(&mut early), BROKE);
    assert!(poll(&mut next).is_none());
    meets(&barrier, &mut next);
}

#[test]
fn the_most_parties_have_their_bits() {
    let barrier = Barrier::new(MOST);
    let _waits: Vec<_> = (0..100).map(|_| start(&barrier)).collect();
    assert_eq!(barrier.n_waiting(), 100);
}
