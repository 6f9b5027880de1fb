//! Arenas for threads that are no workers: claimed for a moment, by one compare-exchange.
//!
//! The list is append-only: `head` points at the newest arena, each arena at the one before it.
//! The lowest bit of `head` says that the list is closed, so that no append can come after the
//! closing thread has read it.
//!
//! ```text
//!   claim word of one arena      FREE --1--> CLAIMED --2--> FREE
//!                                 |3           |4
//!                                 v            v
//!                              CLOSING <--5-- CLAIMED | CLOSING
//! ```
//! 1. `Claim::try_claim`: the thread owns the arena.
//! 2. `Claim::release`.
//! 3. `Claim::close` finds it free: the closing thread closes the arena.
//! 4. `Claim::close` finds it claimed: the claiming thread will.
//! 5. `Claim::release`: this thread closes the arena.
//!
//! So exactly one thread closes each arena, and nobody waits. A claim looks at each arena once
//! (wait-free in their number); an append is lock-free: it repeats only if another append won.
//! There are never more arenas than there were threads allocating at the same time, and calls
//! nested in each other.
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use corio_sync::shim::atomic::{AtomicPtr, AtomicU32};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{Ordering, ord};

use super::arena::Arena;

const FREE: u32 = 0;
/// A thread owns the arena.
const CLAIMED: u32 = 1;
/// The arena is closed, or will be by who has it claimed.
const CLOSING: u32 = 2;

/// The claim word and the list link of an arena.
pub(super) struct Claim {
    word: AtomicU32,
    /// The arena appended before this one. Written before this one is published.
    next: UnsafeCell<*mut Arena>,
}

impl Claim {
    pub(super) fn new() -> Self {
        Self { word: AtomicU32::new(FREE), next: UnsafeCell::new(ptr::null_mut()) }
    }

    fn try_claim(&self) -> bool {
        // Ordering(slab.claim): Acquire; pairs with Ordering(slab.unclaim). What the last owner
        // did to the arena's lists becomes visible.
        let claim = ord("slab.claim", Ordering::Acquire);
        self.word.compare_exchange(FREE, CLAIMED, claim, Ordering::Relaxed).is_ok()
    }

    /// True if the caller must close the arena.
    fn release(&self) -> bool {
        // Ordering(slab.unclaim): Release; pairs with Ordering(slab.claim) and
        // Ordering(slab.close_claim). The next owner sees the lists as this one leaves them.
        self.word.fetch_and(!CLAIMED, ord("slab.unclaim", Ordering::Release)) & CLOSING != 0
    }

    /// True if the caller must close the arena, and now owns it; false also if it did before.
    fn close(&self) -> bool {
        // Ordering(slab.close_claim): Acquire; pairs with Ordering(slab.unclaim): closing reads
        // the lists as the last owner left them.
        self.word.fetch_or(CLOSING, ord("slab.close_claim", Ordering::Acquire)) == FREE
    }
}

/// Arenas that any thread may own for the length of one call.
pub(crate) struct SharedArenas {
    /// The newest arena, with the lowest bit set once the list is closed.
    head: AtomicPtr<Arena>,
    next_index: AtomicU32,
    on_free: unsafe fn(*const ()),
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    identity: u64,
}

// SAFETY: an arena's owner is who claimed it; the rest is atomics.
unsafe impl Send for SharedArenas {}
// SAFETY: the same.
unsafe impl Sync for SharedArenas {}

/// The right to allocate from one shared arena; ends when [`SharedArenas::with`] returns.
pub(crate) struct OwnerToken<'a> {
    arena: NonNull<Arena>,
    list: PhantomData<&'a SharedArenas>,
}

impl OwnerToken<'_> {
    /// The arena that the calling thread owns for now.
    pub(crate) fn arena(&self) -> NonNull<Arena> {
        self.arena
    }
}

impl Drop for OwnerToken<'_> {
    fn drop(&mut self) {
        // SAFETY: the list that the token borrows keeps its arenas until it is dropped.
        let claim = unsafe { &self.arena.as_ref().claim };
        if claim.release() {
            // SAFETY: edge 5: this thread still owns the arena and nobody else closes it.
            unsafe { Arena::close(self.arena) };
        }
    }
}

