//! Frees by threads that do not own the arena, and the end of an arena.
//!
//! `head` is a Treiber stack of free cells; anybody pushes, the owner alone takes, and always the
//! whole stack (so there is no ABA: a push does not care which cells lie below).
//!
//! ```text
//!   head         0 -> cell -> cell ..    1. push (anybody)
//!                0                       2. take (owner): swap with null
//!                CLOSED                  3. close (owner, once): swap with CLOSED, forever
//!   outstanding  0                       while open
//!                -k                      4. k late frees came before edge 5
//!                live - k                5. settle (owner, once): adds the cells still out
//! ```
//!
//! A free that finds CLOSED subtracts one from `outstanding` instead of pushing (edge 4). Before
//! edge 5 the count is never positive, so no late free sees it fall from 1 to 0; after edge 5 it
//! is the number of cells still out and falls by one with each. So exactly one operation, the
//! settling one or the last late free, sees it become zero after edge 5.
//!
//! Lock-free: a push repeats only if another push or a take came between.
use std::ptr::{self, NonNull};

use corio_sync::shim::atomic::{AtomicIsize, AtomicPtr};
use corio_sync::shim::{Ordering, mutant, ord};

use super::cell;

/// The remote stack of an arena and the count that ends it.
pub(super) struct Remote {
    head: AtomicPtr<u8>,
    outstanding: AtomicIsize,
}

/// Not the address of any cell: cells are aligned to 16.
fn closed() -> *mut u8 {
    ptr::without_provenance_mut(1)
}

impl Remote {
    pub(super) fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()), outstanding: AtomicIsize::new(0) }
    }

    /// Gives a free cell to the owner. True if it was the last one of a closed arena, which the
    /// caller must then end.
    ///
    /// # Safety
    ///
    /// `cell` is a cell of this arena in the caller's hands alone; it is given up. If the result
    /// is false, the arena may be gone when this returns.
    #[must_use]
    pub(super) unsafe fn push(&self, cell: NonNull<u8>) -> bool {
        // Relaxed: the compare-exchange below publishes; the value read is only compared.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == closed() {
                // Ordering(slab.late_free): AcqRel; pairs with Ordering(slab.settle) and itself.
                // Release: whatever this thread did with the cell is over before the thread that
                // brings the count to zero frees the memory. Acquire: if that is this thread, it
                // sees the same of all others and of the owner.
                let before = self.outstanding.fetch_sub(1, ord("slab.late_free", Ordering::AcqRel));
                return before == 1;
            }
            // SAFETY: the cell is still the caller's: the exchange below has not succeeded yet.
            unsafe { cell::set_link(cell, head) };
            // Ordering(slab.remote_push): Release; pairs with Ordering(slab.remote_take) and
            // Ordering(slab.remote_close). The link and the end of the task become visible to the
            // owner; otherwise it would reuse a cell that is still being read. Later pushes are
            // read-modify-writes and continue this one's release sequence.
            let pushed = self.head.compare_exchange_weak(
                head,
                cell.as_ptr(),
                ord("slab.remote_push", Ordering::Release),
                Ordering::Relaxed,
            );
            match pushed {
                Ok(_) => return false,
                Err(now) => head = now,
            }
        }
    }

    /// Takes all cells that were freed remotely: a list linked by [`cell::link`]. Owner only,
    /// before [`Remote::close`].
    #[inline]
    pub(super) fn take(&self) -> *mut u8 {
        // Relaxed: a hint that spares the exchange; a miss is made good by the next call.
        if self.head.load(Ordering::Relaxed).is_null() {
            return ptr::null_mut();
        }
        // Ordering(slab.remote_take): Acquire; pairs with Ordering(slab.remote_push). All that the
        // freeing threads did with these cells comes before their reuse.
        self.head.swap(ptr::null_mut(), ord("slab.remote_take", Ordering::Acquire))
    }

    /// True if nothing was freed remotely since the last take. A hint, for any thread.
    pub(super) fn is_empty(&self) -> bool {
        // Relaxed: the same; whoever acts on it takes.
        let head = self.head.load(Ordering::Relaxed);
        head.is_null() || head == closed()
    }

    /// Takes the last remotely freed cells and turns away all later ones. Owner only, once.
    pub(super) fn close(&self) -> *mut u8 {
        let last = if mutant("slab.close_sentinel") { ptr::null_mut() } else { closed() };
        // Ordering(slab.remote_close): Acquire; pairs with Ordering(slab.remote_push), as in
        // `take`. Nothing is published here: a late free synchronizes with the owner by
        // `outstanding`.
        self.head.swap(last, ord("slab.remote_close", Ordering::Acquire))
    }

    /// Adds the `live` cells that are still out after [`Remote::close`]. True if there are none,
    /// and then the caller must end the arena; if false, the arena may be gone when this returns.
    #[must_use]
    pub(super) fn settle(&self, live: usize) -> bool {
        let live = live as isize;
        // Ordering(slab.settle): AcqRel; pairs with Ordering(slab.late_free). Release: the owner's
        // last accesses come before the last late free ends the arena. Acquire: if all late frees
        // came before, the owner ends it and must see that they are over.
        let before = self.outstanding.fetch_add(live, ord("slab.settle", Ordering::AcqRel));
        before + live == 0
    }
}
