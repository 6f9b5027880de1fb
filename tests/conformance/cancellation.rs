//! Cancellation: test_tasks.py.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use corio::{
    Cancelled, ResultError, TaskError, TaskRef, catch_cancel, create_task, current_task, sleep,
    yield_now,
};
use corio_tests::kit::Signal;

use crate::support::sync::Event;
use crate::support::{Trace, as_recorded, on_loop, py, task, turn, turns};

/// Longer than any test.
pub const LONG: Duration = Duration::from_secs(600);

pub async fn for_ever() {
    pending::<()>().await;
}

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn me() -> TaskRef {
    current_task().expect("it runs in a task")
}

/// Waits until it is cancelled, cleans up for some turns, and goes on with the cancel.
pub async fn cleaning(trace: &Trace, name: &str, count: usize) {
    if let Err(request) = catch_cancel(for_ever()).await {
        trace.say(format!("{name} cleans"));
        turns(count).await;
        trace.say(format!("{name} cleaned"));
        request.raise::<()>().await;
    }
}

/// The message of a task's cancel.
pub fn said(error: &TaskError) -> Option<&str> {
    error.cancelled().expect("it was cancelled").msg()
}

// conforms: 2 test_task_cancel_message_getter
// conforms: 2 test_task_cancel_message_setter
#[test]
fn the_message_reaches_the_awaiting_code() {
    on_loop(|| async {
        let task = task!([] catch_cancel(for_ever()).await.unwrap_err().msg().map(str::to_owned));
        turn().await;
        assert!(task.cancel_with("my message"));
        assert_eq!(task.await.unwrap().as_deref(), Some("my message"));
    });
}

