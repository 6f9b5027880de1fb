//! Who awaits whom: the graph of tasks, and the chain of one of them.
//!
//! A task that awaits another one leaves its waker in the other one's join slot, or, through a shared
//! reference, in one of its observers; the compositions that have wakers of their own name their task in
//! each of their children ([`awaited`](crate::task::awaited)). So `gather`, `wait`, a task group and
//! their like leave the same edges as a plain `.await`. The graph
//! reads the addresses in those wakers and compares them with the tasks that it holds; it stops
//! nobody, and an edge may be gone when it is shown. A future of another library that makes wakers of its
//! own (`FuturesUnordered`) leaves none.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{self, Write};

use crate::context;
use crate::handle::Handle;
use crate::scheduler::shared::Shared;
use crate::task::registry::{Frame, TaskRef};

/// All tasks of a runtime at about one moment, and who awaits them.
pub(super) struct Tasks {
    pub(super) all: Vec<TaskRef>,
    /// The tasks that await each of `all`.
    pub(super) awaiters: Vec<Vec<usize>>,
}

impl Tasks {
    /// Those of a runtime that have not ended, and `more`.
    pub(super) fn of(shared: &Shared, more: Option<&TaskRef>) -> Self {
        let mut all = shared.all_tasks();
        let more = more.filter(|more| !all.contains(more)).cloned();
        all.extend(more);
        let places: HashMap<usize, usize> =
            all.iter().enumerate().map(|(i, task)| (task.ptr().as_raw().addr(), i)).collect();
        let awaiters = all.iter().map(|task| {
            let found = task.ptr().header().awaiters();
            let mut found: Vec<_> =
                found.iter().filter_map(|who| places.get(who)).copied().collect();
            found.sort_unstable();
            found.dedup();
            found
        });
        let awaiters = awaiters.collect();
        Self { all, awaiters }
    }

    /// The number of a task.
    pub(super) fn place_of(&self, task: &TaskRef) -> Option<usize> {
        self.all.iter().position(|other| other == task)
    }

    /// The tasks that each of `all` awaits.
    pub(super) fn awaits(&self) -> Vec<Vec<usize>> {
        let mut awaits = vec![Vec::new(); self.all.len()];
        for (task, awaiters) in self.awaiters.iter().enumerate() {
            awaiters.iter().for_each(|&who| awaits[who].push(task));
        }
        awaits
    }

    /// Each circle of tasks that await each other, as a path that ends before it comes back.
    pub(super) fn cycles(&self) -> Vec<Vec<usize>> {
        let mut found = Vec::new();
        let mut done = vec![false; self.all.len()];
        for start in 0..self.all.len() {
            // A depth-first search without recursion: chains of tasks may be long.
            let mut path: Vec<(usize, usize)> = Vec::new();
            let mut on_path = HashSet::new();
            if !done[start] {
                path.push((start, 0));
                on_path.insert(start);
            }
            while let Some((at, next)) = path.last_mut() {
                let at = *at;
                match self.awaiters[at].get(*next) {
                    Some(&who) => {
                        *next += 1;
                        if on_path.contains(&who) {
                            let circle = path.iter().map(|(task, _)| *task);
                            found.push(circle.skip_while(|task| *task != who).collect());
                        } else if !done[who] {
                            path.push((who, 0));
                            on_path.insert(who);
                        }
                    }
                    None => {
                        path.pop();
                        on_path.remove(&at);
                        done[at] = true;
                    }
                }
            }
        }
        found
    }
}

/// A task, the tasks that await it, those that await them, and so on; and those that it awaits. asyncio:
/// `FutureCallGraph`, which looks upwards only.
///
/// `Display` prints it as asyncio's `format_call_graph` does.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let inner = corio::task().name("inner").spawn(std::future::pending::<()>());
/// let inner_ref = inner.task_ref();
/// let outer = corio::task().name("outer").spawn(async { drop(inner.await) });
/// let graph = loop {
///     let graph = corio::debug::capture_call_graph(Some(&inner_ref)).unwrap();
///     if graph.awaited_by().count() == 1 {
///         break graph;
///     }
///     corio::time::yield_now().await;
/// };
/// assert_eq!(*graph.task(), inner_ref);
/// assert_eq!(graph.entries()[1].task, outer.task_ref());
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct CallGraph {
    entries: Vec<CallGraphEntry>,
    awaits: Vec<CallGraphEntry>,
}

/// A task in a [`CallGraph`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallGraphEntry {
    /// The task.
    pub task: TaskRef,
    /// Awaits between the task that was asked for and this one: 0 for that task itself; it is awaited
    /// by those of 1 that follow, or awaits them, and so on.
    pub depth: usize,
    /// As [`TaskRef::stack`] said.
    pub stack: Vec<Frame>,
    /// The task stood in the graph before: what is beyond it is shown there. So circles end.
    pub again: bool,
}

