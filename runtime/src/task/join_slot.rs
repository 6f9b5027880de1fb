//! The slot for the waker of who awaits a task through its handle.

use std::mem::ManuallyDrop;
use std::task::{RawWakerVTable, Waker};

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicPtr;

/// A waker's two words. Whoever owns the slot reads and writes them; whoever looks for the tasks
/// that wait for this one may read them at any time, and only compares what it finds.
///
/// Atomics because of that onlooker alone: all accesses are Relaxed, which costs what plain ones do.
/// The state word orders the owners.
#[derive(Debug)]
pub(super) struct JoinSlot {
    data: AtomicPtr<()>,
    vtable: AtomicPtr<RawWakerVTable>,
}

impl JoinSlot {
    #[inline]
    pub(super) fn put(&self, waker: Waker) {
        let waker = ManuallyDrop::new(waker);
        // Ordering: Relaxed, both; JOIN_WAKER passes the slot on.
        self.data.store(waker.data().cast_mut(), Relaxed);
        self.vtable.store(std::ptr::from_ref(waker.vtable()).cast_mut(), Relaxed);
    }

    /// The words of the waker that lies, or last lay, in the slot.
    #[inline]
    pub(super) fn words(&self) -> (*const (), *const RawWakerVTable) {
        // Ordering: Relaxed, both; as in `put`. An onlooker may get words of two wakers.
        (self.data.load(Relaxed).cast_const(), self.vtable.load(Relaxed).cast_const())
    }

    /// Moves the waker out.
    ///
    /// # Safety
    ///
    /// The slot is the caller's and full; it is empty afterwards.
    #[inline]
    pub(super) unsafe fn take(&self) -> Waker {
        let (data, vtable) = self.words();
        // SAFETY: a full slot holds the vtable of a waker, which is static.
        let vtable = unsafe { &*vtable };
        // SAFETY: the words are those of one waker: the slot is the caller's alone. It becomes the
        // caller's, for nobody takes it again.
        unsafe { Waker::new(data, vtable) }
    }
}
