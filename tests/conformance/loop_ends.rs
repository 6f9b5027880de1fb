//! How many turns of a single loop lie between the end of a task and who waits for it: as
//! `loop_hops.rs`.

use std::future::{Future, pending};
use std::pin::Pin;

use corio::{
    ReturnWhen, as_completed, catch_cancel, create_task, current_task, gather, shield, task_group,
    try_gather, wait, wait_for,
};

use crate::cancellation::ms;
use crate::loop_hops::{child, failing, for_ever, here, plays, spawn, ticks};
use crate::support::{Trace, on_single_loop, task, turn, turns, with_loop};
use crate::task_group::{Ended, Group};

#[test]
fn an_awaited_task() {
    plays("an_awaited_task", |trace| async move {
        spawn(&trace, "child", 0, 5).await.unwrap();
        trace.say("awaited");
        turn().await;
    });
}

#[test]
fn done_callbacks() {
    plays("done_callbacks", |trace| async move {
        let task = spawn(&trace, "child", 0, 5);
        let add = |task: &corio::TaskRef, word: &'static str| {
            let trace = trace.clone();
            task.add_done_callback(move |_| trace.say(word));
        };
        let watched = task.task_ref();
        add(&watched, "callback 1");
        let gathered = gather([task]);
        add(&watched, "callback 2");
        gathered.await.unwrap();
        trace.say("gathered");
        turn().await;
    });
}

#[test]
fn gather_of_one() {
    plays("gather", |trace| async move {
        gather([spawn(&trace, "child", 0, 5)]).await.unwrap();
        trace.say("gathered");
        turn().await;
    });
}

#[test]
fn gather_of_one_by_the_macro() {
    plays("gather", |trace| async move {
        gather!(spawn(&trace, "child", 0, 5)).await.unwrap();
        trace.say("gathered");
        turn().await;
    });
}

#[test]
fn gather_of_three() {
    plays("gather_of_three", |trace| async move {
        let mut ends = vec![spawn(&trace, "one", 0, 0)];
        let said = trace.clone();
        here().call_soon(move || ticks(&said, 4));
        ends.push(spawn(&trace, "two", 0, 0));
        let said = trace.clone();
        here().call_soon(move || said.say("between"));
        ends.push(spawn(&trace, "three", 0, 0));
        gather(ends).await.unwrap();
        trace.say("gathered");
        turn().await;
    });
}

#[test]
fn gather_of_three_by_the_macro() {
    plays("gather_of_three", |trace| async move {
        let one = spawn(&trace, "one", 0, 0);
        let said = trace.clone();
        here().call_soon(move || ticks(&said, 4));
        let two = spawn(&trace, "two", 0, 0);
        let said = trace.clone();
        here().call_soon(move || said.say("between"));
        let three = spawn(&trace, "three", 0, 0);
        gather!(one, two, three).await.unwrap();
        trace.say("gathered");
        turn().await;
    });
}

#[test]
fn gather_of_late_ones() {
    plays("gather_of_late_ones", |trace| async move {
        gather([spawn(&trace, "late", 1, 5), spawn(&trace, "early", 0, 0)]).await.unwrap();
        trace.say("gathered");
        turns(2).await;
    });
}

#[test]
fn gather_of_late_ones_by_the_macro() {
    plays("gather_of_late_ones", |trace| async move {
        gather!(child(&trace, "late", 1, 5), child(&trace, "early", 0, 0)).await.unwrap();
        trace.say("gathered");
        turns(2).await;
    });
}

#[test]
fn gather_fails() {
    plays("gather_fails", |trace| async move {
        let rest = create_task(for_ever::<Result<(), _>>(trace.clone(), "rest"));
        let waiting = rest.task_ref();
        try_gather([rest, create_task(failing(trace.clone(), 5))]).await.unwrap_err();
        trace.say("seen");
        turn().await;
        waiting.cancel();
        turn().await;
    });
}

#[test]
fn gather_is_cancelled() {
    plays("gather_is_cancelled", |trace| async move {
        let task = task!([trace] {
            gather([create_task(for_ever::<()>(trace, "child"))]).await.unwrap();
        });
        turns(2).await;
        task.cancel();
        ticks(&trace, 5);
        assert!(task.await.unwrap_err().is_cancelled());
        trace.say("seen");
        turn().await;
    });
}

#[test]
fn gather_is_cancelled_by_the_macro() {
    plays("gather_is_cancelled", |trace| async move {
        let task = task!([trace] {
            gather!(for_ever::<()>(trace, "child")).await.unwrap();
        });
        turns(2).await;
        task.cancel();
        ticks(&trace, 5);
        assert!(task.await.unwrap_err().is_cancelled());
        trace.say("seen");
        turn().await;
    });
}

