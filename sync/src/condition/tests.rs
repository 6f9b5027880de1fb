//! The condition on one thread, poll by poll; asyncio's `ConditionTests` by name.

use super::*;
use crate::testing::{block_on, poll_once};

type Wait<'g> = Pin<Box<ConditionWait<'g, u32>>>;

fn ready(wait: &mut Wait<'_>) -> bool {
    poll_once(|cx| wait.as_mut().poll(cx)).is_ready()
}

#[test]
fn test_notify_wakes_in_order_and_no_more_than_n() {
    let (lock, condition) = (Lock::new(0), Condition::new());
    let mut guards: Vec<_> = Vec::new();
    for _ in 0..3 {
        let mut guard = block_on(lock.acquire());
        // Each wait releases the lock for the next.
        let mut wait = std::mem::ManuallyDrop::new(condition.wait(&mut guard));
        assert!(poll_once(|cx| Pin::new(&mut *wait).poll(cx)).is_pending());
        guards.push(guard);
    }
    // Forgotten waits cannot be polled; the test looks at the line itself.
    let guard = block_on(lock.acquire());
    condition.notify(&guard, 2);
    assert!(condition.line.grant_one(condition.line.entered()), "the third still waits");
    assert!(!condition.line.grant_one(condition.line.entered()));
    condition.notify(&guard, 5);
    condition.notify_all(&guard);
}

#[test]
fn a_wait_comes_back_with_the_lock() {
    let (lock, condition) = (Lock::new(1), Condition::new());
    let mut guard = block_on(lock.acquire());
    let mut wait: Wait<'_> = Box::pin(condition.wait(&mut guard));
    assert!(!ready(&mut wait));
    let other = lock.try_acquire().expect("released while waiting");
    condition.notify(&other, 1);
    assert!(!ready(&mut wait), "notified, but the lock is held");
    drop(other);
    assert!(ready(&mut wait));
    drop(wait);
    assert!(guard.is_held());
    assert_eq!(*guard, 1);
    assert!(lock.try_acquire().is_none());
}

/// Polls a wait so many times: the first poll releases the lock, which then is taken by another one
/// who notifies, and keeps it.
fn poll_times<'l>(
    polls: usize,
    wait: &mut Wait<'_>,
    (lock, condition): &'l (Lock<u32>, Condition),
) -> Option<LockGuard<'l, u32>> {
    let mut other = None;
    for poll in 0..polls {
        assert!(!ready(wait));
        if poll == 0 {
            other = lock.try_acquire();
            condition.notify(other.as_ref().expect("released"), 1);
        }
    }
    other
}

#[test]
fn a_wait_dropped_at_every_poll_leaves_guard_and_lock_in_order() {
    for polls in 0..3 {
        let shared = (Lock::new(1), Condition::new());
        let (lock, condition) = &shared;
        let mut guard = block_on(lock.acquire());
        let mut wait: Wait<'_> = Box::pin(condition.wait(&mut guard));
        let other = poll_times(polls, &mut wait, &shared);
        drop(wait);
        assert_eq!(guard.is_held(), polls == 0, "dropped after {polls} polls");
        drop(guard);
        drop(other);
        assert!(!lock.locked(), "dropped after {polls} polls");
    }
}

#[test]
fn a_wait_that_gives_up_at_every_poll_has_the_lock_again() {
    for polls in 0..3 {
        let shared = (Lock::new(1), Condition::new());
        let (lock, condition) = &shared;
        let mut guard = block_on(lock.acquire());
        let mut wait: Wait<'_> = Box::pin(condition.wait(&mut guard));
        let other = poll_times(polls, &mut wait, &shared);
        wait.give_up();
        wait.give_up();
        if let Some(other) = other {
            assert!(!ready(&mut wait), "the lock is held: {polls} polls");
            drop(other);
        }
        assert!(ready(&mut wait), "{polls} polls");
        drop(wait);
        assert!(guard.is_held(), "{polls} polls");
        drop(guard);
        assert!(!lock.locked());
    }
}

