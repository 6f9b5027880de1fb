//! Nodes that were used and wait to be used again: a few for each thread.
//!
//! A task that awaits another one needs a node for as long as it waits, so nodes come and go as
//! often as joins do. A node may be freed on another thread than the one that made it; each thread
//! keeps what is freed on it.

use std::cell::Cell;

use super::node::NodeRef;

/// Nodes that a thread keeps: enough for a burst of joins, some 4 KiB.
const SPARE_MAX: u8 = 32;

thread_local! {
    static SPARE: Spare = const { Spare { first: Cell::new(None), len: Cell::new(0) } };
}

struct Spare {
    first: Cell<Option<NodeRef>>,
    len: Cell<u8>,
}

/// A node that was used before.
#[inline]
pub(super) fn take() -> Option<NodeRef> {
    let taken = SPARE.try_with(|spare| {
        let node = spare.first.get()?;
        spare.first.set(node.next.get());
        spare.len.set(spare.len.get() - 1);
        Some(node)
    });
    taken.ok().flatten()
}

/// Keeps a node, or frees it if there are enough.
///
/// # Safety
///
/// Nobody uses the node any more, and it is unlinked.
#[inline]
pub(super) unsafe fn keep(node: NodeRef) {
    let kept = SPARE.try_with(|spare| {
        if spare.len.get() == SPARE_MAX {
            return false;
        }
        node.next.set(spare.first.replace(Some(node)));
        spare.len.set(spare.len.get() + 1);
        true
    });
    if kept != Ok(true) {
        // SAFETY: passed on.
        unsafe { node.deallocate() };
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        while let Some(node) = self.first.get() {
            self.first.set(node.next.get());
            // SAFETY: the node is the list's alone.
            unsafe { node.deallocate() };
        }
    }
}
