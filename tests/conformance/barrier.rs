//! Barrier: test_locks.py, BarrierTests.

use std::sync::Arc;

use corio::Task;
use corio_tests::kit::poll_once;

use crate::support::sync::Barrier;
use crate::support::{Trace, done, on_loop, py, task, turn, turns};

/// Waits once and tells how it went.
async fn wait(barrier: &Barrier, trace: &Trace, name: &str) {
    match barrier.wait().await {
        Ok(result) => trace.say(format!("{name} {}", result.index())),
        Err(_broken) => trace.say(format!("{name} broken")),
    }
}

fn wait_at(barrier: &Arc<Barrier>, trace: &Trace, name: &'static str) -> Task<()> {
    task!([barrier, trace] wait(&barrier, &trace, name).await)
}

async fn all<const N: usize>(tasks: [Task<()>; N]) {
    for task in tasks {
        task.await.unwrap();
    }
}

fn barrier(parties: usize) -> (Arc<Barrier>, Trace, Trace) {
    let trace = Trace::default();
    (Arc::new(Barrier::new(parties)), trace.clone(), trace)
}

// conforms: 12 test_repr
// differs: those inside are counted while the barrier drains, too
#[test]
fn test_repr() {
    let barrier = Barrier::new(2);
    let shown = || format!("{barrier:?}");
    assert_eq!(shown(), "Barrier { phase: \"filling\", inside: 0, parties: 2 }");
    let mut first = Box::pin(barrier.wait());
    assert!(poll_once(first.as_mut()).is_pending());
    assert_eq!(shown(), "Barrier { phase: \"filling\", inside: 1, parties: 2 }");
    assert!(poll_once(barrier.wait()).is_ready());
    assert_eq!(shown(), "Barrier { phase: \"draining\", inside: 1, parties: 2 }");
    barrier.reset();
    assert_eq!(shown(), "Barrier { phase: \"resetting\", inside: 1, parties: 2 }");
    barrier.abort();
    assert_eq!(shown(), "Barrier { phase: \"broken\", inside: 1, parties: 2 }");
}

// conforms: 12 test_barrier_parties
#[test]
fn test_barrier_parties() {
    let none = std::panic::catch_unwind(|| Barrier::new(0));
    assert!(none.is_err(), "a barrier for nobody");
    assert_eq!(Barrier::new(3).parties(), 3);
}

// conforms: 12 test_context_manager
// conforms: 12 test_filling_tasks_check_return_value
#[test]
fn test_filling_tasks_check_return_value() {
    let (barrier, trace, said) = barrier(3);
    on_loop(|| async move {
        for _ in 0..2 {
            all(["a", "b", "c"].map(|name| wait_at(&barrier, &trace, name))).await;
        }
    });
    said.expect_recorded("barrier test_filling_tasks_check_return_value");
}

// conforms: 12 test_filling_one_task
// conforms: 12 test_filling_one_task_twice
#[test]
fn test_filling_one_task_twice() {
    let barrier = Barrier::new(1);
    for _ in 0..2 {
        assert!(poll_once(barrier.wait()).is_ready(), "one party never suspends");
        assert_eq!((barrier.n_waiting(), barrier.broken()), (0, false));
    }
}

// conforms: 12 test_filling_task_by_task
#[test]
fn test_filling_task_by_task() {
    let (barrier, trace, said) = barrier(3);
    on_loop(|| async move {
        let mut tasks = Vec::new();
        for name in ["a", "b", "c"] {
            tasks.push(wait_at(&barrier, &trace, name));
            turn().await;
            trace.say(format!("waiting {} {}", barrier.n_waiting(), py(barrier.broken())));
        }
        turns(10).await;
        trace.say(format!("{} {}", done(&tasks), barrier.n_waiting()));
    });
    said.expect_recorded("barrier test_filling_task_by_task");
}

// conforms: 12 test_filling_tasks_wait_twice
// differs: who comes while a round leaves keeps its place; asyncio lets those overtake it that come before it runs
#[test]
fn test_filling_tasks_wait_twice() {
    let (barrier, trace, said) = barrier(2);
    on_loop(|| async move {
        all(["a", "b"].map(|name| {
            task!([barrier, trace] for _ in 0..2 {
                wait(&barrier, &trace, name).await;
            })
        }))
        .await;
    });
    said.expect(&["b 1", "a 0", "a 1", "b 0"]);
}

