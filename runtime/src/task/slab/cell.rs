//! The first 16 bytes of a cell: the task's state word and the slab's link.
//!
//! The link is a plain word in a model-checked cell, not an atomic: between a free and the next
//! allocation exactly one thread at a time may touch it, and what hands a free cell from one
//! thread to another (the remote stack) orders the accesses.
use std::ptr::{self, NonNull};

use corio_sync::shim::atomic::AtomicU64;
use corio_sync::shim::cell::UnsafeCell;

/// Alignment in bytes of every cell.
pub(super) const ALIGN: usize = 16;

/// What the slab knows of a cell.
#[repr(C)]
struct Head {
    state: AtomicU64,
    /// Next free cell of the same list. Meaningful only while the cell is free: the task may
    /// overwrite it, so it is made anew by each free.
    link: UnsafeCell<*mut u8>,
}

#[cfg(not(any(corio_loom, corio_shuttle)))]
const _: () = assert!(size_of::<Head>() <= super::size_of_class(0));

/// Makes never used memory a free cell.
///
/// # Safety
///
/// `cell` points at writable memory of a cell that no other thread knows of.
#[inline]
pub(super) unsafe fn init(cell: NonNull<u8>) {
    let head = Head { state: AtomicU64::new(0), link: UnsafeCell::new(ptr::null_mut()) };
    // SAFETY: the caller gives exclusive memory of at least the smallest cell, aligned to 16.
    unsafe { cell.cast::<Head>().write(head) }
}

/// Makes `next` the cell after `cell` on a list of free cells.
///
/// # Safety
///
/// `cell` is a free cell in the caller's hands alone.
#[inline(always)]
pub(super) unsafe fn set_link(cell: NonNull<u8>, next: *mut u8) {
    let link = UnsafeCell::new(next);
    // SAFETY: bytes 8..16 of a free cell belong to the slab, and this one is the caller's.
    unsafe { link_of(cell).write(link) }
}

/// The cell after `cell` on a list of free cells.
///
/// # Safety
///
/// `cell` is a free cell in the caller's hands alone, and was linked by [`set_link`].
#[inline(always)]
pub(super) unsafe fn link(cell: NonNull<u8>) -> *mut u8 {
    // SAFETY: `set_link` made the link; nobody else touches it while the cell is free.
    let link = unsafe { &*link_of(cell) };
    // SAFETY: the same.
    link.with(|next| unsafe { *next })
}

/// True if the task's state word says that nobody refers to the cell.
///
/// # Safety
///
/// `cell` is a carved cell of a live arena.
pub(super) unsafe fn is_unreferenced(cell: NonNull<u8>) -> bool {
    // SAFETY: the first bytes of every carved cell are an initialized state word.
    let state = unsafe { cell.cast::<AtomicU64>().as_ref() };
    // Relaxed: only the freeing thread asks, about its own last store.
    state.load(corio_sync::shim::Ordering::Relaxed) == 0
}

#[inline(always)]
fn link_of(cell: NonNull<u8>) -> *mut UnsafeCell<*mut u8> {
    cell.as_ptr().wrapping_byte_add(std::mem::offset_of!(Head, link)).cast()
}
