//! Every future of the crate, dropped after each number of polls: nothing is lost, nothing leaks.
//!
//! A future is polled; the world moves one step; it is polled again, and so on. In each run it is
//! dropped one poll later, until it has run to its end. After each run the primitive must work as
//! if the future had never been, and no waker may be left.
#![cfg(not(any(corio_loom, corio_shuttle)))]

use corio_sync::park::block_on;
use corio_sync::{
    Barrier, CancelToken, Condition, Event, LifoQueue, Lock, Notify, OnceCell, PriorityQueue,
    Queue, RwLock, Semaphore, SetOnce, broadcast, mpsc, oneshot, watch,
};
use std::collections::BTreeSet;
use std::mem::forget;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

struct Silent;

impl Wake for Silent {
    fn wake(self: Arc<Self>) {}
}

fn is_ready<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> bool {
    future.poll(&mut Context::from_waker(waker)).is_ready()
}

/// `every_poll!(object = make, future, [steps], check)`.
macro_rules! every_poll {
    ($object:ident = $make:expr, $future:expr, [$($step:expr),*], $check:expr) => {{
        let mut ended = false;
        let mut polls = 0;
        while !ended {
            let count = Arc::new(Silent);
            let waker = Waker::from(count.clone());
            #[allow(unused_mut)]
            let mut $object = $make;
            {
                let mut future = Box::pin($future);
                'run: {
                    let mut left = polls;
                    $(
                        if left == 0 {
                            break 'run;
                        }
                        left -= 1;
                        assert!(!is_ready(future.as_mut(), &waker), "ready before the last step");
                        $step;
                    )*
                    if left > 0 {
                        assert!(is_ready(future.as_mut(), &waker), "not ready after all steps");
                        ended = true;
                    }
                }
            }
            $check;
            drop($object);
            drop(waker);
            assert_eq!(Arc::strong_count(&count), 1, "a waker is left after {polls} polls");
            polls += 1;
        }
    }};
}

fn held<T>(lock: Lock<T>) -> Lock<T> {
    forget(lock.try_acquire());
    lock
}

/// The lock is free for others, whether or not it was released meanwhile.
fn is_whole(lock: &Lock) {
    let _ = lock.release();
    drop(lock.try_acquire().expect("the lock is free"));
}