// conforms: 12 test_draining_state
#[test]
fn test_draining_state() {
    let barrier = Barrier::new(3);
    let mut early = [barrier.wait(), barrier.wait()].map(Box::pin);
    for wait in &mut early {
        assert!(poll_once(wait.as_mut()).is_pending());
    }
    let mut late = Box::pin(barrier.wait());
    assert!(poll_once(late.as_mut()).is_ready());
    for (i, wait) in early.iter_mut().enumerate() {
        assert!(format!("{barrier:?}").contains("draining"), "until the last has left");
        assert_eq!(barrier.n_waiting(), 0);
        let std::task::Poll::Ready(Ok(result)) = poll_once(wait.as_mut()) else { panic!("full") };
        assert_eq!(result.index(), i);
    }
    assert!(format!("{barrier:?}").contains("filling"));
}

// conforms: 12 test_blocking_tasks_while_draining
#[test]
fn test_blocking_tasks_while_draining() {
    let (barrier, trace, said) = barrier(2);
    on_loop(|| async move {
        let again = ["a", "b"].map(|name| {
            task!([barrier, trace] {
                wait(&barrier, &trace, name).await;
                let again = if name == "a" { "a again" } else { "b again" };
                drop(wait_at(&barrier, &trace, again));
            })
        });
        all(again).await;
        turns(20).await;
        trace.say(format!("{} {}", barrier.n_waiting(), py(barrier.broken())));
    });
    said.expect_recorded("barrier test_blocking_tasks_while_draining");
}

// conforms: 12 test_filling_tasks_cancel_one
#[test]
fn test_filling_tasks_cancel_one() {
    let (barrier, trace, said) = barrier(3);
    on_loop(|| async move {
        let first = wait_at(&barrier, &trace, "a");
        turn().await;
        let second = wait_at(&barrier, &trace, "b");
        turns(5).await;
        trace.say(barrier.n_waiting());
        second.cancel();
        turns(5).await;
        let words = [barrier.broken(), second.cancelled()].map(py);
        trace.say(format!("{} {}", barrier.n_waiting(), words.join(" ")));
        let rest = ["c", "d"].map(|name| wait_at(&barrier, &trace, name));
        first.await.unwrap();
        all(rest).await;
        trace.say(format!("{} {}", barrier.n_waiting(), py(barrier.broken())));
    });
    said.expect_recorded("barrier test_filling_tasks_cancel_one");
}

// conforms: 12 test_reset_barrier
#[test]
fn test_reset_barrier() {
    let barrier = Barrier::new(1);
    barrier.reset();
    assert_eq!((barrier.n_waiting(), barrier.broken()), (0, false));
    assert!(matches!(poll_once(barrier.wait()), std::task::Poll::Ready(Ok(_))));
}

// conforms: 12 test_barrier
// conforms: 12 test_reset_barrier_while_tasks_waiting
#[test]
fn test_reset_barrier_while_tasks_waiting() {
    let (barrier, trace, said) = barrier(3);
    on_loop(|| async move {
        let tasks = ["a", "b"].map(|name| wait_at(&barrier, &trace, name));
        turns(5).await;
        barrier.reset();
        turns(10).await;
        let broken = py(barrier.broken());
        trace.say(format!("{} {} {broken}", done(&tasks), barrier.n_waiting()));
        let tasks = ["c", "d", "e"].map(|name| wait_at(&barrier, &trace, name));
        turns(10).await;
        trace.say(format!("{} {}", done(&tasks), py(barrier.broken())));
    });
    said.expect_recorded("barrier test_reset_barrier_while_tasks_waiting");
}

// conforms: 12 test_reset_barrier_when_tasks_half_draining
#[test]
fn test_reset_barrier_when_tasks_half_draining() {
    let (barrier, trace, said) = barrier(3);
    on_loop(|| async move {
        let early = ["a", "b"].map(|name| wait_at(&barrier, &trace, name));
        turn().await;
        // The last to come leaves at once, and resets while the others still have to.
        wait(&barrier, &trace, "c").await;
        barrier.reset();
        all(early).await;
        trace.say(format!("{} {}", barrier.n_waiting(), py(barrier.broken())));
    });
    said.expect_recorded("barrier test_reset_barrier_when_tasks_half_draining");
}

