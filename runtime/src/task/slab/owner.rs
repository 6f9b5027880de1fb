//! What the owner of an arena does with its pages.
//!
//! ```text
//!   Clean/fresh --1--> Current --2--> Full --3--> Partial --4--> Current
//!                        ^                           |
//!                        |6                          5
//!                        |                           v
//!                        +------------------------- Pool --7--> Retired --8--> Clean (discarded)
//!                        ^                                         |    \
//!                        +--------------------9--------------------+     --10-> Worn
//! ```
//! 1. `next_page`: carved for the class that needs a page.
//! 2. `refill`: no free slot and none left to carve.
//! 3. `after_free`: a cell of it comes back.
//! 4. `next_page`: its class needs a page; partly used pages go before all others.
//! 5. `after_free`: its last cell comes back. The current page of a class stays where it is: so
//!    each class keeps one empty page and a task at a time costs no edge.
//! 6. `next_page`: the same class takes it as it is, with its free list.
//! 7. `retire`: another class needs it, or `give_back`; hidden from walkers to come.
//! 8. `give_back`: no walker left that knew it; its memory goes back to the system.
//! 9. `next_page`: no walker left that knew it; carved for another class.
//! 10. `retire`: a slot of it used up its 2^32 - 1 generations.
use std::ptr::{self, NonNull};

use super::CLASSES;
use super::arena::Arena;
use super::cell;
use super::chunk::{self, Chunk, PAGES, Reserve};
use super::page::{Ownership, PagePtr, Place};

/// Remotely freed cells that an allocation takes in at most, so that a burst of a million frees
/// costs no single allocation more than a few microseconds.
const DRAIN: usize = 128;

/// The owner's part of an arena.
pub(super) struct Owner {
    pub(super) token: Ownership,
    classes: [Class; CLASSES],
    pool: List,
    retired: List,
    clean: List,
    /// Fewest pages that were in the pool at any time since `give_back` last looked.
    idle: usize,
    /// Cells taken from the remote stack and not yet sorted in.
    inbound: *mut u8,
    newest: *mut Chunk,
    /// Pages of the newest chunk that were ever used.
    opened: usize,
    chunks: u32,
    reserve: Reserve,
}

/// The pages of one class that are good for an allocation.
#[derive(Clone, Copy)]
struct Class {
    current: Option<PagePtr>,
    partial: List,
}

/// A list of pages, linked both ways through their headers.
#[derive(Clone, Copy)]
struct List {
    head: Option<PagePtr>,
    len: usize,
}

impl Owner {
    pub(super) fn new(token: Ownership) -> Self {
        let empty = List { head: None, len: 0 };
        Self {
            token,
            classes: [Class { current: None, partial: empty }; CLASSES],
            pool: empty,
            retired: empty,
            clean: empty,
            idle: 0,
            inbound: ptr::null_mut(),
            newest: ptr::null_mut(),
            opened: PAGES,
            chunks: 0,
            reserve: Reserve::new(),
        }
    }

    /// A free cell of the class.
    #[inline(always)]
    pub(super) fn alloc(&mut self, arena: &Arena, class: u8) -> NonNull<u8> {
        if let Some(page) = self.classes[usize::from(class)].current {
            if let Some(cell) = page.pop(&mut self.token) {
                return cell;
            }
        }
        self.refill(arena, class)
    }

    /// Takes back a cell.
    ///
    /// # Safety
    ///
    /// `cell` is a cell of `page`, a page of this arena, and was given up by its last holder.
    #[inline(always)]
    pub(super) unsafe fn free(&mut self, page: PagePtr, cell: NonNull<u8>) {
        // SAFETY: passed on.
        let (place, used) = unsafe { page.push(&mut self.token, cell) };
        if place != Place::Current && (place == Place::Full || used == 0) {
            self.after_free(page);
        }
    }

