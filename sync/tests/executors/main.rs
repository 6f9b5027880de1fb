//! Every primitive under bare threads, tokio and smol; the facade's tests do the same under corio.
#![cfg(not(any(corio_loom, corio_shuttle)))]

mod programs;

use corio_sync as sync;
use corio_sync::park::block_on;
use programs::{Executor, Task};

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

fn executors() -> Vec<Box<dyn Executor>> {
    vec![Box::new(Threads), Box::new(Tokio), Box::new(Smol)]
}
