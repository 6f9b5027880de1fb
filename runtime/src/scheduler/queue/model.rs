//! The twin of the queues for models: what crossbeam's FIFO deque does, over the shim's atomics.
//!
//! ```text
//! slots   0 .. front   gone: popped or stolen, the values live elsewhere
//!         front .. back  tasks, oldest first
//!         back ..        not yet used
//! ```
//!
//! The owner publishes by moving `back`; owner and thieves take by moving `front`, with one
//! read-modify-write each, so they exclude each other there. A thief copies what it wants before
//! it moves `front` and forgets the copies if it loses.
//!
//! It leaves out the ring: no slot is used twice, so a model pushes at most [`SLOTS`] tasks into a
//! queue. crossbeam's growth, shrinking and reclamation are therefore not covered; its own tests
//! and the stress test of `tests.rs` are for those. Accesses that crossbeam makes sequentially
//! consistent are weaker here, so what the scheduler proves with the twin does not lean on them.

use super::{Deque, Inject, STEAL_TRIES, Steal};
use corio_sync::shim::atomic::{AtomicUsize, Ordering::*};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::{hint, mutant, ord};
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

/// Small enough that a model reaches the spill.
const BOUND: usize = 4;
/// Pushes into one queue during its life.
const SLOTS: usize = if cfg!(any(corio_loom, corio_shuttle)) { 8 } else { 4096 };

#[derive(Debug)]
struct Slot<T>(UnsafeCell<MaybeUninit<T>>);

impl<T> Slot<T> {
    fn many() -> Box<[Self]> {
        (0..SLOTS).map(|_| Self(UnsafeCell::new(MaybeUninit::uninit()))).collect()
    }

    /// Writes the value, before the slot is published.
    fn write(&self, value: T) {
        // SAFETY: no slot is used twice, and readers come after the publication, so this is the
        // only access; under loom that is checked.
        self.0.with_mut(|slot| unsafe { slot.write(MaybeUninit::new(value)) });
    }

    /// A bitwise copy of the value; only who then takes the slot may treat it as initialised.
    fn copy(&self) -> MaybeUninit<T> {
        // SAFETY: the slot was published to the caller and is never written again. `MaybeUninit`
        // may be copied without owning what it holds.
        self.0.with(|slot| unsafe { slot.read() })
    }
}

#[derive(Debug)]
struct Ring<T> {
    front: AtomicUsize,
    back: AtomicUsize,
    slots: Box<[Slot<T>]>,
}

// SAFETY: a value goes from the thread that wrote its slot to the one that took it; nobody else
// touches it. Slots are published by `back` and taken by `front`.
unsafe impl<T: Send> Sync for Ring<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Ring<T> {}

impl<T> Ring<T> {
    fn new() -> Self {
        Self { front: AtomicUsize::new(0), back: AtomicUsize::new(0), slots: Slot::many() }
    }

    /// Tasks as a thief sees them: the first and how many.
    fn seen(&self) -> (usize, usize) {
        // Relaxed: a stale front makes the thief's exchange fail, or shows fewer tasks.
        let front = self.front.load(Relaxed);
        // Ordering(queue.steal): Acquire; pairs with Ordering(queue.append). The slots below back
        // become visible; without it the thief would copy what is not yet written.
        let back = self.back.load(ord("queue.steal", Acquire));
        (front, back.saturating_sub(front))
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // Relaxed, both: nobody shares the ring any more.
        let (front, back) = (self.front.load(Relaxed), self.back.load(Relaxed));
        for slot in &self.slots[front..back] {
            // SAFETY: slots between front and back hold values that nobody took.
            drop(unsafe { slot.copy().assume_init() });
        }
    }
}

/// The twin of a worker's local queue.
#[derive(Debug)]
pub(crate) struct Local<T> {
    ring: Arc<Ring<T>>,
    /// Owned by one thread at a time.
    owner: PhantomData<Cell<()>>,
}

/// The twin of the handle by which siblings steal.
#[derive(Debug, Clone)]
pub(crate) struct Victim<T>(Arc<Ring<T>>);

impl<T> Steal for Victim<T> {
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.0.seen().1
    }
}

impl<T> Victim<T> {
    /// One try; `Err` means that the race was lost.
    fn steal(&self, to: &Local<T>) -> Result<Option<T>, usize> {
        let (front, len) = self.0.seen();
        if len == 0 {
            return Ok(None);
        }
        let end = front + 1 + (len - 1) / 2;
        let copies: Vec<_> = self.0.slots[front..end].iter().map(Slot::copy).collect();
        if mutant("queue.steal_blind") {
            self.0.front.store(end, Relaxed);
        } else {
            // Relaxed: a taken slot is not used again, so nobody waits for it to be free.
            self.0.front.compare_exchange(front, end, Relaxed, Relaxed)?;
        }
        // SAFETY: the exchange made this thread the only owner of the copied slots.
        let mut values = copies.into_iter().map(|copy| unsafe { copy.assume_init() });
        let first = values.next();
        values.for_each(|value| to.append(value));
        Ok(first)
    }
}

