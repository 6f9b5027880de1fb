//! What a scope is owed, because of who has gone inside of it.

use corio_sync::shim::mutant;

use super::node::{Kind, NodeRef};
use super::share::Holders;
use super::tree::Tree;
use super::walk::{collect_marked, find, is_inside, is_outer, siblings};
use crate::error::FROM_TASK as TASK;

impl Tree {
    /// A scope goes that was offered a request and was not polled since, or was owed one. Where nobody else
    /// has taken that inside of the scope around, which others who take it may wait for, this one is owed
    /// it.
    #[inline]
    pub(super) fn pass_outwards(&self, node: NodeRef) {
        let (offered, part) = (node.mark.replace(0), node.owing_part());
        if offered != 0 && node.kind.get().catches() {
            self.claim(node, offered);
        }
        if part != 0 && part != offered {
            self.claim(node, part);
        }
        if node.is_owed(TASK) && offered != TASK {
            self.claim(node, TASK);
        }
    }

    /// Others have taken the request of `owner`, which was offered to scopes that were not polled since: those
    /// around them are owed it, as where such a scope goes.
    pub(super) fn pass_by(&self, owner: Option<NodeRef>) {
        let (first, mark) = match &owner {
            Some(owner) => (owner.child.get(), owner.id.get()),
            None => (self.first(), TASK),
        };
        let mut offered = Vec::new();
        collect_marked(first, mark, &mut offered);
        for node in offered {
            node.mark.set(0);
            node.passed.set(true);
            if !mutant("tree.passes_nobody") {
                self.claim(node, mark);
            }
        }
    }

    /// The scope around `node` is owed the request of this mark.
    #[cold]
    fn claim(&self, node: NodeRef, mark: u32) {
        let mut above = node.parent.get();
        while let Some(at) = above.filter(|at| at.id.get() != mark && !at.kind.get().catches()) {
            above = at.parent.get();
        }
        let Some(around) = above.filter(|at| at.id.get() != mark) else { return };
        let over = mark != TASK && !is_inside(around, mark);
        let outer = mark != TASK && is_outer(around, around.owing_part(), mark);
        if !over && !outer && !self.has_heard(around, mark) && !mutant("tree.claims_nothing") {
            around.owe(mark);
        }
    }

    /// A part takes the pending cancel of the whole task, which was perhaps offered to nobody yet: those beside
    /// it are owed that. True if there are any.
    #[cfg_attr(
        any(corio_loom, corio_shuttle),
        allow(dead_code, reason = "no model has parts beside")
    )]
    pub(super) fn owe_beside(&self, part: NodeRef) -> bool {
        owe_beside(self.first(), part)
    }

    /// True if somebody inside of the scope has taken the request of this mark, and has answered it or still
    /// keeps it.
    fn has_heard(&self, node: NodeRef, mark: u32) -> bool {
        let owner = if mark == TASK { None } else { find(self.first(), mark) };
        let delivery = self.delivery_of(owner.as_deref());
        let taken = delivery.taken.get() && node.heard.0.get() == (mark, delivery.number.get());
        taken && node.heard.1.have_it()
    }

    /// Those inside of `node` that keep the request of this mark, which one of them has taken.
    pub(super) fn heard<'a>(&self, node: &'a NodeRef, mark: u32) -> &'a Holders {
        let owner = if mark == TASK { None } else { find(self.first(), mark) };
        let now = (mark, self.delivery_of(owner.as_deref()).number.get());
        let (of, holders) = &node.heard;
        if of.replace(now) != now {
            holders.renew();
        }
        holders
    }
}

fn owe_beside(first: Option<NodeRef>, part: NodeRef) -> bool {
    let mut any = false;
    for node in siblings(first).filter(|node| *node != part && node.kind.get() != Kind::Mask) {
        if node.kind.get().catches() && !is_inside(part, node.id.get()) {
            node.owe(TASK);
            any = true;
        } else {
            any |= owe_beside(node.child.get(), part);
        }
    }
    any
}
