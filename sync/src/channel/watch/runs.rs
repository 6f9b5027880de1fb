//! Where the values lie: small ones that follow each other share a **run**.
//!
//! *Why.* A receiver that looks at a new node needs a pin of the collector to count a reference to
//! it, and gives the last one back: a fence and two read-modify-writes for each value. In a run it
//! finds the next value beside the one that it keeps.
//!
//! *Which.* A value that lies in a run lives as long as the run. So only values share one that own
//! nothing, as a drop that does nothing shows, and are small; any other has a run of its own.
//!
//! *Protocol.* The run's word holds the number of the newest value's cell and a flag.
//!
//! ```text
//! newest n --(1) append--> newest m, m > n        the cell m was claimed and written before
//! newest n --(2) close---> newest n, CLOSED       no further step
//! ```
//! (1) [`Run::append`], (2) [`Run::close`]. A cell is claimed once. Whoever loses at (1) may have
//! claimed one in vain. A run is closed before another one takes its place, one of a single value
//! from the beginning; so whoever finds one open has the latest value.

use super::snapshot::Versioned;
use crate::shim::atomic::AtomicUsize;
use crate::shim::{Ordering, cell::UnsafeCell, ord};
use std::mem::{MaybeUninit, needs_drop};
use std::ptr::NonNull;
use std::sync::Arc;

/// Values in one run, at the most.
const LONGEST: usize = if cfg!(any(corio_loom, corio_shuttle)) { 2 } else { 16 };
/// The largest that share one, in bytes with its version: the values of a run stay within 1 KiB;
/// the words of the run come on top.
const LARGEST: usize = 64;

/// In the word, beside the cell's number above it.
const CLOSED: usize = 1;

/// Values that follow each other.
pub(super) struct Run<T> {
    word: AtomicUsize,
    claimed: AtomicUsize,
    first: Versioned<T>,
    /// Those after the first; none, if a value has a run of its own.
    rest: Box<[Cell<T>]>,
}

/// A value and the run that keeps it.
///
/// # Safety
///
/// The value is the run's first, or lies in a cell that its word has named.
pub(super) struct Kept<T> {
    run: Arc<Run<T>>,
    /// Where it lies: a look is to cost no more than that.
    value: NonNull<Versioned<T>>,
}

// SAFETY: a value is shared between threads, and dropped with its run on any.
unsafe impl<T: Send + Sync> Send for Kept<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Kept<T> {}

impl<T> Kept<T> {
    /// The value that `newest` has named in this run.
    pub(super) fn new(run: Arc<Run<T>>, newest: Newest) -> Self {
        let value = NonNull::from(run.get(newest.at()));
        Self { run, value }
    }

    #[inline]
    pub(super) fn get(&self) -> &Versioned<T> {
        // SAFETY: it lies in the run that is kept, and is not written again (invariant of `Kept`).
        unsafe { self.value.as_ref() }
    }

    /// Goes on to the latest value if it lies in this run; false if it may not.
    #[inline]
    pub(super) fn renew(&mut self) -> bool {
        let newest = self.run.newest();
        if newest.is_closed() {
            return false;
        }
        self.value = NonNull::from(self.run.get(newest.at()));
        true
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { run: self.run.clone(), value: self.value }
    }
}

/// Written by whoever has claimed it, before the word names it, and not again.
struct Cell<T>(UnsafeCell<MaybeUninit<Versioned<T>>>);

// SAFETY: a value is written by one thread before others find it, then shared, and dropped on any.
unsafe impl<T: Send + Sync> Sync for Cell<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for Cell<T> {}
/// What lies here owns nothing.
impl<T> std::panic::RefUnwindSafe for Cell<T> {}

/// What a run's word said.
#[derive(Clone, Copy)]
pub(super) struct Newest(usize);

impl Newest {
    /// The newest value's cell.
    #[inline]
    pub(super) fn at(self) -> usize {
        self.0 >> 1
    }

    /// Another run has its successor.
    #[inline]
    pub(super) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }
}

impl<T> Run<T> {
    /// A run that begins with this value.
    pub(super) fn new(version: u64, value: T) -> Self {
        let shared = !needs_drop::<T>() && size_of::<Versioned<T>>() <= LARGEST;
        let rest = if shared { LONGEST - 1 } else { 0 };
        let cell = |_| Cell(UnsafeCell::new(MaybeUninit::uninit()));
        Self {
            word: AtomicUsize::new(if shared { 0 } else { CLOSED }),
            claimed: AtomicUsize::new(0),
            first: Versioned { version, value },
            rest: (0..rest).map(cell).collect(),
        }
    }

    /// The first value, of a run that nobody has seen.
    pub(super) fn into_first(self) -> T {
        self.first.value
    }

    // Ordering(watch.newest): Acquire; pairs with Ordering(watch.append): the cell is written.
    #[inline]
    pub(super) fn newest(&self) -> Newest {
        Newest(self.word.load(ord("watch.newest", Ordering::Acquire)))
    }

    /// The value in a cell that [`newest`](Self::newest) has named.
    #[inline]
    pub(super) fn get(&self, at: usize) -> &Versioned<T> {
        let Some(before) = at.checked_sub(1) else { return &self.first };
        self.rest[before].0.with(|cell| {
            // SAFETY: written before the word named it, and shared from then on.
            let cell = unsafe { &*cell };
            // SAFETY: as above.
            unsafe { cell.assume_init_ref() }
        })
    }

    /// Shows `value` as the successor of what `seen` names; it comes back if there is no room, or
    /// somebody was faster. The last step is a read-modify-write.
    // Ordering(watch.claim): Relaxed. The number alone decides whose cell it is.
    // Ordering(watch.append): Release; pairs with Ordering(watch.newest).
    pub(super) fn append(&self, seen: Newest, value: T) -> Result<(), T> {
        if seen.is_closed() || self.claimed.load(Ordering::Relaxed) >= self.rest.len() {
            return Err(value);
        }
        let before = self.claimed.fetch_add(1, Ordering::Relaxed);
        let Some(cell) = self.rest.get(before) else { return Err(value) };
        let version = self.get(seen.at()).version + 1;
        cell.0.with_mut(|cell| {
            // SAFETY: claimed by this call alone, and not named yet.
            let cell = unsafe { &mut *cell };
            cell.write(Versioned { version, value });
        });
        let (ok, err) = (ord("watch.append", Ordering::Release), Ordering::Relaxed);
        if self.word.compare_exchange(seen.0, (before + 1) << 1, ok, err).is_ok() {
            return Ok(());
        }
        Err(cell.0.with_mut(|cell| {
            // SAFETY: as above: the word will not name it any more.
            let cell = unsafe { &mut *cell };
            // SAFETY: written above, and never read again.
            unsafe { cell.assume_init_read() }.value
        }))
    }

    /// Lets nothing follow in this run on what `seen` names; false if somebody was faster.
    // Ordering(watch.close): Relaxed. Who puts another run in the place of this one has seen it
    // closed, or closed it; who sees that other one by Ordering(watch.latest), or knows of its
    // version, comes after that and finds no older word.
    pub(super) fn close(&self, seen: Newest) -> bool {
        let closed = seen.0 | CLOSED;
        let relaxed = Ordering::Relaxed;
        seen.is_closed() || self.word.compare_exchange(seen.0, closed, relaxed, relaxed).is_ok()
    }
}
