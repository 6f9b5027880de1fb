//! [`Barrier`]: tasks wait for each other in rounds.
//!
//! *The word* holds everything that decides:
//!
//! | bits  | meaning |
//! |-------|---------|
//! | 0-2   | phase: `FILLING`, `DRAINING`, `RESETTING`, `BROKEN`, `MENDING` |
//! | 3     | the turn: changes whenever those that came early become those inside |
//! | 4-9   | tasks that came **early**: they have a place, and belong to the next round |
//! | 10-   | tasks inside: that have arrived and not left; as many bits as the parties need |
//! | rest  | places of this barrier's queue given out so far, modulo 2^34 or more |
//!
//! ```text
//!             last arrival (1)             last leaves (2), the early move in
//!   FILLING ------------------> DRAINING ------------------> FILLING, or DRAINING if they are all
//!      | reset with tasks inside (3)  | reset (3)
//!      +-------> RESETTING <----------+        RESETTING: last leaves (2) -> as above
//!   any -- abort (4) --> BROKEN -- reset (3) --> MENDING, or FILLING if nobody is counted
//!                                              MENDING: nobody is counted any more (2) -> FILLING
//! ```
//! (1) [`Barrier::arrive`], (2) [`Barrier::depart`], (3) [`Barrier::reset`], (4)
//! [`Barrier::abort`].
//!
//! *Invariant.* A task that has arrived is counted until it has left, so a round is over only when
//! all have left. Who comes meanwhile is early: it waits in the queue behind them, and moves in
//! with the step of the one that leaves last, without being woken for that. Where there is no room
//! for more, and while a broken barrier mends, it waits at the **gate** and arrives again. What a
//! task's wait returns is decided by the phase in which it leaves: `DRAINING` is success.
//!
//! *Who is early still?* A task that came early notes the turn. The turn changes when it moves in,
//! and not again before it has left. A broken barrier grants all places, those of the early ones
//! too, so nobody moves in any more: it mends until all that were counted have left.
//!
//! *Rejected.* Everybody at the gate, as asyncio has it: each task of a round is then woken twice,
//! once by the round and once by the gate.

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

const PHASE: u64 = 0b111;
const FILLING: u64 = 0;
const DRAINING: u64 = 1;
const RESETTING: u64 = 2;
const BROKEN: u64 = 3;
const MENDING: u64 = 4;
const TURN: u64 = 1 << 3;
const EARLY_SHIFT: u32 = 4;
const ONE_EARLY: u64 = 1 << EARLY_SHIFT;
const INSIDE_SHIFT: u32 = 10;
const ONE_INSIDE: u64 = 1 << INSIDE_SHIFT;
const EARLY: u64 = ONE_INSIDE - ONE_EARLY;

/// What a task notes that did not come early: no turn is equal to it.
const IN_TIME: u64 = PHASE;

/// The most parties of a barrier: what 20 bits hold, so that 34 are left for places.
const MOST: usize = (1 << 20) - 1;

/// The most tasks that come early, whatever the parties: as many as their bits can count.
const MOST_EARLY: usize = (EARLY >> EARLY_SHIFT) as usize;

fn phase(word: u64) -> u64 {
    word & PHASE
}

fn early(word: u64) -> usize {
    ((word & EARLY) >> EARLY_SHIFT) as usize
}

/// What a task finds that arrives.
#[derive(PartialEq, Eq)]
enum Arrival {
    /// It fills the round.
    Last,
    /// The round fills.
    Inside,
    /// The last round is leaving; there is room for those of the next.
    Early,
    /// There is none.
    Gate,
    Broken,
}

