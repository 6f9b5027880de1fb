//! A worker that is lent to another thread and taken back.
//!
//! Vocabulary: the *owner* is the thread that blocks inside a poll of its worker; the *stand-in*
//! runs the worker's loop meanwhile, on a thread of the default executor, if it gets one in time.
//!
//! ```text
//!   owner                                   stand-in
//!     lend: submits the StandIn  ---------->  StandIn::run: works until is_recalled
//!     .. blocks ..
//!     take_back: recalled
//!       never begun? the StandIn is dropped
//!       else: wakes the worker's poller  -->  leaves the loop
//!     sleeps until returned  <--------------  drop of the StandIn: returned, unpark
//! ```
//! The worker belongs to the stand-in from the submission until `returned`, whether it runs or not:
//! an executor that refuses the job, or cannot start a thread, drops it, and the drop gives back.
//!
//! `recalled` carries nothing, and nothing is lost by reading it late: the stand-in reads it before
//! each sleep, and the wake of its poller, which ends the next sleep if not the current one, is an
//! acquire and release of its own (`reactor::ownership`).
//!
//! Progress: the owner waits for the stand-in to finish its current poll, as long as that takes.

use corio_sync::park::{Parker, Unparker};
use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicU8;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::{mutant, ord};

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

/// The owner's half of a loan.
#[derive(Debug)]
pub(crate) struct Loan {
    terms: Arc<Terms>,
    parker: Parker,
}

/// The stand-in's half; its drop gives the worker back.
#[derive(Debug)]
pub(crate) struct StandIn {
    terms: Arc<Terms>,
    owner: Unparker,
}

#[derive(Debug)]
struct Terms {
    /// 1: the owner wants its worker back.
    recalled: AtomicU8,
    /// 1: the stand-in does not touch the worker any more.
    returned: AtomicU8,
}

impl Loan {
    /// A loan of the calling thread, and the half to send away.
    pub(crate) fn new() -> (Self, StandIn) {
        let parker = Parker::new();
        let terms = Arc::new(Terms { recalled: AtomicU8::new(0), returned: AtomicU8::new(0) });
        let stand_in = StandIn { terms: terms.clone(), owner: parker.unparker() };
        (Self { terms, parker }, stand_in)
    }

    /// Takes the worker back. `cancel` says that the stand-in had not begun and was dropped; `wake`
    /// ends the sleep of whoever runs the worker's loop.
    pub(crate) fn take_back(self, cancel: impl FnOnce() -> bool, wake: impl FnOnce()) {
        // Ordering: Relaxed; see the module.
        self.terms.recalled.store(1, Relaxed);
        if !cancel() && !mutant("loan.wake") {
            wake();
        }
        // Ordering(loan.wait): Acquire; pairs with Ordering(loan.return): this thread sees the
        // worker as the stand-in left it.
        while self.terms.returned.load(ord("loan.wait", Acquire)) == 0 {
            self.parker.park();
        }
    }
}

impl StandIn {
    /// True if the owner wants its worker back.
    #[inline]
    pub(crate) fn is_recalled(&self) -> bool {
        // Ordering: Relaxed; see the module.
        self.terms.recalled.load(Relaxed) == 1
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // Ordering(loan.return): Release; pairs with Ordering(loan.wait).
        self.terms.returned.store(1, ord("loan.return", Release));
        if !mutant("loan.unpark") {
            self.owner.unpark();
        }
    }
}
