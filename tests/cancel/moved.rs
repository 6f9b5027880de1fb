//! Parts that are asked to stop by hand, and parts that are polled elsewhere once they were asked.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corio::{
    Cancelled, CoroError, CoroState, Coroutine, GatherVec, TaskGroup, catch_cancel, create_task,
    current_task, defer_cancel, finally, gather, new_event_loop, on_cancel, sleep, task_group,
    timeout, yield_now,
};

use crate::support::{Flag, Log, for_ever, ms, run, select2};

/// Says what it was asked with, after some waits.
fn cleans_up(waits: usize) -> Coroutine<String> {
    Coroutine::new(async move {
        let caught = catch_cancel(for_ever()).await.unwrap_err();
        for _ in 0..waits {
            yield_now().await;
        }
        format!("caught {}", caught.msg().unwrap_or_default())
    })
}

fn message(result: Result<CoroState<String>, CoroError>) -> String {
    match result {
        Ok(CoroState::Complete(value)) => value,
        Ok(CoroState::Yielded) => "yielded".to_owned(),
        Err(CoroError::Cancelled(said)) => format!("raised {}", said.msg().unwrap_or_default()),
        Err(other) => other.to_string(),
    }
}

/// CPython 3.13: `c.throw(CancelledError("x"))` while `current_task().cancel()` is pending returns at
/// once what the coroutine makes of it, and the cancel is delivered where the task waits next.
#[test]
fn what_is_thrown_comes_before_a_cancel_of_the_task_around() {
    run(|| async {
        let task = create_task(async {
            let me = current_task().unwrap();
            let (mut caught, mut raised) = (
                cleans_up(0),
                Coroutine::new(async {
                    finally(for_ever(), async {}).await;
                    String::new()
                }),
            );
            assert_eq!(caught.send(()).unwrap(), CoroState::Yielded);
            assert_eq!(raised.send(()).unwrap(), CoroState::Yielded);
            let mut plain = Coroutine::new(async {
                for_ever().await;
                String::new()
            });
            assert_eq!(plain.send(()).unwrap(), CoroState::Yielded);
            assert!(me.cancel_with("the task"));
            let said = [&mut caught, &mut raised, &mut plain]
                .map(|coroutine| message(coroutine.throw(Cancelled::new("x"))));
            assert_eq!(said, ["caught x", "raised x", "raised x"]);
            assert_eq!(me.cancelling(), 1);
            let delivered = catch_cancel(for_ever()).await.unwrap_err();
            delivered.msg().map(str::to_owned)
        });
        assert_eq!(task.await.unwrap().as_deref(), Some("the task"));
    });
}

/// The same if the cancel has been offered to the coroutine's own scope already.
#[test]
fn what_is_thrown_comes_before_a_cancel_that_was_offered_inside() {
    run(|| async {
        let task = create_task(async {
            let mut coroutine = cleans_up(0);
            assert_eq!(coroutine.send(()).unwrap(), CoroState::Yielded);
            // This poll is the one that the cancel is offered in, and only the coroutine has a scope.
            let mut first = true;
            let thrown = poll_fn(|_| match std::mem::take(&mut first) {
                true => Poll::Pending,
                false => Poll::Ready(message(coroutine.throw(Cancelled::new("x")))),
            });
            let said = thrown.await;
            let delivered = catch_cancel(for_ever()).await.unwrap_err();
            (said, delivered.msg().map(str::to_owned))
        });
        crate::support::rested(task.task_ref()).await;
        assert!(task.cancel_with("the task"));
        let (said, delivered) = task.await.unwrap();
        assert_eq!((&*said, delivered.as_deref()), ("caught x", Some("the task")));
    });
}

/// A mask in a coroutine that nobody has polled since the runner asked it is one all the same.
#[test]
fn what_is_thrown_waits_for_a_mask_while_the_task_around_is_cancelled() {
    run(|| async {
        let task = create_task(async {
            let flag = Flag::default();
            let inside = flag.clone();
            let mut coroutine = Coroutine::new(async move {
                defer_cancel(inside.seen()).await;
                let caught = catch_cancel(for_ever()).await.unwrap_err();
                caught.msg().unwrap_or_default().to_owned()
            });
            assert_eq!(coroutine.send(()).unwrap(), CoroState::Yielded);
            assert!(current_task().unwrap().cancel_with("the task"));
            let mut said = vec![message(coroutine.throw(Cancelled::new("x")))];
            said.push(message(coroutine.send(())));
            flag.set();
            said.push(message(coroutine.send(())));
            assert_eq!(said, ["yielded", "yielded", "x"]);
        });
        // The task has not waited since: a cancel beats its value.
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("the task"));
    });
}

