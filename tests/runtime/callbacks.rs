//! Done-callbacks and deferreds on several workers: order, races, leaks.

use std::future::{Future, IntoFuture, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use corio::sync::{Deferred, oneshot};
use corio::{ContextVar, Task};
use corio_tests::eventually;
use corio_tests::kit::Ledger;
use rustix::time::{ClockId, clock_gettime};

use crate::support::{bounded, on_runtime, one_worker, rt};

/// Rounds of a race.
const ROUNDS: usize = 300;

#[test]
fn callbacks_of_one_task_come_one_at_a_time_and_in_order() {
    bounded(|| {
        let runtime = rt();
        for _ in 0..ROUNDS {
            let task = runtime.create_task(async {});
            let called = Arc::new(Mutex::new(Vec::new()));
            let inside = Arc::new(AtomicBool::new(false));
            // The task ends somewhere in the middle of this.
            for number in 0..8 {
                let (called, inside) = (called.clone(), inside.clone());
                task.add_done_callback(move |task| {
                    assert!(task.done());
                    assert!(!inside.swap(true, Ordering::Relaxed), "two at once");
                    called.lock().unwrap().push(number);
                    inside.store(false, Ordering::Relaxed);
                });
            }
            eventually("the callbacks", || (called.lock().unwrap().len() == 8).then_some(()));
            assert_eq!(*called.lock().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        }
    });
}

#[test]
fn a_callback_is_called_or_removed() {
    bounded(|| {
        let runtime = rt();
        let ledger = Ledger::new();
        let calls = Arc::new(AtomicUsize::new(0));
        let mut removed = 0;
        for _ in 0..ROUNDS {
            let task = runtime.create_task(async {});
            let ids: Vec<_> = (0..4)
                .map(|_| {
                    let (calls, token) = (calls.clone(), ledger.token());
                    task.add_done_callback(move |_| {
                        calls.fetch_add(1, Ordering::Relaxed);
                        drop(token);
                    })
                })
                .collect();
            removed += ids.into_iter().filter(|id| task.remove_done_callback(*id)).count();
        }
        let expected = ROUNDS * 4 - removed;
        eventually("the rest", || (calls.load(Ordering::Relaxed) == expected).then_some(()));
        eventually("every drop", || (ledger.live() == 0).then_some(()));
    });
}

#[test]
fn a_runtime_that_goes_drops_callbacks() {
    bounded(|| {
        let runtime = rt();
        let ledger = Ledger::new();
        let tasks: Vec<Task<()>> = (0..4)
            .map(|_| {
                let task = runtime.create_task(std::future::pending());
                let token = ledger.token();
                task.add_done_callback(move |_| drop(token));
                task
            })
            .collect();
        drop(runtime);
        assert!(tasks.iter().all(Task::cancelled));
        let late = ledger.token();
        tasks[0].add_done_callback(move |_| drop(late));
        drop(tasks);
        assert_eq!(ledger.live(), 0, "a callback leaked");
    });
}

#[test]
fn one_of_many_threads_sets_a_deferred_and_everybody_hears() {
    bounded(|| {
        let runtime = rt();
        for _ in 0..ROUNDS / 3 {
            let deferred = runtime.block_on(async { Deferred::new() });
            let called = Arc::new(AtomicUsize::new(0));
            let waiters: Vec<_> = (0..3)
                .map(|_| {
                    let deferred = deferred.clone();
                    runtime.create_task(async move { *(&deferred).await.unwrap() })
                })
                .collect();
            let setters: Vec<_> = (0..2)
                .map(|number| {
                    let (deferred, called) = (deferred.clone(), called.clone());
                    thread::spawn(move || {
                        deferred.add_done_callback(move |deferred| {
                            called.fetch_add(*deferred.result().unwrap(), Ordering::Relaxed);
                        });
                        deferred.set_result(number + 1).is_ok()
                    })
                })
                .collect();
            let won: Vec<_> = setters.into_iter().map(|setter| setter.join().unwrap()).collect();
            let value = usize::from(won[1]) + 1;
            assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
            for waiter in waiters {
                assert_eq!(runtime.block_on(async { waiter.await.unwrap() }), value);
            }
            eventually("both", || (called.load(Ordering::Relaxed) == 2 * value).then_some(()));
        }
    });
}

#[test]
fn contexts_go_where_their_tasks_go() {
    static NUMBER: ContextVar<usize> = ContextVar::with_default("number", 0);
    on_runtime(|| async {
        let tasks: Vec<_> = (1..100)
            .map(|number| {
                NUMBER.set(number);
                corio::create_task(async move {
                    for _ in 0..5 {
                        assert_eq!(NUMBER.get(), Some(number));
                        corio::yield_now().await;
                    }
                    let child = corio::create_task(async { NUMBER.get() });
                    NUMBER.set(0);
                    child.await.unwrap()
                })
            })
            .collect();
        for (index, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), Some(index + 1));
        }
        assert_eq!(NUMBER.get(), Some(99));
    });
}

