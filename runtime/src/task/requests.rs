//! Lists that many push on and one taker empties, and what the cancels of a task have said, which is
//! one.
//!
//! A message is pushed *before* its cancel is counted in the state word, so that whoever takes the
//! cancel finds it. The reverse does not hold: a message may lie here whose cancel is not counted
//! yet. A taker takes all of them and keeps the first; a cancel whose message went that way is
//! delivered with the message that went with it.
//!
//! Push is lock-free, taking is wait-free but for the walk through what was taken. There is no
//! reclamation problem: nodes are only ever reached by the one who has swapped the list out, or, by
//! a pusher, as an address to compare.

use std::panic::Location;
use std::ptr;
use std::sync::Arc;

use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicPtr;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{mutant, ord};

use crate::error::{Cancelled, FROM_TASK};

/// Values that were pushed and not taken, latest first.
#[derive(Debug)]
pub(crate) struct Pushed<T>(AtomicPtr<Node<T>>);

/// The messages of the cancels of one task.
pub(crate) type Requests = Pushed<Cancelled>;

#[derive(Debug)]
struct Node<T> {
    value: T,
    next: *mut Node<T>,
    /// Loom sees writing and reading here; elsewhere it is nothing.
    watched: UnsafeCell<()>,
}

// SAFETY: values are moved in by one thread and out by another; nothing is shared.
unsafe impl<T: Send> Send for Pushed<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Pushed<T> {}

impl<T> Pushed<T> {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    pub(crate) fn push(&self, value: T) {
        let watched = UnsafeCell::new(());
        watched.with_mut(|_| ());
        let node = Box::into_raw(Box::new(Node { value, next: ptr::null_mut(), watched }));
        // Ordering: Relaxed; the compare-exchange below validates it, and nobody reads through it.
        let mut first = self.0.load(Relaxed);
        loop {
            // SAFETY: the node is this thread's alone until the exchange succeeds.
            unsafe { (*node).next = first };
            // Ordering(requests.push): Release; pairs with Ordering(requests.take): the taker
            // finds the node as it was written.
            match self.0.compare_exchange_weak(first, node, ord("requests.push", Release), Relaxed)
            {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    /// True if nothing lies here: of any time, and exact for what the caller has seen pushed.
    pub(crate) fn is_empty(&self) -> bool {
        // Ordering: Relaxed; nothing is read through it.
        self.0.load(Relaxed).is_null()
    }

    /// Takes all of them and gives each to `f`, latest first.
    fn take_each(&self, mut f: impl FnMut(T)) {
        // Ordering(requests.take): Acquire; pairs with Ordering(requests.push): the nodes are read as
        // they were written. A pusher that compares with an address which was freed and is used
        // again links to what lies there now, and its own push goes on the release sequence.
        let mut node = self.0.swap(ptr::null_mut(), ord("requests.take", Acquire));
        while !node.is_null() {
            // SAFETY: the swap made the list this thread's alone, and each node came from a box.
            let pushed = unsafe { Box::from_raw(node) };
            pushed.watched.with_mut(|_| ());
            node = pushed.next;
            f(pushed.value);
        }
    }

    /// Takes all of them, first pushed first.
    pub(crate) fn take_all(&self) -> Vec<T> {
        let mut all = Vec::new();
        self.take_each(|value| all.push(value));
        all.reverse();
        all
    }

    /// Takes all of them and gives the one that was pushed first.
    pub(crate) fn take_first(&self) -> Option<T> {
        let mut first = None;
        self.take_each(|value| {
            if first.is_none() || !mutant("requests.take_keeps_last") {
                first = Some(value);
            }
        });
        first
    }
}

impl Requests {
    /// Leaves what a cancel says; the cancel itself is counted afterwards.
    pub(crate) fn push_said(&self, msg: Option<Arc<str>>, at: &'static Location<'static>) {
        self.push(Cancelled::from_parts(msg, Some(at)).with_origin(FROM_TASK));
    }
}

impl<T> Default for Pushed<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Pushed<T> {
    fn drop(&mut self) {
        if !self.is_empty() {
            drop(self.take_all());
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
