//! The five packages that corio is built on carry its weight: each is used where it belongs.

use std::fs;

use crate::source::{Tree, root};
use crate::{expect_none, expect_one};

/// A package, its name in code, the folder that must use it, and what for.
const PACKAGES: [(&str, &str, &str, &str); 6] = [
    ("crossbeam-deque", "crossbeam_deque", "runtime/src/", "worker deques and the injector"),
    ("crossbeam-utils", "crossbeam_utils", "runtime/src/", "CachePadded and Backoff"),
    ("concurrent-queue", "concurrent_queue", "runtime/src/", "callback inboxes, blocking queue"),
    ("polling", "polling", "runtime/src/", "registration and the portable wait"),
    ("loom", "loom", "sync/src/shim/", "the models"),
    ("loom", "model", "runtime/src/", "the models of the runtime"),
];

/// The runtime is whole once it has this file; before, a package may wait for its module.
const WHOLE: &str = "runtime/src/runtime.rs";

fn unused(tree: &Tree, manifests: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (package, word, folder, purpose) in PACKAGES {
        // A package is used by its path, a macro by its name.
        let used = tree.below(&[folder]).any(|file| {
            let tokens = file.tokens();
            tokens.windows(2).any(|t| t[0].text == word && matches!(t[1].text, "::" | "!" | "as"))
        });
        let due = tree.file(WHOLE).is_some() || package == "loom" && word == "loom";
        if !used && due {
            found.push(format!("{folder}: {package} is not used; it is there for {purpose}"));
        }
        if !manifests.contains(&format!("{package}.workspace = true")) {
            found.push(format!("{package}: no manifest of sync, runtime or io asks for it"));
        }
    }
    found
}

#[test]
fn every_package_is_used() {
    let manifests: String = ["sync", "runtime", "io"]
        .iter()
        .map(|c| fs::read_to_string(root().join(c).join("Cargo.toml")).expect("it is there"))
        .collect();
    expect_none("packages", unused(Tree::load(), &manifests));
}

#[test]
fn an_idle_package_is_found() {
    let text = "use crossbeam_deque::Worker; use crossbeam_utils::CachePadded; \
                type Q = concurrent_queue::ConcurrentQueue<u8>; model! { a }";
    let bad = Tree::of(&[
        ("runtime/src/runtime.rs", text),
        ("sync/src/shim/loom.rs", "pub use loom::thread;"),
    ]);
    let manifests = PACKAGES.map(|(p, ..)| format!("{p}.workspace = true\n")).concat();
    expect_one(unused(&bad, &manifests), "polling is not used");
}
