//! A task's stack as text: its own frames, then those of the tasks that it awaits.

use std::io::{self, Write};

use super::graph::Tasks;
use super::tree;
use crate::scheduler::shared::Shared;
use crate::task::registry::TaskRef;

impl TaskRef {
    /// Prints where the task waits and where it was spawned, and then the await chain: the tasks of its
    /// runtime that it awaits, each with what it waits for and where, those that they await below them,
    /// and so on, as [`dump`](crate::debug::dump) draws them. At most `limit` lines after the first; `None`
    /// as output prints to standard error.
    ///
    /// What a frame is, and which futures have none, is said at [`stack`](Self::stack). Costs a walk over
    /// the tasks of the runtime.
    ///
    /// asyncio: `Task.print_stack`, which prints one frame of a task that waits; what it awaits is in
    /// `python -m asyncio pstree`.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # corio::run(async {
    /// let inner = corio::task().name("inner").spawn(std::future::pending::<()>());
    /// let outer = corio::create_task(async { drop(inner.await) });
    /// loop {
    ///     let mut page = Vec::new();
    ///     outer.print_stack(None, Some(&mut page)).unwrap();
    ///     let page = String::from_utf8(page).unwrap();
    ///     assert!(page.starts_with("Stack for "));
    ///     if page.contains("  awaits\n  └── 'inner' ") {
    ///         break;
    ///     }
    ///     corio::time::yield_now().await;
    /// }
    /// # });
    /// ```
    pub fn print_stack(&self, limit: Option<usize>, out: Option<&mut dyn Write>) -> io::Result<()> {
        let mut stderr = io::stderr();
        let out = out.unwrap_or(&mut stderr);
        let limit = limit.unwrap_or(usize::MAX);
        let stack = self.stack(Some(limit));
        if stack.is_empty() {
            return writeln!(out, "No stack for {self:?}");
        }
        writeln!(out, "Stack for {self:?}:")?;
        for frame in &stack {
            writeln!(out, "  {frame}")?;
        }
        let more = limit - stack.len();
        if more == 0 {
            return Ok(());
        }
        let tasks = Tasks::of(&Shared::of(self.ptr()), Some(self));
        let below = tasks.place_of(self).map(|task| tree::below(&tasks, task)).unwrap_or_default();
        if !below.is_empty() {
            writeln!(out, "  awaits")?;
        }
        below.iter().take(more).try_for_each(|line| writeln!(out, "  {line}"))
    }
}
