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
///
/// # Examples
///
/// ```
/// use corio_sync::{park::block_on, watch};
///
/// let (sender, mut receiver) = watch::channel(1);
/// sender.send(2).unwrap();
/// assert_eq!(*sender.send_replace(3), 2);
/// sender.send_modify(|value| *value += 1);
/// assert!(!sender.send_if_modified(|_| false));
/// assert_eq!((*sender.borrow(), *receiver.borrow()), (4, 4));
/// assert_eq!(receiver.has_changed(), Ok(true), "borrow() does not count as a look");
/// assert_eq!(*receiver.borrow_and_update(), 4);
/// receiver.mark_changed();
/// assert_eq!(receiver.changed_blocking(None), Some(Ok(())));
///
/// sender.send(5).unwrap();
/// receiver.mark_unchanged();
/// assert_eq!(receiver.has_changed(), Ok(false));
/// block_on(async {
///     sender.send(6).unwrap();
///     receiver.changed().await.unwrap();
///     assert_eq!(*receiver.wait_for(|value| *value > 5).await.unwrap(), 6);
/// });
/// let other = sender.subscribe();
/// assert!(sender.receiver_count() == 2 && !sender.is_closed());
/// drop((other, receiver));
/// block_on(sender.closed());
/// ```
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
