//! Runtimes as values: `run`, `block_on`, entering, nesting, several at once, dropping anywhere.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use corio::net::UnixStream;
use corio::{Handle, RunError, Runtime};
use corio_tests::child::alone;
use corio_tests::kit::{Ledger, Signal, block_on};
use corio_tests::{at_rest, eventually, open_descriptors};

use crate::support::{bounded, builder, message, on_runtime, panic_of, rt, wait};

#[test]
fn run_borrows_from_the_stack_and_takes_what_is_not_send() {
    bounded(|| {
        let text = String::from("borrowed");
        let list = Rc::new(RefCell::new(Vec::new()));
        let here = thread::current().id();
        let length = builder()
            .run(async {
                list.borrow_mut().push(1);
                corio::yield_now().await;
                corio::sleep(Duration::from_millis(1)).await;
                assert_eq!(thread::current().id(), here, "the caller is worker 0");
                let clone = list.clone();
                corio::spawn_local(async move { clone.borrow_mut().push(2) }).await.unwrap();
                text.len()
            })
            .unwrap();
        assert_eq!((length, &*list.borrow()), (8, &vec![1, 2]));
        assert_eq!(Rc::strong_count(&list), 1);
    });
}

/// The slack of the calling thread's timers, in nanoseconds.
#[cfg(target_os = "linux")]
fn timer_slack() -> u64 {
    rustix::thread::current_timer_slack().expect("Linux has it")
}

/// A run asks for exact timers on the thread that calls it. What the thread had before is its own.
#[cfg(target_os = "linux")]
#[test]
fn the_callers_timer_slack_is_its_own_again_after_a_run() {
    const OWN: u64 = 77_777;
    bounded(|| {
        rustix::thread::set_current_timer_slack(OWN.try_into().ok()).expect("Linux has it");
        assert_eq!(timer_slack(), OWN);
        let inside = builder().run(async {
            corio::sleep(Duration::from_millis(1)).await;
            timer_slack()
        });
        assert_eq!((inside.unwrap(), timer_slack()), (1, OWN), "after run");
        // Also where the run ends by a panic.
        panic_of(|| builder().run(async { panic!("main's end") }).unwrap());
        assert_eq!(timer_slack(), OWN, "after a panic");
        let runtime = rt();
        assert_eq!(
            runtime.block_on(async {
                corio::yield_now().await;
                timer_slack()
            }),
            OWN
        );
        let own_loop = builder().build_event_loop().unwrap();
        let inside = own_loop.run_until_complete(async { timer_slack() });
        assert_eq!((inside.unwrap(), timer_slack()), (1, OWN), "after a loop's run");
    });
}

#[test]
fn a_nested_run_names_the_outer_one() {
    bounded(|| {
        let line = line!() + 1;
        let outer = builder().run(async {
            let inner = builder().run(async { 1 });
            let Err(RunError::Nested { outer }) = inner else { panic!("it ran") };
            let message = panic_of(|| corio::run(async {}));
            assert!(message.contains(&format!("{}:{}", file!(), outer.line())), "{message}");
            assert!(message.contains(".await"), "{message}");
            let task = corio::spawn_local(async { builder().run(async { 1 }).is_err() });
            assert!(task.await.unwrap());
            outer
        });
        let outer = outer.unwrap();
        assert_eq!((outer.file(), outer.line()), (file!(), line));
        assert_eq!(builder().run(async { 1 }).unwrap(), 1, "afterwards it works");
    });
}

#[test]
fn a_run_inside_a_task_on_any_worker_is_nested() {
    bounded(|| {
        let line = line!() + 1;
        let runtime = builder().build().unwrap();
        for one in runtime.handle().loops() {
            let outer = wait(
                &runtime,
                one.create_task(async {
                    match builder().run(async { 1 }) {
                        Err(RunError::Nested { outer }) => outer,
                        other => panic!("{other:?}"),
                    }
                }),
            );
            assert_eq!(outer.unwrap().line(), line, "where the runtime was built");
        }
        let all_nested = builder().run(async {
            for one in Handle::current().loops() {
                let inner = one.create_task(async { builder().run(async { 1 }).is_err() });
                if !inner.await.unwrap() {
                    return false;
                }
            }
            true
        });
        assert!(all_nested.unwrap());
    });
}

#[test]
fn block_on_on_an_own_worker_names_the_remedy() {
    bounded(|| {
        let runtime = std::sync::Arc::new(builder().name("mine").build().unwrap());
        let inner = runtime.clone();
        let task = runtime.create_task(async move {
            // The last reference must not be this one: the test holds the other.
            panic_of(|| inner.block_on(async {}))
        });
        let message = wait(&runtime, task).unwrap();
        assert!(message.contains("'mine'") && message.contains(".await"), "{message}");
    });
}

