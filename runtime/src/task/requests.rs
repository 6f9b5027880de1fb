//! What the cancels of a task have said: a list that cancellers push on and one taker empties.
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

/// The messages of the cancels of one task, latest first.
#[derive(Debug)]
pub(crate) struct Requests(AtomicPtr<Request>);

/// The message and place of one cancel.
#[derive(Debug)]
struct Request {
    said: Cancelled,
    next: *mut Request,
    /// Loom sees writing and reading here; elsewhere it is nothing.
    watched: UnsafeCell<()>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Leaves what a cancel says; the cancel itself is counted afterwards.
    pub(crate) fn push(&self, msg: Option<Arc<str>>, at: &'static Location<'static>) {
        self.push_said(Cancelled::from_parts(msg, Some(at)).with_origin(FROM_TASK));
    }

    /// Leaves a cancel that was taken and comes back.
    pub(crate) fn push_said(&self, said: Cancelled) {
        let watched = UnsafeCell::new(());
        watched.with_mut(|_| ());
        let node = Box::into_raw(Box::new(Request { said, next: ptr::null_mut(), watched }));
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

    /// Takes all of them and gives the first.
    pub(crate) fn take_first(&self) -> Option<Cancelled> {
        // Ordering(requests.take): Acquire; pairs with Ordering(requests.push): the nodes are read as
        // they were written. A pusher that compares with an address which was freed and is used
        // again links to what lies there now, and its own push goes on the release sequence.
        let mut node = self.0.swap(ptr::null_mut(), ord("requests.take", Acquire));
        let mut first = None;
        while !node.is_null() {
            // SAFETY: the swap made the list this thread's alone, and each node came from a box.
            let request = unsafe { Box::from_raw(node) };
            request.watched.with_mut(|_| ());
            if first.is_none() || !mutant("requests.take_keeps_last") {
                first = Some(request.said);
            }
            node = request.next;
        }
        first
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        // Ordering: Relaxed; the list is dropped by its last user.
        if !self.0.load(Relaxed).is_null() {
            drop(self.take_first());
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
