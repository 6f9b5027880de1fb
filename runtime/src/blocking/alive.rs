//! How many threads of a pool have not ended, and how who waits for the last one meets it.
//!
//! A thread is struck from the pool's [word](super::word) first and counted here to its very end. So the
//! pool has ended when its word is over and this is zero. Who waits for that leaves its waker and then
//! looks; who may have brought it about changes the word, or this count, and then looks for wakers. Each
//! of the two passes [`none_left`](Alive::none_left) in between: of two passes one comes first, and the
//! second finds what the other did before.
use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::ord;

/// See the module.
#[derive(Debug)]
pub(super) struct Alive(AtomicUsize);

impl Alive {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// A thread is about to begin.
    pub(super) fn begins(&self) {
        // Ordering: Relaxed; who sees that the pool is over has acquired the word from each worker
        // that was struck from it, and this comes before the worker.
        self.0.fetch_add(1, Relaxed);
    }

    /// The last thing that a thread does; true if it was the last thread.
    pub(super) fn ends(&self) -> bool {
        // Ordering(pool.ended): Release; pairs with Ordering(pool.has_ended) and Ordering(pool.meet).
        // All that the threads have done has happened before the pool's end is seen.
        self.0.fetch_sub(1, ord("pool.ended", Release)) == 1
    }

    /// Whether all threads have ended, of a pool that is `over`.
    pub(super) fn none_left(&self, over: impl FnOnce() -> bool) -> bool {
        // Ordering(pool.meet): AcqRel; pairs with Ordering(pool.ended) and Ordering(pool.meet), which
        // is this one in another thread; see the module. A plain load could miss it on both sides.
        self.0.fetch_add(0, ord("pool.meet", AcqRel));
        // Ordering(pool.has_ended): Acquire; pairs with Ordering(pool.ended), which says what for.
        // The word comes first: who leaves it is still counted.
        over() && self.0.load(ord("pool.has_ended", Acquire)) == 0
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom {
    use corio_sync::model;
    use corio_sync::shim::atomic::AtomicBool;
    use corio_sync::shim::sync::Arc;
    use corio_sync::shim::{Witness, thread};

    use super::*;

    struct Pool {
        alive: Alive,
        /// The word's end, and a waker that was left.
        over: AtomicBool,
        waits: AtomicBool,
        work: [Witness<u8>; 2],
    }

    impl Pool {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                alive: Alive::new(),
                over: AtomicBool::new(false),
                waits: AtomicBool::new(false),
                work: [Witness::new(0), Witness::new(0)],
            })
        }

        fn has_ended(&self) -> bool {
            self.alive.none_left(|| self.over.load(Relaxed))
        }

        /// True if it has woken who waits.
        fn tell(&self) -> bool {
            self.has_ended() && self.waits.load(Relaxed)
        }

        /// True if there is nothing to wait for.
        fn wait(&self) -> bool {
            self.waits.store(true, Relaxed);
            self.has_ended()
        }
    }

    model! {
        /// Somebody waits while an unused pool is stopped.
        pool_stop_vs_wait(threads = 2, bound = 3, claim = "who waits sees the end, or is told") {
            let pool = Pool::new();
            let stops = pool.clone();
            let told = thread::spawn(move || {
                stops.over.store(true, Relaxed);
                stops.tell()
            });
            let seen = pool.wait();
            assert!(told.join().unwrap() | seen, "nobody tells who waits");
        }
    }

    model! {
        /// The last two threads of a pool that was stopped end while somebody waits.
        pool_last_vs_wait(threads = 3, bound = 3, claim = "who waits sees the end, or is told, and what the threads have done came before it") {
            let pool = Pool::new();
            pool.over.store(true, Relaxed);
            let threads: Vec<_> = (0..2)
                .map(|thread| {
                    let pool = pool.clone();
                    pool.alive.begins();
                    thread::spawn(move || {
                        pool.work[thread].set(1);
                        pool.alive.ends() && pool.tell()
                    })
                })
                .collect();
            let seen = pool.wait();
            if seen {
                assert!(pool.work.iter().all(|work| work.get() == 1));
            }
            let told = threads.into_iter().map(|thread| thread.join().unwrap());
            assert!(told.fold(seen, |told, one| told | one), "nobody tells who waits");
        }
    }
}
