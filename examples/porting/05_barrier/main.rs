//! A barrier: waited for, reset and aborted under its waiters.
//!
//! Python's `async with barrier` waits at its beginning and does nothing at its end: here it is the
//! same `wait`.

use std::sync::Arc;
use std::time::Duration;

use corio::sync::Barrier;
use corio::{create_task, gather};

async fn meet(barrier: Arc<Barrier>) -> usize {
    barrier.wait().await.expect("it is not broken").index()
}

async fn hope(name: &'static str, barrier: Arc<Barrier>) {
    if barrier.wait().await.is_err() {
        println!("{name} finds it broken");
    }
}

/// What a boolean is in Python.
fn py(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

async fn indices(barrier: &Arc<Barrier>) -> Vec<usize> {
    let meetings = (0..3).map(|_| meet(barrier.clone()));
    let mut indices = gather(meetings).await.expect("none of them panics");
    indices.sort_unstable();
    indices
}

async fn program() {
    let barrier = Arc::new(Barrier::new(3));
    println!("indices: {:?} waiting: {}", indices(&barrier).await, barrier.n_waiting());
    println!("in a context: {:?}", indices(&barrier).await);

    let lonely = create_task(hope("one", barrier.clone()));
    corio::sleep(Duration::from_millis(5)).await;
    println!("waiting: {}", barrier.n_waiting());
    barrier.reset();
    lonely.await.expect("it ends well");
    println!("broken: {}", py(barrier.broken()));

    let lonely = create_task(hope("two", barrier.clone()));
    corio::sleep(Duration::from_millis(5)).await;
    barrier.abort();
    lonely.await.expect("it ends well");
    println!("broken: {}", py(barrier.broken()));
    hope("three", barrier.clone()).await;
    barrier.reset();
    println!("parties: {} broken: {}", barrier.parties(), py(barrier.broken()));
}

pub fn main() {
    let event_loop = corio::new_event_loop().expect("a loop");
    corio::Runner::on(event_loop).run(program()).expect("nothing cancels it");
}
