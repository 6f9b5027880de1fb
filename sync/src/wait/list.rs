//! The infinite array: an endless row of cells, kept as a list of segments.
//!
//! *Purpose.* Newcomers take positions at the back, granters at the front, each by one
//! read-modify-write of a counter; nobody ever waits for anybody. A cell may be granted before its
//! owner has arrived.
//!
//! *Source.* Koval, Khalanskiy, Alistarh: *CQS: A Formally-Verified Framework for Fair and
//! Abortable Synchronization* (PLDI 2023). What differs: memory is reclaimed by epochs instead of a
//! collector, and segments whose owners all left are unlinked by one sweeper at a time. Kotlin's
//! `ConcurrentLinkedList.remove` writes `prev.next` from several threads and repairs it later; a
//! removed node may be linked in again for a moment, which a garbage collector forgives and an
//! epoch does not.
//!
//! *Protocol.*
//! - An end pointer is read **before** its counter is moved, so that it never points beyond the
//!   position that the counter gave. Reading it after loses wake-ups.
//! - A segment that `head` skips over was swept: every owner in it left before its turn.
//! - Sweeping starts when dead segments are [`SWEEP_AT_LEAST`] and half of all live ones, so that
//!   a departure costs amortised constant time.
//!
//! *Progress.* Taking a position is lock-free (wait-free but for finding its segment and
//! moving the end, whose loops repeat only when another thread moved them). A thread stalled inside
//! a sweep delays reclamation, never a waiter or a granter.

use super::reclaim::{Domain, Guard, Managed, pin};
use super::segment::{Duty, End, Link, Segment, cells};
use crate::shim::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};
use crate::shim::{Ordering, mutant, ord};
use std::ptr;

/// The segment of a position, and its cell's index there.
#[inline]
fn place_of(position: u64) -> (u64, usize) {
    let cells = cells() as u64;
    (position / cells, (position % cells) as usize)
}

/// The position of a segment's first cell.
#[inline]
fn first_of<C>(segment: &Segment<C>) -> u64 {
    segment.id * cells() as u64
}

/// Fewer dead segments than this are not worth a walk.
const SWEEP_AT_LEAST: usize = 2;

/// A cell that its owner has taken and not yet finished with.
///
/// # Safety
///
/// While a `Position` exists its segment is not retired: its `DONE` is one short. Whoever took the
/// position gives it back exactly once, by [`List::finish`].
pub(crate) struct Position<C> {
    segment: Link<C>,
    index: usize,
}

impl<C> Position<C> {
    fn segment(&self) -> &Segment<C> {
        // SAFETY: `finish` has not been called (it consumes the position), so the segment lives.
        unsafe { Managed::get(self.segment) }
    }

    /// The cell.
    #[inline]
    pub(crate) fn cell(&self) -> &C {
        &self.segment().cells[self.index]
    }

    /// The position in the infinite array.
    pub(crate) fn number(&self) -> u64 {
        first_of(self.segment()) + self.index as u64
    }
}

/// The cell whose turn it is, found without claiming it.
pub(crate) struct Front<'g, C> {
    pub(crate) number: u64,
    pub(crate) cell: &'g C,
    segment: Link<C>,
}

/// The infinite array.
///
/// What is written once per segment comes first, and `claimed`, which is written for each cell,
/// last. Whoever has many owners and granters at once puts the list at the begin of a cache line,
/// so that granters leave the line alone that newcomers read.
#[repr(C)]
pub(crate) struct List<C> {
    tail: AtomicPtr<Managed<Segment<C>>>,
    head: AtomicPtr<Managed<Segment<C>>>,
    /// Dead segments that became so since the last sweep.
    dead: AtomicUsize,
    /// Segments linked and not yet retired; only steers the sweep.
    live: AtomicUsize,
    sweeping: AtomicBool,
    /// For models: used by each sweeper, which must see what the last one did.
    #[cfg(any(corio_loom, corio_shuttle))]
    sweeper: crate::shim::Witness<()>,
    domain: Domain,
    apart: [u8; 24],
    /// Positions whose turn has come.
    claimed: AtomicU64,
}

// SAFETY: segments are shared by protocol; cells cross threads when C may.
unsafe impl<C: Send + Sync> Send for List<C> {}
// SAFETY: as above.
unsafe impl<C: Send + Sync> Sync for List<C> {}

