//! Spawning and awaiting, in every way that a handle allows.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use corio::{Task, TaskRef};
use corio_tests::eventually;
use corio_tests::kit::Signal;

use crate::support::{bounded, here, on_one_worker, on_runtime, panic_of, rt, variant, wait};

const _: () = {
    const fn send<T: Send>() {}
    const fn sync<T: Sync>() {}
    send::<Task<Vec<u8>>>();
    sync::<Task<Vec<u8>>>();
    send::<Task<std::cell::Cell<u8>>>();
    send::<TaskRef>();
    sync::<TaskRef>();
    send::<corio::Handle>();
    sync::<corio::Handle>();
    send::<corio::ConcurrentFuture<u8>>();
    send::<corio::Sleep>();
    sync::<corio::Sleep>();
    // One pointer: a program keeps many of them.
    assert!(size_of::<Task<[u8; 100]>>() == 2 * size_of::<usize>());
};

#[test]
fn a_task_gives_its_value() {
    on_runtime(|| async {
        assert_eq!(corio::create_task(async { 7 }).await.unwrap(), 7);
        assert_eq!(corio::spawn(async { "text".to_owned() }).await.unwrap(), "text");
        corio::spawn(async {}).await.unwrap();
        assert_eq!(corio::spawn(async { [3_u64; 64] }).await.unwrap(), [3; 64]);
        assert_eq!(corio::spawn(async { Err::<u8, _>("no") }).await.unwrap(), Err("no"));
        let boxed: Box<dyn Fn() -> u8 + Send> = corio::spawn(async {
            let f: Box<dyn Fn() -> u8 + Send> = Box::new(|| 9);
            f
        })
        .await
        .unwrap();
        assert_eq!(boxed(), 9);
    });
}

#[test]
fn tasks_spawn_tasks_to_any_depth() {
    fn leaves(depth: u32) -> Pin<Box<dyn Future<Output = u64> + Send>> {
        Box::pin(async move {
            if depth == 0 {
                return 1;
            }
            let left = corio::spawn(leaves(depth - 1));
            let right = corio::spawn(leaves(depth - 1));
            left.await.unwrap() + right.await.unwrap()
        })
    }
    on_runtime(|| async { assert_eq!(leaves(10).await, 1024) });
}

#[test]
fn many_observe_one_task() {
    on_runtime(|| async {
        let signal = Signal::new();
        let wait = signal.wait();
        let task = Arc::new(corio::spawn(async move {
            wait.await;
            "seen".to_owned()
        }));
        let observers: Vec<_> = (0..50)
            .map(|i| {
                let task = task.clone();
                corio::spawn(async move {
                    for _ in 0..i % 3 {
                        corio::yield_now().await;
                    }
                    (&*task).await.unwrap().len()
                })
            })
            .collect();
        corio::yield_now().await;
        signal.set();
        for observer in observers {
            assert_eq!(observer.await.unwrap(), 4);
        }
        // An observer that comes late, and the value that is still there.
        assert_eq!((&*task).await.unwrap(), "seen");
        assert_eq!(Arc::into_inner(task).unwrap().await.unwrap(), "seen");
    });
}

#[test]
fn observers_may_leave_at_any_time() {
    on_runtime(|| async {
        let signal = Signal::new();
        let task = Arc::new(corio::spawn(signal.wait()));
        let mut leaving = Vec::new();
        for _ in 0..20 {
            let task = task.clone();
            leaving.push(corio::spawn(async move {
                corio::timeout(Duration::from_millis(1), &*task).await.map(drop).is_err()
            }));
        }
        for observer in leaving {
            assert!(observer.await.unwrap(), "the task cannot have ended");
        }
        signal.set();
        assert!((&*task).await.is_ok());
    });
}

