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

#[cfg(not(any(corio_loom, corio_shuttle)))]
use concurrent_queue::ConcurrentQueue;
use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicU8;
use corio_sync::shim::mutant;
use corio_sync::shim::sync::Arc;

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

struct Callback {
    call: Box<dyn FnOnce() + Send>,
    state: Arc<AtomicU8>,
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Callback")
    }
}

const WAITING: u8 = 0;
const CALLED: u8 = 1;
const CANCELLED: u8 = 2;

/// A submitted callback; dropping the handle changes nothing. asyncio: `Handle`.
#[derive(Clone, Debug)]
pub struct CallHandle {
    state: Arc<AtomicU8>,
}

impl CallHandle {
    /// Edge 2: keeps the callback from being called, unless that has begun.
    pub fn cancel(&self) {
        // Ordering: Relaxed; the word alone decides between the loop and a cancel, and carries
        // nothing.
        let _ = self.state.compare_exchange(WAITING, CANCELLED, Relaxed, Relaxed);
    }

    /// The handle of a callback that a closed loop refused.
    pub(crate) fn refused() -> Self {
        Self { state: Arc::new(AtomicU8::new(CANCELLED)) }
    }

    /// True if the callback was cancelled before it was called.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        // Ordering: Relaxed; an answer that may be old as soon as it is given.
        self.state.load(Relaxed) == CANCELLED
    }
}

impl Callbacks {
    pub(crate) fn new() -> Self {
        Self { queue: ConcurrentQueue::unbounded() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a callback; gives it back (dropped with its handle) if the loop is closed.
    pub(crate) fn push(&self, call: Box<dyn FnOnce() + Send>) -> Option<CallHandle> {
        let state = Arc::new(AtomicU8::new(WAITING));
        let handle = CallHandle { state: state.clone() };
        self.queue.push(Callback { call, state }).is_ok().then_some(handle)
    }

    /// Edge 1: calls at most `limit` callbacks; returns how many there were.
    pub(crate) fn run(
        &self,
        limit: usize,
        mut report: impl FnMut(Box<dyn std::any::Any + Send>),
    ) -> usize {
        let mut count = 0;
        while count < limit {
            let Ok(callback) = self.queue.pop() else { break };
            count += 1;
            // Ordering: Relaxed; the word alone decides between the loop and a cancel, and carries
            // nothing.
            let won = callback.state.compare_exchange(WAITING, CALLED, Relaxed, Relaxed).is_ok();
            if won || mutant("callback.call_cancelled") {
                let call = std::panic::AssertUnwindSafe(callback.call);
                if let Err(payload) = std::panic::catch_unwind(call) {
                    report(payload);
                }
            }
        }
        count
    }

    /// Refuses callbacks from now on and drops those that wait.
    pub(crate) fn close(&self) {
        if !mutant("callback.close") {
            self.queue.close();
        }
        while let Ok(callback) = self.queue.pop() {
            crate::quiet::drop_quietly(callback);
        }
    }
}
