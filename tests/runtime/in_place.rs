//! `block_in_place` of several tasks of one worker: each comes back as soon as it may.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use corio::block_in_place;
use corio_tests::PATIENCE;

use crate::support::{bounded, builder, one_worker, rt, wait};

/// Two calls of which each waits for what the other task does after its own, or in it.
#[test]
fn two_that_wait_for_each_other_both_come_back() {
    bounded(|| {
        let runtime = one_worker().build().unwrap();
        let ((go, may_go), (done, is_done)) = (mpsc::channel(), mpsc::channel());
        let first = runtime.create_task(async move {
            block_in_place(|| may_go.recv_timeout(PATIENCE)).unwrap();
            done.send(()).unwrap();
        });
        let second = runtime.create_task(async move {
            go.send(()).unwrap();
            block_in_place(|| is_done.recv_timeout(PATIENCE)).expect("the first goes on");
        });
        wait(&runtime, first).unwrap();
        wait(&runtime, second).unwrap();
        assert_eq!(wait(&runtime, runtime.create_task(async { 5 })).unwrap(), 5);
    });
}

/// A short call beside a long one of the same worker, begun after it or before.
#[test]
fn a_short_call_does_not_wait_for_a_long_one() {
    bounded(|| {
        let runtime = one_worker().build().unwrap();
        let (end, ended) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let short = runtime.create_task(async move {
            let second = block_in_place(|| has_begun.recv_timeout(PATIENCE));
            second.expect("the long call has begun");
            corio::yield_now().await;
            block_in_place(|| thread::sleep(Duration::from_millis(1)));
        });
        let long = runtime.create_task(async move {
            begun.send(()).unwrap();
            block_in_place(|| ended.recv_timeout(PATIENCE)).expect("it is ended by hand");
        });
        wait(&runtime, short).unwrap();
        assert!(!long.done());
        // The worker goes on as well.
        for _ in 0..100 {
            wait(&runtime, runtime.create_task(corio::yield_now())).unwrap();
        }
        let pinned = runtime.handle().loops()[0].create_pinned_task(|| async { 7 });
        assert_eq!(wait(&runtime, pinned).unwrap(), 7, "the owner runs it again");
        end.send(()).unwrap();
        wait(&runtime, long).unwrap();
    });
}

/// Many at once, each nested in nothing, of all lengths: none is lost, and each goes on in order.
#[test]
fn calls_of_all_lengths_come_back() {
    const TASKS: u64 = 24;
    bounded(|| {
        let runtime = rt();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                runtime.create_task(async move {
                    let mut sum = 0;
                    for round in 0..20 {
                        let micros = (task * 37 + round * 101) % 700;
                        sum += block_in_place(|| {
                            thread::sleep(Duration::from_micros(micros));
                            round
                        });
                        if round % 3 == 0 {
                            corio::yield_now().await;
                        }
                        if round % 7 == 0 {
                            corio::sleep(Duration::from_micros(200)).await;
                        }
                    }
                    sum
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(wait(&runtime, task).unwrap(), 190);
        }
    });
}

#[test]
fn a_call_that_outlives_a_run_is_waited_for_at_the_end() {
    bounded(|| {
        let mut runner = builder().workers(1).runner();
        let (begun, has_begun) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let (over, is_over) = mpsc::channel();
        let task = runner
            .run(async move {
                let task = corio::create_task(async move {
                    begun.send(()).unwrap();
                    block_in_place(|| ended.recv_timeout(PATIENCE)).unwrap();
                    over.send(()).unwrap();
                    corio::current_task().is_some()
                });
                // On a stand-in: it comes to its call while this blocks in place.
                block_in_place(|| has_begun.recv_timeout(PATIENCE)).unwrap();
                task
            })
            .unwrap();
        // Between two runs: the call ends, and its poll goes on.
        end.send(()).unwrap();
        is_over.recv_timeout(PATIENCE).expect("it goes on between two runs");
        assert!(runner.run(async { task.await.unwrap() }).unwrap());

        let (begun, has_begun) = mpsc::channel();
        let left = runner.run(async move {
            let task = corio::create_task(async move {
                begun.send(()).unwrap();
                block_in_place(|| thread::sleep(Duration::from_millis(50)));
                Instant::now()
            });
            block_in_place(|| has_begun.recv_timeout(PATIENCE)).unwrap();
            task
        });
        let mut left = left.unwrap();
        runner.close();
        assert!(left.done());
        let _ended = corio_tests::kit::block_on(&mut left);
    });
}

/// The end of a runtime waits for calls, or names them.
#[test]
fn a_shutdown_waits_for_calls_and_names_those_that_do_not_end() {
    bounded(|| {
        for clean in [true, false] {
            let runtime = one_worker().build().unwrap();
            let (begun, has_begun) = mpsc::channel();
            let (other, has_other) = mpsc::channel();
            let (end, is_to_end) = mpsc::channel::<()>();
            let _first = runtime.create_task(async move {
                block_in_place(|| has_other.recv_timeout(PATIENCE)).unwrap();
            });
            let _second = corio::task().name("in place").spawn_on(runtime.handle(), async move {
                other.send(()).unwrap();
                begun.send(()).unwrap();
                let _ended = block_in_place(|| is_to_end.recv_timeout(2 * PATIENCE));
            });
            has_begun.recv().unwrap();
            // It ends with its sender: while it is waited for, or never.
            let (_end, deadline) = if clean {
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(20));
                    drop(end);
                });
                (None, PATIENCE)
            } else {
                (Some(end), Duration::from_millis(100))
            };
            let report = runtime.shutdown(Some(deadline));
            assert_eq!(report.is_clean(), clean, "{report}");
            assert!(clean || report.to_string().contains("in place"), "{report}");
        }
    });
}
