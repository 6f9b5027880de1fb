//! Parking on the real clock: only what must not return early or late by more than a minute.
use super::{Parker, block_on, block_on_deadline};
use crate::shim::atomic::AtomicBool;
use crate::{Lock, coop};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::{Duration, Instant};

const FOREVER: Duration = Duration::from_secs(60);

#[test]
fn an_unpark_is_kept_and_several_are_one() {
    let parker = Parker::default();
    let unparker = parker.unparker();
    unparker.unpark();
    unparker.clone().unpark();
    parker.park();
    assert!(!parker.park_timeout(Duration::from_millis(1)), "two unparks are one");
    parker.waker().wake();
    assert!(parker.park_timeout(FOREVER));
    parker.waker().wake_by_ref();
    assert!(parker.park_deadline(None));
}

#[test]
fn a_deadline_passes_in_time_and_not_early() {
    let parker = Parker::new();
    let start = Instant::now();
    let timeout = Duration::from_millis(5);
    assert!(!parker.park_timeout(timeout));
    assert!(start.elapsed() >= timeout);
    assert!(!parker.park_deadline(Some(start)), "a deadline in the past is looked at and gone");
    parker.unparker().unpark();
    assert!(parker.park_deadline(Some(start)), "an unpark counts even after the deadline");
}

#[test]
fn a_foreign_token_does_not_end_the_sleep() {
    let parker = Parker::new();
    std::thread::current().unpark();
    assert!(!parker.park_timeout(Duration::from_millis(2)));
}

#[test]
fn threads_play_ping_pong() {
    let main = Parker::new();
    let back = main.unparker();
    let (send, receive) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let parker = Parker::new();
        send.send(parker.unparker()).unwrap();
        for _ in 0..1_000 {
            assert!(parker.park_timeout(FOREVER), "the other side fell silent");
            back.unpark();
        }
    });
    let there = receive.recv().unwrap();
    for _ in 0..1_000 {
        there.unpark();
        assert!(main.park_timeout(FOREVER), "the other side fell silent");
    }
    thread.join().unwrap();
}

/// Pending once, waking itself or from another thread.
fn bounce(from_thread: bool) -> impl Future<Output = u32> {
    let mut polls = 0;
    poll_fn(move |cx| {
        polls += 1;
        if polls == 2 {
            return Poll::Ready(polls);
        }
        let waker = cx.waker().clone();
        if from_thread {
            std::thread::spawn(move || waker.wake());
        } else {
            waker.wake();
        }
        Poll::Pending
    })
}

#[test]
fn block_on_sleeps_and_nests() {
    assert_eq!(block_on(bounce(false)), 2);
    assert_eq!(block_on(bounce(true)), 2);
    let nested = block_on(async {
        let inner = block_on(bounce(true));
        inner + bounce(true).await
    });
    assert_eq!(nested, 4);
}

#[test]
fn a_panic_gives_the_parker_back() {
    for _ in 0..3 {
        let dies = poll_fn(|_| -> Poll<()> { panic!("in the future") });
        catch_unwind(AssertUnwindSafe(|| block_on(dies))).expect_err("the panic comes through");
    }
    assert_eq!(block_on(bounce(true)), 2);
}

/// Inside a task whose poll is exhausted nothing gives a unit before the blocking call returns.
#[test]
fn block_on_needs_no_budget_of_the_task_around_it() {
    let (send, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (free, taken) = (Lock::new(1), Lock::new(2));
        let held = taken.try_acquire().unwrap();
        for (units, preempt) in [(0, false), (1, true)] {
            coop::enter(units, &AtomicBool::new(preempt), || {
                assert!(!coop::has_remaining());
                assert_eq!(*block_on(free.acquire()), 1);
                let soon = Instant::now() + Duration::from_millis(2);
                assert!(block_on_deadline(taken.acquire(), Some(soon)).is_none());
                assert!(block_on_deadline(free.acquire(), Some(soon)).is_some());
                assert!(!coop::has_remaining(), "the task's budget is as it was");
            });
        }
        drop(held);
        send.send(()).unwrap();
    });
    ended.recv_timeout(FOREVER).expect("every call returns");
}

#[test]
fn block_on_gives_up_at_its_deadline() {
    let soon = Instant::now() + Duration::from_millis(2);
    assert_eq!(block_on_deadline(pending::<()>(), Some(soon)), None);
    assert_eq!(block_on_deadline(bounce(false), Some(Instant::now())), Some(2));
    assert_eq!(block_on_deadline(bounce(true), None), Some(2));
}
