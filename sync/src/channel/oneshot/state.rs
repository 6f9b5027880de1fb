//! The word, the value and the two wakers of a oneshot channel, in one allocation.
//!
//! | bit | name        | set by   | meaning |
//! |-----|-------------|----------|---------|
//! | 0   | `RX_WAITS`  | receiver | its waker is in the slot |
//! | 1   | `TX_WAITS`  | sender   | its waker (for `closed`) is in the slot |
//! | 2   | `SENT`      | sender   | the value is here |
//! | 3   | `DROPPED`   | sender   | no value will come |
//! | 4   | `TX_GONE`   | sender   | the sender will not touch the allocation again |
//! | 5   | `RX_CLOSED` | receiver | no value is accepted any more |
//! | 6   | `RX_GONE`   | receiver | the receiver will not touch the allocation again |
//!
//! *Protocol.* A side that finds the other's `WAITS` when it publishes its news (`SENT`, `DROPPED`
//! or `RX_CLOSED`) owns that waker from then on, and says `GONE` only after it has taken it. A side
//! takes its own waker back by clearing its `WAITS`, which fails once the news is out. Whoever sets
//! the second `GONE`, or finds the other's before its own last step, frees.
//!
//! The point of the separate `GONE`: a side never touches the allocation after the step that lets
//! the other one free it (oneshot#87). When nobody waits, `SENT` and `TX_GONE` are one exchange.

use super::RecvError;
use crate::shim::atomic::AtomicUsize;
use crate::shim::cell::UnsafeCell;
use crate::shim::{Ordering, mutant, ord};
use crate::wait::pool;
use std::mem::MaybeUninit;
use std::task::{Context, Poll, Waker};

const RX_WAITS: usize = 1;
const TX_WAITS: usize = 1 << 1;
const SENT: usize = 1 << 2;
const DROPPED: usize = 1 << 3;
const TX_GONE: usize = 1 << 4;
const RX_CLOSED: usize = 1 << 5;
const RX_GONE: usize = 1 << 6;
/// Either says that the receiver need not wait any longer.
const TX_NEWS: usize = SENT | DROPPED;

struct Channel<T> {
    word: AtomicUsize,
    value: UnsafeCell<MaybeUninit<T>>,
    rx_waker: UnsafeCell<Option<Waker>>,
    tx_waker: UnsafeCell<Option<Waker>>,
}

/// One side's share of the channel.
///
/// # Safety
///
/// The allocation lives until both sides are gone; the methods that end a share consume it.
pub(super) struct Shared<T> {
    channel: *mut Channel<T>,
}

// A copy is made once, by `channel`, for the other side.
impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Shared<T> {}

