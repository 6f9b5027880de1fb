//! Who keeps a request inside of one scope.
//!
//! Where several have taken a request the last one that is dropped gives it back, since as long as there are
//! others these pass it on: to the scope that is around them all. A scope between is not ended by that, and
//! may be what one of them waits for, as `join!` does for all its branches. So the last one *inside of a
//! scope* that is dropped leaves that scope with a claim to be asked itself. The innermost one gets it; if
//! that goes, the claim goes outwards with it (`claims.rs`).

use std::sync::Arc;

use super::frame::{Frame, Scope, current, frames, tree};
use super::node::NodeRef;
use super::share::Share;
use super::walk::{any_marked, find, is_inside, is_outer};
use crate::error::FROM_TASK as TASK;
use crate::task::raw::TaskPtr;

/// So often a branch is asked because one beside it was stopped. What it is owed for another request takes the
/// place of that, and the other way round; each of them in turn would poll the task without end.
const ASKS_MAX: u8 = 8;

/// Of the whole task, as of a part: what was made by hand counts as of the task.
fn mark_of(origin: u32) -> u32 {
    origin.max(TASK)
}

/// The scopes around the caller that may be asked for that, innermost first.
fn around(task: TaskPtr, mark: u32) -> impl Iterator<Item = NodeRef> {
    let known = frames(task).filter_map(Frame::known);
    known.filter(move |it| it.kind.get().catches() && (mark == TASK || is_inside(*it, mark)))
}

/// What who takes the request of this origin here has in common with others inside of the scopes around,
/// innermost first, by their ids.
pub(super) fn shares(task: TaskPtr, origin: u32) -> Vec<(u32, Arc<Share>)> {
    let (tree, mark) = (tree(task), mark_of(origin));
    around(task, mark).map(|node| (node.id.get(), tree.heard(&node, mark).share())).collect()
}

/// The request of this origin is answered here.
pub(super) fn answer(task: TaskPtr, origin: u32) {
    let (tree, mark) = (tree(task), mark_of(origin));
    tree.answer(origin);
    for node in around(task, mark) {
        tree.heard(&node, mark).answer();
    }
}

/// Nobody inside of the scope `id` keeps the request of this origin any more, and others do: the scope is
/// asked itself, unless another request is under way. The caller is inside the task.
pub(super) fn ask(id: u32, origin: u32) {
    let Some(task) = current() else { return };
    let (tree, mark) = (tree(task), mark_of(origin));
    let owner = find(tree.first(), mark);
    let delivery = tree.delivery_of(owner.as_deref());
    let gone = mark != TASK && !owner.is_some_and(|owner| owner.in_flight.get());
    let Some(node) = find(tree.first(), id) else { return };
    if gone || delivery.active.get() && !delivery.taken.get() {
        return;
    }
    node.owe(mark);
    delivery.taken.set(true);
    task.header().state.look_again();
}

impl Scope {
    /// Those beside this scope were stopped by the request of this origin, and are to wait until it has ended: it
    /// is owed that request, unless somebody in there has heard it.
    #[cold]
    pub(crate) fn ask_beside(&self, origin: u32) {
        let (Some(node), Some(task)) = (self.node, current()) else { return };
        let (tree, mark) = (tree(task), mark_of(origin));
        let owner = find(tree.first(), mark);
        let delivery = tree.delivery_of(owner.as_deref());
        let gone = match owner {
            _ if mark == TASK => tree.is_taken_back(&task.header().state),
            owner => !owner.is_some_and(|it| it.in_flight.get()) || !is_inside(node, mark),
        };
        let heard = node.heard.0.get() == (mark, delivery.number.get());
        let outdone = mark != TASK && is_outer(node, node.owing_part(), mark);
        let asked = node.is_owed(mark) || node.mark.get() != 0 || outdone;
        let comes = delivery.active.get() && !delivery.taken.get();
        let asks = node.asked_beside.get();
        if gone || heard || asked || comes || any_marked(node.child.get(), mark) || asks >= ASKS_MAX
        {
            return;
        }
        node.asked_beside.set(asks + 1);
        node.owe(mark);
        delivery.taken.set(true);
        task.header().state.look_again();
    }
}
