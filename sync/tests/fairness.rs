//! Order under contention, how long an unfair lock may let a waiter wait, and the memory of waiters
//! that gave up.
#![cfg(not(any(corio_loom, corio_shuttle)))]

use corio_sync::deferred::DeferredCore;
use corio_sync::park::block_on;
use corio_sync::{
    Barrier, CancelToken, Condition, Event, GetError, Lock, Notify, PutError, Queue, RwLock,
    Semaphore, SetOnce, broadcast, mpsc, watch,
};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

const THREADS: usize = 6;
const ROUNDS: usize = 400;

/// One test at a time: a thread of another one that is descheduled while it is pinned would hold
/// memory back, which is what some of them measure.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs `body` on all threads at the same time.
fn on_threads(body: impl Fn(usize) + Sync) {
    let start = std::sync::Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (start, body) = (&start, &body);
            scope.spawn(move || {
                start.wait();
                body(thread);
            });
        }
    });
}

/// Threads enlist one after the other, and come to be served in that order.
///
/// `acquire` waits for something exclusive; `barge` tries to take it meanwhile.
fn served_in_order<F: Future>(acquire: impl Fn() -> F + Sync, barge: impl Fn() + Sync) {
    // Who enlists draws the next number in the same breath.
    let enlisted = Mutex::new(0_u64);
    let served = AtomicU64::new(0);
    on_threads(|_| {
        for _ in 0..ROUNDS {
            let mut wait = pin!(acquire());
            let mut numbers = enlisted.lock().unwrap();
            let number = *numbers;
            *numbers += 1;
            let first = poll_once(wait.as_mut());
            drop(numbers);
            barge();
            let guard = match first {
                Poll::Ready(guard) => guard,
                Poll::Pending => block_on(wait),
            };
            assert_eq!(served.fetch_add(1, Relaxed), number, "overtaken");
            drop(guard);
        }
    });
    assert_eq!(served.into_inner(), (THREADS * ROUNDS) as u64);
}

#[test]
fn grants_are_in_order_of_arrival() {
    let _alone = alone();
    // Whoever has enlisted waits or has it: a try beside that must fail, whenever it comes.
    let lock = Lock::new(());
    served_in_order(|| lock.acquire(), || assert!(lock.try_acquire().is_none()));
    let semaphore = Semaphore::new(1);
    served_in_order(|| semaphore.acquire(), || assert!(semaphore.try_acquire().is_err()));
    let lock = RwLock::new(());
    served_in_order(|| lock.write(), || assert!(lock.try_read().is_none()));
    let (sender, _receiver) = mpsc::channel::<u8>(1);
    served_in_order(|| sender.reserve(), || assert!(sender.try_reserve().is_err()));
}

/// The only item of a queue, or the only room in one: it goes back when it is dropped.
enum Turn<'q> {
    Item(&'q Queue<()>),
    Room(&'q Queue<()>),
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        match self {
            Turn::Item(queue) => queue.put_nowait(()).expect("the queue has no limit"),
            Turn::Room(queue) => queue.get_nowait().expect("the item is still there"),
        }
    }
}

#[test]
fn items_and_room_are_given_in_order_of_arrival() {
    let _alone = alone();
    let items = Queue::new(0);
    items.put_nowait(()).unwrap();
    let get = || async {
        items.get().await.unwrap();
        Turn::Item(&items)
    };
    served_in_order(get, || assert_eq!(items.get_nowait(), Err(GetError::Empty)));
    let room = Queue::new(1);
    let put = || async {
        room.put(()).await.unwrap();
        Turn::Room(&room)
    };
    served_in_order(put, || assert_eq!(room.put_nowait(()), Err(PutError::Full(()))));
}

/// How many turns others have while one stands in the lock's queue, at the most.
fn longest_wait(lock: &Lock) -> u64 {
    let (turns, longest) = (AtomicU64::new(0), AtomicU64::new(0));
    on_threads(|_| {
        for _ in 0..ROUNDS {
            let mut wait = pin!(lock.acquire());
            let first = poll_once(wait.as_mut());
            let enlisted = turns.load(Relaxed);
            let guard = match first {
                Poll::Ready(guard) => guard,
                Poll::Pending => block_on(wait),
            };
            longest.fetch_max(turns.fetch_add(1, Relaxed) - enlisted, Relaxed);
            // Others come while it is held.
            std::thread::yield_now();
            drop(guard);
        }
    });
    assert_eq!(turns.into_inner(), (THREADS * ROUNDS) as u64, "everybody was served");
    longest.into_inner()
}

#[test]
fn an_unfair_lock_serves_everybody() {
    let _alone = alone();
    let fair = longest_wait(&Lock::new(()));
    let unfair = longest_wait(&Lock::new_unfair(()));
    println!("longest wait, in turns of others: {fair} if fair, {unfair} if not");
    assert!(fair < THREADS as u64, "{fair} turns of others before a place in order of arrival");
}

