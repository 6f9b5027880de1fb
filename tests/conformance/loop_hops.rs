//! How many turns of a single loop lie between an event and who waits for it: each test is a scenario
//! of `recorded/hops.py`, and its trace is what CPython said there, but where `differs:` says how
//! corio's is another.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use corio::net::UnixStream;
use corio::sync::Deferred;
use corio::{
    Handle, ReturnWhen, RunError, Task, ThreadPoolExecutor, catch_cancel, create_task,
    run_coroutine_threadsafe, sleep, timeout, wait, wait_for,
};

use crate::cancellation::ms;
use crate::support::{Trace, task, turn, turns, with_loop};

/// Plays a scenario on a loop.
#[track_caller]
pub fn play<F>(main: impl FnOnce(Trace) -> F + Send + 'static) -> Trace
where
    F: Future<Output = ()> + 'static,
{
    let trace = Trace::default();
    let said = trace.clone();
    with_loop(move |event_loop| event_loop.run_until_complete(main(trace)).unwrap());
    said
}

/// As [`play`]; fails unless CPython said the same in the scenario of this name.
#[track_caller]
pub fn plays<F>(scenario: &str, main: impl FnOnce(Trace) -> F + Send + 'static)
where
    F: Future<Output = ()> + 'static,
{
    play(main).expect_recorded(&format!("hops {scenario}"));
}

pub fn here() -> Handle {
    Handle::current()
}

/// Callbacks that count the turns, one submitting the next.
pub fn ticks(trace: &Trace, count: usize) {
    tick(trace.clone(), 1, count);
}

fn tick(trace: Trace, n: usize, count: usize) {
    trace.say(format!("tick {n}"));
    if n < count {
        here().call_soon(move || tick(trace, n + 1, count));
    }
}

/// A callback that takes long; ticks begin in the turn after it.
pub fn block(trace: &Trace, count: usize) {
    let trace = trace.clone();
    here().call_soon(move || {
        std::thread::sleep(ms(30));
        here().call_soon(move || ticks(&trace, count));
    });
}

fn later(trace: &Trace, micros: u64, word: &'static str) {
    let trace = trace.clone();
    here().call_later(Duration::from_micros(micros), move || trace.say(word));
}

fn sleeper(trace: &Trace, name: &'static str, micros: u64) -> Task<()> {
    task!([trace] {
        sleep(Duration::from_micros(micros)).await;
        trace.say(name);
    })
}

/// Ends after some turns, from where the turns are counted.
pub fn child(
    trace: &Trace,
    name: &'static str,
    count: usize,
    counted: usize,
) -> impl Future<Output = &'static str> + Send + 'static {
    let trace = trace.clone();
    async move {
        turns(count).await;
        trace.say(name);
        if counted > 0 {
            ticks(&trace, counted);
        }
        name
    }
}

pub fn spawn(
    trace: &Trace,
    name: &'static str,
    count: usize,
    counted: usize,
) -> Task<&'static str> {
    create_task(child(trace, name, count, counted))
}

pub async fn failing(trace: Trace, counted: usize) -> Result<(), &'static str> {
    turn().await;
    trace.say("fails");
    ticks(&trace, counted);
    Err("failed")
}

pub async fn for_ever<T>(trace: Trace, name: &'static str) -> T {
    match catch_cancel(std::future::pending()).await {
        Ok(value) => value,
        Err(cancelled) => {
            trace.say(format!("{name} cancelled"));
            cancelled.raise().await
        }
    }
}

#[test]
fn a_sleep_and_a_callback() {
    plays("a_sleep_and_a_callback", |trace| async move {
        let task = sleeper(&trace, "sleeper", 10_000);
        turn().await;
        later(&trace, 11_000, "call_later");
        block(&trace, 3);
        task.await.unwrap();
    });
}

#[test]
fn sleeps_in_order() {
    plays("sleeps_in_order", |trace| async move {
        let tasks = [("c", 12_000), ("a", 10_000), ("b", 11_000)];
        let tasks = tasks.map(|(name, at)| sleeper(&trace, name, at));
        turn().await;
        later(&trace, 10_500, "after a");
        later(&trace, 11_500, "after b");
        block(&trace, 3);
        for task in tasks {
            task.await.unwrap();
        }
        trace.say("main");
    });
}

#[test]
fn a_timeout_expires() {
    plays("a_timeout_expires", |trace| async move {
        let limited = task!([trace] {
            let inside = for_ever::<()>(trace.clone(), "inside");
            timeout(ms(10), inside).await.unwrap_err();
            trace.say("timed out");
        });
        turn().await;
        later(&trace, 9_000, "before");
        later(&trace, 11_000, "after");
        block(&trace, 4);
        limited.await.unwrap();
        trace.say("main");
    });
}

#[test]
fn wait_for_expires() {
    plays("wait_for_expires", |trace| async move {
        let limited = task!([trace] {
            let event = corio::sync::Event::new();
            wait_for(event.wait(), ms(10)).await.unwrap_err();
            trace.say("timed out");
        });
        turn().await;
        later(&trace, 9_000, "before");
        later(&trace, 11_000, "after");
        block(&trace, 4);
        limited.await.unwrap();
        trace.say("main");
    });
}

#[test]
fn a_timeout_of_a_task_expires() {
    plays("a_timeout_of_a_task_expires", |trace| async move {
        let limited = task!([trace] {
            let child = create_task(for_ever::<()>(trace.clone(), "child"));
            wait_for(child, ms(10)).await.unwrap_err();
            trace.say("timed out");
        });
        turns(2).await;
        block(&trace, 5);
        limited.await.unwrap();
        trace.say("main");
    });
}

