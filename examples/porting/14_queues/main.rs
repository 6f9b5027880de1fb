//! The last in first, and the smallest first.

use corio::sync::{LifoQueue, PriorityQueue, PutError};

async fn program() {
    let stack = LifoQueue::new(0);
    for word in ["one", "two", "three"] {
        stack.put(word).await.expect("it is not shut down");
    }
    while !stack.empty() {
        println!("{}", stack.get().await.expect("it is not shut down"));
    }
    let queue = PriorityQueue::new(3);
    for item in [(2, "tea"), (1, "water"), (3, "coffee")] {
        queue.put_nowait(item).expect("there is room");
    }
    println!("full: {}", if queue.full() { "True" } else { "False" });
    if let Err(PutError::Full((_, word))) = queue.put_nowait((0, "air")) {
        println!("no room for {word}");
    }
    while let Ok((priority, word)) = queue.get_nowait() {
        println!("{priority} {word}");
        queue.task_done().expect("it was taken once");
    }
    queue.join().await;
    println!("all is done");
}

pub fn main() {
    corio::run(program());
}
