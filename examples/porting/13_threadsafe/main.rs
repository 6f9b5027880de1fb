//! A thread that has coroutines run by a loop, waits for their results, and cancels one.

use std::sync::mpsc;
use std::time::Duration;

use corio::{ConcurrentError, Handle, catch_cancel, new_event_loop, run_coroutine_threadsafe};

async fn square(number: u32) -> u32 {
    corio::sleep(Duration::from_millis(1)).await;
    number * number
}

async fn endless(begun: mpsc::Sender<()>, ended: mpsc::Sender<()>) {
    begun.send(()).expect("the thread waits");
    if let Err(cancelled) = catch_cancel(corio::sleep(Duration::from_secs(3600))).await {
        println!("the coroutine is cancelled");
        ended.send(()).expect("the thread waits");
        cancelled.raise::<()>().await;
    }
}

fn thread(event_loop: &Handle) {
    let mut future = run_coroutine_threadsafe(square(7), event_loop);
    println!("seven squared: {}", future.result(None).expect("it ends well"));
    let ((begun, start), (ended, wait)) = (mpsc::channel(), mpsc::channel());
    let mut future = run_coroutine_threadsafe(endless(begun, ended), event_loop);
    // What is cancelled before it has begun never runs.
    start.recv().expect("it begins");
    if let Err(ConcurrentError::Timeout) = future.result(Some(Duration::from_millis(20))) {
        println!("it takes too long");
    }
    let cancelled = future.cancel();
    wait.recv().expect("it cleans up");
    println!("cancelled: {}", if cancelled { "True" } else { "False" });
    let (done, wait) = mpsc::channel();
    let called = event_loop.call_soon_threadsafe(move || {
        println!("called from the thread");
        done.send(()).expect("the thread waits");
    });
    called.expect("the loop is open");
    wait.recv().expect("it is called");
    event_loop.stop();
}

pub fn main() {
    let event_loop = new_event_loop().expect("a loop");
    let handle: Handle = (*event_loop).clone();
    let other = std::thread::spawn(move || thread(&handle));
    event_loop.run_forever().expect("it is ours");
    other.join().expect("the thread ends well");
    event_loop.close().expect("it does not run");
    println!("the end");
}
