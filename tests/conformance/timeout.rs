//! timeout, timeout_at and timeout_scope: test_timeouts.py.

use std::time::{Duration, Instant};

use corio::{
    GroupError, TaskGroup, TimeoutError, TimeoutScope, catch_cancel, finally, sleep, task_group,
    timeout, timeout_at, timeout_scope,
};
use corio_tests::kit::poll_once;

use crate::cancellation::{LONG, cleaning, for_ever, me, ms, said};
use crate::support::{Trace, as_recorded, on_loop, py, task, turn, turns};

/// A short limit.
const SOON: Duration = Duration::from_millis(2);

/// Ends at its limit; what the limit says inside and after.
async fn until_the_limit(
    limit: impl Into<Option<Duration>>,
    seen: &mut Option<TimeoutScope>,
) -> Result<(), TimeoutError> {
    timeout_scope(limit, async |limit| {
        *seen = Some(limit.clone());
        sleep(LONG).await;
    })
    .await
}

// conforms: 15 test_timeout_basic
// conforms: 15 test_timeout_at_basic
#[test]
fn at_the_limit() {
    on_loop(|| async {
        let (start, mut seen) = (Instant::now(), None);
        assert!(until_the_limit(SOON, &mut seen).await.is_err());
        let limit = seen.unwrap();
        let when = limit.when().unwrap();
        assert!(limit.expired() && when >= start + SOON && when <= Instant::now());
        let deadline = Instant::now() + SOON;
        let error = timeout_at(deadline, sleep(LONG)).await.unwrap_err();
        assert!(error.limit().is_none() && Instant::now() >= deadline);
    });
}

// conforms: 15 test_nested_timeouts
#[test]
fn the_same_deadline_twice() {
    on_loop(|| async {
        let trace = Trace::default();
        let deadline = Instant::now() + SOON;
        let outer = timeout_at(deadline, async {
            let inner = timeout_at(deadline, cleaning(&trace, "it", 1)).await;
            trace.say(format!("the inner one came: {}", inner.is_err()));
        });
        assert!(outer.await.is_err());
        assert_eq!(me().cancelling(), 0);
        trace.expect(&["it cleans", "it cleaned"]);
    });
}

// conforms: 15 test_waiter_cancelled
#[test]
fn what_waits_inside_may_clean_up() {
    on_loop(|| async {
        let trace = Trace::default();
        assert!(timeout(SOON, cleaning(&trace, "it", 2)).await.is_err());
        trace.expect(&["it cleans", "it cleaned"]);
    });
}

/// What the counts are inside and outside.
#[test]
fn the_counts_inside_and_outside() {
    as_recorded("compose timeout_counts", |trace| async move {
        let mut kept = None;
        let ended = timeout_scope(SOON, async |limit: TimeoutScope| {
            kept = Some(limit.clone());
            let caught = catch_cancel(for_ever()).await;
            trace.say(format!("inside {} {}", me().cancelling(), py(limit.expired())));
            caught.unwrap_err().raise::<()>().await;
        })
        .await;
        assert!(ended.is_err());
        trace.say(format!("outside {} {}", me().cancelling(), py(kept.unwrap().expired())));
    });
}

// conforms: 15 test_timeout_not_called
// conforms: 15 test_timeout_disabled
// conforms: 15 test_timeout_at_disabled
#[test]
fn limits_that_do_not_come() {
    on_loop(|| async {
        for limit in [Some(LONG), None] {
            let seen = timeout_scope(limit, async |limit| {
                sleep(SOON).await;
                limit
            });
            let seen = seen.await.unwrap();
            assert!(!seen.expired() && seen.when().is_some() == limit.is_some());
        }
        assert_eq!(timeout(None, async { 3 }).await, Ok(3));
    });
}

