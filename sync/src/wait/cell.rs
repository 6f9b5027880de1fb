//! One waiting place: who waits, whether the grant has come, and who owns the waker.
//!
//! *Protocol.* Every transition is one read-modify-write, so neither side ever waits:
//!
//! | bit | name       | set by  | meaning |
//! |-----|------------|---------|---------|
//! | 0   | `WAITER`   | owner   | the waker slot is filled |
//! | 1   | `GRANT`    | granter | the turn has come; bits from 8 up are the granter's note |
//! | 2   | `CANCEL`   | owner   | the owner left |
//! | 3   | `UPDATING` | owner   | the owner is replacing the waker; the slot is its own |
//! | 4   | `CLOSED`   | closer  | nothing will come any more ([`super::weighted`] only) |
//!
//! ```text
//! empty --(1) register--> WAITER --(2) update: +UPDATING, swap, -UPDATING--> WAITER
//!   |                       |
//!   +------(3) grant -------+--> GRANT          owner collects it at its next poll
//!   +------(4) cancel ------+--> CANCEL         a later grant is refused
//! ```
//! (1), (2) [`Waiter::poll`], (3) [`Cell::grant`], (4) [`Waiter::cancel`].
//!
//! *Invariant.* The waker belongs to the granter whose `GRANT` was set while `WAITER` was and
//! `UPDATING` was not; otherwise to the owner. Whoever sets the second of two bits cleans up.
//!
//! *Rejected.* Comparing wakers with `Waker::will_wake` on the slot: the granter may be consuming
//! it. The owner remembers the raw parts of what it stored instead.

use super::list::{List, Position};
use crate::shim::atomic::AtomicU64;
use crate::shim::cell::UnsafeCell;
use crate::shim::{Ordering, mutant, ord};
use std::mem::MaybeUninit;
use std::ptr;
use std::task::{Context, Poll, RawWakerVTable, Waker};

pub(super) const WAITER: u64 = 1;
pub(super) const GRANT: u64 = 1 << 1;
pub(super) const CANCEL: u64 = 1 << 2;
pub(super) const UPDATING: u64 = 1 << 3;
/// Set by whoever closes a [`super::weighted`] queue; like `GRANT` it ends the wait.
pub(super) const CLOSED: u64 = 1 << 4;
/// Either of these ends the wait; the first to be set decides who owns the waker.
pub(super) const SETTLED: u64 = GRANT | CLOSED;
const NOTE_SHIFT: u32 = 8;

/// A waker that was taken out of a cell and must be woken outside of every guard.
pub(crate) type Taken = Option<Waker>;

/// One waiting place.
#[derive(Default)]
pub(crate) struct Cell {
    pub(super) word: AtomicU64,
    /// Written by the owner before `WAITER` or inside `UPDATING`; read once by whoever the
    /// module's invariant names.
    pub(super) waker: Slot,
}

pub(super) struct Slot(UnsafeCell<MaybeUninit<Waker>>);

impl Default for Slot {
    fn default() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }
}

// SAFETY: the slot is used by one thread at a time, as the invariant of the module says.
unsafe impl Sync for Slot {}

impl Slot {
    /// # Safety
    ///
    /// The caller owns the slot by the module's invariant, and the slot is empty.
    pub(super) unsafe fn put(&self, waker: Waker) {
        self.0.with_mut(|slot| {
            // SAFETY: exclusive by the caller's word.
            let slot = unsafe { &mut *slot };
            slot.write(waker);
        });
    }

    /// # Safety
    ///
    /// The caller owns the slot by the module's invariant, and the slot is filled.
    pub(super) unsafe fn take(&self) -> Waker {
        self.0.with_mut(|slot| {
            // SAFETY: exclusive by the caller's word.
            let slot = unsafe { &mut *slot };
            // SAFETY: filled by the caller's word, and not read again before it is refilled.
            unsafe { slot.assume_init_read() }
        })
    }
}

