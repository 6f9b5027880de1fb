//! Permits of a semaphore: given back when dropped.

use super::{BoundedSemaphore, Semaphore};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// Permits of a [`Semaphore`]; dropping them gives them back.
///
/// # Examples
///
/// ```
/// use corio_sync::Semaphore;
///
/// let seats = Semaphore::new(3);
/// let mut all = seats.try_acquire_many(3).unwrap();
/// let one = all.split(1).unwrap();
/// assert_eq!((one.count(), all.count()), (1, 2));
/// one.forget();
/// drop(all);
/// assert_eq!(seats.available_permits(), 2);
/// ```
#[doc(alias = "SemaphorePermit")]
#[must_use = "dropping the permit gives it back at once"]
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    n: usize,
}

impl<'a> Permit<'a> {
    pub(super) fn new(semaphore: &'a Semaphore, n: usize) -> Self {
        Self { semaphore, n }
    }

    /// Keeps the permits from being given back: the semaphore has so many fewer from now on.
    pub fn forget(mut self) {
        self.semaphore.forgets(self.n);
        self.n = 0;
    }

    /// How many permits these are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.n
    }

    /// Takes `n` of these permits out; `None` if there are not as many.
    #[track_caller]
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.n = self.n.checked_sub(n)?;
        self.semaphore.holds(self.n.min(n), Location::caller());
        Some(Self { semaphore: self.semaphore, n })
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.n > 0 {
            self.semaphore.gives_back(self.n);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("count", &self.n).finish_non_exhaustive()
    }
}

/// What an owned permit keeps alive.
#[derive(Clone)]
pub(super) enum Owner {
    Plain(Arc<Semaphore>),
    Bounded(Arc<BoundedSemaphore>),
}

impl Owner {
    pub(super) fn semaphore(&self) -> &Semaphore {
        match self {
            Self::Plain(semaphore) => semaphore,
            Self::Bounded(bounded) => bounded.unbounded(),
        }
    }
}

/// As [`Permit`], but keeps the semaphore alive.
///
/// # Examples
///
/// ```
/// use corio_sync::Semaphore;
/// use std::sync::Arc;
///
/// let seats = Arc::new(Semaphore::new(2));
/// let mut two = corio_sync::park::block_on(seats.clone().acquire_many_owned(2)).unwrap();
/// let one = two.split(1).unwrap();
/// assert_eq!((one.count(), two.count()), (1, 1));
/// one.forget();
/// drop(two);
/// assert_eq!(seats.available_permits(), 1);
/// ```
#[doc(alias = "OwnedSemaphorePermit")]
#[must_use = "dropping the permit gives it back at once"]
pub struct OwnedPermit {
    owner: Owner,
    n: usize,
}

impl OwnedPermit {
    pub(super) fn new(owner: Owner, n: usize) -> Self {
        Self { owner, n }
    }

    /// Keeps the permits from being given back: the semaphore has so many fewer from now on.
    pub fn forget(mut self) {
        self.owner.semaphore().forgets(self.n);
        self.n = 0;
    }

    /// How many permits these are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.n
    }

    /// Takes `n` of these permits out; `None` if there are not as many.
    #[track_caller]
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.n = self.n.checked_sub(n)?;
        self.owner.semaphore().holds(self.n.min(n), Location::caller());
        Some(Self { owner: self.owner.clone(), n })
    }
}

impl Drop for OwnedPermit {
    fn drop(&mut self) {
        if self.n > 0 {
            self.owner.semaphore().gives_back(self.n);
        }
    }
}

impl fmt::Debug for OwnedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").field("count", &self.n).finish_non_exhaustive()
    }
}
