//! to_thread: test_threads.py; the executors of test_base_events.py and test_events.py.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use corio::{ContextVar, Handle, ThreadPoolExecutor, to_thread};
use corio_tests::kit::Signal;

use crate::support::with_loop;

// conforms: 18 test_to_thread
#[test]
fn test_to_thread() {
    with_loop(|event_loop| {
        let here = thread::current().id();
        let there = event_loop
            .run_until_complete(async { to_thread(move || thread::current().id()).await });
        assert_ne!(there.unwrap().unwrap(), here);
    });
}

// conforms: 18 test_to_thread_exception
#[test]
fn test_to_thread_exception() {
    with_loop(|event_loop| {
        let result = event_loop.run_until_complete(async { to_thread(|| panic!("test")).await });
        let error: Result<(), _> = result.unwrap();
        assert_eq!(error.unwrap_err().panic_message(), Some("test"));
    });
}

// conforms: 18 test_to_thread_once
#[test]
fn test_to_thread_once() {
    with_loop(|event_loop| {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = calls.clone();
        let main = async { to_thread(move || counted.fetch_add(1, Ordering::Relaxed)).await };
        assert_eq!(event_loop.run_until_complete(main).unwrap().unwrap(), 0);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    });
}

// conforms: 18 test_to_thread_concurrent
#[test]
fn test_to_thread_concurrent() {
    with_loop(|event_loop| {
        let all = Arc::new(std::sync::Barrier::new(10));
        let main = async {
            let jobs = [(); 10].map(|()| {
                let all = all.clone();
                // Each waits for all others, so they are at it at one time.
                to_thread(move || all.wait().is_leader())
            });
            let mut leaders = 0;
            for job in jobs {
                leaders += u32::from(job.await.unwrap());
            }
            leaders
        };
        assert_eq!(event_loop.run_until_complete(main).unwrap(), 1);
    });
}

// conforms: 18 test_to_thread_args_kwargs
// differs: what the function takes, its closure holds
#[test]
fn test_to_thread_args_kwargs() {
    with_loop(|event_loop| {
        let (a, b) = (40, String::from("2"));
        let main = async { to_thread(move || a + b.parse::<u32>().unwrap()).await };
        assert_eq!(event_loop.run_until_complete(main).unwrap().unwrap(), 42);
    });
}

// conforms: 18 test_to_thread_contextvars
#[test]
fn test_to_thread_contextvars() {
    static WORD: ContextVar<&str> = ContextVar::new("word");
    with_loop(|event_loop| {
        let main = async {
            WORD.set("parrot");
            to_thread(|| WORD.get()).await
        };
        assert_eq!(event_loop.run_until_complete(main).unwrap().unwrap(), Some("parrot"));
    });
}

// conforms: 19 test_run_in_executor
#[test]
fn test_run_in_executor() {
    with_loop(|event_loop| {
        let executor = ThreadPoolExecutor::new(1).name("mine");
        let name = || thread::current().name().unwrap_or_default().to_owned();
        let main = async {
            let handle = Handle::current();
            let mine = handle.run_in_executor(Some(&executor), name).await.unwrap();
            (mine, handle.run_in_executor(None, name).await.unwrap())
        };
        let (mine, default) = event_loop.run_until_complete(main).unwrap();
        assert!(mine.starts_with("mine") && !default.starts_with("mine"), "{mine} {default}");
    });
}

// conforms: 19 test_run_in_executor_cancel
#[test]
fn test_run_in_executor_cancel() {
    with_loop(|event_loop| {
        let executor = ThreadPoolExecutor::new(1);
        let (started, release) = (Signal::new(), Signal::new());
        let (start, wait) = (started.clone(), release.clone());
        let busy = event_loop.run_in_executor(Some(&executor), move || {
            start.set();
            wait.wait_blocking("the release");
        });
        started.wait_blocking("the first job");
        let job = event_loop.run_in_executor(Some(&executor), || panic!("it was cancelled"));
        assert!(job.cancel());
        event_loop.close().unwrap();
        release.set();
        let ends = corio_tests::kit::block_on(async { (busy.await, job.await) });
        assert!(
            ends.0.is_ok() && ends.1.is_err_and(|error: corio::TaskError| error.is_cancelled())
        );
    });
}

// conforms: 19 test_set_default_executor
#[test]
fn test_set_default_executor() {
    with_loop(|event_loop| {
        event_loop.set_default_executor(ThreadPoolExecutor::new(1).name("set"));
        let name = || thread::current().name().unwrap_or_default().to_owned();
        let main = async { to_thread(name).await };
        let name = event_loop.run_until_complete(main).unwrap().unwrap();
        assert!(name.starts_with("set"), "{name}");
    });
}

// conforms: 19 test_shutdown_default_executor_timeout
#[test]
fn test_shutdown_default_executor_timeout() {
    with_loop(|event_loop| {
        let (started, release) = (Signal::new(), Signal::new());
        let (start, wait) = (started.clone(), release.clone());
        let main = async {
            let job = to_thread(move || {
                start.set();
                wait.wait_blocking("the release");
            });
            started.wait().await;
            let handle = Handle::current();
            let stuck = handle.shutdown_default_executor(Some(Duration::from_millis(5))).await;
            assert_eq!(stuck.len(), 1, "{stuck:?}");
            let late = to_thread(|| 5).await;
            assert!(late.is_err_and(|error| error.is_cancelled()));
            release.set();
            job.await.unwrap();
            assert!(handle.shutdown_default_executor(None).await.is_empty());
        };
        event_loop.run_until_complete(main).unwrap();
    });
}

// conforms: 29 X11
#[test]
fn a_cancelled_awaiter_resumes_at_once_and_run_joins_the_thread() {
    let ended = Arc::new(AtomicU32::new(0));
    let (count, release) = (ended.clone(), Signal::new());
    crate::support::on_loop(move || async move {
        let (started, waits) = (Signal::new(), release.clone());
        let start = started.clone();
        let task = corio::create_task(async move {
            to_thread(move || {
                start.set();
                waits.wait_blocking("the release");
                thread::sleep(Duration::from_millis(20));
                count.fetch_add(1, Ordering::Relaxed);
            })
            .await
        });
        started.wait().await;
        task.cancel();
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
        release.set();
    });
    assert_eq!(ended.load(Ordering::Relaxed), 1, "run came back before its threads had ended");
}
