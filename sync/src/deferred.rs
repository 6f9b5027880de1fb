//! The core of `Deferred`: what asyncio calls a future, without loop, callbacks and messages.
//!
//! One pointer says everything: while it is pending, a small number that is no address, then the
//! [`Outcome`], for good.
//!
//! | bits | name   | meaning while it is pending |
//! |------|--------|-----------------------------|
//! | 0    | `CAME` | the first place is given out; its owner's waker is not here |
//! | 1    | `FULL` | the first place is given out; its owner's waker is here |
//! | 2    | `LINE` | others have come, too; only with one of the above |
//!
//! ```text
//! null --(2)--> CAME --(3)--> FULL --(4)--> CAME        (2) adds LINE to either
//!   |             |             |
//!   +-------------+-------------+---(1)--> done
//! ```
//! (1) [`DeferredCore::settle`] is one compare-exchange, so there is exactly one winner, and whoever
//! lost finds the winner's outcome at once: no moment lies between *no longer pending* and
//! *readable*, as there would be if the value were written in place after a claim. The price is one
//! block of memory for each outcome. (2) `DeferredCore::come`, (3) `DeferredCore::lend`,
//! (4) `DeferredCore::take_back`.
//!
//! *Waiters.* The first one, which most have and no more, leaves its waker in the core; a queue
//! would cost it two allocations. The waker is its owner's, who alone takes the steps (3) and (4),
//! until (1) finds `FULL`: then it is the winner's, who wakes it. The place is given out once:
//! whoever comes after its owner, even if that has left, stands in a line whose flag is set after
//! the pointer, so they are woken in order of arrival. The runtime's `Deferred` does without
//! either: its waiters and done-callbacks share one order, as asyncio's do, which it keeps itself.
//!
//! *Retrieved* is a hint for the report of failures that nobody looked at. It is set by whoever gets
//! at the outcome and by a late cancel, and read when the core is dropped.

use crate::shim::atomic::{AtomicPtr, AtomicUsize};
use crate::shim::cell::UnsafeCell;
use crate::shim::{Ordering, mutant, ord};
use crate::wait::line::{Line, OnFlag};
use crate::wait::pool;
use crate::wait::queue::Place;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

mod future;

pub use future::{DeferredOwnedWait, DeferredWait};

/// How a deferred ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<T, E, C> {
    /// With a value (asyncio: `set_result`).
    Value(T),
    /// With an error (asyncio: `set_exception`).
    Failed(E),
    /// By a cancel, which left this.
    Cancelled(C),
}

/// An outcome in memory of its own, at no address that is a tag.
#[repr(align(8))]
struct Settled<T, E, C>(Outcome<T, E, C>);

/// The first one's waker has gone to who settles.
struct Gone;

const CAME: usize = 1;
const FULL: usize = 1 << 1;
const LINE: usize = 1 << 2;
/// No address of an outcome is below this.
const TAGS: usize = 1 << 3;

/// A value of the pointer that is no address.
fn tag<S>(tag: usize) -> *mut S {
    ptr::without_provenance_mut(tag)
}

fn is_pending<S>(outcome: *mut S) -> bool {
    outcome.addr() < TAGS
}

/// What is set once, by one of three ways, and awaited by any number of tasks.
///
/// asyncio: `Future`, of which this is the part that knows neither loop nor callbacks. `T` is the
/// value, `E` the error, `C` what a cancel leaves, such as its message.
///
/// # Progress
///
/// Looking is one load. Waiting is wait-free for the first one and lock-free for the others. Setting
/// and cancelling are lock-free, in time proportional to the number of waiters. A thread that is
/// descheduled while it settles delays those that it has not woken yet.
///
/// # Examples
///
/// ```
/// use corio_sync::deferred::{DeferredCore, Outcome};
/// use corio_sync::park::block_on;
///
/// let answer = DeferredCore::<u32, String, ()>::new();
/// assert!(!answer.done());
/// answer.set_result(42).unwrap();
/// assert_eq!(block_on(answer.wait()), &Outcome::Value(42));
/// assert_eq!(answer.set_exception("late".into()), Err("late".into()));
/// assert!(!answer.cancel(|| ()));
/// ```
pub struct DeferredCore<T, E, C> {
    outcome: AtomicPtr<Settled<T, E, C>>,
    /// Not zero if so. A word: a new core whose last part is a byte is moved to its place in two
    /// loads that the processor cannot serve from the stores before them.
    retrieved: AtomicUsize,
    /// The waker of the one that has come first; initialized while the pointer says `FULL`.
    first: UnsafeCell<MaybeUninit<Waker>>,
    /// All others.
    line: Line,
    owns: PhantomData<Outcome<T, E, C>>,
}

