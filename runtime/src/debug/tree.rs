//! The tree of tasks as text: below each task stand those that it awaits, and tasks that are alike
//! make one line.
//!
//! Alike are tasks that stand below the same line, were spawned by one line, do the same at one line, and
//! have names that differ by numbers only. What ten thousand connections await is united in the same
//! way, so a tree has about as many lines as the program has places, and not as it has tasks.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::{self, Write as _};
use std::panic::Location;

use super::graph::Tasks;
use crate::task::registry::{Frame, TaskRef, TaskStatus};

/// Lines below lines; what lies deeper is counted.
const DEPTH_MAX: usize = 24;
/// Tasks of a group that are named by their numbers.
const IDS_SHOWN: usize = 3;

/// What a task does; the order is that of lines of one size.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doing {
    /// What for, and where.
    Waiting(&'static str, Option<&'static Location<'static>>),
    Running,
    Scheduled,
    Ended,
}

impl Doing {
    pub(super) fn of(task: &TaskRef) -> Self {
        match task.status() {
            TaskStatus::Waiting(Some(Frame { what, at, .. })) => Self::Waiting(what, Some(at)),
            TaskStatus::Waiting(None) => Self::Waiting("something outside corio", None),
            TaskStatus::Running => Self::Running,
            TaskStatus::Scheduled => Self::Scheduled,
            TaskStatus::Done => Self::Ended,
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting(what, Some(at)) => write!(f, "waiting for {what} at {at}"),
            Self::Waiting(what, None) => write!(f, "waiting for {what}"),
            Self::Running => f.write_str("running"),
            Self::Scheduled => f.write_str("ready to run"),
            Self::Ended => f.write_str("ended just now"),
        }
    }
}

/// What tasks that are alike have in common.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    doing: Doing,
    /// With a `*` for each number.
    name: String,
    spawned_at: &'static Location<'static>,
}

impl Head {
    fn of(task: &TaskRef) -> Self {
        let name = match task.name_or_type() {
            Ok(given) => without_numbers(&given),
            Err(body) => format!("Task-* {body}"),
        };
        Self { doing: Doing::of(task), name, spawned_at: task.spawned_at() }
    }
}

fn without_numbers(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    let mut number = false;
    for c in name.chars() {
        match c.is_ascii_digit() {
            true if number => continue,
            true => pattern.push('*'),
            false => pattern.push(c),
        }
        number = c.is_ascii_digit();
    }
    pattern
}

/// Tasks that are alike, and await or are awaited by tasks of one line.
#[derive(Debug)]
struct Group {
    head: Head,
    /// The name that all of them have.
    name: Option<String>,
    tasks: Vec<usize>,
}

impl Group {
    /// All of these tasks, the largest group first.
    fn all(tasks: &Tasks, which: impl IntoIterator<Item = usize>) -> Vec<Self> {
        let mut groups: BTreeMap<Head, (Option<String>, Vec<usize>)> = BTreeMap::new();
        for i in which {
            let task = &tasks.all[i];
            let name = task.name().to_string();
            match groups.entry(Head::of(task)) {
                Entry::Vacant(vacant) => drop(vacant.insert((Some(name), vec![i]))),
                Entry::Occupied(mut occupied) => {
                    let (shared, all) = occupied.get_mut();
                    if shared.as_ref().is_some_and(|shared| *shared != name) {
                        *shared = None;
                    }
                    all.push(i);
                }
            }
        }
        let mut groups: Vec<_> =
            groups.into_iter().map(|(head, (name, tasks))| Self { head, name, tasks }).collect();
        groups.sort_by_key(|group| Reverse(group.tasks.len()));
        groups
    }

    fn line(&self, tasks: &Tasks) -> String {
        let Head { doing, name: pattern, spawned_at } = &self.head;
        let name = self.name.as_ref().unwrap_or(pattern);
        let id = |&i: &usize| tasks.all[i].id();
        if let [one] = self.tasks.as_slice() {
            return format!("'{name}' {}, {doing}, spawned at {spawned_at}", id(one));
        }
        let count = self.tasks.len();
        let mut line = format!("{count} x '{name}', {doing}, spawned at {spawned_at} (");
        for (i, task) in self.tasks.iter().take(IDS_SHOWN).enumerate() {
            let _ = write!(line, "{}{}", if i == 0 { "" } else { ", " }, id(task));
        }
        line.push_str(if count > IDS_SHOWN { ", ..)" } else { ")" });
        line
    }
}

