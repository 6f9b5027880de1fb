//! The end: every body dropped once, on the right thread, and what is stuck is named.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use corio::Handle;
use corio_tests::eventually;
use corio_tests::kit::{Ledger, Signal, Token};

use crate::support::{bounded, builder, one_worker, rt, wait};

/// A body that holds a token for ever.
async fn hold(token: Token) {
    std::future::pending::<()>().await;
    drop(token);
}

#[test]
fn a_shutdown_drops_all_bodies_and_counts_them() {
    bounded(|| {
        let ledger = Ledger::new();
        let runtime = rt();
        let mut tasks = Vec::new();
        for i in 0..200 {
            let token = ledger.token();
            let loops = runtime.handle().loops();
            tasks.push(match i % 4 {
                0 => runtime.create_task(hold(token)),
                1 => loops[i % loops.len()].create_task(hold(token)),
                2 => runtime.handle().create_pinned_task(|| hold(token)),
                _ => runtime.create_task(async move {
                    corio::sleep(Duration::from_secs(3600)).await;
                    drop(token);
                }),
            });
        }
        let report = runtime.shutdown(None);
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.stopped, report.busy_threads.len(), ledger.live()), (200, 0, 0));
        assert!(report.to_string().contains("stopped 200 tasks"), "{report}");
        for task in &tasks {
            assert!(task.done() && task.cancelled());
        }
    });
}

#[test]
fn pinned_bodies_are_dropped_on_their_own_thread() {
    bounded(|| {
        let runtime = rt();
        let mut ledgers = Vec::new();
        for one in runtime.handle().loops() {
            let ledger = Ledger::new();
            for _ in 0..10 {
                let token = ledger.token();
                let polled = one.create_pinned_task(|| async {
                    let local = std::rc::Rc::new(token);
                    corio::spawn_local(async move {
                        std::future::pending::<()>().await;
                        drop(local);
                    })
                    .task_ref()
                });
                wait(&runtime, polled).unwrap();
            }
            let home = wait(&runtime, one.create_task(async { thread::current().id() })).unwrap();
            ledgers.push((ledger, home));
        }
        drop(runtime);
        for (ledger, home) in ledgers {
            assert_eq!((ledger.live(), ledger.droppers()), (0, HashSet::from([home])));
        }
    });
}

#[test]
fn what_run_leaves_behind_is_dropped_before_it_returns() {
    bounded(|| {
        let ledger = Ledger::new();
        builder()
            .run(async {
                for i in 0..100 {
                    let token = ledger.token();
                    match i % 3 {
                        0 => drop(corio::spawn(hold(token))),
                        1 => drop(corio::spawn_local(hold(token))),
                        _ => {
                            let loops = Handle::current().loops();
                            drop(loops[i % loops.len()].create_pinned_task(|| hold(token)));
                        }
                    }
                    if i % 10 == 0 {
                        corio::yield_now().await;
                    }
                }
            })
            .unwrap();
        assert_eq!((ledger.made(), ledger.live()), (100, 0));
    });
}

#[test]
fn a_stuck_task_is_named_and_left_behind() {
    bounded(|| {
        // A worker that the machine keeps from leaving another task in time is stuck, too.
        let alone = [30, 300, 3_000, 30_000].into_iter().any(|limit| {
            let stuck = left_behind(Duration::from_millis(limit));
            assert!(stuck.iter().any(|task| task.contains("the stuck one")), "{stuck:?}");
            println!("{limit} ms: {stuck:?}");
            stuck.len() == 1
        });
        assert!(alone, "others than the stuck one are named");
    });
}

/// Ends a runtime with a task that is stuck and ten that wait, within a limit; what is named as stuck.
fn left_behind(limit: Duration) -> Vec<String> {
    let ledger = Ledger::new();
    let runtime = rt();
    let (started, release) = (Signal::new(), Signal::new());
    let (mark, wait, token) = (started.clone(), release.clone(), ledger.token());
    let stuck = runtime.create_task(async move {
        let _token = token;
        mark.set();
        wait.wait_blocking("the release");
    });
    stuck.set_name("the stuck one");
    for _ in 0..10 {
        drop(runtime.create_task(hold(ledger.token())));
    }
    started.wait_blocking("the start of the task that gets stuck");
    let report = runtime.shutdown(Some(limit));
    assert!(!report.is_clean() && report.took >= limit);
    assert!(report.to_string().contains("still inside"), "{report}");
    eventually("the end of all others", || (ledger.live() == 1).then_some(()));
    assert!(!stuck.done());
    release.set();
    eventually("its end", || (stuck.done() && ledger.live() == 0).then_some(()));
    report.stuck
}

