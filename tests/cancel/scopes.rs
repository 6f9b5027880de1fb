//! T1 to T12: what a scope catches, and when.

use std::future::ready;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use corio::sync::Lock;
use corio::{Builder, Cancelled, catch_cancel, spawn, yield_now};
use corio_tests::{PATIENCE, within};

use crate::support::{Flag, Log, count, for_ever, join2, nap, run, select2, unordered, until};

#[test]
fn t01_a_cancel_before_the_first_poll() {
    run(|| async {
        let log = Log::default();
        let (token, inner) = (log.on_drop("captured"), log.clone());
        let never = corio::create_local_task(async move {
            let _token = token;
            let caught = catch_cancel(for_ever()).await;
            inner.say("ran");
            drop(caught);
        });
        assert!(never.cancel_with("m"));
        let error = never.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("m"));
        log.is(&["captured"]);
    });
}

#[test]
fn t02_a_cancel_taken_back_before_the_first_poll() {
    run(|| async {
        let task = corio::create_local_task(async { catch_cancel(nap()).await.is_ok() });
        assert!(task.cancel());
        assert_eq!(task.uncancel(), 0);
        assert!(task.await.unwrap());
    });
}

#[test]
fn t02_a_cancel_taken_back_while_a_mask_holds_it() {
    run(|| async {
        let (waits, go) = (Flag::default(), Flag::default());
        let (mark, seen) = (waits.clone(), go.clone());
        let task = corio::create_local_task(async move {
            let held = corio::defer_cancel(async {
                mark.set();
                until(|| seen.is_set()).await;
            });
            catch_cancel(async {
                held.await;
                nap().await;
                7
            })
            .await
            .ok()
        });
        until(|| waits.is_set()).await;
        assert!(task.cancel() && task.cancel());
        nap().await;
        assert_eq!((task.uncancel(), task.uncancel()), (1, 0));
        go.set();
        assert_eq!(task.await.unwrap(), Some(7), "nothing is left of it");
    });
}

#[test]
fn t03_catch_clean_up_raise() {
    run(|| async {
        let (log, go) = (Log::default(), Flag::default());
        let (inner, seen) = (log.clone(), go.clone());
        let task = spawn(async move {
            let token = inner.on_drop("inner dropped");
            let caught = catch_cancel(async {
                inner.say("waits");
                let _token = token;
                for_ever().await;
            })
            .await;
            inner.say("clean-up");
            until(|| seen.is_set()).await;
            inner.say("cleaned");
            match caught {
                Ok(()) => 1,
                Err(request) => request.raise().await,
            }
        });
        until(|| log.said("waits")).await;
        assert!(task.cancel_with("x"));
        assert!(!task.done());
        assert_eq!(task.cancelling(), 1);
        go.set();
        let error = (&task).await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("x"));
        assert!(task.cancelled());
        log.is(&["waits", "inner dropped", "clean-up", "cleaned"]);
    });
}

#[test]
fn t04_suppressed() {
    run(|| async {
        let waits = Flag::default();
        let mark = waits.clone();
        let task = spawn(async move {
            mark.set();
            match catch_cancel(for_ever()).await {
                Ok(()) => 0,
                Err(request) => {
                    drop(request);
                    42
                }
            }
        });
        until(|| waits.is_set()).await;
        nap().await;
        assert!(task.cancel());
        assert_eq!((&task).await.ok(), Some(&42));
        assert!(task.done() && !task.cancelled());
        assert_eq!(task.cancelling(), 1, "dropping the request takes no cancel back");
        assert!(!task.cancel());
    });
}

#[test]
fn t04_suppressed_and_taken_back() {
    run(|| async {
        let waits = Flag::default();
        let mark = waits.clone();
        let task = spawn(async move {
            mark.set();
            let request = catch_cancel(for_ever()).await.unwrap_err();
            let before = count();
            request.suppress();
            Cancelled::new("by hand").suppress();
            nap().await;
            (before, count())
        });
        until(|| waits.is_set()).await;
        task.cancel();
        assert_eq!(task.await.unwrap(), (1, 0));
    });
}