#[test]
fn a_task_is_awaited_by_mutable_reference_in_a_loop() {
    on_runtime(|| async {
        let signal = Signal::new();
        let wait = signal.wait();
        let mut task = corio::spawn(async move {
            wait.await;
            42
        });
        let mut rounds = 0;
        let value = loop {
            // A wait that is dropped; `timeout` would cancel the task, because it is awaited inside.
            let mut tick = corio::sleep(Duration::from_millis(1));
            let ended = std::future::poll_fn(|cx| match Pin::new(&mut &mut task).poll(cx) {
                Poll::Ready(value) => Poll::Ready(Some(value)),
                Poll::Pending => Pin::new(&mut tick).poll(cx).map(|()| None),
            });
            match ended.await {
                Some(value) => break value.unwrap(),
                None => rounds += 1,
            }
            if rounds == 5 {
                signal.set();
            }
        };
        assert_eq!((value, rounds >= 5), (42, true));
        assert!(task.done());
        assert!(matches!(task.result(), Err(corio::ResultError::NotReady)), "it was taken");
    });
}

#[test]
fn awaiting_again_after_the_result_names_the_task_and_the_remedy() {
    on_runtime(|| async {
        let mut task = corio::task().name("once").spawn(async { 1 });
        assert_eq!((&mut task).await.unwrap(), 1);
        let again = corio::spawn(async move { (&mut task).await.map(drop) });
        let error = again.await.unwrap_err();
        let message = error.panic_message().unwrap();
        assert!(message.contains("'once'") && message.contains("keep the result"), "{message}");
    });
}

