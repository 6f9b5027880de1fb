//! Who may know whom: between the crates, and inside the runtime.

use std::collections::BTreeSet;
use std::fs;

use crate::source::{File, Tree, root};
use crate::{expect_none, expect_one};

/// A folder, the name of its crate in code, and which crates of ours it may use.
const CRATES: [(&str, &str, &[&str]); 9] = [
    ("sync/", "corio_sync", &[]),
    ("runtime/", "corio_runtime", &["corio_sync"]),
    ("io/", "corio_io", &["corio_sync", "corio_runtime"]),
    ("macros/", "corio_macros", &[]),
    // It speaks with other processes, of other builds.
    ("top/", "corio_top", &[]),
    ("src/", "corio", &["corio_sync", "corio_runtime", "corio_io", "corio_macros"]),
    ("tests/", "corio_tests", &["corio"]),
    ("examples/", "", &["corio"]),
    ("bench/", "corio_bench", &["corio"]),
];

/// Every crate of ours, by its name in code.
const OURS: [&str; 9] = [
    "corio",
    "corio_sync",
    "corio_runtime",
    "corio_io",
    "corio_macros",
    "corio_top",
    "corio_tests",
    "corio_bench",
    "corio_fuzz",
];

/// The modules of the runtime, lowest level first. A module may use those of lower levels and,
/// one way only, those of its own.
const LEVELS: [&[&str]; 11] = [
    &["sys", "quiet", "report", "error", "panic_place", "tokio_context", "wake_batch", "visit"],
    &["timer", "reactor", "blocking"],
    &["task"],
    &["context"],
    &["scheduler"],
    &["alarm", "handle", "cancel"],
    &["spawn"],
    &["bridge", "event_loop", "time", "compose", "deferred", "coroutine"],
    &["debug", "metrics"],
    &["builder", "runtime"],
    // A simulation is a runtime that is started in a way of its own.
    &["sim"],
];

/// Uses against the order: who, whom, why.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "runtime",
    "builder",
    "Runtime::builder() hands out what Builder::build() turns into a Runtime: one thing in two files",
)];

fn between_crates(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in &tree.files {
        let Some((_, own, may)) = CRATES.iter().find(|(dir, ..)| file.path.starts_with(dir)) else {
            continue;
        };
        // A proc macro writes `::corio::..` into its caller's code, and its tests play the caller.
        if *own == "corio_macros" {
            continue;
        }
        for path in file.paths() {
            let first = path.segments[0];
            let in_macro = file.code[..path.at].trim_end().ends_with('$');
            if OURS.contains(&first) && first != *own && !may.contains(&first) && !in_macro {
                found.push(format!(
                    "{}: {first} may not be used here; {own} may use {}",
                    file.place(path.at),
                    if may.is_empty() { "none of ours".to_owned() } else { may.join(", ") },
                ));
            }
        }
    }
    found
}

/// The same in the manifests, where a dependency begins.
fn between_manifests(manifests: &[(&str, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, text) in manifests {
        let Some((_, own, may)) = CRATES.iter().find(|(dir, ..)| dir == folder) else { continue };
        let mut in_dependencies = false;
        for (i, line) in text.lines().enumerate() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies") && !line.contains("workspace.");
            }
            let name: String = line
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_')
                .map(|c| if c == '-' { '_' } else { c })
                .collect();
            if in_dependencies && OURS.contains(&name.as_str()) && !may.contains(&name.as_str()) {
                let at = format!("{folder}Cargo.toml:{}", i + 1);
                found
                    .push(format!("{at}: {own} may not depend on {name}; see CRATES in layers.rs"));
            }
        }
    }
    found
}

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|modules| modules.contains(&module))
}

/// The modules from the crate's root down to a byte of a file.
fn module_path<'a>(file: &'a File, folder: &str, at: usize) -> Vec<&'a str> {
    let inside = file.path.strip_prefix(folder).unwrap_or(&file.path);
    let bare = inside.trim_end_matches(".rs");
    let bare = bare.strip_suffix("/mod").unwrap_or(bare);
    let mut path: Vec<&str> =
        if bare == "lib" || bare == "mod" { Vec::new() } else { bare.split('/').collect() };
    path.extend(file.inline_modules().iter().filter(|(_, r)| r.contains(&at)).map(|(n, _)| *n));
    path
}

