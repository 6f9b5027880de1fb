//! From threads to loops and back: submitting coroutines and callbacks, waiting for them anywhere.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use corio::{ConcurrentError, Handle, run_coroutine_threadsafe};
use corio_tests::eventually;
use corio_tests::kit::{Ledger, Signal, block_on};

use crate::support::{bounded, here, one_worker, rt, variant, wait};

#[test]
fn threads_submit_and_get_results() {
    bounded(|| {
        let runtime = rt();
        thread::scope(|scope| {
            for i in 0..6 {
                let handle = runtime.handle();
                scope.spawn(move || {
                    for j in 0..200 {
                        let mut sum = run_coroutine_threadsafe(
                            async move {
                                corio::yield_now().await;
                                i + j
                            },
                            handle,
                        );
                        assert_eq!(sum.result(None).unwrap(), i + j);
                        assert!(sum.done() && !sum.cancelled() && !sum.cancel());
                    }
                });
            }
        });
    });
}

#[test]
fn a_chosen_loop_runs_what_is_submitted_to_it() {
    bounded(|| {
        let runtime = rt();
        let loops = runtime.handle().loops();
        let mut homes = std::collections::HashSet::new();
        for one in &loops {
            let home = one.run_coroutine_threadsafe(here()).result(None).unwrap();
            for _ in 0..20 {
                let mut again = one.run_coroutine_threadsafe(async {
                    corio::yield_now().await;
                    here().await
                });
                assert_eq!(again.result(None).unwrap(), home);
            }
            assert!(homes.insert(home));
        }
        assert_eq!(homes.len(), variant().workers);
    });
}

#[test]
fn a_wait_that_times_out_may_be_repeated() {
    bounded(|| {
        let runtime = rt();
        let gate = Signal::new();
        let wait = gate.wait();
        let mut future = runtime.handle().run_coroutine_threadsafe(async move {
            wait.await;
            "late"
        });
        let start = Instant::now();
        let early = future.result(Some(Duration::from_millis(20)));
        assert!(matches!(early, Err(ConcurrentError::Timeout)), "{early:?}");
        assert!(start.elapsed() >= Duration::from_millis(20));
        assert!(matches!(future.result(Some(Duration::ZERO)), Err(ConcurrentError::Timeout)));
        assert!(!future.done() && !future.cancelled());
        gate.set();
        assert_eq!(future.result(Some(Duration::MAX)).unwrap(), "late");
    });
}

#[test]
fn a_cancel_from_a_thread_is_told_at_once_and_delivered_later() {
    bounded(|| {
        let runtime = rt();
        let ledger = Ledger::new();
        let token = ledger.token();
        let mut future = runtime.handle().run_coroutine_threadsafe(async move {
            let _token = token;
            std::future::pending::<()>().await;
        });
        assert!(future.cancel());
        let Err(ConcurrentError::Task(error)) = future.result(None) else { panic!("no error") };
        assert!(error.is_cancelled());
        eventually("the end of the coroutine", || (ledger.live() == 0).then_some(()));
    });
}

#[test]
fn a_panic_is_an_error_of_the_task() {
    bounded(|| {
        let runtime = rt();
        let mut future =
            runtime.handle().run_coroutine_threadsafe(async { panic!("over the bridge") });
        let result: Result<(), _> = future.result(None);
        let Err(ConcurrentError::Task(error)) = result else { panic!("{result:?}") };
        assert_eq!(error.panic_message(), Some("over the bridge"));
        assert!(ConcurrentError::Task(error).to_string().contains("over the bridge"));
    });
}

#[test]
fn waiting_on_an_own_worker_is_refused() {
    bounded(|| {
        let runtime = rt();
        for one in runtime.handle().loops() {
            let handle = runtime.handle().clone();
            let task = one.create_task(async move {
                let gate = Signal::new();
                let mut future = handle.run_coroutine_threadsafe(gate.wait());
                let refused = future.result(Some(Duration::from_secs(1))).unwrap_err();
                let ConcurrentError::WouldDeadlock { worker } = refused else {
                    panic!("{refused:?}")
                };
                assert!(refused.to_string().contains(".await"), "{refused}");
                gate.set();
                // Awaiting is the remedy.
                future.await.unwrap();
                // What has ended may be taken without waiting.
                let mut done = handle.run_coroutine_threadsafe(async { 5 });
                while !done.done() {
                    corio::yield_now().await;
                }
                (worker, done.result(None).unwrap())
            });
            let (worker, value) = wait(&runtime, task).unwrap();
            assert!(worker < variant().workers && value == 5);
        }
    });
}

