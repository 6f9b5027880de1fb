//! What went wrong in other projects, and why it does not here.
//!
//! | # | elsewhere | here |
//! |---|---|---|
//! | 1 | tokio#1788: a push is missed by the last searcher that parks | models `idle_push_vs_park`, `idle_last_searcher_found` |
//! | 2 | event-listener#138: an early-out of notify races the first waiter | models `wait_make_queue`, `line_notify_one`; `the_first_waiter_is_not_missed` |
//! | 3 | oneTBB#2136: a read-modify-write taken for a fence | model `shim_store_buffering`; every fence is a mutant that must be killed |
//! | 4 | flume#135, cpython#90155, kotlinx#2380: a notification dies with a dropped future | models `lock_leave`, `line_notify_pass_on`, `line_condition_drop`, `queue_get_leaves`, `queue_put_leaves`, `mpsc_bounded`, `weighted_leave_deliver`; `drops.rs` |
//! | 5 | flume#120: a value sent right before the sender goes is lost | models `mpsc_last_value`, `watch_changed`, `broadcast_wait`; `the_last_value_arrives` |
//! | 6 | oneshot#87, RUSTSEC-2021-0124: a side touches the channel after the other may free it | models `oneshot_send_drop`, `oneshot_send_close` |
//! | 7 | crossbeam#726: a task stolen twice after a buffer grew | models `queue_owner_vs_two_thieves`, `queue_spill`; the deque is crossbeam's, mended since 0.8.1 |
//! | 8 | crossbeam#1187: a leak's cure frees twice | models `mpsc_receiver_goes`, `mpsc_close`; `values_under_way_are_dropped_once` |
//! | 9 | kotlinx#1477, #3730, #3634: a semaphore's cancel, removed segments, a resumer that spins | models `wait_cancel_release`, `wait_skip_run`, `wait_sweep_walk`, `weighted_two_leave`; the stall models |
//! | 10 | tokio#5404: a broadcast wakes futures created later; tokio#4751: `will_wake` on a slot in use | models `notify_created_after`, `notify_created_before`, `wait_repoll_release`; `the_waker_of_the_last_poll_is_woken` |
//! | 11 | tokio#6450: a grant rests in a future that nobody polls | documented at [`Lock`]; `a_grant_in_an_unpolled_future_is_given_up_with_it`, `an_unfair_lock_does_not_wait_for_an_unpolled_future` |
//! | 12 | tokio#3689: a waker that panics leaves a state behind | `a_waker_that_panics_spoils_nothing`, `a_permit_is_not_lost_with_a_waker_that_panics`, `one_panic_does_not_cost_others_their_wake_up`, `a_panic_at_the_gate_of_a_barrier_costs_no_round`, `a_panic_in_an_aborted_round_leaves_nobody_at_the_gate`, `two_panics_in_one_broadcast_end_the_process` |
//! | 13 | tokio#6133, #8331: readiness ticks too small, or shared | models `readiness_*` with ticks of two bits |
//! | 14 | tokio#8252, #3190, #3229: cancelled timers stay, an earlier timer does not interrupt a parked poller | models `timer_two_drops_vs_owner`, `timer_post_vs_park`, `timer_drop_elsewhere_vs_fire` |
//! | 15 | tokio#8071: a task in a private slot is found by nobody | models `lifo_*`, `queue_push_steal_park`, `hog_marks_end` |
//! | 16 | event-listener#100: a listener listens again, to another event | a future borrows its primitive; `a_future_that_is_polled_again_does_no_harm` |
//! | 17 | kanal#11, #15: spinning in async code, a waker replaced without a fence | no lock in `sync/src` (a house test), the stall models; model `waker_slot_reregister` |
//! | 18 | tokio#8021, #8260, #7886: a closed semaphore reopens, a receiver is not told of returned room, a receiver's waker outlives it | `a_closed_semaphore_stays_closed`, model `mpsc_permit_close`, `no_waker_outlives_its_receiver` |
#![cfg(not(any(corio_loom, corio_shuttle)))]

