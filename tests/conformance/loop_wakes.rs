//! A task that was woken for another reason sees an end no earlier than asyncio's: as `loop_hops.rs`.

use std::sync::{Arc, Mutex};

use corio::{Task, TimeoutScope, catch_cancel, create_task, current_task, finally, timeout_scope};

use crate::cancellation::ms;
use crate::loop_hops::{for_ever, plays, spawn, ticks};
use crate::support::{task, turn, turns};

#[test]
fn an_await_after_a_caught_cancel() {
    plays("an_await_after_a_caught_cancel", |trace| async move {
        let task = task!([trace] {
            if catch_cancel(for_ever::<()>(trace.clone(), "body")).await.is_err() {
                spawn(&trace, "child", 0, 8).await.unwrap();
                trace.say("awaited");
            }
        });
        turn().await;
        task.cancel();
        task.await.unwrap();
        trace.say("main");
    });
}

#[test]
fn a_limit_is_taken_away() {
    plays("a_limit_is_taken_away", |trace| async move {
        let limit: Arc<Mutex<Option<TimeoutScope>>> = Arc::default();
        let other: Arc<Mutex<Option<Task<&'static str>>>> = Arc::default();
        let task = task!([trace, limit, other] {
            let limited = timeout_scope(ms(10_000), async |here| {
                *limit.lock().unwrap() = Some(here);
                let other = other.lock().unwrap().take().unwrap();
                other.await.unwrap();
                trace.say("awaited");
            });
            limited.await.unwrap();
        });
        drop(create_task(async move {
            let limit = limit.lock().unwrap().take().unwrap();
            limit.reschedule(None).unwrap();
        }));
        *other.lock().unwrap() = Some(spawn(&trace, "other", 0, 8));
        task.await.unwrap();
        trace.say("main");
    });
}

#[test]
fn a_cleanup_awaits_a_cancelled_task() {
    plays("a_cleanup_awaits_a_cancelled_task", |trace| async move {
        let dead = create_task(for_ever::<()>(trace.clone(), "dead"));
        turn().await;
        dead.cancel();
        turns(2).await;
        let task = task!([trace] {
            let body = finally(for_ever::<()>(trace.clone(), "body"), async {
                if let Err(error) = dead.await {
                    error.cancelled().unwrap().clone().raise::<()>().await;
                }
            });
            if let Err(_cancelled) = catch_cancel(body).await {
                trace.say("caught");
                ticks(&trace, 8);
                turn().await;
                current_task().unwrap().uncancel();
                trace.say("goes on");
            }
        });
        turn().await;
        task.cancel();
        task.await.unwrap();
        trace.say("main");
    });
}
