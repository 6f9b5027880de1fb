//! The word in which a thread pool decides who does what next.
//!
//! Vocabulary: a *worker* is a thread of the pool; each has a *slot*. A worker *rests* when it found
//! no job; resting workers form a stack through their slots' [`Link`]s, the last to rest on top, so
//! that hot threads stay hot. A worker is *searching* from the decision to wake or spawn it (or to
//! let it spin) until it arrives: it owes the pool a look at the queue. To *bump* is to change
//! nothing but the version.
//!
//! ```text
//! bits  0..12  total      workers that exist or are being spawned, at most the cap
//! bits 12..24  top        the resting worker to be woken next: its slot + 1, or 0 for none
//! bits 24..30  searching  how many owe a look at the queue
//! bit  30      stopping   for ever
//! bits 31..64  version    moved by every transition
//! ```
//! # Invariant
//!
//! While a job lies in the queue, somebody is searching, or every worker is awake and total is at
//! the cap. In each case someone looks at the queue after the job got there. The queue itself is
//! outside; all this needs of it is that a pop sees a push that happened before.
//!
//! Stopping changes two things: nobody rests any more, and when total has become 0 it stays 0. A
//! job that is submitted before that is run like any other.
//!
//! # Transitions, each one compare-exchange (edge 2: one addition)
//!
//! ```text
//! 1 submit   after a push   searching > 0 → bump; top → take it, searching + 1; total < cap →
//!                           total + 1, searching + 1; else bump. Stopping and total = 0: refused
//! 2 arrive   woken, spawned or spun: searching - 1, then look at the queue
//! 3 assist   arrived and took a job, more are left: as 1, while few enough are searching
//! 4 rest     found nothing since the word was `seen`: top = self
//! 5 search   found nothing since the word was `seen`, and will spin: searching + 1
//! 6 leave    found nothing since the word was `seen`: total - 1
//! 7 retire   a resting worker's time is up: take the top; that one leaves by 6
//! 8 unspawn  no thread could be made: total - 1, searching - 1
//! 9 stop     stopping; take the whole stack; those leave by 6
//! ```
//! A worker that finds nothing goes by 4, 5 or 6, and these fail if the version has moved: the push
//! of a submit that came between is then found by looking once more. A submit that relied on a
//! searching worker is found by that worker, which looks after edge 2. So wake-or-spawn is never
//! decided on what another word said (tokio#8056 is that race).
//!
//! Every operation is lock-free: it retries when another one has succeeded. The stack's links are
//! read before the compare-exchange that takes the top, and the version tells if they were stale;
//! to be fooled, a thread has to sleep between the two through exactly 2^33 transitions.
//!
//! # Rejected
//!
//! A count of queued jobs in the word: it costs a worker one compare-exchange per job, and the
//! version does what it was for. A stack beside a count: a submitter could then own a resting
//! worker that is not on the stack yet. One wake per job: a burst of n short jobs would make n
//! system calls where the worker that is on its way could have run them all.
use corio_sync::shim::Ordering::{self, Acquire, Relaxed, Release};
use corio_sync::shim::atomic::{AtomicU32, AtomicU64};
use corio_sync::shim::{mutant, ord};

const TOTAL_BITS: u32 = 12;
const SEARCHING_BITS: u32 = 6;

const TOTAL: u64 = 1;
const TOP: u64 = 1 << TOTAL_BITS;
const SEARCHING: u64 = TOP << TOTAL_BITS;
const STOPPING: u64 = SEARCHING << SEARCHING_BITS;
const VERSION: u64 = STOPPING << 1;

const TOTAL_MASK: u64 = TOP - TOTAL;
const TOP_MASK: u64 = SEARCHING - TOP;
const SEARCHING_MASK: u64 = STOPPING - SEARCHING;

const _: () = assert!(VERSION == 1 << 31, "the module doc quotes the layout");

/// The largest cap of a pool: one less than `total` could hold, since `top` counts from 1.
pub(crate) const THREADS_MAX: usize = (1 << TOTAL_BITS) - 1;

/// How many may be on their way at once. Doubling from one, that many are reached in six steps;
/// more would not start a burst sooner, and a short burst would wake them for nothing.
pub(crate) const SEARCHING_MAX: u64 = 32;

const _: () = assert!(SEARCHING_MAX + 1 < 1 << SEARCHING_BITS, "searching may not overflow");

/// A worker's place in its pool: 0 up to the cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotId(u16);

/// Where a resting worker keeps the one below it.
#[derive(Debug)]
pub(crate) struct Link(AtomicU32);

/// How the word finds the link of a slot.
pub(crate) trait Links {
    fn link(&self, slot: SlotId) -> &Link;
}

