//! Waiters that are dropped at random moments, on several threads: nothing is lost, nothing leaks.
//!
//! `CORIO_SEED` replays a run, `CORIO_STRESS_MS` sets how long each test storms (200 ms), however
//! many objects it does that to.
#![cfg(not(any(corio_loom, corio_shuttle)))]

use corio_sync::park::block_on_deadline;
use corio_sync::{
    Barrier, BaseQueue, Condition, LifoQueue, Lock, PriorityQueue, Queue, RwLock, Semaphore, Store,
    mpsc,
};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

/// xorshift: enough to vary the moments.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Runs `step` on four threads with their own random numbers until the time is over: the test's
/// divided by the `storms` it has.
fn stress<T>(storms: usize, shared: &Arc<T>, step: fn(&T, &mut Random))
where
    T: std::fmt::Debug + Send + Sync + 'static,
{
    let seed = setting(
        "CORIO_SEED",
        std::time::UNIX_EPOCH.elapsed().map_or(1, |now| now.as_nanos() as u64),
    );
    println!("seed {seed}");
    let millis = setting("CORIO_STRESS_MS", 200) / storms as u64;
    let end = Instant::now() + Duration::from_millis(millis);
    let threads: Vec<_> = (1..=4)
        .map(|thread| {
            let shared = shared.clone();
            std::thread::spawn(move || {
                let mut random = Random(seed.wrapping_mul(thread * 2 + 1) | 1);
                while Instant::now() < end {
                    step(&shared, &mut random);
                }
            })
        })
        .collect();
    // A lost wake-up must fail the test, not hang it.
    let late = end + Duration::from_secs(120);
    while threads.iter().any(|thread| !thread.is_finished()) {
        assert!(Instant::now() < late, "threads sleep for ever, seed {seed}: {shared:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Polls a future a few times, then waits for it or drops it.
fn maybe<F: Future>(future: F, random: &mut Random) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..random.below(3) {
        let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let std::task::Poll::Ready(output) = poll {
            return Some(output);
        }
    }
    match random.below(3) {
        0 => None,
        1 => soon(future),
        _ => Some(corio_sync::park::block_on(future)),
    }
}

#[test]
fn locks() {
    let locks = [Lock::new(0_u64), Lock::new_unfair(0)].map(Arc::new);
    for lock in &locks {
        stress(locks.len(), lock, |lock, random| {
            if let Some(mut guard) = maybe(lock.acquire(), random) {
                let seen = *guard;
                *guard = std::hint::black_box(seen) + 1;
            }
        });
        assert!(!lock.locked());
    }
}

#[test]
fn semaphores() {
    let shared = Arc::new((Semaphore::new(5), AtomicUsize::new(0)));
    stress(1, &shared, |(semaphore, inside), random| {
        let n = 1 + random.below(5) as usize;
        if let Some(permits) = maybe(semaphore.acquire_many(n), random) {
            assert!(inside.fetch_add(n, Relaxed) + n <= 5);
            inside.fetch_sub(n, Relaxed);
            drop(permits);
        }
    });
    assert_eq!(shared.0.available_permits(), 5);
    assert!(shared.0.try_acquire_many(5).is_ok());
}

#[test]
fn readers_and_writers() {
    let lock = Arc::new(RwLock::new((0_u64, 0_u64)));
    stress(1, &lock, |lock, random| {
        if random.below(3) == 0 {
            if let Some(mut guard) = maybe(lock.write(), random) {
                guard.0 += 1;
                guard.1 += 1;
            }
        } else if let Some(guard) = maybe(lock.read(), random) {
            assert_eq!(guard.0, guard.1);
        }
    });
    assert!(lock.try_write().is_some());
}

/// A wait that ends soon, one way or the other.
fn soon<F: Future>(future: F) -> Option<F::Output> {
    block_on_deadline(future, Some(Instant::now() + Duration::from_micros(50)))
}

/// Puts and gets that are cut off; whatever was put comes out once.
fn items<S>(make: fn(usize) -> BaseQueue<usize, S>)
where
    S: Store<usize> + Send + Sync + 'static,
{
    let sizes = [0, 2];
    for maxsize in sizes {
        let shared = Arc::new((make(maxsize), AtomicUsize::new(0), AtomicUsize::new(0)));
        stress(sizes.len(), &shared, |(queue, put, gotten), random| {
            if random.below(2) == 0 {
                if let Some(Ok(())) = soon(queue.put(1)) {
                    put.fetch_add(1, Relaxed);
                }
            } else if let Some(Ok(item)) = soon(queue.get()) {
                gotten.fetch_add(item, Relaxed);
                queue.task_done().unwrap();
            } else {
                soon(queue.join());
            }
        });
        let (queue, put, gotten) = &*shared;
        while queue.get_nowait().is_ok() {
            gotten.fetch_add(1, Relaxed);
            queue.task_done().unwrap();
        }
        assert_eq!(put.load(Relaxed), gotten.load(Relaxed));
        assert!(queue.join_blocking(Some(Duration::ZERO)), "every item was reported");
    }
}

#[test]
fn queues() {
    items(Queue::new);
}

#[test]
fn stacks() {
    items(LifoQueue::new);
}

#[test]
fn heaps() {
    items(PriorityQueue::new);
}

#[test]
fn conditions() {
    let shared = Arc::new((Lock::new(0_usize), Condition::new()));
    stress(1, &shared, |(lock, changed), random| {
        let Some(mut guard) = soon(lock.acquire()) else { return };
        if random.below(2) == 0 {
            *guard = (*guard + 1).min(3);
            changed.notify(&guard, 1);
        } else if soon(changed.wait_for(&mut guard, |items| *items > 0)).is_some() {
            *guard -= 1;
        }
    });
    assert!(shared.0.try_acquire().is_some(), "nobody holds the lock");
}

#[test]
fn barriers() {
    let barrier = Arc::new(Barrier::new(2));
    stress(1, &barrier, |barrier, random| match random.below(50) {
        0 => barrier.reset(),
        1 => {
            barrier.abort();
            barrier.reset();
        }
        _ => _ = soon(barrier.wait()),
    });
    assert_eq!((barrier.n_waiting(), barrier.broken()), (0, false));
}

#[test]
fn bounded_channels() {
    let capacities = [1, 3];
    for capacity in capacities {
        let (sender, mut receiver) = mpsc::channel(capacity);
        let shared = Arc::new((sender, AtomicUsize::new(0)));
        let sender = shared.0.clone();
        // Receives beside the storm, and looks at random moments, until the last sender is gone.
        let receives = std::thread::spawn(move || {
            let mut random = Random(capacity as u64);
            let mut received = 0;
            loop {
                match maybe(receiver.recv(), &mut random) {
                    Some(Some(value)) => received += value,
                    Some(None) => return received,
                    None => {}
                }
            }
        });
        stress(capacities.len(), &shared, |(sender, sent), random| {
            let done = match random.below(4) {
                0 => {
                    drop(maybe(sender.reserve(), random));
                    false
                }
                1 => sender.try_send(1).is_ok(),
                2 => match maybe(sender.reserve(), random) {
                    Some(permit) => {
                        permit.unwrap().send(1);
                        true
                    }
                    None => false,
                },
                _ => maybe(sender.send(1), random).is_some_and(|done| done.is_ok()),
            };
            sent.fetch_add(usize::from(done), Relaxed);
        });
        // All room comes back, and no value is on the way for nobody.
        for _ in 0..capacity {
            corio_sync::park::block_on(sender.send(0)).unwrap();
        }
        let sent = shared.1.load(Relaxed);
        drop((shared, sender));
        assert_eq!(receives.join().unwrap(), sent);
    }
}
