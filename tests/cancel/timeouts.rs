//! T17 to T19 and T31: limits, which ask their own part of the task to stop.

use std::future::pending;
use std::thread;
use std::time::Instant;

use corio::{
    Cancelled, TimeoutScope, catch_cancel, defer_cancel, spawn, timeout, timeout_scope, wait_for,
    yield_now,
};

use crate::support::{Flag, Log, count, for_ever, join2, ms, nap, run, unordered, until};

const SOON: u64 = 3;
/// Limits for a task that blocks its thread beyond them, in milliseconds. If one has come before that,
/// on a machine that is slow, the next one is tried.
const BLOCKED: [u64; 4] = [20, 200, 2_000, 20_000];
const LATE: u64 = 60_000;

#[test]
fn a_limit_awaits_the_clean_up_inside() {
    run(|| async {
        let log = Log::default();
        let ended = timeout(ms(SOON), async {
            if let Err(request) = catch_cancel(for_ever()).await {
                log.say(format!("count {}", count()));
                nap().await;
                log.say("cleaned");
                assert!(request.requested_at().unwrap().file().ends_with("timeouts.rs"));
                request.raise::<()>().await;
            }
        });
        assert!(ended.await.is_err());
        assert_eq!(count(), 0);
        log.is(&["count 1", "cleaned"]);
        nap().await;
    });
}

#[test]
fn t17_a_cancel_and_the_limit_at_once() {
    run(|| async {
        for cancel_first in [true, false] {
            let mut ended = None;
            for limit in BLOCKED {
                let start = Instant::now();
                let task =
                    corio::create_local_task(async move { timeout(ms(limit), for_ever()).await });
                yield_now().await;
                // The loop sees both when this lets it go on.
                if cancel_first {
                    task.cancel_with("outer");
                }
                let in_time = start.elapsed() < ms(limit);
                if in_time {
                    thread::sleep(ms(limit + 2));
                }
                if !cancel_first {
                    task.cancel_with("outer");
                }
                ended = Some(task.await);
                if in_time {
                    break;
                }
            }
            let error = ended.unwrap().expect_err("the cancel goes first");
            assert_eq!(error.cancelled().unwrap().msg(), Some("outer"));
        }
    });
}

#[test]
fn t17_caught_exactly_once_by_a_scope_around() {
    run(|| async {
        for inner_scope in [false, true] {
            let mut ended = None;
            for limit in BLOCKED {
                let start = Instant::now();
                let task = corio::create_local_task(caught_around(limit, inner_scope));
                yield_now().await;
                task.cancel_with("outer");
                let in_time = start.elapsed() < ms(limit);
                if in_time {
                    thread::sleep(ms(limit + 2));
                }
                ended = Some(task.await);
                if in_time {
                    break;
                }
            }
            let ended = ended.unwrap().unwrap();
            assert_eq!(ended, (Some("outer".to_owned()), true, 1), "{inner_scope}");
        }
    });
}

/// What a scope around a limit catches: its message, whether that was all, and the count.
async fn caught_around(limit: u64, inner_scope: bool) -> (Option<String>, bool, u32) {
    let limited = timeout(ms(limit), async move {
        if inner_scope {
            if let Err(request) = catch_cancel(for_ever()).await {
                // The clean-up is still at it when the limit comes.
                for_ever().await;
                drop(request);
            }
        } else {
            for_ever().await;
        }
    });
    let caught = catch_cancel(limited).await;
    let msg = caught.as_ref().err().and_then(Cancelled::msg).map(str::to_owned);
    drop(caught);
    (msg, catch_cancel(nap()).await.is_ok(), count())
}

#[test]
fn an_outer_cancel_alone_is_no_timeout() {
    run(|| async {
        let task = corio::create_local_task(timeout(ms(LATE), async {
            let request = catch_cancel(for_ever()).await.unwrap_err();
            request.raise::<()>().await;
        }));
        yield_now().await;
        task.cancel_with("o");
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("o"));
    });
}

