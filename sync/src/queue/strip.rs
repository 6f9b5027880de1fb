//! A row of cells that puts fill and gets empty, each side in order: a list of runs of cells.
//!
//! *Why not [`crate::wait::list`].* There a cell may be left by its owner long before its turn, and
//! a segment counts its owners, with one read-modify-write for each. Here no cell is ever left:
//! both ends pass each cell once, in order. So a run is out of reach when both ends are beyond it,
//! and whoever works in a cell stays pinned until it is finished. That is all the book-keeping:
//! two bits in each run.
//!
//! *Protocol.* An end is read **before** its counter is moved, so that it never points beyond the
//! cell that the counter gave. Whoever needs a later run appends what is missing and moves the end.
//! Whoever moves an end marks all runs that it has left behind, and retires those that the other
//! end has left behind already.
//!
//! *Progress.* Lock-free: the loops repeat only when another thread has appended a run or moved an
//! end. A thread that is descheduled inside keeps memory from being reclaimed, and nobody waiting.

use crate::shim::atomic::{AtomicPtr, AtomicU8, AtomicU64};
use crate::shim::{Ordering, ord};
use crate::wait::reclaim::{Domain, Guard, Managed, pin};
use crate::wait::segment::{SEGMENT_CELLS, cells};
use std::ptr;

/// Which end has left a run behind.
#[derive(Clone, Copy)]
enum End {
    Head = 1,
    Tail = 1 << 1,
}

const BOTH: u8 = End::Head as u8 | End::Tail as u8;

struct Run<C> {
    /// The first cell has position `id * cells()`.
    id: u64,
    next: AtomicPtr<Managed<Run<C>>>,
    /// The ends that have left this run behind.
    passed: AtomicU8,
    cells: [C; SEGMENT_CELLS],
}

type Link<C> = *mut Managed<Run<C>>;

/// What puts read with each cell; written once per run.
#[repr(align(64))]
struct Tail<C> {
    run: AtomicPtr<Managed<Run<C>>>,
}

/// What gets use, on a cache line of their own.
#[repr(align(64))]
struct Head<C> {
    run: AtomicPtr<Managed<Run<C>>>,
    /// Cells whose turn has come.
    claimed: AtomicU64,
}

/// The row.
pub(super) struct Strip<C> {
    tail: Tail<C>,
    head: Head<C>,
    domain: Domain,
}

/// The run of a position, and the cell's index there.
#[inline]
fn place_of(position: u64) -> (u64, usize) {
    let cells = cells() as u64;
    (position / cells, (position % cells) as usize)
}

impl<C: Default> Strip<C> {
    pub(super) fn new() -> Self {
        let domain = Domain::new();
        let first = domain.alloc(Run::new(0));
        let head = Head { run: AtomicPtr::new(first), claimed: AtomicU64::new(0) };
        Self { tail: Tail { run: AtomicPtr::new(first) }, head, domain }
    }

    /// Works on the cell whose position `draw` gives; none if it declines.
    ///
    /// `draw` must give each position once, in order from 0, with one read-modify-write.
    // Ordering(queue.tail_load): Acquire; pairs with Ordering(queue.end_move): the run's contents
    // are visible before it is looked into.
    #[inline]
    pub(super) fn enter<R>(
        &self,
        draw: impl FnOnce() -> Option<u64>,
        work: impl FnOnce(&C) -> R,
    ) -> Option<R> {
        let guard = pin();
        let start = self.tail.run.load(ord("queue.tail_load", Ordering::Acquire));
        let (id, index) = place_of(draw()?);
        let run = self.reach(&guard, End::Tail, start, id);
        Some(work(&run.cells[index]))
    }

    /// Claims the next position and works on its cell, whether or not it was drawn.
    // Ordering(queue.head_load): Acquire; pairs with Ordering(queue.end_move): as above.
    // Ordering(queue.claim): Relaxed. Only a number; the cell orders put and get.
    #[inline]
    pub(super) fn claim<R>(&self, work: impl FnOnce(&C) -> R) -> R {
        let guard = pin();
        let start = self.head.run.load(ord("queue.head_load", Ordering::Acquire));
        let (id, index) = place_of(self.head.claimed.fetch_add(1, Ordering::Relaxed));
        let run = self.reach(&guard, End::Head, start, id);
        work(&run.cells[index])
    }

    /// Positions claimed so far.
    pub(super) fn claimed(&self) -> u64 {
        // Ordering(queue.claimed): Relaxed. A number that only grows.
        self.head.claimed.load(Ordering::Relaxed)
    }

