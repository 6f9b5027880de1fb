//! Semaphores on one thread, poll by poll; asyncio's `SemaphoreTests` by name.

use super::*;
use crate::testing::{block_on, poll_once};

type Pending<'a> = Pin<Box<SemAcquire<'a>>>;

fn start(semaphore: &Semaphore, n: usize) -> Pending<'_> {
    let mut future = Box::pin(semaphore.acquire_many(n));
    assert!(poll_once(|cx| future.as_mut().poll(cx)).is_pending());
    future
}

fn poll<'a>(future: &mut Pending<'a>) -> Option<Permit<'a>> {
    match poll_once(|cx| future.as_mut().poll(cx)) {
        Poll::Ready(result) => Some(result.expect("open")),
        Poll::Pending => None,
    }
}

#[test]
fn test_initial_value_zero() {
    let semaphore = Semaphore::new(0);
    assert!(semaphore.locked());
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
}

#[test]
fn test_acquire_hands_permits_over_at_release() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut first = start(&semaphore, 1);
    let mut second = start(&semaphore, 1);
    drop(held);
    assert_eq!(semaphore.available_permits(), 0, "handed over, not free");
    assert!(semaphore.try_acquire().is_err());
    assert!(poll(&mut second).is_none());
    let permit = poll(&mut first).expect("first come");
    drop(permit);
    assert!(poll(&mut second).is_some());
}

#[test]
fn test_acquire_fifo_order_a_large_demand_is_not_overtaken() {
    let semaphore = Semaphore::new(2);
    let held = semaphore.try_acquire().unwrap();
    let mut large = start(&semaphore, 2);
    let mut small = start(&semaphore, 1);
    assert!(semaphore.try_acquire().is_err(), "the free permit belongs to the large demand");
    drop(held);
    assert!(poll(&mut small).is_none());
    let both = poll(&mut large).expect("met first");
    assert_eq!(both.count(), 2);
    drop(both);
    assert!(poll(&mut small).is_some());
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn test_acquire_fifo_order_4_one_release_wakes_all_it_can() {
    let semaphore = Semaphore::new(0);
    let mut waits: Vec<_> = (0..3).map(|_| start(&semaphore, 1)).collect();
    semaphore.release(2);
    let permits: Vec<_> = waits.iter_mut().map(poll).collect();
    assert!(permits[0].is_some() && permits[1].is_some() && permits[2].is_none());
}

#[test]
fn test_acquire_cancel_before_awoken() {
    let semaphore = Semaphore::new(0);
    let heads = [start(&semaphore, 1), start(&semaphore, 1)];
    let mut third = start(&semaphore, 1);
    let mut fourth = start(&semaphore, 1);
    drop(heads);
    semaphore.release(1);
    assert!(poll(&mut third).is_some());
    assert!(poll(&mut fourth).is_some(), "the third gave its permit back");
}

#[test]
fn test_acquire_no_hang_a_granted_permit_returns() {
    let semaphore = Semaphore::new(0);
    let granted = start(&semaphore, 1);
    semaphore.release(1);
    drop(granted);
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn a_partly_met_demand_that_leaves_gives_its_part_back() {
    let semaphore = Semaphore::new(1);
    let large = start(&semaphore, 5);
    semaphore.release(2);
    let mut small = start(&semaphore, 3);
    drop(large);
    assert_eq!(poll(&mut small).expect("1 + 2 permits").count(), 3);
    assert_eq!(semaphore.available_permits(), 3);
}

#[test]
fn closing_tells_waiters_and_newcomers_and_keeps_permits() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut waiting = start(&semaphore, 1);
    semaphore.close();
    let Poll::Ready(Err(Closed(()))) = poll_once(|cx| waiting.as_mut().poll(cx)) else {
        panic!("a waiter was not told");
    };
    assert_eq!(block_on(semaphore.acquire()).unwrap_err(), Closed(()));
    assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
    drop(held);
    assert_eq!(semaphore.available_permits(), 1);
    // tokio#8021: forgetting permits must not open a closed semaphore.
    assert!(semaphore.is_closed());
}

#[test]
fn forget_shrinks_and_split_divides() {
    let semaphore = Semaphore::new(3);
    let mut permit = semaphore.try_acquire_many(3).unwrap();
    let one = permit.split(1).unwrap();
    assert!(permit.split(5).is_none());
    one.forget();
    drop(permit);
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn test_release_not_acquired() {
    let bounded = Arc::new(BoundedSemaphore::new(1));
    assert!(bounded.release(1).is_err());
    let permit = block_on(bounded.clone().acquire_owned()).unwrap();
    assert!(bounded.locked());
    drop(permit);
    assert_eq!(bounded.available_permits(), 1);
}

#[test]
fn a_million_waiters_that_left_leave_no_memory() {
    let semaphore = Semaphore::new(0);
    for _ in 0..1_000_000 {
        drop(start(&semaphore, 3));
    }
    assert!(semaphore.permits.live_segments() <= 4);
    semaphore.release(1);
    assert_eq!(semaphore.available_permits(), 1);
}
