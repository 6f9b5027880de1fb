//! Blocking inside a task: the worker's loop goes on without the thread.
//!
//! The thread that blocks lends its worker to a thread of the default executor, which runs the
//! loop meanwhile: tasks, timers and sockets of the worker go on. Pinned tasks and callbacks wait,
//! for their bodies may be tied to the thread. When the closure returns, the stand-in is asked to
//! leave the loop, and the thread takes its worker back. [`loan`](super::loan) is the protocol.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use corio_sync::coop;

use super::loan::{Loan, StandIn};
use super::worker::{self, Worker};
use crate::task::contextvars::Context;

/// See [`crate::block_in_place`].
pub(crate) fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    let lent =
        worker::with(|worker| worker.filter(|worker| worker.can_be_lent()).map(NonNull::from));
    let Some(worker) = lent else { return coop::without_budget(f) };
    // SAFETY: the worker runs on this thread, inside whose poll we are, which keeps it alive.
    let worker = unsafe { worker.as_ref() };
    // SAFETY: as above; this thread does not use it until `lend` returns.
    unsafe { lend(worker, f) }
}

/// The worker, on its way to the stand-in.
struct Lent(NonNull<Worker>);

// SAFETY: the loan says who may use the worker: nobody but the stand-in until it gives back.
unsafe impl Send for Lent {}

impl Lent {
    /// Runs the loop until the worker is recalled. The drop of `stand_in` gives it back, after the
    /// last use; its panics are the job's outcome.
    fn run(self, stand_in: &StandIn) {
        // SAFETY: the owner keeps the worker, and stays away from it until `stand_in` is dropped.
        let worker = unsafe { self.0.as_ref() };
        let _entered = worker.enter();
        worker.stand_in(|| stand_in.is_recalled());
    }
}

/// # Safety
///
/// The calling thread runs `worker` and is inside one of its polls.
unsafe fn lend<R>(worker: &Worker, f: impl FnOnce() -> R) -> R {
    let (loan, stand_in) = Loan::new();
    // Found before the thread leaves the task.
    let variables = Context::current();
    let away = worker.step_out();
    let lent = Lent(NonNull::from(worker));
    let job = worker.shared().pool.submit(move || lent.run(&stand_in));
    let run = || coop::without_budget(|| variables.run(f));
    let result = catch_unwind(AssertUnwindSafe(run));
    loan.take_back(|| job.cancel(), || worker.wake_own_poller());
    drop(away);
    result.unwrap_or_else(|payload| resume_unwind(payload))
}
