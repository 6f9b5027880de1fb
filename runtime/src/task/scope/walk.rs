//! Walks through the scopes of a task. Each is as deep as scopes are nested, which is less than what
//! their polls need of the stack.

use corio_sync::shim::mutant;

use super::node::{Kind, Node, NodeRef};
use super::tree::Errands;
use crate::error::{Cancelled, FROM_TASK as TASK};

/// What a walk has found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) marked: bool,
    pub(super) held: bool,
}

impl Found {
    pub(super) fn add(&mut self, other: Found) {
        self.marked |= other.marked;
        self.held |= other.held;
    }
}

impl Node {
    /// True if the request of this mark is offered to the scope.
    pub(super) fn is_offered(&self, mark: u32) -> bool {
        self.mark.get() == mark && self.kind.get().catches()
    }

    /// True if the scope is a mask that was polled since it was asked.
    pub(super) fn holds(&self) -> bool {
        self.kind.get() == Kind::Mask && self.mark.get() == 0 && !mutant("tree.mask_is_open")
    }

    pub(super) fn has_waker(&self) -> bool {
        let waker = self.waker.take();
        let has = waker.is_some();
        self.waker.set(waker);
        has
    }

    /// The request that the node keeps.
    pub(super) fn said(&self) -> Option<Cancelled> {
        let said = self.said.take();
        let request = said.as_ref().map(|said| said.request.clone());
        self.said.set(said);
        request
    }
}

/// Marks a node, unless a request from further out is offered to it. True if it is offered one now.
pub(super) fn set_mark(node: NodeRef, mark: u32, errands: &mut Errands) -> bool {
    node.touch();
    node.settle(mark);
    let old = node.mark.get();
    if old == 0 || mark == TASK || !is_outer(node, old, mark) {
        node.mark.set(mark);
    }
    if old == 0 {
        errands.wake.extend(node.waker.take());
    }
    true
}

/// True if the owner `one` of a request to `node` is around the owner `other`.
pub(super) fn is_outer(node: NodeRef, one: u32, other: u32) -> bool {
    let mut above = node.parent.get();
    while let Some(at) = above {
        if at.id.get() == other {
            return one == TASK || is_inside(at, one);
        }
        above = at.parent.get();
    }
    false
}

pub(super) fn is_inside(node: NodeRef, owner: u32) -> bool {
    let mut above = node.parent.get();
    while let Some(at) = above.filter(|at| at.id.get() != owner) {
        above = at.parent.get();
    }
    above.is_some()
}

pub(super) fn siblings(first: Option<NodeRef>) -> impl Iterator<Item = NodeRef> {
    std::iter::successors(first, |node| node.next.get()).inspect(|node| node.touch())
}

pub(super) fn offer_leaves(first: Option<NodeRef>, mark: u32, errands: &mut Errands) -> Found {
    let mut all = Found::default();
    for node in siblings(first) {
        if node.kind.get() == Kind::Mask {
            all.held |= node.holds();
            continue;
        }
        let mut found = offer_leaves(node.child.get(), mark, errands);
        if !found.marked && !found.held && node.kind.get().catches() && !node.passed.get() {
            found.marked = set_mark(node, mark, errands);
        } else if !found.marked && found.held && node.kind.get().catches() {
            let outer = mark != TASK && is_outer(node, node.owing_part(), mark);
            node.owe(if outer { node.owing_part() } else { mark });
        }
        all.add(found);
    }
    all
}

/// Offers what was held back to the innermost of those that are owed it, where no mask holds it back any
/// more.
pub(super) fn serve(first: Option<NodeRef>, mark: u32, errands: &mut Errands) -> bool {
    let mut any = false;
    for node in siblings(first) {
        let inside = node.child.get();
        if serve(inside, mark, errands) {
            // It is owed the request until something inside has taken that.
            any = true;
        } else if node.is_owed(mark)
            && !held(inside)
            && !any_owed(inside, mark)
            && !any_marked(inside, mark)
        {
            // What waits there may have come since.
            let found = offer_leaves(inside, mark, errands);
            node.settle(mark);
            any |= found.marked || set_mark(node, mark, errands);
        }
    }
    any
}

pub(super) fn any_owed(first: Option<NodeRef>, mark: u32) -> bool {
    siblings(first).any(|node| node.is_owed(mark) || any_owed(node.child.get(), mark))
}

/// Nobody is owed the request of this mark any more.
pub(super) fn forgive(first: Option<NodeRef>, mark: u32) {
    for node in siblings(first) {
        node.settle(mark);
        forgive(node.child.get(), mark);
    }
}

pub(super) fn offer_outermost(first: Option<NodeRef>, mark: u32, errands: &mut Errands) -> Found {
    let mut all = Found::default();
    for node in siblings(first) {
        let inside = node.child.get();
        let mut found = Found::default();
        if node.kind.get() == Kind::Mask {
            found.held = node.holds();
        } else if node.kind.get().catches() && !held(inside) {
            found.marked = set_mark(node, mark, errands);
        } else {
            found.add(offer_outermost(inside, mark, errands));
        }
        all.add(found);
    }
    all
}

pub(super) fn held(first: Option<NodeRef>) -> bool {
    siblings(first).any(|node| match node.kind.get() {
        Kind::Mask => node.holds(),
        _ => held(node.child.get()),
    })
}

pub(super) fn any_mask(first: Option<NodeRef>) -> bool {
    siblings(first).any(|node| node.kind.get() == Kind::Mask || any_mask(node.child.get()))
}

/// Asks the masks whether they are still polled.
pub(super) fn ask(first: Option<NodeRef>, mark: u32) {
    for node in siblings(first) {
        let may_answer = !node.has_waker() && !mutant("tree.masks_unasked");
        if node.kind.get() == Kind::Mask && node.mark.get() == 0 && may_answer {
            node.mark.set(mark);
        }
        ask(node.child.get(), mark);
    }
}

pub(super) fn find(first: Option<NodeRef>, id: u32) -> Option<NodeRef> {
    siblings(first)
        .find_map(|node| if node.id.get() == id { Some(node) } else { find(node.child.get(), id) })
}

pub(super) fn any_marked(first: Option<NodeRef>, mark: u32) -> bool {
    siblings(first).any(|node| node.is_offered(mark) || any_marked(node.child.get(), mark))
}

pub(super) fn collect_marked(first: Option<NodeRef>, mark: u32, into: &mut Vec<NodeRef>) {
    for node in siblings(first) {
        if node.is_offered(mark) {
            into.push(node);
        }
        collect_marked(node.child.get(), mark, into);
    }
}

pub(super) fn unmark(first: Option<NodeRef>, mark: u32) {
    for node in siblings(first) {
        if node.is_offered(mark) {
            node.mark.set(0);
        }
        unmark(node.child.get(), mark);
    }
}

/// Nothing is offered to the scopes any more, and no mask has been asked.
#[cfg_attr(any(corio_loom, corio_shuttle), allow(dead_code, reason = "no model asks by hand"))]
pub(super) fn clear_marks(first: Option<NodeRef>) {
    for node in siblings(first) {
        node.mark.set(0);
        clear_marks(node.child.get());
    }
}