#[test]
fn a_worker_may_wait_for_another_runtime() {
    bounded(|| {
        let (one, other) = (rt(), rt());
        let there = other.handle().clone();
        let task = one.create_task(async move {
            there.run_coroutine_threadsafe(async { 3 }).result(None).unwrap()
        });
        assert_eq!(wait(&one, task).unwrap(), 3);
    });
}

#[test]
fn a_future_is_awaited_from_another_runtime_and_from_none() {
    bounded(|| {
        let (one, other) = (rt(), rt());
        let slow = || async {
            corio::sleep(Duration::from_millis(2)).await;
            7
        };
        let future = one.handle().run_coroutine_threadsafe(slow());
        assert_eq!(wait(&other, other.create_task(async { future.await.unwrap() })).unwrap(), 7);
        assert_eq!(block_on(one.handle().run_coroutine_threadsafe(slow())).unwrap(), 7);
        // Also from the same one, and half of the way from each.
        let gate = Signal::new();
        let mut future = one.handle().run_coroutine_threadsafe(gate.wait());
        let mut first = std::pin::pin!(&mut future);
        assert!(corio_tests::kit::poll_once(&mut first).is_pending());
        gate.set();
        one.block_on(future).unwrap();
    });
}

/// From the task that awaits in one runtime to the coroutine in another one, and back.
#[test]
fn a_cancel_goes_over_the_bridge_both_ways() {
    bounded(|| {
        let (one, other) = (rt(), rt());
        let ledger = Ledger::new();
        let token = ledger.token();
        let polled = Signal::new();
        let mark = polled.clone();
        let future = one.handle().run_coroutine_threadsafe(async move {
            let _token = token;
            mark.set();
            std::future::pending::<()>().await;
        });
        let awaiting = other.create_task(future.into_future());
        polled.wait_blocking("the coroutine's first poll");
        eventually("its wait", || {
            let status = awaiting.task_ref().status();
            matches!(status, corio::TaskStatus::Waiting(_)).then_some(())
        });
        assert!(awaiting.cancel());
        drop(wait(&other, awaiting));
        eventually("the coroutine's end", || (ledger.live() == 0).then_some(()));
        // A coroutine that is cancelled is an error for who awaits it, no cancel.
        let future = one.handle().run_coroutine_threadsafe(async {
            corio::current_task().unwrap().cancel();
            std::future::pending::<()>().await;
        });
        let awaiting = other.create_task(async { future.await.unwrap_err().is_cancelled() });
        assert!(wait(&other, awaiting).expect("it was not cancelled itself"));
        // Dropped, it lets the coroutine go on.
        let (gate, done) = (Signal::new(), Signal::new());
        let (open, mark) = (gate.wait(), done.clone());
        let mut future = one.handle().run_coroutine_threadsafe(async move {
            open.await;
            mark.set();
        });
        assert!(corio_tests::kit::poll_once(&mut std::pin::pin!(&mut future)).is_pending());
        drop(future);
        gate.set();
        done.wait_blocking("the detached coroutine");
    });
}

/// Who blocks in place has lent its worker: its wait for the own runtime ends.
#[test]
fn a_wait_in_place_is_no_deadlock() {
    bounded(|| {
        let runtime = one_worker().build().unwrap();
        let handle = runtime.handle().clone();
        let task = runtime.create_task(async move {
            let mut future = handle.run_coroutine_threadsafe(async { 5 });
            corio::block_in_place(|| future.result(None).unwrap())
        });
        assert_eq!(wait(&runtime, task).unwrap(), 5);
    });
}

