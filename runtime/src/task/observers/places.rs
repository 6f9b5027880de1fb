//! Places of observers, which are used again: in constant time on average, however many there are.
//!
//! Whoever leaves a place counts it, and whoever comes looks for one of those only while at least half of
//! all places were left: then a search that goes on where the last one has ended passes by no more used
//! places than it finds vacant ones, taken together. Otherwise there is one place more. So there are at
//! most twice as many as were ever in use at once, and a few.
//!
//! The counts may be behind, and then a search finds nothing, or a place more is made; what is whose is
//! said by the places alone.
//!
//! Rejected: a list of vacant places. Its head needs a tag against a place that has come back meanwhile,
//! and a pointer with a tag does not fit a word.

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicU32;

use crate::task::grow_list::{Cursor, GrowList};

/// So many places are searched for any that was left.
const FEW: u32 = 8;

pub(super) struct Places<P> {
    list: GrowList<P>,
    /// Where the next search begins.
    cursor: Cursor<P>,
    made: AtomicU32,
    /// Those that nobody uses; below zero, in two's complement, if one was taken and not counted yet.
    vacant: AtomicU32,
}

impl<P> Places<P> {
    pub(super) fn new() -> Self {
        Self {
            list: GrowList::new(),
            cursor: Cursor::new(),
            made: AtomicU32::new(0),
            vacant: AtomicU32::new(0),
        }
    }

    /// A place that `takes` the caller, or a new one.
    pub(super) fn take(&self, takes: impl FnMut(&P) -> bool, make: impl FnOnce() -> P) -> &P {
        if self.has_room() {
            // SAFETY: the cursor is this list's own.
            if let Some(place) = unsafe { self.list.find_on(&self.cursor, takes) } {
                // Ordering: Relaxed; a hint, see the module.
                self.vacant.fetch_sub(1, Relaxed);
                return place;
            }
        }
        // Ordering: Relaxed; as above.
        self.made.fetch_add(1, Relaxed);
        self.list.push(make())
    }

    #[inline]
    fn has_room(&self) -> bool {
        // Ordering: Relaxed; a hint, see the module.
        let (vacant, made) = (self.vacant.load(Relaxed) as i32, self.made.load(Relaxed));
        vacant > 0 && (made <= FEW || vacant.unsigned_abs() >= made / 2)
    }

    /// So many places were left.
    pub(super) fn left(&self, places: u32) {
        // Ordering: Relaxed; a hint, see the module.
        self.vacant.fetch_add(places, Relaxed);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &P> {
        self.list.iter()
    }
}
