//! [`RwLock`]: many readers or one writer, in order of arrival.

mod guard;

pub use guard::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLockReadGuard, RwLockWriteGuard};

use crate::debug::{self, LockId};
use crate::place::{self, WaitKind};
use crate::shim::cell::UnsafeCell;
use crate::wait::queue::Place;
use crate::wait::weighted::{MOST, Weighted};
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What a reader takes of the lock's permits.
const READ: usize = 1;
/// What a writer takes: all of them. Four billion readers at a time are enough.
const WRITE: usize = MOST;

/// A lock that many readers or one writer hold, in order of arrival.
///
/// asyncio has no counterpart. A writer that waits keeps later readers behind it, so writers are not
/// starved; readers that arrived before it go first, so readers are not either.
///
/// A task that holds a read guard must not ask for another one: a writer may be waiting in between,
/// and the two would wait for each other.
///
/// # Progress
///
/// Releasing with nobody waiting is wait-free, everything else lock-free, but for waiting itself, of
/// which [`Semaphore`](crate::Semaphore) says who waits for whom: readers behind a writer that is
/// being dropped wait until it has left.
///
/// # Examples
///
/// ```
/// use corio_sync::{RwLock, park::block_on};
///
/// let config = RwLock::new(1);
/// block_on(async {
///     {
///         let one = config.read().await;
///         let other = config.try_read().expect("readers share");
///         assert_eq!(*one + *other, 2);
///     }
///     let mut writer = config.write().await;
///     *writer = 5;
///     let reader = writer.downgrade();
///     assert_eq!(*reader, 5);
/// });
/// ```
///
/// ```
/// use corio_sync::{RwLock, park::block_on};
/// use std::{sync::Arc, time::Duration};
///
/// let mut lock = RwLock::new(1);
/// *lock.get_mut() = 2;
/// let lock = Arc::new(lock);
/// let soon = Duration::from_millis(1);
/// {
///     let _reader = lock.blocking_read();
///     assert!(lock.blocking_read_timeout(soon).is_some());
///     assert!(lock.try_write().is_none() && lock.blocking_write_timeout(soon).is_none());
/// }
/// *lock.blocking_write() += 1;
/// block_on(async {
///     *lock.clone().write_owned().await += 1;
///     assert_eq!(*lock.clone().read_owned().await, 4);
/// });
/// assert_eq!(Arc::into_inner(lock).unwrap().into_inner(), 4);
/// ```
pub struct RwLock<T> {
    permits: Weighted,
    data: UnsafeCell<T>,
}

// SAFETY: the lock may carry its data to another thread.
unsafe impl<T: Send> Send for RwLock<T> {}
// SAFETY: readers share the data, writers have it alone, on any thread.
unsafe impl<T: Send + Sync> Sync for RwLock<T> {}

const_fn! {
    impl<T> RwLock<T> {
        /// A free lock around `value`.
        pub fn new(value: T) -> Self {
            Self { permits: Weighted::new(WRITE), data: UnsafeCell::new(value) }
        }
    }
}

impl<T> RwLock<T> {
    /// Waits until no writer holds the lock or waits in front.
    ///
    /// # Cancel safety
    ///
    /// Loses place.
    #[track_caller]
    pub fn read(&self) -> RwLockRead<'_, T> {
        RwLockRead { lock: self, at: Place::Idle, caller: Location::caller() }
    }

    /// Waits until nobody holds the lock or waits in front.
    ///
    /// # Cancel safety
    ///
    /// Loses place: readers that waited behind a dropped writer go on in the same call.
    #[track_caller]
    pub fn write(&self) -> RwLockWrite<'_, T> {
        RwLockWrite { lock: self, at: Place::Idle, caller: Location::caller() }
    }

    /// As [`RwLock::read`]; the guard keeps the lock alive.
    ///
    /// # Cancel safety
    ///
    /// Loses place.
    #[track_caller]
    pub fn read_owned(self: Arc<Self>) -> RwLockReadOwned<T> {
        RwLockReadOwned { lock: Some(self), at: Place::Idle, caller: Location::caller() }
    }

    /// As [`RwLock::write`]; the guard keeps the lock alive.
    ///
    /// # Cancel safety
    ///
    /// Loses place.
    #[track_caller]
    pub fn write_owned(self: Arc<Self>) -> RwLockWriteOwned<T> {
        RwLockWriteOwned { lock: Some(self), at: Place::Idle, caller: Location::caller() }
    }

    /// Takes the lock for reading if no writer holds it or waits.
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        self.try_take(READ).then(|| RwLockReadGuard::new(self))
    }

    /// Takes the lock for writing if nobody holds it.
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        self.try_take(WRITE).then(|| RwLockWriteGuard::new(self))
    }

    #[inline]
    #[track_caller]
    fn try_take(&self, n: usize) -> bool {
        let taken = matches!(self.permits.try_take(n), Ok(true));
        if taken {
            debug::holds(self.id(), kind(n), Location::caller());
        }
        taken
    }

    /// As [`RwLock::read`], on a thread that may block.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        crate::park::block_on(self.read())
    }

    /// As [`RwLock::write`], on a thread that may block.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        crate::park::block_on(self.write())
    }

    /// As [`RwLock::blocking_read`], for `d` at the most; `None` if that was not enough.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_read_timeout(&self, d: std::time::Duration) -> Option<RwLockReadGuard<'_, T>> {
        crate::park::block_on_timeout(self.read(), Some(d))
    }

    /// As [`RwLock::blocking_write`], for `d` at the most; `None` if that was not enough.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_write_timeout(
        &self,
        d: std::time::Duration,
    ) -> Option<RwLockWriteGuard<'_, T>> {
        crate::park::block_on_timeout(self.write(), Some(d))
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

    /// Polls for `n` permits, and says who has them or waits for them. The counter is never shut, so
    /// there is no error.
    #[inline]
    fn poll_take(
        &self,
        at: &mut Place,
        n: usize,
        caller: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let polled = self.poll_permits(at, n, cx);
        if polled.is_ready() {
            debug::holds(self.id(), kind(n), caller);
        } else {
            place::note(kind(n), caller);
            if let Place::Waiting(_) = at {
                debug::waits(self.id(), kind(n), caller);
            }
        }
        polled
    }

    #[inline]
    fn poll_permits(&self, at: &mut Place, n: usize, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(at.proceed(cx));
        let taken = ready!(self.permits.poll_take(at, n, cx));
        unit.made_progress();
        taken.expect("never shut");
        Poll::Ready(())
    }

    /// The lock as debug mode knows it.
    #[inline(always)]
    fn id(&self) -> LockId {
        LockId::of(&self.permits)
    }

    /// Gives `n` permits back: a guard is dropped.
    #[inline]
    fn release(&self, n: usize) {
        debug::gave_back(self.id());
        self.permits.release(n);
    }

    /// A writer keeps the lock for reading.
    #[inline]
    fn downgrade(&self, caller: &'static Location<'static>) {
        debug::holds(self.id(), WaitKind::RwLockRead, caller);
        self.permits.release(WRITE - READ);
    }

    fn abandon(&self, at: &mut Place, n: usize, caller: &'static Location<'static>) {
        match at {
            Place::Yielded | Place::Done => {}
            Place::Idle => debug::never_awaited(kind(n), caller),
            Place::Waiting(_) => {
                debug::gave_up(self.id());
                self.permits.leave(at, n);
            }
        }
    }
}

