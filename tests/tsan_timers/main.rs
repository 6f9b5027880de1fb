//! For ThreadSanitizer: timers that are armed, fired, reset, moved and dropped by several workers
//! and foreign threads, some of them on a worker that is stuck, so that others fire them.
//!
//! As in `tsan_tasks`, std's locks are not used and a handle of each runtime is leaked.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use corio::{Builder, Runtime, Sleep};

const ROUNDS: u64 = 20;

fn runtime() -> Runtime {
    let runtime = Builder::new().workers(3).build().expect("a runtime");
    std::mem::forget(runtime.handle().clone());
    runtime
}

/// A sleep that was begun by the calling task and may be finished elsewhere.
fn begun(micros: u64) -> Pin<Box<Sleep>> {
    let mut sleep = Box::pin(corio::sleep(Duration::from_micros(micros)));
    let _ = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    sleep
}

async fn naps(me: u64) {
    for i in 0..30 {
        let micros = (i * 37 + me * 101) % 1500;
        match i % 5 {
            0 => corio::sleep(Duration::from_micros(micros)).await,
            1 => drop(begun(micros)),
            2 => {
                let sleep = begun(micros);
                corio::spawn(sleep).await.expect("it ends");
            }
            3 => {
                let mut sleep = begun(micros);
                corio::spawn(async move {
                    sleep.as_mut().get_mut().reset(Instant::now() + Duration::from_micros(300));
                    sleep.await;
                })
                .await
                .expect("it ends");
            }
            _ => {
                let limit = Duration::from_micros(micros / 2);
                let _ = corio::timeout(limit, corio::sleep(Duration::from_micros(micros))).await;
            }
        }
    }
}

/// Lets this thread make the collector of crossbeam-epoch, which a queue asks for when it grows. It
/// lies in a static that std fills unseen by the sanitizer: all other threads are made after it.
fn warm_up() {
    let grown = Builder::new().workers(1).watch(false).run(async {
        let tasks: Vec<_> = (0..250).map(|_| corio::spawn(async {})).collect();
        for task in tasks {
            task.await.expect("it ends");
        }
    });
    grown.expect("main ends");
}

fn main() {
    warm_up();
    for round in 0..ROUNDS {
        let runtime = runtime();
        let tasks: Vec<_> = (0..12).map(|me| runtime.create_task(naps(me + round))).collect();
        let hog = runtime.create_task(async {
            // Long enough for the others to come and fire what waits here.
            let sleeps: Vec<_> = (0..10).map(|i| corio::spawn(begun(i * 300))).collect();
            thread::sleep(Duration::from_millis(5));
            for sleep in sleeps {
                sleep.await.expect("it ends");
            }
        });
        let handle = runtime.handle().clone();
        let foreign = thread::spawn(move || {
            {
                let _entered = handle.enter();
                let sleeps: Vec<_> = (0..30).map(|i| begun(i * 50)).collect();
                thread::sleep(Duration::from_micros(700));
                drop(sleeps);
            }
            std::mem::forget(handle);
        });
        for task in tasks {
            runtime.block_on(task.into_future()).expect("it ends");
        }
        if round % 2 == 0 {
            runtime.block_on(hog.into_future()).expect("it ends");
        }
        foreign.join().expect("it only sleeps");
        assert!(runtime.shutdown(None).is_clean());
    }
    println!("tsan_timers: done");
}
