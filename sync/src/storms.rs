//! Storms: more threads and steps than loom can take, and waits that are given up at random.
//!
//! Each visit polls a future a few times with a waker that does nothing and then either drops it
//! or stays. Shuttle finds a lost wake-up as a deadlock; the rest is counted at the end.

use crate::model;
use crate::shim::cell::UnsafeCell;
use crate::shim::rand::{Rng, thread_rng};
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, poll_once, visit};
use crate::{
    Barrier, CancelToken, Condition, Event, LifoQueue, Lock, Notify, OnceCell, Queue, RwLock,
    Semaphore, SetOnce, broadcast, mpsc, watch,
};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Visits a future that is made anew each time, until it stayed to the end.
macro_rules! until {
    ($future:expr) => {
        loop {
            if let Some(output) = visit($future) {
                break output;
            }
        }
    };
}

/// Runs `body` on several threads, each with its number.
fn crowd<S: Send + Sync + 'static>(
    threads: usize,
    shared: &Arc<S>,
    body: impl Fn(&S, usize) + Copy + Send + 'static,
) -> Vec<thread::JoinHandle<()>> {
    let one = |number| {
        let shared = shared.clone();
        thread::spawn(move || body(&shared, number))
    };
    (0..threads).map(one).collect()
}

fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

fn lock_storm(lock: Lock<UnsafeCell<usize>>) {
    let lock = Arc::new(lock);
    join(crowd(4, &lock, |lock, _| {
        for _ in 0..3 {
            let Some(guard) = visit(lock.acquire()) else { continue };
            // SAFETY: the model's claim; the cell reports two threads inside.
            guard.with_mut(|count| unsafe { *count += 1 });
        }
        drop(until!(lock.acquire()));
    }));
    assert!(!lock.locked());
    assert!(lock.try_acquire().is_some(), "nobody holds it");
}

model! {
    lock_storm_fair(threads = 5, bound = 3, claim = "whoever leaves, the lock goes on, one holder at a time") {
        lock_storm(Lock::new(UnsafeCell::new(0)));
    }
}

model! {
    lock_storm_unfair(threads = 5, bound = 3, claim = "whoever leaves, the unfair lock goes on, one holder at a time") {
        lock_storm(Lock::new_unfair(UnsafeCell::new(0)));
    }
}

model! {
    /// Demands of several sizes, some of which leave.
    semaphore_storm(threads = 5, bound = 3, claim = "no permit is lost or made, whoever leaves") {
        let shared = Arc::new((Semaphore::new(3), AtomicUsize::new(0)));
        join(crowd(4, &shared, |(semaphore, inside), thread| {
            for round in 0..3 {
                let n = 1 + (thread + round) % 3;
                let Some(permits) = visit(semaphore.acquire_many(n)) else { continue };
                assert!(inside.fetch_add(n, Relaxed) + n <= 3, "more permits than there are");
                inside.fetch_sub(n, Relaxed);
                drop(permits);
            }
            drop(until!(semaphore.acquire_many(2)));
        }));
        assert!(shared.0.try_acquire_many(3).is_ok(), "all are back");
    }
}

model! {
    /// Readers and writers, some of which leave; writers go on as readers.
    rwlock_storm(threads = 5, bound = 3, claim = "whoever leaves, readers share and writers are alone") {
        let shared = Arc::new((RwLock::new(()), AtomicUsize::new(0)));
        join(crowd(4, &shared, |(lock, readers), number| {
            for _ in 0..3 {
                if number % 2 == 0 {
                    let Some(guard) = visit(lock.read()) else { continue };
                    readers.fetch_add(1, Relaxed);
                    thread::yield_now();
                    readers.fetch_sub(1, Relaxed);
                    drop(guard);
                } else if let Some(guard) = visit(lock.write()) {
                    assert_eq!(readers.load(Relaxed), 0, "somebody reads");
                    thread::yield_now();
                    assert_eq!(readers.load(Relaxed), 0, "somebody reads");
                    drop(guard.downgrade());
                }
            }
            drop(until!(lock.write()));
        }));
        assert!(shared.0.try_write().is_some(), "nobody holds it");
    }
}