#[test]
fn callbacks_of_a_future_are_called_once_each() {
    bounded(|| {
        let runtime = rt();
        let (gate, calls) = (Signal::new(), Arc::new(AtomicUsize::new(0)));
        let count = || {
            let calls = calls.clone();
            move || {
                calls.fetch_add(1, Ordering::Relaxed);
            }
        };
        let mut future = runtime.handle().run_coroutine_threadsafe(gate.wait());
        for _ in 0..10 {
            future.add_done_callback(count());
        }
        future.add_done_callback(|| panic!("in a done callback"));
        assert_eq!(calls.load(Ordering::Relaxed), 0);
        gate.set();
        eventually("the callbacks", || (calls.load(Ordering::Relaxed) == 10).then_some(()));
        assert!(future.result(None).is_ok());
        future.add_done_callback(count());
        eventually("a late one", || (calls.load(Ordering::Relaxed) == 11).then_some(()));
        // Of a coroutine that is cancelled, that panics, and that a shutdown ends.
        let cancelled = runtime.handle().run_coroutine_threadsafe(std::future::pending::<()>());
        cancelled.add_done_callback(count());
        cancelled.cancel();
        let panicked: corio::ConcurrentFuture<()> =
            runtime.handle().run_coroutine_threadsafe(async { panic!("in a coroutine") });
        panicked.add_done_callback(count());
        eventually("both callbacks", || (calls.load(Ordering::Relaxed) == 13).then_some(()));
        let stopped = runtime.handle().run_coroutine_threadsafe(std::future::pending::<()>());
        stopped.add_done_callback(count());
        drop(runtime);
        assert_eq!(calls.load(Ordering::Relaxed), 14);
    });
}

#[test]
fn callbacks_race_with_the_end() {
    bounded(|| {
        let runtime = rt();
        let ledger = Ledger::new();
        let calls = Arc::new(AtomicUsize::new(0));
        for _ in 0..1000 {
            let future = runtime.handle().run_coroutine_threadsafe(async {});
            for _ in 0..2 {
                let (calls, token) = (calls.clone(), ledger.token());
                future.add_done_callback(move || {
                    calls.fetch_add(1, Ordering::Relaxed);
                    drop(token);
                });
            }
        }
        eventually("every callback", || (calls.load(Ordering::Relaxed) == 2000).then_some(()));
        eventually("every token's drop", || (ledger.live() == 0).then_some(()));
    });
}

#[test]
fn a_closed_loop_is_told_to_all_who_wait() {
    bounded(|| {
        let runtime = rt();
        let handle = runtime.handle().clone();
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let mut future = handle.run_coroutine_threadsafe(std::future::pending::<()>());
                thread::spawn(move || future.result(None))
            })
            .collect();
        drop(runtime);
        for thread in waiting {
            let error = thread.join().unwrap().unwrap_err();
            assert!(matches!(error, ConcurrentError::LoopClosed), "{error:?}");
            assert!(error.to_string().contains("closed"), "{error}");
        }
        let mut late = handle.run_coroutine_threadsafe(async { 1 });
        assert!(matches!(late.result(None), Err(ConcurrentError::LoopClosed)));
        assert!(handle.call_soon_threadsafe(|| ()).is_err());
    });
}

/// What ended a coroutine is told, whatever has become of its loop since.
#[test]
fn a_cancel_stays_one_when_the_loop_closes() {
    bounded(|| {
        let runtime = rt();
        let submit = || runtime.handle().run_coroutine_threadsafe(std::future::pending::<()>());
        let mut ended = submit();
        assert!(ended.cancel());
        eventually("its end", || ended.done().then_some(()));
        let (masked, begun) = (Signal::new(), Signal::new());
        let (in_mask, in_body) = (masked.clone(), begun.clone());
        let mut asked =
            runtime.handle().run_coroutine_threadsafe(corio::defer_cancel(async move {
                in_mask.set();
                std::future::pending::<()>().await;
            }));
        let mut waiting = runtime.handle().run_coroutine_threadsafe(async move {
            in_body.set();
            std::future::pending::<()>().await;
        });
        masked.wait_blocking("the one that cannot be cancelled");
        begun.wait_blocking("the other one");
        assert!(asked.cancel());
        drop(runtime);
        for cancelled in [&mut ended, &mut asked] {
            let error = cancelled.result(None).unwrap_err();
            assert!(
                matches!(&error, ConcurrentError::Task(error) if error.is_cancelled()),
                "{error:?}"
            );
        }
        assert!(matches!(waiting.result(None), Err(ConcurrentError::LoopClosed)));
    });
}

