//! Models of the ownership words. The kernel is a flag that a wait with or without blocking takes,
//! exactly as an edge-triggered eventfd gives one event per write to whoever waits first.
use corio_sync::model;
use corio_sync::shim::atomic::{AtomicBool, AtomicUsize};
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::{Ownership, Unpark};

/// A sleep that only its own wake-up ends, so that one kind of wake-up cannot stand in for the
/// other: the model's threads have one park token, real workers two things to sleep on.
struct Token {
    set: AtomicBool,
    thread: Owner,
}

/// The owner's thread: known before any other thread that could wake it exists.
type Owner = std::sync::Arc<std::sync::OnceLock<thread::Thread>>;

impl Token {
    fn new(thread: &Owner) -> Self {
        Self { set: AtomicBool::new(false), thread: thread.clone() }
    }

    /// The kernel orders a wake-up against nothing but itself: relaxed, lest it hide our bugs.
    fn take(&self) -> bool {
        self.set.swap(false, Relaxed)
    }

    fn sleep(&self) {
        while !self.take() {
            thread::park();
        }
    }
}

impl Unpark for Token {
    fn unpark(&self) {
        // A swap: loom orders plain stores and exchanges of one location only partially.
        self.set.swap(true, Relaxed);
        self.thread.get().unwrap().unpark();
    }
}

/// What the owner publishes: made anew for each sleep, so that reading it too early is a race.
struct Handle {
    token: Arc<Token>,
    written: UnsafeCell<bool>,
}

// SAFETY: the flag is written before the handle is shared, and only read after.
unsafe impl Sync for Handle {}

impl Unpark for Handle {
    fn unpark(&self) {
        // SAFETY: a race with the write in `Model::handle` is what loom looks for here.
        assert!(self.written.with(|written| unsafe { *written }));
        self.token.unpark();
    }
}

/// A poller and the kernel's side of it.
struct Model {
    ownership: Ownership<Handle>,
    /// The edge-triggered eventfd.
    bell: Token,
    /// What the owner's thread sleeps on otherwise.
    thread: Arc<Token>,
    /// What only the one inside may touch.
    buffer: UnsafeCell<usize>,
    work: AtomicUsize,
}

// SAFETY: what is in the cells is touched only as the models check it.
unsafe impl Sync for Model {}

impl Model {
    /// Starts the owner's thread.
    ///
    /// It is never the model's main thread: a late `unpark` would end its `join` (loom's limit).
    fn start(owner: impl FnOnce(&Self) + Send + 'static) -> (Arc<Self>, thread::JoinHandle<()>) {
        let thread = Owner::default();
        let model = Arc::new(Self {
            ownership: Ownership::new(),
            bell: Token::new(&thread),
            thread: Arc::new(Token::new(&thread)),
            buffer: UnsafeCell::new(0),
            work: AtomicUsize::new(0),
        });
        let owned = model.clone();
        let owner = thread::spawn(move || owner(&owned));
        assert!(thread.set(owner.thread().clone()).is_ok());
        (model, owner)
    }

    fn handle(&self) -> Arc<Handle> {
        let handle = Handle { token: self.thread.clone(), written: UnsafeCell::new(false) };
        // SAFETY: nobody else has seen the handle yet.
        handle.written.with_mut(|written| unsafe { *written = true });
        Arc::new(handle)
    }

    fn touch(&self) {
        // SAFETY: only called with the poller claimed; that is what the models check.
        self.buffer.with_mut(|buffer| unsafe { *buffer += 1 });
    }

    fn park(&self) {
        self.ownership.park(
            || self.handle(),
            |block| {
                self.touch();
                if block {
                    self.bell.sleep();
                } else {
                    self.bell.take();
                }
                self.touch();
            },
            || self.thread.sleep(),
        );
    }

    fn harvest(&self) -> bool {
        let inside = || {
            self.touch();
            self.bell.take()
        };
        self.ownership.harvest(inside, || self.bell.unpark()).is_some()
    }

    /// Leaves a piece of work and wakes the owner.
    fn post(&self) {
        // Relaxed on purpose: the wake-up has to carry it.
        self.work.store(self.work.load(Relaxed) + 1, Relaxed);
        self.ownership.wake(|| self.bell.unpark());
    }