impl<C: Default> List<C> {
    /// A list with its first segment.
    pub(crate) fn new() -> Self {
        let domain = Domain::new();
        let first = domain.alloc(Segment::new(0, 2));
        Self {
            tail: AtomicPtr::new(first),
            head: AtomicPtr::new(first),
            dead: AtomicUsize::new(0),
            live: AtomicUsize::new(1),
            sweeping: AtomicBool::new(false),
            #[cfg(any(corio_loom, corio_shuttle))]
            sweeper: crate::shim::Witness::new(()),
            domain,
            apart: [0; 24],
            claimed: AtomicU64::new(0),
        }
    }

    /// Takes the position that `take` draws from its counter, or none if it declines.
    ///
    /// `take` must draw each position once, in order from 0, with one read-modify-write.
    // Ordering(wait.tail_load): Acquire; pairs with Ordering(wait.end_move) and
    // Ordering(wait.next_link): the segment's contents are visible before it is entered.
    #[inline]
    pub(crate) fn enter(&self, take: impl FnOnce() -> Option<u64>) -> Option<Position<C>> {
        let guard = pin();
        let load = || self.tail.load(ord("wait.tail_load", Ordering::Acquire));
        let mut start = load();
        let position = take()?;
        if mutant("wait.tail_after_take") {
            start = load();
        }
        let (id, index) = place_of(position);
        let segment = self.reach(&guard, End::Tail, start, id);
        Some(Position { segment, index })
    }

    /// Claims up to `most` positions below `limit` and shows each to `visit`, except those that
    /// were swept; false if all below `limit` had been claimed before.
    pub(crate) fn claim_below(&self, limit: u64, most: u64, mut visit: impl FnMut(&C)) -> bool {
        let guard = pin();
        let head = self.head_before_claim();
        // Ordering(wait.claimed_load): Relaxed. Only a guess that the exchange verifies.
        let mut first = self.claimed.load(Ordering::Relaxed);
        let end = loop {
            if first >= limit {
                return false;
            }
            let end = limit.min(first + most);
            // Ordering(wait.claim_range): Relaxed. Positions are only numbers; the cell's own
            // word orders what granter and owner tell each other.
            let (ok, err) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.claimed.compare_exchange_weak(first, end, ok, err) {
                Ok(_) => break end,
                Err(now) => {
                    // `head` may be read again: the new guess is at or beyond the old one.
                    first = now;
                }
            }
        };
        let mut position = first;
        let mut start = head;
        while position < end {
            start = self.find(&guard, start, place_of(position).0);
            // SAFETY: reached through links since the pin.
            let segment = unsafe { guard.get(start) };
            position = position.max(first_of(segment));
            while position < end && place_of(position).0 == segment.id {
                visit(&segment.cells[place_of(position).1]);
                position += 1;
            }
        }
        if position > end {
            // The run that was swept goes on behind our claim: skip it in one step.
            // Ordering(wait.claim_beyond): Relaxed. Only a number; on failure another granter
            // claimed behind us and the rest is its business.
            let (ok, err) = (Ordering::Relaxed, Ordering::Relaxed);
            let _ = self.claimed.compare_exchange(end, position.min(limit), ok, err);
        }
        if start != head {
            self.move_end(&guard, End::Head, start);
        }
        true
    }

    /// Claims the next position, whether or not its owner has come, and shows its cell. None if
    /// that was swept. Then the caller may have the rest of the run as well, or as much of it as
    /// `count_off` says; `count_again` tells it that another granter claimed behind it, so that
    /// the rest is that one's business.
    pub(crate) fn claim_counted<R>(
        &self,
        count_off: impl FnOnce(u64) -> u64,
        count_again: impl FnOnce(u64),
        visit: impl FnOnce(&C) -> R,
    ) -> Option<R> {
        let guard = pin();
        let mut start = self.head_before_claim();
        // Ordering(wait.claim): Relaxed. As in `claim_below`: only a number.
        let position = self.claimed.fetch_add(1, Ordering::Relaxed);
        if mutant("wait.head_after_claim") {
            start = self.head_before_claim();
        }
        let (id, index) = place_of(position);
        let found = self.reach(&guard, End::Head, start, id);
        // SAFETY: reached through links since the pin.
        let segment = unsafe { guard.get(found) };
        if segment.id == id {
            return Some(visit(&segment.cells[index]));
        }
        let behind = position + 1;
        let more = count_off(first_of(segment) - behind);
        // Ordering(wait.claim_skip): Relaxed. Only a number.
        let (ok, err) = (Ordering::Relaxed, Ordering::Relaxed);
        if more > 0 && self.claimed.compare_exchange(behind, behind + more, ok, err).is_err() {
            count_again(more);
        }
        None
    }

