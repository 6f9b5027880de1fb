//! The twin of `concurrent-queue` for models: an [`Inbox`] of boxes, with one consumer.
//!
//! It keeps what [`Callbacks`](super::Callbacks) relies on: first in, first out per producer, and a
//! push comes before the close and is popped, or after it and is refused.

use std::collections::VecDeque;
use std::ptr::NonNull;

use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::cell::UnsafeCell;

use crate::scheduler::inbox::{Inbox, Link};

pub(super) struct ConcurrentQueue<T> {
    inbox: Inbox<Node<T>>,
    /// What the consumer has drained. The consumer only.
    taken: UnsafeCell<VecDeque<T>>,
}

struct Node<T> {
    link: AtomicUsize,
    value: T,
}

// SAFETY: the word is the node's own, and a struct with a usize lies at an even address.
unsafe impl<T> Link for Node<T> {
    unsafe fn link<'a>(node: NonNull<Self>) -> &'a AtomicUsize {
        // SAFETY: the caller's promise.
        unsafe { &(*node.as_ptr()).link }
    }
}

// SAFETY: values go from their producers to the one consumer; loom watches its cell.
unsafe impl<T: Send> Sync for ConcurrentQueue<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for ConcurrentQueue<T> {}

impl<T> std::fmt::Debug for ConcurrentQueue<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConcurrentQueue")
    }
}

impl<T> ConcurrentQueue<T> {
    pub(super) fn unbounded() -> Self {
        Self { inbox: Inbox::new(), taken: UnsafeCell::new(VecDeque::new()) }
    }

    pub(super) fn is_empty(&self) -> bool {
        // SAFETY: only the consumer asks in models.
        self.inbox.is_empty() && self.taken.with(|taken| unsafe { (*taken).is_empty() })
    }

    pub(super) fn push(&self, value: T) -> Result<(), T> {
        let node = Box::new(Node { link: AtomicUsize::new(0), value });
        // SAFETY: the box is leaked until the drain yields it or the inbox refuses it.
        let pushed = unsafe { self.inbox.push(NonNull::from(Box::leak(node))) };
        pushed.map(|_| ()).map_err(take)
    }

    pub(super) fn pop(&self) -> Result<T, ()> {
        self.taken.with_mut(|taken| {
            // SAFETY: one thread pops.
            let taken = unsafe { &mut *taken };
            taken.extend(self.inbox.drain().map(take));
            taken.pop_front().ok_or(())
        })
    }

    pub(super) fn close(&self) {
        self.inbox.close();
    }
}

impl<T> Drop for ConcurrentQueue<T> {
    fn drop(&mut self) {
        self.inbox.drain().for_each(|node| drop(take(node)));
    }
}

fn take<T>(node: NonNull<Node<T>>) -> T {
    // SAFETY: `push` leaked the box, and it comes out once.
    unsafe { Box::from_raw(node.as_ptr()) }.value
}
