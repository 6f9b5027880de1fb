//! Who holds the slot of a pool's worker: a flag that is taken and freed.
use corio_sync::shim::Ordering::{Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicBool;
use corio_sync::shim::ord;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Taken(AtomicBool);

impl Taken {
    /// True if it was free, and is the caller's now.
    pub(super) fn take(&self) -> bool {
        // Ordering(worker_slots.take): Acquire; pairs with Ordering(worker_slots.free). The last
        // holder, and who woke it, are done with the slot's unparker, which we are about to replace.
        let order = ord("worker_slots.take", Acquire);
        self.0.compare_exchange(false, true, order, Relaxed).is_ok()
    }

    /// Gives it back.
    pub(super) fn free(&self) {
        // Ordering(worker_slots.free): Release; pairs with Ordering(worker_slots.take), which says
        // what for.
        self.0.store(false, ord("worker_slots.free", Release));
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom {
    use corio_sync::model;
    use corio_sync::shim::sync::Arc;
    use corio_sync::shim::{Witness, thread};

    use super::*;

    /// Uses the slot if it is free.
    fn work(slot: &(Taken, Witness<usize>)) -> usize {
        if !slot.0.take() {
            return 0;
        }
        slot.1.set(slot.1.get() + 1);
        slot.0.free();
        1
    }

    model! {
        /// Two workers that begin and end, and a third one.
        worker_slots_one_holder(threads = 3, bound = 3, claim = "a slot has one holder, who sees what the last one has left") {
            let slot = Arc::new((Taken::default(), Witness::new(0)));
            let others: Vec<_> = (0..2)
                .map(|_| {
                    let slot = slot.clone();
                    thread::spawn(move || work(&slot))
                })
                .collect();
            let own = work(&slot);
            let used = others.into_iter().map(|other| other.join().unwrap()).sum::<usize>() + own;
            assert!(used > 0 && slot.1.get() == used);
        }
    }
}
