//! A task that a cancelled or timed-out wait leaves alone, and that is awaited later.

use std::sync::Arc;
use std::time::Duration;

use corio::sync::Event;
use corio::{create_task, shield, wait_for, yield_now};

async fn save(paid: Arc<Event>) -> &'static str {
    println!("saving");
    paid.wait().await;
    println!("saved");
    "receipt"
}

/// What a boolean is in Python.
fn py(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

async fn program() {
    let paid = Arc::new(Event::new());
    let task = Arc::new(create_task(save(paid.clone())));
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
    paid.set();
    println!("{}", (&*task).await.expect("it ends well"));
}

pub fn main() {
    // One loop, so that the task begins before the limit comes.
    let event_loop = corio::new_event_loop().expect("a loop");
    corio::Runner::on(event_loop).run(program()).expect("nothing cancels it");
}
