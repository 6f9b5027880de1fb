//! What was asked, and was passed by or dropped before it could hear that, is asked again; and what has
//! heard it is not.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

use corio::{
    catch_cancel, create_task, defer_cancel, on_cancel, sleep, staggered_race, timeout, yield_now,
};

use crate::support::{Flag, for_ever, join2, ms, select2, unordered};

type Part<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Plays it, and again with a limit in place of the cancel; both come after 5 ms.
fn cancelled<F: Future<Output = ()> + Send + 'static>(body: impl Fn() -> F) {
    for by_limit in [false, true] {
        let body = body();
        corio::sim::run(1, async move {
            let task = create_task(async move {
                if by_limit {
                    _ = timeout(ms(5), body).await;
                } else {
                    body.await;
                }
            });
            sleep(ms(5)).await;
            if !by_limit {
                task.cancel();
            }
            sleep(ms(1_000)).await;
            assert!(task.done(), "it waits for ever; by a limit: {by_limit}");
        });
    }
}

/// Takes what is asked, and ends.
async fn taker() {
    _ = catch_cancel(for_ever()).await;
}

/// A mask that is over after so many milliseconds, in a scope.
async fn masked(over: u64) {
    let inside = async {
        defer_cancel(sleep(ms(over))).await;
        for_ever().await;
    };
    _ = catch_cancel(inside).await;
}

