//! Models of a loan: the worker goes to a stand-in and comes back, whatever becomes of the job.

use corio_sync::model;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;

use super::{Loan, StandIn};
use crate::blocking::job_state::JobState;
use crate::reactor::ownership::Ownership;

/// What a loan is about: something that one thread at a time may use, and what it sleeps on.
struct Worker {
    polls: UnsafeCell<u32>,
    ownership: Ownership,
}

// SAFETY: loom watches the accesses; that they are ordered is what the models show.
unsafe impl Sync for Worker {}
// SAFETY: as above.
unsafe impl Send for Worker {}

impl Worker {
    fn new() -> Arc<Self> {
        Arc::new(Self { polls: UnsafeCell::new(0), ownership: Ownership::new() })
    }

    fn poll(&self) {
        // SAFETY: as above.
        self.polls.with_mut(|polls| unsafe { *polls += 1 });
    }

    /// The loop of a worker without work: it sleeps in its poller until it is recalled.
    fn run(&self, stand_in: &StandIn) {
        self.poll();
        while !stand_in.is_recalled() {
            let wait = |may_block: bool| {
                if may_block {
                    thread::park()
                }
            };
            self.ownership.park(|| Arc::new(thread::current()), wait, thread::park);
            self.poll();
        }
    }
}

/// The job's cell: whoever claims it owns the closure, and with it the stand-in.
struct Job {
    state: JobState,
    closure: UnsafeCell<Option<StandIn>>,
}

// SAFETY: loom watches the accesses to the cell; the claim says whose they are.
unsafe impl Sync for Job {}
// SAFETY: as above.
unsafe impl Send for Job {}

impl Job {
    fn take(&self) -> Option<StandIn> {
        // SAFETY: the claim is given once.
        self.state.claim().then(|| self.closure.with_mut(|cell| unsafe { (*cell).take() }))?
    }
}

model! {
    /// The owner blocks, and wants its worker back while the stand-in works or sleeps.
    loan_comes_back(threads = 2, bound = 3, claim = "the owner gets its worker as the stand-in left it, also out of its sleep") {
        let worker = Worker::new();
        worker.poll();
        let (loan, stand_in) = Loan::new();
        let lent = worker.clone();
        let thread = thread::spawn(move || {
            lent.run(&stand_in);
            drop(stand_in);
        });
        let ring = thread.thread().clone();
        loan.take_back(|| false, || worker.ownership.wake(|| ring.unpark()));
        worker.poll();
        thread.join().unwrap();
    }
}

model! {
    /// As above, with a sibling that harvests the worker's poller meanwhile.
    loan_comes_back_beside_a_harvester(threads = 3, bound = 2, claim = "a harvester of the worker's poller does not swallow the recall") {
        let worker = Worker::new();
        let (loan, stand_in) = Loan::new();
        let lent = worker.clone();
        let thread = thread::spawn(move || {
            lent.run(&stand_in);
            drop(stand_in);
        });
        let ring = thread.thread().clone();
        let harvested = worker.clone();
        let bell = ring.clone();
        let harvester = thread::spawn(move || {
            harvested.ownership.harvest(|| (), || bell.unpark());
        });
        loan.take_back(|| false, || worker.ownership.wake(|| ring.unpark()));
        worker.poll();
        thread.join().unwrap();
        harvester.join().unwrap();
    }
}

model! {
    /// The owner is done before the executor has begun, or just then.
    loan_is_cancelled_or_run(threads = 2, bound = 3, claim = "a stand-in that never began gives the worker back by its drop") {
        let worker = Worker::new();
        let (loan, stand_in) = Loan::new();
        let closure = UnsafeCell::new(Some(stand_in));
        let job = Arc::new(Job { state: JobState::new(), closure });
        let (lent, theirs) = (worker.clone(), job.clone());
        let thread = thread::spawn(move || {
            if let Some(stand_in) = theirs.take() {
                lent.run(&stand_in);
            }
        });
        let ring = thread.thread().clone();
        loan.take_back(|| job.take().is_some(), || worker.ownership.wake(|| ring.unpark()));
        worker.poll();
        thread.join().unwrap();
    }
}

model! {
    /// The executor refuses the job: it is dropped on another thread, unrun.
    loan_is_refused(threads = 2, bound = 3, claim = "a job that is dropped unrun gives the worker back") {
        let worker = Worker::new();
        let (loan, stand_in) = Loan::new();
        let thread = thread::spawn(move || drop(stand_in));
        loan.take_back(|| false, || worker.ownership.wake(|| ()));
        worker.poll();
        thread.join().unwrap();
    }
}
