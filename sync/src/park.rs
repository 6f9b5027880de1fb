//! Putting a thread to sleep, and waking it by a word or by a [`Waker`].
//!
//! Vocabulary: a [`Parker`] belongs to the thread that made it; its [`Unparker`]s may be anywhere.
//! An unpark that comes first is kept: the next park returns at once. Several unparks are one.
//!
//! # Protocol
//!
//! ```text
//!              (1) park: EMPTY→PARKED          (3) unpark: swap NOTIFIED
//!   EMPTY ─────────────────────────────▶ PARKED ────────────────────────▶ NOTIFIED
//!     ▲ ▲                                  │                               │    ▲
//!     │ └── (2) deadline: PARKED→EMPTY ────┘                               │    │
//!     └──── (4) park, also of its next call: NOTIFIED→EMPTY ───────────────┘    │
//!   EMPTY ───────────────────── (3) unpark: swap NOTIFIED ──────────────────────┘
//! ```
//! Only (3) from PARKED makes a system call. The thread sleeps in `thread::park`, whose own token
//! may be left over from anything else on that thread; the word decides, so a spurious return only
//! goes round the loop. `unpark` is wait-free up to that system call. There is no lock.
//!
//! Rejected: Mutex and Condvar (two words more, and the waker could be descheduled while it holds
//! what the sleeper needs next).
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::coop;
use crate::debug;
use crate::shim::Ordering::{Acquire, Relaxed, Release};
use crate::shim::atomic::AtomicU32;
use crate::shim::thread::{self, Thread};
use crate::shim::{mutant, ord};
use crate::spin::{self, Gate};

const EMPTY: u32 = 0;
const PARKED: u32 = 1;
const NOTIFIED: u32 = 2;

/// Puts the thread that made it to sleep.
///
/// ```
/// use corio_sync::park::Parker;
///
/// let parker = Parker::new();
/// let unparker = parker.unparker();
/// let thread = std::thread::spawn(move || unparker.unpark());
/// parker.park();
/// thread.join().unwrap();
/// ```
pub struct Parker {
    unparker: Unparker,
    /// Sleeping is for the thread whose handle lies in `Inner`.
    not_send: PhantomData<*const ()>,
}

/// Wakes the thread of a [`Parker`], from anywhere.
#[derive(Clone)]
pub struct Unparker {
    // The waker that `std::task::Wake` makes needs std's `Arc`; what is modelled is the word in it.
    inner: Arc<Inner>,
}

struct Inner {
    word: AtomicU32,
    thread: Thread,
}

impl Parker {
    /// A parker for the calling thread.
    #[must_use]
    pub fn new() -> Self {
        let inner = Inner { word: AtomicU32::new(EMPTY), thread: thread::current() };
        Self { unparker: Unparker { inner: Arc::new(inner) }, not_send: PhantomData }
    }

    /// Sleeps until somebody unparks; returns at once if that has happened since the last park.
    ///
    /// What the unparking threads did before is visible afterwards.
    pub fn park(&self) {
        if !self.begin() {
            return;
        }
        while !self.notified() {
            thread::park();
        }
    }

    /// Waits actively for an unpark for a moment, if `gate` says that this went well lately. The
    /// park that follows then returns at once.
    fn spin(&self, gate: &mut Gate) {
        if gate.is_open() {
            // Relaxed: a look; the park acquires.
            gate.spin(spin::BUDGET, || self.word().load(Relaxed) == NOTIFIED);
        }
    }

    /// Sleeps until somebody unparks or `deadline` passes; `None` is no deadline. True if unparked.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub fn park_deadline(&self, deadline: Option<std::time::Instant>) -> bool {
        let Some(deadline) = deadline else {
            self.park();
            return true;
        };
        if !self.begin() {
            return true;
        }
        loop {
            if self.notified() {
                return true;
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return self.give_up();
            }
            thread::park_timeout(left);
        }
    }

    /// Sleeps until somebody unparks or `timeout` passes. True if unparked.
    ///
    /// A timeout too long for the clock is none.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub fn park_timeout(&self, timeout: std::time::Duration) -> bool {
        self.park_deadline(std::time::Instant::now().checked_add(timeout))
    }

    /// A handle that wakes this parker's thread.
    #[must_use]
    pub fn unparker(&self) -> Unparker {
        self.unparker.clone()
    }

    /// A [`Waker`] that wakes this parker's thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker::from(self.unparker.inner.clone())
    }

    fn word(&self) -> &AtomicU32 {
        &self.unparker.inner.word
    }

    /// Edge (1). False if an unpark was there already, and is now used up.
    fn begin(&self) -> bool {
        // Ordering: Relaxed; going to sleep tells nobody anything. If an unpark has come first,
        // `notified` acquires it.
        self.word().compare_exchange(EMPTY, PARKED, Relaxed, Relaxed).is_ok() || !self.notified()
    }

    /// Edge (4), if an unpark has come.
    fn notified(&self) -> bool {
        // Ordering(park.wake): Acquire; pairs with Ordering(park.unpark). What the unparking
        // threads did becomes visible to the caller; a relaxed one could return and find nothing.
        let order = ord("park.wake", Acquire);
        self.word().compare_exchange(NOTIFIED, EMPTY, order, Relaxed).is_ok()
    }

    /// Edge (2), or (4) if an unpark came in the last moment: true then.
    #[cfg_attr(any(corio_loom, corio_shuttle), allow(dead_code))]
    fn give_up(&self) -> bool {
        // Ordering: Relaxed; getting up tells nobody anything. What came is acquired by `notified`.
        let alone = self.word().compare_exchange(PARKED, EMPTY, Relaxed, Relaxed).is_ok();
        !alone && self.notified()
    }
}

