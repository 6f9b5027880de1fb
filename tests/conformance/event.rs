//! Event: test_locks.py, EventTests.

use std::sync::Arc;
use std::task::Poll;

use corio_tests::kit::poll_once;

use crate::support::sync::Event;
use crate::support::{as_recorded, done, on_loop, py, task, turn, turns};

// conforms: 9 test_repr
// differs: the number of waiters is not shown
#[test]
fn debug_tells_set_from_unset() {
    let event = Event::new();
    assert_eq!(format!("{event:?}"), "Event { is_set: false }");
    event.set();
    assert_eq!(format!("{event:?}"), "Event { is_set: true }");
}

// conforms: 9 test_wait
#[test]
fn test_wait() {
    as_recorded("event test_wait", |trace| async move {
        let event = Arc::new(Event::new());
        let spawn = |name: &'static str| {
            task!([event, trace] {
                event.wait().await;
                trace.say(name);
            })
        };
        let mut tasks = vec![spawn("first"), spawn("second")];
        turn().await;
        tasks.push(spawn("third"));
        event.set();
        turns(5).await;
        trace.say(done(&tasks));
    });
}

// conforms: 9 test_wait_on_set
#[test]
fn test_wait_on_set() {
    let event = Event::new();
    event.set();
    assert_eq!(poll_once(event.wait()), Poll::Ready(()));
}

// conforms: 9 test_wait_cancel
#[test]
fn test_wait_cancel() {
    on_loop(|| async {
        let event = Arc::new(Event::new());
        let waiter = task!([event] event.wait().await);
        turn().await;
        assert!(waiter.cancel());
        assert!(waiter.await.unwrap_err().is_cancelled());
        let other = task!([event] event.wait().await);
        turn().await;
        event.set();
        other.await.unwrap();
    });
}

// conforms: 9 test_clear
#[test]
fn test_clear() {
    let event = Event::new();
    assert!(!event.is_set());
    event.set();
    assert!(event.is_set());
    event.clear();
    assert!(!event.is_set());
    assert!(poll_once(event.wait()).is_pending());
}

// conforms: 9 test_clear_with_waiters
#[test]
fn test_clear_with_waiters() {
    as_recorded("event test_clear_with_waiters", |trace| async move {
        let event = Arc::new(Event::new());
        let spawn = |name: &'static str| {
            task!([event, trace] {
                event.wait().await;
                trace.say(format!("{name} {}", py(event.is_set())));
            })
        };
        let first = spawn("first");
        turn().await;
        event.set();
        event.clear();
        let second = spawn("second");
        turns(5).await;
        trace.say(format!("{} {}", py(first.done()), py(second.done())));
        event.set();
        event.clear();
        event.set();
        turns(5).await;
        trace.say(py(second.done()));
    });
}