#[test]
fn an_awaited_task_is_cancelled() {
    plays("an_awaited_task_is_cancelled", |trace| async move {
        let task = task!([trace] {
            create_task(for_ever::<()>(trace, "child")).await.unwrap();
        });
        turns(2).await;
        task.cancel();
        ticks(&trace, 5);
        assert!(task.await.unwrap_err().is_cancelled());
        trace.say("seen");
        turn().await;
    });
}

/// Awaits a task that awaits a task, and so on; the last one gathers two.
fn chain(trace: Trace, depth: usize) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if depth > 0 {
            return create_task(chain(trace, depth - 1)).await.unwrap();
        }
        let ends = ["one", "two"].map(|name| create_task(for_ever::<()>(trace.clone(), name)));
        gather(ends).await.unwrap();
    })
}

#[test]
fn a_chain_is_cancelled() {
    plays("a_chain_is_cancelled", |trace| async move {
        let task = create_task(chain(trace.clone(), 3));
        turns(6).await;
        let said = trace.clone();
        here().call_soon(move || said.say("before"));
        task.cancel();
        ticks(&trace, 9);
        assert!(task.await.unwrap_err().is_cancelled());
        trace.say("seen");
        turn().await;
    });
}

#[test]
fn a_chain_cancels_itself() {
    plays("a_chain_cancels_itself", |trace| async move {
        let task = task!([trace] {
            let child = create_task(for_ever::<()>(trace.clone(), "child"));
            turn().await;
            current_task().unwrap().cancel();
            ticks(&trace, 6);
            child.await.unwrap();
        });
        assert!(task.await.unwrap_err().is_cancelled());
        trace.say("seen");
        turn().await;
    });
}

#[test]
fn two_chains_are_cancelled() {
    plays("two_chains_are_cancelled", |trace| async move {
        let awaits = |name| {
            let trace = trace.clone();
            create_task(async move { create_task(for_ever::<()>(trace, name)).await.unwrap() })
        };
        let tasks = vec![awaits("one"), awaits("two")];
        turns(2).await;
        tasks.iter().for_each(|task| assert!(task.cancel()));
        ticks(&trace, 5);
        wait(tasks, ReturnWhen::AllCompleted, None).await.unwrap();
        trace.say("seen");
    });
}

#[test]
fn wait_for_all() {
    plays("wait_for_all", |trace| async move {
        let tasks = vec![spawn(&trace, "late", 1, 5), spawn(&trace, "early", 0, 0)];
        let (done, _) = wait(tasks, ReturnWhen::AllCompleted, None).await.unwrap();
        trace.say(format!("waited {}", done.len()));
        turns(2).await;
    });
}

#[test]
fn wait_for_the_first() {
    plays("wait_for_the_first", |trace| async move {
        let tasks = vec![spawn(&trace, "late", 3, 0), spawn(&trace, "early", 0, 5)];
        let (done, pending) = wait(tasks, ReturnWhen::FirstCompleted, None).await.unwrap();
        trace.say(format!("waited {} {}", done.len(), pending.len()));
        for task in done.into_iter().chain(pending) {
            task.await.unwrap();
        }
    });
}

#[test]
fn wait_of_ended() {
    plays("wait_of_ended", |trace| async move {
        let task = spawn(&trace, "child", 0, 0);
        turns(2).await;
        ticks(&trace, 4);
        let (done, _) = wait(vec![task], ReturnWhen::AllCompleted, None).await.unwrap();
        trace.say(format!("waited {}", done.len()));
        turn().await;
    });
}

#[test]
fn completions_of_ended() {
    plays("completions_of_ended", |trace| async move {
        let task = spawn(&trace, "child", 0, 0);
        turns(2).await;
        ticks(&trace, 4);
        let mut ends = as_completed([task]);
        while let Some((_, name)) = ends.next().await {
            trace.say(format!("completed {}", name.unwrap()));
        }
        turn().await;
    });
}

/// The limit has come before their turn.
#[test]
fn what_has_ended_is_given_after_the_limit() {
    on_single_loop(|| async {
        let ended = [create_task(async { 1 }), create_task(async { 2 }), create_task(pending())];
        turn().await;
        let mut results = as_completed(ended).with_timeout(ms(0));
        for expected in [1, 2] {
            assert_eq!(results.next().await.unwrap().unwrap().1.unwrap(), expected);
        }
        assert!(results.next().await.unwrap().is_err());
        assert!(results.next().await.is_none());
    });
}

#[test]
fn completions() {
    plays("completions", |trace| async move {
        let mut ends = as_completed([spawn(&trace, "late", 1, 0), spawn(&trace, "early", 0, 5)]);
        while let Some((_, name)) = ends.next().await {
            trace.say(format!("completed {}", name.unwrap()));
        }
        turn().await;
    });
}