impl SharedArenas {
    /// An empty list. Its arenas get indices from `first_index` on.
    ///
    /// # Safety
    ///
    /// `on_free` may be called on any thread, once with each tag that is given to
    /// [`SharedArenas::with`].
    pub(crate) unsafe fn new(first_index: u32, on_free: unsafe fn(*const ())) -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
            next_index: AtomicU32::new(first_index),
            on_free,
            #[cfg(not(any(corio_loom, corio_shuttle)))]
            identity: hint::new_identity(),
        }
    }

    /// Calls `f` while the calling thread owns one of the arenas: the one it had last if that is
    /// free, else any, else a new one, for which `tag` is called. `None` once the list is closed.
    pub(crate) fn with<R>(
        &self,
        tag: impl FnOnce() -> *const (),
        f: impl FnOnce(&OwnerToken<'_>) -> R,
    ) -> Option<R> {
        let arena = self.claim_any().or_else(|| self.append(tag))?;
        let token = OwnerToken { arena, list: PhantomData };
        #[cfg(not(any(corio_loom, corio_shuttle)))]
        hint::set(self.identity, arena);
        Some(f(&token))
    }

    /// Calls `f` with each arena, for a walk.
    pub(crate) fn for_each_arena(&self, mut f: impl FnMut(NonNull<Arena>)) {
        let mut next = open_ptr(self.load_head());
        while let Some(arena) = NonNull::new(next) {
            f(arena);
            next = next_of(arena);
        }
    }

    /// [`Arena::maintain`] for each arena that nobody is using. True if there is more to do.
    pub(crate) fn maintain(&self, cells: usize, pages: usize) -> bool {
        let mut more = false;
        self.for_each_arena(|arena| {
            // SAFETY: the closure's argument is claimed, so not closed.
            let work = |arena| unsafe { Arena::maintain(arena, cells, pages) };
            more |= claimed(arena, work).unwrap_or(false);
        });
        more
    }

    /// [`Arena::tidy`] for each arena. True if one has pages to spare, or is used just now.
    pub(crate) fn tidy(&self, cells: usize, pages: usize) -> bool {
        let mut more = false;
        self.for_each_arena(|arena| {
            // SAFETY: the closure's argument is claimed, so not closed.
            let work = |arena| unsafe { Arena::tidy(arena, cells, pages) };
            // SAFETY: the list keeps its arenas.
            let later = || unsafe { arena.as_ref() }.uses_many();
            more |= claimed(arena, work).unwrap_or_else(later);
        });
        more
    }

    /// True if an arena may have pages to spare; a hint that claims nothing.
    pub(crate) fn may_have_spare(&self) -> bool {
        let mut some = false;
        self.for_each_arena(|arena| {
            // SAFETY: the list keeps its arenas.
            some |= unsafe { arena.as_ref() }.may_have_spare();
        });
        some
    }

    /// Closes all arenas; those in use are closed by their users. Later calls do nothing.
    pub(crate) fn close(&self) {
        let mut head = self.load_head();
        while !is_closed(head) {
            // Relaxed: the arenas are read by the load of `for_each_arena` below, which acquires
            // them: this thread's own exchange continues the appends' release sequence.
            let order = Ordering::Relaxed;
            let closed = head.map_addr(|address| address | 1);
            match self.head.compare_exchange(head, closed, order, order) {
                Ok(_) => break,
                Err(now) => head = now,
            }
        }
        self.for_each_arena(|arena| {
            // SAFETY: the list keeps its arenas.
            if unsafe { arena.as_ref() }.claim.close() {
                // SAFETY: edge 3: this thread owns the arena and nobody else closes it.
                unsafe { Arena::close(arena) };
            }
        });
    }

    fn claim_any(&self) -> Option<NonNull<Arena>> {
        #[cfg(not(any(corio_loom, corio_shuttle)))]
        if let Some(arena) = hint::get(self.identity) {
            // SAFETY: it was on this list, and the list keeps its arenas.
            if unsafe { arena.as_ref() }.claim.try_claim() {
                return Some(arena);
            }
        }
        let mut next = open_ptr(self.load_head());
        while let Some(arena) = NonNull::new(next) {
            // SAFETY: the list keeps its arenas.
            if unsafe { arena.as_ref() }.claim.try_claim() {
                return Some(arena);
            }
            next = next_of(arena);
        }
        None
    }

    #[cold]
    fn append(&self, tag: impl FnOnce() -> *const ()) -> Option<NonNull<Arena>> {
        let mut head = self.load_head();
        if is_closed(head) {
            return None;
        }
        // Relaxed: only the value counts.
        let index = self.next_index.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the promise of `SharedArenas::new`.
        let this = unsafe { Arena::new(index, tag(), self.on_free) };
        // SAFETY: the arena was just made and is listed nowhere yet.
        let claim = unsafe { &this.as_ref().claim };
        // Relaxed: published with the arena below.
        claim.word.store(CLAIMED, Ordering::Relaxed);
        while !is_closed(head) {
            claim.next.with_mut(|next| {
                // SAFETY: nobody else knows the arena yet.
                unsafe { *next = head };
            });
            // Ordering(slab.append): Release; pairs with Ordering(slab.list). The arena becomes visible before its address is.
            // Relaxed on failure: the value is only linked to and compared.
            let order = ord("slab.append", Ordering::Release);
            match self.head.compare_exchange(head, this.as_ptr(), order, Ordering::Relaxed) {
                Ok(_) => return Some(this),
                Err(now) => head = now,
            }
        }
        // SAFETY: this thread made the arena and nobody else knows it.
        unsafe { Arena::close(this) };
        // SAFETY: it was never listed.
        unsafe { Arena::unlist(this) };
        None
    }

    fn load_head(&self) -> *mut Arena {
        // Ordering(slab.list): Acquire; pairs with Ordering(slab.append). The arenas on the list
        // become visible. Setting the closed bit continues the appends' release sequence.
        self.head.load(ord("slab.list", Ordering::Acquire))
    }
}

