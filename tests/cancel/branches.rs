//! `join!`, `try_join!`, `select!` and `staggered_race`: branches of one task, and what a cancel
//! does to them.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use corio::{
    Cancelled, catch_cancel, create_local_task, defer_cancel, join, select, spawn, staggered_race,
    timeout, try_join, yield_now,
};
use corio_tests::PATIENCE;

use crate::support::{Flag, Log, count, for_ever, ms, nap, run, until};

#[test]
fn join_gives_a_tuple_and_borrows() {
    run(|| async {
        let words = [String::from("a"), String::from("bc")];
        let (a, b, c) = join!(
            async { words[0].len() },
            async {
                nap().await;
                words[1].len()
            },
            ready("c"),
        );
        assert_eq!((a, b, c), (1, 2, "c"));
        assert_eq!(join!(ready(1)), (1,));
        // A task may be awaited as it is.
        let (task, value) = join!(spawn(async { 5 }), async { 6 });
        assert_eq!((task.unwrap(), value), (5, 6));
    });
}

#[test]
fn each_branch_is_the_first_in_turn() {
    run(|| async {
        let order = std::cell::RefCell::new(Vec::new());
        let branch = |name: char| {
            let order = &order;
            async move {
                for _ in 0..3 {
                    order.borrow_mut().push(name);
                    yield_now().await;
                }
            }
        };
        join!(branch('a'), branch('b'), branch('c'));
        let polls: Vec<String> =
            order.borrow().chunks(3).map(|polls| polls.iter().collect()).collect();
        assert_eq!(polls, ["abc", "bca", "cab"]);
    });
}

#[test]
fn try_join_gives_the_first_error_and_drops_the_others() {
    run(|| async {
        let both = try_join!(async { Ok::<_, &str>(1) }, async { Ok("two") });
        assert_eq!(both, Ok((1, "two")));
        let log = Log::default();
        let token = log.on_drop("dropped");
        let failed = try_join!(
            async move {
                let _token = token;
                pending::<Result<(), &str>>().await
            },
            async {
                nap().await;
                Err::<(), _>("no")
            },
        );
        assert_eq!(failed, Err("no"));
        log.is(&["dropped"]);
    });
}

#[test]
fn select_takes_the_first_that_is_ready() {
    run(|| async {
        let won = select! {
            () = for_ever() => 1,
            value = async { nap().await; 2 } => value,
        };
        assert_eq!(won, 2);
        // In the order in which they are written.
        for _ in 0..20 {
            let won = select! { biased; _ = ready(()) => 'a', _ = ready(()) => 'b' };
            assert_eq!(won, 'a');
        }
        // In a random one.
        let (mut a, mut b) = (0, 0);
        for _ in 0..200 {
            select! { _ = ready(()) => a += 1, _ = ready(()) => b += 1 }
        }
        assert!(a > 40 && b > 40, "{a} {b}");
    });
}

#[test]
fn select_leaves_branches_out() {
    run(|| async {
        let never = Cell::new(true);
        let won = select! {
            biased;
            _ = async { never.set(false) }, if false => "not polled",
            Some(3) = ready(Some(4)) => "does not fit",
            Some(n) = async { yield_now().await; Some(5) }, if n_is_wanted() => {
                assert_eq!(n, 5);
                "fits"
            }
            else => "none left",
        };
        assert_eq!((won, never.get()), ("fits", true));
        let none = select! {
            Some(()) = ready(None) => "fits",
            _ = for_ever(), if false => "is out",
            else => "none left",
        };
        assert_eq!(none, "none left");
    });
}

fn n_is_wanted() -> bool {
    true
}

#[test]
#[should_panic(expected = "all branches of a select! are out")]
fn select_with_nothing_left() {
    corio::run(async {
        select! { Some(()) = ready(None) => {} }
    });
}

