//! A counter whose waiters want more than one permit each, in strict order of arrival.
//!
//! *Vocabulary.* What a waiter still lacks is its **deficit**. What was brought to a place before
//! its waiter said how much it lacks is **credit**. A waiter that leaves while permits are on their
//! way to it leaves a **quota**: so many of them belong to nobody and are swallowed.
//!
//! *Invariant.* The counter is the number of free permits, or minus the sum of all deficits. A
//! releaser that finds it negative delivers as many of its permits as are lacking, to the front
//! place; the rest became free by the counter itself. So does a newcomer with the permits it found
//! free when they were too few: **only the front place ever holds a part of what it wants.** If a
//! newcomer kept its part, two of them could each hold what the other lacks, because the order of
//! demands is not the order of places.
//!
//! *The places.* As in [`super::cell`], with a balance in bits 8-63 and two more bits:
//!
//! | state      | bits                    | balance   |
//! |------------|-------------------------|-----------|
//! | empty      | none                    | credit    |
//! | waiting    | `ARRIVED` (`WAITER` ..) | - deficit |
//! | granted    | `ARRIVED GRANT`         | 0         |
//! | leaving    | `ARRIVED CANCEL`        | credit    |
//! | left       | `ARRIVED CANCEL LEFT`   | - quota   |
//!
//! ```text
//! empty --(1) arrive--> waiting --(2) deliver--> granted        enough credit: straight to granted
//!                          |
//!                          +--(3) leave--> leaving --(4) settle--> left --(2) deliver--> quota 0
//! ```
//! (1) [`Weighted::arrive`], (2) [`Delivery::step`], (3), (4) [`Weighted::leave`]. Any state may
//! get `CLOSED`, which only wakes the owner: it then leaves by itself, so closing keeps no books.
//!
//! *Progress.* Lock-free: a step on the front place fails only because another thread's step on it
//! succeeded. Not wait-free. A place that was drawn and not yet reached by its waiter collects
//! credit, so no releaser waits for it; those behind it do.
//!
//! *Source.* The idea of smart cancellation is that of the CQS paper (see [`super::list`]);
//! generalising it to weights is our own, and model-checked.

use super::cell::{CANCEL, CLOSED, Cell, GRANT, SETTLED, UPDATING, WAITER, Waiter};
use super::list::Front;
use super::queue::{Place, Queue, WaitQueue};
use super::reclaim::{Guard, pin};
use super::wakers::{BATCH, Wakers};
use crate::shim::atomic::AtomicI64;
use crate::shim::{Ordering, mutant, ord};
use std::task::{Context, Poll, Waker};

const ARRIVED: u64 = 1 << 5;
const LEFT: u64 = 1 << 6;
const FLAGS: u64 = 0xff;
const BALANCE_SHIFT: u32 = 8;

/// The counter counts in twos; bit 0 says that it is closed.
const SHUT: i64 = 1;
const ONE: i64 = 2;

/// The most permits there may be: four billion, so that even a billion waiters that each want all
/// of them cannot overflow the counter, nor one of them its place's balance.
pub(crate) const MOST: usize = u32::MAX as usize;
const _: () = assert!((MOST as i128) << (BALANCE_SHIFT + 1) < i64::MAX as i128);

/// The waiters' future has been told that the counter is closed.
#[derive(Debug)]
pub(crate) struct Shut;

/// The counter and its waiters. 16 bytes.
pub(crate) struct Weighted {
    counter: AtomicI64,
    queue: WaitQueue,
}

const_fn! {
    impl Weighted {
        /// `count` free permits, [`MOST`] at the most.
        pub(crate) fn new(count: usize) -> Self {
            Self { counter: AtomicI64::new(count as i64 * ONE), queue: WaitQueue::new() }
        }
    }
}

fn balance(word: u64) -> i64 {
    word as i64 >> BALANCE_SHIFT
}

fn with_balance(flags: u64, balance: i64) -> u64 {
    (balance << BALANCE_SHIFT) as u64 | flags & FLAGS
}

impl Weighted {
    /// Free permits; zero while somebody waits.
    pub(crate) fn available(&self) -> usize {
        // Ordering(weighted.peek): Relaxed. A snapshot that is stale at once.
        (self.counter.load(Ordering::Relaxed) / ONE).max(0) as usize
    }

