//! The rare steps of an operation on what tasks wait in: where it grows and shrinks, and where somebody
//! finds nobody, or those who have left.

use super::{Plan, glance, held, leave, ready, wait};
use crate::deferred::DeferredCore;
use crate::park::{Parker, Unparker};
use crate::testing::{block_on, poll_once};
use crate::{Event, LifoQueue, Lock, Notify, OnceCell, PriorityQueue, Queue, Semaphore};
use std::future::{pending, ready as at_once};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// So many that they fill some segments of a queue, and empty ones lie between others.
const MANY: usize = 9;

/// One that waits.
pub(super) fn asleep<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    assert!(poll_once(|cx| future.as_mut().poll(cx)).is_pending());
    future
}

/// Many that wait.
fn many<F: Future>(wait: impl Fn() -> F) -> Vec<Pin<Box<F>>> {
    (0..MANY).map(|_| asleep(wait())).collect()
}

/// As [`many`]; all but the first and the last have left.
fn far_apart<F: Future>(wait: impl Fn() -> F) -> Vec<Pin<Box<F>>> {
    let mut waits = many(wait);
    waits.drain(1..MANY - 1);
    waits
}

/// Another waker than the one of `poll_once`.
pub(super) fn other_waker() -> Waker {
    struct Deaf;
    impl Wake for Deaf {
        fn wake(self: Arc<Self>) {}
    }
    Waker::from(Arc::new(Deaf))
}

pub(super) fn poll_anew<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&other_waker()))
}

