//! Models of a runtime's end: entries that come late, and who waits for the last worker.

use std::sync::OnceLock;

use corio_sync::model;
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::{Ordering::Relaxed, thread};

use super::{Life, Phase};
use crate::scheduler::idle::IdleSet;
use crate::scheduler::queue::{Deque, Inject, Injector, Local};

/// What a shutdown and a pusher share: the parts of `Shared` that a late entry meets.
struct House {
    life: Life,
    idle: IdleSet,
    injector: Injector<usize>,
    stopped: AtomicUsize,
}

impl House {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            life: Life::new(1),
            idle: IdleSet::new(1),
            injector: Injector::new(),
            stopped: AtomicUsize::new(0),
        })
    }

    /// `Shared::push_remote`: P1 to P3.
    fn push(&self, task: usize) {
        self.injector.push(task);
        assert_eq!(self.idle.notify(None), None, "the worker does not sleep");
        if self.life.doors_are_closed() {
            self.drain();
        }
    }

    /// `Shared::finish_shutdown`: S1 to S3.
    fn finish(&self) {
        self.life.advance(Phase::Closed);
        self.life.close_doors();
        self.drain();
    }

    /// `Shared::drain_queues`.
    fn drain(&self) {
        let queue = Local::new();
        loop {
            match queue.pop().or_else(|| queue.take_from(&self.injector)) {
                // Relaxed: a sum that is read after the joins.
                Some(_) => _ = self.stopped.fetch_add(1, Relaxed),
                None if self.injector.is_empty() => return,
                None => thread::yield_now(),
            }
        }
    }
}

model! {
    /// Two threads push while the runtime closes.
    life_late_entries_are_stopped(threads = 3, bound = 2, claim = "an entry pushed beside the end is stopped once, by the shutdown or by its pusher") {
        let house = House::new();
        let pushers = [1, 2].map(|task| {
            let house = house.clone();
            thread::spawn(move || house.push(task))
        });
        house.finish();
        for pusher in pushers {
            pusher.join().unwrap();
        }
        assert!(house.injector.is_empty(), "an entry was left behind");
        assert_eq!(house.stopped.load(Relaxed), 2);
    }
}

/// What one thread wrote, for loom to watch who may read it.
struct Written(UnsafeCell<u32>);

// SAFETY: loom watches the accesses; that they are ordered is what the models show.
unsafe impl Sync for Written {}
// SAFETY: as above.
unsafe impl Send for Written {}

impl Written {
    fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    fn write(&self) {
        // SAFETY: as above.
        self.0.with_mut(|value| unsafe { *value += 1 });
    }

    fn read(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|value| unsafe { *value })
    }
}

model! {
    /// A worker looks at the phase while a shutdown begins.
    life_a_phase_carries_what_came_before(threads = 2, bound = 3, claim = "who sees a later phase sees what was done before it, and one thread alone begins it") {
        let shared = Arc::new((Life::new(1), Written::new()));
        let closer = shared.clone();
        let closer = thread::spawn(move || {
            closer.1.write();
            closer.0.advance(Phase::Closing)
        });
        if shared.0.phase() != Phase::Running {
            assert_eq!(shared.1.read(), 1);
            assert!(!shared.0.advance(Phase::Closing));
        }
        assert!(closer.join().unwrap());
        assert!(shared.0.advance(Phase::Closed) && !shared.0.advance(Phase::Closing));
    }
}

model! {
    /// Two workers leave; the last one closes what the other used.
    life_the_last_one_sees_all(threads = 3, bound = 3, claim = "one worker is the last, and sees what the others did") {
        let shared = Arc::new((Life::new(2), [Written::new(), Written::new()]));
        let workers = [0, 1].map(|index| {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1[index].write();
                let last = shared.0.leave();
                if last {
                    assert_eq!(shared.1[1 - index].read(), 1);
                }
                last
            })
        });
        if shared.0.all_left() {
            assert_eq!(shared.1[0].read() + shared.1[1].read(), 2);
        }
        let last = workers.map(|worker| worker.join().unwrap());
        assert!(last[0] != last[1]);
    }
}

/// The life of a runtime, and the thread that waits for its workers.
struct Waited {
    life: Life,
    thread: OnceLock<thread::Thread>,
    known: Written,
}

model! {
    /// A thread waits for the worker that is just leaving.
    life_the_last_one_wakes_who_waits(threads = 2, bound = 3, claim = "a thread that waits for the workers is woken by the last, or need not sleep") {
        let waited = Arc::new(Waited { life: Life::new(1), thread: OnceLock::new(), known: Written::new() });
        let waiter = waited.clone();
        // Loom would take a late unpark for the end of a join, so who waits is not who joins.
        let waiter = thread::spawn(move || {
            let _ = waiter.thread.set(thread::current());
            waiter.known.write();
            waiter.life.announce_wait();
            while !waiter.life.all_left() {
                thread::park();
            }
        });
        assert!(waited.life.leave());
        if waited.life.someone_waits() {
            assert_eq!(waited.known.read(), 1);
            waited.thread.get().expect("it was written before").unpark();
        }
        waiter.join().unwrap();
    }
}