    /// Whether the counter was closed.
    #[inline]
    pub(crate) fn is_shut(&self) -> bool {
        // Ordering(weighted.peek_shut): Relaxed. As above.
        self.counter.load(Ordering::Relaxed) & SHUT != 0
    }

    /// Takes `n` permits if they are free; `Ok(false)` if not.
    // Ordering(weighted.try_take): Acquire; pairs with Ordering(weighted.release): the new holder
    // sees what the last ones did.
    #[inline]
    pub(crate) fn try_take(&self, n: usize) -> Result<bool, Shut> {
        let want = n as i64 * ONE;
        let mut counter = self.counter.load(Ordering::Relaxed);
        loop {
            if counter & SHUT != 0 {
                return Err(Shut);
            }
            if counter < want {
                return Ok(false);
            }
            let ok = ord("weighted.try_take", Ordering::Acquire);
            let next = counter - want;
            match self.counter.compare_exchange_weak(counter, next, ok, Ordering::Relaxed) {
                Ok(_) => return Ok(true),
                Err(now) => counter = now,
            }
        }
    }

    /// Takes a permit if one is free, whether or not the counter is shut.
    // Ordering(weighted.try_take_one): Acquire; pairs with Ordering(weighted.release), as
    // Ordering(weighted.try_take).
    #[inline]
    pub(crate) fn try_take_one(&self) -> bool {
        let mut counter = self.counter.load(Ordering::Relaxed);
        while counter >= ONE {
            let ok = ord("weighted.try_take_one", Ordering::Acquire);
            let next = counter - ONE;
            match self.counter.compare_exchange_weak(counter, next, ok, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => counter = now,
            }
        }
        false
    }

