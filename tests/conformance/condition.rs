//! Condition: test_locks.py, ConditionTests.
//!
//! asyncio's condition owns its lock; corio's comes with the guard, so what asyncio checks when it
//! runs is partly checked when it is compiled.

use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use corio::{Task, catch_cancel};
use corio_tests::kit::poll_once;

use crate::support::sync::{Condition, Lock, LockGuard};
use crate::support::{Trace, as_recorded, done, on_loop, py, task, turns};

type Shared = Arc<(Lock, Condition)>;

fn shared() -> Shared {
    Arc::new((Lock::new(()), Condition::new()))
}

/// Waits once, says so, and keeps the lock if `keep`.
fn wait(shared: &Shared, trace: &Trace, name: &'static str, keep: bool) -> Task<()> {
    task!([shared, trace] {
        let (lock, condition) = &*shared;
        let mut guard = lock.acquire().await;
        condition.wait(&mut guard).await;
        trace.say(name);
        if keep {
            forget(guard);
        }
    })
}

// conforms: 10 test_wait
#[test]
fn test_wait() {
    as_recorded("condition test_wait", |trace| async move {
        let shared = shared();
        let (lock, condition) = &*shared;
        let tasks = ["first", "second", "third"].map(|name| wait(&shared, &trace, name, true));
        turns(5).await;
        trace.say(py(lock.locked()));
        let guard = lock.acquire().await;
        condition.notify(&guard, 1);
        turns(5).await;
        trace.say("nobody before the release");
        drop(guard);
        turns(5).await;
        trace.say(format!("a release without notify {}", py(lock.locked())));
        // The first task left the lock held: this one takes its place.
        lock.release().unwrap();
        let guard = lock.try_acquire().unwrap();
        condition.notify(&guard, 2);
        drop(guard);
        turns(5).await;
        lock.release().unwrap();
        turns(5).await;
        lock.release().unwrap();
        trace.say(format!("{} {}", done(&tasks), py(lock.locked())));
    });
}

// conforms: 10 test_notify
// conforms: 10 test_context_manager
#[test]
fn test_notify() {
    as_recorded("condition test_notify", |trace| async move {
        let shared = shared();
        let (lock, condition) = &*shared;
        let tasks = ["first", "second", "third"].map(|name| wait(&shared, &trace, name, false));
        turns(5).await;
        for count in [1, 2048] {
            let guard = lock.acquire().await;
            condition.notify(&guard, count);
            drop(guard);
            trace.say(format!("notify {count}"));
            turns(10).await;
        }
        trace.say(done(&tasks));
    });
}

// conforms: 10 test_notify_all
#[test]
fn test_notify_all() {
    on_loop(|| async {
        let (shared, trace) = (shared(), Trace::default());
        let tasks = ["first", "second", "third"].map(|name| wait(&shared, &trace, name, false));
        turns(5).await;
        shared.1.notify_all(&shared.0.acquire().await);
        turns(10).await;
        trace.expect(&["first", "second", "third"]);
        assert_eq!(done(&tasks), "[True, True, True]");
    });
}

// conforms: 10 test_wait_for
#[test]
fn test_wait_for() {
    as_recorded("condition test_wait_for", |trace| async move {
        let shared = Arc::new((Lock::new(false), Condition::new()));
        let waiter = task!([shared, trace] {
            let (lock, condition) = &*shared;
            let mut guard = lock.acquire().await;
            let asked = |ready: &mut bool| {
                trace.say("asked");
                *ready
            };
            condition.wait_for(&mut guard, asked).await;
            trace.say("true");
        });
        turns(5).await;
        for value in [false, true] {
            let mut guard = shared.0.acquire().await;
            *guard = value;
            shared.1.notify(&guard, 1);
            drop(guard);
            trace.say("notified");
            turns(5).await;
        }
        trace.say(py(waiter.done()));
    });
}

/// A guard that no longer holds its lock.
fn with_released_guard(f: impl FnOnce(&Condition, &mut LockGuard<'_>)) {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let mut guard = lock.try_acquire().unwrap();
    assert!(poll_once(condition.wait(&mut guard)).is_pending(), "and is dropped");
    assert!(!guard.is_held());
    f(&condition, &mut guard);
}

#[track_caller]
fn panics(f: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err(), "no panic came");
}

