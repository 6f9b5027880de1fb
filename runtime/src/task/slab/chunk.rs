//! Chunks: where pages come from, and how a cell finds its page.
//!
//! A chunk is aligned to its size. Its first bytes are its header with those of all its pages; so
//! the header of a cell's page is found from the cell's address alone, and giving back the memory
//! of a page costs no metadata. Chunks are allocated in groups that grow with the arena, so that
//! the alignment wastes address space (never memory: nothing is touched before its use) for the
//! first few only. The list of chunks only grows until the arena dies; any thread may follow it.
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::offset_of;
use std::ptr::{self, NonNull};

use corio_sync::shim::cell::UnsafeCell;

use super::arena::Arena;
use super::page::{Page, PagePtr};

/// Bytes of a page: large enough for 29 cells of the largest class, small enough that a rarely
/// used class wastes little.
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(super) const PAGE: usize = 64 * 1024;
/// Pages of a chunk, which make 1 MiB.
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(super) const PAGES: usize = 16;
/// Bytes at the front of a chunk that its header may use: one page of the system's on most.
#[cfg(not(any(corio_loom, corio_shuttle)))]
const HEADER: usize = 4096;
/// Most chunks that are allocated at once: 16 MiB.
#[cfg(not(any(corio_loom, corio_shuttle)))]
const MAX_GROUP: usize = 16;

#[cfg(any(corio_loom, corio_shuttle))]
pub(super) const PAGE: usize = 8192;
#[cfg(any(corio_loom, corio_shuttle))]
pub(super) const PAGES: usize = 2;
#[cfg(any(corio_loom, corio_shuttle))]
const HEADER: usize = 4096;
#[cfg(any(corio_loom, corio_shuttle))]
const MAX_GROUP: usize = 2;

/// Bytes and alignment of a chunk.
pub(super) const CHUNK: usize = PAGE * PAGES;

const _: () = assert!(CHUNK.is_power_of_two() && PAGE.is_power_of_two());
const _: () = assert!(size_of::<Chunk>() <= HEADER && HEADER < PAGE);

/// The header of a chunk.
#[repr(C)]
pub(super) struct Chunk {
    /// The chunk opened before this one. Written before the chunk is published, never again.
    next: UnsafeCell<*mut Chunk>,
    /// Bytes of the allocation that begins here; 0 if this chunk is not the first of its group.
    allocation: usize,
    pages: [Page; PAGES],
}

impl Chunk {
    /// Writes the headers of a chunk whose memory begins at `base`.
    ///
    /// # Safety
    ///
    /// `base` is the begin of unused memory of a chunk; `arena` is the arena that it becomes
    /// part of, `number` how many that had before.
    pub(super) unsafe fn open(
        (base, allocation): (NonNull<u8>, usize),
        arena: NonNull<Arena>,
        number: u32,
        next: *mut Chunk,
    ) -> NonNull<Chunk> {
        let first = number * PAGES as u32;
        let pages = std::array::from_fn(|i| Page::new(arena, first + i as u32));
        let chunk = base.cast::<Chunk>();
        let header = Chunk { next: UnsafeCell::new(next), allocation, pages };
        // SAFETY: the memory is unused, large enough (asserted above) and aligned to `CHUNK`.
        unsafe { chunk.write(header) };
        chunk
    }

    /// The chunk opened before `chunk`, or null.
    ///
    /// # Safety
    ///
    /// `chunk` is an open chunk of a live arena.
    pub(super) unsafe fn next(chunk: NonNull<Chunk>) -> *mut Chunk {
        // SAFETY: open chunks stay until their arena dies, which the caller excludes.
        let chunk = unsafe { chunk.as_ref() };
        // SAFETY: written before the chunk was published, read-only since.
        chunk.next.with(|next| unsafe { *next })
    }

    /// The page `index` of `chunk`.
    ///
    /// # Safety
    ///
    /// `chunk` is an open chunk of a live arena and `index < PAGES`.
    #[inline(always)]
    pub(super) unsafe fn page(chunk: NonNull<Chunk>, index: usize) -> PagePtr {
        debug_assert!(index < PAGES);
        let offset = offset_of!(Chunk, pages) + index * size_of::<Page>();
        // SAFETY: the header of that page lies inside the header of the chunk.
        let page = unsafe { chunk.byte_add(offset) };
        // SAFETY: it is the header of a page of a live arena.
        unsafe { PagePtr::new(page.cast()) }
    }

    /// Frees the memory of a list of chunks.
    ///
    /// # Safety
    ///
    /// The arena of the list is dead: nobody will look at any of them again.
    pub(super) unsafe fn free_all(mut list: *mut Chunk) {
        while let Some(chunk) = NonNull::new(list) {
            // SAFETY: chunks of one group are opened in address order, so those behind in the
            // list never lie in an allocation that was freed before.
            list = unsafe { Chunk::next(chunk) };
            // SAFETY: as above: still allocated.
            let bytes = unsafe { chunk.as_ref() }.allocation;
            if bytes > 0 {
                // SAFETY: `Reserve::take` allocated it with this layout, and the chunks after the
                // first of the group came earlier in the list.
                unsafe { dealloc(chunk.as_ptr().cast(), layout(bytes)) };
            }
        }
    }
}

/// The page of a cell.
///
/// # Safety
///
/// `cell` is a carved cell of a live arena, with the provenance that the slab gave it.
#[inline(always)]
pub(super) unsafe fn page_of(cell: NonNull<u8>) -> PagePtr {
    let index = (cell.addr().get() % CHUNK) / PAGE;
    let base = cell.as_ptr().map_addr(|address| address & !(CHUNK - 1));
    // SAFETY: a cell lies behind the header of its chunk, so the chunk is not at address zero.
    let chunk = unsafe { NonNull::new_unchecked(base.cast::<Chunk>()) };
    // SAFETY: the cell's chunk is open, and the index is below `PAGES` by construction.
    unsafe { Chunk::page(chunk, index) }
}

/// The memory of a page that is for cells and their generations: begin and bytes.
pub(super) fn space_of(page: PagePtr, number: u32) -> (NonNull<u8>, usize) {
    let index = number as usize % PAGES;
    let skip = if index == 0 { HEADER } else { 0 };
    let header = page.as_ptr().cast::<u8>();
    let start = header.as_ptr().map_addr(|a| (a & !(CHUNK - 1)) + index * PAGE + skip);
    (NonNull::new(start).unwrap_or(header), PAGE - skip)
}

/// Address space that was allocated but not opened yet.
pub(super) struct Reserve {
    next: *mut u8,
    left: usize,
    /// Chunks of the next allocation.
    group: usize,
}

impl Reserve {
    pub(super) const fn new() -> Self {
        Self { next: ptr::null_mut(), left: 0, group: 1 }
    }

    /// Memory for one chunk, and the bytes of the allocation if it begins with this chunk.
    pub(super) fn take(&mut self) -> (NonNull<u8>, usize) {
        let mut allocation = 0;
        if self.left == 0 {
            allocation = self.group * CHUNK;
            // SAFETY: the layout is not empty.
            self.next = unsafe { alloc(layout(allocation)) };
            self.left = self.group;
            self.group = MAX_GROUP.min(self.group * 2);
        }
        let Some(base) = NonNull::new(self.next) else { handle_alloc_error(layout(allocation)) };
        self.next = self.next.wrapping_byte_add(CHUNK);
        self.left -= 1;
        (base, allocation)
    }
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, CHUNK).expect("a few chunks are a valid size")
}
