//! What a mask has held back while others took it, or what has come back inside: who is asked again, and who
//! is not.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

use crate::support::{join2, ms, select2};
use corio::{
    catch_cancel, create_task, current_task, defer_cancel, on_cancel, sleep, staggered_race,
    timeout,
};

/// An attempt of a race.
type Att = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<u8, u8>> + Send>> + Send>;

fn att<F: Future<Output = Result<u8, u8>> + Send + 'static>(f: F) -> Att {
    Box::new(move || Box::pin(f))
}

fn go<F: Future<Output = ()> + Send + 'static>(f: F) {
    corio::sim::run(1, f);
}

#[test]
fn a_race_goes_on_if_what_its_mask_held_is_taken_back() {
    go(async {
        let race = staggered_race(
            [
                att(async {
                    defer_cancel(sleep(ms(50))).await;
                    pending().await
                }),
                att(async { Ok(1) }),
            ],
            Some(ms(20)),
        );
        let task = create_task(race);
        sleep(ms(5)).await;
        task.cancel();
        sleep(ms(3)).await;
        task.uncancel();
        assert!(timeout(ms(1000), task).await.is_ok());
    });
}

#[test]
fn a_race_goes_on_if_nothing_was_taken() {
    go(async {
        let race = staggered_race(
            [
                att(async {
                    _ = catch_cancel(pending::<()>()).await;
                    Ok(9)
                }),
                att(async { Ok(1) }),
            ],
            Some(ms(20)),
        );
        let task = create_task(async {
            let un = poll_fn(|_| {
                let me = current_task().unwrap();
                if me.cancelling() > 0 {
                    me.uncancel();
                }
                Poll::Pending
            });
            select2(un, race).await
        });
        sleep(ms(5)).await;
        task.cancel();
        assert!(timeout(ms(1000), task).await.is_ok());
    });
}

/// Each round one takes and gives back, and another one takes.
#[test]
fn a_scope_hears_once_what_another_has_given_back() {
    go(async {
        let heard = Arc::new(AtomicUsize::new(0));
        let h = heard.clone();
        let w = async { select2(on_cancel(pending::<()>(), pending()), thrice()).await };
        let l = async {
            _ = catch_cancel(pending::<()>()).await;
            h.fetch_add(1, SeqCst);
            if catch_cancel(sleep(ms(3))).await.is_err() {
                h.fetch_add(1, SeqCst);
            }
        };
        // w's second poll is that of the limit.
        _ = timeout(ms(5), catch_cancel(join2(w, l))).await;
        assert_eq!(heard.load(SeqCst), 1);
    });
}

/// Ready at its third poll.
fn thrice() -> impl Future<Output = ()> {
    let mut n = 0;
    poll_fn(move |_| {
        n += 1;
        if n > 2 { Poll::Ready(()) } else { Poll::Pending }
    })
}

/// The branch is owed the cancel, and then what the limit asks.
#[test]
fn a_cancel_that_is_taken_back_hides_no_limit() {
    go(async {
        let a = async {
            let Err(k) = catch_cancel(pending::<()>()).await else { return };
            let r = catch_cancel(sleep(ms(100_000))).await;
            k.suppress();
            if let Err(r) = r {
                r.raise::<()>().await
            }
        };
        let b = async {
            _ = catch_cancel(async {
                defer_cancel(sleep(ms(40))).await;
                pending::<()>().await
            })
            .await;
        };
        let task = create_task(timeout(ms(20), async {
            _ = corio::join!(a, b);
        }));
        sleep(ms(5)).await;
        task.cancel();
        sleep(ms(1000)).await;
        assert!(task.done());
        assert!(task.await.unwrap().is_err());
    });
}

#[test]
fn a_race_that_has_answered_starts_nobody() {
    go(async {
        let started = Arc::new(AtomicUsize::new(0));
        let s = started.clone();
        let race = staggered_race(
            [
                att(async {
                    match catch_cancel(pending::<()>()).await {
                        Ok(()) => Ok(0),
                        Err(_) => Err(1),
                    }
                }),
                att(async move {
                    s.fetch_add(1, SeqCst);
                    Ok(1)
                }),
            ],
            None,
        );
        let task = create_task(race);
        sleep(ms(5)).await;
        task.cancel();
        drop(timeout(ms(100), task).await);
        assert_eq!(started.load(SeqCst), 0);
    });
}

