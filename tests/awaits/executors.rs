//! Executors: a job that has not begun is taken back, one that has begun runs to its end, and the
//! next one finds its thread.

use std::sync::mpsc;

use corio::{Handle, Job, Runtime, TaskError, ThreadPoolExecutor, run_in_executor, to_thread};
use corio_tests::kit::{Ledger, Token};

use crate::driver::{Case, Make, awaits, case, until};
use crate::support::{Gate, settle, turns};

/// A job of the default executor, whose only thread is busy until the stimulus.
fn gated(submit: impl FnOnce(Token) -> Job<Token>) -> Case {
    let (gate, ledger) = (Gate::shut(), Ledger::new());
    let job = submit(ledger.token());
    let stimulus = async move {
        turns().await;
        gate.open().await;
    };
    case(job, stimulus, async move |got: Option<Result<Token, TaskError>>| {
        drop(got.map(|got| got.expect("the job does not panic")));
        settle().await;
        until("what the job has is dropped", || ledger.live() == 0).await;
    })
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "to_thread" => gated(|token| to_thread(|| token));
    "run_in_executor" => gated(|token| run_in_executor(None, || token));
    "Handle::run_in_executor" => gated(|token| Handle::current().run_in_executor(None, || token));
    "ThreadPoolExecutor::submit" => {
        let (executor, ledger) = (ThreadPoolExecutor::new(1), Ledger::new());
        let (open, opened) = mpsc::channel::<()>();
        let (busy, token) = (executor.submit(move || opened.recv().is_ok()), ledger.token());
        let job = executor.submit(|| token);
        let stimulus = async move {
            turns().await;
            open.send(()).expect("the job waits for it");
            assert!(busy.await.expect("the executor runs"));
        };
        let operation = async move { drop(job.await.expect("the job does not panic")) };
        case(operation, stimulus, async move |_| {
            executor.submit(|| ()).await.expect("the executor runs");
            until("what the job has is dropped", || ledger.live() == 0).await;
        })
    };

    // A wait that is dropped leaves the executor shut, and its jobs run on.
    "Handle::shutdown_default_executor" => {
        let runtime = Runtime::builder().workers(1).name("aw-shut").build().expect("it starts");
        let (open, opened) = mpsc::channel::<()>();
        let handle = runtime.handle().clone();
        let job = handle.run_in_executor(None, move || opened.recv().is_ok());
        let operation = {
            let handle = handle.clone();
            async move { handle.shutdown_default_executor(None).await.len() }
        };
        let stimulus = async move {
            turns().await;
            open.send(()).expect("the job waits for it");
        };
        case(operation, stimulus, async move |stuck: Option<usize>| {
            assert!(stuck.is_none_or(|stuck| stuck == 0));
            let ended = job.await;
            // Dropped before its first poll it has shut nothing.
            assert!(ended.is_ok_and(|sent| sent));
            std::thread::spawn(move || drop(runtime)).join().expect("it ends");
        })
    };
};