impl<T> Deque<T> for Local<T> {
    const BOUND: usize = BOUND;
    type Victim = Victim<T>;
    type Injector = Injector<T>;

    fn new() -> Self {
        Self { ring: Arc::new(Ring::new()), owner: PhantomData }
    }

    fn victim(&self) -> Victim<T> {
        Victim(self.ring.clone())
    }

    fn len(&self) -> usize {
        // Relaxed, both: back is the owner's own; thieves may empty the queue at any time anyway.
        self.ring.back.load(Relaxed) - self.ring.front.load(Relaxed)
    }

    fn append(&self, task: T) {
        // Relaxed: the owner's own.
        let back = self.ring.back.load(Relaxed);
        self.ring.slots[back].write(task);
        // Ordering(queue.append): Release; pairs with Ordering(queue.steal). See there.
        self.ring.back.store(back + 1, ord("queue.append", Release));
    }

    fn pop(&self) -> Option<T> {
        // Relaxed, all: back is the owner's own, as is every value between front and back, and a
        // taken slot is not used again.
        let back = self.ring.back.load(Relaxed);
        let seen = self.ring.front.load(Relaxed);
        if seen >= back {
            return None;
        }
        let front = if mutant("queue.pop_blind") {
            self.ring.front.store(seen + 1, Relaxed);
            seen
        } else {
            self.ring.front.fetch_add(1, Relaxed)
        };
        if front >= back {
            // A thief was faster; until here the queue looks emptier than empty to others.
            self.ring.front.store(front, Relaxed);
            return None;
        }
        // SAFETY: moving front made this thread the only owner of the slot.
        Some(unsafe { self.ring.slots[front].copy().assume_init() })
    }

    fn steal_into(&self, victim: &Victim<T>) -> Option<T> {
        (0..STEAL_TRIES).find_map(|_| victim.steal(self).ok())?
    }

    fn take_from(&self, injector: &Injector<T>) -> Option<T> {
        let first = injector.pop()?;
        for task in (0..injector.len() / 2).map_while(|_| injector.pop()) {
            self.append(task);
        }
        Some(first)
    }
}

/// The twin of the injector: producers claim slots by `back` and publish each by its own flag.
#[derive(Debug)]
pub(crate) struct Injector<T> {
    ring: Ring<T>,
    /// One per slot: whether its value may be read.
    full: Box<[AtomicUsize]>,
}

impl<T> Injector<T> {
    /// An empty queue.
    pub(crate) fn new() -> Self {
        Self { ring: Ring::new(), full: (0..SLOTS).map(|_| AtomicUsize::new(0)).collect() }
    }

    /// Takes the oldest task. Waits, as crossbeam's does, for a producer between claim and flag.
    fn pop(&self) -> Option<T> {
        while !self.is_empty() {
            // Relaxed: a stale front makes the exchange fail.
            let front = self.ring.front.load(Relaxed);
            // Ordering(queue.take): Acquire; pairs with Ordering(queue.inject). The slot becomes
            // visible; without it a worker would copy what is not yet written.
            if self.full[front].load(ord("queue.take", Acquire)) == 0 {
                hint::spin_loop();
                continue;
            }
            let copy = self.ring.slots[front].copy();
            // Relaxed: a taken slot is not used again.
            if self.ring.front.compare_exchange(front, front + 1, Relaxed, Relaxed).is_ok() {
                // SAFETY: the exchange made this thread the only owner of the slot.
                return Some(unsafe { copy.assume_init() });
            }
        }
        None
    }
}

impl<T> Inject<T> for Injector<T> {
    fn push(&self, task: T) {
        // Relaxed: the claim of a slot; the flag publishes it.
        let back = self.ring.back.fetch_add(1, Relaxed);
        self.ring.slots[back].write(task);
        // Ordering(queue.inject): Release; pairs with Ordering(queue.take). See there.
        self.full[back].store(1, ord("queue.inject", Release));
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        // Relaxed, both: a hint, or ordered by the fence before the last look of a sleeper. A task
        // counts once its slot is claimed, as in crossbeam's.
        let front = self.ring.front.load(Relaxed);
        self.ring.back.load(Relaxed).saturating_sub(front)
    }
}
