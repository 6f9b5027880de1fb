//! T21 to T33: panics, moves, foreign executors, races, and scopes that nobody polls.

use std::future::{IntoFuture, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

use corio::{CatchCancel, catch_cancel, defer_cancel, spawn, yield_now};
use corio_tests::{PATIENCE, within};

use crate::support::{Flag, Log, count, for_ever, join2, ms, nap, run, select2, until};

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;
type Scope = Pin<Box<CatchCancel<Boxed>>>;

fn scope() -> Scope {
    Box::pin(catch_cancel(Box::pin(for_ever()) as Boxed))
}

/// Polls a scope once, so that it is known.
async fn suspend(scope: &mut Scope) {
    poll_fn(|cx| {
        assert!(scope.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Ends its poll with nothing to wake the task but time: a sleep that is due when it is polled would
/// not.
async fn rest() {
    for lead in [1, 10, 100, 1_000, 10_000] {
        let mut sleep = pin!(corio::sleep(ms(lead)));
        let mut waited = false;
        poll_fn(|cx| {
            let polled = sleep.as_mut().poll(cx);
            waited |= Instant::now() < sleep.deadline();
            polled
        })
        .await;
        if waited {
            return;
        }
    }
    panic!("10 s were not enough to poll a sleep");
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the drop's panic");
    }
}

#[test]
fn t21_a_panic_in_a_drop_while_a_scope_unwinds() {
    run(|| async {
        let (log, waits) = (Log::default(), Flag::default());
        let (token, mark) = (log.on_drop("dropped once"), waits.clone());
        let task = spawn(async move {
            let caught = catch_cancel(async move {
                let _held = (token, Bomb);
                mark.set();
                for_ever().await;
            })
            .await;
            drop(caught);
        });
        until(|| waits.is_set()).await;
        nap().await;
        assert!(task.cancel());
        let error = task.await.unwrap_err();
        assert_eq!(error.panic_message(), Some("the drop's panic"));
        log.is(&["dropped once"]);
    });
}

#[test]
fn t21_the_scope_is_in_order_if_somebody_catches_that_panic() {
    run(|| async {
        let task = corio::create_local_task(async {
            let mut scope = Box::pin(catch_cancel(async {
                let _bomb = Bomb;
                for_ever().await;
            }));
            let blown =
                poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| scope.as_mut().poll(cx))) {
                    Ok(Poll::Pending) => Poll::Pending,
                    Ok(Poll::Ready(_)) => Poll::Ready(false),
                    Err(_) => Poll::Ready(true),
                })
                .await;
            drop(scope);
            (blown, catch_cancel(nap()).await.is_ok())
        });
        yield_now().await;
        task.cancel();
        assert_eq!(task.await.unwrap(), (true, true), "the request was taken, once");
    });
}

#[test]
fn t22_a_panic_in_the_clean_up() {
    run(|| async {
        let task = corio::create_local_task(async {
            let caught = catch_cancel(for_ever()).await;
            assert!(caught.is_ok(), "the clean-up's panic");
        });
        yield_now().await;
        task.cancel();
        let error = (&task).await.unwrap_err();
        assert_eq!(error.panic_message(), Some("the clean-up's panic"));
        assert!(!task.cancelled());
        assert_eq!(task.cancelling(), 1);
    });
}

#[test]
fn t23_a_scope_that_is_dropped_on_another_thread() {
    run(|| async {
        let (send, receive) = mpsc::channel::<Scope>();
        let dropper = thread::spawn(move || receive.into_iter().for_each(drop));
        let task = corio::create_local_task(async move {
            for _ in 0..100 {
                let mut moved = scope();
                suspend(&mut moved).await;
                send.send(moved).unwrap();
            }
            drop(send);
            for_ever().await;
        });
        yield_now().await;
        // Beside the drops.
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled(), "none of them took it away");
        dropper.join().unwrap();
    });
}

