//! Models: every job is run or given back, whoever comes, rests, times out, fails or stops meanwhile.
//!
//! The pool below is the real one's skeleton. Its queue is a set of flags whose accesses are Relaxed, so
//! that only the word's own orderings can make a job visible. A stranded job shows as a deadlock: its
//! worker sleeps, and `finish` waits for it, or at the end jobs are missing.
use super::{Duty, Link, Links, SlotId, Word};
use corio_sync::model;
use corio_sync::park::{Parker, Unparker};
use corio_sync::shim::Ordering::{AcqRel, Acquire, Relaxed, Release};
use corio_sync::shim::atomic::AtomicUsize;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{sync::Arc, thread};

const CAP: usize = 2;
const JOBS: usize = 3;

const WORK: usize = 1;
const LEAVE: usize = 2;

struct Slot {
    taken: AtomicUsize,
    link: Link,
    order: AtomicUsize,
    /// Read by who has taken the resting worker; written by a worker that takes the slot.
    unparker: UnsafeCell<Option<Unparker>>,
}

// SAFETY: who may touch `unparker` is what the models check; the rest is atomics.
unsafe impl Sync for Slot {}

struct Pool {
    word: Word,
    slots: [Slot; CAP],
    /// The queue: which of the jobs lie in it.
    queued: [AtomicUsize; JOBS],
    ran: AtomicUsize,
    given_back: AtomicUsize,
    alive: AtomicUsize,
    finisher: Unparker,
    /// How many threads cannot be made.
    failures: AtomicUsize,
    /// How often a resting worker's time is up at once.
    timeouts: AtomicUsize,
    /// How often a worker that found nothing spins before it rests.
    spins: AtomicUsize,
    /// Each job waits until two are running.
    rendezvous: bool,
}

impl Links for Pool {
    fn link(&self, slot: SlotId) -> &Link {
        &self.slots[slot.index()].link
    }
}

/// Takes one from a counter.
fn countdown(counter: &AtomicUsize) -> bool {
    let mut now = counter.load(Relaxed);
    while now > 0 {
        match counter.compare_exchange(now, now - 1, Relaxed, Relaxed) {
            Ok(_) => return true,
            Err(other) => now = other,
        }
    }
    false
}

impl Pool {
    fn new(cap: usize, finisher: &Parker) -> Self {
        let slot = |_| Slot {
            taken: AtomicUsize::new(0),
            link: Link::new(),
            order: AtomicUsize::new(0),
            unparker: UnsafeCell::new(None),
        };
        Self {
            word: Word::new(cap),
            slots: [0, 1].map(slot),
            queued: [(); JOBS].map(|()| AtomicUsize::new(0)),
            ran: AtomicUsize::new(0),
            given_back: AtomicUsize::new(0),
            alive: AtomicUsize::new(0),
            finisher: finisher.unparker(),
            failures: AtomicUsize::new(0),
            timeouts: AtomicUsize::new(0),
            spins: AtomicUsize::new(0),
            rendezvous: false,
        }
    }

    fn submit(this: &Arc<Self>, job: usize) {
        this.queued[job].store(1, Relaxed);
        let duty = this.word.submit(&**this);
        Self::carry_out(this, duty);
    }

    fn carry_out(this: &Arc<Self>, duty: Duty) {
        match duty {
            Duty::Nothing => {}
            Duty::Wake(slot) => this.notify(slot, WORK),
            Duty::Spawn if countdown(&this.failures) => {
                if this.word.unspawn() {
                    this.give_back();
                    this.finisher.unpark();
                }
            }
            Duty::Spawn => {
                this.alive.fetch_add(1, Relaxed);
                let pool = this.clone();
                thread::spawn(move || Self::work(&pool));
            }
            Duty::Refused => this.give_back(),
        }
    }

    fn pop(&self) -> bool {
        self.queued.iter().any(|job| job.load(Relaxed) == 1 && job.swap(0, Relaxed) == 1)
    }

    fn left(&self) -> usize {
        self.queued.iter().filter(|job| job.load(Relaxed) == 1).count()
    }

    fn give_back(&self) {
        while self.pop() {
            self.given_back.fetch_add(1, Relaxed);
        }
    }

    fn notify(&self, slot: SlotId, order: usize) {
        let slot = &self.slots[slot.index()];
        // SAFETY: the word has given us the resting worker, so nobody writes; it keeps its slot
        // until it is unparked.
        let unparker = slot.unparker.with(|cell| unsafe { (*cell).clone() });
        slot.order.store(order, Relaxed);
        unparker.expect("a resting worker has left its unparker").unpark();
    }