#[test]
fn handlers_break_return_and_use_what_was_borrowed() {
    async fn until_three() -> Result<usize, &'static str> {
        let mut seen = Vec::new();
        loop {
            select! {
                biased;
                n = next(&mut seen) => {
                    // The future is gone: what it has borrowed is free again.
                    seen.push(n);
                    if n == 3 {
                        break;
                    }
                    if n > 3 {
                        return Err("too far");
                    }
                    continue;
                }
                _ = for_ever() => Err("never")?,
            }
        }
        Ok(seen.len())
    }
    async fn next(seen: &mut Vec<usize>) -> usize {
        yield_now().await;
        seen.reserve(1);
        seen.len() + 1
    }
    run(|| async { assert_eq!(until_three().await, Ok(3)) });
}

#[test]
fn a_future_that_lost_may_be_awaited_again() {
    run(|| async {
        let mut long = std::pin::pin!(async {
            for _ in 0..5 {
                nap().await;
            }
            9
        });
        let mut turns = 0;
        let value = loop {
            select! {
                value = long.as_mut() => break value,
                _ = nap() => turns += 1,
            }
        };
        assert_eq!(value, 9);
        assert!(turns > 0);
    });
}

/// Cleans up for a while and goes on with the cancel.
async fn cleaning(log: &Log, name: &str) {
    if let Err(request) = catch_cancel(for_ever()).await {
        log.say(format!("{name} cleans"));
        nap().await;
        log.say(format!("{name} cleaned"));
        request.raise::<()>().await;
    }
}

#[test]
fn a_cancelled_join_awaits_every_clean_up() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = create_local_task(async move {
            let token = inner.on_drop("unscoped dropped");
            join!(
                cleaning(&inner, "a"),
                async {
                    let _token = token;
                    for_ever().await;
                },
                async {
                    // Handles it for itself, which does not keep the others' from going on.
                    drop(catch_cancel(for_ever()).await);
                    corio::sleep(ms(5)).await;
                    inner.say("b handled");
                },
            );
            inner.say("not reached");
        });
        yield_now().await;
        task.cancel_with("m");
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("m"));
        log.has(&["a cleans", "unscoped dropped", "a cleaned", "b handled"]);
    });
}

#[test]
fn a_join_that_every_branch_handles_goes_on() {
    run(|| async {
        let task = create_local_task(async {
            let (a, b) = join!(catch_cancel(for_ever()), catch_cancel(for_ever()));
            (a.is_err(), b.is_err(), count())
        });
        yield_now().await;
        task.cancel();
        assert_eq!(task.await.unwrap(), (true, true, 1));
    });
}

#[test]
fn a_join_without_scopes_is_dropped_as_one() {
    run(|| async {
        let log = Log::default();
        let (a, b) = (log.on_drop("a"), log.on_drop("b"));
        let task = create_local_task(async move {
            catch_cancel(async {
                join!(
                    async {
                        let _a = a;
                        for_ever().await;
                    },
                    async {
                        let _b = b;
                        for_ever().await;
                    },
                );
            })
            .await
            .is_err()
        });
        yield_now().await;
        task.cancel();
        assert!(task.await.unwrap());
        log.is(&["a", "b"]);
    });
}

#[test]
fn a_request_by_hand_ends_the_whole_join() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = spawn(async move {
            let caught = catch_cancel(async {
                join!(cleaning(&inner, "sibling"), async {
                    nap().await;
                    Cancelled::new("by hand").raise::<()>().await;
                });
            });
            caught.await.unwrap_err().msg().map(str::to_owned)
        });
        assert_eq!(task.await.unwrap().as_deref(), Some("by hand"));
        log.is(&[]);
    });
}

/// Ready at once; its destructor raises a request, whose future lives on in the slot.
struct LeavesARequest<'a>(&'a RefCell<Option<Pin<Box<corio::Raise<()>>>>>);

impl Future for LeavesARequest<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Drop for LeavesARequest<'_> {
    fn drop(&mut self) {
        let mut raise = Box::pin(Cancelled::new("late").raise::<()>());
        assert!(raise.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        *self.0.borrow_mut() = Some(raise);
    }
}

#[test]
fn the_destructor_of_a_branch_that_has_ended_is_around_the_branches() {
    run(|| async {
        let slot = RefCell::new(None);
        let joined = catch_cancel(async { join!(for_ever(), LeavesARequest(&slot)) });
        let caught = timeout(PATIENCE, joined).await.expect("the scope around hears of it");
        assert_eq!(caught.unwrap_err().msg(), Some("late"));
        slot.take();
        // A branch that has a scope inside ends in another way.
        let joined = catch_cancel(async {
            join!(for_ever(), async {
                assert!(catch_cancel(nap()).await.is_ok());
                LeavesARequest(&slot).await;
            })
        });
        let caught = timeout(PATIENCE, joined).await.expect("the branch itself hears of it");
        assert_eq!(caught.unwrap_err().msg(), Some("late"));
    });
}

