//! Task groups that keep a cancel which their body had caught when a child failed, or deliver one again:
//! what CPython does since 3.13, where a group cancels its task once more.

use std::pin::Pin;

use corio::{Cancelled, GroupError, catch_cancel, create_task, task_group};

use crate::cancellation::{for_ever, me};
use crate::loop_hops::play;
use crate::support::{Trace, as_recorded, py, task, turn, turns};
use crate::task_group::{Ended, Group, add, fails};

/// A group whose body catches a cancel, and a child that fails while the body goes on.
async fn group_of<F>(trace: Trace, caught: impl FnOnce(Cancelled) -> F + Send)
where
    F: Future<Output = ()> + Send,
{
    let ended: Ended = task_group(async |group: Group| {
        add(&group, fails(6, "boom"));
        let request = catch_cancel(for_ever()).await.unwrap_err();
        trace.say(format!("caught {}", me().cancelling()));
        caught(request).await;
        trace.say("never said");
        Ok(())
    })
    .await;
    let Err(GroupError::Errors(errors)) = ended else { panic!("{ended:?}") };
    trace.say(format!("{} {}", errors.join(" "), me().cancelling()));
    match catch_cancel(turn()).await {
        Ok(()) => trace.say(format!("goes on {}", me().cancelling())),
        Err(request) => {
            trace.say(format!("cancelled again {}", me().cancelling()));
            request.raise().await
        }
    }
}

/// Cleans up for longer than the group lasts.
async fn cleans_up(request: Cancelled) {
    for_ever().await;
    request.raise().await
}

/// Runs a group that is cancelled while its body waits.
#[track_caller]
fn cancelled_meanwhile<F>(scenario: &str, caught: fn(Trace, Cancelled) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    as_recorded(scenario, move |trace| async move {
        let task = task!([trace] {
            let inner = trace.clone();
            group_of(trace, move |request| caught(inner, request)).await;
        });
        turns(2).await;
        task.cancel();
        let ended = task.await;
        trace.say(py(ended.is_err_and(|error| error.is_cancelled())));
    });
}

#[test]
fn a_child_fails_while_the_body_cleans_up() {
    let scenario = "groups a_child_fails_while_the_body_cleans_up";
    cancelled_meanwhile(scenario, |_trace, request| cleans_up(request));
}

#[test]
fn a_child_fails_after_the_body_has_taken_its_cancel_back() {
    let scenario = "groups a_child_fails_after_the_body_has_taken_its_cancel_back";
    cancelled_meanwhile(scenario, |_trace, request| async move {
        request.suppress();
        for_ever().await;
    });
}

#[test]
fn a_child_fails_while_a_scope_of_the_clean_up_waits() {
    let scenario = "groups a_child_fails_while_a_scope_of_the_clean_up_waits";
    cancelled_meanwhile(scenario, |trace, request| async move {
        let again = catch_cancel(for_ever()).await.unwrap_err();
        trace.say(format!("stopped {}", me().cancelling()));
        again.raise::<()>().await;
        request.raise().await
    });
}

#[test]
fn a_cancel_that_is_older_than_the_group() {
    as_recorded("groups a_cancel_that_is_older_than_the_group", |trace| async move {
        let task = task!([trace] {
            me().cancel();
            group_of(trace, cleans_up).await;
        });
        trace.say(py(task.await.unwrap_err().is_cancelled()));
    });
}

#[test]
fn a_cancel_that_was_answered_before_the_group() {
    as_recorded("groups a_cancel_that_was_answered_before_the_group", |trace| async move {
        let task = task!([trace] {
            me().cancel();
            catch_cancel(turn()).await.unwrap_err().suppress();
            me().cancel();
            group_of(trace, cleans_up).await;
        });
        trace.say(py(task.await.unwrap_err().is_cancelled()));
    });
}

/// What is said of a cancel that comes while it waits.
async fn caught(trace: Trace) {
    let _request = catch_cancel(for_ever()).await.unwrap_err();
    trace.say(format!("caught {}", me().cancelling()));
}

/// What a group that fails leaves behind.
async fn after(trace: Trace, group: impl Future<Output = Ended>) {
    let ended = group.await;
    let Err(GroupError::Errors(errors)) = ended else { panic!("{ended:?}") };
    trace.say(format!("{} {}", errors.join(" "), me().cancelling()));
    match catch_cancel(turn()).await {
        Ok(()) => trace.say(format!("goes on {}", me().cancelling())),
        Err(request) => {
            trace.say(format!("cancelled again {}", me().cancelling()));
            request.raise().await
        }
    }
}

