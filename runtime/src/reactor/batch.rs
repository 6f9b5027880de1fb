//! Wakers on their way from the poller to the run queues.
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// How many wakers are collected before they are woken. A batch lies on the stack; a worker tests
/// once per batch whether a sibling should be woken.
pub(crate) const BATCH: usize = 32;

/// How many workers can be told apart in [`WakeBatch::adopted`]; others cannot be adopted.
pub(crate) const ADOPTABLE: usize = 256;

/// The wakers of one harvest, and the adopted siblings that have events.
///
/// Wakers run user code. The poller therefore only collects them, and calls `flush` when the
/// batch is full, with nothing claimed. A panic of one waker is kept for
/// [`take_panic`](Self::take_panic) and does not cost the others their wake-up.
pub(crate) struct WakeBatch {
    wakers: [Option<Waker>; BATCH],
    len: usize,
    flush: fn(&mut WakeBatch),
    adopted: [u64; ADOPTABLE / 64],
    panic: Option<Box<dyn Any + Send>>,
}

impl WakeBatch {
    /// An empty batch that wakes its wakers when it is full.
    pub(crate) const fn new() -> Self {
        Self::with_flush(Self::wake_all)
    }

    /// An empty batch that calls `flush` when it is full; `flush` has to call
    /// [`wake_all`](Self::wake_all).
    pub(crate) const fn with_flush(flush: fn(&mut WakeBatch)) -> Self {
        Self {
            wakers: [const { None }; BATCH],
            len: 0,
            flush,
            adopted: [0; ADOPTABLE / 64],
            panic: None,
        }
    }

    /// How many wakers are in the batch.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// True if no waker is in the batch.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a waker and flushes the batch if it is full then.
    pub(crate) fn push(&mut self, waker: Waker) {
        debug_assert!(self.len < BATCH);
        self.wakers[self.len] = Some(waker);
        self.len += 1;
        if self.len == BATCH {
            (self.flush)(self);
            // A `flush` that forgot to.
            self.wake_all();
        }
    }

    /// Wakes all wakers in the batch, in the order in which they came.
    pub(crate) fn wake_all(&mut self) {
        let len = std::mem::take(&mut self.len);
        for waker in &mut self.wakers[..len] {
            let Some(waker) = waker.take() else { continue };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                self.panic.get_or_insert(panic);
            }
        }
    }

    /// The first panic of a waker since the last call.
    pub(crate) fn take_panic(&mut self) -> Option<Box<dyn Any + Send>> {
        self.panic.take()
    }

    /// Notes that an adopted sibling has events.
    pub(super) fn mark_adopted(&mut self, sibling: u32) {
        if let Some(word) = self.adopted.get_mut(sibling as usize / 64) {
            *word |= 1 << (sibling % 64);
        }
    }

    /// Takes the siblings that have events, in ascending order. The caller harvests them.
    pub(crate) fn take_adopted(&mut self) -> impl Iterator<Item = usize> + use<> {
        let words = std::mem::take(&mut self.adopted);
        words.into_iter().enumerate().flat_map(|(i, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| i * 64 + bit)
        })
    }
}

impl Drop for WakeBatch {
    fn drop(&mut self) {
        self.wake_all();
    }
}

impl std::fmt::Debug for WakeBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WakeBatch").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    struct Panic;

    impl Wake for Panic {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }

    #[test]
    fn a_full_batch_flushes_itself_and_a_dropped_one_too() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let mut batch = WakeBatch::new();
        for _ in 0..BATCH + 1 {
            batch.push(Waker::from(count.clone()));
        }
        assert_eq!(count.0.load(Relaxed), BATCH);
        assert_eq!(batch.len(), 1);
        drop(batch);
        assert_eq!(count.0.load(Relaxed), BATCH + 1);
    }

    #[test]
    fn a_panic_costs_no_other_waker() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let mut batch = WakeBatch::new();
        for i in 0..BATCH {
            let waker =
                if i % 2 == 0 { Waker::from(Arc::new(Panic)) } else { count.clone().into() };
            batch.push(waker);
        }
        assert_eq!(count.0.load(Relaxed), BATCH / 2);
        let panic = batch.take_panic().expect("the panic is kept");
        assert_eq!(*panic.downcast_ref::<&str>().unwrap(), "a waker that panics");
        assert!(batch.take_panic().is_none());
    }

    #[test]
    fn adopted_siblings_are_told_once() {
        let mut batch = WakeBatch::new();
        for sibling in [255, 3, 64, 3, 256] {
            batch.mark_adopted(sibling);
        }
        assert_eq!(batch.take_adopted().collect::<Vec<_>>(), [3, 64, 255]);
        assert_eq!(batch.take_adopted().count(), 0);
    }
}
