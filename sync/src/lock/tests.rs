//! The lock on one thread, poll by poll; asyncio's `LockTests` by name.

use super::*;
use crate::testing::{block_on, poll_once};
use std::pin::pin;

#[test]
fn test_acquire_is_fifo_one_per_release() {
    let lock = Lock::new(Vec::new());
    let first = lock.try_acquire().unwrap();
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(lock.acquire())).collect();
    for future in &mut waiting {
        assert!(poll_once(|cx| future.as_mut().poll(cx)).is_pending());
    }
    drop(first);
    assert!(lock.locked(), "handed over, never free in between");
    assert!(lock.try_acquire().is_none(), "a newcomer cannot overtake");
    for future in &mut waiting[1..] {
        assert!(poll_once(|cx| future.as_mut().poll(cx)).is_pending());
    }
    for (number, future) in waiting.iter_mut().enumerate() {
        let Poll::Ready(mut guard) = poll_once(|cx| future.as_mut().poll(cx)) else {
            panic!("waiter {number} was not next");
        };
        guard.push(number);
    }
    drop(waiting);
    assert_eq!(lock.into_inner(), [0, 1, 2]);
}

#[test]
fn test_cancel_race_skips_a_waiter_that_left() {
    let lock = Lock::new(());
    let holder = lock.try_acquire().unwrap();
    let mut left = Box::pin(lock.acquire());
    let mut stays = Box::pin(lock.acquire());
    assert!(poll_once(|cx| left.as_mut().poll(cx)).is_pending());
    assert!(poll_once(|cx| stays.as_mut().poll(cx)).is_pending());
    drop(left);
    drop(holder);
    assert!(poll_once(|cx| stays.as_mut().poll(cx)).is_ready());
}

#[test]
fn test_finished_waiter_cancelled_hands_the_lock_on() {
    for unfair in [false, true] {
        let lock = if unfair { Lock::new_unfair(()) } else { Lock::new(()) };
        let holder = lock.try_acquire().unwrap();
        let mut granted = Box::pin(lock.acquire());
        let mut next = Box::pin(lock.acquire());
        assert!(poll_once(|cx| granted.as_mut().poll(cx)).is_pending());
        assert!(poll_once(|cx| next.as_mut().poll(cx)).is_pending());
        drop(holder);
        drop(granted);
        assert!(poll_once(|cx| next.as_mut().poll(cx)).is_ready(), "unfair: {unfair}");
    }
}

#[test]
fn test_release_not_acquired() {
    let lock = Lock::new(());
    assert_eq!(lock.release(), Err(NotLocked(())));
    std::mem::forget(block_on(lock.acquire()));
    assert_eq!(lock.release(), Ok(()));
    assert!(!lock.locked());
}

#[test]
fn a_second_release_fails_also_if_only_waiters_that_left_are_counted() {
    for (unfair, waiters) in [(false, 3), (true, 3), (false, 1000), (true, 1000)] {
        let lock = if unfair { Lock::new_unfair(()) } else { Lock::new(()) };
        std::mem::forget(lock.try_acquire());
        for _ in 0..waiters {
            assert!(poll_once(|cx| pin!(lock.acquire()).poll(cx)).is_pending());
        }
        assert_eq!(lock.release(), Ok(()));
        assert!(!lock.locked());
        assert_eq!(lock.release(), Err(NotLocked(())), "unfair: {unfair}");
        let guard = lock.try_acquire();
        assert!(guard.is_some() && lock.try_acquire().is_none());
    }
}

#[test]
fn a_starved_waiter_of_an_unfair_lock_is_handed_it() {
    let lock = Lock::new_unfair(());
    assert!(!lock.is_fair());
    let mut holder = lock.try_acquire();
    let mut waiter = pin!(lock.acquire());
    let mut losses = 0;
    loop {
        if poll_once(|cx| waiter.as_mut().poll(cx)).is_ready() {
            break;
        }
        drop(holder.take());
        holder = lock.try_acquire();
        losses += usize::from(holder.is_some());
        assert!(losses <= 5, "the bound of the docs");
    }
    assert_eq!(losses, 4, "newcomers overtook exactly as often as they may");
}

#[test]
fn a_million_waiters_that_left_leave_no_memory() {
    for lock in [Lock::new(()), Lock::new_unfair(())] {
        let _holder = lock.try_acquire();
        for _ in 0..1_000_000 {
            let mut future = pin!(lock.acquire());
            assert!(poll_once(|cx| future.as_mut().poll(cx)).is_pending());
        }
        assert!(lock.raw.live_segments() <= 4, "{} segments", lock.raw.live_segments());
    }
}

#[test]
fn owned_guards_keep_the_lock() {
    let lock = Arc::new(Lock::new(1));
    let guard = block_on(lock.clone().acquire_owned());
    assert!(lock.clone().try_acquire_owned().is_err());
    assert_eq!(*guard, 1);
    drop(guard);
    assert!(lock.try_acquire_owned().is_ok());
}

#[test]
fn guards_are_as_shareable_as_their_data() {
    fn send<T: Send>(_: &T) {}
    fn sync<T: Sync>(_: &T) {}
    let lock = Lock::new(0);
    send(&lock.acquire());
    sync(&lock.acquire());
    let guard = lock.try_acquire().unwrap();
    send(&guard);
    sync(&guard);
}
