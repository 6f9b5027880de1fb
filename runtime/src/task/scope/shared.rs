//! Branches of one future: scopes that are polled one after the other, in a frame that they share.
//!
//! Each branch has a scope of its own, but in one poll of all of them only a word of the frame
//! changes: whose turn it is. So a branch costs a store, and a look at whether anything has happened.

use std::cell::Cell;
use std::ptr;
use std::task::Poll;

use super::frame::{Entered, Frame, Scope, Slot, current};
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
        let unwind = Some(&landing.0);
        Self { frame: Frame::new(current(), ptr::null(), Kind::Catch, unwind, None), landing }
    }

    /// The branches are polled until the guard goes.
    #[inline]
    pub(crate) fn enter(&self) -> Entered<'_> {
        self.frame.enter()
    }

    /// True if the branch that was polled last has, or had before, a scope inside, or has raised a
    /// request.
    #[inline]
    pub(crate) fn is_eventful(&self) -> bool {
        self.frame.eventful.get()
    }

    /// A branch has ended: what is called from here on, destructors first of all, is around it.
    #[inline]
    pub(crate) fn end_turn(&self) {
        self.frame.node.set(ptr::null());
    }

    /// The request that the branch has raised in the turn that is over.
    pub(crate) fn end_eventful_turn(&self) -> Option<Cancelled> {
        self.end_turn();
        self.frame.eventful.set(false);
        self.landing.0.take().map(|raised| raised.1)
    }
}

impl Scope {
    /// Polls the inside of a branch. If that [was eventful](Shared::is_eventful), say
    /// [`Shared::end_eventful_turn`], and [`Shared::end_turn`] otherwise unless it goes on with the
    /// next branch at once.
    #[inline]
    pub(crate) fn poll_in_turn<R>(
        &mut self,
        shared: &Shared<'_>,
        inside: impl FnOnce() -> Poll<R>,
    ) -> Poll<R> {
        shared.frame.node.set(Cell::from_mut(&mut self.node));
        inside()
    }

    /// Before the poll of a branch that has waited in the tree: the request that is offered to it, if
    /// it takes one now.
    #[inline(never)]
    pub(crate) fn take_in_turn(&mut self, shared: &Shared<'_>) -> Option<Cancelled> {
        shared.end_turn();
        if current().is_none() {
            self.release();
        }
        let request = self.take();
        shared.frame.eventful.set(request.is_none());
        request
    }
}
