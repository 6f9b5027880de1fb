//! Locks and semaphores.

use super::{Plan, glance, held, held_join, held_leave, leave, ready, wait};
use crate::shim::thread;
use crate::testing::block_on;
use crate::{BoundedSemaphore, Lock, RwLock, Semaphore};
use std::mem::forget;

fn taken(lock: Lock) -> Lock {
    forget(lock.try_acquire());
    lock
}

fn try_and_leave(lock: &Lock) {
    ready();
    drop(lock.try_acquire());
    glance(lock.acquire());
}

#[test]
fn stall_lock_release() {
    Plan {
        name: "stall_lock_release",
        claim: "a lock that is being released keeps nobody from trying and leaving",
        make: || taken(Lock::new(())),
        victim: |lock| held(|| lock.release().unwrap()),
        others: [|lock| leave(lock.acquire()), try_and_leave],
        after: |lock| assert!(lock.try_acquire().is_some()),
    }
    .run();
}

#[test]
fn stall_lock_unfair_release() {
    Plan {
        name: "stall_lock_unfair_release",
        claim: "an unfair lock that is being released keeps nobody from trying and leaving",
        make: || taken(Lock::new_unfair(())),
        victim: |lock| held(|| lock.release().unwrap()),
        others: [|lock| leave(lock.acquire()), try_and_leave],
        after: |lock| assert!(lock.try_acquire().is_some()),
    }
    .run();
}

#[test]
fn stall_lock_leave() {
    Plan {
        name: "stall_lock_leave",
        claim: "a lock waits for a future that it has reached and that is still leaving",
        make: || taken(Lock::new(())),
        victim: |lock| held_leave(lock.acquire()),
        others: [
            |lock| drop(wait(lock.acquire())),
            |lock| {
                ready();
                lock.release().unwrap();
            },
        ],
        after: |lock| assert!(lock.try_acquire().is_some()),
    }
    .run();
}

#[test]
fn stall_semaphore_release() {
    Plan {
        name: "stall_semaphore_release",
        claim: "a waiter waits for the release that owes it permits",
        make: || Semaphore::new(0),
        victim: |semaphore| held(|| semaphore.release(1)),
        others: [
            |semaphore| wait(semaphore.acquire_many(2)).unwrap().forget(),
            |semaphore| {
                ready();
                semaphore.release(2);
            },
        ],
        after: |semaphore| assert_eq!(semaphore.available_permits(), 1),
    }
    .run();
}

#[test]
fn stall_semaphore_leave() {
    Plan {
        name: "stall_semaphore_leave",
        claim: "those behind a demand that is leaving wait while it settles",
        make: || Semaphore::new(0),
        victim: |semaphore| held_leave(semaphore.acquire_many(2)),
        others: [
            |semaphore| wait(semaphore.acquire()).unwrap().forget(),
            |semaphore| {
                ready();
                semaphore.release(3);
            },
        ],
        after: |semaphore| assert_eq!(semaphore.available_permits(), 2),
    }
    .run();
}

#[test]
fn stall_semaphore_join() {
    Plan {
        name: "stall_semaphore_join",
        claim: "those behind a demand that is joining the queue wait for it",
        make: || Semaphore::new(0),
        victim: |semaphore| held_join(semaphore.acquire()).unwrap().forget(),
        others: [
            |semaphore| {
                ready();
                block_on(semaphore.acquire()).unwrap().forget();
            },
            |semaphore| {
                ready();
                semaphore.release(2);
            },
        ],
        after: |semaphore| assert_eq!(semaphore.available_permits(), 0),
    }
    .run();
}

/// Joins a lock's queue beside one that leaves it and one that releases the lock.
fn joins(name: &'static str, make: fn() -> Lock) {
    Plan {
        name,
        claim: "somebody who is joining keeps nobody from releasing, trying and leaving",
        make,
        victim: |lock| drop(held_join(lock.acquire())),
        others: [
            |lock| leave(lock.acquire()),
            |lock| {
                ready();
                lock.release().unwrap();
                drop(lock.try_acquire());
            },
        ],
        after: |lock| assert!(lock.try_acquire().is_some()),
    }
    .run();
}

#[test]
fn stall_lock_join() {
    joins("stall_lock_join", || taken(Lock::new(())));
}

#[test]
fn stall_lock_unfair_join() {
    joins("stall_lock_unfair_join", || taken(Lock::new_unfair(())));
}