/// Lets a fixed number of tasks wait for each other, again and again.
///
/// asyncio: `Barrier`. As there, a task that gives up before the round is full only lowers the
/// count (it does not break the barrier, unlike Python's `threading.Barrier`); tasks that come while
/// a round is still leaving wait for the next; `reset` breaks the round under way and leaves the
/// barrier usable; `abort` breaks it until a reset. Differences: usable from any thread; `reset` and
/// `abort` do not wait; a task that comes while a round is leaving keeps its place in the next one,
/// if it is among the first that come so, as many as there are parties and 63 at the most (the
/// others, and in asyncio all, may be overtaken by those that come before they have run); indices
/// stay unique even if a task gives up (CPython may then give one twice).
///
/// # Progress
///
/// Lock-free; the last arrival, `reset` and `abort` take time in proportion to the waiters; a thread
/// that is descheduled inside delays only those that it has chosen, 32 at a time. A new round waits
/// until every task of the last one has been polled, or dropped; who has come early by then is in
/// it without being woken.
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
///
/// ```
/// use corio_sync::Barrier;
/// use std::time::Duration;
///
/// let barrier = Barrier::new(2);
/// assert_eq!((barrier.parties(), barrier.n_waiting()), (2, 0));
/// let alone = barrier.wait_blocking(Some(Duration::from_millis(1)));
/// assert!(alone.is_none(), "nobody else has come");
/// barrier.abort();
/// assert!(barrier.broken() && barrier.wait_blocking(None).unwrap().is_err());
/// barrier.reset();
/// assert!(!barrier.broken());
/// ```
pub struct Barrier {
    word: AtomicU64,
    parties: u32,
    /// Where in the word the places begin.
    places_shift: u32,
    round: WaitQueue,
    /// Those who came while the last round was leaving, and found no room.
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
        let parties = parties as u32;
        let places_shift = INSIDE_SHIFT + (u32::BITS - parties.leading_zeros());
        Self { word, parties, places_shift, round: WaitQueue::new(), gate: Line::new() }
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
        let change = |word| {
            let next = match phase(word) {
                BROKEN | MENDING if self.counted(word) > 0 => MENDING,
                BROKEN | MENDING => FILLING,
                _ if self.inside(word) > 0 => RESETTING,
                _ => FILLING,
            };
            word & !PHASE | next
        };
        let before = self.step(|word| Some(change(word)));
        // The places of those who came early lie behind those of the round, which has been released.
        if early(before) == 0 || matches!(phase(before), BROKEN | MENDING) {
            self.release_round(before);
        }
        // Only if nobody is counted, and then nobody was woken above.
        if phase(change(before)) == FILLING {
            self.open_gate();
        }
    }

    /// Breaks the barrier: every wait fails, now and later, until [`Barrier::reset`].
    pub fn abort(&self) {
        let before = self.step(|word| Some(word & !PHASE | BROKEN));
        let open = Anyway(|| self.open_gate());
        self.release_round(before);
        drop(open);
    }

    /// The number of tasks that a round takes.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.parties as usize
    }

    /// The tasks that wait for the round to fill; 0 while one is leaving.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        let word = self.word();
        if phase(word) == FILLING { self.inside(word) } else { 0 }
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

    #[inline]
    fn inside(&self, word: u64) -> usize {
        ((word & (self.one_place() - 1)) >> INSIDE_SHIFT) as usize
    }

    /// How many tasks are inside or early.
    fn counted(&self, word: u64) -> usize {
        self.inside(word) + early(word)
    }

    #[inline]
    fn one_place(&self) -> u64 {
        1 << self.places_shift
    }

    /// Places are counted modulo one more than this; a round never uses so many.
    #[inline]
    fn places(&self) -> u64 {
        u64::MAX >> self.places_shift
    }

    #[inline]
    fn arrival(&self, word: u64) -> Arrival {
        match phase(word) {
            FILLING if self.inside(word) + 1 == self.parties() => Arrival::Last,
            FILLING => Arrival::Inside,
            DRAINING | RESETTING if early(word) < self.parties().min(MOST_EARLY) => Arrival::Early,
            BROKEN => Arrival::Broken,
            _ => Arrival::Gate,
        }
    }

    /// The word when a task has arrived; none if it is not counted.
    #[inline]
    fn with(&self, word: u64) -> Option<u64> {
        match self.arrival(word) {
            Arrival::Last => Some((word & !PHASE | DRAINING) + ONE_INSIDE),
            Arrival::Inside => Some(word.wrapping_add(ONE_INSIDE + self.one_place())),
            Arrival::Early => Some(word.wrapping_add(ONE_EARLY + self.one_place())),
            Arrival::Gate | Arrival::Broken => None,
        }
    }

    /// The word when a task has left that noted `came`.
    #[inline]
    fn without(&self, word: u64, came: u64) -> u64 {
        let is_early = word & TURN == came && !mutant("barrier.turn");
        let word = word - if is_early { ONE_EARLY } else { ONE_INSIDE };
        match phase(word) {
            DRAINING | RESETTING if !is_early && self.inside(word) == 0 => {
                let moved = early(word);
                let next = if moved == self.parties() { DRAINING } else { FILLING };
                ((word & !(PHASE | EARLY) | next) ^ TURN) + moved as u64 * ONE_INSIDE
            }
            MENDING if self.counted(word) == 0 => word & !PHASE | FILLING,
            _ => word,
        }
    }

    /// Grants every place that had been given out when the word was `word`; returns how many live
    /// ones there were.
    fn release_round(&self, word: u64) -> u64 {
        let places = word >> self.places_shift;
        if self.counted(word) == 0 {
            return 0;
        }
        let queue = self.round.get();
        let next = queue.next_grant();
        let open = places.wrapping_sub(next) & self.places();
        // More than half of the range means that another call has gone beyond `places`.
        if open == 0 || open > self.places() / 2 {
            0
        } else {
            queue.grant_numbered_below(next + open)
        }
    }

    fn open_gate(&self) {
        // Either we see who waits at the gate, or they see the new phase: pairs with
        // fence(barrier.at_gate).
        fence_at("barrier.opened");
        self.gate.grant_all(self.gate.entered(), 0);
    }

    /// A task that noted `came` leaves, or gives up; the phase says how its wait ends.
    fn depart(&self, came: u64) -> Result<(), BrokenBarrier> {
        let before = self.step(|word| Some(self.without(word, came)));
        let after = self.without(before, came);
        let moved_in = (before ^ after) & TURN != 0;
        let filled = moved_in && phase(after) == DRAINING && !mutant("barrier.moved_in");
        let release = Anyway(|| {
            if filled {
                self.release_round(before);
            }
        });
        if moved_in || (phase(before) == MENDING && phase(after) == FILLING) {
            // Those at the gate first: they are to come early before the next round leaves.
            self.open_gate();
        }
        drop(release);
        if phase(before) == DRAINING { Ok(()) } else { Err(BrokenBarrier(())) }
    }
}

