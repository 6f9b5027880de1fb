//! [`Barrier`]: tasks wait for each other in rounds.
//!
//! *The word* holds everything that decides:
//!
//! | bits  | meaning |
//! |-------|---------|
//! | 0-1   | phase: `FILLING`, `DRAINING`, `RESETTING`, `BROKEN` |
//! | 2-21  | tasks inside: that have arrived and not left |
//! | 22-63 | places of this barrier's queue given out so far, modulo 2^42 |
//!
//! ```text
//!             last arrival (1)              last leaves (2)
//!   FILLING ------------------> DRAINING ------------------> FILLING
//!      | reset with tasks inside (3)  | reset (3)
//!      +-------> RESETTING <----------+        RESETTING: last leaves (2) -> FILLING
//!   any -- abort (4) --> BROKEN -- reset (3) --> RESETTING, or FILLING if nobody is inside
//! ```
//! (1) [`Barrier::arrive`], (2) [`Barrier::depart`], (3) [`Barrier::reset`], (4)
//! [`Barrier::abort`].
//!
//! *Invariant.* A task that has arrived is counted until it has left, so a round is over only when
//! all have left; who comes meanwhile waits at the **gate**. What a task's wait returns is decided
//! by the phase in which it leaves: `DRAINING` is success.

use crate::debug;
use crate::error::BrokenBarrier;
use crate::place::{WaitKind, noted};
use crate::shim::atomic::AtomicU64;
use crate::shim::{Ordering, fence_at, mutant, ord};
use crate::wait::line::{Line, OnFlag};
use crate::wait::queue::{Place, WaitQueue};
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

const PHASE: u64 = 0b11;
const FILLING: u64 = 0;
const DRAINING: u64 = 1;
const RESETTING: u64 = 2;
const BROKEN: u64 = 3;
const INSIDE_SHIFT: u32 = 2;
const ONE_INSIDE: u64 = 1 << INSIDE_SHIFT;
const PLACES_SHIFT: u32 = 22;
const ONE_PLACE: u64 = 1 << PLACES_SHIFT;
const INSIDE: u64 = ONE_PLACE - ONE_INSIDE;
/// Places are counted modulo this; a round never uses so many.
const PLACES: u64 = 1 << (64 - PLACES_SHIFT);

/// The most parties of a barrier.
const MOST: usize = (INSIDE >> INSIDE_SHIFT) as usize;

fn phase(word: u64) -> u64 {
    word & PHASE
}

fn inside(word: u64) -> usize {
    ((word & INSIDE) >> INSIDE_SHIFT) as usize
}

/// Lets a fixed number of tasks wait for each other, again and again.
///
/// asyncio: `Barrier`. As there, a task that gives up before the round is full only lowers the
/// count (it does not break the barrier, unlike Python's `threading.Barrier`); tasks that come while
/// a round is still leaving wait for the next; `reset` breaks the round under way and leaves the
/// barrier usable; `abort` breaks it until a reset. Differences: usable from any thread; `reset` and
/// `abort` do not wait; indices stay unique even if a task gives up (CPython may then give one
/// twice).
///
/// # Progress
///
/// Lock-free; the last arrival, `reset` and `abort` take time in proportion to the waiters; a thread
/// that is descheduled inside delays only those that it has chosen, 32 at a time. A new round waits
/// until every task of the last one has been polled, or dropped.
///
/// # Examples
///
/// ```
/// use corio_sync::{Barrier, park::block_on};
/// use std::sync::Arc;
///
/// let barrier = Arc::new(Barrier::new(2));
/// let other = barrier.clone();
/// let thread = std::thread::spawn(move || block_on(other.wait()).unwrap().index());
/// let index = block_on(barrier.wait()).unwrap().index();
/// assert_eq!(index + thread.join().unwrap(), 1);
/// ```
pub struct Barrier {
    word: AtomicU64,
    parties: usize,
    round: WaitQueue,
    /// Those who came while the last round was leaving.
    gate: Line,
}

impl Barrier {
    /// A barrier for `parties` tasks.
    ///
    /// # Panics
    ///
    /// If `parties` is zero or above a million.
    #[must_use]
    #[track_caller]
    pub fn new(parties: usize) -> Self {
        assert!(parties > 0, "a barrier needs at least one party");
        assert!(parties <= MOST, "{parties} parties, the limit is {MOST}");
        let word = AtomicU64::new(FILLING);
        Self { word, parties, round: WaitQueue::new(), gate: Line::new() }
    }

