//! Storage for records that events may find at any time: slots that never move and are never
//! freed before their poller.
//!
//! Slots lie in buckets, each twice as large as the one before. A bucket is made when its first
//! slot is needed. Free slots form a stack; the head carries a tag that every change increments,
//! so that a pop that was interrupted between reading the head and its link cannot succeed on a
//! head that went and came back. Reading the link of a slot that is no longer free is harmless:
//! slots are atomics and never go away.
//!
//! # Closing
//!
//! When a poller closes, every source must learn of it: those there are from the walk over all
//! slots, those that come later from [`take`](Slots::take). The two sides are
//!
//! ```text
//!   close: closed = true;  fence;  walk over the slots below `fresh`
//!   take:  fresh + 1;      fence;  look at closed
//! ```
//! and one of the fences comes first: either the walk finds the slot or `take` finds `closed`.
//!
//! `take` and `give` are lock-free: an exchange that fails means another one succeeded. The
//! allocation of a bucket is as good as the allocator; of two threads that make the same bucket
//! one throws its own away.
use std::ptr;

use corio_sync::shim::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64};
use corio_sync::shim::{Ordering, fence_at, mutant, ord};

use Ordering::{Acquire, Relaxed, Release};

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

/// Slots in the first bucket.
const FIRST: u32 = if cfg!(any(corio_loom, corio_shuttle)) { 1 } else { 64 };
/// Bits of a slot's index: 16 million slots, sixteen times Linux's default `fs.nr_open`.
pub(super) const INDEX_BITS: u32 = if cfg!(target_pointer_width = "64") { 24 } else { 14 };
/// Buckets, so that together they hold all indices but the last few.
const BUCKETS: usize = (INDEX_BITS - FIRST.trailing_zeros()) as usize;
/// Not an index: the end of the free stack.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot<T> {
    /// The next free slot, while this one is free.
    next: AtomicU32,
    value: T,
}

/// See the module's documentation.
///
/// # Safety
///
/// A non-null pointer in `buckets[b]` is a boxed slice of `FIRST << b` slots, which lives as long
/// as `self`.
pub(super) struct Slots<T> {
    buckets: [AtomicPtr<Slot<T>>; BUCKETS],
    /// How many slots were ever taken off the fresh end.
    fresh: AtomicU32,
    /// Index of the first free slot, and above it the tag.
    free: AtomicU64,
    closed: AtomicBool,
}

/// Why there is no slot to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSlot {
    /// All indices are in use.
    Full,
    /// The slots were closed.
    Closed,
}

// SAFETY: the pointers are owned boxes of `T`, shared by reference only.
unsafe impl<T: Send + Sync> Send for Slots<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Slots<T> {}

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            fresh: AtomicU32::new(0),
            free: AtomicU64::new(NONE.into()),
            closed: AtomicBool::new(false),
        }
    }

    /// The value in a slot, free or not. `None` for an index never taken.
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        Some(&self.slot(index)?.value)
    }

    /// Takes a slot. The caller has it alone until it gives it back.
    pub(super) fn take(&self, make: impl Fn() -> T) -> Result<(u32, &T), NoSlot> {
        let index = self.pop().or_else(|| self.grow(make)).ok_or(NoSlot::Full)?;
        // Pairs with the fence "slots.close": see the module's documentation.
        fence_at("slots.take_fence");
        // Relaxed: the fences see to it that we find what the walk has missed.
        if self.closed.load(Relaxed) {
            self.give(index);
            return Err(NoSlot::Closed);
        }
        let slot = self.slot(index).ok_or(NoSlot::Full)?;
        Ok((index, &slot.value))
    }

    /// Gives back a slot that [`take`](Self::take) returned.
    pub(super) fn give(&self, index: u32) {
        let Some(slot) = self.slot(index) else { return };
        // Relaxed: the exchange below reads the head again.
        let mut free = self.free.load(Relaxed);
        loop {
            // Relaxed: published by the exchange.
            slot.next.store(free as u32, Relaxed);
            // Ordering(slots.give): Release; pairs with Ordering(slots.take). The next user finds
            // the slot as we left it, and the link.
            let order = ord("slots.give", Release);
            match self.free.compare_exchange(free, tagged(free, index), order, Relaxed) {
                Ok(_) => return,
                Err(now) => free = now,
            }
        }
    }

    /// Lets no slot be taken any more, and returns the values of all that ever were.
    pub(super) fn close(&self) -> impl Iterator<Item = &T> {
        // Relaxed: the fences carry it.
        self.closed.store(true, Relaxed);
        // Pairs with the fence "slots.take_fence": see the module's documentation.
        fence_at("slots.close");
        // Relaxed: as above. A slot missed here is one whose taker finds `closed`.
        let fresh = self.fresh.load(Relaxed);
        (0..fresh).filter_map(|index| self.get(index))
    }

    fn pop(&self) -> Option<u32> {
        // Ordering(slots.take): Acquire; pairs with Ordering(slots.give). The slot is as its last
        // user left it, and its link is the one that belongs to this head.
        let mut free = self.free.load(ord("slots.take", Acquire));
        loop {
            let index = free as u32;
            if index == NONE {
                return None;
            }
            // Relaxed: if the link is another's by now, the tag has changed.
            let next = self.slot(index)?.next.load(Relaxed);
            let order = ord("slots.take", Acquire);
            match self.free.compare_exchange(free, tagged(free, next), Relaxed, order) {
                Ok(_) => return Some(index),
                Err(now) => free = now,
            }
        }
    }

    /// Takes a slot that was never used.
    #[cold]
    fn grow(&self, make: impl Fn() -> T) -> Option<u32> {
        // Relaxed: the number is all there is to it. The limit keeps the counter from wrapping.
        let mut fresh = self.fresh.load(Relaxed);
        loop {
            let (bucket, _) = place(fresh);
            if bucket >= BUCKETS {
                return None;
            }
            self.ensure(bucket, &make);
            match self.fresh.compare_exchange(fresh, fresh + 1, Relaxed, Relaxed) {
                Ok(_) => return Some(fresh),
                Err(now) => fresh = now,
            }
        }
    }

    fn ensure(&self, bucket: usize, make: impl Fn() -> T) {
        // Relaxed: only whether there is one.
        if !self.buckets[bucket].load(Relaxed).is_null() {
            return;
        }
        let slots: Box<[_]> = (0..FIRST << bucket)
            .map(|_| Slot { next: AtomicU32::new(NONE), value: make() })
            .collect();
        let slots = Box::into_raw(slots);
        // Ordering(slots.bucket): Release; pairs with Ordering(slots.slot). Whoever looks into
        // the bucket finds its slots made.
        let made = self.buckets[bucket].compare_exchange(
            ptr::null_mut(),
            slots.cast(),
            ord("slots.bucket", Release),
            Relaxed,
        );
        if made.is_err() {
            // SAFETY: just made from a box, and nobody else has seen it.
            drop(unsafe { Box::from_raw(slots) });
        }
    }

    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        let (bucket, offset) = place(index);
        // Ordering(slots.slot): Acquire; pairs with Ordering(slots.bucket).
        let slots = self.buckets.get(bucket)?.load(ord("slots.slot", Acquire));
        if slots.is_null() {
            return None;
        }
        // SAFETY: `place` gives an offset below the bucket's length.
        let slot = unsafe { slots.add(offset) };
        // SAFETY: a published bucket lives as long as `self`.
        Some(unsafe { &*slot })
    }
}

