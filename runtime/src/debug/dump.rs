//! What all tasks of a runtime are doing: how many wait where, and the tree of who awaits whom.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use super::tree::{Doing, forest};
use crate::handle::Handle;
use crate::metrics::Metrics;
use crate::task::registry::TaskRef;

/// What all tasks of the calling thread's runtime are doing; see [`Handle::dump`].
///
/// asyncio: `python -m asyncio ps` and `pstree`, from inside.
///
/// # Panics
///
/// Outside a runtime.
///
/// # Examples
///
/// ```
/// # fn main() {
/// use std::time::Duration;
///
/// corio_runtime::run(async {
///     let hour = Duration::from_secs(3600);
///     let sleeper = corio_runtime::task().name("sleeper").spawn(async move {
///         corio_runtime::time::sleep(hour).await;
///     });
///     corio_runtime::time::sleep(Duration::from_millis(5)).await;
///     let dump = corio_runtime::debug::dump().to_string();
///     assert!(dump.contains("'sleeper'"), "{dump}");
///     drop(sleeper);
/// });
/// # }
/// ```
#[track_caller]
#[must_use]
pub fn dump() -> Dump {
    Handle::current().dump()
}

impl Handle {
    /// What all tasks of the runtime are doing: how many wait at which place, then the tree of tasks, in
    /// which those that a task awaits stand below it. For a log, a debug page, or a terminal.
    ///
    /// Tasks that are alike make one line, with their number and the ids of a few: those below one
    /// line that were spawned at one place, wait at one place, and have names that differ by numbers at
    /// most. So ten thousand connections make a short dump. What a task awaits that stands in several
    /// places is shown in the first; tasks that await each other in a circle are told at the end.
    ///
    /// Known is who awaits a task by its handle, by value or by reference, and through all of corio's
    /// compositions and groups; not through a future of another library that makes wakers of its own
    /// (`FuturesUnordered`), nor who waits for a task by other means, as by a channel.
    ///
    /// Nothing is stopped for it, so neighbouring lines may be of different moments. Costs a
    /// walk over all tasks, and memory for each of them meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// let runtime = corio::Builder::new().name("web").build().unwrap();
    /// let dump = runtime.handle().dump().to_string();
    /// assert!(dump.contains("web"), "{dump}");
    /// ```
    #[must_use]
    pub fn dump(&self) -> Dump {
        Dump::of(self)
    }
}

/// What all tasks of a runtime are doing; made by [`dump`]. `Display` prints it.
#[derive(Debug)]
pub struct Dump {
    runtime: String,
    metrics: Metrics,
    tasks: usize,
    /// How many tasks do the same at the same place.
    places: BTreeMap<Doing, usize>,
    tree: Vec<String>,
    cycles: Vec<String>,
}

impl Dump {
    fn of(handle: &Handle) -> Self {
        let tasks = handle.tasks();
        let mut places: BTreeMap<Doing, usize> = BTreeMap::new();
        for task in &tasks.all {
            *places.entry(Doing::of(task)).or_default() += 1;
        }
        let label = |i: usize| {
            let task: &TaskRef = &tasks.all[i];
            format!("'{}' {}", task.name(), task.id())
        };
        let circle = |path: Vec<usize>| {
            // Each one is awaited by the next: read backwards, each awaits the next.
            let mut names: Vec<_> = path.iter().rev().map(|&i| label(i)).collect();
            names.extend(names.first().cloned());
            names.join(" awaits ")
        };
        Self {
            runtime: handle.shared().config.name.clone(),
            metrics: handle.metrics(),
            tasks: tasks.all.len(),
            places,
            tree: forest(&tasks),
            cycles: tasks.cycles().into_iter().map(circle).collect(),
        }
    }
}

/// "1 task", "2 tasks".
fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runtime, metrics, tasks, places, tree, cycles } = self;
        writeln!(
            f,
            "runtime '{runtime}': {}, {}, {} for blocking calls",
            count(*tasks, "task"),
            count(metrics.workers.len(), "worker"),
            count(metrics.blocking_threads, "thread"),
        )?;
        let mut places: Vec<_> = places.iter().collect();
        // The largest crowd first: mostly that is what somebody looks for.
        places.sort_by_key(|(_, size)| Reverse(**size));
        for (doing, size) in places {
            writeln!(f, "{} {doing}", count(*size, "task"))?;
        }
        if !tree.is_empty() {
            writeln!(f, "each above those that it awaits:")?;
        }
        tree.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        cycles.iter().try_for_each(|cycle| writeln!(f, "in a circle: {cycle}"))
    }
}
