//! Back end for real programs: std's types under the names that models use.

/// Atomics and fences.
pub mod atomic {
    pub use std::sync::atomic::{
        AtomicBool, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
        AtomicUsize, Ordering, fence,
    };
}

/// True if the read-modify-write that the caller has just done was a full fence already: then nothing
/// moves across this call.
///
/// On x86-64 it was one, whatever its ordering says: such an instruction is `lock`ed. The language
/// knows nothing of that, so to the compiler this is a fence of its own; crossbeam-epoch pins in
/// the same way. What checks memory orderings gets a real fence.
#[inline(always)]
pub(crate) fn rmw_was_fence() -> bool {
    let locked = cfg!(all(target_arch = "x86_64", not(miri), not(corio_sanitize)));
    if locked {
        std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
    }
    locked
}

/// A cell whose accesses loom can watch.
pub mod cell {
    /// `std::cell::UnsafeCell` with loom's closure interface.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        /// Wraps a value.
        pub const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Unwraps the value.
        pub fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }

    impl<T: ?Sized> UnsafeCell<T> {
        /// Lends a pointer for reading.
        #[inline(always)]
        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Lends a pointer for writing.
        #[inline(always)]
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

/// Reference counting.
pub mod sync {
    pub use std::sync::Arc;
}

/// Threads.
pub mod thread {
    pub use std::thread::{
        Builder, JoinHandle, Thread, current, park, park_timeout, spawn, yield_now,
    };
}

/// Values that each thread has for itself.
pub(crate) use std::thread_local;

/// Processor hints.
pub mod hint {
    pub use std::hint::spin_loop;
}