use corio_sync::park::{block_on, block_on_deadline};
use corio_sync::{
    Barrier, BarrierWait, Event, Lock, Notify, Queue, RwLock, Semaphore, TryAcquireError,
    broadcast, mpsc, oneshot, watch,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::time::{Duration, Instant};

/// Rounds of a race on real threads.
const ROUNDS: usize = 2_000;

/// How long a wake-up may take on a loaded machine before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(120);

#[track_caller]
fn arrives<F: Future>(future: F) -> F::Output {
    let late = Instant::now() + PATIENCE;
    block_on_deadline(future, Some(late)).expect("a wake-up was lost")
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), Waker::from(count))
}

fn poll_with<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

/// A barrier that spins: both sides start as close together as threads can.
fn race(rounds: usize, one: impl Fn(usize) + Sync, other: impl Fn(usize) + Sync) {
    let (a, b) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let side = |mine: &AtomicUsize, its: &AtomicUsize, act: &(dyn Fn(usize) + Sync)| {
        for round in 1..=rounds {
            mine.store(round, Release);
            let mut looks = 0_u32;
            while its.load(Acquire) < round {
                looks += 1;
                if looks % 64 == 0 {
                    std::thread::yield_now();
                }
            }
            act(round - 1);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| side(&a, &b, &one));
        side(&b, &a, &other);
    });
}

