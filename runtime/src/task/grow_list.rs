//! A list that only grows, at its head: readers walk it without reclamation, because its nodes live
//! as long as the list.
//!
//! A push is lock-free, a walk wait-free but for its length. What is put in must be able to be used
//! again, or be pushed rarely: nothing is ever taken out.

use std::fmt;
use std::ptr;

use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicPtr;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::ord;

/// The list, latest first.
pub(crate) struct GrowList<T>(AtomicPtr<Node<T>>);

/// Where a search of a list goes on, as far as those that search know: null is its beginning.
pub(crate) struct Cursor<T>(AtomicPtr<Node<T>>);

struct Node<T> {
    value: T,
    next: *mut Node<T>,
    /// Loom sees writing and reading here; elsewhere it is nothing.
    watched: UnsafeCell<()>,
}

// SAFETY: values are moved in by any thread and dropped by the last user.
unsafe impl<T: Send> Send for GrowList<T> {}
// SAFETY: values are lent to all threads, and dropped by one that need not have made them.
unsafe impl<T: Send + Sync> Sync for GrowList<T> {}

impl<T> GrowList<T> {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Adds a value, which stays for good.
    pub(crate) fn push(&self, value: T) -> &T {
        let watched = UnsafeCell::new(());
        watched.with_mut(|_| ());
        let node = Box::into_raw(Box::new(Node { value, next: ptr::null_mut(), watched }));
        // Ordering: Relaxed; the compare-exchange below validates it.
        let mut first = self.0.load(Relaxed);
        loop {
            // SAFETY: the node is this thread's alone until the exchange succeeds.
            unsafe { (*node).next = first };
            // Ordering(grow_list.push): Release; pairs with Ordering(grow_list.walk): a walker sees
            // the node initialized; without it, garbage.
            match self.0.compare_exchange_weak(first, node, ord("grow_list.push", Release), Relaxed)
            {
                // SAFETY: nodes live as long as the list, which the borrow keeps.
                Ok(_) => return unsafe { &(*node).value },
                Err(now) => first = now,
            }
        }
    }

    /// What is there, latest first. Later pushes need not be seen.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        // Ordering(grow_list.walk): Acquire; pairs with Ordering(grow_list.push). Nodes behind the
        // first were pushed earlier, and each push goes on the release sequence of the one before.
        let mut at = self.0.load(ord("grow_list.walk", Acquire));
        std::iter::from_fn(move || {
            // SAFETY: nodes live as long as the list, which the borrow keeps.
            let node: &Node<T> = unsafe { at.as_ref() }?;
            node.watched.with(|_| ());
            at = node.next;
            Some(&node.value)
        })
    }
}

impl<T> GrowList<T> {
    /// Goes on with a search: from where the last one has ended, and round the list once, to a value that
    /// `takes` it.
    ///
    /// # Safety
    ///
    /// The cursor is used with this list only, and for no longer than the list.
    pub(crate) unsafe fn find_on(
        &self,
        cursor: &Cursor<T>,
        mut takes: impl FnMut(&T) -> bool,
    ) -> Option<&T> {
        // Ordering(grow_list.go_on): Acquire; pairs with Ordering(grow_list.leave_off): a node that this
        // thread has not come to by the list is seen as it was pushed.
        let from = cursor.0.load(ord("grow_list.go_on", Acquire));
        let (mut at, mut end, mut is_second) = (from, ptr::null_mut(), false);
        loop {
            if at == end {
                if is_second {
                    return None;
                }
                // Ordering: Acquire; as Ordering(grow_list.walk).
                (at, end, is_second) = (self.0.load(Acquire), from, true);
                continue;
            }
            // SAFETY: nodes live as long as the list, which the borrow keeps; the cursor's are its own,
            // says the caller.
            let node: &Node<T> = unsafe { &*at };
            node.watched.with(|_| ());
            at = node.next;
            if takes(&node.value) {
                // Ordering(grow_list.leave_off): Release; pairs with Ordering(grow_list.go_on): this
                // thread has seen the next node as it was pushed, and passes that on.
                cursor.0.store(at, ord("grow_list.leave_off", Release));
                return Some(&node.value);
            }
        }
    }
}

