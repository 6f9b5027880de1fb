//! shield: test_tasks.py and test_waitfor.py.

use std::sync::Arc;

use corio::{Task, create_task, gather, shield, sleep, wait_for};
use corio_tests::kit::{Signal, poll_once};

use crate::cancellation::{for_ever, ms, said};
use crate::support::{Trace, on_loop, task, turn, turns};

/// A task that ends when the signal comes.
fn inner(go: &Signal) -> Task<u8> {
    task!([go] {
        go.wait().await;
        42
    })
}

// conforms: 3 test_shield_result
// conforms: 3 test_shield_exception
#[test]
fn a_shield_passes_value_and_error_through() {
    on_loop(|| async {
        assert_eq!(shield(async { 42 }).await.unwrap(), 42);
        let failed = create_task(async { panic!("a failure") });
        let error: Result<(), _> = shield(failed).await;
        assert_eq!(error.unwrap_err().panic_message(), Some("a failure"));
    });
}

// conforms: 3 test_shield_cancel_inner
#[test]
fn test_shield_cancel_inner() {
    on_loop(|| async {
        let inner = create_task(for_ever());
        let handle = inner.task_ref();
        let outer = create_task(shield(inner));
        turn().await;
        handle.cancel_with("inner");
        assert_eq!(said(&outer.await.unwrap().unwrap_err()), Some("inner"));
    });
}

// conforms: 3 test_shield_cancel_outer
// conforms: 3 test_shield_cancel_outer_result
// conforms: 3 test_shield_effect
#[test]
fn an_outer_cancel_leaves_the_inner_task_alone() {
    on_loop(|| async {
        let (go, trace) = (Signal::new(), Trace::default());
        let inner = task!([go, trace] {
            go.wait().await;
            trace.say("went on");
        });
        let watched = inner.task_ref();
        let outer = create_task(shield(inner));
        turn().await;
        assert!(outer.cancel());
        assert!(outer.await.map(drop).unwrap_err().is_cancelled());
        assert_eq!((watched.done(), watched.cancelling()), (false, 0));
        go.set();
        turns(3).await;
        assert!(watched.done());
        trace.expect(&["went on"]);
    });
}

// conforms: 3 test_shield_cancel_outer_exception
// conforms: 3 test_shield_cancel_outer_twice_exception
// conforms: 3 test_shield_cancel_outer_in_task
#[test]
fn shields_that_were_cancelled_leave_nothing_behind() {
    on_loop(|| async {
        let go = Signal::new();
        let inner = Arc::new(task!([go] {
            go.wait().await;
            assert!(!go.is_set(), "fails later");
        }));
        for _ in 0..3 {
            let outer = task!([inner] shield(&*inner).await.is_ok());
            turn().await;
            outer.cancel();
            assert!(outer.await.unwrap_err().is_cancelled());
            assert_eq!(Arc::strong_count(&inner), 1);
        }
        go.set();
        turns(2).await;
        // Retrieved later, by whoever looks.
        assert_eq!(shield(&*inner).await.unwrap_err().panic_message(), Some("fails later"));
    });
}

// conforms: 3 test_shield_shortcut
#[test]
fn test_shield_shortcut() {
    on_loop(|| async {
        let task = create_task(async { 42 });
        turn().await;
        assert!(task.done());
        assert!(matches!(poll_once(shield(&task)), std::task::Poll::Ready(Ok(42))));
        assert!(matches!(poll_once(shield(task)), std::task::Poll::Ready(Ok(42))));
    });
}

// conforms: 3 test_shield_gather
#[test]
fn test_shield_gather() {
    on_loop(|| async {
        let go = Signal::new();
        let children = [inner(&go), inner(&go)];
        let watched = children.each_ref().map(Task::task_ref);
        let outer = create_task(shield(gather(children)));
        turns(2).await;
        outer.cancel();
        assert!(outer.await.map(drop).unwrap_err().is_cancelled());
        assert!(watched.iter().all(|task| !task.done() && task.cancelling() == 0));
        go.set();
        turns(3).await;
        assert!(watched.iter().all(corio::TaskRef::done));
    });
}

// conforms: 3 test_gather_shield
#[test]
fn test_gather_shield() {
    on_loop(|| async {
        let go = Signal::new();
        let children = [inner(&go), inner(&go)];
        let watched = children.each_ref().map(Task::task_ref);
        let outer = create_task(gather(children.map(shield)));
        turns(2).await;
        outer.cancel();
        assert!(outer.await.map(drop).unwrap_err().is_cancelled());
        assert!(watched.iter().all(|task| !task.done() && task.cancelling() == 0));
        go.set();
    });
}

// conforms: 3 test_shield_coroutine_use_running_loop
#[test]
fn test_shield_coroutine_use_running_loop() {
    on_loop(|| async {
        let before = corio::all_tasks().len();
        let shielded = shield(async {
            turn().await;
            42
        });
        assert_eq!(corio::all_tasks().len(), before + 1, "it is a task from here on");
        assert_eq!(shielded.await.unwrap(), 42);
    });
}

// conforms: 3 test_shield_coroutine_use_global_loop
// differs: the loop that was set is asked for by name: a future becomes a task of the loop that runs
#[test]
fn a_shield_on_the_loop_that_was_set() {
    let event_loop = corio::new_event_loop().unwrap();
    corio::set_event_loop(Some(&event_loop));
    let task = corio::get_event_loop().unwrap().create_task(async { 42 });
    assert_eq!(event_loop.run_until_complete(shield(task)).unwrap().unwrap(), 42);
    corio::set_event_loop(None);
}

// conforms: 3 test_shield_coroutine_without_loop
#[test]
#[should_panic(expected = "corio")]
fn test_shield_coroutine_without_loop() {
    drop(shield(async {}));
}

// conforms: 3 WaitForShieldTests.test_zero_timeout
#[test]
fn a_limit_of_zero_on_a_shield() {
    on_loop(|| async {
        let go = Signal::new();
        let task = inner(&go);
        assert!(wait_for(shield(&task), ms(0)).await.is_err());
        assert!(!task.done() && task.cancelling() == 0);
        go.set();
        assert_eq!(task.await.unwrap(), 42);
    });
}

// conforms: 3 WaitForShieldTests.test_none_timeout
#[test]
fn no_limit_on_a_shield() {
    on_loop(|| async {
        let task = task!([] { sleep(ms(2)).await; 42 });
        assert_eq!(wait_for(shield(task), None).await.unwrap().unwrap(), 42);
    });
}

// conforms: 3 WaitForShieldTests.test_shielded_timeout
#[test]
fn a_limit_on_a_shield() {
    on_loop(|| async {
        let go = Signal::new();
        let task = inner(&go);
        assert!(wait_for(shield(&task), ms(2)).await.is_err());
        assert!(!task.done() && task.cancelling() == 0);
        go.set();
        assert_eq!(wait_for(&task, ms(60_000)).await.unwrap().unwrap(), &42);
    });
}

/// A shield is a future like others: it may be polled by anybody.
#[test]
fn a_shield_polled_by_hand() {
    on_loop(|| async {
        let go = Signal::new();
        let mut shielded = Box::pin(shield(inner(&go)));
        assert!(poll_once(shielded.as_mut()).is_pending());
        go.set();
        assert_eq!(shielded.await.unwrap(), 42);
    });
}