#[test]
fn an_eager_start_runs_here_and_goes_on_anywhere() {
    on_runtime(|| async {
        let parent = corio::create_task(async {
            let here = thread::current().id();
            let tasks: Vec<_> = (0..50)
                .map(|number| {
                    corio::task().eager(true).spawn(async move {
                        let started = thread::current().id();
                        for _ in 0..number % 4 {
                            corio::yield_now().await;
                        }
                        (started, number)
                    })
                })
                .collect();
            for (index, task) in tasks.into_iter().enumerate() {
                assert!(index % 4 != 0 || task.done(), "{index} has not ended in its first step");
                assert_eq!(task.await.unwrap(), (here, index));
            }
        });
        parent.await.unwrap();
    });
}

/// The most polls of ready tasks that a callback of the same worker waits for: the documentation's
/// figure, and the poll that has submitted it.
const WAIT_MAX: u64 = 128 + 1;

#[test]
fn callbacks_wait_for_a_bounded_number_of_polls() {
    bounded(|| {
        let runtime = one_worker().build().expect("a runtime");
        let polls = Arc::new(AtomicU64::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let busy: Vec<_> = (0..4)
            .map(|_| {
                let (polls, over) = (polls.clone(), over.clone());
                runtime.create_task(async move {
                    while !over.load(Ordering::Relaxed) {
                        polls.fetch_add(1, Ordering::Relaxed);
                        corio::yield_now().await;
                    }
                })
            })
            .collect();
        let counted = polls.clone();
        let waits = runtime.create_task(async move {
            let mut waits = Vec::new();
            for round in 0..ROUNDS {
                let (said, heard) = oneshot::channel();
                let polls = counted.clone();
                let before = polls.load(Ordering::Relaxed);
                let call = move || said.send(polls.load(Ordering::Relaxed) - before).unwrap();
                if round % 2 == 0 {
                    corio::Handle::current().call_soon(call);
                } else {
                    corio::create_task(async {}).add_done_callback(move |_| call());
                }
                waits.push(heard.await.unwrap());
            }
            waits
        });
        let waits = runtime.block_on(async { waits.await.unwrap() });
        over.store(true, Ordering::Relaxed);
        // The task that ends has its own turn first, behind each of the others once.
        let longest = waits.into_iter().max().unwrap();
        assert!(longest <= WAIT_MAX + busy.len() as u64, "{longest} polls");
    });
}

/// What `n` of something cost this thread on its core, which other programs may take from it meanwhile;
/// the least of three times, as they take its caches, too.
fn time_of(n: usize, mut all: impl FnMut(usize)) -> Duration {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    };
    let once = |all: &mut dyn FnMut(usize)| {
        let start = now();
        all(n);
        now() - start
    };
    (0..3).map(|_| once(&mut all)).min().unwrap()
}

/// Sixteen times as many take sixteen times as long, or some more where they leave a cache that others
/// use, too; and not 256 times. One look may be wrong.
#[track_caller]
fn costs_as_much_each(what: &str, mut all: impl FnMut(usize)) {
    const MANY: usize = 100_000;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (few, many) = (time_of(MANY / 16, &mut all), time_of(MANY, &mut all));
        if many < few * 100 {
            return;
        }
        seen.push((few, many));
    }
    panic!("{what}: for a sixteenth, and for all: {seen:?}");
}

#[test]
fn each_of_many_observers_costs_as_much_as_one_of_few() {
    bounded(|| {
        let runtime = one_worker().build().unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        costs_as_much_each("callbacks of a task", |n| {
            let task = runtime.create_task(pending::<()>());
            for _ in 0..n {
                task.add_done_callback(|_| {});
            }
            task.abort();
        });
        costs_as_much_each("waits for a deferred, which come, go and come again", |n| {
            let deferred = Deferred::<u8>::new();
            for _ in 0..2 {
                let mut waits: Vec<_> = (0..n).map(|_| (&deferred).into_future()).collect();
                for wait in &mut waits {
                    assert!(Pin::new(wait).poll(&mut cx).is_pending());
                }
            }
        });
        costs_as_much_each("waits for a task, one leaving before another comes", |n| {
            let task = runtime.create_task(pending::<()>());
            let mut waits: Vec<_> = (0..n).map(|_| (&task).into_future()).collect();
            for wait in &mut waits {
                assert!(Pin::new(wait).poll(&mut cx).is_pending());
            }
            for place in 0..n {
                drop(waits.swap_remove(place * 7919 % n));
                waits.push((&task).into_future());
                assert!(Pin::new(waits.last_mut().unwrap()).poll(&mut cx).is_pending());
            }
            drop(waits);
            task.abort();
        });
    });
}

#[test]
fn many_callbacks_come_in_order() {
    bounded(|| {
        const MANY: usize = 100_000;
        let runtime = one_worker().build().unwrap();
        let called = Arc::new(Mutex::new(Vec::new()));
        let task = runtime.create_task(pending::<()>());
        let add = |number: usize| {
            let called = called.clone();
            task.add_done_callback(move |_| called.lock().unwrap().push(number))
        };
        // Some are removed, so that later ones lie in earlier places.
        let ids: Vec<_> = (0..8).map(add).collect();
        assert!(ids[1..7].iter().all(|id| task.remove_done_callback(*id)));
        let expected: Vec<_> = [0, 7].into_iter().chain(8..MANY).collect();
        for number in 8..MANY {
            add(number);
        }
        task.abort();
        eventually("the callbacks", || {
            (called.lock().unwrap().len() == expected.len()).then_some(())
        });
        assert!(*called.lock().unwrap() == expected, "out of order");
    });
}
