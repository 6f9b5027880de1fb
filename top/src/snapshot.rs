//! A process at one moment, read from the lines of its answer.

use std::collections::HashMap;

/// What the process has said of its runtimes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub runtimes: Vec<Runtime>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runtime {
    pub name: String,
    /// Where it was built.
    pub place: String,
    pub task_count: u64,
    pub injected: u64,
    pub blocking_threads: u64,
    pub blocking_busy: u64,
    pub blocking_queued: u64,
    pub timers: u64,
    pub sources: u64,
    pub workers: Vec<Worker>,
    pub tasks: Vec<Task>,
    /// Numbers of tasks: each is awaited by the next, and the last one by the first.
    pub cycles: Vec<Vec<String>>,
    /// The names of the tasks by their numbers.
    names: HashMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    pub index: String,
    /// `asleep`, `awake`, `polls`.
    pub doing: String,
    pub queued: u64,
    pub polls: u64,
    pub steals: u64,
    pub searches: u64,
    pub parks: u64,
    pub samples: u64,
    pub samples_in_poll: u64,
    pub samples_awake: u64,
    /// How long the present poll is known to last.
    pub polls_for: Option<u64>,
    /// The number of the task inside.
    pub inside: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    pub id: String,
    pub name: String,
    /// `waiting`, `running`, `ready`, `done`.
    pub state: String,
    pub what: Option<String>,
    pub at: Option<String>,
    pub spawned_at: String,
    pub age: Option<u64>,
    pub waits: Option<u64>,
    pub awaiters: Vec<String>,
}

impl Task {
    /// What the task does, and where.
    pub fn place(&self) -> String {
        match (&self.what, &self.at) {
            (Some(what), Some(at)) => format!("{what} at {at}"),
            _ if self.state == "waiting" => "something outside corio".to_owned(),
            _ => "-".to_owned(),
        }
    }
}

impl Runtime {
    /// `'name' id`.
    pub fn label(&self, id: &str) -> String {
        match self.names.get(id) {
            Some(name) => format!("'{name}' {id}"),
            None => id.to_owned(),
        }
    }

    /// Each circle in words.
    pub fn circles(&self) -> impl Iterator<Item = String> {
        self.cycles.iter().map(|path| {
            // Each one is awaited by the next: read backwards, each awaits the next.
            let mut names: Vec<_> = path.iter().rev().map(|id| self.label(id)).collect();
            names.extend(names.first().cloned());
            format!("in a circle: {}", names.join(" awaits "))
        })
    }
}

/// The fields of a line, in their order. Ends the reading of the line where one is missing or wrong.
struct Fields<'a>(std::str::Split<'a, char>);

impl Fields<'_> {
    fn text(&mut self) -> Option<String> {
        self.0.next().map(str::to_owned)
    }

    fn number(&mut self) -> Option<u64> {
        self.0.next()?.parse().ok()
    }

    /// A field that may say `-`.
    fn known(&mut self) -> Option<Option<String>> {
        self.text().map(|text| (text != "-").then_some(text))
    }

    fn known_number(&mut self) -> Option<Option<u64>> {
        match self.known()? {
            Some(text) => text.parse().ok().map(Some),
            None => Some(None),
        }
    }

    fn ids(&mut self) -> Option<Vec<String>> {
        let ids = self.known()?.unwrap_or_default();
        Some(ids.split_whitespace().map(str::to_owned).collect())
    }
}

impl Snapshot {
    /// Reads the lines of an answer; gives back the first one that makes no sense.
    pub fn parse(lines: &[String]) -> Result<Self, String> {
        let mut snapshot = Self::default();
        for line in lines {
            snapshot.line(line).ok_or_else(|| line.clone())?;
        }
        Ok(snapshot)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let mut fields = Fields(line.split('\t'));
        let kind = fields.text()?;
        match kind.as_str() {
            "runtime" => self.runtimes.push(Runtime::read(&mut fields)?),
            "worker" => self.runtimes.last_mut()?.workers.push(Worker::read(&mut fields)?),
            "task" => {
                let (runtime, task) = (self.runtimes.last_mut()?, Task::read(&mut fields)?);
                runtime.names.insert(task.id.clone(), task.name.clone());
                runtime.tasks.push(task);
            }
            "cycle" => self.runtimes.last_mut()?.cycles.push(fields.ids()?),
            // Of a later process, which knows more.
            _ => (),
        }
        Some(())
    }
}

impl Runtime {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            name: fields.text()?,
            place: fields.text()?,
            task_count: fields.number()?,
            injected: fields.number()?,
            blocking_threads: fields.number()?,
            blocking_busy: fields.number()?,
            blocking_queued: fields.number()?,
            timers: fields.number()?,
            sources: fields.number()?,
            ..Self::default()
        })
    }
}

impl Worker {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            index: fields.text()?,
            doing: fields.text()?,
            queued: fields.number()?,
            polls: fields.number()?,
            steals: fields.number()?,
            searches: fields.number()?,
            parks: fields.number()?,
            samples: fields.number()?,
            samples_in_poll: fields.number()?,
            samples_awake: fields.number()?,
            polls_for: fields.known_number()?,
            inside: fields.known()?,
        })
    }
}

impl Task {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            id: fields.text()?,
            name: fields.text()?,
            state: fields.text()?,
            what: fields.known()?,
            at: fields.known()?,
            spawned_at: fields.text()?,
            age: fields.known_number()?,
            waits: fields.known_number()?,
            awaiters: fields.ids()?,
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A snapshot from lines whose fields stand between bars.
    pub fn of(lines: &[&str]) -> Snapshot {
        let lines: Vec<_> = lines.iter().map(|line| line.replace('|', "\t")).collect();
        Snapshot::parse(&lines).expect("good lines")
    }

    /// A runtime's line, for the tests of others.
    pub const RUNTIME: &str = "runtime|corio|src/main.rs:1:1|2|0|1|0|0|1|3";

    #[test]
    fn lines_become_what_they_say() {
        let snapshot = of(&[
            RUNTIME,
            "worker|0|polls|1|2|3|4|5|6|7|8|900|a.0",
            "task|a.0|spin|running|-|-|m.rs:2:2|1500|-|-",
            "task|b.0|wait|waiting|sleep|m.rs:3:3|m.rs:2:2|2000|1000|a.0 c.0|and a later field",
            "cycle|a.0 b.0",
            "a later kind|of line",
        ]);
        let runtime = &snapshot.runtimes[0];
        assert_eq!((runtime.name.as_str(), runtime.task_count, runtime.sources), ("corio", 2, 3));
        let worker = &runtime.workers[0];
        assert_eq!((worker.polls_for, worker.inside.as_deref()), (Some(900), Some("a.0")));
        assert_eq!(runtime.tasks[0].place(), "-");
        assert_eq!(runtime.tasks[1].place(), "sleep at m.rs:3:3");
        assert_eq!(runtime.tasks[1].awaiters, ["a.0", "c.0"]);
        let circles: Vec<_> = runtime.circles().collect();
        assert_eq!(circles, ["in a circle: 'wait' b.0 awaits 'spin' a.0 awaits 'wait' b.0"]);
    }

    #[test]
    fn garbage_is_told() {
        let parse = |line: &str| Snapshot::parse(&[line.replace('|', "\t")]);
        for line in ["worker|0|polls", "task|a.0", "runtime|corio|x|many|0|0|0|0|0|0"] {
            assert_eq!(parse(line), Err(line.replace('|', "\t")));
        }
    }
}
