//! Models of the condition: a change under the lock is never missed.

use super::Condition;
use crate::lock::Lock;
use crate::model;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};

type Shared = Arc<(Lock<usize>, Condition)>;

fn take_one((items, changed): &(Lock<usize>, Condition)) {
    block_on(async {
        let mut guard = items.acquire().await;
        changed.wait_for(&mut guard, |items| *items > 0).await;
        *guard -= 1;
    });
}

fn put_one((items, changed): &(Lock<usize>, Condition)) {
    block_on(async {
        let mut guard = items.acquire().await;
        *guard += 1;
        changed.notify(&guard, 1);
    });
}

fn spawn(
    shared: &Shared,
    body: impl FnOnce(&(Lock<usize>, Condition)) + Send + 'static,
) -> thread::JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || body(&shared))
}

model! {
    /// One consumer and one producer.
    line_condition_wait(threads = 2, bound = 3, claim = "a notification after the release is not missed") {
        let shared: Shared = Arc::new((Lock::new(0), Condition::new()));
        let consumer = spawn(&shared, take_one);
        put_one(&shared);
        consumer.join().unwrap();
        assert_eq!(*shared.0.try_acquire().unwrap(), 0);
    }
}

model! {
    /// CPython's test_cancelled_wakeup: a notified wait is dropped, the other gets the item.
    line_condition_drop(threads = 3, bound = 2, claim = "a notified wait that is dropped passes it on") {
        let shared: Shared = Arc::new((Lock::new(0), Condition::new()));
        let threads = [spawn(&shared, take_one), spawn(&shared, |(items, changed)| {
            let mut guard = block_on(items.acquire());
            let mut wait = Box::pin(changed.wait(&mut guard));
            let notified = poll_once(|cx| wait.as_mut().poll(cx)).is_ready();
            drop(wait);
            if notified {
                // This wait completed: the notification was for it, and it takes no item.
                changed.notify(&guard, 1);
            }
            drop(guard);
        })];
        put_one(&shared);
        join_all(threads);
        assert_eq!(*shared.0.try_acquire().unwrap(), 0);
    }
}

model! {
    /// asyncio's cancelled wait: it gives up, and has the lock when it ends.
    line_condition_give_up(threads = 3, bound = 2, claim = "a wait that gives up has the lock, and its notification goes on") {
        let shared: Shared = Arc::new((Lock::new(0), Condition::new()));
        let threads = [spawn(&shared, take_one), spawn(&shared, |(items, changed)| {
            let mut guard = block_on(items.acquire());
            let mut wait = Box::pin(changed.wait(&mut guard));
            let notified = poll_once(|cx| wait.as_mut().poll(cx)).is_ready();
            if notified {
                drop(wait);
                changed.notify(&guard, 1);
            } else {
                wait.give_up();
                block_on(wait);
            }
            // Dereferencing asks whether it is held.
            assert!(*guard <= 1);
        })];
        put_one(&shared);
        join_all(threads);
        assert_eq!(*shared.0.try_acquire().unwrap(), 0);
    }
}