    /// Stops the pool and waits for its end.
    fn finish(&self, parker: &Parker) {
        let mut resting = self.word.stop();
        while let Some(slot) = resting.next(self) {
            self.notify(slot, LEAVE);
        }
        while !self.word.look().is_over() || self.alive.load(Relaxed) > 0 {
            parker.park();
        }
    }

    /// After the end, when nobody submits any more.
    fn check(&self, submitted: usize) {
        assert_eq!(self.left(), 0, "a job was stranded");
        assert_eq!(self.ran.load(Relaxed) + self.given_back.load(Relaxed), submitted);
        assert_eq!(self.alive.load(Relaxed), 0, "a worker outlived its pool");
        assert_eq!(self.word.look().searching(), 0);
    }

    // What a worker does.

    fn work(this: &Arc<Self>) {
        let (parker, mut slot) = (Parker::new(), this.take_slot());
        this.leave_unparker(slot, &parker);
        let mut seen = Some(this.word.arrive());
        let (mut arrived, mut leaving) = (true, false);
        loop {
            if this.pop() {
                if std::mem::take(&mut arrived) {
                    let duty = this.word.assist(this.left(), &**this);
                    Self::carry_out(this, duty);
                }
                leaving = false;
                seen = None;
                this.run();
                continue;
            }
            let Some(found_nothing) = seen.take() else {
                seen = Some(this.word.look());
                continue;
            };
            if leaving || found_nothing.is_stopping() {
                // The slot is free before the worker is struck, so a spawned one finds a slot.
                this.slots[slot.index()].taken.store(0, Release);
                if this.word.leave(found_nothing) {
                    break;
                }
                slot = this.take_slot();
                this.leave_unparker(slot, &parker);
            } else if countdown(&this.spins) && this.word.search(found_nothing) {
                seen = Some(this.word.arrive());
                arrived = true;
            } else if this.word.rest(found_nothing, slot, &**this) {
                leaving = this.sleep(slot, &parker) == LEAVE;
                if !leaving {
                    seen = Some(this.word.arrive());
                    arrived = true;
                }
            }
        }
        if this.alive.fetch_sub(1, AcqRel) == 1 {
            this.finisher.unpark();
        }
    }

    fn run(&self) {
        self.ran.fetch_add(1, AcqRel);
        while self.rendezvous && self.ran.load(Acquire) < 2 {
            thread::yield_now();
        }
    }

    fn sleep(&self, me: SlotId, parker: &Parker) -> usize {
        if countdown(&self.timeouts) {
            match self.word.retire(self) {
                Some(slot) if slot == me => return LEAVE,
                Some(other) => self.notify(other, LEAVE),
                None => {}
            }
        }
        parker.park();
        let order = self.slots[me.index()].order.load(Relaxed);
        assert_ne!(order, 0, "woken without an order");
        order
    }

    fn take_slot(&self) -> SlotId {
        let free = |slot: &Slot| slot.taken.compare_exchange(0, 1, Acquire, Relaxed).is_ok();
        loop {
            if let Some(index) = self.slots.iter().position(free) {
                return SlotId::new(index);
            }
        }
    }

    fn leave_unparker(&self, slot: SlotId, parker: &Parker) {
        // SAFETY: the slot is ours and we do not rest, so nobody else looks at the cell.
        let leave = |cell: *mut Option<Unparker>| unsafe { *cell = Some(parker.unparker()) };
        self.slots[slot.index()].unparker.with_mut(leave);
    }
}

model! {
    /// The only worker's time is up while a job comes: it takes the job, or another one is spawned.
    word_submit_vs_timeout(threads = 3, bound = 2, claim = "a job that meets a leaving worker is run") {
        let parker = Parker::new();
        let mut pool = Pool::new(1, &parker);
        pool.timeouts = AtomicUsize::new(1);
        let pool = Arc::new(pool);
        Pool::submit(&pool, 0);
        Pool::submit(&pool, 1);
        pool.finish(&parker);
        pool.check(2);
    }
}

model! {
    /// Two submitters and one thread at most: it runs both jobs.
    word_submit_vs_submit(threads = 3, bound = 2, claim = "two submitters spawn one worker, which runs both jobs") {
        let parker = Parker::new();
        let pool = Arc::new(Pool::new(1, &parker));
        let other = { let pool = pool.clone(); thread::spawn(move || Pool::submit(&pool, 0)) };
        Pool::submit(&pool, 1);
        other.join().unwrap();
        assert!(pool.alive.load(Relaxed) <= 1, "spawned beyond the cap");
        pool.finish(&parker);
        pool.check(2);
    }
}

