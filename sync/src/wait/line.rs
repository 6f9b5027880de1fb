//! A word that hands out the places of a queue itself: for events and notifications.
//!
//! *Why.* A notification reaches exactly those who waited before it. If "I wait" and "my place" were
//! two steps, a newcomer could slip into the place of one who was counted before. Here both are
//! one compare-exchange: the word holds the number of places given out and one flag.
//!
//! | bits | meaning |
//! |------|---------|
//! | 0    | the flag: *set* for an event, *one notification stored* for `Notify` |
//! | 1-63 | places given out so far |
//!
//! *Invariant.* A granter that read the word claims places below that count and no others; while
//! the flag is set no place is given out.
//!
//! *Progress.* Entering is lock-free: the exchange fails only when another thread entered or changed
//! the flag. Granting is lock-free.

use super::queue::{Place, Queue, WaitQueue};
use crate::shim::atomic::AtomicU64;
use crate::shim::{Ordering, mutant, ord};
use std::task::{Context, Poll};

const FLAG: u64 = 1;
const ONE_PLACE: u64 = 2;

/// What a waiter does with the flag that it finds set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFlag {
    /// Leaves it for others.
    Keep,
    /// Takes it: the flag is one stored grant.
    Take,
    /// The flag is not used.
    Ignore,
}

/// The word and the queue. 16 bytes.
pub(crate) struct Line {
    word: AtomicU64,
    queue: WaitQueue,
}

const_fn! {
    impl Line {
        /// Nobody waits; the flag is clear.
        pub(crate) fn new() -> Self {
            Self { word: AtomicU64::new(0), queue: WaitQueue::new() }
        }
    }
}

impl Line {
    /// Whether the flag is set.
    // Ordering(line.peek): Acquire; pairs with Ordering(line.set): what was done before the flag was set is visible.
    #[inline]
    pub(crate) fn flag(&self) -> bool {
        self.word.load(ord("line.peek", Ordering::Acquire)) & FLAG != 0
    }

    /// Places given out so far: the limit for a grant to everybody who waits now.
    pub(crate) fn entered(&self) -> u64 {
        // Ordering(line.count): Acquire; pairs with Ordering(line.draw): who counts a place sees
        // what its waiter did before it came, or would grant it for a reason that is out of date.
        // Whether the newest place is counted is the callers' business: a condition has its lock
        // for that, the others a fence.
        self.word.load(ord("line.count", Ordering::Acquire)) / ONE_PLACE
    }

    /// Takes a place, unless the flag says that there is no need; true if a place was taken.
    #[inline]
    pub(crate) fn enter(&self, at: &mut Place, on_flag: OnFlag) -> bool {
        let waiter = self.queue.get().enter_with(|| self.draw(on_flag));
        match waiter {
            Some(waiter) => {
                *at = Place::Waiting(Some(waiter));
                true
            }
            None => {
                *at = Place::Done;
                false
            }
        }
    }

    // Ordering(line.look): Acquire; pairs with Ordering(line.set) and Ordering(line.store), for
    // the waiter that finds the flag and leaves it.
    // Ordering(line.draw): AcqRel; pairs with Ordering(line.store), for the waiter that takes the
    // flag, which may be another one than it looked at; and with Ordering(line.count), which sees
    // what this waiter did before it came.
    fn draw(&self, on_flag: OnFlag) -> Option<u64> {
        let acquire = ord("line.look", Ordering::Acquire);
        let ok = ord("line.draw", Ordering::AcqRel);
        let mut word = self.word.load(acquire);
        loop {
            let flagged = word & FLAG != 0 && on_flag != OnFlag::Ignore;
            let next = match (flagged, on_flag) {
                (true, OnFlag::Keep) => return None,
                (true, _) => word & !FLAG,
                (false, _) => word + ONE_PLACE,
            };
            match self.word.compare_exchange_weak(word, next, ok, acquire) {
                Ok(_) if flagged => return None,
                Ok(_) => return Some(word / ONE_PLACE),
                Err(now) => word = now,
            }
        }
    }

    /// Polls a place that was taken.
    #[inline]
    pub(crate) fn poll_granted(&self, at: &mut Place, cx: &mut Context<'_>) -> Poll<u64> {
        let Place::Waiting(Some(waiter)) = at else {
            panic!("a waiting future was polled after it had completed");
        };
        let note = std::task::ready!(waiter.poll(cx));
        if let Some(waiter) = at.leave() {
            waiter.finish(&self.queue.get().list);
        }
        Poll::Ready(note)
    }

    /// Whether the grant has come to a place that was taken.
    pub(crate) fn is_granted(&self, at: &Place) -> bool {
        match at {
            Place::Waiting(Some(waiter)) => waiter.granted().is_some(),
            Place::Waiting(None) | Place::Idle | Place::Yielded | Place::Done => false,
        }
    }

    /// Leaves the queue; `Some(note)` if a grant had come already.
    pub(crate) fn leave(&self, at: &mut Place) -> Option<u64> {
        let waiter = at.leave()?;
        self.queue.get().cancel(waiter)
    }

    /// Sets the flag and grants all places that were given out before.
    // Ordering(line.set): Release; pairs with Ordering(line.peek) and
    // Ordering(line.look): whoever finds the flag sees what was done before.
    pub(crate) fn set_flag(&self) {
        let old = self.word.fetch_or(FLAG, ord("line.set", Ordering::Release));
        if old & FLAG == 0 {
            self.grant_all(old / ONE_PLACE, 0);
        }
    }

    /// Clears the flag.
    pub(crate) fn clear_flag(&self) {
        // Ordering(line.clear): Relaxed. Clearing tells nobody anything; the word's own
        // order says which waiters come after it.
        self.word.fetch_and(!FLAG, Ordering::Relaxed);
    }

    /// Grants one place, or sets the flag if nobody waits.
    // Ordering(line.store): Release; pairs with Ordering(line.look), Ordering(line.draw): whoever
    // takes the stored grant sees what was done before it. Repeated even if the flag is set
    // already: the taker must see this call's writes too.
    pub(crate) fn grant_one_or_flag(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if self.grant_one(word / ONE_PLACE) {
                return;
            }
            let ok = ord("line.store", Ordering::Release);
            match self.word.compare_exchange_weak(word, word | FLAG, ok, Ordering::Relaxed) {
                Ok(_) => return,
                Err(_) if mutant("line.recheck") => {
                    self.word.fetch_or(FLAG, ok);
                    return;
                }
                Err(now) => word = now,
            }
        }
    }

    /// Grants the first live place below `limit`; false if there is none.
    pub(crate) fn grant_one(&self, limit: u64) -> bool {
        self.waiting(limit).is_some_and(|queue| queue.grant_one_below(limit, 0))
    }

    /// Grants every place below `limit` with a note.
    pub(crate) fn grant_all(&self, limit: u64, note: u64) {
        if let Some(queue) = self.waiting(limit) {
            queue.grant_all_below(limit, note);
        }
    }

    /// The queue, if it may hold a place below `limit` whose turn has not come.
    fn waiting(&self, limit: u64) -> Option<&Queue> {
        if limit == 0 {
            return None;
        }
        let queue = self.queue.get();
        (queue.next_grant() < limit).then_some(queue)
    }

    #[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
    pub(crate) fn live_segments(&self) -> usize {
        self.queue.live_segments()
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
