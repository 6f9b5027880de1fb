//! The flags by which the Watch marks a worker that is stuck in one poll.
//!
//! # Vocabulary
//!
//! - The *tick* of a worker counts the beginnings and ends of its polls: odd inside a poll.
//! - A worker is *stuck* when the Watch saw the same odd tick for [`Limits::stuck`] (1 ms), or a new
//!   one of a worker that is marked: it has marked itself, since this kind of task was stuck before.
//! - A stuck worker is marked: *preempt* tells the waiting calls of its task to yield, *hog* tells
//!   siblings that they may take its LIFO slot, its poller and its timers.
//!
//! # Protocol
//!
//! ```text
//! owner                                    Watch, every 1 or 4 ms
//!   begin_poll   clear the marks if set;     sight     read tick and parked
//!                tick := odd; mark itself    observe   compare with the last sight
//!                if it expects to be stuck
//!   end_poll     tick := even                mark      hog := true, preempt := true
//!   park         clear the marks if set;
//!                parked := true
//!   unpark       parked := false
//! ```
//!
//! All accesses are Relaxed: the owner pays two stores and two loads of its own line per poll.
//!
//! **Marks may be stale, and nothing may rest on them.** Between the Watch's sight and its mark the
//! owner may end the stuck poll and begin another; the mark then lies on an innocent poll until the
//! owner's next boundary. Stale *preempt* makes that poll yield once too early. Stale *hog* lets a
//! thief take from a worker that is not stuck, or take at the very moment when the owner returns
//! from its poll. Both are safe for each thing that a thief touches, flag or no flag:
//!
//! - the LIFO slot: owner and thief take by read-modify-write, only the owner puts, see
//!   [`lifo`](super::lifo);
//! - the deque: siblings steal from it at all times;
//! - poller and timers: an ownership word each, which the thief takes by a try.
//!
//! So the flag decides what is worth while, never what is allowed. That also answers the opposite
//! race: a thief that has not seen a mark yet leaves the slot to a later look, and the mark stays
//! until the stuck poll ends.
//!
//! # Sampling
//!
//! [`Sampler`] and [`Pace`] are plain values fed with sights and times, so that they are tested
//! without threads or clocks. A time is counted from the first sight of a tick, up to one period
//! after the poll began; every decision thus errs on the late side by at most a period.
//!
//! # Rejected
//!
//! - The tick of the stuck poll as the mark, which cannot be stale: the waiting calls would compare
//!   two words each time, and thieves would still race the owner's return.
//! - A time stamp per poll: two clock reads (40 ns) where a tick costs two stores.

use corio_sync::shim::atomic::{AtomicBool, AtomicU64, Ordering::*};
use corio_sync::shim::mutant;
use std::time::Duration;

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

/// The line of one worker that the Watch, thieves and its own polls share. Its holder pads it.
#[derive(Debug)]
pub(crate) struct HogLine {
    tick: AtomicU64,
    preempt: AtomicBool,
    hog: AtomicBool,
    parked: AtomicBool,
}

/// What the owner calls.
impl HogLine {
    /// A worker that does not run its loop yet: it counts as parked.
    pub(crate) fn new() -> Self {
        Self {
            tick: AtomicU64::new(0),
            preempt: AtomicBool::new(false),
            hog: AtomicBool::new(false),
            parked: AtomicBool::new(true),
        }
    }

    /// A task or callback is about to run: drops the marks of the last one.
    #[inline]
    pub(crate) fn begin_poll(&self) {
        self.clear();
        self.count();
    }

    /// The task or callback has returned.
    #[inline]
    pub(crate) fn end_poll(&self) {
        self.count();
    }

    /// The flag that the waiting calls of a running task ask, for `coop::enter`.
    #[inline]
    pub(crate) fn preempt(&self) -> &AtomicBool {
        &self.preempt
    }

    /// The worker is about to sleep, or stops running its loop.
    pub(crate) fn park(&self) {
        self.clear();
        // Relaxed: read by the Watch; its fence and that of `WatchSleep::wake` order it.
        self.parked.store(true, Relaxed);
    }

    /// The worker is awake. `WatchSleep::wake` comes after it, on each way out of a park.
    pub(crate) fn unpark(&self) {
        // Relaxed: as in `park`.
        self.parked.store(false, Relaxed);
    }

