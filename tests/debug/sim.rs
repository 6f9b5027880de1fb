//! Simulations: one seed, one schedule; time that does not pass by itself.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use corio::debug::ReportKind;
use corio::sim;
use corio::sync::{Lock, Queue};

use crate::support::{HOUR, bounded, listen, told};

const SEEDS: u64 = 200;

/// What three tasks do that meet in a lock, a queue and sleeps: line by line.
fn trace(seed: u64) -> Vec<String> {
    sim::run(seed, async {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let queue = Rc::new(Queue::new(1));
        let lock = Rc::new(Lock::new(()));
        let tasks: Vec<_> = (0..3)
            .map(|i| {
                let (lines, queue, lock) = (lines.clone(), queue.clone(), lock.clone());
                corio::create_local_task(async move {
                    for step in 0..3 {
                        drop(lock.acquire().await);
                        queue.put((i, step)).await.unwrap();
                        lines.borrow_mut().push(format!("{i} put {step}"));
                        corio::sleep(Duration::from_millis(i)).await;
                        let got = queue.get().await.unwrap();
                        lines.borrow_mut().push(format!("{i} got {got:?}"));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        lines.take()
    })
}

#[test]
fn a_seed_replays_its_schedule_and_seeds_differ() {
    bounded(|| {
        let traces: Vec<_> = (0..20).map(trace).collect();
        for (seed, first) in traces.iter().enumerate() {
            assert_eq!(&trace(seed as u64), first, "seed {seed}");
            assert_eq!(first.len(), 18);
        }
        let distinct: HashSet<_> = traces.iter().collect();
        assert!(distinct.len() > 5, "only {} schedules of 20 seeds", distinct.len());
    });
}

/// Two withdrawals that look before they leap: what the account has in the end.
fn account(seed: u64) -> u32 {
    sim::run(seed, async {
        let money = Arc::new(AtomicU32::new(100));
        let lock = Arc::new(Lock::new(()));
        let withdraw = |money: Arc<AtomicU32>, lock: Arc<Lock<()>>| async move {
            let enough = money.load(Relaxed) >= 80;
            // The lock is free, so on most schedules this does not wait.
            let _held = lock.acquire().await;
            if enough {
                money.fetch_sub(80, Relaxed);
            }
        };
        let both = [0, 1].map(|_| corio::create_task(withdraw(money.clone(), lock.clone())));
        for task in both {
            task.await.unwrap();
        }
        money.load(Relaxed)
    })
}

#[test]
fn a_race_is_found_by_some_seeds_and_by_those_each_time() {
    bounded(|| {
        let found: Vec<u64> = (0..SEEDS).filter(|&seed| account(seed) != 20).collect();
        assert!(!found.is_empty() && found.len() < SEEDS as usize, "{} seeds", found.len());
        for &seed in &found {
            assert_eq!(account(seed), 20u32.wrapping_sub(80), "seed {seed}");
        }
    });
}

#[test]
fn time_jumps_to_the_next_deadline() {
    bounded(|| {
        let real = Instant::now();
        sim::run(7, async {
            let handle = corio::Handle::current();
            let start = handle.time();
            let slow = corio::create_task(async move { corio::sleep(1000 * HOUR).await });
            corio::sleep(HOUR).await;
            let passed = handle.time() - start;
            assert!(passed >= HOUR && passed < HOUR + Duration::from_millis(2), "{passed:?}");
            assert!(corio::timeout(HOUR, std::future::pending::<()>()).await.is_err());
            assert!(handle.time() - start >= 2 * HOUR);
            slow.await.unwrap();
            assert!(handle.time() - start >= 1000 * HOUR);
        });
        assert!(real.elapsed() < HOUR, "nobody waits in earnest");
    });
}

#[test]
fn deadlines_come_in_order_under_every_seed() {
    bounded(|| {
        for seed in 0..50 {
            let order = sim::run(seed, async {
                let order = Rc::new(RefCell::new(Vec::new()));
                let spawn = |ms: u64| {
                    let order = order.clone();
                    corio::create_local_task(async move {
                        corio::sleep(Duration::from_millis(ms)).await;
                        order.borrow_mut().push(ms);
                    })
                };
                for task in [30, 10, 20].map(spawn) {
                    task.await.unwrap();
                }
                order.take()
            });
            assert_eq!(order, [10, 20, 30], "seed {seed}");
        }
    });
}

#[test]
fn threads_are_waited_for() {
    bounded(|| {
        let sum = sim::run(3, async {
            let late = corio::create_task(async { corio::sleep(HOUR).await });
            let job = corio::to_thread(|| {
                std::thread::sleep(Duration::from_millis(5));
                2
            });
            let sum = job.await.unwrap() + 1;
            late.await.unwrap();
            sum
        });
        assert_eq!(sum, 3);
    });
}

#[test]
fn a_program_that_cannot_go_on_is_told_with_its_tasks() {
    listen();
    let panic = std::panic::catch_unwind(|| {
        sim::run(41, async {
            let lock = Lock::new(());
            let _held = lock.acquire().await;
            let _again = lock.acquire().await;
        });
    });
    let message = *panic.unwrap_err().downcast::<String>().unwrap();
    assert!(message.starts_with("the simulation with seed 41 has stalled"), "{message}");
    assert!(message.contains("name='main' waiting for Lock::acquire at "), "{message}");
    assert_eq!(told(ReportKind::Simulation, "seed 41 failed; sim::run(41, ..)").len(), 1);
}

#[test]
fn a_panic_tells_its_seed_and_a_value_does_not() {
    listen();
    let panic = std::panic::catch_unwind(|| sim::run(42, async { panic!("inside") }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"inside"));
    assert_eq!(told(ReportKind::Simulation, "seed 42 failed").len(), 1);
    assert_eq!(sim::run(43, async { 1 }), 1);
    assert_eq!(told(ReportKind::Simulation, "seed 43 failed").len(), 0);
}

/// Which of two ready branches 64 selects take.
fn picks(seed: u64) -> Vec<u32> {
    sim::run(seed, async {
        let mut picks = Vec::new();
        for _ in 0..64 {
            picks.push(corio::select! {
                _ = std::future::ready(()) => 0,
                _ = std::future::ready(()) => 1,
            });
        }
        picks
    })
}

#[test]
fn a_seed_chooses_the_branches_of_a_select() {
    bounded(|| {
        let all: Vec<_> = (0..20).map(picks).collect();
        for (seed, first) in all.iter().enumerate() {
            assert_eq!(&picks(seed as u64), first, "seed {seed}");
            // On another thread, too, and after others have drawn.
            let elsewhere = std::thread::spawn(move || picks(seed as u64)).join().unwrap();
            assert_eq!(&elsewhere, first, "seed {seed}");
            assert!(first.contains(&0) && first.contains(&1), "seed {seed} is unfair: {first:?}");
        }
        let distinct: HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 20, "seeds differ");
    });
}