/// CPython: `c.close()` runs the coroutine's `finally` whatever is pending around.
#[test]
fn closing_cleans_up_while_the_task_around_is_cancelled() {
    run(|| async {
        let log = Log::default();
        let said = log.clone();
        let task = create_task(async move {
            let (inside, refuses) = (said.clone(), said.clone());
            let mut coroutine = Coroutine::new(async move {
                finally(for_ever(), async move { inside.say("finally") }).await;
            });
            assert_eq!(coroutine.send(()).unwrap(), CoroState::Yielded);
            let mut waits = Coroutine::new(async move {
                finally(for_ever(), async move {
                    refuses.say("waits");
                    for_ever().await;
                })
                .await;
            });
            assert_eq!(waits.send(()).unwrap(), CoroState::Yielded);
            current_task().unwrap().cancel();
            said.say(format!("{:?}", coroutine.close().is_ok()));
            said.say(format!("{:?}", matches!(waits.close(), Err(CoroError::IgnoredClose))));
            for_ever().await;
        });
        assert!(task.await.unwrap_err().is_cancelled());
        log.is(&["finally", "true", "waits", "true"]);
    });
}

/// A request that no scope inside takes in the poll that follows is not put off.
#[test]
fn what_is_thrown_is_not_put_off_by_a_wake() {
    run(|| async {
        let task = create_task(async {
            let mut coroutine = Coroutine::new(async {
                // A scope that is alive and not polled any more.
                let mut kept = Box::pin(catch_cancel(for_ever()));
                poll_fn(|cx| {
                    assert!(kept.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                for_ever().await;
                String::new()
            });
            assert_eq!(coroutine.send(()).unwrap(), CoroState::Yielded);
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::Ready(message(coroutine.throw(Cancelled::new("x"))))
            })
            .await
        });
        assert_eq!(task.await.unwrap(), "raised x");
    });
}

/// CPython: whoever resumes a coroutine that cleans up after its request, the clean-up goes on.
#[test]
fn a_coroutine_cleans_up_wherever_it_is_resumed() {
    fn to_its_end(coroutine: &mut Coroutine<String>) -> Vec<String> {
        let mut said = Vec::new();
        while !coroutine.done() && said.len() < 9 {
            said.push(message(coroutine.send(())));
        }
        said
    }
    async fn asked(waits: usize) -> [Coroutine<String>; 3] {
        let log = move |what: &'static str| async move {
            for _ in 0..waits {
                yield_now().await;
            }
            assert!(!what.is_empty());
        };
        let mut all = [
            cleans_up(waits),
            Coroutine::new(async move {
                on_cancel(for_ever(), log("on_cancel")).await;
                String::new()
            }),
            // What is raised inside is caught inside, wherever that is.
            Coroutine::new(async move {
                let inside = finally(for_ever(), log("finally"));
                let caught = catch_cancel(inside).await.unwrap_err();
                yield_now().await;
                format!("raised to {}", caught.msg().unwrap_or_default())
            }),
        ];
        for coroutine in &mut all {
            assert_eq!(coroutine.send(()).unwrap(), CoroState::Yielded);
            assert_eq!(coroutine.throw(Cancelled::new("x")).unwrap(), CoroState::Yielded);
        }
        all
    }
    let ends = [
        vec!["yielded", "caught x"],
        vec!["yielded", "raised x"],
        vec!["yielded", "yielded", "raised to x"],
    ];
    let expected = ends.clone();
    run(move || {
        let ends = expected.clone();
        async move {
            let mut all = create_task(asked(2)).await.unwrap();
            let said = create_task(async move { all.each_mut().map(to_its_end) });
            assert_eq!(said.await.unwrap().to_vec(), ends);
        }
    });
    let mut all = corio::run(async { create_task(async { asked(2).await }).await.unwrap() });
    assert_eq!(all.each_mut().map(to_its_end).to_vec(), ends);
}

