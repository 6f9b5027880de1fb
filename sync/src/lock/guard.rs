//! The guards of a [`Lock`]: the right to use its data.

use super::Lock;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// The right to use the data of a [`Lock`]; dropping it releases the lock.
///
/// A guard can be **not held** in one case: a [`Condition`](crate::Condition)'s wait released the
/// lock and its future was dropped before it had it back. Such a guard panics when it is
/// dereferenced and does nothing when it is dropped.
#[doc(alias = "MutexGuard")]
#[must_use = "dropping the guard releases the lock at once"]
pub struct LockGuard<'a, T = ()> {
    pub(crate) lock: &'a Lock<T>,
    pub(crate) held: bool,
    /// The guard is as shareable as the data that it lends.
    lends: PhantomData<&'a mut T>,
}

impl<'a, T> LockGuard<'a, T> {
    /// For whoever has just taken the lock.
    #[inline]
    pub(crate) fn new(lock: &'a Lock<T>) -> Self {
        Self { lock, held: true, lends: PhantomData }
    }

    /// Whether this guard holds the lock; false only after a condition's wait was dropped midway.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::Lock;
    ///
    /// let lock = Lock::new(1);
    /// assert!(lock.try_acquire().unwrap().is_held());
    /// ```
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn not_held() -> ! {
    panic!(
        "this guard does not hold its lock: a Condition's wait was dropped before it had the lock \
         back; acquire the lock again"
    )
}

impl<T> Deref for LockGuard<'_, T> {
    type Target = T;

    #[inline]
    #[track_caller]
    fn deref(&self) -> &T {
        if !self.held {
            not_held();
        }
        let data = self.lock.data.with(|data| data);
        // SAFETY: a held guard is the only one; `&self` allows others to read only.
        unsafe { &*data }
    }
}

impl<T> DerefMut for LockGuard<'_, T> {
    #[inline]
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        if !self.held {
            not_held();
        }
        let data = self.lock.data.with_mut(|data| data);
        // SAFETY: a held guard is the only one, and `&mut self` the only way to it.
        unsafe { &mut *data }
    }
}

impl<T> Drop for LockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.held {
            self.lock.raw.release();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for LockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.held { fmt::Debug::fmt(&**self, f) } else { f.write_str("<not held>") }
    }
}

/// As [`LockGuard`], but keeps the lock alive.
#[doc(alias = "OwnedMutexGuard")]
#[must_use = "dropping the guard releases the lock at once"]
pub struct OwnedLockGuard<T = ()> {
    lock: Arc<Lock<T>>,
    /// The guard is as shareable as the data that it lends.
    lends: PhantomData<T>,
}

// SAFETY: `&OwnedLockGuard` lends `&T` and a lock that is Sync already.
unsafe impl<T: Send + Sync> Sync for OwnedLockGuard<T> {}

impl<T> OwnedLockGuard<T> {
    /// For whoever has just taken the lock.
    pub(crate) fn new(lock: Arc<Lock<T>>) -> Self {
        Self { lock, lends: PhantomData }
    }

    /// The lock that this guard holds.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::{Lock, OwnedLockGuard};
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(Lock::new(1));
    /// let guard = lock.clone().try_acquire_owned().unwrap();
    /// assert!(Arc::ptr_eq(OwnedLockGuard::lock(&guard), &lock));
    /// ```
    #[must_use]
    pub fn lock(guard: &Self) -> &Arc<Lock<T>> {
        &guard.lock
    }
}

impl<T> Deref for OwnedLockGuard<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let data = self.lock.data.with(|data| data);
        // SAFETY: this guard is the only one; `&self` allows others to read only.
        unsafe { &*data }
    }
}

impl<T> DerefMut for OwnedLockGuard<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        let data = self.lock.data.with_mut(|data| data);
        // SAFETY: this guard is the only one, and `&mut self` the only way to it.
        unsafe { &mut *data }
    }
}

impl<T> Drop for OwnedLockGuard<T> {
    fn drop(&mut self) {
        self.lock.raw.release();
    }
}

impl<T: fmt::Debug> fmt::Debug for OwnedLockGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