/// One waiter loses as often as it can: then newcomers must queue until it has been served.
#[test]
fn a_waiter_of_an_unfair_lock_loses_four_times_at_most() {
    let _alone = alone();
    let lock = Lock::new_unfair(());
    let mut guard = Some(lock.try_acquire().unwrap());
    let mut wait = pin!(lock.acquire());
    let mut losses = 0;
    loop {
        if poll_once(wait.as_mut()).is_ready() {
            break;
        }
        // It is called; before it runs, somebody else is quicker, if the lock lets them.
        drop(guard.take());
        guard = lock.try_acquire();
        if guard.is_none() {
            assert!(poll_once(wait.as_mut()).is_ready(), "it was handed the lock");
            break;
        }
        losses += 1;
        assert!(losses <= 4, "it lost {losses} times");
    }
    assert_eq!(losses, 4);
}

/// The memory of this process that is in RAM, in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a VmRSS line");
    line.split_whitespace().next().and_then(|n| n.parse::<usize>().ok()).unwrap() * 1024
}

/// What the collector of old memory may hold back, with a margin: leaking a single word for each
/// of a million waiters would be as much.
const GROWTH_MAX: usize = 4 << 20;

/// Waits `count` times for what does not come.
fn give_up<F: Future>(count: usize, wait: impl Fn() -> F) {
    for _ in 0..count {
        assert!(poll_once(pin!(wait())).is_pending());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_million_waiters_that_gave_up_leave_no_memory() {
    let _alone = alone();
    fn measured<F: Future>(name: &str, wait: impl Fn() -> F) {
        give_up(50_000, &wait);
        let before = resident_bytes();
        give_up(1_000_000, &wait);
        let growth = resident_bytes().saturating_sub(before);
        println!("{name}: {growth} bytes more");
        assert!(growth < GROWTH_MAX, "{name}: {growth} bytes more");
    }
    let lock = Lock::new(());
    let guard = lock.try_acquire();
    measured("Lock", || lock.acquire());
    drop(guard);
    drop(lock.try_acquire().unwrap());
    let event = Event::new();
    measured("Event", || event.wait());
    let semaphore = Semaphore::new(1);
    measured("Semaphore", || semaphore.acquire_many(2));
    assert_eq!(semaphore.available_permits(), 1);
    let queue = Queue::<u8>::new(0);
    measured("Queue", || queue.get());
    queue.put_nowait(1).unwrap();
    assert_eq!(queue.get_nowait(), Ok(1));
}

#[cfg(target_os = "linux")]
#[test]
fn waiters_of_other_kinds_that_gave_up_leave_no_memory() {
    let _alone = alone();
    const COUNT: usize = 200_000;
    fn measured(name: &str, mut round: impl FnMut(usize)) {
        round(COUNT / 10);
        let before = resident_bytes();
        round(COUNT);
        let growth = resident_bytes().saturating_sub(before);
        println!("{name}: {growth} bytes more");
        assert!(growth < GROWTH_MAX, "{name}: {growth} bytes more");
    }
    let notify = Notify::new();
    measured("Notify", |count| give_up(count, || notify.notified()));
    let lock = RwLock::new(());
    let guard = lock.try_write();
    measured("RwLock", |count| give_up(count, || lock.read()));
    drop(guard);
    drop(lock.try_write().unwrap());
    let unfair = Lock::new_unfair(());
    let guard = unfair.try_acquire();
    measured("Lock::new_unfair", |count| give_up(count, || unfair.acquire()));
    drop(guard);
    drop(unfair.try_acquire().unwrap());
    let queue = Queue::new(1);
    queue.put_nowait(0).unwrap();
    measured("Queue::put", |count| give_up(count, || queue.put(1)));
    measured("Queue::join", |count| give_up(count, || queue.join()));
    let (sender, _receiver) = mpsc::channel(1);
    sender.try_send(0).unwrap();
    measured("mpsc", |count| give_up(count, || sender.send(1)));
    // Behind one that waits on: those before had the seat, each in turn.
    let mut sits = Box::pin(sender.send(1));
    assert!(poll_once(sits.as_mut()).is_pending());
    measured("mpsc, in the queue", |count| give_up(count, || sender.send(1)));
    let (lock, condition) = (Lock::new(()), Condition::new());
    measured("Condition", |count| {
        for _ in 0..count {
            let mut guard = lock.try_acquire().unwrap();
            assert!(poll_once(pin!(condition.wait(&mut guard))).is_pending());
        }
    });
    let barrier = Barrier::new(2);
    measured("Barrier", |count| give_up(count, || barrier.wait()));
    let token = CancelToken::new();
    measured("CancelToken", |count| give_up(count, || token.cancelled()));
    let once = SetOnce::<u8>::new();
    measured("SetOnce", |count| give_up(count, || once.wait()));
    let core = DeferredCore::<u8, u8, u8>::new();
    measured("DeferredCore", |count| give_up(count, || core.wait()));
    let (_announcer, mut listener) = broadcast::channel::<u8>(1);
    measured("broadcast", |count| {
        (0..count).for_each(|_| assert!(poll_once(pin!(listener.recv())).is_pending()));
    });
    let (_sender, mut receiver) = watch::channel(0);
    measured("watch", |count| {
        (0..count).for_each(|_| assert!(poll_once(pin!(receiver.changed())).is_pending()));
    });
    let shared = Arc::new(Lock::new(()));
    let guard = shared.try_acquire();
    measured("Lock, owned", |count| give_up(count, || shared.clone().acquire_owned()));
    drop(guard);
}