/// A line that is still to come.
struct Open {
    group: Group,
    depth: usize,
}

/// Who stands where; made line by line, first come, first shown.
struct Tree<'a> {
    tasks: &'a Tasks,
    awaits: Vec<Vec<usize>>,
    /// What a task awaits is shown below it once, where it stands first.
    seen: Vec<bool>,
    lines: Vec<(usize, String)>,
}

impl<'a> Tree<'a> {
    fn new(tasks: &'a Tasks) -> Self {
        let seen = vec![false; tasks.all.len()];
        Self { tasks, awaits: tasks.awaits(), seen, lines: Vec::new() }
    }

    /// These tasks, and below each line what its tasks await. Without recursion, for chains of tasks may
    /// be long.
    fn add(&mut self, tops: Vec<Group>) {
        let open = |groups: Vec<Group>, depth| {
            groups.into_iter().rev().map(move |group| Open { group, depth })
        };
        let mut stack: Vec<Open> = open(tops, 0).collect();
        while let Some(Open { group, depth }) = stack.pop() {
            let mut line = group.line(self.tasks);
            let mut fresh = group.tasks;
            let awaits_some = fresh.iter().any(|&i| !self.awaits[i].is_empty());
            fresh.retain(|&i| !std::mem::replace(&mut self.seen[i], true));
            if fresh.is_empty() && awaits_some {
                line.push_str(" (as above)");
            }
            self.lines.push((depth, line));
            let mut below: Vec<usize> =
                fresh.iter().flat_map(|&i| &self.awaits[i]).copied().collect();
            below.sort_unstable();
            below.dedup();
            if depth < DEPTH_MAX {
                stack.extend(open(Group::all(self.tasks, below), depth + 1));
            } else if !below.is_empty() {
                let more = self.pass_by(below);
                self.lines.push((depth + 1, format!("and what it awaits: {more} more")));
            }
        }
    }

    /// How many tasks are left from here on; they count as seen.
    fn pass_by(&mut self, mut open: Vec<usize>) -> usize {
        let mut more = 0;
        while let Some(i) = open.pop() {
            if !std::mem::replace(&mut self.seen[i], true) {
                more += 1;
                open.extend(&self.awaits[i]);
            }
        }
        more
    }

    /// The lines, with branches before them.
    fn draw(&self) -> Vec<String> {
        // Whether a line of this depth follows, below the same line.
        let mut follows: Vec<bool> = Vec::new();
        let mut drawn: Vec<String> = Vec::with_capacity(self.lines.len());
        for (depth, line) in self.lines.iter().rev() {
            follows.resize(depth + 1, false);
            let margin = follows[..*depth].iter().map(|next| if *next { "│   " } else { "    " });
            let branch = if follows[*depth] { "├── " } else { "└── " };
            drawn.push(margin.chain([branch, line]).collect());
            follows[*depth] = true;
        }
        drawn.reverse();
        drawn
    }
}

/// All tasks: those that nobody awaits stand at the top, then those in circles.
pub(super) fn forest(tasks: &Tasks) -> Vec<String> {
    let mut tree = Tree::new(tasks);
    let free = (0..tasks.all.len()).filter(|&i| tasks.awaiters[i].is_empty());
    tree.add(Group::all(tasks, free));
    for i in 0..tasks.all.len() {
        if !tree.seen[i] {
            tree.add(Group::all(tasks, [i]));
        }
    }
    tree.draw()
}

/// What one of the tasks awaits, and what that awaits.
pub(super) fn below(tasks: &Tasks, task: usize) -> Vec<String> {
    let mut tree = Tree::new(tasks);
    tree.seen[task] = true;
    let awaits = tree.awaits[task].clone();
    tree.add(Group::all(tasks, awaits));
    tree.draw()
}