    /// Finds run `id`, which is at or behind `start`; `start` was read from an end since the pin.
    #[inline]
    fn reach<'g>(&self, guard: &'g Guard, end: End, start: Link<C>, id: u64) -> &'g Run<C> {
        // SAFETY: read from an end since the pin.
        let run = unsafe { guard.get(start) };
        if run.id == id { run } else { self.walk(guard, end, run, id) }
    }

    // Ordering(queue.next_load): Acquire; pairs with Ordering(queue.next_link): the next run's
    // contents are visible.
    // Ordering(queue.next_link): Release, Acquire on failure; pairs with Ordering(queue.next_load)
    // and itself.
    #[cold]
    fn walk<'g>(&self, guard: &'g Guard, end: End, mut run: &'g Run<C>, id: u64) -> &'g Run<C> {
        let mut link = ptr::null_mut();
        while run.id < id {
            link = run.next.load(ord("queue.next_load", Ordering::Acquire));
            if link.is_null() {
                let new = self.domain.alloc(Run::new(run.id + 1));
                let (ok, err) = (ord("queue.next_link", Ordering::Release), Ordering::Acquire);
                link = match run.next.compare_exchange(ptr::null_mut(), new, ok, err) {
                    Ok(_) => new,
                    Err(now) => {
                        // SAFETY: never published.
                        unsafe { self.domain.free(new) };
                        now
                    }
                };
            }
            // SAFETY: reached through links since the pin.
            run = unsafe { guard.get(link) };
        }
        self.move_end(guard, end, link, id);
        run
    }

    /// Moves an end forward to run `id`, unless it is there or beyond.
    // Ordering(queue.end_peek): Acquire; pairs with Ordering(queue.end_move): the run is looked
    // into.
    // Ordering(queue.end_move): Release; pairs with Ordering(queue.tail_load),
    // Ordering(queue.head_load) and Ordering(queue.end_peek): whoever starts at the run sees its
    // contents.
    fn move_end(&self, guard: &Guard, end: End, target: Link<C>, id: u64) {
        let pointer = match end {
            End::Head => &self.head.run,
            End::Tail => &self.tail.run,
        };
        loop {
            let current = pointer.load(ord("queue.end_peek", Ordering::Acquire));
            // SAFETY: read from an end since the pin.
            if unsafe { guard.get(current) }.id >= id {
                return;
            }
            let (ok, err) = (ord("queue.end_move", Ordering::Release), Ordering::Relaxed);
            if pointer.compare_exchange(current, target, ok, err).is_ok() {
                return self.leave_behind(guard, end, current, id);
            }
        }
    }

    /// Marks the runs from `from` up to run `to`, and retires those that both ends have left.
    // Ordering(queue.passed): Release; pairs with itself: whoever retires has read the other end's
    // step, which the fence inside the retirement acquires (see `wait::reclaim`), so it has seen that
    // end moved, and so will every pin after that. Else one could start at what is freed.
    fn leave_behind(&self, guard: &Guard, end: End, from: Link<C>, to: u64) {
        let mut link = from;
        loop {
            // SAFETY: reached through links since the pin.
            let run = unsafe { guard.get(link) };
            if run.id >= to {
                return;
            }
            // Read before the step that may retire this one; it was appended before `to`.
            let next = run.next.load(ord("queue.next_load", Ordering::Acquire));
            let bit = end as u8;
            let old = run.passed.fetch_or(bit, ord("queue.passed", Ordering::Release));
            if old | bit == BOTH {
                // SAFETY: both ends are beyond, so later pins cannot reach it; the last of the two
                // bits was set by us, so it is retired once.
                unsafe { guard.retire(&self.domain, link) };
            }
            link = next;
        }
    }
}

impl<C: Default> Run<C> {
    fn new(id: u64) -> Self {
        Self {
            id,
            next: AtomicPtr::new(ptr::null_mut()),
            passed: AtomicU8::new(0),
            cells: std::array::from_fn(|_| C::default()),
        }
    }
}

impl<C> Drop for Strip<C> {
    fn drop(&mut self) {
        // Ordering(queue.strip_drop): Relaxed, all. `&mut self` has been ordered after all uses.
        let ends = [&self.head.run, &self.tail.run].map(|run| run.load(Ordering::Relaxed));
        // SAFETY: what an end points to was not retired.
        let ids = ends.map(|end| unsafe { Managed::get(end) }.id);
        let mut link = if ids[0] < ids[1] { ends[0] } else { ends[1] };
        while !link.is_null() {
            // SAFETY: linked runs behind the first end were not retired, and are ours now.
            let next = unsafe { Managed::get(link) }.next.load(Ordering::Relaxed);
            // SAFETY: as above; each is visited once.
            unsafe { self.domain.free(link) };
            link = next;
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