#[test]
fn block_on_runs_inside_the_runtime_but_on_the_calling_thread() {
    bounded(|| {
        let runtime = rt();
        let here = thread::current().id();
        let borrowed = [1, 2, 3];
        let sum = runtime.block_on(async {
            assert!(Handle::current() == *runtime.handle());
            corio::sleep(Duration::from_millis(1)).await;
            assert_eq!(thread::current().id(), here);
            let there = corio::spawn(async { thread::current().id() }).await.unwrap();
            assert_ne!(there, here);
            borrowed.iter().sum::<i32>()
        });
        assert_eq!(sum, 6);
        assert!(Handle::try_current().is_err());
        thread::scope(|scope| {
            for i in 0..4 {
                let runtime = &runtime;
                scope.spawn(move || {
                    assert_eq!(
                        runtime.block_on(async { corio::spawn(async move { i }).await }).unwrap(),
                        i
                    );
                });
            }
        });
    });
}

#[test]
fn entering_nests_and_ends_with_the_guard() {
    bounded(|| {
        let (one, other) = (rt(), rt());
        let outer = one.enter();
        assert!(Handle::current() == *one.handle());
        {
            let _inner = other.enter();
            assert!(Handle::current() == *other.handle());
            let task = corio::spawn(async { Handle::current() });
            assert!(wait(&other, task).unwrap() == *other.handle());
        }
        assert!(Handle::current() == *one.handle());
        drop(outer);
        assert!(Handle::try_current().is_err());
    });
}

/// tokio panics here. The latest guard that lives says where the thread is.
#[test]
fn guards_may_be_dropped_in_any_order() {
    bounded(|| {
        let runtimes = [rt(), rt(), rt()];
        // Where handles, tasks, timers and sources go.
        let here = || {
            let (near, _far) = UnixStream::pair().unwrap();
            let cx = &mut Context::from_waker(Waker::noop());
            let waits = near.poll_read(cx, &mut [0]).is_pending();
            let handle = Handle::try_current().ok();
            assert_eq!(waits, handle.is_some(), "a source waits for another runtime");
            let handle = handle?;
            block_on(corio::sleep(Duration::from_millis(1)));
            let task = corio::spawn(async { Handle::current() });
            let at = runtimes.iter().position(|runtime| *runtime.handle() == handle).unwrap();
            assert!(wait(&runtimes[at], task).unwrap() == handle, "its tasks are another's");
            Some(at)
        };
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut guards = runtimes.each_ref().map(|runtime| Some(runtime.enter()));
            for dropped in order {
                guards[dropped] = None;
                let latest = guards.iter().rposition(Option::is_some);
                assert_eq!(here(), latest, "{order:?}, after {dropped}");
            }
        }
        // A guard that is made between two others' ends is the latest.
        let first = runtimes[0].enter();
        let second = runtimes[1].enter();
        drop(first);
        let third = runtimes[0].enter();
        drop(second);
        assert_eq!(here(), Some(0));
        drop(third);
        assert_eq!(here(), None);
    });
}

/// What the thread has left is not touched any more: it may be gone.
#[test]
fn a_runtime_may_go_before_a_later_guard_of_another() {
    bounded(|| {
        let (one, other) = (rt(), rt());
        let first = one.enter();
        let second = other.enter();
        drop(first);
        assert!(one.shutdown(None).is_clean());
        block_on(corio::sleep(Duration::from_millis(1)));
        assert!(Handle::current() == *other.handle());
        drop(second);
        assert!(Handle::try_current().is_err());
    });
}

#[test]
fn several_runtimes_live_side_by_side() {
    bounded(|| {
        let runtimes: Vec<_> = (0..5).map(|_| rt()).collect();
        let mut tasks = Vec::new();
        for round in 0..50 {
            for (i, runtime) in runtimes.iter().enumerate() {
                let handle = runtime.handle().clone();
                tasks.push((
                    i,
                    runtime.create_task(async move {
                        corio::yield_now().await;
                        assert!(Handle::current() == handle);
                        round
                    }),
                ));
            }
        }
        for (i, task) in tasks {
            wait(&runtimes[(i + 1) % 5], task).unwrap();
        }
    });
}

