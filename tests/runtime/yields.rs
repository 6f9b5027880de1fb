//! `yield_now` polled by other means than a plain `await`: it wakes whom it is polled for, once.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use crate::support::{on_one_worker, on_runtime};

/// Polls a `yield_now` once and drops it.
fn ask(cx: &mut Context<'_>) {
    assert!(pin!(corio::yield_now()).poll(cx).is_pending());
}

/// A future that asks for another poll in its first, after which `between` is called, and is ready in
/// the second.
async fn again_after(between: impl FnOnce()) {
    let mut between = Some(between);
    poll_fn(|cx| match between.take() {
        Some(between) => {
            ask(cx);
            between();
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
    .await;
}

#[test]
fn an_eager_start_takes_no_yield_from_its_parent() {
    on_runtime(|| async {
        let parent = corio::create_task(async {
            let mut children = Vec::new();
            again_after(|| {
                for asks in 0..3 {
                    children.push(corio::task().eager(true).spawn(async move {
                        for _ in 0..asks {
                            corio::yield_now().await;
                        }
                    }));
                }
            })
            .await;
            for child in children {
                child.await.unwrap();
            }
        });
        parent.await.unwrap();
    });
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_yield_wakes_the_waker_that_it_is_polled_with() {
    on_runtime(|| async {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut inner = pin!(corio::yield_now());
        let polled = inner.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(inner.poll(&mut Context::from_waker(&waker)).is_ready());
    });
}

/// A task that is polled on a thread where it does not run, with its own waker.
#[test]
fn a_yield_on_another_thread_wakes_the_task() {
    on_runtime(|| async {
        let mut inner = Some(Box::pin(corio::yield_now()));
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            let Some(mut inner) = inner.take() else { return Poll::Ready(()) };
            let waker = cx.waker().clone();
            let other = std::thread::spawn(move || {
                inner.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
            });
            assert!(other.join().unwrap());
            Poll::Pending
        })
        .await;
        assert_eq!(polls, 2);
    });
}

/// A wait that counts its polls.
struct Counted(Arc<AtomicUsize>);

impl Future for Counted {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Pending
    }
}

/// Ended tasks leave their cells to the next ones.
#[test]
fn a_yield_ends_with_its_task() {
    on_one_worker(|| async {
        let polls = Arc::new(AtomicUsize::new(0));
        const ROUNDS: usize = 100;
        let mut waiting = Vec::new();
        for _ in 0..ROUNDS {
            // It has asked for another poll, and ends in this one.
            corio::create_task(poll_fn(|cx| {
                ask(cx);
                Poll::Ready(())
            }))
            .await
            .unwrap();
            waiting.push(corio::create_task(Counted(polls.clone())));
            while polls.load(Ordering::Relaxed) < waiting.len() {
                corio::yield_now().await;
            }
        }
        for _ in 0..3 {
            corio::yield_now().await;
        }
        assert_eq!(polls.load(Ordering::Relaxed), ROUNDS, "somebody was polled without a cause");
        for task in waiting {
            task.cancel();
            assert!(task.await.unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_cancel_of_the_same_poll_comes_with_the_yield() {
    on_runtime(|| async {
        let task = corio::create_task(async {
            let me = corio::current_task().expect("inside a task");
            me.cancel();
            corio::yield_now().await;
            unreachable!("the cancel is delivered at the yield");
        });
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

/// Wakes that come from elsewhere while the task asks for another poll itself.
#[test]
fn wakes_meet_yields() {
    on_runtime(|| async {
        const YIELDS: usize = 20_000;
        let waker = Arc::new(OnceLock::<Waker>::new());
        let left = waker.clone();
        let task = corio::create_task(async move {
            poll_fn(|cx| {
                left.get_or_init(|| cx.waker().clone());
                Poll::Ready(())
            })
            .await;
            for _ in 0..YIELDS {
                corio::yield_now().await;
            }
        });
        let busy: Vec<_> = (0..3)
            .map(|_| {
                let (task, waker) = (task.task_ref(), waker.clone());
                corio::create_task(async move {
                    while !task.done() {
                        if let Some(waker) = waker.get() {
                            // One that borrows the reference, one that brings its own.
                            let own = waker.clone();
                            waker.wake_by_ref();
                            own.wake();
                        }
                        corio::yield_now().await;
                    }
                })
            })
            .collect();
        task.await.unwrap();
        for task in busy {
            task.await.unwrap();
        }
    });
}
