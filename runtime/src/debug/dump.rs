//! What all tasks of a runtime are doing, grouped by the place where they wait.

use std::collections::BTreeMap;
use std::fmt;

use super::graph::Tasks;
use crate::handle::Handle;
use crate::metrics::Metrics;
use crate::task::registry::{TaskRef, TaskStatus};

/// What all tasks of the calling thread's runtime are doing; see [`Handle::dump`].
///
/// asyncio: `python -m asyncio ps`, from inside.
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
    /// What all tasks of the runtime are doing, grouped by the place where they wait: for a log, a
    /// debug page, or a terminal. Nothing is stopped for it, so neighbouring lines may be of
    /// different moments. Costs about a microsecond for each task.
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
        Dump {
            runtime: self.shared().config.name.clone(),
            metrics: self.metrics(),
            tasks: Rows::of(self.tasks()),
        }
    }
}

/// What all tasks of a runtime are doing; made by [`dump`]. `Display` prints it.
#[derive(Debug)]
pub struct Dump {
    runtime: String,
    metrics: Metrics,
    tasks: Rows,
}

/// The text of a dump, ready but for the numbers.
#[derive(Debug)]
struct Rows {
    /// By the head of each group: its tasks, by their text, with how many they are.
    groups: BTreeMap<Group, BTreeMap<String, usize>>,
    cycles: Vec<String>,
}

/// What the tasks of a group have in common. The order is that of the printed groups of one size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Waiting(String),
    Running,
    Scheduled,
    Ended,
}

impl Group {
    fn of(task: &TaskRef) -> Self {
        match task.status() {
            TaskStatus::Waiting(Some(frame)) => Self::Waiting(frame.to_string()),
            TaskStatus::Waiting(None) => Self::Waiting("something outside corio".to_owned()),
            TaskStatus::Running => Self::Running,
            TaskStatus::Scheduled => Self::Scheduled,
            TaskStatus::Done => Self::Ended,
        }
    }
}

impl Rows {
    fn of(tasks: Tasks) -> Self {
        let label = |i: usize| {
            let task: &TaskRef = &tasks.all[i];
            format!("'{}' {}", task.name(), task.id())
        };
        let mut groups: BTreeMap<Group, BTreeMap<String, usize>> = BTreeMap::new();
        for (i, task) in tasks.all.iter().enumerate() {
            let spawned = task.spawned_at();
            let row = match tasks.awaiters[i].as_slice() {
                // Tasks that differ by their numbers only make one line.
                [] => format!("'{}', spawned at {spawned}", task.name()),
                awaiters => {
                    let who: Vec<_> = awaiters.iter().map(|&who| label(who)).collect();
                    format!("{}, spawned at {spawned}, awaited by {}", label(i), who.join(", "))
                }
            };
            *groups.entry(Group::of(task)).or_default().entry(row).or_default() += 1;
        }
        let circle = |path: Vec<usize>| {
            // Each one is awaited by the next: read backwards, each awaits the next.
            let mut names: Vec<_> = path.iter().rev().map(|&i| label(i)).collect();
            names.extend(names.first().cloned());
            names.join(" awaits ")
        };
        let cycles = tasks.cycles().into_iter().map(circle).collect();
        Self { groups, cycles }
    }
}

/// "1 task", "2 tasks".
fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runtime, metrics, tasks } = self;
        let total: usize = tasks.groups.values().flat_map(BTreeMap::values).sum();
        writeln!(
            f,
            "runtime '{runtime}': {}, {}, {} for blocking calls",
            count(total, "task"),
            count(metrics.workers.len(), "worker"),
            count(metrics.blocking_threads, "thread"),
        )?;
        let mut groups: Vec<_> = tasks.groups.iter().collect();
        // The largest crowd first: mostly that is what somebody looks for.
        groups.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.values().sum::<usize>()));
        for (group, rows) in groups {
            let size = rows.values().sum();
            match group {
                Group::Waiting(what) if size == 1 => writeln!(f, "1 task waits for {what}")?,
                Group::Waiting(what) => writeln!(f, "{size} tasks wait for {what}")?,
                Group::Running => writeln!(f, "{} running", count(size, "task"))?,
                Group::Scheduled => writeln!(f, "{} ready to run", count(size, "task"))?,
                Group::Ended => writeln!(f, "{} ended just now", count(size, "task"))?,
            }
            for (row, n) in rows {
                let times = if *n == 1 { String::new() } else { format!("{n} x ") };
                writeln!(f, "  {times}{row}")?;
            }
        }
        for cycle in &tasks.cycles {
            writeln!(f, "in a circle: {cycle}")?;
        }
        Ok(())
    }
}
