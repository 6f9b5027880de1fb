//! A list of tasks, awaited together: all values in order, or the errors among them.
//!
//! What Python raises is a value here: `fetch` returns a `Result`.

use std::time::Duration;

use corio::{Task, create_task, gather, gather_all};

async fn fetch(number: u64) -> Result<u64, &'static str> {
    corio::sleep(Duration::from_millis(5 - number)).await;
    if number == 3 { Err("no three") } else { Ok(number * 10) }
}

async fn program() {
    let tasks: Vec<_> = [0, 1, 2, 4].map(|number| create_task(fetch(number))).into();
    let values = gather(tasks).await.expect("none of them panics");
    let values: Result<Vec<_>, _> = values.into_iter().collect();
    println!("{:?}", values.expect("three is not among them"));
    let results = gather_all((0..5).map(fetch)).await;
    for (number, result) in results.into_iter().enumerate() {
        match result.expect("none of them panics") {
            Ok(value) => println!("{number} gave {value}"),
            Err(error) => println!("{number} failed: {error}"),
        }
    }
    let tasks: Vec<Task<_>> = [2, 4].map(|number| create_task(fetch(number))).into();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("it ends").expect("it is not three");
    }
    println!("{sum}");
}

pub fn main() {
    corio::run(program());
}
