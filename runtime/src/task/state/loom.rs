//! Models of the state word. The cell is a twin: a body, an output and a join slot that loom
//! watches, a queue of entries, and a `freed` flag; the transitions are the real ones.
use super::*;
use corio_sync::model;
use corio_sync::shim::Witness;
use corio_sync::shim::atomic::{AtomicBool, AtomicUsize};
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

mod again;
mod loan;

/// A cell as the protocol sees it.
struct Twin {
    state: State,
    /// Counts polls; touched by the runner only.
    body: Witness<usize>,
    /// Written by the completer, read by who sees DONE.
    output: Witness<usize>,
    /// The join slot. Written by the handle and by who frees, read by the completer.
    slot: Witness<usize>,
    /// Whether a waker lies in the join slot.
    full: AtomicBool,
    /// Set by what a wake announces, seen by the poll that it causes.
    cause: Witness<usize>,
    /// Entries that lie in a queue.
    entries: AtomicUsize,
    joined: AtomicBool,
    freed: AtomicUsize,
}

impl Twin {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: State::new(Snapshot::spawned(None)),
            body: Witness::new(0),
            output: Witness::new(0),
            slot: Witness::new(0),
            full: AtomicBool::new(false),
            cause: Witness::new(0),
            entries: AtomicUsize::new(1),
            joined: AtomicBool::new(false),
            freed: AtomicUsize::new(0),
        })
    }

    fn enqueue(&self) {
        assert_eq!(self.entries.fetch_add(1, AcqRel), 0, "two entries of one task");
    }

    fn do_wake(&self) {
        if self.state.wake() == Woken::Enqueue {
            self.enqueue();
        }
    }

    fn free(&self) {
        assert_eq!(self.freed.fetch_add(1, AcqRel), 0, "freed twice");
        // Whoever frees must come after every use of the cell.
        self.body.set(usize::MAX);
        self.output.set(usize::MAX);
        self.slot.set(usize::MAX);
        assert!(!self.full.load(Relaxed), "a join waker leaked");
    }

    fn release(&self) {
        if self.state.ref_dec() {
            self.free();
        }
    }

    /// Takes an entry if there is one and runs the task; the body is ready at poll `ready_at`.
    fn work(&self, ready_at: usize) {
        if self.entries.compare_exchange(1, 0, AcqRel, Relaxed).is_err() {
            return;
        }
        let seen = self.state.start();
        let polls = self.body.get() + 1;
        self.body.set(polls);
        if seen.needs_care() || polls == ready_at {
            self.complete(seen.needs_care(), true);
        } else if self.state.pause() == Paused::Enqueue {
            self.enqueue();
        }
    }

    /// `lent` as for `State::finish`.
    fn complete(&self, mut cancelled: bool, lent: bool) {
        self.output.set(if cancelled { 2 } else { 1 });
        loop {
            let end = if cancelled { End::Cancelled } else { End::Itself };
            match self.state.finish(end, false, lent) {
                Finished::CancelFirst => {
                    self.output.set(2);
                    cancelled = true;
                }
                Finished::Released { free } => {
                    if free {
                        self.free();
                    }
                    return;
                }
                Finished::Done { join_waker, unwatched, .. } => {
                    if join_waker {
                        assert_eq!(self.slot.get(), 1);
                        assert!(self.full.swap(false, Relaxed), "an empty slot was handed over");
                        self.joined.store(true, Release);
                    }
                    if unwatched {
                        self.output.set(3);
                    }
                    return self.release();
                }
            }
        }
    }

    /// Registers the join waker; true if the task is done.
    fn join(&self) -> bool {
        if self.state.load().is_done() {
            return true;
        }
        self.slot.set(1);
        self.full.store(true, Relaxed);
        match self.state.publish_join_waker() {
            Join::Waiting => false,
            Join::Done => {
                self.full.store(false, Relaxed);
                true
            }
        }
    }

    fn detach(&self) {
        match self.state.detach() {
            Detached::Kept => {}
            Detached::OwnsOutput => {
                self.output.set(3);
                self.release();
            }
            Detached::Release => self.release(),
        }
    }

    /// A thread that leaves a cause and wakes, by a reference of its own.
    fn woken_elsewhere(twin: &Arc<Self>) -> thread::JoinHandle<()> {
        let waker = twin.clone();
        waker.state.ref_inc();
        thread::spawn(move || {
            waker.cause.set(1);
            waker.do_wake();
            waker.release();
        })
    }
}

