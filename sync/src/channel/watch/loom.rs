//! Models of the watch channel.

use super::{Receiver, channel};
use crate::model;
use crate::shim::atomic::AtomicUsize;
use crate::shim::{Ordering, Witness, sync::Arc, thread};
use crate::testing::{Deeds, block_on, join_all, poll_once};

/// A thread that waits for the next value, which is this one.
fn hears(mut receiver: Receiver<i32>, value: i32) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        block_on(receiver.changed()).unwrap();
        assert_eq!(*receiver.borrow_and_update(), value);
    })
}

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
    /// Three threads: one sends, one looks and tells the third, which keeps the old value.
    watch_told(threads = 3, bound = 3, claim = "who is told of a value, or finds that there is one, finds no older one") {
        let (sender, mut one) = channel(0);
        let mut two = one.clone();
        assert_eq!(*two.borrow_and_update(), 0);
        let told = Arc::new(AtomicUsize::new(0));
        let tells = told.clone();
        let threads = [
            thread::spawn(move || { sender.send_replace(1); }),
            thread::spawn(move || {
                let value = *one.borrow_and_update();
                tells.store(value, Ordering::Release);
            }),
        ];
        if two.has_changed().unwrap_or(false) {
            assert_eq!(*two.borrow(), 1, "the version was there before its value");
        }
        let told = told.load(Ordering::Acquire);
        assert!(*two.borrow_and_update() >= told, "told of a value that is not there");
        join_all(threads);
    }
}

model! {
    /// A look at the version alone, without the node.
    watch_news_sees(threads = 2, bound = 3, claim = "whoever finds that there is news sees what was done before they were sent") {
        let (sender, receiver) = channel(0);
        let done = Arc::new(Witness::new(false));
        let other = done.clone();
        let thread = thread::spawn(move || {
            other.set(true);
            sender.send_replace(1);
            sender
        });
        if receiver.has_changed().unwrap() {
            assert!(done.get());
        }
        drop(thread.join().unwrap());
    }
}

model! {
    /// Two senders go without having sent anything: nothing but their going connects them.
    watch_end_sees(threads = 3, bound = 2, claim = "whoever finds the end sees what all senders did") {
        let (sender, mut receiver) = channel(0);
        let (deeds, threads) = Deeds::before_drop([sender.clone(), sender]);
        assert!(block_on(receiver.changed()).is_err());
        deeds.seen();
        join_all(threads);
    }
}

model! {
    /// A sender that stays: nothing but the change itself can wake the receiver.
    watch_kept(threads = 2, bound = 3, claim = "a change wakes who waits for it, and is there") {
        let (sender, receiver) = channel(0);
        let thread = hears(receiver, 1);
        sender.send_replace(1);
        thread.join().unwrap();
        drop(sender);
    }
}

model! {
    /// A value comes while a receiver goes to sleep; the sender stays.
    watch_wake(threads = 2, bound = 3, claim = "a value that comes while a receiver goes to sleep wakes it") {
        let (sender, receiver) = channel(0);
        let thread = hears(receiver, 7);
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

model! {
    /// The next value lies in another run than the one that the receiver keeps.
    watch_next_run(threads = 2, bound = 3, claim = "who keeps a run learns that another one has come") {
        let (sender, mut receiver) = channel(0);
        sender.send_replace(1);
        assert_eq!(*receiver.borrow_and_update(), 1);
        let thread = hears(receiver, 2);
        sender.send_replace(2);
        thread.join().unwrap();
        drop(sender);
    }
}

model! {
    /// Two senders fill a run and begin the next one; what each replaces goes to one of them.
    watch_runs(threads = 2, bound = 3, claim = "each value is replaced once, also at the end of a run") {
        let (sender, mut receiver) = channel(1);
        assert_eq!(*receiver.borrow_and_update(), 1);
        let other = sender.clone();
        let thread = thread::spawn(move || *other.send_replace(2) + *other.send_replace(4));
        let mut sum = *sender.send_replace(8);
        let kept = *receiver.borrow_and_update();
        assert!(kept == 8 || kept & 6 != 0, "{kept} was there before");
        sum += thread.join().unwrap();
        assert_eq!(sum + *receiver.borrow_and_update(), 15);
    }
}
