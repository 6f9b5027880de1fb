//! An arena: the cells of one owner.
//!
//! # Life
//!
//! ```text
//!   new -> (alloc, free ..) -> close -> (late frees) -> DEAD: on_free(tag) runs, once
//!   new ----------------------------- unlist -> UNLISTED: nobody will walk it any more
//!   both -> the memory is freed
//! ```
//!
//! *Closed and empty* is decided in `remote.rs`; it runs `on_free`, with which the tag (a counted
//! reference to the runtime's shared part) is given back. The memory stays for walkers until the
//! list that they find the arena in says [`Arena::unlist`]. A shared part that lists its arenas
//! says so when it is dropped, which its own tags prevent from happening before the end of them.
use std::ptr::{self, NonNull};

use corio_sync::shim::atomic::{AtomicPtr, AtomicU32, AtomicUsize};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{Ordering, ord};
use crossbeam_utils::CachePadded;

use super::chunk::{self, Chunk};
use super::owner::Owner;
use super::page::Ownership;
use super::remote::Remote;
use super::shared::Claim;
use super::walk::Walkers;
use super::{CellId, cell};

/// Bit of `ends`: closed, and the last cell was freed.
const DEAD: u32 = 1;
/// Bit of `ends`: no walker will come any more.
const UNLISTED: u32 = 2;
/// Pages, in use or not, whose memory no idle owner gives back: 1 MiB.
const KEPT: usize = 16;

/// Cells of one owner; see the [module](self).
pub(crate) struct Arena {
    index: u32,
    tag: *const (),
    on_free: unsafe fn(*const ()),
    /// The newest chunk, from which all are linked.
    chunks: AtomicPtr<Chunk>,
    ends: AtomicU32,
    /// Read by all who use the arena, written by who frees it: a model turns red if one of them
    /// is not ordered before the end. Empty otherwise.
    alive: UnsafeCell<()>,
    walkers: Walkers,
    /// Pages that have memory.
    in_memory: AtomicUsize,
    /// Used if the arena is one of [`super::SharedArenas`].
    pub(super) claim: Claim,
    remote: CachePadded<Remote>,
    owner: CachePadded<UnsafeCell<Owner>>,
}

// SAFETY: the owner's part is touched by the owner only (the callers' promise); the rest is atomics
// and constants; tag and function may be used by any thread (the promise of `Arena::new`).
unsafe impl Sync for Arena {}

impl Arena {
    /// Makes an arena. The calling thread owns it, or the thread that it is given to.
    ///
    /// `on_free(tag)` runs once, on any thread, when the arena is closed and its last cell freed.
    /// The memory is freed when also [`Arena::unlist`] was called.
    ///
    /// # Safety
    ///
    /// `on_free(tag)` may be called on any thread.
    pub(crate) unsafe fn new(
        index: u32,
        tag: *const (),
        on_free: unsafe fn(*const ()),
    ) -> NonNull<Arena> {
        let memory = Box::leak(Box::<Arena>::new_uninit());
        let this = NonNull::from(memory).cast::<Arena>();
        // SAFETY: the one proof for this arena, behind the owner's cell.
        let token = unsafe { Ownership::new(this) };
        let arena = Arena {
            index,
            tag,
            on_free,
            chunks: AtomicPtr::new(ptr::null_mut()),
            ends: AtomicU32::new(0),
            alive: UnsafeCell::new(()),
            walkers: Walkers::new(),
            in_memory: AtomicUsize::new(0),
            claim: Claim::new(),
            remote: CachePadded::new(Remote::new()),
            owner: CachePadded::new(UnsafeCell::new(Owner::new(token))),
        };
        // SAFETY: the memory is a box's, and nobody else knows it.
        unsafe { this.write(arena) };
        #[cfg(all(test, any(corio_loom, corio_shuttle)))]
        super::loom::count_arena(1);
        this
    }

