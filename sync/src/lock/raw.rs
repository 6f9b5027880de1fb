//! The lock without its data: who holds it and who comes next.
//!
//! | bits  | name      | meaning |
//! |-------|-----------|---------|
//! | 0     | `LOCKED`  | somebody holds the lock |
//! | 1     | `WOKEN`   | a waiter has been called out of the queue and is about to compete |
//! | 2-11  | `STARVED` | waiters that lost [`LOSSES`] times |
//! | 12-60 | `WAITERS` | places in the queue whose turn has not come |
//! | 61    | `UNFAIR`  | the mode, which never changes; a fair lock uses `LOCKED` and `WAITERS` only |
//!
//! ```text
//!  newcomer: LOCKED clear, no STARVED -> set it (1); else WAITERS + 1, wait in the queue (2)
//!  release:  fair or STARVED, WAITERS -> keep LOCKED, WAITERS - 1, grant a place: hand-over (3)
//!            no WOKEN, WAITERS -> clear LOCKED, set WOKEN, WAITERS - 1, call a place (4)
//!            else              -> clear LOCKED (5)
//!  called:   clear WOKEN and: LOCKED clear -> set it (6); else WAITERS + 1, wait again (7)
//!  leaving:  clear WOKEN; if nobody holds the lock, call the next (8)
//! ```
//! (1), (2) [`RawLock::barge`], (3)-(5) [`RawLock::release_if_held`], (6), (7)
//! [`RawLock::compete`], (8) [`RawLock::next_call`].
//!
//! *Whom a hand-over finds gone.* Waiters that left are counted until their turn. A release that
//! granted the place of such a one starts again, with the word as it is then: it goes to the next
//! place, or clears `LOCKED`, or finds that it is clear. The last can happen to one of two releases
//! for one acquisition, which a lock without data allows: that one says that nobody held the lock.
//! A run of places that was swept is passed in one step; whoever passes it counts its places off
//! **before** it claims them, so that two releases never claim more places than are counted.
//!
//! *Invariant.* If nobody holds the lock and somebody waits, `WOKEN` is set, and the call it stands
//! for is on its way to a place, in it, or being passed on.
//!
//! *Bound.* A waiter loses at most [`LOSSES`] times. Then newcomers must queue and releases hand
//! over in order, until it has had its turn.
//!
//! *Rejected.* Keeping the loser at the front of the queue: its place would have to be granted
//! several times, and a releaser could find it while it leaves.

use crate::coop;
use crate::debug::{self, LockId};
use crate::place::{self, WaitKind};
use crate::shim::atomic::AtomicU64;
use crate::shim::{Ordering, mutant, ord};
use crate::wait::queue::{Granted, Place, WaitQueue};
use std::panic::Location;
use std::task::{Context, Poll};

const LOCKED: u64 = 1;
const WOKEN: u64 = 1 << 1;
const STARVED_ONE: u64 = 1 << 2;
const WAITER_ONE: u64 = 1 << 12;
const UNFAIR: u64 = 1 << 61;
const STARVED: u64 = WAITER_ONE - STARVED_ONE;
const WAITERS: u64 = UNFAIR - WAITER_ONE;

/// How often a waiter of an unfair lock may find it taken again; as in Go's mutex the point is that
/// there is a bound, and a few losses cost less than one hand-over.
const LOSSES: u8 = 4;

/// The note of a grant that is the lock itself, not a call to compete for it.
const HAND_OVER: u64 = 1;

/// The word and the queue. 16 bytes.
pub(crate) struct RawLock {
    word: AtomicU64,
    queue: WaitQueue,
}

/// Where an acquisition stands.
#[derive(Default)]
pub(crate) struct Acquiring {
    place: Place,
    /// How often this waiter was called and found the lock taken; unfair locks only.
    losses: u8,
}

impl Acquiring {
    /// [`Place::proceed`].
    #[inline]
    pub(super) fn proceed(&mut self, cx: &mut Context<'_>) -> Poll<coop::Restore> {
        self.place.proceed(cx)
    }
}

const_fn! {
    impl RawLock {
        /// A free lock with hand-over in order of arrival.
        pub(crate) fn new() -> Self {
            Self { word: AtomicU64::new(0), queue: WaitQueue::new() }
        }
        /// A free lock that newcomers may take ahead of waiters.
        pub(crate) fn new_unfair() -> Self {
            Self { word: AtomicU64::new(UNFAIR), queue: WaitQueue::new() }
        }
    }
}

impl RawLock {
    /// Whether the lock is handed over in order.
    #[inline]
    pub(crate) fn is_fair(&self) -> bool {
        self.word() & UNFAIR == 0
    }

    /// Whether somebody holds the lock or is being handed it.
    pub(crate) fn locked(&self) -> bool {
        self.word() & LOCKED != 0
    }

