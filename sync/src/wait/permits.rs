//! A permit with waiters: the right to make a once-cell's value.
//!
//! *Invariant.* `count` is the number of free permits, or minus the number of waiters that still
//! have a claim on one; waiters that left are counted until their turn is skipped.
//!
//! *Protocol.* Acquiring takes one away and, if there was none, waits in the queue. Releasing adds
//! one and, if somebody was counted, grants the next place; a place that was left costs another
//! round. The grant may reach the place before its waiter does.
//!
//! *One permit.* A granter that skips a run of waiters that left takes them off the counter
//! afterwards. Until then the counter is too low, and a second granter would grant a place for
//! which nobody is counted. So there is one permit (a once-cell's), hence one granter at a time;
//! counters with more are [`super::weighted`], and [`crate::Lock`], which may be released twice,
//! counts in another way.
//!
//! *Progress.* `try_acquire` is lock-free; the first step of acquiring is wait-free; releasing is
//! lock-free, its rounds amortised over the waiters that left.

use super::queue::{Granted, Place, WaitQueue};
use crate::shim::atomic::AtomicIsize;
use crate::shim::{Ordering, mutant, ord};
use std::task::{Context, Poll};

/// The counter and its waiters; for one permit, as the module says. 16 bytes.
pub(crate) struct Permits {
    pub(crate) count: AtomicIsize,
    pub(crate) queue: WaitQueue,
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
    #[cfg(all(test, any(corio_loom, corio_shuttle)))]
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
    pub(crate) fn poll_acquire(&self, at: &mut Place, cx: &mut Context<'_>) -> Poll<()> {
        if let Place::Idle = at {
            // Ordering(wait.permits_acquire): Acquire; pairs with Ordering(wait.permits_open),
            // Ordering(wait.permits_release): the new holder sees what the last one did.
            let acquire = ord("wait.permits_acquire", Ordering::Acquire);
            if self.count.fetch_sub(1, acquire) > 0 {
                *at = Place::Done;
                return Poll::Ready(());
            }
        }
        self.poll_wait(at, cx)
    }

    #[cold]
    fn poll_wait(&self, at: &mut Place, cx: &mut Context<'_>) -> Poll<()> {
        let queue = self.queue.get();
        if let Place::Idle = at {
            *at = Place::Waiting(Some(queue.enter()));
        }
        let Place::Waiting(waiter) = at else {
            panic!("an acquire future was polled after it had completed");
        };
        std::task::ready!(queue.poll(waiter, cx));
        *at = Place::Done;
        Poll::Ready(())
    }

    /// Gives up an acquisition: leaves the queue, and hands a grant on that came already.
    pub(crate) fn abandon(&self, at: &mut Place) {
        if let Some(waiter) = at.leave() {
            let granted = self.queue.get().cancel(waiter).is_some();
            if granted && !mutant("wait.permits_pass_on") {
                self.release();
            }
        }
    }

    /// Gives a permit back, to the next waiter if there is one.
    #[inline]
    pub(crate) fn release(&self) {
        // Ordering(wait.permits_release): Release; pairs with Ordering(wait.permits_acquire) and
        // Ordering(wait.permits_try), which see the holder's writes. Whoever takes the permit from
        // a later value of the counter reads from the same release sequence.
        let order = ord("wait.permits_release", Ordering::Release);
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
                    if self.count_again(left) > 0 {
                        return;
                    }
                }
            }
        }
    }

    /// Counts `left` again; returns what is free then.
    // Ordering(wait.permits_again): Relaxed. This thread's release of the same permit heads the
    // release sequence that this step continues.
    fn count_again(&self, left: isize) -> isize {
        self.count.fetch_add(left, Ordering::Relaxed) + left
    }

    /// Gives everybody who waits, and everybody who comes, a permit. Only for a caller that holds
    /// the last permit: nobody else releases.
    // Ordering(wait.permits_open): Release; pairs with Ordering(wait.permits_acquire), as
    // Ordering(wait.permits_release) does.
    pub(crate) fn open(&self) {
        let order = ord("wait.permits_open", Ordering::Release);
        let old = self.count.fetch_add(isize::MAX / 2, order);
        if old < 0 {
            let queue = self.queue.get();
            queue.grant_all_below(queue.next_grant() + old.unsigned_abs() as u64, 0);
        }
    }

    #[cfg(all(test, any(corio_loom, corio_shuttle)))]
    pub(crate) fn live_segments(&self) -> usize {
        self.queue.live_segments()
    }
}
