//! What unit tests and models share: an arena without `unsafe` at each call.
//!
//! A test cell keeps one word of payload behind its head, in a cell that a model watches. The slab
//! touches nothing there, so the payload outlives a free: the next user of the slot writes it and
//! thereby proves that it comes after the former user.
use std::ptr::NonNull;

use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed, Release};
use corio_sync::shim::atomic::{AtomicU64, AtomicUsize};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;

use super::{Arena, CellId, free, id_of};

/// Bytes from the begin of a cell to its payload: behind any model's state word and link.
const PAYLOAD: usize = 384;

/// The class whose cells have a payload: models only, a real cell may be too small.
const PAYLOAD_CLASS: Option<u8> = if cfg!(any(corio_loom, corio_shuttle)) { Some(0) } else { None };

/// A tag that counts how often its arena died.
pub(super) struct Tag {
    pub(super) deaths: AtomicUsize,
    /// Written by each user of the arena before its last free, and by the arena's death.
    pub(super) traces: [UnsafeCell<u64>; 2],
}

impl Tag {
    pub(super) fn new() -> Arc<Tag> {
        let traces = [UnsafeCell::new(0), UnsafeCell::new(0)];
        Arc::new(Tag { deaths: AtomicUsize::new(0), traces })
    }

    /// A reference for an arena; [`Tag::on_free`] takes it back.
    pub(super) fn hand_out(tag: &Arc<Self>) -> *const () {
        Box::into_raw(Box::new(tag.clone())).cast_const().cast()
    }

    /// # Safety
    ///
    /// `tag` comes from [`Tag::hand_out`], and this is its only use.
    pub(super) unsafe fn on_free(tag: *const ()) {
        // SAFETY: `hand_out` made it from this kind of box.
        let tag = unsafe { Box::from_raw(tag.cast::<Arc<Tag>>().cast_mut()) };
        tag.deaths.fetch_add(1, Relaxed);
        tag.trace(0);
        tag.trace(1);
    }

    /// [`Tag::on_free`] for a tag of several arenas: the traces are one arena's.
    ///
    /// # Safety
    ///
    /// As for [`Tag::on_free`].
    #[cfg(any(corio_loom, corio_shuttle))]
    pub(super) unsafe fn on_free_untraced(tag: *const ()) {
        // SAFETY: `hand_out` made it from this kind of box.
        let tag = unsafe { Box::from_raw(tag.cast::<Arc<Tag>>().cast_mut()) };
        tag.deaths.fetch_add(1, Relaxed);
    }

    pub(super) fn trace(&self, user: usize) {
        self.traces[user].with_mut(|trace| {
            // SAFETY: the tests order these accesses by the arena's protocols; a model checks it.
            unsafe { *trace += 1 };
        });
    }

    pub(super) fn deaths(&self) -> usize {
        self.deaths.load(Relaxed)
    }
}

// SAFETY: the traces are what the tests are about; all else is atomics.
unsafe impl Sync for Tag {}
// SAFETY: the same.
unsafe impl Send for Tag {}

/// An arena that the test promises to use as its contract says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TestArena(pub(super) NonNull<Arena>);

// SAFETY: the tests keep the contract of ownership themselves.
unsafe impl Send for TestArena {}
// SAFETY: the same.
unsafe impl Sync for TestArena {}

impl TestArena {
    pub(super) fn new(index: u32, tag: &Arc<Tag>) -> Self {
        // SAFETY: the tag may die anywhere.
        Self(unsafe { Arena::new(index, Tag::hand_out(tag), Tag::on_free) })
    }

    /// A referenced cell (state 1) with that payload.
    pub(super) fn alloc(self, class: u8, payload: u64) -> TestCell {
        // SAFETY: the tests call this as the owner only.
        let cell = TestCell(unsafe { Arena::alloc(self.0, class) });
        assert_eq!(cell.state().load(Relaxed), 0, "a free cell was referred to");
        if PAYLOAD_CLASS != Some(class) {
            // Nothing to prove.
        } else if cell.id().generation == 0 {
            // SAFETY: the first user of the slot; the payload lies in the cell.
            unsafe { cell.payload().write(UnsafeCell::new(payload)) };
        } else {
            cell.write(payload);
        }
        cell.state().store(1, Release);
        cell
    }