model! {
    notify_storm(threads = 5, bound = 3, claim = "a notification for each item: none is left while somebody sleeps") {
        let shared = Arc::new((Notify::new(), AtomicUsize::new(0)));
        let mut threads = crowd(3, &shared, |(notify, items), _| {
            let take = || items.fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1)).is_ok();
            loop {
                let mut notified = std::pin::pin!(notify.notified());
                notified.as_mut().enable();
                if take() {
                    return;
                }
                // If it leaves after a notification reached it, it must hand that on.
                visit(notified.as_mut());
            }
        });
        threads.extend(crowd(1, &shared, |(notify, items), _| {
            for _ in 0..3 {
                items.fetch_add(1, Relaxed);
                notify.notify_one();
                if thread_rng().gen_bool(0.2) {
                    notify.notify_waiters();
                }
            }
        }));
        join(threads);
    }
}

model! {
    event_storm(threads = 5, bound = 3, claim = "a set that is followed by a clear wakes all who waited") {
        let event = Arc::new(Event::new());
        let mut threads = crowd(3, &event, |event, _| until!(event.wait()));
        threads.extend(crowd(1, &event, |event, _| {
            for _ in 0..2 {
                event.set();
                event.clear();
            }
            event.set();
        }));
        join(threads);
    }
}

model! {
    condition_storm(threads = 5, bound = 3, claim = "a buffer of one: none sleeps while there is room or an item") {
        let shared = Arc::new((Lock::new(0usize), Condition::new()));
        // The condition serves both sides, so each change is told to all or passed on.
        let change = |(lock, changed): &(Lock<usize>, Condition), from: usize, to: usize| {
            loop {
                let mut guard = block_on(lock.acquire());
                if visit(changed.wait_for(&mut guard, |count| *count == from)).is_some() {
                    *guard = to;
                    changed.notify_all(&guard);
                    return;
                }
            }
        };
        let mut threads = crowd(2, &shared, move |shared, _| { change(shared, 0, 1); change(shared, 0, 1) });
        threads.extend(crowd(2, &shared, move |shared, _| { change(shared, 1, 0); change(shared, 1, 0) }));
        join(threads);
        assert_eq!(*shared.0.try_acquire().unwrap(), 0);
    }
}

model! {
    condition_storm_one(threads = 5, bound = 3, claim = "one notification for each item reaches one who takes it") {
        let shared = Arc::new((Lock::new(0usize), Condition::new()));
        let mut threads = crowd(3, &shared, |(lock, changed), _| {
            loop {
                let mut guard = block_on(lock.acquire());
                if visit(changed.wait_for(&mut guard, |count| *count > 0)).is_some() {
                    *guard -= 1;
                    return;
                }
            }
        });
        threads.extend(crowd(1, &shared, |(lock, changed), _| {
            for _ in 0..3 {
                let mut guard = block_on(lock.acquire());
                *guard += 1;
                changed.notify(&guard, 1);
            }
        }));
        join(threads);
    }
}

model! {
    barrier_storm(threads = 5, bound = 3, claim = "rounds are whole whoever gives up, and a barrier is usable after a reset") {
        let barrier = Arc::new(Barrier::new(2));
        let threads = crowd(4, &barrier, |barrier, _| {
            for _ in 0..2 {
                if let Some(Ok(passed)) = visit(barrier.wait()) {
                    assert!(passed.index() < 2);
                }
            }
        });
        for _ in 0..thread_rng().gen_range(0..3) {
            for _ in 0..thread_rng().gen_range(0..10) {
                thread::yield_now();
            }
            barrier.reset();
        }
        // Whoever is left alone is let go.
        barrier.abort();
        join(threads);
        barrier.reset();
        assert_eq!((barrier.n_waiting(), barrier.broken()), (0, false));
        let met = crowd(2, &barrier, |barrier, _| {
            let _ = block_on(barrier.wait()).expect("not broken");
        });
        join(met);
    }
}

model! {
    once_storm(threads = 5, bound = 3, claim = "one value, whoever gives up making it") {
        let shared = Arc::new((OnceCell::new(), AtomicUsize::new(0)));
        join(crowd(4, &shared, |(cell, made), number| {
            let value = until!(cell.get_or_init(|| async {
                let mut yields = thread_rng().gen_range(0..2);
                std::future::poll_fn(|cx| {
                    if yields == 0 {
                        return std::task::Poll::Ready(());
                    }
                    yields -= 1;
                    cx.waker().wake_by_ref();
                    std::task::Poll::Pending
                }).await;
                made.fetch_add(1, Relaxed);
                Box::new(number)
            }));
            assert_eq!(cell.get(), Some(value));
        }));
        assert_eq!(shared.1.load(Relaxed), 1);
    }
}

