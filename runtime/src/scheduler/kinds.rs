//! Which kinds of tasks run on for long after they have woken or spawned others, and which stay in
//! one poll until the Watch finds their worker stuck.
//!
//! A task that the running one wakes goes to the lifo slot of its worker and wakes no sibling: mostly
//! the running task is about to await it, and a sibling would come too late. That guess is wrong for
//! a task that spawns a child and then computes for milliseconds: the child waits for all of them,
//! or until the Watch comes, although a core is free. So it is only the first guess. *Kind* is the
//! type of a task's body, its vtable. A worker measures for about one push in 64, and for more of the
//! first, if a sibling sleeps, how long the poll goes on after it, and asks at the end of each poll
//! that pushed whether the Watch has found it stuck:
//!
//! ```text
//!            a poll went on for more than the limit
//!   BRIEF  ─────────────────────────────────────────▶  LONG
//!   pushes go to the slot;                             pushes go to the deque and wake a sibling;
//!   some are measured                                  each poll is measured
//!          ◀─────────────────────────────────────────
//!                           it did not
//! ```
//! So the first such child of a kind is late, and the next ones are not.
//!
//! As long as no kind is long, which is most programs' life, a push pays for a countdown and a load.
//! A worker without siblings learns nothing: there is nobody to wake or to call.
//!
//! A kind whose poll the Watch found stuck is noted as well. Before its next poll the worker calls
//! for help by itself, instead of waiting for 1 to 5 ms until it is found: its sockets and timers
//! are served by others from the start. A poll that was announced and is over soon takes the note
//! back, so that a kind costs others one needless wake-up for each poll that was stuck (decision
//! 023). As long as there is no note, a poll pays for a load.
//!
//! The table is shared by the workers, and kinds whose addresses collide share a place. A state is a
//! guess, whatever it was derived from: every task is run whichever queue it lies in.
//!
//! Rejected: to wake for every push into an empty slot (tokio did, and took it back: tokio#8065,
//! #8100); an age from which on siblings may take from the slot (a worker that sleeps does not see
//! it grow old, and a clock would have to be read for every push); marks by the Watch alone (it
//! notices a poll only after a millisecond); every 64th push exactly (in a program whose pushes take
//! turns it may be the same one each time); a third state for kinds that nobody has measured (a look
//! at the table for each push: 20 ns of the 90 that spawning and joining a task take).

use std::cell::Cell;
use std::time::{Duration, Instant};

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::{AtomicU8, AtomicU32};

/// A poll that goes on for so long after a push would have been worth a sibling's wake-up, which
/// costs 1-30 us of the pusher's time and somebody's.
const LONG_AFTER_PUSH: Duration = Duration::from_micros(50);
/// Of so many pushes about one is measured while nothing is known: the clock reads cost some 40 ns.
const MEASURE_ONE_IN: u32 = 64;
/// Kinds that are told apart, if all is well: most programs spawn from fewer places.
const PLACES: usize = 256;
/// An announced poll that was over before: half of what the Watch calls stuck, so that a kind whose
/// polls take about as long does not change with each.
const SOON_OVER: Duration = Duration::from_micros(500);

/// A note about a kind, a bit of its state. A zeroed table has none.
#[derive(Clone, Copy, Debug)]
enum Note {
    /// Goes on for long after a push.
    Long = 0,
    /// Stays in a poll until the Watch finds it.
    Stuck = 1,
}

/// What is known of kinds.
#[derive(Debug)]
pub(crate) struct Kinds {
    /// How many places have each note.
    noted: [AtomicU32; 2],
    states: [AtomicU8; PLACES],
    /// Somebody could help: there is more than one worker.
    siblings: bool,
}

impl Kinds {
    /// The kinds of a runtime with so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        let noted = [const { AtomicU32::new(0) }; 2];
        let states = [const { AtomicU8::new(0) }; PLACES];
        Self { noted, states, siblings: workers > 1 }
    }

    /// The place of the kind with the vtable at this address.
    fn state(&self, vtable: usize) -> &AtomicU8 {
        // Vtables are some 64 bytes apart.
        &self.states[(vtable >> 4 ^ vtable >> 10) % PLACES]
    }

    fn is(&self, note: Note, vtable: usize) -> bool {
        // Ordering: Relaxed; a guess that orders nothing.
        self.state(vtable).load(Relaxed) & 1 << note as u8 != 0
    }

    /// True if the table is worth a look.
    #[inline]
    fn any(&self, note: Note) -> bool {
        // Ordering: Relaxed; as in `is`.
        self.noted[note as usize].load(Relaxed) > 0
    }

    fn learn(&self, note: Note, vtable: usize, is: bool) {
        if self.is(note, vtable) == is || !self.siblings {
            return;
        }
        let bit = 1 << note as u8;
        let (state, noted) = (self.state(vtable), &self.noted[note as usize]);
        // Ordering: Relaxed, all; as in `is`. The change decides between two workers who counts.
        if is && state.fetch_or(bit, Relaxed) & bit == 0 {
            noted.fetch_add(1, Relaxed);
        } else if !is && state.fetch_and(!bit, Relaxed) & bit != 0 {
            noted.fetch_sub(1, Relaxed);
        }
    }
}

