//! What those that have taken one request know of each other.
//!
//! Every innermost scope of a task takes the one request. Who keeps it for a while, because it waits
//! for something before it passes the request on, has a share in it. A share is *answered* when the
//! request was handed to code, has gone on outwards, or a value came in its place: then nobody owes
//! anything any more. The last one that leaves a request which nobody has answered gives it back.

use std::cell::Cell;
use std::sync::Arc;

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicU32;
use corio_sync::shim::mutant;

/// Those that keep one request, all of them or those inside of one scope.
#[derive(Default)]
pub(super) struct Holders {
    /// The request was handed to code, or has gone on outwards.
    answered: Cell<bool>,
    share: Cell<Option<Arc<Share>>>,
}

impl Holders {
    /// Another request comes.
    pub(super) fn renew(&self) {
        self.answered.set(false);
        drop(self.share.take());
    }

    /// What those that keep the request have in common.
    pub(super) fn share(&self) -> Arc<Share> {
        let share = self.share.take();
        let share = share.unwrap_or_else(|| Arc::new(Share::new(self.answered.get())));
        self.share.set(Some(share.clone()));
        share
    }

    /// True if the request is answered, or somebody still keeps it.
    pub(super) fn have_it(&self) -> bool {
        let share = self.share.take();
        let kept = share.as_ref().is_some_and(|share| share.is_kept());
        self.share.set(share);
        kept || self.answered.get()
    }

    /// The request is answered.
    pub(super) fn answer(&self) {
        self.answered.set(true);
        if let Some(share) = self.share.take() {
            share.answer();
            self.share.set(Some(share));
        }
    }
}

const ANSWERED: u32 = 1;
const ONE: u32 = 2;

/// How many keep a request, and whether it was answered.
///
/// The word carries no data, and each step is one step of it; so all are Relaxed. Whoever leaves on
/// another thread gives back by the state word alone.
#[derive(Debug)]
pub(super) struct Share(AtomicU32);

impl Share {
    pub(super) fn new(answered: bool) -> Self {
        Self(AtomicU32::new(if answered { ANSWERED } else { 0 }))
    }

    /// One more keeps the request.
    pub(super) fn join(&self) {
        // Ordering: Relaxed; see [`Share`].
        self.0.fetch_add(ONE, Relaxed);
    }

    /// Nobody who leaves from now on gives it back.
    pub(super) fn answer(&self) {
        // Ordering: Relaxed; see [`Share`].
        self.0.fetch_or(ANSWERED, Relaxed);
    }

    /// True if somebody keeps the request.
    fn is_kept(&self) -> bool {
        // Ordering: Relaxed; see [`Share`].
        self.0.load(Relaxed) >= ONE
    }

    /// One that keeps the request goes; true if it is to give the request back: it is the last, and
    /// the request was not answered, or this one `owes` it all the same.
    pub(super) fn leave(&self, owes: bool) -> bool {
        // Ordering: Relaxed; see [`Share`].
        let old = self.0.fetch_sub(ONE, Relaxed);
        old == ONE || owes && old == ONE | ANSWERED || mutant("share.leaves_alone")
    }
}
