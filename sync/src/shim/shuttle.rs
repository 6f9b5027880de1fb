//! Back end for shuttle: random and PCT schedules of models too large for loom.

#[path = "stall.rs"]
pub mod stall;

use std::hash::{BuildHasher, RandomState};

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// How many changes of priority PCT schedules have.
const DEPTH: usize = 3;

/// Atomics and fences. Each access is a place where [`stall`] may hold a thread.
pub mod atomic {
    use super::stall::access;
    pub use shuttle::sync::atomic::fence;
    pub use std::sync::atomic::Ordering;

    macro_rules! atomic {
        ($([$($generic:ident)?] $name:ident $value:ty: $($more:ident)*;)*) => {
            $(
                /// shuttle's atomic.
                #[derive(Debug, Default)]
                pub struct $name$(<$generic>)?(shuttle::sync::atomic::$name$(<$generic>)?);

                #[allow(missing_docs)]
                impl$(<$generic>)? $name$(<$generic>)? {
                    #[track_caller]
                    pub const fn new(value: $value) -> Self {
                        Self(shuttle::sync::atomic::$name::new(value))
                    }
                    #[track_caller]
                    pub fn load(&self, order: Ordering) -> $value {
                        access();
                        self.0.load(order)
                    }
                    #[track_caller]
                    pub fn store(&self, value: $value, order: Ordering) {
                        access();
                        self.0.store(value, order)
                    }
                    #[track_caller]
                    pub fn compare_exchange(
                        &self,
                        current: $value,
                        new: $value,
                        success: Ordering,
                        failure: Ordering,
                    ) -> Result<$value, $value> {
                        access();
                        self.0.compare_exchange(current, new, success, failure)
                    }
                    #[track_caller]
                    pub fn compare_exchange_weak(
                        &self,
                        current: $value,
                        new: $value,
                        success: Ordering,
                        failure: Ordering,
                    ) -> Result<$value, $value> {
                        access();
                        self.0.compare_exchange_weak(current, new, success, failure)
                    }
                    atomic!(@ $value: swap $($more)*);
                }
            )*
        };
        (@ $value:ty: $($operation:ident)*) => {
            $(
                #[track_caller]
                pub fn $operation(&self, value: $value, order: Ordering) -> $value {
                    access();
                    self.0.$operation(value, order)
                }
            )*
        };
    }

    atomic! {
        [] AtomicU8 u8: fetch_add fetch_sub fetch_or fetch_and fetch_xor fetch_max fetch_min;
        [] AtomicU16 u16: fetch_add fetch_sub fetch_or fetch_and fetch_xor fetch_max fetch_min;
        [] AtomicU32 u32: fetch_add fetch_sub fetch_or fetch_and fetch_xor fetch_max fetch_min;
        [] AtomicU64 u64: fetch_add fetch_sub fetch_or fetch_and fetch_xor fetch_max fetch_min;
        [] AtomicUsize usize: fetch_add fetch_sub fetch_or fetch_and fetch_xor fetch_max fetch_min;
        [] AtomicI64 i64: fetch_add fetch_sub fetch_or fetch_and fetch_xor fetch_max fetch_min;
        [] AtomicIsize isize: fetch_add fetch_sub fetch_or fetch_and fetch_xor fetch_max fetch_min;
        [] AtomicBool bool: fetch_or fetch_and fetch_xor;
        [T] AtomicPtr *mut T:;
    }
}

/// A model has every fence that the protocol names: what a processor gives beyond is none of its.
pub(crate) const fn rmw_was_fence() -> bool {
    false
}

/// A cell that reports two overlapping accesses.
pub mod cell {
    use shuttle::sync::atomic::{AtomicIsize, Ordering};

    /// An `UnsafeCell` that panics when two threads are inside it and one of them writes.
    #[derive(Debug, Default)]
    pub struct UnsafeCell<T> {
        /// Readers inside, or -1 for a writer. An atomic of the model, so that other threads get a
        /// turn on the way in and on the way out; `yield_now` would do that too, but it also wakes
        /// the task, which then never sleeps and so hides a lost wake-up.
        inside: AtomicIsize,
        value: std::cell::UnsafeCell<T>,
    }