// conforms: 10 test_wait_unacquired
// conforms: 10 test_wait_for_unacquired
// differs: a panic instead of an error, which a true predicate does not avert: only a wait that was dropped midway leads there
#[test]
fn test_wait_unacquired() {
    with_released_guard(|condition, guard| {
        panics(|| _ = poll_once(condition.wait(guard)));
        panics(|| _ = poll_once(condition.wait_for(guard, |()| true)));
    });
    let (lock, condition) = (Lock::new(()), Condition::new());
    let mut guard = lock.try_acquire().unwrap();
    assert!(poll_once(condition.wait_for(&mut guard, |()| true)).is_ready());
}

// conforms: 10 test_notify_unacquired
// conforms: 10 test_notify_all_unacquired
// differs: a panic instead of an error
#[test]
fn test_notify_unacquired() {
    with_released_guard(|condition, guard| {
        panics(|| condition.notify(guard, 1));
        panics(|| condition.notify_all(guard));
    });
}

// conforms: 10 test_repr
// differs: neither the lock, which is not part of it, nor the number of waiters is shown
#[test]
fn test_repr() {
    assert_eq!(format!("{:?}", Condition::new()), "Condition { .. }");
}

// conforms: 10 test_explicit_lock
#[test]
fn test_explicit_lock() {
    on_loop(|| async {
        let shared = Arc::new((Lock::new(()), Condition::new(), Condition::new()));
        let trace = Trace::default();
        let spawn = |name: &'static str, second: bool| {
            task!([shared, trace] {
                let (lock, one, two) = &*shared;
                let mut guard = lock.acquire().await;
                if second { two } else { one }.wait(&mut guard).await;
                trace.say(name);
            })
        };
        let tasks = [spawn("one", false), spawn("two", true)];
        turns(5).await;
        let (lock, one, two) = &*shared;
        two.notify(&lock.acquire().await, 1);
        turns(5).await;
        trace.expect(&["two"]);
        one.notify_all(&lock.acquire().await);
        turns(5).await;
        assert_eq!(done(&tasks), "[True, True]");
    });
}

// conforms: 10 test_ambiguous_loops
// differs: there is no such error: primitives belong to no loop, and two loops may share one
#[test]
fn two_loops_share_a_condition() {
    let shared = Arc::new((Lock::new(0), Condition::new()));
    let other = shared.clone();
    let waiting = std::thread::spawn(move || {
        on_loop(move || async move {
            let mut guard = other.0.acquire().await;
            other.1.wait_for(&mut guard, |count| *count == 1).await;
            *guard += 1;
            other.1.notify(&guard, 1);
        });
    });
    on_loop(move || async move {
        let mut guard = shared.0.acquire().await;
        *guard += 1;
        shared.1.notify(&guard, 1);
        shared.1.wait_for(&mut guard, |count| *count == 2).await;
    });
    waiting.join().unwrap();
}

// conforms: 10 test_cancelled_wakeup
#[test]
fn test_cancelled_wakeup() {
    on_loop(|| async {
        let (shared, trace) = (shared(), Trace::default());
        let tasks = ["first", "second"].map(|name| wait(&shared, &trace, name, false));
        turns(5).await;
        shared.1.notify(&shared.0.acquire().await, 1);
        tasks[0].cancel();
        turns(10).await;
        trace.expect(&["second"]);
        assert!(tasks[0].cancelled() && tasks[1].done());
        assert!(!shared.0.locked());
    });
}

// conforms: 10 test_cancelled_wakeup_relock
#[test]
fn test_cancelled_wakeup_relock() {
    on_loop(|| async {
        let (shared, trace) = (shared(), Trace::default());
        let tasks = ["first", "second"].map(|name| wait(&shared, &trace, name, false));
        turns(5).await;
        let guard = shared.0.acquire().await;
        shared.1.notify(&guard, 1);
        // The first is woken, and waits for the lock.
        turns(5).await;
        tasks[0].cancel();
        turns(5).await;
        assert!(!tasks[0].done() && !tasks[1].done());
        drop(guard);
        turns(10).await;
        trace.expect(&["second"]);
        assert!(tasks[0].cancelled());
        assert!(!shared.0.locked());
    });
}

/// A task that waits with the lock in its hands, and says whether a cancel came out of the wait and
/// whether the lock was held then.
fn wait_and_catch(shared: &Shared) -> Task<(Option<String>, bool)> {
    task!([shared] {
        let (lock, condition) = &*shared;
        let mut guard = lock.acquire().await;
        let caught = catch_cancel(condition.wait(&mut guard)).await.err();
        (caught.map(|request| request.msg().unwrap_or("").to_owned()), guard.is_held())
    })
}