    /// A free cell. Its state word is zero and initialized: the task stores to it, it must not
    /// overwrite it otherwise, since walkers may be loading it. All else in it is undefined.
    ///
    /// # Safety
    ///
    /// The caller owns the arena, which is not closed. `class` comes from [`super::class_of`].
    #[inline]
    pub(crate) unsafe fn alloc(this: NonNull<Arena>, class: u8) -> NonNull<u8> {
        // SAFETY: the owner has not closed it, so it lives.
        let arena = unsafe { this.as_ref() };
        // SAFETY: the caller is the owner.
        unsafe { arena.with_owner(|owner| owner.alloc(arena, class)) }
    }

    /// Takes in up to `cells` remotely freed cells, and gives back the memory of up to `pages`
    /// pages that nobody needed since the last call. True if there is more to do.
    ///
    /// A page costs a system call of 1-5 us. While a walker is inside, no page is given back.
    ///
    /// # Safety
    ///
    /// The caller owns the arena, which is not closed.
    pub(crate) unsafe fn maintain(this: NonNull<Arena>, cells: usize, pages: usize) -> bool {
        // SAFETY: the owner has not closed it, so it lives.
        let arena = unsafe { this.as_ref() };
        let work = |owner: &mut Owner| {
            owner.absorb(arena, cells);
            let idle = owner.idle_pages();
            let given = owner.give_back(arena, pages.min(idle));
            owner.has_inbound() || given < idle
        };
        // SAFETY: the caller is the owner.
        unsafe { arena.with_owner(work) }
    }

    /// [`maintain`](Self::maintain) for an owner that has nothing else to do: true as long as the
    /// arena [has pages to spare](Self::has_spare).
    ///
    /// # Safety
    ///
    /// As for [`maintain`](Self::maintain).
    pub(crate) unsafe fn tidy(this: NonNull<Arena>, cells: usize, pages: usize) -> bool {
        // SAFETY: passed on.
        unsafe { Self::maintain(this, cells, pages) };
        // SAFETY: the same.
        unsafe { Self::has_spare(this) }
    }

    /// True if the arena uses more than [`KEPT`] pages, and some of them may be empty.
    ///
    /// # Safety
    ///
    /// The caller owns the arena, which is not closed.
    pub(crate) unsafe fn has_spare(this: NonNull<Arena>) -> bool {
        // SAFETY: the owner has not closed it, so it lives.
        let arena = unsafe { this.as_ref() };
        // SAFETY: the caller is the owner.
        let has_empty = || unsafe { arena.with_owner(|owner| owner.may_have_empty_pages()) };
        arena.may_have_spare() || arena.uses_many() && has_empty()
    }

    /// True if cells were freed remotely that may have emptied pages. A hint, for any thread that
    /// keeps the arena alive.
    pub(super) fn may_have_spare(&self) -> bool {
        self.uses_many() && !self.remote.is_empty()
    }

    /// True if more pages have memory than are kept in any case. A hint, as above.
    pub(super) fn uses_many(&self) -> bool {
        // Relaxed: a hint.
        self.in_memory.load(Ordering::Relaxed) > KEPT
    }

    /// Notes how many pages have memory. For the owner.
    pub(super) fn set_in_memory(&self, pages: usize) {
        // Relaxed: the same.
        self.in_memory.store(pages, Ordering::Relaxed);
    }

    /// Takes in all remotely freed cells and gives back the memory of all empty pages, except one
    /// for each class that has been used. Returns how many pages were given back.
    ///
    /// # Safety
    ///
    /// The caller owns the arena, which is not closed.
    #[cfg(test)]
    pub(crate) unsafe fn trim(this: NonNull<Arena>) -> usize {
        // SAFETY: the owner has not closed it, so it lives.
        let arena = unsafe { this.as_ref() };
        let work = |owner: &mut Owner| {
            while owner.absorb(arena, usize::MAX) > 0 {}
            owner.give_back(arena, usize::MAX)
        };
        // SAFETY: the caller is the owner.
        unsafe { arena.with_owner(work) }
    }

