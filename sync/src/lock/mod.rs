//! [`Lock`]: one holder at a time, in order of arrival.

mod guard;
mod raw;

pub use guard::{LockGuard, OwnedLockGuard};

pub(crate) use raw::{Acquiring, RawLock};

use crate::debug::{self, LockId};
use crate::error::NotLocked;
use crate::place::WaitKind;
use crate::shim::cell::UnsafeCell;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A lock that tasks and threads wait for without blocking each other; Rust's `Mutex`, asyncio's
/// `Lock`.
///
/// asyncio: `Lock`. The order is strictly first come, first served: releasing hands the lock to the
/// task that has waited longest, so a newcomer can never overtake it. Differences: usable from any
/// thread; `locked()` stays true while the lock is on its way to the next holder; the lock owns the
/// data that it protects, and is released by its guard. Only a `Lock<()>` may be released without
/// one, as asyncio does it.
///
/// Because the lock is handed over, a future that is given the lock and then neither polled nor
/// dropped keeps everybody else waiting. Do not stop polling a future that waits for a lock.
///
/// 16 bytes and the data; no heap until two tasks meet.
///
/// # Progress
///
/// Lock-free. Taking a free lock and releasing one that nobody waits for are one
/// read-modify-write each, tried again only if another thread has changed the lock meanwhile.
/// Waiting itself depends on the holder, which for a moment may be a future that was handed the lock
/// and is being dropped.
///
/// # Examples
///
/// ```
/// use corio_sync::{Lock, park::block_on};
///
/// let counter = Lock::new(0);
/// block_on(async {
///     *counter.acquire().await += 1;
/// });
/// assert_eq!(counter.into_inner(), 1);
/// ```
///
/// ```
/// use corio_sync::{Lock, park::block_on};
/// use std::{sync::Arc, time::Duration};
///
/// let mut lock = Lock::new_unfair(1);
/// *lock.get_mut() = 2;
/// assert!(!lock.is_fair() && !lock.locked());
/// let lock = Arc::new(lock);
/// let guard = lock.blocking_acquire(); // tokio's name is blocking_lock()
/// assert!(lock.locked() && lock.try_acquire().is_none());
/// assert!(lock.blocking_acquire_timeout(Duration::from_millis(1)).is_none());
/// assert!(lock.clone().try_acquire_owned().is_err());
/// drop(guard);
/// block_on(async {
///     assert_eq!(*lock.lock().await, 2); // as acquire()
///     assert_eq!(*lock.clone().acquire_owned().await, 2);
/// });
/// ```
#[doc(alias = "Mutex")]
pub struct Lock<T = ()> {
    pub(crate) raw: RawLock,
    pub(crate) data: UnsafeCell<T>,
}

// SAFETY: the lock lets one thread at a time at the data, and may move it between threads.
unsafe impl<T: Send> Send for Lock<T> {}
// SAFETY: as above: `&Lock` gives exclusive access only.
unsafe impl<T: Send> Sync for Lock<T> {}

const_fn! {
    impl<T> Lock<T> {
        /// A free lock around `value` with first-come-first-served order.
        pub fn new(value: T) -> Self {
            Self { raw: RawLock::new(), data: UnsafeCell::new(value) }
        }
        /// A free lock that newcomers may take ahead of those who wait.
        ///
        /// Under contention this is faster: the running task takes the lock again instead of
        /// sleeping until its turn. It costs order: see [`Lock::is_fair`] for the bound that
        /// remains.
        pub fn new_unfair(value: T) -> Self {
            Self { raw: RawLock::new_unfair(), data: UnsafeCell::new(value) }
        }
    }
}

impl<T> Lock<T> {
    /// Whether the lock is handed over in order of arrival.
    ///
    /// In a lock made by [`Lock::new_unfair`] a waiter that is woken competes with newcomers. After
    /// it has lost four times newcomers must queue, and releases hand the lock over in order until
    /// that waiter has had it: nobody waits longer than five passes through the queue.
    #[must_use]
    pub fn is_fair(&self) -> bool {
        self.raw.is_fair()
    }

