//! Cancelling and aborting: what is requested, counted, taken back and delivered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use corio::{ResultError, Task, TaskRef};
use corio_tests::kit::{Ledger, Signal};

use crate::support::{bounded, on_one_worker, on_runtime, rt, wait};

/// A task that waits for ever and holds a token.
fn waiting(ledger: &Ledger) -> Task<()> {
    let token = ledger.token();
    corio::spawn(async move {
        let _token = token;
        std::future::pending::<()>().await;
    })
}

#[test]
fn a_cancel_before_the_first_poll_keeps_the_body_from_running() {
    on_one_worker(|| async {
        let ledger = Ledger::new();
        let token = ledger.token();
        let task = corio::spawn(async move {
            let _token = token;
            panic!("the body ran");
        });
        assert!(task.cancel());
        assert!(!task.done() && !task.cancelled() && task.cancelling() == 1);
        let error = task.await.map(|(): ()| ()).unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(ledger.live(), 0);
    });
}

#[test]
fn a_cancel_taken_back_before_the_first_poll_is_forgotten() {
    on_one_worker(|| async {
        let task = corio::spawn(async { 5 });
        assert!(task.cancel() && task.cancel());
        assert_eq!((task.cancelling(), task.uncancel(), task.uncancel()), (2, 1, 0));
        assert_eq!(task.uncancel(), 0, "the count does not go below zero");
        assert_eq!(task.await.unwrap(), 5);
    });
}

#[test]
fn a_waiting_task_is_cancelled_with_message_and_place() {
    on_runtime(|| async {
        let ledger = Ledger::new();
        let task = waiting(&ledger);
        corio::yield_now().await;
        let line = line!() + 1;
        assert!(task.cancel_with("too slow"));
        let error = (&task).await.unwrap_err();
        let cancelled = error.cancelled().unwrap();
        assert_eq!(cancelled.msg(), Some("too slow"));
        assert_eq!(cancelled.requested_at().unwrap().line(), line);
        assert!(error.to_string().contains("was cancelled: too slow"), "{error}");
        assert!(task.cancelled() && task.done() && ledger.live() == 0);
        assert!(matches!(task.result(), Err(ResultError::Cancelled(c)) if c.msg().is_some()));
        assert!(matches!(task.exception(), Err(ResultError::Cancelled(_))));
        assert!(!task.cancel() && !task.cancel_with("again"), "a cancel of an ended task");
        task.abort();
        assert!(task.cancelled());
    });
}

#[test]
fn of_two_cancels_the_first_says_why() {
    on_one_worker(|| async {
        let ledger = Ledger::new();
        let task = waiting(&ledger);
        corio::yield_now().await;
        let line = line!() + 1;
        assert!(task.cancel());
        assert!(task.cancel_with("the second"));
        let error = task.await.unwrap_err();
        let said = error.cancelled().unwrap();
        assert_eq!((said.msg(), said.requested_at().unwrap().line()), (None, line));
        // Nor does what was taken back say it, before an extension or in one.
        let task = waiting(&ledger);
        assert!(task.cancel() && task.uncancel() == 0);
        assert!(task.cancel_with("again") && task.uncancel() == 0);
        let line = line!() + 1;
        assert!(task.cancel());
        let error = task.await.unwrap_err();
        let said = error.cancelled().unwrap();
        assert_eq!((said.msg(), said.requested_at().unwrap().line()), (None, line));
    });
}

#[test]
fn a_cancel_after_the_end_changes_nothing() {
    on_runtime(|| async {
        let task = corio::spawn(async { 5 });
        assert_eq!((&task).await.ok(), Some(&5));
        assert!(!task.cancel() && task.cancelling() == 0);
        task.abort();
        assert!(!task.cancelled());
        assert_eq!(task.await.unwrap(), 5);
    });
}

#[test]
fn a_task_that_cancels_itself_ends_cancelled() {
    on_runtime(|| async {
        // At its next wait.
        let reached = Signal::new();
        let mark = reached.clone();
        let task = corio::spawn(async move {
            assert!(corio::current_task().unwrap().cancel_with("by itself"));
            mark.set();
            corio::yield_now().await;
            panic!("it went on");
        });
        let error = task.await.map(|(): ()| ()).unwrap_err();
        assert_eq!(error.cancelled().expect("no panic").msg(), Some("by itself"));
        assert!(reached.is_set(), "the code up to the wait runs");
        // At its end: the value is dropped.
        let ledger = Ledger::new();
        let token = ledger.token();
        let task = corio::spawn(async move {
            corio::current_task().unwrap().cancel();
            token
        });
        assert!(task.await.map(drop).unwrap_err().is_cancelled());
        assert_eq!(ledger.live(), 0);
        // Not if it takes that back.
        let task = corio::spawn(async {
            let me = corio::current_task().unwrap();
            me.cancel();
            assert_eq!(me.uncancel(), 0);
            corio::yield_now().await;
            6
        });
        assert_eq!(task.await.unwrap(), 6);
    });
}

#[test]
fn the_count_saturates_at_4095_and_spoils_nothing_else() {
    on_one_worker(|| async {
        let task = corio::create_local_task(async { 5 });
        for i in 1..=5000_u32 {
            assert!(task.cancel());
            assert_eq!(task.cancelling(), i.min(4095));
        }
        for left in (0..4095).rev() {
            assert_eq!(task.uncancel(), left);
        }
        assert_eq!(task.await.unwrap(), 5, "it is still where it was and runs");
    });
}

