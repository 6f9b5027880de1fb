//! Waits that have taken a cancel and are dropped before they have passed it on: it is delivered
//! elsewhere, once.

use std::future::{Future, IntoFuture};
use std::thread;

use corio::{
    Cancelled, Task, catch_cancel, finally, gather, on_cancel, spawn, task_group, timeout,
};

use crate::support::{Flag, count, for_ever, join2, ms, nap, rested, run, select2, until};

fn said(request: &Cancelled) -> String {
    request.msg().unwrap_or("").to_owned()
}

/// A task that is cancelled and goes on for ever.
fn stubborn(begun: &Flag) -> Task<()> {
    let begun = begun.clone();
    spawn(async move {
        begun.set();
        drop(catch_cancel(for_ever()).await);
        for_ever().await;
    })
}

/// Whether a cancel is still to come; it would be here by then.
async fn is_another_to_come() -> bool {
    catch_cancel(async {
        nap().await;
        nap().await;
    })
    .await
    .is_err()
}

/// What comes of a cancel that `wait` has taken, once it is dropped because something else has won.
async fn once_it_has_lost<W>(wait: impl FnOnce(Flag) -> W + Send + 'static)
where
    W: Future + Send,
{
    let (begun, go) = (Flag::default(), Flag::default());
    let (mark, seen) = (begun.clone(), go.clone());
    let task = spawn(async move {
        select2(async { drop(wait(mark).await) }, until(|| seen.is_set())).await;
        let caught = catch_cancel(for_ever()).await.unwrap_err();
        (said(&caught), count(), is_another_to_come().await)
    });
    until(|| begun.is_set()).await;
    assert!(task.cancel_with("m"));
    rested(task.task_ref()).await;
    assert!(!task.done());
    go.set();
    assert_eq!(task.await.unwrap(), ("m".to_owned(), 1, false));
}

#[test]
fn a_join_by_value() {
    run(|| once_it_has_lost(|begun| async move { stubborn(&begun).await }));
}

#[test]
fn a_join_in_a_scope_and_by_reference() {
    run(|| {
        once_it_has_lost(|begun| async move {
            let mut child = stubborn(&begun);
            catch_cancel(&mut child).await
        })
    });
}

#[test]
fn gathered_tasks() {
    run(|| once_it_has_lost(|begun| async move { gather([stubborn(&begun)]).await }));
    run(|| once_it_has_lost(|begun| async move { corio::gather!(stubborn(&begun)).await }));
    run(|| once_it_has_lost(|begun| async move { corio::gather_all([stubborn(&begun)]).await }));
}

#[test]
fn a_group() {
    run(|| {
        once_it_has_lost(|begun| {
            task_group(async move |group: corio::TaskGroup<()>| {
                let stubborn = async move {
                    begun.set();
                    drop(catch_cancel(for_ever()).await);
                    for_ever().await;
                };
                drop(group.create_task(stubborn).map_err(|_| ()));
                for_ever().await;
                Ok(())
            })
        })
    });
}

/// A branch without a scope is stopped at once, beside one that cleans up.
#[test]
fn branches() {
    async fn cleans_up(begun: Flag) {
        begun.set();
        drop(catch_cancel(for_ever()).await);
        for_ever().await;
    }
    run(|| once_it_has_lost(|begun| async move { corio::join!(for_ever(), cleans_up(begun)) }));
    run(|| {
        once_it_has_lost(|begun| async move {
            let one = async {
                for_ever().await;
                Ok::<_, ()>(())
            };
            let other = async {
                cleans_up(begun).await;
                Ok::<_, ()>(())
            };
            corio::try_join!(one, other)
        })
    });
    run(|| {
        once_it_has_lost(|begun| async move {
            corio::select! {
                _ = for_ever() => (),
                _ = cleans_up(begun) => (),
            }
        })
    });
}

#[test]
fn a_clean_up() {
    async fn begins(begun: Flag) {
        begun.set();
        for_ever().await;
    }
    run(|| once_it_has_lost(|begun| on_cancel(begins(begun), for_ever())));
    run(|| once_it_has_lost(|begun| finally(begins(begun), for_ever())));
}

#[test]
fn a_task_that_ends_with_a_value_then_ends_cancelled() {
    run(|| async {
        let (begun, go) = (Flag::default(), Flag::default());
        let (mark, seen) = (begun.clone(), go.clone());
        let task = spawn(async move {
            select2(async { drop(stubborn(&mark).await) }, until(|| seen.is_set())).await;
            5
        });
        until(|| begun.is_set()).await;
        assert!(task.cancel_with("m"));
        rested(task.task_ref()).await;
        go.set();
        assert_eq!(task.await.unwrap_err().cancelled().unwrap().msg(), Some("m"));
    });
}

#[test]
fn one_that_was_taken_back_meanwhile_does_not_come() {
    run(|| async {
        let (begun, go) = (Flag::default(), Flag::default());
        let (mark, seen) = (begun.clone(), go.clone());
        let task = spawn(async move {
            select2(async { drop(stubborn(&mark).await) }, until(|| seen.is_set())).await;
            (is_another_to_come().await, count())
        });
        until(|| begun.is_set()).await;
        assert!(task.cancel());
        rested(task.task_ref()).await;
        assert_eq!(task.uncancel(), 0);
        go.set();
        assert_eq!(task.await.unwrap(), (false, 0));
    });
}

#[test]
fn a_scope_around_the_wait_and_what_it_lost_to() {
    run(|| async {
        let (begun, go) = (Flag::default(), Flag::default());
        let (mark, seen) = (begun.clone(), go.clone());
        let task = spawn(async move {
            let lost = select2(async { drop(stubborn(&mark).await) }, until(|| seen.is_set()));
            // Ready in the poll in which it is given back, so it is not interrupted.
            assert!(catch_cancel(lost).await.is_ok());
            let caught = catch_cancel(for_ever()).await.unwrap_err();
            (said(&caught), is_another_to_come().await)
        });
        until(|| begun.is_set()).await;
        assert!(task.cancel_with("m"));
        rested(task.task_ref()).await;
        go.set();
        assert_eq!(task.await.unwrap(), ("m".to_owned(), false));
    });
}

/// The limit comes while a cancel of the whole task waits for the child's end, and the child is
/// asked once more.
#[test]
fn a_limit_that_comes_after_a_cancel_was_passed_on() {
    run(|| async {
        let begun = Flag::default();
        let mark = begun.clone();
        let task = spawn(async move {
            let child = spawn(async move {
                mark.set();
                drop(catch_cancel(for_ever()).await);
                for_ever().await;
            });
            let caught = catch_cancel(timeout(ms(20), child)).await.map(|ended| ended.is_ok());
            (caught.map_err(|it| said(&it)), count(), is_another_to_come().await)
        });
        until(|| begun.is_set()).await;
        assert!(task.cancel_with("m"));
        assert_eq!(task.await.unwrap(), (Err("m".to_owned()), 1, false));
    });
}

/// Nobody polls the wait any more when the limit comes, which therefore drops it.
#[test]
fn a_limit_drops_a_wait_that_keeps_a_cancel() {
    run(|| async {
        let (begun, go) = (Flag::default(), Flag::default());
        let (mark, seen) = (begun.clone(), go.clone());
        let task = spawn(async move {
            let limited = timeout(ms(30), async {
                let mut wait = Box::pin(stubborn(&mark).into_future());
                select2(async { drop(wait.as_mut().await) }, until(|| seen.is_set())).await;
                for_ever().await;
            });
            let caught = catch_cancel(limited).await.map(|ended| ended.is_ok());
            (caught.map_err(|it| said(&it)), count(), is_another_to_come().await)
        });
        until(|| begun.is_set()).await;
        assert!(task.cancel_with("m"));
        rested(task.task_ref()).await;
        go.set();
        assert_eq!(task.await.unwrap(), (Err("m".to_owned()), 1, false));
    });
}

/// The same of a group, whose child fails.
#[test]
fn a_group_drops_a_wait_that_keeps_a_cancel() {
    run(|| async {
        let (begun, go) = (Flag::default(), Flag::default());
        let (mark, seen) = (begun.clone(), go.clone());
        let task = spawn(async move {
            let group = task_group(async |group: corio::TaskGroup<()>| {
                let mut wait = Box::pin(stubborn(&mark).into_future());
                select2(async { drop(wait.as_mut().await) }, until(|| seen.is_set())).await;
                drop(group.create_task(async { Err::<(), _>(()) }).map_err(|_| ()));
                for_ever().await;
                Ok(())
            });
            let failed = matches!(group.await, Err(corio::GroupError::Errors(_)));
            let caught = catch_cancel(for_ever()).await.unwrap_err();
            (failed, said(&caught), is_another_to_come().await)
        });
        until(|| begun.is_set()).await;
        assert!(task.cancel_with("m"));
        rested(task.task_ref()).await;
        go.set();
        assert_eq!(task.await.unwrap(), (true, "m".to_owned(), false));
    });
}

/// What a limit has asked is asked once more inside the limit, and is no cancel of the task.
#[test]
fn the_request_of_a_limit_stays_inside_the_limit() {
    run(|| async {
        let (asked, log) = (Flag::default(), crate::support::Log::default());
        let (child_asked, inner) = (asked.clone(), log.clone());
        let child = spawn(async move {
            drop(catch_cancel(for_ever()).await);
            child_asked.set();
            for_ever().await;
        });
        let limited = timeout(ms(5), async {
            select2(async { drop(child.await) }, until(|| asked.is_set())).await;
            let request = catch_cancel(for_ever()).await.unwrap_err();
            inner.say("caught");
            request.raise::<()>().await;
        });
        assert!(limited.await.is_err());
        assert!(!is_another_to_come().await);
        assert_eq!(count(), 0);
        log.is(&["caught"]);
    });
}

/// The limit asks when the wait keeps a cancel of the whole task: both were taken, and both come back
/// when the wait is dropped.
#[test]
fn a_cancel_is_not_lost_behind_the_request_of_a_limit() {
    run(|| async {
        let (begun, go, twice) = (Flag::default(), Flag::default(), Flag::default());
        let (mark, seen, again) = (begun.clone(), go.clone(), twice.clone());
        let task = spawn(async move {
            let child = spawn(async move {
                mark.set();
                drop(catch_cancel(for_ever()).await);
                drop(catch_cancel(for_ever()).await);
                again.set();
                for_ever().await;
            });
            select2(async { drop(timeout(ms(10), child).await) }, until(|| seen.is_set())).await;
            let caught = catch_cancel(for_ever()).await.unwrap_err();
            (said(&caught), count(), is_another_to_come().await)
        });
        until(|| begun.is_set()).await;
        assert!(task.cancel_with("m"));
        until(|| twice.is_set()).await;
        rested(task.task_ref()).await;
        go.set();
        assert_eq!(task.await.unwrap(), ("m".to_owned(), 1, false));
    });
}

/// Two waits have taken the one cancel. The first whose task ends passes it on; the other one is
/// dropped by the scope that it goes to.
#[test]
fn a_wait_that_is_dropped_by_the_scope_its_neighbour_raised_to() {
    run(|| async {
        let begun = Flag::default();
        let mark = begun.clone();
        let task = spawn(async move {
            let quick = spawn(for_ever());
            let both = join2(async { drop(quick.await) }, async { drop(stubborn(&mark).await) });
            let caught = catch_cancel(both).await.unwrap_err();
            (said(&caught), count(), is_another_to_come().await)
        });
        until(|| begun.is_set()).await;
        assert!(task.cancel_with("m"));
        assert_eq!(task.await.unwrap(), ("m".to_owned(), 1, false));
    });
}

/// As long as one of two waits keeps the cancel, it does not come again with the other's end.
#[test]
fn one_of_two_waits_that_keep_the_same_cancel() {
    run(|| async {
        let (begun, go, asked) = (Flag::default(), Flag::default(), Flag::default());
        let (mark, seen, twice) = (begun.clone(), go.clone(), asked.clone());
        let task = spawn(async move {
            let lost = select2(async { drop(stubborn(&mark).await) }, until(|| seen.is_set()));
            let child = spawn(async move {
                drop(catch_cancel(for_ever()).await);
                let again = catch_cancel(corio::sleep(ms(20))).await.is_err();
                if again {
                    twice.set();
                }
                Cancelled::new("the child's own").raise::<()>().await;
            });
            let caught = catch_cancel(join2(lost, async { drop(child.await) })).await.unwrap_err();
            (said(&caught), count(), is_another_to_come().await)
        });
        until(|| begun.is_set()).await;
        assert!(task.cancel_with("m"));
        rested(task.task_ref()).await;
        go.set();
        assert_eq!(task.await.unwrap(), ("the child's own".to_owned(), 1, false));
        assert!(!asked.is_set(), "one cancel reached a task twice");
    });
}

/// A scope in another branch was handed the cancel: it is delivered, whatever becomes of the wait.
#[test]
fn a_wait_beside_a_scope_that_has_caught_the_cancel() {
    for values in [false, true] {
        run(move || async move {
            let (begun, go) = (Flag::default(), Flag::default());
            let (mark, seen) = (begun.clone(), go.clone());
            let task = spawn(async move {
                let lost = select2(async { drop(stubborn(&mark).await) }, until(|| seen.is_set()));
                // A task that answers with a value has answered for all.
                let answers = spawn(async { drop(catch_cancel(for_ever()).await) });
                let catches = async {
                    if values {
                        answers.await.is_ok()
                    } else {
                        catch_cancel(for_ever()).await.is_err()
                    }
                };
                let ((), caught) = join2(lost, catches).await;
                (caught, count(), is_another_to_come().await)
            });
            until(|| begun.is_set()).await;
            assert!(task.cancel_with("m"));
            rested(task.task_ref()).await;
            go.set();
            assert_eq!(task.await.unwrap(), (true, 1, false));
        });
    }
}

/// As in asyncio the second one takes the place of the first.
#[test]
fn a_second_cancel_interrupts_a_clean_up_and_comes_alone() {
    run(|| async {
        let (begun, cleans) = (Flag::default(), Flag::default());
        let (mark, cleaning) = (begun.clone(), cleans.clone());
        let task = spawn(async move {
            let body = async move {
                mark.set();
                for_ever().await;
            };
            let cleanup = async move {
                cleaning.set();
                for_ever().await;
            };
            let caught = catch_cancel(on_cancel(body, cleanup)).await.unwrap_err();
            (said(&caught), count(), is_another_to_come().await)
        });
        until(|| begun.is_set()).await;
        assert!(task.cancel_with("first"));
        until(|| cleans.is_set()).await;
        assert!(task.cancel_with("second"));
        assert_eq!(task.await.unwrap(), ("second".to_owned(), 2, false));
    });
}

#[test]
fn a_wait_that_is_carried_off_and_dropped_there() {
    for to_a_thread in [false, true] {
        run(move || async move {
            let (begun, go) = (Flag::default(), Flag::default());
            let (mark, seen) = (begun.clone(), go.clone());
            let task = spawn(async move {
                let mut wait = Box::pin(stubborn(&mark).into_future());
                let mut cleans = Box::pin(on_cancel(for_ever(), for_ever()));
                let both = join2(async { drop(wait.as_mut().await) }, cleans.as_mut());
                select2(async { _ = both.await }, until(|| seen.is_set())).await;
                let dropper = move || drop((wait, cleans));
                if to_a_thread {
                    drop(thread::spawn(dropper));
                } else {
                    drop(spawn(async move { dropper() }));
                }
                let caught = catch_cancel(for_ever()).await.unwrap_err();
                (said(&caught), count(), is_another_to_come().await)
            });
            until(|| begun.is_set()).await;
            assert!(task.cancel_with("m"));
            rested(task.task_ref()).await;
            go.set();
            assert_eq!(task.await.unwrap(), ("m".to_owned(), 1, false));
        });
    }
}

/// Another task that awaits it waits for the end alone.
#[test]
fn a_wait_that_goes_on_in_another_task() {
    run(|| async {
        let (begun, go, ends) = (Flag::default(), Flag::default(), Flag::default());
        let (mark, seen, end) = (begun.clone(), go.clone(), ends.clone());
        let task = spawn(async move {
            let child = spawn(async move {
                mark.set();
                drop(catch_cancel(for_ever()).await);
                until(|| end.is_set()).await;
                Cancelled::new("the child's own").raise::<()>().await;
            });
            let mut wait = Box::pin(child.into_future());
            select2(async { drop(wait.as_mut().await) }, until(|| seen.is_set())).await;
            let other = spawn(async move { wait.await.is_err_and(|error| error.is_cancelled()) });
            let caught = catch_cancel(for_ever()).await.unwrap_err();
            let still = is_another_to_come().await;
            ends.set();
            (said(&caught), count(), still, other.await.unwrap())
        });
        until(|| begun.is_set()).await;
        assert!(task.cancel_with("m"));
        rested(task.task_ref()).await;
        go.set();
        assert_eq!(task.await.unwrap(), ("m".to_owned(), 1, false, true));
    });
}

#[test]
fn an_abort_and_a_shutdown_drop_a_wait_that_keeps_a_cancel() {
    for abort in [false, true] {
        run(move || async move {
            let begun = Flag::default();
            let mark = begun.clone();
            let task = spawn(async move {
                let both = join2(stubborn(&mark).into_future(), on_cancel(for_ever(), for_ever()));
                drop(both.await);
            });
            until(|| begun.is_set()).await;
            assert!(task.cancel());
            rested(task.task_ref()).await;
            if abort {
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
            }
        });
    }
}