/// What a worker knows of the poll that it is inside.
#[derive(Debug)]
pub(crate) struct Pushes {
    /// The poll has pushed something.
    seen: Cell<bool>,
    /// Its kind was looked up.
    known: Cell<bool>,
    long: Cell<bool>,
    /// Pushes until one is measured.
    countdown: Cell<u32>,
    /// Where the next countdown begins, by the mean.
    distance: Cell<u32>,
    random: Cell<u64>,
    /// The next push that is looked at is to be measured.
    due: Cell<bool>,
    /// When this poll's first push was, if it is measured.
    since: Cell<Option<Instant>>,
    /// When this poll began, if it was announced.
    announced: Cell<Option<Instant>>,
}

impl Pushes {
    pub(crate) fn new() -> Self {
        Self {
            seen: Cell::new(false),
            known: Cell::new(false),
            long: Cell::new(false),
            countdown: Cell::new(1),
            distance: Cell::new(2),
            random: Cell::new(1),
            due: Cell::new(false),
            since: Cell::new(None),
            announced: Cell::new(None),
        }
    }

    /// A poll of the kind with the vtable at this address begins. True: it is likely to be stuck, and
    /// the worker is to be marked so.
    #[inline]
    pub(crate) fn begin(&self, kinds: &Kinds, vtable: usize) -> bool {
        kinds.any(Note::Stuck) && self.announce(kinds, vtable)
    }

    #[cold]
    fn announce(&self, kinds: &Kinds, vtable: usize) -> bool {
        let stuck = kinds.is(Note::Stuck, vtable);
        if stuck {
            self.announced.set(Some(Instant::now()));
        }
        stuck
    }

    /// The running task pushes. True: [`is_long`](Self::is_long) may have something to say.
    #[inline]
    pub(crate) fn push(&self, kinds: &Kinds) -> bool {
        self.seen.set(true);
        let left = self.countdown.get();
        if left == 0 {
            self.due.set(true);
        }
        self.countdown.set(if left == 0 { self.next_distance() } else { left - 1 });
        left == 0 || kinds.any(Note::Long)
    }

    /// How many pushes to pass over: few at first, so that a program is soon known, and then about
    /// [`MEASURE_ONE_IN`] by chance, or else one whose pushes take turns might show the same each time.
    #[cold]
    fn next_distance(&self) -> u32 {
        let mean = self.distance.get();
        self.distance.set((mean * 2).min(MEASURE_ONE_IN));
        // Knuth's multiplicative congruential generator: the upper bits are good enough.
        let random = self.random.get().wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        self.random.set(random);
        mean / 2 + (random >> 33) as u32 % mean
    }

    /// A task of the kind with the vtable at this address pushes while a sibling sleeps. True: the
    /// sibling is to be woken for it.
    #[cold]
    pub(crate) fn is_long(&self, kinds: &Kinds, vtable: usize) -> bool {
        if !self.known.replace(true) {
            self.look_up(kinds, vtable);
        }
        self.long.get()
    }

    fn look_up(&self, kinds: &Kinds, vtable: usize) {
        let long = kinds.is(Note::Long, vtable);
        self.long.set(long);
        if long || self.due.take() {
            self.since.set(Some(Instant::now()));
        }
    }

    /// The poll has ended. `was_marked`: the Watch has noticed it, or it was announced. `pushes`: how
    /// many tasks it sent to the deque; who spawns a thousand goes on for long after the first, but not
    /// after the last.
    #[inline]
    pub(crate) fn end(
        &self,
        kinds: &Kinds,
        was_marked: bool,
        pushes: u32,
        vtable: impl FnOnce() -> usize,
    ) {
        if was_marked || self.known.get() {
            self.learn(kinds, was_marked, pushes, vtable());
        }
        self.seen.set(false);
    }

