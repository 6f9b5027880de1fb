//! The cancels that a part of a task stands under, and those that it began under.
//!
//! A limit or a group that has ended its part must know whether a cancel of the whole task, or of a part
//! around, has come meanwhile: that goes on in place of its own error. So it keeps the number of cancels
//! that it began under. Inside a mask they are more if one is held back; that goes on only if something
//! inside of the part has felt it, before the part came into the mask.

use corio_sync::shim::mutant;

use super::node::NodeRef;
use super::tree::Tree;
use crate::error::FROM_TASK as TASK;
use crate::task::requests::Requests;
use crate::task::state::{Snapshot, State};

impl Tree {
    /// A part begins. Cancels that are pending are none of those that it begins under: they will be
    /// delivered while the part is there. They are those that came since one was taken last; one at
    /// least, because another task may have taken a delivered one back in between, unseen. Nor are those
    /// that a scope around is owed, which others have taken.
    pub(super) fn begin_baseline(&self, part: NodeRef, state: &State) {
        let now = state.load_relaxed();
        let (weight, cancels) = (self.weight_of(part, now), self.cancels(now));
        let (delivered, before) = self.delivered.get();
        let owed = self.delivery.taken.get() && is_owed_around(part, TASK);
        let pending = if owed && !mutant("tree.baseline_with_owed") {
            cancels.saturating_sub(before).max(1)
        } else if !now.is_cancel_pending() || mutant("tree.baseline_with_pending") {
            0
        } else if mutant("tree.baseline_with_one_pending") {
            1
        } else {
            cancels.saturating_sub(delivered).max(1)
        };
        part.baseline.set(weight.saturating_sub(pending + awaited_around(part)));
    }

    /// Somebody may have taken cancels back.
    pub(crate) fn see_retracted(&self, state: &State) {
        self.cancels(state.load_relaxed());
    }

    /// Forgets a pending cancel that was taken back while a part's request was counted, too:
    /// [`State::uncancel`] cannot tell the two.
    pub(crate) fn forget_retracted(&self, state: &State) {
        let now = state.load_relaxed();
        if !now.is_cancel_pending() {
            self.by_hand.set(false);
        } else if self.cancels(now) == 0 && !self.by_hand.get() {
            state.retract(self.counted.get());
        }
    }

    /// Before a poll: what is to be delivered once more is, unless it was taken back.
    #[cfg_attr(any(corio_loom, corio_shuttle), allow(dead_code, reason = "no model has a group"))]
    pub(crate) fn deliver_again(&self, state: &State, requests: &Requests) -> bool {
        let Some(said) = self.again.take() else { return false };
        if said.origin() != TASK {
            return self.give_back(*said, state, requests);
        }
        let returned = state.return_before_poll(self.counted.get());
        if returned {
            self.pend_again(*said, requests);
        }
        returned
    }

    /// True if none of the whole task's cancels is left.
    pub(super) fn is_taken_back(&self, state: &State) -> bool {
        self.cancels(state.load_relaxed()) == 0
    }

    /// The cancels of the whole task that are counted.
    pub(super) fn cancels(&self, now: Snapshot) -> u32 {
        let cancels = now.cancelling().saturating_sub(self.counted.get());
        let (delivered, before) = self.delivered.get();
        self.delivered.set((delivered.min(cancels), before.min(cancels)));
        cancels
    }

    /// True if a part stands under more cancels than it began under, and those are not held back by a mask
    /// around.
    pub(super) fn has_more(&self, part: NodeRef, state: &State) -> bool {
        let now = state.load_relaxed();
        let mut weight = self.weight_of(part, now);
        if part.is_masked() {
            // What is pending is held back.
            weight -= self.cancels(now).saturating_sub(self.delivered.get().0);
        }
        let more = weight > part.baseline.get();
        more && (part.felt.get() || !part.is_masked() || mutant("tree.masks_are_felt"))
    }

    /// The cancels that a part stands under: those of the task, and those of parts around it.
    fn weight_of(&self, part: NodeRef, now: Snapshot) -> u32 {
        let mut weight = self.cancels(now);
        let mut above = part.parent.get();
        while let Some(at) = above {
            weight += u32::from(at.in_flight.get());
            above = at.parent.get();
        }
        weight
    }
}

/// True if a scope around the part is owed the request of this mark.
fn is_owed_around(part: NodeRef, mark: u32) -> bool {
    let mut above = part.parent.get();
    while let Some(at) = above.filter(|at| !at.is_owed(mark)) {
        above = at.parent.get();
    }
    above.is_some()
}

/// The parts around this one whose requests have not come to it yet.
fn awaited_around(part: NodeRef) -> u32 {
    let (mut awaited, mut above) = (0, part.parent.get());
    while let Some(at) = above {
        let comes = || !at.delivery.taken.get() || is_owed_around(part, at.id.get());
        awaited += u32::from(at.in_flight.get() && comes());
        above = at.parent.get();
    }
    awaited
}
