//! A counter of permits with waiters: the heart of locks and of one-at-a-time hand-over.
//!
//! *Invariant.* `count` is the number of free permits, or minus the number of waiters that still
//! have a claim on one; waiters that left are counted until their turn is skipped.
//!
//! *Protocol.* Acquiring takes one away and, if there was none, waits in the queue. Releasing adds
//! one and, if somebody was counted, grants the next place; a place that was left costs another
//! round. The grant may reach the place before its waiter does.
//!
//! *Progress.* `try_acquire` is lock-free; the first step of acquiring is wait-free; releasing is
//! lock-free, its rounds amortised over the waiters that left.

use super::cell::Waiter;
use super::queue::{Granted, WaitQueue};
use crate::shim::atomic::AtomicIsize;
use crate::shim::{Ordering, mutant, ord};
use std::task::{Context, Poll};

/// The counter and its waiters. 16 bytes.
pub(crate) struct Permits {
    count: AtomicIsize,
    queue: WaitQueue,
}

/// Where an acquisition stands.
#[derive(Default)]
pub(crate) enum Acquiring {
    /// Not polled yet.
    #[default]
    Idle,
    /// In the queue.
    Waiting(Option<Waiter>),
    /// The permit was handed to the caller.
    Done,
}

const_fn! {
    impl Permits {
        /// `count` free permits.
        pub(crate) fn new(count: isize) -> Self {
            Self { count: AtomicIsize::new(count), queue: WaitQueue::new() }
        }
    }
}

impl Permits {
    /// Free permits; zero while somebody waits.
    pub(crate) fn available(&self) -> usize {
        // Ordering(wait.permits_peek): Relaxed. A snapshot that is stale at once.
        self.count.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    /// Takes a permit if one is free.
    // Ordering(wait.permits_try): Acquire; pairs with Ordering(wait.permits_release): the new
    // holder sees what the last one did.
    #[inline]
    pub(crate) fn try_acquire(&self) -> bool {
        let mut count = self.count.load(Ordering::Relaxed);
        while count > 0 {
            let ok = ord("wait.permits_try", Ordering::Acquire);
            match self.count.compare_exchange_weak(count, count - 1, ok, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        false
    }

    /// Waits for a permit.
    #[inline]
    pub(crate) fn poll_acquire(&self, at: &mut Acquiring, cx: &mut Context<'_>) -> Poll<()> {
        if let Acquiring::Idle = at {
            // Ordering(wait.permits_acquire): Acquire; pairs with
            // Ordering(wait.permits_release): the new holder sees what the last one did.
            let acquire = ord("wait.permits_acquire", Ordering::Acquire);
            if self.count.fetch_sub(1, acquire) > 0 {
                *at = Acquiring::Done;
                return Poll::Ready(());
            }
        }
        self.poll_wait(at, cx)
    }

    #[cold]
    fn poll_wait(&self, at: &mut Acquiring, cx: &mut Context<'_>) -> Poll<()> {
        let queue = self.queue.get();
        if let Acquiring::Idle = at {
            *at = Acquiring::Waiting(Some(queue.enter()));
        }
        let Acquiring::Waiting(waiter) = at else {
            panic!("an acquire future was polled after it had completed");
        };
        std::task::ready!(queue.poll(waiter, cx));
        *at = Acquiring::Done;
        Poll::Ready(())
    }

    /// Gives up an acquisition: leaves the queue, and hands a grant on that came already.
    pub(crate) fn abandon(&self, at: &mut Acquiring) {
        if let Acquiring::Waiting(Some(waiter)) = std::mem::replace(at, Acquiring::Done) {
            let granted = self.queue.get().cancel(waiter).is_some();
            if granted && !mutant("wait.permits_pass_on") {
                self.release();
            }
        }
    }

    /// Gives a permit back, to the next waiter if there is one.
    #[inline]
    pub(crate) fn release(&self) {
        // Ordering(wait.permits_release): AcqRel; pairs with Ordering(wait.permits_acquire) and
        // Ordering(wait.permits_try), which see the holder's writes. The acquiring half pairs
        // with itself: a releaser that grants a place on behalf of others passes their writes on.
        let order = ord("wait.permits_release", Ordering::AcqRel);
        if self.count.fetch_add(1, order) < 0 {
            self.release_to_waiter();
        }
    }

    #[cold]
    fn release_to_waiter(&self) {
        let queue = self.queue.get();
        loop {
            match queue.grant(0) {
                Granted::Yes(Some(waker)) => return waker.wake(),
                Granted::Yes(None) => return,
                Granted::Absent(left) => {
                    // One of those who left was taken off by the permit itself; now the others
                    // are, and the permit goes round again: left - 1 + 1.
                    let left = if mutant("wait.permits_absent") { 1 } else { left as isize };
                    let order = ord("wait.permits_again", Ordering::AcqRel);
                    // Ordering(wait.permits_again): AcqRel; as Ordering(wait.permits_release).
                    if self.count.fetch_add(left, order) + left - 1 >= 0 {
                        return;
                    }
                }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn live_segments(&self) -> usize {
        self.queue.peek().map_or(0, |queue| queue.live_segments())
    }
}
