//! A place whose value is replaced as a whole while others read it.
//!
//! Readers and writers count themselves in. A writer unlinks the old value by one compare-exchange,
//! puts it on the list of *retired* values, and counts itself out. Who leaves last frees: it takes
//! the list while it is alone, and if it is still alone when it counts itself out, nobody can be
//! looking at what was on it, for it was unlinked before it was put there.
//!
//! ```text
//!   (1) enter    inside + 1
//!   (2) update   current: old -> new, then old goes on the list
//!   (3) leave    alone: take the list;  inside - 1;  if that was the last: free it, else put it back
//! ```
//! Reading is wait-free, updating lock-free; nobody waits for a reader, who may stay for long or
//! update in the middle. While there is always somebody inside, nothing is freed.
//!
//! Source: the lock-free stack's `threads_in_pop` in A. Williams, *C++ Concurrency in Action*, 7.2.2.
//! Rejected: a counter beside the pointer in one word (needs bits of the pointer); epochs (a context
//! that is written once a minute would leave its garbage to them for as long).

use std::ptr;

use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed, Release};
use corio_sync::shim::atomic::{AtomicPtr, AtomicUsize};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{mutant, ord};

use crate::quiet::drop_quietly;

/// The place; empty at first.
pub(in crate::task) struct Slot<T> {
    current: AtomicPtr<T>,
    inside: AtomicUsize,
    retired: AtomicPtr<Retired<T>>,
}

struct Retired<T> {
    value: *mut T,
    next: *mut Retired<T>,
    /// Loom sees writing and reading here; elsewhere it is nothing.
    watched: UnsafeCell<()>,
}

// SAFETY: values are dropped by any thread.
unsafe impl<T: Send> Send for Slot<T> {}
// SAFETY: values are lent to all threads and dropped by any.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

/// Edge 3.
struct Inside<'a, T>(&'a Slot<T>);

