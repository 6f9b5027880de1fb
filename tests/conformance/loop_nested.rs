//! Scopes in scopes, and groups in groups, on a single loop, turn by turn: as `loop_hops.rs`.

use std::sync::Arc;
use std::time::Duration;

use corio::{
    ReturnWhen, catch_cancel, create_task, gather_all, shield, task_group, wait, wait_for,
};

use crate::loop_hops::{child, failing, for_ever, plays, spawn, ticks};
use crate::support::{Trace, on_loop, on_single_loop, task, turn, turns, with_loop};
use crate::task_group::{Ended, Group};

#[test]
fn a_shield_is_cancelled() {
    plays("a_shield_is_cancelled", |trace| async move {
        let inner = Arc::new(spawn(&trace, "child", 4, 0));
        let task = task!([trace, inner] {
            if let Err(cancelled) = catch_cancel(shield(&*inner)).await {
                trace.say("shield cancelled");
                cancelled.raise::<()>().await;
            }
        });
        turn().await;
        task.cancel();
        ticks(&trace, 8);
        assert!(task.await.unwrap_err().is_cancelled());
        trace.say("seen");
        (&*inner).await.unwrap();
        trace.say("main");
    });
}

#[test]
fn gather_of_all_ends() {
    plays("gather_of_all_ends", |trace| async move {
        let fails = create_task(failing(trace.clone(), 5));
        let late = child(&trace, "late", 3, 0);
        let late = create_task(async move {
            late.await;
            Ok(())
        });
        let results = gather_all([fails, late]).await;
        trace.say(format!("gathered {}", results.len()));
        turn().await;
    });
}

#[test]
fn two_await_one_task() {
    plays("two_await_one_task", |trace| async move {
        let task = Arc::new(spawn(&trace, "child", 1, 5));
        let tasks = ["one", "two"].map(|name| {
            task!([trace, task] {
                (&*task).await.unwrap();
                trace.say(name);
            })
        });
        for waiting in tasks {
            waiting.await.unwrap();
        }
        turn().await;
    });
}

#[test]
fn a_task_in_a_group_is_cancelled() {
    plays("a_task_in_a_group_is_cancelled", |trace| async move {
        let ended: Ended = task_group(async |group: Group| {
            let one = group.create_task(for_ever::<()>(trace.clone(), "one")).unwrap();
            let two = child(&trace, "two", 3, 0);
            drop(group.create_task(async { _ = two.await }).unwrap());
            turn().await;
            one.cancel();
            ticks(&trace, 8);
            Ok(())
        })
        .await;
        ended.unwrap();
        trace.say("group");
    });
}

#[test]
fn a_group_in_a_group_fails() {
    plays("a_group_in_a_group_fails", |trace| async move {
        let ended: Ended = task_group(async |outer: Group| {
            drop(outer.create_task(for_ever::<()>(trace.clone(), "outer child")).unwrap());
            let inner: Ended = task_group(async |inner: Group| {
                drop(inner.create_task(for_ever::<()>(trace.clone(), "inner child")).unwrap());
                let fails = failing(trace.clone(), 12);
                drop(inner.create_task(fails).unwrap());
                for_ever(trace.clone(), "body").await
            })
            .await;
            inner.map_err(|_| "inner")
        })
        .await;
        ended.unwrap_err();
        trace.say("group");
        turn().await;
    });
}

#[test]
fn a_body_fails() {
    plays("a_body_fails", |trace| async move {
        let ended: Ended = task_group(async |group: Group| {
            drop(group.create_task(for_ever::<()>(trace.clone(), "child")).unwrap());
            turn().await;
            ticks(&trace, 8);
            Err("body")
        })
        .await;
        ended.unwrap_err();
        trace.say("group");
        turn().await;
    });
}

/// A limit of no time passes a cancel on from a callback's eager start: nobody's place is taken.
#[test]
fn an_eager_start_in_a_callback_passes_a_cancel_on() {
    on_single_loop(|| async {
        let child = create_task(std::future::pending::<()>());
        turn().await;
        let told = Arc::new(corio::sync::Event::new());
        let tells = told.clone();
        corio::Handle::current().call_soon(move || {
            drop(corio::task().eager(true).spawn(async move {
                drop(wait_for(child, Duration::ZERO).await);
                tells.set();
            }));
        });
        told.wait().await;
    });
}

/// What one loop passes on to a task of another loop of the thread comes there in its turn.
#[test]
fn a_cancel_goes_from_loop_to_loop() {
    with_loop(|one| {
        let other = corio::new_event_loop().unwrap();
        let child = other.create_task(std::future::pending::<()>());
        other.run_until_complete(turn()).unwrap();
        let watched = child.task_ref();
        let waits = one.create_task(async move { drop(child.await) });
        one.run_until_complete(turn()).unwrap();
        waits.cancel();
        one.run_until_complete(turns(2)).unwrap();
        other.run_until_complete(turns(3)).unwrap();
        assert!(watched.cancelled());
    });
}

/// A group that is stopped before it begins still asks its body where that waits.
#[test]
fn a_group_that_is_stopped_at_once_polls_its_body() {
    let ended = || async {
        let ended: Result<i32, corio::GroupError<()>> = task_group(|group| {
            group.cancel();
            async { Ok(3) }
        })
        .await;
        assert_eq!(ended.unwrap(), 3);
    };
    on_single_loop(ended);
    on_loop(ended);
}

/// A wait that begins with its own end takes nobody's turn.
#[test]
fn a_limit_of_no_time_cancels_in_turn() {
    let trace = Trace::default();
    let said = trace.clone();
    on_single_loop(move || async move {
        let child = create_task(for_ever::<()>(trace.clone(), "child"));
        turn().await;
        ticks(&trace, 3);
        drop(wait_for(child, Duration::ZERO).await);
    });
    said.expect(&["tick 1", "tick 2", "child cancelled", "tick 3"]);
}

/// What was to be told on a loop may be awaited elsewhere.
#[test]
fn ends_of_before_are_told_elsewhere_too() {
    with_loop(|event_loop| {
        let mut waits = None;
        let begins = async {
            let task = create_task(async { 1 });
            turn().await;
            waits = Some(wait(vec![task], ReturnWhen::AllCompleted, None));
        };
        event_loop.run_until_complete(begins).unwrap();
        let (done, _) = corio::run(waits.unwrap()).unwrap();
        assert_eq!(done.len(), 1);
    });
    on_single_loop(|| async {
        let task = create_task(async { 1 });
        turn().await;
        let waits = wait(vec![task], ReturnWhen::AllCompleted, None);
        assert_eq!(corio_tests::kit::block_on(waits).unwrap().0.len(), 1);
    });
}
