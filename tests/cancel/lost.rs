//! A scope inside a branch goes before it has passed a request on, while another branch has taken it.

use std::future::{Future, pending};
use std::pin::Pin;

use corio::{
    TaskGroup, catch_cancel, create_task, current_task, defer_cancel, join, on_cancel, sleep,
    staggered_race, task_group, timeout, yield_now,
};

use crate::support::{for_ever, join2, ms, select2};

type Part = Pin<Box<dyn Future<Output = ()> + Send>>;

/// It has come when the cancel comes.
async fn limit() {
    _ = timeout(ms(2), for_ever()).await;
}

/// Keeps a cancel until its child has ended.
fn group() -> Part {
    group_of(Box::pin(for_ever()))
}

fn group_of(body: Part) -> Part {
    Box::pin(async {
        let body = async |group: TaskGroup<&'static str>| {
            drop(group.create_task(async {
                for_ever().await;
                Ok(())
            }));
            body.await;
            Ok(())
        };
        _ = task_group(body).await;
    })
}

/// Keeps it for some polls.
fn cleanup() -> Part {
    Box::pin(on_cancel(for_ever(), async {
        yield_now().await;
        yield_now().await;
    }))
}

/// The limit drops what is beside it, and the branch goes on.
async fn branch(beside: Part) {
    join2(select2(limit(), beside), for_ever()).await;
}

fn attempt(part: impl Future<Output = ()> + Send + 'static) -> Attempt {
    Box::new(|| {
        Box::pin(async {
            part.await;
            Ok(())
        })
    })
}

type Attempt =
    Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<(), ()>> + Send>> + Send + 'static>;

/// In which order the limit and the cancel come is the seed's.
fn cancelled_at_the_limit<F: Future<Output = ()> + Send + 'static>(body: impl Fn() -> F) {
    for seed in 0..50 {
        let task = body();
        corio::sim::run(seed, async {
            let task = create_task(task);
            sleep(ms(2)).await;
            task.cancel();
            sleep(ms(100)).await;
            assert!(task.done(), "it waits for ever");
        });
    }
}

#[test]
fn a_join_ends_whichever_branch_comes_first() {
    for beside in [group, cleanup] {
        cancelled_at_the_limit(move || async move { _ = join!(branch(beside()), for_ever()) });
        cancelled_at_the_limit(move || async move { _ = join!(for_ever(), branch(beside())) });
    }
}

#[test]
fn a_race_ends_whichever_attempt_comes_first() {
    for beside in [group, cleanup] {
        for first in [false, true] {
            cancelled_at_the_limit(move || async move {
                let mut attempts = [attempt(branch(beside())), attempt(for_ever())];
                if !first {
                    attempts.reverse();
                }
                _ = staggered_race(attempts, Some(ms(0))).await;
            });
        }
    }
}

#[test]
fn a_scope_inside_the_branch_hears_of_it() {
    cancelled_at_the_limit(|| async {
        let scope = async {
            if let Err(cancelled) = catch_cancel(branch(group())).await {
                cancelled.raise::<()>().await;
            }
        };
        _ = join!(scope, for_ever());
    });
}

#[test]
fn a_limit_around_ends_them() {
    corio::sim::run(1, async {
        let both = async { join!(branch(group()), for_ever()) };
        let ended = timeout(ms(2), both).await;
        assert!(ended.is_err());
    });
}

/// What is still kept inside of the branch is passed on from there: nothing is asked twice.
#[test]
fn a_branch_in_which_others_keep_the_cancel_is_not_asked() {
    for seed in 0..50 {
        corio::sim::run(seed, async {
            let task = create_task(async {
                let cleans = async {
                    let cancelled = catch_cancel(for_ever()).await.unwrap_err();
                    sleep(ms(20)).await;
                    cancelled.raise::<()>().await
                };
                let first = async { join2(select2(limit(), group()), cleans).await };
                let second: Part = Box::pin(pending());
                _ = join!(first, second);
            });
            sleep(ms(2)).await;
            task.cancel();
            sleep(ms(15)).await;
            assert!(!task.done(), "the clean-up was cut off");
            sleep(ms(10)).await;
            assert!(task.done());
        });
    }
}

/// Cancelled before its first limit.
fn ends_when_it_is_cancelled<F: Future<Output = ()> + Send + 'static>(body: impl Fn() -> F) {
    for seed in 0..50 {
        let body = body();
        corio::sim::run(seed, async {
            let task = create_task(body);
            sleep(ms(0)).await;
            task.cancel();
            sleep(ms(100)).await;
            assert!(task.done(), "{seed}: it waits for ever");
        });
    }
}

/// A branch inside the same one is owed the cancel because of a mask, and takes it.
#[test]
fn who_is_owed_it_for_a_mask_does_not_take_it_for_a_group() {
    ends_when_it_is_cancelled(|| async {
        let masked = async {
            defer_cancel(sleep(ms(1))).await;
            for_ever().await;
        };
        let body = select2(sleep(ms(1)), on_cancel(for_ever(), sleep(ms(1))));
        let branch = async { _ = join!(masked, group_of(Box::pin(body))) };
        _ = join!(for_ever(), branch);
    });
}

/// A limit ends in the poll in which the cancel comes back, and goes on with it.
#[test]
fn what_a_limit_passes_on_is_not_its_alone() {
    ends_when_it_is_cancelled(|| async {
        let goes_on = async {
            select2(on_cancel(for_ever(), sleep(ms(4))), sleep(ms(4))).await;
            for_ever().await;
        };
        let limited = timeout(ms(1), async {
            let cancelled = catch_cancel(for_ever()).await.unwrap_err();
            defer_cancel(sleep(ms(4))).await;
            cancelled.raise::<()>().await
        });
        _ = join!(goes_on, limited);
    });
}

