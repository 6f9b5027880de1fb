//! Models of the watch channel.

use super::channel;
use crate::model;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all};

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