    /// Waits until as many tasks as there are parties wait.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrier`] if the barrier is broken, or is reset or aborted before this task has left.
    ///
    /// # Cancel safety
    ///
    /// Strict while the round fills: a dropped wait is not counted any more. Once the round is full
    /// it counts as having taken part.
    #[track_caller]
    pub fn wait(&self) -> BarrierWait<'_> {
        BarrierWait { barrier: self, at: At::Outside, caller: Location::caller() }
    }

    /// As [`Barrier::wait`], on a thread that may block, for `d` at the most (`None` for no limit);
    /// `None` if that was not enough.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn wait_blocking(
        &self,
        d: Option<std::time::Duration>,
    ) -> Option<Result<BarrierWaitResult, BrokenBarrier>> {
        crate::park::block_on_timeout(self.wait(), d)
    }

    /// Breaks the round that is under way, and makes the barrier usable again.
    ///
    /// Tasks that wait, or have not left yet, get [`BrokenBarrier`]; tasks that came for the next
    /// round do not. With nobody inside it only repairs a broken barrier.
    pub fn reset(&self) {
        let before = self.step(|word| {
            let next = if inside(word) > 0 { RESETTING } else { FILLING };
            Some(word & !PHASE | next)
        });
        self.release_round(before);
        if inside(before) == 0 {
            self.open_gate();
        }
    }

    /// Breaks the barrier: every wait fails, now and later, until [`Barrier::reset`].
    pub fn abort(&self) {
        let before = self.step(|word| Some(word & !PHASE | BROKEN));
        self.release_round(before);
        self.open_gate();
    }

    /// The number of tasks that a round takes.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// The tasks that wait for the round to fill; 0 while one is leaving.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        let word = self.word();
        if phase(word) == FILLING { inside(word) } else { 0 }
    }

    /// Whether the barrier was aborted and not reset.
    #[must_use]
    pub fn broken(&self) -> bool {
        phase(self.word()) == BROKEN
    }

    // Ordering(barrier.look): Relaxed. A snapshot, or a guess that `step` verifies; who waits at
    // the gate has a fence in front of it.
    fn word(&self) -> u64 {
        self.word.load(Ordering::Relaxed)
    }

    /// Changes the word; `None` from `change` leaves it alone. Returns the word before.
    // Ordering(barrier.step): AcqRel; pairs with itself: arriving publishes what a task did, leaving
    // sees what all did. Release also keeps the look at the next grant before the arrival that it
    // belongs to.
    fn step(&self, change: impl Fn(u64) -> Option<u64>) -> u64 {
        let mut word = self.word();
        while let Some(next) = change(word) {
            let ok = ord("barrier.step", Ordering::AcqRel);
            match self.word.compare_exchange_weak(word, next, ok, Ordering::Relaxed) {
                Ok(_) => return word,
                Err(now) => word = now,
            }
        }
        word
    }

    /// Grants every place that had been given out when the word was `word`; returns how many live
    /// ones there were.
    fn release_round(&self, word: u64) -> u64 {
        let places = word >> PLACES_SHIFT;
        if inside(word) == 0 {
            return 0;
        }
        let queue = self.round.get();
        let next = queue.next_grant();
        let open = places.wrapping_sub(next) % PLACES;
        // More than half of the range means that another call has gone beyond `places`.
        if open == 0 || open > PLACES / 2 { 0 } else { queue.grant_numbered_below(next + open) }
    }

    fn open_gate(&self) {
        // Either we see who waits at the gate, or they see the new phase: pairs with
        // fence(barrier.at_gate).
        fence_at("barrier.opened");
        self.gate.grant_all(self.gate.entered(), 0);
    }

    /// A task leaves the round; the phase says how it ends.
    fn depart(&self) -> Result<(), BrokenBarrier> {
        let before = self.step(|word| {
            let word = word - ONE_INSIDE;
            let last = inside(word) == 0 && phase(word) != BROKEN;
            Some(if last { word & !PHASE | FILLING } else { word })
        });
        if inside(before) == 1 && phase(before) != BROKEN {
            self.open_gate();
        }
        if phase(before) == DRAINING { Ok(()) } else { Err(BrokenBarrier(())) }
    }

    /// A task gives up before its round was over.
    fn give_up(&self) {
        let before = self.step(|word| (phase(word) == FILLING).then(|| word - ONE_INSIDE));
        if phase(before) != FILLING {
            let _ = self.depart();
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word();
        let phase = ["filling", "draining", "resetting", "broken"][phase(word) as usize];
        let mut out = f.debug_struct("Barrier");
        out.field("phase", &phase).field("inside", &inside(word));
        out.field("parties", &self.parties).finish()
    }
}

/// What [`Barrier::wait`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarrierWaitResult {
    index: usize,
}

