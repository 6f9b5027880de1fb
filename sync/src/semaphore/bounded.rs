//! [`BoundedSemaphore`]: a semaphore that notices one release too many.

use super::permit::Owner;
use super::{OwnedPermit, Permit, SemAcquire, SemAcquireOwned, Semaphore, check};
use crate::error::{TooManyReleases, TryAcquireError};
use std::fmt;
use std::sync::Arc;

/// A [`Semaphore`] that refuses a release which would raise its value above the initial one.
///
/// asyncio: `BoundedSemaphore`; `release` beyond the bound is an error there and here, and changes
/// nothing. `release` is for permits that no guard holds any more ([`Permit::forget`]). A guard that
/// is dropped always gives back what it holds, so whoever calls `release` for it beforehand gives
/// back twice; the error comes with the next `release`.
///
/// # Progress
///
/// As [`Semaphore`]; `release` is lock-free.
///
/// # Examples
///
/// ```
/// use corio_sync::BoundedSemaphore;
///
/// let seats = BoundedSemaphore::new(1);
/// seats.try_acquire().unwrap().forget();
/// assert!(seats.release(1).is_ok());
/// assert!(seats.release(1).is_err());
/// ```
pub struct BoundedSemaphore {
    inner: Semaphore,
    bound: usize,
}

const_fn! {
    impl BoundedSemaphore {
        /// A semaphore with `value` permits and no more.
        ///
        /// # Panics
        ///
        /// If `value` exceeds [`Semaphore::MAX_PERMITS`].
        #[track_caller]
        pub fn new(value: usize) -> Self {
            Self { inner: Semaphore::new(value), bound: value }
        }
    }
}

impl BoundedSemaphore {
    pub(super) fn unbounded(&self) -> &Semaphore {
        &self.inner
    }

    /// As [`Semaphore::acquire`].
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::Closed) if the semaphore was closed before or while waiting.
    ///
    /// # Cancel safety
    ///
    /// As [`Semaphore::acquire`].
    #[track_caller]
    pub fn acquire(&self) -> SemAcquire<'_> {
        self.inner.acquire()
    }

    /// As [`Semaphore::acquire_many`]. More than the bound can never be met.
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::Closed) if the semaphore was closed before or while waiting.
    ///
    /// # Panics
    ///
    /// If `n` exceeds [`Semaphore::MAX_PERMITS`].
    ///
    /// # Cancel safety
    ///
    /// As [`Semaphore::acquire`].
    #[track_caller]
    pub fn acquire_many(&self, n: usize) -> SemAcquire<'_> {
        self.inner.acquire_many(n)
    }

    /// As [`Semaphore::acquire_owned`].
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::Closed) if the semaphore was closed before or while waiting.
    ///
    /// # Cancel safety
    ///
    /// As [`Semaphore::acquire`].
    #[track_caller]
    pub fn acquire_owned(self: Arc<Self>) -> SemAcquireOwned {
        SemAcquireOwned::new(Owner::Bounded(self), 1)
    }

    /// As [`Semaphore::acquire_many_owned`].
    ///
    /// # Errors
    ///
    /// [`Closed`](crate::Closed) if the semaphore was closed before or while waiting.
    ///
    /// # Panics
    ///
    /// If `n` exceeds [`Semaphore::MAX_PERMITS`].
    ///
    /// # Cancel safety
    ///
    /// As [`Semaphore::acquire`].
    #[track_caller]
    pub fn acquire_many_owned(self: Arc<Self>, n: usize) -> SemAcquireOwned {
        check(n);
        SemAcquireOwned::new(Owner::Bounded(self), n)
    }

    /// As [`Semaphore::acquire_blocking`].
    ///
    /// # Errors
    ///
    /// As there.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn acquire_blocking(
        &self,
        d: Option<std::time::Duration>,
    ) -> Result<Permit<'_>, TryAcquireError> {
        self.inner.acquire_blocking(d)
    }

    /// As [`Semaphore::try_acquire`].
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`].
    #[track_caller]
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.inner.try_acquire()
    }

    /// As [`Semaphore::try_acquire_many`].
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`].
    ///
    /// # Panics
    ///
    /// If `n` exceeds [`Semaphore::MAX_PERMITS`].
    #[track_caller]
    pub fn try_acquire_many(&self, n: usize) -> Result<Permit<'_>, TryAcquireError> {
        self.inner.try_acquire_many(n)
    }

    /// As [`Semaphore::try_acquire_owned`].
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`].
    #[track_caller]
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedPermit, TryAcquireError> {
        self.inner.try_take(1)?;
        Ok(OwnedPermit::new(Owner::Bounded(self), 1))
    }

    /// Gives `n` permits back that no guard holds.
    ///
    /// # Errors
    ///
    /// [`TooManyReleases`] if the value would rise above the initial one; nothing changes then.
    pub fn release(&self, n: usize) -> Result<(), TooManyReleases> {
        let fits = n <= self.bound && self.inner.permits.release_below(n, self.bound);
        if fits { Ok(()) } else { Err(TooManyReleases(())) }
    }

    /// As [`Semaphore::locked`].
    #[must_use]
    pub fn locked(&self) -> bool {
        self.inner.locked()
    }

    /// As [`Semaphore::available_permits`].
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.inner.available_permits()
    }

    /// As [`Semaphore::close`].
    pub fn close(&self) {
        self.inner.close();
    }

    /// As [`Semaphore::is_closed`].
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("BoundedSemaphore");
        out.field("available", &self.available_permits()).field("bound", &self.bound).finish()
    }
}
