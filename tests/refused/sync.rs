//! Primitives.

use corio::sync::{Lock, Semaphore};

// conforms: 8 test_lock
// conforms: 8 test_lock_by_with_statement
/// A lock is neither awaited nor used as what it guards.
///
/// ```compile_fail,E0277
/// corio::run(async { drop(corio::sync::Lock::new(5).await) });
/// ```
///
/// ```compile_fail,E0614
/// corio::run(async { assert_eq!(*corio::sync::Lock::new(5), 5) });
/// ```
pub fn a_lock_is_awaited_through_acquire() {
    corio::run(async {
        let lock = Lock::new(5);
        assert_eq!(*lock.acquire().await, 5);
    });
}

// conforms: 11 test_semaphore
// conforms: 11 test_semaphore_value
/// A semaphore is not awaited, and counts no less than nothing.
///
/// ```compile_fail,E0277
/// corio::run(async { drop(corio::sync::Semaphore::new(1).await) });
/// ```
///
/// ```compile_fail,E0600
/// corio::sync::Semaphore::new(-1);
/// ```
pub fn a_semaphore_counts_from_zero() {
    corio::run(async {
        let semaphore = Semaphore::new(1);
        drop(semaphore.acquire().await);
        assert!(format!("{semaphore:?}").contains('1'), "{semaphore:?}");
        assert!(Semaphore::new(0).try_acquire().is_err());
    });
}
