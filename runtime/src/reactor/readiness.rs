//! The readiness word: what the kernel last said about a source, and who waits for more.
//!
//! With edge-triggered events the kernel speaks once per change. What it said must be kept until
//! a system call proves it wrong, and proof is out of date when an event came in the meantime.
//!
//! # The word
//!
//! ```text
//!   bit    name          set by            cleared by
//!   0, 1   READ, WRITE   2 event           3 clear, if that direction's tick is unchanged
//!   2, 3   *_CLOSED      2 event           5 renew only: a FIN does not come twice
//!   4      ALERT         2 event           5 renew only: an error or urgent data was announced
//!   5      SHUTDOWN      2 event           5 renew only: the poller is gone
//!   6, 7   WAIT_*        4 arm             2 event of that direction
//!   8..28, 28..48        ticks: how many events each direction had, 1 is added by 2 event
//!   48..64               generation, 1 is added by 5 renew
//! ```
//! # Who sleeps, and why not on a ready source
//!
//! A task leaves its waker in its cell, then arms (edge 4), and sleeps only if the word that
//! `arm` found was not ready. An event (edge 2) sets the bits and, if it finds WAIT, owes the
//! direction's cells a wake-up. Both are exchanges of one word, so one comes first. If it is the
//! event, `arm` sees it. If it is `arm`, the event sees WAIT, and the waker left before.
//!
//! # Why clearing is safe
//!
//! A task reads the word, makes the system call, is told "would block" and clears (edge 3) with
//! the tick it read. An event that the call cannot have seen comes after the call, so it either
//! changes the tick before the exchange, which then fails, or sets the bit again after it. Each
//! direction has its own tick, so that a steady writer does not keep a reader's bit alive. Ticks
//! wrap: the argument fails only if between one system call and its clear one direction has a
//! multiple of 2^20 events, each of which takes a system call of another thread.
//!
//! A short read or write proves emptiness as well, on some kinds of source, but says nothing about
//! what is announced only once: after a FIN or an error the next call has something to tell
//! although nothing arrives any more. Therefore the sticky bits forbid that kind of clearing.
//!
//! # Generations
//!
//! Records are reused. An event harvested for the last user of a record carries that user's
//! generation and is dropped. Should 2^16 users have gone by meanwhile, the event is taken for the
//! present user's, who then makes one system call too many.
use corio_sync::shim::atomic::AtomicU64;
use corio_sync::shim::{Ordering, mutant, ord};

use Ordering::{AcqRel, Acquire, Relaxed, Release};

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

/// Which half of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Reading, accepting, receiving.
    Read,
    /// Writing, connecting, sending.
    Write,
}

/// Bits of an event, and the low bits of the word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready(u8);

impl Ready {
    /// A read may succeed.
    pub(crate) const READ: Self = Self(1);
    /// A write may succeed.
    pub(crate) const WRITE: Self = Self(1 << 1);
    /// The peer will send no more.
    pub(crate) const READ_CLOSED: Self = Self(1 << 2);
    /// The peer will receive no more.
    pub(crate) const WRITE_CLOSED: Self = Self(1 << 3);
    /// An error or urgent data was announced.
    pub(crate) const ALERT: Self = Self(1 << 4);
    /// The poller is gone: no event will come any more.
    pub(crate) const SHUTDOWN: Self = Self(1 << 5);

    /// Nothing.
    pub(crate) const NONE: Self = Self(0);
    /// Both directions.
    pub(crate) const BOTH: Self = Self::READ.and(Self::WRITE);

    #[must_use]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

const WAIT_READ: u64 = 1 << 6;
const WAIT_WRITE: u64 = 1 << 7;
const FLAG_BITS: u32 = 8;

/// Width of a tick. Models use few bits, so that it wraps.
const TICK_BITS: u32 = if cfg!(any(corio_loom, corio_shuttle)) { 2 } else { 20 };
const TICK_MASK: u64 = (1 << TICK_BITS) - 1;

/// Width of a generation. Also its width in the key of an event.
pub(crate) const GENERATION_BITS: u32 = 16;
const GENERATION_SHIFT: u32 = u64::BITS - GENERATION_BITS;

const _: () = assert!(FLAG_BITS + 2 * 20 + GENERATION_BITS == u64::BITS);

/// One reading of the word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(u64);

impl State {
    /// A fresh source is assumed ready: the system call is tried first.
    const FRESH: Self = Self(Ready::BOTH.0 as u64);

    /// True if a system call in this direction is worth its while.
    pub(crate) const fn is_ready(self, direction: Direction) -> bool {
        self.ready().intersects(ready_bit(direction).and(Ready::SHUTDOWN))
    }

    /// True if the peer has closed this direction.
    pub(crate) const fn is_closed(self, direction: Direction) -> bool {
        self.ready().intersects(match direction {
            Direction::Read => Ready::READ_CLOSED,
            Direction::Write => Ready::WRITE_CLOSED,
        })
    }