/// The future, once another task has polled it until it cleans up.
async fn begun<F>(mut future: Pin<Box<F>>, cleaning: Arc<AtomicBool>) -> Pin<Box<F>>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let task = create_task(async move {
        poll_fn(|cx| {
            assert!(future.as_mut().poll(cx).is_pending());
            if cleaning.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        (future,)
    });
    task.await.unwrap().0
}

/// What cleans up in three steps, and whether it is at it and has ended.
fn in_steps() -> (impl Future<Output = u8> + Send, Arc<AtomicBool>, Arc<AtomicBool>) {
    let (at_it, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (begins, ends) = (at_it.clone(), done.clone());
    let future = async move {
        on_cancel(for_ever(), async move {
            begins.store(true, Ordering::Relaxed);
            for _ in 0..3 {
                yield_now().await;
            }
            ends.store(true, Ordering::Relaxed);
        })
        .await;
        5
    };
    (future, at_it, done)
}

#[test]
fn a_part_that_has_stopped_in_part_goes_on_in_another_task() {
    run(|| async {
        let (future, at_it, done) = in_steps();
        let limited = begun(Box::pin(timeout(Duration::from_millis(1), future)), at_it).await;
        assert!(limited.await.is_err());
        assert!(done.load(Ordering::Relaxed), "the clean-up went on to its end");

        let (future, at_it, done) = in_steps();
        let group = task_group(async |group: corio::TaskGroup<&str>| {
            let _failing = group.create_task(async { Err::<(), _>("failed") });
            Ok(future.await)
        });
        let group = begun(Box::pin(group), at_it).await;
        assert!(group.await.is_err());
        assert!(done.load(Ordering::Relaxed), "the clean-up went on to its end");
    });
}

/// Outside of tasks, too, where there is nobody else to raise the request to.
#[test]
fn a_part_that_has_stopped_in_part_goes_on_outside_of_tasks() {
    let (mut limited, done) = corio::run(async {
        let (future, at_it, done) = in_steps();
        (begun(Box::pin(timeout(Duration::from_millis(1), future)), at_it).await, done)
    });
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        if let Poll::Ready(ended) = limited.as_mut().poll(&mut cx) {
            assert!(ended.is_err() && done.load(Ordering::Relaxed));
            return;
        }
    }
    panic!("it has not ended in as many polls as it has steps");
}

/// One that has not taken its request yet, because it was masked, hears of it where it is polled next.
#[test]
fn a_part_that_was_masked_is_asked_anew_in_another_task() {
    run(|| async {
        let (masked, open) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (begins, opens) = (masked.clone(), open.clone());
        let future = async move {
            defer_cancel(poll_fn(|_| {
                match opens.load(Ordering::Relaxed) {
                    true => Poll::Ready(()),
                    // The second poll of it comes with the limit.
                    false => {
                        begins.store(true, Ordering::Relaxed);
                        Poll::Pending
                    }
                }
            }))
            .await;
            for_ever().await;
        };
        let mut polls = 0;
        let mut limited = Box::pin(timeout(Duration::from_millis(1), future));
        let task = create_task(async move {
            poll_fn(|cx| {
                assert!(limited.as_mut().poll(cx).is_pending());
                polls += 1;
                if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            (limited,)
        });
        let (limited,) = task.await.unwrap();
        assert!(masked.load(Ordering::Relaxed));
        open.store(true, Ordering::Relaxed);
        assert!(limited.into_future().await.is_err());
    });
}

/// Thrown into by another task than the one that has resumed it before.
#[test]
fn another_task_throws() {
    run(|| async {
        let mut coroutine = create_task(async {
            let mut coroutine = cleans_up(0);
            assert_eq!(coroutine.send(()).unwrap(), CoroState::Yielded);
            coroutine
        })
        .await
        .unwrap();
        let said = create_task(async move { message(coroutine.throw(Cancelled::new("x"))) });
        assert_eq!(said.await.unwrap(), "caught x");
    });
}

/// A group takes a cancel in one task, and fails in another one; its body cleans up for so long.
fn a_group_that_fails_elsewhere(cleanup: u64) {
    corio::sim::run(1, async move {
        let task = create_task(async move {
            let mut group = Box::pin(async move {
                let body = async |group: TaskGroup<&'static str>| {
                    drop(group.create_task(async {
                        defer_cancel(sleep(ms(10))).await;
                        Err::<(), _>("failed")
                    }));
                    on_cancel(for_ever(), sleep(ms(cleanup))).await;
                    Ok(())
                };
                _ = task_group(body).await;
                for_ever().await;
            });
            select2(group.as_mut(), sleep(ms(5))).await;
            _ = create_task(group).await;
            for_ever().await;
        });
        sleep(ms(1)).await;
        task.cancel();
        sleep(ms(100)).await;
        assert!(task.done(), "the cancel is lost");
    });
}

#[test]
fn a_group_that_fails_in_another_task_gives_the_cancel_back_to_the_first() {
    a_group_that_fails_elsewhere(0);
}

#[test]
fn a_clean_up_that_ends_in_another_task_gives_the_cancel_back_to_the_first() {
    a_group_that_fails_elsewhere(8);
}

/// Tells outputs that are dropped twice, or never.
#[test]
fn a_gather_is_dropped_on_another_thread_while_its_tasks_end() {
    let held = Arc::new(());
    let (send, gathers) = mpsc::channel::<GatherVec<Arc<()>>>();
    let dropping = std::thread::spawn(move || gathers.into_iter().for_each(drop));
    let event_loop = new_event_loop().unwrap();
    let run = event_loop.run_until_complete(async {
        for round in 0..5_000 {
            let tasks = [0, 1, 2].map(|turns| {
                let held = held.clone();
                create_task(async move {
                    for _ in 0..turns + round % 2 {
                        yield_now().await;
                    }
                    held
                })
            });
            let mut all = gather(tasks);
            assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut all).poll(cx).is_pending())).await);
            send.send(all).unwrap();
            yield_now().await;
        }
        drop(send);
    });
    run.unwrap();
    dropping.join().unwrap();
    drop(event_loop);
    assert_eq!(Arc::strong_count(&held), 1);
}
