//! Events, notifications, conditions, barriers, cells and tokens.

use super::{Plan, glance, held, held_join, held_leave, leave, ready, wait};
use crate::deferred::DeferredCore;
use crate::testing::block_on;
use crate::{Barrier, CancelToken, Condition, Event, Lock, Notify, OnceCell, SetOnce};

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
                glance(cell.get_or_init(|| async { 3 }));
            },
        ],
        after: |cell| assert!(cell.get().is_some()),
    }
    .run();
}

#[test]
fn stall_once_leave() {
    Plan {
        name: "stall_once_leave",
        claim: "who wants the value waits for whoever makes it, and is giving up",
        make: OnceCell::new,
        victim: |cell| held_leave(cell.get_or_init(std::future::pending)),
        others: [
            |cell| {
                ready();
                let _ = (cell.get(), cell.set(2));
            },
            |cell| {
                ready();
                glance(cell.get_or_init(|| async { 3 }));
            },
        ],
        after: |cell| _ = block_on(cell.get_or_init(|| async { 4 })),
    }
    .run();
}

#[test]
fn stall_once_set_once() {
    Plan {
        name: "stall_once_set_once",
        claim: "those who wait for the value wait for the one who sets it",
        make: SetOnce::new,
        victim: |cell| held(|| _ = cell.set(1)),
        others: [
            |cell| assert!(*wait(cell.wait()) < 3),
            |cell| {
                ready();
                let _ = (cell.get(), cell.set(2));
            },
        ],
        after: |cell| assert!(cell.get().is_some()),
    }
    .run();
}

#[test]
fn stall_deferred_settle() {
    Plan {
        name: "stall_deferred_settle",
        claim: "those who wait for the outcome wait for the one who settles it",
        make: Core::new,
        victim: |core| held(|| _ = core.set_result(1)),
        others: [
            |core| _ = wait(core.wait()),
            |core| {
                ready();
                let _ = (core.set_exception(2), core.cancel(|| ()));
                assert!(core.done());
            },
        ],
        after: |core| assert!(core.done()),
    }
    .run();
}

#[test]
fn stall_cancel_token_cancel() {
    Plan {
        name: "stall_cancel_token_cancel",
        claim: "those who wait for a token wait for the one who cancels it first",
        make: || {
            let token = CancelToken::new();
            (token.child(), token)
        },
        victim: |(_, token)| held(|| token.cancel()),
        others: [
            |(child, _)| wait(child.cancelled()),
            |(child, token)| {
                ready();
                token.cancel();
                child.cancel();
                assert!(token.is_cancelled() && child.is_cancelled());
            },
        ],
        after: |(child, _)| assert!(child.is_cancelled()),
    }
    .run();
}

#[test]
fn stall_cancel_token_child() {
    Plan {
        name: "stall_cancel_token_child",
        claim: "a child that comes or goes keeps nobody from cancelling or hearing of it",
        make: CancelToken::new,
        victim: |token| held(|| drop(token.child())),
        others: [
            |token| wait(token.cancelled()),
            |token| {
                ready();
                drop(token.child());
                token.cancel();
            },
        ],
        after: |token| assert!(token.child().is_cancelled()),
    }
    .run();
}

#[test]
fn stall_condition_notify() {
    Plan {
        name: "stall_condition_notify",
        claim: "a notification that has stopped keeps nobody from leaving and trying",
        make: || (Lock::new(()), Condition::new()),
        victim: |(lock, condition)| {
            held(|| {
                let guard = block_on(lock.acquire());
                condition.notify(&guard, 1);
            });
        },
        others: [
            |(lock, condition)| {
                let mut guard = block_on(lock.acquire());
                leave(condition.wait(&mut guard));
            },
            |(lock, _)| {
                ready();
                drop(lock.try_acquire());
            },
        ],
        after: |(lock, _)| assert!(lock.try_acquire().is_some()),
    }
    .run();
}

