//! Models of the watch channel.

use super::channel;
use crate::model;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};

model! {
    /// A receiver waits for the last value, then for the end.
    watch_changed(threads = 2, bound = 2, claim = "the last value is never missed, and seen before the end") {
        let kept = Arc::new(());
        let (sender, mut receiver) = channel((0, kept.clone()));
        let value = kept.clone();
        let thread = thread::spawn(move || {
            sender.send((1, value.clone())).unwrap();
            sender.send((2, value)).unwrap();
        });
        while block_on(receiver.changed()).is_ok() {}
        let last: (i32, Arc<()>) = (*receiver.borrow()).clone();
        assert_eq!(last.0, 2);
        drop(last);
        thread.join().unwrap();
        drop(receiver);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

model! {
    /// Two senders, and a receiver that looks.
    watch_two_senders(threads = 3, bound = 2, claim = "snapshots are whole, versions only grow") {
        let (sender, mut receiver) = channel((0, 0));
        let other = sender.clone();
        let threads = [
            thread::spawn(move || other.send((1, 1)).unwrap()),
            thread::spawn(move || sender.send((2, 2)).unwrap()),
        ];
        block_on(receiver.changed()).unwrap();
        let (a, b) = *receiver.borrow();
        assert!(a == b && a > 0);
        join_all(threads);
    }
}

model! {
    /// A value comes while a receiver goes to sleep; the sender stays.
    watch_wake(threads = 2, bound = 3, claim = "a value that comes while a receiver goes to sleep wakes it") {
        let (sender, mut receiver) = channel(0);
        let thread = thread::spawn(move || {
            block_on(receiver.changed()).unwrap();
            assert_eq!(*receiver.borrow(), 7);
        });
        sender.send(7).unwrap();
        thread.join().unwrap();
    }
}

model! {
    /// The last receiver goes while a sender goes to sleep until it has.
    watch_closed(threads = 2, bound = 3, claim = "a sender that waits for the receivers to go is woken by the last") {
        let (sender, receiver) = channel(0);
        let thread = thread::spawn(move || drop(receiver));
        block_on(sender.closed());
        assert!(sender.is_closed());
        thread.join().unwrap();
    }
}

model! {
    /// The last receiver goes while a sender makes another.
    watch_reopened(threads = 2, bound = 3, claim = "a receiver that came in time keeps the channel open") {
        let (sender, receiver) = channel(0);
        let thread = thread::spawn(move || drop(receiver));
        let again = sender.subscribe();
        thread.join().unwrap();
        assert!(poll_once(|cx| std::pin::pin!(sender.closed()).poll(cx)).is_pending());
        drop(again);
        block_on(sender.closed());
    }
}
