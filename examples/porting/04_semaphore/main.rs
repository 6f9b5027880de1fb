//! A semaphore that lets two in at a time, and a bounded one that is released too often.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use corio::gather;
use corio::sync::{BoundedSemaphore, Semaphore};

/// Returns how many were inside when it came in.
async fn visit(semaphore: Arc<Semaphore>, inside: Arc<AtomicUsize>) -> usize {
    let _permit = semaphore.acquire().await.expect("it is not closed");
    let now = inside.fetch_add(1, Ordering::Relaxed) + 1;
    corio::sleep(Duration::from_millis(1)).await;
    inside.fetch_sub(1, Ordering::Relaxed);
    now
}

/// What a boolean is in Python.
fn py(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// Takes a permit that only `release` gives back.
async fn acquire(semaphore: &Semaphore) {
    semaphore.acquire().await.expect("it is not closed").forget();
}

async fn program() {
    let (semaphore, inside) = (Arc::new(Semaphore::new(2)), Arc::default());
    let visits = (0..6).map(|_| visit(semaphore.clone(), Arc::clone(&inside)));
    let most = gather(visits).await.expect("none of them panics");
    println!("visits: {} at most at a time: {}", most.len(), most.iter().max().unwrap());
    acquire(&semaphore).await;
    println!("locked: {}", py(semaphore.locked()));
    acquire(&semaphore).await;
    println!("locked: {}", py(semaphore.locked()));
    semaphore.release(3);
    for _ in 0..3 {
        acquire(&semaphore).await;
    }
    println!("one more than at first");

    let bounded = BoundedSemaphore::new(1);
    drop(bounded.acquire().await);
    if bounded.release(1).is_err() {
        println!("released too often");
    }
}

pub fn main() {
    let event_loop = corio::new_event_loop().expect("a loop");
    corio::Runner::on(event_loop).run(program()).expect("nothing cancels it");
}
