//! Wakers of tasks: one pointer to the cell and one reference.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::inside;
use super::raw::TaskPtr;
use super::state::Woken;

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// A waker lent to a poll: it holds no reference, because the runner keeps the cell alive.
pub(crate) struct WakerRef(ManuallyDrop<Waker>);

impl WakerRef {
    #[inline]
    pub(crate) fn new(task: TaskPtr) -> Self {
        let raw = RawWaker::new(task.as_raw(), &VTABLE);
        // SAFETY: the vtable keeps the contract; the waker is never dropped, so the reference
        // that it lacks is never given back.
        Self(ManuallyDrop::new(unsafe { Waker::from_raw(raw) }))
    }
}

impl Deref for WakerRef {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        &self.0
    }
}

/// True for the vtable of a task's waker.
pub(crate) fn is_ours(vtable: *const RawWakerVTable) -> bool {
    std::ptr::eq(vtable, &raw const VTABLE)
}

/// The task that a waker of ours belongs to; it lives as long as the waker.
pub(crate) fn task_of(waker: &Waker) -> Option<TaskPtr> {
    is_ours(waker.vtable()).then(|| {
        // SAFETY: the vtable is ours, so the data came from `as_raw`.
        unsafe { TaskPtr::from_raw(waker.data()) }
    })
}

/// # Safety
///
/// As the contract of `RawWakerVTable`; so are the three below.
unsafe fn clone(raw: *const ()) -> RawWaker {
    // SAFETY: `raw` is the data of a waker of ours, which keeps the cell alive.
    let task = unsafe { TaskPtr::from_raw(raw) };
    if !inside::borrow(task) {
        task.header().state.ref_inc();
    }
    RawWaker::new(raw, &VTABLE)
}

/// # Safety
///
/// See `clone`.
unsafe fn wake(raw: *const ()) {
    // SAFETY: as in `clone`.
    let task = unsafe { TaskPtr::from_raw(raw) };
    match task.header().state.wake_by_value_seeing() {
        (Woken::Nothing, _) => {}
        (Woken::Enqueue, seen) => task.schedule(seen),
        (Woken::Free, _) => task.free(),
    }
}

/// # Safety
///
/// See `clone`.
unsafe fn wake_by_ref(raw: *const ()) {
    // SAFETY: as in `clone`.
    let task = unsafe { TaskPtr::from_raw(raw) };
    if let (Woken::Enqueue, seen) = task.header().state.wake_seeing() {
        task.schedule(seen);
    }
}

/// # Safety
///
/// See `clone`.
unsafe fn drop_waker(raw: *const ()) {
    // SAFETY: as in `clone`.
    unsafe { TaskPtr::from_raw(raw) }.release();
}