    #[inline(never)]
    fn refill(&mut self, arena: &Arena, class: u8) -> NonNull<u8> {
        self.absorb(arena, DRAIN);
        loop {
            if let Some(page) = self.classes[usize::from(class)].current {
                if let Some(cell) = page.pop(&mut self.token) {
                    return cell;
                }
                if let Some(cell) = page.extend(&mut self.token) {
                    return cell;
                }
                self.set_place(page, Place::Full);
            }
            let page = self.next_page(arena, class);
            self.set_place(page, Place::Current);
            self.classes[usize::from(class)].current = Some(page);
        }
    }

    #[inline(never)]
    fn after_free(&mut self, page: PagePtr) {
        let (place, used, class) =
            page.own(&mut self.token, |own| (own.place, own.used, usize::from(own.class)));
        if place == Place::Full {
            self.classes[class].partial.push(page, &mut self.token);
            self.set_place(page, Place::Partial);
        }
        if used == 0 {
            self.classes[class].partial.remove(page, &mut self.token);
            self.pool.push(page, &mut self.token);
            self.set_place(page, Place::Pool);
        }
    }

    /// Sorts in up to `most` remotely freed cells; returns how many.
    pub(super) fn absorb(&mut self, arena: &Arena, most: usize) -> usize {
        if self.inbound.is_null() {
            self.inbound = arena.remote().take();
        }
        let mut count = 0;
        while count < most {
            let Some(cell) = NonNull::new(self.inbound) else { break };
            // SAFETY: the remote stack handed the whole list to the owner.
            self.inbound = unsafe { cell::link(cell) };
            // SAFETY: it was pushed as a cell of this arena, which lives.
            let page = unsafe { chunk::page_of(cell) };
            // SAFETY: whoever pushed it gave it up.
            unsafe { self.free(page, cell) };
            count += 1;
        }
        count
    }

    /// Pages that were used and not given back since.
    fn in_memory(&self) -> usize {
        // The newest chunk is the only one with pages that were never used.
        (self.chunks as usize * PAGES + self.opened) - PAGES - self.clean.len
    }

    /// True if there is an empty page, or cells to sort in that may leave one. The current pages of
    /// the classes do not count.
    pub(super) fn may_have_empty_pages(&self) -> bool {
        self.pool.len + self.retired.len > 0 || self.has_inbound()
    }

    /// True if remotely freed cells wait that were taken from the stack already.
    pub(super) fn has_inbound(&self) -> bool {
        !self.inbound.is_null()
    }

    /// A page with a free slot, or one to carve, for the class.
    fn next_page(&mut self, arena: &Arena, class: u8) -> PagePtr {
        if let Some(page) = self.classes[usize::from(class)].partial.pop(&mut self.token) {
            return page;
        }
        if let Some(page) = self.pool.head {
            if page.own(&mut self.token, |own| own.class) == class {
                self.take_pooled(page);
                return page;
            }
        }
        let page = self.empty_page(arena);
        page.carve(&mut self.token, class);
        page
    }

    /// A page that may be carved for any class.
    fn empty_page(&mut self, arena: &Arena) -> PagePtr {
        if arena.walkers().quiet() {
            if let Some(page) = self.retired.pop(&mut self.token) {
                return page;
            }
            while let Some(page) = self.pool.head {
                if !self.retire(page) {
                    continue;
                }
                if arena.walkers().quiet_after_retire() {
                    self.retired.remove(page, &mut self.token);
                    return page;
                }
                break;
            }
        }
        if let Some(page) = self.clean.pop(&mut self.token) {
            arena.set_in_memory(self.in_memory());
            return page;
        }
        if self.opened == PAGES {
            self.open_chunk(arena);
        }
        self.opened += 1;
        arena.set_in_memory(self.in_memory());
        let newest = NonNull::new(self.newest).expect("a chunk was opened");
        // SAFETY: the newest chunk is open, and `opened` counts its pages.
        unsafe { Chunk::page(newest, self.opened - 1) }
    }

    fn open_chunk(&mut self, arena: &Arena) {
        let memory = self.reserve.take();
        let this = self.token.arena();
        // SAFETY: the reserve hands out each chunk once.
        let chunk = unsafe { Chunk::open(memory, this, self.chunks, self.newest) };
        self.chunks += 1;
        self.opened = 0;
        self.newest = chunk.as_ptr();
        arena.publish(chunk);
    }