    /// True if no event will come any more.
    pub(crate) const fn is_shut_down(self) -> bool {
        self.ready().intersects(Ready::SHUTDOWN)
    }

    /// The generation of the source.
    pub(crate) const fn generation(self) -> u16 {
        (self.0 >> GENERATION_SHIFT) as u16
    }

    const fn ready(self) -> Ready {
        Ready(self.0 as u8 & 0x3f)
    }

    const fn tick(self, direction: Direction) -> u64 {
        (self.0 >> tick_shift(direction)) & TICK_MASK
    }

    /// This state after an event; see edge 2.
    fn after(self, ready: Ready) -> Self {
        let mut word = self.0 | u64::from(ready.0);
        for direction in [Direction::Read, Direction::Write] {
            if ready.intersects(ready_bit(direction).and(Ready::SHUTDOWN)) {
                let shift = tick_shift(direction);
                let tick = (self.tick(direction) + 1) & TICK_MASK;
                word = word & !(TICK_MASK << shift) & !wait_bit(direction) | tick << shift;
            }
        }
        Self(word)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("ready", &self.ready())
            .field("wait_read", &(self.0 & WAIT_READ != 0))
            .field("wait_write", &(self.0 & WAIT_WRITE != 0))
            .field("read_tick", &self.tick(Direction::Read))
            .field("write_tick", &self.tick(Direction::Write))
            .field("generation", &self.generation())
            .finish()
    }
}

const fn ready_bit(direction: Direction) -> Ready {
    match direction {
        Direction::Read => Ready::READ,
        Direction::Write => Ready::WRITE,
    }
}

const fn wait_bit(direction: Direction) -> u64 {
    match direction {
        Direction::Read => WAIT_READ,
        Direction::Write => WAIT_WRITE,
    }
}

const fn tick_shift(direction: Direction) -> u32 {
    match direction {
        Direction::Read => FLAG_BITS,
        Direction::Write => FLAG_BITS + TICK_BITS,
    }
}

/// The directions whose waiters an event has to wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Duty(u64);

impl Duty {
    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn wakes(self, direction: Direction) -> bool {
        self.0 & wait_bit(direction) != 0
    }
}

/// What makes [`Readiness::clear`] believe that the kernel has nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The system call would have blocked.
    WouldBlock,
    /// It transferred less than it was asked to, on a kind of source where that is a proof.
    Short,
}

/// The word; see the module's documentation.
pub(crate) struct Readiness(AtomicU64);