/// What a submitter, or a worker on behalf of the jobs it left, has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the decision is taken: not carrying it out strands a job"]
pub(crate) enum Duty {
    /// Somebody will look at the queue.
    Nothing,
    /// Wake this worker; it starts with [`Word::arrive`].
    Wake(SlotId),
    /// Spawn a worker, which starts with [`Word::arrive`], or say [`Word::unspawn`].
    Spawn,
    /// The pool has stopped and nobody is left: take the jobs back.
    Refused,
}

/// The state of a pool; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Word {
    bits: AtomicU64,
    /// How many workers there may be.
    cap: u64,
}

/// The word as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen(u64);

impl Word {
    pub(crate) fn new(cap: usize) -> Self {
        assert!((1..=THREADS_MAX).contains(&cap), "a pool has 1 to {THREADS_MAX} threads");
        Self { bits: AtomicU64::new(0), cap: cap as u64 }
    }

    /// The word now. Jobs submitted before are visible to a pop after.
    pub(crate) fn look(&self) -> Seen {
        // Ordering(word.look): Acquire; pairs with Ordering(word.submit), Ordering(word.rest) and
        // Ordering(word.leave). Jobs pushed before the version that we see are found by our next
        // pop; without it a worker rests on top of a job. What a worker wrote before it rested is
        // visible to who takes it.
        Seen(self.bits.load(ord("word.look", Acquire)))
    }

    /// Edge 1: a job has been pushed.
    pub(crate) fn submit(&self, links: &impl Links) -> Duty {
        loop {
            let seen = self.look();
            let (bits, duty) = if seen.is_over() {
                return Duty::Refused;
            } else if seen.searching() > 0 {
                (seen.0, Duty::Nothing)
            } else {
                self.hire(seen, links).unwrap_or((seen.0, Duty::Nothing))
            };
            if duty == Duty::Nothing && mutant("word.bump") {
                return duty;
            }
            // Ordering(word.submit): Release; pairs with Ordering(word.look),
            // Ordering(word.arrive) and Ordering(word.unspawn). The push before us is visible to
            // whoever sees this version.
            if self.change(seen, bits, ord("word.submit", Release)) {
                return duty;
            }
        }
    }

    /// Edge 2: ends the search of a worker that was woken, spawned or spinning. It must look at the
    /// queue now.
    #[must_use = "a worker that has arrived owes a look at the queue"]
    pub(crate) fn arrive(&self) -> Seen {
        // Ordering(word.arrive): Acquire; pairs with Ordering(word.submit). A submitter that saw us
        // searching left its job to us: its push is found by our next pop.
        let before = self.bits.fetch_add(VERSION - SEARCHING, ord("word.arrive", Acquire));
        Seen(before.wrapping_add(VERSION - SEARCHING))
    }

    /// Edge 3: a worker has arrived, and `left` jobs are in the queue beside the one it is about to
    /// run. Called before that job runs, since it may take for ever.
    pub(crate) fn assist(&self, left: usize, links: &impl Links) -> Duty {
        let limit = if mutant("word.assist") { 0 } else { SEARCHING_MAX.min(left as u64) };
        loop {
            let seen = self.look();
            if seen.searching() >= limit {
                return Duty::Nothing;
            }
            let Some((bits, duty)) = self.hire(seen, links) else { return Duty::Nothing };
            // Ordering: Relaxed; the jobs were released by those who pushed them.
            if self.change(seen, bits, Relaxed) {
                return duty;
            }
        }
    }

    /// Edge 4: puts a worker that found nothing since `seen` on the stack. False if the word has
    /// changed; look again.
    pub(crate) fn rest(&self, seen: Seen, slot: SlotId, links: &impl Links) -> bool {
        if seen.is_stopping() {
            return false;
        }
        links.link(slot).set(seen.top_link());
        let bits = seen.with_top(slot.as_link());
        // Ordering(word.rest): Release; pairs with Ordering(word.look). Our link, and what we wrote
        // into our slot, is visible to whoever takes us from the stack.
        self.change(seen, bits, ord("word.rest", Release))
    }

    /// Edge 5: announces that a worker that found nothing since `seen` goes on looking. False if
    /// the word has changed; look again.
    ///
    /// Ordering: Relaxed; carries nothing but the promise to arrive.
    pub(crate) fn search(&self, seen: Seen) -> bool {
        let idle = !seen.is_stopping() && seen.searching() == 0;
        idle && self.change(seen, seen.0 + SEARCHING, Relaxed)
    }

    /// Edge 6: strikes a worker that found nothing since `seen`. False if the word has changed;
    /// look again.
    ///
    /// The worker's existence must be known elsewhere before, until it has really ended.
    pub(crate) fn leave(&self, seen: Seen) -> bool {
        // Ordering(word.leave): Release; pairs with Ordering(word.look). Who sees that the pool is
        // over sees all workers that there were, and can wait for their end.
        self.change(seen, seen.0 - TOTAL, ord("word.leave", Release))
    }