#[test]
fn t05_nested_scopes_innermost_first() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn(async move {
            let outer = catch_cancel(async {
                let caught = catch_cancel(async {
                    inner.say("waits");
                    for_ever().await;
                })
                .await;
                inner.say("inner");
                match caught {
                    Ok(()) => 1,
                    Err(request) => request.raise().await,
                }
            })
            .await;
            inner.say(format!("outer {}", outer.is_err()));
            drop(outer);
            9
        });
        until(|| log.said("waits")).await;
        task.cancel();
        assert_eq!(task.await.unwrap(), 9);
        log.is(&["waits", "inner", "outer true"]);
    });
}

#[test]
fn t05_what_the_inner_scope_suppresses_the_outer_never_sees() {
    run(|| async {
        let waits = Flag::default();
        let mark = waits.clone();
        let task = spawn(async move {
            catch_cancel(async {
                mark.set();
                drop(catch_cancel(for_ever()).await);
                nap().await;
                5
            })
            .await
            .ok()
        });
        until(|| waits.is_set()).await;
        nap().await;
        task.cancel();
        assert_eq!(task.await.unwrap(), Some(5));
    });
}

#[test]
fn t06_a_second_cancel_interrupts_the_clean_up() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn(async move {
            inner.say("waits");
            if let Err(request) = catch_cancel(for_ever()).await {
                inner.say("clean-up");
                for_ever().await;
                inner.say("not reached");
                request.raise::<()>().await;
            }
        });
        until(|| log.said("waits")).await;
        nap().await;
        task.cancel_with("1");
        until(|| log.said("clean-up")).await;
        task.cancel_with("2");
        assert_eq!(task.cancelling(), 2);
        let error = task.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("2"));
        log.is(&["waits", "clean-up"]);
    });
}

#[test]
fn t07_two_cancels_before_the_delivery_are_one() {
    run(|| async {
        let task = corio::create_local_task(async {
            let mut caught = Vec::new();
            for _ in 0..3 {
                if let Err(request) = catch_cancel(nap()).await {
                    caught.push(request.msg().map(str::to_owned));
                    drop(request);
                }
            }
            caught
        });
        yield_now().await;
        assert!(task.cancel_with("1") && task.cancel_with("2"));
        assert_eq!(task.cancelling(), 2);
        // On this loop, so nothing was delivered between the two.
        assert_eq!(task.await.unwrap(), [Some("1".to_owned())], "one throw, the first message");
    });
}

#[test]
fn t08_a_task_that_cancels_itself_goes_on_to_its_next_suspension() {
    run(|| async {
        let task = spawn(async {
            corio::current_task().unwrap().cancel();
            let passes = catch_cancel(ready(1)).await;
            let caught = catch_cancel(yield_now()).await;
            (passes.ok(), caught.is_err())
        });
        assert_eq!(task.await.unwrap(), (Some(1), true));
        let log = Log::default();
        let token = log.on_drop("value");
        let task = spawn(async move {
            drop(catch_cancel(nap()).await);
            corio::current_task().unwrap().cancel_with("late");
            token
        });
        let error = task.await.map(drop).unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("late"));
        log.is(&["value"]);
    });
}

