//! The core of `Deferred`: what asyncio calls a future, without loop, callbacks and messages.
//!
//! One pointer says everything: null while it is pending, or how many have come to wait, then the
//! [`Outcome`], for good.
//!
//! ```text
//! null --(2) first waits--> ONE --(2) another one waits--> MANY
//!   |                        |                              |
//!   +------------------------+--- (1) set_result, set_exception, cancel --> done
//! ```
//! (1) [`DeferredCore::settle`] is one compare-exchange, so there is exactly one winner, and whoever
//! lost finds the winner's outcome at once: no moment lies between *no longer pending* and
//! *readable*, as there would be if the value were written in place after a claim. The price is one
//! block of memory for each outcome. (2) `DeferredCore::come`.
//!
//! *Waiters.* The first one, which most have and no more, leaves its waker in a slot; a queue would
//! cost it two allocations. It keeps its turn, and whoever comes after it, even if it has left,
//! stands in a line whose flag is set after the pointer: so they are woken in order of arrival. The
//! runtime's `Deferred` does without either: its waiters and done-callbacks share one order, as
//! asyncio's do, which it keeps itself.
//!
//! *Retrieved* is a hint for the report of failures that nobody looked at. It is set by whoever gets
//! at the outcome and by a late cancel, and read when the core is dropped.

use crate::place::{WaitKind, noted};
use crate::shim::atomic::{AtomicBool, AtomicPtr};
use crate::shim::{Ordering, mutant, ord};
use crate::wait::line::{Line, OnFlag};
use crate::wait::pool;
use crate::wait::queue::Place;
use crate::waker_slot::WakerSlot;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, ready};

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

/// Somebody has come to wait.
const ONE: usize = 1;
/// Somebody else has come, too.
const MANY: usize = 2;

fn tag<S>(tag: usize) -> *mut S {
    ptr::without_provenance_mut(tag)
}

/// What is set once, by one of three ways, and awaited by any number of tasks.
///
/// asyncio: `Future`, of which this is the part that knows neither loop nor callbacks. `T` is the
/// value, `E` the error, `C` what a cancel leaves, such as its message.
///
/// # Progress
///
/// Looking is one load. Setting and cancelling are lock-free, in time proportional to the number of
/// waiters. A thread that is descheduled while it settles delays those that it has not woken yet.
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
    retrieved: AtomicBool,
    /// The waker of the one that has come first.
    first: WakerSlot,
    /// All others.
    line: Line,
    owns: PhantomData<Outcome<T, E, C>>,
}

// SAFETY: the outcome may be dropped on another thread.
unsafe impl<T: Send, E: Send, C: Send> Send for DeferredCore<T, E, C> {}
// SAFETY: the outcome comes from one thread and is lent to many.
unsafe impl<T: Send + Sync, E: Send + Sync, C: Send + Sync> Sync for DeferredCore<T, E, C> {}

/// Where a waiter stands; see [`DeferredCore::poll_wait`].
#[derive(Default)]
pub struct WaitPlace(At);

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

impl fmt::Debug for WaitPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            At::Idle => "Idle",
            At::First | At::InLine(_) => "Waiting",
            At::Done => "Done",
        })
    }
}

