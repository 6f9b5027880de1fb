//! Task groups on a single loop, turn by turn: as `loop_hops.rs`.

use std::future::Future;
use std::sync::{Arc, Mutex};

use corio::{GroupError, ReturnWhen, Task, catch_cancel, gather, task_group, wait};

use crate::loop_hops::{child, plays, spawn, ticks};
use crate::support::{Trace, sync, task, turn, turns};
use crate::task_group::{Ended, Group};

fn add(group: &Group, child: impl Future<Output = &'static str> + Send + 'static) -> bool {
    group.create_task(async { _ = child.await }).is_ok()
}

fn adds(trace: &Trace, name: &str, group: &Group) {
    let added = add(group, child(trace, "late", 0, 0));
    trace.say(format!("{name} {}", if added { "added" } else { "refused" }));
}

fn fails_now(trace: &Trace, group: &Group, counted: usize) {
    let trace = trace.clone();
    let bad = group.create_task(async move {
        ticks(&trace, counted);
        Err::<(), _>("failed")
    });
    drop(bad.unwrap());
}

#[track_caller]
fn has_failed(trace: &Trace, ended: Ended) {
    assert!(matches!(ended, Err(GroupError::Errors(_))));
    trace.say("group");
}

#[test]
fn a_group_takes_a_child_until_it_hears_of_a_failure() {
    plays("a_group_takes_a_child_until_it_hears_of_a_failure", |trace| async move {
        let task = task!([trace] {
            let ended = task_group(async |group: Group| {
                fails_now(&trace, &group, 6);
                turn().await;
                adds(&trace, "one", &group);
                drop(task!([trace] adds(&trace, "two", &group)));
                Ok(())
            })
            .await;
            has_failed(&trace, ended);
        });
        task.await.unwrap();
        trace.say("main");
    });
}

#[test]
fn a_group_takes_none_when_all_have_ended() {
    plays("a_group_takes_none_when_all_have_ended", |trace| async move {
        for count in 0..5 {
            let left = Arc::new(Mutex::new(None));
            let task = task!([trace, left] {
                let ended: Ended = task_group(async |group: Group| {
                    assert!(add(&group, child(&trace, "child", 0, 0)));
                    *left.lock().unwrap() = Some(group);
                    Ok(())
                })
                .await;
                ended.unwrap();
                trace.say("group");
            });
            turn().await;
            turns(count).await;
            let group = left.lock().unwrap().take().unwrap();
            adds(&trace, &count.to_string(), &group);
            task.await.unwrap();
        }
    });
}

#[test]
fn a_body_fails_as_its_last_child_ends() {
    plays("a_body_fails_as_its_last_child_ends", |trace| async move {
        let task = task!([trace] {
            let ended = task_group(async |group: Group| {
                add(&group, child(&trace, "child", 0, 5));
                turn().await;
                Err("failed")
            })
            .await;
            has_failed(&trace, ended);
        });
        task.await.unwrap();
        trace.say("main");
    });
}

#[test]
fn a_child_fails_beside_a_grandchild() {
    plays("a_child_fails_beside_a_grandchild", |trace| async move {
        let ended = task_group(async |group: Group| {
            add(&group, child(&trace, "child", 0, 0));
            let (inner, said) = (group.clone(), trace.clone());
            let bad = group.create_task(async move {
                ticks(&said, 6);
                add(&inner, child(&said, "grandchild", 0, 0));
                Err::<(), _>("failed")
            });
            drop(bad.unwrap());
            Ok(())
        })
        .await;
        has_failed(&trace, ended);
        turn().await;
    });
}

/// A body that waits while children of its group end.
#[track_caller]
fn beside_the_ends_of<F>(
    children: usize,
    count: usize,
    scenario: &str,
    waits: impl FnOnce(Task<&'static str>) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    plays(scenario, move |trace| async move {
        let others = Arc::new(Mutex::new(None));
        let task = task!([trace, others] {
            let ended: Ended = task_group(async |group: Group| {
                for _ in 0..children {
                    drop(group.create_task(turn()).unwrap());
                }
                let other = others.lock().unwrap().take().unwrap();
                waits(other).await;
                trace.say("body");
                Ok(())
            })
            .await;
            ended.unwrap();
            trace.say("group");
        });
        *others.lock().unwrap() = Some(spawn(&trace, "other", count, 6));
        task.await.unwrap();
        trace.say("main");
    });
}

#[test]
fn a_child_ends_beside_a_gather() {
    beside_the_ends_of(1, 1, "a_child_ends_beside_a_gather", |other| async {
        gather([other]).await.unwrap();
    });
}

#[test]
fn a_child_ends_beside_a_wait() {
    beside_the_ends_of(1, 1, "a_child_ends_beside_a_wait", |other| async {
        drop(wait(vec![other], ReturnWhen::AllCompleted, None).await.unwrap());
    });
}

#[test]
fn a_child_ends_beside_a_task() {
    beside_the_ends_of(1, 3, "a_child_ends_beside_a_task", |other| async {
        other.await.unwrap();
    });
}

#[test]
fn a_hundred_children_end_beside_a_gather() {
    beside_the_ends_of(100, 1, "a_hundred_children_end_beside_a_gather", |other| async {
        gather([other]).await.unwrap();
    });
}

#[test]
fn a_body_that_was_woken_is_stopped_first() {
    plays("a_body_that_was_woken_is_stopped_first", |trace| async move {
        let event = Arc::new(sync::Event::new());
        let task = task!([trace, event] {
            let ended = task_group(async |group: Group| {
                let said = trace.clone();
                let bad = group.create_task(async move {
                    turn().await;
                    ticks(&said, 4);
                    Err::<(), _>("failed")
                });
                drop(bad.unwrap());
                if let Err(stopped) = catch_cancel(event.wait()).await {
                    trace.say("stopped");
                    stopped.raise::<()>().await;
                }
                trace.say("woken");
                Ok(())
            })
            .await;
            has_failed(&trace, ended);
        });
        turns(3).await;
        event.set();
        task.await.unwrap();
        trace.say("main");
    });
}