#[test]
fn t23_a_scope_that_moves_to_another_task() {
    run(|| async {
        let (send, receive) = mpsc::channel::<Scope>();
        let first = corio::create_local_task(async move {
            let mut moved = scope();
            suspend(&mut moved).await;
            send.send(moved).unwrap();
            // Its own scope is asked, not the one that went.
            catch_cancel(for_ever()).await.is_err()
        });
        yield_now().await;
        let second = corio::create_local_task(async move {
            let mut moved = receive.recv().unwrap();
            moved.as_mut().await.is_err()
        });
        yield_now().await;
        assert!(first.cancel());
        assert!(first.await.unwrap());
        nap().await;
        assert!(!second.done(), "the cancel of its first task is not its");
        assert!(second.cancel());
        assert!(second.await.unwrap());
    });
}

#[test]
fn t23_a_scope_that_outlives_its_task() {
    run(|| async {
        let task = corio::create_local_task(async {
            let mut moved = scope();
            suspend(&mut moved).await;
            Some(moved)
        });
        let mut moved = task.await.unwrap().unwrap();
        suspend(&mut moved).await;
        let last = corio::create_local_task(async move { moved.await.is_err() });
        yield_now().await;
        last.cancel();
        assert!(last.await.unwrap());
    });
}

#[test]
fn t24_outside_a_task_a_scope_is_transparent() {
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(matches!(pin!(catch_cancel(async { 5 })).poll(cx), Poll::Ready(Ok(5))));
    let mut waiting = scope();
    assert!(waiting.as_mut().poll(cx).is_pending());
    let mut masked = pin!(defer_cancel(async { 6 }));
    assert!(matches!(masked.as_mut().poll(cx), Poll::Ready(6)));
    corio::Cancelled::new("dropped").suppress();
    let raised = catch_unwind(|| {
        let cx = &mut Context::from_waker(Waker::noop());
        pin!(corio::Cancelled::new("nobody").raise::<()>()).poll(cx).is_pending()
    });
    let payload = raised.expect_err("it never waits for ever");
    let message = payload.downcast_ref::<&str>().expect("a message");
    assert!(message.contains("return it to the caller"), "{message}");
    // And then it may be carried into a task.
    run(|| async {
        let mut waiting = scope();
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let task = corio::create_local_task(async move { waiting.await.is_err() });
        yield_now().await;
        task.cancel();
        assert!(task.await.unwrap());
    });
}

#[test]
fn t25_an_abort_asks_no_scope() {
    run(|| async {
        let (log, waits) = (Log::default(), Flag::default());
        let (inner, mark) = (log.clone(), waits.clone());
        let task = corio::create_local_task(async move {
            let token = inner.on_drop("clean-up dropped");
            if catch_cancel(for_ever()).await.is_err() {
                let _token = token;
                mark.set();
                drop(catch_cancel(defer_cancel(for_ever())).await);
                inner.say("not reached");
            }
        });
        yield_now().await;
        task.cancel();
        until(|| waits.is_set()).await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        log.is(&["clean-up dropped"]);
    });
}

#[test]
fn t25_a_shutdown_asks_no_scope() {
    let (log, waits) = (Log::default(), Flag::default());
    let (inner, mark) = (log.clone(), waits.clone());
    within(PATIENCE, "the shutdown", move || {
        let runtime = corio::Builder::new().workers(2).build().unwrap();
        drop(runtime.create_task(async move {
            let _token = inner.on_drop("dropped");
            mark.set();
            drop(catch_cancel(defer_cancel(for_ever())).await);
            inner.say("not reached");
        }));
        while !waits.is_set() {
            thread::yield_now();
        }
        assert!(runtime.shutdown(None).is_clean());
    });
    log.is(&["dropped"]);
}

#[test]
fn t26_a_cancel_that_races_with_the_end() {
    run(|| async {
        for round in 0..300_u32 {
            let task = spawn(async move {
                let caught = catch_cancel(async {
                    for _ in 0..round % 4 {
                        yield_now().await;
                    }
                });
                caught.await.is_err()
            });
            let handle = task.task_ref();
            let canceller = spawn(async move { handle.cancel() });
            let (said, ended) = (canceller.await.unwrap(), task.await);
            let observed = ended.unwrap_or_else(|error| error.is_cancelled());
            assert_eq!(said, observed, "round {round}");
        }
    });
}

