//! One thread plays all parts; time stands still unless a test moves it.
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;
use std::time::Duration;

use super::*;
use crate::timer::Expiry;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counter() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), Waker::from(count))
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn timers() -> Timers {
    Timers::new(Clock::new_virtual())
}

/// Expires until nothing more is due; how many were woken.
fn expire(timers: &Timers, role: Role) -> usize {
    let mut woken = 0;
    loop {
        let mut batch = WakeBatch::new();
        let expired = timers.expire(role, timers.clock().now(), &mut batch);
        woken += batch.len();
        batch.wake_all();
        if !expired.more {
            return woken;
        }
    }
}

impl Timers {
    fn entries(&self) -> (usize, usize) {
        let mut owned = self.shared().own(Role::Owner).unwrap();
        owned.with(|_, core| (core.outside(), core.chunks.len()))
    }
}

#[test]
fn fires_on_time_and_once() {
    let timers = timers();
    let (count, waker) = counter();
    let start = timers.clock().now();
    let mut timer = timers.insert(start + 1_500, waker.clone());
    assert_eq!(timers.next_deadline(), start + 1_500);
    assert_eq!(timers.park_deadline(), start + 1_500);
    assert_eq!(timer.poll(&waker), Expiry::Pending);
    timers.clock().advance(Duration::from_nanos(1_499));
    assert_eq!(expire(&timers, Role::Owner), 0, "early");
    timers.clock().advance(Duration::from_nanos(1));
    assert_eq!(expire(&timers, Role::Rescuer), 1);
    assert_eq!(expire(&timers, Role::Owner), 0, "twice");
    assert_eq!((timer.poll(&waker), count.get()), (Expiry::Fired, 1));
    assert_eq!(timers.next_deadline(), NEVER);
    timers.cancel(timer);
    assert_eq!(timers.entries(), (0, 1));
}

#[test]
fn more_than_a_batch_is_fired_in_order() {
    let timers = timers();
    let (_, waker) = counter();
    let start = timers.clock().now();
    let armed: Vec<Timer> = (0..100).map(|n| timers.insert(start + n, waker.clone())).collect();
    timers.clock().advance(Duration::from_nanos(100));
    let mut batch = WakeBatch::new();
    let expired = timers.expire(Role::Owner, timers.clock().now(), &mut batch);
    assert_eq!(expired, Expired { more: true, wake_owner: false });
    assert_eq!(batch.len(), crate::wake_batch::BATCH);
    assert_eq!(expire(&timers, Role::Owner), 100 - batch.len());
    drop(armed);
}

#[test]
fn a_million_timeouts_that_never_fire_leave_nothing() {
    let timers = timers();
    let (count, waker) = counter();
    let start = timers.clock().now();
    for n in 0..1_000_000u64 {
        let timer = timers.insert(start + 1_000_000 * (n % 100_000), waker.clone());
        // Every other one is dropped as another thread would.
        drop(if n % 2 == 0 { timers.cancel(timer) } else { timer.recall() });
    }
    let (_, chunks) = timers.entries();
    assert_eq!(chunks, 1, "cancelled timers took memory");
    assert_eq!(expire(&timers, Role::Owner), 0);
    assert_eq!(timers.entries(), (0, 1));
    assert_eq!(Arc::strong_count(&count), 2, "a cancelled timer kept its waker");
}

#[test]
fn a_new_waker_replaces_the_old() {
    let timers = timers();
    let (old, old_waker) = counter();
    let (new, new_waker) = counter();
    let mut timer = timers.insert(timers.clock().now() + 1, old_waker);
    assert_eq!(timer.poll(&new_waker), Expiry::Pending);
    assert_eq!(Arc::strong_count(&old), 1, "the old waker is gone");
    timers.clock().advance(Duration::from_nanos(1));
    assert_eq!(expire(&timers, Role::Owner), 1);
    assert_eq!((old.get(), new.get()), (0, 1));
    let (_, third) = counter();
    assert_eq!(timer.poll(&third), Expiry::Fired);
}

#[test]
fn reset_moves_a_waiting_timer_and_gives_back_a_fired_one() {
    let timers = timers();
    let (count, waker) = counter();
    let start = timers.clock().now();
    let timer = timers.insert(start + 10, waker);
    let timer = timers.reset(timer, start + 20).unwrap();
    timers.clock().advance(Duration::from_nanos(10));
    assert_eq!(expire(&timers, Role::Owner), 0);
    timers.clock().advance(Duration::from_nanos(10));
    assert_eq!(expire(&timers, Role::Owner), 1);
    assert!(timers.reset(timer, start + 30).unwrap_err().is_none(), "its waker was used");
    assert_eq!((count.get(), timers.entries()), (1, (0, 1)));
}

#[test]
fn reset_moves_a_timer_that_is_still_in_the_mail() {
    let timers = timers();
    let (count, waker) = counter();
    let start = timers.clock().now();
    let timer = timers.post(start + 10, waker, || ());
    let timer = timers.reset(timer, start + 20).unwrap();
    assert_eq!(timers.next_deadline(), start + 20);
    timers.clock().advance(Duration::from_nanos(20));
    assert_eq!(expire(&timers, Role::Owner), 1);
    drop(timers.cancel(timer));
    assert_eq!((count.get(), timers.entries()), (1, (0, 0)));
}

