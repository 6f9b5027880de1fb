//! For ThreadSanitizer: threads wait, give up, wake and hand over by every kind of primitive, with
//! plain memory that nothing else orders.
//!
//! Objects are leaked, channels' ends forgotten: the sanitizer does not see the fence in the last
//! drop of an `Arc`. For the same reason `watch` is not here, whose values lie in one.
#![cfg_attr(any(corio_loom, corio_shuttle), allow(unused))]

use std::cell::UnsafeCell;
use std::thread;
use std::time::Duration;

/// Threads of each part.
const THREADS: usize = 3;
/// What each does: a few seconds for all under the sanitizer.
const EACH: usize = 2_000;

/// Memory that one thread uses at a time, if the primitive under test says so.
#[derive(Default)]
struct Plain(UnsafeCell<usize>);

// SAFETY: the program's claim, which the sanitizer checks.
unsafe impl Sync for Plain {}

impl Plain {
    fn get(&self) -> usize {
        // SAFETY: as above.
        unsafe { *self.0.get() }
    }

    fn set(&self, value: usize) {
        // SAFETY: as above.
        unsafe { *self.0.get() = value };
    }

    fn add(&self, more: usize) {
        self.set(self.get() + more);
    }
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Runs `body` on all threads, each with its number.
fn crowd<T: Sync>(shared: &'static T, body: fn(&'static T, usize)) {
    let threads: Vec<_> =
        (0..THREADS).map(|number| thread::spawn(move || body(shared, number))).collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Long enough to be granted now and then, and short enough to be cut off.
fn moment(number: usize) -> Duration {
    Duration::from_micros((number % 7) as u64 * 3)
}

#[cfg(any(corio_loom, corio_shuttle))]
fn main() {}

#[cfg(not(any(corio_loom, corio_shuttle)))]
fn main() {
    // The collector of the epochs is made once, behind a lock of std. Of the queues this one pins.
    let queue = corio_sync::LifoQueue::new(0);
    queue.put_nowait(Box::new(1)).unwrap();
    queue.get_nowait().unwrap();
    std::mem::forget(queue);
    parts::locks();
    parts::permits();
    parts::conditions();
    parts::rounds();
    parts::flags();
    parts::notifications();
    parts::queues();
    parts::channels();
    parts::announcements();
    println!("every part has ended");
}

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod parts {
    use super::{EACH, Plain, THREADS, crowd, leak, moment};
    use corio_sync::{
        Barrier, CancelToken, Condition, Event, LifoQueue, Lock, Notify, OnceCell, Queue, RwLock,
        Semaphore, SetOnce, broadcast, mpsc, oneshot, park::block_on,
    };
    use std::mem::forget;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::thread;

    pub fn locks() {
        for lock in [leak(Lock::new(0)), leak(Lock::new_unfair(0))] {
            crowd(lock, |lock, number| {
                for round in 0..EACH {
                    *lock.blocking_acquire() += 1;
                    if let Some(mut guard) = lock.blocking_acquire_timeout(moment(round + number)) {
                        *guard += 1;
                    }
                    if let Some(mut guard) = lock.try_acquire() {
                        *guard += 1;
                    }
                }
            });
            assert!(*lock.blocking_acquire() >= THREADS * EACH);
        }
        let lock = leak(RwLock::new(0));
        crowd(lock, |lock, number| {
            for round in 0..EACH {
                if round % 3 == number {
                    let mut guard = lock.blocking_write();
                    *guard += 1;
                    assert!(*guard.downgrade() > 0);
                } else if let Some(guard) = lock.blocking_read_timeout(moment(round)) {
                    assert!(*guard <= THREADS * EACH);
                }
            }
        });
    }

    pub fn permits() {
        let shared = leak((Semaphore::new(2), Plain::default()));
        crowd(shared, |(semaphore, plain), number| {
            for round in 0..EACH {
                let both = block_on(semaphore.acquire_many(2)).unwrap();
                plain.add(1);
                drop(both);
                drop(semaphore.acquire_blocking(Some(moment(round + number))));
            }
        });
        assert_eq!((shared.0.available_permits(), shared.1.get()), (2, THREADS * EACH));
    }

    /// One thread puts, the others take.
    pub fn conditions() {
        let shared = leak((Lock::new(0), Condition::new()));
        crowd(shared, |(lock, changed), number| {
            let items = if number == 0 { (THREADS - 1) * EACH } else { EACH };
            for round in 0..items {
                let mut guard = lock.blocking_acquire();
                if number == 0 {
                    *guard += 1;
                    changed.notify(&guard, 1);
                    continue;
                }
                while *guard == 0 {
                    changed.wait_blocking(&mut guard, Some(moment(round + 1)));
                }
                *guard -= 1;
            }
        });
        assert_eq!(*shared.0.blocking_acquire(), 0);
    }

    /// Everybody writes its own, and after the barrier reads what the others wrote.
    pub fn rounds() {
        let made: [Plain; THREADS] = Default::default();
        let shared = leak((Barrier::new(THREADS), made));
        crowd(shared, |(barrier, made), number| {
            for round in 1..=EACH {
                made[number].set(round);
                assert!(barrier.wait_blocking(None).unwrap().is_ok());
                assert!(made.iter().all(|made| made.get() == round));
                assert!(barrier.wait_blocking(None).unwrap().is_ok());
            }
        });
    }

    /// Objects that serve once: many of each.
    pub fn flags() {
        type Once = (Event, CancelToken, SetOnce<Box<usize>>, OnceCell<Box<usize>>, Plain);
        let make = |_| -> Once { Default::default() };
        let all: &'static Vec<Once> = leak((0..EACH / 2).map(make).collect());
        crowd(all, |all, number| {
            for (round, (event, token, set, made, plain)) in all.iter().enumerate() {
                if number == 0 {
                    plain.set(round);
                    event.set();
                    set.set(Box::new(round)).unwrap();
                    token.cancel();
                } else {
                    let child = token.child();
                    while !event.wait_blocking(Some(moment(round + 1))) {}
                    assert_eq!(plain.get(), round);
                    assert_eq!(**set.wait_blocking(None).unwrap(), round);
                    assert!(child.cancelled_blocking(None));
                    forget(child);
                }
                let value = block_on(made.get_or_init(|| async { Box::new(round) }));
                assert_eq!(**value, round);
            }
        });
    }

    /// Two threads call each other in turn.
    pub fn notifications() {
        let shared = leak(([Notify::new(), Notify::new()], Plain::default()));
        crowd(shared, |(turns, plain), number| {
            for round in 0..EACH {
                match number {
                    0 => {
                        plain.set(2 * round);
                        turns[1].notify_one();
                        while !turns[0].notified_blocking(Some(moment(round + 1))) {}
                        assert_eq!(plain.get(), 2 * round + 1);
                    }
                    1 => {
                        block_on(turns[1].notified());
                        plain.add(1);
                        turns[0].notify_one();
                    }
                    // Comes and goes: a notification that reaches it goes on.
                    _ => {
                        if turns[1].notified_blocking(Some(moment(1))) {
                            turns[1].notify_one();
                        }
                    }
                }
            }
        });
    }

    pub fn queues() {
        for (room, fifo) in [(0, true), (2, true), (0, false), (2, false)] {
            if fifo {
                through(leak((Queue::new(room), AtomicUsize::new(0))));
            } else {
                through(leak((LifoQueue::new(room), AtomicUsize::new(0))));
            }
        }
    }

    /// One thread puts, the others get; what came out is written and freed.
    fn through<S>(shared: &'static (corio_sync::BaseQueue<Box<usize>, S>, AtomicUsize))
    where
        S: corio_sync::Store<Box<usize>> + Send + Sync,
    {
        crowd(shared, |(queue, sum), number| {
            if number == 0 {
                for item in 1..=EACH {
                    queue.put_blocking(Box::new(item), None).unwrap();
                }
                assert!(queue.join_blocking(None));
                return queue.shutdown(false);
            }
            loop {
                match queue.get_blocking(Some(moment(number))) {
                    Ok(mut item) => {
                        sum.fetch_add(*item, Relaxed);
                        *item = 0;
                        queue.task_done().unwrap();
                    }
                    Err(corio_sync::GetError::ShutDown) => return,
                    Err(_) => {}
                }
            }
        });
        assert_eq!(shared.1.load(Relaxed), EACH * (EACH + 1) / 2);
    }

    pub fn channels() {
        let (free, mut unlimited) = mpsc::unbounded();
        let (sender, mut receiver) = mpsc::channel(2);
        forget((free.downgrade(), sender.downgrade()));
        let senders: Vec<_> = (0..THREADS)
            .map(|_| (free.clone(), sender.clone()))
            .map(|(free, sender)| {
                thread::spawn(move || {
                    for value in 0..EACH {
                        free.send(Box::new(value)).unwrap();
                        sender.blocking_send(Box::new(value)).unwrap();
                        drop(sender.try_reserve());
                    }
                })
            })
            .collect();
        drop((free, sender));
        let mut sum = 0;
        while let Some(mut value) = receiver.blocking_recv() {
            sum += *value;
            *value = 0;
        }
        while let Some(value) = unlimited.blocking_recv() {
            sum += *value;
        }
        assert_eq!(sum, THREADS * EACH * (EACH - 1));
        for sender in senders {
            sender.join().unwrap();
        }
        for round in 0..EACH / 20 {
            let (sender, receiver) = oneshot::channel();
            let thread = thread::spawn(move || sender.send(Box::new(round)).unwrap());
            assert_eq!(receiver.blocking_recv().map(|value| *value), Ok(round));
            thread.join().unwrap();
        }
    }

    /// Values that are overwritten while receivers look at them.
    pub fn announcements() {
        let (sender, receiver) = broadcast::channel::<Box<usize>>(8);
        let receivers: Vec<_> = (0..THREADS)
            .map(|_| receiver.resubscribe())
            .map(|mut receiver| {
                thread::spawn(move || {
                    let mut seen = 0;
                    loop {
                        match receiver.blocking_recv() {
                            Ok(value) => {
                                assert!(*value < EACH);
                                seen += 1;
                            }
                            Err(broadcast::RecvError::Lagged(missed)) => seen += missed,
                            Err(broadcast::RecvError::Closed) => break,
                        }
                    }
                    forget(receiver);
                    seen
                })
            })
            .collect();
        for value in 0..EACH {
            sender.send(Box::new(value)).unwrap();
        }
        forget(receiver);
        drop(sender);
        for receiver in receivers {
            assert_eq!(receiver.join().unwrap(), EACH as u64);
        }
    }
}