    /// Ends the ownership: no more allocations. Outstanding cells stay valid; who frees the last
    /// one runs `on_free`, or this call does if there is none.
    ///
    /// # Safety
    ///
    /// The caller owns the arena, which is not closed. Afterwards nobody does, and frees pass
    /// `None` (or another arena) as `me`.
    pub(crate) unsafe fn close(this: NonNull<Arena>) {
        // SAFETY: it is not closed, so it lives.
        let arena = unsafe { this.as_ref() };
        let last = arena.remote.close();
        // SAFETY: the caller is the owner, for the last time.
        let live = unsafe { arena.with_owner(|owner| owner.finish(arena, last)) };
        if arena.remote.settle(live) {
            // SAFETY: `settle` told this thread to.
            unsafe { Self::die(this) };
        }
    }

    /// Promises that nobody will walk the arena any more; its memory is freed when it is dead too.
    ///
    /// # Safety
    ///
    /// Called once; all walks by [`Arena::for_each`] happened before, and none begins later.
    pub(crate) unsafe fn unlist(this: NonNull<Arena>) {
        // SAFETY: passed on.
        unsafe { Self::end(this, UNLISTED) };
    }

    /// Calls `f` with every carved slot, from any thread and while others allocate and free.
    ///
    /// A slot may be free, or be freed and used again meanwhile. `f` may load its state word, and
    /// compare-exchange it from a non-zero value to take a reference; only with a reference may it
    /// look at anything else. Cells allocated during the walk may be missed.
    ///
    /// # Safety
    ///
    /// The arena was not unlisted, and will not be before this returns.
    pub(crate) unsafe fn for_each(this: NonNull<Arena>, f: &mut dyn FnMut(NonNull<u8>)) {
        // SAFETY: it is listed, so it lives.
        let arena = unsafe { this.as_ref() };
        arena.touch();
        let _walking = arena.walkers.enter();
        // Ordering(slab.walk_chunks): Acquire; pairs with Ordering(slab.publish_chunk). The
        // headers of the chunk and its pages become visible.
        let mut list = arena.chunks.load(ord("slab.walk_chunks", Ordering::Acquire));
        while let Some(chunk) = NonNull::new(list) {
            for index in 0..chunk::PAGES {
                // SAFETY: the chunk is open and its arena lives.
                let page = unsafe { Chunk::page(chunk, index) };
                page.for_each(f);
            }
            // SAFETY: the same.
            list = unsafe { Chunk::next(chunk) };
        }
    }

    /// What the arena was made with.
    pub(crate) fn tag(&self) -> *const () {
        self.tag
    }

    /// What the arena was made with.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    pub(super) fn remote(&self) -> &Remote {
        &self.remote
    }

    pub(super) fn walkers(&self) -> &Walkers {
        &self.walkers
    }

    /// Lets walkers find a new chunk.
    pub(super) fn publish(&self, chunk: NonNull<Chunk>) {
        // Ordering(slab.publish_chunk): Release; pairs with Ordering(slab.walk_chunks). See there.
        self.chunks.store(chunk.as_ptr(), ord("slab.publish_chunk", Ordering::Release));
    }

    /// # Safety
    ///
    /// The caller owns the arena, and `f` does not call this again.
    #[inline(always)]
    pub(super) unsafe fn with_owner<R>(&self, f: impl FnOnce(&mut Owner) -> R) -> R {
        self.owner.with_mut(|owner| {
            // SAFETY: only the owner comes here, and not twice at a time.
            f(unsafe { &mut *owner })
        })
    }

    fn touch(&self) {
        // SAFETY: nothing is read; the access is for models only.
        self.alive.with(|alive| unsafe { *alive });
    }

    /// The arena is closed and its last cell was freed.
    ///
    /// # Safety
    ///
    /// Called once, by the thread that brought that about.
    unsafe fn die(this: NonNull<Arena>) {
        // SAFETY: it is not dead before the next call.
        let arena = unsafe { this.as_ref() };
        arena.touch();
        let (on_free, tag) = (arena.on_free, arena.tag);
        // SAFETY: only one thread is told to let the arena die.
        unsafe { Self::end(this, DEAD) };
        // SAFETY: the promise of `Arena::new`; this is the only call.
        unsafe { on_free(tag) };
    }

    /// Sets one of the two bits; who sets the second frees the memory.
    ///
    /// # Safety
    ///
    /// Each bit is set once, and who sets it does not use the arena afterwards.
    unsafe fn end(this: NonNull<Arena>, bit: u32) {
        // SAFETY: this bit is not set, so the memory is not freed.
        let ends = unsafe { &this.as_ref().ends };
        // Ordering(slab.end): AcqRel; pairs with itself. Release: all that was done before this end
        // comes before the memory is freed. Acquire: the one that frees it sees the other end.
        let before = ends.fetch_or(bit, ord("slab.end", Ordering::AcqRel));
        if before | bit == DEAD | UNLISTED {
            // SAFETY: both ends were reached, so nobody will look at it again.
            unsafe { Self::destroy(this) };
        }
    }

    /// # Safety
    ///
    /// Nobody will look at the arena again.
    unsafe fn destroy(this: NonNull<Arena>) {
        // SAFETY: `Arena::new` leaked a box, and nobody else has it any more.
        let arena = unsafe { Box::from_raw(this.as_ptr()) };
        arena.alive.with_mut(|alive| {
            // SAFETY: nobody else has the arena.
            unsafe { *alive = () };
        });
        // SAFETY: nobody else has the arena, so this thread is as good as its owner.
        let chunks = unsafe { arena.with_owner(|owner| owner.newest()) };
        // SAFETY: no cell is out and no walker will come.
        unsafe { Chunk::free_all(chunks) };
        #[cfg(all(test, any(corio_loom, corio_shuttle)))]
        super::loom::count_arena(-1);
    }
}