/// Polls all each time.
async fn all(mut parts: Vec<Part<'_>>) {
    poll_fn(move |cx| {
        parts.retain_mut(|part| part.as_mut().poll(cx).is_pending());
        if parts.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[test]
fn many_masks_that_end_one_after_the_other() {
    let many = || (10..40).map(|over| Box::pin(masked(over)) as Part<'static>).collect::<Vec<_>>();
    cancelled(move || all(many()));
    cancelled(move || async move {
        _ = unordered(many()).await;
    });
}

#[test]
fn a_mask_that_is_left_in_the_last_poll() {
    let leaves = || async {
        let mut mask = Box::pin(defer_cancel(for_ever()));
        select2(mask.as_mut(), sleep(ms(10))).await;
        for_ever().await;
    };
    cancelled(move || async move {
        let leaver = async { _ = catch_cancel(leaves()).await };
        join2(taker(), leaver).await;
    });
}

#[test]
fn a_scope_that_goes_on_inside_another() {
    cancelled(|| async {
        let moves = async {
            let mut scope = Box::pin(masked(40));
            select2(scope.as_mut(), sleep(ms(10))).await;
            on_cancel(scope, async {}).await;
        };
        join2(taker(), moves).await;
    });
}

#[test]
fn a_scope_that_is_inside_another_one_each_time() {
    cancelled(|| async {
        let moves = async {
            let mut scope = Box::pin(masked(40));
            let mut over = false;
            while !over {
                let step = async {
                    on_cancel(scope.as_mut(), async {}).await;
                    true
                };
                let nap = async {
                    sleep(ms(10)).await;
                    false
                };
                over = select2(step, nap).await;
            }
        };
        join2(taker(), moves).await;
    });
}

#[test]
fn one_that_is_dropped_after_its_mask() {
    cancelled(|| async {
        let drops = async {
            let over = Flag::default();
            let scope = async {
                let inside = async {
                    defer_cancel(sleep(ms(20))).await;
                    over.set();
                    for_ever().await;
                };
                _ = catch_cancel(inside).await;
            };
            select2(over.seen(), scope).await;
            for_ever().await;
        };
        let around = async { _ = catch_cancel(drops).await };
        join2(taker(), around).await;
    });
}

#[test]
fn a_mask_below_other_wakers_that_is_dropped_elsewhere() {
    for elsewhere in [false, true] {
        cancelled(move || async move {
            let inside = async move {
                let mut mask = Box::pin(defer_cancel(for_ever()));
                let polls = select2(mask.as_mut(), sleep(ms(10)));
                _ = unordered(vec![Box::pin(polls) as Part<'_>]).await;
                if elsewhere {
                    let drops = async move {
                        sleep(ms(5)).await;
                        drop(mask);
                    };
                    drop(create_task(drops));
                } else {
                    drop(mask);
                }
                for_ever().await;
            };
            let around = async { _ = catch_cancel(inside).await };
            join2(taker(), around).await;
        });
    }
}

#[test]
fn a_mask_that_was_below_other_wakers_before() {
    cancelled(|| async {
        let mut mask = Box::pin(defer_cancel(for_ever()));
        {
            let below = Box::pin(async { _ = mask.as_mut().await }) as Part<'_>;
            let below = async { _ = unordered(vec![below]).await };
            select2(below, yield_now()).await;
        }
        select2(mask.as_mut(), sleep(ms(7))).await;
        for_ever().await;
    });
}

/// Polls of a body.
#[derive(Clone, Default)]
struct Polls(Arc<AtomicUsize>);

impl Polls {
    async fn of<F: Future>(self, body: F) -> F::Output {
        let mut body = Box::pin(body);
        poll_fn(move |cx| {
            assert!(self.0.fetch_add(1, SeqCst) < 10_000, "it spins");
            body.as_mut().poll(cx)
        })
        .await
    }
}

/// Beside a mask is a scope that nobody polls.
fn a_kept_scope_beside_a_mask(in_a_scope: bool) {
    let (polls, over) = (Polls::default(), Arc::new(AtomicUsize::new(0)));
    let (counts, ends) = (polls.clone(), over.clone());
    cancelled(move || {
        let ends = ends.clone();
        let body = async move {
            let mut kept = Box::pin(catch_cancel(for_ever()));
            select2(async { _ = kept.as_mut().await }, yield_now()).await;
            defer_cancel(sleep(ms(50))).await;
            ends.fetch_add(1, SeqCst);
            for_ever().await;
        };
        counts.clone().of(async move {
            if in_a_scope {
                _ = catch_cancel(body).await;
            } else {
                body.await;
            }
        })
    });
    assert_eq!(over.load(SeqCst), 2, "a mask was cut off");
    let polls = polls.0.load(SeqCst);
    assert!(polls < 100, "{polls} polls");
}

#[test]
fn a_kept_scope_cuts_no_mask_off() {
    a_kept_scope_beside_a_mask(false);
}

#[test]
fn a_kept_scope_beside_a_mask_does_not_spin() {
    a_kept_scope_beside_a_mask(true);
}

/// Ready at its second poll.
fn twice() -> impl Future<Output = ()> {
    let mut polls = 0;
    poll_fn(move |_| {
        polls += 1;
        if polls > 1 { Poll::Ready(()) } else { Poll::Pending }
    })
}

#[test]
fn a_cancel_that_comes_back_is_heard_once() {
    corio::sim::run(1, async {
        let heard = Arc::new(AtomicUsize::new(0));
        let hears = heard.clone();
        let task = create_task(async move {
            let gives_back = select2(on_cancel(for_ever(), for_ever()), twice());
            let listens = async {
                taker().await;
                hears.fetch_add(1, SeqCst);
                if catch_cancel(sleep(ms(30))).await.is_err() {
                    hears.fetch_add(1, SeqCst);
                }
            };
            _ = catch_cancel(join2(gives_back, listens)).await;
        });
        sleep(ms(5)).await;
        task.cancel();
        sleep(ms(100)).await;
        assert!(task.done());
        assert_eq!(heard.load(SeqCst), 1);
    });
}

#[test]
fn what_comes_back_in_each_round_is_not_asked_for_ever() {
    let laps = Arc::new(AtomicUsize::new(0));
    for by_limit in [false, true] {
        let counts = laps.clone();
        corio::sim::run(1, async move {
            let task = create_task(async move {
                let gives_back = async {
                    loop {
                        select2(on_cancel(for_ever(), for_ever()), twice()).await;
                    }
                };
                let listens = async {
                    loop {
                        taker().await;
                        assert!(counts.fetch_add(1, SeqCst) < 10_000, "it is asked for ever");
                    }
                };
                let both = join2::<_, _>(
                    async {
                        let () = gives_back.await;
                    },
                    async {
                        let () = listens.await;
                    },
                );
                if by_limit {
                    _ = timeout(ms(5), catch_cancel(both)).await;
                } else {
                    both.await;
                }
            });
            sleep(ms(5)).await;
            if !by_limit {
                task.cancel();
            }
            sleep(ms(100)).await;
            task.abort();
        });
        let laps = laps.swap(0, SeqCst);
        assert!(laps < 100, "{laps} laps; by a limit: {by_limit}");
    }
}

#[test]
fn a_limit_in_a_mask_does_not_tell_what_was_taken_back() {
    corio::sim::run(1, async {
        let task = create_task(async {
            let body = async {
                catch_cancel(for_ever()).await.unwrap_err().suppress();
                for_ever().await;
            };
            let mut limit = Box::pin(timeout(ms(30), body));
            select2(async { _ = limit.as_mut().await }, sleep(ms(10))).await;
            assert!(defer_cancel(limit).await.is_err());
            pending::<()>().await;
        });
        sleep(ms(5)).await;
        task.cancel_with("first");
        sleep(ms(15)).await;
        task.cancel_with("second");
        let ended = task.await.unwrap_err();
        assert_eq!(ended.cancelled().unwrap().msg(), Some("second"));
    });
}

type Attempt = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<u8, u8>> + Send>> + Send>;

/// One behind a mask of so many milliseconds, and one that counts.
fn attempts(over: u64, ends: Result<u8, u8>, started: &Arc<AtomicUsize>) -> [Attempt; 2] {
    let started = started.clone();
    let masked: Attempt = Box::new(move || {
        Box::pin(async move {
            defer_cancel(sleep(ms(over))).await;
            ends
        })
    });
    let counts: Attempt = Box::new(|| {
        Box::pin(async move {
            started.fetch_add(1, SeqCst);
            Ok(1)
        })
    });
    [masked, counts]
}

#[test]
fn a_race_goes_on_in_time_if_the_cancel_is_taken_back() {
    corio::sim::run(1, async {
        let started = Arc::new(AtomicUsize::new(0));
        let task = create_task(staggered_race(attempts(10_000, Ok(0), &started), Some(ms(20))));
        sleep(ms(5)).await;
        task.cancel();
        sleep(ms(30)).await;
        task.uncancel();
        sleep(ms(1_000)).await;
        assert_eq!(started.load(SeqCst), 1);
        task.abort();
    });
}

#[test]
fn a_race_starts_no_attempt_after_one_whose_mask_holds_a_cancel() {
    corio::sim::run(1, async {
        let started = Arc::new(AtomicUsize::new(0));
        let task = create_task(staggered_race(attempts(20, Err(0), &started), None));
        sleep(ms(5)).await;
        task.cancel();
        sleep(ms(1_000)).await;
        assert_eq!((task.done(), started.load(SeqCst)), (true, 0));
    });
}
