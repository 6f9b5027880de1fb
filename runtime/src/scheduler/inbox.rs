//! Remote submissions to one worker.
//!
//! Pinned tasks, which only one worker may run, reach it from other threads through its inbox. Nodes
//! are the task headers themselves: a push allocates nothing.
//!
//! # The word
//!
//! ```text
//! bits above 0   address of the newest node, 0 if there is none
//! bit 0          CLOSED: no node enters any more
//!
//! address CLOSED  meaning                      edges
//!   0       0     open, empty                  1 push   address := node; link of node := old address
//!   node    0     open, filled                 2 drain  address := 0, CLOSED stays
//!   node    1     closed, not yet drained      3 close  CLOSED := 1, address stays
//!   0       1     closed for good
//! ```
//!
//! Each edge is one read-modify-write of this word, so each push comes either before the close, and
//! then its node is there to drain, or after it, and then it is refused: never both, never neither.
//!
//! The nodes hang together newest first, by the link word in each. The drain takes all of them at
//! once and turns the chain round: per producer, and between producers in the order of edge 1, they
//! come out first in, first out. A producer never reads another's node, so a node that is drained,
//! freed and pushed again at the same address while a producer holds the old address does no harm:
//! the address is the newest node again, which is all that the new link has to say.
//!
//! # Who wakes
//!
//! Only the producer that made the inbox non-empty wakes the worker
//! ([`notify_worker`](super::idle::IdleSet::notify_worker)). The others find its node there: the
//! drain that takes it takes theirs too. The price is that they depend on that producer: if it is
//! suspended between its push and its wake, a sleeping worker sleeps that much longer.
//!
//! # Progress
//!
//! Push is lock-free, with no allocation. Close and the taking of the chain are one read-modify-
//! write each: wait-free where the processor has it, a lock-free loop elsewhere; turning the chain
//! round takes time in its length.
//!
//! # Rejected
//!
//! - Vyukov's queue (swap the tail, then link): its consumer waits for a producer that has swapped
//!   and not yet linked.
//! - A sentinel for "the worker sleeps" in the same word, which would spare the fence of the wake:
//!   the worker also sleeps on its injector, siblings and timers, so the idle set must know anyway.
//! - A closed sentinel that replaces the chain: who closes would have to carry the nodes home.

use corio_sync::shim::atomic::{AtomicPtr, AtomicUsize, Ordering::*};
use corio_sync::shim::{mutant, ord};
use std::marker::PhantomData;
use std::ptr::{NonNull, with_exposed_provenance_mut};

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

/// Set once the inbox takes nothing more. Nodes lie at even addresses.
const CLOSED: usize = 1;

/// A node that can hang in an [`Inbox`].
///
/// # Safety
///
/// `link` returns, each time, the one link word of that node, and nodes lie at even addresses.
/// From a push until the drain yields the node, only the inbox writes that word.
pub(crate) unsafe trait Link {
    /// The link word of `node`: an even address or 0 while the node is in an inbox, 0 when it
    /// comes out.
    ///
    /// # Safety
    ///
    /// `node` is valid for `'a`.
    unsafe fn link<'a>(node: NonNull<Self>) -> &'a AtomicUsize;
}

/// A queue of many producers and one consumer, made of the nodes themselves.
#[derive(Debug)]
pub(crate) struct Inbox<T: Link> {
    word: AtomicUsize,
    /// Nodes pass between threads as raw pointers; [`push`](Self::push) asks for permission.
    nodes: PhantomData<AtomicPtr<T>>,
}

impl<T: Link> Inbox<T> {
    /// An open, empty inbox.
    pub(crate) fn new() -> Self {
        Self { word: AtomicUsize::new(0), nodes: PhantomData }
    }

    /// Edge 1: puts a node in, or returns it if the inbox is closed.
    ///
    /// `Ok(true)` obliges the caller to wake the worker: it made the inbox non-empty.
    ///
    /// # Safety
    ///
    /// The node is valid until the drain yields it, hangs in no other list, and may be used by the
    /// draining thread.
    pub(crate) unsafe fn push(&self, node: NonNull<T>) -> Result<bool, NonNull<T>> {
        let address = node.as_ptr().expose_provenance();
        debug_assert_eq!(address & CLOSED, 0, "a node at an odd address");
        // SAFETY: the caller keeps the node valid until it is drained, which is not before the
        // exchange below has succeeded.
        let link = unsafe { T::link(node) };
        // Relaxed, load and failure: an address to store, which is not followed.
        let mut seen = self.word.load(Relaxed);
        while seen & CLOSED == 0 || mutant("inbox.push_closed") {
            // Relaxed: published by the exchange.
            link.store(seen & !CLOSED, Relaxed);
            // Ordering(inbox.push): Release; pairs with Ordering(inbox.drain). The node and its
            // link become visible; without it the worker would follow links that are not yet
            // there. Pushes of others on top continue its release sequence.
            let order = ord("inbox.push", Release);
            match self.word.compare_exchange_weak(seen, address, order, Relaxed) {
                Ok(_) => return Ok(seen == 0),
                Err(now) => seen = now,
            }
        }
        Err(node)
    }

    /// Edge 2, for the worker: takes all nodes, oldest first.
    ///
    /// The iterator must be run to its end: nodes left in it are out of everybody's reach.
    pub(crate) fn drain(&self) -> Drain<T> {
        if self.is_empty() {
            return Drain { next: None };
        }
        // Ordering(inbox.drain): Acquire; pairs with Ordering(inbox.push). See there.
        let order = ord("inbox.drain", Acquire);
        let kept = if mutant("inbox.drain_reopens") { 0 } else { CLOSED };
        Drain { next: turn_round(node_at(self.word.fetch_and(kept, order))) }
    }

