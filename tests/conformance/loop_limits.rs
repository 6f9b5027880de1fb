//! Limits that come at one time, with a cancel or with a group's end, on a single loop, turn by turn: as
//! `loop_hops.rs`.

use std::future::Future;
use std::time::Duration;

use corio::{TimeoutScope, catch_cancel, create_task, task_group, timeout, timeout_scope};

use crate::cancellation::ms;
use crate::loop_hops::{block, for_ever, play, plays, ticks};
use crate::support::{Trace, py, task, turn, turns};
use crate::task_group::{Ended, Group};

async fn cleaning(trace: Trace, name: &'static str, count: usize) {
    if let Err(cancelled) = catch_cancel(std::future::pending::<()>()).await {
        trace.say(format!("{name} cancelled"));
        turns(count).await;
        trace.say(format!("{name} cleaned"));
        cancelled.raise().await
    }
}

async fn cleaning_long(trace: Trace, name: &'static str) {
    if catch_cancel(std::future::pending::<()>()).await.is_err() {
        trace.say(format!("{name} cancelled"));
        for_ever(trace, "clean-up").await
    }
}

/// Says what comes out of a limit.
async fn limited<F: Future<Output = ()>>(
    trace: Trace,
    limit: Duration,
    name: &'static str,
    body: F,
) {
    let mut scope = None;
    let body = timeout_scope(limit, |limit: TimeoutScope| {
        scope = Some(limit);
        body
    });
    let ended = catch_cancel(body).await;
    let expired = py(scope.expect("it began").expired());
    match ended {
        Ok(Ok(())) => trace.say(format!("{name} ended {expired}")),
        Ok(Err(_)) => trace.say(format!("{name} timed out")),
        Err(cancelled) => {
            trace.say(format!("{name} passed on {expired}"));
            cancelled.raise().await
        }
    }
}

/// Everything below 30 ms is due in one turn.
async fn limited_and_blocked(trace: Trace, body: impl Future<Output = ()> + Send + 'static) {
    let task = create_task(body);
    turn().await;
    block(&trace, 8);
    if task.await.is_err() {
        trace.say("main cancelled");
    }
    trace.say("main");
}

#[test]
fn limits_in_limits() {
    plays("limits_in_limits", |trace| async move {
        let limited = task!([trace] {
            let said = trace.clone();
            let outer = timeout(ms(10), async move {
                let inner = timeout(ms(11), for_ever::<()>(said.clone(), "inside")).await;
                if inner.is_err() {
                    said.say("inner");
                }
                said.say("between");
                for_ever::<()>(said, "after").await;
            });
            if outer.await.is_err() {
                trace.say("outer");
            }
        });
        turn().await;
        block(&trace, 6);
        limited.await.unwrap();
        trace.say("main");
    });
}

#[test]
fn limits_that_come_at_once() {
    let both = |outer, inner| {
        move |trace: Trace| async move {
            let body = cleaning(trace.clone(), "body", 2);
            let inner = limited(trace.clone(), inner, "inner", body);
            limited_and_blocked(trace.clone(), limited(trace, outer, "outer", inner)).await;
        }
    };
    plays("limits_that_come_at_once", both(ms(10), ms(11)));
    plays("limits_that_come_at_once_inner_first", both(ms(11), ms(10)));
}

#[test]
fn three_limits() {
    let three = |middle| {
        move |trace: Trace| async move {
            let body = cleaning(trace.clone(), "body", 2);
            let inner = limited(trace.clone(), ms(10), "inner", body);
            let middle = limited(trace.clone(), middle, "middle", inner);
            limited_and_blocked(trace.clone(), limited(trace, ms(11), "outer", middle)).await;
        }
    };
    plays("three_limits_of_which_two_come", three(ms(10_000)));
    plays("three_limits_that_come_at_once", three(ms(12)));
}

