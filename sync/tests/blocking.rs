//! The blocking forms: in time, too late, and with limits that no clock can say.
#![cfg(not(any(corio_loom, corio_shuttle)))]

use corio_sync::{
    BoundedSemaphore, CancelToken, Condition, Event, Lock, Notify, RwLock, Semaphore, SetOnce,
    TryAcquireError,
};
use std::thread;
use std::time::{Duration, Instant};

const SHORT: Option<Duration> = Some(Duration::from_millis(2));

/// More than a clock can say: no limit.
const EVER: Duration = Duration::MAX;

/// Calls a wait that cannot end, and looks whether it took as long as it may.
fn too_late<R>(wait: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = wait();
    assert!(start.elapsed() >= SHORT.unwrap_or_default(), "it gave up too early");
    result
}

/// Waits on this thread while another one acts.
fn meanwhile<R>(act: impl FnOnce() + Send, wait: impl FnOnce() -> R) -> R {
    thread::scope(|scope| {
        scope.spawn(act);
        wait()
    })
}

#[test]
fn locks() {
    let lock = Lock::new(1);
    let guard = lock.blocking_acquire();
    assert!(too_late(|| lock.blocking_acquire_timeout(SHORT.unwrap())).is_none());
    let got = meanwhile(|| drop(guard), || lock.blocking_acquire_timeout(EVER).map(|it| *it));
    assert_eq!(got, Some(1));
    assert_eq!(*lock.blocking_lock(), 1);
    let lock = RwLock::new(2);
    let reader = lock.blocking_read();
    assert!(lock.blocking_read_timeout(SHORT.unwrap()).is_some());
    assert!(too_late(|| lock.blocking_write_timeout(SHORT.unwrap())).is_none());
    let writer = meanwhile(|| drop(reader), || lock.blocking_write_timeout(EVER));
    assert!(too_late(|| lock.blocking_read_timeout(SHORT.unwrap())).is_none());
    drop(writer);
    *lock.blocking_write() += 1;
    assert_eq!(*lock.blocking_read(), 3);
}

#[test]
fn permits() {
    let semaphore = Semaphore::new(0);
    let none = too_late(|| semaphore.acquire_blocking(SHORT).map(drop));
    assert_eq!(none, Err(TryAcquireError::NoPermits));
    let got = meanwhile(|| semaphore.release(1), || semaphore.acquire_blocking(Some(EVER)));
    assert_eq!(got.unwrap().count(), 1);
    let bounded = BoundedSemaphore::new(1);
    let permit = bounded.acquire_blocking(None).unwrap();
    assert!(too_late(|| bounded.acquire_blocking(SHORT)).is_err());
    drop(permit);
    bounded.close();
    assert_eq!(bounded.acquire_blocking(None).map(drop), Err(TryAcquireError::Closed));
}

#[test]
fn flags() {
    let (event, notify) = (Event::new(), Notify::new());
    assert!(!too_late(|| event.wait_blocking(SHORT)));
    assert!(meanwhile(|| event.set(), || event.wait_blocking(Some(EVER))));
    assert!(!too_late(|| notify.notified_blocking(SHORT)));
    assert!(meanwhile(|| notify.notify_one(), || notify.notified_blocking(Some(EVER))));
    let (token, answer) = (CancelToken::new(), SetOnce::new());
    let child = token.child();
    assert!(!too_late(|| child.cancelled_blocking(SHORT)));
    assert!(meanwhile(|| token.cancel(), || child.cancelled_blocking(Some(EVER))));
    assert_eq!(too_late(|| answer.wait_blocking(SHORT)), None);
    let got = meanwhile(|| answer.set(7).unwrap(), || answer.wait_blocking(Some(EVER)).copied());
    assert_eq!(got, Some(7));
}

#[test]
fn a_condition_has_its_lock_again_in_any_case() {
    let (lock, changed) = (Lock::new(0), Condition::new());
    let mut guard = lock.blocking_acquire();
    assert!(!too_late(|| changed.wait_blocking(&mut guard, SHORT)));
    assert!(guard.is_held());
    let notify = || {
        let mut guard = lock.blocking_acquire();
        *guard = 5;
        changed.notify(&guard, 1);
    };
    assert!(meanwhile(notify, || changed.wait_blocking(&mut guard, Some(EVER))));
    assert_eq!(*guard, 5);
    // Its time is over while another one holds the lock.
    let hold = || {
        let _guard = lock.blocking_acquire();
        thread::sleep(Duration::from_millis(20));
    };
    meanwhile(hold, || {
        assert!(!changed.wait_blocking(&mut guard, Some(Duration::from_millis(5))));
        assert!(guard.is_held() && *guard == 5);
        drop(guard);
    });
}
