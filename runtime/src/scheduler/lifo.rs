//! The slot for the task that runs next.
//!
//! A task that the running task wakes goes here: it finds the cache warm, and a pair of tasks that
//! talk to each other needs no queue. The slot lies on the owner's line. A push into an empty slot
//! wakes nobody.
//!
//! # Protocol
//!
//! ```text
//! owner push   empty as the owner sees it: plain store       wait-free
//!              otherwise: swap, what it displaces goes to the queue
//! owner pop    non-null as the owner sees it: swap(null)     wait-free
//! thief steal  exchange(what it saw -> null)                 lock-free
//! ```
//!
//! **Only the owner puts.** A thief turns a task into null and does nothing else. So once the owner
//! has seen null, the slot is null until the owner's own next store, and the plain store overwrites
//! nothing: a thief's exchange either comes before it and fails, or after it and takes the new task.
//! The owner's Relaxed load can be stale in one direction only. By coherence it sees its own last
//! store or something newer, that is, null from a thief. A task that it still sees although a thief
//! took it sends it down the path of the swap, which tells the truth.
//!
//! **A task leaves once.** Owner and thief both take by a read-modify-write, so one of them gets
//! it. A thief may see a task, sleep, and find the same address again since the task ran and was
//! put once more: then it takes it rightly.
//!
//! **Stealing is safe at all times**, not only while the owner is stuck. Thieves ask the owner's
//! `hog` flag first (see [`hog`](super::hog)) since a steal from a worker that is about to run the
//! slot costs the warm cache and the owner's line; but the flag may be stale, and nothing above
//! depends on it.
//!
//! The owner's role may move to another thread (a worker's core that is handed over); the hand-over
//! must order the old owner's accesses before the new owner's.
//!
//! # Rejected
//!
//! - A slot that thieves never touch, as tokio has it: a task whose waker runs long is then out of
//!   everybody's reach (tokio#4941).
//! - A slot that thieves may take from freely: wakes for pushes into it cost more than it saves
//!   (tokio#8065, reverted by tokio#8100).
//! - A swap for the thief: it would write null over null after the owner's pop. That is as safe, but
//!   the checker orders a foreign write that nobody reads and the owner's plain store both ways.
//! - Plain loads and stores for the owner and a process-wide barrier for the thief: both may then
//!   hold the task, which needs a second word to decide.

use corio_sync::shim::atomic::{AtomicPtr, Ordering::*};
use corio_sync::shim::{mutant, ord};
use std::ptr::{NonNull, null_mut};

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

/// Room for one task: only the owner puts, owner and thieves take.
#[derive(Debug)]
pub(crate) struct LifoSlot<T> {
    slot: AtomicPtr<T>,
}

impl<T> LifoSlot<T> {
    /// An empty slot.
    pub(crate) fn new() -> Self {
        Self { slot: AtomicPtr::new(null_mut()) }
    }

    /// Whether the slot is empty: exact for the owner unless a thief is at work, else a hint.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // Relaxed: no decision rests on it but where to look next.
        self.slot.load(Relaxed).is_null()
    }

    /// Owner only: puts `task` and returns the task that it displaces.
    #[inline]
    #[must_use = "the displaced task goes to the queue"]
    pub(crate) fn push(&self, task: NonNull<T>) -> Option<NonNull<T>> {
        // Relaxed: the owner asks for what it put itself, see the protocol.
        if self.slot.load(Relaxed).is_null() || mutant("lifo.push_blind") {
            // Ordering(lifo.push_store): Release; pairs with Ordering(lifo.steal). The task becomes
            // visible to its thief; without it the thief would run what it cannot see.
            self.slot.store(task.as_ptr(), ord("lifo.push_store", Release));
            return None;
        }
        // Ordering(lifo.push_swap): Release; pairs with Ordering(lifo.steal), as above. No Acquire:
        // what it displaces the owner put there itself.
        NonNull::new(self.slot.swap(task.as_ptr(), ord("lifo.push_swap", Release)))
    }

    /// Owner only: takes the task that runs next.
    #[inline]
    pub(crate) fn pop(&self) -> Option<NonNull<T>> {
        // Relaxed, both: the owner takes what it put itself; the RMW alone decides against thieves.
        let seen = self.slot.load(Relaxed);
        if seen.is_null() {
            return None;
        }
        if mutant("lifo.pop_swap") {
            self.slot.store(null_mut(), Relaxed);
            return NonNull::new(seen);
        }
        NonNull::new(self.slot.swap(null_mut(), Relaxed))
    }

    /// A thief takes the task of an owner that is stuck in a poll.
    ///
    /// Called when the owner's `hog` flag is set; safe at any time.
    pub(crate) fn steal(&self) -> Option<NonNull<T>> {
        // Relaxed: a guess what the exchange will find.
        let mut seen = self.slot.load(Relaxed);
        while !seen.is_null() {
            // Ordering(lifo.steal): Acquire; pairs with Ordering(lifo.push_store) and
            // Ordering(lifo.push_swap). The task's contents become visible; without it the thief
            // would run what it cannot see.
            let order = ord("lifo.steal", Acquire);
            match self.slot.compare_exchange_weak(seen, null_mut(), order, Relaxed) {
                Ok(_) => return NonNull::new(seen),
                Err(now) => seen = now,
            }
        }
        None
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn the_newest_task_runs_next_and_displaces_the_older() {
        let (mut a, mut b) = (1, 2);
        let (a, b) = (NonNull::from(&mut a), NonNull::from(&mut b));
        let slot = LifoSlot::new();
        assert!(slot.is_empty());
        assert_eq!(slot.push(a), None);
        assert_eq!(slot.push(b), Some(a));
        assert_eq!(slot.pop(), Some(b));
        assert_eq!(slot.pop(), None);
        assert_eq!(slot.push(a), None);
        assert_eq!(slot.steal(), Some(a));
        assert_eq!(slot.steal(), None);
        assert_eq!(slot.pop(), None);
    }
}
