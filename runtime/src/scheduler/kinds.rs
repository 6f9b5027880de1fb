//! Which kinds of tasks run on for long after they have woken or spawned others.
//!
//! A task that the running one wakes goes to the lifo slot of its worker and wakes no sibling: mostly
//! the running task is about to await it, and a sibling would come too late. That guess is wrong for
//! a task that spawns a child and then computes for milliseconds: the child waits for all of them,
//! or until the Watch comes, although a core is free. So it is only the first guess. *Kind* is the
//! type of a task's body, its vtable. While a sibling sleeps, a worker measures how long polls of a
//! kind go on after their first push:
//!
//! ```text
//!           a poll went on for more than the limit
//!   NEW  ───────────────────────────────────────────▶  LONG   pushes go to the deque and wake a
//!    │                                                  │ ▲   sibling; each poll is measured
//!    └───────────▶ BRIEF ◀──────────────────────────────┘ │
//!      it did not    │        it did not                  │
//!                    └────────────────────────────────────┘
//!   pushes go to the slot; one poll in 64 is measured
//! ```
//! So the first such child of a kind is late, and the next ones are not.
//!
//! The table is shared by the workers, and kinds whose addresses collide share a place. A state is a
//! guess, whatever it was derived from: every task is run whichever queue it lies in.
//!
//! Rejected: to wake for every push into an empty slot (tokio did, and took it back: tokio#8065,
//! #8100); an age from which on siblings may take from the slot (a worker that sleeps does not see
//! it grow old, and a clock would have to be read for every push); a mark by the Watch (it notices
//! a poll only after a millisecond, and may not look into a task that it does not hold).

use std::cell::Cell;
use std::time::{Duration, Instant};

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicU8;

/// A poll that goes on for so long after a push would have been worth a sibling's wake-up, which
/// costs 1-30 us of the pusher's time and somebody's.
const LONG_AFTER_PUSH: Duration = Duration::from_micros(50);
/// One in so many polls of a brief kind is measured: the clock reads cost some 40 ns.
const MEASURE_ONE_IN: u32 = 64;
/// Kinds that are told apart, if all is well: most programs spawn from fewer places.
const PLACES: usize = 256;

/// Nothing known: what a zeroed table says.
const NEW: u8 = 0;
const BRIEF: u8 = 1;
const LONG: u8 = 2;

/// What is known of kinds.
#[derive(Debug)]
pub(crate) struct Kinds {
    states: [AtomicU8; PLACES],
}

impl Kinds {
    pub(crate) fn new() -> Self {
        Self { states: [const { AtomicU8::new(NEW) }; PLACES] }
    }

    /// The place of the kind with the vtable at this address.
    fn state(&self, vtable: usize) -> &AtomicU8 {
        // Vtables are some 64 bytes apart.
        &self.states[(vtable >> 4 ^ vtable >> 10) % PLACES]
    }
}

/// What a worker knows of the poll that it is inside.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    /// A push was looked at.
    seen: Cell<bool>,
    long: Cell<bool>,
    /// When the first one was, if this poll is measured.
    since: Cell<Option<Instant>>,
    vtable: Cell<usize>,
    brief: Cell<u32>,
}

impl Pushes {
    /// A task of the kind with the vtable at this address pushes while a sibling sleeps. True: the
    /// sibling is to be woken for it.
    #[inline]
    pub(crate) fn push(&self, kinds: &Kinds, vtable: impl FnOnce() -> usize) -> bool {
        if !self.seen.replace(true) {
            self.first(kinds, vtable());
        }
        self.long.get()
    }

    fn first(&self, kinds: &Kinds, vtable: usize) {
        // Ordering: Relaxed, as the store; a guess that orders nothing.
        let state = kinds.state(vtable).load(Relaxed);
        let brief = self.brief.get();
        self.brief.set(brief.wrapping_add(u32::from(state == BRIEF)));
        self.long.set(state == LONG);
        if state != BRIEF || brief % MEASURE_ONE_IN == MEASURE_ONE_IN - 1 {
            self.since.set(Some(Instant::now()));
            self.vtable.set(vtable);
        }
    }

    /// The poll has ended.
    #[inline]
    pub(crate) fn end(&self, kinds: &Kinds) {
        if self.seen.get() {
            self.seen.set(false);
            self.long.set(false);
            if let Some(since) = self.since.take() {
                self.learn(kinds, since.elapsed());
            }
        }
    }

    fn learn(&self, kinds: &Kinds, went_on: Duration) {
        let state = if went_on > LONG_AFTER_PUSH { LONG } else { BRIEF };
        let place = kinds.state(self.vtable.get());
        // Ordering: Relaxed; see `first`. Only a change is written: the line is shared.
        if place.load(Relaxed) != state {
            place.store(state, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: usize = 0x5555_1230;

    /// A poll with two pushes; true if they were to wake a sibling.
    fn poll(pushes: &Pushes, kinds: &Kinds, kind: usize, went_on: Duration) -> bool {
        let wakes = pushes.push(kinds, || kind);
        assert_eq!(pushes.push(kinds, || unreachable!("asked once per poll")), wakes);
        // As if the clock had moved.
        if let Some(since) = pushes.since.get() {
            pushes.since.set(since.checked_sub(went_on));
        }
        pushes.end(kinds);
        wakes
    }

    #[test]
    fn the_second_child_of_a_long_poll_wakes_a_sibling() {
        let (pushes, kinds) = (Pushes::default(), Kinds::new());
        let long = Duration::from_millis(1);
        assert!(!poll(&pushes, &kinds, KIND, long), "nothing is known yet");
        assert!(poll(&pushes, &kinds, KIND, long));
        let other = Pushes::default();
        assert!(poll(&other, &kinds, KIND, long), "another worker knows it too");
        assert!(!poll(&pushes, &kinds, KIND + (1 << 4), long), "that is another kind");
    }

    #[test]
    fn a_kind_may_change() {
        let (pushes, kinds) = (Pushes::default(), Kinds::new());
        let (brief, long) = (Duration::ZERO, Duration::from_millis(1));
        poll(&pushes, &kinds, KIND, long);
        // A loaded machine may stretch a brief poll: not each of many.
        assert!((0..100).any(|_| !poll(&pushes, &kinds, KIND, brief)));
        let polls = (1..1_000).find(|_| poll(&pushes, &kinds, KIND, long));
        assert!(polls.is_some_and(|polls| polls <= MEASURE_ONE_IN + 1), "{polls:?}");
    }

    #[test]
    fn a_poll_without_a_push_is_not_measured() {
        let (pushes, kinds) = (Pushes::default(), Kinds::new());
        pushes.end(&kinds);
        assert_eq!(kinds.state(KIND).load(Relaxed), NEW);
    }
}
