//! A page: cells of one class, their free list and their generations.
//!
//! ```text
//!   space of the page:  generations (u32 per slot) | padding to 64 B | slot 0 | slot 1 | ..
//!                                                                     ^ carved slots ^ untouched
//! ```
//!
//! Three groups of fields with three rules:
//!
//! - `carved` is published by the owner and read by walkers (`walk.rs`).
//! - `shape` is written by the owner while the page is retired; it is read by walkers and by
//!   whoever holds a cell of the page. Both keep the page from being retired and changed.
//! - `own` is the owner's. [`Ownership`] is the proof of being it.
//!
//! Generations are atomics because one slot's is read (by the holder of its cell) while others'
//! change; each is written only by the owner while its slot is free.
use std::ops::Deref;
use std::ptr::{self, NonNull};

use corio_sync::shim::atomic::AtomicU32;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{Ordering, ord};

use super::arena::Arena;
use super::{cell, chunk, size_of_class};

/// Bytes to which the first slot of a page is aligned: a cache line, so that cells whose class is
/// a multiple of it do not straddle two more than they must.
const LINE: usize = 64;

/// Most slots of a page; a real page never has as many, a model has few.
const MAX_SLOTS: usize = if cfg!(any(corio_loom, corio_shuttle)) { 2 } else { 1 << 15 };

/// The generation that no task ever gets: its slot is used up.
pub(super) const WORN: u32 = u32::MAX;

/// Proof that the calling thread owns the arena with this address.
#[derive(Debug)]
pub(super) struct Ownership(NonNull<Arena>);

impl Ownership {
    /// # Safety
    ///
    /// One per arena, and reachable only through what its owner alone may access.
    pub(super) unsafe fn new(arena: NonNull<Arena>) -> Self {
        Self(arena)
    }

    pub(super) fn arena(&self) -> NonNull<Arena> {
        self.0
    }
}

/// Where a page is, seen by its owner. The edges are in `owner.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Place {
    /// Never used, or given back to the system: any class may carve it.
    Clean,
    /// Its class allocates from it.
    Current,
    /// All slots carved, some free.
    Partial,
    /// All slots carved, none free when last looked at.
    Full,
    /// All slots free, still carved for its last class.
    Pool,
    /// All slots free and carved = 0, but a walker may still know it as it was.
    Retired,
    /// All slots free, and one of them used up all generations: never used again.
    Worn,
}

/// The header of a page; lies in the header of its chunk.
#[repr(C, align(128))]
pub(super) struct Page {
    arena: NonNull<Arena>,
    number: u32,
    carved: AtomicU32,
    shape: UnsafeCell<Shape>,
    own: UnsafeCell<Own>,
}

#[derive(Clone, Copy)]
struct Shape {
    first: *mut u8,
    generations: *mut AtomicU32,
    stride: u32,
    /// 2^32 / stride, rounded up: turns the division by the stride into a multiplication. Exact
    /// for multiples of the stride below 2^16, the bytes of a page.
    reciprocal: u32,
    capacity: u32,
}

#[repr(C)]
pub(super) struct Own {
    free: *mut u8,
    pub(super) used: u32,
    pub(super) place: Place,
    pub(super) class: u8,
    /// Generation of a slot that is carved next.
    generation: u32,
    pub(super) next: Option<PagePtr>,
    pub(super) prev: Option<PagePtr>,
}

/// Pointer to a page of a live arena.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PagePtr(NonNull<Page>);

impl PagePtr {
    /// # Safety
    ///
    /// `page` is the header of a page of a live arena, with the provenance of its whole
    /// allocation, and the result is not used after the arena's end.
    #[inline(always)]
    pub(super) unsafe fn new(page: NonNull<Page>) -> Self {
        Self(page)
    }

    pub(super) fn as_ptr(self) -> NonNull<Page> {
        self.0
    }

    /// The page's memory: begin and bytes.
    pub(super) fn space(self) -> (NonNull<u8>, usize) {
        chunk::space_of(self, self.number)
    }