#[test]
fn nested_limits_the_one_that_has_come_converts() {
    run(|| async {
        let wait = || async {
            if let Err(request) = catch_cancel(for_ever()).await {
                nap().await;
                request.raise::<()>().await;
            }
        };
        assert!(timeout(ms(SOON), timeout(ms(LATE), wait())).await.is_err());
        assert!(timeout(ms(LATE), timeout(ms(SOON), wait())).await.unwrap().is_err());
        // Both: the outer one's request is on its way when the inner limit comes.
        let slow = timeout(
            ms(SOON),
            timeout(ms(SOON + 3), async {
                if let Err(request) = catch_cancel(for_ever()).await {
                    corio::sleep(ms(10)).await;
                    request.raise::<()>().await;
                }
            }),
        );
        assert!(slow.await.is_err(), "the inner one gives way");
        assert_eq!(count(), 0);
    });
}

#[test]
fn t18_a_limit_in_the_clean_up_after_a_caught_cancel() {
    run(|| async {
        let task = corio::create_local_task(async {
            let caught = catch_cancel(for_ever()).await.is_err();
            let plain = timeout(ms(SOON), for_ever()).await.is_err();
            let scoped = timeout(ms(SOON), async {
                let request = catch_cancel(for_ever()).await.unwrap_err();
                let during = count();
                assert_eq!(during, 2);
                request.raise::<()>().await;
            });
            (caught, plain, scoped.await.is_err(), count())
        });
        yield_now().await;
        task.cancel();
        assert_eq!(task.await.unwrap(), (true, true, true, 1));
    });
}

#[test]
fn t19_a_body_that_suppresses_the_limit() {
    run(|| async {
        let value = timeout(ms(SOON), async {
            catch_cancel(for_ever()).await.unwrap_err().suppress();
            nap().await;
            8
        });
        assert_eq!(value.await.unwrap(), 8);
        assert_eq!(count(), 0);
        assert!(catch_cancel(nap()).await.is_ok(), "no stray request");
    });
}

#[test]
fn t31_a_limit_touches_no_sibling() {
    run(|| async {
        let task = corio::create_local_task(async {
            let sibling = async {
                let scoped = catch_cancel(corio::sleep(ms(SOON + 5))).await.is_ok();
                (scoped, count())
            };
            let scoped = timeout(ms(SOON), async {
                let request = catch_cancel(for_ever()).await.unwrap_err();
                request.raise::<()>().await;
            });
            let bare = timeout(ms(SOON), for_ever());
            let ((bare, scoped), sibling) = join2(join2(bare, scoped), sibling).await;
            (bare.is_err(), scoped.is_err(), sibling)
        });
        assert_eq!(task.await.unwrap(), (true, true, (true, 0)));
    });
}

#[test]
fn t31_a_limit_beside_a_task_and_below_sub_wakers() {
    run(|| async {
        let go = Flag::default();
        let seen = go.clone();
        let child = spawn(async move {
            until(|| seen.is_set()).await;
            5
        });
        let limit = async {
            let ended = timeout(ms(SOON), async {
                catch_cancel(for_ever()).await.unwrap_err().raise::<()>().await;
            })
            .await;
            go.set();
            ended.is_err()
        };
        let (child, limit) = join2(child.into_future(), limit).await;
        assert_eq!((child.unwrap(), limit), (5, true));
        // The same below a combinator that polls only what was woken.
        let parts: Vec<std::pin::Pin<Box<dyn Future<Output = bool> + Send>>> = vec![
            Box::pin(async { catch_cancel(corio::sleep(ms(SOON + 5))).await.is_ok() }),
            Box::pin(async {
                let limit = timeout(ms(SOON), async {
                    unordered::<bool>(vec![
                        Box::pin(async {
                            catch_cancel(for_ever()).await.unwrap_err().raise().await
                        }),
                        Box::pin(async { pending::<bool>().await }),
                    ])
                    .await
                });
                limit.await.is_err()
            }),
        ];
        assert_eq!(unordered(parts).await, [true, true]);
    });
}

