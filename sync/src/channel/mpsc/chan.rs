//! What the bounded and the unbounded channel share.

use super::blocks::{Blocks, Head, Pop, Waits};
use super::rx_waker::{RxWaker, WakesAtLast};
use crate::shim::atomic::AtomicUsize;
use crate::shim::cell::UnsafeCell;
use crate::shim::{Ordering, ord};
use crate::wait::line::{Line, OnFlag};
use crate::wait::queue::Place;
use crate::wait::room::Room;
use crate::waker_slot::WakerSlot;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The allocation of a channel.
///
/// In this order: what each push changes is more than a cache line away from what each receive reads
/// and changes, wherever the allocation begins; in between lies what is seldom used. So nothing is
/// spent on alignment.
#[repr(C)]
pub(super) struct Chan<T> {
    blocks: Blocks<T>,
    senders: AtomicUsize,
    /// Flagged when the receiver has closed or is gone.
    closed: Line,
    /// Where the receiver's waker is if somebody else than the next push may wake, or if its usual
    /// place is not free.
    rx_slot: WakerSlot,
    /// The usual place.
    rx_waker: RxWaker,
    /// Room; none at all in an unbounded channel.
    pub(super) room: Room,
    /// The receiver's, or that of whoever drops the channel.
    head: UnsafeCell<Head<T>>,
}

// SAFETY: values move between threads; `head` is used by the one receiver.
unsafe impl<T: Send> Send for Chan<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Chan<T> {}

impl<T> Chan<T> {
    /// A channel with one sender; a capacity of 0 stands for no limit.
    pub(super) fn new(capacity: u32) -> Arc<Self> {
        Arc::new(Self {
            blocks: Blocks::new(),
            senders: AtomicUsize::new(1),
            room: Room::new(capacity),
            rx_waker: RxWaker::new(),
            rx_slot: WakerSlot::new(),
            closed: Line::new(),
            head: UnsafeCell::new(Head::new()),
        })
    }

    // The senders' side.

    /// Pushes a value for which there is room.
    #[inline]
    pub(super) fn push(&self, value: T) -> Result<(), T> {
        let waits = self.blocks.push(value)?;
        if waits.announced || waits.in_block {
            self.wake_receiver(waits);
        }
        Ok(())
    }

    fn wake_receiver(&self, waits: Waits) {
        let _other = WakesAtLast(waits.in_block.then(|| self.rx_slot.take()).flatten());
        if waits.announced {
            // SAFETY: the caller has published what was announced, just now.
            unsafe { self.rx_waker.take_over() }.wake();
        }
    }

    /// Gives room back that was not used.
    pub(super) fn give_room_back(&self) {
        self.room.release();
        self.room_came_back();
    }

    /// Room may have come back without a value: a receiver that has closed waits for the last of
    /// it.
    pub(super) fn room_came_back(&self) {
        if self.room.is_shut() {
            self.rx_slot.wake();
        }
    }