#[test]
fn a_wait_expires() {
    plays("a_wait_expires", |trace| async move {
        let waiting = task!([trace] {
            let tasks = vec![create_task(for_ever::<()>(trace.clone(), "child"))];
            let limit = Some(ms(10));
            let (done, pending) = wait(tasks, ReturnWhen::AllCompleted, limit).await.unwrap();
            trace.say(format!("waited {} {}", done.len(), pending.len()));
        });
        turns(2).await;
        later(&trace, 9_000, "before");
        later(&trace, 11_000, "after");
        block(&trace, 4);
        waiting.await.unwrap();
    });
}

#[test]
fn a_cancel_before_the_step() {
    plays("a_cancel_before_the_step", |trace| async move {
        let task = task!([trace] {
            match catch_cancel(sleep(ms(12))).await {
                Ok(()) => trace.say("slept"),
                Err(_) => trace.say("cancelled"),
            }
        });
        turn().await;
        let other = sleeper(&trace, "other", 11_000);
        turn().await;
        let sleeping = task.task_ref();
        here().call_later(ms(10), move || {
            sleeping.cancel();
        });
        block(&trace, 3);
        other.await.unwrap();
        task.await.unwrap();
    });
}

#[test]
fn a_stop_before_the_step() {
    let trace = Trace::default();
    let said = trace.clone();
    with_loop(move |event_loop| {
        let word = trace.clone();
        let mut main = event_loop.create_task(async move {
            let task = sleeper(&word, "sleeper", 10_000);
            turn().await;
            here().call_later(ms(9), || here().stop());
            later(&word, 11_000, "later");
            block(&word, 3);
            task.await.unwrap();
        });
        assert!(matches!(event_loop.run_until_complete(&mut main), Err(RunError::Stopped)));
        trace.say("stopped");
        event_loop.run_until_complete(main).unwrap().unwrap();
    });
    said.expect_recorded("hops a_stop_before_the_step");
}

#[test]
fn sockets() {
    plays("sockets", |trace| async move {
        let (near, far) = UnixStream::pair().unwrap();
        let task = task!([trace] {
            let read = near.read(&mut [0; 10]).await.unwrap();
            trace.say(format!("received {read}"));
        });
        turn().await;
        assert_eq!(far.try_write(b"x").unwrap(), 1);
        later(&trace, 0, "timer");
        ticks(&trace, 4);
        task.await.unwrap();
    });
}

#[test]
fn streams() {
    plays("streams", |trace| async move {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut reader, _writer) = corio::stream::connect_accepted_socket(near).unwrap();
        let task = task!([trace] {
            let read = reader.read(Some(10)).await.unwrap().len();
            trace.say(format!("read {read}"));
        });
        turn().await;
        assert_eq!(far.try_write(b"x").unwrap(), 1);
        later(&trace, 0, "timer");
        ticks(&trace, 4);
        task.await.unwrap();
    });
}

#[test]
fn an_executor() {
    plays("an_executor", |trace| async move {
        let executor = ThreadPoolExecutor::new(1);
        let (go, goes) = mpsc::channel();
        let (pool, said) = (executor.clone(), trace.clone());
        let task = create_task(async move {
            let job = move || goes.recv().map(|()| 7).unwrap();
            let ran = corio::run_in_executor(Some(&pool), job).await.unwrap();
            said.say(format!("ran {ran}"));
        });
        turn().await;
        let said = trace.clone();
        here().call_soon(move || {
            go.send(()).unwrap();
            // The executor has one thread: when this is done, the result before it was sent.
            let (done, hears) = mpsc::channel();
            drop(executor.submit(move || done.send(()).unwrap()));
            hears.recv().unwrap();
            here().call_soon(move || ticks(&said, 4));
        });
        task.await.unwrap();
    });
}

#[test]
fn other_threads() {
    plays("other_threads", |trace| async move {
        let future = Arc::new(Deferred::new());
        let task = task!([trace, future] {
            (&*future).await.unwrap();
            trace.say("future");
        });
        turn().await;
        let (handle, said) = (here(), trace.clone());
        here().call_soon(move || {
            let other = std::thread::spawn({
                let trace = said.clone();
                move || {
                    let word = trace.clone();
                    handle.call_soon_threadsafe(move || word.say("callback")).unwrap();
                    handle.call_soon_threadsafe(move || future.set_result(()).unwrap()).unwrap();
                    let started = async move { trace.say("coroutine") };
                    drop(run_coroutine_threadsafe(started, &handle));
                }
            });
            other.join().unwrap();
            here().call_soon(move || ticks(&said, 4));
        });
        task.await.unwrap();
        turn().await;
    });
}

#[test]
fn primitives() {
    use corio::sync::{Event, Lock, Queue, Semaphore};

    plays("primitives", |trace| async move {
        let event = Arc::new(Event::new());
        let lock = Arc::new(Lock::new(()));
        let queue = Arc::new(Queue::new(0));
        let semaphore = Arc::new(Semaphore::new(0));
        let future = Arc::new(Deferred::new());
        let held = lock.clone().acquire_owned().await;
        let tasks = [
            task!([trace, event] { event.wait().await; trace.say("event"); }),
            task!([trace, lock] { drop(lock.acquire().await); trace.say("lock"); }),
            task!([trace, queue] { queue.get().await.unwrap(); trace.say("queue"); }),
            task!([trace, semaphore] {
                semaphore.acquire().await.unwrap().forget();
                trace.say("semaphore");
            }),
            task!([trace, future] { (&*future).await.unwrap(); trace.say("future"); }),
        ];
        turn().await;
        drop(task!([trace] {
            future.set_result(()).unwrap();
            semaphore.release(1);
            queue.put_nowait(1).unwrap();
            drop(held);
            event.set();
            trace.say("woken");
            ticks(&trace, 3);
        }));
        for task in tasks {
            task.await.unwrap();
        }
    });
}
