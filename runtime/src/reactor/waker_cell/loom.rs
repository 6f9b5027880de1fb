//! Models of the waker cell.
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::task::{Wake, Waker};

use corio_sync::model;
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

use super::{Registered, WakerCell};

/// Counts how often it was woken and dropped.
struct Count(Arc<(AtomicUsize, AtomicUsize)>);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.0.fetch_add(1, Relaxed);
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.1.fetch_add(1, Relaxed);
    }
}

type Counts = Arc<(AtomicUsize, AtomicUsize)>;

fn counting() -> (Waker, Counts) {
    let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    (Waker::from(std::sync::Arc::new(Count(counts.clone()))), counts)
}

model! {
    /// One task registers, two threads announce an event: it is woken or told.
    waker_cell_event(
        threads = 3, bound = 3,
        claim = "a task that registered before an event is woken, or told at once, or sees it"
    ) {
        let shared = Arc::new((WakerCell::new(), AtomicUsize::new(0)));
        let takers = [(); 2].map(|()| {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1.fetch_add(1, AcqRel);
                if let Some(waker) = shared.0.take() {
                    waker.wake();
                }
            })
        });
        let (waker, counts) = counting();
        let registered = shared.0.register(&waker);
        // An exchange, as the readiness word has it: it reads the last value.
        let seen = shared.1.fetch_add(0, AcqRel);
        for taker in takers {
            taker.join().unwrap();
        }
        if registered == Registered::Stored && seen < 2 {
            assert!(counts.0.load(Relaxed) > 0, "asleep after an event");
        }
        drop(shared.0.take());
        drop(waker);
        assert_eq!(counts.1.load(Relaxed), 1, "a waker leaked or was dropped twice");
    }
}

model! {
    /// Two tasks share one cell while a thread takes.
    waker_cell_two_tasks(
        threads = 3, bound = 3,
        claim = "two tasks and a taker never use the slot at one time, and no waker leaks"
    ) {
        let cell = Arc::new(WakerCell::new());
        let (first, first_counts) = counting();
        let (second, second_counts) = counting();
        let other = { let cell = cell.clone(); thread::spawn(move || cell.register(&second)) };
        let taker = { let cell = cell.clone(); thread::spawn(move || drop(cell.take())) };
        let registered = cell.register(&first);
        let other = other.join().unwrap();
        taker.join().unwrap();
        let stored = [registered, other].contains(&Registered::Stored);
        assert!(stored || cell.take().is_none(), "a waker nobody stored");
        drop(cell.take());
        drop(first);
        assert_eq!(first_counts.1.load(Relaxed), 1);
        assert_eq!(second_counts.1.load(Relaxed), 1);
    }
}

model! {
    /// A task replaces its waker while an event is announced.
    waker_cell_replace(
        threads = 2, bound = 3,
        claim = "of an old and a new waker one is woken, unless the task is told to come back"
    ) {
        let cell = Arc::new(WakerCell::new());
        let (old, old_counts) = counting();
        let (new, new_counts) = counting();
        assert_eq!(cell.register(&old), Registered::Stored);
        let taker = {
            let cell = cell.clone();
            thread::spawn(move || cell.take().map(Waker::wake).is_some())
        };
        let registered = cell.register(&new);
        let took = taker.join().unwrap();
        let woken = old_counts.0.load(Relaxed) + new_counts.0.load(Relaxed);
        assert_eq!(woken, usize::from(took));
        assert!(took || registered == Registered::Raced, "neither woken nor told");
        // The next round finds the cell in order.
        assert_eq!(cell.register(&new), Registered::Stored);
        assert!(cell.take().is_some());
    }
}