#[test]
fn t27_cancels_from_drops_of_the_task_itself() {
    struct CancelsItself(Log);
    impl Drop for CancelsItself {
        fn drop(&mut self) {
            let me = corio::current_task().expect("inside the task");
            self.0.say(format!("cancel {}", me.cancel_with("from a drop")));
        }
    }
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = corio::create_local_task(async move {
            let guard = CancelsItself(inner);
            let first = catch_cancel(async {
                let _guard = guard;
                for_ever().await;
            });
            let first = first.await.unwrap_err();
            // The second request waits for the next suspension.
            let second = catch_cancel(for_ever()).await.unwrap_err();
            (first.msg().map(str::to_owned), second.msg().map(str::to_owned), count())
        });
        yield_now().await;
        task.cancel_with("from outside");
        let (first, second, count) = task.await.unwrap();
        assert_eq!(first.as_deref(), Some("from outside"));
        assert_eq!((second.as_deref(), count), (Some("from a drop"), 2));
        log.is(&["cancel true"]);
    });
}

#[test]
fn t28_a_mask_holds_a_request_until_its_end() {
    run(|| async {
        let (log, waits, go) = (Log::default(), Flag::default(), Flag::default());
        let (inner, mark, seen) = (log.clone(), waits.clone(), go.clone());
        let task = spawn(async move {
            let caught = catch_cancel(async {
                defer_cancel(async {
                    mark.set();
                    // A scope inside gets nothing either.
                    let held = catch_cancel(until(|| seen.is_set())).await;
                    inner.say(format!("masked {}", held.is_ok()));
                })
                .await;
                inner.say("after the mask");
                for_ever().await;
            });
            inner.say(format!("caught {}", caught.await.is_err()));
        });
        until(|| waits.is_set()).await;
        task.cancel();
        nap().await;
        nap().await;
        assert!(!log.said("caught true"));
        go.set();
        task.await.unwrap();
        log.is(&["masked true", "after the mask", "caught true"]);
    });
}

#[test]
fn t28_a_mask_in_one_branch_does_not_hold_the_other() {
    run(|| async {
        let go = Flag::default();
        let seen = go.clone();
        let task = corio::create_local_task(async move {
            let masked = defer_cancel(until(|| seen.is_set()));
            let open = async { catch_cancel(for_ever()).await.is_err() };
            let ((), caught) = join2(masked, open).await;
            // It was taken: nothing comes after the mask.
            (caught, catch_cancel(nap()).await.is_ok())
        });
        yield_now().await;
        task.cancel();
        nap().await;
        go.set();
        assert_eq!(task.await.unwrap(), (true, true));
    });
}

#[test]
fn t29_leaves_may_be_dropped_by_a_scope() {
    run(|| async {
        let (send, receive) = mpsc::channel();
        let task = spawn(async move {
            let mut ended = 0;
            for _ in 0..50 {
                send.send(()).unwrap();
                if let Err(request) = catch_cancel(corio::sleep(ms(60_000))).await {
                    request.suppress();
                    ended += 1;
                }
            }
            ended
        });
        for _ in 0..50 {
            while receive.try_recv().is_err() {
                nap().await;
            }
            assert!(task.cancel());
        }
        assert_eq!(task.await.unwrap(), 50, "each cancel ended one sleep");
    });
}

#[test]
fn t30_deep_nesting_in_one_task() {
    fn nest(depth: usize, reached: Flag) -> Boxed {
        Box::pin(async move {
            if depth == 0 {
                reached.set();
                for_ever().await;
            } else if let Err(request) = catch_cancel(nest(depth - 1, reached)).await {
                request.raise::<()>().await;
            }
        })
    }
    run(|| async {
        let reached = Flag::default();
        let task = spawn(nest(100, reached.clone()));
        until(|| reached.is_set()).await;
        nap().await;
        task.cancel_with("through all");
        let error = task.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("through all"));
    });
}

#[test]
fn t32_a_scope_that_is_not_polled_swallows_no_cancel() {
    run(|| async {
        let task = corio::create_local_task(async {
            let mut dormant = scope();
            suspend(&mut dormant).await;
            for_ever().await;
            drop(dormant);
        });
        yield_now().await;
        task.cancel_with("m");
        let error = task.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("m"));
        // The scope around is asked next.
        let task = corio::create_local_task(async {
            let around = catch_cancel(async {
                let mut dormant = scope();
                suspend(&mut dormant).await;
                for_ever().await;
                drop(dormant);
            });
            around.await.is_err()
        });
        yield_now().await;
        task.cancel();
        assert!(task.await.unwrap());
    });
}