#[test]
fn a_timer_of_another_worker_is_neither_cancelled_nor_reset_here() {
    let (home, other) = (timers(), timers());
    let (_, waker) = counter();
    let first = home.insert(home.clock().now() + 10, waker.clone());
    let second = home.insert(home.clock().now() + 10, waker);
    assert!(other.reset(first, 1).unwrap_err().is_some(), "the waker comes back");
    assert!(other.cancel(second).is_some());
    assert!(home.has_mail(), "given back by mail");
    assert_eq!(expire(&home, Role::Owner), 0);
    assert_eq!(home.entries(), (0, 1));
}

#[test]
fn arrivals_wake_the_poller_once_and_keep_their_order() {
    let timers = timers();
    let wakes = AtomicUsize::new(0);
    let at = timers.clock().now() + 5;
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    struct Note(usize, Arc<std::sync::Mutex<Vec<usize>>>);
    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    let armed: Vec<Timer> = (0..4)
        .map(|n| {
            let waker = Waker::from(Arc::new(Note(n, order.clone())));
            timers.post(at, waker, || {
                wakes.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    assert_eq!(timers.next_deadline(), NEVER, "nobody has looked yet");
    assert_eq!(timers.park_deadline(), at);
    timers.clock().advance(Duration::from_nanos(5));
    assert_eq!(expire(&timers, Role::Owner), 4);
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
    drop(armed);
    assert_eq!(expire(&timers, Role::Owner), 0);
    assert_eq!(timers.entries(), (0, 0), "entries of posters are freed, not kept");
}

#[test]
fn a_timer_that_was_posted_can_be_cancelled_before_and_after_it_arrives() {
    let timers = timers();
    let (count, waker) = counter();
    drop(timers.post(5, waker.clone(), || ()));
    timers.cancel(timers.post(5, waker.clone(), || ()));
    let posted = timers.post(5, waker.clone(), || ());
    timers.park_deadline();
    drop(posted);
    assert_eq!(timers.park_deadline(), NEVER);
    assert_eq!(timers.entries(), (0, 0));
    assert_eq!((count.get(), Arc::strong_count(&count)), (0, 2));
}

#[test]
fn who_loses_the_word_takes_the_other_way() {
    let timers = timers();
    let (count, waker) = counter();
    let at = timers.clock().now() + 5;
    let inserted = timers.insert(at, waker.clone());
    let rescuer = timers.shared().own(Role::Rescuer).unwrap();
    let posted = timers.insert(at, waker.clone());
    let cancelled = timers.insert(at, waker.clone());
    assert!(timers.reset(inserted, at + 1).unwrap_err().is_some());
    assert!(timers.cancel(cancelled).is_some());
    assert_eq!(timers.park_deadline(), NEVER, "the rescuer will wake it");
    assert_eq!(timers.park_deadline(), NEVER);
    assert!(rescuer.release(), "the owner wants to be woken");
    assert_eq!(timers.park_deadline(), at, "the mail is in");
    timers.clock().advance(Duration::from_nanos(5));
    assert_eq!(expire(&timers, Role::Owner), 1);
    drop(posted);
    assert_eq!(count.get(), 1);
}

#[test]
fn the_end_wakes_everybody_and_timers_outlive_it() {
    let timers = timers();
    let (count, waker) = counter();
    let mut kept = timers.insert(NEVER - 1, waker.clone());
    let returned = timers.insert(5, waker.clone());
    let mut posted = timers.post(7, waker.clone(), || ());
    drop(returned);
    drop(timers);
    assert_eq!(count.get(), 2);
    assert_eq!(kept.poll(&waker), Expiry::Closed);
    assert_eq!(posted.poll(&waker), Expiry::Closed);
    drop(posted);
    assert!(kept.recall().is_none());
    assert_eq!(Arc::strong_count(&count), 2);
}

#[test]
fn closed_timers_refuse_what_is_posted() {
    let timers = timers();
    let (count, waker) = counter();
    let mut posted = timers.post(7, waker.clone(), || ());
    let mut batch = WakeBatch::new();
    assert!(!timers.close(&mut batch));
    batch.wake_all();
    assert_eq!(posted.poll(&waker), Expiry::Closed);
    let refused = timers.try_post(7, waker.clone(), || panic!("nobody is to look"));
    assert!(refused.is_err_and(|back| back.will_wake(&waker)));
    assert!(!timers.has_mail());
    // Closing, and looking, again changes nothing.
    assert!(!timers.close(&mut batch));
    assert_eq!(expire(&timers, Role::Owner), 0);
    drop(posted);
    assert!(timers.try_post(7, waker.clone(), || ()).is_err());
    assert_eq!(count.get(), 1);
    drop(timers);
    assert_eq!(Arc::strong_count(&count), 2);
}

#[test]
fn timers_dropped_on_other_threads_while_a_rescuer_fires_all_come_back() {
    const TIMERS: u64 = 20_000;
    let timers = Arc::new(Timers::new(Clock::real()));
    let (count, waker) = counter();
    let (send, receive) = std::sync::mpsc::channel::<Timer>();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| receive.into_iter().for_each(drop));
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                expire(&timers, Role::Rescuer);
            }
        });
        scope.spawn(|| {
            for n in 0..TIMERS {
                drop(timers.post(timers.clock().now() + n % 64, waker.clone(), || ()));
            }
        });
        for n in 0..TIMERS {
            let timer = timers.insert(timers.clock().now() + (n % 64) * 100, waker.clone());
            match n % 3 {
                0 => send.send(timer).unwrap(),
                1 => drop(timers.cancel(timer)),
                _ => drop(timers.reset(timer, timers.clock().now() + 5)),
            }
        }
        drop(send);
        done.store(true, Ordering::Relaxed);
    });
    expire(&timers, Role::Owner);
    assert_eq!(timers.entries().0, 0, "an entry did not come back");
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1, "a waker leaked");
}
