//! Wakers collected while something is claimed, and woken after it was let go.
//!
//! A waker runs foreign code: it may panic, drop what it belongs to, or wake its way back to
//! where it came from. So whoever fires timers or harvests events first collects, then lets go,
//! then wakes.

use std::mem::MaybeUninit;
use std::task::Waker;

use crate::quiet::quietly;

/// Wakers that fit one batch: half a KiB on the stack, and longer batches gain nothing.
pub(crate) const BATCH: usize = 32;

/// A fixed number of wakers.
pub(crate) struct WakeBatch {
    wakers: [MaybeUninit<Waker>; BATCH],
    /// # Safety
    ///
    /// The first `len` wakers are initialized.
    len: usize,
}

impl WakeBatch {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { wakers: [const { MaybeUninit::uninit() }; BATCH], len: 0 }
    }

    #[inline]
    pub(crate) const fn is_full(&self) -> bool {
        self.len == BATCH
    }

    /// How many wakers wait in the batch.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
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
            quietly(|| waker.wake());
        }
    }

    /// Gives all to `f`, in the order in which they came.
    pub(crate) fn drain(&mut self, mut f: impl FnMut(Waker)) {
        let count = std::mem::take(&mut self.len);
        for slot in &mut self.wakers[..count] {
            // SAFETY: as in `wake_all`.
            f(unsafe { slot.assume_init_read() });
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

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::task::Wake;

    use super::*;

    struct Numbered(usize, Arc<Mutex<Vec<usize>>>);

    impl Wake for Numbered {
        fn wake(self: Arc<Self>) {
            assert_ne!(self.0, 1, "the bad one");
            self.1.lock().unwrap().push(self.0);
        }
    }

    fn batch_of(n: usize, woken: &Arc<Mutex<Vec<usize>>>) -> WakeBatch {
        let mut batch = WakeBatch::new();
        for number in 0..n {
            batch.push(Waker::from(Arc::new(Numbered(number, woken.clone()))));
        }
        batch
    }

    #[test]
    fn a_panicking_waker_does_not_lose_the_others() {
        let woken = Arc::new(Mutex::new(Vec::new()));
        let mut batch = batch_of(BATCH, &woken);
        assert!(batch.is_full());
        batch.wake_all();
        assert_eq!(woken.lock().unwrap().len(), BATCH - 1);
        assert_eq!(batch.len(), 0);
    }

    #[test]
    fn a_dropped_batch_wakes() {
        let woken = Arc::new(Mutex::new(Vec::new()));
        drop(batch_of(1, &woken));
        assert_eq!(*woken.lock().unwrap(), [0]);
    }
}
