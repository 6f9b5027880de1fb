//! Lock: test_locks.py, LockTests.

use std::mem::forget;
use std::sync::Arc;

use corio::Task;

use crate::support::sync::{Event, Lock};
use crate::support::{Trace, as_recorded, done, on_loop, py, task, turn, turns};

/// Takes the lock, says so, and keeps it.
fn acquire(lock: &Arc<Lock>, trace: &Trace, name: &'static str) -> Task<()> {
    task!([lock, trace] {
        forget(lock.acquire().await);
        trace.say(name);
    })
}

// conforms: 8 test_repr
// differs: the number of waiters is not shown; a lock keeps no exact count of them
#[test]
fn debug_tells_held_from_free() {
    let lock = Lock::new(7);
    assert_eq!(format!("{lock:?}"), "Lock { data: 7 }");
    let guard = lock.try_acquire().unwrap();
    assert_eq!(format!("{lock:?}"), "Lock { data: <locked> }");
    drop(guard);
}

// conforms: 8 test_acquire
#[test]
fn test_acquire() {
    as_recorded("lock test_acquire", |trace| async move {
        let lock = Arc::new(Lock::new(()));
        forget(lock.acquire().await);
        let mut tasks = vec![acquire(&lock, &trace, "first"), acquire(&lock, &trace, "second")];
        turn().await;
        trace.say("release");
        lock.release().unwrap();
        turns(5).await;
        tasks.push(acquire(&lock, &trace, "third"));
        turn().await;
        for _ in 0..2 {
            trace.say("release");
            lock.release().unwrap();
            turns(5).await;
        }
        let [first, second, third] = [0, 1, 2].map(|n| py(tasks[n].done()));
        trace.say(format!("{first} {second} {third}"));
    });
}

// conforms: 29 X15
#[test]
fn a_late_comer_queues_behind_a_woken_waiter() {
    as_recorded("lock a_late_comer_queues_behind_a_woken_waiter", |trace| async move {
        let lock = Arc::new(Lock::new(()));
        forget(lock.acquire().await);
        let waiter = task!([lock, trace] {
            let _guard = lock.acquire().await;
            trace.say("waiter");
        });
        turn().await;
        lock.release().unwrap();
        assert!(lock.locked() && lock.try_acquire().is_none(), "the lock is on its way");
        trace.say("released");
        let _guard = lock.acquire().await;
        trace.say("late");
        waiter.await.unwrap();
    });
}

// conforms: 8 test_acquire_cancel
#[test]
fn test_acquire_cancel() {
    on_loop(|| async {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.acquire().await;
        let trace = Trace::default();
        let waiter = acquire(&lock, &trace, "never");
        turn().await;
        assert!(waiter.cancel());
        assert!(waiter.await.unwrap_err().is_cancelled());
        drop(guard);
        assert!(!lock.locked() && lock.try_acquire().is_some());
        trace.expect(&[]);
    });
}

// conforms: 8 test_cancel_race
#[test]
fn test_cancel_race() {
    as_recorded("lock test_cancel_race", |trace| async move {
        let (lock, hold) = (Arc::new(Lock::new(())), Arc::new(Event::new()));
        let tasks = ["a", "b", "c"].map(|name| {
            task!([lock, hold, trace] {
                let _guard = lock.acquire().await;
                trace.say(format!("{name} in"));
                if name == "a" {
                    hold.wait().await;
                }
                trace.say(format!("{name} out"));
            })
        });
        turns(5).await;
        hold.set();
        tasks[1].cancel();
        turns(5).await;
        let (cancelled, locked) = (py(tasks[1].cancelled()), py(lock.locked()));
        trace.say(format!("{} {cancelled} {locked}", done(&tasks)));
    });
}

// conforms: 8 test_cancel_release_race
#[test]
fn test_cancel_release_race() {
    as_recorded("lock test_cancel_release_race", |trace| async move {
        let lock = Arc::new(Lock::new(()));
        forget(lock.acquire().await);
        let tasks = ["a", "b", "c", "d"].map(|name| acquire(&lock, &trace, name));
        turn().await;
        for leaves in [0, 2] {
            tasks[leaves].cancel();
            lock.release().unwrap();
            turns(5).await;
            trace.say(format!("{} {}", done(&tasks), py(lock.locked())));
        }
        lock.release().unwrap();
        turns(5).await;
        trace.say(py(lock.locked()));
    });
}

// conforms: 8 test_finished_waiter_cancelled
#[test]
fn test_finished_waiter_cancelled() {
    as_recorded("lock test_finished_waiter_cancelled", |trace| async move {
        let lock = Arc::new(Lock::new(()));
        forget(lock.acquire().await);
        let first = acquire(&lock, &trace, "first");
        let second = acquire(&lock, &trace, "second");
        turn().await;
        lock.release().unwrap();
        first.cancel();
        turns(5).await;
        let words = [first.cancelled(), second.done(), lock.locked()].map(py);
        trace.say(words.join(" "));
    });
}

// conforms: 8 test_release_not_acquired
#[test]
fn test_release_not_acquired() {
    let lock = Lock::new(());
    let refused = lock.release().unwrap_err();
    assert_eq!(refused.to_string(), "the lock is not held");
    assert!(!lock.locked());
}

// conforms: 8 test_release_no_waiters
#[test]
fn test_release_no_waiters() {
    on_loop(|| async {
        let lock = Lock::new(());
        forget(lock.acquire().await);
        assert!(lock.locked());
        lock.release().unwrap();
        assert!(!lock.locked());
    });
}

// conforms: 8 test_context_manager
// conforms: 8 test_context_manager_async_with
// conforms: 8 test_context_manager_with_await
#[test]
fn a_guard_releases_at_the_end_of_its_scope() {
    on_loop(|| async {
        let lock = Lock::new(1);
        {
            let mut guard = lock.acquire().await;
            assert!(lock.locked());
            *guard += 1;
        }
        assert!(!lock.locked());
        assert_eq!(*lock.lock().await, 2);
        assert!(!lock.locked(), "a guard that is not kept goes at once");
    });
}
