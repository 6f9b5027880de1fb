//! A batch of wakers that are woken outside of every guard and claimed state.

use crate::waking::Several;
use std::mem::MaybeUninit;
use std::task::Waker;

/// Wakers per batch: half a kilobyte on the stack; a guard is held no longer than it takes to
/// claim as many.
pub(crate) const BATCH: usize = 32;

/// Up to [`BATCH`] wakers in order. Dropping wakes what is left, so that one waker's panic does not
/// cost the others their wake-up. If another one panics then, the process aborts: that is std's rule
/// for destructors, which we follow rather than swallow a panic that nobody would hear of.
pub(crate) struct Wakers {
    slots: [MaybeUninit<Waker>; BATCH],
    /// `slots[woken..filled]` are initialised.
    woken: usize,
    filled: usize,
}

impl Wakers {
    /// An empty batch.
    pub(crate) fn new() -> Self {
        Self { slots: [const { MaybeUninit::uninit() }; BATCH], woken: 0, filled: 0 }
    }

    /// Adds a waker.
    ///
    /// # Panics
    ///
    /// If the batch is full.
    pub(crate) fn push(&mut self, waker: Waker) {
        self.slots[self.filled].write(waker);
        self.filled += 1;
    }

    /// Wakes all in order and empties the batch.
    pub(crate) fn wake_all(&mut self) {
        let mut several = Several::new();
        while self.woken < self.filled {
            let index = self.woken;
            self.woken += 1;
            // SAFETY: `index` was between `woken` and `filled`, and is not any more.
            let waker = unsafe { self.slots[index].assume_init_read() };
            several.next();
            waker.wake();
        }
        self.woken = 0;
        self.filled = 0;
    }
}

impl Drop for Wakers {
    fn drop(&mut self) {
        self.wake_all();
    }
}