impl BarrierWaitResult {
    /// A number that no other task of the round has, in order of arrival from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// True for one task of the round: the one with index 0.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.index == 0
    }
}

/// Where a wait stands.
enum At {
    /// Not polled yet, or let through the gate.
    Outside,
    /// The last round is still leaving.
    Gate(Place),
    /// Counted; waiting for the round to fill.
    Inside(Place),
    /// Counted; the round is full and must be left.
    Leaving,
    /// Returned.
    Done,
}

/// The future of [`Barrier::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct BarrierWait<'a> {
    barrier: &'a Barrier,
    at: At,
    caller: &'static Location<'static>,
}

future_debug!([<'a>] BarrierWait<'a>, "BarrierWait");

impl BarrierWait<'_> {
    /// Arrives if the barrier fills, else waits at the gate; `Some` if the wait is over.
    fn arrive(&mut self) -> Option<Result<u64, BrokenBarrier>> {
        let barrier = self.barrier;
        let last = |word| inside(word) + 1 == barrier.parties;
        let mut before = FILLING;
        let place = barrier.round.get().enter_with(|| {
            // Loaded before the word: the place is at or behind it.
            let granted = barrier.round.get().next_grant();
            before = barrier.step(|word| match phase(word) {
                FILLING if last(word) => Some(word & !PHASE | DRAINING).map(|w| w + ONE_INSIDE),
                FILLING => Some(word.wrapping_add(ONE_INSIDE + ONE_PLACE)),
                _ => None,
            });
            let waits = phase(before) == FILLING && !last(before);
            let places = before >> PLACES_SHIFT;
            waits.then(|| granted + places.wrapping_sub(granted) % PLACES)
        });
        if let Some(waiter) = place {
            self.at = At::Inside(Place::Waiting(Some(waiter)));
            return None;
        }
        match phase(before) {
            FILLING => {
                self.at = At::Leaving;
                Some(Ok(barrier.release_round(before)))
            }
            BROKEN => {
                self.at = At::Done;
                Some(Err(BrokenBarrier(())))
            }
            _ => {
                self.wait_at_gate();
                None
            }
        }
    }

    fn wait_at_gate(&mut self) {
        let gate = &self.barrier.gate;
        let mut place = Place::Idle;
        gate.enter(&mut place, OnFlag::Ignore);
        // Pairs with fence(barrier.opened).
        fence_at("barrier.at_gate");
        if matches!(phase(self.barrier.word()), DRAINING | RESETTING) || mutant("barrier.recheck") {
            self.at = At::Gate(place);
        } else {
            let _ = gate.leave(&mut place);
            self.at = At::Outside;
        }
    }

    fn leave(&mut self, index: u64) -> Poll<Result<BarrierWaitResult, BrokenBarrier>> {
        self.at = At::Done;
        let left = self.barrier.depart();
        Poll::Ready(left.map(|()| BarrierWaitResult { index: index as usize }))
    }
}

impl Future for BarrierWait<'_> {
    type Output = Result<BarrierWaitResult, BrokenBarrier>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.at {
                At::Outside => match this.arrive() {
                    Some(Ok(index)) => return this.leave(index),
                    Some(Err(broken)) => return Poll::Ready(Err(broken)),
                    None => {}
                },
                At::Gate(place) => {
                    let granted = this.barrier.gate.poll_granted(place, cx);
                    ready!(noted(granted, WaitKind::Barrier, this.caller));
                    this.at = At::Outside;
                }
                At::Inside(Place::Waiting(waiter)) => {
                    let index = this.barrier.round.get().poll(waiter, cx);
                    let index = ready!(noted(index, WaitKind::Barrier, this.caller));
                    return this.leave(index);
                }
                At::Inside(_) | At::Leaving | At::Done => {
                    panic!("a barrier's wait was polled after it had completed")
                }
            }
        }
    }
}

impl Drop for BarrierWait<'_> {
    fn drop(&mut self) {
        match &mut self.at {
            At::Outside => debug::never_awaited(WaitKind::Barrier, self.caller),
            At::Done => {}
            At::Gate(place) => {
                // A grant needs no heir: everybody at the gate got one.
                let _ = self.barrier.gate.leave(place);
            }
            At::Inside(place) => {
                // The place first: whoever fills the round meanwhile gives it no number.
                if let Some(waiter) = place.leave() {
                    let _ = self.barrier.round.get().cancel(waiter);
                }
                self.barrier.give_up();
            }
            // A waker panicked while this task released the others.
            At::Leaving => {
                let _ = self.barrier.depart();
            }
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
