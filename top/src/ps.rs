//! `corio-top ps`: a table of the tasks. asyncio: `python -m asyncio ps`.

use std::io::{self, Write};

use crate::snapshot::{Runtime, Snapshot};
use crate::text::{Table, count, time};

pub fn print(out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    for (i, runtime) in snapshot.runtimes.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        head(out, runtime)?;
        let mut table = Table::new(
            &["id", "name", "state", "age", "waits", "for", "spawned at", "awaited by"],
            &[3, 4],
        );
        for task in &runtime.tasks {
            let awaiters: Vec<_> = task.awaiters.iter().map(|id| runtime.label(id)).collect();
            table.row(vec![
                task.id.clone(),
                task.name.clone(),
                task.state.clone(),
                time(task.age),
                time(task.waits),
                task.place(),
                task.spawned_at.clone(),
                if awaiters.is_empty() { "-".to_owned() } else { awaiters.join(", ") },
            ]);
        }
        table.print(out)?;
        for circle in runtime.circles() {
            writeln!(out, "{circle}")?;
        }
    }
    Ok(())
}

/// The line above a runtime's tasks.
pub fn head(out: &mut impl Write, runtime: &Runtime) -> io::Result<()> {
    let Runtime { name, place, task_count, .. } = runtime;
    let workers = count(runtime.workers.len() as u64, "worker");
    writeln!(out, "runtime '{name}' ({place}): {}, {workers}", count(*task_count, "task"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::{RUNTIME, of};

    #[test]
    fn a_row_says_all_of_a_task() {
        let snapshot = of(&[
            RUNTIME,
            "task|a.0|main|waiting|a task|m.rs:2:2|m.rs:1:1|61000|1000|-",
            "task|b.0|child|running|-|-|m.rs:2:2|5|-|a.0",
        ]);
        let mut out = Vec::new();
        print(&mut out, &snapshot).unwrap();
        let expected = "\
runtime 'corio' (src/main.rs:1:1): 2 tasks, 0 workers
id   name   state          age  waits  for                 spawned at  awaited by
a.0  main   waiting  1 min 1 s  1.0 s  a task at m.rs:2:2  m.rs:1:1    -
b.0  child  running       5 ms      -  -                   m.rs:2:2    'main' a.0
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
