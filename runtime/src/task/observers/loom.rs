//! Models of the observers: an end, which tells, beside those who come, go and are late.
use std::task::{Wake, Waker};

use corio_sync::model;
use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::Witness;
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

use super::{End, Observers};

/// A callback whose number loom sees being written and read.
struct Call(Witness<usize>);

impl Call {
    fn new(number: usize) -> Self {
        let call = Self(Witness::new(0));
        call.0.set(number);
        call
    }

    fn number(&self) -> usize {
        self.0.get()
    }
}

/// What ends, as a task or a deferred does.
struct Twin {
    end: End,
    /// Written before the end, read by who sees it.
    outcome: Witness<usize>,
    observers: Observers<Call>,
    /// The queue of the loop: what was handed out, in order.
    queue: [AtomicUsize; 3],
    queued: AtomicUsize,
}

impl Twin {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            end: End::new(),
            outcome: Witness::new(0),
            observers: Observers::new(),
            queue: [const { 0 }; 3].map(AtomicUsize::new),
            queued: AtomicUsize::new(0),
        })
    }

    fn tell(&self) {
        self.observers.tell(None, |call| {
            assert_eq!(self.outcome.get(), 1, "the end has come for whoever tells");
            // One thread tells at a time, which is what makes this a queue.
            let at = self.queued.load(Relaxed);
            self.queue[at].store(call.number(), Relaxed);
            self.queued.store(at + 1, Relaxed);
        });
    }

    fn complete(&self) {
        self.outcome.set(1);
        if self.end.end() {
            self.tell();
        }
    }

    fn add(&self, number: usize) -> u64 {
        let added = self.observers.add_callback(Call::new(number));
        if self.end.observe() {
            self.tell();
        }
        added
    }

    fn handed_out(&self) -> Vec<usize> {
        let count = self.queued.load(Relaxed);
        self.queue[..count].iter().map(|call| call.load(Relaxed)).collect()
    }
}

model! {
    /// Two callbacks come while the end does.
    observers_order(threads = 2, bound = 3, claim = "each callback is handed out once, in the order in which they came") {
        let twin = Twin::new();
        let registrar = twin.clone();
        let registers = thread::spawn(move || {
            registrar.add(1);
            registrar.add(2);
        });
        twin.complete();
        registers.join().unwrap();
        assert_eq!(twin.handed_out(), [1, 2]);
    }
}

model! {
    /// Two callbacks come while the end does, the later one into an older place, which the teller
    /// visits later.
    observers_order_in_old_places(threads = 2, bound = 3, claim = "the order is that of coming, wherever the places are") {
        let twin = Twin::new();
        let old = twin.add(3);
        let registrar = twin.clone();
        let registers = thread::spawn(move || {
            registrar.add(1);
            registrar.observers.remove(old);
            registrar.add(2);
        });
        twin.complete();
        registers.join().unwrap();
        let mut handed_out = twin.handed_out();
        handed_out.retain(|call| *call != 3);
        assert_eq!(handed_out, [1, 2]);
    }
}

model! {
    /// A callback goes while the end comes.
    observers_remove_vs_end(threads = 2, bound = 3, claim = "a callback is removed or handed out, never both and never neither") {
        let twin = Twin::new();
        let number = twin.add(1);
        let remover = twin.clone();
        let removes = thread::spawn(move || {
            remover.observers.remove(number).map(|call| call.number())
        });
        twin.complete();
        match removes.join().unwrap() {
            Some(removed) => {
                assert_eq!(removed, 1);
                assert_eq!(twin.handed_out(), []);
            }
            None => assert_eq!(twin.handed_out(), [1]),
        }
    }
}

model! {
    /// The place of a callback that is removed is used again at once.
    observers_place_is_used_again(threads = 2, bound = 3, claim = "a place has one user at a time, and a number means one callback") {
        let twin = Twin::new();
        let first = twin.add(1);
        let other = twin.clone();
        let adds = thread::spawn(move || other.add(2));
        let removed = twin.observers.remove(first).map(|call| call.number());
        assert_eq!(removed, Some(1));
        assert!(twin.observers.remove(first).is_none(), "removed twice");
        let second = adds.join().unwrap();
        let removed = twin.observers.remove(second).map(|call| call.number());
        assert_eq!(removed, Some(2));
    }
}

/// Counts its wakes.
struct Count(Arc<AtomicUsize>);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn counting() -> (Waker, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    (Waker::from(std::sync::Arc::new(Count(count.clone()))), count)
}

model! {
    /// A future waits, and another one has gone, while the end comes.
    observers_wait_vs_end(threads = 2, bound = 3, claim = "who waits is woken or sees the end") {
        let twin = Twin::new();
        let waiter = twin.clone();
        let waits = thread::spawn(move || {
            let (gone, _) = counting();
            let place = waiter.observers.add_wait();
            place.register(&gone);
            waiter.observers.vacate(place);
            let (waker, count) = counting();
            let place = waiter.observers.add_wait();
            place.register(&waker);
            let ended = waiter.end.observe();
            if ended {
                assert_eq!(waiter.outcome.get(), 1);
            }
            (ended, count)
        });
        twin.complete();
        let (ended, count) = waits.join().unwrap();
        assert!(ended || count.load(Relaxed) == 1, "asleep after the end");
    }
}

model! {
    /// Two futures take one place after the other.
    observers_places_of_waits(threads = 2, bound = 3, claim = "a place is a future's alone until it leaves") {
        let observers = Arc::new(Observers::<Call>::new());
        let used = Arc::new(Witness::new(0_usize));
        observers.vacate(observers.add_wait());
        let other = (observers.clone(), used.clone());
        let visit = |(observers, used): (Arc<Observers<Call>>, Arc<Witness<usize>>)| {
            let place = observers.add_wait();
            let first = std::ptr::eq(place, observers.waits.iter().last().unwrap());
            if first {
                // Loom sees a second user that comes before the first has left.
                used.set(used.get() + 1);
            }
            observers.vacate(place);
        };
        let visitor = thread::spawn(move || visit(other));
        visit((observers, used));
        visitor.join().unwrap();
    }
}
