//! Staggered race: test_staggered.py.

use std::time::{Duration, Instant};

use corio::{TimeoutScope, catch_cancel, sleep, staggered_race, timeout, timeout_scope};

use crate::cancellation::{for_ever, ms};
use crate::support::{Trace, on_loop};

const LONG: Option<Duration> = Some(Duration::from_secs(600));

// conforms: 25 StaggeredTests.test_empty
// differs: without attempts there are no errors; asyncio gives no winner and no exceptions
#[test]
fn test_empty() {
    on_loop(|| async {
        let none = std::iter::empty::<fn() -> std::future::Ready<Result<(), ()>>>();
        assert_eq!(staggered_race(none, None).await, Err(vec![]));
    });
}

// conforms: 25 test_one_successful
#[test]
fn test_one_successful() {
    on_loop(|| async {
        let attempts = [|| async { Ok::<_, &str>("index: 0") }];
        assert_eq!(staggered_race(attempts, None).await, Ok((0, "index: 0")));
    });
}

// conforms: 25 test_none_successful
#[test]
fn test_none_successful() {
    on_loop(|| async {
        for delay in [None, Some(ms(0)), Some(ms(1)), LONG] {
            let attempts = (0..2).map(|n| move || async move { Err::<(), _>(n) });
            assert_eq!(staggered_race(attempts, delay).await, Err(vec![0, 1]));
        }
    });
}

// conforms: 25 test_first_error_second_successful
#[test]
fn test_first_error_second_successful() {
    on_loop(|| async {
        let attempts =
            (0..3).map(|n| move || async move { if n == 0 { Err("down") } else { Ok(n) } });
        assert_eq!(staggered_race(attempts, LONG).await, Ok((1, 1)));
    });
}

/// Two attempts, of which the first waits until it is stopped, and then goes on with the cancel or
/// answers it with a value. The second one wins; what the first has said.
async fn stopped_by_the_second(answers: bool) -> Trace {
    let trace = Trace::default();
    let attempts = (0..2).map(|n| {
        let trace = trace.clone();
        move || async move {
            if n == 0 {
                let stopped = catch_cancel(for_ever()).await.unwrap_err();
                trace.say("the first was stopped");
                if !answers {
                    stopped.raise::<()>().await;
                }
                trace.say("and gives a value");
            }
            Ok::<_, ()>(n)
        }
    });
    assert_eq!(staggered_race(attempts, Some(ms(2))).await, Ok((1, 1)));
    trace
}

// conforms: 25 test_first_timeout_second_successful
#[test]
fn test_first_timeout_second_successful() {
    on_loop(|| async {
        stopped_by_the_second(false).await.expect(&["the first was stopped"]);
    });
}

// conforms: 25 test_multiple_winners
#[test]
fn test_multiple_winners() {
    on_loop(|| async {
        let said = stopped_by_the_second(true).await;
        said.expect(&["the first was stopped", "and gives a value"]);
    });
}

// conforms: 18 test_staggered_race_with_eager_tasks
// conforms: 18 test_staggered_race_with_eager_tasks_no_delay
// differs: attempts are parts of one task; what is eager is a task that an attempt spawns and awaits
#[test]
fn attempts_that_are_eager_tasks() {
    on_loop(|| async {
        // The first is stuck, the second wins after a while, the third fails at its first step.
        for delay in [None, Some(ms(1)), Some(ms(5))] {
            let attempts = (0..3).map(|n| {
                move || async move {
                    let body = async move {
                        match n {
                            0 => for_ever().await,
                            1 => sleep(ms(20)).await,
                            _ => return Err("no good"),
                        }
                        Ok(n)
                    };
                    corio::task().eager(true).spawn(body).await.unwrap()
                }
            });
            let race = staggered_race(attempts, delay);
            match delay {
                // Without one, each waits for the one before it to fail.
                None => assert!(timeout(ms(30), race).await.is_err()),
                Some(_) => assert_eq!(race.await, Ok((1, 1))),
            }
            // An attempt that is done inside its eager start lets the next one begin at once.
            let started = (0..2).map(|n| {
                move || async move {
                    let body = async move { if n == 0 { Err("at once") } else { Ok(n) } };
                    corio::task().eager(true).spawn(body).await.unwrap()
                }
            });
            assert_eq!(staggered_race(started, LONG).await, Ok((1, 1)));
        }
    });
}

// conforms: 25 StaggeredTests.test_cancelled
#[test]
fn limits_around_and_inside_keep_their_order() {
    on_loop(|| async {
        let trace = Trace::default();
        let said = trace.clone();
        let outer = timeout_scope(None, async move |outer: TimeoutScope| {
            let attempts = (0..2).map(|n| {
                let (trace, outer) = (said.clone(), outer.clone());
                move || async move {
                    let inner = timeout(ms(4), sleep(Duration::from_secs(600))).await;
                    trace.say(format!("inner {n} {}", inner.is_err()));
                    if n == 1 {
                        outer.reschedule(Some(Instant::now())).unwrap();
                    }
                    for_ever().await;
                    Ok::<_, ()>(n)
                }
            });
            staggered_race(attempts, Some(ms(1))).await
        });
        assert!(outer.await.is_err());
        trace.expect(&["inner 0 true", "inner 1 true"]);
    });
}