#[test]
fn a_race_outlives_the_limit_that_has_asked_it() {
    go(async {
        let task = create_task(async {
            let mut race = Box::pin(staggered_race(
                [
                    att(async {
                        defer_cancel(sleep(ms(50))).await;
                        pending().await
                    }),
                    att(async { Ok(1) }),
                ],
                Some(ms(20)),
            ));
            let other = async {
                _ = catch_cancel(pending::<()>()).await;
                Ok((0, 0))
            };
            let first = timeout(ms(5), select2(async { (&mut race).await }, other)).await;
            assert!(matches!(first, Ok(Ok((0, 0)))), "{first:?}");
            race.await
        });
        assert!(timeout(ms(1000), task).await.is_ok());
    });
}

/// The mask is left in a poll after that in which another branch has taken the cancel.
#[test]
fn a_mask_is_left_and_kept() {
    go(async {
        let a = async {
            _ = catch_cancel(pending::<()>()).await;
            pending::<()>().await
        };
        let heard = Arc::new(AtomicUsize::new(0));
        let h = heard.clone();
        let b = async move {
            let c = catch_cancel(async {
                let mut mask = Box::pin(defer_cancel(pending::<()>()));
                select2(mask.as_mut(), sleep(ms(10))).await;
                pending::<()>().await;
            });
            _ = c.await;
            h.fetch_add(1, SeqCst);
        };
        let task = create_task(async {
            join2(a, b).await;
        });
        sleep(ms(5)).await;
        task.cancel();
        sleep(ms(100)).await;
        assert_eq!(heard.load(SeqCst), 1);
        task.abort();
    });
}

/// The mask is carried off and dropped elsewhere.
#[test]
fn a_mask_is_carried_off_and_dropped() {
    go(async {
        let a = async {
            _ = catch_cancel(pending::<()>()).await;
            pending::<()>().await
        };
        let heard = Arc::new(AtomicUsize::new(0));
        let h = heard.clone();
        let b = async move {
            let c = catch_cancel(async {
                let mut mask = Box::pin(defer_cancel(pending::<()>()));
                select2(mask.as_mut(), sleep(ms(10))).await;
                drop(create_task(async move {
                    sleep(ms(5)).await;
                    drop(mask);
                }));
                pending::<()>().await;
            });
            _ = c.await;
            h.fetch_add(1, SeqCst);
        };
        let task = create_task(async {
            join2(a, b).await;
        });
        sleep(ms(5)).await;
        task.cancel();
        sleep(ms(100)).await;
        assert_eq!(heard.load(SeqCst), 1);
        task.abort();
    });
}

/// A part's debt inside hides the task's.
#[test]
fn a_part_inside_hides_no_cancel() {
    go(async {
        let heard = Arc::new(AtomicUsize::new(0));
        let h = heard.clone();
        let a = async {
            _ = catch_cancel(pending::<()>()).await;
            pending::<()>().await
        };
        let x = async {
            sleep(ms(10)).await;
            // Begins after the cancel.
            let l = async {
                _ = catch_cancel(pending::<()>()).await;
            };
            let n = async {
                _ = catch_cancel(async {
                    defer_cancel(sleep(ms(30))).await;
                    pending::<()>().await
                })
                .await;
            };
            _ = timeout(ms(5), join2(l, n)).await;
            pending::<()>().await
        };
        let b = async move {
            _ = catch_cancel(join2(
                async {
                    defer_cancel(sleep(ms(20))).await;
                    pending::<()>().await
                },
                x,
            ))
            .await;
            h.fetch_add(1, SeqCst);
        };
        let task = create_task(async {
            join2(a, b).await;
        });
        sleep(ms(5)).await;
        task.cancel();
        sleep(ms(300)).await;
        assert_eq!(heard.load(SeqCst), 1);
        task.abort();
    });
}
