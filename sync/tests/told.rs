//! What a lock tells in debug mode, and when.
#![cfg(not(any(corio_loom, corio_shuttle)))]

use corio_sync::Lock;
use corio_sync::debug::{LockId, Observer, turn_on};
use corio_sync::park::block_on;
use corio_sync::place::WaitKind;
use std::future::Future;
use std::panic::Location;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Waker};

static LOCK: Lock<()> = Lock::new(());
static TOLD: Mutex<Vec<&str>> = Mutex::new(Vec::new());

struct Recorder;

impl Observer for Recorder {
    fn never_awaited(&self, _: WaitKind, _: &'static Location<'static>) {}

    fn waits(&self, _: LockId, _: WaitKind, _: &'static Location<'static>) {
        TOLD.lock().unwrap().push("waits");
    }

    fn gave_up(&self, _: LockId) {}

    fn holds(&self, _: LockId, _: WaitKind, _: &'static Location<'static>) {
        TOLD.lock().unwrap().push("holds");
    }

    /// It may be told twice.
    fn released(&self, _: LockId) {
        assert!(LOCK.locked(), "nobody else can have it already");
        let mut told = TOLD.lock().unwrap();
        if told.last() != Some(&"releases") {
            told.push("releases");
        }
    }

    fn gave_back(&self, _: LockId) {}

    fn blocks(&self, _: &'static str, _: &'static Location<'static>) {}
}

/// Else a task that asks again for what it has released waits for itself, as it seems, while the next
/// holder has the lock and has not said so yet.
#[test]
fn a_holder_that_goes_is_told_before_the_next_one_can_come() {
    turn_on(&Recorder);
    drop(block_on(LOCK.acquire()));
    assert_eq!(*TOLD.lock().unwrap(), ["holds", "releases"], "nobody waits");
    std::mem::forget(LOCK.try_acquire());
    LOCK.release().unwrap();
    let held = LOCK.try_acquire();
    let mut waiter = pin!(LOCK.acquire());
    assert!(waiter.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(held);
    drop(block_on(waiter));
    let told = TOLD.lock().unwrap();
    assert_eq!(told[2..4], ["holds", "releases"], "without a guard");
    assert_eq!(told[4..], ["holds", "waits", "releases", "holds", "releases"], "one waits");
}
