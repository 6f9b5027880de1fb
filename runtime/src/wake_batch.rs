//! Wakers collected while something is claimed, and woken after it was let go.
//!
//! A waker runs foreign code: it may panic, drop what it belongs to, or wake its way back to
//! where it came from. So whoever fires timers or harvests events first collects, then lets go,
//! then wakes.

use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Wakers that fit one batch: half a KiB on the stack, and longer batches gain nothing.
const CAPACITY: usize = 32;

/// A fixed number of wakers.
pub(crate) struct WakeBatch {
    wakers: [MaybeUninit<Waker>; CAPACITY],
    /// # Safety
    ///
    /// The first `len` wakers are initialized.
    len: usize,
}

impl WakeBatch {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { wakers: [const { MaybeUninit::uninit() }; CAPACITY], len: 0 }
    }

    #[inline]
    pub(crate) const fn is_full(&self) -> bool {
        self.len == CAPACITY
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a waker.
    ///
    /// # Panics
    ///
    /// If the batch is full.
    #[inline]
    pub(crate) fn push(&mut self, waker: Waker) {
        self.wakers[self.len].write(waker);
        self.len += 1;
    }

    /// Wakes all; a panic in one is reported by the panic hook and does not stop the others.
    #[inline]
    pub(crate) fn wake_all(&mut self) {
        let count = std::mem::take(&mut self.len);
        for slot in &mut self.wakers[..count] {
            // SAFETY: the first `len` were initialized, and `len` is zero now: each is read once.
            let waker = unsafe { slot.assume_init_read() };
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

impl Drop for WakeBatch {
    fn drop(&mut self) {
        // A batch that was not woken is woken now: a dropped wake-up is a hung task.
        self.wake_all();
    }
}

impl std::fmt::Debug for WakeBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WakeBatch").field("len", &self.len).finish_non_exhaustive()
    }
}
