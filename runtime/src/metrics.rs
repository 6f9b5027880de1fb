//! Counters of a runtime: always on, each written by one worker with plain stores.

use corio_sync::shim::Ordering::Relaxed;

use crate::handle::Handle;
use crate::scheduler::queue::{Inject, Steal};
use crate::scheduler::shared::Shared;

/// Counters of a runtime at one moment; the parts are read one after the other.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Tasks that have not ended.
    pub tasks: usize,
    /// Tasks that wait in the queue for submissions from outside.
    pub injected: usize,
    /// One entry for each worker.
    pub workers: Vec<WorkerCounters>,
    /// Threads of the default executor.
    pub blocking_threads: usize,
    /// Jobs that wait for a thread of the default executor.
    pub blocking_queued: usize,
    /// Sockets registered with the pollers.
    pub sources: usize,
}

/// Counters of one worker.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WorkerCounters {
    /// Tasks in the worker's deque.
    pub queued: usize,
    /// Polls of tasks.
    pub polls: u64,
    /// Successful steals from siblings.
    pub steals: u64,
    /// Searches among siblings.
    pub searches: u64,
    /// Times the worker went to sleep.
    pub parks: u64,
}

impl Metrics {
    pub(crate) fn collect(shared: &Shared) -> Self {
        let workers = shared.remotes.iter().map(|remote| {
            let m = &remote.metrics;
            // Ordering: Relaxed; numbers for people.
            WorkerCounters {
                queued: remote.stealer.len(),
                polls: m.polls.load(Relaxed),
                steals: m.steals.load(Relaxed),
                searches: m.searches.load(Relaxed),
                parks: m.parks.load(Relaxed),
            }
        });
        Self {
            tasks: shared.all_tasks().len(),
            injected: shared.injector.len(),
            workers: workers.collect(),
            blocking_threads: shared.pool.threads(),
            blocking_queued: shared.pool.queued(),
            sources: shared.drivers.iter().map(|driver| driver.poller.sources()).sum(),
        }
    }
}

impl Handle {
    /// Counters of the runtime.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::collect(self.shared())
    }
}
