//! Who waits for a source: one waiter inline per direction, and any number of others.
//!
//! Most sources are waited for by one task per direction. QUIC endpoints, upgraded HTTP
//! connections and shared listeners are not. An event wakes *all* waiters of its direction: so
//! none of them has to hand an event on when it is dropped, and nothing is lost with it.
//!
//! # The list
//!
//! The waiters beyond the inline two are kept in nodes on a list that only grows. A node is
//! claimed by one future and freed by it, then claimed by the next: the list is as long as there
//! were futures waiting at one time, even if each of a million futures is dropped while it waits.
//! Nodes live as long as the record they hang on, and records are never freed before their
//! poller. Therefore a thread that walks the list needs no protection, and the last user of a
//! record leaves its nodes to the next.
//!
//! ```text
//!   node.interest:  FREE --1 claim--> READ or WRITE --2 release--> FREE
//! ```
//! A walk that meets a node just released or claimed anew finds no waker in it or one that need
//! not be woken: waking too many is allowed, waking too few is not. Whoever armed the readiness
//! word before the event that walks has its node and its waker seen by that walk.
//!
//! # Progress
//!
//! `claim` is lock-free (the exchange of the list's head), `release` wait-free. A walk ends after
//! the nodes that were there when it began.
use std::ptr::{self, NonNull};
use std::task::Waker;

use corio_sync::shim::atomic::{AtomicPtr, AtomicU8};
use corio_sync::shim::{Ordering, ord};

use super::readiness::Direction;
use super::waker_cell::WakerCell;
use crate::quiet::drop_quietly;
use Ordering::{Acquire, Relaxed, Release};

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

const FREE: u8 = 0;

const fn interest(direction: Direction) -> u8 {
    match direction {
        Direction::Read => 1,
        Direction::Write => 2,
    }
}

/// A waiter's place on the list.
#[derive(Debug)]
pub(super) struct Node {
    interest: AtomicU8,
    pub(super) cell: WakerCell,
    /// Written before the node is published, never after.
    next: *const Node,
}

/// See the module's documentation.
///
/// # Safety
///
/// The nodes reachable from `head` are boxes that this list owns. They are freed when the list is
/// dropped and not before.
#[derive(Debug)]
pub(super) struct Waiters {
    inline: [WakerCell; 2],
    head: AtomicPtr<Node>,
}

// SAFETY: a node's fields but `next` are atomics and cells meant for sharing, and `next` does not
// change once the node is published.
unsafe impl Send for Waiters {}
// SAFETY: as above.
unsafe impl Sync for Waiters {}

impl Waiters {
    pub(super) fn new() -> Self {
        Self { inline: [WakerCell::new(), WakerCell::new()], head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The inline cell of a direction. The last task to register in it is the one woken.
    pub(super) fn inline(&self, direction: Direction) -> &WakerCell {
        match direction {
            Direction::Read => &self.inline[0],
            Direction::Write => &self.inline[1],
        }
    }

    /// Claims a node for one future. It stays valid as long as the list.
    pub(super) fn claim(&self, direction: Direction) -> NonNull<Node> {
        for node in self.nodes() {
            // Ordering(waiters.claim): Acquire; pairs with Ordering(waiters.release). The last
            // user's `take` comes before our waker; without it that `take` might come after, and
            // drop the waker of the new user. Not killable: loom executes in program order and
            // never lets the store of FREE overtake the exchanges before it.
            let order = ord("waiters.claim", Acquire);
            let claimed = node.interest.compare_exchange(FREE, interest(direction), order, Relaxed);
            if claimed.is_ok() {
                return NonNull::from(node);
            }
        }
        self.push(direction)
    }

    /// Frees a node that [`claim`](Self::claim) returned, with the waker in it.
    pub(super) fn release(node: &Node) {
        let waker = node.cell.take();
        // Ordering(waiters.release): Release; pairs with Ordering(waiters.claim), see there.
        // Not killable: for the same reason.
        node.interest.store(FREE, ord("waiters.release", Release));
        // This runs while a future is dropped, maybe by a panic: the waker's own must not join in.
        drop_quietly(waker);
    }

    /// Takes the wakers of one direction out and gives them to `wake`, which may run user code.
    pub(super) fn take(&self, direction: Direction, mut wake: impl FnMut(Waker)) {
        self.inline(direction).take().map(&mut wake);
        for node in self.nodes() {
            // Relaxed: a waiter whose arming this event found is visible through that. Of the
            // others it does not matter what we see.
            if node.interest.load(Relaxed) == interest(direction) {
                node.cell.take().map(&mut wake);
            }
        }
    }

    /// How many nodes there are, claimed or not.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.nodes().count()
    }

    #[cold]
    fn push(&self, direction: Direction) -> NonNull<Node> {
        let node = Box::into_raw(Box::new(Node {
            interest: AtomicU8::new(interest(direction)),
            cell: WakerCell::new(),
            next: ptr::null(),
        }));
        // Relaxed: the exchange below reads the head again.
        let mut head = self.head.load(Relaxed);
        loop {
            // SAFETY: the node is ours until the exchange publishes it.
            unsafe { (*node).next = head };
            // Ordering(waiters.push): Release; pairs with Ordering(waiters.walk). Who walks finds
            // the node complete. The nodes behind it were published by exchanges before: this
            // one continues their release sequences.
            let order = ord("waiters.push", Release);
            match self.head.compare_exchange(head, node, order, Relaxed) {
                // SAFETY: the node comes from a box.
                Ok(_) => return unsafe { NonNull::new_unchecked(node) },
                Err(now) => head = now,
            }
        }
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> {
        // Ordering(waiters.walk): Acquire; pairs with Ordering(waiters.push).
        let head = self.head.load(ord("waiters.walk", Acquire)).cast_const();
        // SAFETY: published nodes are complete and live as long as `self`.
        let mut next = unsafe { head.as_ref() };
        std::iter::from_fn(move || {
            let node = next?;
            // SAFETY: as above.
            next = unsafe { node.next.as_ref() };
            Some(node)
        })
    }
}

impl Drop for Waiters {
    fn drop(&mut self) {
        // Relaxed: whoever shared this has let go of it, which synchronizes.
        let mut next = self.head.load(Relaxed);
        while !next.is_null() {
            // SAFETY: the list owns its nodes, and nobody can walk it any more.
            let node = unsafe { Box::from_raw(next) };
            next = node.next.cast_mut();
        }
    }
}