    /// Waits for `n` permits, in order of arrival.
    #[inline]
    pub(crate) fn poll_take(
        &self,
        at: &mut Place,
        n: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Shut>> {
        let Place::Idle = at else { return self.poll_wait(at, n, cx) };
        let taken = match self.try_take(n) {
            Ok(false) => return self.poll_demand(at, n, cx),
            Ok(true) => Ok(()),
            Err(Shut) => Err(Shut),
        };
        *at = Place::Done;
        Poll::Ready(taken)
    }

    #[cold]
    fn poll_demand(
        &self,
        at: &mut Place,
        n: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Shut>> {
        // The user's code: before anything has changed.
        let waker = cx.waker().clone();
        let free = match self.demand(n) {
            Ok(Some(free)) => free,
            done => {
                *at = Place::Done;
                if done.is_ok() {
                    drop_first(waker, || self.release(n));
                }
                return Poll::Ready(done.map(drop));
            }
        };
        if self.arrive(at, n as i64, free, waker) {
            return Poll::Ready(Ok(()));
        }
        // Either the closer sees our place, or we see that it is closed: pairs with
        // Ordering(weighted.shut_limit).
        if self.is_shut() {
            self.leave(at, n);
            return Poll::Ready(Err(Shut));
        }
        self.poll_wait(at, n, cx)
    }

    /// Takes `n` if so many are free, and demands them if not. `Some` says how many were free all
    /// the same: they are the caller's to deliver, once it has a place.
    // Ordering(weighted.demand): Acquire; pairs with Ordering(weighted.release): the permits that
    // were free come with what their last holders did.
    #[inline]
    fn demand(&self, n: usize) -> Result<Option<i64>, Shut> {
        let want = n as i64 * ONE;
        let mut counter = self.counter.load(Ordering::Relaxed);
        loop {
            if counter & SHUT != 0 {
                return Err(Shut);
            }
            let ok = ord("weighted.demand", Ordering::Acquire);
            let next = counter - want;
            match self.counter.compare_exchange_weak(counter, next, ok, Ordering::Relaxed) {
                Ok(_) if n == 0 || counter >= want => return Ok(None),
                Ok(_) => return Ok(Some((counter / ONE).max(0))),
                Err(now) => counter = now,
            }
        }
    }

    /// Takes a place and says there what is lacking; true if it had been brought already. The
    /// `free` ones that the demand found go to the front, which need not be this place. The waker
    /// comes along in the same step.
    // Ordering(weighted.arrive): AcqRel; pairs with Ordering(weighted.deliver), with
    // what brings credit, Ordering(weighted.credit), and with Ordering(weighted.shut_place). Acquire:
    // the credit comes with what its holders did. Release: the waker.
    fn arrive(&self, at: &mut Place, need: i64, free: i64, waker: Waker) -> bool {
        let keep = mutant("weighted.keep_part");
        let (need, free) = if keep { (need - free, 0) } else { (need, free) };
        let queue = self.queue.get();
        let mut waiter = queue.enter();
        waiter.leave_waker(waker);
        let word = &waiter.position.cell().word;
        let mut now = word.load(Ordering::Relaxed);
        let excess = loop {
            let left = balance(now) - need;
            let settled = if left >= 0 { GRANT } else { now & CLOSED };
            let waits = if settled == 0 { WAITER } else { 0 };
            let next = with_balance(now | ARRIVED | settled | waits, left.min(0));
            let ok = ord("weighted.arrive", Ordering::AcqRel);
            match word.compare_exchange_weak(now, next, ok, Ordering::Relaxed) {
                Ok(_) if left >= 0 => break left,
                Ok(_) => {
                    // SAFETY: CLOSED came before WAITER: the waker is still the owner's.
                    let _unused =
                        (waits == 0).then(|| unsafe { waiter.position.cell().waker.take() });
                    *at = Place::Waiting(Some(waiter));
                    if !mutant("weighted.free") {
                        self.deliver(queue, free);
                    }
                    return false;
                }
                Err(other) => now = other,
            }
        };
        // SAFETY: WAITER was not set: the waker is still the owner's.
        let unused = unsafe { waiter.position.cell().waker.take() };
        // Credit is brought to the front only: this is the front, and its turn is over.
        let number = waiter.position.number();
        queue.list.advance(number, number + 1);
        // Until all is delivered the place says that it is granted: if a waker panics, whoever drops
        // it gives back what it has.
        *at = Place::Waiting(Some(waiter));
        if !mutant("weighted.excess") {
            self.deliver(queue, excess + free);
        }
        drop(unused);
        if let Some(waiter) = at.leave() {
            waiter.finish(&queue.list);
        }
        true
    }

    fn poll_wait(&self, at: &mut Place, n: usize, cx: &mut Context<'_>) -> Poll<Result<(), Shut>> {
        let Place::Waiting(Some(waiter)) = at else {
            panic!("an acquire future was polled after it had completed");
        };
        std::task::ready!(waiter.poll(cx));
        // Ordering(weighted.collect): Acquire; pairs with Ordering(weighted.deliver): the permits
        // come with what their last holders did.
        let word = waiter.position.cell().word.load(ord("weighted.collect", Ordering::Acquire));
        if word & GRANT == 0 {
            self.leave(at, n);
            return Poll::Ready(Err(Shut));
        }
        if let Some(waiter) = at.leave() {
            waiter.finish(&self.queue.get().list);
        }
        Poll::Ready(Ok(()))
    }

    /// Gives `n` permits back, or brings them to those who lack some.
    // Ordering(weighted.release): Release; pairs with Ordering(weighted.try_take),
    // Ordering(weighted.try_take_one) and Ordering(weighted.demand): the next holder sees what this
    // one did.
    #[inline]
    pub(crate) fn release(&self, n: usize) {
        let add = n as i64 * ONE;
        let old = self.counter.fetch_add(add, ord("weighted.release", Ordering::Release));
        if old < 0 {
            self.release_lacking(n as i64, old);
        }
    }

    #[cold]
    fn release_lacking(&self, n: i64, old: i64) {
        // The shift rounds down: bit 0 does not make the lack smaller.
        self.deliver(self.queue.get(), n.min(-(old >> 1)));
    }

    /// Gives `n` permits back unless there would be more than `most`.
    // Ordering(weighted.release_below): Release; as Ordering(weighted.release).
    pub(crate) fn release_below(&self, n: usize, most: usize) -> bool {
        let mut counter = self.counter.load(Ordering::Relaxed);
        loop {
            if (counter >> 1) + n as i64 > most as i64 {
                return false;
            }
            let next = counter + n as i64 * ONE;
            let ok = ord("weighted.release_below", Ordering::Release);
            match self.counter.compare_exchange_weak(counter, next, ok, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => counter = now,
            }
        }
        if counter < 0 {
            self.release_lacking(n as i64, counter);
        }
        true
    }

    /// Brings `k` permits to the front place, and what it does not need to the next.
    fn deliver(&self, queue: &Queue, k: i64) {
        Delivery { queue, k }.run();
    }

    /// Leaves the queue before or after a grant; permits that came already go back.
    #[cold]
    pub(crate) fn leave(&self, at: &mut Place, n: usize) {
        let Some(waiter) = at.leave() else { return };
        let queue = self.queue.get();
        let word = &waiter.position.cell().word;
        // Ordering(weighted.leave): Acquire; pairs with Ordering(weighted.deliver): what the
        // permits that came bring along is passed on with them, if they go on by a delivery. (What
        // goes on by the counter is in its release sequence.)
        let acquire = ord("weighted.leave", Ordering::Acquire);
        let mut now = word.load(acquire);
        loop {
            if now & GRANT != 0 {
                waiter.finish(&queue.list);
                return self.release(n);
            }
            let next = with_balance(now | CANCEL, 0);
            match word.compare_exchange_weak(now, next, acquire, acquire) {
                Ok(_) => break,
                Err(other) => now = other,
            }
        }
        let lacked = -balance(now);
        // SAFETY: CANCEL came before GRANT and CLOSED: nobody else will take the waker.
        let unused = (now & (WAITER | SETTLED) == WAITER)
            .then(|| unsafe { waiter.position.cell().waker.take() });
        self.withdraw(queue, waiter, n as i64, lacked);
        drop(unused);
    }

    /// Takes a demand of `n` back of which `lacked` has not come, and settles with those who are on
    /// their way to meet it. In one step, or a writer that leaves would let readers in for a moment,
    /// but no writer.
    // Ordering(weighted.withdraw): Relaxed. Only the sum matters here; what its permits publish
    // is in the release sequence of those who released them.
    // Ordering(weighted.settle): AcqRel; pairs with Ordering(weighted.credit): the surplus goes on
    // with what its holders did; whoever pays the quota finishes the place for us, after our last
    // use of it.
    fn withdraw(&self, queue: &Queue, waiter: Waiter, n: i64, lacked: i64) {
        let old = self.counter.fetch_add(n * ONE, Ordering::Relaxed) >> 1;
        // What the others lack is met by what we had, also if a waker panics before.
        let met = (n - lacked).min(-(old + lacked));
        let received = Delivery { queue, k: if mutant("weighted.received") { 0 } else { met } };
        // What is free now and was not before, without that, had been released for us and is on its
        // way here.
        let quota = (old + lacked).max(0) - old.max(0);
        let quota = if mutant("weighted.quota") { 0 } else { quota };
        let word = &waiter.position.cell().word;
        let mut now = word.load(Ordering::Relaxed);
        let surplus = loop {
            let surplus = balance(now) - quota;
            let next = with_balance(now | LEFT, surplus.min(0));
            let ok = ord("weighted.settle", Ordering::AcqRel);
            match word.compare_exchange_weak(now, next, ok, Ordering::Relaxed) {
                Ok(_) => break surplus,
                Err(other) => now = other,
            }
        };
        if surplus >= 0 {
            waiter.finish(&queue.list);
            if !mutant("weighted.surplus") {
                self.deliver(queue, surplus);
            }
        }
        received.run();
    }

    /// Closes: whoever waits is told, whoever comes is refused.
    pub(crate) fn shut(&self) {
        // Ordering(weighted.shut_set): Relaxed. The step below orders it against the places.
        self.counter.fetch_or(SHUT, Ordering::Relaxed);
        let queue = self.queue.get();
        // Ordering(weighted.shut_limit): Release; pairs with Ordering(wait.enter): who takes a place
        // behind this limit sees SHUT. A read that must be a write, for that.
        let limit = if mutant("weighted.shut_peek") {
            queue.entered.load(Ordering::Relaxed)
        } else {
            queue.entered.fetch_or(0, ord("weighted.shut_limit", Ordering::Release))
        };
        ShutAll { queue, next: queue.next_grant(), limit }.run();
    }

    // Ordering(weighted.shut_place): Acquire; pairs with Ordering(weighted.arrive),
    // Ordering(wait.cell_register) and Ordering(wait.cell_update): the waker is read.
    fn shut_place(cell: &Cell) -> Option<Waker> {
        let old = cell.word.fetch_or(CLOSED, ord("weighted.shut_place", Ordering::Acquire));
        let ours = old & (WAITER | SETTLED | UPDATING | CANCEL) == WAITER;
        // SAFETY: CLOSED was the first to end the wait of an owner that is still there and not
        // replacing its waker: the waker is ours.
        ours.then(|| unsafe { cell.waker.take() })
    }

    #[cfg(test)]
    pub(crate) fn live_segments(&self) -> usize {
        self.queue.live_segments()
    }
}

/// Drops a waker that is not needed, because its task has what it wanted; if that panics, `give_back` has
/// it again.
pub(super) fn drop_first(waker: Waker, give_back: impl FnMut()) {
    struct Unwound<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Unwound<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    let unwound = Unwound(give_back);
    drop(waker);
    std::mem::forget(unwound);
}

/// Permits on their way. Goes on with what is left even if a waker panics.
struct Delivery<'q> {
    queue: &'q Queue,
    k: i64,
}

impl Delivery<'_> {
    fn run(mut self) {
        self.go_on();
    }

