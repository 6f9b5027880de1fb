//! What a million waits that were cut short leave behind.

use std::time::Duration;

use corio::sync::{Event, Lock, Queue};
use corio::timeout;
use corio_tests::resident_bytes;

use corio_tests::child::alone;

/// What the collector and the timers may hold back; a word for each wait would be five times that.
const GROWTH_MAX: usize = 4 << 20;

/// Acquires on a lock that is held, waits for an event and gets from a queue, each with a limit that
/// comes before its turn.
async fn cut_short(waits: usize, (lock, event, queue): &(Lock<u8>, Event, Queue<u8>)) {
    for wait in 0..waits {
        // None at all: polled once and dropped. Now and then a real one, which has a timer.
        let limit = Duration::from_micros(if wait % 1024 == 0 { 10 } else { 0 });
        assert!(timeout(limit, lock.acquire()).await.is_err());
        assert!(timeout(limit, event.wait()).await.is_err());
        assert!(timeout(limit, queue.get()).await.is_err());
    }
}

#[test]
fn a_million_limits_leave_no_memory() {
    alone("limits::a_million_limits_leave_no_memory", ":", || {
        corio::run(async {
            let shared = (Lock::new(0), Event::new(), Queue::new(0));
            let held = shared.0.acquire().await;
            cut_short(50_000, &shared).await;
            let before = resident_bytes();
            cut_short(1_000_000, &shared).await;
            let growth = resident_bytes().saturating_sub(before);
            println!("{growth} bytes more");
            assert!(growth < GROWTH_MAX, "{growth} bytes more");
            drop(held);
            drop(shared.0.try_acquire().expect("nobody waits"));
            shared.1.set();
            shared.1.wait().await;
            shared.2.put_nowait(7).unwrap();
            assert_eq!(shared.2.get().await, Ok(7));
        });
    });
}