impl<T, E, C> DeferredCore<T, E, C> {
    /// Nothing is set.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            outcome: AtomicPtr::new(ptr::null_mut()),
            retrieved: AtomicBool::new(false),
            first: WakerSlot::new(),
            line: Line::new(),
            owns: PhantomData,
        }
    }

    /// Nothing is set.
    #[cfg(any(corio_loom, corio_shuttle))]
    #[must_use]
    pub fn new() -> Self {
        Self {
            outcome: AtomicPtr::new(ptr::null_mut()),
            retrieved: AtomicBool::new(false),
            first: WakerSlot::new(),
            line: Line::new(),
            owns: PhantomData,
        }
    }

    /// Ends it, unless it has ended; wakes everybody who waits.
    ///
    /// # Errors
    ///
    /// The refused outcome; the other one can be looked at then.
    // Ordering(deferred.settle): Release; pairs with Ordering(deferred.look): the outcome is
    // visible. A failure reads nothing; whoever looks then is ordered by that look.
    pub fn settle(&self, outcome: Outcome<T, E, C>) -> Result<(), Outcome<T, E, C>> {
        let ours = pool::boxed(Settled(outcome));
        let (ok, err) = (ord("deferred.settle", Ordering::Release), Ordering::Relaxed);
        let mut pending = ptr::null_mut();
        while let Err(now) = self.outcome.compare_exchange(pending, ours, ok, err) {
            if now.addr() > MANY {
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

    /// Wakes those who wait: the first one, and the line if there is one.
    fn tell(&self, waiting: usize) {
        /// The others are told even if the first one's waker panics.
        struct TellLine<'a>(Option<&'a Line>);
        impl Drop for TellLine<'_> {
            fn drop(&mut self) {
                self.0.inspect(|line| line.set_flag());
            }
        }
        let _line = TellLine((waiting == MANY).then_some(&self.line));
        // The slot's own protocol: who registers after this sees the outcome.
        if !mutant("deferred.first") {
            self.first.wake();
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
        if outcome.addr() <= MANY {
            return None;
        }
        // SAFETY: once set it is neither changed nor freed while `self` is shared.
        let settled = unsafe { &*outcome };
        Some(&settled.0)
    }

    /// The outcome.
    #[must_use]
    pub fn get(&self) -> Option<&Outcome<T, E, C>> {
        let outcome = self.peek()?;
        self.mark_retrieved();
        Some(outcome)
    }

    fn mark_retrieved(&self) {
        // Ordering(deferred.retrieved): Relaxed. A hint that is read by the last owner.
        self.retrieved.store(true, Ordering::Relaxed);
    }

    /// For the last owner: the error, if nobody has looked at it.
    #[must_use]
    pub fn unretrieved(&mut self) -> Option<&E> {
        // Ordering(deferred.unretrieved): Relaxed. `&mut self` has been ordered after all uses.
        if self.retrieved.load(Ordering::Relaxed) {
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
        if outcome.addr() <= MANY {
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
        DeferredWait { core: self, at: WaitPlace::default(), caller: Location::caller() }
    }

    /// Waits for the outcome with a place that the caller keeps, for futures that own the core.
    ///
    /// A place belongs to one core, and must be given to [`DeferredCore::leave`] before it is
    /// dropped.
    ///
    /// # Panics
    ///
    /// If the place was given to `leave` while it waited.
    pub fn poll_wait(&self, at: &mut WaitPlace, cx: &mut Context<'_>) -> Poll<&Outcome<T, E, C>> {
        if let Some(outcome) = self.get() {
            return Poll::Ready(outcome);
        }
        if let At::Idle = at.0 {
            at.0 = self.come();
        }
        match &mut at.0 {
            At::First => {
                self.first.register(cx.waker());
                return self.get().map_or(Poll::Pending, Poll::Ready);
            }
            At::InLine(place) => {
                if !matches!(place, Place::Idle) || self.line.enter(place, OnFlag::Keep) {
                    ready!(self.line.poll_granted(place, cx));
                }
            }
            At::Idle => {}
            At::Done => panic!("a waiting future was polled after it had completed"),
        }
        Poll::Ready(self.get().expect("the flag and every grant come after the outcome"))
    }

    /// Counts somebody who waits, unless the outcome is there: then its place stays idle.
    // Ordering(deferred.come): Relaxed, both. Coming tells nobody anything, and whoever finds the
    // outcome instead looks at it anew.
    fn come(&self) -> At {
        let step = |from, to| {
            let (from, to) = (tag(from), tag(to));
            let (ok, err) = (Ordering::Relaxed, Ordering::Relaxed);
            self.outcome.compare_exchange(from, to, ok, err).map_err(|now| now.addr())
        };
        match step(0, ONE) {
            Ok(_) => return At::First,
            Err(MANY) => return At::InLine(Place::Idle),
            Err(ONE) => {}
            Err(_) => return At::Idle,
        }
        match step(ONE, MANY) {
            Ok(_) | Err(MANY) => At::InLine(Place::Idle),
            Err(_) => At::Idle,
        }
    }

    /// Ends the use of a place.
    pub fn leave(&self, at: &mut WaitPlace) {
        match &mut at.0 {
            At::Idle | At::Done => return,
            At::First => {
                // Empty only if its waker was taken: we have filled it, and nobody else does.
                if self.first.is_full() {
                    drop(self.first.take());
                }
            }
            // A grant needs no heir: everybody got one.
            At::InLine(place) => _ = self.line.leave(place),
        }
        at.0 = At::Done;
    }
}

impl<T, E, C> Drop for DeferredCore<T, E, C> {
    fn drop(&mut self) {
        // Ordering(deferred.drop): Relaxed. `&mut self` has been ordered after all uses.
        let outcome = self.outcome.load(Ordering::Relaxed);
        if outcome.addr() > MANY {
            // SAFETY: made by `settle`; exclusive, and not taken out.
            unsafe { pool::unbox(outcome) };
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

/// The future of [`DeferredCore::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct DeferredWait<'a, T, E, C> {
    core: &'a DeferredCore<T, E, C>,
    at: WaitPlace,
    caller: &'static Location<'static>,
}

future_debug!([<T, E, C>] DeferredWait<'_, T, E, C>, "DeferredWait");

impl<'a, T, E, C> Future for DeferredWait<'a, T, E, C> {
    type Output = &'a Outcome<T, E, C>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        noted(this.core.poll_wait(&mut this.at, cx), WaitKind::Deferred, this.caller)
    }
}

impl<T, E, C> Drop for DeferredWait<'_, T, E, C> {
    fn drop(&mut self) {
        self.core.leave(&mut self.at);
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