    /// Gives a clean page, or one that is quiet since it was retired, to a class.
    pub(super) fn carve(self, owner: &mut Ownership, class: u8) {
        let shape = Shape::new(self.space(), class);
        self.shape.with_mut(|place| {
            // SAFETY: nobody holds a cell of the page, and no walker knows it as carved.
            unsafe { *place = shape };
        });
        self.own(owner, |own| {
            own.class = class;
            own.free = ptr::null_mut();
        });
    }
}

impl Deref for PagePtr {
    type Target = Page;

    #[inline(always)]
    fn deref(&self) -> &Page {
        // SAFETY: whoever made this pointer promised a header that lives; it never moves, and all
        // that changes in it is in cells and atomics.
        unsafe { self.0.as_ref() }
    }
}

impl Page {
    pub(super) fn new(arena: NonNull<Arena>, number: u32) -> Self {
        let shape = Shape {
            first: ptr::null_mut(),
            generations: ptr::null_mut(),
            stride: 1,
            reciprocal: 0,
            capacity: 0,
        };
        let own = Own {
            free: ptr::null_mut(),
            used: 0,
            place: Place::Clean,
            class: 0,
            generation: 0,
            next: None,
            prev: None,
        };
        Self {
            arena,
            number,
            carved: AtomicU32::new(0),
            shape: UnsafeCell::new(shape),
            own: UnsafeCell::new(own),
        }
    }