// SAFETY: the value moves from one thread to another; wakers are Send and Sync.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: `&Shared` is used by its own side only, and gives no access to the value.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn new() -> Self {
        let channel = || Channel {
            word: AtomicUsize::new(0),
            value: UnsafeCell::new(MaybeUninit::uninit()),
            rx_waker: UnsafeCell::new(None),
            tx_waker: UnsafeCell::new(None),
        };
        Self { channel: pool::boxed_with(channel) }
    }

    fn channel(&self) -> &Channel<T> {
        // SAFETY: this side is not gone.
        unsafe { &*self.channel }
    }

    // Ordering(oneshot.look): Acquire; pairs with Ordering(oneshot.send) and
    // Ordering(oneshot.leave): the value is visible, and the other side's last use is over before
    // this side frees.
    fn look(&self) -> usize {
        self.channel().word.load(ord("oneshot.look", Ordering::Acquire))
    }

    /// Publishes `bits` unless one of `unless` is set; returns what was set before.
    // Ordering(oneshot.send): AcqRel; pairs with Ordering(oneshot.look) and itself: the value and
    // the wakers are visible to whoever finds the bits.
    fn publish(&self, bits: impl Fn(usize) -> usize, unless: usize) -> Result<usize, usize> {
        let word = &self.channel().word;
        let mut now = self.look();
        loop {
            if now & unless != 0 {
                return Err(now);
            }
            let ok = ord("oneshot.send", Ordering::AcqRel);
            // On failure as Ordering(oneshot.look): what is refused for may be acted upon.
            match word.compare_exchange_weak(now, now | bits(now), ok, Ordering::Acquire) {
                Ok(_) => return Ok(now),
                Err(other) => now = other,
            }
        }
    }

    /// Ends this side's share: `gone` is its bit, `other` that of the other side.
    // Ordering(oneshot.leave): AcqRel; pairs with itself and Ordering(oneshot.look): whoever is
    // second frees and has seen the other's last use.
    fn leave(self, gone: usize, other: usize) {
        let order = ord("oneshot.leave", Ordering::AcqRel);
        if self.channel().word.fetch_or(gone, order) & other != 0 {
            self.free();
        }
    }

    fn free(self) {
        // Both sides took their wakers out; looking again lets a model see a use that is not over.
        for slot in [&self.channel().rx_waker, &self.channel().tx_waker] {
            // SAFETY: both sides are gone; nobody else touches the allocation.
            let waker = unsafe { Self::swap_waker(slot, None) };
            debug_assert!(waker.is_none(), "a waker outlived its side");
        }
        // SAFETY: as above; made by `pool::boxed`.
        unsafe { pool::unbox(self.channel) };
    }

    /// # Safety
    ///
    /// The caller is the one that may take the value: the receiver after `SENT`, or the sender
    /// that could not publish it.
    unsafe fn take_value(&self) -> T {
        self.channel().value.with_mut(|value| {
            // SAFETY: exclusive by the caller's word.
            let value = unsafe { &mut *value };
            // SAFETY: filled before, and taken once.
            unsafe { value.assume_init_read() }
        })
    }

    /// # Safety
    ///
    /// The slot is the caller's by the module's protocol.
    unsafe fn swap_waker(slot: &UnsafeCell<Option<Waker>>, waker: Option<Waker>) -> Option<Waker> {
        slot.with_mut(|slot| {
            // SAFETY: exclusive by the caller's word.
            let slot = unsafe { &mut *slot };
            std::mem::replace(slot, waker)
        })
    }

    /// Leaves `waker` in a slot and sets its bit, unless one of `news` is set: then false.
    fn wait(
        &self,
        slot: &UnsafeCell<Option<Waker>>,
        waits: usize,
        news: usize,
        cx: &mut Context<'_>,
    ) -> bool {
        let waker = cx.waker().clone();
        if self.look() & waits != 0 && !self.take_back(slot, waits, news) {
            return false;
        }
        // SAFETY: our bit is clear, so the slot is ours.
        drop(unsafe { Self::swap_waker(slot, Some(waker)) });
        if self.publish(|_| waits, news).is_ok() {
            return true;
        }
        // SAFETY: the bit was not set, so the slot is still ours.
        drop(unsafe { Self::swap_waker(slot, None) });
        false
    }

    /// Takes this side's waker back; false if the other side has news and owns it.
    // Ordering(oneshot.take_back): Relaxed, Acquire on failure. The slot was this side's before and
    // has not been touched; on failure the caller acts on the news, as Ordering(oneshot.look).
    fn take_back(&self, slot: &UnsafeCell<Option<Waker>>, waits: usize, news: usize) -> bool {
        let word = &self.channel().word;
        let mut now = self.look();
        loop {
            if now & news != 0 && !mutant("oneshot.take_back") {
                return false;
            }
            match word.compare_exchange_weak(
                now,
                now & !waits,
                Ordering::Relaxed,
                Ordering::Acquire,
            ) {
                Ok(_) => break,
                Err(other) => now = other,
            }
        }
        // SAFETY: our bit was set and is clear now: the slot is ours.
        drop(unsafe { Self::swap_waker(slot, None) });
        true
    }

    // The sender's side.

    pub(super) fn send(self, value: T) -> Result<(), T> {
        self.forget_tx_waker();
        self.channel().value.with_mut(|slot| {
            // SAFETY: SENT is not set: the slot is the sender's.
            let slot = unsafe { &mut *slot };
            slot.write(value);
        });
        if self.sender_ends(SENT, RX_CLOSED) {
            return Ok(());
        }
        // SAFETY: not published: the value is still the sender's.
        let value = unsafe { self.take_value() };
        self.leave(TX_GONE, RX_GONE);
        Err(value)
    }

    pub(super) fn sender_leaves(self) {
        self.forget_tx_waker();
        self.sender_ends(DROPPED, 0);
    }

    /// Publishes the sender's last news and ends its share; false, and nothing done, if one of
    /// `unless` is set.
    fn sender_ends(self, news: usize, unless: usize) -> bool {
        // If the receiver waits, its waker must be taken before it may free.
        let waits = |now| now & RX_WAITS != 0 && !mutant("oneshot.gone_early");
        let bits = |now| if waits(now) { news } else { news | TX_GONE };
        let Ok(before) = self.publish(bits, unless) else { return false };
        if before & RX_WAITS != 0 {
            // SAFETY: our news found RX_WAITS: the waker is ours.
            let waker = unsafe { Self::swap_waker(&self.channel().rx_waker, None) };
            self.leave(TX_GONE, RX_GONE);
            if let Some(waker) = waker {
                waker.wake();
            }
        } else if before & RX_GONE != 0 {
            self.free();
        }
        true
    }

    /// The sender's last step must not leave its waker behind.
    fn forget_tx_waker(&self) {
        if self.look() & TX_WAITS != 0 {
            self.take_back(&self.channel().tx_waker, TX_WAITS, RX_CLOSED);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.look() & RX_CLOSED != 0
    }

    pub(super) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_closed() && self.wait(&self.channel().tx_waker, TX_WAITS, RX_CLOSED, cx) {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    // The receiver's side.

    /// Receives and ends the receiver's share, or leaves the waker.
    pub(super) fn poll_recv(self, cx: &mut Context<'_>) -> Poll<Result<T, RecvError>> {
        loop {
            if let Some(received) = self.try_recv() {
                return Poll::Ready(received);
            }
            if self.wait(&self.channel().rx_waker, RX_WAITS, TX_NEWS, cx) {
                return Poll::Pending;
            }
        }
    }

    /// Receives and ends the receiver's share; `None` if there is no news.
    pub(super) fn try_recv(self) -> Option<Result<T, RecvError>> {
        let now = self.look();
        if now & SENT != 0 {
            // SAFETY: SENT: the value is the receiver's, and its share ends here.
            let value = unsafe { self.take_value() };
            self.receiver_ends(now);
            return Some(Ok(value));
        }
        if now & (DROPPED | RX_CLOSED) != 0 {
            // A closed channel may still have a sender.
            self.receiver_leaves();
            return Some(Err(RecvError(())));
        }
        None
    }

    /// Ends the receiver's share after the sender's news.
    fn receiver_ends(self, now: usize) {
        if now & TX_GONE != 0 {
            self.free();
        } else {
            self.leave(RX_CLOSED | RX_GONE, TX_GONE);
        }
    }

    pub(super) fn close(&self) {
        if let Ok(before) = self.publish(|_| RX_CLOSED, RX_CLOSED) {
            self.wake_sender(before);
        }
    }

    /// Wakes a sender that waits for the close that the caller has just published.
    fn wake_sender(&self, before: usize) {
        if before & (TX_WAITS | RX_CLOSED) == TX_WAITS {
            // SAFETY: our news found TX_WAITS: the waker is ours.
            let waker = unsafe { Self::swap_waker(&self.channel().tx_waker, None) };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    pub(super) fn receiver_leaves(self) {
        if self.look() & RX_WAITS != 0 {
            self.take_back(&self.channel().rx_waker, RX_WAITS, TX_NEWS);
        }
        // What has to be taken out must be before the sender may free.
        let busy = |now| now & (TX_WAITS | SENT) != 0;
        let bits = |now| if busy(now) { RX_CLOSED } else { RX_CLOSED | RX_GONE };
        let (Ok(before) | Err(before)) = self.publish(bits, 0);
        if !busy(before) {
            if before & TX_GONE != 0 {
                self.free();
            }
            return;
        }
        self.wake_sender(before);
        // SAFETY: SENT: the value is the receiver's, and its share ends here.
        let value = (before & SENT != 0).then(|| unsafe { self.take_value() });
        self.leave(RX_GONE, TX_GONE);
        drop(value);
    }
}