// conforms: 15 test_timeout_zero
// conforms: 15 test_timeout_zero_sleep_zero
// conforms: 15 test_timeout_in_the_past_sleep_zero
#[test]
fn a_limit_that_has_passed_ends_the_first_wait() {
    on_loop(|| async {
        let mut seen = None;
        assert!(until_the_limit(Duration::ZERO, &mut seen).await.is_err());
        assert!(seen.unwrap().expired());
        assert!(timeout(Duration::ZERO, turn()).await.is_err());
        let past = Instant::now() - ms(20);
        assert!(timeout_at(past, turn()).await.is_err());
        // A body that does not wait is not interrupted.
        assert_eq!(timeout_at(past, async { 5 }).await, Ok(5));
    });
}

// conforms: 15 test_foreign_exception_passed
// conforms: 15 test_foreign_exception_on_timeout
// conforms: 15 test_foreign_exception_on_timeout_2
#[test]
fn errors_of_the_body_pass() {
    on_loop(|| async {
        assert_eq!(timeout(LONG, async { Err::<(), _>("early") }).await, Ok(Err("early")));
        // Also one that the body makes while it is stopped.
        let late = timeout(SOON, async {
            drop(catch_cancel(for_ever()).await);
            turn().await;
            Err::<(), _>("late")
        });
        assert_eq!(late.await, Ok(Err("late")));
    });
}

// conforms: 15 test_timeout_exception_context
// differs: the error says what the limit was, where it was set and what was waited for, in place of a cause
#[test]
fn the_error_names_the_limit() {
    on_loop(|| async {
        let error = timeout(SOON, sleep(LONG)).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("timed out after 2ms (limit set at "), "{text}");
        assert!(text.contains("while waiting for sleep at "), "{text}");
        assert!(error.at().file().ends_with("timeout.rs"));
    });
}

// conforms: 15 test_foreign_cancel_doesnt_timeout_if_not_expired
// conforms: 15 test_outer_task_is_not_cancelled
#[test]
fn whose_cancel_it_was() {
    on_loop(|| async {
        let task = task!([] timeout(LONG, cleaning(&Trace::default(), "it", 1)).await);
        turn().await;
        task.cancel_with("outer");
        assert_eq!(said(&task.await.unwrap_err()), Some("outer"));
        let task = task!([] timeout(SOON, sleep(LONG)).await.is_err());
        assert!((&task).await.unwrap());
        assert!(!task.cancelled());
    });
}

// conforms: 15 test_nested_timeouts_concurrent
// conforms: 15 test_nested_timeouts_loop_busy
#[test]
fn limits_that_come_while_the_loop_is_busy() {
    on_loop(|| async {
        let trace = Trace::default();
        let start = Instant::now();
        let nested = |outer, inner| {
            let trace = trace.clone();
            timeout_at(start + outer, async move {
                let inner = timeout_at(start + inner, async {
                    // Both limits pass meanwhile, or the outer one alone.
                    std::thread::sleep(ms(12));
                    cleaning(&trace, "it", 1).await;
                });
                trace.say(format!("the inner one came: {}", inner.await.is_err()));
            })
        };
        assert!(nested(ms(6), SOON).await.is_err());
        assert!(nested(ms(6), LONG).await.is_err());
        trace.expect(&["it cleans", "it cleaned", "it cleans", "it cleaned"]);
    });
}

// conforms: 15 test_reschedule
#[test]
fn test_reschedule() {
    on_loop(|| async {
        let moved = timeout_scope(SOON, async |limit: TimeoutScope| {
            let later = Instant::now() + LONG;
            limit.reschedule(Some(later)).unwrap();
            assert_eq!(limit.when(), Some(later));
            sleep(ms(6)).await;
            limit.reschedule(None).unwrap();
            assert_eq!(limit.when(), None);
            sleep(ms(2)).await;
            let soon = Instant::now() + SOON;
            limit.reschedule(Some(soon)).unwrap();
            sleep(LONG).await;
        });
        let start = Instant::now();
        assert!(moved.await.is_err());
        assert!(start.elapsed() >= ms(10));
    });
}