/// The table at the top names models and tests of this file; none of them may have gone.
#[test]
fn what_the_table_names_exists() {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/models.txt");
    let models = std::fs::read_to_string(models).expect("the list of models is there");
    let models: Vec<_> = models.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    let source = include_str!("lessons.rs");
    let exists = |name: &str| match name.strip_suffix('*') {
        Some(start) => models.iter().any(|model| model.starts_with(start)),
        None => models.contains(&name) || source.contains(&format!("fn {name}()")),
    };
    let rows = source.lines().filter_map(|line| line.strip_prefix("//! | "));
    let rows: Vec<_> = rows.filter(|row| row.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert_eq!(rows.len(), 18, "one row for each group");
    for row in rows {
        let here = row.split(" | ").nth(2).expect("three columns");
        let quoted = here.split('`').skip(1).step_by(2);
        let mut names = quoted.filter(|name| name.contains('_') && !name.contains(['.', ':']));
        assert_eq!(names.find(|name| !exists(name)), None, "named in row {row}");
    }
}

/// Group 2: primitives are fresh, so that the first waiter makes the queue while it is notified.
#[test]
fn the_first_waiter_is_not_missed() {
    let notifies: Vec<_> = (0..ROUNDS).map(|_| Notify::new()).collect();
    let events: Vec<_> = (0..ROUNDS).map(|_| Event::new()).collect();
    race(
        ROUNDS,
        |round| {
            arrives(notifies[round].notified());
            arrives(events[round].wait());
        },
        |round| {
            notifies[round].notify_one();
            events[round].set();
        },
    );
}

/// Group 5: the sender sends and goes; a receiver that learns of the end has had the value.
#[test]
fn the_last_value_arrives() {
    for _ in 0..ROUNDS / 10 {
        let (one, got_one) = oneshot::channel();
        let (few, mut got_few) = mpsc::channel(1);
        let (many, mut got_many) = mpsc::unbounded();
        let (all, mut got_all) = broadcast::channel(1);
        let (latest, mut got_latest) = watch::channel(0);
        let thread = std::thread::spawn(move || {
            one.send(1).unwrap();
            few.try_send(1).unwrap();
            drop(few);
            many.send(1).unwrap();
            drop(many);
            all.send(1).unwrap();
            drop(all);
            latest.send(1).unwrap();
        });
        assert_eq!(arrives(got_one), Ok(1));
        assert_eq!((arrives(got_few.recv()), arrives(got_few.recv())), (Some(1), None));
        assert_eq!((arrives(got_many.recv()), arrives(got_many.recv())), (Some(1), None));
        assert_eq!(arrives(got_all.recv()), Ok(1));
        assert_eq!(arrives(got_all.recv()), Err(broadcast::RecvError::Closed));
        assert_eq!(arrives(got_latest.changed()), Ok(()));
        assert_eq!(*got_latest.borrow(), 1);
        assert!(arrives(got_latest.changed()).is_err());
        thread.join().unwrap();
    }
}

/// Group 8: the receiver goes while values are sent.
#[test]
fn values_under_way_are_dropped_once() {
    let value = Arc::new(());
    for _ in 0..ROUNDS / 10 {
        let (sender, receiver) = mpsc::unbounded();
        let sending = {
            let value = value.clone();
            std::thread::spawn(move || while sender.send(value.clone()).is_ok() {})
        };
        drop(receiver);
        sending.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    }
}

/// Group 10: the second waker has the data of the first; only its table tells them apart.
#[test]
fn the_waker_of_the_last_poll_is_woken() {
    static FIRST: AtomicUsize = AtomicUsize::new(0);
    static SECOND: AtomicUsize = AtomicUsize::new(0);
    fn nothing(_: *const ()) {}
    fn first(_: *const ()) {
        FIRST.fetch_add(1, Relaxed);
    }
    fn second(_: *const ()) {
        SECOND.fetch_add(1, Relaxed);
    }
    fn clone_first(_: *const ()) -> RawWaker {
        RawWaker::new(std::ptr::null(), &FIRST_TABLE)
    }
    fn clone_second(_: *const ()) -> RawWaker {
        RawWaker::new(std::ptr::null(), &SECOND_TABLE)
    }
    static FIRST_TABLE: RawWakerVTable = RawWakerVTable::new(clone_first, first, first, nothing);
    static SECOND_TABLE: RawWakerVTable =
        RawWakerVTable::new(clone_second, second, second, nothing);
    // SAFETY: the tables ignore the data.
    let one = unsafe { Waker::new(std::ptr::null(), &FIRST_TABLE) };
    // SAFETY: as above.
    let two = unsafe { Waker::new(std::ptr::null(), &SECOND_TABLE) };
    let (event, notify, semaphore) = (Event::new(), Notify::new(), Semaphore::new(0));
    let (sender, mut value) = oneshot::channel();
    let (many, mut stream) = mpsc::unbounded();
    let mut waits: [Pin<Box<dyn Future<Output = ()>>>; 5] = [
        Box::pin(event.wait()),
        Box::pin(notify.notified()),
        Box::pin(async { drop(semaphore.acquire().await) }),
        Box::pin(async { _ = (&mut value).await }),
        Box::pin(async { _ = stream.recv().await }),
    ];
    for wait in &mut waits {
        assert!(poll_with(wait.as_mut(), &one).is_pending());
        assert!(poll_with(wait.as_mut(), &two).is_pending());
    }
    event.set();
    notify.notify_one();
    semaphore.release(1);
    sender.send(()).unwrap();
    many.send(()).unwrap();
    assert_eq!((FIRST.load(Relaxed), SECOND.load(Relaxed)), (0, 5));
}

/// Group 11: inherent in handing over; dropping the future is the way out.
#[test]
fn a_grant_in_an_unpolled_future_is_given_up_with_it() {
    let lock = Lock::new(());
    let guard = lock.try_acquire().unwrap();
    let mut forgotten = Box::pin(lock.acquire());
    assert!(poll(forgotten.as_mut()).is_pending());
    drop(guard);
    assert!(lock.try_acquire().is_none(), "the lock has reached the future");
    let mut next = pin!(lock.acquire());
    assert!(poll(next.as_mut()).is_pending());
    drop(forgotten);
    assert!(poll(next).is_ready());
}

/// Group 11: an unfair lock lets newcomers pass while the called waiter does not answer.
#[test]
fn an_unfair_lock_does_not_wait_for_an_unpolled_future() {
    let lock = Lock::new_unfair(());
    let guard = lock.try_acquire().unwrap();
    let mut forgotten = Box::pin(lock.acquire());
    assert!(poll(forgotten.as_mut()).is_pending());
    drop(guard);
    for _ in 0..10 {
        drop(lock.try_acquire().expect("the lock is free"));
    }
    drop(block_on(lock.acquire()));
}

/// A waker that panics in one of its operations, once.
struct Panicking {
    operation: usize,
    armed: AtomicBool,
    woken: AtomicUsize,
    /// What happens while it is cloned.
    meanwhile: Box<dyn Fn() + Send + Sync>,
}

const CLONE: usize = 0;
const WAKE: usize = 1;
const DROP: usize = 2;

impl Panicking {
    fn waker(operation: usize) -> (Arc<Self>, Waker) {
        Self::meanwhile(operation, || ())
    }

    fn meanwhile<F: Fn() + Send + Sync + 'static>(operation: usize, f: F) -> (Arc<Self>, Waker) {
        let (armed, woken) = (AtomicBool::new(true), AtomicUsize::new(0));
        let state = Arc::new(Self { operation, armed, woken, meanwhile: Box::new(f) });
        (state.clone(), Self::make(state))
    }

    fn make(state: Arc<Self>) -> Waker {
        let data = Arc::into_raw(state).cast();
        // SAFETY: the data is a reference count that the table's functions keep.
        unsafe { Waker::new(data, &Self::TABLE) }
    }

    fn at(&self, operation: usize) {
        if self.operation == operation && self.armed.swap(false, Relaxed) {
            panic!("a waker panics");
        }
    }

    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: the waker that is cloned holds a count.
            let state = unsafe { &*data.cast::<Self>() };
            state.at(CLONE);
            (state.meanwhile)();
            // SAFETY: as above.
            unsafe { Arc::increment_strong_count(data.cast::<Self>()) };
            RawWaker::new(data, &Self::TABLE)
        },
        |data| {
            // SAFETY: the waker that is woken gives its count up.
            let state = unsafe { Arc::from_raw(data.cast::<Self>()) };
            state.at(WAKE);
            state.woken.fetch_add(1, Relaxed);
        },
        |data| {
            // SAFETY: the waker that is woken holds a count.
            let state = unsafe { &*data.cast::<Self>() };
            state.at(WAKE);
            state.woken.fetch_add(1, Relaxed);
        },
        |data| {
            // SAFETY: the waker that is dropped gives its count up.
            let state = unsafe { Arc::from_raw(data.cast::<Self>()) };
            state.at(DROP);
        },
    );
}

