//! What a million waits that were cut short leave behind, and what a burst of tasks does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use corio::sync::{Event, Lock, Queue};
use corio::timeout;
use corio_tests::{PATIENCE, resident_bytes};

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

/// Tasks of a burst, and the bytes of each of their bodies.
const BURST: usize = 50_000;
const BODY: usize = 1024;

#[test]
fn the_memory_of_a_threads_burst_is_given_back() {
    alone("limits::the_memory_of_a_threads_burst_is_given_back", ":", || {
        let runtime = corio::Builder::new().workers(2).build().expect("a runtime");
        let event = Arc::new(Event::new());
        let before = resident_bytes();
        let tasks: Vec<_> = (0..BURST)
            .map(|i| {
                let event = event.clone();
                runtime.create_task(async move {
                    let body = [i as u8; BODY];
                    event.wait().await;
                    usize::from(body[i % BODY])
                })
            })
            .collect();
        let peak = resident_bytes() - before;
        assert!(peak > BURST * BODY, "{peak} bytes for the burst");
        event.set();
        // On the workers: they look after memory while there is something to do.
        let small = runtime.create_task(async move {
            for (i, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.expect("it ends"), usize::from(i as u8));
            }
            let since = Instant::now();
            loop {
                let left = resident_bytes().saturating_sub(before);
                if left < peak / 4 || since.elapsed() > PATIENCE {
                    return left;
                }
                corio::yield_now().await;
            }
        });
        let left = runtime.block_on(small.into_future()).expect("it ends");
        println!("{peak} bytes more, then {left}");
        assert!(left < peak / 4, "{left} of {peak} bytes were not given back within {PATIENCE:?}");
    });
}
