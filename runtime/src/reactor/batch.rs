//! Wakers on their way from the poller to the run queues, and the siblings to look after.
use std::task::Waker;

use crate::wake_batch;

/// How many workers can be told apart in [`WakeBatch::take_adopted`]; others cannot be adopted.
pub(crate) const ADOPTABLE: usize = 256;

/// What a worker takes home from its poller.
///
/// Wakers run user code. The poller therefore only collects them, and wakes them when the batch is
/// full, with nothing claimed; the rest is woken by the caller, or when the batch is dropped. A
/// panic of one waker does not cost the others their wake-up.
#[derive(Debug)]
pub(crate) struct WakeBatch {
    wakers: wake_batch::WakeBatch,
    adopted: [u64; ADOPTABLE / 64],
}

impl WakeBatch {
    /// An empty batch.
    pub(crate) const fn new() -> Self {
        Self { wakers: wake_batch::WakeBatch::new(), adopted: [0; ADOPTABLE / 64] }
    }

    /// Adds a waker, and wakes all if the batch is full then.
    pub(super) fn push(&mut self, waker: Waker) {
        self.wakers.push(waker);
        if self.wakers.is_full() {
            self.wakers.wake_all();
        }
    }

    /// How many wakers wait in the batch.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.wakers.len()
    }

    /// Wakes all wakers in the batch, in the order in which they came.
    pub(crate) fn wake_all(&mut self) {
        self.wakers.wake_all();
    }

    /// Gives all wakers in the batch to `f`, in the order in which they came.
    pub(crate) fn drain(&mut self, f: impl FnMut(Waker)) {
        self.wakers.drain(f);
    }

    /// Notes that an adopted sibling has events.
    pub(super) fn mark_adopted(&mut self, sibling: u32) {
        if let Some(word) = self.adopted.get_mut(sibling as usize / 64) {
            *word |= 1 << (sibling % 64);
        }
    }

    /// Takes the siblings that have events, in ascending order. The caller harvests them.
    ///
    /// Nearly always there are none, and this is asked after every wait.
    #[inline]
    pub(crate) fn take_adopted(&mut self) -> impl Iterator<Item = usize> + use<> {
        let mut words = std::mem::take(&mut self.adopted);
        std::iter::from_fn(move || {
            let (index, word) = words.iter_mut().enumerate().find(|(_, word)| **word != 0)?;
            let bit = word.trailing_zeros() as usize;
            *word &= *word - 1;
            Some(index * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Task;
    use super::*;
    use crate::wake_batch::BATCH;

    #[test]
    fn a_full_batch_wakes_at_once_and_a_dropped_one_too() {
        let mut task = Task::new();
        let mut batch = WakeBatch::new();
        for _ in 0..BATCH + 1 {
            batch.push(task.cx().waker().clone());
        }
        assert_eq!(task.wakes(), BATCH);
        assert_eq!(batch.len(), 1);
        drop(batch);
        assert_eq!(task.wakes(), 1);
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