#[test]
fn stall_event_many_leave() {
    Plan {
        name: "stall_event_many_leave",
        claim: "nobody waits for waits that come and leave in many segments",
        make: Event::new,
        victim: |event| {
            held(|| {
                let mut waits: Vec<_> = (0..MANY).map(|_| Box::pin(event.wait())).collect();
                // Another one may set the event in between.
                for wait in &mut waits {
                    _ = poll_once(|cx| wait.as_mut().poll(cx));
                }
            });
        },
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
fn stall_event_look() {
    Plan {
        name: "stall_event_look",
        claim: "who clears an event, or waits with another waker, keeps nobody from setting it",
        make: Event::new,
        victim: |event| {
            let mut waits = asleep(event.wait());
            held(|| {
                event.clear();
                _ = poll_anew(waits.as_mut());
            });
        },
        others: [
            |event| leave(event.wait()),
            |event| {
                ready();
                event.set();
            },
        ],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_notify_far() {
    Plan {
        name: "stall_notify_far",
        claim: "notifications that pass empty segments keep nobody from leaving and notifying",
        make: Notify::new,
        victim: |notify| {
            let waits = far_apart(|| notify.notified());
            held(|| {
                notify.notify_one();
                notify.notify_one();
                notify.notify_one();
            });
            drop(waits);
        },
        others: [
            |notify| leave(notify.notified()),
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
fn stall_notify_store() {
    fn look(notify: &Notify) {
        ready();
        glance(notify.notified());
    }
    Plan {
        name: "stall_notify_store",
        claim: "a notification for whoever comes next keeps nobody from coming and going",
        make: Notify::new,
        victim: |notify| held(|| notify.notify_one()),
        others: [look, look],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_lock_release_far() {
    Plan {
        name: "stall_lock_release_far",
        claim: "a release that passes empty segments keeps nobody from trying and leaving",
        make: || Lock::new(()),
        victim: |lock| {
            let guard = lock.try_acquire();
            let waits = far_apart(|| lock.acquire());
            held(|| drop((guard, waits)));
        },
        others: [
            |lock| {
                ready();
                glance(lock.acquire());
            },
            |lock| {
                ready();
                drop(lock.try_acquire());
            },
        ],
        after: |lock| assert!(lock.try_acquire().is_some()),
    }
    .run();
}

#[test]
fn stall_once_init() {
    Plan {
        name: "stall_once_init",
        claim: "who makes a value keeps nobody from looking and leaving",
        make: OnceCell::new,
        victim: |cell| held(|| _ = *block_on(cell.get_or_init(|| at_once(1)))),
        others: [
            |cell| {
                ready();
                glance(cell.get_or_init(|| at_once(2)));
            },
            |cell| {
                ready();
                _ = cell.get();
            },
        ],
        after: |cell| assert!(cell.get().is_some()),
    }
    .run();
}

#[test]
fn stall_once_fails_far() {
    Plan {
        name: "stall_once_fails_far",
        claim: "a turn that passes those who have left keeps nobody from looking and leaving",
        make: OnceCell::<u8>::new,
        victim: |cell| {
            let begun = asleep(cell.get_or_init(pending));
            let waits = far_apart(|| cell.get_or_init(|| at_once(1)));
            held(|| drop((begun, waits)));
        },
        others: [
            |cell| {
                ready();
                glance(cell.get_or_init(|| at_once(2)));
            },
            |cell| {
                ready();
                _ = cell.get();
            },
        ],
        after: |cell| _ = *block_on(cell.get_or_init(|| at_once(3))),
    }
    .run();
}

#[test]
fn stall_semaphore_take() {
    fn others(semaphore: &Semaphore) {
        ready();
        drop(semaphore.try_acquire());
        glance(semaphore.acquire());
    }
    Plan {
        name: "stall_semaphore_take",
        claim: "who tries, or collects what was brought, keeps nobody from trying and leaving",
        make: || Semaphore::new(1),
        victim: |semaphore| {
            let permit = semaphore.try_acquire().unwrap();
            let mut waits = asleep(semaphore.acquire());
            drop(permit);
            held(|| {
                drop(semaphore.try_acquire());
                assert!(poll_once(|cx| waits.as_mut().poll(cx)).is_ready());
                drop(semaphore.try_acquire());
            });
        },
        others: [others, others],
        after: |semaphore| assert_eq!(semaphore.available_permits(), 1),
    }
    .run();
}

#[test]
fn stall_queue_runs() {
    fn others(queue: &Queue<usize>) {
        ready();
        queue.put_nowait(MANY).unwrap();
        block_on(queue.get()).unwrap();
    }
    Plan {
        name: "stall_queue_runs",
        claim: "others put and get beside one who goes through many runs",
        make: || Queue::new(0),
        victim: |queue| {
            held(|| {
                (0..MANY).for_each(|item| queue.put_nowait(item).unwrap());
                (0..MANY).for_each(|_| _ = queue.get_nowait().unwrap());
            });
        },
        others: [others, others],
        after: |queue| assert!(queue.empty()),
    }
    .run();
}

#[test]
fn stall_queue_shut_look() {
    Plan {
        name: "stall_queue_shut_look",
        claim: "who shuts a queue down at once, and looks at it, keeps nobody from the same",
        make: || (Queue::new(0), LifoQueue::new(0)),
        victim: |(queue, stack)| {
            queue.put_nowait(1).unwrap();
            held(|| {
                queue.shutdown(true);
                assert!(queue.put_nowait(2).is_err());
                assert!(queue.get_nowait().is_err());
                assert!(format!("{queue:?}").contains("shut: true"));
                stack.shutdown(true);
                assert!(stack.get_nowait().is_err());
            });
        },
        others: [
            |(queue, stack)| {
                ready();
                _ = queue.put_nowait(3);
                _ = queue.get_nowait();
                _ = stack.put_nowait(3);
                _ = stack.get_nowait();
            },
            |(queue, stack)| {
                ready();
                queue.shutdown(true);
                stack.shutdown(true);
            },
        ],
        after: |(queue, stack): &(Queue<u8>, LifoQueue<u8>)| {
            assert!(queue.empty() && stack.empty())
        },
    }
    .run();
}

#[test]
fn stall_queue_priority_drain() {
    fn others(queue: &PriorityQueue<usize>) {
        ready();
        queue.put_nowait(MANY).unwrap();
        block_on(queue.get()).unwrap();
    }
    Plan {
        name: "stall_queue_priority_drain",
        claim: "a get waits for one who compares the item that is due while it takes another",
        make: || PriorityQueue::new(0),
        victim: |queue| {
            (0..MANY).for_each(|item| queue.put_nowait(item).unwrap());
            held(|| (0..2).for_each(|_| _ = queue.get_nowait().unwrap()));
        },
        others: [others, others],
        after: |queue| assert_eq!(queue.qsize(), MANY - 2),
    }
    .run();
}

#[test]
fn stall_deferred_look() {
    fn look(core: &DeferredCore<u8, u8, u8>) {
        ready();
        assert!(core.get().is_some());
        assert!(core.set_result(2).is_err());
    }
    Plan {
        name: "stall_deferred_look",
        claim: "who looks at an outcome keeps nobody from looking",
        make: || {
            let core = DeferredCore::new();
            core.set_result(1).unwrap();
            core
        },
        victim: |core| held(|| assert!(core.get().is_some())),
        others: [look, look],
        after: |_| {},
    }
    .run();
}

#[test]
fn stall_park_unpark() {
    Plan {
        name: "stall_park_unpark",
        claim: "nobody waits for a thread that is about to sleep, or is being woken",
        make: || Mutex::new(None::<Unparker>),
        victim: |shared| {
            let parker = Parker::new();
            shared.lock().unwrap().replace(parker.unparker());
            held(|| {
                parker.unparker().unpark();
                parker.park();
            });
        },
        others: [
            |shared| {
                ready();
                let unparker = shared.lock().unwrap().clone();
                unparker.expect("the thread is there").unpark();
            },
            |_| ready(),
        ],
        after: |_| {},
    }
    .run();
}
