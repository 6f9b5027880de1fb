//! Cycles of locks.

use std::sync::Arc;
use std::time::Duration;

use corio::debug::ReportKind;
use corio::sync::{Barrier, Condition, Event, Lock};

use crate::support::{HOUR, bounded, debug_rt, report, told};

#[test]
fn two_tasks_that_wait_for_each_other_are_told_with_all_four_places() {
    bounded(|| {
        let runtime = debug_rt();
        let (one, two) = (Arc::new(Lock::new(())), Arc::new(Lock::new(())));
        let both = Arc::new(Barrier::new(2));
        let first = line!() + 1;
        let task = |name: &'static str, here: Arc<Lock<()>>, there: Arc<Lock<()>>| {
            let both = both.clone();
            corio::task().name(name).spawn_on(runtime.handle(), async move {
                let _here = here.acquire().await;
                both.wait().await.unwrap();
                let _there = there.acquire().await;
            })
        };
        let tasks = [task("cycle-left", one.clone(), two.clone()), task("cycle-right", two, one)];
        let text = report(ReportKind::LockCycle, "'cycle-left'");
        assert!(text.contains("task 'cycle-right'"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
        for line in text.lines().skip(1) {
            let (held, asked) = (first + 3, first + 5);
            assert!(line.contains(&format!("waits at {}:{asked}:", file!())), "{text}");
            assert!(line.contains(&format!("holds since {}:{held}:", file!())), "{text}");
            assert!(line.contains("(Lock::acquire)"), "{text}");
        }
        for task in &tasks {
            task.abort();
        }
        assert_eq!(told(ReportKind::LockCycle, "'cycle-left'").len(), 1);
    });
}

#[test]
fn a_task_that_waits_for_its_own_lock_is_told() {
    bounded(|| {
        let runtime = debug_rt();
        let task = corio::task().name("cycle-of-one").spawn_on(runtime.handle(), async {
            let lock = Lock::new(());
            let _held = lock.acquire().await;
            let _again = lock.acquire().await;
        });
        report(ReportKind::LockCycle, "'cycle-of-one'");
        task.abort();
    });
}

#[test]
fn locks_in_one_order_and_conditions_make_no_cycle() {
    bounded(|| {
        let runtime = debug_rt();
        let shared = Arc::new((Lock::new(0), Lock::new(()), Condition::new()));
        let tasks: Vec<_> = (0..8)
            .map(|i| {
                let shared = shared.clone();
                let name = format!("orderly-{i}");
                corio::task().name(name).spawn_on(runtime.handle(), async move {
                    for _ in 0..50 {
                        let mut count = shared.0.acquire().await;
                        let _second = shared.1.acquire().await;
                        *count += 1;
                        corio::yield_now().await;
                    }
                    let (lock, _, all) = &*shared;
                    let mut count = lock.acquire().await;
                    // The wait lets the lock go, so others that hold it are no cycle.
                    all.wait_for(&mut count, |count| *count == 400).await;
                    all.notify_all(&count);
                })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                let waker = shared.0.acquire().await;
                shared.2.notify_all(&waker);
                drop(waker);
                task.await.unwrap();
            }
        });
        assert_eq!(told(ReportKind::LockCycle, "'orderly-"), Vec::<String>::new());
    });
}

#[test]
fn a_wait_that_was_given_up_is_no_part_of_a_cycle() {
    bounded(|| {
        let runtime = debug_rt();
        let (one, two) = (Arc::new(Lock::new(())), Arc::new(Lock::new(())));
        let (held, gave_up) = (Arc::new(Barrier::new(2)), Arc::new(Event::new()));
        let limit = Duration::from_millis(1);
        let (a, b, both, tell) = (one.clone(), two.clone(), held.clone(), gave_up.clone());
        let first = corio::task().name("gives-up").spawn_on(runtime.handle(), async move {
            let _held = a.acquire().await;
            both.wait().await.unwrap();
            assert!(corio::timeout(limit, b.acquire()).await.is_err());
            tell.set();
            corio::sleep(HOUR).await;
        });
        let second = corio::task().name("comes-later").spawn_on(runtime.handle(), async move {
            let _held = two.acquire().await;
            held.wait().await.unwrap();
            gave_up.wait().await;
            assert!(corio::timeout(limit, one.acquire()).await.is_err());
        });
        runtime.block_on(async { second.await.unwrap() });
        assert_eq!(told(ReportKind::LockCycle, "'gives-up'"), Vec::<String>::new());
        first.abort();
    });
}
