//! Wakers: from anywhere, any number of times, and after everything is gone.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::thread;

use corio::{ResultError, TaskStatus};
use corio_tests::eventually;
use corio_tests::kit::{Ledger, Signal};

use crate::support::{bounded, on_runtime, rt, variant, wait};

/// A task that parks after it has left its waker with the test.
async fn leave_waker(slot: Arc<OnceLock<Waker>>) {
    poll_fn(|cx| {
        slot.get_or_init(|| cx.waker().clone());
        Poll::<()>::Pending
    })
    .await;
}

#[track_caller]
fn waker_of(slot: &OnceLock<Waker>) -> Waker {
    eventually("the task's waker", || slot.get().cloned())
}

#[test]
fn a_waker_outlives_its_runtime() {
    bounded(|| {
        let ledger = Ledger::new();
        let slot = Arc::new(OnceLock::new());
        let runtime = rt();
        let token = ledger.token();
        let parked = leave_waker(slot.clone());
        drop(runtime.create_task(async move {
            let _token = token;
            parked.await;
        }));
        let waker = waker_of(&slot);
        let handle = runtime.handle().clone();
        drop(runtime);
        assert_eq!(ledger.live(), 0, "a waker keeps memory, not the body");
        waker.wake_by_ref();
        assert!(handle.is_closed());
        drop(handle);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let waker = waker.clone();
                thread::spawn(move || {
                    for _ in 0..1000 {
                        Waker::wake(waker.clone());
                        waker.wake_by_ref();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        waker.wake();
        drop(slot);
    });
}

#[test]
fn handles_outlive_their_runtime() {
    bounded(|| {
        let runtime = rt();
        let done = runtime.create_task(async { "done".to_owned() });
        eventually("a task's end", || done.done().then_some(()));
        let stopped = runtime.create_task(std::future::pending::<String>());
        stopped.set_name("stopped");
        let untyped = stopped.task_ref();
        drop(runtime);
        assert_eq!(done.result().unwrap(), "done");
        assert_eq!(wait(&rt(), done).unwrap(), "done", "awaited from another runtime");
        assert!(stopped.done() && stopped.cancelled());
        assert!(matches!(stopped.result(), Err(ResultError::Cancelled(_))));
        assert!(!stopped.cancel() && !untyped.cancel());
        untyped.abort();
        untyped.set_name("still there");
        assert_eq!((&*stopped.name(), untyped.status()), ("still there", TaskStatus::Done));
        // As in asyncio: what has ended has no stack.
        assert_eq!((untyped.stack(None).len(), stopped.cancelling()), (0, 0));
        assert!(stopped.get_loop().is_closed());
        drop(stopped);
        assert_eq!(&*untyped.clone().name(), "still there");
    });
}

#[test]
fn no_wake_is_lost_among_thousands() {
    const THREADS: usize = 8;
    const EACH: usize = 3000;
    bounded(|| {
        let runtime = rt();
        let (slot, count) = (Arc::new(OnceLock::<Waker>::new()), Arc::new(AtomicUsize::new(0)));
        let (fill, seen) = (slot.clone(), count.clone());
        let task = runtime.create_task(poll_fn(move |cx| {
            fill.get_or_init(|| cx.waker().clone());
            if seen.load(Ordering::Relaxed) == THREADS * EACH {
                return Poll::Ready(());
            }
            Poll::Pending
        }));
        let waker = waker_of(&slot);
        let threads: Vec<_> = (0..THREADS)
            .map(|i| {
                let (waker, count) = (waker.clone(), count.clone());
                thread::spawn(move || {
                    for _ in 0..EACH {
                        count.fetch_add(1, Ordering::Relaxed);
                        if i % 2 == 0 { waker.wake_by_ref() } else { Waker::wake(waker.clone()) }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        wait(&runtime, task).unwrap();
    });
}

#[test]
fn each_wake_of_a_parked_task_is_followed_by_a_poll() {
    bounded(|| {
        let runtime = rt();
        let polls = Arc::new(AtomicUsize::new(0));
        let (slot, counted) = (Arc::new(OnceLock::<Waker>::new()), polls.clone());
        let fill = slot.clone();
        let task = runtime.create_task(poll_fn(move |cx| {
            fill.get_or_init(|| cx.waker().clone());
            counted.fetch_add(1, Ordering::Relaxed);
            Poll::<()>::Pending
        }));
        let waker = waker_of(&slot);
        for _ in 0..2000 {
            let before = polls.load(Ordering::Relaxed);
            waker.wake_by_ref();
            eventually("the poll", || (polls.load(Ordering::Relaxed) > before).then_some(()));
        }
        task.abort();
        assert!(wait(&runtime, task).is_err());
    });
}

#[test]
fn wakes_during_a_poll_make_one_more_poll() {
    on_runtime(|| async {
        let mut polls = 0;
        let task = corio::spawn(poll_fn(move |cx| {
            polls += 1;
            if polls == 1 {
                for _ in 0..5000 {
                    cx.waker().wake_by_ref();
                    Waker::wake(cx.waker().clone());
                }
                return Poll::Pending;
            }
            Poll::Ready(polls)
        }));
        assert_eq!(task.await.unwrap(), 2);
    });
}

#[test]
fn a_woken_task_is_polled_again_only_once_per_batch_of_wakes() {
    bounded(|| {
        let runtime = rt();
        let polls = Arc::new(AtomicUsize::new(0));
        let (slot, counted) = (Arc::new(OnceLock::<Waker>::new()), polls.clone());
        let fill = slot.clone();
        drop(runtime.create_task(poll_fn(move |cx| {
            fill.get_or_init(|| cx.waker().clone());
            counted.fetch_add(1, Ordering::Relaxed);
            Poll::<()>::Pending
        })));
        let waker = waker_of(&slot);
        // Woken on one worker within a poll: nobody runs it meanwhile if there is one worker.
        if variant().workers == 1 {
            let woken = polls.clone();
            let batch = runtime.create_task(async move {
                let before = woken.load(Ordering::Relaxed);
                for _ in 0..1000 {
                    waker.wake_by_ref();
                }
                corio::yield_now().await;
                corio::yield_now().await;
                woken.load(Ordering::Relaxed) - before
            });
            assert_eq!(wait(&runtime, batch).unwrap(), 1);
        }
    });
}

#[test]
fn wakers_of_one_task_know_each_other() {
    on_runtime(|| async {
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let make = |n: usize| {
            let wakers = wakers.clone();
            let mut polls = 0;
            corio::spawn(poll_fn(move |cx| {
                wakers.lock().unwrap().push((n, cx.waker().clone()));
                polls += 1;
                cx.waker().wake_by_ref();
                if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
            }))
        };
        let tasks = [make(0), make(1)];
        for task in tasks {
            task.await.unwrap();
        }
        let wakers = wakers.lock().unwrap();
        for (n, waker) in wakers.iter() {
            for (m, other) in wakers.iter() {
                assert_eq!(waker.will_wake(other), n == m);
            }
        }
        for (_, waker) in wakers.iter() {
            waker.wake_by_ref();
        }
    });
}

#[test]
fn a_task_is_woken_by_another_runtime() {
    bounded(|| {
        let (one, other) = (rt(), rt());
        for _ in 0..200 {
            let (there, back) = (Signal::new(), Signal::new());
            let (heard, answer) = (there.wait(), back.clone());
            drop(other.create_task(async move {
                heard.await;
                answer.set();
            }));
            let waiting = one.create_task(async move {
                there.set();
                back.wait().await;
            });
            wait(&one, waiting).unwrap();
        }
    });
}

#[test]
fn two_tasks_hand_a_ball_to_and_fro() {
    const TURNS: usize = 2000;
    /// Whose turn it is, and who waits for it.
    struct Court(AtomicUsize, [Mutex<Option<Waker>>; 2]);
    async fn play(court: Arc<Court>, me: usize) {
        for turn in (me..TURNS).step_by(2) {
            poll_fn(|cx| {
                *court.1[me].lock().unwrap() = Some(cx.waker().clone());
                if court.0.load(Ordering::Relaxed) >= turn {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            court.0.fetch_add(1, Ordering::Relaxed);
            let other = court.1[1 - me].lock().unwrap().take();
            if let Some(other) = other {
                other.wake();
            }
        }
    }
    on_runtime(|| async {
        let court = Arc::new(Court(AtomicUsize::new(0), Default::default()));
        let players = [corio::spawn(play(court.clone(), 0)), corio::spawn(play(court.clone(), 1))];
        for player in players {
            player.await.unwrap();
        }
        assert_eq!(court.0.load(Ordering::Relaxed), TURNS);
    });
}

#[test]
fn a_detached_task_without_wakers_stays_until_the_end() {
    bounded(|| {
        let ledger = Ledger::new();
        let runtime = rt();
        let token = ledger.token();
        drop(runtime.create_task(async move {
            let _token = token;
            std::future::pending::<()>().await;
        }));
        eventually("its wait", || {
            let tasks = runtime.handle().all_tasks();
            (tasks.len() == 1 && matches!(tasks[0].status(), TaskStatus::Waiting(_))).then_some(())
        });
        assert_eq!(ledger.live(), 1);
        drop(runtime);
        assert_eq!(ledger.live(), 0);
    });
}

#[test]
fn wakes_race_with_the_end_of_the_runtime() {
    bounded(|| {
        let ledger = Ledger::new();
        for round in 0..60 {
            let runtime = rt();
            let slots: Vec<_> = (0..8).map(|_| Arc::new(OnceLock::new())).collect();
            for (i, slot) in slots.iter().enumerate() {
                let (token, parked) = (ledger.token(), leave_waker(slot.clone()));
                let body = async move {
                    let _token = token;
                    parked.await;
                };
                if i % 2 == 0 {
                    drop(runtime.create_task(body));
                } else {
                    drop(runtime.handle().create_pinned_task(|| body));
                }
            }
            let wakers: Vec<_> = slots.iter().map(|slot| waker_of(slot)).collect();
            let waking = thread::spawn(move || {
                for _ in 0..200 {
                    for waker in &wakers {
                        waker.wake_by_ref();
                    }
                }
            });
            for _ in 0..round * 20 {
                std::hint::spin_loop();
            }
            drop(runtime);
            waking.join().unwrap();
            assert_eq!(ledger.live(), 0, "round {round}");
        }
    });
}

#[test]
fn a_waker_dropped_last_frees_the_task() {
    /// Keeps its own waker for ever unless it is dropped.
    struct Selfish(Option<Waker>, #[expect(dead_code)] corio_tests::kit::Token);
    impl Future for Selfish {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            self.0 = Some(cx.waker().clone());
            Poll::Pending
        }
    }
    bounded(|| {
        let ledger = Ledger::new();
        let runtime = rt();
        let task = runtime.create_task(Selfish(None, ledger.token()));
        let aborted = runtime.create_task(Selfish(None, ledger.token()));
        for parked in [&task, &aborted] {
            eventually("its wait", || {
                matches!(parked.task_ref().status(), TaskStatus::Waiting(_)).then_some(())
            });
        }
        aborted.abort();
        assert!(wait(&runtime, aborted).is_err());
        assert_eq!(ledger.live(), 1);
        drop(runtime);
        assert_eq!(ledger.live(), 0);
        assert!(task.cancelled());
    });
}
