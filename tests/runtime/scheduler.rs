//! Who runs when and where: everything runs, nothing is starved, pinned tasks stay, others move.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use corio_tests::kit::Signal;
use corio_tests::{PATIENCE, eventually};

use crate::support::{bounded, here, on_one_worker, on_runtime, one_worker, rt, variant, wait};

/// Polls of a busy task between two looks of its worker at everything else, with room to spare:
/// a worker looks at least every 128 polls.
const POLLS_UNTIL_A_LOOK: usize = 10 * 128;

#[test]
fn everything_runs() {
    const TASKS: usize = 10_000;
    on_runtime(|| async {
        let ran = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..TASKS)
            .map(|i| {
                let ran = ran.clone();
                corio::spawn(async move {
                    for _ in 0..i % 4 {
                        corio::yield_now().await;
                    }
                    ran.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(ran.load(Ordering::Relaxed), TASKS);
    });
}

#[test]
fn yielding_tasks_take_turns() {
    on_one_worker(|| async {
        const TASKS: usize = 10;
        let turns: Arc<[AtomicUsize; TASKS]> = Arc::default();
        let tasks: Vec<_> = (0..TASKS)
            .map(|me| {
                let turns = turns.clone();
                corio::spawn(async move {
                    for _ in 0..500 {
                        let mine = turns[me].fetch_add(1, Ordering::Relaxed);
                        let least = turns.iter().map(|t| t.load(Ordering::Relaxed)).min().unwrap();
                        // A turn of the pinned queue, or a task brought in from outside, may come
                        // in between.
                        assert!(mine <= least + 16, "{mine} turns against {least}");
                        corio::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_yielding_task_lets_everything_else_go_first() {
    on_one_worker(|| async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = {
            let order = order.clone();
            corio::create_local_task(async move {
                order.lock().unwrap().push("a");
                corio::yield_now().await;
                order.lock().unwrap().push("c");
            })
        };
        let second = {
            let order = order.clone();
            corio::create_local_task(async move { order.lock().unwrap().push("b") })
        };
        first.await.unwrap();
        second.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["a", "b", "c"]);
    });
}

/// Two tasks that wake each other without end; counts their exchanges.
fn ping_pong(stop: &Arc<AtomicBool>) -> (Arc<AtomicUsize>, [corio::Task<()>; 2]) {
    let exchanges = Arc::new(AtomicUsize::new(0));
    let wakers: Arc<[Mutex<Option<Waker>>; 2]> = Arc::default();
    let players = [0, 1].map(|me| {
        let (stop, exchanges, wakers) = (stop.clone(), exchanges.clone(), wakers.clone());
        corio::spawn(poll_fn(move |cx| {
            *wakers[me].lock().unwrap() = Some(cx.waker().clone());
            if let Some(other) = wakers[1 - me].lock().unwrap().take() {
                other.wake();
            }
            if stop.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            exchanges.fetch_add(1, Ordering::Relaxed);
            Poll::Pending
        }))
    });
    (exchanges, players)
}

#[test]
fn two_tasks_that_wake_each_other_do_not_starve_a_third() {
    on_one_worker(|| async {
        let stop = Arc::new(AtomicBool::new(false));
        let (exchanges, players) = ping_pong(&stop);
        while exchanges.load(Ordering::Relaxed) < 100 {
            corio::yield_now().await;
        }
        let before = exchanges.load(Ordering::Relaxed);
        let (count, halt) = (exchanges.clone(), stop.clone());
        let third = corio::spawn(async move {
            halt.store(true, Ordering::Relaxed);
            count.load(Ordering::Relaxed) - before
        });
        let waited = third.await.unwrap();
        assert!(waited <= 40, "the third task waited for {waited} exchanges");
        for player in players {
            player.await.unwrap();
        }
    });
}

/// Tasks that keep one worker busy until they are told to stop; counts their polls.
fn busy(runtime: &corio::Runtime, tasks: usize) -> (Arc<AtomicUsize>, Signal) {
    let (polls, stop) = (Arc::new(AtomicUsize::new(0)), Signal::new());
    for _ in 0..tasks {
        let (polls, stop) = (polls.clone(), stop.clone());
        drop(runtime.create_task(async move {
            while !stop.is_set() {
                polls.fetch_add(1, Ordering::Relaxed);
                corio::yield_now().await;
            }
        }));
    }
    eventually("the busy tasks' polls", || (polls.load(Ordering::Relaxed) > 1000).then_some(()));
    (polls, stop)
}

#[test]
fn a_busy_queue_does_not_starve_what_comes_from_outside() {
    bounded(|| {
        let runtime = one_worker().build().unwrap();
        let (polls, stop) = busy(&runtime, 8);
        let submit = |way: usize| {
            let (counted, before) = (polls.clone(), polls.load(Ordering::Relaxed));
            let ran = Arc::new(AtomicUsize::new(usize::MAX));
            let mark = ran.clone();
            let note =
                move || mark.store(counted.load(Ordering::Relaxed) - before, Ordering::Relaxed);
            match way {
                0 => drop(runtime.create_task(async move { note() })),
                1 => drop(runtime.handle().create_pinned_task(|| async move { note() })),
                2 => drop(runtime.handle().call_soon(note)),
                _ => drop(runtime.handle().run_coroutine_threadsafe(async move { note() })),
            }
            eventually("the submission's run", || {
                let waited = ran.load(Ordering::Relaxed);
                (waited != usize::MAX).then_some(waited)
            })
        };
        for way in 0..4 {
            // The submitting thread may be descheduled between its look at the count and its
            // submission: the best of several tells what the runtime does.
            let waited = (0..10).map(|_| submit(way)).min().unwrap();
            assert!(waited <= POLLS_UNTIL_A_LOOK, "way {way} waited for {waited} polls");
        }
        stop.set();
    });
}

#[test]
fn a_busy_queue_does_not_starve_timers() {
    bounded(|| {
        let runtime = one_worker().build().unwrap();
        let start = Instant::now();
        // When the timer is due, in nanoseconds from the start, and the polls of others since.
        let (due, late) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicUsize::new(0)));
        let stop = Signal::new();
        for _ in 0..8 {
            let (due, late, stop) = (due.clone(), late.clone(), stop.clone());
            drop(runtime.create_task(async move {
                while !stop.is_set() {
                    if start.elapsed().as_nanos() as u64 > due.load(Ordering::Relaxed) {
                        late.fetch_add(1, Ordering::Relaxed);
                    }
                    corio::yield_now().await;
                }
            }));
        }
        let polls = late.clone();
        let task = runtime.create_task(async move {
            let mut worst = 0;
            for _ in 0..10 {
                let at = Instant::now() + Duration::from_millis(3);
                due.store((at - start).as_nanos() as u64, Ordering::Relaxed);
                corio::sleep_until(at).await;
                due.store(u64::MAX, Ordering::Relaxed);
                worst = worst.max(polls.swap(0, Ordering::Relaxed));
            }
            worst
        });
        let worst = wait(&runtime, task).unwrap();
        stop.set();
        assert!(worst <= POLLS_UNTIL_A_LOOK, "the timer came {worst} polls late");
    });
}

#[test]
fn pinned_and_other_tasks_have_their_turns() {
    for pinned_are_busy in [false, true] {
        on_one_worker(move || async move {
            let stop = Signal::new();
            for _ in 0..4 {
                let stop = stop.clone();
                let spin = async move {
                    while !stop.is_set() {
                        corio::yield_now().await;
                    }
                };
                if pinned_are_busy {
                    drop(corio::spawn_local(spin))
                } else {
                    drop(corio::spawn(spin))
                }
            }
            let halt = stop.clone();
            let other = async move { halt.set() };
            let other =
                if pinned_are_busy { corio::spawn(other) } else { corio::spawn_local(other) };
            other.await.unwrap();
        });
    }
}

#[test]
fn idle_workers_take_part() {
    const TASKS: usize = 40;
    bounded(|| {
        let runtime = rt();
        let variant = variant();
        // Behind a task that never ends its poll only Watch finds the others.
        let limit = if variant.watch { PATIENCE } else { Duration::from_millis(5) };
        // How many threads run tasks that stay inside until `enough` of them are, or for so long.
        let spread = |from_outside: bool, enough: usize| {
            let inside = Arc::new(AtomicUsize::new(0));
            let work = move || {
                let inside = inside.clone();
                corio::spawn(async move {
                    inside.fetch_add(1, Ordering::Relaxed);
                    let began = Instant::now();
                    while inside.load(Ordering::Relaxed) < enough && began.elapsed() < limit {
                        thread::yield_now();
                    }
                    here().await
                })
            };
            let tasks: Vec<_> = if from_outside {
                let _entered = runtime.enter();
                (0..TASKS).map(|_| work()).collect()
            } else {
                let spawns = async move { (0..TASKS).map(|_| work()).collect() };
                wait(&runtime, runtime.create_task(spawns)).unwrap()
            };
            let threads: HashSet<_> =
                tasks.into_iter().map(|t| wait(&runtime, t).unwrap()).collect();
            threads.len()
        };
        if variant.workers == 1 {
            return assert_eq!((spread(true, 1), spread(false, 1)), (1, 1));
        }
        // With Watch the first attempt is enough; without, the machine may keep a sibling from its core.
        let is_shared = |from_outside| {
            let attempts = if variant.watch { 1 } else { 100 };
            (0..attempts).any(|_| spread(from_outside, 2) > 1)
        };
        assert!(is_shared(true), "one worker took all submissions");
        let steals = || runtime.handle().metrics().workers.iter().map(|w| w.steals).sum::<u64>();
        if variant.stealing {
            assert!(is_shared(false), "nobody took the children of one task");
            eventually("the published count of steals", || (steals() > 0).then_some(()));
        } else {
            assert_eq!(spread(false, 1), 1, "tasks moved without stealing");
            assert_eq!(steals(), 0);
        }
    });
}

#[test]
fn a_sleeping_runtime_does_not_spin() {
    bounded(|| {
        let runtime = rt();
        drop(runtime.create_task(corio::sleep(Duration::from_secs(3600))));
        let parks =
            || runtime.handle().metrics().workers.iter().map(|w| w.parks).sum::<u64>() as usize;
        // Workers go to sleep and stay there: look for a quiet stretch, not at a fixed time.
        eventually("a quiet stretch", || {
            let before = parks();
            thread::sleep(Duration::from_millis(50));
            (parks() == before).then_some(())
        });
    });
}

#[test]
fn metrics_count() {
    bounded(|| {
        let runtime = rt();
        for _ in 0..100 {
            wait(&runtime, runtime.create_task(corio::yield_now())).unwrap();
        }
        eventually("the published counts", || {
            let metrics = runtime.handle().metrics();
            assert_eq!(metrics.workers.len(), variant().workers);
            let polls: u64 = metrics.workers.iter().map(|w| w.polls).sum();
            (polls >= 200 && metrics.tasks == 0 && metrics.injected == 0).then_some(())
        });
    });
}

#[test]
fn one_submission_wakes_a_sleeping_runtime() {
    bounded(|| {
        let runtime = rt();
        for round in 0..300 {
            if round % 10 == 0 {
                // Let everybody fall asleep.
                thread::sleep(Duration::from_millis(2));
            }
            assert_eq!(wait(&runtime, runtime.create_task(async move { round })).unwrap(), round);
        }
    });
}

#[test]
fn submissions_and_falling_asleep_race() {
    const THREADS: usize = 3;
    bounded(|| {
        let runtime = rt();
        thread::scope(|scope| {
            for me in 0..THREADS {
                let runtime = &runtime;
                scope.spawn(move || {
                    for round in 0..1000 {
                        for _ in 0..(round * 7 + me * 13) % 200 {
                            std::hint::spin_loop();
                        }
                        let task = match round % 3 {
                            0 => runtime.create_task(async {}),
                            1 => runtime.handle().create_pinned_task(|| async {}),
                            _ => runtime.create_task(async {
                                corio::spawn(corio::yield_now()).await.unwrap();
                            }),
                        };
                        wait(runtime, task).unwrap();
                    }
                });
            }
        });
    });
}

#[test]
fn more_tasks_than_a_queue_holds() {
    on_one_worker(|| async {
        // A worker's own queue holds 256; the rest goes around through the injector.
        let tasks: Vec<_> = (0..5000_u64).map(|i| corio::spawn(async move { i })).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        assert_eq!(sum, 5000 * 4999 / 2);
    });
}

/// A callback runs before the tasks that lie elsewhere: whoever brought these has relied on its worker.
#[test]
fn a_callback_may_wait_for_a_task_that_was_submitted_before() {
    if variant().workers == 1 || !variant().stealing {
        return;
    }
    bounded(|| {
        let runtime = rt();
        for _ in 0..60 {
            // All sleep.
            thread::sleep(Duration::from_millis(5));
            let ((ran, has_ran), (done, is_done)) = (mpsc::channel(), mpsc::channel());
            drop(runtime.create_task(async move { ran.send(()).unwrap() }));
            let call = move || done.send(has_ran.recv_timeout(Duration::from_secs(5))).unwrap();
            runtime.handle().call_soon(call);
            is_done.recv().unwrap().expect("the task ran beside the callback");
        }
    });
}

/// Likewise what comes while the callback runs.
#[test]
fn a_callback_that_takes_long_keeps_no_other_worker_asleep() {
    if variant().workers == 1 || !variant().stealing {
        return;
    }
    bounded(|| {
        let runtime = rt();
        for _ in 0..60 {
            thread::sleep(Duration::from_millis(5));
            let ((begun, has_begun), (ran, has_ran)) = (mpsc::channel(), mpsc::channel());
            let (done, is_done) = mpsc::channel();
            let call = move || {
                begun.send(()).unwrap();
                done.send(has_ran.recv_timeout(Duration::from_secs(5))).unwrap();
            };
            runtime.handle().call_soon(call);
            has_begun.recv().unwrap();
            drop(runtime.create_task(async move { ran.send(()).unwrap() }));
            is_done.recv().unwrap().expect("the task ran beside the callback");
        }
    });
}
