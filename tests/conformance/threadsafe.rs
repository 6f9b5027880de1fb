//! run_coroutine_threadsafe: test_tasks.py, RunCoroutineThreadsafeTests, and test_free_threading.py.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use corio::{ConcurrentError, EventLoop, Handle, catch_cancel, run_coroutine_threadsafe};
use corio_tests::kit::Signal;

use crate::support::with_loop;

/// Runs a loop while `body` does something on another thread.
fn beside<T: Send + 'static>(
    event_loop: &EventLoop,
    body: impl FnOnce(Handle) -> T + Send + 'static,
) -> T {
    let handle: Handle = (**event_loop).clone();
    let main = async { corio::to_thread(move || body(handle)).await };
    match event_loop.run_until_complete(main).unwrap() {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

/// asyncio's `add`: waits a little, then fails, is cancelled, or gives the sum.
async fn add(a: u32, b: u32, fail: bool, cancel: bool) -> u32 {
    corio::sleep(Duration::from_millis(1)).await;
    assert!(!fail, "Fail!");
    if cancel {
        corio::current_task().unwrap().cancel();
        corio::yield_now().await;
    }
    a + b
}

// conforms: 6 test_run_coroutine_threadsafe
#[test]
fn a_value_crosses_threads() {
    with_loop(|event_loop| {
        let sum = beside(event_loop, |handle| {
            run_coroutine_threadsafe(add(1, 2, false, false), &handle).result(None)
        });
        assert_eq!(sum.unwrap(), 3);
    });
}

// conforms: 6 test_run_coroutine_threadsafe_with_exception
// differs: an error is a value, and a panic is the exception
#[test]
fn a_panic_crosses_threads() {
    with_loop(|event_loop| {
        let result = beside(event_loop, |handle| {
            run_coroutine_threadsafe(add(1, 2, true, false), &handle).result(None)
        });
        match result {
            Err(ConcurrentError::Task(error)) => assert_eq!(error.panic_message(), Some("Fail!")),
            other => panic!("{other:?}"),
        }
    });
}

// conforms: 6 test_run_coroutine_threadsafe_with_timeout
#[test]
fn a_timeout_leaves_the_task_and_a_cancel_ends_it() {
    with_loop(|event_loop| {
        beside(event_loop, |handle| {
            let mut future =
                run_coroutine_threadsafe(corio::sleep(Duration::from_secs(60)), &handle);
            let timed_out = future.result(Some(Duration::ZERO));
            assert!(matches!(timed_out, Err(ConcurrentError::Timeout)), "{timed_out:?}");
            assert!(!future.done() && future.cancel());
            let cancelled = future.result(None);
            assert!(
                matches!(&cancelled, Err(ConcurrentError::Task(error)) if error.is_cancelled()),
                "{cancelled:?}"
            );
            assert!(future.done() && future.cancelled() && future.cancel());
        });
        event_loop.run_until_complete(corio::yield_now()).unwrap();
        assert!(event_loop.all_tasks().is_empty());
    });
}

// conforms: 6 test_run_coroutine_threadsafe_task_cancelled
#[test]
fn a_task_that_cancels_itself_cancels_the_future() {
    with_loop(|event_loop| {
        beside(event_loop, |handle| {
            let mut future = run_coroutine_threadsafe(add(1, 2, false, true), &handle);
            let cancelled = future.result(None);
            assert!(
                matches!(&cancelled, Err(ConcurrentError::Task(error)) if error.is_cancelled()),
                "{cancelled:?}"
            );
            assert!(future.cancelled());
        });
    });
}

// conforms: 6 test_run_coroutine_threadsafe_task_factory_exception
// differs: there is no task factory that could fail; a closed loop refuses the coroutine
#[test]
fn a_refused_coroutine_is_told_to_the_thread() {
    let handle = with_loop(|event_loop| {
        event_loop.close().unwrap();
        (**event_loop).clone()
    });
    let mut future = run_coroutine_threadsafe(async { 5 }, &handle);
    assert!(matches!(future.result(None), Err(ConcurrentError::LoopClosed)));
}

// conforms: 6 test_run_coroutine_threadsafe_and_cancel
// conforms: 29 X12
#[test]
fn cancelling_the_future_cancels_the_task_in_its_loop() {
    with_loop(|event_loop| {
        let (started, ended) = (Signal::new(), Signal::new());
        beside(event_loop, move |handle| {
            let (start, told, end) = (started.clone(), Signal::new(), ended.clone());
            let clean = told.clone();
            let mut future = run_coroutine_threadsafe(
                async move {
                    start.set();
                    let slept = catch_cancel(corio::sleep(Duration::from_secs(60))).await;
                    clean.wait().await;
                    end.set();
                    slept.unwrap_err().suppress();
                    "a value for nobody"
                },
                &handle,
            );
            started.wait_blocking("the start");
            assert!(!future.done() && !future.cancelled());
            assert!(future.cancel(), "at once, before the clean-up");
            assert!(future.done() && future.cancelled());
            let result = future.result(None);
            assert!(matches!(&result, Err(ConcurrentError::Task(error)) if error.is_cancelled()));
            told.set();
            ended.wait_blocking("the end of the clean-up");
            assert!(future.cancelled() && future.cancel(), "also afterwards, and once more");
            assert!(future.result(None).is_err());
        });
    });
}

// conforms: 29 X13
#[test]
fn a_loop_that_stands_still_completes_nothing() {
    with_loop(|event_loop| {
        let mut future = event_loop.run_coroutine_threadsafe(async { 5 });
        let waited = future.result(Some(Duration::from_millis(5)));
        assert!(matches!(waited, Err(ConcurrentError::Timeout)), "{waited:?}");
        event_loop.run_until_complete(async {}).unwrap();
        assert_eq!(future.result(Some(Duration::ZERO)).unwrap(), 5);
    });
}

// conforms: 6 TestFreeThreading.test_run_coroutine_threadsafe
// conforms: 6 test_run_coroutine_threadsafe_exception
#[test]
fn many_threads_and_many_loops_at_once() {
    const LOOPS: usize = 4;
    const EACH: u32 = 50;
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        for _ in 0..LOOPS {
            let tell = tell.clone();
            scope.spawn(move || {
                let event_loop = corio::new_event_loop().unwrap();
                tell.send((*event_loop).clone()).unwrap();
                event_loop.run_forever().unwrap();
            });
        }
        let loops: Vec<Handle> = told.iter().take(LOOPS).collect();
        let submitters: Vec<_> = (0..LOOPS)
            .map(|_| {
                let loops = loops.clone();
                scope.spawn(move || {
                    for n in 0..EACH {
                        for one in &loops {
                            let good = run_coroutine_threadsafe(add(n, 1, false, false), one);
                            let bad = run_coroutine_threadsafe(add(n, 1, true, false), one);
                            let (mut good, mut bad) = (good, bad);
                            assert_eq!(good.result(None).unwrap(), n + 1);
                            let failed = bad.result(None);
                            assert!(
                                matches!(failed, Err(ConcurrentError::Task(e)) if e.is_panic())
                            );
                        }
                    }
                })
            })
            .collect();
        for submitter in submitters {
            submitter.join().unwrap();
        }
        for one in loops {
            one.stop();
        }
    });
}
