//! A loop that looks at a task again and again, and cancels it when it has waited long enough.
//!
//! Who runs between two looks is certain on a single loop only.

use corio::{Runner, Task, create_task, new_event_loop, yield_now};

async fn work(steps: u32) -> &'static str {
    for step in 0..steps {
        println!("step {step}");
        yield_now().await;
    }
    "worked"
}

async fn watch(task: &Task<&'static str>, patience: u32) {
    let mut looks = 0;
    while !task.done() {
        if looks == patience {
            println!("cancel: {}", py(task.cancel()));
        }
        looks += 1;
        yield_now().await;
    }
    println!("done: {} cancelled: {}", py(task.done()), py(task.cancelled()));
    println!("cancel again: {}", py(task.cancel()));
}

/// What a boolean is in Python.
fn py(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

async fn program() {
    let quick = create_task(work(2));
    watch(&quick, 10).await;
    println!("{}", quick.result().expect("it has ended well"));
    let slow = create_task(work(10));
    watch(&slow, 3).await;
    if slow.await.is_err_and(|error| error.is_cancelled()) {
        println!("the slow one was cancelled");
    }
}

pub fn main() {
    let event_loop = new_event_loop().expect("a loop");
    Runner::on(event_loop).run(program()).expect("nothing cancels it");
}