model! {
    /// The pool stops while a job is submitted and its only worker is anywhere.
    word_stop_vs_submit(threads = 3, bound = 2, claim = "a job submitted while the pool stops is run or given back") {
        let parker = Parker::new();
        let pool = Arc::new(Pool::new(1, &parker));
        Pool::submit(&pool, 0);
        let other = { let pool = pool.clone(); thread::spawn(move || Pool::submit(&pool, 1)) };
        pool.finish(&parker);
        other.join().unwrap();
        pool.check(2);
    }
}

model! {
    /// The pool ends while its last worker is being made: the end waits for it.
    word_end_vs_spawn(threads = 3, bound = 2, claim = "the end of a pool comes after its last worker") {
        let parker = Parker::new();
        let pool = Arc::new(Pool::new(1, &parker));
        let other = { let pool = pool.clone(); thread::spawn(move || Pool::submit(&pool, 0)) };
        pool.finish(&parker);
        assert_eq!(pool.alive.load(Relaxed), 0, "a worker outlived its pool");
        other.join().unwrap();
        pool.check(1);
    }
}

model! {
    /// A thread cannot be made, while another job relies on it.
    word_unspawn(threads = 3, bound = 2, claim = "a job whose thread cannot be made is run by another one or given back") {
        let parker = Parker::new();
        let mut pool = Pool::new(1, &parker);
        pool.failures = AtomicUsize::new(1);
        let pool = Arc::new(pool);
        let other = { let pool = pool.clone(); thread::spawn(move || Pool::submit(&pool, 0)) };
        Pool::submit(&pool, 1);
        other.join().unwrap();
        pool.finish(&parker);
        pool.check(2);
    }
}

model! {
    /// Two jobs that wait for each other, one submitter, one wake: the first worker fetches another.
    word_assist(threads = 3, bound = 2, claim = "a job never waits behind a blocked one while a thread may be had") {
        let parker = Parker::new();
        let mut pool = Pool::new(2, &parker);
        pool.rendezvous = true;
        let pool = Arc::new(pool);
        Pool::submit(&pool, 0);
        Pool::submit(&pool, 1);
        pool.finish(&parker);
        pool.check(2);
    }
}

model! {
    /// A worker that spins is left alone, and looks once more before it rests.
    word_search(threads = 2, bound = 3, claim = "a job left to a spinning worker is run") {
        let parker = Parker::new();
        let mut pool = Pool::new(1, &parker);
        pool.spins = AtomicUsize::new(1);
        let pool = Arc::new(pool);
        Pool::submit(&pool, 0);
        Pool::submit(&pool, 1);
        pool.finish(&parker);
        pool.check(2);
    }
}

model! {
    /// Two workers; the time of one is up, and the one on top leaves for it, while a job comes.
    word_retire(threads = 3, bound = 2, claim = "a worker that leaves for another one leaves no job behind") {
        let parker = Parker::new();
        let mut pool = Pool::new(2, &parker);
        pool.timeouts = AtomicUsize::new(1);
        let pool = Arc::new(pool);
        Pool::submit(&pool, 0);
        Pool::submit(&pool, 1);
        Pool::submit(&pool, 2);
        pool.finish(&parker);
        pool.check(3);
    }
}

model! {
    /// A submitter has read top and link, and sleeps while both workers are taken and one comes
    /// back: its link is stale, although the same worker is on top.
    word_stale_link(threads = 2, bound = 2, claim = "no worker is on the stack and awake, or off it and asleep") {
        let parker = Parker::new();
        let pool = Arc::new(Pool::new(2, &parker));
        let slots = [0, 1].map(SlotId::new);
        for slot in slots {
            assert_eq!(pool.word.submit(&*pool), Duty::Spawn);
            let _ = pool.word.arrive();
            if slot == slots[0] {
                continue;
            }
            assert!(pool.word.rest(pool.word.look(), slots[0], &*pool));
            assert!(pool.word.rest(pool.word.look(), slots[1], &*pool));
        }
        let other = { let pool = pool.clone(); thread::spawn(move || {
            let first = pool.word.retire(&*pool);
            let second = pool.word.retire(&*pool);
            // The first comes back alone, and nobody has ordered anything meanwhile.
            let back = first.filter(|first| pool.word.rest(pool.word.look(), *first, &*pool));
            [first.xor(back), second]
        })};
        let mine = pool.word.retire(&*pool);
        let [first, second] = other.join().unwrap();
        let mut places = [first, second, mine].into_iter().flatten().collect::<Vec<_>>();
        let mut resting = pool.word.stop();
        while let Some(slot) = resting.next(&*pool) {
            places.push(slot);
        }
        places.sort_unstable_by_key(|slot| slot.index());
        assert_eq!(places, slots, "each worker is in one place");
    }
}