/// What somebody waits for who asks for so many permits.
fn kind(n: usize) -> WaitKind {
    if n == READ { WaitKind::RwLockRead } else { WaitKind::RwLockWrite }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RwLock");
        match self.try_read() {
            Some(guard) => out.field("data", &*guard),
            None => out.field("data", &format_args!("<locked>")),
        };
        out.finish()
    }
}

/// The future of [`RwLock::read`].
#[must_use = "futures do nothing unless awaited"]
pub struct RwLockRead<'a, T> {
    lock: &'a RwLock<T>,
    at: Place,
    caller: &'static Location<'static>,
}

future_debug!([<'a, T>] RwLockRead<'a, T>, "RwLockRead");

impl<'a, T> Future for RwLockRead<'a, T> {
    type Output = RwLockReadGuard<'a, T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let lock = this.lock;
        let polled = lock.poll_take(&mut this.at, READ, this.caller, cx);
        polled.map(|()| RwLockReadGuard::new(lock))
    }
}

impl<T> Drop for RwLockRead<'_, T> {
    fn drop(&mut self) {
        self.lock.abandon(&mut self.at, READ, self.caller);
    }
}

/// The future of [`RwLock::write`].
#[must_use = "futures do nothing unless awaited"]
pub struct RwLockWrite<'a, T> {
    lock: &'a RwLock<T>,
    at: Place,
    caller: &'static Location<'static>,
}

future_debug!([<'a, T>] RwLockWrite<'a, T>, "RwLockWrite");

impl<'a, T> Future for RwLockWrite<'a, T> {
    type Output = RwLockWriteGuard<'a, T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let lock = this.lock;
        let polled = lock.poll_take(&mut this.at, WRITE, this.caller, cx);
        polled.map(|()| RwLockWriteGuard::new(lock))
    }
}

impl<T> Drop for RwLockWrite<'_, T> {
    fn drop(&mut self) {
        self.lock.abandon(&mut self.at, WRITE, self.caller);
    }
}

/// The future of [`RwLock::read_owned`].
#[must_use = "futures do nothing unless awaited"]
pub struct RwLockReadOwned<T> {
    /// Gone once the guard has it.
    lock: Option<Arc<RwLock<T>>>,
    at: Place,
    caller: &'static Location<'static>,
}

future_debug!([<T>] RwLockReadOwned<T>, "RwLockReadOwned");

impl<T> Future for RwLockReadOwned<T> {
    type Output = OwnedRwLockReadGuard<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let lock = this.lock.as_ref().expect("a read future was polled after it had completed");
        ready!(lock.poll_take(&mut this.at, READ, this.caller, cx));
        Poll::Ready(OwnedRwLockReadGuard::new(this.lock.take().expect("looked at above")))
    }
}

impl<T> Drop for RwLockReadOwned<T> {
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            lock.abandon(&mut self.at, READ, self.caller);
        }
    }
}

/// The future of [`RwLock::write_owned`].
#[must_use = "futures do nothing unless awaited"]
pub struct RwLockWriteOwned<T> {
    /// Gone once the guard has it.
    lock: Option<Arc<RwLock<T>>>,
    at: Place,
    caller: &'static Location<'static>,
}

future_debug!([<T>] RwLockWriteOwned<T>, "RwLockWriteOwned");

impl<T> Future for RwLockWriteOwned<T> {
    type Output = OwnedRwLockWriteGuard<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let lock = this.lock.as_ref().expect("a write future was polled after it had completed");
        ready!(lock.poll_take(&mut this.at, WRITE, this.caller, cx));
        Poll::Ready(OwnedRwLockWriteGuard::new(this.lock.take().expect("looked at above")))
    }
}

impl<T> Drop for RwLockWriteOwned<T> {
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            lock.abandon(&mut self.at, WRITE, self.caller);
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
