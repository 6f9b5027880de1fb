//! What models put beside the state that they are about: plain memory whose use it must order.

use super::cell::UnsafeCell;

/// A value that one party may write or many may read at a time, if the protocol under test says so:
/// the checker fails a model in which two accesses meet otherwise.
#[derive(Debug)]
pub struct Witness<T>(UnsafeCell<T>);

// SAFETY: a model shares it on purpose; the cell of each checker reports accesses that meet before
// the second one is made.
unsafe impl<T: Send> Sync for Witness<T> {}

impl<T: Copy> Witness<T> {
    /// A value that nobody else knows yet.
    pub fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Reads it.
    pub fn get(&self) -> T {
        // SAFETY: the checker has seen that nobody writes meanwhile.
        self.0.with(|value| unsafe { *value })
    }

    /// Writes it.
    pub fn set(&self, new: T) {
        // SAFETY: the checker has seen that nobody else is here meanwhile.
        self.0.with_mut(|value| unsafe { *value = new });
    }
}