#[test]
fn t31_nested_limits_in_branches() {
    run(|| async {
        let inner_first = timeout(ms(SOON + 4), async {
            let inside = join2(timeout(ms(SOON), for_ever()), catch_cancel(for_ever()));
            let (limit, caught) = inside.await;
            (limit.is_err(), caught.is_err())
        });
        let outer_first = timeout(ms(SOON), timeout(ms(LATE), for_ever()));
        let (a, b) = join2(inner_first, outer_first).await;
        // In the first the inner limit was a value, and the scope beside it took the outer one's.
        assert_eq!(a.unwrap(), (true, true));
        assert!(b.is_err());
    });
}

#[test]
fn a_mask_inside_puts_the_limit_off() {
    run(|| async {
        let log = Log::default();
        let ended = timeout(ms(SOON), async {
            defer_cancel(async {
                corio::sleep(ms(SOON + 10)).await;
                log.say("committed");
            })
            .await;
            for_ever().await;
        });
        assert!(ended.await.is_err());
        log.is(&["committed"]);
    });
}

#[test]
fn a_limit_on_a_dormant_scope_ends_its_part() {
    run(|| async {
        let ended = timeout_scope(None, async |limit| {
            let mut dormant = Box::pin(catch_cancel(for_ever()));
            crate::support::select2(async { drop(dormant.as_mut().await) }, yield_now()).await;
            limit.reschedule(Some(Instant::now())).unwrap();
            for_ever().await;
        });
        assert!(ended.await.is_err());
        assert!(catch_cancel(nap()).await.is_ok());
    });
}

#[test]
fn wait_for_cancels_a_task_and_awaits_its_end() {
    run(|| async {
        // A task that is cancelled before it has begun never runs.
        let (log, begun) = (Log::default(), [Flag::default(), Flag::default()]);
        let (inner, mark) = (log.clone(), begun[0].clone());
        let task = spawn(async move {
            mark.set();
            if let Err(request) = catch_cancel(for_ever()).await {
                nap().await;
                inner.say("cleaned");
                request.raise::<()>().await;
            }
        });
        until(|| begun[0].is_set()).await;
        let watched = task.task_ref();
        assert!(wait_for(task, ms(SOON)).await.is_err());
        assert!(watched.done() && log.said("cleaned"));
        // A task that suppresses answers with its value.
        let mark = begun[1].clone();
        let task = spawn(async move {
            mark.set();
            drop(catch_cancel(for_ever()).await);
            3
        });
        until(|| begun[1].is_set()).await;
        assert_eq!(wait_for(task, ms(SOON)).await.unwrap().unwrap(), 3);
        // An independent cancel is the task's result.
        let task = spawn(for_ever());
        task.cancel();
        assert!(wait_for(task, ms(LATE)).await.unwrap().unwrap_err().is_cancelled());
        assert_eq!(wait_for(async { 4 }, None).await.unwrap(), 4);
    });
}

#[test]
fn wait_for_passes_an_outer_cancel_inwards_and_waits() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn(async move {
            let child = spawn(async move {
                inner.say("waits");
                if let Err(request) = catch_cancel(for_ever()).await {
                    nap().await;
                    inner.say("cleaned");
                    request.raise::<()>().await;
                }
            });
            wait_for(child, ms(LATE)).await.is_ok()
        });
        until(|| log.said("waits")).await;
        nap().await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        log.is(&["waits", "cleaned"]);
    });
}