// SAFETY: the outcome may be dropped on another thread.
unsafe impl<T: Send, E: Send, C: Send> Send for DeferredCore<T, E, C> {}
// SAFETY: the outcome comes from one thread and is lent to many; the module's steps say whose the
// first one's waker is.
unsafe impl<T: Send + Sync, E: Send + Sync, C: Send + Sync> Sync for DeferredCore<T, E, C> {}

/// Where a waiter stands.
#[derive(Default)]
enum At {
    #[default]
    Idle,
    /// It has come first.
    First,
    InLine(Place),
    /// It has the outcome, or has left.
    Done,
}

const_fn! {
    impl<T, E, C> DeferredCore<T, E, C> {
        /// Nothing is set.
        #[must_use]
        pub fn new() -> Self {
            Self {
                outcome: AtomicPtr::new(ptr::null_mut()),
                retrieved: AtomicUsize::new(0),
                first: UnsafeCell::new(MaybeUninit::uninit()),
                line: Line::new(),
                owns: PhantomData,
            }
        }
    }
}

impl<T, E, C> DeferredCore<T, E, C> {
    /// Ends it, unless it has ended; wakes everybody who waits.
    ///
    /// # Errors
    ///
    /// The refused outcome; the other one can be looked at then.
    // Ordering(deferred.settle): AcqRel; pairs with Ordering(deferred.look): the outcome is visible;
    // and with Ordering(deferred.lend): so is the first one's waker. Who is refused looks anew.
    pub fn settle(&self, outcome: Outcome<T, E, C>) -> Result<(), Outcome<T, E, C>> {
        let mut pending = self.outcome.load(Ordering::Relaxed);
        if !is_pending(pending) {
            return Err(outcome);
        }
        let ours = pool::boxed(Settled(outcome));
        let (ok, err) = (ord("deferred.settle", Ordering::AcqRel), Ordering::Relaxed);
        while let Err(now) = self.outcome.compare_exchange(pending, ours, ok, err) {
            if !is_pending(now) {
                // SAFETY: never shared.
                let Settled(refused) = unsafe { pool::unboxed(ours) };
                return Err(refused);
            }
            pending = now;
        }
        if !pending.is_null() {
            self.tell(pending.addr());
        }
        Ok(())
    }