#[test]
fn stall_event_join() {
    Plan {
        name: "stall_event_join",
        claim: "nobody waits for a wait that is joining",
        make: Event::new,
        victim: |event| held_join(event.wait()),
        others: [
            |event| {
                ready();
                block_on(event.wait());
            },
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
fn stall_notify_join() {
    Plan {
        name: "stall_notify_join",
        claim: "a waiter that is joining keeps nobody from notifying those before it",
        make: Notify::new,
        victim: |notify| held_join(notify.notified()),
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
fn stall_condition_join() {
    Plan {
        name: "stall_condition_join",
        claim: "a wait that is joining and giving up keeps nobody from trying the lock",
        make: || (Lock::new(()), Condition::new()),
        victim: |(lock, condition)| {
            let mut guard = block_on(lock.acquire());
            held(|| glance(condition.wait(&mut guard)));
        },
        others: [
            |(lock, condition)| {
                ready();
                if let Some(guard) = lock.try_acquire() {
                    condition.notify_all(&guard);
                }
            },
            |(lock, _)| {
                ready();
                glance(lock.acquire());
            },
        ],
        after: |(lock, _)| assert!(lock.try_acquire().is_some()),
    }
    .run();
}

#[test]
fn stall_barrier_join() {
    Plan {
        name: "stall_barrier_join",
        claim: "an arrival that has stopped keeps nobody from breaking the barrier",
        make: || Barrier::new(3),
        victim: |barrier| _ = held_join(barrier.wait()),
        others: [
            |barrier| {
                ready();
                _ = block_on(barrier.wait());
            },
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
fn stall_barrier_reset() {
    Plan {
        name: "stall_barrier_reset",
        claim: "those who wait in a round wait for the reset that has chosen them",
        make: || Barrier::new(3),
        victim: |barrier| held(|| barrier.reset()),
        others: [
            |barrier| assert!(wait(barrier.wait()).is_err()),
            |barrier| {
                ready();
                barrier.abort();
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_once_join() {
    Plan {
        name: "stall_once_join",
        claim: "nobody waits for a wait that is joining",
        make: SetOnce::new,
        victim: |cell| assert_eq!(*held_join(cell.wait()), 1),
        others: [
            |cell| {
                ready();
                assert_eq!(*block_on(cell.wait()), 1);
            },
            |cell| {
                ready();
                cell.set(1).unwrap();
            },
        ],
        after: |cell| assert!(cell.get().is_some()),
    }
    .run();
}

type Core = DeferredCore<u8, u8, ()>;

#[test]
fn stall_deferred_join() {
    Plan {
        name: "stall_deferred_join",
        claim: "nobody waits for a wait that is joining, though it came first",
        make: Core::new,
        victim: |core| _ = held_join(core.wait()),
        others: [
            |core| {
                ready();
                _ = block_on(core.wait());
            },
            |core| {
                ready();
                core.set_result(1).unwrap();
            },
        ],
        after: |core| assert!(core.done()),
    }
    .run();
}

#[test]
fn stall_deferred_leave() {
    Plan {
        name: "stall_deferred_leave",
        claim: "nobody waits for a wait that is leaving, though it came first",
        make: Core::new,
        victim: |core| held_leave(core.wait()),
        others: [
            |core| _ = wait(core.wait()),
            |core| {
                ready();
                core.set_result(1).unwrap();
            },
        ],
        after: |core| assert!(core.done()),
    }
    .run();
}

#[test]
fn stall_cancel_token_leave() {
    Plan {
        name: "stall_cancel_token_leave",
        claim: "nobody waits for a wait that is joining or leaving",
        make: CancelToken::new,
        victim: |token| held(|| glance(token.cancelled())),
        others: [
            |token| wait(token.cancelled()),
            |token| {
                ready();
                token.cancel();
            },
        ],
        after: |token| assert!(token.is_cancelled()),
    }
    .run();
}
