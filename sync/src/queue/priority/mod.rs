//! The priority store: a persistent heap behind one pointer.
//!
//! *Versions.* `root` points to the top of an immutable [leftist heap](heap). A put builds the
//! version with its item and exchanges the pointer; who fails, because another version came first,
//! builds again. Replaced nodes go to the epoch.
//!
//! *Taking.* A get does not unlink the top and then take its item: a put on an older version may be
//! comparing that very item, through a `&T`, at this moment. It **claims** the item at the top,
//! which fails, changing nothing, while a comparison looks into it. A claimed item stays as an empty
//! node. It counts as smaller than everything, so it is never looked into again and comes to the
//! top, where the next get removes it, before its own claim.
//!
//! *Order.* A get takes effect when it loads the root: the item that it then claims was on top and
//! nobody's. A smaller one that came in between came after this get. Equal items stand in the order
//! of their admission.
//!
//! *Panics.* A comparison that panics in a put takes nothing with it: nothing was built, and the
//! item goes back to the caller. In a get it can only happen while an empty top is removed, before
//! the claim; the two items are then left in order of age, so that the next get finds the top in
//! order, and the panic goes on.
//!
//! *What waits for whom.* A put waits for nobody. A get whose item is being looked into asks to be
//! called again: it waits for a thread inside `T`'s comparison of that one item. No queue that hands
//! out any `T: Ord` by value in strict order can do without: a thread that stands still inside
//! `a.cmp(&b)` holds both, and one of the two may be the only right answer.
//! Decision 020 has the argument and the alternatives.

mod heap;
mod item;

use self::heap::{Attempt, Node, Tree};
use self::item::{Claim, Unshared};
use super::sealed::Sealed;
use crate::shim::atomic::AtomicPtr;
use crate::shim::{Ordering, ord};
use crate::wait::reclaim::{Domain, Guard, Managed, pin};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

/// The store of a [`PriorityQueue`](super::PriorityQueue).
pub struct Priority<T> {
    root: AtomicPtr<Managed<Node<T>>>,
    domain: Domain,
}

impl<T: Ord> super::Store<T> for Priority<T> where Self: Sealed<T> {}

// SAFETY: items are dropped or taken on another thread.
unsafe impl<T: Send> Send for Priority<T> {}
// SAFETY: items cross threads by value, and several threads compare them at the same time.
unsafe impl<T: Send + Sync> Sync for Priority<T> {}

impl<T> Priority<T> {
    // Ordering(priority.root): Acquire; pairs with Ordering(priority.put) and
    // Ordering(priority.remove): the nodes of this version and their items are visible.
    fn version<'g>(&self, guard: &'g Guard) -> Tree<'g, T> {
        let root = self.root.load(ord("priority.root", Ordering::Acquire));
        // SAFETY: it is the root, after the pin.
        unsafe { Tree::new(guard, root) }
    }
}

impl<T: Ord> Priority<T> {
    /// Removes the empty top of a version, unless somebody else has changed it.
    // Ordering(priority.remove): Release; pairs with Ordering(priority.root): the nodes that were
    // built are visible. Those of others that they lead to were acquired with the version.
    // On failure nothing was published.
    fn remove_top(&self, guard: &Guard, version: Tree<'_, T>) {
        let mut attempt = Attempt::new(&self.domain, guard);
        let (Some(item), Some((_, left, right))) = (version.item(), version.open()) else { return };
        let mut panic: Option<Box<dyn Any + Send>> = None;
        let next = attempt.merge(left, right, |one, other| {
            catch_unwind(AssertUnwindSafe(|| one.is_above_item(other))).unwrap_or_else(|payload| {
                panic.get_or_insert(payload);
                one.is_older(other)
            })
        });
        let (ok, err) = (ord("priority.remove", Ordering::Release), Ordering::Relaxed);
        if self.root.compare_exchange(version.link, next, ok, err).is_err() {
            return;
        }
        // SAFETY: the exchange replaced the version that the attempt walked through.
        unsafe { attempt.succeed() };
        // SAFETY: we unlinked the top, so later pins reach neither it nor its item; once.
        unsafe { guard.retire(&self.domain, version.link) };
        // SAFETY: as above; a node at the top holds its item alone.
        unsafe { guard.retire(&self.domain, item) };
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}

impl<T: Ord> Sealed<T> for Priority<T> {
    fn new() -> Self {
        Self { root: AtomicPtr::new(ptr::null_mut()), domain: Domain::new() }
    }

    // Ordering(priority.put): Release; pairs with Ordering(priority.root): as
    // Ordering(priority.remove), and the item.
    fn push(
        &self,
        admit: impl Fn() -> Option<u64>,
        _admitted: impl Fn() -> u64,
        value: &mut Option<T>,
    ) -> bool {
        let Some(number) = admit() else { return false };
        let new = Unshared::new(&self.domain, number, value);
        let guard = pin();
        let mut attempt = Attempt::new(&self.domain, &guard);
        loop {
            let version = self.version(&guard);
            let next = attempt.insert(version, new.as_ptr(), |item| new.is_below(item));
            let (ok, err) = (ord("priority.put", Ordering::Release), Ordering::Relaxed);
            if self.root.compare_exchange(version.link, next, ok, err).is_ok() {
                break;
            }
            attempt.fail();
        }
        new.shared();
        // SAFETY: the exchange replaced the version that the attempt walked through.
        unsafe { attempt.succeed() };
        true
    }

    fn pop(&self, _void: impl Fn()) -> Option<T> {
        let guard = pin();
        loop {
            let version = self.version(&guard);
            let (top, ..) = version.open().expect("an item was promised");
            match top.claim() {
                Claim::Taken(value) => return Some(value),
                Claim::InUse => return None,
                Claim::Gone => self.remove_top(&guard, version),
            }
        }
    }
}

impl<T> Drop for Priority<T> {
    fn drop(&mut self) {
        // Ordering(priority.drop): Relaxed. `&mut self` has been ordered after all uses.
        let mut links = vec![self.root.load(Ordering::Relaxed)];
        // A left spine may be as long as the queue: no recursion.
        while let Some(link) = links.pop() {
            if link.is_null() {
                continue;
            }
            // SAFETY: exclusive; linked nodes are live.
            let node = unsafe { Managed::get(link) };
            // SAFETY: as above, and so are their items.
            let item = unsafe { Managed::get(node.item) };
            // SAFETY: exclusive; each node has an item of its own and is visited once.
            unsafe { item.drop_value() };
            // SAFETY: as above; its value was taken or dropped.
            unsafe { self.domain.free(node.item) };
            links.extend([node.left, node.right]);
            // SAFETY: as above; its links have been read.
            unsafe { self.domain.free(link) };
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
