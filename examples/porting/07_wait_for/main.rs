//! A wait with a limit: the value in time, or a timeout and a cancelled inner task.

use std::time::Duration;

use corio::{catch_cancel, create_task, wait_for};

async fn slow(name: &'static str, delay: Duration) -> String {
    if let Err(cancelled) = catch_cancel(corio::sleep(delay)).await {
        println!("{name} is cancelled");
        cancelled.raise::<()>().await;
    }
    format!("{name} is done")
}

const LONG: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(10);

async fn program() {
    let value = wait_for(slow("one", Duration::from_millis(1)), Duration::from_secs(10)).await;
    println!("{}", value.expect("it is in time"));
    if wait_for(slow("two", LONG), SOON).await.is_err() {
        println!("two takes too long");
    }
    let mut task = create_task(slow("three", LONG));
    if wait_for(&mut task, SOON).await.is_err() {
        println!("three takes too long");
    }
    println!("cancelled: {}", if task.cancelled() { "True" } else { "False" });
    let value = wait_for(slow("four", Duration::ZERO), None).await;
    println!("{}", value.expect("there is no limit"));
}

pub fn main() {
    // One loop, so that the task begins before the limit comes.
    let event_loop = corio::new_event_loop().expect("a loop");
    corio::Runner::on(event_loop).run(program()).expect("nothing cancels it");
}