/// From another thread, in the middle of a poll: what is ready still passes.
#[test]
fn t08_a_cancel_from_another_thread_while_the_task_runs() {
    run(|| async {
        let (tell, running) = mpsc::channel::<corio::TaskRef>();
        let (answer, cancelled) = mpsc::channel();
        let other = thread::spawn(move || {
            for task in running {
                answer.send(task.cancel_with("from outside")).unwrap();
            }
        });
        let is_cancelled = move || {
            tell.send(corio::current_task().unwrap()).unwrap();
            cancelled.recv().unwrap()
        };
        let is_cancelled = Arc::new(Mutex::new(is_cancelled));
        let asks = is_cancelled.clone();
        let task = spawn(async move {
            let first = catch_cancel(async move {
                let said = (*asks.lock().unwrap())();
                let passes = ready(1).await;
                (said, passes, catch_cancel(yield_now()).await)
            });
            let (said, passes, caught) = first.await.expect("it had not suspended before");
            (said, passes, caught.unwrap_err().msg().map(str::to_owned), count())
        });
        assert_eq!(task.await.unwrap(), (true, 1, Some("from outside".to_owned()), 1));
        // No suspension is left: the task ends cancelled, and its value is dropped.
        let (log, asks) = (Log::default(), is_cancelled.clone());
        let token = log.on_drop("value");
        let task = spawn(async move {
            assert!((*asks.lock().unwrap())());
            token
        });
        let error = task.await.map(drop).unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("from outside"));
        log.is(&["value"]);
        drop(is_cancelled);
        other.join().unwrap();
    });
}

/// A loop that never has to wait is told at the yield that its budget makes it take.
#[test]
fn t08_a_yield_for_the_budget_is_a_suspension() {
    for budget in [1, 8] {
        let taken = within(PATIENCE, "the busy loop", move || {
            let builder = Builder::new().workers(1).poll_budget(budget);
            let main = async {
                let lock = Lock::new(());
                let mut taken = 0;
                assert!(corio::current_task().unwrap().cancel());
                let caught = catch_cancel(async {
                    loop {
                        drop(lock.acquire().await);
                        taken += 1;
                    }
                });
                caught.await.map(|(): ()| ()).unwrap_err().suppress();
                taken
            };
            builder.run(main).expect("the cancel was taken back")
        });
        assert!(taken > 0 && taken <= budget, "{taken} of a budget of {budget}");
    }
}

#[test]
fn t09_every_leaf_of_a_join_gets_the_one_request() {
    run(|| async {
        let task = corio::create_local_task(async {
            let (a, b) = join2(catch_cancel(for_ever()), catch_cancel(for_ever())).await;
            (a.unwrap_err(), b.unwrap_err(), count())
        });
        yield_now().await;
        task.cancel_with("m");
        let (a, b, count) = task.await.unwrap();
        assert_eq!((a.msg(), b.msg(), count), (Some("m"), Some("m"), 1));
        drop((a, b));
    });
}

#[test]
fn t09_a_branch_without_a_scope_rides_on_the_scope_around() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = corio::create_local_task(async move {
            let token = inner.on_drop("unscoped dropped");
            // One leaf suppresses: that counts for the task, and the other branch goes on.
            let both = catch_cancel(join2(catch_cancel(for_ever()), async {
                let _token = token;
                corio::sleep(std::time::Duration::from_millis(5)).await;
                3
            }));
            let (caught, value) = both.await.expect("the inner scope has taken it");
            (caught.is_err(), value)
        });
        yield_now().await;
        task.cancel();
        assert_eq!(task.await.unwrap(), (true, 3));
        // Raised to the scope around, it ends both.
        let inner = log.clone();
        let task = corio::create_local_task(async move {
            let token = inner.on_drop("raised over");
            let raises = async {
                let request = catch_cancel(for_ever()).await.unwrap_err();
                request.raise::<()>().await;
            };
            let sibling = async {
                let _token = token;
                for_ever().await;
            };
            catch_cancel(join2(raises, sibling)).await.is_err()
        });
        yield_now().await;
        task.cancel();
        assert!(task.await.unwrap());
        log.is(&["unscoped dropped", "raised over"]);
    });
}

#[test]
fn t10_scopes_below_sub_wakers_are_reached() {
    run(|| async {
        let task = corio::create_local_task(async {
            let part = || {
                Box::pin(async { catch_cancel(for_ever()).await.is_err() })
                    as std::pin::Pin<Box<dyn Future<Output = bool> + Send>>
            };
            unordered((0..5).map(|_| part()).collect()).await
        });
        yield_now().await;
        task.cancel();
        assert_eq!(task.await.unwrap(), [true; 5]);
    });
}