model! {
    once_storm_set(threads = 4, bound = 3, claim = "all who wait see the one value that was set") {
        let cell = Arc::new(SetOnce::<Box<usize>>::new());
        let mut threads = crowd(3, &cell, |cell, _| assert!(**until!(cell.wait()) < 2));
        threads.extend(crowd(2, &cell, |cell, number| { let _ = cell.set(Box::new(number)); }));
        join(threads);
    }
}

model! {
    cancel_token_storm(threads = 5, bound = 3, claim = "a cancellation reaches children that come at the same time") {
        let token = Arc::new(CancelToken::new());
        let mut threads = crowd(3, &token, |token, _| {
            for _ in 0..2 {
                let child = token.child();
                visit(child.cancelled());
            }
            let child = token.child();
            until!(child.cancelled());
        });
        threads.extend(crowd(1, &token, |token, _| token.cancel()));
        join(threads);
    }
}

model! {
    mpsc_storm(threads = 4, bound = 3, claim = "every value arrives once, in order for each sender, then the end") {
        let (sender, mut receiver) = mpsc::unbounded();
        let threads: Vec<_> = (0..3).map(|number| {
            let sender = sender.clone();
            thread::spawn(move || for value in 0..4 { sender.send((number, Box::new(value))).unwrap() })
        }).collect();
        drop(sender);
        let mut next = [0; 3];
        while let Some((number, value)) = until!(receiver.recv()) {
            assert_eq!(*value, next[number]);
            next[number] += 1;
        }
        assert_eq!(next, [4; 3]);
        join(threads);
    }
}

model! {
    mpsc_storm_close(threads = 4, bound = 3, claim = "after a close each value is with exactly one side") {
        let (sender, mut receiver) = mpsc::unbounded();
        let sent = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..3).map(|_| {
            let (sender, sent) = (sender.clone(), sent.clone());
            thread::spawn(move || for value in 0..3 {
                sent.fetch_add(usize::from(sender.send(Box::new(value)).is_ok()), Relaxed);
            })
        }).collect();
        drop(sender);
        let mut received = 0;
        for _ in 0..thread_rng().gen_range(0..4) {
            received += usize::from(visit(receiver.recv()).flatten().is_some());
        }
        receiver.close();
        while block_on(receiver.recv()).is_some() {
            received += 1;
        }
        join(threads);
        assert_eq!(received, sent.load(Relaxed));
    }
}

/// Senders of a bounded channel: reservations that are given up, permits that are dropped, sends
/// that are; returns how many values were sent. A value is its sender's number and its place.
fn send_in_storm(sender: &mpsc::Sender<(usize, Box<usize>)>, number: usize) -> usize {
    let mut sent = 0;
    for _ in 0..4 {
        let value = (number, Box::new(sent));
        let done = match thread_rng().gen_range(0..4) {
            0 => {
                drop(visit(sender.reserve()));
                false
            }
            1 => sender.try_send(value).is_ok(),
            2 => match visit(sender.reserve()) {
                Some(Ok(permit)) => {
                    permit.send(value);
                    true
                }
                _ => false,
            },
            _ => visit(sender.send(value)).is_some_and(|done| done.is_ok()),
        };
        sent += usize::from(done);
    }
    sent
}

model! {
    mpsc_storm_bounded(threads = 4, bound = 3, claim = "no room is lost, every value arrives once and in order, then the end") {
        for capacity in [1, 2] {
            let (sender, mut receiver) = mpsc::channel(capacity);
            let sent = Arc::new(AtomicUsize::new(0));
            let threads: Vec<_> = (0..3).map(|number| {
                let (sender, sent) = (sender.clone(), sent.clone());
                thread::spawn(move || {
                    let count = send_in_storm(&sender, number);
                    // If room was lost, this one never gets any.
                    until!(sender.send((number, Box::new(count)))).unwrap();
                    sent.fetch_add(count + 1, Relaxed);
                })
            }).collect();
            let weak = sender.downgrade();
            drop(sender);
            let mut next = [0; 3];
            while let Some((number, value)) = until!(receiver.recv()) {
                assert_eq!(*value, next[number]);
                next[number] += 1;
            }
            join(threads);
            assert_eq!(next.iter().sum::<usize>(), sent.load(Relaxed));
            assert!(weak.upgrade().is_none());
        }
    }
}