#[test]
fn a_runtime_inside_anothers_task_works_and_may_be_dropped_there() {
    on_runtime(|| async {
        let ledger = Ledger::new();
        let token = ledger.token();
        let inner = rt();
        let task = inner.create_task(async move {
            corio::sleep(Duration::from_millis(1)).await;
            drop(token);
            7
        });
        assert_eq!(task.await.unwrap(), 7);
        let token = ledger.token();
        drop(inner.create_task(async move {
            let _token = token;
            std::future::pending::<()>().await;
        }));
        drop(inner);
        // Dropping in async code waits for nothing; the end comes all the same.
        while ledger.live() > 0 {
            corio::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_runtime_may_be_dropped_by_its_own_task() {
    bounded(|| {
        let ledger = Ledger::new();
        for from_block_on in [false, true] {
            let runtime = rt();
            let handle = runtime.handle().clone();
            for _ in 0..5 {
                let token = ledger.token();
                drop(runtime.create_task(async move {
                    let _token = token;
                    corio::sleep(Duration::from_secs(3600)).await;
                }));
            }
            let dropped = Signal::new();
            let (mark, token) = (dropped.clone(), ledger.token());
            let body = async move {
                let _token = token;
                drop(runtime);
                mark.set();
            };
            if from_block_on {
                // A thread inside the runtime that is no worker.
                let _entered = handle.enter();
                corio_tests::kit::block_on(body);
            } else {
                drop(handle.create_task(body));
            }
            dropped.wait_blocking("the drop's return");
            eventually("the end of all tasks", || (ledger.live() == 0).then_some(()));
            assert!(handle.is_closed());
        }
    });
}

#[test]
fn nothing_stays_of_a_hundred_runtimes() {
    // In a process of its own: nobody else opens descriptors meanwhile.
    alone("lifecycle::nothing_stays_of_a_hundred_runtimes", ":", || {
        builder().workers(2).build().unwrap();
        let before = at_rest(open_descriptors);
        for round in 0..100 {
            let runtime = builder().workers(2).name("brief").build().unwrap();
            if round % 2 == 0 {
                assert_eq!(
                    wait(&runtime, runtime.create_task(async move { round })).unwrap(),
                    round
                );
            }
            drop(runtime);
        }
        eventually("the threads' ends", || {
            corio_tests::kit::threads_named("brief").is_empty().then_some(())
        });
        eventually("the descriptors' ends", || (open_descriptors() <= before).then_some(()));
    });
}

#[test]
fn a_closed_runtime_refuses_everything_politely() {
    bounded(|| {
        let runtime = rt();
        let handle = runtime.handle().clone();
        assert!(handle.is_running() && !handle.is_closed());
        drop(runtime);
        assert!(handle.is_closed() && !handle.is_running());
        let ledger = Ledger::new();
        let token = ledger.token();
        let task = handle.create_task(async move { token });
        assert!(task.done() && task.cancelled() && ledger.live() == 0);
        let error = corio_tests::kit::block_on(task.into_future()).map(drop).unwrap_err();
        // It says why, and names no place that is not the user's.
        assert!(
            error.is_cancelled() && error.to_string().ends_with("loop was shut down"),
            "{error}"
        );
        let pinned = handle.create_pinned_task(|| async { 1 });
        assert!(pinned.cancelled());
        let one = handle.loops().pop().unwrap();
        assert!(one.create_task(async {}).cancelled());
        // The body comes back and may be used elsewhere.
        let refused = handle.try_create_task(async { 5 }).unwrap_err();
        assert!(refused.to_string().contains("shut down"), "{refused}");
        assert_eq!(corio_tests::kit::block_on(refused.0), 5);
        let closed = handle.call_soon_threadsafe(|| panic!("it was called")).unwrap_err();
        assert!(closed.to_string().contains("closed"), "{closed}");
        assert!(handle.call_soon(|| panic!("it was called")).cancelled());
        assert!(handle.all_tasks().is_empty());
        assert_eq!(handle.metrics().tasks, 0);
        let mut submitted = handle.run_coroutine_threadsafe(async { 1 });
        assert!(matches!(submitted.result(None), Err(corio::ConcurrentError::LoopClosed)));
        let entered = handle.enter();
        assert!(corio::create_task(async {}).cancelled());
        drop(entered);
    });
}

#[test]
fn runtime_and_handle_may_be_sent_and_shared() {
    bounded(|| {
        let runtime = std::sync::Arc::new(rt());
        let threads: Vec<_> = (0..4)
            .map(|i| {
                let runtime = runtime.clone();
                thread::spawn(move || {
                    wait(&runtime, runtime.create_task(async move { i })).unwrap()
                })
            })
            .collect();
        for (i, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap(), i);
        }
        let runtime: Runtime = std::sync::Arc::into_inner(runtime).unwrap();
        thread::spawn(move || drop(runtime)).join().unwrap();
    });
}

#[test]
fn a_panic_message_helper_reads_both_kinds() {
    assert_eq!(message(&"literal"), "literal");
    assert_eq!(message(&String::from("owned")), "owned");
}
