//! Back end for loom; with `corio_sc` every load is a failing compare-exchange.

/// Atomics and fences.
pub mod atomic {
    #[cfg(corio_sc)]
    pub use super::sequential::{
        AtomicBool, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
        AtomicUsize,
    };
    pub use loom::sync::atomic::fence;
    #[cfg(not(corio_sc))]
    pub use loom::sync::atomic::{
        AtomicBool, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64,
        AtomicUsize,
    };
    pub use std::sync::atomic::Ordering;
}

/// A model has every fence that the protocol names: what a processor gives beyond is none of its.
pub(crate) const fn rmw_was_fence() -> bool {
    false
}

/// A cell whose accesses loom watches.
pub mod cell {
    pub use loom::cell::UnsafeCell;
}

/// Reference counting.
pub mod sync {
    pub use loom::sync::Arc;
}

/// Threads.
pub mod thread {
    pub use loom::thread::{Builder, JoinHandle, Thread, current, park, spawn, yield_now};
}

/// Values that each thread of a model has for itself; those of std are shared by all of them.
macro_rules! each_thread {
    ($(#[$meta:meta])* static $name:ident: $type:ty = const { $init:expr };) => {
        loom::thread_local! { $(#[$meta])* static $name: $type = $init; }
    };
}
pub(crate) use each_thread as thread_local;

/// Processor hints: a spin must let the model's other threads run.
pub mod hint {
    pub use loom::thread::yield_now as spin_loop;
}

/// Runs one model and prints how many executions it took; see [`crate::model!`].
///
/// `CORIO_LOOM_BOUND` overrides the preemption bound. With `CORIO_MODEL_LIST` set only the
/// model's description is printed.
///
/// # Panics
///
/// If the model fails, or if it explored no execution.
pub fn run_model(
    name: &str,
    threads: usize,
    bound: usize,
    claim: &str,
    body: impl Fn() + Sync + Send + 'static,
) {
    println!("model {name} threads {threads} bound {bound} claim {claim}");
    if std::env::var_os("CORIO_MODEL_LIST").is_some() {
        return;
    }
    let bound =
        std::env::var("CORIO_LOOM_BOUND").ok().and_then(|v| v.parse().ok()).unwrap_or(bound);
    let executions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.max_branches = 50_000;
    builder.max_duration = None;
    builder.max_permutations = None;
    builder.log = false;
    let counter = executions.clone();
    builder.check(move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        body();
    });
    let executions = executions.load(std::sync::atomic::Ordering::Relaxed);
    assert!(executions > 0, "model {name} explored no execution");
    println!("model {name} executions {executions} complete");
}

#[cfg(corio_sc)]
mod sequential {
    //! Atomics whose loads are read-modify-writes: loom then branches on every order of accesses.
    use std::sync::atomic::Ordering;

    macro_rules! integer {
        ($name:ident, $int:ty) => {
            /// loom's atomic with sequential loads.
            #[derive(Debug)]
            pub struct $name(loom::sync::atomic::$name);

            impl Default for $name {
                fn default() -> Self {
                    Self::new(0)
                }
            }

            #[allow(missing_docs)]
            impl $name {
                #[track_caller]
                pub fn new(value: $int) -> Self {
                    Self(loom::sync::atomic::$name::new(value))
                }
                #[track_caller]
                pub fn load(&self, order: Ordering) -> $int {
                    // Neither value is ever stored by a model, so the exchange fails. The order is
                    // the caller's: sequential means the latest value, not what comes with it.
                    let unlikely = <$int>::MAX / 3 * 2 - 9;
                    match self.0.compare_exchange(unlikely, unlikely, Ordering::AcqRel, order) {
                        Ok(v) | Err(v) => v,
                    }
                }
                #[track_caller]
                pub fn store(&self, value: $int, order: Ordering) {
                    self.0.store(value, order)
                }
                #[track_caller]
                pub fn swap(&self, value: $int, order: Ordering) -> $int {
                    self.0.swap(value, order)
                }
                #[track_caller]
                pub fn fetch_add(&self, value: $int, order: Ordering) -> $int {
                    self.0.fetch_add(value, order)
                }
                #[track_caller]
                pub fn fetch_sub(&self, value: $int, order: Ordering) -> $int {
                    self.0.fetch_sub(value, order)
                }
                #[track_caller]
                pub fn fetch_or(&self, value: $int, order: Ordering) -> $int {
                    self.0.fetch_or(value, order)
                }
                #[track_caller]
                pub fn fetch_and(&self, value: $int, order: Ordering) -> $int {
                    self.0.fetch_and(value, order)
                }
                #[track_caller]
                pub fn fetch_xor(&self, value: $int, order: Ordering) -> $int {
                    self.0.fetch_xor(value, order)
                }
                #[track_caller]
                pub fn fetch_max(&self, value: $int, order: Ordering) -> $int {
                    self.0.fetch_max(value, order)
                }
                #[track_caller]
                pub fn fetch_min(&self, value: $int, order: Ordering) -> $int {
                    self.0.fetch_min(value, order)
                }
                #[track_caller]
                pub fn compare_exchange(
                    &self,
                    current: $int,
                    new: $int,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$int, $int> {
                    self.0.compare_exchange(current, new, success, failure)
                }
                #[track_caller]
                pub fn compare_exchange_weak(
                    &self,
                    current: $int,
                    new: $int,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$int, $int> {
                    self.0.compare_exchange(current, new, success, failure)
                }
            }
        };
    }

    integer!(AtomicU8, u8);
    integer!(AtomicU16, u16);
    integer!(AtomicU32, u32);
    integer!(AtomicU64, u64);
    integer!(AtomicUsize, usize);
    integer!(AtomicI64, i64);
    integer!(AtomicIsize, isize);

    /// A flag with sequential loads; a byte, because a failing compare-exchange needs a value that
    /// is never stored, and a read-modify-write that stores raises false alarms.
    #[derive(Debug, Default)]
    pub struct AtomicBool(AtomicU8);

    #[allow(missing_docs)]
    impl AtomicBool {
        #[track_caller]
        pub fn new(value: bool) -> Self {
            Self(AtomicU8::new(u8::from(value)))
        }
        #[track_caller]
        pub fn load(&self, order: Ordering) -> bool {
            self.0.load(order) == 1
        }
        #[track_caller]
        pub fn store(&self, value: bool, order: Ordering) {
            self.0.store(u8::from(value), order)
        }
        #[track_caller]
        pub fn swap(&self, value: bool, order: Ordering) -> bool {
            self.0.swap(u8::from(value), order) == 1
        }
        #[track_caller]
        pub fn compare_exchange(
            &self,
            current: bool,
            new: bool,
            success: Ordering,
            failure: Ordering,
        ) -> Result<bool, bool> {
            let swapped =
                self.0.compare_exchange(u8::from(current), u8::from(new), success, failure);
            swapped.map(|v| v == 1).map_err(|v| v == 1)
        }
    }

    /// loom's atomic with sequential loads.
    #[derive(Debug)]
    pub struct AtomicPtr<T>(loom::sync::atomic::AtomicPtr<T>);

    #[allow(missing_docs)]
    impl<T> AtomicPtr<T> {
        #[track_caller]
        pub fn new(value: *mut T) -> Self {
            Self(loom::sync::atomic::AtomicPtr::new(value))
        }
        #[track_caller]
        pub fn load(&self, order: Ordering) -> *mut T {
            // Odd and tiny: never the address of anything.
            let unlikely = std::ptr::without_provenance_mut(3);
            match self.0.compare_exchange(unlikely, unlikely, Ordering::AcqRel, order) {
                Ok(v) | Err(v) => v,
            }
        }
        #[track_caller]
        pub fn store(&self, value: *mut T, order: Ordering) {
            self.0.store(value, order)
        }
        #[track_caller]
        pub fn swap(&self, value: *mut T, order: Ordering) -> *mut T {
            self.0.swap(value, order)
        }
        #[track_caller]
        pub fn compare_exchange(
            &self,
            current: *mut T,
            new: *mut T,
            success: Ordering,
            failure: Ordering,
        ) -> Result<*mut T, *mut T> {
            self.0.compare_exchange(current, new, success, failure)
        }
        #[track_caller]
        pub fn compare_exchange_weak(
            &self,
            current: *mut T,
            new: *mut T,
            success: Ordering,
            failure: Ordering,
        ) -> Result<*mut T, *mut T> {
            self.0.compare_exchange(current, new, success, failure)
        }
    }
}
