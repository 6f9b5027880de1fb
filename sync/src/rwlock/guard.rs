//! The guards of a [`RwLock`].

use super::{READ, RwLock, WRITE};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::Arc;

impl<T> RwLock<T> {
    /// # Safety
    ///
    /// The caller holds the lock, for reading at least, for as long as the reference lives.
    #[inline]
    unsafe fn shared(&self) -> &T {
        let data = self.data.with(|data| data);
        // SAFETY: no writer while the caller holds the lock.
        unsafe { &*data }
    }

    /// # Safety
    ///
    /// The caller holds the lock for writing and lends the data to nobody else meanwhile.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "exclusive by the caller's word, as in any lock")]
    unsafe fn exclusive(&self) -> &mut T {
        let data = self.data.with_mut(|data| data);
        // SAFETY: nobody else while the caller holds the lock for writing.
        unsafe { &mut *data }
    }
}

/// The right to read the data of a [`RwLock`].
#[must_use = "dropping the guard releases the lock at once"]
pub struct RwLockReadGuard<'a, T> {
    lock: &'a RwLock<T>,
}

impl<'a, T> RwLockReadGuard<'a, T> {
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self { lock }
    }
}

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard holds the lock.
        unsafe { self.lock.shared() }
    }
}

impl<T> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.release(READ);
    }
}

/// The right to change the data of a [`RwLock`].
#[must_use = "dropping the guard releases the lock at once"]
pub struct RwLockWriteGuard<'a, T> {
    lock: &'a RwLock<T>,
    /// The guard is as shareable as the data that it lends.
    lends: PhantomData<&'a mut T>,
}

impl<'a, T> RwLockWriteGuard<'a, T> {
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self { lock, lends: PhantomData }
    }

    /// Keeps the lock for reading and lets other readers in; no writer comes in between.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::RwLock;
    ///
    /// let lock = RwLock::new(1);
    /// let mut writer = lock.try_write().unwrap();
    /// *writer = 2;
    /// let reader = writer.downgrade();
    /// assert_eq!((*reader, *lock.try_read().unwrap()), (2, 2));
    /// assert!(lock.try_write().is_none());
    /// ```
    #[track_caller]
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        let writer = ManuallyDrop::new(self);
        writer.lock.downgrade(Location::caller());
        RwLockReadGuard::new(writer.lock)
    }
}

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard holds the lock.
        unsafe { self.lock.shared() }
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard holds the lock for writing, and `&mut self` is the only way to it.
        unsafe { self.lock.exclusive() }
    }
}

impl<T> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.release(WRITE);
    }
}

/// As [`RwLockReadGuard`], but keeps the lock alive.
#[must_use = "dropping the guard releases the lock at once"]
pub struct OwnedRwLockReadGuard<T> {
    lock: Arc<RwLock<T>>,
}

impl<T> OwnedRwLockReadGuard<T> {
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        Self { lock }
    }
}

impl<T> Deref for OwnedRwLockReadGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard holds the lock.
        unsafe { self.lock.shared() }
    }
}

impl<T> Drop for OwnedRwLockReadGuard<T> {
    fn drop(&mut self) {
        self.lock.release(READ);
    }
}

/// As [`RwLockWriteGuard`], but keeps the lock alive.
#[must_use = "dropping the guard releases the lock at once"]
pub struct OwnedRwLockWriteGuard<T> {
    /// Gone only in `downgrade`.
    lock: Option<Arc<RwLock<T>>>,
    /// The guard is as shareable as the data that it lends.
    lends: PhantomData<T>,
}

impl<T> OwnedRwLockWriteGuard<T> {
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        Self { lock: Some(lock), lends: PhantomData }
    }

    /// As [`RwLockWriteGuard::downgrade`].
    #[track_caller]
    pub fn downgrade(mut self) -> OwnedRwLockReadGuard<T> {
        let lock = self.lock.take().expect("a live guard has its lock");
        lock.downgrade(Location::caller());
        OwnedRwLockReadGuard::new(lock)
    }

    fn lock(&self) -> &RwLock<T> {
        self.lock.as_deref().expect("a live guard has its lock")
    }
}

impl<T> Deref for OwnedRwLockWriteGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard holds the lock.
        unsafe { self.lock().shared() }
    }
}

impl<T> DerefMut for OwnedRwLockWriteGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard holds the lock for writing, and `&mut self` is the only way to it.
        unsafe { self.lock().exclusive() }
    }
}

impl<T> Drop for OwnedRwLockWriteGuard<T> {
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            lock.release(WRITE);
        }
    }
}

macro_rules! guard_debug {
    ($([$($generics:tt)*] $type:ty;)*) => {
        $(impl $($generics)* fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&**self, f)
            }
        })*
    };
}

guard_debug! {
    [<T: fmt::Debug>] RwLockReadGuard<'_, T>;
    [<T: fmt::Debug>] RwLockWriteGuard<'_, T>;
    [<T: fmt::Debug>] OwnedRwLockReadGuard<T>;
    [<T: fmt::Debug>] OwnedRwLockWriteGuard<T>;
}