#[test]
fn a_stuck_callback_is_no_clean_end() {
    bounded(|| {
        let runtime = rt();
        let (started, release) = (Signal::new(), Signal::new());
        let (mark, wait) = (started.clone(), release.clone());
        let called = runtime.handle().call_soon_threadsafe(move || {
            mark.set();
            wait.wait_blocking("the release");
        });
        called.expect("the loop is open");
        started.wait_blocking("the start of the callback that gets stuck");
        let report = runtime.shutdown(Some(Duration::from_millis(5)));
        assert!(!report.is_clean(), "{report}");
        assert!(report.to_string().contains("still inside a worker"), "{report}");
        release.set();
    });
}

#[test]
fn who_blocks_in_place_after_the_end_gets_its_worker_back() {
    bounded(|| {
        let runtime = rt();
        let (started, release) = (Signal::new(), Signal::new());
        let (mark, wait) = (started.clone(), release.clone());
        let stuck = runtime.create_task(async move {
            mark.set();
            wait.wait_blocking("the release");
            // The executor that would lend a stand-in is gone.
            corio::block_in_place(|| 7)
        });
        started.wait_blocking("the start of the task that gets stuck");
        assert!(!runtime.shutdown(Some(Duration::from_millis(5))).is_clean());
        release.set();
        eventually("its end", || stuck.done().then_some(()));
    });
}

#[test]
fn a_worker_that_was_stuck_touches_no_task_that_the_shutdown_ended() {
    bounded(|| {
        for round in 0..20 {
            let ledger = Ledger::new();
            let runtime = one_worker().name("was-stuck").build().unwrap();
            let (started, release) = (Signal::new(), Signal::new());
            let (mark, wait, tokens) = (started.clone(), release.clone(), ledger.clone());
            drop(runtime.create_task(async move {
                // Tasks in the worker's own queues while it is stuck.
                for _ in 0..10 {
                    drop(corio::spawn(hold(tokens.token())));
                    drop(corio::spawn_local(hold(tokens.token())));
                }
                mark.set();
                wait.wait_blocking("the release");
                for _ in 0..round % 3 {
                    drop(corio::spawn(hold(tokens.token())));
                }
            }));
            started.wait_blocking("the start of the task that gets stuck");
            let handle = runtime.handle().clone();
            drop(handle.create_task(hold(ledger.token())));
            let report = runtime.shutdown(Some(Duration::from_millis(5)));
            assert_eq!(report.stuck.len(), 1);
            release.set();
            eventually("the end of all tasks", || (ledger.live() == 0).then_some(()));
            eventually("the end of the thread", || {
                corio_tests::kit::threads_named("was-stuck").is_empty().then_some(())
            });
            assert!(handle.all_tasks().is_empty());
        }
    });
}

#[test]
fn a_shutdown_during_a_storm_of_spawns_drops_everything() {
    bounded(|| {
        for round in 0..30 {
            let ledger = Ledger::new();
            let runtime = rt();
            let stop = Signal::new();
            let spawners: Vec<_> = (0..3)
                .map(|i| {
                    let (handle, ledger, stop) =
                        (runtime.handle().clone(), ledger.clone(), stop.clone());
                    thread::spawn(move || {
                        while !stop.is_set() {
                            let token = ledger.token();
                            match i {
                                0 => drop(handle.create_task(hold(token))),
                                1 => drop(handle.create_pinned_task(|| hold(token))),
                                _ => drop(handle.call_soon(move || drop(token))),
                            }
                        }
                    })
                })
                .collect();
            for _ in 0..4 {
                let (tokens, stop) = (ledger.clone(), stop.clone());
                drop(runtime.create_task(async move {
                    while !stop.is_set() {
                        drop(corio::spawn(hold(tokens.token())));
                        drop(corio::spawn_local(hold(tokens.token())));
                        corio::yield_now().await;
                    }
                }));
            }
            thread::sleep(Duration::from_micros(round * 100));
            let report = runtime.shutdown(None);
            assert!(report.is_clean(), "{report}");
            stop.set();
            for spawner in spawners {
                spawner.join().unwrap();
            }
            assert_eq!(ledger.live(), 0, "round {round}");
        }
    });
}

