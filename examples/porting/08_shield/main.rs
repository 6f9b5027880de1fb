//! A task that a cancelled or timed-out wait leaves alone, and that is awaited later.

use std::sync::Arc;
use std::time::Duration;

use corio::{create_task, shield, wait_for, yield_now};

async fn save() -> &'static str {
    println!("saving");
    corio::sleep(Duration::from_millis(30)).await;
    println!("saved");
    "receipt"
}

/// What a boolean is in Python.
fn py(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

async fn program() {
    let task = Arc::new(create_task(save()));
    if wait_for(shield(&*task), Duration::from_millis(10)).await.is_err() {
        println!("no patience");
    }
    println!("cancelled: {} done: {}", py(task.cancelled()), py(task.done()));
    let shared = task.clone();
    let waiting = create_task(async move {
        let _receipt = shield(&*shared).await;
    });
    yield_now().await;
    waiting.cancel();
    if waiting.await.is_err_and(|error| error.is_cancelled()) {
        println!("the waiter is cancelled");
    }
    println!("cancelled: {}", py(task.cancelled()));
    println!("{}", (&*task).await.expect("it ends well"));
}

pub fn main() {
    corio::run(program());
}