impl Readiness {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(State::FRESH.0))
    }

    pub(crate) fn load(&self) -> State {
        // Ordering(readiness.load): Acquire; pairs with Ordering(readiness.event). The system
        // call that follows finds in the kernel what the event announced; without it the call
        // might see an older state and its "would block" would clear the event.
        State(self.0.load(ord("readiness.load", Acquire)))
    }

    /// Edge 2: the kernel or a closing poller speaks. A stale generation is ignored.
    pub(crate) fn event(&self, generation: u16, ready: Ready) -> Duty {
        // Relaxed: the exchange below reads the word again.
        let mut word = self.0.load(Relaxed);
        loop {
            let state = State(word);
            if state.generation() != generation && !mutant("readiness.generation") {
                return Duty(0);
            }
            // Ordering(readiness.event): AcqRel; pairs with Ordering(readiness.load) by its
            // release half, see there. Pairs with Ordering(readiness.arm) by its acquire half:
            // who finds WAIT finds the waker's cell too.
            let order = ord("readiness.event", AcqRel);
            match self.0.compare_exchange_weak(word, state.after(ready).0, order, Relaxed) {
                Ok(_) => return Duty(word & !state.after(ready).0 & (WAIT_READ | WAIT_WRITE)),
                Err(now) => word = now,
            }
        }
    }

    /// Edge 3: a system call in `direction`, made after `seen` was read, found nothing more.
    pub(crate) fn clear(&self, direction: Direction, seen: State, proof: Proof) {
        // Relaxed, like the exchange: clearing publishes nothing, and what it must not undo
        // shows in the tick, wherever this load comes in the word's order.
        let mut word = self.0.load(Relaxed);
        loop {
            let state = State(word);
            let told_once = match direction {
                Direction::Read => Ready::READ_CLOSED,
                Direction::Write => Ready::WRITE_CLOSED,
            };
            let announced = state.tick(direction) != seen.tick(direction);
            let sticky = state.ready().intersects(told_once.and(Ready::ALERT));
            if announced && !mutant("readiness.tick")
                || proof == Proof::Short && sticky && !mutant("readiness.sticky")
            {
                return;
            }
            let cleared = word & !u64::from(ready_bit(direction).0);
            match self.0.compare_exchange_weak(word, cleared, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// Edge 4: the waker is in its cell; the next event of `direction` shall look for it.
    ///
    /// The caller may sleep only if the state returned is not ready.
    pub(crate) fn arm(&self, direction: Direction) -> State {
        // Ordering(readiness.arm): Release; pairs with Ordering(readiness.event). The event that
        // finds WAIT finds the cell, however new. An exchange and not a load decides about sleep:
        // it reads the latest word, so no event can hide between the two.
        State(self.0.fetch_or(wait_bit(direction), ord("readiness.arm", Release)))
    }

    /// Edge 5: the source is gone. Events for it are ignored from now on; the next source starts
    /// assumed ready. Returns the new generation.
    pub(crate) fn renew(&self) -> u16 {
        // Relaxed: the record reaches its next user through the free list, which synchronizes,
        // and a stale event needs nothing but the number.
        let generation = State(self.0.load(Relaxed)).generation().wrapping_add(1);
        let fresh = State::FRESH.0 | u64::from(generation) << GENERATION_SHIFT;
        // A swap, so that the word's changes form one chain: an event of the old generation that
        // is under way fails to exchange.
        self.0.swap(fresh, Relaxed);
        generation
    }
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Relaxed: for people.
        State(self.0.load(Relaxed)).fmt(f)
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests {
    use super::*;

    const READ: Direction = Direction::Read;
    const WRITE: Direction = Direction::Write;

    #[test]
    fn fresh_source_is_assumed_ready() {
        let state = Readiness::new().load();
        assert!(state.is_ready(READ) && state.is_ready(WRITE));
        assert!(!state.is_closed(READ) && !state.is_shut_down());
    }

    #[test]
    fn event_between_reading_and_clearing_keeps_the_bit() {
        let word = Readiness::new();
        let seen = word.load();
        assert!(word.event(0, Ready::READ).is_none());
        word.clear(READ, seen, Proof::WouldBlock);
        assert!(word.load().is_ready(READ));
        word.clear(READ, word.load(), Proof::WouldBlock);
        assert!(!word.load().is_ready(READ));
    }

    #[test]
    fn the_other_direction_does_not_interfere() {
        let word = Readiness::new();
        let seen = word.load();
        assert!(word.event(0, Ready::WRITE).is_none());
        word.clear(READ, seen, Proof::WouldBlock);
        assert!(!word.load().is_ready(READ));
        assert!(word.load().is_ready(WRITE));
    }

    #[test]
    fn a_tick_that_wraps_is_still_a_change() {
        let word = Readiness::new();
        for _ in 0..TICK_MASK {
            assert!(word.event(0, Ready::READ).is_none());
        }
        let seen = word.load();
        assert_eq!(seen.tick(READ), TICK_MASK);
        assert!(word.event(0, Ready::READ).is_none());
        assert_eq!(word.load().tick(READ), 0);
        assert_eq!(word.load().tick(WRITE), 0, "a carry into the other tick");
        assert_eq!(word.load().generation(), 0);
        word.clear(READ, seen, Proof::WouldBlock);
        assert!(word.load().is_ready(READ));
    }

    #[test]
    fn short_read_after_fin_does_not_clear() {
        let word = Readiness::new();
        assert!(word.event(0, Ready::READ.and(Ready::READ_CLOSED)).is_none());
        word.clear(READ, word.load(), Proof::Short);
        assert!(word.load().is_ready(READ), "nobody would read the end of the stream");
        word.clear(WRITE, word.load(), Proof::Short);
        assert!(!word.load().is_ready(WRITE));
        word.clear(READ, word.load(), Proof::WouldBlock);
        assert!(!word.load().is_ready(READ));
        assert!(word.load().is_closed(READ), "sticky bits stay");
    }

    #[test]
    fn alert_forbids_short_in_both_directions() {
        let word = Readiness::new();
        assert!(word.event(0, Ready::BOTH.and(Ready::ALERT)).is_none());
        for direction in [READ, WRITE] {
            word.clear(direction, word.load(), Proof::Short);
            assert!(word.load().is_ready(direction));
        }
    }

    #[test]
    fn stale_generation_is_ignored() {
        let word = Readiness::new();
        word.clear(READ, word.load(), Proof::WouldBlock);
        assert!(!word.arm(READ).is_ready(READ));
        assert_eq!(word.renew(), 1);
        assert!(word.event(0, Ready::READ.and(Ready::READ_CLOSED)).is_none());
        assert!(!word.load().is_closed(READ));
        word.clear(READ, word.load(), Proof::WouldBlock);
        assert!(!word.load().is_ready(READ));
    }

    #[test]
    fn duty_is_owed_once_and_by_direction() {
        let word = Readiness::new();
        for direction in [READ, WRITE] {
            word.clear(direction, word.load(), Proof::WouldBlock);
            assert!(!word.arm(direction).is_ready(direction));
        }
        let duty = word.event(0, Ready::READ);
        assert!(duty.wakes(READ) && !duty.wakes(WRITE));
        assert!(word.event(0, Ready::READ).is_none());
        let duty = word.event(0, Ready::SHUTDOWN);
        assert!(!duty.wakes(READ) && duty.wakes(WRITE));
        assert!(word.load().is_ready(READ) && word.load().is_ready(WRITE));
    }
}