    #[inline]
    fn go_on(&mut self) {
        while self.k > 0 {
            // The step's pin is over: a waker is the user's code.
            if let Some(waker) = self.step() {
                waker.wake();
            }
        }
    }

    /// One attempt at the front place; returns the waker to wake.
    // Ordering(weighted.deliver): AcqRel; pairs with Ordering(weighted.arrive),
    // Ordering(weighted.collect) and Ordering(weighted.leave), which see what the permits' holders did. Acquire: the waker that
    // the owner left.
    // Ordering(weighted.credit): Release; pairs with Ordering(weighted.arrive) and
    // Ordering(weighted.settle): as above, for an owner who is on the way or leaving.
    fn step(&mut self) -> Option<Waker> {
        let guard = pin();
        let front = self.queue.list.front(&guard);
        let word = &front.cell.word;
        // Ordering(weighted.look): Relaxed. A guess that the exchange verifies.
        let now = word.load(Ordering::Relaxed);
        let leaving = now & (CANCEL | LEFT) == CANCEL;
        if now & GRANT != 0 || now & LEFT != 0 && balance(now) == 0 {
            self.queue.list.advance(front.number, front.number + 1);
        } else if now & ARRIVED == 0 || leaving {
            let next = with_balance(now, balance(now) + self.k);
            let ok = ord("weighted.credit", Ordering::Release);
            if word.compare_exchange(now, next, ok, Ordering::Relaxed).is_ok() {
                self.k = 0;
            }
        } else {
            let part = self.k.min(-balance(now));
            let left = balance(now) + part;
            let granted = if left == 0 && now & LEFT == 0 { GRANT } else { 0 };
            let next = with_balance(now | granted, left);
            let ok = ord("weighted.deliver", Ordering::AcqRel);
            if word.compare_exchange(now, next, ok, Ordering::Relaxed).is_ok() {
                self.k -= part;
                if left == 0 {
                    return self.turn_over(&guard, &front, now);
                }
            }
        }
        None
    }

