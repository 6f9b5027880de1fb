//! The FIFO store: a [strip](super::strip) of cells, an item in each.
//!
//! ```text
//! EMPTY --(1) put--> FULL --(2) get--> OVER
//!   +-----(3) get--> VOID --(4) put--> OVER     and the put stores again at a new position
//! ```
//! (1), (4) [`Fifo::push`], (2), (3) [`Fifo::pop`]. A get holds one of the queue's `items`, so there is a
//! full cell at or behind its position; if its own is empty, the put that drew it is slow, and the
//! get goes on to the next. So a get never waits for a put. That put overtakes nobody: it has not
//! returned.
//!
//! *Source.* Poisoned cells as in LCRQ (Morrison, Afek, PPoPP 2013) and Kotlin's channels.

use super::sealed::Sealed;
use super::strip::{Cell, Strip};
use crate::shim::atomic::AtomicU8;
use crate::shim::cell::UnsafeCell;
use crate::shim::{Ordering, ord};
use std::mem::MaybeUninit;

const EMPTY: u8 = 0;
const FULL: u8 = 1;
const VOID: u8 = 2;
/// Both sides are finished with the cell.
const OVER: u8 = 3;

struct Item<T> {
    state: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Default for Item<T> {
    fn default() -> Self {
        Self { state: AtomicU8::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }
}

// SAFETY: the value is written by the put that drew the cell and read by the get that claimed it.
unsafe impl<T: Send> Sync for Item<T> {}

impl<T> Item<T> {
    /// # Safety
    ///
    /// The caller drew this cell and has not published it.
    unsafe fn write(&self, value: T) {
        self.value.with_mut(|slot| {
            // SAFETY: exclusive by the caller's word.
            let slot = unsafe { &mut *slot };
            slot.write(value);
        });
    }

    /// # Safety
    ///
    /// The caller is the put that found VOID, the get that found FULL, or exclusive.
    unsafe fn take(&self) -> T {
        self.value.with_mut(|slot| {
            // SAFETY: exclusive by the caller's word.
            let slot = unsafe { &mut *slot };
            // SAFETY: written before, and taken once.
            unsafe { slot.assume_init_read() }
        })
    }
}

impl<T> Cell for Item<T> {
    // Ordering(queue.fifo_over): Acquire; pairs with Ordering(queue.fifo_taken) and
    // Ordering(queue.fifo_back): whoever frees the cell comes after its last use.
    #[inline]
    fn is_over(&self) -> bool {
        self.state.load(ord("queue.fifo_over", Ordering::Acquire)) == OVER
    }
}

impl<T> Drop for Item<T> {
    fn drop(&mut self) {
        // Ordering(queue.fifo_drop): Relaxed. `&mut self` has been ordered after all uses.
        if self.state.load(Ordering::Relaxed) == FULL {
            // SAFETY: exclusive; FULL has a value that nobody took.
            drop(unsafe { self.take() });
        }
    }
}

/// The FIFO store of a [`Queue`](super::Queue).
pub struct Fifo<T> {
    strip: Strip<Item<T>>,
}

impl<T> super::Store<T> for Fifo<T> where Self: Sealed<T> {}

// SAFETY: items cross threads by value only.
unsafe impl<T> Send for Fifo<T> {}
// SAFETY: as above; `Core` asks for `T: Send`.
unsafe impl<T> Sync for Fifo<T> {}

impl<T> Sealed<T> for Fifo<T> {
    const COUNTS_GETS: bool = true;

    fn new() -> Self {
        Self { strip: Strip::new() }
    }

    // Ordering(queue.fifo_fill): Release; pairs with Ordering(queue.fifo_look): the item is visible to
    // the get.
    // Ordering(queue.fifo_found_void): Acquire; pairs with Ordering(queue.fifo_void): the get is
    // finished with the cell, which whoever frees it hears from the put.
    #[inline]
    fn push(
        &self,
        admit: impl Fn() -> Option<u64>,
        admitted: impl Fn() -> u64,
        value: &mut Option<T>,
    ) -> bool {
        loop {
            let stored = self.strip.enter(&admit, &admitted, |item| {
                let ours = value.take().expect("a put has its item");
                // SAFETY: drawn by us.
                unsafe { item.write(ours) };
                let err = ord("queue.fifo_found_void", Ordering::Acquire);
                let ok = ord("queue.fifo_fill", Ordering::Release);
                let filled = item.state.compare_exchange(EMPTY, FULL, ok, err).is_ok();
                if !filled {
                    // SAFETY: VOID: the get has gone on.
                    *value = Some(unsafe { item.take() });
                    // Ordering(queue.fifo_back): Release; pairs with Ordering(queue.fifo_over).
                    item.state.store(OVER, ord("queue.fifo_back", Ordering::Release));
                }
                filled
            });
            if let Some(true) | None = stored {
                return stored.is_some();
            }
        }
    }

    // Ordering(queue.fifo_look): Acquire; pairs with Ordering(queue.fifo_fill): the item is
    // visible.
    #[inline]
    fn pop(&self, void: impl Fn()) -> Option<T> {
        loop {
            let taken = self.strip.claim(|item| {
                let acquire = ord("queue.fifo_look", Ordering::Acquire);
                if item.state.load(acquire) == EMPTY {
                    // Ordering(queue.fifo_void): Release; pairs with
                    // Ordering(queue.fifo_found_void): the put says for both that the cell is over.
                    let ok = ord("queue.fifo_void", Ordering::Release);
                    if item.state.compare_exchange(EMPTY, VOID, ok, acquire).is_ok() {
                        return None;
                    }
                }
                // SAFETY: FULL, and this get claimed it.
                let value = unsafe { item.take() };
                // Ordering(queue.fifo_taken): Release; pairs with Ordering(queue.fifo_over).
                item.state.store(OVER, ord("queue.fifo_taken", Ordering::Release));
                Some(value)
            });
            match taken {
                Some(value) => return Some(value),
                None => void(),
            }
        }
    }

    fn gets(&self) -> u64 {
        self.strip.claimed()
    }
}
