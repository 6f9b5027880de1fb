//! The receiver's waker, which the push takes that the receiver waits for.
//!
//! There is one receiver, and it waits for the value of one index, which one push brings. So that
//! push may have the waker without asking anybody: who has it follows from the block's word (see
//! [`super::blocks`]), and neither side has a step of its own to make here.
//!
//! ```text
//!   nobody's --(1) put--> the receiver's --(2) announced--> the push's --(3) taken--> nobody's
//!      ^                    |    ^                             |
//!      `--------(1) take----'    `----(4) withdrawn------------'
//! ```
//! (1) [`RxWaker::put`], [`RxWaker::take`]; (2), (4) `Blocks::announce` and `withdraw`; (3)
//! [`RxWaker::take_over`]. Step (2) and the push's are steps on one word: a push that comes before
//! leaves the waker alone, one that comes after has it.
//!
//! *A push that is slow with (3).* The receiver may have gone on and wait again, for the next index.
//! `free` tells it; while it is false it leaves its waker elsewhere, in the channel's
//! [`WakerSlot`](crate::waker_slot::WakerSlot), whose steps cost three read-modify-writes more.

use crate::shim::atomic::AtomicBool;
use crate::shim::cell::UnsafeCell;
use crate::shim::{Ordering, mutant, ord};
use std::mem::MaybeUninit;
use std::ptr;
use std::task::Waker;

/// A place for the waker of one receiver.
pub(super) struct RxWaker {
    waker: UnsafeCell<MaybeUninit<Waker>>,
    /// False from when a waker is put here until it is out again.
    free: AtomicBool,
}

// SAFETY: the waker belongs to one side at a time, as the module says.
unsafe impl Sync for RxWaker {}

impl RxWaker {
    pub(super) fn new() -> Self {
        Self { waker: UnsafeCell::new(MaybeUninit::uninit()), free: AtomicBool::new(true) }
    }

    /// Whether the push that had the waker last has taken it out.
    // Ordering(mpsc.rx_free): Acquire; pairs with Ordering(mpsc.rx_taken): the next waker is put
    // here after the last one was read.
    #[inline]
    pub(super) fn is_free(&self) -> bool {
        self.free.load(ord("mpsc.rx_free", Ordering::Acquire)) || mutant("mpsc.rx_busy")
    }

    /// Leaves a waker here.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, and the place is free.
    #[inline]
    pub(super) unsafe fn put(&self, waker: Waker) {
        // Ordering(mpsc.rx_put): Relaxed. Only the receiver asks, until a push has the waker, to
        // whom the announcement publishes this.
        self.free.store(false, Ordering::Relaxed);
        self.waker.with_mut(|slot| {
            // SAFETY: the receiver's by the caller's word.
            let slot = unsafe { &mut *slot };
            slot.write(waker);
        });
    }

    /// Whether the waker that was put here last is this one; it may have been taken.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, and has put one.
    #[inline]
    pub(super) unsafe fn holds(&self, waker: &Waker) -> bool {
        self.waker.with(|slot| {
            // SAFETY: only the receiver writes here; a push reads.
            let slot = unsafe { &*slot };
            // SAFETY: written by the receiver. What a push has taken is compared and not used: its
            // parts stay where they were.
            let here = unsafe { slot.assume_init_ref() };
            here.data() == waker.data() && ptr::eq(here.vtable(), waker.vtable())
        })
    }

    /// Takes the receiver's waker back.
    ///
    /// # Safety
    ///
    /// The caller is the receiver, and a waker of its own is here.
    pub(super) unsafe fn take(&self) -> Waker {
        // SAFETY: passed on.
        let waker = unsafe { self.read() };
        // Ordering: Relaxed; as in `put`.
        self.free.store(true, Ordering::Relaxed);
        waker
    }

    /// Takes the waker that the receiver has announced.
    ///
    /// # Safety
    ///
    /// The caller has published what the announced wait is for, and does this once.
    #[inline]
    pub(super) unsafe fn take_over(&self) -> Waker {
        // SAFETY: announced, so it is here and the caller's.
        let waker = unsafe { self.read() };
        // Ordering(mpsc.rx_taken): Release; pairs with Ordering(mpsc.rx_free).
        self.free.store(true, ord("mpsc.rx_taken", Ordering::Release));
        waker
    }

    /// # Safety
    ///
    /// A waker is here, the caller's, and is read once.
    #[inline]
    unsafe fn read(&self) -> Waker {
        self.waker.with(|slot| {
            // SAFETY: nobody writes while the waker is the caller's.
            let slot = unsafe { &*slot };
            // SAFETY: here, and read once.
            unsafe { slot.assume_init_read() }
        })
    }
}

/// Wakes at the latest when it is dropped, also if another waker panicked.
pub(super) struct WakesAtLast(pub(super) Option<Waker>);

impl Drop for WakesAtLast {
    #[inline]
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}
