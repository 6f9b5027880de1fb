//! as_completed: test_tasks.py.

use std::future::poll_fn;
use std::pin::Pin;

use corio::{Task, as_completed, create_task, timeout};
use corio_tests::kit::{Signal, poll_once};
use futures_core::Stream;

use crate::cancellation::{for_ever, ms};
use crate::support::{Trace, on_loop, task, turn, turns};

/// A task that ends with its number when its signal comes.
fn numbered(go: &[Signal]) -> Vec<Task<usize>> {
    let number = |(n, go): (usize, &Signal)| {
        task!([go] {
            go.wait().await;
            n
        })
    };
    go.iter().enumerate().map(number).collect()
}

fn signals(count: usize) -> Vec<Signal> {
    (0..count).map(|_| Signal::new()).collect()
}

// conforms: 4 test_as_completed
// conforms: 4 test_as_completed_reverse_wait
#[test]
fn results_come_in_the_order_of_the_ends() {
    on_loop(|| async {
        let go = signals(3);
        let mut results = as_completed(numbered(&go));
        for n in [2, 0, 1] {
            go[n].set();
            turns(2).await;
        }
        for n in [2, 0, 1] {
            let (index, value) = results.next().await.unwrap();
            assert_eq!((index, value.unwrap()), (n, n));
        }
        assert!(results.next().await.is_none());
        // The same as a stream.
        let go = signals(3);
        let mut results = as_completed(numbered(&go));
        for n in [1, 2, 0] {
            go[n].set();
            let next = poll_fn(|cx| Pin::new(&mut results).poll_next(cx));
            let (index, value) = next.await.unwrap();
            assert_eq!((index, value.unwrap()), (n, n));
        }
        assert!(poll_fn(|cx| Pin::new(&mut results).poll_next(cx)).await.is_none());
    });
}

// conforms: 4 test_as_completed_same_tasks_in_as_out
// differs: the place among the arguments says which task it was; the handle is used up by its value
#[test]
fn the_index_names_the_task() {
    on_loop(|| async {
        let tasks = [7, 8, 9].map(|n| create_task(async move { n }));
        let ids = tasks.each_ref().map(|task| task.id());
        let names = tasks.each_ref().map(|task| task.task_ref());
        let mut results = as_completed(tasks);
        while let Some((index, value)) = results.next().await {
            assert_eq!(value.unwrap(), index + 7);
            assert_eq!(names[index].id(), ids[index]);
        }
    });
}

// conforms: 4 test_as_completed_with_timeout
#[test]
fn test_as_completed_with_timeout() {
    on_loop(|| async {
        let go = signals(2);
        go[0].set();
        let tasks = numbered(&go);
        let watched = tasks[1].task_ref();
        // The first one has ended before the limit is set.
        turns(2).await;
        assert!(tasks[0].done());
        let mut results = as_completed(tasks).with_timeout(ms(5));
        assert_eq!(results.next().await.unwrap().unwrap().0, 0);
        assert!(results.next().await.unwrap().is_err());
        assert!(results.next().await.is_none());
        assert!(!watched.done() && watched.cancelling() == 0);
        go[1].set();
    });
}

// conforms: 4 test_as_completed_with_unused_timeout
#[test]
fn test_as_completed_with_unused_timeout() {
    on_loop(|| async {
        let mut results = as_completed([async { 1 }]).with_timeout(ms(60_000));
        assert_eq!(results.next().await.unwrap().unwrap().1.unwrap(), 1);
        // The timer is gone with the last result, so this is no wait.
        assert!(matches!(poll_once(results.next()), std::task::Poll::Ready(None)));
    });
}

// conforms: 4 test_as_completed_resume_iterator
#[test]
fn test_as_completed_resume_iterator() {
    on_loop(|| async {
        let go = signals(3);
        let mut results = as_completed(numbered(&go));
        go[1].set();
        for (n, _) in std::iter::once(results.next().await.unwrap()) {
            assert_eq!(n, 1);
        }
        turns(2).await;
        go[2].set();
        go[0].set();
        let mut rest = Vec::new();
        while let Some((n, _)) = results.next().await {
            rest.push(n);
        }
        assert_eq!(rest, [2, 0]);
    });
}

// conforms: 4 test_as_completed_async_iterator_cancelled_anext
// conforms: 4 test_as_completed_plain_iterator_cancelled_wait
#[test]
fn a_wait_that_is_cancelled_loses_nothing() {
    on_loop(|| async {
        let go = signals(2);
        let mut results = as_completed(numbered(&go));
        assert!(timeout(ms(1), results.next()).await.is_err());
        assert!(poll_once(results.next()).is_pending());
        go[1].set();
        go[0].set();
        assert_eq!(results.next().await.unwrap().0, 1);
        assert_eq!(results.next().await.unwrap().0, 0);
    });
}

// conforms: 4 test_as_completed_coroutine_use_running_loop
#[test]
fn test_as_completed_coroutine_use_running_loop() {
    let trace = Trace::default();
    let said = trace.clone();
    on_loop(|| async move {
        let before = corio::all_tasks().len();
        let parts = ["a", "b"].map(|name| {
            let trace = trace.clone();
            async move {
                trace.say(name);
                turn().await;
            }
        });
        let mut results = as_completed(parts);
        assert_eq!(corio::all_tasks().len(), before + 2);
        while results.next().await.is_some() {}
    });
    said.expect(&["a", "b"]);
}

// conforms: 4 test_as_completed_coroutine_without_loop
#[test]
#[should_panic(expected = "corio")]
fn test_as_completed_coroutine_without_loop() {
    drop(as_completed([async {}]));
}

/// What it made of futures goes with it.
#[test]
fn dropping_it_cancels_what_it_made() {
    on_loop(|| async {
        let before = corio::all_tasks().len();
        let results = as_completed([for_ever(), for_ever()]);
        turn().await;
        drop(results);
        turns(2).await;
        assert_eq!(corio::all_tasks().len(), before);
    });
}