/// Gives a cell back; `me` is the arena that the calling thread owns, if any.
///
/// # Safety
///
/// `cell` was allocated, is not referred to any more, its state word is zero, and it is not used
/// afterwards. `me` is owned by the caller and not closed.
#[inline]
pub(crate) unsafe fn free(cell: NonNull<u8>, me: Option<NonNull<Arena>>) {
    // SAFETY: the caller holds the cell, so its arena lives.
    debug_assert!(unsafe { cell::is_unreferenced(cell) }, "a freed cell is still referred to");
    // SAFETY: the same.
    let page = unsafe { chunk::page_of(cell) };
    let this = page.arena();
    if me != Some(this) {
        // SAFETY: passed on.
        return unsafe { free_remote(this, cell) };
    }
    // SAFETY: the caller owns it and has not closed it.
    let arena = unsafe { this.as_ref() };
    let take_back = |owner: &mut Owner| {
        // SAFETY: the caller gives up the cell, which is of this page.
        unsafe { owner.free(page, cell) }
    };
    // SAFETY: the caller is the owner.
    unsafe { arena.with_owner(take_back) }
}

/// # Safety
///
/// As for [`free`], with `this` as the arena of the cell.
#[inline(never)]
unsafe fn free_remote(this: NonNull<Arena>, cell: NonNull<u8>) {
    // SAFETY: the cell keeps its arena alive until it is pushed.
    let arena = unsafe { this.as_ref() };
    arena.touch();
    // SAFETY: the caller gives up the cell.
    if unsafe { arena.remote.push(cell) } {
        // SAFETY: `push` told this thread to.
        unsafe { Arena::die(this) };
    }
}

/// The arena of a cell.
///
/// # Safety
///
/// The caller holds the cell.
#[inline]
pub(crate) unsafe fn arena_of(cell: NonNull<u8>) -> NonNull<Arena> {
    // SAFETY: the caller holds the cell, so its arena lives.
    unsafe { chunk::page_of(cell) }.arena()
}

/// The name of the present use of a cell.
///
/// # Safety
///
/// The caller holds the cell.
pub(crate) unsafe fn id_of(cell: NonNull<u8>) -> CellId {
    // SAFETY: the caller holds the cell, so its arena lives.
    let page = unsafe { chunk::page_of(cell) };
    // SAFETY: the same.
    let arena = unsafe { page.arena().as_ref() }.index();
    // SAFETY: it is a cell of that page.
    let (slot, generation) = unsafe { page.slot(cell) };
    // Relaxed: written before the cell was allocated, which came to the caller with the cell.
    let generation = generation.load(Ordering::Relaxed);
    CellId { arena, page: page.number(), slot, generation }
}