    // SAFETY: a model's cell is shared on purpose; overlapping accesses panic, as loom's do.
    unsafe impl<T> Sync for UnsafeCell<T> {}
    // SAFETY: as above.
    unsafe impl<T> Send for UnsafeCell<T> {}

    // Ordering: `inside` finds misuse, it orders nothing; the scheduler of shuttle runs one thread at
    // a time and knows no other ordering than the sequential one.
    impl<T> UnsafeCell<T> {
        /// Wraps a value.
        pub const fn new(value: T) -> Self {
            Self { inside: AtomicIsize::new(0), value: std::cell::UnsafeCell::new(value) }
        }

        /// Unwraps the value.
        pub fn into_inner(self) -> T {
            self.value.into_inner()
        }

        /// Lends a pointer for reading.
        pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            assert!(self.inside.fetch_add(1, Ordering::SeqCst) >= 0, "cell read while written");
            let result = f(self.value.get());
            self.inside.fetch_sub(1, Ordering::SeqCst);
            result
        }

        /// Lends a pointer for writing.
        pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            assert_eq!(self.inside.swap(-1, Ordering::SeqCst), 0, "cell written while in use");
            let result = f(self.value.get());
            self.inside.store(0, Ordering::SeqCst);
            result
        }
    }
}

/// Reference counting.
pub mod sync {
    pub use shuttle::sync::Arc;
}

/// Threads.
pub mod thread {
    pub use shuttle::thread::{Builder, JoinHandle, Thread, current, park, spawn, yield_now};
}

/// Values that each thread of a model has for itself; those of std are shared by all of them.
pub(crate) use shuttle::thread_local;

/// Processor hints: a spin must let the model's other threads run.
pub mod hint {
    pub use shuttle::thread::yield_now as spin_loop;
}

/// Numbers that a replay of a schedule repeats.
pub mod rand {
    pub use shuttle::rand::{Rng, thread_rng};
}

/// Runs one model, half of the times under PCT schedules and half under random ones, and
/// prints how many; see [`crate::model!`].
///
/// `CORIO_SHUTTLE_ITERATIONS` overrides the number of schedules (2,000). `CORIO_SHUTTLE_SEED` chooses
/// them; without it they are new each time.
///
/// # Panics
///
/// If the model fails under any schedule; shuttle prints the schedule that replays it.
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
    let count = std::env::var("CORIO_SHUTTLE_ITERATIONS");
    let count = count.ok().and_then(|v| v.parse().ok()).unwrap_or(2_000);
    let seed = std::env::var("CORIO_SHUTTLE_SEED").ok().and_then(|v| v.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(name));
    let body = std::sync::Arc::new(body);
    let same = body.clone();
    let scheduler = PctScheduler::new_from_seed(seed, DEPTH, count - count / 2);
    Runner::new(scheduler, Config::default()).run(move || body());
    if count > 1 {
        let scheduler = RandomScheduler::new_from_seed(seed, count / 2);
        Runner::new(scheduler, Config::default()).run(move || same());
    }
    println!("model {name} executions {count} complete");
}

/// Runs one model under a random schedule of `seed`, which must not be serialized: a failure is an
/// answer here.
///
/// # Panics
///
/// As the model does; and if its threads wait for ever.
pub fn run_stalled(seed: u64, body: impl Fn() + Sync + Send + 'static) {
    /// More than any of them needs: who takes more waits by asking again and again.
    const STEPS_MAX: usize = 20_000;
    let mut config = Config::new();
    config.failure_persistence = shuttle::FailurePersistence::None;
    config.max_steps = shuttle::MaxSteps::FailAfter(STEPS_MAX);
    config.silence_warnings = true;
    let scheduler = RandomScheduler::new_from_seed(seed, 1);
    Runner::new(scheduler, config).run(body);
}
