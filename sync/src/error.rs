//! What can go wrong, one small type per domain; refused values come back in their error.

use std::error::Error;
use std::fmt;

macro_rules! unit_error {
    ($(#[$meta:meta])* $name:ident, $text:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub(crate) ());

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($text)
            }
        }

        impl Error for $name {}
    };
}

unit_error! {
    /// [`Lock::release`](crate::Lock::release) of a lock that is not held (asyncio: `RuntimeError`).
    NotLocked, "the lock is not held"
}
unit_error! {
    /// The semaphore was closed.
    Closed, "the semaphore was closed"
}
unit_error! {
    /// [`BoundedSemaphore::release`](crate::BoundedSemaphore::release) above the initial value
    /// (asyncio: `ValueError`).
    TooManyReleases, "released more often than acquired"
}
unit_error! {
    /// The barrier is broken (asyncio: `BrokenBarrierError`).
    BrokenBarrier, "the barrier is broken"
}
unit_error! {
    /// [`Queue::task_done`](crate::Queue::task_done) called more often than items were put
    /// (asyncio: `ValueError`).
    TooManyDone, "task_done was called more often than items were put"
}

/// Why [`Semaphore::try_acquire`](crate::Semaphore::try_acquire) got no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryAcquireError {
    /// Not enough permits are free, or others wait for them.
    NoPermits,
    /// The semaphore was closed.
    Closed,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPermits => "no permits are available",
            Self::Closed => "the semaphore was closed",
        })
    }
}

impl Error for TryAcquireError {}