/// Bucket and offset of a slot.
const fn place(index: u32) -> (usize, usize) {
    let position = index as u64 + FIRST as u64;
    let bucket = position.ilog2() - FIRST.ilog2();
    (bucket as usize, (position - ((FIRST as u64) << bucket)) as usize)
}

/// The word of the free stack after a change that makes `index` its head.
fn tagged(free: u64, index: u32) -> u64 {
    let tag = if mutant("slots.tag") { 0 } else { (free >> u32::BITS).wrapping_add(1) };
    tag << u32::BITS | u64::from(index)
}

impl<T> Drop for Slots<T> {
    fn drop(&mut self) {
        for (bucket, slots) in self.buckets.iter().enumerate() {
            // Relaxed: whoever shared this has let go of it, which synchronizes.
            let slots = slots.load(Relaxed);
            if !slots.is_null() {
                let slots = ptr::slice_from_raw_parts_mut(slots, (FIRST as usize) << bucket);
                // SAFETY: made by `ensure` from a box of this length.
                drop(unsafe { Box::from_raw(slots) });
            }
        }
    }
}

impl<T> std::fmt::Debug for Slots<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Relaxed: for people.
        f.debug_struct("Slots").field("fresh", &self.fresh.load(Relaxed)).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn places_fill_buckets_without_gaps() {
        let mut expected = (0, 0);
        for index in 0..10_000 {
            assert_eq!(place(index), expected);
            expected.1 += 1;
            if expected.1 == (FIRST as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }

    #[test]
    fn the_last_index_fits_the_key() {
        let last = ((FIRST as u64) << BUCKETS) - u64::from(FIRST) - 1;
        assert!(last < 1 << INDEX_BITS);
        let index = u32::try_from(last).unwrap();
        assert_eq!(place(index).0, BUCKETS - 1);
        assert_eq!(place(index + 1).0, BUCKETS);
    }

    #[test]
    fn slots_are_reused_and_distinct() {
        let slots = Slots::new();
        let taken: Vec<u32> = (0..1_000).map(|_| slots.take(|| 0_u8).unwrap().0).collect();
        assert_eq!(taken.iter().collect::<HashSet<_>>().len(), 1_000);
        let first = slots.get(taken[0]).unwrap() as *const u8;
        for &index in &taken {
            slots.give(index);
        }
        let again: HashSet<u32> = (0..1_000).map(|_| slots.take(|| 0).unwrap().0).collect();
        assert_eq!(again, taken.into_iter().collect());
        assert_eq!(slots.get(0).unwrap() as *const u8, first, "slots must not move");
        assert_eq!(slots.close().count(), 1_000);
        assert_eq!(slots.take(|| 0).unwrap_err(), NoSlot::Closed);
        assert!(slots.get(1_000_000).is_none());
    }
}
