//! Threads that are inside more than one thing: a worker that has entered another runtime, a run that
//! begins inside a guard, a runtime that is ended on the worker of another, a runner between two runs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use corio::{Handle, Runtime, block_in_place};
use corio_tests::PATIENCE;

use crate::support::{bounded, builder, rt, variant, wait};

/// A runtime of a name.
fn named(name: &str) -> Runtime {
    builder().name(name).build().expect("a runtime")
}

/// The name of the runtime that the caller is inside.
fn current() -> String {
    let text = format!("{:?}", Handle::current());
    let after = text.split("runtime: \"").nth(1).expect("a name");
    after.split('"').next().unwrap().to_owned()
}

#[test]
fn what_a_worker_spawns_inside_a_guard_is_the_guards() {
    bounded(|| {
        let (a, b) = (named("one"), named("two"));
        let guest = b.handle().clone();
        let task = a.create_task(async move {
            let spawned = {
                let _inside = guest.enter();
                assert_eq!(current(), "two");
                let plain = corio::create_task(async { current() });
                let built = corio::task().name("x").spawn(async { current() });
                let eager = corio::task().eager(true).spawn(async { current() });
                [plain, built, eager]
            };
            for task in spawned {
                assert_eq!(task.await.unwrap(), "two");
            }
            assert_eq!(current(), "one");
            corio::create_task(async { current() }).await.unwrap()
        });
        assert_eq!(wait(&a, task).unwrap(), "one");
    });
}

#[test]
fn a_run_counts_for_more_than_the_guards_around_it() {
    bounded(|| {
        let around = named("around");
        let _inside = around.enter();
        let ran = builder().name("within").run(async {
            assert_eq!(current(), "within");
            let task = corio::create_task(async { current() });
            let job = corio::to_thread(current);
            (task.await.unwrap(), job.await.unwrap())
        });
        assert_eq!(ran.unwrap(), ("within".to_owned(), "within".to_owned()));
        assert_eq!(current(), "around");
    });
}

/// Whichever thread polls the task: the caller of `run`, another worker, or one that stands in.
#[test]
fn a_thread_that_blocks_in_place_may_run_a_runtime() {
    bounded(|| {
        let ran = builder().run(async {
            let nested = || block_in_place(|| builder().workers(1).run(async { 7 }));
            assert_eq!(nested().unwrap(), 7, "in main");
            let tasks: Vec<_> =
                (0..20).map(|_| corio::create_task(async move { nested() })).collect();
            for task in tasks {
                assert_eq!(task.await.unwrap().unwrap(), 7);
            }
            assert!(builder().run(async {}).is_err(), "without it, it is nested");
        });
        ran.unwrap();
    });
}

#[test]
fn a_runtime_that_is_ended_on_the_worker_of_another_is_waited_for() {
    bounded(|| {
        let outer = rt();
        let inner = named("inner");
        let (begun, has_begun) = mpsc::channel();
        let (free, freed) = mpsc::channel::<()>();
        let _stuck = inner.create_task(async move {
            begun.send(()).unwrap();
            freed.recv().unwrap();
        });
        has_begun.recv().unwrap();
        let task = outer.create_task(async move { inner.shutdown(Some(Duration::from_millis(5))) });
        let report = wait(&outer, task).unwrap();
        assert!(!report.is_clean(), "{report}");
        free.send(()).unwrap();
        let other = named("other");
        let job = other.handle().run_in_executor(None, || thread::sleep(Duration::from_millis(50)));
        let task = outer.create_task(async move { other.shutdown(None) });
        assert!(wait(&outer, task).unwrap().is_clean());
        assert!(job.done(), "it was waited for");
    });
}

#[test]
fn a_runtime_that_a_job_of_its_own_ends_waits_for_nothing() {
    bounded(|| {
        let runtime = rt();
        let handle = runtime.handle().clone();
        let (done, is_done) = mpsc::channel();
        let _job = handle.run_in_executor(None, move || done.send(runtime.shutdown(None)).unwrap());
        is_done.recv().unwrap();
    });
}

#[test]
fn sockets_are_served_between_two_runs_of_a_runner() {
    if variant().workers == 1 {
        return;
    }
    bounded(|| {
        let mut runner = builder().runner();
        let (address, task) = runner
            .run(async {
                let listener = corio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let server = corio::create_task(answer(listener));
                corio::sleep(Duration::from_millis(5)).await;
                (address, server)
            })
            .unwrap();
        for round in 0..20 {
            ask(address, round);
        }
        // What is pinned to the loop that stands still waits, and costs nothing meanwhile.
        let handle = runner.get_loop().loops().swap_remove(0);
        let pinned = handle.create_pinned_task(|| async { 5 });
        let parks = || runner.get_loop().metrics().workers.iter().map(|w| w.parks).sum::<u64>();
        let before = parks();
        thread::sleep(Duration::from_millis(200));
        let parked = parks() - before;
        assert!(parked < 200, "a worker slept {parked} times in 200 ms");
        assert!(!pinned.done());
        assert_eq!(runner.run(async { pinned.await.unwrap() }).unwrap(), 5);
        drop(task);
    });
}

#[test]
fn a_task_is_what_a_thread_may_block_on() {
    bounded(|| {
        let runtime = rt();
        let task = runtime.create_task(async { 5 });
        assert_eq!(runtime.block_on(task).unwrap(), 5);
        let mut runner = builder().runner();
        let task = runner.run(async { corio::create_task(async { 6 }) }).unwrap();
        assert_eq!(runner.run(task).unwrap().unwrap(), 6);
    });
}

/// Answers each client's byte, one client after the other.
async fn answer(listener: corio::net::TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        stream.write_all(&byte).await.unwrap();
    }
}

fn ask(address: std::net::SocketAddr, byte: u8) {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE / 4)).unwrap();
    client.write_all(&[byte]).unwrap();
    let mut answer = [0];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer, [byte]);
}

#[test]
fn sockets_are_served_before_the_first_run() {
    if variant().workers == 1 {
        return;
    }
    bounded(|| {
        let runner = builder().runner();
        let (tells, told) = mpsc::channel();
        let task = runner.get_loop().create_task(async move {
            let listener = corio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tells.send(listener.local_addr().unwrap()).unwrap();
            answer(listener).await;
        });
        let address = told.recv().unwrap();
        for round in 0..20 {
            ask(address, round);
        }
        drop(task);
    });
}

/// Who hears of them for the loop that stands still is itself stuck when they come, and helped.
#[test]
fn sockets_between_two_runs_are_served_after_a_stuck_sibling() {
    for workers in 2..=4 {
        bounded(move || {
            let mut runner = builder().workers(workers).runner();
            let serve = async {
                let listener = corio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let server = corio::create_task(answer(listener));
                corio::sleep(Duration::from_millis(5)).await;
                (address, server)
            };
            let (address, task) = runner.run(serve).unwrap();
            let handle = runner.get_loop();
            for round in 0..5 {
                let (begun, has_begun) = mpsc::channel();
                let _stuck = handle.create_task(async move {
                    begun.send(()).unwrap();
                    thread::sleep(Duration::from_millis(50));
                });
                has_begun.recv().unwrap();
                thread::sleep(Duration::from_millis(15));
                ask(address, round);
            }
            drop(task);
        });
    }
}