#[test]
fn a_dropped_future_detaches() {
    bounded(|| {
        let runtime = rt();
        let (gate, done) = (Signal::new(), Signal::new());
        let (wait, finish) = (gate.wait(), done.clone());
        drop(runtime.handle().run_coroutine_threadsafe(async move {
            wait.await;
            finish.set();
        }));
        gate.set();
        done.wait_blocking("the detached coroutine");
    });
}

#[test]
fn callbacks_of_one_loop_are_called_in_order() {
    bounded(|| {
        let runtime = rt();
        for one in runtime.handle().loops() {
            let (order, done) = (Arc::new(Mutex::new(Vec::new())), Signal::new());
            for i in 0..500 {
                let (order, done) = (order.clone(), done.clone());
                let call = move || {
                    order.lock().unwrap().push((i, thread::current().id()));
                    if i == 499 {
                        done.set();
                    }
                };
                if i % 2 == 0 {
                    drop(one.call_soon(call));
                } else {
                    drop(one.call_soon_threadsafe(call).unwrap());
                }
            }
            done.wait_blocking("the last callback");
            let order = order.lock().unwrap();
            assert!(order.iter().map(|(i, _)| *i).eq(0..500));
            let home = one.run_coroutine_threadsafe(here()).result(None).unwrap();
            assert!(order.iter().all(|(_, thread)| *thread == home));
        }
    });
}

#[test]
fn a_cancelled_callback_is_not_called() {
    bounded(|| {
        let runtime = one_worker().build().unwrap();
        let (started, gate, ledger) = (Signal::new(), Signal::new(), Ledger::new());
        let (mark, open) = (started.clone(), gate.clone());
        runtime.handle().call_soon(move || {
            mark.set();
            open.wait_blocking("the cancels");
        });
        started.wait_blocking("the first callback");
        let token = ledger.token();
        let second = runtime.handle().call_soon(move || panic!("it was called {token:?}"));
        assert!(!second.cancelled());
        second.cancel();
        second.clone().cancel();
        assert!(second.cancelled());
        let third = runtime.handle().call_soon(|| ());
        let done = Signal::new();
        let finish = done.clone();
        runtime.handle().call_soon(move || finish.set());
        gate.set();
        done.wait_blocking("the last callback");
        third.cancel();
        assert!(!third.cancelled(), "it was called");
        assert_eq!(ledger.live(), 0);
    });
}

#[test]
fn callbacks_spawn_tasks_and_further_callbacks() {
    bounded(|| {
        let runtime = rt();
        let done = Signal::new();
        let finish = done.clone();
        runtime.handle().call_soon(move || {
            drop(corio::spawn(async move {
                Handle::current().call_soon(move || {
                    drop(corio::create_local_task(async move { finish.set() }));
                });
            }));
        });
        done.wait_blocking("the end of the chain");
    });
}

#[test]
fn submissions_from_many_threads_all_run() {
    const THREADS: usize = 6;
    const EACH: usize = 1000;
    bounded(|| {
        let runtime = rt();
        let calls = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            for i in 0..THREADS {
                let (handle, calls) = (runtime.handle(), calls.clone());
                scope.spawn(move || {
                    let loops = handle.loops();
                    for j in 0..EACH {
                        let calls = calls.clone();
                        let call = move || {
                            calls.fetch_add(1, Ordering::Relaxed);
                        };
                        let one = &loops[(i + j) % loops.len()];
                        match j % 3 {
                            0 => drop(one.call_soon_threadsafe(call)),
                            1 => drop(one.run_coroutine_threadsafe(async move { call() })),
                            _ => drop(handle.run_coroutine_threadsafe(async move { call() })),
                        }
                    }
                });
            }
        });
        eventually("every call", || {
            (calls.load(Ordering::Relaxed) == THREADS * EACH).then_some(())
        });
    });
}
