//! Models: no wake is lost, no waker is dropped twice or leaked, however owner and takers meet.
use super::WakerSlot;
use crate::model;
use crate::shim::atomic::AtomicUsize;
use crate::shim::{Ordering::Relaxed, sync::Arc, thread};
use std::sync::atomic::AtomicIsize;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// What has happened to one waker. Plain atomics: these are witnesses, not part of the model.
#[derive(Default)]
struct Witness {
    alive: AtomicIsize,
    woken: AtomicIsize,
}

/// Two kinds of waker with a vtable each, so that a torn pair of words is noticed.
struct Kind<const K: usize>;

impl<const K: usize> Kind<K> {
    const VTABLE: RawWakerVTable =
        RawWakerVTable::new(Self::clone, Self::wake, Self::wake_by_ref, Self::drop);

    fn witness<'a>(data: *const ()) -> &'a Witness {
        let (kind, witness) = {
            // SAFETY: `data` is the address of a leaked pair, see `waker`.
            let pair = unsafe { &*data.cast::<(usize, Witness)>() };
            (pair.0, &pair.1)
        };
        assert_eq!(kind, K, "data and vtable of two wakers were mixed");
        witness
    }
    fn clone(data: *const ()) -> RawWaker {
        assert!(Self::witness(data).alive.fetch_add(1, Relaxed) > 0, "cloned after its last drop");
        RawWaker::new(data, const { &Self::VTABLE })
    }
    fn wake(data: *const ()) {
        Self::wake_by_ref(data);
        Self::drop(data);
    }
    fn wake_by_ref(data: *const ()) {
        Self::witness(data).woken.fetch_add(1, Relaxed);
    }
    fn drop(data: *const ()) {
        assert!(Self::witness(data).alive.fetch_sub(1, Relaxed) > 0, "dropped twice");
    }

    /// A fresh waker; its witness is leaked, so that even a broken slot cannot dangle.
    fn waker() -> (&'static Witness, Waker) {
        let pair: &'static (usize, Witness) = Box::leak(Box::new((K, Witness::default())));
        pair.1.alive.store(1, Relaxed);
        let data = std::ptr::from_ref(pair).cast();
        // SAFETY: the functions count; the pair they follow lives for ever.
        (&pair.1, unsafe { Waker::new(data, const { &Self::VTABLE }) })
    }
}

/// A condition and the slot of the party that waits for it.
struct Cell {
    condition: AtomicUsize,
    slot: WakerSlot,
}

impl Cell {
    fn new() -> Arc<Self> {
        Arc::new(Self { condition: AtomicUsize::new(0), slot: WakerSlot::new() })
    }
    fn poll(&self, waker: &Waker) -> bool {
        self.slot.register(waker);
        self.condition.load(Relaxed) != 0
    }
    fn fire(&self) {
        self.condition.store(1, Relaxed);
        self.slot.wake();
    }
}

/// Drops everything, then checks that each waker was dropped exactly once.
fn check_balance(cell: Arc<Cell>, wakers: &[(&'static Witness, Waker)]) {
    drop(cell.slot.take());
    for (witness, _) in wakers {
        assert_eq!(witness.alive.load(Relaxed), 1, "a clone leaked or was dropped twice");
    }
}

model! {
    /// Register and look again, against make true and take.
    waker_slot_register_vs_wake(threads = 2, bound = 3, claim = "an owner that saw nothing is woken") {
        let cell = Cell::new();
        let taker = thread::spawn({ let cell = cell.clone(); move || cell.fire() });
        let wakers = [Kind::<0>::waker()];
        let ready = cell.poll(&wakers[0].1);
        taker.join().unwrap();
        assert!(ready || wakers[0].0.woken.load(Relaxed) == 1, "a wake was lost");
        check_balance(cell, &wakers);
    }
}

model! {
    /// The same waker again, then another one, against a taker: the last one counts.
    waker_slot_reregister(threads = 2, bound = 3, claim = "the waker of the last poll is woken") {
        let cell = Cell::new();
        let wakers = [Kind::<0>::waker(), Kind::<1>::waker()];
        let taker = thread::spawn({ let cell = cell.clone(); move || cell.fire() });
        let mut ready = cell.poll(&wakers[0].1);
        let woken = |i: usize| wakers[i].0.woken.load(Relaxed) == 1;
        // A wake that has arrived makes the executor poll again, which is what we do anyway.
        let early = woken(0);
        ready |= cell.poll(&wakers[0].1);
        ready |= cell.poll(&wakers[1].1);
        taker.join().unwrap();
        assert!(ready || early || woken(0) || woken(1), "a wake was lost");
        assert!(ready || woken(1), "the waker of the last poll was not the one woken");
        check_balance(cell, &wakers);
    }
}

model! {
    /// Two takers against an owner that replaces its waker: a stale read must not be claimed.
    waker_slot_two_takers(threads = 3, bound = 2, claim = "one waker goes to one taker, whole") {
        let cell = Cell::new();
        let wakers = [Kind::<0>::waker(), Kind::<1>::waker()];
        assert!(!cell.poll(&wakers[0].1));
        let spurious = thread::spawn({ let cell = cell.clone(); move || cell.slot.wake() });
        let taker = thread::spawn({ let cell = cell.clone(); move || cell.fire() });
        let ready = cell.poll(&wakers[1].1);
        taker.join().unwrap();
        spurious.join().unwrap();
        assert!(ready || wakers[1].0.woken.load(Relaxed) == 1, "a wake was lost");
        check_balance(cell, &wakers);
    }
}

model! {
    /// The one owner fills the slot again that a taker has emptied, while another taker looks.
    waker_slot_alone(threads = 3, bound = 2, claim = "an owner that is alone is woken, and nobody gets a waker twice or in halves") {
        let cell = Cell::new();
        let wakers = [Kind::<0>::waker(), Kind::<1>::waker()];
        let poll = |which: usize| {
            // SAFETY: no other thread of this model registers.
            let left = unsafe { cell.slot.register_alone(&wakers[which].1) };
            (left, cell.condition.load(Relaxed) != 0)
        };
        let mut ready = poll(0).1;
        let spurious = thread::spawn({ let cell = cell.clone(); move || cell.slot.wake() });
        let taker = thread::spawn({ let cell = cell.clone(); move || cell.fire() });
        let (left, now) = poll(1);
        assert!(left, "another waker than the one before");
        ready |= now;
        taker.join().unwrap();
        spurious.join().unwrap();
        let woken = |i: usize| wakers[i].0.woken.load(Relaxed);
        assert!(woken(0) <= 1 && woken(1) <= 1, "two takers have had one waker");
        assert!(ready || woken(1) == 1, "a wake was lost");
        check_balance(cell, &wakers);
    }
}

model! {
    /// Two threads register at once: one wins, the other one wakes itself.
    waker_slot_two_owners(threads = 3, bound = 2, claim = "two owners at once tear, leak and drop twice nothing") {
        let cell = Cell::new();
        let other = thread::spawn({ let cell = cell.clone(); move || {
            let (witness, waker) = Kind::<1>::waker();
            cell.slot.register(&waker);
            (witness, waker)
        }});
        let taker = thread::spawn({ let cell = cell.clone(); move || cell.fire() });
        let mine = Kind::<0>::waker();
        cell.slot.register(&mine.1);
        let wakers = [mine, other.join().unwrap()];
        taker.join().unwrap();
        check_balance(cell, &wakers);
    }
}
