//! For ThreadSanitizer: threads put and get items of a priority queue whose comparison looks through
//! a pointer, so that an item that is taken while it is compared shows.
//!
//! The queue and its counts are leaked: the sanitizer does not see the fence in the last drop of an
//! `Arc`.

#[cfg(not(any(corio_loom, corio_shuttle)))]
use corio_sync::{GetError, PriorityQueue};
#[cfg(not(any(corio_loom, corio_shuttle)))]
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
#[cfg(not(any(corio_loom, corio_shuttle)))]
use std::thread;

/// A few seconds under the sanitizer.
#[cfg(not(any(corio_loom, corio_shuttle)))]
const EACH: u64 = 20_000;

/// Room for so many: small enough that the same few items are compared again and again.
#[cfg(not(any(corio_loom, corio_shuttle)))]
const ROOM: usize = 6;

#[cfg(not(any(corio_loom, corio_shuttle)))]
fn consume(queue: &PriorityQueue<Box<u64>>, sum: &AtomicU64) {
    loop {
        match queue.get_blocking(None) {
            Ok(mut item) => {
                sum.fetch_add(*item, Relaxed);
                // Written, then freed: either races with a comparison that looks at it.
                *item = 0;
            }
            Err(GetError::ShutDown) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[cfg(not(any(corio_loom, corio_shuttle)))]
fn main() {
    let queue: &'static PriorityQueue<Box<u64>> = Box::leak(Box::new(PriorityQueue::new(ROOM)));
    let sum: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(0)));
    // The collector of the epochs is made once, behind a lock of std.
    queue.put_nowait(Box::new(1)).unwrap();
    queue.get_nowait().unwrap();
    let producers = [0, 1].map(|producer| {
        thread::spawn(move || {
            for number in 0..EACH {
                let item = (number * 7 + producer) % 11 + number % 3;
                queue.put_blocking(Box::new(item), None).unwrap();
            }
        })
    });
    let consumers = [(); 2].map(|()| thread::spawn(move || consume(queue, sum)));
    for producer in producers {
        producer.join().unwrap();
    }
    queue.shutdown(false);
    for consumer in consumers {
        consumer.join().unwrap();
    }
    let put = |producer| (0..EACH).map(|n| (n * 7 + producer) % 11 + n % 3).sum::<u64>();
    assert_eq!(sum.load(Relaxed), put(0) + put(1));
    println!("{} items", 2 * EACH);
}

#[cfg(any(corio_loom, corio_shuttle))]
fn main() {}