    /// Frees as the owner.
    pub(super) fn free(self, cell: TestCell) {
        cell.release(Some(self));
    }

    pub(super) fn trim(self) -> usize {
        // SAFETY: the tests call this as the owner only.
        unsafe { Arena::trim(self.0) }
    }

    pub(super) fn maintain(self, cells: usize, pages: usize) -> bool {
        // SAFETY: the tests call this as the owner only.
        unsafe { Arena::maintain(self.0, cells, pages) }
    }

    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub(super) fn tidy(self, cells: usize, pages: usize) -> bool {
        // SAFETY: the tests call this as the owner only.
        unsafe { Arena::tidy(self.0, cells, pages) }
    }

    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub(super) fn has_spare(self) -> bool {
        // SAFETY: the tests call this as the owner only.
        unsafe { Arena::has_spare(self.0) }
    }

    pub(super) fn close(self) {
        // SAFETY: the tests call this once, as the owner.
        unsafe { Arena::close(self.0) }
    }

    pub(super) fn unlist(self) {
        // SAFETY: the tests call this once, after all walks.
        unsafe { Arena::unlist(self.0) }
    }

    pub(super) fn live(self) -> usize {
        // SAFETY: listed.
        let arena = unsafe { self.0.as_ref() };
        // SAFETY: the tests call this as the owner only.
        unsafe { arena.with_owner(|owner| owner.live()) }
    }

    /// Visits the cells that have a reference, with one more.
    pub(super) fn walk(self, me: Option<TestArena>, mut f: impl FnMut(TestCell)) {
        let mut visit = |cell| {
            let cell = TestCell(cell);
            let mut state = cell.state().load(Relaxed);
            while state != 0 {
                match cell.state().compare_exchange(state, state + 1, Acquire, Relaxed) {
                    Ok(_) => {
                        f(cell);
                        cell.release(me);
                        break;
                    }
                    Err(now) => state = now,
                }
            }
        };
        // SAFETY: the tests unlist after all walks.
        unsafe { Arena::for_each(self.0, &mut visit) }
    }
}

/// A cell whose state word counts references.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TestCell(pub(super) NonNull<u8>);

// SAFETY: the tests keep the contract of cells themselves.
unsafe impl Send for TestCell {}

impl TestCell {
    pub(super) fn id(self) -> CellId {
        // SAFETY: the tests hold the cell.
        unsafe { id_of(self.0) }
    }

    pub(super) fn state(&self) -> &AtomicU64 {
        // SAFETY: every carved cell begins with its state word.
        unsafe { self.0.cast().as_ref() }
    }

    fn payload(self) -> *mut UnsafeCell<u64> {
        self.0.as_ptr().wrapping_byte_add(PAYLOAD).cast()
    }

    #[cfg(any(corio_loom, corio_shuttle))]
    pub(super) fn read(self) -> u64 {
        // SAFETY: the first user of the slot made it.
        let payload = unsafe { &*self.payload() };
        // SAFETY: the caller has a reference; a model checks that this is enough.
        payload.with(|payload| unsafe { *payload })
    }

    pub(super) fn write(self, value: u64) {
        // SAFETY: the first user of the slot made it.
        let payload = unsafe { &*self.payload() };
        payload.with_mut(|payload| {
            // SAFETY: the caller has the only reference; a model checks it.
            unsafe { *payload = value };
        });
    }

    /// Drops one reference, and frees the cell with the last one.
    pub(super) fn release(self, me: Option<TestArena>) {
        if self.state().fetch_sub(1, AcqRel) == 1 {
            // SAFETY: that was the last reference.
            unsafe { free(self.0, me.map(|arena| arena.0)) };
        }
    }
}