    /// Parks until `count` pieces of work are there. Deadlocks if a wake-up is lost.
    fn run(&self, count: usize) {
        while self.work.load(Relaxed) < count {
            self.park();
        }
    }
}

model! {
    /// A remote wake-up and a harvester that swallows edges: the owner always comes back.
    ownership_wake_and_harvest(
        threads = 3, bound = 3,
        claim = "a wake-up is not lost to a harvester, whatever the owner sleeps on"
    ) {
        let (model, owner) = Model::start(|model| model.run(1));
        let harvester = { let model = model.clone(); thread::spawn(move || { model.harvest(); }) };
        model.post();
        harvester.join().unwrap();
        owner.join().unwrap();
    }
}

model! {
    /// Two wake-ups for two parks, and a harvester.
    ownership_two_wakes(
        threads = 3, bound = 2,
        claim = "each of two wake-ups is seen, whether it meets a park, a run or another wake-up"
    ) {
        let (model, owner) = Model::start(|model| model.run(2));
        let harvester = { let model = model.clone(); thread::spawn(move || { model.harvest(); }) };
        model.post();
        model.post();
        harvester.join().unwrap();
        owner.join().unwrap();
    }
}

model! {
    /// Nobody wakes the owner but the harvester it waited for.
    ownership_wanted(
        threads = 2, bound = 3,
        claim = "an owner that found a harvester inside is woken when that harvester leaves"
    ) {
        let inside = Arc::new(AtomicUsize::new(0));
        let seen = inside.clone();
        let (model, owner) = Model::start(move |model| {
            let park = || model.ownership.park(
                || model.handle(),
                |_| model.touch(),
                || model.thread.sleep(),
            );
            if seen.load(Acquire) == 1 && park().is_none() {
                assert!(park().is_some(), "the only harvester has left");
            }
        });
        let enter = || { model.touch(); inside.store(1, Release) };
        model.ownership.harvest(enter, || model.bell.unpark());
        owner.join().unwrap();
    }
}

model! {
    /// Two harvesters and a polling owner use what the poller guards.
    ownership_two_harvesters(
        threads = 3, bound = 3,
        claim = "of two harvesters and the owner at most one is inside"
    ) {
        let inside = Arc::new(AtomicUsize::new(0));
        let enter = |model: &Model, inside: &AtomicUsize| {
            assert_eq!(inside.fetch_add(1, AcqRel), 0, "two inside");
            model.touch();
            inside.fetch_sub(1, AcqRel);
        };
        let entered = inside.clone();
        let (model, owner) = Model::start(move |model| {
            model.ownership.try_poll(|| model.touch());
            model.ownership.try_poll(|| enter(model, &entered));
        });
        let harvest = move |model: &Model, inside: &AtomicUsize| {
            model.ownership.harvest(|| model.touch(), || model.bell.unpark());
            model.ownership.harvest(|| enter(model, inside), || model.bell.unpark());
        };
        let other = {
            let (model, inside) = (model.clone(), inside.clone());
            thread::spawn(move || harvest(&model, &inside))
        };
        harvest(&model, &inside);
        other.join().unwrap();
        owner.join().unwrap();
    }
}

model! {
    /// A wake-up of a worker that is not parked keeps.
    ownership_notified_before_park(
        threads = 2, bound = 3,
        claim = "a wake-up before the park makes the park return, and brings what was written"
    ) {
        let (model, owner) = Model::start(|model| {
            model.park();
            assert_eq!(model.work.load(Relaxed), 1, "woken, but the work is not visible");
        });
        model.post();
        owner.join().unwrap();
    }
}

model! {
    /// An owner that waits actively for one of two wake-ups, then sleeps for what is left.
    ownership_take_notice(
        threads = 3, bound = 3,
        claim = "a wake-up that an owner took without a park carries its work, and hides no other"
    ) {
        let (model, owner) = Model::start(|model| {
            if model.ownership.take_notice() {
                assert!(model.work.load(Relaxed) > 0, "noticed without the work");
            }
            model.run(2);
        });
        let other = { let model = model.clone(); thread::spawn(move || { model.harvest(); }) };
        model.post();
        model.post();
        other.join().unwrap();
        owner.join().unwrap();
    }
}
