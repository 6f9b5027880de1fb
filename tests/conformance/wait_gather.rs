//! wait and gather: test_tasks.py.

use std::time::{Duration, Instant};

use corio::{
    GatherError, ReturnWhen, Task, TaskRef, create_task, gather, gather_all, sleep, try_gather,
    wait,
};
use corio_tests::kit::{Signal, poll_once};

use crate::cancellation::{for_ever, ms, said};
use crate::support::{Trace, as_recorded, on_loop, task, turn, turns};

use ReturnWhen::{AllCompleted, FirstCompleted, FirstException};

/// A task that ends when the signal comes.
fn ends(go: &Signal) -> Task<()> {
    let go = go.clone();
    create_task(async move { go.wait().await })
}

/// A task that panics in its second poll.
fn fails() -> Task<()> {
    create_task(async {
        turn().await;
        panic!("it fails");
    })
}

fn nobody_was_cancelled(tasks: &[TaskRef]) -> bool {
    tasks.iter().all(|task| task.cancelling() == 0)
}

// conforms: 4 test_wait
#[test]
fn test_wait() {
    on_loop(|| async {
        let tasks = [2, 4].map(|n| create_task(sleep(ms(n)))).into();
        let (done, pending) = wait(tasks, AllCompleted, None).await.unwrap();
        assert_eq!((done.len(), pending.len()), (2, 0));
        // Again, on tasks that are done: at once.
        let again = poll_once(wait(done, AllCompleted, None));
        let std::task::Poll::Ready(Ok((done, pending))) = again else { panic!("it waits") };
        assert_eq!((done.len(), pending.len()), (2, 0));
    });
}

// conforms: 4 test_wait_errors
#[test]
fn test_wait_errors() {
    on_loop(|| async {
        let empty = wait(Vec::<Task<()>>::new(), AllCompleted, None).await;
        assert_eq!(empty.unwrap_err().to_string(), "wait() was given no tasks");
    });
}

// conforms: 4 test_wait_first_completed
#[test]
fn test_wait_first_completed() {
    on_loop(|| async {
        let go = Signal::new();
        let tasks = vec![ends(&go), create_task(async {})];
        let watched: Vec<_> = tasks.iter().map(Task::task_ref).collect();
        let (done, pending) = wait(tasks, FirstCompleted, None).await.unwrap();
        assert_eq!((done[0].id(), pending[0].id()), (watched[1].id(), watched[0].id()));
        assert!(nobody_was_cancelled(&watched) && !pending[0].done());
        go.set();
        let (done, _) = wait(pending, AllCompleted, None).await.unwrap();
        assert_eq!(done.len(), 1);
    });
}

// conforms: 4 test_wait_really_done
#[test]
fn test_wait_really_done() {
    on_loop(|| async {
        let tasks = vec![create_task(turn()), create_task(turn()), create_task(for_ever())];
        let waiting = create_task(wait(tasks, FirstCompleted, None));
        let (done, pending) = waiting.await.unwrap().unwrap();
        // Both had ended when the wait did, though one was enough.
        assert_eq!((done.len(), pending.len()), (2, 1));
    });
}

// conforms: 4 test_wait_first_exception
// conforms: 4 test_wait_first_exception_in_wait
#[test]
fn a_failure_ends_the_wait() {
    on_loop(|| async {
        for fails_before in [true, false] {
            let tasks = vec![create_task(for_ever()), fails()];
            if fails_before {
                turns(3).await;
                assert!(tasks[1].done());
            }
            let (done, pending) = wait(tasks, FirstException, None).await.unwrap();
            assert_eq!((done.len(), pending.len()), (1, 1));
            assert!(done[0].exception().unwrap().unwrap().is_panic());
        }
        // To be cancelled is no failure.
        let (cancelled, go) = (create_task(for_ever()), Signal::new());
        cancelled.cancel();
        let waiting = create_task(wait(vec![cancelled, ends(&go)], FirstException, None));
        turns(3).await;
        assert!(!waiting.done());
        go.set();
        assert_eq!(waiting.await.unwrap().unwrap().0.len(), 2);
    });
}

// conforms: 4 test_wait_with_exception
#[test]
fn test_wait_with_exception() {
    on_loop(|| async {
        let tasks = vec![create_task(sleep(ms(2))), fails_with(())];
        let (done, pending) = wait(tasks, AllCompleted, None).await.unwrap();
        assert!(pending.is_empty());
        let errors = done.iter().filter(|task| task.exception().unwrap().is_some());
        assert_eq!(errors.count(), 1, "the error stays in its task");
    });
}