#[test]
fn an_abort_cannot_be_taken_back() {
    on_one_worker(|| async {
        let task = corio::spawn(async { 5 });
        task.abort();
        task.abort();
        assert_eq!((task.cancelling(), task.uncancel()), (0, 0));
        assert!(task.await.unwrap_err().is_cancelled());
        let ledger = Ledger::new();
        let task = waiting(&ledger);
        corio::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(ledger.live(), 0);
    });
}

#[test]
fn requests_may_come_from_drops_and_other_tasks() {
    /// Cancels a task when it is dropped.
    struct Domino(Option<TaskRef>);
    impl Drop for Domino {
        fn drop(&mut self) {
            if let Some(next) = &self.0 {
                next.cancel();
            }
        }
    }
    on_runtime(|| async {
        let ledger = Ledger::new();
        let mut tasks = vec![waiting(&ledger)];
        for _ in 0..100 {
            let next = Domino(tasks.last().map(Task::task_ref));
            let token = ledger.token();
            tasks.push(corio::spawn(async move {
                let _kept = (next, token);
                std::future::pending::<()>().await;
            }));
        }
        corio::yield_now().await;
        // A task may also cancel itself while its body is being dropped.
        let last = tasks.pop().unwrap();
        last.cancel();
        assert!(last.await.unwrap_err().is_cancelled());
        for task in tasks {
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert_eq!(ledger.live(), 0);
    });
}

#[test]
fn a_cancel_from_the_bodys_own_drop_is_refused_or_harmless() {
    struct OwnGoal;
    impl Drop for OwnGoal {
        fn drop(&mut self) {
            let me = corio::current_task().expect("a body is dropped inside its task");
            me.cancel();
            me.abort();
            me.uncancel();
        }
    }
    on_runtime(|| async {
        for round in 0..20 {
            let goal = OwnGoal;
            let task = corio::spawn(async move {
                let _goal = goal;
                std::future::pending::<()>().await;
            });
            if round % 2 == 0 {
                corio::yield_now().await;
            }
            task.cancel();
            assert!(task.await.unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_cancel_that_said_true_ends_the_task_cancelled() {
    const ROUNDS: usize = 3000;
    bounded(|| {
        let runtime = rt();
        let barrier = Arc::new(Barrier::new(2));
        let (send, receive) = std::sync::mpsc::channel::<TaskRef>();
        let canceller = thread::spawn({
            let barrier = barrier.clone();
            move || {
                let mut said = Vec::with_capacity(ROUNDS);
                for (round, task) in receive.into_iter().enumerate() {
                    barrier.wait();
                    for _ in 0..round % 64 {
                        std::hint::spin_loop();
                    }
                    said.push(task.cancel());
                }
                said
            }
        });
        let ledger = Ledger::new();
        let mut ended = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            let token = ledger.token();
            let task = runtime.create_task(async move {
                for _ in 0..round % 3 {
                    corio::yield_now().await;
                }
                token
            });
            send.send(task.task_ref()).unwrap();
            barrier.wait();
            ended.push(wait(&runtime, task).is_err_and(|error| error.is_cancelled()));
        }
        drop(send);
        assert_eq!(canceller.join().unwrap(), ended);
        assert_eq!(ledger.live(), 0);
    });
}

#[test]
fn cancels_from_many_threads_are_all_counted() {
    bounded(|| {
        let runtime = rt();
        let gate = Signal::new();
        let opened = gate.clone();
        // The task is inside a poll all the while, so that nothing is delivered.
        let started = Signal::new();
        let mark = started.clone();
        let task = runtime.create_task(async move {
            mark.set();
            opened.wait_blocking("the cancels");
        });
        started.wait_blocking("the task's start");
        let counted = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (task, counted) = (task.task_ref(), counted.clone());
                thread::spawn(move || {
                    for _ in 0..500 {
                        counted.fetch_add(usize::from(task.cancel()), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((counted.load(Ordering::Relaxed), task.cancelling()), (2000, 2000));
        gate.set();
        assert!(wait(&runtime, task).unwrap_err().is_cancelled());
    });
}

#[test]
fn main_may_be_cancelled() {
    bounded(|| {
        let ledger = Ledger::new();
        let token = ledger.token();
        let ended = crate::support::builder().run(async {
            let _token = token;
            let me = corio::current_task().unwrap();
            drop(corio::spawn(async move { me.cancel_with("from below") }));
            std::future::pending::<()>().await;
        });
        let Err(corio::RunError::Cancelled(cancelled)) = ended else { panic!("{ended:?}") };
        assert_eq!(cancelled.msg(), Some("from below"));
        assert_eq!(ledger.live(), 0);
    });
}

/// Of cancels that are delivered as one the first one's message counts, and no other is kept: a task
/// that is masked for long may be asked as often as anybody likes.
#[test]
fn a_million_cancels_of_a_masked_task_keep_one_message() {
    bounded(|| {
        let runtime = rt();
        let (gate, began) = (Signal::new(), Signal::new());
        let (inside, says) = (gate.clone(), began.clone());
        let masked = runtime.create_task(async move {
            corio::defer_cancel(async move {
                says.set();
                inside.wait().await;
            })
            .await;
            let caught = corio::catch_cancel(std::future::pending::<()>()).await;
            caught.unwrap_err().msg().map(str::to_owned)
        });
        runtime.block_on(began.wait());
        assert!(masked.cancel_with("the first"));
        let later: Arc<str> = "a later one".into();
        for _ in 0..1_000_000 {
            assert!(masked.cancel_with(later.clone()));
        }
        assert_eq!(Arc::strong_count(&later), 1, "messages are kept that nobody will read");
        assert_eq!(masked.cancelling(), 4095);
        gate.set();
        assert_eq!(wait(&runtime, masked).unwrap().as_deref(), Some("the first"));
    });
}