impl<T> Slot<T> {
    pub(in crate::task) fn new(value: Option<T>) -> Self {
        let current = value.map_or(ptr::null_mut(), |value| Box::into_raw(Box::new(value)));
        Self {
            current: AtomicPtr::new(current),
            inside: AtomicUsize::new(0),
            retired: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// True if there is nothing to read.
    pub(super) fn is_empty(&self) -> bool {
        // Ordering: Relaxed; nothing is read through it.
        self.current.load(Relaxed).is_null()
    }

    /// Edge 1.
    fn enter(&self) -> Inside<'_, T> {
        // Ordering(slot.enter): Acquire; pairs with Ordering(slot.leave): who enters after what is
        // freed was found unused does not find it in `current` any more.
        self.inside.fetch_add(1, ord("slot.enter", Acquire));
        Inside(self)
    }

    /// Lends the value to `f`.
    pub(in crate::task) fn read<R>(&self, f: impl FnOnce(Option<&T>) -> R) -> R {
        if self.is_empty() {
            return f(None);
        }
        let _inside = self.enter();
        // Ordering(slot.read): Acquire; pairs with Ordering(slot.update): the value is seen whole.
        let current = self.current.load(ord("slot.read", Acquire));
        // SAFETY: a value is freed when nobody is inside who could have found it.
        f(unsafe { current.as_ref() })
    }

    /// Edge 2. Replaces the value by what `make` makes of it, which it may be asked more than once.
    pub(in crate::task) fn update(&self, mut make: impl FnMut(Option<&T>) -> T) {
        let inside = self.enter();
        // Ordering(slot.look): Acquire; pairs with Ordering(slot.update), also where it fails below.
        let acquire = ord("slot.look", Acquire);
        let mut old = self.current.load(acquire);
        loop {
            // SAFETY: as in `read`.
            let new = Box::into_raw(Box::new(make(unsafe { old.as_ref() })));
            // Ordering(slot.update): Release; pairs with Ordering(slot.read) and
            // Ordering(slot.look): who reads finds the value whole.
            match self.current.compare_exchange(old, new, ord("slot.update", Release), acquire) {
                Ok(_) => break,
                Err(now) => {
                    old = now;
                    // SAFETY: it was never published.
                    discard(unsafe { Box::from_raw(new) });
                }
            }
        }
        if !old.is_null() {
            let watched = UnsafeCell::new(());
            let retired = Retired { value: old, next: ptr::null_mut(), watched };
            let retired = Box::into_raw(Box::new(retired));
            self.retire(retired, retired);
        }
        drop(inside);
    }

    /// Puts a chain on the list.
    fn retire(&self, first: *mut Retired<T>, last: *mut Retired<T>) {
        // Ordering: Relaxed; the exchange below validates it.
        let mut head = self.retired.load(Relaxed);
        loop {
            // SAFETY: the chain is this thread's alone until the exchange succeeds.
            let link = unsafe { &mut *last };
            link.watched.with_mut(|_| ());
            link.next = head;
            // Ordering(slot.retire): Release; pairs with Ordering(slot.collect): who frees the value
            // comes after its unlinking.
            match self.retired.compare_exchange_weak(
                head,
                first,
                ord("slot.retire", Release),
                Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    fn last_of(chain: *mut Retired<T>) -> *mut Retired<T> {
        let mut at = chain;
        loop {
            // SAFETY: the chain is the caller's and not empty.
            let link = unsafe { &*at };
            link.watched.with(|_| ());
            if link.next.is_null() {
                return at;
            }
            at = link.next;
        }
    }
}

impl<T> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        let slot = self.0;
        // Ordering: Relaxed; a first guess that the count below confirms or not.
        let alone = slot.inside.load(Relaxed) == 1 && !slot.retired.load(Relaxed).is_null();
        let chain = if alone {
            // Ordering(slot.collect): Acquire; pairs with Ordering(slot.retire).
            slot.retired.swap(ptr::null_mut(), ord("slot.collect", Acquire))
        } else {
            ptr::null_mut()
        };
        // Ordering(slot.leave): AcqRel; pairs with itself and Ordering(slot.enter): who leaves last
        // frees after all reads of those who left before, and who enters later sees what it has
        // seen unlinked.
        let last = slot.inside.fetch_sub(1, ord("slot.leave", AcqRel)) == 1;
        if chain.is_null() {
            return;
        }
        if last || mutant("slot.free_beside_readers") {
            free(chain);
        } else {
            slot.retire(chain, Slot::last_of(chain));
        }
    }
}

/// Frees a chain of retired values, which are a user's and may panic when they are dropped.
fn free<T>(mut chain: *mut Retired<T>) {
    while !chain.is_null() {
        // SAFETY: the chain is the caller's alone, and each link came from a box.
        let retired = unsafe { Box::from_raw(chain) };
        retired.watched.with_mut(|_| ());
        chain = retired.next;
        // SAFETY: nobody can find the value any more, and it came from a box.
        discard(unsafe { Box::from_raw(retired.value) });
    }
}

/// Drops a user's value, whose panic goes no further; that of a model's value does.
fn discard<T>(value: Box<T>) {
    if cfg!(any(corio_loom, corio_shuttle)) {
        drop(value);
    } else {
        drop_quietly(value);
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // Ordering: Relaxed, both; the slot is dropped by its last user.
        free(self.retired.load(Relaxed));
        let current = self.current.load(Relaxed);
        if !current.is_null() {
            // SAFETY: the slot is this thread's alone, and the value came from a box.
            discard(unsafe { Box::from_raw(current) });
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom {
    use corio_sync::model;
    use corio_sync::shim::sync::Arc;
    use corio_sync::shim::thread;

    use super::{Slot, UnsafeCell};

    /// A value whose uses and drop loom compares.
    struct Watched(UnsafeCell<u32>);

    // SAFETY: loom checks what the slot promises.
    unsafe impl Send for Watched {}
    // SAFETY: as above.
    unsafe impl Sync for Watched {}

    impl Watched {
        fn new(value: u32) -> Self {
            let watched = Self(UnsafeCell::new(0));
            // SAFETY: not shared yet.
            watched.0.with_mut(|inside| unsafe { *inside = value });
            watched
        }

        fn get(&self) -> u32 {
            // SAFETY: lent by the slot.
            self.0.with(|inside| unsafe { *inside })
        }
    }

    impl Drop for Watched {
        fn drop(&mut self) {
            // SAFETY: dropped by the last user.
            self.0.with_mut(|inside| unsafe { *inside = u32::MAX });
        }
    }

    fn increase(slot: &Slot<Watched>) {
        slot.update(|old| Watched::new(old.map_or(0, Watched::get) + 1));
    }

    model! {
        /// Two writers and a reader.
        slot_update_vs_read(threads = 3, bound = 2, claim = "no update is lost, and what is read is whole and not freed") {
            let slot = Arc::new(Slot::new(Some(Watched::new(1))));
            let writers = [(); 2].map(|()| {
                let slot = slot.clone();
                thread::spawn(move || increase(&slot))
            });
            let seen = slot.read(|value| value.map(Watched::get));
            assert!(matches!(seen, Some(1..=3)), "{seen:?}");
            for writer in writers {
                writer.join().unwrap();
            }
            assert_eq!(slot.read(|value| value.map(Watched::get)), Some(3));
        }
    }

    model! {
        /// A reader that begins when another one ends, beside a writer.
        slot_free_vs_enter(threads = 3, bound = 3, claim = "nothing is freed that somebody may be looking at") {
            let slot = Arc::new(Slot::new(Some(Watched::new(1))));
            let reader = slot.clone();
            let reads = thread::spawn(move || {
                for _ in 0..2 {
                    assert!(reader.read(|value| value.map(Watched::get)).is_some());
                }
            });
            let writer = slot.clone();
            let writes = thread::spawn(move || increase(&writer));
            assert!(slot.read(|value| value.map(Watched::get)).is_some());
            reads.join().unwrap();
            writes.join().unwrap();
        }
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use std::sync::Arc;

    use super::Slot;

    #[test]
    fn what_is_replaced_is_freed_when_nobody_looks() {
        let value = Arc::new(());
        let slot = Slot::new(None);
        assert!(slot.is_empty() && slot.read(|value| value.is_none()));
        for _ in 0..10 {
            slot.update(|_| value.clone());
            assert_eq!(Arc::strong_count(&value), 2, "the old one is left");
        }
        slot.read(|held| {
            assert!(held.is_some());
            slot.update(|_| value.clone());
            assert_eq!(Arc::strong_count(&value), 3, "freed under a reader");
        });
        assert_eq!(Arc::strong_count(&value), 2);
        drop(slot);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
