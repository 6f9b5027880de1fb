//! Fairness inside a task: a waiting call that is always ready must still let others run.
//!
//! Vocabulary: a task's poll gets a *budget* of units; each waiting call that makes progress uses
//! one. A poll is *exhausted* when no unit is left, or when the runtime's *preempt* flag says that
//! it has run for too long. Then the next waiting call wakes its task and says Pending, as if it
//! had to wait: the task goes to the back of the queue.
//!
//! Invariant: a unit is used by progress only. A call that has to wait gives its unit back, so a
//! task that waits for many things at once is not punished for looking at them.
//!
//! This module knows no runtime. A runtime calls [`enter`] around its loop and [`refill`] before
//! each poll; under any other executor there is no budget, and [`poll_proceed`] never says Pending.
//! The state is one thread-local of two words without a destructor: asking costs one access and two
//! branches. There is nothing to model: the flag is a hint, read Relaxed, and a late reading costs
//! a few units more.
//!
//! asyncio has no counterpart: its `await` of something that is ready runs on without limit.
//! tokio has: `tokio::task::coop`, whose names are used where they fit.
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::place::{Made, WaitKind};
use crate::shim::Ordering::Relaxed;
use crate::shim::atomic::AtomicBool;

/// Units per poll, unless the runtime says otherwise: some 10 us of waiting calls that are ready.
pub const DEFAULT_BUDGET: u32 = 128;

/// The budget of a thread that runs no runtime, and of [`unconstrained`].
const UNLIMITED: u32 = u32::MAX;

thread_local! {
    static STATE: State = const { State { units: Cell::new(UNLIMITED), preempt: Cell::new(ptr::null()) } };
}

/// # Safety
///
/// `preempt` is null or borrowed by a call of [`enter`] that is still on this thread's stack.
struct State {
    units: Cell<u32>,
    preempt: Cell<*const AtomicBool>,
}

/// Asks whether the calling task may go on; every waiting call does so first.
///
/// Ready: the call may proceed. It holds one unit, and keeps it by [`Restore::made_progress`]; else
/// the unit goes back when the [`Restore`] is dropped. Pending: the poll is exhausted. The task has
/// been woken already, and the caller must return Pending without registering anything.
///
/// ```
/// use corio_sync::coop;
/// use std::sync::atomic::AtomicBool;
/// use std::task::{Context, Waker};
///
/// let cx = &mut Context::from_waker(Waker::noop());
/// coop::enter(1, &AtomicBool::new(false), || {
///     let std::task::Poll::Ready(unit) = coop::poll_proceed(cx) else { panic!("one unit is left") };
///     unit.made_progress();
///     assert!(coop::poll_proceed(cx).is_pending());
/// });
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<Restore> {
    STATE.with(|state| {
        let units = state.units.get();
        if units == UNLIMITED {
            return Poll::Ready(Restore { units: Cell::new(0), not_send: PhantomData });
        }
        if units == 0 || state.preempted() {
            return exhausted(cx);
        }
        state.units.set(units - 1);
        Poll::Ready(Restore { units: Cell::new(1), not_send: PhantomData })
    })
}

#[cold]
fn exhausted(cx: &mut Context<'_>) -> Poll<Restore> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// One unit, held by a waiting call until it knows whether it makes progress.
#[derive(Debug)]
#[must_use = "a unit that is dropped at once counts as no progress"]
pub struct Restore {
    /// What goes back on drop: 1, or 0 if the unit is used up or was never taken.
    units: Cell<u32>,
    /// The unit belongs to the thread that polls.
    not_send: PhantomData<*const ()>,
}

impl Restore {
    /// Uses the unit up: the call is about to return Ready.
    #[inline]
    pub fn made_progress(&self) {
        self.units.set(0);
    }
}

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        let back = self.units.get();
        if back != 0 {
            STATE.with(|state| {
                let units = state.units.get();
                if units < UNLIMITED - 1 {
                    state.units.set(units + back);
                }
            });
        }
    }
}

