//! A row of cells that puts fill and gets empty, each side in order: a list of runs of cells.
//!
//! *Why not [`crate::wait::list`].* There a cell may be left by its owner long before its turn, and
//! a segment counts its owners, with one read-modify-write for each, under pins of the collector.
//! Here no cell is ever left: each is used by one put and one get, and says by itself when both are
//! finished ([`Cell::is_over`]). So nothing is counted, and nobody pins.
//!
//! *Vocabulary.* The puts' numbers and the gets' are *drawn* from a counter each, in order; a number
//! is a position. Each side has an *end*, a pointer to the run where it works about now. An end
//! *leaves* a run when it is moved beyond.
//!
//! *Protocol.* Whoever works in a cell draws its position **first** and reads the end **after** that.
//! The end may be before the cell's run, then it appends what is missing and moves the end; or
//! beyond, because others were faster, then it goes back. Whoever moves an end reads the counter
//! afterwards, by a step that changes nothing, and notes in the runs that were left how many positions
//! had been drawn.
//!
//! *When a run is freed.* In order, and when all cells below what both ends noted in it are over.
//! Whoever is still on its way through a run found the end there, or one before it. Had it drawn after
//! the mover read the counter, its own step on the counter would have shown it the end beyond. So it
//! drew before, its position is below the note, and its cell is not over. The runs from its own on
//! stay for the same reason: so the way back is safe, too.
//!
//! *Progress.* Lock-free: the loops repeat only when another thread has appended a run or moved an
//! end. One thread at a time frees runs, and nobody waits for it; whoever is descheduled inside
//! keeps memory from being freed, and nobody waiting.
//!
//! *Source.* The rule by which a run is freed is that of tokio's mpsc channel for its blocks (see
//! [`crate::channel::mpsc`]), which has one receiver. New here are the cells that say when they are
//! over, for any number of gets, and the way back, so that an end need not wait for who is slow.

use crate::shim::atomic::{AtomicBool, AtomicPtr, AtomicU64};
use crate::shim::cell::UnsafeCell;
use crate::shim::{Ordering, mutant, ord};
use crate::wait::reclaim::{Domain, Managed};
use crate::wait::segment::{SEGMENT_CELLS, cells};
use std::ptr;

/// What a position is for: one put and one get.
pub(super) trait Cell: Default {
    /// Whether both have used it for the last time; if so, whoever asks comes after them.
    fn is_over(&self) -> bool;
}

/// Which end has left a run behind.
#[derive(Clone, Copy)]
enum End {
    Head,
    Tail,
}

/// In place of the number of positions, of an end that has not left.
const STAYS: u64 = u64::MAX;

struct Run<C> {
    /// The first cell has position `id * cells()`.
    id: u64,
    next: AtomicPtr<Managed<Run<C>>>,
    /// The run before, which may be freed.
    before: Link<C>,
    /// For each end: how many positions had been drawn when it had left.
    left: [AtomicU64; 2],
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
    /// A thread is about to free runs: it has the rear to itself.
    freeing: AtomicBool,
    rear: UnsafeCell<Rear<C>>,
}

/// What the thread knows that frees runs.
struct Rear<C> {
    /// The first run that was not freed.
    oldest: Link<C>,
    /// All cells below this position are over.
    over: u64,
    /// The run of that position, or the one before.
    reached: Link<C>,
}

/// The row.
pub(super) struct Strip<C> {
    tail: Tail<C>,
    head: Head<C>,
    domain: Domain,
}

// SAFETY: runs are shared by protocol; cells cross threads when C may.
unsafe impl<C: Send + Sync> Send for Strip<C> {}
// SAFETY: as above; the rear belongs to the thread that has set `freeing`.
unsafe impl<C: Send + Sync> Sync for Strip<C> {}

/// The run of a position, and the cell's index there.
#[inline]
fn place_of(position: u64) -> (u64, usize) {
    let cells = cells() as u64;
    (position / cells, (position % cells) as usize)
}

impl<C: Cell> Strip<C> {
    pub(super) fn new() -> Self {
        let domain = Domain::new();
        let first = domain.alloc(Run::new(0, ptr::null_mut()));
        let rear = UnsafeCell::new(Rear { oldest: first, over: 0, reached: first });
        let (claimed, freeing) = (AtomicU64::new(0), AtomicBool::new(false));
        let head = Head { run: AtomicPtr::new(first), claimed, freeing, rear };
        Self { tail: Tail { run: AtomicPtr::new(first) }, head, domain }
    }