    /// Whether the receiver has closed or is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.flag() || self.blocks.is_closed()
    }

    pub(super) fn poll_closed(&self, at: &mut Place, cx: &mut Context<'_>) -> Poll<()> {
        let line = &self.closed;
        if line.flag() || matches!(at, Place::Idle) && !line.enter(at, OnFlag::Keep) {
            return Poll::Ready(());
        }
        line.poll_granted(at, cx).map(drop)
    }

    pub(super) fn leave_closed(&self, at: &mut Place) {
        let _ = self.closed.leave(at);
    }

    pub(super) fn add_sender(&self) {
        // Ordering(mpsc.add_sender): Relaxed. The caller holds a sender, so the count is not zero.
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// One sender more, unless all are gone.
    pub(super) fn try_add_sender(&self) -> bool {
        // Ordering(mpsc.upgrade): Relaxed, all. Zero is final, and the count carries no data.
        let mut senders = self.senders.load(Ordering::Relaxed);
        while senders > 0 {
            let (ok, err) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.senders.compare_exchange_weak(senders, senders + 1, ok, err) {
                Ok(_) => return true,
                Err(now) => senders = now,
            }
        }
        false
    }

    // Ordering(mpsc.drop_sender): AcqRel; pairs with itself: the last sender has seen what the others
    // did. So its mark lies behind their pushes, and the receiver that finds it sees all of that.
    pub(super) fn drop_sender(&self) {
        let order = ord("mpsc.drop_sender", Ordering::AcqRel);
        if self.senders.fetch_sub(1, order) > 1 {
            return;
        }
        if let Some(waits) = self.blocks.finish() {
            self.wake_receiver(waits);
        }
    }

    // The receiver's side.

    /// # Safety
    ///
    /// The caller is the receiver, and does not re-enter.
    unsafe fn with_head<R>(&self, f: impl FnOnce(&mut Head<T>) -> R) -> R {
        self.head.with_mut(|head| {
            // SAFETY: exclusive by the caller's word.
            f(unsafe { &mut *head })
        })
    }

    /// # Safety
    ///
    /// The caller is the receiver.
    #[inline]
    pub(super) unsafe fn pop(&self) -> Pop<T> {
        // SAFETY: as the caller's; popping calls no user code.
        let popped = unsafe { self.with_head(|head| self.blocks.pop(head)) };
        match popped {
            Pop::Value(value) => {
                if self.is_bounded() {
                    self.room.release();
                }
                Pop::Value(value)
            }
            // A bounded channel that was closed is over when all room is back: then no permit is
            // out that could still send.
            Pop::Empty if self.is_drained() => Pop::Closed,
            other => other,
        }
    }

    fn is_bounded(&self) -> bool {
        self.room.most > 0
    }

    fn is_drained(&self) -> bool {
        self.is_bounded() && self.room.is_shut() && self.room.available() == self.room.most as usize
    }

    /// # Safety
    ///
    /// The caller is the receiver.
    #[inline]
    pub(super) unsafe fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // SAFETY: as the caller's.
        match unsafe { self.pop() } {
            Pop::Value(value) => Poll::Ready(Some(value)),
            Pop::Closed => Poll::Ready(None),
            // SAFETY: as the caller's.
            Pop::Empty => unsafe { self.poll_wait(cx) },
        }
    }

    /// # Safety
    ///
    /// The caller is the receiver.
    #[cold]
    unsafe fn poll_wait(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // A receiver that has closed waits for room as well, which not only the next push brings.
        let shut = self.is_bounded() && self.room.is_shut();
        loop {
            // SAFETY: as the caller's, and no user code.
            let announced = unsafe { self.with_head(|head| head.is_announced()) };
            if announced {
                // SAFETY: as the caller's; what was announced had been put there.
                if !shut && unsafe { self.rx_waker.holds(cx.waker()) } {
                    return Poll::Pending;
                }
                // SAFETY: as the caller's, and no user code.
                unsafe { self.with_head(|head| head.has_waker = self.blocks.withdraw(head)) };
            // SAFETY: as the caller's.
            } else if shut || !unsafe { self.leave_waker(cx.waker()) } {
                // SAFETY: as the caller's.
                return unsafe { self.poll_wait_in_block(cx) };
            // SAFETY: as the caller's, and no user code.
            } else if unsafe { self.with_head(|head| self.announce(head)) } {
                return Poll::Pending;
            }
            // SAFETY: as the caller's.
            match unsafe { self.pop() } {
                Pop::Value(value) => return Poll::Ready(Some(value)),
                Pop::Closed => return Poll::Ready(None),
                Pop::Empty => {}
            }
        }
    }

    fn announce(&self, head: &mut Head<T>) -> bool {
        let announced = self.blocks.announce(head);
        head.has_waker = !announced;
        announced
    }

    /// Leaves the waker where the push finds it to whom it is announced; false if a slow one has not
    /// taken the last one out.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, and has not announced that it waits.
    unsafe fn leave_waker(&self, waker: &Waker) -> bool {
        let place = &self.rx_waker;
        // SAFETY: as the caller's, and no user code.
        let has_waker = unsafe { self.with_head(|head| head.has_waker) };
        // SAFETY: the receiver's own.
        if has_waker && unsafe { place.holds(waker) } {
            return true;
        }
        if !has_waker && !place.is_free() {
            return false;
        }
        let new = waker.clone();
        // SAFETY: the receiver's own.
        let old = has_waker.then(|| unsafe { place.take() });
        // SAFETY: free, or emptied by the receiver.
        unsafe { place.put(new) };
        // SAFETY: as the caller's, and no user code.
        unsafe { self.with_head(|head| head.has_waker = true) };
        drop(old);
        true
    }

    /// Waits for anything that happens in the block of the next value, and for room.
    ///
    /// # Safety
    ///
    /// The caller is the receiver.
    unsafe fn poll_wait_in_block(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.rx_slot.register(cx.waker());
        loop {
            // SAFETY: as the caller's; waiting calls no user code.
            let waits = unsafe { self.with_head(|head| self.blocks.wait(head)) };
            // Also after a successful wait: room may have come back from a permit.
            // SAFETY: as the caller's.
            let popped = unsafe { self.pop() };
            if waits && matches!(popped, Pop::Empty) {
                return Poll::Pending;
            }
            // SAFETY: as the caller's.
            unsafe { self.with_head(|head| self.blocks.stop_waiting(head)) };
            match popped {
                Pop::Value(value) => return Poll::Ready(Some(value)),
                Pop::Closed => return Poll::Ready(None),
                Pop::Empty => {}
            }
        }
    }

    /// Refuses new values; those that are here or under way can still be received.
    ///
    /// # Safety
    ///
    /// The caller is the receiver.
    pub(super) unsafe fn close(&self) {
        if self.is_bounded() {
            self.room.shut();
        } else {
            // SAFETY: as the caller's.
            unsafe { self.with_head(|head| self.blocks.close(head)) };
        }
        self.closed.set_flag();
    }

    /// The receiver goes: drops what is here.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, for the last time.
    pub(super) unsafe fn drop_receiver(&self) {
        // SAFETY: as the caller's, and no user code.
        let own = unsafe {
            self.with_head(|head| {
                let withdrawn = head.is_announced() && self.blocks.withdraw(head);
                std::mem::take(&mut head.has_waker) || withdrawn
            })
        };
        // SAFETY: the receiver's own.
        let unused = own.then(|| unsafe { self.rx_waker.take() });
        // SAFETY: as the caller's.
        unsafe { self.with_head(|head| self.blocks.close(head)) };
        self.room.shut();
        self.closed.set_flag();
        drop((unused, self.rx_slot.take()));
        // SAFETY: as the caller's.
        while let Pop::Value(value) = unsafe { self.pop() } {
            drop(value);
        }
    }
}

impl<T> Drop for Chan<T> {
    fn drop(&mut self) {
        let blocks = &self.blocks;
        self.head.with_mut(|head| {
            // SAFETY: `&mut self`: the last owner of both sides.
            let head = unsafe { &mut *head };
            // SAFETY: as above, and once.
            unsafe { blocks.free(head) };
        });
    }
}
