//! A loop by hand: made, given callbacks, run, and closed.

use std::time::Duration;

use corio::{Handle, get_event_loop, new_event_loop, set_event_loop};

async fn work() -> u32 {
    println!("work begins");
    let event_loop = Handle::current();
    event_loop.call_soon(|| println!("called soon"));
    event_loop.call_later(Duration::from_millis(10), || println!("called later"));
    corio::sleep(Duration::from_millis(20)).await;
    println!("work ends");
    42
}

/// What a boolean is in Python.
fn py(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

pub fn main() {
    let event_loop = new_event_loop().expect("a loop");
    set_event_loop(Some(&event_loop));
    event_loop.call_soon(|| println!("first of all"));
    println!("running: {}", py(event_loop.is_running()));
    println!("result: {}", event_loop.run_until_complete(work()).expect("nothing stops it"));
    event_loop.call_soon(|| get_event_loop().expect("it runs").stop());
    event_loop.run_forever().expect("it is ours");
    println!("stopped");
    // Python's `finally`: dropping the loop would close it too, also in a panic.
    event_loop.close().expect("it does not run");
    set_event_loop(None);
    println!("closed: {}", py(event_loop.is_closed()));
}