    /// Works on the cell whose position `draw` gives; none if it declines. The cell is not over
    /// before the end of `work`, which does not unwind.
    ///
    /// `draw` must give each position once, in order from 0, with one read-modify-write that
    /// acquires. `drawn` reads how many it has given, or a greater number, with a read-modify-write
    /// of the same counter that releases.
    // Ordering(queue.tail_load): Acquire; pairs with Ordering(queue.end_move): the run's contents
    // are visible before it is looked into.
    #[inline]
    pub(super) fn enter<R>(
        &self,
        draw: impl FnOnce() -> Option<u64>,
        drawn: impl FnOnce() -> u64,
        work: impl FnOnce(&C) -> R,
    ) -> Option<R> {
        let load = || self.tail.run.load(ord("queue.tail_load", Ordering::Acquire));
        let early = if mutant("queue.tail_early") { load() } else { ptr::null_mut() };
        let (id, index) = place_of(draw()?);
        let start = if mutant("queue.tail_early") { early } else { load() };
        let run = self.reach(End::Tail, start, id, drawn);
        Some(work(&run.cells[index]))
    }

    /// Claims the next position and works on its cell, whether or not it was drawn by a put; as in
    /// [`Strip::enter`].
    // Ordering(queue.head_load): Acquire; pairs with Ordering(queue.end_move): as above.
    // Ordering(queue.claim): Acquire; pairs with Ordering(queue.claimed_behind): whoever claims
    // after an end was moved sees it moved.
    #[inline]
    pub(super) fn claim<R>(&self, work: impl FnOnce(&C) -> R) -> R {
        let position = self.head.claimed.fetch_add(1, ord("queue.claim", Ordering::Acquire));
        let start = self.head.run.load(ord("queue.head_load", Ordering::Acquire));
        let (id, index) = place_of(position);
        let run = self.reach(End::Head, start, id, || self.claimed_behind());
        let result = work(&run.cells[index]);
        if index == 0 {
            // About now the head has left a run.
            self.free_behind();
        }
        result
    }

    // Ordering(queue.claimed_behind): Release; pairs with Ordering(queue.claim).
    fn claimed_behind(&self) -> u64 {
        if mutant("queue.claimed_load") {
            return self.claimed();
        }
        self.head.claimed.fetch_or(0, ord("queue.claimed_behind", Ordering::Release))
    }

    /// Positions claimed so far.
    pub(super) fn claimed(&self) -> u64 {
        // Ordering(queue.claimed): Relaxed. A number that only grows.
        self.head.claimed.load(Ordering::Relaxed)
    }

    /// Finds run `id` for the caller, who has drawn a position there and has read `start` from its
    /// end afterwards. It may look into the run until that cell is over.
    #[inline]
    fn reach(&self, end: End, start: Link<C>, id: u64, drawn: impl FnOnce() -> u64) -> &Run<C> {
        // SAFETY: read from an end behind the draw: not freed, by the module's note.
        let run = unsafe { Managed::get(start) };
        if run.id == id { run } else { self.walk(end, start, id, drawn) }
    }

    // Ordering(queue.next_load): Acquire; pairs with Ordering(queue.next_link): the next run's
    // contents are visible.
    #[cold]
    fn walk(&self, end: End, start: Link<C>, id: u64, drawn: impl FnOnce() -> u64) -> &Run<C> {
        let mut link = start;
        // SAFETY: as in `reach`.
        let mut run = unsafe { Managed::get(link) };
        while run.id > id {
            // SAFETY: not before the run of the caller's position, which is not over.
            run = unsafe { Managed::get(run.before) };
        }
        if run.id == id {
            return run;
        }
        while run.id < id {
            let next = run.next.load(ord("queue.next_load", Ordering::Acquire));
            link = if next.is_null() { self.append(link, run) } else { next };
            // SAFETY: behind a run that is not freed, and they are freed in order.
            run = unsafe { Managed::get(link) };
        }
        self.move_end(end, link, id, drawn);
        run
    }

    /// Makes the run behind the last one, unless another thread is faster.
    // Ordering(queue.next_link): Release, Acquire on failure; pairs with Ordering(queue.next_load)
    // and itself.
    fn append(&self, last: Link<C>, run: &Run<C>) -> Link<C> {
        let new = self.domain.alloc(Run::new(run.id + 1, last));
        let (ok, err) = (ord("queue.next_link", Ordering::Release), Ordering::Acquire);
        match run.next.compare_exchange(ptr::null_mut(), new, ok, err) {
            Ok(_) => new,
            Err(now) => {
                // SAFETY: never published.
                unsafe { self.domain.free(new) };
                now
            }
        }
    }

