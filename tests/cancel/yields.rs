//! A task that yields says so to its runner alone: cancels see that it will be polled again.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Instant;

use corio::{Builder, catch_cancel, current_task, defer_cancel, spawn, timeout_at, yield_now};

use crate::support::{Flag, for_ever};

/// Runs `main` on one worker, where tasks take turns.
fn in_turns<F: Future + Send>(main: F) -> F::Output
where
    F::Output: Send,
{
    Builder::new().workers(1).watch(false).run(main).unwrap()
}

/// As often as a request waits for a scope that is not polled yet.
async fn yield_a_few_times() {
    for _ in 0..5 {
        yield_now().await;
    }
}

/// Polls once, and goes on.
async fn begin<F: Future>(mut future: Pin<&mut F>) {
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_scope_that_comes_after_yields_takes_the_cancel() {
    in_turns(async {
        let task = spawn(async {
            let mut caught = pin!(catch_cancel(for_ever()));
            begin(caught.as_mut()).await;
            assert!(current_task().expect("inside a task").cancel());
            yield_a_few_times().await;
            caught.await.is_err()
        });
        assert!(task.await.expect("the scope takes it"));
    });
}

#[test]
fn a_masked_task_that_yields_gives_turns() {
    const YIELDS: usize = 1_000;
    in_turns(async {
        let (done, turns) = (Flag::default(), Arc::new(AtomicUsize::new(0)));
        let (is_done, taken) = (done.clone(), turns.clone());
        let sibling = spawn(async move {
            while !is_done.is_set() {
                taken.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        let masked = spawn(defer_cancel(async move {
            for _ in 0..YIELDS {
                yield_now().await;
            }
            done.set();
        }));
        yield_now().await;
        assert!(masked.cancel());
        let _ = masked.await;
        sibling.await.unwrap();
        let turns = turns.load(Ordering::Relaxed);
        assert!(
            (YIELDS - 10..YIELDS + 10).contains(&turns),
            "{turns} turns beside {YIELDS} yields"
        );
    });
}

#[test]
fn a_scope_that_comes_after_yields_is_asked_by_a_limit() {
    in_turns(async {
        let caught = Flag::default();
        let says = caught.clone();
        let body = async move {
            let mut scope = pin!(catch_cancel(for_ever()));
            begin(scope.as_mut()).await;
            yield_a_few_times().await;
            if scope.await.is_err() {
                says.set();
            }
        };
        let _ = timeout_at(Instant::now(), body).await;
        assert!(caught.is_set(), "the limit gave up before the scope was polled");
    });
}