    /// Edge 3: refuses every later push; nodes that are in stay for the drain. True the first time.
    pub(crate) fn close(&self) -> bool {
        // Relaxed: the place among the changes of this word is all that counts; it carries nothing.
        self.word.fetch_or(CLOSED, Relaxed) & CLOSED == 0
    }

    /// Whether nothing is there to drain. The worker's last look before it sleeps: its fence and
    /// the producer's are those of the idle set.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // Relaxed: a hint, or ordered by the fence `idle.park`.
        self.word.load(Relaxed) & !CLOSED == 0
    }

    /// Whether pushes are refused.
    #[cfg(test)]
    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: a hint; the push decides.
        self.word.load(Relaxed) & CLOSED != 0
    }
}

/// The nodes of one drain, oldest first.
#[derive(Debug)]
#[must_use = "nodes that are not taken out are lost"]
pub(crate) struct Drain<T: Link> {
    next: Option<NonNull<T>>,
}

impl<T: Link> Iterator for Drain<T> {
    type Item = NonNull<T>;

    fn next(&mut self) -> Option<NonNull<T>> {
        let node = self.next?;
        // SAFETY: whoever pushed the node keeps it valid until it is yielded, which is below.
        let link = unsafe { T::link(node) };
        // Relaxed: the chain belongs to this thread alone.
        self.next = node_at(link.load(Relaxed));
        // Relaxed: no stale address stays behind for readers of the word.
        link.store(0, Relaxed);
        Some(node)
    }
}

impl<T: Link> Drop for Drain<T> {
    fn drop(&mut self) {
        debug_assert!(self.next.is_none() || std::thread::panicking(), "nodes left in a drain");
    }
}

/// The node at the address of a word, if there is one.
fn node_at<T>(word: usize) -> Option<NonNull<T>> {
    NonNull::new(with_exposed_provenance_mut(word & !CLOSED))
}

/// Reverses a chain that belongs to this thread alone; returns its oldest node.
fn turn_round<T: Link>(newest: Option<NonNull<T>>) -> Option<NonNull<T>> {
    let mut node = newest;
    let mut newer = 0;
    let mut oldest = None;
    while let Some(this) = node {
        // SAFETY: whoever pushed the node keeps it valid until the drain yields it.
        let link = unsafe { T::link(this) };
        // Relaxed, both: the drain made the chain visible and took it from everybody else.
        node = node_at(link.load(Relaxed));
        link.store(newer, Relaxed);
        newer = this.as_ptr().expose_provenance();
        oldest = Some(this);
    }
    oldest
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use super::*;

    struct Node {
        link: AtomicUsize,
        number: usize,
    }

    // SAFETY: the word is the node's own, and a struct with a usize lies at an even address.
    unsafe impl Link for Node {
        unsafe fn link<'a>(node: NonNull<Self>) -> &'a AtomicUsize {
            // SAFETY: the caller's promise.
            unsafe { &node.as_ref().link }
        }
    }

    fn nodes(count: usize) -> Vec<NonNull<Node>> {
        let node = |number| Box::new(Node { link: AtomicUsize::new(5), number });
        (0..count).map(|number| NonNull::from(Box::leak(node(number)))).collect()
    }

    fn number(node: NonNull<Node>) -> usize {
        // SAFETY: `nodes` leaked the box, and only the drain or a refusal hands it back, once.
        let node = unsafe { Box::from_raw(node.as_ptr()) };
        assert_eq!(node.link.load(Relaxed), 0, "a stale link stayed behind");
        node.number
    }

    fn push(inbox: &Inbox<Node>, node: NonNull<Node>) -> Result<bool, NonNull<Node>> {
        // SAFETY: `nodes` leaked the box; it is freed by `number` alone.
        unsafe { inbox.push(node) }
    }

    #[test]
    fn first_in_first_out_and_one_wake_per_filling() {
        let inbox = Inbox::new();
        for round in 0..2 {
            let wakes: Vec<_> = nodes(4).into_iter().map(|node| push(&inbox, node)).collect();
            assert_eq!(wakes, [Ok(true), Ok(false), Ok(false), Ok(false)], "round {round}");
            assert!(!inbox.is_empty());
            assert_eq!(inbox.drain().map(number).collect::<Vec<_>>(), [0, 1, 2, 3]);
            assert!(inbox.is_empty());
            assert_eq!(inbox.drain().count(), 0);
        }
    }

    #[test]
    fn a_closed_inbox_keeps_what_it_has_and_refuses_the_rest() {
        let inbox = Inbox::new();
        let nodes = nodes(3);
        assert_eq!(push(&inbox, nodes[0]), Ok(true));
        assert!(inbox.close());
        assert!(!inbox.close());
        assert_eq!(push(&inbox, nodes[1]), Err(nodes[1]));
        assert_eq!(inbox.drain().map(number).collect::<Vec<_>>(), [0]);
        assert_eq!(push(&inbox, nodes[2]), Err(nodes[2]), "a drain does not open it again");
        assert!(inbox.is_closed() && inbox.is_empty());
        for node in [nodes[1], nodes[2]] {
            // SAFETY: refused, so it is still ours; `nodes` leaked it.
            drop(unsafe { Box::from_raw(node.as_ptr()) });
        }
    }
}
