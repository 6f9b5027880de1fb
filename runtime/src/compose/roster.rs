//! Who belongs to a task group, how many are left, and whether it is to stop: one word.
//!
//! A child is admitted, the group told to stop and the group closed by one read-modify-write each,
//! so none of them can miss another.
//!
//! ```text
//! bit 0       CLOSED   the group's future looks no more: it has no child left, or was dropped
//! bit 1       ABORT    a child failed, the body failed, or somebody called `cancel`
//! bit 2       ENDING   the body has ended: the group waits for its children, and takes more only as long as
//!                      one is left
//! bits 3-21   who is adding a child: admitted, and perhaps not in the group's list
//! bits 22-57  children that have not left; a child leaves when its body is gone
//! bits 58-63  children that were added, modulo 64
//!
//!   admit   1   adding and children + 1, unless CLOSED or ABORT, or ENDING and nobody is left
//!   added   2   adding - 1, added + 1, the child is in the list now; wakes the group if that may have
//!               missed it, or has waited for it, and with every 64th. True: the group is gone, the
//!               list is the caller's to stop
//!   leave   3   children - 1; wakes the group if none is left, and where the count is a power of two
//!   abort   4   ABORT; wakes the group, if it is not the group itself that stops
//!   close   5   CLOSED, if nobody is adding and no child is left; else ENDING
//!   abandon 6   CLOSED and ABORT, whatever the counts
//!   heard   7   children - 1, in a turn of a single loop: asyncio's groups hear of an end by a callback.
//!               Wakes the group if none is left and it waits for that. True: as with `added`
//! ```
//! Edges 1 to 4 and 7 are anybody's, 5 and 6 the group's own. The group leaves its waker before it looks; so
//! it sees what came before, or is woken for it. Every edge is lock-free, 2 to 4, 6 and 7 are wait-free but
//! for the waking.
//!
//! A group whose body waits has nothing to do for a child that leaves, but for forgetting it: its list
//! keeps the memory of those that have ended. So it is woken when the list has grown by 64, or the count
//! has fallen by half, and looks whether many have ended; in between the list has at most 80 more than
//! four for each child that is left. Rejected: a wake for each that leaves, which is a poll of the whole
//! group, and of what else its task does.
//!
//! On a single loop such a wake would come before one that the body waits for, and take its place. There the
//! list stays with those that are heard of, which forget in their turns; the group takes it to end, or to
//! stop. Who has the list in hand puts it back before it leaves: so it finds, as who adds a child does, that
//! the group is gone, or was told to stop and has perhaps seen too few.
//!
//! A group that has closed finds all its children in its list, so it can see of each that it is done:
//! a child leaves inside its last poll, a moment before its task has a result. Rejected: leaving when
//! the task is done, which costs every task that ends a look whether it is somebody's child, and who
//! awaits a child would then still find it counted.

use std::task::Waker;

use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicU64;
use corio_sync::shim::{mutant, ord};
use corio_sync::waker_slot::WakerSlot;

const CLOSED: u64 = 1;
const ABORT: u64 = 1 << 1;
const ENDING: u64 = 1 << 2;
/// One for each call that adds a child; calls are as many as threads, but for those that nest.
const ADDING: u64 = 1 << 3;
const CHILD: u64 = 1 << 22;
/// One for each child that was added. The count is the highest, so that it wraps around.
const ADDED: u64 = 1 << 58;
/// Who is adding, and who has not left.
const LEFT: u64 = ADDED - ADDING;

/// The word of one group; see the module.
#[derive(Debug)]
pub(crate) struct Roster {
    word: AtomicU64,
    group: WakerSlot,
}

impl Roster {
    pub(crate) fn new() -> Self {
        Self { word: AtomicU64::new(0), group: WakerSlot::new() }
    }

    fn load(&self) -> u64 {
        // Ordering(roster.load): Acquire; pairs with Ordering(roster.added): who sees a flag that
        // was set after a child was added finds the child in the list. Not killable: see there.
        self.word.load(ord("roster.load", Acquire))
    }