    /// Wakes those who waited when the caller settled: the first one, and the line if there is one.
    fn tell(&self, waiting: usize) {
        /// The others are told even if the first one's waker panics.
        struct TellLine<'a>(Option<&'a Line>);
        impl Drop for TellLine<'_> {
            fn drop(&mut self) {
                self.0.inspect(|line| line.set_flag());
            }
        }
        let _line = TellLine((waiting & LINE != 0).then_some(&self.line));
        if waiting & FULL != 0 && !mutant("deferred.first") {
            // SAFETY: we have replaced FULL, so it is here, and ours.
            let waker = unsafe { self.read_first() };
            waker.wake();
        }
    }

    /// Ends it with a value.
    ///
    /// # Errors
    ///
    /// The value, if it has ended (asyncio: `InvalidStateError`).
    pub fn set_result(&self, value: T) -> Result<(), T> {
        self.settle(Outcome::Value(value)).map_err(|refused| match refused {
            Outcome::Value(value) => value,
            Outcome::Failed(_) | Outcome::Cancelled(_) => unreachable!("our own comes back"),
        })
    }

    /// Ends it with an error.
    ///
    /// # Errors
    ///
    /// The error, if it has ended (asyncio: `InvalidStateError`).
    pub fn set_exception(&self, error: E) -> Result<(), E> {
        self.settle(Outcome::Failed(error)).map_err(|refused| match refused {
            Outcome::Failed(error) => error,
            Outcome::Value(_) | Outcome::Cancelled(_) => unreachable!("our own comes back"),
        })
    }

    /// Ends it as cancelled with what `make` leaves; false if it has ended.
    ///
    /// As in asyncio, cancelling what has failed counts as having looked at the failure.
    pub fn cancel(&self, make: impl FnOnce() -> C) -> bool {
        if !self.done() && self.settle(Outcome::Cancelled(make())).is_ok() {
            return true;
        }
        self.mark_retrieved();
        false
    }

    /// Whether it has ended.
    #[inline]
    #[must_use]
    pub fn done(&self) -> bool {
        self.peek().is_some()
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        matches!(self.peek(), Some(Outcome::Cancelled(_)))
    }

    /// The outcome, without counting as having retrieved it.
    // Ordering(deferred.look): Acquire; pairs with Ordering(deferred.settle).
    #[inline]
    #[must_use]
    pub fn peek(&self) -> Option<&Outcome<T, E, C>> {
        let outcome = self.outcome.load(ord("deferred.look", Ordering::Acquire));
        if is_pending(outcome) {
            return None;
        }
        // SAFETY: once set it is neither changed nor freed while `self` is shared.
        let settled = unsafe { &*outcome };
        Some(&settled.0)
    }

    /// The outcome.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<&Outcome<T, E, C>> {
        let outcome = self.peek()?;
        self.mark_retrieved();
        Some(outcome)
    }

    fn mark_retrieved(&self) {
        // Ordering(deferred.retrieved): Relaxed. A hint that is read by the last owner.
        self.retrieved.store(1, Ordering::Relaxed);
    }

    /// For the last owner: the error, if nobody has looked at it.
    #[must_use]
    pub fn unretrieved(&mut self) -> Option<&E> {
        // Ordering(deferred.unretrieved): Relaxed. `&mut self` has been ordered after all uses.
        if self.retrieved.load(Ordering::Relaxed) != 0 {
            return None;
        }
        match self.peek()? {
            Outcome::Failed(error) => Some(error),
            Outcome::Value(_) | Outcome::Cancelled(_) => None,
        }
    }

    /// For the last owner: the outcome by value.
    #[must_use]
    pub fn into_outcome(mut self) -> Option<Outcome<T, E, C>> {
        self.take()
    }

    fn take(&mut self) -> Option<Outcome<T, E, C>> {
        // Ordering(deferred.take): Relaxed, both. `&mut self` has been ordered after all uses.
        let outcome = self.outcome.load(Ordering::Relaxed);
        if is_pending(outcome) {
            return None;
        }
        self.outcome.store(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: made by `settle`; exclusive, and taken out of the pointer.
        let Settled(outcome) = unsafe { pool::unboxed(outcome) };
        Some(outcome)
    }

    /// Waits for the outcome.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn wait(&self) -> DeferredWait<'_, T, E, C> {
        DeferredWait { core: self, at: At::Idle, caller: Location::caller() }
    }

    /// Waits for the outcome without a borrow: gives `self` back, which has ended.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn wait_owned(self: Arc<Self>) -> DeferredOwnedWait<T, E, C> {
        DeferredOwnedWait { core: Some(self), at: At::Idle, caller: Location::caller() }
    }

    /// Polls a place of this core; the caller lets it [`DeferredCore::leave`] in the end, and uses
    /// it with no other core.
    ///
    /// # Panics
    ///
    /// If the place was given to `leave` while it waited.
    #[inline]
    fn poll_wait(&self, at: &mut At, cx: &mut Context<'_>) -> Poll<&Outcome<T, E, C>> {
        match self.get() {
            Some(outcome) => Poll::Ready(outcome),
            None => self.poll_pending(at, cx),
        }
    }

    #[inline(never)]
    fn poll_pending(&self, at: &mut At, cx: &mut Context<'_>) -> Poll<&Outcome<T, E, C>> {
        if let At::Idle = at {
            *at = self.come();
        }
        match at {
            At::First => ready!(self.poll_first(cx)),
            At::InLine(place) => {
                if !matches!(place, Place::Idle) || self.line.enter(place, OnFlag::Keep) {
                    ready!(self.line.poll_granted(place, cx));
                }
            }
            At::Idle => {}
            At::Done => panic!("a waiting future was polled after it had completed"),
        }
        Poll::Ready(self.get().expect("who goes on was told of the outcome"))
    }

    /// Counts somebody who waits, unless the outcome is there: then its place stays idle.
    // Ordering(deferred.come): Relaxed, all. Coming tells nobody anything, and whoever finds the
    // outcome instead looks at it anew.
    fn come(&self) -> At {
        let mut now = self.outcome.load(Ordering::Relaxed);
        while is_pending(now) {
            let (next, at) = match now.addr() {
                0 => (CAME, At::First),
                waiting => (waiting | LINE, At::InLine(Place::Idle)),
            };
            if now.addr() == next {
                return at;
            }
            let (ok, err) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.outcome.compare_exchange_weak(now, tag(next), ok, err) {
                Ok(_) => return at,
                Err(other) => now = other,
            }
        }
        At::Idle
    }

    /// For the first one: leaves its waker, unless the outcome is there.
    fn poll_first(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.holds(cx.waker()) {
            return Poll::Pending;
        }
        let waker = cx.waker().clone();
        let Ok(_replaced) = self.take_back() else { return Poll::Ready(()) };
        if self.lend(waker) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// For the first one: whether an equal waker is here, to its knowledge.
    // Ordering: Relaxed; nothing is concluded but that no clone is needed. If FULL is an old value,
    // who has settled wakes this very waker: not yet seen here, so after this poll has begun.
    fn holds(&self, waker: &Waker) -> bool {
        let now = self.outcome.load(Ordering::Relaxed);
        is_pending(now) && now.addr() & FULL != 0 && {
            self.first.with(|first| {
                // SAFETY: we have filled it; who settles reads it only, and does not change it.
                let first = unsafe { &*first };
                // SAFETY: as above.
                unsafe { first.assume_init_ref() }.will_wake(waker)
            })
        }
    }

    /// For the first one: leaves its waker where none is; false if the outcome was there before.
    // Ordering(deferred.lend): Release; pairs with Ordering(deferred.settle): who finds FULL sees
    // the waker. Who finds the outcome instead looks at it anew.
    fn lend(&self, waker: Waker) -> bool {
        self.first.with_mut(|first| {
            // SAFETY: FULL is clear, and nobody else sets it.
            let first = unsafe { &mut *first };
            first.write(waker);
        });
        let mut now = self.outcome.load(Ordering::Relaxed);
        while is_pending(now) {
            let full = tag(now.addr() & !CAME | FULL);
            let (ok, err) = (ord("deferred.lend", Ordering::Release), Ordering::Relaxed);
            match self.outcome.compare_exchange_weak(now, full, ok, err) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        // SAFETY: filled above, and not lent.
        drop(unsafe { self.read_first() });
        false
    }

    /// For the first one: takes its waker back, if it is here; an error if the outcome is there.
    // Ordering(deferred.take_back): Relaxed, all. What lies there is our own, and whoever finds
    // the outcome instead looks at it anew.
    fn take_back(&self) -> Result<Option<Waker>, Gone> {
        let mut now = self.outcome.load(Ordering::Relaxed);
        while is_pending(now) {
            if now.addr() & FULL == 0 || mutant("deferred.take_back") {
                return Ok(None);
            }
            let came = tag(now.addr() & !FULL | CAME);
            let (ok, err) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.outcome.compare_exchange_weak(now, came, ok, err) {
                // SAFETY: we have cleared FULL, so it is ours again.
                Ok(_) => return Ok(Some(unsafe { self.read_first() })),
                Err(other) => now = other,
            }
        }
        Err(Gone)
    }

    /// Moves the first one's waker out.
    ///
    /// # Safety
    ///
    /// It is here, and the caller's: who lent it and has it back, or who settled.
    unsafe fn read_first(&self) -> Waker {
        self.first.with(|first| {
            // SAFETY: by the caller's word nobody changes it.
            let first = unsafe { &*first };
            // SAFETY: as above, and moved out once.
            unsafe { first.assume_init_read() }
        })
    }

    /// Ends the use of a place.
    #[inline]
    fn leave(&self, at: &mut At) {
        if !matches!(at, At::Idle | At::Done) {
            self.leave_place(std::mem::replace(at, At::Done));
        }
    }

    fn leave_place(&self, at: At) {
        match at {
            At::First => drop(self.take_back()),
            // A grant needs no heir: everybody got one.
            At::InLine(mut place) => _ = self.line.leave(&mut place),
            At::Idle | At::Done => {}
        }
    }
}

impl<T, E, C> Drop for DeferredCore<T, E, C> {
    fn drop(&mut self) {
        // Ordering(deferred.drop): Relaxed. `&mut self` has been ordered after all uses.
        let outcome = self.outcome.load(Ordering::Relaxed);
        if !is_pending(outcome) {
            // SAFETY: made by `settle`; exclusive, and not taken out.
            unsafe { pool::unbox(outcome) };
        } else if outcome.addr() & FULL != 0 {
            // SAFETY: exclusive; its owner was forgotten without leaving.
            drop(unsafe { self.read_first() });
        }
    }
}

impl<T, E, C> Default for DeferredCore<T, E, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug, E: fmt::Debug, C: fmt::Debug> fmt::Debug for DeferredCore<T, E, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peek() {
            Some(outcome) => fmt::Debug::fmt(outcome, f),
            None => f.write_str("Pending"),
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
