//! Which callback a worker is inside: a report while it is stuck names it. Kept in debug mode only.

use std::sync::{Mutex, PoisonError};

use super::callback::CallHandle;

/// The callback that a worker is inside; none if debug mode is off, or between two.
#[derive(Debug, Default)]
pub(crate) struct Calling(Mutex<Option<CallHandle>>);

impl Calling {
    /// The worker begins a callback, or has ended it.
    pub(crate) fn set(&self, handle: Option<CallHandle>) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *inside = handle;
    }

    pub(crate) fn get(&self) -> Option<CallHandle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
