//! `corio-top pstree`: who awaits whom. asyncio: `python -m asyncio pstree`, which prints no tree of a
//! program whose tasks await each other in a circle; here the rest is printed too.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use crate::ps::head;
use crate::snapshot::{Runtime, Snapshot, Task};

pub fn print(out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    for (i, runtime) in snapshot.runtimes.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        head(out, runtime)?;
        for line in lines(runtime) {
            writeln!(out, "{line}")?;
        }
        for circle in runtime.circles() {
            writeln!(out, "{circle}")?;
        }
    }
    Ok(())
}

/// A task whose line is still to come.
struct Open {
    task: usize,
    /// What stands before the lines below it.
    margin: String,
    is_last: bool,
}

/// The trees of a runtime: below each task those that it awaits. At the top stand those that nobody
/// awaits, then what is in a circle. A task that several await stands below each of them; what it
/// awaits is shown once.
fn lines(runtime: &Runtime) -> Vec<String> {
    let places: HashMap<&str, usize> =
        runtime.tasks.iter().enumerate().map(|(i, task)| (task.id.as_str(), i)).collect();
    let mut awaits = vec![Vec::new(); runtime.tasks.len()];
    for (i, task) in runtime.tasks.iter().enumerate() {
        for awaiter in task.awaiters.iter().filter_map(|id| places.get(id.as_str())) {
            awaits[*awaiter].push(i);
        }
    }
    let mut lines = Vec::new();
    let mut seen = HashSet::new();
    let free = |task: &Task| !task.awaiters.iter().any(|id| places.contains_key(id.as_str()));
    let tops = (0..runtime.tasks.len()).filter(|&i| free(&runtime.tasks[i]));
    for top in tops.chain(0..runtime.tasks.len()) {
        if seen.contains(&top) {
            continue;
        }
        // Without recursion: chains of tasks may be long.
        let mut open = vec![Open { task: top, margin: String::new(), is_last: true }];
        while let Some(Open { task, margin, is_last }) = open.pop() {
            let again = !seen.insert(task);
            let branch = if is_last { "└── " } else { "├── " };
            let known = again && !awaits[task].is_empty();
            lines.push(format!(
                "{margin}{branch}{}{}",
                line(&runtime.tasks[task]),
                if known { " (as above)" } else { "" }
            ));
            if again {
                continue;
            }
            let below = format!("{margin}{}", if is_last { "    " } else { "│   " });
            for (i, &child) in awaits[task].iter().rev().enumerate() {
                open.push(Open { task: child, margin: below.clone(), is_last: i == 0 });
            }
        }
    }
    lines
}

fn line(task: &Task) -> String {
    let Task { id, name, state, .. } = task;
    match state.as_str() {
        "waiting" => format!("(T) {name} {id}: {}", task.place()),
        _ => format!("(T) {name} {id}: {state}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::{RUNTIME, of};

    fn tree(tasks: &[&str]) -> String {
        let all: Vec<&str> = [&[RUNTIME], tasks].concat();
        let mut out = Vec::new();
        print(&mut out, &of(&all)).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.split_once('\n').expect("a head").1.to_owned()
    }

    #[test]
    fn below_a_task_stands_what_it_awaits() {
        let text = tree(&[
            "task|b|one|running|-|-|m|-|-|a",
            "task|a|main|waiting|a task|m.rs:1|m|-|-|-",
            "task|c|two|waiting|sleep|m.rs:2|m|-|-|a",
            "task|d|leaf|ready|-|-|m|-|-|b c",
            "task|e|deep|ready|-|-|m|-|-|d",
        ]);
        let expected = "\
└── (T) main a: a task at m.rs:1
    ├── (T) one b: running
    │   └── (T) leaf d: ready
    │       └── (T) deep e: ready
    └── (T) two c: sleep at m.rs:2
        └── (T) leaf d: ready (as above)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_circle_is_told_and_the_rest_is_shown() {
        let text = tree(&[
            "task|a|left|waiting|a task|m.rs:1|m|-|-|b",
            "task|b|right|waiting|a task|m.rs:2|m|-|-|a",
            "task|c|free|ready|-|-|m|-|-|-",
            "cycle|a b",
        ]);
        let expected = "\
└── (T) free c: ready
└── (T) left a: a task at m.rs:1
    └── (T) right b: a task at m.rs:2
        └── (T) left a: a task at m.rs:1 (as above)
in a circle: 'right' b awaits 'left' a awaits 'right' b
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_long_chain_is_no_recursion() {
        let tasks: Vec<String> = (0..3_000)
            .map(|i| format!("task|{i}|t|ready|-|-|m|-|-|{}", if i == 0 { -1 } else { i - 1 }))
            .collect();
        let tasks: Vec<&str> = tasks.iter().map(String::as_str).collect();
        assert_eq!(tree(&tasks).lines().count(), 3_000);
    }
}
