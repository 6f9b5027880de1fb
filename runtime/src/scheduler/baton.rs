//! Which thread runs a worker.
//!
//! A worker belongs to its *owner*, the thread that it was made for. While a poll blocks in place the
//! loop is to go on, so the worker has a baton: who holds it runs the loop, or is inside one of its
//! polls, and nobody else touches the worker.
//!
//! ```text
//!   a poll that blocks                      a stand-in, on a thread of the default executor
//!     release, submit the stand-in  ------>   try_take; works until is_wanted
//!     .. blocks ..
//!     take: claims, wakes the poller  ---->   leaves the loop: release grants the first claim
//!     goes on with its poll       <--------
//! ```
//! A stand-in runs any task of the worker that is not pinned, and such a task may block in place as
//! well: then a second stand-in runs the loop, and both polls come back in the order of their claims,
//! whichever began first. A thread that holds the baton between two polls, the owner too, looks now
//! and then whether it is wanted, and passes it on; so a poll waits for the poll that is under way,
//! and never for one that blocks in place.
//!
//! An executor that refuses the stand-in, or cannot start a thread, leaves the baton free. A stand-in
//! that comes late finds it held, or wanted, and goes; the owner holds it from the end of the worker's
//! loop on, for good.
//!
//! # Protocol
//!
//! One word: whether it is held, and the number of claims. A claim lies in the queue before it is
//! counted. Who releases and sees a count pops a claim, which may be another one than was counted, and
//! gives it the baton without setting it free: nobody comes in between. Who claims a free baton holds
//! it for the first in the queue.
//!
//! `is_wanted` is read late without harm: it is asked before each sleep, and the wake of the poller,
//! which ends the next sleep if not the current one, is an acquire and release of its own
//! (`reactor::ownership`).
//!
//! # Progress
//!
//! `try_take` and `release` are lock-free. `take` waits, by purpose, for the poll that is under way.
//!
//! # Rejected
//!
//! - A lender that waits until its own stand-in has left the loop, as it was: a stand-in whose poll
//!   blocks in place could not leave. A call of a millisecond came back after a sibling's of ten
//!   seconds, and two that waited for each other never did.
//! - `corio_sync::Lock`, whose holders debug mode names in its reports of circles: to hold the baton
//!   keeps nobody from it.

use corio_sync::park::{Parker, Unparker};
use corio_sync::shim::atomic::{AtomicBool, AtomicUsize};
use corio_sync::shim::sync::Arc;
use corio_sync::shim::{Ordering::*, mutant, ord};

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
mod waiters;

use waiters::Waiters;

const HELD: usize = 1;
const CLAIM: usize = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Baton {
    /// [`HELD`], and the number of claims in units of [`CLAIM`].
    word: AtomicUsize,
    waiters: Waiters,
}

/// A thread that waits for the baton.
#[derive(Debug)]
struct Claim {
    granted: AtomicBool,
    thread: Unparker,
}

impl Baton {
    /// The caller holds it.
    pub(crate) fn held() -> Self {
        Self { word: AtomicUsize::new(HELD), waiters: Waiters::new() }
    }

    /// True if somebody waits for it.
    #[inline]
    pub(crate) fn is_wanted(&self) -> bool {
        // Ordering: Relaxed; see the module.
        self.word.load(Relaxed) >= CLAIM
    }

    /// Takes the baton if it is free and nobody waits for it.
    pub(crate) fn try_take(&self) -> bool {
        // Ordering(baton.try): Acquire; pairs with Ordering(baton.free): the worker is seen as the
        // last holder left it.
        let taken = self.word.compare_exchange(0, HELD, ord("baton.try", Acquire), Relaxed);
        taken.is_ok() || mutant("baton.barge")
    }

    /// Waits for the baton; `wake` ends the sleep of whoever runs the worker's loop.
    pub(crate) fn take(&self, wake: impl FnOnce()) {
        if self.try_take() {
            return;
        }
        let parker = Parker::new();
        let claim = Arc::new(Claim { granted: AtomicBool::new(false), thread: parker.unparker() });
        self.waiters.push(claim.clone());
        // Ordering(baton.claim): Release; pairs with Ordering(baton.look) and
        // Ordering(baton.free_claim): who sees the count finds the claim.
        let before = self.word.fetch_add(CLAIM, ord("baton.claim", Release));
        if before & HELD == 0 {
            self.take_for_the_first(before + CLAIM);
        } else if !mutant("baton.wake") {
            wake();
        }
        // Ordering(baton.wait): Acquire; pairs with Ordering(baton.grant): the worker is seen as the
        // last holder left it.
        while !claim.granted.load(ord("baton.wait", Acquire)) {
            parker.park();
        }
    }

    /// The baton was free when it was claimed. If others have claimed it too, one of them does this.
    fn take_for_the_first(&self, mut seen: usize) {
        while seen & HELD == 0 {
            // Ordering(baton.free_claim): Acquire; pairs with Ordering(baton.free) and, for the queue,
            // Ordering(baton.claim) of others.
            let order = ord("baton.free_claim", Acquire);
            match self.word.compare_exchange(seen, seen | HELD, order, Relaxed) {
                Ok(_) => return self.grant(),
                Err(now) => seen = now,
            }
        }
    }

    /// Gives the baton to the first of those who wait, or sets it free. The caller holds it.
    pub(crate) fn release(&self) {
        // Ordering(baton.look): Acquire; pairs with Ordering(baton.claim): the claim that is counted
        // is in the queue.
        let mut seen = self.word.load(ord("baton.look", Acquire));
        while seen < CLAIM {
            // Ordering(baton.free): Release; pairs with Ordering(baton.try) and
            // Ordering(baton.free_claim): the next holder sees what this one did.
            let order = ord("baton.free", Release);
            match self.word.compare_exchange(seen, 0, order, ord("baton.look", Acquire)) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
        self.grant();
    }

    fn grant(&self) {
        let claim = self.waiters.pop().expect("a claim is in the queue before it is counted");
        // Ordering: Relaxed; it says nothing but that there is one less. The word stays held.
        self.word.fetch_sub(CLAIM, Relaxed);
        // Ordering(baton.grant): Release; pairs with Ordering(baton.wait).
        claim.granted.store(true, ord("baton.grant", Release));
        if !mutant("baton.unpark") {
            claim.thread.unpark();
        }
    }
}