#[test]
fn limits_of_no_time() {
    let both = |outer| {
        move |trace: Trace| async move {
            let body = cleaning(trace.clone(), "body", 2);
            let inner = limited(trace.clone(), ms(0), "inner", body);
            let task = create_task(limited(trace.clone(), outer, "outer", inner));
            task.await.unwrap();
            trace.say("main");
        }
    };
    plays("limits_of_no_time", both(ms(0)));
    plays("a_limit_of_no_time_in_another", both(ms(10_000)));
}

#[test]
fn limits_while_the_loop_is_busy() {
    plays("limits_while_the_loop_is_busy", |trace| async move {
        let body = async {
            std::thread::sleep(ms(30));
            cleaning(trace.clone(), "body", 2).await;
        };
        let inner = limited(trace.clone(), ms(10), "inner", body);
        limited(trace.clone(), ms(20), "outer", inner).await;
        trace.say("main");
    });
}

#[test]
fn a_limit_comes_in_a_clean_up() {
    let both = |outer, inner| {
        move |trace: Trace| async move {
            let body = cleaning_long(trace.clone(), "body");
            let inner = limited(trace.clone(), inner, "inner", body);
            create_task(limited(trace.clone(), outer, "outer", inner)).await.unwrap();
            trace.say("main");
        }
    };
    plays("a_limit_comes_in_the_clean_up_of_the_outer_one", both(ms(10), ms(30)));
    plays("a_limit_comes_in_the_clean_up_of_the_inner_one", both(ms(30), ms(10)));
}

#[test]
fn limits_in_a_body_that_goes_on() {
    plays("limits_in_a_body_that_goes_on", |trace| async move {
        let said = trace.clone();
        let body = async move {
            drop(catch_cancel(for_ever::<()>(said.clone(), "body")).await);
            turn().await;
            said.say("body ends");
        };
        let inner = limited(trace.clone(), ms(11), "inner", body);
        limited_and_blocked(trace.clone(), limited(trace, ms(10), "outer", inner)).await;
    });
}

#[test]
fn a_cancel_after_a_limit() {
    let said = play(|trace| async move {
        let body = cleaning(trace.clone(), "body", 2);
        let inner = limited(trace.clone(), ms(11), "inner", body);
        let task = create_task(limited(trace.clone(), ms(10), "outer", inner));
        turn().await;
        block(&trace, 8);
        turns(2).await;
        task.cancel();
        if task.await.is_err() {
            trace.say("main cancelled");
        }
        trace.say("main");
    });
    // The limit bounds the clean-up of the cancel; asyncio's was merged with that.
    let passed = ["body cancelled", "inner passed on True", "outer passed on True"];
    let main = ["tick 3", "main cancelled", "main", "tick 4"];
    said.expect(&[&["tick 1", "tick 2"], &passed[..], &main].concat());
}

/// Fails in a turn in which a limit has come, from where the turns are counted.
async fn busy(trace: Trace, counted: usize) -> Result<(), &'static str> {
    turn().await;
    std::thread::sleep(ms(30));
    if counted > 0 {
        ticks(&trace, counted);
    }
    Err("failed")
}

#[test]
fn a_limit_in_a_group_that_fails() {
    plays("a_limit_in_a_group_that_fails", |trace| async move {
        let ended: Ended = task_group(async |group: Group| {
            drop(group.create_task(busy(trace.clone(), 8)).unwrap());
            limited(trace.clone(), ms(10), "limit", cleaning(trace.clone(), "body", 2)).await;
            Ok(())
        })
        .await;
        ended.unwrap_err();
        trace.say("group");
        trace.say("main");
    });
}

#[test]
fn a_group_that_fails_in_a_limit() {
    plays("a_group_that_fails_in_a_limit", |trace| async move {
        let grouped = async {
            let ended: Ended = task_group(async |group: Group| {
                drop(group.create_task(busy(trace.clone(), 0)).unwrap());
                cleaning(trace.clone(), "body", 2).await;
                Ok(())
            })
            .await;
            ended.unwrap_err();
            trace.say("group");
        };
        limited(trace.clone(), ms(10), "limit", grouped).await;
        trace.say("main");
    });
}
