//! How many turns of a single loop lie between the end of a task and who waits for it: as
//! `loop_hops.rs`.

use corio::{
    GroupError, ReturnWhen, as_completed, catch_cancel, create_task, gather, shield, task_group,
    try_gather, wait, wait_for,
};

use crate::cancellation::ms;
use crate::loop_hops::{child, failing, for_ever, here, play, plays, spawn, ticks};
use crate::support::{Trace, task, turn, turns, with_loop};

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
fn gather_of_late_ones() {
    plays("gather_of_late_ones", |trace| async move {
        gather([spawn(&trace, "late", 1, 5), spawn(&trace, "early", 0, 0)]).await.unwrap();
        trace.say("gathered");
        turns(2).await;
    });
}

#[test]
fn gather_fails() {
    plays("gather_fails", |trace| async move {
        let rest = create_task(for_ever::<Result<(), _>>(trace.clone(), "rest"));
        let waiting = rest.task_ref();
        try_gather([rest, create_task(failing(trace.clone()))]).await.unwrap_err();
        trace.say("seen");
        turn().await;
        waiting.cancel();
        turn().await;
    });
}

// differs: as a_timeout_of_a_task_expires
#[test]
fn gather_is_cancelled() {
    let said = play(|trace| async move {
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
    let ticked = ["tick 1", "tick 2", "child cancelled", "tick 3", "tick 4", "tick 5", "seen"];
    said.expect(&ticked);
}

// differs: as a_timeout_of_a_task_expires
#[test]
fn an_awaited_task_is_cancelled() {
    let said = play(|trace| async move {
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
    let ticked = ["tick 1", "tick 2", "child cancelled", "tick 3", "seen", "tick 4", "tick 5"];
    said.expect(&ticked);
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

// differs: what has ended before is there at once; asyncio's wait and as_completed take two turns
#[test]
fn waits_of_ended_tasks_are_ready() {
    let said = play(|trace| async move {
        let ended = [spawn(&trace, "one", 0, 0), spawn(&trace, "two", 0, 0)];
        turns(2).await;
        ticks(&trace, 2);
        let [one, two] = ended;
        let (done, _) = wait(vec![one], ReturnWhen::AllCompleted, None).await.unwrap();
        trace.say(format!("waited {}", done.len()));
        let (_, name) = as_completed([two]).next().await.unwrap();
        trace.say(format!("completed {}", name.unwrap()));
    });
    said.expect(&["one", "two", "tick 1", "waited 1", "completed two", "tick 2"]);
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

type Group = corio::TaskGroup<&'static str>;
type Ended = Result<(), GroupError<&'static str>>;

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
            drop(group.create_task(failing(trace.clone())).map_err(|_| "refused")?);
            for_ever::<Result<(), _>>(trace.clone(), "body").await
        })
        .await;
        assert!(matches!(ended, Err(GroupError::Errors(_))));
        trace.say("group");
        turn().await;
    });
}

// differs: the group goes on with a cancel by another step of its task, asyncio's raises it in the same
#[test]
fn group_is_cancelled() {
    let said = play(|trace| async move {
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
    let first = ["tick 1", "body cancelled", "tick 2", "sibling cancelled", "tick 3", "tick 4"];
    said.expect(&[&first[..], &["tick 5", "tick 6", "seen", "tick 7", "tick 8"]].concat());
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
