//! The core of `Deferred`: what asyncio calls a future, without loop, callbacks and messages.
//!
//! One pointer says everything: null while it is pending, then the [`Outcome`], for good.
//!
//! ```text
//! pending --(1) set_result, set_exception, cancel--> done
//! ```
//! (1) is one compare-exchange, so there is exactly one winner, and whoever lost finds the winner's
//! outcome at once: no moment lies between *no longer pending* and *readable*, as there would be if
//! the value were written in place after a claim. The price is one allocation for each outcome.
//!
//! *Waiters* stand in a line whose flag is set after the pointer. They are woken in order of
//! arrival. The runtime's `Deferred` does without the line: its waiters and done-callbacks share one
//! order, as asyncio's do, which it keeps itself.
//!
//! *Retrieved* is a hint for the report of failures that nobody looked at. It is set by whoever gets
//! at the outcome and by a late cancel, and read when the core is dropped.

use crate::place::{WaitKind, noted};
use crate::shim::atomic::{AtomicBool, AtomicPtr};
use crate::shim::{Ordering, ord};
use crate::wait::line::{Line, OnFlag};
use crate::wait::queue::Place;
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
    outcome: AtomicPtr<Outcome<T, E, C>>,
    retrieved: AtomicBool,
    line: Line,
    owns: PhantomData<Outcome<T, E, C>>,
}

// SAFETY: the outcome may be dropped on another thread.
unsafe impl<T: Send, E: Send, C: Send> Send for DeferredCore<T, E, C> {}
// SAFETY: the outcome comes from one thread and is lent to many.
unsafe impl<T: Send + Sync, E: Send + Sync, C: Send + Sync> Sync for DeferredCore<T, E, C> {}

/// Where a waiter stands; see [`DeferredCore::poll_wait`].
#[derive(Default)]
pub struct WaitPlace(Place);

impl fmt::Debug for WaitPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Place::Idle => "Idle",
            Place::Waiting(_) => "Waiting",
            Place::Done => "Done",
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
        let ours = Box::into_raw(Box::new(outcome));
        let (ok, err) = (ord("deferred.settle", Ordering::Release), Ordering::Relaxed);
        if self.outcome.compare_exchange(ptr::null_mut(), ours, ok, err).is_err() {
            // SAFETY: never shared.
            return Err(*unsafe { Box::from_raw(ours) });
        }
        self.line.set_flag();
        Ok(())
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
        // SAFETY: once set it is neither changed nor freed while `self` is shared.
        unsafe { outcome.as_ref() }
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
        self.take().map(|outcome| *outcome)
    }

    fn take(&mut self) -> Option<Box<Outcome<T, E, C>>> {
        // Ordering(deferred.take): Relaxed. `&mut self` has been ordered after all uses.
        let outcome = self.outcome.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: made by `settle`; exclusive, and taken out of the pointer.
        (!outcome.is_null()).then(|| unsafe { Box::from_raw(outcome) })
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
        let idle = matches!(at.0, Place::Idle);
        if !idle || self.line.enter(&mut at.0, OnFlag::Keep) {
            ready!(self.line.poll_granted(&mut at.0, cx));
        }
        Poll::Ready(self.get().expect("the flag and every grant come after the outcome"))
    }

    /// Ends the use of a place.
    pub fn leave(&self, at: &mut WaitPlace) {
        // A grant needs no heir: everybody got one.
        let _ = self.line.leave(&mut at.0);
    }
}

impl<T, E, C> Drop for DeferredCore<T, E, C> {
    fn drop(&mut self) {
        drop(self.take());
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
