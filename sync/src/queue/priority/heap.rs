//! The nodes of the heap and the two operations on it: persistent, so every version stays whole.
//!
//! A **leftist heap**: no item stands above a smaller one, and of two subtrees the one of lower
//! **rank** is on the right, where the rank of a tree is the length of its right spine. So a right
//! spine has at most log2(n + 1) nodes, and only right spines are walked.
//!
//! A node is never changed. An operation is an [`Attempt`]: it walks (comparing), then builds new
//! nodes from the bottom up, which share the rest with the old version. Comparisons call the user's
//! code, building does not; so a panic finds nothing built.
//!
//! *Source.* Crane, *Linear lists and priority queues as balanced binary trees* (1972); persistence
//! as in Okasaki, *Purely functional data structures* (1998).

use super::item::Item;
use crate::wait::reclaim::{Domain, Guard, Managed};

pub(super) type Link<T> = *mut Managed<Node<T>>;

pub(super) struct Node<T> {
    pub(super) item: *mut Managed<Item<T>>,
    pub(super) left: Link<T>,
    pub(super) right: Link<T>,
    rank: u32,
}

/// A tree of some version: null, or a node that this module's callers reached through the root
/// since the pin, or that their attempt has built.
pub(super) struct Tree<'g, T> {
    pub(super) link: Link<T>,
    guard: &'g Guard,
}

impl<T> Clone for Tree<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Tree<'_, T> {}

impl<'g, T> Tree<'g, T> {
    /// # Safety
    ///
    /// `link` is null, or was reachable at some moment since the pin, or was built since by the
    /// caller's attempt, which outlives the tree.
    pub(super) unsafe fn new(guard: &'g Guard, link: Link<T>) -> Self {
        Self { link, guard }
    }

    fn node(self) -> Option<&'g Node<T>> {
        // SAFETY: by the word of whoever made the tree.
        (!self.link.is_null()).then(|| unsafe { self.guard.get(self.link) })
    }

    /// What the node on top holds.
    pub(super) fn item(self) -> Option<*mut Managed<Item<T>>> {
        self.node().map(|node| node.item)
    }

    fn rank(self) -> u32 {
        self.node().map_or(0, |node| node.rank)
    }

    /// The item on top and the two trees below it.
    pub(super) fn open(self) -> Option<(&'g Item<T>, Self, Self)> {
        let node = self.node()?;
        // SAFETY: a node's item is retired after the node, by the same thread.
        let item = unsafe { self.guard.get(node.item) };
        let (left, right) = (Self { link: node.left, ..self }, Self { link: node.right, ..self });
        Some((item, left, right))
    }
}

/// One attempt to make the next version.
pub(super) struct Attempt<'a, T> {
    domain: &'a Domain,
    guard: &'a Guard,
    /// First those of the old version that the new one replaces, from the top; then the new ones.
    nodes: Vec<Link<T>>,
    /// How many of `nodes` are of the old version; the others are ours.
    replaced: usize,
}

impl<'a, T: 'a> Attempt<'a, T> {
    pub(super) fn new(domain: &'a Domain, guard: &'a Guard) -> Self {
        Self { domain, guard, nodes: Vec::new(), replaced: 0 }
    }

    /// The version with one item more; `is_below` says whether it stands below another one.
    pub(super) fn insert(
        &mut self,
        root: Tree<'a, T>,
        item: *mut Managed<Item<T>>,
        is_below: impl Fn(&Item<T>) -> bool,
    ) -> Link<T> {
        let mut tree = root;
        while let Some((above, _, right)) = tree.open() {
            if !is_below(above) {
                break;
            }
            self.replace(tree);
            tree = right;
        }
        let none = Tree { link: std::ptr::null_mut(), ..tree };
        let tree = self.grow(item, tree, none);
        self.rebuild(tree)
    }

    /// One version of two trees; `is_above` says whether the first item stands above the second.
    pub(super) fn merge(
        &mut self,
        one: Tree<'a, T>,
        other: Tree<'a, T>,
        mut is_above: impl FnMut(&Item<T>, &Item<T>) -> bool,
    ) -> Link<T> {
        let (mut one, mut other) = (one, other);
        while let (Some((a, _, a_right)), Some((b, _, b_right))) = (one.open(), other.open()) {
            let (top, next, rest) =
                if is_above(a, b) { (one, a_right, other) } else { (other, b_right, one) };
            self.replace(top);
            (one, other) = (next, rest);
        }
        self.rebuild(if one.link.is_null() { other } else { one })
    }

    fn replace(&mut self, top: Tree<'a, T>) {
        self.nodes.push(top.link);
        self.replaced += 1;
    }

    /// Copies the nodes to be replaced, from the bottom up, with `tree` in the place of the lowest
    /// one's right subtree.
    fn rebuild(&mut self, mut tree: Tree<'a, T>) -> Link<T> {
        for index in (0..self.replaced).rev() {
            let old = Tree { link: self.nodes[index], ..tree };
            let old = old.node().expect("walked through");
            tree = self.grow(old.item, Tree { link: old.left, ..tree }, tree);
        }
        tree.link
    }

    fn grow(
        &mut self,
        item: *mut Managed<Item<T>>,
        one: Tree<'a, T>,
        other: Tree<'a, T>,
    ) -> Tree<'a, T> {
        let (left, right) = if one.rank() < other.rank() { (other, one) } else { (one, other) };
        let rank = right.rank() + 1;
        let link = self.domain.alloc(Node { item, left: left.link, right: right.link, rank });
        self.nodes.push(link);
        Tree { link, ..one }
    }

    /// The new version is the current one.
    ///
    /// # Safety
    ///
    /// The caller has replaced the root of the version that this attempt walked through by the one
    /// that it built.
    pub(super) unsafe fn succeed(mut self) {
        for &old in &self.nodes[..self.replaced] {
            // SAFETY: part of no version but the old one, whose root the caller replaced.
            unsafe { self.guard.retire(self.domain, old) };
        }
        self.nodes.clear();
    }
}

impl<T> Attempt<'_, T> {
    /// Another version became the current one; forgets what was built.
    pub(super) fn fail(&mut self) {
        for new in self.nodes.drain(..).skip(self.replaced) {
            // SAFETY: built by this attempt and never shared.
            unsafe { self.domain.free(new) };
        }
        self.replaced = 0;
    }
}

impl<T> Drop for Attempt<'_, T> {
    fn drop(&mut self) {
        self.fail();
    }
}
