//! The LIFO store: a stack of nodes behind one pointer.
//!
//! *Source.* Treiber, *Systems programming: coping with parallelism* (1986). Epochs keep a node that
//! another thread is looking at, which also rules out the ABA problem.

use super::sealed::Sealed;
use crate::shim::atomic::AtomicPtr;
use crate::shim::cell::UnsafeCell;
use crate::shim::{Ordering, ord};
use crate::wait::reclaim::{Domain, Managed, pin};
use std::mem::MaybeUninit;
use std::ptr;

struct Node<T> {
    value: UnsafeCell<MaybeUninit<T>>,
    /// Written before the node is shared, never again.
    below: UnsafeCell<*mut Managed<Node<T>>>,
}

impl<T> Node<T> {
    /// # Safety
    ///
    /// The caller unlinked the node, or is exclusive; called once.
    unsafe fn take(&self) -> T {
        self.value.with_mut(|slot| {
            // SAFETY: exclusive by the caller's word.
            let slot = unsafe { &mut *slot };
            // SAFETY: written by `push`, and taken once.
            unsafe { slot.assume_init_read() }
        })
    }

    /// # Safety
    ///
    /// The node is shared, so nobody writes `below`.
    unsafe fn below(&self) -> *mut Managed<Node<T>> {
        self.below.with(|below| {
            // SAFETY: not written while shared.
            unsafe { *below }
        })
    }
}

/// The LIFO store of a [`LifoQueue`](super::LifoQueue).
pub struct Lifo<T> {
    top: AtomicPtr<Managed<Node<T>>>,
    domain: Domain,
}

impl<T> super::Store<T> for Lifo<T> where Self: Sealed<T> {}

// SAFETY: items cross threads by value only.
unsafe impl<T> Send for Lifo<T> {}
// SAFETY: as above; `Core` asks for `T: Send`.
unsafe impl<T> Sync for Lifo<T> {}

impl<T> Sealed<T> for Lifo<T> {
    fn new() -> Self {
        Self { top: AtomicPtr::new(ptr::null_mut()), domain: Domain::new() }
    }

    // Ordering(lifo.push): Release; pairs with Ordering(lifo.pop): the node is visible.
    fn push(
        &self,
        admit: impl Fn() -> Option<u64>,
        _admitted: impl Fn() -> u64,
        value: &mut Option<T>,
    ) -> bool {
        if admit().is_none() {
            return false;
        }
        let value = value.take().expect("a put has its item");
        let node = self.domain.alloc(Node {
            value: UnsafeCell::new(MaybeUninit::new(value)),
            below: UnsafeCell::new(ptr::null_mut()),
        });
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            // SAFETY: not shared yet.
            let shared = unsafe { Managed::get(node) };
            shared.below.with_mut(|below| {
                // SAFETY: not shared yet, so exclusive.
                unsafe { *below = top };
            });
            let ok = ord("lifo.push", Ordering::Release);
            match self.top.compare_exchange_weak(top, node, ok, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => top = now,
            }
        }
    }

    // Ordering(lifo.pop): Acquire, on the load and both ends of the exchange; pairs with
    // Ordering(lifo.push): the node is looked into.
    fn pop(&self, _void: impl Fn()) -> Option<T> {
        let guard = pin();
        let acquire = ord("lifo.pop", Ordering::Acquire);
        let mut top = self.top.load(acquire);
        loop {
            // An item was promised, and every promise is one node: the stack is not empty.
            assert!(!top.is_null(), "an item was promised");
            // SAFETY: reached through `top` since the pin.
            let node = unsafe { guard.get(top) };
            // SAFETY: shared.
            let below = unsafe { node.below() };
            match self.top.compare_exchange_weak(top, below, acquire, acquire) {
                Ok(_) => {
                    // SAFETY: we unlinked it.
                    let value = unsafe { node.take() };
                    // SAFETY: unlinked by us, so retired once and out of reach for later pins.
                    unsafe { guard.retire(&self.domain, top) };
                    return Some(value);
                }
                Err(now) => top = now,
            }
        }
    }
}

impl<T> Drop for Lifo<T> {
    fn drop(&mut self) {
        // Ordering(lifo.drop): Relaxed. `&mut self` has been ordered after all uses.
        let mut top = self.top.load(Ordering::Relaxed);
        while !top.is_null() {
            // SAFETY: exclusive; linked nodes are live.
            let node = unsafe { Managed::get(top) };
            // SAFETY: as above.
            let below = unsafe { node.below() };
            // SAFETY: as above; a linked node has its value.
            drop(unsafe { node.take() });
            // SAFETY: as above; each is visited once.
            unsafe { self.domain.free(top) };
            top = below;
        }
    }
}
