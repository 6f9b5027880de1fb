//! Permits for demands of one each, in order of arrival; the first who waits has a seat beside the
//! counter.
//!
//! *Why.* Two tasks that hand values through a channel with little room wait for each other with
//! every value, one at a time. A place in the queue costs such a wait two pins, and four steps that
//! nobody else competes for. The seat costs one: to claim it.
//!
//! *The word.*
//!
//! | bits | name       | meaning |
//! |------|------------|---------|
//! | 0    | `SHUT`     | no demand any more; nobody is counted as waiting |
//! | 1    | `SEATED`   | one of those who wait sits; the next permit is theirs |
//! | 2    | `UPDATING` | who sits is replacing the waker, which is not to be touched |
//! | 3    | `TOLD`     | who sat when the counter was shut was told so |
//! | 4-63 | count      | free permits, or minus the number of demands that wait |
//!
//! ```text
//!   demand   count > 0: takes one (1)
//!            nobody waits and the seat is to be had: SEATED, count - 1 (2);  else count - 1, to the queue (3)
//!   release  SEATED: cleared, count + 1, the permit is theirs (4)
//!            count < 0: count + 1, a place in the queue is granted (5);  else count + 1 (6)
//!   leaving  SEATED: cleared, count + 1 (7);  a place: left, and counted until its turn (8)
//!   shut     SHUT, SEATED cleared, count 0 if it was below: all who were counted are told (9)
//! ```
//! (1) [`Room::try_take`], (2), (3) [`Room::demand`], (4)-(6) [`Room::release`], (7), (8)
//! [`Room::leave`], (9) [`Room::shut`].
//!
//! *Order.* Who sits found that all before were counted off: each has a permit, or one is on its way
//! to the queue. All who come while the seat is taken demand later, so the next permit is for the seat.
//! A release that finds the waiter of its place gone starts again with the word as it is.
//!
//! *The seat.* `taken` is its holder's. While somebody holds it nobody else sets `SEATED`, so to
//! the holder the word says all: whether it waits, was told, or has its permit. Who clears `SEATED`
//! and did not find `UPDATING` has the waker, and clears `busy` when that is out. If the holder
//! is gone by then, the seat has no holder and is `busy`: then it is not to be had.
//!
//! *Progress.* Lock-free: a step on the word fails only because another one succeeded; a release
//! starts again once for each waiter that left. Nobody waits for a seat.

use super::cell::Slot;
use super::queue::{Granted, Place, WaitQueue};
use super::weighted::Shut;
use crate::coop;
use crate::shim::atomic::{AtomicBool, AtomicI64};
use crate::shim::{Ordering, mutant, ord};
use std::cell::Cell;
use std::ptr;
use std::task::{Context, Poll, RawWakerVTable, Waker, ready};

const SHUT: i64 = 1;
const SEATED: i64 = 1 << 1;
const UPDATING: i64 = 1 << 2;
const TOLD: i64 = 1 << 3;
const COUNT_SHIFT: u32 = 4;
const ONE: i64 = 1 << COUNT_SHIFT;

/// The notes of a grant in the queue.
const PERMIT: u64 = 0;
const CLOSED: u64 = 1;

/// The counter, its seat and its queue. 40 bytes.
pub(crate) struct Room {
    word: AtomicI64,
    queue: WaitQueue,
    /// Of who sits.
    waker: Slot,
    /// Somebody holds the seat.
    taken: AtomicBool,
    /// A waker is in the seat, or somebody is about to take it out.
    busy: AtomicBool,
    /// How many permits there are in all; for the owner's use.
    pub(crate) most: u32,
}

/// Where a future stands that waits for a permit.
pub(crate) enum At {
    /// Beside the queue or in it.
    Place(Place),
    /// In the seat.
    Seat(Seat),
}

/// The holder of the seat: what it has left there, to compare without touching it.
pub(crate) struct Seat {
    data: *const (),
    vtable: *const RawWakerVTable,
}

// SAFETY: the raw parts are compared, never used.
unsafe impl Send for Seat {}
// SAFETY: as above; `&Seat` gives nothing.
unsafe impl Sync for Seat {}

impl Seat {
    fn of(waker: &Waker) -> Self {
        Self { data: waker.data(), vtable: waker.vtable() }
    }

    fn left(&self, waker: &Waker) -> bool {
        ptr::eq(self.data, waker.data()) && ptr::eq(self.vtable, waker.vtable())
    }
}

impl At {
    /// [`Place::proceed`].
    #[inline]
    pub(crate) fn proceed(&mut self, cx: &mut Context<'_>) -> Poll<coop::Restore> {
        match self {
            Self::Place(place) => place.proceed(cx),
            Self::Seat(_) => coop::poll_proceed(cx),
        }
    }
}

impl Default for At {
    fn default() -> Self {
        Self::Place(Place::Idle)
    }
}