    /// Edge 7: takes the top of the stack, which is to leave. `None` if nobody rests.
    pub(crate) fn retire(&self, links: &impl Links) -> Option<SlotId> {
        loop {
            let seen = self.look();
            let slot = seen.top()?;
            // Ordering: Relaxed; nothing but the stack changes.
            if self.change(seen, seen.without_top(links), Relaxed) {
                return Some(slot);
            }
        }
    }

    /// Edge 8: takes the decision to spawn back. True if no worker is left: then the caller must
    /// take all jobs from the queue, because nobody else will look at it, and see whether the pool
    /// [is over](Seen::is_over).
    pub(crate) fn unspawn(&self) -> bool {
        // Ordering(word.unspawn): Acquire; pairs with Ordering(word.submit). Those who relied on
        // our worker pushed before: their jobs are found by our next pop.
        let change = TOTAL.wrapping_add(SEARCHING).wrapping_neg().wrapping_add(VERSION);
        let before = self.bits.fetch_add(change, ord("word.unspawn", Acquire));
        Seen(before).total() == 1
    }

    /// Edge 9: from now on workers that find nothing leave. Gives back the stack of those that
    /// rested; nothing the second time.
    pub(crate) fn stop(&self) -> Resting {
        loop {
            let seen = self.look();
            let bits = seen.with_top(0) | STOPPING;
            // Ordering: Relaxed; nothing but the stack and the flag changes.
            if self.change(seen, bits, Relaxed) {
                return Resting(seen.top());
            }
        }
    }

    /// One more worker for the jobs in the queue: the word that says so and the duty; `None` if all
    /// are awake and there are as many as there may be.
    fn hire(&self, seen: Seen, links: &impl Links) -> Option<(u64, Duty)> {
        if let Some(slot) = seen.top() {
            return Some((seen.without_top(links) + SEARCHING, Duty::Wake(slot)));
        }
        let room = seen.total() < self.cap;
        room.then_some((seen.0 + TOTAL + SEARCHING, Duty::Spawn))
    }

    /// Replaces what was seen, and moves the version.
    fn change(&self, seen: Seen, bits: u64, order: Ordering) -> bool {
        let version = if mutant("word.version") { 0 } else { VERSION };
        // Ordering: the caller's, for success; after a failure the caller looks anew.
        self.bits.compare_exchange(seen.0, bits.wrapping_add(version), order, Relaxed).is_ok()
    }
}

impl Seen {
    /// How many workers exist or are being spawned.
    pub(crate) fn total(self) -> u64 {
        self.0 & TOTAL_MASK
    }

    /// True if the pool has stopped and its last worker has left: nothing happens any more.
    pub(crate) fn is_over(self) -> bool {
        self.is_stopping() && self.total() == 0
    }

    /// True once the pool takes no more jobs.
    pub(crate) fn is_stopping(self) -> bool {
        self.0 & STOPPING != 0
    }

    /// How many workers are on their way to the queue.
    pub(crate) fn searching(self) -> u64 {
        (self.0 & SEARCHING_MASK) / SEARCHING
    }

    /// The resting worker to be woken next.
    pub(crate) fn top(self) -> Option<SlotId> {
        SlotId::from_link(self.top_link())
    }

    fn top_link(self) -> u32 {
        ((self.0 & TOP_MASK) / TOP) as u32
    }

    /// The word without the top of the stack. Only good if the word has not changed meanwhile.
    fn without_top(self, links: &impl Links) -> u64 {
        let below = self.top().map_or(0, |slot| links.link(slot).get());
        self.with_top(below)
    }

    fn with_top(self, link: u32) -> u64 {
        (self.0 & !TOP_MASK) | (u64::from(link) * TOP)
    }
}

impl SlotId {
    /// The slot with this index, which is below the pool's cap.
    pub(crate) fn new(index: usize) -> Self {
        debug_assert!(index < THREADS_MAX);
        Self(index as u16)
    }

    pub(crate) fn index(self) -> usize {
        self.0.into()
    }

    fn from_link(link: u32) -> Option<Self> {
        link.checked_sub(1).map(|index| Self(index as u16))
    }

    fn as_link(self) -> u32 {
        u32::from(self.0) + 1
    }
}

impl Link {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Ordering: Relaxed; [`Word::rest`] releases what [`Word::look`] acquires before this.
    fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Ordering: Relaxed; as [`Link::get`].
    fn set(&self, link: u32) {
        self.0.store(link, Relaxed);
    }
}

/// The workers that rested when the pool was stopped, from the top.
#[derive(Debug)]
#[must_use = "these workers sleep until they are woken"]
pub(crate) struct Resting(Option<SlotId>);

impl Resting {
    /// The next one; it may be woken, since its link has been read.
    pub(crate) fn next(&mut self, links: &impl Links) -> Option<SlotId> {
        let slot = self.0?;
        self.0 = SlotId::from_link(links.link(slot).get());
        Some(slot)
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
