//! Who belongs to a task group, how many are left, and whether it is to stop: one word.
//!
//! A child is admitted, the group told to stop and the group closed by one read-modify-write each,
//! so none of them can miss another.
//!
//! ```text
//! bit 0  CLOSED   the group has ended; set only when no child is left
//! bit 1  ABORT    a child failed, the body failed, or somebody called `cancel`
//! rest   children that have not ended
//!
//!   admit 1   count + 1, unless CLOSED or ABORT
//!   added 2   the child is in the group's list now; true: the group may have missed it
//!   leave 3   count - 1; wakes the group
//!   abort 4   ABORT; wakes the group
//!   close 5   CLOSED, if the count is zero
//! ```
//! Edges 1 to 4 are anybody's, 5 is the group's own. The group leaves its waker before it looks; so
//! it sees what came before, or is woken for it. Every edge is lock-free, 2 to 4 are wait-free but
//! for the waking.

use std::task::Waker;

use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::{mutant, ord};
use corio_sync::waker_slot::WakerSlot;

const CLOSED: usize = 1;
const ABORT: usize = 1 << 1;
const CHILD: usize = 1 << 2;

/// The word of one group; see the module.
#[derive(Debug)]
pub(crate) struct Roster {
    word: AtomicUsize,
    group: WakerSlot,
}

impl Roster {
    pub(crate) fn new() -> Self {
        Self { word: AtomicUsize::new(0), group: WakerSlot::new() }
    }

    fn load(&self) -> usize {
        // Ordering(roster.load): Acquire; pairs with Ordering(roster.added): who sees a flag that
        // was set after a child was added finds the child in the list. Not killable: see there.
        self.word.load(Acquire)
    }

    /// Children that have not ended.
    pub(crate) fn len(&self) -> usize {
        self.load() / CHILD
    }

    /// True if the group is to stop.
    pub(crate) fn is_aborted(&self) -> bool {
        self.load() & ABORT != 0
    }

    /// True if the group has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.load() & CLOSED != 0
    }

    /// The group leaves its waker, and looks afterwards.
    pub(crate) fn watch(&self, waker: &Waker) {
        self.group.register(waker);
    }

    /// Edge 1. Admits a child, unless the group is ending.
    pub(crate) fn admit(&self) -> bool {
        // Ordering: Relaxed; a child that is counted has yet to do something, and what it does is
        // seen by its end.
        let mut old = self.word.load(Relaxed);
        loop {
            if old & (CLOSED | ABORT) != 0 {
                return false;
            }
            // Ordering: Relaxed; as above.
            match self.word.compare_exchange_weak(old, old + CHILD, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
    }

    /// Edge 2. A child that was admitted is in the list; the group is woken if it was told to stop,
    /// because it has perhaps not seen the child.
    pub(crate) fn added(&self) {
        // Ordering(roster.added): Release; pairs with Ordering(roster.load): of two exchanges on
        // one word one comes first, so this sees the flag, or who sees the flag sees the child.
        // Not killable: the list is taken by an exchange, which in loom reads what was pushed
        // before it in the execution; only C11's orders of two words may disagree.
        if self.word.fetch_or(0, Release) & ABORT != 0 && !mutant("roster.added_late") {
            self.group.wake();
        }
    }

    /// Edge 3. A child has ended.
    pub(crate) fn leave(&self) {
        // Ordering(roster.leave): Release; pairs with Ordering(roster.close): who closes the group
        // sees what its children have left behind.
        self.word.fetch_sub(CHILD, ord("roster.leave", Release));
        self.group.wake();
    }

    /// Edge 4. Asks the group to stop; its own poll does it.
    pub(crate) fn abort(&self) {
        // Ordering: Relaxed; the flag stands for itself: an error that goes with it is read when the
        // group is closed.
        self.word.fetch_or(ABORT, Relaxed);
        if !mutant("roster.aborts_silently") {
            self.group.wake();
        }
    }

    /// Edge 5. Ends the group if no child is left.
    pub(crate) fn close(&self) -> bool {
        // Ordering: Relaxed; the exchange below validates it.
        let mut old = self.word.load(Relaxed);
        while old < CHILD || mutant("roster.closes_early") {
            // Ordering(roster.close): Acquire; pairs with Ordering(roster.leave): the group reads
            // what its children have left behind.
            let order = ord("roster.close", Acquire);
            match self.word.compare_exchange_weak(old, old | CLOSED, order, Relaxed) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
        false
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