    #[cold]
    fn learn(&self, kinds: &Kinds, was_marked: bool, pushes: u32, vtable: usize) {
        self.known.set(false);
        self.long.set(false);
        let announced = self.announced.take();
        let was_stuck = was_marked && announced.is_none_or(|begin| begin.elapsed() >= SOON_OVER);
        if was_marked {
            kinds.learn(Note::Stuck, vtable, was_stuck);
        }
        let was_stuck = was_stuck && self.seen.get();
        let since = self.since.take();
        if was_stuck || since.is_some() {
            let went_on = since.map_or(Duration::ZERO, |since| since.elapsed());
            kinds.learn(Note::Long, vtable, was_stuck || went_on > LONG_AFTER_PUSH * pushes.max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: usize = 0x5555_1230;
    const LATE: Duration = Duration::from_millis(1);

    /// A poll with two pushes; true if they were to wake a sibling.
    fn poll(pushes: &Pushes, kinds: &Kinds, kind: usize, went_on: Duration) -> bool {
        let push = || pushes.push(kinds) && pushes.is_long(kinds, kind);
        let wakes = push();
        assert!(push() >= wakes);
        // As if the clock had moved.
        if let Some(since) = pushes.since.get() {
            pushes.since.set(since.checked_sub(went_on));
        }
        pushes.end(kinds, false, 2, || kind);
        wakes
    }

    #[test]
    fn a_long_kind_is_noticed_and_then_known_to_all() {
        let (pushes, kinds) = (Pushes::new(), Kinds::new(2));
        let late = (0..1_000).find(|_| poll(&pushes, &kinds, KIND, LATE));
        assert!(late.is_some_and(|late| late <= 2 * MEASURE_ONE_IN), "{late:?}");
        assert!(poll(&Pushes::new(), &kinds, KIND, LATE), "another worker knows it too");
        assert!(!poll(&pushes, &kinds, KIND + (1 << 4), Duration::ZERO), "that is another kind");
    }

    #[test]
    fn a_stuck_poll_needs_no_second_look() {
        let (pushes, kinds) = (Pushes::new(), Kinds::new(2));
        pushes.end(&kinds, true, 1, || KIND);
        assert!(!kinds.any(Note::Long), "it has pushed nothing");
        assert!(!pushes.push(&kinds));
        pushes.end(&kinds, true, 1, || KIND);
        assert!(poll(&pushes, &kinds, KIND, LATE));
    }

    /// With a push measured after each 64 others it would be the last of the five, always.
    #[test]
    fn a_long_kind_is_noticed_whatever_takes_turns_with_it() {
        for turns in [2, 3, 5, 13, 64, 65] {
            let (pushes, kinds) = (Pushes::new(), Kinds::new(2));
            let noticed = (0..200_000).find(|n| {
                let long = n % turns == 0;
                // Far enough from each other to share no place.
                let kind = if long { KIND } else { KIND + (1 << 4) };
                if pushes.push(&kinds) {
                    pushes.is_long(&kinds, kind);
                }
                if let Some(since) = pushes.since.get().filter(|_| long) {
                    pushes.since.set(since.checked_sub(LATE));
                }
                pushes.end(&kinds, false, 1, || kind);
                kinds.is(Note::Long, KIND)
            });
            assert!(noticed.is_some(), "one push in {turns}");
        }
    }

    #[test]
    fn nothing_is_learned_where_nobody_could_help() {
        let (pushes, kinds) = (Pushes::new(), Kinds::new(1));
        for _ in 0..3 {
            assert!(!pushes.begin(&kinds, KIND));
            pushes.push(&kinds);
            pushes.end(&kinds, true, 1, || KIND);
        }
        assert!(!kinds.any(Note::Stuck) && !kinds.any(Note::Long));
        assert!((0..1_000).all(|_| !poll(&pushes, &kinds, KIND, LATE)));
    }

    #[test]
    fn a_kind_may_change() {
        let (pushes, kinds) = (Pushes::new(), Kinds::new(2));
        for _ in 0..3 {
            kinds.learn(Note::Long, KIND, true);
            assert!(kinds.any(Note::Long));
            // A loaded machine may stretch a brief poll: not each of many.
            let forgotten =
                || !poll(&pushes, &kinds, KIND, Duration::ZERO) && !kinds.any(Note::Long);
            assert!((0..100).any(|_| forgotten()));
        }
    }

    #[test]
    fn a_kind_that_was_stuck_is_announced_until_a_poll_is_over_soon() {
        let (pushes, kinds) = (Pushes::new(), Kinds::new(2));
        let announced = |lasts: Duration| {
            let announced = pushes.begin(&kinds, KIND);
            // As if the clock had moved.
            if let Some(begin) = pushes.announced.get() {
                pushes.announced.set(begin.checked_sub(lasts));
            }
            pushes.end(&kinds, announced || lasts >= LATE, 1, || KIND);
            announced
        };
        for _ in 0..3 {
            assert!(!announced(Duration::ZERO));
            assert!(!announced(LATE), "nobody knows it yet");
            assert!(announced(LATE) && announced(LATE));
            assert!(!pushes.begin(&kinds, KIND + (1 << 4)), "that is another kind");
            // A loaded machine may stretch a brief poll: not each of many.
            assert!((0..100).any(|_| !announced(Duration::ZERO)));
            assert!(!kinds.any(Note::Stuck));
        }
    }
}
