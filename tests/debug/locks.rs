//! Cycles of locks.

use std::sync::Arc;
use std::time::Duration;

use corio::TaskStatus;
use corio::debug::ReportKind;
use corio::sync::{Barrier, Condition, Event, Lock, RwLock, Semaphore};

use corio_tests::eventually;

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
fn a_circle_over_two_runtimes_is_told() {
    bounded(|| {
        let runtimes = [debug_rt(), debug_rt()];
        let (one, two) = (Arc::new(Lock::new(())), Arc::new(Lock::new(())));
        let both = Arc::new(Barrier::new(2));
        let ways = [("cycle-here", one.clone(), two.clone()), ("cycle-there", two, one)];
        let tasks: Vec<_> = runtimes
            .iter()
            .zip(ways)
            .map(|(runtime, (name, here, there))| {
                let both = both.clone();
                corio::task().name(name).spawn_on(runtime.handle(), async move {
                    let _here = here.acquire().await;
                    both.wait().await.unwrap();
                    let _there = there.acquire().await;
                })
            })
            .collect();
        let text = report(ReportKind::LockCycle, "'cycle-here'");
        assert!(text.contains("'cycle-there'"), "{text}");
        tasks.iter().for_each(corio::Task::abort);
    });
}

#[test]
fn a_thread_in_a_circle_is_told() {
    bounded(|| {
        let runtime = debug_rt();
        let (one, two) = (Arc::new(Lock::new(())), Arc::new(Lock::new(())));
        let (first, second) = (one.clone(), two.clone());
        let both = Arc::new(std::sync::Barrier::new(2));
        let met = both.clone();
        let thread = std::thread::Builder::new().name("cycle-of-a-thread".to_owned());
        let thread = thread.spawn(move || {
            let _first = first.blocking_lock();
            met.wait();
            drop(second.blocking_lock());
        });
        let (here, there) = (two, one);
        let task =
            corio::task().name("cycle-with-a-thread").spawn_on(runtime.handle(), async move {
                let _here = here.acquire().await;
                both.wait();
                let _there = there.acquire().await;
            });
        let text = report(ReportKind::LockCycle, "'cycle-with-a-thread'");
        assert!(text.contains("'cycle-of-a-thread'"), "{text}");
        task.abort();
        thread.unwrap().join().unwrap();
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

#[test]
fn a_reader_that_asks_again_behind_a_writer_is_told() {
    bounded(|| {
        let runtime = debug_rt();
        let lock = Arc::new(RwLock::new(()));
        let (reads, asks) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let (ours, begun, go_on) = (lock.clone(), reads.clone(), asks.clone());
        let line = line!() + 2;
        let reader = corio::task().name("reads-twice").spawn_on(runtime.handle(), async move {
            let _first = ours.read().await;
            begun.set();
            go_on.wait().await;
            let _second = ours.read().await;
        });
        let writer = corio::task().name("writes-between").spawn_on(runtime.handle(), async move {
            reads.wait().await;
            let _alone = lock.write().await;
        });
        eventually("the writer's wait", || match writer.task_ref().status() {
            TaskStatus::Waiting(Some(frame)) if frame.what == "RwLock::write" => Some(()),
            _ => None,
        });
        asks.set();
        let text = report(ReportKind::LockCycle, "'reads-twice'");
        assert!(text.contains("(RwLock::read) behind task 'writes-between'"), "{text}");
        assert!(text.contains("(RwLock::write) for what task 'reads-twice'"), "{text}");
        assert!(text.contains(&format!("holds since {}:{line}:", file!())), "{text}");
        reader.abort();
        runtime.block_on(async { writer.await.unwrap() });
    });
}

#[test]
fn permits_that_only_their_waiters_could_give_back_are_told() {
    bounded(|| {
        let runtime = debug_rt();
        let (permits, both) = (Arc::new(Semaphore::new(2)), Arc::new(Barrier::new(2)));
        let task = |name: &'static str| {
            let (permits, both) = (permits.clone(), both.clone());
            corio::task().name(name).spawn_on(runtime.handle(), async move {
                let _one = permits.acquire().await.unwrap();
                both.wait().await.unwrap();
                let _another = permits.clone().acquire_owned().await.unwrap();
            })
        };
        let tasks = [task("permits-left"), task("permits-right")];
        let text = report(ReportKind::LockCycle, "'permits-left'");
        assert!(text.contains("(Semaphore::acquire) for what task 'permits-"), "{text}");
        for task in &tasks {
            task.abort();
        }
    });
}

#[test]
fn readers_and_permits_that_come_back_make_no_cycle() {
    bounded(|| {
        let runtime = debug_rt();
        let shared = Arc::new((RwLock::new(0), Semaphore::new(2)));
        let tasks: Vec<_> = (0..8)
            .map(|i| {
                let shared = shared.clone();
                let name = format!("shares-{i}");
                corio::task().name(name).spawn_on(runtime.handle(), async move {
                    let (lock, permits) = &*shared;
                    for round in 0..50 {
                        let mut some = permits.acquire_many(2).await.unwrap();
                        drop(some.split(1).expect("there are two"));
                        drop(lock.read().await);
                        let mut count = lock.write().await;
                        *count += 1;
                        let reads = count.downgrade();
                        corio::yield_now().await;
                        drop(reads);
                        match round % 2 {
                            0 => drop(some),
                            // One permit is added by somebody who has none.
                            _ => {
                                some.forget();
                                permits.release(1);
                            }
                        }
                    }
                })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        assert_eq!(*shared.0.try_read().unwrap(), 400);
        assert_eq!(told(ReportKind::LockCycle, "'shares-"), Vec::<String>::new());
    });
}