impl CallGraph {
    fn capture(task: &TaskRef) -> Self {
        let tasks = Tasks::of(&Shared::of(task.ptr()), Some(task));
        let start = tasks.place_of(task);
        let walk = |next: &[Vec<usize>]| {
            let mut open: Vec<(usize, usize)> = start.into_iter().map(|start| (start, 0)).collect();
            let (mut entries, mut seen) = (Vec::new(), HashSet::new());
            while let Some((at, depth)) = open.pop() {
                let again = !seen.insert(at);
                let task = tasks.all[at].clone();
                let stack = task.stack(None);
                entries.push(CallGraphEntry { task, depth, stack, again });
                if !again {
                    open.extend(next[at].iter().rev().map(|&beyond| (beyond, depth + 1)));
                }
            }
            entries
        };
        Self { entries: walk(&tasks.awaiters), awaits: walk(&tasks.awaits()) }
    }

    /// The task, then depth by depth who awaits it.
    #[must_use]
    pub fn entries(&self) -> &[CallGraphEntry] {
        &self.entries
    }

    /// The other way: the task, then depth by depth whom it awaits. This is its await chain, with the kind
    /// and the line of each wait in the stacks.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let inner = corio::task().name("inner").spawn(std::future::pending::<()>());
    /// let (inner_ref, outer) = (inner.task_ref(), corio::create_task(async { drop(inner.await) }));
    /// let chain = loop {
    ///     let graph = corio::debug::capture_call_graph(Some(&outer.task_ref())).unwrap();
    ///     if graph.awaits().len() == 2 {
    ///         break graph;
    ///     }
    ///     corio::time::yield_now().await;
    /// };
    /// assert_eq!(chain.awaits()[1].task, inner_ref);
    /// # });
    /// ```
    #[must_use]
    pub fn awaits(&self) -> &[CallGraphEntry] {
        &self.awaits
    }

    /// The task that was asked for.
    #[must_use]
    pub fn task(&self) -> &TaskRef {
        &self.entries[0].task
    }

    /// The tasks that await it themselves.
    pub fn awaited_by(&self) -> impl Iterator<Item = &TaskRef> {
        self.entries.iter().filter(|entry| entry.depth == 1).map(|entry| &entry.task)
    }
}

impl fmt::Display for CallGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, entry) in self.entries.iter().enumerate() {
            let margin = "    ".repeat(entry.depth);
            writeln!(f, "{margin}* Task(name='{}', id={})", entry.task.name(), entry.task.id())?;
            if entry.again {
                writeln!(f, "{margin}  + as above")?;
                continue;
            }
            if !entry.stack.is_empty() {
                writeln!(f, "{margin}  + Call stack:")?;
            }
            for frame in &entry.stack {
                writeln!(f, "{margin}  |   {frame}")?;
            }
            if self.entries.get(i + 1).is_some_and(|next| next.depth > entry.depth) {
                writeln!(f, "{margin}  + Awaited by:")?;
            }
        }
        Ok(())
    }
}

/// Who awaits a task, and who awaits them; `None` asks for the current task. `None` is the answer
/// outside of tasks.
///
/// asyncio: `asyncio.capture_call_graph`. There `limit` cuts the frames of each coroutine; here a
/// task has one frame for where it waits and one for where it was spawned.
///
/// # Examples
///
/// ```
/// # fn main() {
/// corio_runtime::run(async {
///     let child = async { corio_runtime::debug::capture_call_graph(None).unwrap() };
///     let child = corio_runtime::task().name("child").spawn(child);
///     let graph = child.await.unwrap();
///     assert_eq!(&*graph.task().name(), "child");
///     assert!(graph.awaited_by().all(|task| &*task.name() == "main"));
/// });
/// # }
/// ```
#[must_use]
pub fn capture_call_graph(task: Option<&TaskRef>) -> Option<CallGraph> {
    match task {
        Some(task) => Some(CallGraph::capture(task)),
        None => context::current_task().as_ref().map(CallGraph::capture),
    }
}

/// [`capture_call_graph`] as text; empty outside of tasks. asyncio: `asyncio.format_call_graph`.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// let text = corio::run(async { corio::debug::format_call_graph(None) });
/// assert!(text.starts_with("* Task(name='main'"), "{text}");
/// assert_eq!(corio::debug::format_call_graph(None), "");
/// ```
#[must_use]
pub fn format_call_graph(task: Option<&TaskRef>) -> String {
    capture_call_graph(task).map_or(String::new(), |graph| graph.to_string())
}

/// Prints [`capture_call_graph`]; `None` prints to standard error. asyncio:
/// `asyncio.print_call_graph`, which prints to standard output.
///
/// # Errors
///
/// Those of the writer.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// let mut page = Vec::new();
/// corio::run(async { corio::debug::print_call_graph(None, Some(&mut page)) })?;
/// assert!(page.starts_with(b"* Task(name='main'"));
/// # std::io::Result::Ok(())
/// ```
pub fn print_call_graph(task: Option<&TaskRef>, out: Option<&mut dyn Write>) -> io::Result<()> {
    let mut stderr = io::stderr();
    out.unwrap_or(&mut stderr).write_all(format_call_graph(task).as_bytes())
}

impl Handle {
    /// The tasks of the runtime; for [`Dump`](super::Dump).
    pub(super) fn tasks(&self) -> Tasks {
        Tasks::of(self.shared(), None)
    }
}
