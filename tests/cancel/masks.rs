//! Masks that are alive and not polled any more: they hold nothing back.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Instant;

use corio::{
    catch_cancel, create_local_task, defer_cancel, join, select, timeout, timeout_scope, yield_now,
};

use crate::support::{Flag, Log, for_ever, join2, ms, run, select2, unordered, until};

type Kept = Pin<Box<dyn Future<Output = ()> + Send>>;

fn mask() -> Kept {
    Box::pin(defer_cancel(for_ever()))
}

#[test]
fn a_mask_that_is_dormant_from_the_poll_on_in_which_it_was_asked() {
    run(|| async {
        let go = Flag::default();
        let seen = go.clone();
        let task = create_local_task(async move {
            let mut kept = mask();
            // The mask is polled, and then the other branch is found ready.
            select2(kept.as_mut(), seen.seen()).await;
            for_ever().await;
        });
        yield_now().await;
        // The next poll is the one that delivers, and it goes on to the second wait.
        go.set();
        task.cancel_with("m");
        let error = task.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("m"));
    });
}

#[test]
fn a_mask_that_is_carried_off_and_kept_in_that_poll() {
    run(|| async {
        let (go, (sender, carried)) = (Flag::default(), mpsc::channel());
        let seen = go.clone();
        let task = create_local_task(async move {
            let caught = catch_cancel(async {
                let mut kept = mask();
                select2(kept.as_mut(), seen.seen()).await;
                sender.send(kept).unwrap();
                for_ever().await;
            });
            caught.await.is_err()
        });
        yield_now().await;
        go.set();
        task.cancel();
        assert!(task.await.unwrap(), "the scope around takes it");
        drop(carried.recv().unwrap());
    });
}

#[test]
fn a_limit_is_not_put_off_by_a_mask_that_nobody_polls() {
    run(|| async {
        let log = Log::default();
        let limited = timeout_scope(None, async |limit| {
            let mut kept = mask();
            select! {
                biased;
                () = kept.as_mut() => {}
                () = yield_now() => log.say("the mask is dormant"),
            }
            limit.reschedule(Some(Instant::now())).unwrap();
            for_ever().await;
        });
        assert!(limited.await.is_err());
        log.is(&["the mask is dormant"]);
    });
}

#[test]
fn a_mask_that_is_polled_holds_however_often_it_is_asked() {
    run(|| async {
        let (go, log) = (Flag::default(), Log::default());
        let (seen, inner) = (go.clone(), log.clone());
        let task = create_local_task(async move {
            join!(
                defer_cancel(async {
                    // Woken all the time.
                    until(|| seen.is_set()).await;
                    inner.say("committed");
                }),
                async {
                    loop {
                        yield_now().await;
                    }
                },
            );
        });
        yield_now().await;
        for _ in 0..3 {
            assert!(task.cancel());
            corio::sleep(ms(2)).await;
        }
        log.is(&[]);
        go.set();
        assert!(task.await.unwrap_err().is_cancelled());
        log.is(&["committed"]);
    });
}

#[test]
fn a_mask_below_sub_wakers_holds_while_it_is_alive() {
    run(|| async {
        let (go, log) = (Flag::default(), Log::default());
        let (seen, inner) = (go.clone(), log.clone());
        let task = create_local_task(async move {
            let part: Kept = Box::pin(defer_cancel(async move {
                until(|| seen.is_set()).await;
                inner.say("committed");
            }));
            unordered(vec![part]).await;
            for_ever().await;
        });
        yield_now().await;
        task.cancel();
        corio::sleep(ms(3)).await;
        assert!(!task.done());
        go.set();
        assert!(task.await.unwrap_err().is_cancelled());
        log.is(&["committed"]);
    });
}

#[test]
fn a_limit_that_waits_for_a_mask_sleeps() {
    run(|| async {
        let (polls, log) = (Arc::new(AtomicUsize::new(0)), Log::default());
        let (counted, inner) = (polls.clone(), log.clone());
        let task = create_local_task(async move {
            let mut sleep = Box::pin(corio::sleep(ms(200)));
            let masked = defer_cancel(poll_fn(move |cx| {
                counted.fetch_add(1, Ordering::Relaxed);
                sleep.as_mut().poll(cx)
            }));
            let limited = timeout(ms(20), async {
                masked.await;
                inner.say("committed");
                for_ever().await;
            });
            let _ = limited.await;
        });
        corio::sleep(ms(5)).await;
        // The limit comes while the cancel is held back.
        assert!(task.cancel_with("m"));
        let error = task.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("m"), "the cancel goes first");
        log.is(&["committed"]);
        let polls = polls.load(Ordering::Relaxed);
        assert!(polls < 50, "the mask was polled {polls} times");
    });
}

/// A limit beside a mask, in either order: `polls` of the part that has the limit.
async fn limit_beside_a_mask(mask_first: bool) -> usize {
    let (polls, log) = (Arc::new(AtomicUsize::new(0)), Log::default());
    let (counted, inner) = (polls.clone(), log.clone());
    let task = create_local_task(async move {
        let masked = defer_cancel(async move {
            corio::sleep(ms(200)).await;
            inner.say("committed");
        });
        let limited = timeout(
            ms(20),
            poll_fn(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
                Poll::<()>::Pending
            }),
        );
        if mask_first {
            let _ = join2(masked, limited).await;
        } else {
            let _ = join2(limited, masked).await;
        }
    });
    corio::sleep(ms(5)).await;
    // The limit comes while the cancel is held back.
    assert!(task.cancel_with("m"));
    let error = task.await.unwrap_err();
    assert_eq!(error.cancelled().unwrap().msg(), Some("m"), "the cancel goes first");
    log.is(&["committed"]);
    polls.load(Ordering::Relaxed)
}

#[test]
fn a_limit_beside_a_mask_looks_now_and_then() {
    run(|| async {
        for mask_first in [true, false] {
            let polls = limit_beside_a_mask(mask_first).await;
            assert!(polls < 400, "polled {polls} times in 200 ms");
        }
    });
}

/// What went first is taken by the mask's own part when the mask is over: the limit comes then.
#[test]
fn a_limit_beside_a_mask_comes_when_the_cancel_was_caught() {
    run(|| async {
        let task = create_local_task(async {
            let masked = catch_cancel(async {
                defer_cancel(corio::sleep(ms(50))).await;
                for_ever().await;
            });
            let limited = timeout(ms(20), for_ever());
            unordered(vec![
                Box::pin(async { assert!(masked.await.is_err()) }) as Kept,
                Box::pin(async { assert!(limited.await.is_err()) }),
            ])
            .await;
        });
        corio::sleep(ms(5)).await;
        assert!(task.cancel());
        task.await.unwrap();
    });
}