    /// The front place has all it lacked: the next one's turn comes. Returns the waker to wake.
    fn turn_over(&self, guard: &Guard, front: &Front<'_, Cell>, old: u64) -> Option<Waker> {
        self.queue.list.advance(front.number, front.number + 1);
        if old & LEFT != 0 {
            // The quota is paid; its owner left the place to whoever pays it.
            self.queue.list.finish_front(guard, front);
            return None;
        }
        let ours = old & (WAITER | UPDATING | CLOSED) == WAITER;
        // SAFETY: GRANT was set while WAITER and nothing else was: the waker is ours.
        ours.then(|| unsafe { front.cell.waker.take() })
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        self.go_on();
    }
}

/// Goes on with the next batch even if a waker of this one panicked.
struct ShutAll<'q> {
    queue: &'q Queue,
    next: u64,
    limit: u64,
}

impl ShutAll<'_> {
    fn run(mut self) {
        while self.batch() {}
    }

    /// Tells up to [`BATCH`] places; false if there were none left.
    fn batch(&mut self) -> bool {
        if self.next >= self.limit {
            return false;
        }
        let end = self.limit.min(self.next + BATCH as u64);
        let mut wakers = Wakers::new();
        self.queue.list.visit(self.next..end, |cell| {
            if let Some(waker) = Weighted::shut_place(cell) {
                wakers.push(waker);
            }
        });
        self.next = end;
        wakers.wake_all();
        true
    }
}

impl Drop for ShutAll<'_> {
    fn drop(&mut self) {
        while self.batch() {}
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
