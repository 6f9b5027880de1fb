//! T13 to T16: tasks that wait for tasks.

use std::future::{IntoFuture, poll_fn};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Wake, Waker};

use corio::{Cancelled, Handle, Task, TaskRef, catch_cancel, spawn};
use corio_tests::eventually;

use crate::support::{Flag, Log, count, for_ever, nap, rested, run, select2, until};

#[test]
fn t13_a_cancel_goes_inwards_and_waits_for_the_clean_up() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn(async move {
            let (deep, log) = (inner.clone(), inner);
            let child = spawn(async move {
                deep.say("waits");
                if let Err(request) = catch_cancel(for_ever()).await {
                    nap().await;
                    deep.say("child cleaned");
                    request.raise::<()>().await;
                }
            });
            let caught = catch_cancel(child).await;
            log.say(format!("caught {}", caught.is_err()));
            match caught {
                Ok(_) => {}
                Err(request) => request.raise().await,
            }
        });
        until(|| log.said("waits")).await;
        nap().await;
        task.cancel_with("m");
        let error = task.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("m"));
        log.is(&["waits", "child cleaned", "caught true"]);
    });
}

/// A waker that holds up whoever drops its last copy until a task has ended.
struct Late {
    above: Waker,
    inner: TaskRef,
}

impl Wake for Late {
    fn wake(self: Arc<Self>) {
        self.above.wake_by_ref();
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        eventually("the inner task's end", || self.inner.done().then_some(()));
    }
}

/// A cancel is not lost if the awaited task ends in the very poll that passes it on: here in the
/// middle of it, where the wait puts another waker in the place of the old one.
#[test]
fn t13_the_awaited_task_ends_while_the_cancel_is_passed_on() {
    run(|| async {
        // With one worker both cannot run at once.
        let Some(other) = Handle::current().loops().into_iter().nth(1) else { return };
        for _ in 0..50 {
            let inner = other.create_pinned_task(for_ever);
            let (watched, waits) = (inner.task_ref(), Flag::default());
            let mark = waits.clone();
            let task = corio::create_local_task(async move {
                let mut join = pin!(inner.into_future());
                let joined = poll_fn(|cx| {
                    let late = Late { above: cx.waker().clone(), inner: watched.clone() };
                    let waker = Waker::from(Arc::new(late));
                    let polled = join.as_mut().poll(&mut Context::from_waker(&waker));
                    mark.set();
                    // Not the last one, unless the task has ended.
                    drop(waker);
                    polled
                });
                drop(joined.await);
                unreachable!("a cancel goes through");
            });
            until(|| waits.is_set()).await;
            assert!(task.cancel_with("all"));
            let error = task.await.unwrap_err();
            assert_eq!(error.cancelled().and_then(Cancelled::msg), Some("all"), "{error}");
        }
    });
}

#[test]
fn t13_a_chain_of_tasks_hop_by_hop() {
    run(|| async {
        let log = Log::default();
        fn link(depth: usize, log: Log) -> Task<()> {
            spawn(async move {
                if depth == 0 {
                    log.say("deepest");
                    for_ever().await;
                } else {
                    let token = log.on_drop(format!("link {depth}"));
                    let ended = link(depth - 1, log.clone()).await;
                    drop((ended, token));
                    log.say("not reached");
                }
            })
        }
        let task = link(50, log.clone());
        until(|| log.said("deepest")).await;
        nap().await;
        task.cancel_with("all");
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("all"));
        // Each has ended before the one that awaits it.
        let hops: Vec<_> = (1..=50).map(|depth| format!("link {depth}")).collect();
        let said = ["deepest"].into_iter().chain(hops.iter().map(String::as_str));
        log.is(&said.collect::<Vec<_>>());
    });
}