    // Ordering(lock.peek): Relaxed. The mode never changes; everything else is a guess that an
    // exchange verifies.
    #[inline]
    fn word(&self) -> u64 {
        self.word.load(Ordering::Relaxed)
    }

    /// One step of the word: `change` gives the next word and the outcome.
    // Ordering(lock.step): AcqRel; pairs with itself, Ordering(lock.quick) and
    // Ordering(lock.quick_release). The next holder sees the last one's writes,
    // and a waiter that takes the lock itself was ordered by the word alone.
    #[inline]
    fn step<R>(&self, change: impl Fn(u64) -> (u64, R)) -> R {
        let mut word = self.word();
        loop {
            let (next, outcome) = change(word);
            let ok = ord("lock.step", Ordering::AcqRel);
            match self.word.compare_exchange_weak(word, next, ok, Ordering::Relaxed) {
                Ok(_) => return outcome,
                Err(now) => word = now,
            }
        }
    }

    #[inline]
    pub(crate) fn try_acquire(&self) -> bool {
        self.quick() || self.word() & LOCKED == 0 && self.barge(false)
    }

    /// Takes a fair lock that is free. The constants spare the exchange to wait for the look.
    // Ordering(lock.quick): Acquire; pairs with Ordering(lock.quick_release) and
    // Ordering(lock.step): the new holder sees what the last one did.
    #[inline]
    fn quick(&self) -> bool {
        let (ok, err) = (ord("lock.quick", Ordering::Acquire), Ordering::Relaxed);
        self.word() == 0 && self.word.compare_exchange(0, LOCKED, ok, err).is_ok()
    }

    #[inline]
    pub(crate) fn poll_acquire(&self, at: &mut Acquiring, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(at.place, Place::Idle) && (self.quick() || self.barge(true)) {
            at.place = Place::Done;
            return Poll::Ready(());
        }
        self.poll_wait(at, cx)
    }

    /// [`poll_acquire`](Self::poll_acquire) for a caller that waits here; says so if it has to, and
    /// who has the lock in debug mode.
    #[inline]
    pub(crate) fn poll_traced(
        &self,
        at: &mut Acquiring,
        cx: &mut Context<'_>,
        caller: &'static Location<'static>,
    ) -> Poll<()> {
        let polled = self.poll_acquire(at, cx);
        if polled.is_ready() {
            debug::holds(LockId::of(self), WaitKind::Lock, caller);
        } else {
            self.note_wait(caller);
        }
        polled
    }

    #[cold]
    fn note_wait(&self, caller: &'static Location<'static>) {
        place::note(WaitKind::Lock, caller);
        debug::waits(LockId::of(self), WaitKind::Lock, caller);
    }

    /// The acquiring future is dropped.
    #[inline]
    pub(crate) fn dropped(&self, at: &mut Acquiring, caller: &'static Location<'static>) {
        if !matches!(at.place, Place::Done) {
            self.give_up(at, caller);
        }
    }

    #[cold]
    fn give_up(&self, at: &mut Acquiring, caller: &'static Location<'static>) {
        match at.place {
            Place::Idle => debug::never_awaited(WaitKind::Lock, caller),
            Place::Yielded | Place::Done => {}
            Place::Waiting(_) => {
                debug::gave_up(LockId::of(self));
                self.abandon(at);
            }
        }
    }

    /// Gives up an acquisition; a lock that had come already moves on.
    #[inline]
    pub(crate) fn abandon(&self, at: &mut Acquiring) {
        if let Place::Waiting(_) = at.place {
            self.abandon_wait(at);
        }
    }

    /// Releases a lock that the caller holds.
    // Ordering(lock.quick_release): Release; pairs with Ordering(lock.quick) and
    // Ordering(lock.step), as there.
    #[inline]
    pub(crate) fn release(&self) {
        // Before: the next holder may have the lock a while before it says so, and who asks for it
        // meanwhile must not find the last one.
        debug::released(LockId::of(self));
        let (ok, err) = (ord("lock.quick_release", Ordering::Release), Ordering::Relaxed);
        if self.word() != LOCKED || self.word.compare_exchange(LOCKED, 0, ok, err).is_err() {
            self.release_if_held();
        }
    }

    /// Takes the lock, ahead of waiters if need be; otherwise counts a waiter if `wait`.
    #[inline]
    fn barge(&self, wait: bool) -> bool {
        self.step(|word| {
            let free = word & LOCKED == 0 && (word & STARVED == 0 || word & WAITERS == 0);
            match (free, wait) {
                (true, _) => (word | LOCKED, true),
                (false, true) => (word + WAITER_ONE, false),
                (false, false) => (word, false),
            }
        })
    }

