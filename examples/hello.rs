//! Two tasks and a clock: the smallest program with something to see.
use std::time::Duration;

fn main() {
    corio::run(async {
        let slow = corio::create_task(async {
            corio::sleep(Duration::from_millis(200)).await;
            println!("world");
        });
        let quick = corio::create_task(async { println!("hello") });
        quick.await.unwrap();
        slow.await.unwrap();
    });
}
