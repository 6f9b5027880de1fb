//! Task groups that keep a cancel which their body had caught when a child failed: what CPython does
//! since 3.13, where a group cancels its task once more.

use corio::{Cancelled, GroupError, catch_cancel, task_group};

use crate::cancellation::{for_ever, me};
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