    /// One boundary more. A load and a store, since only the owner writes the tick.
    #[inline]
    fn count(&self) {
        // Relaxed: a number to compare; it publishes nothing.
        self.tick.store(self.tick.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Drops both marks. It asks for both: they are set one after the other and may arrive in any
    /// order.
    #[inline]
    fn clear(&self) {
        // Relaxed, all: hints, see the module.
        if (self.preempt.load(Relaxed) || self.hog.load(Relaxed)) && !mutant("hog.clear") {
            self.preempt.store(false, Relaxed);
            self.hog.store(false, Relaxed);
        }
    }
}

/// What the Watch and siblings call.
impl HogLine {
    /// What the Watch compares from sample to sample.
    pub(crate) fn sight(&self) -> Sight {
        // Relaxed, all: values to compare.
        Sight {
            tick: self.tick.load(Relaxed),
            parked: self.parked.load(Relaxed),
            marked: self.is_hog(),
        }
    }

    /// Whether the worker sleeps or does not run its loop.
    #[inline]
    pub(crate) fn is_parked(&self) -> bool {
        // Relaxed: the fence of `WatchSleep::sleep` stands before it, where it counts.
        self.parked.load(Relaxed)
    }

    /// The Watch found the worker stuck, or the worker expects to be: it then calls the Watch.
    pub(crate) fn mark(&self) {
        // Relaxed, both: hints, see the module.
        self.hog.store(true, Relaxed);
        self.preempt.store(true, Relaxed);
    }

    /// Whether the worker is marked as stuck, as a thief may see it.
    #[inline]
    pub(crate) fn is_hog(&self) -> bool {
        // Relaxed: a hint, see the module.
        self.hog.load(Relaxed)
    }
}

/// A worker as the Watch saw it at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Odd inside a poll.
    pub(crate) tick: u64,
    /// Whether the worker slept.
    pub(crate) parked: bool,
    /// Whether the worker was marked, by itself if the tick is new.
    pub(crate) marked: bool,
}

impl Sight {
    pub(crate) fn in_poll(self) -> bool {
        self.tick % 2 == 1
    }
}

/// From how long on a poll counts as what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The worker is marked, and siblings take its work. 1 ms: twenty times what a poll should
    /// take, and the period of the Watch.
    pub(crate) stuck: Duration,
    /// The poll is reported, once. 100 ms is asyncio's `slow_callback_duration`.
    pub(crate) report: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { stuck: Duration::from_millis(1), report: Duration::from_millis(100) }
    }
}

/// What the Watch does about one worker after a sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The worker was in this very poll at the last sample too.
    pub(crate) same_poll: bool,
    /// The worker is in a poll that the last sample did not see: it may be stuck in it.
    pub(crate) new_poll: bool,
    /// The worker began or ended a poll since the last sample.
    pub(crate) moved: bool,
    /// The worker was awake now and at the last sample.
    pub(crate) awake_twice: bool,
    /// The worker has just become stuck: [`HogLine::mark`] it and see that a sibling is awake.
    pub(crate) became_stuck: bool,
    /// The worker was stuck and has moved on: undo what was done about it.
    pub(crate) released: bool,
    /// The poll is slow and was not reported yet: it has run for at least so long.
    pub(crate) report: Option<Duration>,
}

/// What the Watch remembers of one worker.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    last: Sight,
    /// When `last.tick` was first seen.
    since: Duration,
    stuck: bool,
    reported: bool,
}

impl Sampler {
    /// A worker that was not sampled yet.
    pub(crate) fn new() -> Self {
        let last = Sight { tick: 0, parked: true, marked: false };
        Self { last, since: Duration::ZERO, stuck: false, reported: false }
    }

    /// Whether the worker is stuck by the last sample.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// Takes in a sample; `now` is a time on any clock that does not go back.
    pub(crate) fn observe(&mut self, sight: Sight, now: Duration, limits: &Limits) -> Verdict {
        let mut verdict =
            Verdict { awake_twice: !sight.parked && !self.last.parked, ..Verdict::default() };
        if sight.tick != self.last.tick {
            verdict.moved = true;
            verdict.new_poll = sight.in_poll();
            verdict.released = std::mem::take(&mut self.stuck);
            self.reported = false;
            self.since = now;
            self.stuck = sight.in_poll() && sight.marked;
            verdict.became_stuck = self.stuck;
        } else if sight.in_poll() {
            let ran = now.saturating_sub(self.since);
            verdict.same_poll = true;
            if ran >= limits.stuck && !self.stuck {
                self.stuck = true;
                verdict.became_stuck = true;
            }
            if ran >= limits.report && !self.reported {
                self.reported = true;
                verdict.report = Some(ran);
            }
        }
        self.last = sight;
        verdict
    }
}

/// How long the Watch sleeps between samples.
///
/// 4 ms. But while a worker sleeps, who could help, 1 ms after a sample that saw another in the same
/// poll as the last one, and 1 ms after a sample that saw one in a new poll, once: most such polls
/// are over by then, and the Watch rests again. So a poll is marked as stuck 1 to 5 ms after it began
/// if a sibling sleeps, and up to 8 ms if all are awake. Those look after each other in their
/// maintenance, and what the Watch would see most then are workers that the kernel has put aside: a
/// wake-up for that costs a saturated server 5 to 40 us, and took 2 to 3 % of its time.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    same_poll: bool,
    new_poll: bool,
    moved: bool,
    /// The present period is the short one after a new poll.
    confirms: bool,
}

/// The period while a worker may be stuck.
const PERIOD_SHORT: Duration = Duration::from_millis(1);
/// The period while none is.
const PERIOD_REST: Duration = Duration::from_millis(4);

impl Pace {
    /// Takes in the verdict on one worker.
    pub(crate) fn note(&mut self, verdict: &Verdict) {
        self.same_poll |= verdict.same_poll;
        self.new_poll |= verdict.new_poll;
        self.moved |= verdict.moved;
    }

    /// The period until the next samples, after the verdicts on all workers; and whether none of
    /// them has run anything in the last period. `helper`: a worker sleeps.
    pub(crate) fn next_period(&mut self, helper: bool) -> (Duration, bool) {
        let Self { same_poll, new_poll, moved, confirms } = std::mem::take(self);
        self.confirms = new_poll && !confirms;
        let short = helper && (same_poll || self.confirms);
        (if short { PERIOD_SHORT } else { PERIOD_REST }, !moved)
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