impl Default for Parker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Parker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parker").field("thread", &self.unparker.inner.thread).finish()
    }
}

impl Unparker {
    /// Wakes the thread, or lets its next park return at once.
    pub fn unpark(&self) {
        self.inner.unpark();
    }
}

impl fmt::Debug for Unparker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unparker").field("thread", &self.inner.thread).finish()
    }
}

impl Inner {
    fn unpark(&self) {
        // Ordering(park.unpark): Release; pairs with Ordering(park.wake). A swap, also if NOTIFIED
        // is there already: the sleeper then sees what we did although an earlier unpark is the one
        // that wakes it.
        let already = mutant("park.unpark_again") && self.word.load(Relaxed) == NOTIFIED;
        if !already && self.word.swap(NOTIFIED, ord("park.unpark", Release)) == PARKED {
            self.thread.unpark();
        }
    }
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.unpark();
    }
}

/// Runs a future to completion on the calling thread, which sleeps while the future waits.
///
/// Knows no runtime: it is for threads that are not part of one. The future of a nested call gets
/// a parker of its own, so neither call uses up the other's wake-ups.
///
/// The future has no budget of [`coop`], also inside a task: that task's poll goes on as long as
/// this call does, so a budget that is used up would never come back, and every wait would yield
/// for ever.
///
/// ```
/// use corio_sync::park::block_on;
///
/// assert_eq!(block_on(async { block_on(async { 6 }) * 7 }), 42);
/// ```
///
/// # Panics
///
/// If the future does.
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    debug::blocks("block_on", Location::caller());
    let mut future = pin!(coop::unconstrained(future));
    let mut sleeper = Sleeper::borrow();
    loop {
        let mut cx = Context::from_waker(sleeper.waker());
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        sleeper.spin();
        sleeper.parker().park();
    }
}

/// As [`block_on`], but gives up at `deadline`: then the future is dropped and `None` returned.
///
/// As there the future has no budget. It is polled at least once, and a last time after the deadline has passed.
///
/// # Panics
///
/// If the future does.
#[cfg(not(any(corio_loom, corio_shuttle)))]
#[track_caller]
pub fn block_on_deadline<F: Future>(
    future: F,
    deadline: Option<std::time::Instant>,
) -> Option<F::Output> {
    debug::blocks("block_on_deadline", Location::caller());
    let mut future = pin!(coop::unconstrained(future));
    let mut sleeper = Sleeper::borrow();
    let mut in_time = true;
    loop {
        let mut cx = Context::from_waker(sleeper.waker());
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        if !in_time {
            return None;
        }
        if deadline.is_none() {
            sleeper.spin();
        }
        in_time = sleeper.parker().park_deadline(deadline);
    }
}

/// As [`block_on_deadline`], for `d` from now on; `None`, or more than the clock can say, is no limit.
///
/// # Panics
///
/// If the future does.
#[cfg(not(any(corio_loom, corio_shuttle)))]
#[track_caller]
pub fn block_on_timeout<F: Future>(future: F, d: Option<std::time::Duration>) -> Option<F::Output> {
    let deadline = d.and_then(|d| std::time::Instant::now().checked_add(d));
    block_on_deadline(future, deadline)
}

/// A parker and its waker, lent to one `block_on` by the thread's cache.
///
/// A waker of an earlier `block_on` may still wake it; that costs one poll more.
struct Sleeper {
    /// Always there until the drop gives it back.
    lent: Option<Lent>,
}

/// What a thread keeps from one `block_on` to the next.
struct Lent {
    parker: Parker,
    waker: Waker,
    gate: Gate,
}

thread_local! {
    /// Empty while a `block_on` of this thread uses the parker: a nested one makes its own.
    static CACHE: Cell<Option<Lent>> = const { Cell::new(None) };
}

const LENT: &str = "the parker is given back by the drop only";

impl Sleeper {
    fn borrow() -> Self {
        // A thread that is being torn down has no cache left, and none is needed.
        let cached = CACHE.try_with(Cell::take).ok().flatten();
        let lent = cached.unwrap_or_else(|| {
            let parker = Parker::new();
            let waker = parker.waker();
            Lent { parker, waker, gate: Gate::new() }
        });
        Self { lent: Some(lent) }
    }

    fn parker(&self) -> &Parker {
        &self.lent().parker
    }

    fn waker(&self) -> &Waker {
        &self.lent().waker
    }

    fn spin(&mut self) {
        let Lent { parker, gate, .. } = self.lent.as_mut().expect(LENT);
        parker.spin(gate);
    }

    fn lent(&self) -> &Lent {
        self.lent.as_ref().expect(LENT)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // A model's objects must not outlive its execution.
        if cfg!(not(any(corio_loom, corio_shuttle))) {
            let lent = self.lent.take();
            let _ = CACHE.try_with(|cache| cache.set(lent));
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
