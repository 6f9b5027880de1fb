//! Atomics come from the shim: one that loom cannot see makes a model blind.

use crate::allow::Allowed;
use crate::source::{File, Tree};
use crate::{expect_none, expect_one};

const FOLDERS: [&str; 3] = ["sync/src/", "runtime/src/", "io/src/"];
const SHIM: &str = "sync/src/shim/";
/// Locks of std's, by name.
const LOCKS: [&str; 3] = ["Mutex", "RwLock", "Condvar"];

/// Uses of std's atomics and locks, and of loom, outside tests: where, and what.
fn uses(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for path in file.paths().into_iter().filter(|p| !file.is_test(p.at)) {
        let bare = match path.segments.as_slice() {
            ["std" | "core", "sync", "atomic", ..] => true,
            // `use std::sync;` and `use std::sync::*;` would hide what follows.
            ["std", "sync"] | ["std", "sync", "*"] => true,
            ["std", "sync", lock, ..] => LOCKS.contains(lock),
            ["loom" | "shuttle", ..] => true,
            _ => false,
        };
        if bare {
            found.push((path.at, path.segments.join("::")));
        }
    }
    found
}

fn outside_the_shim(tree: &Tree, allowed: &Allowed) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.below(&FOLDERS).filter(|f| !f.path.starts_with(SHIM)) {
        if allowed.has(&file.path) {
            continue;
        }
        for (at, what) in uses(file) {
            found.push(format!(
                "{}: {what}; take it from corio_sync::shim, or add `{}: why` to \
                 tests/house/std_sync.txt",
                file.place(at),
                file.path
            ));
        }
    }
    found.extend(
        allowed.findings(tree, |path| tree.file(path).is_some_and(|f| !uses(f).is_empty())),
    );
    found
}

/// A lock from std or from anybody else, even inside the shim. Our own `RwLock` waits as a future
/// and is none in this sense.
fn locks_in_sync(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.below(&["sync/src/"]) {
        for path in file.paths().iter().filter(|p| !file.is_test(p.at)) {
            let foreign =
                !matches!(path.segments[0], "crate" | "self" | "super" | "corio_sync" | "rwlock");
            if foreign && path.segments.iter().any(|s| LOCKS.contains(s)) {
                let what = path.segments.join("::");
                found.push(format!("{}: {what}; the primitives hold no lock", file.place(path.at)));
            }
        }
    }
    found
}

#[test]
fn atomics_come_from_the_shim() {
    let found = outside_the_shim(Tree::load(), &Allowed::load("std_sync.txt"));
    expect_none("std's atomics and locks", found);
}

#[test]
fn the_primitives_hold_no_lock() {
    expect_none("locks in sync", locks_in_sync(Tree::load()));
}

#[test]
fn a_stray_atomic_is_found() {
    let none = Allowed::parse("l", "");
    for bad in [
        "use std::sync::atomic::AtomicUsize;",
        "use std::sync::{Arc, Mutex};",
        "use core::{mem, sync::atomic::{AtomicU8}};",
        "static X: std::sync::RwLock<u8> = todo();",
        "use loom::thread;",
        "use std::sync;",
    ] {
        let tree = Tree::of(&[("runtime/src/handle.rs", bad)]);
        expect_one(outside_the_shim(&tree, &none), "runtime/src/handle.rs:1");
    }
    let good = "use std::sync::{Arc, OnceLock};\n#[cfg(test)] mod t { use std::sync::Mutex; }";
    expect_none("good", outside_the_shim(&Tree::of(&[("io/src/a.rs", good)]), &none));
}

#[test]
fn a_lock_in_sync_is_found() {
    let bad = Tree::of(&[("sync/src/shim/std.rs", "pub use std::sync::{Arc, Mutex};")]);
    expect_one(locks_in_sync(&bad), "sync/src/shim/std.rs:1: std::sync::Mutex");
    let good = Tree::of(&[("sync/src/rwlock.rs", "use crate::RwLock; pub struct RwLock<T>(T);")]);
    expect_none("our own", locks_in_sync(&good));
}
