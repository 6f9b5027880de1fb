//! A setting that may be replaced while others read it, without a lock.
//!
//! The settings form a list that only grows at its head and goes with its owner: a reader borrows
//! what it finds for as long as it likes. That costs one node for each replacement, which is why it
//! is for what a program sets a few times in its life.
//!
//! Progress: reading is wait-free, replacing lock-free.

use std::marker::PhantomData;
use std::ptr;

use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicPtr;

/// See the module.
#[derive(Debug)]
pub(crate) struct Latest<T> {
    head: AtomicPtr<Node<T>>,
    owns: PhantomData<T>,
}

#[derive(Debug)]
struct Node<T> {
    value: T,
    older: *mut Node<T>,
}

impl<T> Latest<T> {
    /// Nothing was set yet.
    pub(crate) const fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// What was set last.
    pub(crate) fn get(&self) -> Option<&T> {
        // Ordering(latest.get): Acquire; pairs with Ordering(latest.set): the value is seen as it
        // was made.
        let head = self.head.load(Acquire);
        // SAFETY: nodes live as long as the list, which the borrow keeps.
        unsafe { head.as_ref() }.map(|node| &node.value)
    }

    /// Replaces it for whoever reads from now on.
    pub(crate) fn set(&self, value: T) {
        // Ordering: Relaxed; the exchange below validates it.
        let older = self.head.load(Relaxed);
        let node = Box::into_raw(Box::new(Node { value, older }));
        let mut seen = older;
        loop {
            // Ordering(latest.set): Release; pairs with Ordering(latest.get).
            match self.head.compare_exchange_weak(seen, node, Release, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
            // SAFETY: the exchange has failed, so the node is still this thread's alone.
            unsafe { (*node).older = seen };
        }
    }
}

impl<T> Drop for Latest<T> {
    fn drop(&mut self) {
        // Ordering: Relaxed; whoever drops the list has it alone.
        let mut next = self.head.load(Relaxed);
        while !next.is_null() {
            // SAFETY: the list is this thread's alone, and each node came from a box and is in it
            // once.
            let node = unsafe { Box::from_raw(next) };
            next = node.older;
        }
    }
}

// SAFETY: the list owns its values and lends them to any thread.
unsafe impl<T: Send + Sync> Send for Latest<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Latest<T> {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn the_newest_counts_and_none_leaks() {
        let value = Arc::new(());
        let latest = Latest::new();
        assert!(latest.get().is_none());
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|n| latest.set((n, value.clone()))));
            }
        });
        let old = latest.get().unwrap();
        assert_eq!(old.0, 99, "some thread's last one");
        latest.set((1000, value.clone()));
        assert_eq!((old.0, latest.get().unwrap().0), (99, 1000));
        assert_eq!(Arc::strong_count(&value), 402);
        drop(latest);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
