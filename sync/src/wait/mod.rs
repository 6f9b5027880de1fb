//! The waiter-queue core: what every primitive of this crate waits on.
//!
//! *Vocabulary.* A **waiter** takes a **place** in a queue and leaves its waker there. A **granter**
//! claims places in FIFO order and grants each; a place whose waiter has **left** (its future was
//! dropped) refuses the grant. A grant may arrive before the waiter does, and is then found there.
//!
//! *Invariants.*
//! - Every place is granted at most once, in the order of the places.
//! - A grant is collected by the place's waiter, refused because the waiter had left, or handed on
//!   by a waiter that leaves after the grant came. It is never lost.
//! - No thread ever waits for another; wakers are cloned, woken and dropped outside of every guard
//!   and claimed state, so they may panic or come back.
//!
//! *Layers.*
//! [`reclaim`] when memory may go, and `pool` where it goes; [`segment`] a run of cells and the word that keeps it;
//! [`list`] the infinite array; [`cell`] one place; [`queue`] the array of places, made lazily;
//! [`permits`] one permit with waiters; [`seats`] seats for parties that come to stay; [`line`](mod@line) a word that gives out the places itself; [`weighted`] a counter whose waiters want more than one; [`room`] one whose waiters want one each, with a seat for the first.
//!
//! *Bounded memory.* A queue keeps at most two segments plus about twice those with a live waiter;
//! places that were left are freed in runs, while no thread is stalled inside a sweep or a pin.
//!
//! *Rejected.* A mutex around an intrusive list (tokio, event-listener): not lock-free. A LIFO
//! stack reversed by the holder (folly, cppcoro): places that were left stay until the unlock.
//! Delegation to whoever holds the word (saa): a stalled delegate delays everybody, and dropping a
//! waiter may have to wait. Kotlin's `BufferedChannel`: five spin-waits in its slow paths.

pub(crate) mod cell;
pub(crate) mod line;
pub(crate) mod list;
pub(crate) mod permits;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod reclaim;
pub(crate) mod room;
pub(crate) mod seats;
pub(crate) mod segment;
pub(crate) mod wakers;
pub(crate) mod weighted;

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