/// A limit ends in the very poll in which the cancel comes.
#[test]
fn what_a_limit_has_taken_first_is_offered_to_others() {
    for seed in 0..50 {
        corio::sim::run(seed, async {
            let task = create_task(async {
                let cancels = async {
                    yield_now().await;
                    current_task().unwrap().cancel();
                };
                let limited = timeout(ms(1), on_cancel(for_ever(), cancels));
                _ = join!(async { _ = catch_cancel(for_ever()).await }, limited);
            });
            sleep(ms(100)).await;
            assert!(task.done(), "{seed}: it waits for ever");
        });
    }
}

/// Of two requests that are raised in one poll the cancel of the whole task goes on.
#[test]
fn a_cancel_that_is_raised_beside_what_a_limit_has_asked_is_not_lost() {
    for seed in 0..50 {
        corio::sim::run(seed, async {
            let task = create_task(async {
                let body = task_group(async |group: TaskGroup<&'static str>| {
                    drop(group.create_task(async {
                        yield_now().await;
                        Err::<(), _>("failed")
                    }));
                    let first = on_cancel(for_ever(), sleep(ms(3)));
                    let masked = async { defer_cancel(sleep(ms(3))).await };
                    _ = join2(first, timeout(ms(1), on_cancel(for_ever(), masked))).await;
                    Ok(())
                });
                _ = timeout(ms(0), body).await;
            });
            sleep(ms(2)).await;
            assert!(task.cancel());
            assert!(task.await.is_err(), "{seed}: the cancel is lost");
        });
    }
}

/// A limit begins in a branch that has waited for a mask, and which is still owed the cancel.
#[test]
fn a_limit_that_begins_where_a_cancel_is_owed_passes_it_on() {
    ends_when_it_is_cancelled(|| async {
        let branch = async {
            defer_cancel(sleep(ms(1))).await;
            _ = timeout(ms(0), create_task(for_ever())).await;
            for_ever().await;
        };
        _ = join!(for_ever(), branch);
    });
}

/// As above, and what is owed is the request of a limit around.
#[test]
fn a_limit_that_begins_where_that_of_a_limit_is_owed_passes_it_on() {
    for seed in 0..50 {
        corio::sim::run(seed, async {
            let branch = async {
                defer_cancel(sleep(ms(2))).await;
                let raises = async {
                    let cancelled = catch_cancel(for_ever()).await.unwrap_err();
                    defer_cancel(sleep(ms(3))).await;
                    cancelled.raise::<()>().await
                };
                _ = timeout(ms(1), raises).await;
                for_ever().await;
            };
            let both = async { join!(for_ever(), branch) };
            let ended = timeout(ms(1), both);
            assert!(timeout(ms(100), ended).await.expect("it waits for ever").is_err());
        });
    }
}

/// A scope that is kept and not polled was offered the cancel, which another branch has taken.
#[test]
fn a_scope_around_one_that_nobody_polls_is_asked() {
    for first in [false, true] {
        ends_when_it_is_cancelled(move || async move {
            let keeps = async {
                let mut kept: Part = Box::pin(on_cancel(for_ever(), yield_now()));
                select2(kept.as_mut(), sleep(ms(0))).await;
                sleep(ms(1)).await;
                kept.await;
            };
            if first {
                _ = join!(keeps, for_ever());
            } else {
                _ = join!(for_ever(), keeps);
            }
        });
    }
}

/// As above, of the request of a limit.
#[test]
fn a_scope_around_one_that_nobody_polls_is_asked_by_a_limit() {
    for seed in 0..50 {
        corio::sim::run(seed, async {
            let keeps = async {
                let mut kept: Part = Box::pin(on_cancel(for_ever(), yield_now()));
                select2(kept.as_mut(), sleep(ms(0))).await;
                sleep(ms(2)).await;
                kept.await;
            };
            let both = async { join!(keeps, for_ever()) };
            let ended = timeout(ms(1), both);
            assert!(timeout(ms(100), ended).await.expect("it waits for ever").is_err());
        });
    }
}

/// An attempt begins while another one is asked, and has no part in that.
#[test]
fn an_attempt_that_begins_while_another_one_is_asked_is_stopped() {
    ends_when_it_is_cancelled(|| async {
        let keeps = async {
            let mask = defer_cancel(timeout(ms(1), for_ever()));
            let mut kept: Part = Box::pin(async { _ = join!(mask, for_ever()) });
            select2(kept.as_mut(), sleep(ms(0))).await;
            sleep(ms(1)).await;
            kept.await;
        };
        _ = staggered_race([attempt(keeps), attempt(for_ever())], Some(ms(0))).await;
    });
}

/// All of it is kept while one branch has taken the cancel, and polled again later.
#[test]
fn a_branch_that_nobody_polls_gets_the_cancel_when_it_is_polled_again() {
    ends_when_it_is_cancelled(|| async {
        let masked = async { join2(defer_cancel(timeout(ms(1), for_ever())), for_ever()).await };
        let mut kept: Part = Box::pin(async { _ = join!(for_ever(), masked) });
        select2(kept.as_mut(), sleep(ms(1))).await;
        defer_cancel(sleep(ms(1))).await;
        kept.await;
    });
}
