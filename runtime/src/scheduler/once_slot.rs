//! A place for one value that is put in once at most and taken out once at most, by any threads.
//!
//! ```text
//!   EMPTY --(1) put--> full --(2) close--> CLOSED
//!   EMPTY ------------------(2) close--> CLOSED
//! ```
//! One word, one read-modify-write for each edge, so of a put and a close that meet one comes first:
//! the close finds the value, or the put gets it back. Wait-free.

use std::marker::PhantomData;
use std::ptr;

use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicPtr;
use corio_sync::shim::{mutant, ord};

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

/// See the module.
#[derive(Debug)]
pub(crate) struct OnceSlot<T> {
    /// Null while nothing was put in; the address of [`CLOSED`]; or a box.
    value: AtomicPtr<T>,
    owns: PhantomData<T>,
}

/// Its address is no box's.
static CLOSED: u64 = 0;

fn closed<T>() -> *mut T {
    ptr::from_ref(&CLOSED).cast_mut().cast()
}

impl<T> OnceSlot<T> {
    pub(crate) fn empty() -> Self {
        Self { value: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    pub(crate) fn full(value: T) -> Self {
        Self { value: AtomicPtr::new(Box::into_raw(Box::new(value))), owns: PhantomData }
    }

    /// Edge 1; the value comes back if the slot was closed before.
    ///
    /// # Panics
    ///
    /// If something was put in before.
    pub(crate) fn put(&self, value: T) -> Result<(), T> {
        let boxed = Box::into_raw(Box::new(value));
        // Ordering(once_slot.put): Release; pairs with Ordering(once_slot.close). Who takes the
        // value finds it written.
        let order = ord("once_slot.put", Release);
        match self.value.compare_exchange(ptr::null_mut(), boxed, order, Relaxed) {
            Ok(_) => Ok(()),
            Err(found) => {
                // SAFETY: the exchange has failed, so the box is still ours alone.
                let refused = *unsafe { Box::from_raw(boxed) };
                assert!(found == closed(), "a second value was put in");
                Err(refused)
            }
        }
    }

    /// Edge 2: takes the value, if one is in, and refuses one that comes later.
    pub(crate) fn close(&self) -> Option<T> {
        let now = if mutant("once_slot.reopen") { ptr::null_mut() } else { closed() };
        // Ordering(once_slot.close): Acquire; pairs with Ordering(once_slot.put). The value is seen
        // as it was put in.
        let found = self.value.swap(now, ord("once_slot.close", Acquire));
        if found.is_null() || found == closed() {
            return None;
        }
        // SAFETY: the address of a box was swapped out, so nobody else finds it.
        Some(*unsafe { Box::from_raw(found) })
    }
}

impl<T> Drop for OnceSlot<T> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

// SAFETY: the slot gives a value from one thread to another and never lends it.
unsafe impl<T: Send> Send for OnceSlot<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for OnceSlot<T> {}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_value_comes_out_once() {
        let slot = OnceSlot::empty();
        assert_eq!(slot.put(5), Ok(()));
        assert_eq!(slot.close(), Some(5));
        assert_eq!(slot.close(), None);
        assert_eq!(slot.put(6), Err(6));
        assert_eq!(OnceSlot::full(7).close(), Some(7));
    }

    #[test]
    fn what_is_in_goes_with_the_slot() {
        let value = Arc::new(());
        drop(OnceSlot::full(value.clone()));
        let slot = OnceSlot::empty();
        slot.put(value.clone()).unwrap();
        drop(slot);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    #[should_panic(expected = "second value")]
    fn a_second_value_is_a_mistake() {
        let slot = OnceSlot::full(Box::new(1));
        let _ = slot.put(Box::new(2));
    }
}