model! {
    mpsc_storm_bounded_close(threads = 4, bound = 3, claim = "after a close each value is with one side, and all room is back") {
        let (sender, mut receiver) = mpsc::channel(2);
        let sent = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..3).map(|number| {
            let (sender, sent) = (sender.clone(), sent.clone());
            thread::spawn(move || {
                sent.fetch_add(send_in_storm(&sender, number), Relaxed);
                until!(sender.closed());
                assert!(block_on(sender.send((number, Box::new(0)))).is_err());
            })
        }).collect();
        let mut received = 0;
        for _ in 0..thread_rng().gen_range(0..4) {
            // Not a visit, which may stay: nobody need send.
            received += usize::from(receiver.try_recv().is_ok());
        }
        receiver.close();
        while until!(receiver.recv()).is_some() {
            received += 1;
        }
        join(threads);
        assert_eq!(received, sent.load(Relaxed));
        assert_eq!(sender.capacity(), sender.max_capacity());
    }
}

model! {
    broadcast_storm(threads = 5, bound = 3, claim = "what each receiver gets and misses adds up") {
        let (sender, receiver) = broadcast::channel(2);
        let receivers = [receiver, sender.subscribe()];
        let senders: Vec<_> = (0..2).map(|_| {
            let sender = sender.clone();
            thread::spawn(move || for value in 0..4 { sender.send(Box::new(value)).unwrap(); })
        }).collect();
        drop(sender);
        let receivers = receivers.map(|mut receiver| thread::spawn(move || {
            let mut count = 0;
            loop {
                match until!(receiver.recv()) {
                    Ok(value) => { assert!(*value < 4); count += 1 }
                    Err(broadcast::RecvError::Lagged(missed)) => count += missed,
                    Err(broadcast::RecvError::Closed) => break,
                }
            }
            assert_eq!(count, 8);
        }));
        join(senders);
        join(receivers.into());
    }
}

model! {
    watch_storm(threads = 5, bound = 3, claim = "the last value is seen, and both ends learn that the other is gone") {
        let (sender, receiver) = watch::channel(Box::new(0));
        let receivers = [receiver.clone(), receiver].map(|mut receiver| thread::spawn(move || {
            let mut last = 0;
            while until!(receiver.changed()).is_ok() {
                let value = **receiver.borrow_and_update();
                assert!(value >= last);
                last = value;
            }
            assert_eq!(**receiver.borrow(), 4);
        }));
        for value in 1..5 {
            sender.send(Box::new(value)).unwrap();
        }
        drop(sender);
        join(receivers.into());
    }
}

model! {
    watch_storm_closed(threads = 4, bound = 3, claim = "whoever waits for the receivers to go learns it, and not before") {
        let (sender, receiver) = watch::channel(0);
        let sender = Arc::new(sender);
        let mut threads = crowd(2, &sender, |sender, _| {
            until!(sender.closed());
            // Receivers that come again stay until all have waited again.
            let receiver = sender.subscribe();
            assert!(!sender.is_closed());
            assert!(poll_once(|cx| std::pin::pin!(sender.closed()).poll(cx)).is_pending());
            drop(receiver);
            until!(sender.closed());
        });
        let again = receiver.clone();
        threads.push(thread::spawn(move || drop(again)));
        drop(receiver);
        join(threads);
    }
}

/// Puts and gets with departures; every item comes out once.
fn queue_storm<S>(queue: crate::BaseQueue<Box<usize>, S>)
where
    S: crate::Store<Box<usize>> + Send + Sync + 'static,
{
    let shared = Arc::new((queue, AtomicUsize::new(0)));
    let mut threads = crowd(2, &shared, |(queue, _), number| {
        for item in 0..3 {
            until!(queue.put(Box::new(1 << (3 * number + item)))).unwrap();
        }
    });
    threads.extend(crowd(2, &shared, |(queue, sum), _| {
        for _ in 0..3 {
            sum.fetch_add(*until!(queue.get()).unwrap(), Relaxed);
            queue.task_done().unwrap();
        }
    }));
    join(threads);
    until!(shared.0.join());
    assert!(shared.0.empty());
    assert_eq!(shared.1.load(Relaxed), (1 << 6) - 1);
}

model! {
    queue_storm_bounded(threads = 5, bound = 3, claim = "no item and no room is lost, whoever leaves") {
        queue_storm(Queue::new(1));
    }
}

model! {
    queue_storm_unbounded(threads = 5, bound = 3, claim = "no item is lost, whoever leaves") {
        queue_storm(Queue::new(0));
    }
}

model! {
    lifo_storm(threads = 5, bound = 3, claim = "no item of a stack is lost, whoever leaves") {
        queue_storm(LifoQueue::new(2));
    }
}