#[test]
fn t31_join_of_limits_and_scopes() {
    run(|| async {
        let task = create_local_task(async {
            let (limit, scoped) =
                join!(timeout(ms(3), for_ever()), catch_cancel(corio::sleep(ms(8))));
            (limit.is_err(), scoped.is_ok(), count())
        });
        assert_eq!(task.await.unwrap(), (true, true, 0));
        // A limit around the join reaches both.
        let log = Log::default();
        let limited = timeout(ms(3), async { join!(cleaning(&log, "a"), cleaning(&log, "b")) });
        assert!(limited.await.is_err());
        log.has(&["a cleans", "b cleans", "a cleaned", "b cleaned"]);
    });
}

#[test]
fn a_cancelled_select_awaits_the_clean_ups_and_goes_on() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = create_local_task(async move {
            let token = inner.on_drop("unscoped dropped");
            select! {
                biased;
                () = cleaning(&inner, "a") => inner.say("not reached"),
                () = async { let _token = token; for_ever().await } => {}
            }
        });
        yield_now().await;
        task.cancel_with("m");
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("m"));
        log.is(&["a cleans", "unscoped dropped", "a cleaned"]);
    });
}

#[test]
fn a_select_that_has_a_value_all_the_same_passes_the_cancel_on() {
    run(|| async {
        let task = create_local_task(async {
            let won = select! {
                biased;
                () = async {
                    let request = catch_cancel(for_ever()).await.unwrap_err();
                    request.raise::<()>().await;
                } => 1,
                value = async { drop(catch_cancel(for_ever()).await); 2 } => value,
            };
            (won, catch_cancel(nap()).await.is_err())
        });
        yield_now().await;
        task.cancel();
        assert_eq!(task.await.unwrap(), (2, true));
    });
}

#[test]
fn t33_a_dormant_branch_swallows_no_cancel() {
    run(|| async {
        let job = spawn(for_ever());
        let watched = job.task_ref();
        let inner = create_local_task(async move {
            let mut job = job;
            loop {
                select! {
                    ended = &mut job => break ended.is_err(),
                    () = yield_now() => {}
                }
                // The join is alive here, and nobody polls it.
                for_ever().await;
            }
        });
        nap().await;
        inner.cancel();
        assert!(inner.await.unwrap_err().is_cancelled());
        watched.cancel();
    });
}

#[test]
fn a_mask_in_one_branch_is_awaited() {
    run(|| async {
        let (log, go) = (Log::default(), Flag::default());
        let (inner, seen) = (log.clone(), go.clone());
        let task = create_local_task(async move {
            join!(
                defer_cancel(async {
                    until(|| seen.is_set()).await;
                    inner.say("committed");
                }),
                for_ever(),
            );
        });
        yield_now().await;
        task.cancel();
        nap().await;
        assert!(!task.done());
        go.set();
        assert!(task.await.unwrap_err().is_cancelled());
        log.is(&["committed"]);
    });
}

#[test]
fn a_race_starts_the_next_when_the_latest_has_failed() {
    run(|| async {
        let log = Log::default();
        let attempt = |n: usize| {
            let log = log.clone();
            move || async move {
                log.say(format!("start {n}"));
                nap().await;
                if n < 2 { Err(n) } else { Ok(n) }
            }
        };
        assert_eq!(staggered_race((0..4).map(attempt), None).await, Ok((2, 2)));
        log.is(&["start 0", "start 1", "start 2"]);
        assert_eq!(staggered_race((0..2).map(attempt), Some(ms(60_000))).await, Err(vec![0, 1]));
        let none = std::iter::empty::<fn() -> std::future::Ready<Result<u8, u8>>>();
        assert_eq!(staggered_race(none, None).await, Err(vec![]));
    });
}