    #[inline(always)]
    pub(super) fn arena(&self) -> NonNull<Arena> {
        self.arena
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// The owner's part. `f` must not call it again for the same page.
    #[inline(always)]
    pub(super) fn own<R>(&self, owner: &mut Ownership, f: impl FnOnce(&mut Own) -> R) -> R {
        debug_assert_eq!(self.arena, owner.0, "a page of another arena");
        self.own.with_mut(|own| {
            // SAFETY: the caller holds the one proof of owning the arena, exclusively; all callers
            // are in this module, and none nests two of these calls on one page.
            f(unsafe { &mut *own })
        })
    }

    #[inline(always)]
    fn shape(&self) -> Shape {
        // SAFETY: the callers are the owner, a walker that saw the page carved, or the holder of
        // one of its cells; while there is one of the latter two the owner does not write.
        self.shape.with(|shape| unsafe { *shape })
    }

    /// Takes a slot that was used before.
    #[inline(always)]
    pub(super) fn pop(&self, owner: &mut Ownership) -> Option<NonNull<u8>> {
        self.own(owner, |own| {
            let cell = NonNull::new(own.free)?;
            // SAFETY: the cell is on this page's free list, which is the owner's.
            own.free = unsafe { cell::link(cell) };
            own.used += 1;
            Some(cell)
        })
    }

    /// Takes a free cell of this page back; returns where the page is and how many slots are used.
    ///
    /// # Safety
    ///
    /// `cell` is a cell of this page, given up by its last holder.
    #[inline(always)]
    pub(super) unsafe fn push(&self, owner: &mut Ownership, cell: NonNull<u8>) -> (Place, u32) {
        // SAFETY: the caller holds a cell of this page.
        let (_, generation) = unsafe { self.slot(cell) };
        // Relaxed: only the owner writes; a reader holds the cell, so it reads before the free.
        let next = generation.load(Ordering::Relaxed) + 1;
        generation.store(next, Ordering::Relaxed);
        self.own(owner, |own| {
            own.used -= 1;
            if next != WORN {
                // SAFETY: the last holder gave the cell up to the owner.
                unsafe { cell::set_link(cell, own.free) };
                own.free = cell.as_ptr();
            }
            (own.place, own.used)
        })
    }

    /// Takes the next slot that was never used since the page was carved.
    pub(super) fn extend(&self, owner: &mut Ownership) -> Option<NonNull<u8>> {
        let shape = self.shape();
        // Relaxed: only the owner writes it.
        let carved = self.carved.load(Ordering::Relaxed);
        if carved >= shape.capacity {
            return None;
        }
        let generation = self.own(owner, |own| {
            own.used += 1;
            own.generation
        });
        let cell = NonNull::new(shape.slot(carved))?;
        // SAFETY: the slot lies in the page and nobody looks at slots beyond the carved ones.
        unsafe { cell::init(cell) };
        let place = shape.generations.wrapping_add(carved as usize);
        // SAFETY: the table has an entry for each slot, and this one is not looked at before.
        unsafe { place.write(AtomicU32::new(generation)) };
        // Ordering(slab.carve): Release; pairs with Ordering(slab.walk_carved). The shape of the
        // page and the zero state word become visible; otherwise a walker would read whatever
        // the memory held.
        self.carved.store(carved + 1, ord("slab.carve", Ordering::Release));
        Some(cell)
    }

    /// Hides an entirely free page from walkers to come. False if it is worn and of no more use.
    pub(super) fn retire(&self, owner: &mut Ownership) -> bool {
        let shape = self.shape();
        // Relaxed: only the owner writes it.
        let carved = self.carved.load(Ordering::Relaxed);
        let mut newest = 0;
        for slot in 0..carved {
            // SAFETY: the table has an entry for each slot.
            let generation = unsafe { &*shape.generations.wrapping_add(slot as usize) };
            // Relaxed: only the owner writes it.
            newest = newest.max(generation.load(Ordering::Relaxed));
        }
        // Relaxed: what comes after is ordered by the fence slab.retire.
        self.carved.store(0, Ordering::Relaxed);
        self.own(owner, |own| {
            own.generation = own.generation.max(newest);
            own.free = ptr::null_mut();
            own.generation != WORN
        })
    }

    /// Calls `f` with each carved slot. For walkers only.
    pub(super) fn for_each(&self, f: &mut dyn FnMut(NonNull<u8>)) {
        // Ordering(slab.walk_carved): Acquire; pairs with Ordering(slab.carve). See there.
        let carved = self.carved.load(ord("slab.walk_carved", Ordering::Acquire));
        if carved == 0 {
            return;
        }
        let shape = self.shape();
        (0..carved).filter_map(|slot| NonNull::new(shape.slot(slot))).for_each(f);
    }

    /// Number and generation of a cell of this page.
    ///
    /// # Safety
    ///
    /// `cell` is a carved cell of this page; the caller holds it, or is the owner taking it back.
    #[inline(always)]
    pub(super) unsafe fn slot(&self, cell: NonNull<u8>) -> (u16, &AtomicU32) {
        let shape = self.shape();
        let offset = cell.addr().get() - shape.first.addr();
        let slot = (offset as u64 * u64::from(shape.reciprocal)) >> 32;
        debug_assert_eq!(slot as usize * shape.stride as usize, offset, "not a cell of this page");
        let generation = shape.generations.wrapping_add(slot as usize);
        // SAFETY: the table has an initialized entry for each carved slot.
        (slot as u16, unsafe { &*generation })
    }

    #[cfg(test)]
    pub(super) fn set_generation(&self, owner: &mut Ownership, generation: u32) {
        self.own(owner, |own| own.generation = generation);
    }
}

impl Shape {
    fn new((start, bytes): (NonNull<u8>, usize), class: u8) -> Self {
        let stride = size_of_class(class);
        let per_slot = stride + size_of::<AtomicU32>();
        let capacity = ((bytes - LINE) / per_slot).min(MAX_SLOTS);
        let table = (capacity * size_of::<AtomicU32>()).next_multiple_of(LINE);
        Self {
            first: start.as_ptr().wrapping_byte_add(table),
            generations: start.as_ptr().cast(),
            stride: stride as u32,
            reciprocal: (1u64 << 32).div_ceil(stride as u64) as u32,
            capacity: capacity as u32,
        }
    }

    #[inline(always)]
    fn slot(&self, slot: u32) -> *mut u8 {
        self.first.wrapping_byte_add(slot as usize * self.stride as usize)
    }
}

const _: () = assert!(LINE % cell::ALIGN == 0);