    /// Children that have not left.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(children(self.load())).unwrap_or(usize::MAX)
    }

    /// True if the group is to stop.
    pub(crate) fn is_aborted(&self) -> bool {
        self.load() & ABORT != 0
    }

    /// True if the group has no child left, or is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.load() & CLOSED != 0
    }

    /// The group leaves its waker, and looks afterwards.
    pub(crate) fn watch(&self, waker: &Waker) {
        self.group.register(waker);
    }

    /// Edge 1. Admits a child, unless the group is stopping or has none left to wait for. The caller owes
    /// [`Roster::added`].
    pub(crate) fn admit(&self) -> bool {
        // Ordering: Relaxed; a child that is counted has yet to do something, and what it does is
        // seen by its end.
        let mut old = self.word.load(Relaxed);
        loop {
            if old & (CLOSED | ABORT | ENDING) != 0 {
                let waits = old & (CLOSED | ABORT) == 0 && old & LEFT != 0;
                if !waits {
                    return false;
                }
            }
            // Ordering: Relaxed; as above.
            match self.word.compare_exchange_weak(old, old + (CHILD + ADDING), Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
    }

    /// Edge 2. A child that was admitted is in the list, or there is none after all. The group is woken
    /// if it was told to stop, because it has perhaps not seen the child, and if it may have waited for
    /// nothing but this. True if it is gone: then the caller stops what is in the list.
    ///
    /// `forgets`: the group need not look how long its list is, its children do that in their turns.
    #[must_use = "nobody else stops what is in the list of a group that is gone"]
    pub(crate) fn added(&self, forgets: impl FnOnce() -> bool) -> bool {
        // Ordering(roster.added): Release; pairs with Ordering(roster.load),
        // Ordering(roster.abandon) and Ordering(roster.close): of two exchanges on one word one comes
        // first, so this sees the flag, or who sees the flag sees the child.
        // Not killable: the list is taken by an exchange, which in loom reads what was pushed
        // before it in the execution; only C11's orders of two words may disagree.
        let old = self.word.fetch_add(ADDED - ADDING, ord("roster.added", Release));
        let stops = old & ABORT != 0 && !mutant("roster.added_late");
        let last = children(old) == 0 && !mutant("roster.added_last");
        if stops || last || old / ADDED == u64::MAX / ADDED && !forgets() {
            self.group.wake();
        }
        old & CLOSED != 0 && !mutant("roster.added_to_nobody")
    }

    /// Edge 3. A child's body is gone.
    pub(crate) fn leave(&self) {
        // Ordering(roster.leave): Release; pairs with Ordering(roster.close): who closes the group
        // sees what its children have left behind.
        let old = self.word.fetch_sub(CHILD, ord("roster.leave", Release));
        let left = children(old) - 1;
        if left & left.wrapping_sub(1) == 0 && !mutant("roster.leaves_silently") {
            self.group.wake();
        }
    }

    /// Edge 7. The group hears that a child has ended, in a turn of a single loop. `sorted`: the caller has
    /// had the list in hand, and has put it back. True if the group is gone: then the caller stops what is
    /// in the list.
    #[must_use = "nobody else stops what is in the list of a group that is gone"]
    pub(crate) fn heard(&self, sorted: bool) -> bool {
        // Ordering(roster.heard): Release; pairs with Ordering(roster.close), as for a child that leaves; and
        // with Ordering(roster.abandon), as for one that was added.
        let old = self.word.fetch_sub(CHILD, ord("roster.heard", Release));
        let last = children(old) == 1 && old & ENDING != 0 && !mutant("roster.heard_silently");
        let stops = sorted && old & ABORT != 0 && !mutant("roster.sorts_silently");
        if last || stops {
            self.group.wake();
        }
        old & CLOSED != 0 && !mutant("roster.sorts_for_nobody")
    }

    /// Edge 4. Asks the group to stop; its own poll does it.
    pub(crate) fn abort(&self) {
        self.stop();
        if !mutant("roster.aborts_silently") {
            self.group.wake();
        }
    }

    /// As [`abort`](Self::abort), in the group's own poll, which looks afterwards: it need not be woken, and
    /// on a single loop it must not be, for that would take the place of another wake.
    pub(crate) fn stop(&self) {
        // Ordering: Relaxed; the flag stands for itself: an error that goes with it is read when the
        // group is closed.
        self.word.fetch_or(ABORT, Relaxed);
    }

    /// Edge 6. The group's future is dropped: what is in the list is its to stop, what comes into it
    /// later that of who adds it.
    pub(crate) fn abandon(&self) {
        // Ordering(roster.abandon): Acquire; pairs with Ordering(roster.added) and
        // Ordering(roster.heard): a child that was added or put back before is found in the list.
        // Not killable: see there.
        self.word.fetch_or(CLOSED | ABORT, ord("roster.abandon", Acquire));
    }

    /// Edge 5. Ends the group, whose body has ended, if no child is left, and none is being added.
    pub(crate) fn close(&self) -> bool {
        // Ordering: Relaxed; the exchange below validates it.
        let mut old = self.word.load(Relaxed);
        loop {
            let ends = old & LEFT == 0 || mutant("roster.closes_early");
            let flag = if ends { CLOSED } else { ENDING };
            if old & flag != 0 {
                return ends;
            }
            // Ordering(roster.close): Acquire; pairs with Ordering(roster.leave) and
            // Ordering(roster.heard): the group reads what its children have left behind; and with
            // Ordering(roster.added): it finds them all in its list.
            let order = ord("roster.close", Acquire);
            match self.word.compare_exchange_weak(old, old | flag, order, Relaxed) {
                Ok(_) => return ends,
                Err(now) => old = now,
            }
        }
    }
}

/// How many have not left, by the word.
const fn children(word: u64) -> u64 {
    (word & LEFT) / CHILD
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
