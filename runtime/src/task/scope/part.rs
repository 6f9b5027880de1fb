//! Scopes that ask their own part of the task to stop: limits and groups.

use super::frame::{Scope, current, tree};
use super::node::NodeRef;
use super::tree::{Errands, Offer, PATIENCE};
use super::walk::held;
use crate::error::Cancelled;
use crate::task::inside;
use crate::task::raw::TaskPtr;

/// What a scope that limits its own part has come to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A scope inside may take the request: poll the inside again.
    Offered,
    /// A mask holds it back, and the poll that has just ended may have been the last of it: ask and
    /// poll the inside once more.
    Held,
    /// It was taken, or is held back: the inside must be polled when it is woken.
    Waiting,
    /// Those that were woken have not all been polled: wake the task and say Pending.
    Again,
    /// Nobody inside is there to take it: drop the inside.
    Nobody,
}

/// The mask that holds a request back, seen from a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It holds back a request to the part as well.
    Inside,
    Beside,
}

/// Scopes that ask their own part of the task to stop.
impl Scope {
    /// Asks the part to stop, once; `counted`: the task counts that among its cancels.
    pub(crate) fn begin_part(&mut self, said: Cancelled, counted: bool) -> Part {
        let (Some(node), Some(task)) = (self.node, current()) else { return Part::Nobody };
        tree(task).begin_part(node, said, counted, &task.header().state);
        match self.offer(node, task) {
            // Nobody has asked the masks yet.
            Part::Held => Part::Offered,
            part => part,
        }
    }

    /// Before a poll of a part that was asked to stop.
    pub(crate) fn ask_part(&self) {
        if let (Some(node), Some(task)) = (self.node, current()) {
            tree(task).ask_masks(Some(node));
        }
    }

    /// After a poll of the part, which said Pending; `again`: it followed [`Part::Held`].
    pub(crate) fn look_at_part(&mut self, again: bool) -> Part {
        let (Some(node), Some(task)) = (self.node, current()) else { return Part::Nobody };
        let tree = tree(task);
        let delivery = &node.delivery;
        let woken = inside::asks_again(task) || task.header().state.load_relaxed().is_scheduled();
        let waits = delivery.attempts.get() < PATIENCE && tree.is_offered(Some(node));
        if woken && waits {
            delivery.attempts.set(delivery.attempts.get() + 1);
            return Part::Again;
        }
        if delivery.taken.get() {
            tree.withdraw(Some(node));
            return Part::Waiting;
        }
        delivery.attempts.set(delivery.attempts.get().saturating_add(1));
        match self.offer(node, task) {
            Part::Held if again => Part::Waiting,
            part => part,
        }
    }

    fn offer(&self, node: NodeRef, task: TaskPtr) -> Part {
        let mut errands = Errands::default();
        let offer = tree(task).offer(Some(node), &task.header().state, &mut errands);
        errands.run();
        match offer {
            Offer::Made => Part::Offered,
            Offer::Held => Part::Held,
            Offer::Nobody => Part::Nobody,
        }
    }

    /// The part has ended with a value, which answers the request to it.
    pub(crate) fn close_part(&mut self) {
        if let (Some(node), Some(task)) = (self.node, current()) {
            tree(task).settle_part(node, &task.header().state);
        }
        self.release();
    }

    /// The part is to be dropped, and is not under way any more; as [`Scope::unanswered`].
    pub(crate) fn end_part(&mut self, said: Option<Cancelled>) -> Option<Cancelled> {
        if let (Some(node), Some(task)) = (self.node, current()) {
            tree(task).settle_part(node, &task.header().state);
        }
        self.unanswered(said)
    }

    /// Before the part is dropped: the request that has to go on outwards, if one to the whole task,
    /// or to a part around this one, has come meanwhile and is not answered. It is pending, or the
    /// part has raised it (`said`), or has caught it and is dropped before it has said what becomes
    /// of it.
    pub(crate) fn unanswered(&self, said: Option<Cancelled>) -> Option<Cancelled> {
        let (Some(node), Some(task)) = (self.node, current()) else { return said };
        let header = task.header();
        let tree = tree(task);
        if tree.weight_above(node, &header.state) <= node.baseline.get() {
            return None;
        }
        let pending = tree.take_pending(&header.state, &header.ext_or_make().requests);
        let own = node.id.get();
        let foreign = said.filter(|said| said.origin() != own);
        pending.or(foreign).or_else(|| tree.under_way_above(node)).or_else(|| tree.last())
    }

    /// True if the request is the one that this scope has asked its part with.
    pub(crate) fn is_own(&self, said: &Cancelled) -> bool {
        self.node.is_some_and(|node| node.id.get() == said.origin())
    }

    /// Where a mask holds back what is asked of the whole task; `None` if a scope is offered that, or
    /// nothing is in its way. One beside this part may have its turn in this poll only later, and be
    /// no more than a mask that nobody polls.
    pub(crate) fn held_back(&self) -> Option<Held> {
        let task = current()?;
        if tree(task).is_offered(None) {
            return None;
        }
        match self.node {
            Some(node) if held(node.child.get()) => Some(Held::Inside),
            _ => tree(task).is_masked().then_some(Held::Beside),
        }
    }

    /// True if a request to the whole task is pending: it goes first.
    pub(crate) fn is_task_cancelled() -> bool {
        current().is_some_and(|task| task.header().state.load_relaxed().is_cancel_pending())
    }
}
