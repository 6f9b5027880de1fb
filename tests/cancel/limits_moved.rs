//! Limits that are carried into masks, out of them and to other tasks while cancels and other limits come;
//! and what is no cancel of the task's, or has come back.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Mutex;
use std::thread;

use corio::{
    Cancelled, CoroError, CoroState, Coroutine, catch_cancel, create_task, defer_cancel, sleep,
    sleep_until, staggered_race, timeout, timeout_at,
};

use crate::limits::{cleaning, late, soon, telling};
use crate::support::{Log, for_ever, join2, ms, nap, run, select2, until};

/// Plays it with several schedules, in a time of its own.
fn simulated<F: Future<Output = ()>>(main: impl Fn() -> F) {
    (0..20).for_each(|seed| corio::sim::run(seed, main()));
}

/// What `throw` asks is none of the task's cancels: the limit asks all the same.
#[test]
fn a_limit_that_has_come_beside_a_throw() {
    run(|| async {
        let mut coroutine = Coroutine::new(timeout(ms(5), async {
            drop(catch_cancel(for_ever()).await);
            for_ever().await;
        }));
        assert_eq!(coroutine.send(()).unwrap(), CoroState::Yielded);
        thread::sleep(ms(10));
        let mut ended = coroutine.throw(Cancelled::new("x"));
        while let Ok(state) = ended {
            assert_eq!(state, CoroState::Yielded);
            nap().await;
            ended = coroutine.send(());
        }
        assert!(matches!(ended, Err(CoroError::Cancelled(_))));
    });
}

/// A race that is won stops the others in the same poll, whatever limit is around.
#[test]
fn a_race_is_won_as_a_limit_comes() {
    run(|| async {
        let at = soon() + ms(4);
        let attempt = move |n| {
            move || async move {
                if n == 0 {
                    for_ever().await;
                }
                sleep_until(at).await;
                thread::sleep(ms(1));
                Ok::<_, ()>(7)
            }
        };
        let race = staggered_race([0, 1].map(attempt), Some(ms(0)));
        assert_eq!(timeout_at(at + ms(1), race).await, Ok(Ok((1, 7))));
    });
}

/// Begun in a mask, in the clean-up of a cancel, and still there when the mask is over; or in it for a while.
#[test]
fn a_limit_leaves_a_mask() {
    simulated(|| async {
        for begins_outside in [false, true] {
            let log = Log::default();
            let said = log.clone();
            let task = create_task(async move {
                let cancelled = catch_cancel(for_ever()).await.unwrap_err();
                let mut limit = pin!(timeout(ms(20), cleaning(&said)));
                let mut begin = async || select2(async { _ = limit.as_mut().await }, nap()).await;
                if begins_outside {
                    begin().await;
                }
                defer_cancel(begin()).await;
                said.say(format!("limit {}", limit.await.is_err()));
                cancelled.raise::<()>().await;
            });
            nap().await;
            task.cancel();
            assert!(task.await.unwrap_err().is_cancelled());
            log.is(&["asked", "cleaned", "limit true"]);
        }
    });
}

