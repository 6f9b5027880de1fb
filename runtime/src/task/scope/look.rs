//! What the runner does about a request to the whole task, before and after a poll.

use std::cell::Cell;

use corio_sync::shim::mutant;

use super::tree::{Errands, Offer, PATIENCE, Tree};
use crate::error::Cancelled;
use crate::task::state::State;

/// The runner's look at the scopes of its task.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    tree: &'a Tree,
    state: &'a State,
    /// The request was offered before the poll, which shows who takes it.
    offered: Cell<bool>,
}

/// What comes next.
#[must_use]
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The body goes on.
    Go,
    /// The body is polled once more, now: a mask holds the request back, and the poll that has just
    /// ended may have been the last of it.
    Again,
    /// The body is dropped; why, if that was said.
    End(Option<Cancelled>),
}

impl Tree {
    /// True if something was raised that is to end the task.
    pub(crate) fn is_unwound(&self) -> bool {
        let unwind = self.unwind.take();
        let is_some = unwind.is_some();
        self.unwind.set(unwind);
        is_some
    }
}

impl<'a> Look<'a> {
    pub(crate) fn new(tree: &'a Tree, state: &'a State) -> Self {
        Self { tree, state, offered: Cell::new(false) }
    }

    /// Offers a pending request, unless that was done before. `joining`: the last poll ended in a
    /// wait for another task that no scope is around, which may take the request in the next one.
    pub(crate) fn before_poll(&self, joining: bool) -> Verdict {
        if let Some(unwind) = self.tree.unwind.take() {
            return Verdict::End(Some(unwind.1));
        }
        self.tree.forget_retracted(self.state);
        let delivery = self.tree.delivery_of(None);
        if !self.state.load_relaxed().is_cancel_pending() {
            if delivery.taken.get() {
                let _served = self.serve();
                self.ask_masks();
            }
            return Verdict::Go;
        }
        let mut verdict = Verdict::Go;
        let begins = delivery.taken.get() || !delivery.active.get();
        if begins {
            self.tree.begin(None);
        }
        if begins || !self.tree.is_offered(None) {
            verdict = self.offer(joining);
            self.offered.set(matches!(verdict, Verdict::Go));
        }
        self.ask_masks();
        match verdict {
            // It is polled now.
            Verdict::Again => Verdict::Go,
            verdict => verdict,
        }
    }

    /// Before each poll: the masks say whether they are still polled.
    pub(crate) fn ask_masks(&self) {
        self.tree.ask_masks(None);
    }

    /// Looks who has taken the request; if nobody has, it goes on. `joining`: as this poll ended;
    /// `again`: it followed [`Verdict::Again`]; `yields`: it asked for another, which the word does
    /// not say yet.
    pub(crate) fn after_poll(&self, joining: bool, again: bool, yields: bool) -> Verdict {
        if let Some(unwind) = self.tree.unwind.take() {
            return Verdict::End(Some(unwind.1));
        }
        self.tree.forget_retracted(self.state);
        let delivery = self.tree.delivery_of(None);
        let now = self.state.load_relaxed();
        let waits = delivery.attempts.get() < PATIENCE && self.tree.is_offered(None);
        // Those that were woken but not polled yet will be.
        let woken = yields || self.offered.get() || now.is_scheduled();
        if woken && waits && (delivery.taken.get() || now.is_cancel_pending()) {
            delivery.attempts.set(delivery.attempts.get() + 1);
            self.state.look_again();
            return Verdict::Go;
        }
        if delivery.taken.get() || !now.is_cancel_pending() {
            if delivery.taken.get() {
                self.tree.pass_by(None);
            }
            if delivery.taken.get() && self.tree.owes(None) {
                if self.serve() {
                    self.state.look_again();
                } else if self.tree.owes(None) {
                    if self.offered.get() {
                        self.state.look_again();
                    } else if !mutant("look.looks_once") {
                        self.state.look_on();
                    }
                    // As below: the mask may have had its last poll.
                    return if again || woken { Verdict::Go } else { Verdict::Again };
                }
            } else {
                self.tree.conclude(None);
            }
            return Verdict::Go;
        }
        if mutant("look.offers_once") {
            return Verdict::Go;
        }
        delivery.attempts.set(delivery.attempts.get().saturating_add(1));
        let verdict = self.offer(joining);
        match verdict {
            Verdict::Go => self.state.look_again(),
            Verdict::Again if self.offered.get() => self.state.look_again(),
            _ => {}
        }
        // A body that was woken meanwhile is polled again in any case.
        let believed = again || yields || self.state.load_relaxed().is_scheduled();
        match verdict {
            Verdict::Again if believed || mutant("tree.believes_masks") => Verdict::Go,
            verdict => verdict,
        }
    }

    /// A scope whose mask is over takes part in what was taken elsewhere, unless that was taken back.
    fn serve(&self) -> bool {
        if self.tree.is_taken_back(self.state) {
            self.tree.conclude(None);
            return false;
        }
        let mut errands = Errands::default();
        let served = self.tree.serve(None, self.state, &mut errands);
        errands.run();
        served
    }

    fn offer(&self, joining: bool) -> Verdict {
        let mut errands = Errands::default();
        let offer = self.tree.offer(None, self.state, &mut errands);
        errands.run();
        match offer {
            Offer::Nobody if !joining || self.tree.is_exhausted() => return Verdict::End(None),
            Offer::Made | Offer::Nobody => {}
            Offer::Held => return Verdict::Again,
        }
        Verdict::Go
    }
}