    /// Finds the cell whose turn it is; several threads may work on it.
    pub(crate) fn front<'g>(&self, guard: &'g Guard) -> Front<'g, C> {
        loop {
            let start = self.head_before_claim();
            // Ordering(wait.front): Relaxed. A number; the cell's word orders the rest.
            let number = self.claimed.load(Ordering::Relaxed);
            let (id, index) = place_of(number);
            let found = self.reach(guard, End::Head, start, id);
            // SAFETY: reached through links since the pin.
            let segment = unsafe { guard.get(found) };
            if segment.id == id {
                let cell = &segment.cells[index];
                return Front { number, cell, segment: found };
            }
            self.advance(number, first_of(segment));
        }
    }

    /// The turn of the cells before `to` is over, if nobody has said so already.
    pub(crate) fn advance(&self, from: u64, to: u64) {
        // Ordering(wait.advance): Relaxed. Only a number; failure means that somebody helped.
        let (ok, err) = (Ordering::Relaxed, Ordering::Relaxed);
        let _ = self.claimed.compare_exchange(from, to, ok, err);
    }

    /// Finishes a cell in place of its owner, who has left that to the caller.
    pub(crate) fn finish_front(&self, guard: &Guard, front: &Front<'_, C>) {
        // SAFETY: reached through links since the pin of `guard`.
        let segment = unsafe { guard.get(front.segment) };
        let duty = segment.word.finish_cell();
        if self.settle(guard, front.segment, duty) {
            self.sweep_if_due(guard);
        }
    }

    /// Shows the cells of `range` that were not swept, without claiming them.
    pub(crate) fn visit(&self, range: std::ops::Range<u64>, mut visit: impl FnMut(&C)) {
        let guard = pin();
        let mut current = self.head_before_claim();
        let mut number = range.start;
        while number < range.end {
            current = self.find(&guard, current, place_of(number).0);
            // SAFETY: reached through links since the pin.
            let segment = unsafe { guard.get(current) };
            number = number.max(first_of(segment));
            if number < range.end {
                visit(&segment.cells[place_of(number).1]);
                number += 1;
            }
        }
    }

    /// The position whose turn comes next.
    pub(crate) fn next_claim(&self) -> u64 {
        // Ordering(wait.claimed_peek): Relaxed. A number for the caller's own exchange.
        self.claimed.load(Ordering::Relaxed)
    }

    /// The owner is finished with its cell.
    #[inline]
    pub(crate) fn finish(&self, position: Position<C>) {
        // SAFETY: the position was not finished before; it is consumed here.
        let segment: &Segment<C> = unsafe { Managed::get(position.segment) };
        match segment.word.finish_cell() {
            Duty::Nothing => {}
            duty => self.finish_segment(position.segment, duty),
        }
    }

    #[cold]
    fn finish_segment(&self, segment: Link<C>, duty: Duty) {
        let guard = pin();
        if self.settle(&guard, segment, duty) {
            self.sweep_if_due(&guard);
        }
    }

    // Ordering(wait.head_load): Acquire; pairs with Ordering(wait.end_move) and
    // Ordering(wait.next_link): the segment's contents are visible before it is entered.
    fn head_before_claim(&self) -> Link<C> {
        self.head.load(ord("wait.head_load", Ordering::Acquire))
    }

    /// As `find`; `start` was read from an end, which moves along.
    #[inline]
    fn reach(&self, guard: &Guard, end: End, start: Link<C>, id: u64) -> Link<C> {
        let found = self.find(guard, start, id);
        // An end that was at `start` is there or beyond.
        if found != start {
            self.move_end(guard, end, found);
        }
        found
    }

    /// Walks from `start` to segment `id`, or to the first behind it if `id` was swept; appends
    /// what is missing.
    #[inline]
    fn find(&self, guard: &Guard, start: Link<C>, id: u64) -> Link<C> {
        // SAFETY: `start` was read from an end since the pin, or reached through links.
        if unsafe { guard.get(start) }.id >= id { start } else { self.walk(guard, start, id) }
    }

    // Ordering(wait.next_link): Release, Acquire on failure and on the load; pairs with
    // Ordering(wait.tail_load), Ordering(wait.sweep_unlink), Ordering(wait.sweep_links),
    // Ordering(wait.next_load), Ordering(wait.head_load), itself. The new segment's contents are
    // visible to whoever follows the link.
    #[cold]
    fn walk(&self, guard: &Guard, start: Link<C>, id: u64) -> Link<C> {
        let mut current = start;
        loop {
            // SAFETY: `start` was read from an end since the pin, the rest through links.
            let segment = unsafe { guard.get(current) };
            if segment.id >= id {
                return current;
            }
            let next = segment.next.load(ord("wait.next_load", Ordering::Acquire));
            if !next.is_null() {
                current = next;
                continue;
            }
            let new = self.domain.alloc(Segment::new(segment.id + 1, 0));
            let (ok, err) = (ord("wait.next_link", Ordering::Release), Ordering::Acquire);
            match segment.next.compare_exchange(ptr::null_mut(), new, ok, err) {
                Ok(_) => {
                    // Ordering(wait.live_add): Relaxed. A statistic.
                    self.live.fetch_add(1, Ordering::Relaxed);
                    current = new;
                }
                Err(now) => {
                    // SAFETY: never published.
                    unsafe { self.domain.free(new) };
                    current = now;
                }
            }
        }
    }

    /// Moves an end forward to `target`, unless it is there or beyond.
    #[cold]
    fn move_end(&self, guard: &Guard, end: End, target: Link<C>) {
        let pointer = match end {
            End::Head => &self.head,
            End::Tail => &self.tail,
        };
        // SAFETY: reached through links since the pin, as are all below.
        let to = unsafe { guard.get(target) };
        loop {
            // Ordering(wait.end_peek): Acquire; pairs with Ordering(wait.end_move): the
            // segment that the end points to is looked into.
            let current = pointer.load(ord("wait.end_peek", Ordering::Acquire));
            // SAFETY: read from an end since the pin.
            if unsafe { guard.get(current) }.id >= to.id || !to.word.try_share(end) {
                return;
            }
            // Ordering(wait.end_move): Release; pairs with Ordering(wait.sweep_links),
            // Ordering(wait.end_peek), Ordering(wait.tail_load) and
            // Ordering(wait.head_load): whoever starts at the new segment sees its contents.
            let (ok, err) = (ord("wait.end_move", Ordering::Release), Ordering::Relaxed);
            if pointer.compare_exchange(current, target, ok, err).is_ok() {
                return self.mark_passed(guard, end, current, to.id);
            }
            let duty = to.word.release();
            if self.settle(guard, target, duty) {
                self.sweep_if_due(guard);
            }
        }
    }

    /// Tells the segments from `from` up to segment `to` that an end has passed them.
    fn mark_passed(&self, guard: &Guard, end: End, from: Link<C>, to: u64) {
        let mut current = from;
        let mut dead = false;
        loop {
            // SAFETY: reached through links since the pin.
            let segment = unsafe { guard.get(current) };
            if segment.id >= to {
                break;
            }
            // Ordering(wait.next_load): Acquire; pairs with Ordering(wait.next_link): the next
            // segment is looked into. Read before the step that may retire this one.
            let next = segment.next.load(ord("wait.next_load", Ordering::Acquire));
            let duty = segment.word.pass(end, current == from);
            dead |= self.settle(guard, current, duty);
            current = next;
        }
        if dead {
            self.sweep_if_due(guard);
        }
    }

    /// Does what a step on a segment's word demands; true if there is one more dead segment.
    fn settle(&self, guard: &Guard, segment: Link<C>, duty: Duty) -> bool {
        match duty {
            Duty::Nothing => false,
            Duty::Retire => {
                self.retire(guard, segment);
                false
            }
            Duty::CountDead => {
                // Ordering(wait.dead_add): Relaxed. `sweep_if_due` exchanges `sweeping` next,
                // which orders it against the sweeper's last look.
                self.dead.fetch_add(1, Ordering::Relaxed);
                true
            }
        }
    }

    fn retire(&self, guard: &Guard, segment: Link<C>) {
        // Ordering(wait.live_sub): Relaxed. A statistic.
        self.live.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: its word said so exactly once: both ends are beyond it, or the sweeper has
        // unlinked it, so later pins cannot reach it.
        unsafe { guard.retire(&self.domain, segment) };
    }

    /// Unlinks dead segments if enough of them have gathered. One thread at a time; others leave
    /// it to that one.
    fn sweep_if_due(&self, guard: &Guard) {
        loop {
            // Ordering(wait.sweep_due): Relaxed, both. A late value only shifts the next sweep: a
            // thread that finds the flag set leaves its dead segment to the sweeper, which looks
            // again after leaving, and if it looks too early, to the next one that is counted.
            let dead = self.dead.load(Ordering::Relaxed);
            let live = self.live.load(Ordering::Relaxed);
            if dead < SWEEP_AT_LEAST.max(live / 2) {
                return;
            }
            // Ordering(wait.sweep_enter): Acquire; pairs with Ordering(wait.sweep_leave). The
            // next sweeper must see the links that this one wrote: a stale one leads it to a
            // segment that was unlinked, and it would unlink the next one there.
            if self.sweeping.swap(true, ord("wait.sweep_enter", Ordering::Acquire)) {
                return;
            }
            self.dead.store(0, Ordering::Relaxed);
            self.sweep(guard);
            // Ordering(wait.sweep_leave): Release; pairs with Ordering(wait.sweep_enter). A swap,
            // because a store may take effect after the look that follows.
            self.sweeping.swap(false, ord("wait.sweep_leave", Ordering::Release));
        }
    }

    fn sweep(&self, guard: &Guard) {
        #[cfg(any(corio_loom, corio_shuttle))]
        self.sweeper.set(());
        // Ordering(wait.sweep_links): Acquire; pairs with Ordering(wait.next_link) and
        // Ordering(wait.end_move): what a link leads to is looked into.
        let acquire = ord("wait.sweep_links", Ordering::Acquire);
        // SAFETY: read from an end since the pin, the rest through links.
        let mut before = unsafe { guard.get(self.head.load(acquire)) };
        loop {
            let current = before.next.load(acquire);
            if current.is_null() {
                return;
            }
            // SAFETY: as above.
            let segment = unsafe { guard.get(current) };
            let next = segment.next.load(acquire);
            if next.is_null() {
                return;
            }
            if segment.word.try_sweep() {
                // Ordering(wait.sweep_unlink): Release; pairs with Ordering(wait.next_link)'s
                // loads: `next` is looked into by whoever follows. Only the sweeper writes a
                // link that is not null, so a plain store cannot undo another's.
                before.next.store(next, ord("wait.sweep_unlink", Ordering::Release));
                self.retire(guard, current);
            } else {
                before = segment;
            }
        }
    }
}

#[cfg(test)]
impl<C> List<C> {
    /// Segments that exist, for tests of bounded memory.
    pub(crate) fn live_segments(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }
}

impl<C> Drop for List<C> {
    fn drop(&mut self) {
        // Ordering(wait.drop_walk): Relaxed. `&mut self`: whoever dropped the last reference to
        // the owner has ordered all earlier steps before this one.
        let head = self.head.load(Ordering::Relaxed);
        let tail = self.tail.load(Ordering::Relaxed);
        // SAFETY: both ends are live: the list's pointers count in their words.
        let head_id = unsafe { Managed::get(head) }.id;
        // SAFETY: as above.
        let tail_id = unsafe { Managed::get(tail) }.id;
        let mut current = if head_id < tail_id { head } else { tail };
        while !current.is_null() {
            // SAFETY: linked segments behind the first end are live, and exclusively ours now.
            let next = unsafe { Managed::get(current) }.next.load(Ordering::Relaxed);
            // SAFETY: as above; each is visited once.
            unsafe { self.domain.free(current) };
            current = next;
        }
    }
}