/// The top-level module of the runtime that a path leads to, if it leads through the crate's root.
fn target<'a>(path: &[&'a str], here: &[&'a str]) -> Option<&'a str> {
    match path[0] {
        "crate" => path.get(1).copied(),
        "super" => {
            let ups = path.iter().take_while(|s| **s == "super").count();
            // Up to, and not beyond, the crate's root: then the next word is a top-level module.
            if ups == here.len() { path.get(ups).copied() } else { None }
        }
        _ => None,
    }
}

fn inside_runtime(tree: &Tree) -> Vec<String> {
    const FOLDER: &str = "runtime/src/";
    let mut found = Vec::new();
    let mut sideways = BTreeSet::new();
    let modules: BTreeSet<&str> = tree
        .below(&[FOLDER])
        .filter_map(|f| f.path.strip_prefix(FOLDER)?.split(['/', '.']).next())
        .filter(|m| *m != "lib")
        .collect();
    for module in modules.iter().filter(|m| level(m).is_none()) {
        found.push(format!("{FOLDER}{module}: give it a place in LEVELS of tests/house/layers.rs"));
    }
    for file in tree.below(&[FOLDER]) {
        // What a macro writes into its caller's code can go through the root only.
        let in_macro = |at: usize| file.code[..at].trim_end().ends_with('$');
        for path in file.paths().iter().filter(|p| !file.is_test(p.at) && !in_macro(p.at)) {
            let here = module_path(file, FOLDER, path.at);
            let (Some(from), Some(to)) = (here.first(), target(&path.segments, &here)) else {
                continue;
            };
            let (Some(low), at) = (level(from), file.place(path.at)) else { continue };
            if from == &to {
                continue;
            }
            let Some(high) = level(to) else {
                if !modules.contains(to) && path.segments[0] == "crate" && to != "*" {
                    found.push(format!("{at}: import {to} from its module, not from the root"));
                }
                continue;
            };
            if EXCEPTIONS.iter().any(|(a, b, _)| a == from && *b == to) {
                continue;
            }
            if high > low {
                found.push(format!(
                    "{at}: {from} (level {low}) may not use {to} (level {high}); move the code (an \
                     `impl` block may stand beside what it returns), pass a vtable down, or argue \
                     an exception in layers.rs"
                ));
            } else if high == low {
                sideways.insert((from.to_string(), to.to_owned(), at));
            }
        }
    }
    for (from, to, at) in &sideways {
        if from < to && sideways.iter().any(|(f, t, _)| f == to && t == from) {
            found.push(format!("{at}: {from} and {to} use each other; one of them must not"));
        }
    }
    found
}

#[test]
fn crates_use_what_lies_below_them() {
    expect_none("layers of crates", between_crates(Tree::load()));
    let manifests: Vec<(&str, String)> = CRATES
        .iter()
        .filter_map(|(dir, ..)| {
            Some((*dir, fs::read_to_string(root().join(dir).join("Cargo.toml")).ok()?))
        })
        .collect();
    assert!(manifests.len() >= 5, "the manifests were not found");
    expect_none("layers of manifests", between_manifests(&manifests));
}

#[test]
fn modules_of_the_runtime_use_what_lies_below_them() {
    expect_none("layers of the runtime", inside_runtime(Tree::load()));
    for (who, whom, why) in EXCEPTIONS {
        assert!(level(who).is_some() && level(whom).is_some() && why.len() > 20, "{who}, {whom}");
    }
}

#[test]
fn a_crate_above_is_found() {
    let bad = Tree::of(&[("sync/src/lock.rs", "use corio_runtime::Handle;")]);
    expect_one(between_crates(&bad), "sync/src/lock.rs:1: corio_runtime");
    let bad = Tree::of(&[("tests/io/tcp.rs", "fn f() { corio_io::x(); corio::run(); }")]);
    expect_one(between_crates(&bad), "may use corio");
    let bad = [("io/", "[dependencies]\ncorio.workspace = true\ncorio-sync = 1\n".to_owned())];
    expect_one(between_manifests(&bad), "io/Cargo.toml:2");
}

#[test]
fn a_module_above_is_found() {
    let bad = Tree::of(&[("runtime/src/timer/wheel.rs", "\nuse crate::{context::X, timer::Y};")]);
    expect_one(inside_runtime(&bad), "timer/wheel.rs:2: timer (level 1) may not use context");
    let bad = Tree::of(&[("runtime/src/timer/wheel.rs", "use super::super::scheduler::Idle;")]);
    expect_one(inside_runtime(&bad), "may not use scheduler");
    let bad = Tree::of(&[("runtime/src/novelty.rs", "")]);
    expect_one(inside_runtime(&bad), "novelty: give it a place");
    let bad = Tree::of(&[
        ("runtime/src/timer/mod.rs", "use crate::reactor::A;"),
        ("runtime/src/reactor/mod.rs", "use crate::timer::B;"),
    ]);
    expect_one(inside_runtime(&bad), "use each other");
    let good = Tree::of(&[(
        "runtime/src/timer/mod.rs",
        "pub(crate) mod entry; #[cfg(test)] mod tests { use super::*; use crate::context::X; }",
    )]);
    expect_none("a good tree", inside_runtime(&good));
}
