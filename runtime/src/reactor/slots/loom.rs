//! Models of the slots' free stack.
use std::sync::atomic::Ordering::Relaxed;

use corio_sync::model;
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

use super::Slots;

/// What only the one who took the slot may touch.
struct Owned {
    uses: UnsafeCell<usize>,
    users: AtomicUsize,
}

// SAFETY: the models check that a slot has one user at a time.
unsafe impl Sync for Owned {}

fn make() -> Owned {
    Owned { uses: UnsafeCell::new(0), users: AtomicUsize::new(0) }
}

fn enter(owned: &Owned) {
    assert_eq!(owned.users.fetch_add(1, Relaxed), 0, "a slot has two users");
    // SAFETY: a race is what loom looks for here.
    owned.uses.with_mut(|uses| unsafe { *uses += 1 });
}

fn leave(slots: &Slots<Owned>, index: u32) {
    slots.get(index).unwrap().users.fetch_sub(1, Relaxed);
    slots.give(index);
}

model! {
    /// Two threads take, use and give back.
    slots_two_users(
        threads = 2, bound = 3,
        claim = "a slot has one user at a time, who finds it as the last one left it"
    ) {
        let slots = Arc::new(Slots::new());
        let user = |slots: &Slots<Owned>| for _ in 0..2 {
            let (index, owned) = slots.take(make).unwrap();
            enter(owned);
            leave(slots, index);
        };
        let other = { let slots = slots.clone(); thread::spawn(move || user(&slots)) };
        user(&slots);
        other.join().unwrap();
    }
}

model! {
    /// One thread pops while another pops two, and pushes the first again.
    slots_head_comes_back(
        threads = 2, bound = 3,
        claim = "a pop does not succeed on a head that went and came back with another link"
    ) {
        let slots = Arc::new(Slots::new());
        let indices = [(); 2].map(|()| slots.take(make).unwrap().0);
        for index in indices {
            slots.give(index);
        }
        let other = {
            let slots = slots.clone();
            thread::spawn(move || {
                let (first, owned) = slots.take(make).unwrap();
                enter(owned);
                let (_, owned) = slots.take(make).unwrap();
                enter(owned);
                leave(&slots, first);
            })
        };
        let (_, owned) = slots.take(make).unwrap();
        enter(owned);
        let (_, owned) = slots.take(make).unwrap();
        enter(owned);
        other.join().unwrap();
    }
}

model! {
    /// Somebody looks for a slot while its bucket is made.
    slots_lookup(
        threads = 2, bound = 3,
        claim = "a slot that is found at all is found complete"
    ) {
        let slots = Arc::new(Slots::new());
        let other = {
            let slots = slots.clone();
            thread::spawn(move || {
                if let Some(owned) = slots.get(0) {
                    enter(owned);
                }
            })
        };
        slots.take(make).unwrap();
        other.join().unwrap();
    }
}

model! {
    /// One thread takes a slot while another closes.
    slots_closing(
        threads = 2, bound = 3,
        claim = "who takes a slot learns of the closing by the walk or by being refused"
    ) {
        let slots = Arc::new(Slots::new());
        let taker = {
            let slots = slots.clone();
            thread::spawn(move || slots.take(make).ok().map(|(index, _)| index))
        };
        let told = slots.close().count();
        let taken = taker.join().unwrap();
        assert!(taken.is_none() || told == 1, "taken, and not told of the closing");
    }
}
