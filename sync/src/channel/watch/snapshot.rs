//! What a look at the value gives: a value that is kept, by the receiver or by the look itself.

use super::runs::{Kept, Newest, Run};
use crate::wait::reclaim::Managed;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A value and its place in the order of all.
pub(super) struct Versioned<T> {
    pub(super) version: u64,
    pub(super) value: T,
}

/// What the channel's pointer leads to.
pub(super) type Node<T> = Managed<Arc<Run<T>>>;

/// A snapshot of the value.
pub struct Ref<'a, T>(pub(super) Snapshot<'a, T>);

/// The latest value, seen under a pin.
pub(super) struct Seen<'g, T> {
    pub(super) node: *mut Node<T>,
    pub(super) run: &'g Arc<Run<T>>,
    pub(super) newest: Newest,
}

impl<T> Seen<'_, T> {
    pub(super) fn value(&self) -> &T {
        &self.run.get(self.newest.at()).value
    }

    pub(super) fn keep(&self) -> Kept<T> {
        Kept::new(self.run.clone(), self.newest)
    }
}

/// Who keeps the value.
pub(super) enum Snapshot<'a, T> {
    /// The receiver keeps it.
    Kept(&'a Versioned<T>),
    Own(Kept<T>),
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.0 {
            Snapshot::Kept(kept) => &kept.value,
            Snapshot::Own(kept) => &kept.get().value,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
