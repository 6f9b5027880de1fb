//! Blocking inside a task: the worker's loop goes on without the thread.
//!
//! The thread that blocks gives the worker to a thread of the default executor, which runs the loop
//! meanwhile: tasks, timers and sockets of the worker go on. Pinned tasks and callbacks wait, for
//! their bodies may be tied to the thread. When the closure returns, whoever runs the loop by then is
//! asked to leave it after the present poll, and the thread goes on with its own. [`baton`] is the
//! protocol.
//!
//! [`baton`]: super::baton

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

use corio_sync::coop;

use super::baton::Baton;
use super::worker::{self, Worker};
use crate::task::contextvars::Context;

/// See [`crate::block_in_place`].
pub(crate) fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    let lent =
        worker::with(|worker| worker.filter(|worker| worker.can_be_lent()).map(NonNull::from));
    let Some(worker) = lent else { return coop::without_budget(f) };
    // SAFETY: the worker runs on this thread, inside whose poll we are, which keeps it alive.
    let worker = unsafe { worker.as_ref() };
    // SAFETY: as above.
    unsafe { lend(worker, f) }
}

/// A worker that nobody may touch without its baton.
struct Lent {
    worker: NonNull<Worker>,
    baton: Arc<Baton>,
}

// SAFETY: whoever holds the baton may use the worker, on any thread but for what is pinned.
unsafe impl Send for Lent {}

impl Lent {
    /// Runs the loop until somebody wants the worker back, unless it has a runner.
    fn run(self) {
        if !self.baton.try_take() {
            return;
        }
        let _held = Held(&self.baton);
        // SAFETY: the owner holds the baton before it frees the worker and never gives it away again,
        // so the worker is there; and nobody else touches it until `_held` is dropped.
        let worker = unsafe { self.worker.as_ref() };
        let _entered = worker.enter();
        worker.stand_in(|| self.baton.is_wanted());
    }
}

/// Releases the baton; also if the loop panics, whose panics are the job's outcome.
struct Held<'a>(&'a Baton);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// # Safety
///
/// The calling thread runs `worker` and is inside one of its polls.
unsafe fn lend<R>(worker: &Worker, f: impl FnOnce() -> R) -> R {
    let (baton, driver) = (worker.baton().clone(), worker.own_driver().clone());
    // Found before the thread leaves the task.
    let variables = Context::current();
    let away = worker.step_out();
    let lent = Lent { worker: NonNull::from(worker), baton: baton.clone() };
    baton.release();
    let job = worker.shared().pool.submit(move || lent.run());
    let run = || coop::without_budget(|| variables.run(f));
    let result = catch_unwind(AssertUnwindSafe(run));
    // If it has not begun it need not.
    job.cancel();
    baton.take(|| driver.poller.wake());
    drop(away);
    result.unwrap_or_else(|payload| resume_unwind(payload))
}