fn quietly<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

/// A wait meets a waker that panics at its first poll or at a later one; then it goes on, and ends
/// when `grant` says so.
fn survives<F: Future>(wait: F, grant: impl Fn()) {
    let mut wait = Box::pin(wait);
    let mut states = Vec::new();
    for operation in [CLONE, DROP, CLONE, DROP] {
        let (state, waker) = Panicking::waker(operation);
        let panicked = quietly(|| _ = poll_with(wait.as_mut(), &waker)).is_none();
        // The next poll replaces the clone, and drops it.
        let panicked = quietly(|| _ = poll(wait.as_mut())).is_none() || panicked;
        assert!(panicked, "the waker was neither cloned nor dropped");
        drop(waker);
        states.push(state);
    }
    assert!(poll(wait.as_mut()).is_pending());
    grant();
    let _ = arrives(wait.as_mut());
    drop(wait);
    for state in states {
        assert_eq!(Arc::strong_count(&state), 1, "a waker leaked");
    }
}

/// Group 12.
#[test]
fn a_waker_that_panics_spoils_nothing() {
    let (event, lock, queue) = (Event::new(), Lock::new(()), Queue::new(0));
    let (notify, semaphore) = (Notify::new(), Semaphore::new(0));
    survives(event.wait(), || event.set());
    survives(notify.notified(), || notify.notify_one());
    survives(semaphore.acquire(), || semaphore.release(1));
    survives(queue.get(), || queue.put_nowait(1).unwrap());
    std::mem::forget(lock.try_acquire());
    survives(lock.acquire(), || lock.release().unwrap());
    let (sender, receiver) = oneshot::channel();
    let sender = std::cell::Cell::new(Some(sender));
    survives(receiver, || sender.take().unwrap().send(1).unwrap());
    let (sender, mut receiver) = mpsc::unbounded();
    survives(receiver.recv(), || sender.send(1).unwrap());
    for sits in [false, true] {
        let (sender, receiver) = mpsc::channel(2);
        (0..2).for_each(|value| sender.try_send(value).unwrap());
        let mut first = Box::pin(sender.send(2));
        assert!(!sits || poll(first.as_mut()).is_pending());
        let receiver = std::cell::RefCell::new(receiver);
        survives(sender.reserve(), || {
            (0..2).for_each(|value| assert_eq!(receiver.borrow_mut().try_recv(), Ok(value)));
        });
        assert!(poll(first.as_mut()).is_ready());
    }
    let (sender, mut receiver) = broadcast::channel(1);
    survives(receiver.recv(), || _ = sender.send(1));
    let (sender, mut receiver) = watch::channel(0);
    survives(receiver.changed(), || sender.send(1).unwrap());
}

