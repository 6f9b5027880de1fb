//! Models of the lock: exclusion and hand-over in both modes, and waiters that leave.

use super::{Acquire, Lock};
use crate::model;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};
use std::pin::pin;

fn bump(lock: &Lock<usize>) {
    *block_on(lock.acquire()) += 1;
}

fn spawn(
    lock: &Arc<Lock<usize>>,
    body: impl FnOnce(&Lock<usize>) + Send + 'static,
) -> thread::JoinHandle<()> {
    let lock = lock.clone();
    thread::spawn(move || body(&lock))
}

/// Polls once, then drops the future and what it may have got.
fn glance(lock: &Lock<usize>) {
    let future: Acquire<'_, _> = lock.acquire();
    let mut future = pin!(future);
    let _ = poll_once(|cx| future.as_mut().poll(cx));
}

model! {
    /// The guard is the right to the data, and `try_acquire` respects it.
    lock_exclusion(threads = 3, bound = 2, claim = "no two guards at a time, try_acquire included") {
        let lock = Arc::new(Lock::new(0));
        let threads = [spawn(&lock, bump), spawn(&lock, |lock| {
            if let Some(mut guard) = lock.try_acquire() { *guard += 1 } else { bump(lock) }
        })];
        bump(&lock);
        join_all(threads);
        assert_eq!(*lock.try_acquire().expect("free at the end"), 3);
    }
}

/// Two threads release a lock that is held once.
fn release_twice(lock: Lock<()>) {
    let lock = Arc::new(lock);
    std::mem::forget(lock.try_acquire());
    let other = lock.clone();
    let thread = thread::spawn(move || other.release().is_ok());
    let here = lock.release().is_ok();
    assert!(thread.join().unwrap() != here);
    assert!(!lock.locked());
}

model! {
    /// A release without a guard happens once per acquisition.
    lock_release_raw(threads = 2, bound = 3, claim = "one of two raw releases fails, none is lost") {
        release_twice(Lock::new(()));
    }
}

model! {
    /// As above for the unfair lock.
    lock_release_unfair(threads = 2, bound = 3, claim = "one of two raw releases of an unfair lock fails, none is lost") {
        release_twice(Lock::new_unfair(()));
    }
}

/// Lets so many waiters come to a held lock, and leave.
fn desert(lock: &Lock<()>, waiters: usize) {
    let mut waiting: Vec<_> = (0..waiters).map(|_| Box::pin(lock.acquire())).collect();
    for future in &mut waiting {
        assert!(poll_once(|cx| future.as_mut().poll(cx)).is_pending());
    }
}

/// Releases the lock in so many threads for one acquisition, and takes it afterwards.
fn release_in<const N: usize>(lock: &Arc<Lock<()>>) {
    let others = [(); N].map(|()| {
        let lock = lock.clone();
        thread::spawn(move || lock.release().is_ok())
    });
    let mut released = usize::from(lock.release().is_ok());
    for other in others {
        released += usize::from(other.join().unwrap());
    }
    assert_eq!(released, 1, "releases for one acquisition");
    let guard = lock.try_acquire();
    assert!(guard.is_some(), "released, and not free");
    assert!(lock.try_acquire().is_none(), "two guards");
    let mut waiter = pin!(lock.acquire());
    assert!(poll_once(|cx| waiter.as_mut().poll(cx)).is_pending(), "a grant that nobody gave");
    drop(guard);
    assert!(
        poll_once(|cx| waiter.as_mut().poll(cx)).is_ready(),
        "a place was passed that was not there"
    );
}

model! {
    /// Two raw releases find only waiters that have left.
    lock_release_deserted(threads = 2, bound = 3, claim = "one of two raw releases fails, also if all waiters have left") {
        let lock = Arc::new(Lock::new(()));
        std::mem::forget(lock.try_acquire());
        desert(&lock, 2);
        release_in::<1>(&lock);
    }
}

model! {
    /// Three raw releases come to a run of places that was swept.
    lock_release_swept(threads = 3, bound = 2, claim = "releases pass no more places than are counted") {
        let lock = Arc::new(Lock::new(()));
        std::mem::forget(lock.try_acquire());
        let mut first = Box::pin(lock.acquire());
        assert!(poll_once(|cx| first.as_mut().poll(cx)).is_pending());
        desert(&lock, 3);
        lock.release().unwrap();
        std::mem::forget(poll_once(|cx| first.as_mut().poll(cx)));
        drop(first);
        release_in::<2>(&lock);
    }
}

model! {
    /// A release too many comes while the lock goes past a waiter that has left.
    lock_release_past_the_dead(threads = 2, bound = 3, claim = "however often it is released, a lock is free once") {
        let lock = Arc::new(Lock::new(()));
        std::mem::forget(lock.try_acquire());
        let mut left = Box::pin(lock.acquire());
        assert!(poll_once(|cx| left.as_mut().poll(cx)).is_pending());
        drop(left);
        let other = lock.clone();
        let thread = thread::spawn(move || other.release().is_ok());
        let here = lock.release().is_ok();
        assert!(thread.join().unwrap() || here);
        let _guard = lock.try_acquire().expect("released");
        assert!(lock.try_acquire().is_none(), "free twice");
    }
}

model! {
    /// A waiter leaves while the lock is on its way.
    lock_leave(threads = 3, bound = 2, claim = "a lock that reached a leaving waiter moves on") {
        let lock = Arc::new(Lock::new(0));
        let guard = lock.try_acquire().unwrap();
        let threads = [spawn(&lock, glance), spawn(&lock, bump)];
        drop(guard);
        join_all(threads);
        assert!(!lock.locked());
    }
}

model! {
    /// The unfair lock excludes, and wakes whoever has to wait.
    lock_unfair_exclusion(threads = 3, bound = 2, claim = "an unfair lock loses no waiter") {
        let lock = Arc::new(Lock::new_unfair(0));
        let threads = [spawn(&lock, bump), spawn(&lock, bump)];
        bump(&lock);
        join_all(threads);
        assert_eq!(*lock.try_acquire().expect("free at the end"), 3);
    }
}

model! {
    /// A called waiter of the unfair lock leaves; the call goes to the next.
    lock_unfair_leave(threads = 3, bound = 2, claim = "a call to a leaving waiter is passed on") {
        let lock = Arc::new(Lock::new_unfair(0));
        let guard = lock.try_acquire().unwrap();
        let threads = [spawn(&lock, |lock| { glance(lock); glance(lock) }), spawn(&lock, bump)];
        drop(guard);
        join_all(threads);
        assert!(!lock.locked());
        assert!(lock.try_acquire().is_some());
    }
}

model! {
    /// The last of three takes the lock while a call is on its way.
    lock_unfair_barge(threads = 2, bound = 3, claim = "a waiter that lost is called again") {
        let lock = Arc::new(Lock::new_unfair(0));
        let guard = lock.try_acquire().unwrap();
        let other = spawn(&lock, bump);
        drop(guard);
        for _ in 0..2 {
            if let Some(mut guard) = lock.try_acquire() { *guard += 1 }
        }
        other.join().unwrap();
        assert!(!lock.locked());
    }
}