model! {
    /// A wake that comes at any moment of a poll causes another poll that sees its cause.
    state_wake_is_never_lost(threads = 3, bound = 3, claim = "each wake is followed by a poll that sees its cause") {
        let twin = Twin::new();
        let wakes = Twin::woken_elsewhere(&twin);
        let other = twin.clone();
        let worker = thread::spawn(move || other.work(usize::MAX));
        twin.work(usize::MAX);
        worker.join().unwrap();
        wakes.join().unwrap();
        // Whatever is left runs now; the last poll is after the cause.
        while twin.entries.load(Acquire) == 1 {
            twin.work(usize::MAX);
        }
        assert!(!twin.state.load().is_scheduled(), "scheduled without an entry");
        assert_eq!(twin.cause.get(), 1);
    }
}

model! {
    /// The poll that a wake causes sees what the waker wrote, across workers.
    state_wake_carries_its_cause(threads = 2, bound = 3, claim = "start sees what was written before wake") {
        let twin = Twin::new();
        twin.work(usize::MAX);
        twin.state.ref_inc();
        let waker = twin.clone();
        let by_value = thread::spawn(move || {
            waker.cause.set(1);
            match waker.state.wake_by_value() {
                // The entry is handed over without order, so that only the word carries the cause.
                Woken::Enqueue => waker.entries.store(1, Relaxed),
                woken => assert_eq!(woken, Woken::Nothing),
            }
        });
        if twin.entries.load(Relaxed) == 1 {
            twin.entries.store(0, Relaxed);
            twin.state.start();
            assert_eq!(twin.cause.get(), 1);
            twin.body.set(twin.body.get() + 1);
        }
        by_value.join().unwrap();
    }
}

model! {
    /// As above for a borrowed waker.
    state_wake_by_ref_carries_its_cause(threads = 2, bound = 3, claim = "start sees what was written before a borrowed wake") {
        let twin = Twin::new();
        twin.work(usize::MAX);
        let waker = twin.clone();
        waker.state.ref_inc();
        let by_ref = thread::spawn(move || {
            waker.cause.set(1);
            if waker.state.wake() == Woken::Enqueue {
                waker.entries.store(1, Relaxed);
            }
        });
        if twin.entries.load(Relaxed) == 1 {
            twin.entries.store(0, Relaxed);
            twin.state.start();
            assert_eq!(twin.cause.get(), 1);
        }
        by_ref.join().unwrap();
    }
}

model! {
    /// The waker that enqueues sees the cell as the last runner left it: it writes the link next.
    state_waker_sees_the_pause(threads = 2, bound = 3, claim = "who enqueues comes after the last runner") {
        let twin = Twin::new();
        twin.entries.store(0, Relaxed);
        twin.state.start();
        let runner = twin.clone();
        let pauses = thread::spawn(move || {
            runner.body.set(1);
            if runner.state.pause() == Paused::Enqueue {
                runner.body.set(2);
            }
        });
        if twin.state.wake() == Woken::Enqueue {
            twin.body.set(2);
        }
        pauses.join().unwrap();
    }
}

model! {
    /// A task that is finished beside its join, and the output is the handle's.
    state_finish_meets_join(threads = 2, bound = 3, claim = "the joiner sees the output or is woken, and the last one frees") {
        let twin = Twin::new();
        let handle = twin.clone();
        let joiner = thread::spawn(move || {
            let done = handle.join();
            if done {
                assert_eq!(handle.output.get(), 1);
                handle.state.take();
                handle.detach();
            }
            done
        });
        twin.work(1);
        if !joiner.join().unwrap() {
            assert!(twin.joined.load(Acquire), "the join waker was not woken");
            assert_eq!(twin.output.get(), 1);
            twin.state.take();
            twin.detach();
        }
        assert_eq!(twin.freed.load(Acquire), 1, "not freed");
    }
}

model! {
    /// The join waker is replaced while the task ends.
    state_join_waker_is_replaced(threads = 2, bound = 3, claim = "the slot has one owner at a time, and the joiner is woken or sees the end") {
        let twin = Twin::new();
        let handle = twin.clone();
        let joiner = thread::spawn(move || {
            let mut done = handle.join();
            if !done {
                if handle.state.withdraw_join_waker() {
                    handle.full.store(false, Relaxed);
                    done = handle.join();
                } else {
                    done = true;
                }
            }
            if done {
                assert_eq!(handle.output.get(), 1);
            }
            handle.detach();
        });
        twin.work(1);
        joiner.join().unwrap();
        assert_eq!(twin.freed.load(Acquire), 1, "not freed");
    }
}

