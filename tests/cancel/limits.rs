//! Limits and groups in limits that have come at one time: what is inside is asked once, by the outer one.

use std::future::Future;
use std::thread;
use std::time::Instant;

use corio::{
    GroupError, TaskGroup, TimeoutScope, catch_cancel, defer_cancel, task_group, timeout_at,
    timeout_scope,
};
use corio_tests::kit::block_on;

use crate::support::{Log, count, for_ever, join2, ms, nap, run, unordered, until};

const SOON: u64 = 2;

pub fn soon() -> Instant {
    Instant::now() + ms(SOON)
}

/// Begins to wait when limits that were [`soon`] have come.
pub async fn late<F: Future>(future: F) -> F::Output {
    thread::sleep(ms(SOON + 1));
    future.await
}

pub async fn cleaning(log: &Log) {
    if let Err(cancelled) = catch_cancel(for_ever()).await {
        log.say("asked");
        nap().await;
        log.say("cleaned");
        cancelled.raise().await
    }
}

/// A limit that tells of itself.
pub async fn telling(log: &Log, at: Instant, body: impl Future<Output = ()>) {
    if timeout_at(at, body).await.is_err() {
        log.say("told");
    }
}

#[test]
fn the_outermost_of_many_limits_tells() {
    run(|| async {
        let (log, at) = (Log::default(), soon());
        let inner = telling(&log, at, telling(&log, at, late(cleaning(&log))));
        assert!(timeout_at(at, telling(&log, at, inner)).await.is_err());
        log.is(&["asked", "cleaned"]);
        assert_eq!(count(), 0);
        nap().await;
    });
}

/// Those that come by the timer. On several workers one may be seen before the other.
#[test]
fn limits_that_come_while_the_task_waits() {
    run(|| async {
        for _ in 0..20 {
            let (log, at) = (Log::default(), soon());
            let outer = timeout_at(at, telling(&log, at, cleaning(&log)));
            assert!(outer.await.is_err());
            assert_eq!((log.count("asked"), log.count("told")), (1, 0));
            assert_eq!(count(), 0);
        }
    });
}

/// What the outer one asks a mask holds back.
#[test]
fn a_mask_is_between_two_limits() {
    run(|| async {
        let (log, at) = (Log::default(), soon());
        let inner = telling(&log, at, late(cleaning(&log)));
        let ended = timeout_at(at, defer_cancel(inner)).await;
        assert!(ended.is_ok(), "{log:?} {ended:?}");
        log.is(&["asked", "cleaned", "told"]);
    });
}

/// The outer one has its turn only when the poll is over.
#[test]
fn a_poll_blocks_between_two_limits() {
    run(|| async {
        let (log, at) = (Log::default(), soon());
        let outer = timeout_at(at, async {
            block_on(telling(&log, at, late(for_ever())));
            for_ever().await;
        });
        assert!(outer.await.is_err());
        log.is(&["told"]);
    });
}

/// A part beside the inner one takes what the outer one asks.
#[test]
fn a_part_beside_an_inner_limit_is_asked() {
    run(|| async {
        let (log, at) = (Log::default(), soon());
        let beside = async {
            let asked = catch_cancel(for_ever()).await.unwrap_err();
            until(|| log.said("told")).await;
            asked.raise::<()>().await;
        };
        let outer = timeout_at(at, join2(beside, telling(&log, at, late(for_ever()))));
        assert!(outer.await.is_err());
        log.is(&["told"]);
    });
}

/// Parts with wakers of their own.
#[test]
fn inner_limits_side_by_side() {
    run(|| async {
        let (log, at) = (Log::default(), soon());
        let part = || Box::pin(telling(&log, at, cleaning(&log)));
        let outer = timeout_at(at, unordered(vec![part(), part(), Box::pin(late(async {}))]));
        assert!(outer.await.is_err());
        // The first that has cleaned up ends both.
        assert_eq!((log.count("asked"), log.count("told")), (2, 0));
        assert!(log.said("cleaned"));
    });
}

/// The outer one is moved after the inner one has given way to it.
#[test]
fn the_outer_limit_is_moved_before_it_asks() {
    run(|| async {
        let (log, at) = (Log::default(), soon());
        let outer = timeout_scope(ms(SOON), |limit: TimeoutScope| {
            let moves = async move { limit.reschedule(None).unwrap() };
            join2(telling(&log, at, late(cleaning(&log))), moves)
        });
        assert!(outer.await.is_ok());
        log.is(&["asked", "cleaned", "told"]);
    });
}

/// The body goes on for all that it is asked: neither limit asks twice, and none tells.
#[test]
fn what_is_asked_goes_on() {
    run(|| async {
        let (log, at) = (Log::default(), soon());
        let body = async {
            drop(catch_cancel(late(for_ever())).await);
            nap().await;
        };
        assert!(timeout_at(at, telling(&log, at, body)).await.is_ok());
        log.is(&[]);
        assert_eq!(count(), 0);
        nap().await;
    });
}

/// A limit that begins in a clean-up was not heard with what had come before.
#[test]
fn a_limit_begins_in_a_clean_up() {
    run(|| async {
        let (log, at) = (Log::default(), soon());
        let body = async {
            let asked = catch_cancel(late(for_ever())).await.unwrap_err();
            telling(&log, at, for_ever()).await;
            telling(&log, soon(), cleaning(&log)).await;
            asked.raise::<()>().await;
        };
        assert!(timeout_at(at, telling(&log, at, body)).await.is_err());
        log.is(&["told", "asked", "cleaned", "told"]);
    });
}

type Failed = Result<(), GroupError<&'static str>>;

/// A child fails when the body has begun to wait.
async fn failing_group(body: impl Future<Output = ()>) -> Failed {
    task_group(async |group: TaskGroup<&'static str>| {
        let fails = async {
            corio::sleep(ms(SOON)).await;
            Err("failed")
        };
        drop::<corio::Task<()>>(group.create_task(fails).unwrap());
        body.await;
        Ok(())
    })
    .await
}

#[test]
fn a_limit_comes_as_a_group_around_it_fails() {
    run(|| async {
        for _ in 0..20 {
            let (log, at) = (Log::default(), soon());
            let ended = failing_group(telling(&log, at, cleaning(&log))).await;
            assert!(matches!(ended, Err(GroupError::Errors(errors)) if errors == ["failed"]));
            assert_eq!((log.count("asked"), count()), (1, 0));
        }
    });
}

/// What a mask holds back is not felt inside: a limit there tells.
#[test]
fn a_limit_inside_a_mask_that_holds_a_cancel_back() {
    run(|| async {
        let log = Log::default();
        let said = log.clone();
        let task = corio::create_task(async move {
            defer_cancel(telling(&said, soon(), cleaning(&said))).await;
            said.say("unmasked");
            for_ever().await;
        });
        corio::yield_now().await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        log.is(&["asked", "cleaned", "told", "unmasked"]);
    });
}

/// As above for a group, and for a limit that was asked by one outside of the mask.
#[test]
fn parts_inside_a_mask_tell_of_themselves() {
    run(|| async {
        let (log, at) = (Log::default(), soon());
        let said = log.clone();
        let task = corio::create_task(async move {
            let masked = defer_cancel(async {
                telling(&said, at, late(cleaning(&said))).await;
                failing_group(cleaning(&said)).await
            });
            let ended = timeout_at(at, masked).await.unwrap();
            assert!(matches!(ended, Err(GroupError::Errors(_))));
            said.say("unmasked");
            for_ever().await;
        });
        until(|| log.said("told")).await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        log.is(&["asked", "cleaned", "told", "asked", "cleaned", "unmasked"]);
    });
}