#[test]
fn t13_a_child_that_suppresses_answers_with_its_value() {
    run(|| async {
        let waits = Flag::default();
        let mark = waits.clone();
        let task = spawn(async move {
            let child = spawn(async move {
                mark.set();
                drop(catch_cancel(for_ever()).await);
                3
            });
            (child.await.ok(), count())
        });
        until(|| waits.is_set()).await;
        nap().await;
        task.cancel();
        assert_eq!(task.await.unwrap(), (Some(3), 1));
    });
}

/// As an exception does in asyncio, and also if the cancel has reached the child in the very poll out
/// of which it panics.
#[test]
fn t13_a_child_that_panics_answers_with_that() {
    run(|| async {
        // A poll that waits for its own task's cancel blocks a loop, another than this one.
        let other = Handle::current().loops().into_iter().nth(1);
        for (event_loop, catches) in [(Some(Handle::current()), true), (other, false)] {
            let Some(event_loop) = event_loop else { continue };
            let begun = Flag::default();
            let mark = begun.clone();
            let child = event_loop.create_task(async move {
                mark.set();
                if catches {
                    drop(catch_cancel(for_ever()).await);
                } else {
                    let me = corio::current_task().unwrap();
                    eventually("the cancel", || (me.cancelling() > 0).then_some(()));
                }
                panic!("in place of the cancel");
            });
            let task = corio::create_local_task(async move {
                let ended: Result<(), _> = child.await;
                (ended.unwrap_err().is_panic(), count())
            });
            until(|| begun.is_set()).await;
            nap().await;
            assert!(task.cancel());
            assert_eq!(task.await.unwrap(), (true, 1));
        }
    });
}

#[test]
fn t13_a_child_that_others_cancel_is_an_error_value() {
    run(|| async {
        let child = spawn(for_ever());
        let handle = child.task_ref();
        let task = spawn(async move { child.await.unwrap_err().is_cancelled() });
        nap().await;
        handle.cancel_with("z");
        assert!(task.await.unwrap(), "the waiting task was not unwound");
    });
}

#[test]
fn t13_a_second_cancel_is_passed_on_too() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn(async move {
            let child = spawn(async move {
                inner.say("waits");
                drop(catch_cancel(for_ever()).await);
                inner.say("first");
                drop(catch_cancel(for_ever()).await);
                inner.say("second");
                count()
            });
            child.await.ok()
        });
        until(|| log.said("waits")).await;
        nap().await;
        task.cancel();
        until(|| log.said("first")).await;
        task.cancel();
        assert_eq!(task.await.unwrap(), Some(2));
        log.is(&["waits", "first", "second"]);
    });
}

#[test]
fn t14_a_cancel_beats_the_value_of_a_task_that_has_just_ended() {
    run(|| async {
        let (go, waiter) = (Flag::default(), Arc::new(OnceLock::<TaskRef>::new()));
        let (seen, cancels) = (go.clone(), waiter.clone());
        // All on this loop: between the cancel and the end of the child the waiter cannot run.
        let child = corio::create_local_task(async move {
            until(|| seen.is_set()).await;
            assert!(cancels.get().unwrap().cancel_with("late"));
            1
        });
        let task = corio::create_local_task(child.into_future());
        waiter.set(task.task_ref()).unwrap();
        nap().await;
        go.set();
        let error = task.await.map(drop).unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("late"));
    });
}

#[test]
fn t15_a_join_that_is_dropped_detaches() {
    run(|| async {
        let (log, go) = (Log::default(), Flag::default());
        let (inner, seen) = (log.clone(), go.clone());
        let child = spawn(async move {
            until(|| seen.is_set()).await;
            inner.say("went on");
        });
        select2(async { drop(child.await) }, nap()).await;
        go.set();
        until(|| log.said("went on")).await;
        // The other kind cancels.
        let child = spawn(for_ever());
        let handle = child.task_ref();
        let child = child.cancel_on_drop();
        select2(async { drop(child.await) }, nap()).await;
        until(|| handle.done()).await;
        assert_eq!(handle.cancelling(), 1);
    });
}