// conforms: 2 test_cancelling
#[test]
fn test_cancelling() {
    on_loop(|| async {
        let task = create_task(for_ever());
        turn().await;
        assert_eq!(task.cancelling(), 0);
        assert!(task.cancel());
        assert_eq!(task.cancelling(), 1);
        assert!(task.cancel());
        assert_eq!(task.cancelling(), 2);
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

// conforms: 2 test_uncancel_basic
#[test]
fn test_uncancel_basic() {
    on_loop(|| async {
        let task = task!([] {
            let request = catch_cancel(for_ever()).await.unwrap_err();
            assert_eq!(me().uncancel(), 0);
            drop(request);
            for_ever().await;
        });
        turn().await;
        assert!(task.cancel());
        turns(3).await;
        assert_eq!((task.cancelling(), task.done()), (0, false));
        assert!(task.cancel());
        let handle = task.task_ref();
        assert!(task.await.unwrap_err().is_cancelled());
        // It has ended: the count is only a number now.
        assert_eq!((handle.cancelling(), handle.uncancel()), (1, 0));
        assert!(handle.done());
    });
}

/// What asyncio's test makes of cancel and uncancel: true if the block's own cancel ended it.
async fn structured_block(limit: Duration, body: impl Future<Output = ()>) -> bool {
    let task = me();
    let timer = create_task(async move {
        sleep(limit).await;
        task.cancel();
    });
    let caught = catch_cancel(body).await;
    let fired = timer.done();
    timer.cancel();
    let Err(request) = caught else { return false };
    if fired && me().uncancel() == 0 {
        drop(request);
        return true;
    }
    request.raise().await
}

// conforms: 2 test_uncancel_structured_blocks
#[test]
fn test_uncancel_structured_blocks() {
    on_loop(|| async {
        let task = task!([] {
            let timed_out = structured_block(ms(1), sleep(LONG)).await;
            // The code after it is not affected.
            let after = catch_cancel(sleep(ms(1))).await.is_ok();
            (timed_out, me().cancelling(), after)
        });
        assert_eq!(task.await.unwrap(), (true, 0, true));
        // A cancel of somebody else goes on.
        let task = task!([] structured_block(LONG, for_ever()).await);
        turns(3).await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

// conforms: 2 test_uncancel_resets_must_cancel
#[test]
fn test_uncancel_resets_must_cancel() {
    on_loop(|| async {
        let event = Arc::new(Event::new());
        let task = task!([event] {
            event.wait().await;
            // Before the next wait the cancel is not delivered, and is taken back.
            me().cancel();
            me().uncancel();
            turn().await;
            42
        });
        turn().await;
        assert!(task.cancel());
        assert_eq!(task.uncancel(), 0);
        event.set();
        assert_eq!(task.await.unwrap(), 42);
    });
}

// conforms: 2 test_cancel
// conforms: 2 test_task_cancel_sleeping_task
// conforms: 2 test_sleep_cancel
#[test]
fn a_sleeping_task_is_cancelled_and_its_timer_gone() {
    on_loop(|| async {
        let task = create_task(sleep(LONG));
        let handle = task.task_ref();
        let canceller = create_task(async move {
            sleep(ms(1)).await;
            handle.cancel()
        });
        let start = std::time::Instant::now();
        let error = (&task).await.unwrap_err();
        assert!(error.is_cancelled() && start.elapsed() < LONG);
        assert!(canceller.await.unwrap());
        assert!(task.done() && task.cancelled() && !task.cancel());
    });
}

// conforms: 2 test_cancel_with_message_then_future_result
// conforms: 2 test_cancel_with_message_then_future_exception
#[test]
fn result_and_exception_give_the_message() {
    on_loop(|| async {
        for message in [None, Some(""), Some("my message")] {
            let task = create_task(for_ever());
            turn().await;
            assert!(match message {
                None => task.cancel(),
                Some(message) => task.cancel_with(message),
            });
            turns(2).await;
            let Err(ResultError::Cancelled(by)) = task.result() else { panic!("{task:?}") };
            assert_eq!(by.msg(), message);
            let Err(ResultError::Cancelled(by)) = task.exception() else { panic!("{task:?}") };
            assert_eq!(by.msg(), message);
            assert_eq!(said(&task.await.unwrap_err()), message);
        }
    });
}

// conforms: 2 test_cancellation_exception_context
#[test]
fn an_error_keeps_the_cancel_as_its_source() {
    #[derive(Debug)]
    struct Failed(Cancelled);
    impl std::fmt::Display for Failed {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("failed while stopping")
        }
    }
    impl std::error::Error for Failed {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    on_loop(|| async {
        let task = task!([] Failed(catch_cancel(for_ever()).await.unwrap_err()));
        turn().await;
        task.cancel_with("why");
        let error = task.await.unwrap();
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.downcast_ref::<Cancelled>().unwrap().msg(), Some("why"));
    });
}

// conforms: 2 test_cancel_with_message_before_starting_task
#[test]
fn test_cancel_with_message_before_starting_task() {
    on_loop(|| async {
        let trace = Trace::default();
        let task = task!([trace] trace.say("ran"));
        assert!(task.cancel_with("my message"));
        assert_eq!(said(&task.await.unwrap_err()), Some("my message"));
        trace.expect(&[]);
    });
}

// conforms: 2 test_cancel_yield
#[test]
fn test_cancel_yield() {
    on_loop(|| async {
        let task = task!([] {
            yield_now().await;
            yield_now().await;
            12
        });
        turn().await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

// conforms: 2 test_cancel_inner_future
// differs: what is awaited is a task; that somebody else cancels it is an error value, no unwinding
#[test]
fn test_cancel_inner_future() {
    on_loop(|| async {
        let inner = create_task(for_ever());
        let handle = inner.task_ref();
        let outer = create_task(async move { inner.await });
        turn().await;
        handle.cancel_with("inner");
        assert_eq!(said(&outer.await.unwrap().unwrap_err()), Some("inner"));
    });
}

// conforms: 2 test_cancel_both_task_and_inner_future
#[test]
fn test_cancel_both_task_and_inner_future() {
    on_loop(|| async {
        let inner = create_task(for_ever());
        let handle = inner.task_ref();
        let outer = create_task(async move { inner.await });
        turn().await;
        assert!(handle.cancel() && outer.cancel());
        assert!(outer.await.unwrap_err().is_cancelled());
        assert!(handle.done());
    });
}

// conforms: 2 test_cancel_task_catching
#[test]
fn test_cancel_task_catching() {
    on_loop(|| async {
        let (first, second) = (create_task(async {}), create_task(for_ever()));
        let watched = second.task_ref();
        let task = task!([] {
            first.await.unwrap();
            match catch_cancel(second).await {
                Ok(_) => 0,
                Err(_) => 42,
            }
        });
        turns(4).await;
        assert!(task.cancel());
        // The scope is around the wait; the task that is awaited inside of it is asked first.
        assert_eq!((&task).await.unwrap(), &42);
        assert!(!task.cancelled() && watched.done());
    });
}

// conforms: 2 test_cancel_task_ignoring
#[test]
fn test_cancel_task_ignoring() {
    on_loop(|| async {
        let third = Signal::new();
        let task = task!([third] {
            let caught = catch_cancel(for_ever()).await.is_err();
            third.wait().await;
            (caught, 42)
        });
        turn().await;
        task.cancel();
        turns(3).await;
        assert!(!task.done(), "the third wait is not cancelled");
        third.set();
        assert_eq!(task.await.unwrap(), (true, 42));
    });
}

// conforms: 2 test_cancel_current_task
// conforms: 2 test_cancel_at_end
#[test]
fn a_task_that_cancels_itself() {
    on_loop(|| async {
        let trace = Trace::default();
        let task = task!([trace] {
            me().cancel();
            trace.say("goes on");
            turn().await;
            trace.say("not reached");
        });
        assert!(task.await.unwrap_err().is_cancelled());
        trace.expect(&["goes on"]);
        let task = task!([] {
            me().cancel();
            12
        });
        assert!(task.await.unwrap_err().is_cancelled(), "the value is dropped");
    });
}

// conforms: 2 test_cancel_awaited_task
#[test]
fn test_cancel_awaited_task() {
    on_loop(|| async {
        let inner = create_task(for_ever());
        let watched = inner.task_ref();
        let task = task!([] {
            me().cancel();
            inner.await
        });
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(watched.done() && watched.cancelling() == 1);
    });
}

// conforms: 2 test_cancel_traceback_for_future_result
// conforms: 2 test_cancel_traceback_for_future_exception
// differs: the error says where the cancel was requested and the task spawned; where a task waits tells `stack()` before
#[test]
fn a_cancel_says_where_it_came_from() {
    on_loop(|| async {
        let task = create_task(sleep(LONG));
        turn().await;
        let line = line!() + 1;
        task.cancel();
        let error = (&task).await.unwrap_err();
        let at = error.cancelled().unwrap().requested_at().unwrap();
        assert_eq!((at.file(), at.line()), (file!(), line));
        assert!(error.spawned_at().file().ends_with("cancellation.rs"));
    });
}

// conforms: 2 test_task_cancel_waiter_future
#[test]
fn test_task_cancel_waiter_future() {
    on_loop(|| async {
        let event = Arc::new(Event::new());
        let task = task!([event] event.wait().await);
        turn().await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        // The wait is gone: whoever is woken now is somebody else.
        let other = task!([event] event.wait().await);
        turn().await;
        event.set();
        other.await.unwrap();
        assert_eq!(Arc::strong_count(&event), 1);
    });
}

// conforms: 2 test_baseexception_during_cancel
#[test]
fn test_baseexception_during_cancel() {
    on_loop(|| async {
        let task = task!([] {
            if catch_cancel(for_ever()).await.is_err() {
                panic!("while stopping");
            }
        });
        turn().await;
        task.cancel();
        let error = (&task).await.unwrap_err();
        assert_eq!(error.panic_message(), Some("while stopping"));
        assert!(task.done() && !task.cancelled());
    });
}

// conforms: 2 test_yield_future_passes_cancel
#[test]
fn test_yield_future_passes_cancel() {
    as_recorded("compose cancel_goes_inwards_then_outwards", |trace| async move {
        let inner = task!([trace] cleaning(&trace, "inner", 1).await);
        let outer = task!([trace] {
            let caught = catch_cancel(inner).await;
            trace.say(format!("outer {}", me().cancelling()));
            caught.map(drop).unwrap_err().raise::<()>().await;
        });
        turns(3).await;
        outer.cancel();
        trace.say(format!("{} {}", py(outer.done()), outer.cancelling()));
        trace.say(py(outer.await.unwrap_err().is_cancelled()));
    });
}

// conforms: 2 test_yield_wait_does_not_shield_cancel
#[test]
fn test_yield_wait_does_not_shield_cancel() {
    on_loop(|| async {
        let inner = create_task(for_ever());
        let watched = inner.task_ref();
        let outer = create_task(corio::wait(vec![inner], corio::ReturnWhen::AllCompleted, None));
        turns(2).await;
        outer.cancel();
        assert!(outer.await.map(drop).unwrap_err().is_cancelled());
        assert_eq!((watched.done(), watched.cancelling()), (false, 0));
        watched.cancel();
    });
}
