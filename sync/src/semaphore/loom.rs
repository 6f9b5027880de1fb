//! Models of what semaphores add to `wait::weighted`: a bound, and permits that are forgotten.

use super::{BoundedSemaphore, Semaphore};
use crate::model;
use crate::shim::thread;
use crate::testing::{block_on, join_all};
use std::sync::Arc;

model! {
    /// Two releases of one permit that was kept, beside one of too many.
    semaphore_bounded(threads = 3, bound = 2, claim = "one of two releases of one permit is refused") {
        let semaphore = Arc::new(BoundedSemaphore::new(2));
        block_on(semaphore.acquire_many(2)).expect("open").forget();
        assert!(semaphore.release(1).is_ok());
        let (a, b) = (semaphore.clone(), semaphore.clone());
        let first = thread::spawn(move || a.release(1).is_ok());
        let tries = thread::spawn(move || assert!(b.release(2).is_err()));
        let second = semaphore.release(1).is_ok();
        assert_ne!(first.join().unwrap(), second);
        tries.join().unwrap();
        assert!(semaphore.available_permits() == 2 && semaphore.release(1).is_err());
    }
}

model! {
    /// A closed semaphore, permits that come back, and one that is forgotten.
    semaphore_close(threads = 3, bound = 2, claim = "a semaphore that was closed refuses, whatever comes back") {
        let semaphore = Arc::new(Semaphore::new(2));
        let (a, b) = (semaphore.clone(), semaphore.clone());
        let threads = [
            thread::spawn(move || if let Ok(permit) = a.try_acquire() { permit.forget() }),
            thread::spawn(move || drop(block_on(b.acquire_many(2)))),
        ];
        semaphore.close();
        join_all(threads);
        semaphore.release(2);
        assert!(semaphore.is_closed() && block_on(semaphore.acquire()).is_err());
    }
}
