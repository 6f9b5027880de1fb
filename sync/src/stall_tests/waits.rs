//! Locks, semaphores, events, notifications, conditions, barriers and cells.

use super::{Plan, held, ready};
use crate::deferred::DeferredCore;
use crate::testing::{block_on, poll_once};
use crate::{Barrier, Condition, Event, Lock, Notify, OnceCell, Semaphore};
use std::mem::forget;
use std::pin::pin;
use std::task::Poll;

type Deferred = DeferredCore<u8, (), ()>;

/// Enlists, lets the victim stop, and waits until the future is ready.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    assert!(poll_once(|cx| future.as_mut().poll(cx)).is_pending());
    ready();
    block_on(future)
}

/// Enlists, and leaves while the victim is stopped.
fn leave<F: Future>(future: F) {
    let mut future = Box::pin(future);
    assert!(poll_once(|cx| future.as_mut().poll(cx)).is_pending());
    ready();
}

/// Enlists; what is looked at is leaving.
fn held_leave<F: Future>(future: F) {
    let mut future = Box::pin(future);
    assert!(poll_once(|cx| future.as_mut().poll(cx)).is_pending());
    held(|| drop(future));
}

fn taken(lock: Lock) -> Lock {
    forget(lock.try_acquire());
    lock
}

fn try_and_leave(lock: &Lock) {
    ready();
    drop(lock.try_acquire());
    let mut wait = Box::pin(lock.acquire());
    drop(poll_once(|cx| wait.as_mut().poll(cx)));
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
        claim: "another one's permits reach the waiter",
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
        claim: "permits pass a demand that is leaving",
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
        victim: |semaphore| {
            let mut wait = Box::pin(semaphore.acquire());
            let mut first = Poll::Pending;
            held(|| first = poll_once(|cx| wait.as_mut().poll(cx)));
            let permit = if let Poll::Ready(permit) = first { permit } else { block_on(wait) };
            permit.unwrap().forget();
        },
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

#[test]
fn stall_event_set() {
    Plan {
        name: "stall_event_set",
        claim: "those who wait for an event wait for whoever sets it first",
        make: Event::new,
        victim: |event| held(|| event.set()),
        others: [
            |event| wait(event.wait()),
            |event| {
                ready();
                event.set();
                block_on(event.wait());
            },
        ],
        after: |event| assert!(event.is_set()),
    }
    .run();
}

#[test]
fn stall_event_leave() {
    Plan {
        name: "stall_event_leave",
        claim: "nobody waits for a wait that is leaving",
        make: Event::new,
        victim: |event| held_leave(event.wait()),
        others: [
            |event| wait(event.wait()),
            |event| {
                ready();
                event.set();
            },
        ],
        after: |event| assert!(event.is_set()),
    }
    .run();
}

#[test]
fn stall_deferred_set() {
    Plan {
        name: "stall_deferred_set",
        claim: "the first waiter of a deferred waits for nobody who has not settled it",
        make: Deferred::new,
        victim: |deferred| held(|| _ = deferred.set_result(1)),
        others: [
            |deferred| _ = wait(deferred.wait()),
            |deferred| {
                ready();
                let _ = deferred.set_result(2);
                block_on(deferred.wait());
            },
        ],
        after: |deferred| assert!(deferred.done()),
    }
    .run();
}

#[test]
fn stall_deferred_leave() {
    Plan {
        name: "stall_deferred_leave",
        claim: "nobody waits for a wait that is leaving",
        make: Deferred::new,
        victim: |deferred| held_leave(deferred.wait()),
        others: [
            |deferred| _ = wait(deferred.wait()),
            |deferred| {
                ready();
                deferred.set_result(1).unwrap();
            },
        ],
        after: |deferred| assert!(deferred.done()),
    }
    .run();
}

#[test]
fn stall_notify_one() {
    Plan {
        name: "stall_notify_one",
        claim: "a waiter that was chosen waits for whoever has chosen it",
        make: Notify::new,
        victim: |notify| held(|| notify.notify_one()),
        others: [
            |notify| wait(notify.notified()),
            |notify| {
                ready();
                notify.notify_one();
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_notify_waiters() {
    Plan {
        name: "stall_notify_waiters",
        claim: "waiters that were chosen wait for whoever has chosen them",
        make: Notify::new,
        victim: |notify| held(|| notify.notify_waiters()),
        others: [
            |notify| wait(notify.notified()),
            |notify| {
                ready();
                notify.notify_waiters();
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_notify_leave() {
    Plan {
        name: "stall_notify_leave",
        claim: "a second notification passes a waiter that is leaving",
        make: Notify::new,
        victim: |notify| held_leave(notify.notified()),
        others: [
            |notify| wait(notify.notified()),
            |notify| {
                ready();
                notify.notify_one();
                notify.notify_one();
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_condition_leave() {
    Plan {
        name: "stall_condition_leave",
        claim: "a second notification passes a wait that is leaving",
        make: || (Lock::new(()), Condition::new()),
        victim: |(lock, condition)| {
            let mut guard = block_on(lock.acquire());
            held_leave(condition.wait(&mut guard));
        },
        others: [
            |(lock, condition)| {
                let mut guard = block_on(lock.acquire());
                wait(condition.wait(&mut guard));
            },
            |(lock, condition)| {
                ready();
                let guard = block_on(lock.acquire());
                condition.notify(&guard, 2);
            },
        ],
        after: |(lock, _)| assert!(lock.try_acquire().is_some()),
    }
    .run();
}

#[test]
fn stall_barrier_arrive() {
    Plan {
        name: "stall_barrier_arrive",
        claim: "those who wait in a round wait for the last arrival, which releases them",
        make: || Barrier::new(2),
        victim: |barrier| held(|| _ = block_on(barrier.wait())),
        others: [
            |barrier| _ = wait(barrier.wait()),
            |barrier| {
                ready();
                barrier.abort();
                assert!(barrier.broken());
            },
        ],
        after: |barrier| assert!(barrier.broken()),
    }
    .run();
}

#[test]
fn stall_barrier_leave() {
    Plan {
        name: "stall_barrier_leave",
        claim: "a wait that is giving up keeps nobody from breaking the barrier",
        make: || Barrier::new(3),
        victim: |barrier| held_leave(barrier.wait()),
        others: [
            |barrier| _ = wait(barrier.wait()),
            |barrier| {
                ready();
                barrier.abort();
            },
        ],
        after: |barrier| assert!(barrier.broken()),
    }
    .run();
}

#[test]
fn stall_once_set() {
    Plan {
        name: "stall_once_set",
        claim: "a cell that is being filled keeps nobody from looking and trying",
        make: OnceCell::new,
        victim: |cell| held(|| _ = cell.set(1)),
        others: [
            |cell| {
                ready();
                let _ = (cell.get(), cell.set(2));
            },
            |cell| {
                ready();
                let mut wait = Box::pin(cell.get_or_init(|| async { 3 }));
                let _ = poll_once(|cx| wait.as_mut().poll(cx));
            },
        ],
        after: |cell| assert!(cell.get().is_some()),
    }
    .run();
}