#[test]
fn bodies_that_spawn_and_wake_in_their_drop_keep_nothing_alive() {
    /// Spawns, wakes and cancels while its task is being ended.
    struct Restless(Ledger, Option<corio::TaskRef>, Handle, #[expect(dead_code)] Token);
    impl Drop for Restless {
        fn drop(&mut self) {
            drop(self.2.create_task(hold(self.0.token())));
            drop(self.2.create_pinned_task({
                let token = self.0.token();
                || hold(token)
            }));
            if let Some(other) = &self.1 {
                other.cancel();
            }
        }
    }
    bounded(|| {
        let ledger = Ledger::new();
        let runtime = rt();
        let mut last = None;
        for i in 0..50 {
            let handle = runtime.handle().clone();
            let restless = Restless(ledger.clone(), last.take(), handle, ledger.token());
            let body = async move {
                let _restless = restless;
                std::future::pending::<()>().await;
            };
            let task = if i % 2 == 0 {
                runtime.create_task(body)
            } else {
                runtime.handle().create_pinned_task(|| body)
            };
            last = Some(task.task_ref());
        }
        assert!(runtime.shutdown(None).is_clean());
        assert_eq!(ledger.live(), 0);
        assert!(ledger.made() >= 50);
    });
}

#[test]
fn tasks_that_await_each_other_end_without_recursion() {
    bounded(|| {
        for pinned in [false, true] {
            let ledger = Ledger::new();
            let runtime = rt();
            let chain = move |tokens: Ledger| async move {
                let token = tokens.token();
                let mut last = corio::spawn(hold(token));
                for _ in 0..50_000 {
                    let token = tokens.token();
                    let body = async move {
                        let _token = token;
                        drop(last.await);
                    };
                    last = if pinned { corio::spawn_local(body) } else { corio::spawn(body) };
                }
                corio::yield_now().await;
                last.task_ref()
            };
            let tokens = ledger.clone();
            let made = runtime.handle().create_pinned_task(move || chain(tokens));
            let last = wait(&runtime, made).unwrap();
            eventually("the last wait", || {
                matches!(last.status(), corio::TaskStatus::Waiting(Some(_))).then_some(())
            });
            assert!(runtime.shutdown(None).is_clean());
            assert_eq!((ledger.made(), ledger.live()), (50_001, 0));
        }
    });
}

#[test]
fn callbacks_that_wait_are_dropped_at_the_end() {
    bounded(|| {
        let ledger = Ledger::new();
        let runtime = one_worker().build().unwrap();
        let (started, release) = (Signal::new(), Signal::new());
        let (mark, wait) = (started.clone(), release.clone());
        runtime.handle().call_soon(move || {
            mark.set();
            wait.wait_blocking("the release");
        });
        started.wait_blocking("the callback's start");
        for _ in 0..200 {
            let token = ledger.token();
            runtime.handle().call_soon(move || drop(token));
        }
        let ending = thread::spawn(move || runtime.shutdown(None));
        release.set();
        assert!(ending.join().unwrap().is_clean());
        assert_eq!(ledger.live(), 0);
    });
}

#[test]
fn waiters_of_a_stopped_task_are_told() {
    bounded(|| {
        let runtime = rt();
        let task = runtime.create_task(std::future::pending::<()>());
        let other = rt();
        let waiting = other.create_task(async move { task.await });
        eventually("the wait", || {
            let status = waiting.task_ref().status();
            matches!(status, corio::TaskStatus::Waiting(Some(_))).then_some(())
        });
        drop(runtime);
        let error = wait(&other, waiting).unwrap().unwrap_err();
        assert!(
            error.is_cancelled() && error.to_string().ends_with("loop was shut down"),
            "{error}"
        );
    });
}

#[test]
fn a_cancel_before_the_shutdown_keeps_its_say() {
    bounded(|| {
        let runtime = rt();
        let task = runtime.create_task(async {
            corio::defer_cancel(std::future::pending::<()>()).await;
        });
        eventually("the wait", || {
            let status = task.task_ref().status();
            matches!(status, corio::TaskStatus::Waiting(_)).then_some(())
        });
        assert!(task.cancel_with("enough"));
        drop(runtime);
        let error = corio_tests::kit::block_on(task.into_future()).unwrap_err();
        assert_eq!(error.cancelled().and_then(corio::Cancelled::msg), Some("enough"));
    });
}