#[test]
fn a_race_stops_the_losers_and_awaits_their_clean_up() {
    run(|| async {
        let log = Log::default();
        let attempt = |n: usize| {
            let log = log.clone();
            let token = log.on_drop(["0 dropped", "1 dropped", "2 dropped"][n]);
            move || async move {
                let _token = token;
                match n {
                    0 => cleaning(&log, "0").await,
                    1 => for_ever().await,
                    _ => nap().await,
                }
                Ok::<_, ()>(n)
            }
        };
        let race = staggered_race((0..3).map(attempt), Some(ms(2)));
        assert_eq!(race.await, Ok((2, 2)));
        log.is(&["2 dropped", "0 cleans", "1 dropped", "0 cleaned", "0 dropped"]);
        assert_eq!(count(), 0);
    });
}

#[test]
fn a_race_that_is_cancelled_starts_no_more() {
    run(|| async {
        let log = Log::default();
        let inner = log.clone();
        let task = create_local_task(async move {
            let attempt = |n: usize| {
                let log = inner.clone();
                move || async move {
                    log.say(format!("start {n}"));
                    cleaning(&log, "it").await;
                    Err::<(), _>(n)
                }
            };
            drop(staggered_race((0..3).map(attempt), Some(ms(60_000))).await);
        });
        yield_now().await;
        task.cancel_with("m");
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("m"));
        log.is(&["start 0", "it cleans", "it cleaned"]);
    });
}

/// One branch takes part in a cancel and stops by it, the other one takes it back and is the result.
#[test]
fn a_cancel_that_a_branch_has_taken_back_is_not_delivered_again() {
    async fn stops() -> u32 {
        pending().await
    }
    async fn suppresses() -> u32 {
        catch_cancel(for_ever()).await.unwrap_err().suppress();
        1
    }
    run(|| async {
        for stops_first in [true, false] {
            let task = create_local_task(async move {
                let value = if stops_first {
                    select! { biased; value = stops() => value, value = suppresses() => value }
                } else {
                    select! { biased; value = suppresses() => value, value = stops() => value }
                };
                assert_eq!(count(), 0);
                yield_now().await;
                value
            });
            yield_now().await;
            assert!(task.cancel());
            assert_eq!(task.await.map_err(|error| error.to_string()), Ok(1));
        }
    });
}

/// The cancel that is still counted comes back beside a value, and so does one that was made by hand.
#[test]
fn a_cancel_that_nobody_has_taken_back_is_delivered_again() {
    run(|| async {
        for suppressed in [false, true] {
            let task = create_local_task(async move {
                let value = select! {
                    biased;
                    value = pending() => value,
                    value = async {
                        let request = catch_cancel(for_ever()).await.unwrap_err();
                        if suppressed {
                            request.suppress();
                            // This one comes from nobody's cancel.
                            select! {
                                biased;
                                never = Cancelled::new("by hand").raise::<u32>() => never,
                                () = ready(()) => 1,
                            }
                        } else {
                            1
                        }
                    } => value,
                };
                assert_eq!((value, count()), (1, u32::from(!suppressed)));
                catch_cancel(nap()).await.is_err()
            });
            yield_now().await;
            assert!(task.cancel());
            assert!(task.await.unwrap());
        }
    });
}

/// What has ended a task is no cancel of the one that goes on with it: not counted there, and
/// delivered again all the same if the branch that raises it loses.
#[test]
fn the_request_of_an_ended_task_is_one_by_hand_elsewhere() {
    run(|| async {
        let task = create_local_task(async {
            let ended = spawn(for_ever());
            ended.cancel_with("m");
            let request = ended.await.unwrap_err().cancelled().cloned().unwrap();
            let me = corio::current_task().unwrap();
            me.cancel();
            let own = catch_cancel(for_ever()).await.unwrap_err();
            request.clone().suppress();
            assert_eq!(count(), 1, "it was none of this task's");
            own.suppress();
            assert_eq!(count(), 0);
            select! {
                biased;
                never = request.raise::<()>() => never,
                () = ready(()) => {}
            }
            catch_cancel(nap()).await.unwrap_err().msg().map(str::to_owned)
        });
        assert_eq!(task.await.unwrap().as_deref(), Some("m"));
    });
}
