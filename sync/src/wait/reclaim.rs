//! When the memory of a shared node may be given back.
//!
//! *Vocabulary.* A node is **managed** when threads may reach it without owning it. A thread
//! **pins** before it follows shared pointers and holds the [`Guard`] while it does. A node is
//! **retired** once, by the thread whose step made it unreachable for every later pin.
//!
//! *Invariant.* Memory retired after a pin stays valid until that pin ends.
//!
//! *Fences.* Pinning contains a sequentially consistent fence, and so does a retirement, before it
//! notes its time: a relaxed read that decided on the retirement acquires there at the latest.
//!
//! In programs this is [crossbeam-epoch](https://docs.rs/crossbeam-epoch) (Fraser, *Practical
//! lock-freedom*, 2004). A thread that is descheduled while pinned delays reclamation, never
//! progress. In models the collector is replaced by its contract: a logical clock stamps pins and
//! retirements, every dereference asserts that the node was not retired before the pin, and a
//! [`Domain`] that goes away asserts that each of its nodes was freed exactly once. Modelling the
//! collector itself would cost minutes per model and prove crossbeam's code, not ours.
//!
//! *Rejected.* Hazard pointers bound the garbage, but cost a fence per hop. A reference count per
//! node cannot be incremented safely after the pointer was loaded.

#[cfg(any(corio_loom, corio_shuttle))]
#[path = "reclaim_model.rs"]
mod imp;

pub(crate) use imp::{Domain, Guard, Managed, pin};

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod imp {
    use super::super::pool;
    use crossbeam_epoch as epoch;

    /// A node that threads may reach without owning it.
    #[repr(transparent)]
    pub(crate) struct Managed<T>(T);

    /// The owner of a family of managed nodes. Costs nothing outside models.
    pub(crate) struct Domain;

    /// Proof that the current thread is pinned.
    pub(crate) struct Guard(epoch::Guard);

    /// Pins the current thread.
    #[inline]
    pub(crate) fn pin() -> Guard {
        Guard(epoch::pin())
    }

    impl Domain {
        /// A domain without nodes.
        pub(crate) const fn new() -> Self {
            Self
        }

        /// Moves a value to the heap.
        pub(crate) fn alloc<T>(&self, value: T) -> *mut Managed<T> {
            pool::boxed(Managed(value))
        }

        /// Frees a node at once.
        ///
        /// # Safety
        ///
        /// `node` came from `alloc`, was neither freed nor retired, and no other thread can reach
        /// it now or later.
        pub(crate) unsafe fn free<T>(&self, node: *mut Managed<T>) {
            // SAFETY: the caller hands over the only pointer to a live node.
            unsafe { pool::unbox(node) };
        }

        /// Frees a node that other threads have used.
        ///
        /// # Safety
        ///
        /// `node` came from `alloc` and was neither freed nor retired; all uses by other threads
        /// happened before, and they cannot reach it any more.
        #[inline]
        pub(crate) unsafe fn free_after_use<T>(&self, node: *mut Managed<T>) {
            // SAFETY: as the caller's.
            unsafe { self.free(node) };
        }
    }

    impl<T> Managed<T> {
        /// Looks into a node without a pin.
        ///
        /// # Safety
        ///
        /// The caller holds an obligation that keeps the node from being retired for `'a`.
        #[inline]
        pub(crate) unsafe fn get<'a>(node: *const Self) -> &'a T {
            // SAFETY: the node is live by the caller's obligation.
            let node = unsafe { &*node };
            &node.0
        }
    }

    impl Guard {
        /// Looks into a node.
        ///
        /// # Safety
        ///
        /// `node` was reachable through shared pointers at some moment since the pin.
        #[inline]
        pub(crate) unsafe fn get<T>(&self, node: *const Managed<T>) -> &T {
            // SAFETY: reachable since the pin, hence not freed while the guard lives.
            let node = unsafe { &*node };
            &node.0
        }

        /// Frees a node once no pin of today can reach it.
        ///
        /// # Safety
        ///
        /// `node` came from `alloc` of `domain`, threads that pin later cannot reach it, and it is
        /// retired once. Its value may be dropped on another thread.
        pub(crate) unsafe fn retire<T>(&self, _domain: &Domain, node: *mut Managed<T>) {
            let drop_node = move || {
                // SAFETY: retired once, and every pin that could reach the node has ended.
                unsafe { pool::unbox(node) };
            };
            // SAFETY: the closure owns what it touches; the caller allows another thread.
            unsafe { self.0.defer_unchecked(drop_node) };
        }
    }
}
