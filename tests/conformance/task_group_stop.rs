//! TaskGroup.cancel, and what else ends a group from outside: test_taskgroups.py of 3.15.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corio::{GroupError, catch_cancel, create_task, task_group};

use crate::cancellation::{cleaning, for_ever, me, said};
use crate::support::{Trace, on_loop, task, turn, turns};
use crate::task_group::{Ended, Group, add, crashes, errors, fails};

// conforms: 14 test_taskgroup_cancel_children
// conforms: 14 test_taskgroup_cancel_body
// conforms: 14 test_taskgroup_cancel_idempotent
#[test]
fn cancel_stops_children_and_body() {
    on_loop(|| async {
        let trace = Trace::default();
        let ended: Ended = task_group(async |group: Group| {
            let inner = trace.clone();
            drop(group.create_task(async move { cleaning(&inner, "child", 1).await }));
            turn().await;
            group.cancel();
            group.cancel();
            cleaning(&trace, "body", 0).await;
            Ok(())
        })
        .await;
        assert_eq!(ended, Err(GroupError::Stopped));
        assert_eq!(me().cancelling(), 0);
        assert!(catch_cancel(turn()).await.is_ok(), "no cancel outside");
        trace.expect(&["body cleans", "body cleaned", "child cleans", "child cleaned"]);
    });
}

// conforms: 14 test_taskgroup_cancel_after_exit
// conforms: 14 test_taskgroup_cancel_before_enter
// differs: a group exists from its body's first poll on; a handle that is used before stops it there
#[test]
fn cancel_before_and_after() {
    on_loop(|| async {
        let mut kept = None;
        let ended: Ended = task_group(async |group: Group| {
            kept = Some(group);
            Ok(())
        })
        .await;
        assert_eq!(ended, Ok(()));
        kept.unwrap().cancel();
        assert!(catch_cancel(turn()).await.is_ok());
        let ended: Ended = task_group(|group: Group| {
            group.cancel();
            async {
                for_ever().await;
                Ok(())
            }
        })
        .await;
        assert_eq!(ended, Err(GroupError::Stopped));
    });
}

// conforms: 14 test_taskgroup_cancel_before_create_task
#[test]
fn no_child_after_cancel() {
    on_loop(|| async {
        let ended: Ended = task_group(async |group: Group| {
            group.cancel();
            assert!(group.create_task(for_ever()).is_err());
            Ok(())
        })
        .await;
        assert_eq!(ended, Ok(()), "the body has ended with a value");
    });
}

// conforms: 14 test_taskgroup_cancel_from_child_before_first_suspension
#[test]
fn a_child_that_stops_its_group_is_stopped_itself() {
    on_loop(|| async {
        let trace = Trace::default();
        let ended: Ended = task_group(async |group: Group| {
            let (inner, trace) = (group.clone(), trace.clone());
            add(&group, async move {
                inner.cancel();
                cleaning(&trace, "child", 0).await;
                Ok(())
            });
            Ok(())
        })
        .await;
        assert_eq!(ended, Ok(()));
        trace.expect(&["child cleans", "child cleaned"]);
    });
}

// conforms: 14 test_taskgroup_cancel_keeps_outer_cancellation
#[test]
fn an_outer_cancel_is_kept_while_the_group_ends() {
    on_loop(|| async {
        let trace = Trace::default();
        let task = task!([trace] {
            let ended: Ended = task_group(async |group: Group| {
                let inner = trace.clone();
                drop(group.create_task(async move { cleaning(&inner, "child", 4).await }));
                turn().await;
                group.cancel();
                Ok(())
            })
            .await;
            trace.say(format!("not reached {ended:?}"));
        });
        turns(4).await;
        task.cancel_with("outer");
        assert_eq!(said(&task.await.unwrap_err()), Some("outer"));
        // A second cancel, of the child, by the group that is cancelled while it ends.
        trace.expect(&["child cleans", "child cleaned"]);
    });
}

// conforms: 14 test_taskgroup_cancel_before_exception
// conforms: 14 test_taskgroup_cancel_after_exception
// conforms: 14 test_taskgroup_body_cancel_before_exception
// conforms: 14 test_taskgroup_body_cancel_after_exception
#[test]
fn errors_beat_cancel() {
    on_loop(|| async {
        // A child that fails after, and one that has failed before.
        let ended: Ended = task_group(async |group: Group| {
            add(&group, crashes("after"));
            turn().await;
            group.cancel();
            for_ever().await;
            Ok(())
        })
        .await;
        assert_eq!(ended, errors(&["after"]));
        let ended: Ended = task_group(async |group: Group| {
            add(&group, fails(0, "before"));
            turns(2).await;
            group.cancel();
            Ok(())
        })
        .await;
        assert_eq!(ended, errors(&["before"]));
        // The body itself.
        let ended: Ended = task_group(async |group: Group| {
            group.cancel();
            Err("body")
        })
        .await;
        assert_eq!(ended, errors(&["body"]));
    });
}

// conforms: 14 test_taskgroup_cancel_one_winner
#[test]
fn the_first_child_stops_the_others() {
    on_loop(|| async {
        let winners = Arc::new(AtomicUsize::new(0));
        let ended: Ended = task_group(async |group: Group| {
            for n in 0..5 {
                let (inner, winners) = (group.clone(), winners.clone());
                add(&group, async move {
                    turns(2 + 3 * n).await;
                    winners.fetch_add(1, Ordering::Relaxed);
                    inner.cancel();
                    Ok(())
                });
            }
            Ok(())
        })
        .await;
        assert_eq!((ended, winners.load(Ordering::Relaxed)), (Ok(()), 1));
    });
}

// conforms: 14 test_taskgroup_generator_exit_01
// conforms: 14 test_taskgroup_generator_exit_02
// conforms: 14 test_taskgroup_generator_exit_03
// conforms: 14 test_taskgroup_generator_exit_04
#[test]
fn a_group_that_is_dropped_cancels_its_children_and_is_no_error() {
    on_loop(|| async {
        let trace = Trace::default();
        for body_waits in [true, false] {
            let inner = trace.clone();
            let group = create_task(task_group(async move |group: Group| {
                drop(group.create_task(async move { cleaning(&inner, "child", 1).await }));
                if body_waits {
                    for_ever().await;
                }
                Ok(())
            }));
            turns(2).await;
            group.abort();
            assert!(group.await.map(drop).unwrap_err().is_cancelled());
            turns(4).await;
        }
        trace.expect(&["child cleans", "child cleaned", "child cleans", "child cleaned"]);
    });
}