#[test]
fn shields() {
    plays("shield", |trace| async move {
        shield(spawn(&trace, "child", 0, 5)).await.unwrap();
        trace.say("shielded");
        turn().await;
    });
    plays("shield_of_a_late_one", |trace| async move {
        let task = spawn(&trace, "child", 2, 5);
        shield(&task).await.unwrap();
        trace.say("shielded");
        turn().await;
    });
}

#[test]
fn wait_for_a_task() {
    plays("wait_for_a_task", |trace| async move {
        wait_for(spawn(&trace, "child", 0, 5), ms(10_000)).await.unwrap().unwrap();
        trace.say("waited");
        turn().await;
    });
}

/// Runs a group of these children, whose body takes some turns, and says so if it has.
async fn group(trace: &Trace, children: &[(&'static str, usize, usize)], body: Option<usize>) {
    let ended: Ended = task_group(async |group: Group| {
        for &(name, count, counted) in children {
            let child = child(trace, name, count, counted);
            let child = async move {
                let _ended = child.await;
            };
            drop(group.create_task(child).map_err(|_| "refused")?);
        }
        if let Some(count) = body {
            turns(count).await;
            trace.say("body");
        }
        Ok(())
    })
    .await;
    ended.unwrap();
    trace.say("group");
}

#[test]
fn groups() {
    plays("group", |trace| async move {
        group(&trace, &[("child", 0, 5)], None).await;
        turn().await;
    });
    plays("group_of_late_ones", |trace| async move {
        group(&trace, &[("late", 1, 5), ("early", 0, 0)], None).await;
        turns(2).await;
    });
    plays("group_outlived_by_its_body", |trace| async move {
        group(&trace, &[("child", 0, 5)], Some(3)).await;
        turn().await;
    });
    plays("group_ends_with_its_body", |trace| async move {
        group(&trace, &[("child", 0, 5)], Some(1)).await;
        turn().await;
    });
}

#[test]
fn group_fails() {
    plays("group_fails", |trace| async move {
        let ended: Ended = task_group(async |group: Group| {
            let sibling = for_ever::<()>(trace.clone(), "sibling");
            drop(group.create_task(sibling).map_err(|_| "refused")?);
            drop(group.create_task(failing(trace.clone(), 5)).map_err(|_| "refused")?);
            for_ever::<Result<(), _>>(trace.clone(), "body").await
        })
        .await;
        assert!(matches!(ended, Err(corio::GroupError::Errors(_))));
        trace.say("group");
        turn().await;
    });
}

#[test]
fn group_is_cancelled() {
    plays("group_is_cancelled", |trace| async move {
        let task = task!([trace] {
            let _ended: Ended = task_group(async |group: Group| {
                let sibling = for_ever::<()>(trace.clone(), "sibling");
                drop(group.create_task(sibling).map_err(|_| "refused")?);
                for_ever::<Result<(), _>>(trace.clone(), "body").await
            })
            .await;
        });
        turns(2).await;
        task.cancel();
        ticks(&trace, 8);
        assert!(task.await.unwrap_err().is_cancelled());
        trace.say("seen");
        turn().await;
    });
}

#[test]
fn a_cancel_goes_on_later() {
    plays("a_cancel_goes_on_later", |trace| async move {
        let task = task!([trace] {
            let ended = catch_cancel(for_ever::<()>(trace.clone(), "task")).await;
            turn().await;
            trace.say("cleaned");
            ended.unwrap_err().raise::<()>().await;
        });
        turn().await;
        task.cancel();
        ticks(&trace, 5);
        assert!(task.await.unwrap_err().is_cancelled());
        trace.say("seen");
        turn().await;
    });
}

/// Ends of tasks that were on their way when the loop was closed: bodies are dropped on its thread.
#[test]
fn what_waits_for_its_turn_ends_with_the_loop() {
    struct Dropped(std::thread::ThreadId, std::sync::mpsc::Sender<bool>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.1.send(std::thread::current().id() == self.0).unwrap();
        }
    }

    let (drops, dropped) = std::sync::mpsc::channel();
    with_loop(move |event_loop| {
        let here = std::thread::current().id();
        let waits = |over: usize| {
            let guard = Dropped(here, drops.clone());
            drop(event_loop.create_task(async move {
                let _guard = guard;
                gather([create_task(turns(over))]).await.unwrap();
                unreachable!("the loop is closed before its turn");
            }));
            let guard = Dropped(here, drops.clone());
            drop(event_loop.create_task(async move {
                let _guard = guard;
                let _ended: Ended = task_group(async |group: Group| {
                    drop(group.create_task(turns(over)).map_err(|_| "refused")?);
                    Ok(())
                })
                .await;
                unreachable!("the loop is closed before its turn");
            }));
        };
        // The end of the one is heard of, that of the other about to be.
        waits(1);
        waits(2);
        event_loop.run_until_complete(turns(2)).unwrap();
        event_loop.close().unwrap();
    });
    assert_eq!(dropped.iter().collect::<Vec<_>>(), [true; 4]);
}