/// Group 12: a permit comes while the waker is cloned, whose clone then panics in its drop.
#[test]
fn a_permit_is_not_lost_with_a_waker_that_panics() {
    let semaphore = Arc::new(Semaphore::new(0));
    let releaser = semaphore.clone();
    let (_, waker) = Panicking::meanwhile(DROP, move || releaser.release(1));
    assert_eq!(quietly(|| poll_with(pin!(semaphore.acquire()), &waker).is_ready()), None);
    assert_eq!(semaphore.available_permits(), 1);
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(1).unwrap();
    let receiver = std::sync::Mutex::new(receiver);
    let receive = move || assert_eq!(receiver.lock().unwrap().try_recv(), Ok(1));
    let (_, waker) = Panicking::meanwhile(DROP, receive);
    assert_eq!(quietly(|| poll_with(pin!(sender.reserve()), &waker).is_ready()), None);
    assert_eq!(sender.capacity(), 1);
}

/// Of many waiters one has a waker that panics when it is woken.
fn one_of_many_panics<F: Future>(wait: impl Fn() -> F, wake_all: impl FnOnce()) {
    // Several batches of 32.
    const WAITS: usize = 100;
    let (_state, panicking) = Panicking::waker(WAKE);
    let (count, waker) = counting();
    let mut waits: Vec<_> = (0..WAITS).map(|_| Box::pin(wait())).collect();
    for (i, wait) in waits.iter_mut().enumerate() {
        let waker = if i == 7 { &panicking } else { &waker };
        assert!(poll_with(wait.as_mut(), waker).is_pending());
    }
    assert!(quietly(wake_all).is_none(), "the panic reaches the caller");
    assert_eq!(count.0.load(Relaxed), WAITS - 1);
    for wait in waits {
        assert!(arrives_at_once(wait));
    }
}

fn arrives_at_once<F: Future>(mut future: Pin<Box<F>>) -> bool {
    poll(future.as_mut()).is_ready()
}

