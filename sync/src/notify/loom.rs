//! Models of notifications: stored, broadcast, and passed on by a waiter that leaves.

use super::{Notified, Notify};
use crate::model;
use crate::shim::atomic::{AtomicUsize, Ordering::*};
use crate::shim::cell::UnsafeCell;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};
use std::pin::Pin;

/// A notification and data that it publishes.
struct Published(Notify, UnsafeCell<usize>);
// SAFETY: the cell is written before the notification and read after it; loom checks it.
unsafe impl Sync for Published {}
// SAFETY: as above.
unsafe impl Send for Published {}

impl Published {
    fn new() -> Arc<Self> {
        Arc::new(Self(Notify::new(), UnsafeCell::new(0)))
    }

    fn write(&self) {
        // SAFETY: the model's claim.
        self.1.with_mut(|value| unsafe { *value = 7 });
    }

    fn read(&self) {
        // SAFETY: the model's claim.
        self.1.with(|value| assert_eq!(unsafe { *value }, 7));
    }
}

fn ready(future: &mut Pin<Box<Notified<'_>>>) -> bool {
    poll_once(|cx| future.as_mut().poll(cx)).is_ready()
}

model! {
    /// One notification, stored or delivered, is received by one waiter.
    line_notify_one(threads = 2, bound = 3, claim = "a notification is never lost and publishes") {
        let notify = Published::new();
        let other = notify.clone();
        let thread = thread::spawn(move || { other.write(); other.0.notify_one() });
        let mut future = Box::pin(notify.0.notified());
        while !ready(&mut future) {
            thread::yield_now();
        }
        notify.read();
        thread.join().unwrap();
        drop(future);
        assert!(!ready(&mut Box::pin(notify.0.notified())), "one notification, two receivers");
    }
}

model! {
    /// A waiter that was notified leaves; the next one gets it, with what it published.
    line_notify_pass_on(threads = 3, bound = 2, claim = "a notified waiter that leaves passes it on") {
        let notify = Published::new();
        let mut leaving = Box::pin(notify.0.notified());
        assert!(!ready(&mut leaving));
        let (sender, receiver) = (notify.clone(), notify.clone());
        let threads = [
            thread::spawn(move || { sender.write(); sender.0.notify_one() }),
            thread::spawn(move || {
                let mut future = Box::pin(receiver.0.notified());
                while !ready(&mut future) {
                    thread::yield_now();
                }
                receiver.read();
            }),
        ];
        drop(leaving);
        join_all(threads);
    }
}

model! {
    /// Two notifications for two waiters, one of which leaves and comes back.
    line_notify_two(threads = 3, bound = 2, claim = "as many receivers as notifications, stored one included") {
        let notify = Arc::new(Notify::new());
        let (a, b) = (notify.clone(), notify.clone());
        let mut first = Box::pin(notify.notified());
        assert!(!ready(&mut first));
        let threads = [
            thread::spawn(move || a.notify_one()),
            thread::spawn(move || { let mut second = Box::pin(b.notified()); let _ = ready(&mut second); }),
        ];
        block_on(first);
        notify.notify_one();
        join_all(threads);
        let received = ready(&mut Box::pin(notify.notified()));
        // The other waiter may have taken it while it was there.
        let _ = received;
        notify.notify_one();
        assert!(ready(&mut Box::pin(notify.notified())));
        assert!(!ready(&mut Box::pin(notify.notified())));
    }
}

model! {
    /// The stored notification is taken and stored again between a waiter's look and its step.
    line_notify_again(threads = 2, bound = 3, claim = "whoever takes a stored notification sees what came with that one") {
        let notify = Published::new();
        let other = notify.clone();
        let thread = thread::spawn(move || {
            if ready(&mut Box::pin(other.0.notified())) {
                // SAFETY: the model's claim.
                other.1.with(|value| assert_ne!(unsafe { *value }, 1));
            }
        });
        notify.0.notify_one();
        if ready(&mut Box::pin(notify.0.notified())) {
            // The first was taken here, so the other thread takes the second or none.
            notify.write();
            notify.0.notify_one();
        }
        thread.join().unwrap();
    }
}

model! {
    /// A broadcast reaches futures that were created before it, however late they are polled.
    notify_created_before(threads = 2, bound = 3, claim = "a broadcast reaches whoever was created before it, and publishes") {
        let notify = Published::new();
        let future = notify.0.notified();
        let other = notify.clone();
        let thread = thread::spawn(move || { other.write(); other.0.notify_waiters() });
        block_on(future);
        notify.read();
        thread.join().unwrap();
    }
}

model! {
    /// tokio#5404: a broadcast must not wake futures that are created after it.
    notify_created_after(threads = 3, bound = 2, claim = "a broadcast reaches nobody who was created after it") {
        let notify = Arc::new(Notify::new());
        let over = Arc::new(AtomicUsize::new(0));
        let (late, seen) = (notify.clone(), over.clone());
        let early = notify.clone();
        let threads = [
            thread::spawn(move || {
                let after = seen.load(Acquire) == 1;
                let mut future = Box::pin(late.notified());
                let woken = ready(&mut future) || ready(&mut future);
                assert!(!(after && woken), "woken by a broadcast that was over");
            }),
            thread::spawn(move || { let mut future = Box::pin(early.notified()); let _ = ready(&mut future); }),
        ];
        notify.notify_waiters();
        over.store(1, Release);
        join_all(threads);
    }
}