impl Cell {
    /// Grants this place with a note; `Err` if its owner has left, otherwise the waker to wake.
    // Ordering(wait.cell_grant): AcqRel; pairs with Ordering(wait.cell_update_claim),
    // Ordering(wait.cell_register),
    // Ordering(wait.cell_update), Ordering(wait.cell_cancel) and Ordering(wait.cell_peek). The
    // granter sees the waker; the owner sees everything that the granter did before, which is
    // what a lock's next holder reads.
    #[inline]
    pub(crate) fn grant(&self, note: u64) -> Result<Taken, ()> {
        let bits = GRANT | note << NOTE_SHIFT;
        // Added, not or-ed: the bits are clear, and an addition that returns the old word is one
        // instruction on x86, where an `or` is a loop.
        let old = self.word.fetch_add(bits, ord("wait.cell_grant", Ordering::AcqRel));
        debug_assert_eq!(old & GRANT, 0, "granted twice");
        if old & CANCEL != 0 && !mutant("wait.grant_cancelled") {
            return Err(());
        }
        let busy = if mutant("wait.grant_updating") { 0 } else { UPDATING };
        if old & (WAITER | busy) == WAITER {
            // SAFETY: GRANT came while WAITER and no UPDATING: the waker is ours.
            return Ok(Some(unsafe { self.waker.take() }));
        }
        Ok(None)
    }

    /// The note, once granted.
    // Ordering(wait.cell_peek): Acquire; pairs with Ordering(wait.cell_grant). The owner goes on
    // to use what the grant gave it.
    fn granted(&self) -> Option<u64> {
        let word = self.word.load(ord("wait.cell_peek", Ordering::Acquire));
        (word & SETTLED != 0).then_some(word >> NOTE_SHIFT)
    }
}

/// The owner's side of a cell.
pub(crate) struct Waiter {
    pub(super) position: Position<Cell>,
    /// What the slot holds, to compare without touching it. Null before the first poll.
    data: *const (),
    vtable: *const RawWakerVTable,
}

// SAFETY: the raw parts are compared, never used; the cell is shared by protocol.
unsafe impl Send for Waiter {}
// SAFETY: as above; `&Waiter` gives nothing.
unsafe impl Sync for Waiter {}

impl Waiter {
    /// The owner of a fresh position.
    pub(crate) fn new(position: Position<Cell>) -> Self {
        Self { position, data: ptr::null(), vtable: ptr::null() }
    }

    /// The note, if the grant has come. After `Some` the owner calls [`Waiter::finish`].
    pub(crate) fn granted(&self) -> Option<u64> {
        self.position.cell().granted()
    }

    /// Asks for the grant and leaves the waker if it has not come. After `Ready` the owner calls
    /// [`Waiter::finish`]; a panic of the waker's clone leaves the place as it was.
    #[inline]
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<u64> {
        let cell = self.position.cell();
        if let Some(note) = cell.granted() {
            return Poll::Ready(note);
        }
        let waker = context.waker();
        if ptr::eq(self.vtable, waker.vtable()) && ptr::eq(self.data, waker.data()) {
            return Poll::Pending;
        }
        let first = self.vtable.is_null();
        let waker = waker.clone();
        // Before the slot changes: dropping the waker that was in it may panic, and the next poll
        // must know what the slot holds then.
        self.data = waker.data();
        self.vtable = waker.vtable();
        let granted = if first { Self::register(cell, waker) } else { Self::update(cell, waker) };
        granted.map_or(Poll::Pending, Poll::Ready)
    }

    /// Fills the slot of a fresh place, before a step of the caller's own that sets `WAITER`; if that
    /// does not, the caller takes the waker out again.
    #[inline]
    pub(super) fn leave_waker(&mut self, waker: Waker) {
        self.data = waker.data();
        self.vtable = waker.vtable();
        // SAFETY: no WAITER yet, so the slot is the owner's; and fresh, so it is empty.
        unsafe { self.position.cell().waker.put(waker) };
    }