/// What was caught inside before goes on in place of the limit's error.
#[test]
fn a_limit_is_carried_into_a_mask() {
    simulated(|| async {
        let task = create_task(async {
            let mut limit = pin!(timeout(ms(30), async {
                let _kept = catch_cancel(for_ever()).await.unwrap_err();
                for_ever().await;
            }));
            select2(async { _ = limit.as_mut().await }, sleep(ms(10))).await;
            defer_cancel(limit).await
        });
        nap().await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

/// As above, of what an outer limit has asked, out of one mask into one inside.
#[test]
fn a_limit_is_carried_from_mask_to_mask() {
    simulated(|| async {
        let log = Log::default();
        defer_cancel(async {
            let ended = timeout(ms(5), async {
                let mut limit = pin!(timeout(ms(30), async {
                    let _kept = catch_cancel(for_ever()).await.unwrap_err();
                    for_ever().await;
                }));
                select2(async { _ = limit.as_mut().await }, sleep(ms(10))).await;
                _ = defer_cancel(limit).await;
                log.say("went on");
            });
            assert!(ended.await.is_err());
        })
        .await;
        log.is(&[]);
    });
}

/// A mask that nobody polls any more holds back what the outer limit asks, until the inner one leaves it.
#[test]
fn a_limit_leaves_a_mask_that_is_kept() {
    simulated(|| async {
        let log = Log::default();
        let inner = Mutex::new(Box::pin(timeout(ms(40), async {
            let _kept = catch_cancel(for_ever()).await.unwrap_err();
            for_ever().await;
        })));
        let poll_inner = || poll_fn(|cx| inner.lock().unwrap().as_mut().poll(cx));
        let ended = timeout(ms(5), async {
            let mut masked = Box::pin(defer_cancel(async { _ = poll_inner().await }));
            select2(masked.as_mut(), sleep(ms(10))).await;
            _ = poll_inner().await;
            log.say("went on");
        });
        assert!(ended.await.is_err());
        log.is(&[]);
    });
}

/// Two limits whose inside cleans up go to another task: the inner one has been heard there, too.
#[test]
fn limits_that_were_asked_go_to_another_task() {
    run(|| async {
        let (log, at) = (Log::default(), soon());
        let said = log.clone();
        let mut limits = Box::pin(timeout_at(at, async move {
            let cleaning = async {
                let asked = catch_cancel(for_ever()).await.unwrap_err();
                said.say("asked");
                until(|| said.said("moved")).await;
                said.say("cleaned");
                asked.raise::<()>().await;
            };
            telling(&said, at, late(cleaning)).await;
            said.say("went on");
            for_ever().await;
        }));
        select2(async { _ = limits.as_mut().await }, until(|| log.said("asked"))).await;
        let said = log.clone();
        let elsewhere = create_task(async move {
            said.say("moved");
            limits.await
        });
        assert!(elsewhere.await.unwrap().is_err());
        log.is(&["asked", "moved", "cleaned"]);
    });
}

/// A cancel is taken back in a clean-up that two limits share; and a request that has nothing to do with
/// them comes back meanwhile.
#[test]
fn limits_share_a_clean_up() {
    run(|| async {
        let log = Log::default();
        let said = log.clone();
        let task = create_task(async move {
            let cancelled = catch_cancel(for_ever()).await.unwrap_err();
            let at = soon();
            let cleaning = async {
                let asked = catch_cancel(for_ever()).await.unwrap_err();
                cancelled.suppress();
                sleep(ms(30)).await;
                said.say("cleaned");
                asked.raise::<()>().await;
            };
            let limits = timeout_at(at, telling(&said, at, late(cleaning)));
            let beside = timeout(ms(10), async {
                let asked = catch_cancel(for_ever()).await.unwrap_err();
                select2(asked.raise::<()>(), async {}).await;
            });
            let (ended, _) = join2(limits, beside).await;
            assert!(ended.is_err());
        });
        nap().await;
        task.cancel();
        task.await.unwrap();
        log.is(&["cleaned"]);
    });
}

/// One branch takes what a limit, or a cancel, asks; another one's mask is over later.
#[test]
fn a_mask_in_a_branch_is_over_when_another_has_taken() {
    simulated(|| async {
        let branches = || async {
            let masked = async {
                defer_cancel(sleep(ms(5))).await;
                for_ever().await;
            };
            _ = corio::join!(for_ever(), masked);
        };
        assert!(timeout(ms(2), branches()).await.is_err());
        let task = create_task(branches());
        nap().await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        // Not if it was taken back.
        let task = create_task(async {
            let suppresses = async {
                catch_cancel(for_ever()).await.unwrap_err().suppress();
                1
            };
            let masked = async {
                defer_cancel(sleep(ms(5))).await;
                nap().await;
                2
            };
            corio::join!(suppresses, masked)
        });
        nap().await;
        task.cancel();
        assert_eq!(task.await.unwrap(), (1, 2));
    });
}

/// A race whose attempt cleans up starts no other one.
#[test]
fn a_race_that_was_asked_starts_nobody() {
    simulated(|| async {
        let log = Log::default();
        let attempts = [0, 1].map(|n| {
            let log = &log;
            move || async move {
                log.say(format!("begins {n}"));
                corio::finally(for_ever(), sleep(ms(20))).await;
                Ok::<(), ()>(())
            }
        });
        assert!(timeout(ms(5), staggered_race(attempts, Some(ms(10)))).await.is_err());
        log.is(&["begins 0"]);
    });
}