#[test]
fn t32_not_even_if_the_task_keeps_itself_busy() {
    run(|| async {
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = polls.clone();
        let task = corio::create_local_task(async move {
            let mut dormant = scope();
            suspend(&mut dormant).await;
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        yield_now().await;
        let before = polls.load(Ordering::Relaxed);
        task.cancel();
        let ended: Result<(), _> = task.await;
        assert!(ended.unwrap_err().is_cancelled());
        let polled = polls.load(Ordering::Relaxed) - before;
        assert!(polled <= 32, "it was polled {polled} times");
    });
}

#[test]
fn t32_what_another_scope_has_handled_does_not_reach_the_dormant_one() {
    run(|| async {
        let task = corio::create_local_task(async {
            let mut dormant = scope();
            suspend(&mut dormant).await;
            let caught = catch_cancel(for_ever()).await.is_err();
            // In the poll that delivers the request every scope that was waiting may take part, and
            // in those that follow at once.
            rest().await;
            let again = select2(async { dormant.as_mut().await.is_err() }, async {
                nap().await;
                false
            });
            (caught, again.await)
        });
        yield_now().await;
        task.cancel();
        assert_eq!(task.await.unwrap(), (true, false));
    });
}

#[test]
fn t33_a_join_that_is_dormant_in_a_select_loop() {
    run(|| async {
        let (log, waits) = (Log::default(), Flag::default());
        let (inner, mark) = (log.clone(), waits.clone());
        let task = spawn(async move {
            let mut job = spawn(for_ever());
            loop {
                let tick = async {
                    nap().await;
                    true
                };
                assert!(select2(async { (&mut job).await.is_err() }, tick).await);
                mark.set();
                inner.say("body");
                for_ever().await;
            }
        });
        until(|| waits.is_set()).await;
        nap().await;
        task.cancel_with("m");
        let ended: Result<(), _> = task.await;
        assert_eq!(ended.unwrap_err().cancelled().unwrap().msg(), Some("m"));
        log.is(&["body"]);
    });
}

#[test]
fn t33_a_join_that_begins_after_the_delivery_takes_no_part() {
    run(|| async {
        let go = Flag::default();
        let seen = go.clone();
        let helper = spawn(async move {
            until(|| seen.is_set()).await;
            5
        });
        let helps = helper.task_ref();
        let task = corio::create_local_task(async move {
            let mut dormant = scope();
            suspend(&mut dormant).await;
            catch_cancel(for_ever()).await.unwrap_err().suppress();
            // The clean-up. Something wakes the task in the poll that delivers, so the scope that is
            // not polled is still offered the request in the next ones.
            let mut wakes = 0;
            let woken = poll_fn(move |cx: &mut Context<'_>| {
                wakes += 1;
                if wakes > 3 {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            });
            let (value, ()) = join2(helper.into_future(), woken).await;
            drop(dormant);
            value.map_err(|error| error.to_string())
        });
        yield_now().await;
        assert!(task.cancel());
        rest().await;
        go.set();
        assert_eq!(task.await.map_err(|error| error.to_string()), Ok(Ok(5)));
        assert_eq!(helps.cancelling(), 0, "nobody has cancelled the helper");
    });
}

#[test]
fn a_panic_that_meets_a_pending_cancel_is_the_outcome() {
    run(|| async {
        // Cancels itself and panics in the same poll; once more with a scope around.
        let itself = || assert!(corio::current_task().unwrap().cancel());
        let plain = spawn(async move {
            itself();
            panic!("the body's panic");
        });
        let scoped = spawn(async move {
            catch_cancel(async move {
                yield_now().await;
                itself();
                panic!("the body's panic");
            })
            .await
            .is_ok()
        });
        let plain = plain.await.unwrap_err();
        assert_eq!(plain.panic_message(), Some("the body's panic"));
        let error = (&scoped).await.unwrap_err();
        assert_eq!(error.panic_message(), Some("the body's panic"));
        assert!(!scoped.cancelled() && scoped.cancelling() == 1);
        // A value that meets one is none.
        let value = spawn(async move {
            itself();
            5
        });
        assert!(value.await.unwrap_err().is_cancelled());
    });
}