#[test]
fn a_wait_that_gave_up_and_is_dropped_leaves_lock_and_notification_in_order() {
    let (lock, condition) = (Lock::new(1), Condition::new());
    let mut first_guard = block_on(lock.acquire());
    let mut first: Wait<'_> = Box::pin(condition.wait(&mut first_guard));
    assert!(!ready(&mut first));
    let mut second_guard = block_on(lock.acquire());
    let mut second: Wait<'_> = Box::pin(condition.wait(&mut second_guard));
    assert!(!ready(&mut second));
    let mut third_guard = block_on(lock.acquire());
    let mut third: Wait<'_> = Box::pin(condition.wait(&mut third_guard));
    assert!(!ready(&mut third));
    let guard = block_on(lock.acquire());
    condition.notify(&guard, 1);
    first.give_up();
    drop(first);
    assert!(!first_guard.is_held());
    drop(guard);
    assert!(ready(&mut second), "it got what the first had");
    drop(second);
    drop(second_guard);
    assert!(!ready(&mut third), "which was one notification");
}

#[test]
fn test_wait_cancel_contested() {
    let (lock, condition) = (Lock::new(0), Condition::new());
    let mut guard = block_on(lock.acquire());
    let mut wait = Box::pin(condition.wait_for(&mut guard, |value| *value == 9));
    let mut poll = |give_up: bool| {
        if give_up {
            wait.give_up();
        }
        poll_once(|cx| wait.as_mut().poll(cx)).is_ready()
    };
    assert!(!poll(false));
    let other = block_on(lock.acquire());
    condition.notify_all(&other);
    assert!(!poll(true));
    drop(other);
    assert!(poll(false), "whatever the predicate would say");
    drop(wait);
    assert_eq!(*guard, 0);
}

#[test]
#[should_panic(expected = "does not hold its lock")]
fn a_guard_that_is_not_held_panics() {
    let (lock, condition) = (Lock::new(1), Condition::new());
    let mut guard = block_on(lock.acquire());
    let mut wait: Wait<'_> = Box::pin(condition.wait(&mut guard));
    assert!(!ready(&mut wait));
    drop(wait);
    let _ = *guard;
}

#[test]
fn test_cancelled_wakeup_passes_the_notification_on() {
    let (lock, condition) = (Lock::new(1), Condition::new());
    for relocking in [false, true] {
        let mut first_guard = block_on(lock.acquire());
        let mut first: Wait<'_> = Box::pin(condition.wait(&mut first_guard));
        assert!(!ready(&mut first));
        let mut second_guard = block_on(lock.acquire());
        let mut second: Wait<'_> = Box::pin(condition.wait(&mut second_guard));
        assert!(!ready(&mut second));
        let guard = block_on(lock.acquire());
        condition.notify(&guard, 1);
        if relocking {
            assert!(!ready(&mut first));
        }
        drop(first);
        drop(guard);
        assert!(ready(&mut second), "relocking: {relocking}");
    }
}

#[test]
fn test_wait_for_returns_at_once_if_true() {
    let (lock, condition) = (Lock::new(1), Condition::new());
    let mut guard = block_on(lock.acquire());
    block_on(condition.wait_for(&mut guard, |value| *value == 1));
    assert!(guard.is_held());
}

#[test]
fn test_explicit_lock_two_conditions_share_one() {
    let (lock, empty, full) = (Lock::new(0), Condition::new(), Condition::new());
    let mut guard = block_on(lock.acquire());
    let mut wait: Wait<'_> = Box::pin(full.wait(&mut guard));
    assert!(!ready(&mut wait));
    let other = block_on(lock.acquire());
    empty.notify_all(&other);
    drop(other);
    assert!(!ready(&mut wait));
    let other = block_on(lock.acquire());
    full.notify_all(&other);
    drop(other);
    assert!(ready(&mut wait));
}
