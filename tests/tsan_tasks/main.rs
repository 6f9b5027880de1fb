//! For ThreadSanitizer: tasks that are spawned, stolen, woken, cancelled and awaited on several
//! workers and from foreign threads, through the deque, the slot, the injector and the inboxes.
//!
//! std is not rebuilt for the sanitizer, so nothing here uses its locks and channels, and a handle
//! of each runtime is leaked: the sanitizer does not see the fence in the last drop of an `Arc`.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;

use corio::{Builder, Handle, Runtime};

/// Rounds of each part: a few seconds under the sanitizer.
const ROUNDS: usize = 20;
const THREADS: usize = 3;

fn runtime(workers: usize) -> Runtime {
    let runtime = Builder::new().workers(workers).build().expect("a runtime");
    std::mem::forget(runtime.handle().clone());
    runtime
}

/// Children of one task, which siblings steal, each of which spawns and awaits in turn.
async fn fan_out(children: usize) -> usize {
    let tasks: Vec<_> = (0..children)
        .map(|i| {
            let bytes = vec![i as u8; i % 50];
            corio::spawn(async move {
                let inner = corio::spawn(async move {
                    corio::yield_now().await;
                    bytes
                });
                inner.await.expect("it ends").len()
            })
        })
        .collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("it ends");
    }
    sum
}

fn stealing() {
    let runtime = runtime(3);
    for _ in 0..ROUNDS {
        let expected: usize = (0..400).map(|i| i % 50).sum();
        assert_eq!(runtime.block_on(fan_out(400)), expected);
        let root = runtime.create_task(fan_out(400));
        assert_eq!(runtime.block_on(root.into_future()).expect("it ends"), expected);
    }
}

/// Ready after `THREADS * each` wakes by threads of its own.
async fn woken(each: usize) -> usize {
    let count: &'static AtomicUsize = Box::leak(Box::default());
    let mut threads = Vec::new();
    poll_fn(move |cx| {
        if threads.is_empty() {
            threads.extend((0..THREADS).map(|_| {
                let waker = cx.waker().clone();
                thread::spawn(move || {
                    for _ in 0..each {
                        count.fetch_add(1, Ordering::Relaxed);
                        waker.wake_by_ref();
                        drop(waker.clone());
                    }
                    waker.wake();
                })
            }));
        }
        if count.load(Ordering::Relaxed) < THREADS * each {
            return Poll::Pending;
        }
        for thread in threads.drain(..) {
            thread.join().expect("it only wakes");
        }
        Poll::Ready(THREADS * each)
    })
    .await
}

fn waking() {
    let runtime = runtime(2);
    for _ in 0..ROUNDS {
        let plain = runtime.create_task(woken(100));
        let pinned = runtime.handle().create_pinned_task(|| woken(100));
        for task in [plain, pinned] {
            assert_eq!(runtime.block_on(task.into_future()).expect("it ends"), THREADS * 100);
        }
    }
}

/// What one foreign thread submits; every way in is used.
fn submit(handle: &Handle, me: usize) {
    let loops = handle.loops();
    for i in 0..200 {
        let bytes = vec![me as u8; i % 40];
        let body = async move {
            if i % 3 == 0 {
                corio::yield_now().await;
            }
            bytes.len()
        };
        let one = &loops[i % loops.len()];
        let length = match i % 5 {
            0 => handle.run_coroutine_threadsafe(body).result(None).expect("it ends"),
            1 => one.run_coroutine_threadsafe(body).result(None).expect("it ends"),
            2 => {
                drop(one.create_pinned_task(move || body));
                i % 40
            }
            3 => {
                drop(one.call_soon(move || drop(body)));
                i % 40
            }
            _ => {
                let task = handle.create_task(body);
                task.cancel();
                drop(task);
                i % 40
            }
        };
        assert_eq!(length, i % 40);
    }
}

fn submitting() {
    for _ in 0..ROUNDS / 4 {
        let runtime = runtime(2);
        let threads: Vec<_> = (0..THREADS)
            .map(|me| {
                let handle = runtime.handle().clone();
                thread::spawn(move || {
                    submit(&handle, me);
                    for task in handle.all_tasks() {
                        let _ = (task.name(), task.status(), task.stack(None));
                    }
                    std::mem::forget(handle);
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("it only submits");
        }
    }
}

/// Runtimes that end while threads spawn and tasks run.
fn ending() {
    for round in 0..ROUNDS {
        let runtime = runtime(2);
        let handle = runtime.handle().clone();
        let spawner = thread::spawn(move || {
            for i in 0..200_usize {
                let bytes = vec![i; i % 30];
                drop(handle.create_task(async move {
                    corio::yield_now().await;
                    drop(bytes);
                    std::future::pending::<()>().await;
                }));
            }
            std::mem::forget(handle);
        });
        for _ in 0..round * 100 {
            std::hint::spin_loop();
        }
        assert!(runtime.shutdown(None).is_clean());
        spawner.join().expect("it only spawns");
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
    stealing();
    waking();
    submitting();
    ending();
    println!("tsan_tasks: done");
}
