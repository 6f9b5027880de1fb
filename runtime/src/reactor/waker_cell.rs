//! A place for one waker that one task fills and any thread empties.
//!
//! # Protocol
//!
//! ```text
//!   bit        set by       meaning
//!   FILLING    1 register   a task is putting its waker in; it alone touches the slot
//!   TAKING     2 take       a thread is taking the waker out; it alone touches the slot,
//!                           unless FILLING was set first: then it has left the slot alone
//! ```
//! Legal: 0, FILLING, TAKING, FILLING | TAKING. From 0 whoever sets a bit owns the slot until it
//! stores 0 again. `take` under FILLING leaves its bit as a note: the filling task finds it when
//! it is done, takes its waker out again and reports [`Registered::Raced`].
//!
//! Neither side ever waits for the other. A task that finds the cell in use gets
//! [`Registered::Busy`] and has to come back: it reschedules itself. This is the state machine of
//! `futures::task::AtomicWaker`, but no user code (clone, drop, wake) runs while a bit is set.
use std::task::Waker;

use corio_sync::shim::atomic::AtomicU8;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{Ordering, ord};

use Ordering::{Acquire, Relaxed, Release};

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

const FILLING: u8 = 1;
const TAKING: u8 = 2;

/// What became of a waker given to [`WakerCell::register`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Registered {
    /// It is in the cell.
    Stored,
    /// It is not: somebody tried to take it meanwhile. What the task waits for may be there.
    Raced,
    /// It is not: the cell is in use. The task must come back.
    Busy,
}

/// See the module's documentation.
///
/// # Safety
///
/// `slot` is touched only by the thread that changed `state` from 0, until that thread changes it
/// back to 0.
pub(super) struct WakerCell {
    state: AtomicU8,
    slot: UnsafeCell<Option<Waker>>,
}

// SAFETY: `state` hands the slot from thread to thread, and `Waker` is `Send` and `Sync`.
unsafe impl Sync for WakerCell {}

impl WakerCell {
    pub(super) fn new() -> Self {
        Self { state: AtomicU8::new(0), slot: UnsafeCell::new(None) }
    }

    /// Puts a clone of `waker` into the cell, in place of the waker that is there.
    pub(super) fn register(&self, waker: &Waker) -> Registered {
        // The clone runs user code, which may panic or come back here: before the claim.
        let waker = waker.clone();
        // Ordering(waker_cell.fill): Acquire; pairs with Ordering(waker_cell.filled),
        // Ordering(waker_cell.withdrawn) and Ordering(waker_cell.taken). The last use of the slot
        // is complete; without it a race.
        let claim =
            self.state.compare_exchange(0, FILLING, ord("waker_cell.fill", Acquire), Relaxed);
        if claim.is_err() {
            return Registered::Busy;
        }
        // SAFETY: the exchange above gave us the slot.
        let old = self.slot.with_mut(|slot| unsafe { (*slot).replace(waker) });
        // Ordering(waker_cell.filled): Release; pairs with Ordering(waker_cell.fill) and
        // Ordering(waker_cell.take). Who uses the slot next finds our waker in it. Relaxed on
        // failure: the slot stays ours.
        let filled =
            self.state.compare_exchange(FILLING, 0, ord("waker_cell.filled", Release), Relaxed);
        let refused = if filled.is_ok() { None } else { self.withdraw() };
        // Dropping a waker runs user code too: both drops come after the claim.
        drop(old);
        match refused {
            None => Registered::Stored,
            Some(_) => Registered::Raced,
        }
    }

    /// Takes back what `register` stored, because a taker found it unfinished.
    #[cold]
    fn withdraw(&self) -> Option<Waker> {
        // SAFETY: state is FILLING | TAKING: the slot is ours, the taker left it alone.
        let waker = self.slot.with_mut(|slot| unsafe { (*slot).take() });
        // Ordering(waker_cell.withdrawn): Release; pairs with Ordering(waker_cell.fill) and
        // Ordering(waker_cell.take). The slot is empty before it is used again.
        self.state.swap(0, ord("waker_cell.withdrawn", Release));
        waker
    }

    /// Takes the waker out. `None` if there is none, if another taker is at it, or if a task is
    /// just registering: that task then gets `Raced`.
    #[must_use]
    pub(super) fn take(&self) -> Option<Waker> {
        // Ordering(waker_cell.take): Acquire; pairs with Ordering(waker_cell.filled),
        // Ordering(waker_cell.withdrawn) and Ordering(waker_cell.taken). The waker is complete;
        // without it a race on the slot.
        let state = self.state.fetch_or(TAKING, ord("waker_cell.take", Acquire));
        if state != 0 {
            return None;
        }
        // SAFETY: we changed state from 0, so the slot is ours.
        let waker = self.slot.with_mut(|slot| unsafe { (*slot).take() });
        // Ordering(waker_cell.taken): Release; pairs with Ordering(waker_cell.fill) and
        // Ordering(waker_cell.take). The slot is empty before it is used again.
        self.state.swap(0, ord("waker_cell.taken", Release));
        waker
    }
}

impl std::fmt::Debug for WakerCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WakerCell").finish_non_exhaustive()
    }
}
