//! The slab that task cells live in.
//!
//! # Vocabulary
//!
//! - *Cell*: 16-byte aligned memory of one size class. Its first 8 bytes are the task's *state
//!   word*, an `AtomicU64`; the slab never writes it except to zero it before a cell's first use.
//! - *Page*: 64 KiB of cells of one class. Its *carved* count says how many of its slots have ever
//!   been handed out; only those are memory that somebody may look at.
//! - *Chunk*: 1 MiB, aligned to its size, with the headers of its 16 pages in front. A cell finds
//!   its header by masking its own address.
//! - *Arena*: a set of chunks with one *owner*, the only thread that allocates. Every worker owns
//!   one; threads that are no workers claim one of the [`SharedArenas`] for a moment.
//!
//! # Invariants
//!
//! 1. Memory is type-stable: as long as an arena lives, the first 8 bytes of every carved slot are
//!    an initialized `AtomicU64`, and it is zero while the slot is free. So a thread that walks the
//!    arena may load any state word and may compare-exchange it from a non-zero value: success
//!    means that it holds a reference to a live task.
//! 2. A page changes its class, or loses its memory, only while it is *retired* (carved = 0) and
//!    after its owner has seen that no walker is left that could know the old carved count.
//! 3. A free cell's bytes 8..16 are the slab's; nothing else of it is touched.
//! 4. (arena, page, slot, generation) never names two tasks: a slot's generation grows with every
//!    free and survives changes of class; a slot whose generation is used up is never used again.
//!
//! # Protocols
//!
//! Each is one file: the remote stack and the end of an arena (`remote.rs`), walkers against
//! retirement (`walk.rs`), claims and appends of shared arenas (`shared.rs`). The life of a page
//! is drawn in `owner.rs`.
//!
//! Progress: allocation and free by the owner are wait-free but for the system allocator; a remote
//! free is lock-free; a walk is wait-free; nobody waits for anybody.
//!
//! # Rejected
//!
//! - malloc per task: 31-109 ns instead of 5 with 1000 live cells, and no way to walk.
//! - Page headers inside the pages: one 4 KiB page in 16 would survive every trim.
//! - A per-cell header with page pointer and generation: 16 B on each task for what a mask and a
//!   multiplication find in a line that the free touches anyway.
//! - Epoch reclamation for pages: a counter of walkers is enough, walks are rare and short, and
//!   the owner can always do something else instead of waiting.
//!
//! After mimalloc (Leijen, Zorn, de Moura: "Mimalloc: Free List Sharding in Action", 2019), with
//! one remote stack per arena instead of one per page: tasks are drained in bulk by a loop that
//! passes here anyway.
mod arena;
mod cell;
mod chunk;
#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
mod owner;
mod page;
mod remote;
mod shared;
#[cfg(test)]
mod support;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod sys;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
mod walk;

pub(crate) use arena::{Arena, arena_of, free, id_of};
pub(crate) use shared::SharedArenas;

/// Largest cell in bytes; bigger futures are boxed by the caller.
pub(crate) const MAX_CELL: usize = size_of_class(CLASSES as u8 - 1);

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod classes {
    /// Step in bytes between the small classes: the alignment of a cell.
    pub(super) const SMALL_STEP: usize = 16;
    /// Bytes up to which the small step is used: beyond it 16 B more are under 6 % waste.
    pub(super) const SMALL_LIMIT: usize = 256;
    /// Step in bytes between the large classes: a cache line.
    pub(super) const LARGE_STEP: usize = 64;
    /// Number of classes up to `SMALL_LIMIT`.
    pub(super) const SMALL: usize = SMALL_LIMIT / SMALL_STEP;
    /// Number of classes: 2 KiB of future, a header and some slack.
    pub(super) const CLASSES: usize = SMALL + 30;
    const _: () = assert!(SMALL_LIMIT + (CLASSES - SMALL) * LARGE_STEP == 2176);
}

#[cfg(any(corio_loom, corio_shuttle))]
mod classes {
    //! Models have two classes of cells, large enough for the atomics of a model.
    pub(super) const SMALL_STEP: usize = 512;
    pub(super) const SMALL_LIMIT: usize = 512;
    pub(super) const LARGE_STEP: usize = 512;
    pub(super) const SMALL: usize = 1;
    pub(super) const CLASSES: usize = 2;
}

use classes::{CLASSES, LARGE_STEP, SMALL, SMALL_LIMIT, SMALL_STEP};

/// The class whose cells hold `size` bytes; `None` above [`MAX_CELL`].
#[must_use]
pub(crate) const fn class_of(size: usize) -> Option<u8> {
    if size > MAX_CELL {
        None
    } else if size <= SMALL_STEP {
        Some(0)
    } else if size <= SMALL_LIMIT {
        Some((size.div_ceil(SMALL_STEP) - 1) as u8)
    } else {
        Some((SMALL + (size - SMALL_LIMIT).div_ceil(LARGE_STEP) - 1) as u8)
    }
}

/// Bytes of a cell of a class.
#[must_use]
pub(crate) const fn size_of_class(class: u8) -> usize {
    let class = class as usize;
    if class < SMALL {
        (class + 1) * SMALL_STEP
    } else {
        SMALL_LIMIT + (class + 1 - SMALL) * LARGE_STEP
    }
}

/// Names one use of one cell; never given to a second task of the same runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CellId {
    /// Index that the arena was made with.
    pub(crate) arena: u32,
    /// Number of the page within its arena.
    pub(crate) page: u32,
    /// Number of the cell within its page.
    pub(crate) slot: u16,
    /// How often this slot had been freed before, in this and in earlier classes of its page.
    pub(crate) generation: u32,
}