#[test]
fn t16_a_shield_lets_the_inner_task_go_on() {
    run(|| async {
        let go = Flag::default();
        let seen = go.clone();
        let inner = Arc::new(spawn(async move {
            until(|| seen.is_set()).await;
            4
        }));
        let shared = inner.clone();
        let task = spawn(async move { corio::shield(&*shared).await.copied().ok() });
        nap().await;
        task.cancel_with("m");
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("m"));
        assert!(!inner.done() && inner.cancelling() == 0);
        go.set();
        assert_eq!(corio::shield(&*inner).await.ok(), Some(&4));
    });
}

#[test]
fn t16_a_shielded_future_becomes_a_task() {
    run(|| async {
        let (log, go) = (Log::default(), Flag::default());
        let (inner, seen) = (log.clone(), go.clone());
        let task = spawn(async move {
            corio::shield(async move {
                inner.say("waits");
                until(|| seen.is_set()).await;
                inner.say("went on");
            })
            .await
        });
        until(|| log.said("waits")).await;
        nap().await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        go.set();
        until(|| log.said("went on")).await;
        assert_eq!(corio::shield(async { 5 }).await.unwrap(), 5);
        // Cancelled by others: an error, as without the shield.
        let inner = spawn(for_ever());
        inner.cancel();
        assert!(corio::shield(inner).await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_task_that_awaits_itself_panics() {
    run(|| async {
        let own: Arc<OnceLock<Task<()>>> = Arc::default();
        let inside = own.clone();
        let task = spawn(async move {
            until(|| inside.get().is_some()).await;
            inside.get().unwrap().await.unwrap();
        });
        own.set(task).unwrap();
        let error = own.get().unwrap().await.unwrap_err();
        let message = error.panic_message().unwrap();
        assert!(message.contains("cannot await itself at tests/cancel/joins.rs"), "{message}");

        // By value too, where nobody else can see how it ends.
        let (give, take) = corio::sync::oneshot::channel::<Task<()>>();
        let task = spawn(async move { drop(take.await.unwrap().await) });
        let watch = task.task_ref();
        assert!(give.send(task).is_ok());
        until(|| watch.done()).await;
    });
}

#[test]
fn a_task_stays_cancelled_when_its_result_is_taken() {
    run(|| async {
        let mut task = spawn(for_ever());
        task.cancel();
        assert!((&mut task).await.unwrap_err().is_cancelled());
        assert!(task.done() && task.cancelled() && task.task_ref().cancelled());
        let mut task = spawn(async { 1 });
        assert_eq!((&mut task).await.unwrap(), 1);
        assert!(task.done() && !task.cancelled() && !task.task_ref().cancelled());
    });
}

#[test]
fn a_handle_without_a_type_knows_how_the_task_has_ended() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the drop's panic");
        }
    }
    run(|| async {
        let waiting = spawn(for_ever());
        let (seen, detached) = (waiting.task_ref(), spawn(for_ever()));
        let unwatched = detached.task_ref();
        drop(detached);
        assert!(!seen.cancelled() && seen.cancel());
        unwatched.abort();
        until(|| seen.done() && unwatched.done()).await;
        assert!(seen.cancelled() && unwatched.cancelled());
        // What it returned is dropped, for a cancel came with it.
        let itself = spawn(async { assert!(corio::current_task().unwrap().cancel()) });
        let seen = itself.task_ref();
        assert!(itself.await.unwrap_err().is_cancelled() && seen.cancelled());
        // A panic is told, and no cancel.
        let panics = spawn(async {
            let _bomb = Bomb;
            for_ever().await;
        });
        let seen = panics.task_ref();
        rested(seen.clone()).await;
        seen.cancel();
        assert!(panics.await.unwrap_err().is_panic());
        assert!(seen.done() && !seen.cancelled());
    });
}