#[test]
fn stall_lock_unfair_leave() {
    Plan {
        name: "stall_lock_unfair_leave",
        claim: "an unfair lock that called a future which is leaving can be taken",
        make: || taken(Lock::new_unfair(())),
        victim: |lock| held_leave(lock.acquire()),
        others: [
            |lock| leave(lock.acquire()),
            |lock| {
                ready();
                lock.release().unwrap();
                drop(block_on(lock.acquire()));
            },
        ],
        after: |lock| assert!(lock.try_acquire().is_some()),
    }
    .run();
}

#[test]
fn stall_semaphore_close() {
    Plan {
        name: "stall_semaphore_close",
        claim: "whoever closes tells all who wait, whatever another one is doing",
        make: || Semaphore::new(0),
        victim: |semaphore| held(|| semaphore.close()),
        others: [
            |semaphore| assert!(wait(semaphore.acquire()).is_err()),
            |semaphore| {
                ready();
                semaphore.close();
            },
        ],
        after: |semaphore| assert!(semaphore.is_closed()),
    }
    .run();
}

#[test]
fn stall_semaphore_bounded() {
    Plan {
        name: "stall_semaphore_bounded",
        claim: "a waiter waits for the release that owes it a permit",
        make: || {
            let semaphore = BoundedSemaphore::new(2);
            forget(semaphore.try_acquire_many(2));
            semaphore
        },
        victim: |semaphore| held(|| semaphore.release(1).unwrap()),
        others: [
            |semaphore| forget(wait(semaphore.acquire()).unwrap()),
            |semaphore| {
                ready();
                semaphore.release(1).unwrap();
            },
        ],
        after: |semaphore| assert_eq!(semaphore.available_permits(), 1),
    }
    .run();
}

#[test]
fn stall_rwlock_read_ends() {
    Plan {
        name: "stall_rwlock_read_ends",
        claim: "a reader that is leaving keeps no other reader out",
        make: || RwLock::new(()),
        victim: |lock| {
            let guard = lock.try_read().unwrap();
            held(|| drop(guard));
        },
        others: [
            |lock| {
                ready();
                drop(block_on(lock.read()));
            },
            |lock| {
                ready();
                drop(lock.try_write());
                drop(lock.try_read());
            },
        ],
        after: |lock| assert!(lock.try_write().is_some()),
    }
    .run();
}

#[test]
fn stall_rwlock_write_ends() {
    Plan {
        name: "stall_rwlock_write_ends",
        claim: "a lock that is being released keeps nobody from trying and leaving",
        make: || RwLock::new(()),
        victim: |lock| {
            let guard = lock.try_write().unwrap();
            held(|| drop(guard));
        },
        others: [
            |lock| {
                ready();
                drop(lock.try_read());
                glance(lock.write());
            },
            |lock| {
                ready();
                glance(lock.read());
            },
        ],
        after: |lock| assert!(lock.try_write().is_some()),
    }
    .run();
}

/// A lock with a reader that stays.
fn read() -> RwLock<()> {
    let lock = RwLock::new(());
    forget(lock.try_read());
    lock
}

#[test]
fn stall_rwlock_writer_leaves() {
    Plan {
        name: "stall_rwlock_writer_leaves",
        claim: "readers behind a writer that is leaving wait for it",
        make: read,
        victim: |lock| held_leave(lock.write()),
        others: [
            |lock| {
                // No reader gets in any more: the writer has come.
                while lock.try_read().is_some() {
                    thread::yield_now();
                }
                drop(wait(lock.read()));
            },
            |lock| {
                ready();
                drop(lock.try_read());
            },
        ],
        after: |lock| assert!(lock.try_read().is_some()),
    }
    .run();
}

#[test]
fn stall_rwlock_downgrade() {
    Plan {
        name: "stall_rwlock_downgrade",
        claim: "a writer that becomes a reader keeps nobody from trying and leaving",
        make: || RwLock::new(()),
        victim: |lock| {
            let guard = lock.try_write().unwrap();
            held(|| drop(guard.downgrade()));
        },
        others: [
            |lock| {
                ready();
                drop(lock.try_read());
            },
            |lock| {
                ready();
                glance(lock.read());
            },
        ],
        after: |lock| assert!(lock.try_write().is_some()),
    }
    .run();
}

#[test]
fn stall_rwlock_writer_joins() {
    Plan {
        name: "stall_rwlock_writer_joins",
        claim: "a writer that comes and goes keeps nobody from trying and leaving",
        make: read,
        victim: |lock| held(|| glance(lock.write())),
        others: [
            |lock| {
                ready();
                drop(lock.try_read());
            },
            |lock| {
                ready();
                glance(lock.read());
                glance(lock.write());
            },
        ],
        after: |lock| assert!(lock.try_read().is_some()),
    }
    .run();
}