/// The second of two things that a step owes: done also if a waker panics in the first. A second
/// panic on top of that one ends the process, as in every broadcast.
struct Anyway<F: FnMut()>(F);

impl<F: FnMut()> Drop for Anyway<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word();
        // As asyncio says it, to which a reset is one thing.
        let phase =
            ["filling", "draining", "resetting", "broken", "resetting"][phase(word) as usize];
        let mut out = f.debug_struct("Barrier");
        out.field("phase", &phase).field("inside", &self.inside(word));
        out.field("parties", &self.parties).finish()
    }
}

/// What [`Barrier::wait`] returns.
///
/// # Examples
///
/// ```
/// use corio_sync::Barrier;
///
/// let alone = Barrier::new(1).wait_blocking(None).unwrap().unwrap();
/// assert!(alone.is_leader() && alone.index() == 0);
/// ```
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
    /// The last round is still leaving, or the barrier mends.
    Gate(Place),
    /// Counted; waiting for the round to fill, or for the one after it. The turn in which it came
    /// early, or [`IN_TIME`].
    Inside(Place, u64),
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
    /// Arrives if there is room, else waits at the gate; `Some` if the wait is over.
    fn arrive(&mut self) -> Option<Result<u64, BrokenBarrier>> {
        let barrier = self.barrier;
        let mut before = FILLING;
        let place = barrier.round.get().enter_with(|| {
            // Loaded before the word: the place is at or behind it.
            let granted = barrier.round.get().next_grant();
            before = barrier.step(|word| barrier.with(word));
            let waits = matches!(barrier.arrival(before), Arrival::Inside | Arrival::Early);
            let places = before >> barrier.places_shift;
            waits.then(|| granted + (places.wrapping_sub(granted) & barrier.places()))
        });
        if let Some(waiter) = place {
            let came = if phase(before) == FILLING { IN_TIME } else { before & TURN };
            self.at = At::Inside(Place::Waiting(Some(waiter)), came);
            return None;
        }
        match barrier.arrival(before) {
            Arrival::Broken => {
                self.at = At::Done;
                Some(Err(BrokenBarrier(())))
            }
            Arrival::Gate => {
                self.wait_at_gate();
                None
            }
            _ => {
                self.at = At::Leaving;
                Some(Ok(barrier.release_round(before)))
            }
        }
    }

    fn wait_at_gate(&mut self) {
        let gate = &self.barrier.gate;
        let mut place = Place::Idle;
        gate.enter(&mut place, OnFlag::Ignore);
        // Pairs with fence(barrier.opened).
        fence_at("barrier.at_gate");
        let barrier = self.barrier;
        if barrier.arrival(barrier.word()) == Arrival::Gate || mutant("barrier.recheck") {
            self.at = At::Gate(place);
        } else {
            let _ = gate.leave(&mut place);
            self.at = At::Outside;
        }
    }

    fn leave(&mut self, index: u64, came: u64) -> Poll<Result<BarrierWaitResult, BrokenBarrier>> {
        self.at = At::Done;
        let left = self.barrier.depart(came);
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
                    Some(Ok(index)) => return this.leave(index, IN_TIME),
                    Some(Err(broken)) => return Poll::Ready(Err(broken)),
                    None => {}
                },
                At::Gate(place) => {
                    let granted = this.barrier.gate.poll_granted(place, cx);
                    ready!(noted(granted, WaitKind::Barrier, this.caller));
                    this.at = At::Outside;
                }
                At::Inside(Place::Waiting(waiter), came) => {
                    let came = *came;
                    let index = this.barrier.round.get().poll(waiter, cx);
                    let index = ready!(noted(index, WaitKind::Barrier, this.caller));
                    return this.leave(index, came);
                }
                At::Inside(..) | At::Leaving | At::Done => {
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
            At::Inside(place, came) => {
                // The place first: whoever fills the round meanwhile gives it no number.
                if let Some(waiter) = place.leave() {
                    let _ = self.barrier.round.get().cancel(waiter);
                }
                let _ = self.barrier.depart(*came);
            }
            // A waker panicked while this task released the others.
            At::Leaving => {
                let _ = self.barrier.depart(IN_TIME);
            }
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
