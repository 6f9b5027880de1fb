//! wait_for: test_waitfor.py.

use std::time::Instant;

use corio::{Task, TimeoutError, catch_cancel, create_task, sleep, wait_for};
use corio_tests::kit::Signal;

use crate::cancellation::{LONG, cleaning, for_ever, ms, said};
use crate::support::{Trace, on_loop, task, turn, turns};

/// A task that cleans up for some turns when it is cancelled.
fn slow_to_stop(trace: &Trace) -> Task<()> {
    task!([trace] cleaning(&trace, "inner", 3).await)
}

// conforms: 16 test_asyncio_wait_for_cancelled
// conforms: 16 test_cancel_wait_for
// conforms: 16 test_cancel_blocking_wait_for
#[test]
fn an_outer_cancel_waits_for_the_inner_task() {
    on_loop(|| async {
        for limit in [Some(LONG), None] {
            let trace = Trace::default();
            let inner = slow_to_stop(&trace);
            let watched = inner.task_ref();
            let outer = create_task(wait_for(inner, limit));
            turns(2).await;
            outer.cancel_with("outer");
            assert_eq!(said(&outer.await.map(drop).unwrap_err()), Some("outer"));
            assert!(watched.done());
            trace.expect(&["inner cleans", "inner cleaned"]);
        }
    });
}

// conforms: 16 test_asyncio_wait_for_timeout
#[test]
fn at_the_limit_the_inner_task_is_awaited() {
    on_loop(|| async {
        let trace = Trace::default();
        let inner = slow_to_stop(&trace);
        let watched = inner.task_ref();
        assert!(wait_for(inner, ms(2)).await.is_err());
        assert!(watched.done());
        trace.expect(&["inner cleans", "inner cleaned"]);
    });
}

// conforms: 16 test_wait_for_timeout_less_then_0_or_0_future_done
#[test]
fn no_time_for_a_task_that_is_done() {
    on_loop(|| async {
        let task = create_task(async { "done" });
        turn().await;
        assert_eq!(wait_for(task, ms(0)).await.unwrap().unwrap(), "done");
    });
}

// conforms: 16 test_wait_for_timeout_less_then_0_or_0_coroutine_do_not_started
// differs: a future is no coroutine: it is polled once, and a value that is ready wins; one that has to wait is dropped there
#[test]
fn no_time_for_a_future() {
    on_loop(|| async {
        let trace = Trace::default();
        let started = trace.clone();
        let inner = async move {
            started.say("polled");
            for_ever().await;
            started.say("not reached");
        };
        assert!(wait_for(inner, ms(0)).await.is_err());
        trace.expect(&["polled"]);
        assert_eq!(wait_for(async { 1 }, ms(0)).await, Ok(1));
    });
}

// conforms: 16 test_wait_for_timeout_less_then_0_or_0
#[test]
fn no_time_for_a_running_task() {
    on_loop(|| async {
        let trace = Trace::default();
        let inner = slow_to_stop(&trace);
        turn().await;
        let watched = inner.task_ref();
        assert!(wait_for(inner, ms(0)).await.is_err());
        assert!(watched.done());
        trace.expect(&["inner cleans", "inner cleaned"]);
    });
}

// conforms: 16 test_wait_for_waits_for_task_cancellation
// conforms: 16 test_wait_for_waits_for_task_cancellation_w_timeout_0
// differs: the error says what the limit was and where it was set, in place of a cause
#[test]
fn the_error_of_a_limit_comes_after_the_clean_up_and_has_no_cause() {
    on_loop(|| async {
        for limit in [ms(2), ms(0)] {
            let trace = Trace::default();
            let inner = slow_to_stop(&trace);
            let watched = inner.task_ref();
            turn().await;
            let (line, ended) = (line!(), wait_for(inner, limit).await);
            trace.expect(&["inner cleans", "inner cleaned"]);
            let error = ended.unwrap_err();
            assert!(watched.cancelled() && std::error::Error::source(&error).is_none());
            let place = format!("timed out after {limit:?} (limit set at {}:{line}:", file!());
            assert!(error.to_string().starts_with(&place), "{error}");
        }
    });
}

// conforms: 16 test_wait_for
#[test]
fn test_wait_for() {
    on_loop(|| async {
        let trace = Trace::default();
        let inner = task!([trace] {
            struct Finally(Trace);
            impl Drop for Finally {
                fn drop(&mut self) {
                    self.0.say("finally");
                }
            }
            let _finally = Finally(trace);
            for_ever().await;
        });
        let watched = inner.task_ref();
        let ended: Result<_, TimeoutError> = wait_for(inner, ms(2)).await;
        assert!(ended.is_err() && watched.done() && watched.cancelled());
        trace.expect(&["finally"]);
    });
}

// conforms: 16 test_wait_for_blocking
// conforms: 16 test_wait_for_race_condition
#[test]
fn a_value_in_time() {
    on_loop(|| async {
        assert_eq!(wait_for(async { "done" }, None).await, Ok("done"));
        let (go, start) = (Signal::new(), Instant::now());
        let waiting = task!([go] wait_for(go.wait(), LONG).await);
        turn().await;
        go.set();
        assert_eq!(waiting.await.unwrap(), Ok(()));
        assert!(start.elapsed() < LONG, "and its timer is gone");
    });
}

// conforms: 16 test_wait_for_cancellation_race_condition
// conforms: 16 test_wait_for_cancel_suppressed
#[test]
fn a_value_in_answer_to_the_cancel() {
    on_loop(|| async {
        let answers = || {
            task!([] {
                drop(catch_cancel(for_ever()).await);
                "suppressed"
            })
        };
        assert_eq!(wait_for(answers(), ms(2)).await.unwrap().unwrap(), "suppressed");
        let outer = create_task(wait_for(answers(), LONG));
        turns(2).await;
        outer.cancel();
        assert_eq!(outer.await.unwrap().unwrap().unwrap(), "suppressed");
    });
}

// conforms: 16 test_wait_for_reraises_exception_during_cancellation
#[test]
fn an_error_in_answer_to_the_cancel() {
    on_loop(|| async {
        let inner = task!([] {
            drop(catch_cancel(for_ever()).await);
            panic!("while stopping");
        });
        let ended: Result<Result<(), _>, _> = wait_for(inner, ms(2)).await;
        assert_eq!(ended.unwrap().unwrap_err().panic_message(), Some("while stopping"));
    });
}

// conforms: 16 test_wait_for_issue86296
#[test]
fn a_cancel_that_comes_when_the_inner_task_is_done() {
    on_loop(|| async {
        let (go, trace) = (Signal::new(), Trace::default());
        let inner = task!([go] go.wait().await);
        let watched = inner.task_ref();
        let outer = task!([trace] {
            drop(wait_for(inner, LONG).await);
            trace.say("not reached");
            sleep(LONG).await;
        });
        turns(2).await;
        go.set();
        // The inner task ends first, then the waiting one would be polled.
        turn().await;
        if watched.done() && !outer.done() {
            outer.cancel_with("late");
        }
        assert_eq!(said(&outer.await.unwrap_err()), Some("late"));
    });
}
