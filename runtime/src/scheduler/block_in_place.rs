//! Blocking inside a task: the worker's loop goes on without the thread.
//!
//! The thread that blocks lends its worker to a thread of the default executor, which runs the
//! loop meanwhile: tasks, timers and sockets of the worker go on. Pinned tasks and callbacks wait,
//! for their bodies may be tied to the thread. When the closure returns, the stand-in is asked to
//! leave the loop, and the thread takes its worker back.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

use corio_sync::park::{Parker, Unparker};
use corio_sync::shim::Ordering::{Acquire, Release};
use corio_sync::shim::atomic::AtomicBool;

use super::worker::{self, Worker};

/// Runs a closure that blocks, inside a task, on the calling thread; other tasks of the worker go
/// on meanwhile. Pinned tasks of the worker, and callbacks submitted to its loop, wait.
///
/// Lending the worker costs two thread switches. Prefer [`to_thread`](crate::to_thread) unless the
/// closure borrows or must stay on this thread. Outside a worker the closure just runs.
///
/// asyncio has no counterpart.
///
/// # Panics
///
/// If the closure does.
///
/// # Examples
///
/// ```
/// # fn main() {
/// corio_runtime::run(async {
///     let text = String::from("borrowed");
///     let length = corio_runtime::block_in_place(|| text.len());
///     assert_eq!(length, 8);
/// });
/// # }
/// ```
pub fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    let lent =
        worker::with(|worker| worker.filter(|worker| worker.can_be_lent()).map(NonNull::from));
    let Some(worker) = lent else { return f() };
    // SAFETY: the worker runs on this thread, inside whose poll we are, which keeps it alive.
    let worker = unsafe { worker.as_ref() };
    // SAFETY: as above; this thread does not use it until `lend` returns.
    unsafe { lend(worker, f) }
}

/// What the two threads share.
struct Loan {
    worker: NonNull<Worker>,
    /// Set when the owner wants its worker back.
    recalled: AtomicBool,
    /// Set when the stand-in has left the worker.
    returned: AtomicBool,
    owner: Unparker,
}

// SAFETY: the worker is used by the stand-in only, until it sets `returned`.
unsafe impl Send for Loan {}
// SAFETY: as above; the rest is atomics.
unsafe impl Sync for Loan {}

/// # Safety
///
/// The calling thread runs `worker` and is inside one of its polls.
unsafe fn lend<R>(worker: &Worker, f: impl FnOnce() -> R) -> R {
    let parker = Parker::new();
    let loan = Arc::new(Loan {
        worker: NonNull::from(worker),
        recalled: AtomicBool::new(false),
        returned: AtomicBool::new(false),
        owner: parker.unparker(),
    });
    let away = worker.step_out();
    let stand_in = loan.clone();
    let job = worker.shared().pool.submit(move || stand_in.run());
    let result = catch_unwind(AssertUnwindSafe(f));
    // Ordering(loan.recall): Release; pairs with Ordering(loan.look): nothing rides on it.
    loan.recalled.store(true, Release);
    if !job.cancel() {
        worker.wake_own_poller();
        // Ordering(loan.wait): Acquire; pairs with Ordering(loan.return): this thread sees the
        // worker as the stand-in left it.
        while !loan.returned.load(Acquire) {
            parker.park();
        }
    }
    drop(away);
    result.unwrap_or_else(|payload| resume_unwind(payload))
}

impl Loan {
    fn run(&self) {
        // SAFETY: the owner keeps the worker and stays away from it until `returned` is set.
        let worker = unsafe { self.worker.as_ref() };
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let _entered = worker.enter();
            // Ordering(loan.look): Acquire; pairs with Ordering(loan.recall).
            worker.stand_in(|| self.recalled.load(Acquire));
        }));
        // Ordering(loan.return): Release; pairs with Ordering(loan.wait).
        self.returned.store(true, Release);
        self.owner.unpark();
        if let Err(payload) = ran {
            resume_unwind(payload);
        }
    }
}