// conforms: 12 test_reset_barrier_when_tasks_half_draining_half_blocking
// differs: who comes while a round leaves keeps its place; asyncio lets those overtake it that come before it runs
#[test]
fn test_reset_barrier_when_tasks_half_draining_half_blocking() {
    let (barrier, trace, said) = barrier(2);
    on_loop(|| async move {
        let mut tasks = vec![wait_at(&barrier, &trace, "a")];
        turn().await;
        tasks.push(wait_at(&barrier, &trace, "b"));
        // Fills the round before the second task has run: that one comes for the next.
        wait(&barrier, &trace, "x").await;
        tasks.push(wait_at(&barrier, &trace, "c"));
        barrier.reset();
        for _ in 0..2 {
            turns(10).await;
            let broken = py(barrier.broken());
            trace.say(format!("{} {} {broken}", done(&tasks), barrier.n_waiting()));
        }
    });
    said.expect(&[
        "x 1",
        "a broken",
        "c 1",
        "b 0",
        "[True, True, True] 0 False",
        "[True, True, True] 0 False",
    ]);
}

// conforms: 12 test_reset_barrier_while_tasks_waiting_and_waiting_again
// differs: who comes while a round leaves keeps its place; asyncio lets those overtake it that come before it runs
#[test]
fn test_reset_barrier_while_tasks_waiting_and_waiting_again() {
    let (barrier, trace, said) = barrier(3);
    on_loop(|| async move {
        let stubborn = ["a", "b"].map(|name| {
            task!([barrier, trace] {
                wait(&barrier, &trace, name).await;
                wait(&barrier, &trace, name).await;
            })
        });
        turns(5).await;
        barrier.reset();
        turns(10).await;
        trace.say(format!("{} {}", barrier.n_waiting(), py(barrier.broken())));
        wait(&barrier, &trace, "c").await;
        all(stubborn).await;
    });
    said.expect(&["a broken", "b broken", "2 False", "c 2", "a 0", "b 1"]);
}

// conforms: 12 test_reset_barrier_while_tasks_draining
#[test]
fn test_reset_barrier_while_tasks_draining() {
    let (barrier, trace, _) = barrier(3);
    on_loop(|| async move {
        let left = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let tasks = ["a", "b", "c"].map(|name| {
            task!([barrier, trace, left] {
                wait(&barrier, &trace, name).await;
                if left.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 2 {
                    barrier.reset();
                }
            })
        });
        all(tasks).await;
        trace.expect(&["c 2", "a 0", "b 1"]);
        assert_eq!((barrier.n_waiting(), barrier.broken()), (0, false));
    });
}

// conforms: 12 test_abort_barrier
// conforms: 12 test_abort_barrier_when_exception_then_resetting
#[test]
fn test_abort_barrier() {
    let (barrier, trace, said) = barrier(3);
    on_loop(|| async move {
        let tasks = ["a", "b"].map(|name| wait_at(&barrier, &trace, name));
        turns(5).await;
        barrier.abort();
        turns(10).await;
        let broken = py(barrier.broken());
        trace.say(format!("{} {} {broken}", done(&tasks), barrier.n_waiting()));
        wait(&barrier, &trace, "late").await;
        barrier.reset();
        trace.say(py(barrier.broken()));
        all(["c", "d", "e"].map(|name| wait_at(&barrier, &trace, name))).await;
    });
    said.expect_recorded("barrier test_abort_barrier");
}

// conforms: 12 test_abort_barrier_when_tasks_half_draining_half_blocking
#[test]
fn test_abort_barrier_when_tasks_half_draining_half_blocking() {
    let (barrier, trace, _) = barrier(2);
    on_loop(|| async move {
        let early = wait_at(&barrier, &trace, "a");
        turn().await;
        wait(&barrier, &trace, "b").await;
        let mut next = Box::pin(barrier.wait());
        assert!(poll_once(next.as_mut()).is_pending(), "the round is still leaving");
        barrier.abort();
        early.await.unwrap();
        assert!(next.await.is_err());
        trace.expect(&["b 1", "a broken"]);
        assert_eq!((barrier.n_waiting(), barrier.broken()), (0, true));
    });
}

// conforms: 12 test_abort_barrier_when_exception
#[test]
fn test_abort_barrier_when_exception() {
    let (barrier, trace, _) = barrier(3);
    on_loop(|| async move {
        let failing = task!([barrier] {
            struct Abort(Arc<Barrier>);
            impl Drop for Abort {
                fn drop(&mut self) {
                    self.0.abort();
                }
            }
            let _abort = Abort(barrier);
            turns(3).await;
            Err::<(), _>("the work failed")
        });
        all(["a", "b"].map(|name| wait_at(&barrier, &trace, name))).await;
        assert_eq!(failing.await.unwrap(), Err("the work failed"));
        trace.expect(&["a broken", "b broken"]);
        assert!(barrier.broken());
    });
}