/// Group 12.
#[test]
fn one_panic_does_not_cost_others_their_wake_up() {
    let (event, notify, semaphore) = (Event::new(), Notify::new(), Semaphore::new(0));
    one_of_many_panics(|| event.wait(), || event.set());
    one_of_many_panics(|| notify.notified(), || notify.notify_waiters());
    one_of_many_panics(|| semaphore.acquire(), || semaphore.release(100));
    semaphore.try_acquire_many(100).expect("each gave its permit back").forget();
    one_of_many_panics(|| semaphore.acquire(), || semaphore.close());
    let lock = RwLock::new(());
    let mut writer = lock.try_write();
    one_of_many_panics(|| lock.read(), || drop(writer.take()));
    assert!(lock.try_write().is_some(), "every reader had its turn");
    let queue = Queue::<u8>::new(0);
    one_of_many_panics(|| queue.get(), || queue.shutdown(false));
}

/// A barrier of two with a round that is leaving: who has not left yet, and those that came early and
/// have filled the next round, with `waker`.
fn leaving<'a>(barrier: &'a Barrier, waker: &Waker) -> [Pin<Box<BarrierWait<'a>>>; 3] {
    let mut first = Box::pin(barrier.wait());
    assert!(poll(first.as_mut()).is_pending());
    assert!(arrives_at_once(Box::pin(barrier.wait())));
    let early = || {
        let mut wait = Box::pin(barrier.wait());
        assert!(poll_with(wait.as_mut(), waker).is_pending());
        wait
    };
    [first, early(), early()]
}

/// Group 12: who leaves last opens the gate and releases the next round, if it is full by then.
#[test]
fn a_panic_at_the_gate_of_a_barrier_costs_no_round() {
    let barrier = Barrier::new(2);
    let [mut first, early @ ..] = leaving(&barrier, Waker::noop());
    let (_state, panicking) = Panicking::waker(WAKE);
    let mut gate = Box::pin(barrier.wait());
    assert!(poll_with(gate.as_mut(), &panicking).is_pending());
    assert!(quietly(|| _ = poll(first.as_mut())).is_none(), "the panic reaches the caller");
    for wait in early {
        assert!(arrives_at_once(wait), "the round that was full is released");
    }
    assert!(poll(gate.as_mut()).is_pending());
    assert!(arrives_at_once(Box::pin(barrier.wait())), "the barrier goes on");
    assert!(arrives_at_once(gate));
}

/// Group 12: an abort releases the round and opens the gate.
#[test]
fn a_panic_in_an_aborted_round_leaves_nobody_at_the_gate() {
    let barrier = Barrier::new(2);
    let (_state, panicking) = Panicking::waker(WAKE);
    let waits = leaving(&barrier, &panicking);
    let mut gate = Box::pin(barrier.wait());
    assert!(poll(gate.as_mut()).is_pending());
    assert!(quietly(|| barrier.abort()).is_none(), "the panic reaches the caller");
    assert!(arrives_at_once(gate), "the gate is open");
    for wait in waits {
        assert!(arrives_at_once(wait));
    }
}

/// Group 12: when a second waker panics while the first panic is on its way to the caller, the
/// process ends, as it does for two elements of a `Vec` whose drops panic. Nobody waits for ever.
#[cfg(unix)]
#[test]
fn two_panics_in_one_broadcast_end_the_process() {
    use std::os::unix::process::ExitStatusExt;
    const CHILD: &str = "CORIO_TWO_PANICS";
    const ABORTED: i32 = 6;
    if std::env::var_os(CHILD).is_some() {
        let event = Event::new();
        let mut waits = [(); 2].map(|()| Box::pin(event.wait()));
        for wait in &mut waits {
            let (_, waker) = Panicking::waker(WAKE);
            assert!(poll_with(wait.as_mut(), &waker).is_pending());
        }
        let _ = quietly(|| event.set());
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().expect("a test program"));
    child.args(["--exact", "two_panics_in_one_broadcast_end_the_process"]).env(CHILD, "1");
    let ended = child.output().expect("the child runs").status;
    assert_eq!(ended.signal(), Some(ABORTED), "{ended}");
}

