//! A `Deferred` that another task sets: awaited by several, with callbacks, errors and a cancel.

use corio::sync::{Deferred, DeferredError};
use corio::{Handle, create_task, new_event_loop};
use std::time::Duration;

type Value = Deferred<&'static str>;

async fn produce(future: Value) {
    corio::sleep(Duration::from_millis(10)).await;
    println!("producing");
    future.set_result("the value").expect("nobody else sets it");
    println!("nothing has run meanwhile");
}

async fn consume(name: &'static str, future: Value) -> usize {
    let value = future.await.expect("it has a value");
    println!("{name} has {value}");
    value.len()
}

/// What a boolean is in Python.
fn py(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

async fn set_once() {
    let future = Value::new();
    future.add_done_callback(|done| println!("callback: {}", done.result().expect("a value")));
    let [one, two] = ["one", "two"].map(|name| create_task(consume(name, future.clone())));
    let producer = create_task(produce(future.clone()));
    println!("done: {}", py(future.done()));
    if let Err(DeferredError::NotReady) = future.result() {
        println!("there is no result yet");
    }
    println!("main has {}", (&future).await.expect("a value"));
    println!("lengths: {} {}", one.await.expect("it ends"), two.await.expect("it ends"));
    producer.await.expect("it ends");
    let result = future.result().expect("a value");
    let exception = future.exception().expect("it is done").map_or("None", |_| "some");
    println!("done: {} result: {result} exception: {exception}", py(future.done()));
    if future.set_result("another one").is_err() {
        println!("it keeps its value");
    }
}

async fn program() {
    set_once().await;

    let failing = Value::new();
    let fails = failing.clone();
    Handle::current().call_soon(move || {
        fails.set_exception("no luck".into()).expect("nobody else sets it");
    });
    if let Err(error @ DeferredError::Failed(_)) = failing.await {
        println!("failed: {error}");
    }

    let given_up = Value::new();
    let removed = given_up.add_done_callback(|_| println!("never called"));
    println!("removed: {}", u32::from(given_up.remove_done_callback(removed)));
    println!("cancel: {} again: {}", py(given_up.cancel()), py(given_up.cancel()));
    if let Err(DeferredError::Cancelled(cancelled)) = given_up.clone().await {
        cancelled.suppress();
        println!("cancelled: {}", py(given_up.cancelled()));
    }
}

pub fn main() {
    // One loop, so that callbacks and tasks have asyncio's order.
    let event_loop = new_event_loop().expect("a loop");
    event_loop.run_until_complete(program()).expect("nothing stops it");
    event_loop.close().expect("it does not run");
}
