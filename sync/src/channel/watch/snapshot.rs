//! What a look at the value gives: a node that is kept, by the receiver or by the look itself.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A value and its place in the order of all.
pub(super) struct Versioned<T> {
    pub(super) version: u64,
    pub(super) value: T,
}

/// A snapshot of the value.
pub struct Ref<'a, T>(pub(super) Snapshot<'a, T>);

/// Who keeps the node.
pub(super) enum Snapshot<'a, T> {
    /// The receiver keeps it.
    Kept(&'a Versioned<T>),
    Own(Arc<Versioned<T>>),
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.0 {
            Snapshot::Kept(node) => &node.value,
            Snapshot::Own(node) => &node.value,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