/// Group 16: a future that has completed is polled again: it says so, or is ready again.
#[test]
fn a_future_that_is_polled_again_does_no_harm() {
    fn again<F: Future>(future: F) {
        let mut future = Box::pin(future);
        assert!(poll(future.as_mut()).is_ready());
        for _ in 0..2 {
            assert!(quietly(|| poll(future.as_mut()).is_ready()).unwrap_or(true));
        }
    }
    let (event, lock, semaphore) = (Event::new(), Lock::new(()), Semaphore::new(1));
    let (notify, queue) = (Notify::new(), Queue::new(1));
    event.set();
    notify.notify_one();
    again(event.wait());
    again(lock.acquire());
    again(semaphore.acquire());
    again(notify.notified());
    again(queue.put(1));
    again(queue.get());
    queue.task_done().unwrap();
    again(queue.join());
    let (sender, receiver) = oneshot::channel();
    sender.send(1).unwrap();
    again(receiver);
    assert!(!lock.locked() && queue.empty());
    assert_eq!(semaphore.available_permits(), 1);
}

/// Group 18: neither permits that come back nor waits that leave open it again.
#[test]
fn a_closed_semaphore_stays_closed() {
    let semaphore = Semaphore::new(2);
    let mut kept = semaphore.try_acquire_many(2).unwrap();
    let forgotten = kept.split(1).unwrap();
    let mut leaving = Box::pin(semaphore.acquire_many(2));
    let mut waiting = Box::pin(semaphore.acquire());
    assert!(poll(leaving.as_mut()).is_pending() && poll(waiting.as_mut()).is_pending());
    semaphore.close();
    assert!(matches!(poll(waiting.as_mut()), Poll::Ready(Err(_))));
    forgotten.forget();
    drop(leaving);
    drop(kept);
    semaphore.release(5);
    assert!(semaphore.is_closed());
    assert!(matches!(semaphore.try_acquire(), Err(TryAcquireError::Closed)));
    assert!(block_on(semaphore.acquire()).is_err());
}

/// Group 18: closing, forgetting and leaving at the same time.
#[test]
fn a_semaphore_closed_in_a_race_stays_closed() {
    let semaphores: Vec<_> = (0..ROUNDS).map(|_| Semaphore::new(1)).collect();
    race(
        ROUNDS,
        |round| {
            let semaphore = &semaphores[round];
            if let Ok(permit) = semaphore.try_acquire() {
                permit.forget();
            }
            let mut wait = Box::pin(semaphore.acquire_many(2));
            let _ = poll(wait.as_mut());
            drop(wait);
            semaphore.release(1);
        },
        |round| semaphores[round].close(),
    );
    for semaphore in &semaphores {
        assert!(semaphore.is_closed() && block_on(semaphore.acquire()).is_err());
    }
}

/// Group 18: the waker of a receiver that has gone is not kept by the channel.
#[test]
fn no_waker_outlives_its_receiver() {
    let (count, waker) = counting();
    let (few, mut got_few) = mpsc::channel::<u8>(1);
    let (many, mut got_many) = mpsc::unbounded::<u8>();
    let (one, mut got_one) = oneshot::channel::<u8>();
    let (all, mut got_all) = broadcast::channel::<u8>(1);
    let (latest, mut got_latest) = watch::channel(0);
    assert!(poll_with(pin!(got_few.recv()), &waker).is_pending());
    assert!(poll_with(pin!(got_many.recv()), &waker).is_pending());
    assert!(poll_with(Pin::new(&mut got_one), &waker).is_pending());
    assert!(poll_with(pin!(got_all.recv()), &waker).is_pending());
    assert!(poll_with(pin!(got_latest.changed()), &waker).is_pending());
    drop((got_few, got_many, got_one, got_all, got_latest));
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1, "a waker is kept");
    assert!(few.is_closed() && many.is_closed() && one.is_closed());
    assert_eq!(all.receiver_count() + latest.receiver_count(), 0);
}
