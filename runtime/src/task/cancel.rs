//! Delivering a cancel to a task that has scopes.
//!
//! The runner finds in the state word that its next poll needs care. It offers the request to the
//! task's scopes, polls, and looks whether one has taken it; the rules are those of
//! [`Tree`](super::scope::Tree). A task without scopes ends at the first of these steps.

use super::inside;
use super::raw::TaskPtr;
use super::scope::{self, Look, Verdict};
use super::state::{End, Snapshot};

impl TaskPtr {
    /// Runs a task that is to be stopped, or whose scopes are to be looked at. `true`: it was woken
    /// meanwhile, and the caller owes it a queue entry.
    ///
    /// # Safety
    ///
    /// The caller is the runner, and `seen` is what made it so.
    #[cold]
    pub(super) unsafe fn run_with_care(self, seen: Snapshot) -> bool {
        let header = self.header();
        // A task that has never had a scope has no tree, and its first may be the wait that it is in.
        let ext = if seen.is_joining() { Some(header.ext_or_make()) } else { header.ext() };
        let Some(ext) = ext.filter(|_| !seen.is_aborted()) else {
            // SAFETY: the caller is the runner.
            unsafe { self.end_cancelled(None, false) };
            return false;
        };
        header.state.looked();
        // SAFETY: the caller is the runner.
        let tree = unsafe { ext.scopes() };
        let again = tree.deliver_again(&header.state, &ext.requests);
        let look = Look::new(tree, &header.state);
        if let Verdict::End(said) = look.before_poll(seen.is_joining()) {
            // SAFETY: the caller is the runner.
            unsafe { self.end_cancelled(said, false) };
            return false;
        }
        // If the request was taken before, scopes that waited then may still take part in it, but a
        // wait without one would have been polled then: this one began later.
        let is_pending = |seen: Snapshot| seen.is_cancel_pending();
        let probes = (again || is_pending(seen)) && is_pending(header.state.load_relaxed());
        let probing = probes.then(scope::Probing::begin);
        let mut repeating = None;
        let verdict = loop {
            // SAFETY: the caller is the runner.
            if unsafe { self.poll_body() }.is_ready() {
                break None;
            }
            match look.after_poll(
                scope::is_joining(),
                repeating.is_some(),
                inside::asks_again(self),
            ) {
                Verdict::Again => look.ask_masks(),
                verdict => break Some(verdict),
            }
            repeating.get_or_insert_with(inside::Repeating::begin);
        };
        drop((probing, repeating));
        match verdict {
            None => {
                // SAFETY: the output is written.
                unsafe { self.finish::<true>(End::Itself, false) };
                false
            }
            Some(Verdict::End(said)) => {
                // SAFETY: the caller is the runner, and the body waits.
                unsafe { self.end_cancelled(said, false) };
                false
            }
            Some(Verdict::Go | Verdict::Again) => self.park(seen),
        }
    }
}