impl<T> Cursor<T> {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }
}

impl<T> Default for GrowList<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for GrowList<T> {
    fn drop(&mut self) {
        // Ordering: Relaxed; the list is dropped by its last user.
        let mut at = self.0.load(Relaxed);
        while !at.is_null() {
            // SAFETY: the list is this thread's alone, and each node is freed once.
            let node = unsafe { Box::from_raw(at) };
            node.watched.with_mut(|_| ());
            at = node.next;
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for GrowList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom {
    use corio_sync::model;
    use corio_sync::shim::sync::Arc;
    use corio_sync::shim::thread;

    use super::{Cursor, GrowList};

    model! {
        /// Two pushes and a search, while another thread goes on with that.
        grow_list_search_goes_on(threads = 2, bound = 3, claim = "a search that goes on sees nodes as they were pushed") {
            let list = Arc::new((GrowList::new(), Cursor::new()));
            let other = list.clone();
            // SAFETY: the two are one pair.
            let find = |list: &(GrowList<i32>, Cursor<i32>)| unsafe {
                list.0.find_on(&list.1, |_| true).copied()
            };
            let pushes = thread::spawn(move || {
                other.0.push(1);
                other.0.push(2);
                find(&other)
            });
            let found = find(&list);
            let first = pushes.join().unwrap();
            assert!(first.is_some() && found != Some(0));
            assert!(find(&list).is_some(), "it goes round the list");
        }
    }

    model! {
        /// A push, and a walk at any moment.
        grow_list_seen_whole(threads = 2, bound = 3, claim = "what is seen is seen as it was pushed") {
            let list = Arc::new(GrowList::new());
            let pusher = list.clone();
            let pushes = thread::spawn(move || {
                pusher.push(1);
            });
            while list.iter().next().is_none() {
                thread::yield_now();
            }
            pushes.join().unwrap();
        }
    }

    model! {
        /// Two pushes and a walk.
        grow_list_push_vs_walk(threads = 3, bound = 3, claim = "nothing that was pushed is lost, and what is seen is seen whole") {
            let list = Arc::new(GrowList::new());
            let pushers = [1, 2].map(|value| {
                let list = list.clone();
                thread::spawn(move || assert_eq!(*list.push(value), value))
            });
            let seen: Vec<_> = list.iter().copied().collect();
            for pusher in pushers {
                pusher.join().unwrap();
            }
            let mut all: Vec<_> = list.iter().copied().collect();
            assert!(all.ends_with(&seen), "an old value moved: {seen:?}, then {all:?}");
            all.sort_unstable();
            assert_eq!(all, [1, 2]);
        }
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use super::{Cursor, GrowList};

    #[test]
    fn a_search_goes_on_and_round_the_list_once() {
        let (list, cursor) = (GrowList::new(), Cursor::new());
        for value in 0..4 {
            list.push(value);
        }
        let find = |wanted: &dyn Fn(i32) -> bool| {
            let mut seen = Vec::new();
            let takes = |value: &i32| {
                seen.push(*value);
                wanted(*value)
            };
            // SAFETY: the two are one pair.
            let found = unsafe { list.find_on(&cursor, takes) }.copied();
            (found, seen)
        };
        assert_eq!(find(&|value| value == 2), (Some(2), vec![3, 2]));
        assert_eq!(find(&|value| value == 3), (Some(3), vec![1, 0, 3]));
        assert_eq!(find(&|_| false), (None, vec![2, 1, 0, 3]));
        list.push(4);
        assert_eq!(find(&|value| value == 0), (Some(0), vec![2, 1, 0]));
        assert_eq!(find(&|_| true), (Some(4), vec![4]));
    }

    #[test]
    fn values_come_latest_first_and_are_dropped_with_the_list() {
        let value = std::sync::Arc::new(());
        let list = GrowList::new();
        assert!(list.iter().next().is_none());
        list.push((1, value.clone()));
        list.push((2, value.clone()));
        let numbers: Vec<_> = list.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [2, 1]);
        drop(list);
        assert_eq!(std::sync::Arc::strong_count(&value), 1);
    }
}
