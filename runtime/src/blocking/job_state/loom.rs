//! Models: the closure is taken once, the outcome is taken or dropped once, the cell freed once.
use super::{JobState, Outcome};
use corio_sync::model;
use corio_sync::park::block_on;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::{sync::Arc, thread};
use corio_sync::waker_slot::WakerSlot;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;

/// What lies in the cell.
#[derive(Debug, PartialEq)]
enum Stage {
    Closure,
    Claimed,
    Outcome(u32),
    Dropped,
    Freed,
}

/// A job's cell. That it is freed is only noted, so that a use afterwards is seen.
struct Cell {
    state: JobState,
    waker: WakerSlot,
    stage: UnsafeCell<Stage>,
    /// A witness, not a part of the model.
    freed: AtomicUsize,
}

// SAFETY: who may touch `stage` is what the models check; the rest is atomics.
unsafe impl Sync for Cell {}

impl Cell {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: JobState::new(),
            waker: WakerSlot::new(),
            stage: UnsafeCell::new(Stage::Closure),
            freed: AtomicUsize::new(0),
        })
    }

    /// Replaces what lies in the cell, which must be `from`.
    fn step(&self, from: Stage, to: Stage) {
        self.stage.with_mut(|stage| {
            // SAFETY: the model asserts what the state word promises: nobody else is inside.
            let stage = unsafe { &mut *stage };
            assert_eq!(*stage, from);
            *stage = to;
        });
    }

    fn end(&self, value: u32) -> bool {
        if !self.state.claim() {
            return false;
        }
        self.step(Stage::Closure, Stage::Claimed);
        self.step(Stage::Claimed, Stage::Outcome(value));
        match self.state.finish() {
            Outcome::Theirs => self.waker.wake(),
            Outcome::Ours => self.step(Stage::Outcome(value), Stage::Dropped),
        }
        true
    }

    fn release(&self) {
        if self.state.release() {
            self.stage.with_mut(|stage| {
                // SAFETY: as in `step`.
                unsafe { *stage = Stage::Freed }
            });
            assert_eq!(self.freed.fetch_add(1, Relaxed), 0, "freed twice");
        }
    }

    fn take(&self, value: u32) {
        self.step(Stage::Outcome(value), Stage::Dropped);
    }

    /// The handle waits for the outcome.
    fn wait(&self) {
        block_on(std::future::poll_fn(|cx| {
            if !self.state.is_done() {
                self.waker.register(cx.waker());
                if !self.state.is_done() {
                    return Poll::Pending;
                }
            }
            Poll::Ready(())
        }));
    }
}

const RUN: u32 = 1;
const CANCELLED: u32 = 2;

model! {
    /// A worker runs the job while its handle waits.
    job_state_run_vs_wait(threads = 2, bound = 3, claim = "the waiting handle is woken, sees the outcome, and the cell is freed once") {
        let cell = Cell::new();
        let runner = { let cell = cell.clone(); thread::spawn(move || {
            assert!(cell.end(RUN));
            cell.release();
        })};
        cell.wait();
        cell.take(RUN);
        cell.release();
        runner.join().unwrap();
        assert_eq!(cell.freed.load(Relaxed), 1, "the cell leaked");
    }
}

model! {
    /// A worker starts the job while its handle cancels it and waits.
    job_state_run_vs_cancel(threads = 2, bound = 3, claim = "a job is run or cancelled, never both") {
        let cell = Cell::new();
        let runner = { let cell = cell.clone(); thread::spawn(move || {
            let ran = cell.end(RUN);
            cell.release();
            ran
        })};
        let cancelled = cell.end(CANCELLED);
        cell.wait();
        cell.take(if cancelled { CANCELLED } else { RUN });
        cell.release();
        assert_ne!(runner.join().unwrap(), cancelled);
        assert_eq!(cell.freed.load(Relaxed), 1, "the cell leaked");
    }
}

model! {
    /// A worker runs the job while its handle is dropped.
    job_state_run_vs_drop(threads = 2, bound = 3, claim = "the outcome of an abandoned job is dropped once") {
        let cell = Cell::new();
        let runner = { let cell = cell.clone(); thread::spawn(move || {
            assert!(cell.end(RUN));
            cell.release();
        })};
        if cell.state.abandon() == Outcome::Ours {
            cell.take(RUN);
        }
        cell.release();
        runner.join().unwrap();
        assert_eq!(cell.freed.load(Relaxed), 1, "the cell leaked");
    }
}
