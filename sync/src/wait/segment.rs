//! A run of cells and the word that decides when it may be freed.
//!
//! Everything that keeps a segment alive is counted in one word, so that exactly one
//! read-modify-write sees the last reason go:
//!
//! | bits  | name          | meaning |
//! |-------|---------------|---------|
//! | 0-7   | `DONE`        | cells whose owner is finished with them |
//! | 8-23  | `POINTERS`    | `head`, `tail` and movers that are about to point here |
//! | 24    | `HEAD_PASSED` | `head` is beyond: no granter will come here |
//! | 25    | `TAIL_PASSED` | `tail` is beyond: no newcomer will come here |
//! | 26    | `SWEPT`       | the sweeper unlinked it; it retires the segment, nobody else |
//!
//! ```text
//!            (1) done, (2) passed, (3) release
//!   live ------------------------------------------> complete: retired by that step
//!     |  (1)(2)(3) reach DONE = all, TAIL_PASSED, no pointer, but not HEAD_PASSED
//!     +--> dead: every owner left before its turn --(4) try_sweep--> SWEPT: retired by the sweeper
//! ```
//! (1) [`Word::finish_cell`], (2) [`Word::pass`], (3) [`Word::release`], (4) [`Word::try_sweep`].
//! A dead segment may instead be passed by `head` and become complete; the word lets only one of
//! the two happen.

use super::reclaim::Managed;
use crate::shim::atomic::{AtomicPtr, AtomicUsize};
use crate::shim::{Ordering, mutant, ord};
use std::ptr;

/// Cells per segment: enough that one allocation serves many waiters, few enough that one live
/// waiter keeps only 400 bytes. In models there is room for two.
pub(crate) const SEGMENT_CELLS: usize = if cfg!(any(corio_loom, corio_shuttle)) { 2 } else { 16 };

/// How many of a segment's cells are used: all.
#[cfg(not(any(corio_loom, corio_shuttle)))]
#[inline(always)]
pub(crate) const fn cells() -> usize {
    SEGMENT_CELLS
}

/// How many of a segment's cells are used: in loom's models one, so that every step crosses an
/// edge, unless the model asked for two by [`use_cells`].
#[cfg(any(corio_loom, corio_shuttle))]
pub(crate) fn cells() -> usize {
    USED_CELLS.get()
}

/// Sets how many cells of a segment this model uses. All threads of a model run on one.
#[cfg(all(test, any(corio_loom, corio_shuttle)))]
pub(crate) fn use_cells(count: usize) {
    USED_CELLS.set(count);
}

#[cfg(any(corio_loom, corio_shuttle))]
std::thread_local! {
    static USED_CELLS: std::cell::Cell<usize> =
        const { std::cell::Cell::new(if cfg!(corio_loom) { 1 } else { SEGMENT_CELLS }) };
}

const DONE_ONE: usize = 1;
const DONE_MASK: usize = 0xff;
const POINTER_ONE: usize = 1 << 8;
const POINTERS: usize = 0xffff << 8;
const SWEPT: usize = 1 << 26;
const _: () = assert!(SEGMENT_CELLS <= DONE_MASK);

/// Which end of the list has moved beyond a segment.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Head = 1 << 24,
    Tail = 1 << 25,
}

/// What the step that changed a segment's word must do next.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Duty {
    Nothing,
    /// Retire the segment: this step removed the last reason to keep it.
    Retire,
    /// Count a dead segment: this step made it one.
    CountDead,
}

/// A pointer to a managed segment.
pub(crate) type Link<C> = *mut Managed<Segment<C>>;

/// A run of [`SEGMENT_CELLS`] cells.
///
/// The word comes last: owners write it when they are finished, while newcomers read the front.
#[repr(C)]
pub(crate) struct Segment<C> {
    /// Index of the segment; its first cell has position `id * cells()`.
    pub(crate) id: u64,
    pub(crate) next: AtomicPtr<Managed<Segment<C>>>,
    pub(crate) cells: [C; SEGMENT_CELLS],
    pub(crate) word: Word,
}