    /// Waits for the lock. The task joins the queue at its first poll.
    ///
    /// # Cancel safety
    ///
    /// Loses place: a future that is dropped leaves the queue, and a lock that had reached it is
    /// handed to the next waiter in the same call.
    #[track_caller]
    pub fn acquire(&self) -> Acquire<'_, T> {
        Acquire { lock: self, at: Acquiring::default(), caller: Location::caller() }
    }

    /// Rust's name for [`Lock::acquire`].
    ///
    /// # Cancel safety
    ///
    /// As there.
    #[track_caller]
    pub fn lock(&self) -> Acquire<'_, T> {
        self.acquire()
    }

    /// Waits for the lock; the guard keeps the lock alive.
    ///
    /// # Cancel safety
    ///
    /// As [`Lock::acquire`].
    #[doc(alias = "lock_owned")]
    #[track_caller]
    pub fn acquire_owned(self: Arc<Self>) -> AcquireOwned<T> {
        AcquireOwned { lock: Some(self), at: Acquiring::default(), caller: Location::caller() }
    }

    /// Takes the lock if it is free and nobody waits.
    #[doc(alias = "try_lock")]
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn try_acquire(&self) -> Option<LockGuard<'_, T>> {
        if !self.raw.try_acquire() {
            return None;
        }
        debug::holds(LockId::of(&self.raw), WaitKind::Lock, Location::caller());
        Some(LockGuard::new(self))
    }

    /// Takes the lock if it is free and nobody waits; the guard keeps the lock alive.
    ///
    /// # Errors
    ///
    /// The `Arc` comes back if the lock is held.
    #[doc(alias = "try_lock_owned")]
    #[track_caller]
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedLockGuard<T>, Arc<Self>> {
        if !self.raw.try_acquire() {
            return Err(self);
        }
        debug::holds(LockId::of(&self.raw), WaitKind::Lock, Location::caller());
        Ok(OwnedLockGuard::new(self))
    }

    /// Waits for the lock on a thread that may block.
    ///
    /// Threads and tasks stand in the same queue.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_acquire(&self) -> LockGuard<'_, T> {
        match self.try_acquire() {
            Some(guard) => guard,
            None => crate::park::block_on(self.acquire()),
        }
    }

    /// tokio's name for [`Lock::blocking_acquire`].
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_lock(&self) -> LockGuard<'_, T> {
        self.blocking_acquire()
    }

    /// As [`Lock::blocking_acquire`], for `d` at the most; `None` if that was not enough.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_acquire_timeout(&self, d: std::time::Duration) -> Option<LockGuard<'_, T>> {
        crate::park::block_on_timeout(self.acquire(), Some(d))
    }

    /// Whether somebody holds the lock, or is being handed it.
    #[must_use]
    pub fn locked(&self) -> bool {
        self.raw.locked()
    }

    /// The data, without waiting: `&mut self` proves that nobody else is here.
    pub fn get_mut(&mut self) -> &mut T {
        let data = self.data.with_mut(|data| data);
        // SAFETY: `&mut self` is exclusive.
        unsafe { &mut *data }
    }

    /// Unwraps the data.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl Lock<()> {
    /// Releases the lock without a guard, as asyncio does: for a lock that one task takes (and
    /// [forgets](std::mem::forget) the guard of) and another releases.
    ///
    /// # Errors
    ///
    /// [`NotLocked`] if nobody holds the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::Lock;
    ///
    /// let lock = Lock::new(());
    /// std::mem::forget(lock.try_acquire().unwrap());
    /// assert!(lock.release().is_ok());
    /// assert!(lock.release().is_err(), "nobody holds it");
    /// ```
    pub fn release(&self) -> Result<(), NotLocked> {
        if !self.raw.release_if_held() {
            return Err(NotLocked(()));
        }
        Ok(())
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Lock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Lock");
        match self.try_acquire() {
            Some(guard) => out.field("data", &*guard),
            None => out.field("data", &format_args!("<locked>")),
        };
        out.finish()
    }
}

/// The future of [`Lock::acquire`].
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a, T = ()> {
    lock: &'a Lock<T>,
    at: Acquiring,
    caller: &'static Location<'static>,
}

future_debug!([<'a, T>] Acquire<'a, T>, "Acquire");

impl<'a, T> Future for Acquire<'a, T> {
    type Output = LockGuard<'a, T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let lock = this.lock;
        let unit = ready!(this.at.proceed(cx));
        ready!(lock.raw.poll_traced(&mut this.at, cx, this.caller));
        unit.made_progress();
        Poll::Ready(LockGuard::new(lock))
    }
}

impl<T> Drop for Acquire<'_, T> {
    fn drop(&mut self) {
        self.lock.raw.dropped(&mut self.at, self.caller);
    }
}

/// The future of [`Lock::acquire_owned`].
#[must_use = "futures do nothing unless awaited"]
pub struct AcquireOwned<T = ()> {
    /// Gone once the guard has it.
    lock: Option<Arc<Lock<T>>>,
    at: Acquiring,
    caller: &'static Location<'static>,
}

future_debug!([<T>] AcquireOwned<T>, "AcquireOwned");

impl<T> Future for AcquireOwned<T> {
    type Output = OwnedLockGuard<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let lock = this.lock.as_ref().expect("an acquire future was polled after it had completed");
        let unit = ready!(this.at.proceed(cx));
        ready!(lock.raw.poll_traced(&mut this.at, cx, this.caller));
        unit.made_progress();
        Poll::Ready(OwnedLockGuard::new(this.lock.take().expect("looked at above")))
    }
}

impl<T> Drop for AcquireOwned<T> {
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            lock.raw.dropped(&mut self.at, self.caller);
        }
    }
}

#[cfg(not(any(corio_loom, corio_shuttle)))]
const _: () = assert!(size_of::<Lock<()>>() == 16 && size_of::<Lock<u64>>() == 24);

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
