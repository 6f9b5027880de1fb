//! The five packages that corio is built on carry its weight: each is used where it belongs, by what it
//! was taken for.
//!
//! That a name stands in a file says that it is used there, not how much depends on it; docs/decisions has
//! that: 001 for all of them, 061 for what `polling` does where Linux has a poller of its own.

use std::fs;

use crate::source::{Tree, root};
use crate::{expect_none, expect_one};

/// What one file uses of a package.
struct Use {
    package: &'static str,
    /// The package's name in code, or that of its macro.
    word: &'static str,
    file: &'static str,
    /// Types and macros that the file must name.
    items: &'static [&'static str],
    purpose: &'static str,
}

const fn used(
    package: &'static str,
    word: &'static str,
    file: &'static str,
    items: &'static [&'static str],
    purpose: &'static str,
) -> Use {
    Use { package, word, file, items, purpose }
}

const USES: [Use; 7] = [
    used(
        "crossbeam-deque",
        "crossbeam_deque",
        "runtime/src/scheduler/queue/local.rs",
        &["Worker", "Stealer", "Injector"],
        "worker deques and the injector",
    ),
    used(
        "crossbeam-utils",
        "crossbeam_utils",
        "runtime/src/scheduler/idle.rs",
        &["CachePadded"],
        "CachePadded",
    ),
    used(
        "crossbeam-utils",
        "crossbeam_utils",
        "runtime/src/scheduler/queue/local.rs",
        &["Backoff"],
        "Backoff",
    ),
    used(
        "concurrent-queue",
        "concurrent_queue",
        "runtime/src/scheduler/callback.rs",
        &["ConcurrentQueue"],
        "callback inboxes",
    ),
    used(
        "concurrent-queue",
        "concurrent_queue",
        "runtime/src/blocking/pool.rs",
        &["ConcurrentQueue"],
        "the blocking queue",
    ),
    used(
        "polling",
        "polling",
        "runtime/src/reactor/sys/portable.rs",
        &["Poller", "Events", "PollMode"],
        "the portable poller: registration, wait and notification",
    ),
    used("loom", "loom", "sync/src/shim/loom.rs", &["thread"], "the models"),
];

/// Declares a model; as many files of each crate must.
const MODEL: &str = "model";
const MODELS_MIN: [(&str, usize); 2] = [("sync/src/", 10), ("runtime/src/", 10)];

/// The only file that may name `polling`: Linux's own poller goes past it (decision 061).
const POLLING: &str = "runtime/src/reactor/sys/portable.rs";

/// Whether the file has this path, or macro, in its code.
fn names(file: &crate::source::File, word: &str) -> bool {
    file.tokens().windows(2).any(|t| t[0].text == word && matches!(t[1].text, "::" | "!" | "as"))
}

fn unused(tree: &Tree, manifests: &str) -> Vec<String> {
    let mut found = Vec::new();
    for Use { package, word, file, items, purpose } in USES {
        let code = tree.file(file);
        let has = |item: &str| code.is_some_and(|f| f.tokens().iter().any(|t| t.text == item));
        if !code.is_some_and(|file| names(file, word)) || !items.iter().all(|item| has(item)) {
            found.push(format!("{file}: {package} is not used; it is there for {purpose}"));
        }
        if !manifests.contains(&format!("{package}.workspace = true")) {
            found.push(format!("{package}: no manifest of sync, runtime or io asks for it"));
        }
    }
    for file in tree.below(&["runtime/src/", "io/src/", "sync/src/"]) {
        if file.path != POLLING && names(file, "polling") {
            found.push(format!("{}: polling is used in {POLLING} only", file.path));
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
    for (folder, min) in MODELS_MIN {
        let files = Tree::load().below(&[folder]).filter(|file| names(file, MODEL)).count();
        assert!(files >= min, "{folder}: only {files} files have models");
    }
}

#[test]
fn an_idle_package_is_found() {
    let good = |polling: &'static str| {
        Tree::of(&[
            (
                "runtime/src/scheduler/queue/local.rs",
                "use crossbeam_deque as deque; use crossbeam_utils::Backoff; \
                 type W = deque::Worker<u8>; type S = deque::Stealer<u8>; type I = deque::Injector<u8>;",
            ),
            ("runtime/src/scheduler/idle.rs", "use crossbeam_utils::CachePadded;"),
            ("runtime/src/scheduler/callback.rs", "use concurrent_queue::ConcurrentQueue;"),
            ("runtime/src/blocking/pool.rs", "use concurrent_queue::ConcurrentQueue;"),
            (POLLING, polling),
            ("sync/src/shim/loom.rs", "pub use loom::thread;"),
        ])
    };
    let whole = "use polling::{Events, PollMode, Poller};";
    let manifests =
        USES.map(|Use { package, .. }| format!("{package}.workspace = true\n")).concat();
    expect_none("good", unused(&good(whole), &manifests));
    expect_one(unused(&good("// polling::Poller"), &manifests), "polling is not used");
    expect_one(
        unused(&good("use polling::{Events, PollMode};"), &manifests),
        "polling is not used",
    );
    expect_one(unused(&good(whole), &manifests.replace("polling", "poll")), "polling: no manifest");
    let mut elsewhere = good(whole);
    elsewhere.files.extend(Tree::of(&[("io/src/x.rs", "use polling::Event;")]).files);
    expect_one(unused(&elsewhere, &manifests), "io/src/x.rs: polling is used in");
}
