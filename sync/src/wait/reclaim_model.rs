//! The contract of [`super`] as a checker for models: stamps instead of a collector.
//!
//! The clock and the graveyard use std's atomics on purpose: they are the observer of the model,
//! not a part of it, and must not add orderings or executions.

#[cfg(not(corio_sc))]
use crate::shim::atomic::fence;
use crate::shim::cell::UnsafeCell;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize};

static CLOCK: AtomicU64 = AtomicU64::new(1);

/// A node with the time of its retirement, 0 while it is live.
pub(crate) struct Managed<T> {
    retired_at: AtomicU64,
    /// Written at birth and read at every look: the model sees a node that is looked into by a
    /// thread to which its contents were not published.
    born: UnsafeCell<()>,
    /// Read by owners, written at retirement: the model sees an owner whose last use was not over.
    owned: UnsafeCell<()>,
    value: T,
}

/// Counts its nodes and keeps retired ones, so that leaks and double frees show.
pub(crate) struct Domain {
    allocated: AtomicUsize,
    freed: AtomicUsize,
    buried: AtomicPtr<Grave>,
}

struct Grave {
    next: *mut Grave,
    node: *mut (),
    free: unsafe fn(*mut ()),
}

/// The time of a pin.
pub(crate) struct Guard {
    pinned_at: u64,
}

/// The fence inside the collector's pin and retirement, without which a pinned thread could load a
/// pointer that was replaced before its pin. Loads of the sequential pass are never stale and need
/// no fence; there it is left out, so that no protocol of ours passes thanks to the collector's.
fn collector_fence() {
    #[cfg(not(corio_sc))]
    {
        use std::sync::atomic::Ordering::SeqCst;
        fence(SeqCst);
    }
}

/// Pins the current thread.
pub(crate) fn pin() -> Guard {
    collector_fence();
    Guard { pinned_at: CLOCK.fetch_add(1, Relaxed) }
}

impl Domain {
    /// A domain without nodes.
    pub(crate) const fn new() -> Self {
        Self {
            allocated: AtomicUsize::new(0),
            freed: AtomicUsize::new(0),
            buried: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// Moves a value to the heap.
    pub(crate) fn alloc<T>(&self, value: T) -> *mut Managed<T> {
        self.allocated.fetch_add(1, Relaxed);
        let born = UnsafeCell::new(());
        born.with_mut(|_| ());
        Box::into_raw(Box::new(Managed {
            retired_at: AtomicU64::new(0),
            born,
            owned: UnsafeCell::new(()),
            value,
        }))
    }

    /// Frees a node at once; a retired node must not come here.
    ///
    /// # Safety
    ///
    /// As for programs: the only pointer to a live node.
    pub(crate) unsafe fn free<T>(&self, node: *mut Managed<T>) {
        // SAFETY: graves are emptied by `drop` only, so even a wrong caller finds memory here.
        let at = unsafe { (*node).retired_at.load(Relaxed) };
        assert_eq!(at, 0, "a reachable node was retired");
        self.freed.fetch_add(1, Relaxed);
        // SAFETY: the caller hands over the only pointer to a live box.
        drop(unsafe { Box::from_raw(node) });
    }

    /// Stamps and buries a node that others have used: a look at it from now on shows, and so does
    /// one that is not ordered before.
    ///
    /// # Safety
    ///
    /// As for programs: nobody reaches the node any more, and only once.
    pub(crate) unsafe fn free_after_use<T>(&self, node: *mut Managed<T>) {
        // SAFETY: passed on.
        unsafe { self.bury(node) };
    }

    /// # Safety
    ///
    /// `node` came from `alloc`, and is buried once.
    unsafe fn bury<T>(&self, node: *mut Managed<T>) {
        unsafe fn free<T>(node: *mut ()) {
            // SAFETY: called once, by the domain's drop, with the type that `bury` saw.
            drop(unsafe { Box::from_raw(node.cast::<Managed<T>>()) });
        }
        let now = CLOCK.fetch_add(1, Relaxed);
        // SAFETY: graves are emptied only with their domain, so the memory is there.
        let shared = unsafe { &*node };
        shared.owned.with_mut(|_| ());
        let old = shared.retired_at.swap(now, Relaxed);
        assert_eq!(old, 0, "a node was retired twice");
        let next = self.buried.load(Acquire);
        let grave = Box::into_raw(Box::new(Grave { next, node: node.cast(), free: free::<T> }));
        // A model's threads are coroutines of one thread and no switch happens in between, so the
        // exchange cannot fail; `next` is still that of the load.
        self.buried.compare_exchange(next, grave, AcqRel, Acquire).expect("models do not race");
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        let mut grave = self.buried.load(Acquire);
        let mut buried = 0;
        while !grave.is_null() {
            // SAFETY: graves are boxes that only this list owns; `&mut self` is exclusive.
            let owned = unsafe { Box::from_raw(grave) };
            // SAFETY: `free` belongs to the type of `node`, which was buried once.
            unsafe { (owned.free)(owned.node) };
            grave = owned.next;
            buried += 1;
        }
        if !std::thread::panicking() {
            let freed = self.freed.load(Relaxed);
            assert_eq!(freed + buried, self.allocated.load(Relaxed), "nodes leaked");
        }
    }
}

impl<T> Managed<T> {
    /// Looks into a node without a pin; it must be live.
    ///
    /// # Safety
    ///
    /// The caller holds an obligation that keeps the node from being retired for `'a`.
    pub(crate) unsafe fn get<'a>(node: *const Self) -> &'a T {
        // SAFETY: graves are emptied only with their domain, so the memory is there.
        let node = unsafe { &*node };
        assert_eq!(node.retired_at.load(Relaxed), 0, "an owned node was retired");
        node.born.with(|_| ());
        node.owned.with(|_| ());
        &node.value
    }
}

impl Drop for Guard {
    /// The real guard unpins here. Graves keep all until their domain goes, so there is nothing to
    /// do; but what was looked at must not be used any more, which the compiler then checks.
    fn drop(&mut self) {}
}

impl Guard {
    /// Looks into a node; it must not have been retired before the pin.
    ///
    /// # Safety
    ///
    /// `node` was reachable through shared pointers at some moment since the pin.
    pub(crate) unsafe fn get<T>(&self, node: *const Managed<T>) -> &T {
        // SAFETY: graves are emptied only with their domain, so the memory is there.
        let node = unsafe { &*node };
        let at = node.retired_at.load(Relaxed);
        assert!(at == 0 || at > self.pinned_at, "retired at {at}, pinned at {}", self.pinned_at);
        node.born.with(|_| ());
        &node.value
    }

    /// Stamps and buries a node.
    ///
    /// # Safety
    ///
    /// As for programs: unreachable for later pins, and only once.
    pub(crate) unsafe fn retire<T>(&self, domain: &Domain, node: *mut Managed<T>) {
        collector_fence();
        // SAFETY: passed on.
        unsafe { domain.bury(node) };
    }
}