/// Whether the running poll has budget left. Always true without a runtime.
#[must_use]
pub fn has_remaining() -> bool {
    STATE.with(|state| match state.units.get() {
        UNLIMITED => true,
        units => units > 0 && !state.preempted(),
    })
}

/// Runs `f` with a budget and a preempt flag; what was in force before comes back afterwards.
///
/// The runtime's part: a worker enters once around its loop, with its own flag, and calls
/// [`refill`] before each poll. Units above `u32::MAX - 2` count as that.
pub fn enter<R>(units: u32, preempt: &AtomicBool, f: impl FnOnce() -> R) -> R {
    let _outer = Outer::replace(units.min(UNLIMITED - 1), preempt);
    f()
}

/// Gives the next poll of the worker that has called [`enter`] its units.
///
/// Does nothing on a thread that runs no runtime.
#[inline]
pub fn refill(units: u32) {
    STATE.with(|state| {
        if !state.preempt.get().is_null() {
            state.units.set(units.min(UNLIMITED - 1));
        }
    });
}

/// Runs `f` without a budget; what was in force before comes back afterwards.
///
/// For code that blocks in the middle of a poll and polls futures by itself: nobody refills their
/// budget, so once it is used up each of their waits would say Pending for ever.
/// [`park::block_on`](crate::park::block_on) does so by itself.
pub fn without_budget<R>(f: impl FnOnce() -> R) -> R {
    let _outer = Outer::replace(UNLIMITED, ptr::null());
    f()
}

/// A future that gives way to nobody: what is ready in it goes on, however often and however long.
///
/// On a runtime a task's poll has a budget of calls that are ready (128, unless the builder says otherwise),
/// and a poll of more than a millisecond has none left: the next of its waiting calls says that it has to
/// wait. In here none does. That is what code needs that polls once to learn whether something is ready,
/// and what a `block_on` of another crate needs in the middle of a poll, where nobody renews the budget. A
/// loop of calls that are always ready keeps the other tasks of its worker out.
///
/// asyncio has no counterpart: there all of it is so, as on an `EventLoop` of corio. tokio's is
/// `task::unconstrained`.
///
/// # Cancel safety
///
/// That of the future.
///
/// # Examples
///
/// ```
/// use corio_sync::{Queue, unconstrained};
///
/// let queue = Queue::new(1);
/// queue.put_nowait(1).unwrap();
/// let got = corio_sync::park::block_on(unconstrained(queue.get()));
/// assert_eq!(got, Ok(1));
/// ```
#[track_caller]
pub fn unconstrained<F: Future>(future: F) -> Unconstrained<F> {
    Unconstrained { future, made: Made::here(WaitKind::Unconstrained) }
}

pin_project! {
    /// The future of [`unconstrained`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Unconstrained<F> {
        #[pin]
        future: F,
        made: Made,
    }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.made.begin();
        without_budget(|| this.future.poll(cx))
    }
}

impl<F> fmt::Debug for Unconstrained<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unconstrained").finish_non_exhaustive()
    }
}

impl State {
    /// Ordering: Relaxed load; the flag is a hint that carries nothing, and is cleared by whoever
    /// set it.
    #[inline]
    fn preempted(&self) -> bool {
        let preempt = self.preempt.get();
        if preempt.is_null() {
            return false;
        }
        // SAFETY: not null, so borrowed by an `enter` below us on the stack (invariant of `State`,
        // kept by `Outer`: it is restored before that borrow ends, also when unwinding).
        unsafe { &*preempt }.load(Relaxed)
    }
}

/// What was in force before; comes back on drop.
struct Outer {
    units: u32,
    preempt: *const AtomicBool,
}

impl Outer {
    /// Callers keep the value on their stack, inside the borrow of `preempt`.
    fn replace(units: u32, preempt: *const AtomicBool) -> Self {
        STATE.with(|state| Self {
            units: state.units.replace(units),
            preempt: state.preempt.replace(preempt),
        })
    }
}

impl Drop for Outer {
    fn drop(&mut self) {
        STATE.with(|state| {
            state.units.set(self.units);
            state.preempt.set(self.preempt);
        });
    }
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