    fn take_pooled(&mut self, page: PagePtr) {
        self.pool.remove(page, &mut self.token);
        self.idle = self.idle.min(self.pool.len);
    }

    /// Edge 7 or 10; false for the latter.
    fn retire(&mut self, page: PagePtr) -> bool {
        self.take_pooled(page);
        if page.retire(&mut self.token) {
            self.set_place(page, Place::Retired);
            self.retired.push(page, &mut self.token);
            return true;
        }
        self.set_place(page, Place::Worn);
        false
    }

    /// Gives the memory of up to `most` empty pages back to the system; returns how many. Nothing
    /// while a walker is inside.
    pub(super) fn give_back(&mut self, arena: &Arena, most: usize) -> usize {
        if !arena.walkers().quiet() {
            return 0;
        }
        for _ in self.retired.len..most {
            let Some(page) = self.pool.head else { break };
            self.retire(page);
        }
        if !arena.walkers().quiet_after_retire() {
            return 0;
        }
        let mut count = 0;
        while count < most {
            let Some(page) = self.retired.pop(&mut self.token) else { break };
            #[cfg(not(any(corio_loom, corio_shuttle)))]
            {
                let (start, bytes) = page.space();
                // SAFETY: no slot of the page is in use, and nobody knows it as carved.
                unsafe { super::sys::discard(start, bytes) };
            }
            self.set_place(page, Place::Clean);
            self.clean.push(page, &mut self.token);
            count += 1;
        }
        arena.set_in_memory(self.in_memory());
        count
    }

    /// How many pages nobody needed since the last call, or which a walker kept from being given
    /// back.
    pub(super) fn idle_pages(&mut self) -> usize {
        self.retired.len + std::mem::replace(&mut self.idle, self.pool.len)
    }

    /// Last act of an owner: sorts in all cells on the list `last` and those taken before, gives
    /// all empty pages back, and counts the cells that are still out.
    pub(super) fn finish(&mut self, arena: &Arena, last: *mut u8) -> usize {
        for list in [self.inbound, last] {
            self.inbound = list;
            while !self.inbound.is_null() {
                self.absorb(arena, DRAIN);
            }
        }
        self.give_back(arena, usize::MAX);
        self.live()
    }

    /// The newest chunk, from which all are linked; or null.
    pub(super) fn newest(&self) -> *mut Chunk {
        self.newest
    }

    /// Cells that are out, or freed remotely and not yet sorted in.
    pub(super) fn live(&mut self) -> usize {
        let mut live = 0;
        let mut list = self.newest;
        while let Some(chunk) = NonNull::new(list) {
            for index in 0..PAGES {
                // SAFETY: an open chunk of this arena.
                let page = unsafe { Chunk::page(chunk, index) };
                live += page.own(&mut self.token, |own| own.used as usize);
            }
            // SAFETY: the same.
            list = unsafe { Chunk::next(chunk) };
        }
        live
    }

    fn set_place(&mut self, page: PagePtr, place: Place) {
        page.own(&mut self.token, |own| own.place = place);
    }
}

impl List {
    fn push(&mut self, page: PagePtr, owner: &mut Ownership) {
        let next = self.head.replace(page);
        if let Some(next) = next {
            next.own(owner, |own| own.prev = Some(page));
        }
        page.own(owner, |own| (own.next, own.prev) = (next, None));
        self.len += 1;
    }

    fn remove(&mut self, page: PagePtr, owner: &mut Ownership) {
        let (next, prev) = page.own(owner, |own| (own.next.take(), own.prev.take()));
        if let Some(next) = next {
            next.own(owner, |own| own.prev = prev);
        }
        match prev {
            Some(prev) => prev.own(owner, |own| own.next = next),
            None => self.head = next,
        }
        self.len -= 1;
    }

    fn pop(&mut self, owner: &mut Ownership) -> Option<PagePtr> {
        let page = self.head?;
        self.remove(page, owner);
        Some(page)
    }
}
