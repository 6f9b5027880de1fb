//! What primitives cost in memory: bytes asked of the allocator, and sizes.

#![cfg(feature = "corio")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use corio::sync::{Event, Lock, Semaphore, mpsc};

thread_local! {
    /// Bytes that this thread has asked for and not given back.
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    /// # Safety
    ///
    /// That of the trait.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get().wrapping_add(layout.size()));
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    /// # Safety
    ///
    /// That of the trait.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().wrapping_sub(layout.size()));
        // SAFETY: as the caller's.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that are live after `f` beyond those before.
fn live<R>(f: impl FnOnce() -> R) -> (R, isize) {
    let before = LIVE.get();
    let made = f();
    (made, LIVE.get().wrapping_sub(before) as isize)
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing to wait for"),
    }
}

#[test]
fn a_primitive_that_nobody_waits_for_is_two_words() {
    assert_eq!(size_of::<Lock<()>>(), 16);
    assert_eq!(size_of::<Lock<u64>>(), 16 + 8);
    assert_eq!(size_of::<Event>(), 16);
    assert_eq!(size_of::<Semaphore>(), 16);
    let (_kept, bytes) = live(|| {
        let (lock, event, semaphore) = (Lock::new(1u64), Event::new(), Semaphore::new(1));
        *now(lock.acquire()) += 1;
        event.set();
        now(event.wait());
        drop(now(semaphore.acquire()).unwrap());
        (lock, event, semaphore)
    });
    assert_eq!(bytes, 0, "no heap without contention");
}

#[test]
fn a_small_channel_is_small() {
    let ((sender, mut receiver), fresh) = live(|| mpsc::channel::<u64>(1));
    let ((), more) = live(|| now(sender.send(7)).unwrap());
    assert_eq!(now(receiver.recv()), Some(7));
    let (_tokio, theirs) = live(|| tokio::sync::mpsc::channel::<u64>(1));
    println!("channel of room 1: {fresh} bytes, {} after a message; tokio {theirs}", fresh + more);
    assert!(fresh <= 200, "{fresh} bytes");
    assert!(fresh + more <= 400, "{} bytes after a message", fresh + more);
}