model! {
    /// The handle goes at any moment: the output is dropped by one side, the cell freed once.
    state_finish_meets_detach(threads = 2, bound = 3, claim = "a dropped handle loses neither output nor cell") {
        let twin = Twin::new();
        let handle = twin.clone();
        let dropper = thread::spawn(move || {
            let _ = handle.join();
            // A second poll compares the waker in the slot with its own.
            assert_eq!(handle.slot.get() & !1, 0);
            handle.detach();
        });
        twin.work(1);
        dropper.join().unwrap();
        assert_eq!(twin.freed.load(Acquire), 1, "not freed");
    }
}

model! {
    /// A cancel that returned true ends the task cancelled, also when it comes with the result.
    state_cancel_meets_finish(threads = 2, bound = 3, claim = "a cancel that returned true is never swallowed") {
        let twin = Twin::new();
        let canceller = twin.clone();
        canceller.state.ref_inc();
        let cancels = thread::spawn(move || {
            let asked = match canceller.state.request_cancel() {
                None => false,
                Some(Woken::Enqueue) => {
                    canceller.enqueue();
                    true
                }
                Some(_) => true,
            };
            canceller.release();
            asked
        });
        twin.work(1);
        let asked = cancels.join().unwrap();
        while twin.entries.load(Acquire) == 1 {
            twin.work(1);
        }
        assert!(twin.state.load().is_done());
        let output = twin.output.get();
        assert_eq!(output == 2, asked, "output {output}, cancelled {asked}");
        twin.detach();
        assert_eq!(twin.freed.load(Acquire), 1, "not freed");
    }
}

model! {
    /// The run that delivers a cancel sees its message.
    state_cancel_carries_its_message(threads = 2, bound = 3, claim = "the run that stops sees what the canceller wrote") {
        let twin = Twin::new();
        let canceller = twin.clone();
        let cancels = thread::spawn(move || {
            canceller.cause.set(1);
            let _ = canceller.state.request_cancel();
        });
        if twin.state.start().needs_care() {
            assert_eq!(twin.cause.get(), 1);
        }
        cancels.join().unwrap();
    }
}

model! {
    /// The run that delivers an abort sees what came before it.
    state_abort_carries_its_place(threads = 2, bound = 3, claim = "the run that stops sees what the aborter wrote") {
        let twin = Twin::new();
        let aborter = twin.clone();
        let aborts = thread::spawn(move || {
            aborter.cause.set(1);
            let _ = aborter.state.request_abort();
        });
        if twin.state.start().needs_care() {
            assert_eq!(twin.cause.get(), 1);
        }
        aborts.join().unwrap();
    }
}