    /// Moves an end forward to run `id`, unless it is there or beyond.
    // Ordering(queue.end_peek): Acquire; pairs with Ordering(queue.end_move): the run is looked
    // into.
    // Ordering(queue.end_move): Release; pairs with Ordering(queue.tail_load),
    // Ordering(queue.head_load) and Ordering(queue.end_peek): whoever starts at the run sees its
    // contents.
    fn move_end(&self, end: End, target: Link<C>, id: u64, drawn: impl FnOnce() -> u64) {
        let pointer = match end {
            End::Head => &self.head.run,
            End::Tail => &self.tail.run,
        };
        loop {
            let current = pointer.load(ord("queue.end_peek", Ordering::Acquire));
            // SAFETY: read from an end behind the caller's draw.
            if unsafe { Managed::get(current) }.id >= id {
                return;
            }
            let (ok, err) = (ord("queue.end_move", Ordering::Release), Ordering::Relaxed);
            if pointer.compare_exchange(current, target, ok, err).is_ok() {
                return self.leave_behind(end, current, id, drawn());
            }
        }
    }

    /// Notes in the runs from `from` up to run `to` that `end` has left them.
    // Ordering(queue.left): Relaxed. The caller's own cell is below the number, so whoever finds all
    // of those over comes after this.
    fn leave_behind(&self, end: End, from: Link<C>, to: u64, drawn: u64) {
        let mut link = from;
        loop {
            // SAFETY: the end was there behind the caller's draw, or at a run before.
            let run = unsafe { Managed::get(link) };
            if run.id >= to {
                return;
            }
            link = run.next.load(ord("queue.next_load", Ordering::Acquire));
            run.left[end as usize].store(drawn, Ordering::Relaxed);
        }
    }

    /// Frees the runs that nobody can come to any more, unless another thread is at it.
    // Ordering(queue.rear_enter): Acquire; pairs with Ordering(queue.rear_leave): the rear is as
    // the last thread left it.
    fn free_behind(&self) {
        if self.head.freeing.swap(true, ord("queue.rear_enter", Ordering::Acquire)) {
            return;
        }
        self.head.rear.with_mut(|rear| {
            // SAFETY: `freeing` was clear and is set by us.
            let rear = unsafe { &mut *rear };
            while self.free_oldest(rear) {}
        });
        // Ordering(queue.rear_leave): Release; pairs with Ordering(queue.rear_enter).
        self.head.freeing.store(false, ord("queue.rear_leave", Ordering::Release));
    }

    /// Frees the oldest run; false if somebody may come to it, or be in it.
    // Ordering(queue.oldest): Relaxed, both. Numbers that decide nothing before the cells below them
    // are over; and whoever moved an end beyond the oldest run has one of those, in a later run. So
    // `reached` is beyond, and the link was seen.
    fn free_oldest(&self, rear: &mut Rear<C>) -> bool {
        // SAFETY: only who has the rear frees what is reachable, and has not freed it.
        let oldest = unsafe { Managed::get(rear.oldest) };
        let left = oldest.left.each_ref().map(|drawn| drawn.load(Ordering::Relaxed));
        let drawn = left[0].max(left[1]);
        if drawn == STAYS || !rear.is_over_below(drawn) {
            return false;
        }
        let link = std::mem::replace(&mut rear.oldest, oldest.next.load(Ordering::Relaxed));
        // SAFETY: by the module's note nobody comes to it any more, and all who came are finished.
        unsafe { self.domain.free_after_use(link) };
        true
    }
}

impl<C: Cell> Rear<C> {
    /// Whether all cells below `position` are over.
    // Ordering: Acquire as Ordering(queue.next_load), of which this is a case.
    fn is_over_below(&mut self, position: u64) -> bool {
        while self.over < position {
            // SAFETY: not before the oldest run that was not freed, and only the caller frees.
            let run = unsafe { Managed::get(self.reached) };
            let (id, index) = place_of(self.over);
            if run.id < id {
                let next = run.next.load(ord("queue.next_load", Ordering::Acquire));
                if next.is_null() {
                    return false;
                }
                self.reached = next;
            } else if run.cells[index].is_over() || mutant("queue.over") {
                self.over += 1;
            } else {
                return false;
            }
        }
        true
    }
}

impl<C: Default> Run<C> {
    fn new(id: u64, before: Link<C>) -> Self {
        Self {
            id,
            next: AtomicPtr::new(ptr::null_mut()),
            before,
            left: std::array::from_fn(|_| AtomicU64::new(STAYS)),
            cells: std::array::from_fn(|_| C::default()),
        }
    }
}

impl<C> Drop for Strip<C> {
    fn drop(&mut self) {
        let mut link = self.head.rear.with_mut(|rear| {
            // SAFETY: `&mut self`: nobody else is here.
            unsafe { &*rear }.oldest
        });
        while !link.is_null() {
            // Ordering(queue.strip_drop): Relaxed. `&mut self` has been ordered after all uses.
            // SAFETY: linked runs from the oldest on were not freed, and are ours now.
            let next = unsafe { Managed::get(link) }.next.load(Ordering::Relaxed);
            // SAFETY: as above; each is visited once.
            unsafe { self.domain.free(link) };
            link = next;
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