impl<C: Default> Segment<C> {
    /// A segment to which `pointers` of the list's ends point already.
    pub(crate) fn new(id: u64, pointers: usize) -> Self {
        Self {
            id,
            next: AtomicPtr::new(ptr::null_mut()),
            word: Word(AtomicUsize::new(pointers * POINTER_ONE)),
            cells: std::array::from_fn(|_| C::default()),
        }
    }
}

/// The reasons to keep a segment; see the module's table.
pub(crate) struct Word(AtomicUsize);

impl Word {
    /// The owner of one cell is finished with it.
    // Ordering(wait.word_done): AcqRel; pairs with Ordering(wait.word_sweep),
    // Ordering(wait.word_release), Ordering(wait.word_done) and
    // Ordering(wait.word_pass). Whoever retires the segment has seen the last use of every cell;
    // without it the memory could be freed under an owner that is still reading its waker.
    #[inline]
    pub(crate) fn finish_cell(&self) -> Duty {
        let old = self.0.fetch_add(DONE_ONE, ord("wait.word_done", Ordering::AcqRel));
        Self::duty(old, old + DONE_ONE)
    }

    /// An end of the list moved beyond this segment; with `released` it also pointed here.
    // Ordering(wait.word_pass): AcqRel; pairs with Ordering(wait.word_done) and itself: as above,
    // from the side of the mover.
    pub(crate) fn pass(&self, end: End, released: bool) -> Duty {
        let delta = (end as usize).wrapping_sub(if released { POINTER_ONE } else { 0 });
        let old = self.0.fetch_add(delta, ord("wait.word_pass", Ordering::AcqRel));
        Self::duty(old, old.wrapping_add(delta))
    }

    /// Takes a pointer's share, unless the segment is swept or `end` has passed it already.
    // Ordering(wait.word_share): Relaxed. The share only forbids the last step; that step
    // acquires everything itself, and the segment is reached through an Acquire load of a link.
    pub(crate) fn try_share(&self, end: End) -> bool {
        let refused = if mutant("wait.share_guard") { 0 } else { SWEPT | end as usize };
        let mut word = self.0.load(Ordering::Relaxed);
        while word & refused == 0 {
            let shared = word + POINTER_ONE;
            match self.0.compare_exchange_weak(word, shared, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Gives a share back that turned out not to be needed.
    // Ordering(wait.word_release): Acquire; pairs with Ordering(wait.word_done): if this is the
    // last reason, this thread retires the segment and must have seen its owners leave. A share
    // that is given back publishes nothing: its holder is pinned while it looks at the segment.
    pub(crate) fn release(&self) -> Duty {
        let old = self.0.fetch_sub(POINTER_ONE, ord("wait.word_release", Ordering::Acquire));
        Self::duty(old, old - POINTER_ONE)
    }

    /// Claims a dead segment for the sweeper.
    // Ordering(wait.word_sweep): Acquire; pairs with Ordering(wait.word_done). The sweeper
    // retires the segment and must have seen its owners leave. The load is Relaxed: the exchange
    // repeats it.
    pub(crate) fn try_sweep(&self) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        let success = ord("wait.word_sweep", Ordering::Acquire);
        Self::dead(word)
            && self.0.compare_exchange(word, word | SWEPT, success, Ordering::Relaxed).is_ok()
    }

    fn duty(old: usize, new: usize) -> Duty {
        if Self::complete(new) {
            Duty::Retire
        } else if Self::dead(new) && !Self::dead(old) {
            Duty::CountDead
        } else {
            Duty::Nothing
        }
    }

    fn complete(word: usize) -> bool {
        let ends = End::Head as usize | End::Tail as usize;
        word & (ends | SWEPT) == ends
            && word & DONE_MASK == cells()
            && word & POINTERS == 0
            && !mutant("wait.retire")
    }

    fn dead(word: usize) -> bool {
        let pointers = if mutant("wait.dead_pointers") { 0 } else { POINTERS };
        let head = if mutant("wait.dead_head") { 0 } else { End::Head as usize };
        word & DONE_MASK == cells()
            && word & (pointers | head | SWEPT) == 0
            && word & End::Tail as usize != 0
    }
}
