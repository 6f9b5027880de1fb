//! Plain callbacks: functions that a loop calls between two tasks.
//!
//! Callbacks for one loop go through a queue of their own (`concurrent-queue`, unbounded: in the
//! rare step that installs a block, other producers wait for the installing one). They are called
//! in the order in which they were submitted.
//!
//! ```text
//!   WAITING --(1) run----> CALLED
//!           --(2) cancel-> CANCELLED
//! ```
//! Both are one exchange of one word, which carries nothing: the callback itself comes through the
//! queue. A submission comes before the close of the queue, and then its callback is run or dropped
//! with the rest, or after it, and then it is refused.

use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

#[cfg(not(any(corio_loom, corio_shuttle)))]
use concurrent_queue::ConcurrentQueue;
use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicU8;
use corio_sync::shim::mutant;
use corio_sync::shim::sync::Arc;

use crate::task::contextvars::{self, Captured};
use crate::task::observers::DoneCall;

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(any(corio_loom, corio_shuttle))]
mod twin;
#[cfg(any(corio_loom, corio_shuttle))]
use twin::ConcurrentQueue;

/// The callbacks submitted to one loop.
#[derive(Debug)]
pub(crate) struct Callbacks {
    queue: ConcurrentQueue<Callback>,
}

/// A function that is called once, unless its handle forbids it first.
pub(crate) struct Callback<C = Box<dyn FnOnce() + Send>> {
    call: C,
    handle: CallHandle,
    /// A copy of the context of who submitted it.
    variables: Captured,
}

/// A callback that stays on its loop's thread.
pub(crate) type LocalCallback = Callback<Box<dyn FnOnce()>>;

impl<C> std::fmt::Debug for Callback<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Callback")
    }
}

const WAITING: u8 = 0;
const CALLED: u8 = 1;
const CANCELLED: u8 = 2;

/// A submitted callback; dropping the handle changes nothing. asyncio: `Handle`.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let handle = corio::Handle::current();
/// let call = corio::create_local_task(async move {
///     let call = handle.call_soon(|| unreachable!("it is cancelled before the task waits"));
///     call.cancel();
///     call
/// });
/// let call = call.await.unwrap();
/// assert!(call.cancelled());
/// assert_eq!(call.submitted_at().file(), file!());
/// # });
/// ```
#[derive(Clone)]
pub struct CallHandle {
    shared: Arc<Fate>,
}

/// What a callback and its handles have in common.
struct Fate {
    state: AtomicU8,
    submitted_at: &'static Location<'static>,
}

impl CallHandle {
    fn in_state(state: u8, submitted_at: &'static Location<'static>) -> Self {
        Self { shared: Arc::new(Fate { state: AtomicU8::new(state), submitted_at }) }
    }

    /// Edge 2: keeps the callback from being called, unless that has begun.
    ///
    /// asyncio: `Handle.cancel()`, which waits for a callback that another thread is inside of;
    /// this never waits.
    pub fn cancel(&self) {
        self.try_cancel();
    }

    /// Edge 2; true for the one caller that decided it.
    pub(crate) fn try_cancel(&self) -> bool {
        // Ordering: Relaxed; the word alone decides between the loop and a cancel, and carries
        // nothing.
        self.shared.state.compare_exchange(WAITING, CANCELLED, Relaxed, Relaxed).is_ok()
    }

    /// The handle of a callback that a closed loop refused.
    #[track_caller]
    pub(crate) fn refused() -> Self {
        Self::in_state(CANCELLED, Location::caller())
    }

    /// True if the callback was cancelled before it was called.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        // Ordering: Relaxed; an answer that may be old as soon as it is given.
        self.shared.state.load(Relaxed) == CANCELLED
    }

    /// The line that submitted the callback.
    #[must_use]
    pub fn submitted_at(&self) -> &'static Location<'static> {
        self.shared.submitted_at
    }
}

impl PartialEq for CallHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for CallHandle {}

impl std::fmt::Debug for CallHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Ordering: Relaxed; as in `cancelled`.
        let state = match self.shared.state.load(Relaxed) {
            WAITING => "waiting",
            CALLED => "called",
            _ => "cancelled",
        };
        write!(f, "<Handle {state} submitted at {}>", self.submitted_at())
    }
}

impl<C: FnOnce()> Callback<C> {
    #[track_caller]
    pub(crate) fn new(call: C) -> (Self, CallHandle) {
        Self::with(call, contextvars::capture(), Location::caller())
    }

    fn with(call: C, variables: Captured, at: &'static Location<'static>) -> (Self, CallHandle) {
        let handle = CallHandle::in_state(WAITING, at);
        (Self { call, handle: handle.clone(), variables }, handle)
    }

    /// What its submitter got.
    pub(crate) fn handle(&self) -> &CallHandle {
        &self.handle
    }

    /// Edge 1: calls it, unless its handle came first; a panic goes to `report`.
    pub(crate) fn run(self, report: impl FnOnce(Box<dyn Any + Send>, CallHandle)) {
        // Ordering: Relaxed; the word alone decides between the loop and a cancel, and carries
        // nothing.
        let state = &self.handle.shared.state;
        let won = state.compare_exchange(WAITING, CALLED, Relaxed, Relaxed).is_ok();
        let Self { call, handle, variables } = self;
        let run = move || {
            if won || mutant("callback.call_cancelled") {
                call();
            }
        };
        variables.run(|| {
            // What was cancelled is dropped here, and its drop may panic too.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
                report(payload, handle);
            }
        });
    }
}

impl From<DoneCall> for Callback {
    fn from(done: DoneCall) -> Self {
        Self::with(done.call, done.variables, done.at).0
    }
}

impl Callback {
    /// The same callback, bound to the calling thread.
    pub(crate) fn into_local(self) -> LocalCallback {
        Callback { call: self.call, handle: self.handle, variables: self.variables }
    }
}

impl Callbacks {
    pub(crate) fn new() -> Self {
        Self { queue: ConcurrentQueue::unbounded() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many wait; for people.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Adds a callback; it comes back if the loop is closed.
    pub(crate) fn push(&self, callback: Callback) -> Result<(), Callback> {
        self.queue.push(callback).map_err(refused)
    }

    /// The oldest callback.
    pub(crate) fn pop(&self) -> Option<Callback> {
        self.queue.pop().ok()
    }

    /// Edge 1: calls at most `limit` callbacks; returns how many there were.
    pub(crate) fn run(
        &self,
        limit: usize,
        mut report: impl FnMut(Box<dyn Any + Send>, CallHandle),
    ) -> usize {
        let mut count = 0;
        while count < limit {
            let Some(callback) = self.pop() else { break };
            count += 1;
            callback.run(&mut report);
        }
        count
    }

    /// Refuses callbacks from now on and drops those that wait.
    pub(crate) fn close(&self) {
        if !mutant("callback.close") {
            self.queue.close();
        }
        while let Some(callback) = self.pop() {
            crate::quiet::drop_quietly(callback);
        }
    }
}

#[cfg(not(any(corio_loom, corio_shuttle)))]
fn refused(error: concurrent_queue::PushError<Callback>) -> Callback {
    error.into_inner()
}

#[cfg(any(corio_loom, corio_shuttle))]
fn refused(callback: Callback) -> Callback {
    callback
}