// conforms: 15 test_repr_active
// conforms: 15 test_repr_expired
// conforms: 15 test_repr_finished
// conforms: 15 test_repr_disabled
#[test]
fn debug_tells_the_state() {
    on_loop(|| async {
        let mut seen = None;
        let body = timeout_scope(LONG, async |limit: TimeoutScope| {
            assert!(format!("{limit:?}").starts_with("TimeoutScope { state: active, when: Some("));
            limit.reschedule(None).unwrap();
            assert_eq!(format!("{limit:?}"), "TimeoutScope { state: active, when: None }");
            limit
        });
        let finished = body.await.unwrap();
        assert_eq!(format!("{finished:?}"), "TimeoutScope { state: finished, when: None }");
        assert!(until_the_limit(SOON, &mut seen).await.is_err());
        assert!(format!("{:?}", seen.unwrap()).starts_with("TimeoutScope { state: expired, "));
    });
}

// conforms: 15 test_nested_timeout_in_finally
#[test]
fn a_limit_in_the_clean_up_of_another() {
    on_loop(|| async {
        let trace = Trace::default();
        let ended = timeout(
            SOON,
            finally(sleep(LONG), async {
                let inner = timeout(SOON, sleep(LONG)).await;
                trace.say(format!("inner {}", inner.is_err()));
            }),
        );
        assert!(ended.await.is_err());
        trace.expect(&["inner true"]);
        assert_eq!(me().cancelling(), 0);
    });
}

// conforms: 15 test_timeout_after_cancellation
// conforms: 15 test_cancel_in_timeout_after_cancellation
#[test]
fn a_limit_after_a_cancel_that_was_caught() {
    on_loop(|| async {
        let task = task!([] {
            drop(catch_cancel(for_ever()).await);
            let limited = timeout(SOON, cleaning(&Trace::default(), "it", 1)).await.is_err();
            (limited, me().cancelling())
        });
        turn().await;
        task.cancel();
        assert_eq!(task.await.unwrap(), (true, 1));
        let task = task!([] {
            drop(catch_cancel(for_ever()).await);
            timeout(LONG, sleep(LONG)).await.is_err()
        });
        turn().await;
        task.cancel_with("first");
        turns(3).await;
        task.cancel_with("second");
        assert_eq!(said(&task.await.unwrap_err()), Some("second"));
    });
}

// conforms: 15 test_timeout_without_task
// differs: outside a task a limit is an alarm like others, and needs a runtime
#[test]
#[should_panic(expected = "timeout() needs a corio runtime")]
fn a_limit_without_a_runtime() {
    assert!(poll_once(timeout(LONG, for_ever())).is_pending());
}

// conforms: 15 test_timeout_finished
// conforms: 15 test_timeout_expired
// conforms: 15 test_timeout_expiring
#[test]
fn a_limit_that_is_over_cannot_be_moved() {
    on_loop(|| async {
        let finished = timeout_scope(LONG, async |limit| limit).await.unwrap();
        let error = finished.reschedule(None).unwrap_err();
        assert_eq!(error.to_string(), "it has ended already, and how it ended cannot be changed");
        let mut seen = None;
        assert!(until_the_limit(SOON, &mut seen).await.is_err());
        assert!(seen.unwrap().reschedule(Some(Instant::now() + LONG)).is_err());
        let expiring = timeout_scope(SOON, async |limit: TimeoutScope| {
            let request = catch_cancel(for_ever()).await.unwrap_err();
            assert!(limit.expired() && limit.reschedule(None).is_err());
            request.raise::<()>().await;
        });
        assert!(expiring.await.is_err());
    });
}

// conforms: 15 test_timeout_taskgroup
#[test]
fn a_limit_around_a_group_whose_clean_up_fails() {
    on_loop(|| async {
        let ended = timeout(
            SOON,
            task_group(async |group: TaskGroup<&str>| {
                let child = async {
                    drop(catch_cancel(for_ever()).await);
                    Err::<(), _>("while stopping")
                };
                drop(group.create_task(child));
                for_ever().await;
                Ok(())
            }),
        );
        assert_eq!(ended.await, Ok(Err(GroupError::Errors(vec!["while stopping"]))));
    });
}
