//! What the debug socket answers; the lines are those of the [protocol](super).

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Instant;

use corio_sync::shim::Ordering::Relaxed;

use super::client::Client;
use super::looks::{Looks, Seen};
use super::shown;
use crate::debug::graph::Tasks;
use crate::metrics::{self, Metrics};
use crate::scheduler::shared::Shared;
use crate::task::registry::{TaskId, TaskRef, TaskStatus};

/// Answers a question. Tasks that are named keep their memory, not their bodies, until the client has
/// read the answer.
pub(super) fn answer(client: &mut Client<'_>, question: &str, looks: &mut Looks) -> io::Result<()> {
    let mut out = BufWriter::new(client);
    let runtimes = shown();
    match question {
        "runtimes" | "tasks" => {
            looks.asked(&runtimes);
            for shared in &runtimes {
                runtime(&mut out, shared, looks.of(shared))?;
                if question == "tasks" {
                    tasks(&mut out, shared, looks)?;
                }
            }
        }
        "metrics" => out.write_all(page(&runtimes).as_bytes())?,
        other => {
            writeln!(out, "error: there is no question {}", Field(other))?;
            return out.flush();
        }
    }
    out.write_all(b"end\n")?;
    out.flush()
}

/// A runtime and its workers.
fn runtime(out: &mut impl Write, shared: &Shared, seen: &Seen) -> io::Result<()> {
    let metrics = Metrics::collect(shared);
    writeln!(
        out,
        "runtime\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
        Field(&shared.config.name),
        Field(&shared.config.built_at),
        metrics.tasks,
        metrics.injected,
        metrics.blocking_threads,
        metrics.blocking_busy,
        metrics.blocking_queued,
        metrics.timers,
        metrics.sources,
    )?;
    let inside = Inside::of(shared);
    for (index, counters) in metrics.workers.iter().enumerate() {
        let (worker, sight) = (&seen.workers[index], shared.remotes[index].hog.sight());
        let (doing, polls) = match (sight.in_poll(), sight.parked) {
            (true, _) => ("polls", Some(worker.polls_for(sight.tick))),
            (false, true) => ("asleep", None),
            (false, false) => ("awake", None),
        };
        writeln!(
            out,
            "worker\t{index}\t{doing}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            counters.queued,
            counters.polls,
            counters.steals,
            counters.searches,
            counters.parks,
            worker.samples,
            worker.in_poll,
            worker.awake,
            Known(polls.map(|polls| polls.as_millis())),
            Known(polls.and_then(|_| inside.worker(shared, index))),
        )?;
    }
    Ok(())
}

/// The tasks that run, with their addresses: no more than there are workers.
struct Inside(Vec<(*const (), TaskId)>);

impl Inside {
    fn of(shared: &Shared) -> Self {
        let mut found = Vec::new();
        shared.for_each_task(|task| {
            if task.ptr().header().state.load().is_running() {
                found.push((task.ptr().as_raw(), task.id()));
            }
        });
        Self(found)
    }

    /// The task that a worker is inside.
    fn worker(&self, shared: &Shared, index: usize) -> Option<TaskId> {
        // Ordering: Relaxed; compared with the tasks that a walk finds, never followed.
        let inside = shared.remotes[index].running.load(Relaxed).cast_const();
        self.0.iter().find(|(task, _)| *task == inside).map(|(_, id)| *id)
    }
}

/// The tasks of a runtime, and who awaits whom.
fn tasks(out: &mut impl Write, shared: &Arc<Shared>, looks: &mut Looks) -> io::Result<()> {
    let tasks = Tasks::of(shared, None);
    let seen = looks.look(shared, &tasks.all);
    let now = Instant::now();
    for (task, awaiters) in tasks.all.iter().zip(&tasks.awaiters) {
        let known = seen.task(task.id());
        let ms = |since: Instant| now.saturating_duration_since(since).as_millis();
        let (doing, frame) = match task.status() {
            TaskStatus::Waiting(frame) => ("waiting", frame),
            TaskStatus::Running => ("running", None),
            TaskStatus::Scheduled => ("ready", None),
            TaskStatus::Done => ("done", None),
        };
        // It may have begun to wait elsewhere since the look: then this is no time of that wait.
        let waits = known.and_then(|known| known.waits_since).filter(|_| frame.is_some());
        writeln!(
            out,
            "task\t{}\t{}\t{doing}\t{}\t{}\t{}\t{}\t{}\t{}",
            task.id(),
            Field(&task.name()),
            Known(frame.map(|frame| frame.what)),
            Known(frame.map(|frame| Field(frame.at))),
            Field(task.spawned_at()),
            Known(known.map(|known| ms(known.first))),
            Known(waits.map(ms)),
            Ids(&tasks.all, awaiters),
        )?;
    }
    for cycle in tasks.cycles() {
        writeln!(out, "cycle\t{}", Ids(&tasks.all, &cycle))?;
    }
    Ok(())
}

/// The metrics of all runtimes. The second one of a name is called `name-2`: a page may have a label
/// once.
fn page(runtimes: &[Arc<Shared>]) -> String {
    let mut named: Vec<(String, Metrics)> = Vec::new();
    for shared in runtimes {
        let bare = &shared.config.name;
        let mut name = bare.clone();
        let mut number = 1;
        while named.iter().any(|(taken, _)| *taken == name) {
            number += 1;
            name = format!("{bare}-{number}");
        }
        named.push((name, Metrics::collect(shared)));
    }
    let named: Vec<_> = named.iter().map(|(name, metrics)| (name.as_str(), metrics)).collect();
    metrics::page(&named)
}

/// A text without tabs, ends of lines, or what else a terminal would obey.
struct Field<T>(T);

impl<T: fmt::Display> fmt::Display for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Write::write_fmt(&mut Escape(f), format_args!("{}", self.0))
    }
}

/// Writes on, piece by piece; most pieces have nothing to escape.
struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if !text.contains(char::is_control) {
            return self.0.write_str(text);
        }
        for c in text.chars() {
            match c.is_control() {
                true => write!(self.0, "{}", c.escape_default())?,
                false => write!(self.0, "{c}")?,
            }
        }
        Ok(())
    }
}

/// What may be unknown.
struct Known<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for Known<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}

/// The numbers of some of all tasks.
struct Ids<'a>(&'a [TaskRef], &'a [usize]);

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1.is_empty() {
            return f.write_str("-");
        }
        for (i, &which) in self.1.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { " " }, self.0[which].id())?;
        }
        Ok(())
    }
}
