//! What the settings of a builder change: each test sees the effect, and that it is gone with the
//! other value. The variant's settings play no part.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use corio::{Builder, Runtime};
use corio_tests::kit::{Ledger, Signal, threads_named};
use corio_tests::{PATIENCE, eventually};

use crate::support::{bounded, wait};

/// How long a task keeps its worker from what nobody else is to take.
const ALONE: Duration = Duration::from_millis(50);

/// Spawns `children` from a task that then keeps its thread until `enough` of them have run
/// elsewhere, or for [`ALONE`] if that is 0. Returns how many have run by then.
fn run_elsewhere(runtime: &Runtime, children: usize, enough: usize) -> usize {
    let parent = runtime.create_task(async move {
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..children {
            let ran = Arc::clone(&ran);
            drop(corio::spawn(async move { ran.fetch_add(1, Ordering::Relaxed) }));
        }
        if enough == 0 {
            thread::sleep(ALONE);
        } else {
            eventually("the children's ends elsewhere", || {
                (ran.load(Ordering::Relaxed) >= enough).then_some(())
            });
        }
        ran.load(Ordering::Relaxed)
    });
    wait(runtime, parent).unwrap()
}

#[test]
fn stealing_lets_a_sibling_take_tasks() {
    bounded(|| {
        // Watch takes from who is stuck, with stealing only.
        let with = |stealing| Builder::new().workers(2).stealing(stealing).build().unwrap();
        assert_eq!(run_elsewhere(&with(true), 64, 64), 64);
        assert_eq!(run_elsewhere(&with(false), 64, 0), 0);
    });
}

#[test]
fn watch_frees_what_is_stuck_behind_a_task() {
    bounded(|| {
        let with = |name, watch| Builder::new().workers(2).name(name).watch(watch).build().unwrap();
        // The only child waits where no sibling looks.
        let watched = with("watched", true);
        assert_eq!(run_elsewhere(&watched, 1, 1), 1);
        assert!(threads_named("watched-watch").len() == 1);
        let alone = with("unseen", false);
        assert_eq!(run_elsewhere(&alone, 1, 0), 0);
        assert!(threads_named("unseen-watch").is_empty());
    });
}

#[test]
fn the_lifo_slot_puts_the_last_woken_first() {
    bounded(|| {
        let order = |lifo_slot| {
            // Without Watch, which ends a poll of a millisecond earlier: then a wait yields.
            let builder = Builder::new().workers(1).watch(false);
            let runtime = builder.lifo_slot(lifo_slot).build().unwrap();
            let said = Arc::new(Mutex::new(Vec::new()));
            let parent = runtime.create_task({
                let said = Arc::clone(&said);
                async move {
                    let children = [1, 2, 3].map(|n| {
                        let said = Arc::clone(&said);
                        corio::spawn(async move { said.lock().unwrap().push(n) })
                    });
                    for child in children {
                        child.await.unwrap();
                    }
                }
            });
            wait(&runtime, parent).unwrap();
            std::mem::take(&mut *said.lock().unwrap())
        };
        assert_eq!(order(true), [3, 1, 2]);
        assert_eq!(order(false), [1, 2, 3]);
    });
}

#[test]
fn the_budget_is_what_a_task_may_do_at_once() {
    bounded(|| {
        for budget in [1, 7, 128] {
            // Without Watch, which ends a poll of a millisecond earlier.
            let builder = Builder::new().workers(1).lifo_slot(false).watch(false);
            let runtime = builder.poll_budget(budget).build().unwrap();
            let parent = runtime.create_task(async {
                let (tx, mut rx) = corio::sync::mpsc::unbounded();
                for value in 0..1_000 {
                    tx.send(value).unwrap();
                }
                let other = Signal::new();
                let turn = other.clone();
                let greedy = corio::spawn(async move {
                    let mut received = 0;
                    while !turn.is_set() {
                        rx.recv().await.unwrap();
                        received += 1;
                    }
                    received
                });
                corio::spawn(async move { other.set() }).await.unwrap();
                greedy.await.unwrap()
            });
            // The other task ran when the budget was used up; the receive that was put off then
            // came after it.
            assert_eq!(wait(&runtime, parent).unwrap(), budget + 1);
        }
    });
}

/// A poll that goes on for a millisecond or so ends at its next wait, whatever its budget.
#[test]
fn a_long_poll_ends_before_its_budget_is_used_up() {
    bounded(|| {
        let builder = Builder::new().workers(1).lifo_slot(false).poll_budget(u32::MAX);
        let runtime = builder.build().unwrap();
        let parent = runtime.create_task(async {
            let (tx, mut rx) = corio::sync::mpsc::unbounded();
            let other = Signal::new();
            let turn = other.clone();
            let greedy = corio::spawn(async move {
                while !turn.is_set() {
                    tx.send(()).unwrap();
                    rx.recv().await.unwrap();
                }
            });
            corio::spawn(async move { other.set() }).await.unwrap();
            greedy.await.unwrap();
        });
        wait(&runtime, parent).unwrap();
    });
}

/// Neither the budget nor a poll of many milliseconds makes it give way.
#[test]
fn what_is_unconstrained_goes_on() {
    bounded(|| {
        let runtime = Builder::new().workers(1).lifo_slot(false).poll_budget(1).build().unwrap();
        let parent = runtime.create_task(async {
            let (tx, mut rx) = corio::sync::mpsc::unbounded();
            let other = Signal::new();
            let turn = other.clone();
            let greedy = corio::spawn(corio::unconstrained(async move {
                for _ in 0..1_000 {
                    tx.send(()).unwrap();
                    rx.recv().await.unwrap();
                }
                let start = Instant::now();
                while start.elapsed() < Duration::from_millis(20) {
                    tx.send(()).unwrap();
                    rx.recv().await.unwrap();
                }
                assert!(!turn.is_set());
                turn
            }));
            corio::spawn(async move { other.set() }).await.unwrap();
            assert!(greedy.await.unwrap().is_set());
        });
        wait(&runtime, parent).unwrap();
    });
}

#[test]
fn the_shutdown_timeout_bounds_the_end_of_a_runtime() {
    const TIMEOUT: Duration = Duration::from_millis(30);
    bounded(|| {
        let ledger = Ledger::new();
        let release = Signal::new();
        let stuck = || {
            let (started, wait, token) = (Signal::new(), release.clone(), ledger.token());
            let mark = started.clone();
            let body = async move {
                let _token = token;
                mark.set();
                wait.wait_blocking("the release");
            };
            (started, body)
        };
        let bounds = |what: &str, end: &dyn Fn()| {
            let start = Instant::now();
            end();
            let took = start.elapsed();
            assert!(took >= TIMEOUT && took < PATIENCE / 4, "{what} took {took:?}");
        };
        let builder = || Builder::new().workers(2).shutdown_timeout(TIMEOUT);
        bounds("dropping a runtime", &|| {
            let runtime = builder().build().unwrap();
            let (started, body) = stuck();
            drop(runtime.create_task(body));
            started.wait_blocking("the start of the task that gets stuck");
        });
        bounds("the end of run", &|| {
            let main = async {
                let (started, body) = stuck();
                drop(corio::Handle::current().loops()[1].create_task(body));
                started.wait().await;
            };
            builder().run(main).unwrap();
        });
        assert_eq!(ledger.live(), 2, "both are stuck still");
        release.set();
        eventually("their ends", || (ledger.live() == 0).then_some(()));
    });
}
