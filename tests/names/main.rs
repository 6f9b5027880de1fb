//! Every name that programs may rely on, used through `corio::` with the types that it promises: what
//! is renamed, hidden, or given another shape does not compile any more.
//!
//! Nothing here is run but for the last test of each file's list: a function of each module is named in
//! one place, so that none is left out.

mod compositions;
mod futures;
mod io;
mod loops;
mod sync;
mod tasks;

/// A value of any type, for code that is compiled and never run.
fn some<T>() -> T {
    unreachable!("names are compiled, not run")
}

/// Says which type an expression has.
fn is<T>(_: T) {}

/// Says what a future gives.
fn gives<T>(_: impl IntoFuture<Output = T>) {}

#[test]
fn all_names_are_there() {
    let sections: [fn(); 6] =
        [tasks::names, compositions::names, loops::names, sync::names, io::names, futures::names];
    assert_eq!(sections.len(), 6);
}

/// Names of asyncio's and tokio's under which the documentation finds an item of another name. Those
/// that are names themselves are used above.
const ALIASES: [(&str, &str); 21] = [
    ("is_finished", "done"),
    ("get_name", "name"),
    ("get_stack", "stack"),
    ("JoinHandle", "Task"),
    ("CancelledError", "Cancelled"),
    ("InvalidStateError", "ResultError"),
    ("InvalidStateError", "InvalidState"),
    ("return_exceptions", "gather_all"),
    ("ExceptionGroup", "GroupError"),
    ("Future", "Deferred"),
    ("create_future", "Deferred"),
    ("concurrent.futures.Future", "ConcurrentFuture"),
    ("Mutex", "Lock"),
    ("Condvar", "Condition"),
    ("readexactly", "read_exact"),
    ("readline", "read_line"),
    ("readlines", "read_lines"),
    ("readall", "read_all"),
    ("readinto", "read_into"),
    ("writelines", "write_lines"),
    ("isatty", "is_terminal"),
];

/// The first item below an attribute of a file: the word after `fn`, `struct` or `enum`.
fn item_below(lines: &[&str], at: usize) -> String {
    let words = lines[at..].iter().flat_map(|line| line.split_whitespace());
    let mut after = words.skip_while(|word| !["fn", "struct", "enum"].contains(word)).skip(1);
    let name = after.next().unwrap_or_default();
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
}

fn aliases_below(folder: &std::path::Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder of ours").map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            aliases_below(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source is UTF-8");
            let lines: Vec<_> = text.lines().collect();
            for (at, line) in lines.iter().enumerate() {
                let Some((_, rest)) = line.split_once("doc(alias") else { continue };
                for alias in rest.split('"').skip(1).step_by(2) {
                    found.push((alias.to_owned(), item_below(&lines, at)));
                }
            }
        }
    }
}

#[test]
fn other_names_find_the_item() {
    let mut found = Vec::new();
    for part in ["runtime", "sync", "io"] {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        aliases_below(&std::path::Path::new(root).join(part).join("src"), &mut found);
    }
    let has = |alias: &str, item: &str| found.iter().any(|(a, i)| a == alias && i == item);
    let missing: Vec<_> = ALIASES.iter().filter(|(alias, item)| !has(alias, item)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