    #[cold]
    fn poll_wait(&self, at: &mut Acquiring, cx: &mut Context<'_>) -> Poll<()> {
        let queue = self.queue.get();
        if matches!(at.place, Place::Idle) {
            at.place = Place::Waiting(Some(queue.enter()));
        }
        loop {
            let Place::Waiting(waiter) = &mut at.place else {
                panic!("an acquire future was polled after it had completed");
            };
            let note = std::task::ready!(queue.poll(waiter, cx));
            if note == HAND_OVER || self.compete(at) {
                self.satisfied(at);
                at.place = Place::Done;
                return Poll::Ready(());
            }
            at.place = Place::Waiting(Some(queue.enter()));
        }
    }

    /// A called waiter tries for the lock; false if it was taken again and the waiter is counted
    /// once more.
    fn compete(&self, at: &mut Acquiring) -> bool {
        let starves = at.losses + 1 == LOSSES;
        let (won, losses) = self.step(|word| {
            if word & LOCKED == 0 {
                return (word & !WOKEN | LOCKED, (true, at.losses));
            }
            let lost = (word & !WOKEN) + WAITER_ONE;
            if starves && word & STARVED == STARVED {
                // The count is full: one loss more, and it will have room.
                return (lost, (false, at.losses));
            }
            let starved = if starves { STARVED_ONE } else { 0 };
            (lost + starved, (false, at.losses.saturating_add(1)))
        });
        at.losses = losses;
        won
    }

    /// The waiter no longer counts as starved, if it did.
    fn satisfied(&self, at: &mut Acquiring) {
        if at.losses >= LOSSES {
            self.step(|word| (if word & STARVED == 0 { word } else { word - STARVED_ONE }, ()));
        }
        at.losses = 0;
    }

    /// Releases the lock if somebody holds it; false if nobody does.
    #[inline]
    pub(crate) fn release_if_held(&self) -> bool {
        debug::released(LockId::of(self));
        match self.release_step() {
            Next::NotHeld => false,
            Next::Free => true,
            next => self.release_to(next),
        }
    }

    #[inline]
    fn release_step(&self) -> Next {
        self.step(|word| {
            let waits = word & WAITERS != 0;
            let in_order = word & UNFAIR == 0 || word & STARVED != 0;
            if word & LOCKED == 0 {
                (word, Next::NotHeld)
            } else if waits && in_order {
                (word - WAITER_ONE, Next::HandOver)
            } else if waits && word & WOKEN == 0 {
                ((word & !LOCKED | WOKEN) - WAITER_ONE, Next::Call)
            } else {
                (word & !LOCKED, Next::Free)
            }
        })
    }

    #[cold]
    fn release_to(&self, mut next: Next) -> bool {
        loop {
            match next {
                Next::NotHeld => return false,
                Next::Free => return true,
                Next::Call => {
                    self.call();
                    return true;
                }
                Next::HandOver => {}
            }
            if let Granted::Yes(waker) = self.grant(HAND_OVER) {
                wake(waker);
                return true;
            }
            if mutant("lock.release_again") {
                self.step(|word| (word & !LOCKED, ()));
                return true;
            }
            next = self.release_step();
        }
    }

    /// Grants the place for which the caller has taken a waiter off the count.
    fn grant(&self, note: u64) -> Granted {
        let count_off = |run: u64| {
            self.step(|word| {
                let waiters = (word & WAITERS) / WAITER_ONE;
                let most = if mutant("lock.count_off") { run } else { run.min(waiters) };
                (word.wrapping_sub(most * WAITER_ONE), most)
            })
        };
        let count_again = |places: u64| self.step(|word| (word + places * WAITER_ONE, ()));
        self.queue.get().grant_counted(note, count_off, count_again)
    }

    /// Calls the next place; `WOKEN` is set and one waiter taken off for it.
    fn call(&self) {
        loop {
            if let Granted::Yes(waker) = self.grant(0) {
                return wake(waker);
            }
            if !self.next_call() {
                return;
            }
        }
    }

    /// The call found nobody, or its waiter left: true if it is to be made again.
    fn next_call(&self) -> bool {
        self.step(|word| {
            if word & LOCKED == 0 && word & WAITERS != 0 && !mutant("lock.pass_call") {
                (word - WAITER_ONE, true)
            } else {
                (word & !WOKEN, false)
            }
        })
    }

    #[cold]
    fn abandon_wait(&self, at: &mut Acquiring) {
        let Some(waiter) = at.place.leave() else { return };
        let note = self.queue.get().cancel(waiter);
        self.satisfied(at);
        match note {
            None => {}
            Some(HAND_OVER) => self.release(),
            Some(_) if self.next_call() => self.call(),
            Some(_) => {}
        }
    }

    #[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
    pub(crate) fn live_segments(&self) -> usize {
        self.queue.live_segments()
    }
}

/// What a release has to do.
enum Next {
    NotHeld,
    /// Nothing more: nobody waits, or somebody was called already.
    Free,
    HandOver,
    Call,
}

fn wake(waker: Option<std::task::Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