/// As in asyncio: the count is above what it was when the limit began.
#[test]
fn a_cancel_that_the_body_has_swallowed_goes_on_at_the_limit() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn(async move {
            let limited = timeout_scope(ms(LATE), async |limit: TimeoutScope| {
                inner.say("begins");
                assert!(catch_cancel(for_ever()).await.is_err());
                inner.say("swallowed");
                limit.reschedule(Some(Instant::now())).unwrap();
                for_ever().await;
            });
            let _ = limited.await;
            inner.say("goes on");
        });
        until(|| log.said("begins")).await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        log.is(&["begins", "swallowed"]);
    });
}

/// asyncio says that the limit has come, and the cancel is lost.
#[test]
fn a_cancel_that_is_older_than_a_limit_is_not_lost_with_the_clean_up() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn(async move {
            assert!(corio::current_task().unwrap().cancel());
            let limited = timeout(ms(SOON), async {
                let request = catch_cancel(for_ever()).await.unwrap_err();
                inner.say("cleans up");
                for_ever().await;
                request.raise::<()>().await;
            });
            let _ = limited.await;
            inner.say("goes on");
        });
        assert!(task.await.unwrap_err().is_cancelled());
        log.is(&["cleans up"]);
    });
}

/// The count says 1 throughout: that of the limit's request.
#[test]
fn a_cancel_that_is_taken_back_while_a_limit_comes_is_forgotten() {
    run(|| async {
        for waits in [true, false] {
            let task = spawn(async move {
                let ended = timeout(ms(SOON), async {
                    let request = catch_cancel(for_ever()).await.unwrap_err();
                    let me = corio::current_task().unwrap();
                    assert!(me.cancel_with("taken back"));
                    assert_eq!(me.uncancel(), 1);
                    if waits {
                        let cleans_up = catch_cancel(nap()).await;
                        assert!(cleans_up.is_ok(), "{cleans_up:?}");
                        nap().await;
                    }
                    assert_eq!(request.msg(), Some("timed out"));
                });
                (ended.await.is_ok(), count())
            });
            assert_eq!(task.await.map_err(|error| error.to_string()), Ok((true, 0)));
        }
    });
}

/// Two cancels are delivered as one, and one of them is taken back: the other one is still there.
#[test]
fn of_two_cancels_that_are_older_than_a_limit_one_goes_on() {
    run(|| async {
        // Before them another one was delivered and taken back, or is still being answered.
        for taken_back in [true, false] {
            let log = Log::default();
            let inner = log.clone();
            let task = spawn(async move {
                let me = corio::current_task().unwrap();
                me.cancel_with("first");
                let first = catch_cancel(for_ever()).await.unwrap_err();
                if taken_back {
                    first.suppress();
                }
                assert!(me.cancel_with("second") && me.cancel_with("third"));
                let limited = timeout(ms(SOON), async {
                    let request = catch_cancel(for_ever()).await.unwrap_err();
                    assert_eq!(request.msg(), Some("second"));
                    request.suppress();
                    inner.say("cleans up");
                    for_ever().await;
                });
                let _ = limited.await;
                inner.say("goes on");
            });
            assert!(task.await.unwrap_err().is_cancelled());
            log.is(&["cleans up"]);
        }
    });
}

#[test]
fn a_raise_inside_a_limit_that_loses_comes_back_to_it() {
    run(|| async {
        let seen = std::cell::Cell::new(false);
        let ended = timeout(ms(SOON), async {
            crate::support::select2(
                async {
                    let request = catch_cancel(for_ever()).await.unwrap_err();
                    seen.set(true);
                    request.raise::<()>().await;
                },
                std::future::poll_fn(|_| match seen.get() {
                    true => std::task::Poll::Ready(()),
                    false => std::task::Poll::Pending,
                }),
            )
            .await;
            assert_eq!(catch_cancel(for_ever()).await.unwrap_err().msg(), Some("timed out"));
            9
        });
        assert_eq!(ended.await.unwrap(), 9);
        assert_eq!(count(), 0);
        assert!(catch_cancel(nap()).await.is_ok());
    });
}
