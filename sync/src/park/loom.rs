//! Models: an unpark is never lost, and carries what happened before it.
use super::{Parker, block_on};
use crate::model;
use crate::shim::Ordering::Relaxed;
use crate::shim::atomic::AtomicUsize;
use crate::shim::{sync::Arc, thread};
use std::task::Poll;

model! {
    /// Two threads unpark; the parked one wakes and sees the work of the one that woke it.
    park_unpark(threads = 3, bound = 3, claim = "an unpark before, during or after going to sleep ends the sleep") {
        let parker = Parker::new();
        let data = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let other = { let (unparker, data) = (parker.unparker(), data.clone());
            thread::spawn(move || { data.0.store(1, Relaxed); unparker.unpark(); })
        };
        let unparker = parker.unparker();
        let one = { let data = data.clone();
            thread::spawn(move || { data.1.store(1, Relaxed); unparker.unpark(); })
        };
        while data.0.load(Relaxed) == 0 || data.1.load(Relaxed) == 0 {
            parker.park();
        }
        one.join().unwrap();
        other.join().unwrap();
    }
}

model! {
    /// The deadline passes while somebody unparks: true if and only if the unpark is used up.
    park_give_up(threads = 2, bound = 3, claim = "a deadline neither loses nor doubles an unpark") {
        let parker = Parker::new();
        let data = Arc::new(AtomicUsize::new(0));
        let one = { let (unparker, data) = (parker.unparker(), data.clone());
            thread::spawn(move || { data.store(1, Relaxed); unparker.unpark(); })
        };
        if !parker.begin() || parker.give_up() {
            assert_eq!(data.load(Relaxed), 1, "woken without the news");
        } else {
            parker.park();
            assert_eq!(data.load(Relaxed), 1, "woken without the news");
        }
        one.join().unwrap();
        assert!(parker.begin(), "one unpark counted twice");
    }
}

model! {
    /// A future that waits for another thread, driven by a parked one.
    park_block_on(threads = 2, bound = 3, claim = "a wake during or after a poll leads to another poll") {
        let cell = Arc::new((AtomicUsize::new(0), crate::waker_slot::WakerSlot::new()));
        let one = { let cell = cell.clone();
            thread::spawn(move || { cell.0.store(1, Relaxed); cell.1.wake(); })
        };
        block_on(std::future::poll_fn(|cx| {
            cell.1.register(cx.waker());
            if cell.0.load(Relaxed) == 1 { Poll::Ready(()) } else { Poll::Pending }
        }));
        one.join().unwrap();
    }
}