/// What a demand has come to.
enum Demanded {
    /// A permit was free.
    Taken,
    /// The demand waits in the seat.
    Seated,
    /// It waits in the queue, where its waker is to go.
    Queued(Waker),
}

impl Room {
    /// `most` free permits, [`MOST`](super::weighted::MOST) at the most.
    pub(crate) fn new(most: u32) -> Self {
        Self {
            word: AtomicI64::new(i64::from(most) * ONE),
            queue: WaitQueue::new(),
            waker: Slot::default(),
            taken: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            most,
        }
    }

    /// Free permits; zero while somebody waits.
    // Ordering(room.peek): Relaxed. A snapshot that is stale at once.
    pub(crate) fn available(&self) -> usize {
        (self.word.load(Ordering::Relaxed) >> COUNT_SHIFT).max(0) as usize
    }

    /// Whether the counter was shut.
    // Ordering(room.peek_shut): Relaxed. As above.
    #[inline]
    pub(crate) fn is_shut(&self) -> bool {
        self.word.load(Ordering::Relaxed) & SHUT != 0
    }

    /// Takes a permit if one is free; `Ok(false)` if not.
    // Ordering(room.try_take): Acquire; pairs with Ordering(room.release): the new holder sees what
    // the last ones did.
    #[inline]
    pub(crate) fn try_take(&self) -> Result<bool, Shut> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & SHUT != 0 {
                return Err(Shut);
            }
            if word < ONE {
                return Ok(false);
            }
            let ok = ord("room.try_take", Ordering::Acquire);
            match self.word.compare_exchange_weak(word, word - ONE, ok, Ordering::Relaxed) {
                Ok(_) => return Ok(true),
                Err(now) => word = now,
            }
        }
    }

    /// Waits for a permit, in order of arrival.
    #[inline]
    pub(crate) fn poll_take(&self, at: &mut At, cx: &mut Context<'_>) -> Poll<Result<(), Shut>> {
        let taken = match at {
            At::Seat(seat) => ready!(self.poll_seat(seat, cx)),
            At::Place(Place::Idle) => match self.try_take() {
                Ok(false) => return self.poll_demand(at, cx),
                Ok(true) => Ok(()),
                Err(Shut) => Err(Shut),
            },
            At::Place(place) => ready!(self.poll_queue(place, cx)),
        };
        *at = At::Place(Place::Done);
        Poll::Ready(taken)
    }

    fn poll_demand(&self, at: &mut At, cx: &mut Context<'_>) -> Poll<Result<(), Shut>> {
        // The user's code: before anything has changed.
        let waker = cx.waker().clone();
        let seat = Seat::of(&waker);
        let demanded = self.demand(waker);
        if let Ok(Demanded::Seated) = demanded {
            *at = At::Seat(seat);
            return Poll::Pending;
        }
        *at = At::Place(Place::Done);
        match demanded {
            Ok(Demanded::Queued(waker)) => self.join_queue(at, waker),
            taken => Poll::Ready(taken.map(drop)),
        }
    }

    /// Takes a permit, or says that one is wanted: from the seat if nobody else waits.
    // Ordering(room.sit): Release; pairs with Ordering(room.release) and Ordering(room.shut): the
    // waker is visible to whoever ends the wait.
    // Ordering(room.demand): Acquire; pairs with Ordering(room.release): a permit that has become
    // free comes with what its last holder did.
    fn demand(&self, mut waker: Waker) -> Result<Demanded, Shut> {
        let mut word = self.word.load(Ordering::Relaxed);
        if word == 0 && self.claim_seat() {
            self.sit_down(waker);
            let ok = ord("room.sit", Ordering::Release);
            match self.word.compare_exchange(0, SEATED - ONE, ok, Ordering::Relaxed) {
                Ok(_) => return Ok(Demanded::Seated),
                Err(now) => word = now,
            }
            waker = self.take_waker();
            self.free_seat();
        }
        loop {
            if word & SHUT != 0 {
                return Err(Shut);
            }
            let ok = ord("room.demand", Ordering::Acquire);
            match self.word.compare_exchange_weak(word, word - ONE, ok, Ordering::Relaxed) {
                Ok(_) if word >= ONE => return Ok(Demanded::Taken),
                Ok(_) => return Ok(Demanded::Queued(waker)),
                Err(now) => word = now,
            }
        }
    }

    #[cold]
    fn join_queue(&self, at: &mut At, waker: Waker) -> Poll<Result<(), Shut>> {
        let queue = self.queue.get();
        let mut waiter = queue.enter();
        let note = waiter.arrive(waker);
        *at = At::Place(Place::Waiting(Some(waiter)));
        let (Some(note), At::Place(place)) = (note, at) else { return Poll::Pending };
        if let Some(waiter) = place.leave() {
            waiter.finish(&queue.list);
        }
        Poll::Ready(told(note))
    }

    #[cold]
    fn poll_queue(&self, place: &mut Place, cx: &mut Context<'_>) -> Poll<Result<(), Shut>> {
        let Place::Waiting(waiter) = place else {
            panic!("an acquire future was polled after it had completed");
        };
        self.queue.get().poll(waiter, cx).map(told)
    }

    // The seat.

    /// Makes the caller the seat's holder, unless there is one, or the last one's waker is still
    /// there.
    // Ordering(room.claim_seat): Acquire; pairs with Ordering(room.free_seat): the last holder is
    // finished with the waker's place.
    // Ordering(room.is_busy): Acquire; pairs with Ordering(room.waker_out): and so is who woke it.
    // Looked at again behind the claim: another holder may have come and gone before.
    fn claim_seat(&self) -> bool {
        if self.taken.load(Ordering::Relaxed) || self.busy.load(Ordering::Relaxed) {
            return false;
        }
        if self.taken.swap(true, ord("room.claim_seat", Ordering::Acquire)) {
            return false;
        }
        let busy = self.busy.load(ord("room.is_busy", Ordering::Acquire)) && !mutant("room.busy");
        if busy {
            self.free_seat();
        }
        !busy
    }

    /// The holder's waker comes into the seat.
    // Ordering(room.sit_down): Relaxed. Published with the waker.
    fn sit_down(&self, waker: Waker) {
        self.busy.store(true, Ordering::Relaxed);
        // SAFETY: the caller holds the seat, and it was not busy: the slot is empty and the caller's.
        unsafe { self.waker.put(waker) };
    }

    /// The holder, whose waker nobody else has or will have, takes it out.
    // Ordering(room.take_waker): Relaxed. Published with the seat.
    fn take_waker(&self) -> Waker {
        // SAFETY: the holder's own, by the caller's word.
        let waker = unsafe { self.waker.take() };
        self.busy.store(false, Ordering::Relaxed);
        waker
    }

    /// The holder goes.
    // Ordering(room.free_seat): Release; pairs with Ordering(room.claim_seat).
    fn free_seat(&self) {
        self.taken.store(false, ord("room.free_seat", Ordering::Release));
    }

    /// Whoever has cleared `SEATED` wakes the one who sat.
    // Ordering(room.waker_out): Release; pairs with Ordering(room.is_busy).
    fn wake_seat(&self, old: i64) {
        if old & UPDATING != 0 && !mutant("room.updating") {
            return;
        }
        // SAFETY: SEATED was cleared by the caller, and there was no UPDATING: the waker is its.
        let waker = unsafe { self.waker.take() };
        self.busy.store(false, ord("room.waker_out", Ordering::Release));
        waker.wake();
    }

    // Ordering(room.collect): Acquire; pairs with Ordering(room.release): the permit comes with what
    // its last holder did.
    fn poll_seat(&self, seat: &mut Seat, cx: &mut Context<'_>) -> Poll<Result<(), Shut>> {
        let mut word = self.word.load(ord("room.collect", Ordering::Acquire));
        if word & SEATED != 0 {
            if seat.left(cx.waker()) {
                return Poll::Pending;
            }
            word = ready!(self.update(seat, word, cx.waker().clone()));
        }
        self.free_seat();
        Poll::Ready(if word & TOLD == 0 { Ok(()) } else { Err(Shut) })
    }

    /// Replaces the holder's waker; ready with the word if the wait is over.
    // Ordering(room.update_claim): Acquire if the wait is over; as Ordering(room.collect).
    // Ordering(room.update): AcqRel; pairs with Ordering(room.release) and Ordering(room.shut).
    // Release: the new waker. Acquire: as Ordering(room.collect).
    #[cold]
    fn update(&self, seat: &mut Seat, mut word: i64, waker: Waker) -> Poll<i64> {
        loop {
            if word & SEATED == 0 {
                return Poll::Ready(word);
            }
            let (ok, err) = (Ordering::Relaxed, ord("room.update_claim", Ordering::Acquire));
            match self.word.compare_exchange_weak(word, word | UPDATING, ok, err) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        // Before the slot changes: dropping the waker that was in it may panic, and the next poll
        // must know what the slot holds then.
        *seat = Seat::of(&waker);
        // SAFETY: UPDATING came while SEATED: whoever ends the wait leaves the slot to us.
        let _last = unsafe { self.waker.take() };
        // SAFETY: still ours, and empty now.
        unsafe { self.waker.put(waker) };
        let old = self.word.fetch_and(!UPDATING, ord("room.update", Ordering::AcqRel));
        if old & SEATED != 0 {
            return Poll::Pending;
        }
        let _unused = self.take_waker();
        Poll::Ready(old)
    }

    // Giving back.

    /// Gives a permit back, or to the one who has waited longest.
    #[inline]
    pub(crate) fn release(&self) {
        let old = self.release_step();
        if old < 0 {
            self.hand_over(old);
        }
    }

    /// Counts a permit; returns what the word was.
    // Ordering(room.release): AcqRel; pairs with Ordering(room.try_take), Ordering(room.demand),
    // with Ordering(room.collect), Ordering(room.update): the next holder sees what this one did; also
    // with Ordering(room.sit) and Ordering(room.update): the waker in the seat.
    #[inline]
    fn release_step(&self) -> i64 {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = (word + ONE) & !(SEATED | UPDATING);
            let ok = ord("room.release", Ordering::AcqRel);
            match self.word.compare_exchange_weak(word, next, ok, Ordering::Relaxed) {
                Ok(old) => return old,
                Err(now) => word = now,
            }
        }
    }

    /// Somebody waited for the permit that was counted.
    fn hand_over(&self, mut old: i64) {
        while old < 0 {
            if old & SEATED != 0 {
                return self.wake_seat(old);
            }
            if let Some(waker) = self.grant() {
                return waker.into_iter().for_each(Waker::wake);
            }
            if mutant("room.pass_on") {
                return;
            }
            // Who waited has left, and was counted until now.
            old = self.release_step();
        }
    }

    /// Grants the next place; none if its waiter has left.
    #[cold]
    fn grant(&self) -> Option<Option<Waker>> {
        // Each place that was left is counted, and is passed by a step of its own.
        match self.queue.get().grant_counted(PERMIT, |_run| 0, |_places| ()) {
            Granted::Yes(waker) => Some(waker),
            Granted::Absent(_) => None,
        }
    }

    /// Stops waiting; a permit that came already goes on.
    #[cold]
    pub(crate) fn leave(&self, at: &mut At) {
        match std::mem::replace(at, At::Place(Place::Done)) {
            At::Seat(_) => self.leave_seat(),
            At::Place(mut place) => {
                let Some(waiter) = place.leave() else { return };
                if self.queue.get().cancel(waiter) == Some(PERMIT) {
                    self.release();
                }
            }
        }
    }

    // Ordering(room.leave): Relaxed. The demand is taken back; a permit that came goes on by the
    // word, in the release sequence of who released it.
    fn leave_seat(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & SEATED != 0 {
            let next = (word + ONE) & !SEATED;
            let (ok, err) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.word.compare_exchange_weak(word, next, ok, err) {
                Ok(_) => {
                    let _unused = self.take_waker();
                    return self.free_seat();
                }
                Err(now) => word = now,
            }
        }
        self.free_seat();
        if word & TOLD == 0 && !mutant("room.hand_on") {
            self.release();
        }
    }

    /// Shuts: whoever waits is told, whoever comes is refused.
    // Ordering(room.shut): Acquire; pairs with Ordering(room.sit) and Ordering(room.update): the
    // waker in the seat.
    pub(crate) fn shut(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let told = if word & SEATED == 0 { 0 } else { TOLD };
            let next = if word < 0 { SHUT | told } else { word | SHUT };
            let ok = ord("room.shut", Ordering::Acquire);
            match self.word.compare_exchange_weak(word, next, ok, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word < 0 {
            self.tell_all(word);
        }
    }

    #[cold]
    fn tell_all(&self, old: i64) {
        let waiting = (-(old >> COUNT_SHIFT)).unsigned_abs();
        let seated = old & SEATED != 0;
        let others = TellAll { queue: &self.queue, left: waiting - u64::from(seated) };
        if seated {
            self.wake_seat(old);
        }
        others.run();
    }

    #[cfg(all(test, any(corio_loom, corio_shuttle)))]
    pub(crate) fn live_segments(&self) -> usize {
        self.queue.live_segments()
    }
}

/// What a note says.
fn told(note: u64) -> Result<(), Shut> {
    if note == PERMIT { Ok(()) } else { Err(Shut) }
}

/// Tells as many places as were counted when the counter was shut. Goes on even if a waker panics.
struct TellAll<'q> {
    queue: &'q WaitQueue,
    left: u64,
}

impl TellAll<'_> {
    fn run(mut self) {
        self.go_on();
    }

    fn go_on(&mut self) {
        while self.left > 0 {
            self.left -= 1;
            let left = Cell::new(self.left);
            let count_off = |run: u64| {
                let passed = run.min(left.get());
                left.set(left.get() - passed);
                passed
            };
            let count_again = |places| left.set(left.get() + places);
            let granted = self.queue.get().grant_counted(CLOSED, count_off, count_again);
            self.left = left.get();
            if let Granted::Yes(Some(waker)) = granted {
                waker.wake();
            }
        }
    }
}

impl Drop for TellAll<'_> {
    fn drop(&mut self) {
        self.go_on();
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
