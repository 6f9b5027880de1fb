//! Branches of one future: scopes that are polled one after the other, in a frame that they share.
//!
//! Each branch has a scope of its own, but in one poll of all of them only a word of the frame
//! changes: whose turn it is. So a branch costs three stores and a look at where an unwind would lie.

use std::task::Poll;

use super::frame::{Frame, Scope, Slot, current};
use super::node::Kind;
use crate::error::Cancelled;

/// Where the unwind out of a branch is left.
#[derive(Default)]
pub(crate) struct Landing(Slot);

/// The frame of all branches, for one poll.
pub(crate) struct Shared<'a> {
    frame: Frame<'a>,
    landing: &'a Landing,
}

impl<'a> Shared<'a> {
    #[inline]
    pub(crate) fn new(landing: &'a Landing) -> Self {
        Self { frame: Frame::new(current(), Kind::Catch, Some(&landing.0)), landing }
    }

    /// What the branch that was polled last has raised.
    #[inline]
    pub(crate) fn raised(&self) -> Option<Box<(u64, Cancelled)>> {
        self.landing.0.take()
    }
}

impl Scope {
    /// Polls the inside of a branch; then ask [`Shared::raised`]. Before, one that
    /// [is known](Scope::is_known) asks [`Scope::take_in_turn`].
    #[inline]
    pub(crate) fn poll_in_turn<R>(
        &mut self,
        shared: &Shared<'_>,
        inside: impl FnOnce() -> Poll<R>,
    ) -> Poll<R> {
        shared.frame.enter(&mut self.node, inside)
    }

    /// The request that is offered to a branch that has waited in the tree, if it takes one now.
    #[inline(never)]
    pub(crate) fn take_in_turn(&mut self) -> Option<Cancelled> {
        if current().is_none() {
            self.release();
        }
        self.take()
    }
}