model! {
    /// The count is right whatever meets, and the last uncancel retracts.
    state_uncancel_retracts(threads = 3, bound = 3, claim = "cancels minus uncancels, and none pending at zero") {
        let twin = Twin::new();
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let twin = twin.clone();
                thread::spawn(move || {
                    let _ = twin.state.request_cancel();
                    twin.state.uncancel();
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let seen = twin.state.load();
        assert_eq!(seen.cancelling(), 0);
        assert!(!seen.needs_care(), "a retracted cancel is still pending");
    }
}

model! {
    /// A walker that meets the last release and the reuse of the slot.
    state_walker_meets_reuse(threads = 2, bound = 3, claim = "a walker gets a reference to an initialized task or none") {
        let twin = Twin::new();
        let walker = twin.clone();
        let walks = thread::spawn(move || {
            if walker.state.try_ref() {
                assert_ne!(walker.cause.get(), 7, "a free cell was read");
                if walker.state.ref_dec() {
                    walker.cause.set(7);
                    walker.state.retire();
                }
            }
        });
        // The task ends and both references go; then the cell is used again.
        let mut mine = twin.state.ref_dec();
        mine |= twin.state.ref_dec();
        if mine {
            twin.cause.set(7);
            twin.state.retire();
            twin.cause.set(8);
            twin.state.publish(Snapshot::spawned(None));
        }
        walks.join().unwrap();
    }
}

model! {
    /// A wake after the end, and the last reference goes with it.
    state_wake_after_the_end(threads = 2, bound = 3, claim = "a late wake enqueues nothing and frees once") {
        let twin = Twin::new();
        let waker = twin.clone();
        waker.state.ref_inc();
        let wakes = thread::spawn(move || match waker.state.wake_by_value() {
            Woken::Enqueue => waker.enqueue(),
            Woken::Free => waker.free(),
            Woken::Nothing => {}
        });
        twin.work(1);
        twin.detach();
        wakes.join().unwrap();
        assert_eq!(twin.entries.load(Acquire), 0, "an entry of a finished task");
        assert_eq!(twin.freed.load(Acquire), 1, "not freed");
    }
}

model! {
    /// A shutdown that waits no longer stops an idle task while a worker wakes and runs it.
    state_claim_idle_meets_run(threads = 2, bound = 3, claim = "the worker has the body or the shutdown, never both") {
        let twin = Twin::new();
        twin.work(usize::MAX);
        let worker = twin.clone();
        worker.state.ref_inc();
        let runs = thread::spawn(move || {
            if worker.state.wake() == Woken::Enqueue {
                worker.enqueue();
            }
            worker.work(2);
            worker.release();
        });
        match twin.state.claim_idle() {
            Claim::Claimed { queued } => {
                assert!(!queued, "its entry is somebody else's");
                twin.body.set(twin.body.get() + 1);
                twin.complete(true, false);
            }
            Claim::Running | Claim::Done => {}
        }
        runs.join().unwrap();
        assert!(twin.state.load().is_done(), "nobody ended the task");
        twin.detach();
        assert_eq!(twin.freed.load(Acquire), 1, "not freed");
    }
}

model! {
    /// A shutdown stops a task while a wake is about to push its entry.
    state_claim_meets_wake(threads = 2, bound = 3, claim = "the entry inherits the reference, or there is none") {
        let twin = Twin::new();
        twin.work(usize::MAX);
        let waker = twin.clone();
        waker.state.ref_inc();
        let wakes = thread::spawn(move || {
            let woken = waker.state.wake();
            waker.release();
            woken == Woken::Enqueue
        });
        match twin.state.claim() {
            Claim::Claimed { queued } => {
                twin.body.set(twin.body.get() + 1);
                twin.output.set(2);
                let finished = twin.state.finish(End::Cancelled, queued, false);
                assert_ne!(finished, Finished::CancelFirst, "a stopped task was cancelled again");
                if matches!(finished, Finished::Released { .. }) {
                    assert!(!queued, "the entry's reference was released");
                } else if !queued {
                    twin.release();
                }
                if wakes.join().unwrap() {
                    assert!(queued, "an entry that inherited nothing");
                    twin.release();
                }
            }
            claim => panic!("{claim:?}"),
        }
        twin.detach();
        assert_eq!(twin.freed.load(Acquire), 1, "not freed");
    }
}

model! {
    /// Observers are told of the end or see it.
    state_observe_meets_finish(threads = 2, bound = 3, claim = "the completer sees the observer, or the observer sees the output") {
        let twin = Twin::new();
        let observer = twin.clone();
        observer.state.ref_inc();
        let observes = thread::spawn(move || {
            observer.cause.set(1);
            let done = observer.state.observe();
            if done {
                assert_eq!(observer.output.get(), 1);
            }
            done
        });
        twin.entries.store(0, Relaxed);
        twin.state.start();
        twin.output.set(1);
        let told = match twin.state.finish(End::Itself, false, true) {
            Finished::Done { observed, .. } => {
                if observed {
                    assert_eq!(twin.cause.get(), 1);
                }
                observed
            }
            _ => false,
        };
        assert!(observes.join().unwrap() != told, "told twice or not at all");
    }
}

model! {
    /// As `state_waker_sees_the_pause`, for a cancel.
    state_canceller_sees_the_pause(threads = 2, bound = 3, claim = "a canceller that enqueues comes after the last runner") {
        let twin = Twin::new();
        twin.entries.store(0, Relaxed);
        twin.state.start();
        let runner = twin.clone();
        let pauses = thread::spawn(move || {
            runner.body.set(1);
            let _ = runner.state.pause();
        });
        if twin.state.request_cancel() == Some(Woken::Enqueue) {
            twin.body.set(2);
        }
        pauses.join().unwrap();
    }
}

model! {
    /// As `state_waker_sees_the_pause`, for an abort.
    state_aborter_sees_the_pause(threads = 2, bound = 3, claim = "an aborter that enqueues comes after the last runner") {
        let twin = Twin::new();
        twin.entries.store(0, Relaxed);
        twin.state.start();
        let runner = twin.clone();
        let pauses = thread::spawn(move || {
            runner.body.set(1);
            let _ = runner.state.pause();
        });
        if twin.state.request_abort() == Woken::Enqueue {
            twin.body.set(2);
        }
        pauses.join().unwrap();
    }
}

model! {
    /// A shutdown takes a body whose last poll has just ended on another thread.
    state_claim_meets_pause(threads = 2, bound = 3, claim = "who claims a body comes after its last runner") {
        let twin = Twin::new();
        twin.entries.store(0, Relaxed);
        twin.state.start();
        let runner = twin.clone();
        let pauses = thread::spawn(move || {
            runner.body.set(1);
            let _ = runner.state.pause();
        });
        if let Claim::Claimed { queued } = twin.state.claim() {
            assert!(!queued);
            twin.body.set(2);
        }
        pauses.join().unwrap();
    }
}