// conforms: 10 test_wait_cancel
#[test]
fn test_wait_cancel() {
    on_loop(|| async {
        let shared = shared();
        let waiter = wait_and_catch(&shared);
        turns(2).await;
        assert!(!shared.0.locked(), "it waits");
        waiter.cancel();
        assert_eq!(waiter.await.unwrap(), (Some(String::new()), true));
        // No waiter is left behind: this one is notified alone.
        let next = wait_and_catch(&shared);
        turns(2).await;
        shared.1.notify(&shared.0.acquire().await, 1);
        assert_eq!(next.await.unwrap(), (None, true));
    });
}

// conforms: 10 test_wait_cancel_contested
#[test]
fn test_wait_cancel_contested() {
    on_loop(|| async {
        let shared = shared();
        let waiter = wait_and_catch(&shared);
        turns(2).await;
        let contested = shared.0.acquire().await;
        shared.1.notify(&contested, 1);
        waiter.cancel();
        turns(5).await;
        assert!(!waiter.done(), "the lock is held here");
        drop(contested);
        assert!(waiter.await.unwrap().1, "whether or not the cancel came out of the wait");
    });
}

// conforms: 10 test_wait_cancel_after_notify
#[test]
fn test_wait_cancel_after_notify() {
    on_loop(|| async {
        let (shared, trace) = (shared(), Trace::default());
        let waiter = wait(&shared, &trace, "went on", false);
        turns(2).await;
        let guard = shared.0.acquire().await;
        shared.1.notify(&guard, 1);
        // It is woken, and waits for the lock.
        turns(2).await;
        waiter.cancel();
        turns(2).await;
        assert!(!waiter.done(), "kept until it has the lock");
        drop(guard);
        turns(2).await;
        assert!(waiter.cancelled());
        trace.expect(&[]);
        assert!(!shared.0.locked());
    });
}

// conforms: 10 test_timeout_in_block
#[test]
fn test_timeout_in_block() {
    on_loop(|| async {
        let (lock, condition) = (Lock::new(()), Condition::new());
        let mut guard = lock.acquire().await;
        let late = corio::wait_for(condition.wait(&mut guard), Duration::from_millis(1)).await;
        assert!(late.is_err() && guard.is_held() && lock.locked());
    });
}

/// The cancel that ends a task is the one that it was asked with.
async fn ends_with(task: Task<()>, msg: &str) {
    let error = task.await.expect_err("the cancel goes on");
    assert_eq!(error.cancelled().and_then(|request| request.msg()), Some(msg));
}

fn wait_and_raise_again(shared: &Shared) -> Task<()> {
    task!([shared] {
        let (lock, condition) = &*shared;
        let mut guard = lock.acquire().await;
        let never = condition.wait_for(&mut guard, |()| false);
        let request = catch_cancel(never).await.expect_err("it never holds");
        assert!(guard.is_held());
        request.raise::<()>().await;
    })
}

// conforms: 10 test_cancelled_error_wakeup
#[test]
fn test_cancelled_error_wakeup() {
    on_loop(|| async {
        let task = wait_and_raise_again(&shared());
        turns(2).await;
        task.cancel_with("foo");
        ends_with(task, "foo").await;
    });
}

// conforms: 10 test_cancelled_error_re_aquire
#[test]
fn test_cancelled_error_re_aquire() {
    on_loop(|| async {
        let shared = shared();
        let task = wait_and_raise_again(&shared);
        turns(2).await;
        let guard = shared.0.acquire().await;
        shared.1.notify(&guard, 1);
        turns(2).await;
        task.cancel_with("foo");
        turns(2).await;
        drop(guard);
        ends_with(task, "foo").await;
    });
}

/// Where no cancel can take the lock again: the wait is dropped.
#[test]
fn a_wait_that_is_dropped_leaves_the_lock_to_others() {
    on_loop(|| async {
        let (shared, trace) = (shared(), Trace::default());
        let (first, second) =
            (wait(&shared, &trace, "first", false), wait(&shared, &trace, "second", false));
        turns(5).await;
        let held = shared.0.acquire().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        drop(held);
        let guard = shared.0.try_acquire().expect("nobody waits for the lock");
        shared.1.notify(&guard, 1);
        drop(guard);
        second.await.unwrap();
        trace.expect(&["second"]);
    });
}
