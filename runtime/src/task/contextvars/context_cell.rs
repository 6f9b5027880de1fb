//! A place for one thing that whoever needs it first makes: null until then, and the thing ever after.
use std::fmt;
use std::ptr;

use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicPtr;
use corio_sync::shim::ord;

/// See the module. What the pointer owns, if anything, is the user's to free.
pub(super) struct MadeOnce<T>(AtomicPtr<T>);

impl<T> fmt::Debug for MadeOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MadeOnce").field(&self.get()).finish()
    }
}

impl<T> MadeOnce<T> {
    pub(super) fn new(made: *mut T) -> Self {
        Self(AtomicPtr::new(made))
    }

    pub(super) fn get(&self) -> *mut T {
        // Ordering(context_cell.get): Acquire; pairs with Ordering(context_cell.make): the thing is
        // seen initialized.
        self.0.load(ord("context_cell.get", Acquire))
    }

    /// Puts it there, or fails with what somebody else has put there before.
    pub(super) fn put(&self, made: *mut T) -> Result<(), *mut T> {
        // Ordering(context_cell.make): Release; pairs with Ordering(context_cell.get); Acquire on
        // failure, as there. There is nothing to see in a null pointer.
        let (publish, found) =
            (ord("context_cell.make", Release), ord("context_cell.get", Acquire));
        self.0.compare_exchange(ptr::null_mut(), made, publish, found).map(drop)
    }

    /// What is there, for the last user, who frees it.
    pub(super) fn take(&mut self) -> *mut T {
        // Ordering: Relaxed; nobody else is here.
        self.0.swap(ptr::null_mut(), Relaxed)
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