#[test]
fn a_dropped_handle_detaches() {
    on_runtime(|| async {
        let done = Signal::new();
        let finish = done.clone();
        let started = Signal::new();
        let wait = started.wait();
        drop(corio::spawn(async move {
            wait.await;
            corio::yield_now().await;
            finish.set();
        }));
        started.set();
        done.wait().await;
        // Also by dropping a wait that was begun.
        let (more, done) = (Signal::new(), Signal::new());
        let (wait, finish) = (more.wait(), done.clone());
        let task = corio::spawn(async move {
            wait.await;
            finish.set();
        });
        let mut begun = task.into_future();
        std::future::poll_fn(|cx| {
            assert!(Pin::new(&mut begun).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(begun);
        more.set();
        done.wait().await;
    });
}

#[test]
fn a_handle_travels_between_tasks_while_it_waits() {
    /// Polls the handle once on each task that it visits.
    struct Visit(Option<Task<u32>>);
    impl Future for Visit {
        type Output = Result<u32, Task<u32>>;
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            let mut task = self.0.take().expect("polled once");
            match Pin::new(&mut &mut task).poll(cx) {
                Poll::Ready(value) => Poll::Ready(Ok(value.unwrap())),
                Poll::Pending => Poll::Ready(Err(task)),
            }
        }
    }
    on_runtime(|| async {
        let signal = Signal::new();
        let wait = signal.wait();
        let mut task = corio::spawn(async move {
            wait.await;
            5
        });
        for visits in 0.. {
            if visits == 100 {
                signal.set();
            }
            match corio::spawn(Visit(Some(task))).await.unwrap() {
                Ok(value) => return assert_eq!(value, 5),
                Err(back) => task = back,
            }
        }
    });
}

#[test]
fn local_tasks_may_hold_what_is_not_send() {
    on_runtime(|| async {
        let shared = Rc::new(std::cell::RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..10)
            .map(|i| {
                let shared = shared.clone();
                corio::create_local_task(async move {
                    corio::yield_now().await;
                    shared.borrow_mut().push(i);
                    Rc::new(i)
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += *task.await.unwrap();
        }
        assert_eq!((sum, shared.borrow().len()), (45, 10));
        assert_eq!(Rc::strong_count(&shared), 1, "the bodies are gone");
        let named = corio::task().name("local").spawn_local(async move { shared.borrow().len() });
        assert_eq!((&*named.name(), named.await.unwrap()), ("local", 10));
    });
}

#[test]
fn a_local_task_outside_a_loop_names_the_remedy() {
    let message = panic_of(|| drop(corio::create_local_task(async {})));
    assert!(message.contains("create_pinned_task"), "{message}");
    bounded(|| {
        let runtime = rt();
        let message = runtime.block_on(async { panic_of(|| drop(corio::spawn_local(async {}))) });
        assert!(message.contains("create_pinned_task"), "{message}");
    });
}

#[test]
fn spawning_outside_a_runtime_names_the_remedy() {
    let message = panic_of(|| drop(corio::create_task(async {})));
    assert!(message.contains("corio::run") && message.contains("Handle::enter"), "{message}");
    let message = panic_of(corio::all_tasks);
    assert!(message.contains("no running event loop"), "{message}");
    let message = panic_of(corio::current_task);
    assert!(message.contains("no running event loop"), "{message}");
    let message = panic_of(corio::Handle::current);
    assert!(message.contains("no running event loop"), "{message}");
}

#[test]
fn pinned_tasks_run_on_the_chosen_loop() {
    bounded(|| {
        let runtime = rt();
        let mut threads = HashSet::new();
        for chosen in runtime.handle().loops() {
            let home = chosen.create_pinned_task(here);
            let again = chosen.create_pinned_task(|| async {
                let local = Rc::new(3);
                let first = here().await;
                for _ in 0..100 {
                    corio::yield_now().await;
                    assert_eq!(here().await, first, "a pinned task moved");
                }
                corio::sleep(Duration::from_millis(2)).await;
                assert_eq!(here().await, first, "a pinned task moved");
                (first, *local)
            });
            let plain = chosen.create_task(here());
            let home = wait(&runtime, home).unwrap();
            assert_eq!(wait(&runtime, again).unwrap(), (home, 3));
            assert_eq!(wait(&runtime, plain).unwrap(), home);
            threads.insert(home);
        }
        assert_eq!(threads.len(), variant().workers);
    });
}

#[test]
fn threads_spawn_all_at_once() {
    const THREADS: usize = 8;
    const EACH: usize = 500;
    bounded(|| {
        let runtime = rt();
        let ran = Arc::new(AtomicUsize::new(0));
        let start = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|i| {
                let (handle, ran, start) = (runtime.handle().clone(), ran.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    for j in 0..EACH {
                        let ran = ran.clone();
                        let body = async move {
                            if j % 2 == 0 {
                                corio::yield_now().await;
                            }
                            ran.fetch_add(1, Ordering::Relaxed);
                        };
                        match i % 3 {
                            0 => drop(handle.create_task(body)),
                            1 => drop(handle.create_pinned_task(|| body)),
                            _ => {
                                let _entered = handle.enter();
                                drop(corio::create_task(body));
                            }
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        eventually("every task's run", || {
            (ran.load(Ordering::Relaxed) == THREADS * EACH).then_some(())
        });
        eventually("no task left", || runtime.handle().all_tasks().is_empty().then_some(()));
    });
}

#[test]
fn local_tasks_begin_in_the_order_of_their_spawn() {
    on_one_worker(|| async {
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..100)
            .map(|i| {
                let order = order.clone();
                corio::create_local_task(async move { order.borrow_mut().push(i) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(order.borrow().iter().copied().eq(0..100));
    });
}

#[test]
fn cancel_on_drop_does_so_and_can_be_taken_back() {
    on_runtime(|| async {
        let task = corio::spawn(std::future::pending::<()>());
        let watched = task.task_ref();
        drop(task.cancel_on_drop());
        while !watched.done() {
            corio::yield_now().await;
        }
        let task = corio::spawn(async { 8 }).cancel_on_drop();
        assert_eq!(task.await.unwrap(), 8);
        let signal = Signal::new();
        let task = corio::spawn(signal.wait()).cancel_on_drop().into_inner();
        signal.set();
        assert!(task.await.is_ok());
    });
}