/// As [`after`]; nobody catches what comes again.
async fn uncaught(trace: Trace, group: impl Future<Output = Ended>) {
    let ended = group.await;
    let Err(GroupError::Errors(errors)) = ended else { panic!("{ended:?}") };
    trace.say(format!("{} {}", errors.join(" "), me().cancelling()));
    turn().await;
    trace.say("goes on");
}

type Grouped = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// Counts turns of a single loop from the one in which the task of the group is cancelled.
#[track_caller]
fn cancelled_in(scenario: &str, group: fn(Trace) -> Grouped) {
    counts_turns(scenario, move |trace| after(trace.clone(), group(trace)));
}

#[track_caller]
fn counts_turns<F>(scenario: &str, group: impl FnOnce(Trace) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let said = play(move |trace| async move {
        let task = create_task(group(trace.clone()));
        turns(2).await;
        task.cancel();
        for n in 0..12 {
            trace.say(format!("turn {n}"));
            turn().await;
            if task.done() {
                break;
            }
        }
        trace.say(py(task.await.is_err_and(|error| error.is_cancelled())));
    });
    said.expect_recorded(scenario);
}

#[test]
fn a_body_makes_an_error_of_its_cancel() {
    cancelled_in("groups a_body_makes_an_error_of_its_cancel", |trace| {
        Box::pin(task_group(async |_: Group| {
            caught(trace).await;
            Err("of the body")
        }))
    });
}

#[test]
fn a_body_makes_an_error_of_what_it_has_taken_back() {
    cancelled_in("groups a_body_makes_an_error_of_what_it_has_taken_back", |trace| {
        Box::pin(task_group(async |_: Group| {
            caught(trace).await;
            me().uncancel();
            Err("of the body")
        }))
    });
}

#[test]
fn a_child_fails_after_the_body_has_caught_a_cancel_and_ended() {
    cancelled_in("groups a_child_fails_after_the_body_has_caught_a_cancel_and_ended", |trace| {
        Box::pin(task_group(async |group: Group| {
            add(&group, fails(6, "boom"));
            caught(trace).await;
            Ok(())
        }))
    });
}

#[test]
fn a_group_fails_after_a_cancel_was_caught() {
    cancelled_in("groups a_group_fails_after_a_cancel_was_caught", |trace| {
        Box::pin(async {
            caught(trace).await;
            task_group(async |group: Group| {
                add(&group, fails(1, "boom"));
                turn().await;
                Ok(())
            })
            .await
        })
    });
}

#[test]
fn a_group_fails_at_once_after_a_cancel_was_caught() {
    cancelled_in("groups a_group_fails_at_once_after_a_cancel_was_caught", |trace| {
        Box::pin(async {
            caught(trace).await;
            task_group(async |_: Group| Err("of the body")).await
        })
    });
}

#[test]
fn a_group_fails_while_its_body_cleans_up() {
    cancelled_in("groups a_group_fails_while_its_body_cleans_up", |trace| {
        Box::pin(task_group(async |group: Group| {
            add(&group, fails(6, "boom"));
            caught(trace).await;
            for_ever().await;
            Ok(())
        }))
    });
}

#[test]
fn a_group_fails_and_its_body_passes_its_cancel_on() {
    cancelled_in("groups a_group_fails_and_its_body_passes_its_cancel_on", |_trace| {
        Box::pin(task_group(async |group: Group| {
            add(&group, async {
                let _request = catch_cancel(for_ever()).await.unwrap_err();
                Err("of a child")
            });
            for_ever().await;
            Ok(())
        }))
    });
}

#[test]
fn a_cancel_that_comes_again_ends_the_task() {
    counts_turns("groups a_cancel_that_comes_again_ends_the_task", |trace| {
        let inner = trace.clone();
        let group = task_group(async |_: Group| {
            caught(inner).await;
            Err("of the body")
        });
        uncaught(trace, group)
    });
}

#[test]
fn a_cancel_that_a_group_has_kept_ends_the_task() {
    counts_turns("groups a_cancel_that_a_group_has_kept_ends_the_task", |trace| {
        let inner = trace.clone();
        let group = task_group(async |group: Group| {
            add(&group, fails(6, "boom"));
            caught(inner).await;
            for_ever().await;
            Ok(())
        });
        uncaught(trace, group)
    });
}

/// Nothing waits after the group: what it says is not lost.
#[test]
fn an_error_is_the_end_of_a_task_that_does_not_wait_again() {
    let said = play(|trace| async move {
        let task = task!([trace] task_group(async |_: Group| {
            caught(trace).await;
            Err::<(), _>("of the body")
        }).await);
        turns(2).await;
        task.cancel();
        trace.say(format!("{:?}", task.await.unwrap()));
    });
    said.expect(&["caught 1", "Err(Errors([\"of the body\"]))"]);
}
