//! Every primitive under bare threads, tokio and smol; the facade's tests do the same under corio.
#![cfg(not(any(corio_loom, corio_shuttle)))]

mod programs;

use corio_sync as sync;
use corio_sync::deferred::{DeferredCore, Outcome};
use corio_sync::park::block_on;
use programs::{Executor, Task};
use std::sync::Arc;

struct Threads;

impl Executor for Threads {
    fn run(&self, tasks: Vec<Task>) {
        let spawn = |task| std::thread::spawn(move || block_on(task));
        for thread in tasks.into_iter().map(spawn).collect::<Vec<_>>() {
            thread.join().unwrap();
        }
    }
}

struct Tokio;

impl Executor for Tokio {
    fn run(&self, tasks: Vec<Task>) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            for task in tasks.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
                task.await.unwrap();
            }
        });
    }
}

struct Smol;

impl Executor for Smol {
    fn run(&self, tasks: Vec<Task>) {
        smol::block_on(async {
            for task in tasks.into_iter().map(smol::spawn).collect::<Vec<_>>() {
                task.await;
            }
        });
    }
}

/// What the runtime's deferred is made of; the facade has no name for it.
#[test]
fn an_outcome_reaches_everybody() {
    const TASKS: usize = 8;
    for executor in executors() {
        let core = Arc::new(DeferredCore::<usize, (), ()>::new());
        let task = |number| -> Task {
            let core = core.clone();
            Box::pin(async move {
                if number == TASKS / 2 {
                    core.set_result(number).expect("nobody else settles it");
                }
                assert!(matches!(core.wait().await, Outcome::Value(4)));
            })
        };
        executor.run((0..TASKS).map(task).collect());
    }
}

fn executors() -> Vec<Box<dyn Executor>> {
    vec![Box::new(Threads), Box::new(Tokio), Box::new(Smol)]
}