impl Drop for SharedArenas {
    fn drop(&mut self) {
        self.close();
        let mut next = open_ptr(self.load_head());
        while let Some(arena) = NonNull::new(next) {
            next = next_of(arena);
            // SAFETY: walks borrow the list, so they are over.
            unsafe { Arena::unlist(arena) };
        }
    }
}

/// Calls `f` with an arena of a list if nobody else is using it; it is claimed meanwhile.
fn claimed(arena: NonNull<Arena>, f: impl FnOnce(NonNull<Arena>) -> bool) -> Option<bool> {
    // SAFETY: the callers took it from a list, which keeps its arenas.
    let is_claimed = unsafe { arena.as_ref() }.claim.try_claim();
    is_claimed.then(|| {
        let token = OwnerToken { arena, list: PhantomData };
        f(token.arena())
    })
}

fn is_closed(head: *mut Arena) -> bool {
    head.addr() & 1 != 0
}

fn open_ptr(head: *mut Arena) -> *mut Arena {
    head.map_addr(|address| address & !1)
}

fn next_of(arena: NonNull<Arena>) -> *mut Arena {
    // SAFETY: the callers took it from a list, which keeps its arenas.
    let claim = unsafe { &arena.as_ref().claim };
    // SAFETY: written before the arena was listed, read-only since.
    claim.next.with(|next| unsafe { *next })
}

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod hint {
    //! Which arena a thread had last. The identity of the list tells a hint for a list that is
    //! gone from one that is good: it is never used twice.
    use super::*;
    use corio_sync::shim::atomic::AtomicU64;
    use std::cell::Cell;

    thread_local! {
        static LAST: Cell<(u64, *mut Arena)> = const { Cell::new((0, ptr::null_mut())) };
    }

    pub(super) fn new_identity() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only uniqueness counts.
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn get(identity: u64) -> Option<NonNull<Arena>> {
        let (list, arena) = LAST.try_with(Cell::get).ok()?;
        if list == identity { NonNull::new(arena) } else { None }
    }

    pub(super) fn set(identity: u64, arena: NonNull<Arena>) {
        // A thread that is ending has no hint: it looks through the list.
        let _ = LAST.try_with(|last| last.set((identity, arena.as_ptr())));
    }
}
