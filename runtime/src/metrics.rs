//! Counters of a runtime: always on, each written by one worker with plain stores.

use std::fmt::Write;

use corio_sync::shim::Ordering::Relaxed;

use crate::handle::Handle;
use crate::scheduler::queue::{Inject, Steal};
use crate::scheduler::shared::Shared;

/// Counters of a runtime at one moment; the parts are read one after the other.
#[doc(alias = "RuntimeMetrics")]
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
    /// Threads of the default executor that are inside a job.
    pub blocking_busy: usize,
    /// Jobs that wait for a thread of the default executor.
    pub blocking_queued: usize,
    /// Sleeps, timeouts and intervals that wait, as of each worker's last look at its timers.
    pub timers: usize,
    /// Sockets registered with the pollers.
    pub sources: usize,
}

/// Counters of one worker.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WorkerCounters {
    /// Tasks and callbacks that are ready to run on the worker. What is pinned to it and was woken or
    /// spawned elsewhere counts from when the worker takes it in, and a single loop counts anew before
    /// and after each turn.
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
                queued: remote.stealer.len()
                    + usize::from(!remote.lifo.is_empty())
                    + remote.callbacks.len()
                    + m.ready.load(Relaxed) as usize,
                polls: m.polls.load(Relaxed),
                steals: m.steals.load(Relaxed),
                searches: m.searches.load(Relaxed),
                parks: m.parks.load(Relaxed),
            }
        });
        Self {
            tasks: shared.count_tasks(),
            injected: shared.injector.len(),
            workers: workers.collect(),
            blocking_threads: shared.pool.threads(),
            blocking_busy: shared.pool.running().len(),
            blocking_queued: shared.pool.queued(),
            timers: shared.drivers.iter().map(|driver| driver.timers.waiting()).sum(),
            sources: shared.drivers.iter().map(|driver| driver.poller.sources()).sum(),
        }
    }
}

impl Metrics {
    /// The counters in Prometheus' text format (version 0.0.4), for a page that a scraper reads.
    /// `runtime` is put into a label of each line.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() {
    /// corio_runtime::run(async {
    ///     let text = corio_runtime::Handle::current().metrics().to_prometheus("main");
    ///     assert!(text.contains("corio_tasks{runtime=\"main\"} 1\n"), "{text}");
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn to_prometheus(&self, runtime: &str) -> String {
        page(&[(runtime, self)])
    }
}

/// The page of some runtimes, each with the text of its label: the format wants all samples of a name
/// in one place.
pub(crate) fn page(runtimes: &[(&str, &Metrics)]) -> String {
    let label = |name: &str| {
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("runtime=\"{escaped}\"")
    };
    let runtimes: Vec<_> = runtimes.iter().map(|(name, m)| (label(name), *m)).collect();
    let mut page = Page(String::new());
    type Total = fn(&Metrics) -> usize;
    let totals: [(&str, &str, Total); 7] = [
        ("tasks", "Tasks that have not ended.", |m| m.tasks),
        ("injected_tasks", "Tasks in the queue for submissions from outside.", |m| m.injected),
        ("blocking_threads", "Threads of the default executor.", |m| m.blocking_threads),
        ("blocking_busy_threads", "Threads inside a job.", |m| m.blocking_busy),
        ("blocking_queued_jobs", "Jobs that wait for a thread.", |m| m.blocking_queued),
        ("timers", "Timers that wait.", |m| m.timers),
        ("sources", "Sockets registered with the pollers.", |m| m.sources),
    ];
    for (name, help, read) in totals {
        page.head(name, help, "gauge");
        for (label, metrics) in &runtimes {
            page.line(name, label, read(metrics) as u64);
        }
    }
    type Each = fn(&WorkerCounters) -> u64;
    let each: [(&str, &str, &str, Each); 5] = [
        ("worker_queued_tasks", "Tasks and callbacks ready to run.", "gauge", |w| w.queued as u64),
        ("worker_polls_total", "Polls of tasks.", "counter", |w| w.polls),
        ("worker_steals_total", "Successful steals from siblings.", "counter", |w| w.steals),
        ("worker_searches_total", "Searches among siblings.", "counter", |w| w.searches),
        ("worker_parks_total", "Times the worker went to sleep.", "counter", |w| w.parks),
    ];
    for (name, help, kind, read) in each {
        page.head(name, help, kind);
        for (label, metrics) in &runtimes {
            for (index, worker) in metrics.workers.iter().enumerate() {
                page.line(name, &format!("{label},worker=\"{index}\""), read(worker));
            }
        }
    }
    page.0
}

/// A page in Prometheus' text format.
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP corio_{name} {help}\n# TYPE corio_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: u64) {
        let _ = writeln!(self.0, "corio_{name}{{{labels}}} {value}");
    }
}

impl Handle {
    /// Counters of the runtime.
    ///
    /// All of them are there already but for the number of tasks, for which this looks at a word of each
    /// task. Nobody is stopped by that, and tasks are not written to. A count kept by spawns and ends would cost each of them a store.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let handle = corio::Handle::current();
    /// let metrics = handle.metrics();
    /// assert_eq!(metrics.workers.len(), handle.loops().len());
    /// assert_eq!(metrics.tasks, handle.all_tasks().len());
    /// # });
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::collect(self.shared())
    }
}
