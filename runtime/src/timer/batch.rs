//! Wakers collected while a wheel is owned, to be woken when it no longer is.
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

/// Wakers per batch: half a kilobyte on the worker's stack, and a bound on how long a wheel stays
/// owned at a stretch.
pub(crate) const BATCH: usize = 32;

/// Up to [`BATCH`] wakers. A batch that is dropped wakes what it holds.
#[derive(Debug, Default)]
pub(crate) struct WakeBatch {
    wakers: [Option<Waker>; BATCH],
    len: usize,
}

impl WakeBatch {
    /// An empty batch.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// True if no waker fits any more.
    pub(crate) fn is_full(&self) -> bool {
        self.len == BATCH
    }

    /// How many wakers wait in the batch.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a waker to a batch that is not full.
    pub(crate) fn push(&mut self, waker: Waker) {
        self.wakers[self.len] = Some(waker);
        self.len += 1;
    }

    /// Wakes all, in the order in which they were pushed.
    ///
    /// # Panics
    ///
    /// With the first panic of a waker, after all others have been woken too: one bad waker must
    /// not lose the wake-ups of its neighbours.
    pub(crate) fn wake_all(&mut self) {
        let mut panicked: Option<Box<dyn Any + Send>> = None;
        let len = std::mem::take(&mut self.len);
        for waker in self.wakers[..len].iter_mut().filter_map(Option::take) {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                panicked.get_or_insert(payload);
            }
        }
        if let Some(payload) = panicked {
            resume_unwind(payload);
        }
    }
}

impl Drop for WakeBatch {
    fn drop(&mut self) {
        if self.len > 0 {
            self.wake_all();
        }
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
        let payload = catch_unwind(AssertUnwindSafe(|| batch.wake_all())).unwrap_err();
        assert!(payload.downcast_ref::<String>().unwrap().contains("the bad one"));
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
