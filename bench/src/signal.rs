//! Signals that belong to no runtime: a oneshot, a countdown and a one-value slot.
//!
//! Every runtime uses these in every row that has to tell one task about another, so that a row
//! compares schedulers and not channels. They are a `u64` and a registered waker, nothing more:
//! what remains in a figure is the wake-up. Rows that compare channels use each runtime's own.
//!
//! The protocol is the same in all three: the receiver looks, registers its waker and looks
//! again; the sender stores, then wakes. [`AtomicWaker`] orders the two, so that either the
//! second look sees the value or the sender sees the waker.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use atomic_waker::AtomicWaker;

/// The word of an empty oneshot or slot; a value `v` is kept as `v + 1`.
const EMPTY: u64 = 0;

#[derive(Default)]
struct Cell {
    word: AtomicU64,
    waker: AtomicWaker,
}

impl Cell {
    fn put(&self, value: u64) {
        // Release: the receiver that takes the value also sees what the sender wrote before.
        self.word.store(value + 1, Ordering::Release);
        self.waker.wake();
    }

    fn take(&self) -> Option<u64> {
        // Acquire: pairs with the store in `put`. Only the one receiver stores EMPTY.
        let word = self.word.load(Ordering::Acquire);
        if word == EMPTY {
            return None;
        }
        // Relaxed: the next sender learns of the take by a message of the receiver, not by this.
        self.word.store(EMPTY, Ordering::Relaxed);
        Some(word - 1)
    }

    fn poll_take(&self, cx: &Context<'_>) -> Poll<u64> {
        if let Some(value) = self.take() {
            return Poll::Ready(value);
        }
        self.waker.register(cx.waker());
        self.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Makes a channel for one value. The sender must send: there is no closed state.
pub fn oneshot() -> (Sender, Receiver) {
    let cell = Arc::new(Cell::default());
    (Sender(Arc::clone(&cell)), Receiver(cell))
}

/// The sending half of a [`oneshot`].
pub struct Sender(Arc<Cell>);

impl Sender {
    /// Stores the value and wakes the receiver.
    pub fn send(self, value: u64) {
        self.0.put(value);
    }
}

/// The receiving half of a [`oneshot`]: a future of the value.
#[must_use = "a receiver does nothing unless awaited"]
pub struct Receiver(Arc<Cell>);

impl Future for Receiver {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        self.0.poll_take(cx)
    }
}

/// A place for one value between one sender and one receiver, used again and again.
#[derive(Default)]
pub struct Slot(Cell);

impl Slot {
    /// Stores a value. The one before must have been taken.
    pub fn put(&self, value: u64) {
        self.0.put(value);
    }

    /// Waits for a value and takes it.
    pub fn take(&self) -> impl Future<Output = u64> + Send + '_ {
        std::future::poll_fn(|cx| self.0.poll_take(cx))
    }
}

/// Counts tasks down and sums what they bring, so that a lost or doubled task is noticed.
pub struct Countdown {
    left: AtomicU64,
    sum: AtomicU64,
    waker: AtomicWaker,
}

impl Countdown {
    /// A countdown of `count` hits.
    pub fn new(count: u64) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicU64::new(count),
            sum: AtomicU64::new(0),
            waker: AtomicWaker::new(),
        })
    }

    /// Adds `value` to the sum; the last of the expected hits wakes the waiter.
    pub fn hit(&self, value: u64) {
        // Relaxed: the decrement below publishes the sum.
        self.sum.fetch_add(value, Ordering::Relaxed);
        // AcqRel: the chain of decrements carries every sum to the waiter.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waker.wake();
        }
    }

    /// The sum, once the last hit has come.
    pub fn finished(&self) -> Option<u64> {
        // Acquire: pairs with the last decrement in `hit`.
        let left = self.left.load(Ordering::Acquire);
        // Relaxed: ordered by the load above.
        (left == 0).then(|| self.sum.load(Ordering::Relaxed))
    }

    /// Waits for the last hit; returns the sum.
    pub fn wait(&self) -> impl Future<Output = u64> + Send + '_ {
        std::future::poll_fn(|cx| {
            if let Some(sum) = self.finished() {
                return Poll::Ready(sum);
            }
            self.waker.register(cx.waker());
            self.finished().map_or(Poll::Pending, Poll::Ready)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_oneshot_carries_its_value_across_threads() {
        let (tx, rx) = oneshot();
        let thread = std::thread::spawn(move || tx.send(u64::MAX - 1));
        assert_eq!(futures_lite::future::block_on(rx), u64::MAX - 1);
        thread.join().unwrap();
    }

    #[test]
    fn a_slot_serves_again_after_each_take() {
        let slot = Slot::default();
        for value in 0..3 {
            slot.put(value);
            assert_eq!(futures_lite::future::block_on(slot.take()), value);
        }
    }

    #[test]
    fn a_countdown_sums_every_hit() {
        let countdown = Countdown::new(4);
        let threads: Vec<_> = (1..=4)
            .map(|value| {
                let countdown = Arc::clone(&countdown);
                std::thread::spawn(move || countdown.hit(value))
            })
            .collect();
        assert_eq!(futures_lite::future::block_on(countdown.wait()), 10);
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
