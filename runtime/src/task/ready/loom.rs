//! Models of parts that are woken while the owner takes them.
use std::task::Wake;

use super::*;
use corio_sync::model;
use corio_sync::shim::Witness;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

/// What a part's waker has to say; loom sees a look that does not come after it.
struct Part {
    done: AtomicBool,
    value: Witness<usize>,
}

impl Part {
    fn new() -> Arc<Self> {
        Arc::new(Self { done: AtomicBool::new(false), value: Witness::new(0) })
    }

    fn finish(&self, waker: Waker) {
        self.value.set(1);
        // The part's own flag says nothing about order: what orders is the list.
        self.done.store(true, Relaxed);
        waker.wake();
    }

    fn look(&self) -> bool {
        let done = self.done.load(Relaxed);
        if done {
            assert_eq!(self.value.get(), 1);
        }
        done
    }
}

/// Counts the wakes of an owner.
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Wakes {
    fn new() -> (std::sync::Arc<Self>, Waker) {
        let wakes = std::sync::Arc::new(Self(AtomicUsize::new(0)));
        (wakes.clone(), Waker::from(wakes))
    }

    fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

fn two() -> Ready {
    let mut ready = Ready::with_capacity(2);
    ready.add();
    ready.add();
    ready
}

/// What an owner's poll does: looks at what was woken, and leaves its waker before the last look.
fn poll(ready: &mut Ready, waker: &Waker, mut look: impl FnMut(usize)) {
    while let Some(i) = ready.take() {
        look(i);
    }
    ready.watch(waker);
    while let Some(i) = ready.take() {
        look(i);
    }
}

model! {
    /// Two parts end while the owner looks, and perhaps goes to sleep.
    ready_ends_vs_owner(threads = 3, bound = 2, claim = "each end is looked at once it was seen, or wakes the owner for it") {
        let mut ready = two();
        let (wakes, waker) = Wakes::new();
        let parts = [Part::new(), Part::new()];
        let enders: Vec<_> = (0..2)
            .map(|i| {
                let (part, waker) = (parts[i].clone(), ready.waker(i).clone());
                thread::spawn(move || part.finish(waker))
            })
            .collect();
        let mut seen = [false; 2];
        poll(&mut ready, &waker, |i| seen[i] |= parts[i].look());
        for ender in enders {
            ender.join().unwrap();
        }
        if seen != [true; 2] {
            assert!(wakes.count() > 0, "it sleeps, and an end was missed");
            poll(&mut ready, &waker, |i| seen[i] |= parts[i].look());
        }
        assert_eq!(seen, [true; 2]);
    }
}

model! {
    /// One part is woken twice, by two threads, as a slot that is used again may be.
    ready_woken_twice(threads = 3, bound = 2, claim = "a part that is woken while it is looked at is looked at again") {
        let mut ready = two();
        let (wakes, waker) = Wakes::new();
        let parts = [Part::new(), Part::new()];
        let enders: Vec<_> = (0..2)
            .map(|i| {
                // Both stand behind the same slot.
                let (part, waker) = (parts[i].clone(), ready.waker(0).clone());
                thread::spawn(move || part.finish(waker))
            })
            .collect();
        let mut seen = [false; 2];
        let mut look = |i: usize| {
            assert_eq!(i, 0);
            for (part, seen) in parts.iter().zip(&mut seen) {
                // A look may come before the part's own wake, and then concludes nothing.
                *seen |= part.done.load(Relaxed);
            }
        };
        poll(&mut ready, &waker, &mut look);
        for ender in enders {
            ender.join().unwrap();
        }
        if wakes.count() > 0 {
            poll(&mut ready, &waker, &mut look);
        }
        assert_eq!(seen, [true; 2], "an end was missed");
    }
}

model! {
    /// The owner goes while a part wakes it.
    ready_owner_goes(threads = 3, bound = 2, claim = "the hub is freed once, after its last user") {
        let ready = two();
        let (_wakes, waker) = Wakes::new();
        ready.watch(&waker);
        let enders: Vec<_> = (0..2)
            .map(|i| {
                let waker = ready.waker(i).clone();
                thread::spawn(move || waker.wake())
            })
            .collect();
        drop(ready);
        for ender in enders {
            ender.join().unwrap();
        }
    }
}

model! {
    /// The owner's own mark, after its look, beside a part that ends.
    ready_mark_vs_end(threads = 2, bound = 3, claim = "the owner's own mark and another's wake are both looked at, and wake an owner that has looked") {
        let mut ready = two();
        let (wakes, waker) = Wakes::new();
        let part = Part::new();
        let (ending, wakes_one) = (part.clone(), ready.waker(1).clone());
        let ender = thread::spawn(move || ending.finish(wakes_one));
        let (mut marked, mut seen) = (0, false);
        let mut look = |i: usize| match i {
            0 => marked += 1,
            _ => seen |= part.look(),
        };
        poll(&mut ready, &waker, &mut look);
        ready.mark(0);
        ender.join().unwrap();
        assert!(wakes.count() > 0, "it sleeps, and its mark was missed");
        poll(&mut ready, &waker, &mut look);
        assert_eq!((marked, seen), (1, true));
    }
}