fn fails_with<T: Send + 'static>(_: T) -> Task<T> {
    create_task(async { panic!("it fails") })
}

// conforms: 4 test_wait_with_timeout
// conforms: 4 test_wait_concurrent_complete
#[test]
fn a_limit_of_a_wait_is_no_error() {
    on_loop(|| async {
        let tasks = vec![create_task(sleep(ms(1))), create_task(sleep(Duration::from_secs(600)))];
        let watched: Vec<_> = tasks.iter().map(Task::task_ref).collect();
        // Both sleep, so the first one ends before the limit, however slow this is.
        turn().await;
        let (done, pending) = wait(tasks, AllCompleted, Some(ms(20))).await.unwrap();
        assert_eq!((done.len(), pending.len()), (1, 1));
        assert!(nobody_was_cancelled(&watched));
        // What has ended when the limit comes counts as done.
        let ended = create_task(async {});
        turn().await;
        let (done, pending) = wait(vec![ended], AllCompleted, Some(ms(0))).await.unwrap();
        assert_eq!((done.len(), pending.len()), (1, 0));
    });
}

// conforms: 4 test_wait_with_iterator_of_tasks
// conforms: 4 test_wait_generator
#[test]
fn a_wait_for_what_an_iterator_gives() {
    on_loop(|| async {
        let tasks = (0..3).map(|n| create_task(async move { n })).collect();
        let (done, _) = wait(tasks, AllCompleted, None).await.unwrap();
        let mut values: Vec<_> = done.iter().map(|task| *task.result().unwrap()).collect();
        values.sort_unstable();
        assert_eq!(values, [0, 1, 2]);
    });
}

// conforms: 4 test_sleep
#[test]
fn test_sleep() {
    on_loop(|| async {
        let start = Instant::now();
        sleep(ms(5)).await;
        assert!(start.elapsed() >= ms(5));
    });
}

// conforms: 4 SleepTests.test_sleep_zero
#[test]
fn a_yield_lets_all_that_is_ready_run_once() {
    as_recorded("compose sleep_zero", |trace| async move {
        let tasks: Vec<_> = (0..3).map(|n| task!([trace] trace.say(n))).collect();
        trace.say("yields");
        turn().await;
        trace.say("resumes");
        drop(gather_all(tasks).await);
    });
}

// conforms: 4 GatherTestsBase.test_success
// conforms: 4 test_result_exception_success
#[test]
fn values_come_in_the_order_of_the_arguments() {
    on_loop(|| async {
        let numbers = || {
            [3, 1, 2].map(|n| async move {
                sleep(ms(n)).await;
                n
            })
        };
        assert_eq!(gather(numbers()).await.unwrap(), [3, 1, 2]);
        let all: Vec<_> = gather_all(numbers()).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(all, [3, 1, 2]);
    });
}

/// The order of the ends is not that of the values.
#[test]
fn ends_and_values() {
    as_recorded("compose gather_order_of_ends", |trace| async move {
        let part = |name: &'static str, count: usize| {
            let trace = trace.clone();
            async move {
                turns(count).await;
                trace.say(name);
                name
            }
        };
        let all = gather([part("a", 3), part("b", 1), part("c", 2)]).await.unwrap();
        trace.say(all.join(" "));
    });
}

// conforms: 4 test_one_exception
// conforms: 4 test_exception_marking
// differs: a panic of one that was left alone is told as one that nobody has seen; here it is, as it has no handle any more
#[test]
fn the_first_failure_is_the_result_and_the_others_go_on() {
    on_loop(|| async {
        let (go, trace) = (Signal::new(), Trace::default());
        let other = task!([go, trace] {
            go.wait().await;
            trace.say("went on");
            panic!("nobody asks for this");
        });
        let watched = other.task_ref();
        let error = gather([other, fails()]).await.unwrap_err();
        assert_eq!(error.panic_message(), Some("it fails"));
        assert!(!watched.done() && watched.cancelling() == 0);
        go.set();
        turns(3).await;
        assert!(watched.done());
        trace.expect(&["went on"]);
        // With errors that are values.
        let halves = try_gather(
            [2, 3].map(|n| async move { if n % 2 == 0 { Ok(n / 2) } else { Err("odd") } }),
        );
        assert!(matches!(halves.await, Err(GatherError::Failed { index: 1, error: "odd" })));
    });
}

// conforms: 4 test_return_exceptions
#[test]
fn errors_are_collected_in_place() {
    on_loop(|| async {
        let all = gather_all([create_task(async {}), fails(), create_task(turn())]).await;
        let failed: Vec<_> = all.iter().map(Result::is_err).collect();
        assert_eq!(failed, [false, true, false]);
    });
}

