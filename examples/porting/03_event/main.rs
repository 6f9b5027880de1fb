//! An event: waited for, set, cleared, waited for again.

use std::sync::Arc;
use std::time::Duration;

use corio::create_task;
use corio::sync::Event;

async fn waiter(name: &'static str, event: Arc<Event>) {
    println!("{name} waits");
    event.wait().await;
    println!("{name} goes on");
}

/// What a boolean is in Python.
fn py(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

async fn program() {
    let event = Arc::new(Event::new());
    let first = create_task(waiter("first", event.clone()));
    corio::sleep(Duration::from_millis(5)).await;
    println!("set: {}", py(event.is_set()));
    event.set();
    first.await.expect("it ends well");
    println!("set: {}", py(event.is_set()));
    waiter("late", event.clone()).await;
    event.clear();
    let second = create_task(waiter("second", event.clone()));
    corio::sleep(Duration::from_millis(5)).await;
    println!("done: {}", py(second.done()));
    event.set();
    second.await.expect("it ends well");
}

pub fn main() {
    let event_loop = corio::new_event_loop().expect("a loop");
    corio::Runner::on(event_loop).run(program()).expect("nothing cancels it");
}
