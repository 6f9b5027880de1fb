//! [`Prioritized`]: an item with a priority beside it.

use std::cmp::Ordering;
use std::fmt;

/// An item and its priority, compared by the priority alone.
///
/// asyncio's documentation has users write such a class for items that have no order of their own.
/// It is `Sync` although its item need not be: sharing it shows the priority only.
///
/// # Examples
///
/// ```
/// use corio_sync::{Prioritized, PriorityQueue};
///
/// // A closure can neither be compared nor, without `Sync`, be looked at by two threads.
/// type Job = Box<dyn FnOnce() -> u32 + Send>;
/// static QUEUE: std::sync::LazyLock<PriorityQueue<Prioritized<u8, Job>>> =
///     std::sync::LazyLock::new(|| PriorityQueue::new(0));
///
/// QUEUE.put_nowait(Prioritized::new(9, Box::new(|| 1))).unwrap();
/// QUEUE.put_nowait(Prioritized::new(5, Box::new(|| 2))).unwrap();
/// let first = QUEUE.get_nowait().unwrap();
/// assert_eq!(*first.priority(), 5);
/// assert_eq!(first.into_item()(), 2);
/// ```
pub struct Prioritized<P, T> {
    priority: P,
    item: T,
}

// SAFETY: `&Prioritized` lends the priority and nothing else; the item is reached through
// `&mut self` and `self` only.
unsafe impl<P: Sync, T> Sync for Prioritized<P, T> {}

impl<P, T> Prioritized<P, T> {
    /// Puts the two together.
    pub const fn new(priority: P, item: T) -> Self {
        Self { priority, item }
    }

    /// The priority; the smallest comes first.
    #[must_use]
    pub const fn priority(&self) -> &P {
        &self.priority
    }

    /// The item. There is no shared form: see the type.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::Prioritized;
    ///
    /// let mut job = Prioritized::new(1, String::from("feed the cat"));
    /// job.item_mut().push('s');
    /// assert_eq!(job.into_parts(), (1, String::from("feed the cats")));
    /// ```
    pub const fn item_mut(&mut self) -> &mut T {
        &mut self.item
    }

    /// The item without its priority.
    #[must_use]
    pub fn into_item(self) -> T {
        self.item
    }

    /// Both.
    ///
    /// See [`item_mut`](Self::item_mut) for an example.
    #[must_use]
    pub fn into_parts(self) -> (P, T) {
        (self.priority, self.item)
    }
}

impl<P: PartialEq, T> PartialEq for Prioritized<P, T> {
    fn eq(&self, other: &Self) -> bool {
        self.priority == other.priority
    }
}

impl<P: Eq, T> Eq for Prioritized<P, T> {}

impl<P: PartialOrd, T> PartialOrd for Prioritized<P, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.priority.partial_cmp(&other.priority)
    }
}

impl<P: Ord, T> Ord for Prioritized<P, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.priority.cmp(&other.priority)
    }
}

impl<P: fmt::Debug, T> fmt::Debug for Prioritized<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prioritized").field("priority", &self.priority).finish_non_exhaustive()
    }
}