    /// The first [`Waiter::poll`] of a fresh place, with a clone that the caller has made before.
    #[inline]
    pub(super) fn arrive(&mut self, waker: Waker) -> Option<u64> {
        self.data = waker.data();
        self.vtable = waker.vtable();
        Self::register(self.position.cell(), waker)
    }

    // Ordering(wait.cell_register): AcqRel; pairs with Ordering(weighted.shut_place),
    // Ordering(wait.cell_grant). Release shows the waker to the granter, Acquire shows what it did
    // if the grant was here first.
    fn register(cell: &Cell, waker: Waker) -> Option<u64> {
        // SAFETY: no WAITER yet, so the slot is the owner's and empty.
        unsafe { cell.waker.put(waker) };
        // Added, as a grant is: the bit is clear.
        let old = cell.word.fetch_add(WAITER, ord("wait.cell_register", Ordering::AcqRel));
        if old & SETTLED != 0 && !mutant("wait.register_late") {
            // SAFETY: the grant came before WAITER, so the granter left the slot alone.
            drop(unsafe { cell.waker.take() });
            return Some(old >> NOTE_SHIFT);
        }
        None
    }

    // Ordering(wait.cell_update_claim): Acquire; pairs with Ordering(wait.cell_grant), for what
    // the grant brings. Nothing is published yet.
    // Ordering(wait.cell_update): AcqRel; pairs with Ordering(weighted.shut_place),
    // Ordering(wait.cell_grant). Release shows the new waker to the granter, Acquire shows what it
    // did if it came meanwhile.
    fn update(cell: &Cell, waker: Waker) -> Option<u64> {
        let claim = ord("wait.cell_update_claim", Ordering::Acquire);
        let old = cell.word.fetch_or(UPDATING, claim);
        if old & SETTLED != 0 && !mutant("wait.update_late") {
            return Some(old >> NOTE_SHIFT);
        }
        // SAFETY: UPDATING without GRANT: the slot is the owner's, and WAITER filled it.
        let previous = unsafe { cell.waker.take() };
        // SAFETY: still the owner's, and empty now.
        unsafe { cell.waker.put(waker) };
        let old = cell.word.fetch_and(!UPDATING, ord("wait.cell_update", Ordering::AcqRel));
        if old & SETTLED != 0 && !mutant("wait.update_missed") {
            // SAFETY: the grant came while UPDATING, so the granter left the slot to us.
            let unused = unsafe { cell.waker.take() };
            drop(previous);
            drop(unused);
            return Some(old >> NOTE_SHIFT);
        }
        drop(previous);
        None
    }

    /// Collects a grant that [`Waiter::poll`] or [`Waiter::granted`] reported.
    pub(crate) fn finish(self, list: &List<Cell>) {
        list.finish(self.position);
    }

    /// Leaves. `Some(note)` if a grant was here already: the caller hands it on.
    // Ordering(wait.cell_cancel): Acquire; pairs with Ordering(wait.cell_grant). If the grant was
    // here, the owner sees what came with it before it hands it on. Nothing is published: a
    // granter that finds CANCEL does not look at the slot.
    pub(crate) fn cancel(self, list: &List<Cell>) -> Option<u64> {
        let cell = self.position.cell();
        let old = cell.word.fetch_or(CANCEL, ord("wait.cell_cancel", Ordering::Acquire));
        let granted = old & GRANT != 0 && !mutant("wait.cancel_granted");
        let unused = if old & (GRANT | WAITER) == WAITER {
            // SAFETY: CANCEL came before GRANT: every later granter refuses, the slot is ours.
            Some(unsafe { cell.waker.take() })
        } else {
            None
        };
        list.finish(self.position);
        drop(unused);
        granted.then_some(old >> NOTE_SHIFT)
    }
}
