//! TaskGroup: test_taskgroups.py. Stopping a group by hand, 3.15's part, is in `task_group_stop`.

use corio::{GroupError, Task, TaskGroup, catch_cancel, create_task, sleep, task_group, yield_now};

use crate::cancellation::{cleaning, for_ever, me, ms, said};
use crate::support::{Trace, as_recorded, on_loop, on_single_loop, py, task, turn, turns};

pub type Group = TaskGroup<&'static str>;
pub type Ended<T = ()> = Result<T, GroupError<&'static str>>;

pub fn errors<T>(list: &[&'static str]) -> Ended<T> {
    Err(GroupError::Errors(list.to_vec()))
}

/// A child that fails after some turns.
pub async fn fails(turns_before: usize, with: &'static str) -> Result<(), &'static str> {
    turns(turns_before).await;
    Err(with)
}

/// A child that waits until it is cancelled, and fails then.
pub async fn crashes(with: &'static str) -> Result<(), &'static str> {
    drop(catch_cancel(for_ever()).await);
    Err(with)
}

/// Adds a child that nobody awaits.
pub fn add<F>(group: &Group, child: F)
where
    F: Future<Output = Result<(), &'static str>> + Send + 'static,
{
    drop(group.create_task(child).expect("the group is open"));
}

// conforms: 14 test_taskgroup_01
// conforms: 14 test_taskgroup_02
#[test]
fn all_children_are_awaited() {
    on_loop(|| async {
        let child = |n: u32| async move {
            turns(n as usize).await;
            Ok::<_, &str>(n)
        };
        let ended: Ended<(Task<u32>, Task<u32>)> = task_group(async |group: Group| {
            let first = group.create_task(child(42)).unwrap();
            turn().await;
            Ok((first, group.create_task(child(11)).unwrap()))
        })
        .await;
        let (first, second) = ended.unwrap();
        assert_eq!((first.result().unwrap(), second.result().unwrap()), (&42, &11));
    });
}

// conforms: 14 test_taskgroup_03
#[test]
fn a_child_that_is_cancelled_by_hand_is_no_failure() {
    on_loop(|| async {
        let ended: Ended<bool> = task_group(async |group: Group| {
            let child = group.create_task(for_ever()).unwrap();
            turn().await;
            child.cancel();
            Ok(child.await.unwrap_err().is_cancelled())
        })
        .await;
        assert_eq!(ended, Ok(true));
    });
}

// conforms: 14 test_taskgroup_04
// conforms: 14 test_cancel_children_on_child_error
// conforms: 14 test_cancelling_level_preserved
// differs: the body is stopped in the poll in which the group learns of the failure, so it comes before the other children
#[test]
fn a_child_that_fails_stops_the_others_and_the_body() {
    let trace = Trace::default();
    let said = trace.clone();
    on_loop(|| async move {
        let ended: Ended = task_group(async |group: Group| {
            let inner = trace.clone();
            drop(group.create_task(async move { cleaning(&inner, "child", 2).await }));
            let inner = trace.clone();
            add(&group, async move {
                turn().await;
                inner.say("fails");
                Err("boom")
            });
            let caught = catch_cancel(for_ever()).await;
            trace.say(format!("body {}", me().cancelling()));
            caught.unwrap_err().raise().await
        })
        .await;
        let Err(GroupError::Errors(errors)) = ended else { panic!("{ended:?}") };
        trace.say(format!("{} {}", errors.join(" "), me().cancelling()));
    });
    said.expect(&["fails", "body 1", "child cleans", "child cleaned", "boom 0"]);
}

// conforms: 14 test_cancellation
// conforms: 14 test_taskgroup_22
// conforms: 14 test_taskgroup_07
#[test]
fn an_outer_cancel_reaches_the_body_first_then_the_children() {
    as_recorded("compose group_outer_cancel", |trace| async move {
        let task = task!([trace] {
            let ended: Ended = task_group(async |group: Group| {
                for (name, turns) in [("one", 1), ("two", 2)] {
                    let inner = trace.clone();
                    drop(group.create_task(async move { cleaning(&inner, name, turns).await }));
                }
                cleaning(&trace, "body", 1).await;
                Ok(())
            })
            .await;
            drop(ended);
        });
        turns(2).await;
        task.cancel_with("outer");
        let error = task.await.unwrap_err();
        assert_eq!(said(&error), Some("outer"));
        trace.say(py(error.is_cancelled()));
    });
}

// conforms: 14 test_taskgroup_08
// conforms: 14 test_taskgroup_15
// conforms: 14 test_taskgroup_16
// differs: errors are a value: the cancel is delivered after the group, and a task that only returns them ends cancelled
#[test]
fn errors_of_clean_ups_win_over_an_outer_cancel() {
    as_recorded("compose group_cancel_and_errors", |trace| async move {
        let task = task!([trace] {
            let ended: Ended = task_group(async |group: Group| {
                let inner = trace.clone();
                add(&group, async move {
                    drop(catch_cancel(for_ever()).await);
                    turn().await;
                    inner.say("crash");
                    Err("crash")
                });
                for_ever().await;
                Ok(())
            })
            .await;
            let cancelled = catch_cancel(turn()).await.is_err();
            (ended, cancelled)
        });
        turns(2).await;
        task.cancel();
        let (ended, cancelled) = (&task).await.unwrap();
        assert!(cancelled, "it was kept");
        let Err(GroupError::Errors(errors)) = ended else { panic!("{ended:?}") };
        trace.say(format!("{} {}", py(task.cancelled()), errors.join(" ")));
        // A cancel that comes while a child has failed already.
        let task = task!([] {
            let ended: Ended = task_group(async |group: Group| {
                add(&group, fails(1, "first"));
                cleaning(&Trace::default(), "body", 5).await;
                Ok(())
            })
            .await;
            me().uncancel();
            ended
        });
        turns(5).await;
        task.cancel();
        assert_eq!(task.await.unwrap(), self::errors(&["first"]));
    });
}

// conforms: 14 test_taskgroup_09
// conforms: 14 test_taskgroup_10
// conforms: 14 test_taskgroup_19
#[test]
fn the_bodys_own_error_is_among_them() {
    on_loop(|| async {
        let trace = Trace::default();
        let ended: Ended = task_group(async |group: Group| {
            let inner = trace.clone();
            drop(group.create_task(async move { cleaning(&inner, "child", 0).await }));
            turn().await;
            Err("body")
        })
        .await;
        assert_eq!(ended, errors(&["body"]));
        trace.expect(&["child cleans", "child cleaned"]);
        let ended: Ended = task_group(async |group: Group| {
            add(&group, crashes("child"));
            turn().await;
            Err("body")
        })
        .await;
        assert_eq!(ended, errors(&["child", "body"]));
    });
}

/// A group in a group, whose error becomes one of the outer's.
async fn nested(fails_inside: bool) -> Ended {
    task_group(async |outer: Group| {
        if !fails_inside {
            add(&outer, fails(1, "outer"));
        }
        let inner: Ended = task_group(async |inner: Group| {
            if fails_inside {
                add(&inner, fails(1, "inner"));
            }
            for_ever().await;
            Ok(())
        })
        .await;
        match inner {
            Err(GroupError::Errors(errors)) => Err(errors[0]),
            ended => panic!("{ended:?}"),
        }
    })
    .await
}

// conforms: 14 test_taskgroup_11
// conforms: 14 test_taskgroup_12
// conforms: 14 test_taskgroup_13
// conforms: 14 test_taskgroup_14
// differs: an error group is a value of its own type; the body says what becomes of it in the outer group
#[test]
fn groups_in_groups() {
    on_loop(|| async {
        assert_eq!(nested(true).await, errors(&["inner"]));
        assert_eq!(nested(false).await, errors(&["outer"]));
        assert_eq!(me().cancelling(), 0);
    });
}

// conforms: 14 test_taskgroup_17
#[test]
fn a_cancel_goes_through_an_empty_group() {
    on_loop(|| async {
        let task = task!([] {
            let ended: Ended = task_group(async |_: Group| {
                for_ever().await;
                Ok(())
            })
            .await;
            drop(ended);
        });
        turn().await;
        task.cancel_with("m");
        assert_eq!(said(&task.await.unwrap_err()), Some("m"));
    });
}

// conforms: 14 test_taskgroup_18
#[test]
fn a_body_that_makes_an_error_of_its_cancel() {
    on_loop(|| async {
        let task = task!([] {
            task_group(async |_: Group| {
                match catch_cancel(for_ever()).await {
                    Ok(()) => Ok(()),
                    Err(_) => Err("made of the cancel"),
                }
            })
            .await
        });
        turn().await;
        task.cancel();
        assert_eq!(task.await.unwrap(), errors(&["made of the cancel"]));
    });
}

// conforms: 14 test_taskgroup_20
#[test]
fn a_panic_of_the_body_is_raised_again_when_all_have_ended() {
    on_loop(|| async {
        let trace = Trace::default();
        let task = task!([trace] {
            let ended: Ended = task_group(async |group: Group| {
                add(&group, crashes("an error, too"));
                let inner = trace.clone();
                drop(group.create_task(async move { cleaning(&inner, "child", 2).await }));
                turn().await;
                panic!("the body's panic")
            })
            .await;
            drop(ended);
        });
        assert_eq!(task.await.unwrap_err().panic_message(), Some("the body's panic"));
        trace.expect(&["child cleans", "child cleaned"]);
    });
}

/// A child's clean-up that fails; asyncio: an exception raised in `finally`.
#[test]
fn a_panic_in_the_drop_of_a_child_is_raised_again_when_all_have_ended() {
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            panic!("a clean-up's panic");
        }
    }
    on_loop(|| async {
        let trace = Trace::default();
        let task = task!([trace] {
            let ended: Ended = task_group(async |group: Group| {
                let inner = trace.clone();
                drop(group.create_task(async move { cleaning(&inner, "child", 2).await }));
                drop(group.create_task(async move {
                    let _fails = Fails;
                    for_ever().await;
                    Ok(())
                }));
                turn().await;
                Err("an error, too")
            })
            .await;
            drop(ended);
        });
        assert_eq!(task.await.unwrap_err().panic_message(), Some("a clean-up's panic"));
        trace.expect(&["child cleans", "child cleaned"]);
    });
}

// conforms: 14 test_taskgroup_20a
// conforms: 14 test_taskgroup_21a
#[test]
fn a_panic_is_raised_again_when_all_have_ended() {
    on_loop(|| async {
        let trace = Trace::default();
        let task = task!([trace] {
            let ended: Ended = task_group(async |group: Group| {
                add(&group, crashes("an error, too"));
                let inner = trace.clone();
                drop(group.create_task(async move { cleaning(&inner, "child", 2).await }));
                turn().await;
                add(&group, async { panic!("a child's panic") });
                for_ever().await;
                Ok(())
            })
            .await;
            drop(ended);
        });
        assert_eq!(task.await.unwrap_err().panic_message(), Some("a child's panic"));
        trace.expect(&["child cleans", "child cleaned"]);
    });
}

// conforms: 14 test_taskgroup_23
#[test]
fn children_that_have_ended_are_forgotten() {
    on_loop(|| async {
        let ended: Ended<usize> = task_group(async |group: Group| {
            for _ in 0..100 {
                drop(group.create_task(yield_now()));
                turn().await;
                assert!(group.len() <= 2);
            }
            turns(3).await;
            Ok(group.len())
        })
        .await;
        assert_eq!(ended, Ok(0));
    });
}

// conforms: 14 test_taskgroup_24
// conforms: 14 test_taskgroup_25
#[test]
fn children_add_children_while_the_group_ends() {
    on_loop(|| async {
        let trace = Trace::default();
        let ended: Ended = task_group(async |group: Group| {
            let (inner, trace) = (group.clone(), trace.clone());
            add(&group, async move {
                turns(2).await;
                let deeper = inner.clone();
                add(&inner, async move {
                    turn().await;
                    add(&deeper, async move {
                        trace.say("the last");
                        Ok(())
                    });
                    Ok(())
                });
                Ok(())
            });
            Ok(())
        })
        .await;
        assert_eq!(ended, Ok(()));
        trace.expect(&["the last"]);
    });
}

// conforms: 14 test_taskgroup_no_create_task_after_failure
// conforms: 14 test_taskgroup_finished
// conforms: 14 test_coro_closed_when_tg_closed
#[test]
fn a_group_that_ends_refuses_children() {
    on_loop(|| async {
        let mut kept = None;
        let ended: Ended = task_group(async |group: Group| {
            kept = Some(group.clone());
            add(&group, fails(0, "boom"));
            drop(catch_cancel(for_ever()).await);
            let refused = group.create_task(for_ever()).map(drop).unwrap_err();
            assert_eq!(refused.to_string(), "the task group is ending and takes no more tasks");
            Ok(())
        })
        .await;
        assert_eq!(ended, errors(&["boom"]));
        // The future comes back, and is dropped like any other.
        let refused = kept.unwrap().create_task(async { Ok(()) }).map(drop).unwrap_err();
        drop(refused.0);
    });
}

// conforms: 14 test_taskgroup_context_manager_exit_raises
#[test]
fn an_error_while_the_body_is_stopped() {
    on_loop(|| async {
        let ended: Ended = task_group(async |group: Group| {
            add(&group, fails(1, "child"));
            match catch_cancel(for_ever()).await {
                Ok(()) => Ok(()),
                Err(_) => Err("body"),
            }
        })
        .await;
        assert_eq!((ended, me().cancelling()), (errors(&["child", "body"]), 0));
    });
}

async fn nested_groups_both_fail(single: bool) {
    let ended: Ended = task_group(async |outer: Group| {
        let inner: Ended = task_group(async |inner: Group| {
            add(&inner, fails(2, "inner"));
            add(&outer, fails(2, "outer"));
            for_ever().await;
            Ok(())
        })
        .await;
        assert_eq!(inner, errors(&["inner"]));
        // On a single loop the outer one's request is on its way now, as asyncio's is.
        assert!(!single || me().cancelling() == 1);
        for_ever().await;
        Ok(())
    })
    .await;
    assert_eq!((ended, me().cancelling()), (errors(&["outer"]), 0));
}

// conforms: 14 test_nested_groups_both_cancelled
#[test]
fn test_nested_groups_both_cancelled() {
    on_single_loop(|| nested_groups_both_fail(true));
    on_loop(|| nested_groups_both_fail(false));
}

// conforms: 14 test_error_and_cancel
#[test]
fn test_error_and_cancel() {
    on_loop(|| async {
        let task = task!([] {
            let ended: Ended = task_group(async |group: Group| {
                add(&group, crashes("during"));
                for_ever().await;
                Ok(())
            })
            .await;
            assert_eq!(ended, errors(&["during"]));
            // The cancel is delivered here.
            sleep(ms(60_000)).await;
        });
        turns(2).await;
        task.cancel_with("m");
        assert_eq!(said(&task.await.unwrap_err()), Some("m"));
    });
}

// conforms: 14 test_exception_refcycles_direct
// conforms: 14 test_exception_refcycles_errors
// conforms: 14 test_exception_refcycles_parent_task
// conforms: 14 test_exception_refcycles_propagate_cancellation_error
// conforms: 14 test_exception_refcycles_base_error
#[test]
fn a_group_keeps_nothing_when_it_has_ended() {
    on_loop(|| async {
        let held = std::sync::Arc::new(());
        for fails_at in [Some("boom"), None] {
            let ended: Result<(), GroupError<(&str, std::sync::Arc<()>)>> =
                task_group(async |group: TaskGroup<_>| {
                    let token = held.clone();
                    let child = async move {
                        turn().await;
                        fails_at.map_or(Ok(()), |error| Err((error, token)))
                    };
                    drop(group.create_task(child));
                    Ok(())
                })
                .await;
            drop(ended);
            assert_eq!(std::sync::Arc::strong_count(&held), 1);
        }
    });
}

// conforms: 14 test_cancels_task_if_created_during_creation
#[test]
fn a_child_of_a_child_that_fails_is_cancelled_too() {
    on_loop(|| async {
        let trace = Trace::default();
        let ended: Ended = task_group(async |group: Group| {
            let (inner, trace) = (group.clone(), trace.clone());
            add(&group, async move {
                drop(inner.create_task(async move { cleaning(&trace, "grandchild", 0).await }));
                turn().await;
                Err("boom")
            });
            Ok(())
        })
        .await;
        assert_eq!(ended, errors(&["boom"]));
        trace.expect(&["grandchild cleans", "grandchild cleaned"]);
    });
}

// conforms: 14 test_cancellation_does_not_leak_out_of_tg
#[test]
fn test_cancellation_does_not_leak_out_of_tg() {
    on_loop(|| async {
        let ended: Ended = task_group(async |group: Group| {
            add(&group, fails(0, "boom"));
            for_ever().await;
            Ok(())
        })
        .await;
        assert_eq!(ended, errors(&["boom"]));
        assert!(catch_cancel(turn()).await.is_ok());
        // Nor if it failed after the body had ended.
        let ended: Ended = task_group(async |group: Group| {
            add(&group, fails(2, "late"));
            Ok(())
        })
        .await;
        assert_eq!(ended, errors(&["late"]));
        assert!(catch_cancel(turn()).await.is_ok());
    });
}

// conforms: 14 test_taskgroup_task_name
// conforms: 14 test_name
#[test]
fn a_child_gets_a_name() {
    on_loop(|| async {
        let ended: Ended = task_group(async |group: Group| {
            let child = group.create_task(turn()).unwrap();
            child.set_name("yolo");
            assert_eq!(&*child.name(), "yolo");
            Ok(())
        })
        .await;
        ended.unwrap();
    });
}

/// Outside a task a group runs its body, and children need a runtime as everywhere.
#[test]
fn a_group_is_awaited_in_a_task_of_its_own() {
    on_loop(|| async {
        let ended = create_task(task_group(async |group: Group| {
            add(&group, async { Ok(()) });
            Ok(3)
        }));
        assert_eq!(ended.await.unwrap(), Ok(3));
    });
}