#[test]
fn t11_an_offered_scope_that_is_dropped_passes_the_request_on() {
    run(|| async {
        let flag = Flag::default();
        let seen = flag.clone();
        let task = corio::create_local_task(async move {
            let won = select2(
                async {
                    seen.seen().await;
                    1
                },
                async {
                    drop(catch_cancel(for_ever()).await);
                    2
                },
            )
            .await;
            (won, catch_cancel(for_ever()).await.is_err(), count())
        });
        yield_now().await;
        flag.set();
        task.cancel();
        assert_eq!(task.await.unwrap(), (1, true, 1));
    });
}

#[test]
fn t11_a_body_that_always_drops_the_offered_scope_is_ended() {
    run(|| async {
        let task = corio::create_local_task(async {
            loop {
                // The first branch wins in every poll but the one in which it waits.
                select2(yield_now(), async { drop(catch_cancel(for_ever()).await) }).await;
            }
        });
        yield_now().await;
        task.cancel_with("enough");
        let ended: Result<(), _> = task.await;
        assert_eq!(ended.unwrap_err().cancelled().unwrap().msg(), Some("enough"));
    });
}

#[test]
fn t12_a_raise_in_a_branch_that_loses_is_not_lost() {
    run(|| async {
        let flag = Flag::default();
        let seen = flag.clone();
        let task = corio::create_local_task(async move {
            let won = select2(
                async {
                    if let Err(request) = catch_cancel(for_ever()).await {
                        request.raise::<()>().await;
                    }
                    1
                },
                async {
                    seen.seen().await;
                    2
                },
            )
            .await;
            let again = catch_cancel(for_ever()).await.unwrap_err();
            (won, again.msg().map(str::to_owned), count())
        });
        yield_now().await;
        flag.set();
        task.cancel_with("m");
        assert_eq!(task.await.unwrap(), (2, Some("m".to_owned()), 1));
    });
}

#[test]
fn t12_a_raise_that_loses_below_a_scope() {
    run(|| async {
        let flag = Flag::default();
        let seen = flag.clone();
        let task = corio::create_local_task(async move {
            let won = catch_cancel(select2(
                async {
                    catch_cancel(for_ever()).await.unwrap_err().raise::<()>().await;
                    1
                },
                async {
                    seen.seen().await;
                    2
                },
            ))
            .await
            .expect("the scope's future was ready");
            (won, catch_cancel(for_ever()).await.is_err(), count())
        });
        yield_now().await;
        flag.set();
        task.cancel();
        assert_eq!(task.await.unwrap(), (2, true, 1));
    });
}

#[test]
fn a_request_made_by_hand_cancels_without_cancel() {
    run(|| async {
        let task = spawn(async { Cancelled::new("by hand").raise::<u8>().await });
        let error = (&task).await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("by hand"));
        assert!(task.cancelled() && task.cancelling() == 0);
        let task = spawn(async {
            let caught = catch_cancel(Cancelled::new("inside").raise::<u8>()).await;
            caught.unwrap_err().msg().map(str::to_owned)
        });
        assert_eq!(task.await.unwrap().as_deref(), Some("inside"));
    });
}

#[test]
fn on_cancel_and_finally_await_their_clean_up() {
    run(|| async {
        let log = Log::default();
        let say = |what: &'static str| {
            let log = log.clone();
            async move {
                nap().await;
                log.say(what);
            }
        };
        assert_eq!(corio::on_cancel(async { 1 }, say("never")).await, 1);
        assert_eq!(corio::finally(async { 2 }, say("after a value")).await, 2);
        let task = corio::create_local_task(corio::finally(
            corio::on_cancel(for_ever(), say("first")),
            say("second"),
        ));
        yield_now().await;
        task.cancel_with("m");
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("m"));
        log.is(&["after a value", "first", "second"]);
    });
}
