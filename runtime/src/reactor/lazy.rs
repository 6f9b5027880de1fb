//! A reference that is set once, by whoever comes first.
//!
//! A source is used by several tasks, and the first that has to wait registers it. Two may be
//! first. Each prepares a record, publishes it here, and one of them finds the other's instead.
//! `std::sync::OnceLock` would make one thread wait for the other.
use std::ptr;

use corio_sync::shim::atomic::AtomicPtr;
use corio_sync::shim::{Ordering, ord};

use Ordering::{Acquire, Relaxed, Release};

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

/// See the module's documentation.
///
/// # Safety
///
/// A pointer that is not null refers to a `T` that is valid until the owner of this takes it out
/// again, which takes `&mut self`: who calls [`publish`](Self::publish) promises that.
#[derive(Debug)]
pub(super) struct Lazy<T>(AtomicPtr<T>);

impl<T> Lazy<T> {
    #[cfg(not(corio_loom))]
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    #[cfg(corio_loom)]
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    pub(super) fn get(&self) -> Option<&T> {
        // Ordering(lazy.get): Acquire; pairs with Ordering(lazy.publish). What the publisher
        // wrote before is there.
        let value = self.0.load(ord("lazy.get", Acquire));
        // SAFETY: see the type.
        unsafe { value.as_ref() }
    }

    /// Sets the reference. If somebody was faster, returns what he set as an error.
    ///
    /// # Safety
    ///
    /// `value` is valid until it is taken out again.
    pub(super) unsafe fn publish(&self, value: &T) -> Result<(), &T> {
        let value = ptr::from_ref(value).cast_mut();
        // Ordering(lazy.publish): Release; pairs with Ordering(lazy.get) and, as its Acquire on
        // failure, Ordering(lazy.lost). The value is complete for whoever finds it.
        let success = ord("lazy.publish", Release);
        // Ordering(lazy.lost): Acquire; pairs with Ordering(lazy.publish).
        let failure = ord("lazy.lost", Acquire);
        match self.0.compare_exchange(ptr::null_mut(), value, success, failure) {
            Ok(_) => Ok(()),
            // SAFETY: see the type.
            Err(theirs) => Err(unsafe { &*theirs }),
        }
    }

    /// Unsets the reference.
    pub(super) fn take(&mut self) -> Option<ptr::NonNull<T>> {
        // Relaxed: `&mut self` says that nobody else is here.
        ptr::NonNull::new(self.0.swap(ptr::null_mut(), Relaxed))
    }
}