// conforms: 4 test_one_cancellation
// conforms: 4 test_result_exception_one_cancellation
#[test]
fn a_cancelled_child_is_an_error_of_the_gather() {
    on_loop(|| async {
        let go = Signal::new();
        let (bad, good) = (create_task(for_ever()), ends(&go));
        let (handle, watched) = (bad.task_ref(), good.task_ref());
        let gathering = create_task(gather([good, bad]));
        turns(2).await;
        handle.cancel_with("bad");
        let error = gathering.await.expect("gather itself is not cancelled").unwrap_err();
        assert_eq!(said(&error), Some("bad"));
        assert!(!watched.done() && watched.cancelling() == 0);
        let bad = create_task(for_ever());
        bad.cancel();
        go.set();
        let all = gather_all([create_task(async {}), bad]).await;
        assert!(all[0].is_ok() && all[1].as_ref().unwrap_err().is_cancelled());
    });
}

// conforms: 4 test_cancellation_broadcast
// conforms: 4 test_cancel_gather_2
#[test]
fn a_cancel_goes_to_all_children() {
    on_loop(|| async {
        for all in [false, true] {
            let children = [create_task(for_ever()), create_task(for_ever())];
            let watched = children.each_ref().map(Task::task_ref);
            let gathering = create_task(async move {
                if all {
                    drop(gather_all(children).await);
                } else {
                    drop(gather(children).await);
                }
            });
            turns(2).await;
            assert!(gathering.cancel_with("all of you"));
            let handle = gathering.task_ref();
            assert_eq!(said(&gathering.await.unwrap_err()), Some("all of you"));
            assert!(watched.iter().all(|task| task.done() && task.cancelling() == 1));
            assert!(!handle.cancel());
        }
    });
}

// conforms: 4 test_cancel_gather_1
// differs: a gather is no task: its cancel is that of the task that waits, which is answered by a cancel that goes on
#[test]
fn a_cancel_that_comes_when_all_children_are_done() {
    on_loop(|| async {
        let child = create_task(async { 1 });
        let gathering = create_task(gather([child]));
        turns(4).await;
        assert!(gathering.done() && !gathering.cancel());
        // The child is done, and the waiting task has not been polled since.
        let go = Signal::new();
        let gathering = create_task(gather([ends(&go)]));
        turns(2).await;
        go.set();
        turn().await;
        gathering.cancel();
        assert!(gathering.await.map(drop).unwrap_err().is_cancelled());
    });
}

// conforms: 4 test_constructor_empty_sequence_use_running_loop
// conforms: 4 test_constructor_empty_sequence_without_loop
// conforms: 4 test_constructor_empty_sequence_use_global_loop
#[test]
fn a_gather_of_nothing_is_ready() {
    let empty = poll_once(gather(Vec::<Task<()>>::new()));
    assert!(matches!(empty, std::task::Poll::Ready(Ok(values)) if values.is_empty()));
}

// conforms: 4 test_constructor_heterogenous_futures
#[test]
fn children_of_two_runtimes() {
    on_loop(|| async {
        let other = corio::Builder::new().workers(1).build().unwrap();
        let there = other.handle().create_task(async { 1 });
        assert_eq!(gather([there, create_task(async { 2 })]).await.unwrap(), [1, 2]);
        other.shutdown(None);
    });
}

// conforms: 4 test_constructor_homogenous_futures
// conforms: 4 test_constructor_use_running_loop
#[test]
fn futures_become_tasks_of_the_running_loop() {
    on_loop(|| async {
        let before = corio::all_tasks().len();
        let gathering = gather([turn(), turn()]);
        assert_eq!(corio::all_tasks().len(), before + 2);
        gathering.await.unwrap();
    });
}

// conforms: 4 test_constructor_use_global_loop
// differs: the loop that was set is asked for by name: a future becomes a task of the loop that runs
#[test]
fn a_gather_on_the_loop_that_was_set() {
    let event_loop = corio::new_event_loop().unwrap();
    corio::set_event_loop(Some(&event_loop));
    let set = corio::get_event_loop().unwrap();
    let tasks = [1, 2].map(|n| set.create_task(async move { n }));
    assert_eq!(event_loop.run_until_complete(gather(tasks)).unwrap().unwrap(), [1, 2]);
    corio::set_event_loop(None);
}

// conforms: 4 test_constructor_without_loop
#[test]
#[should_panic(expected = "corio")]
fn a_gather_of_futures_without_a_loop() {
    drop(gather([turn()]));
}