#[test]
fn locks() {
    for make in [|| held(Lock::new(())), || held(Lock::new_unfair(()))] {
        // Acquire, AcquireOwned
        every_poll!(lock = make(), lock.acquire(), [lock.release().unwrap()], is_whole(&lock));
        every_poll!(
            lock = Arc::new(make()),
            lock.clone().acquire_owned(),
            [lock.release().unwrap()],
            is_whole(&lock)
        );
        // With another one in front and one behind.
        every_poll!(
            lock = make(),
            async {
                let mut front = Box::pin(lock.acquire());
                let mut middle = Box::pin(lock.acquire());
                let mut back = Box::pin(lock.acquire());
                std::future::poll_fn(|cx| {
                    let waker = cx.waker();
                    let front = is_ready(front.as_mut(), waker);
                    let middle = front && is_ready(middle.as_mut(), waker);
                    let back = middle && is_ready(back.as_mut(), waker);
                    if back { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            },
            [lock.release().unwrap()],
            is_whole(&lock)
        );
    }
}

#[test]
fn semaphores() {
    // SemAcquire, SemAcquireOwned
    every_poll!(
        semaphore = Semaphore::new(0),
        semaphore.acquire_many(3),
        [semaphore.release(1), semaphore.release(1), semaphore.release(1)],
        {
            let back = semaphore.available_permits();
            semaphore.release(3 - back);
            assert!(semaphore.try_acquire_many(3).is_ok());
        }
    );
    every_poll!(
        semaphore = Arc::new(Semaphore::new(1)),
        semaphore.clone().acquire_many_owned(2),
        [semaphore.release(1)],
        assert!((1..=2).contains(&semaphore.available_permits()))
    );
}

#[test]
fn locks_for_readers_and_writers() {
    // RwLockRead, RwLockReadOwned, RwLockWrite, RwLockWriteOwned
    let free = |lock: &RwLock<u8>| drop(lock.try_write().expect("the lock is free"));
    for write in [false, true] {
        let lock = Arc::new(RwLock::new(0));
        let mut guard;
        every_poll!(
            lock = {
                guard = lock.try_write();
                lock.clone()
            },
            async { if write { drop(lock.write().await) } else { drop(lock.read().await) } },
            [drop(guard.take())],
            {
                drop(guard.take());
                free(&lock);
            }
        );
    }
    for write in [false, true] {
        let lock = Arc::new(RwLock::new(0));
        let mut guard;
        every_poll!(
            lock = {
                guard = Some(lock.try_write().unwrap());
                lock.clone()
            },
            async {
                if write {
                    drop(lock.clone().write_owned().await);
                } else {
                    drop(lock.clone().read_owned().await);
                }
            },
            [drop(guard.take())],
            {
                drop(guard.take());
                free(&lock);
            }
        );
    }
}

#[test]
fn events_and_notifications() {
    // EventWait, Notified, TokenCancelled, SetOnceWait
    every_poll!(event = Event::new(), event.wait(), [event.set()], {
        event.set();
        block_on(event.wait());
    });
    every_poll!(notify = Notify::new(), notify.notified(), [notify.notify_one()], {
        notify.notify_one();
        block_on(notify.notified());
    });
    every_poll!(notify = Notify::new(), notify.notified(), [notify.notify_waiters()], {
        notify.notify_one();
        block_on(notify.notified());
    });
    // What reached the dropped one is kept for the next.
    let notify = Notify::new();
    let mut leaves = Box::pin(notify.notified());
    assert!(!is_ready(leaves.as_mut(), Waker::noop()));
    notify.notify_one();
    drop(leaves);
    block_on(notify.notified());
    every_poll!(token = CancelToken::new(), token.cancelled(), [token.cancel()], {
        token.cancel();
        block_on(token.child().cancelled());
    });
    // DeferredWait, DeferredOwnedWait
    let make = corio_sync::deferred::DeferredCore::<u8, (), ()>::new;
    every_poll!(deferred = make(), deferred.wait(), [deferred.set_result(1).unwrap()], {
        let _ = deferred.set_result(1);
        assert!(is_ready(Box::pin(deferred.wait()).as_mut(), Waker::noop()));
    });
    every_poll!(
        deferred = Arc::new(make()),
        deferred.clone().wait_owned(),
        [deferred.set_result(1).unwrap()],
        {
            let _ = deferred.set_result(1);
            assert_eq!(Arc::strong_count(&deferred), 1);
        }
    );
    every_poll!(cell = SetOnce::new(), cell.wait(), [cell.set(1).unwrap()], {
        let _ = cell.set(1);
        assert_eq!(*block_on(cell.wait()), 1);
    });
}

#[test]
fn conditions() {
    // ConditionWait, ConditionWaitFor
    type Shared = (Lock<u8>, Condition);
    fn notify((lock, condition): &Shared, value: u8) {
        let mut guard = lock.try_acquire().expect("a wait releases the lock");
        *guard = value;
        condition.notify(&guard, 1);
    }
    fn is_whole((lock, condition): &Shared) {
        let mut guard = lock.try_acquire().expect("the lock is free");
        let mut other = Box::pin(condition.wait(&mut guard));
        assert!(!is_ready(other.as_mut(), Waker::noop()));
        condition.notify_all(&lock.try_acquire().unwrap());
        assert!(is_ready(other.as_mut(), Waker::noop()));
    }
    every_poll!(
        shared = (Lock::new(0), Condition::new()),
        async {
            let mut guard = shared.0.acquire().await;
            shared.1.wait(&mut guard).await;
            assert!(guard.is_held());
        },
        [notify(&shared, 1)],
        is_whole(&shared)
    );
    every_poll!(
        shared = (Lock::new(0), Condition::new()),
        async {
            let mut guard = shared.0.acquire().await;
            shared.1.wait_for(&mut guard, |value| *value == 2).await;
        },
        [notify(&shared, 1), notify(&shared, 2)],
        is_whole(&shared)
    );
    // The lock is taken by another one when the notification comes.
    let shared = (Lock::new(0), Condition::new());
    let mut other = None;
    every_poll!(
        _run = String::new(),
        async {
            let mut guard = shared.0.acquire().await;
            shared.1.wait(&mut guard).await;
        },
        [
            {
                let guard = shared.0.try_acquire().unwrap();
                shared.1.notify(&guard, 1);
                other = Some(guard);
            },
            drop(other.take())
        ],
        {
            drop(other.take());
            is_whole(&shared);
        }
    );
}

#[test]
fn barriers() {
    // BarrierWait
    every_poll!(
        barrier = Barrier::new(2),
        barrier.wait(),
        [assert!(is_ready(Box::pin(barrier.wait()).as_mut(), Waker::noop()))],
        {
            let mut one = Box::pin(barrier.wait());
            assert!(!is_ready(one.as_mut(), Waker::noop()), "nobody is left inside");
            assert!(block_on(barrier.wait()).is_ok() && block_on(one).is_ok());
        }
    );
    every_poll!(barrier = Barrier::new(2), barrier.wait(), [barrier.reset()], {
        assert_eq!((barrier.n_waiting(), barrier.broken()), (0, false));
    });
}

#[test]
fn cells() {
    // GetOrInit, GetOrTryInit
    let event = Event::new();
    every_poll!(
        cell = {
            event.clear();
            OnceCell::new()
        },
        cell.get_or_init(|| async {
            event.wait().await;
            1
        }),
        [event.set()],
        assert_eq!(*block_on(cell.get_or_init(|| async { 1 })), 1)
    );
    every_poll!(
        cell = {
            event.clear();
            OnceCell::new()
        },
        cell.get_or_try_init(|| async {
            event.wait().await;
            Ok::<_, ()>(1)
        }),
        [event.set()],
        assert_eq!(block_on(cell.get_or_try_init(|| async { Ok::<_, ()>(1) })), Ok(&1))
    );
}

#[test]
fn queues() {
    // Put, Get, GetTracked, Join, and the stream of items
    every_poll!(queue = Queue::new(0), queue.get(), [queue.put_nowait(1).unwrap()], {
        let left = queue.qsize();
        queue.put_nowait(2).unwrap();
        assert_eq!(queue.qsize(), left + 1);
    });
    every_poll!(queue = LifoQueue::new(0), queue.get(), [queue.put_nowait(1).unwrap()], {
        queue.put_nowait(2).unwrap();
        assert_eq!(queue.get_nowait(), Ok(2));
    });
    every_poll!(queue = PriorityQueue::new(0), queue.get(), [queue.put_nowait(1).unwrap()], {
        queue.put_nowait(0).unwrap();
        assert_eq!(queue.get_nowait(), Ok(0));
    });
    every_poll!(queue = Queue::new(0), queue.get_tracked(), [queue.put_nowait(1).unwrap()], {
        while queue.get_nowait().is_ok() {
            queue.task_done().unwrap();
        }
        block_on(queue.join());
    });
    let full = || {
        let queue = Queue::new(1);
        queue.put_nowait(1).unwrap();
        queue
    };
    every_poll!(queue = full(), queue.put(2), [assert_eq!(queue.get_nowait(), Ok(1))], {
        while queue.get_nowait().is_ok() {}
        queue.put_nowait(3).unwrap();
        assert!(queue.full());
    });
    every_poll!(queue = full(), queue.join(), [queue.task_done().unwrap()], {
        let _ = queue.task_done();
        block_on(queue.join());
    });
    every_poll!(
        queue = Queue::new(0),
        async {
            let mut items = queue.stream();
            for _ in 0..2 {
                let next = |cx: &mut Context<'_>| {
                    futures_core::Stream::poll_next(Pin::new(&mut items), cx)
                };
                std::future::poll_fn(next).await;
            }
        },
        [queue.put_nowait(1).unwrap(), queue.put_nowait(2).unwrap()],
        {
            queue.put_nowait(3).unwrap();
            let mut last = None;
            while let Ok(item) = queue.get_nowait() {
                last = Some(item);
            }
            assert_eq!(last, Some(3));
        }
    );
    every_poll!(queue = Queue::<u8>::new(0), queue.get(), [queue.shutdown(false)], {
        queue.shutdown(false);
        assert!(block_on(queue.get()).is_err());
    });
}

#[test]
fn channels_of_one_receiver() {
    // Recv, RecvMany, Reserve, Send, SenderClosed
    every_poll!(ends = mpsc::unbounded(), ends.1.recv(), [ends.0.send(1).unwrap()], {
        ends.0.send(2).unwrap();
        while ends.1.try_recv() != Ok(2) {}
    });
    let mut buffer = Vec::new();
    every_poll!(
        ends = mpsc::channel(1),
        ends.1.recv_many(&mut buffer, 2),
        [ends.0.try_send(1).unwrap()],
        {
            let _ = ends.1.try_recv();
            ends.0.try_send(2).unwrap();
        }
    );
    let full = || {
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(1).unwrap();
        (sender, receiver)
    };
    every_poll!(ends = full(), ends.0.send(2), [assert_eq!(ends.1.try_recv(), Ok(1))], {
        while ends.1.try_recv().is_ok() {}
        assert_eq!(ends.0.capacity(), 1, "the room is back");
    });
    every_poll!(ends = full(), ends.0.reserve(), [assert_eq!(ends.1.try_recv(), Ok(1))], {
        while ends.1.try_recv().is_ok() {}
        assert_eq!(ends.0.capacity(), 1, "the room is back");
    });
    every_poll!(ends = mpsc::channel::<u8>(1), ends.0.closed(), [ends.1.close()], {
        ends.1.close();
        block_on(ends.0.closed());
    });
}

#[test]
fn other_channels() {
    // Receiver, SenderClosed, Recv, Changed, WaitFor
    let once = || {
        let (sender, receiver) = oneshot::channel();
        (Some(sender), receiver)
    };
    every_poll!(ends = once(), &mut ends.1, [ends.0.take().unwrap().send(1).unwrap()], {
        if let Some(sender) = ends.0.take() {
            sender.send(1).unwrap();
            assert_eq!(block_on(&mut ends.1), Ok(1), "a wait by reference loses nothing");
        }
    });
    every_poll!(ends = oneshot::channel::<u8>(), ends.0.closed(), [ends.1.close()], {
        ends.1.close();
        assert!(ends.0.is_closed());
    });
    every_poll!(ends = broadcast::channel(4), ends.1.recv(), [ends.0.send(1).unwrap()], {
        ends.0.send(2).unwrap();
        while ends.1.try_recv() != Ok(2) {}
    });
    every_poll!(ends = watch::channel(0), ends.1.changed(), [ends.0.send(1).unwrap()], {
        ends.0.send(2).unwrap();
        block_on(ends.1.changed()).unwrap();
        assert_eq!(*ends.1.borrow(), 2);
    });
    every_poll!(
        ends = watch::channel(0),
        ends.1.wait_for(|value| *value == 2),
        [ends.0.send(1).unwrap(), ends.0.send(2).unwrap()],
        {
            ends.0.send(2).unwrap();
            assert_eq!(*block_on(ends.1.wait_for(|value| *value == 2)).unwrap(), 2);
        }
    );
    let deserted = || {
        let (sender, receiver) = watch::channel(0);
        (sender, Some(receiver))
    };
    every_poll!(ends = deserted(), ends.0.closed(), [drop(ends.1.take())], {
        drop(ends.1.take());
        block_on(ends.0.closed());
    });
}

/// Futures that wait for nothing themselves.
const NOT_DROPPED: [&str; 1] = ["Unconstrained"];

/// A new future must come here, too: its name stands in a comment above its loop.
#[test]
fn every_future_is_dropped() {
    fn walk(folder: &std::path::Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("the sources are there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for line in text.lines().filter(|line| line.starts_with("impl")) {
                if let Some((_, name)) = line.split_once(" Future for ") {
                    let end = |c: char| !c.is_alphanumeric();
                    found.extend(name.split(end).next().map(str::to_owned));
                }
            }
        }
    }
    let mut futures = BTreeSet::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    walk(&root.join("src"), &mut futures);
    assert!(futures.len() > 20, "only {futures:?} were found");
    let comments: String = include_str!("drops.rs")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("// "))
        .flat_map(|line| [line, ", "])
        .collect();
    let dropped: BTreeSet<&str> = comments.split([',', ' ']).collect();
    let known = |name: &String| dropped.contains(&**name) || NOT_DROPPED.contains(&&**name);
    let missing: Vec<_> = futures.iter().filter(|name| !known(name)).collect();
    assert!(missing.is_empty(), "no test drops {missing:?} after each number of polls");
}
