//! Rules of the house that neither the compiler nor clippy checks.
//!
//! The tests read the sources and nothing else, but for those that ask cargo which dependencies
//! there are and which Rust they need: no dependency, no build, a second or so. Each rule is a function from a
//! [`Tree`](source::Tree) to findings, so that the rule is itself tested against a snippet that
//! breaks it: a check that cannot fail guards nothing.
//!
//! A finding reads `file:line: what is wrong; what to do about it`.

mod aiofiles;
mod allow;
mod awaits;
mod conformance;
mod dependencies;
mod docs;
mod evidence;
mod examples;
mod layers;
mod lexer;
mod msrv;
mod orderings;
mod packages;
mod repository;
mod source;
mod std_sync;
mod unsafe_code;

use source::Tree;

/// Fails with every finding at once: one run tells the whole story.
#[track_caller]
fn expect_none(rule: &str, findings: Vec<String>) {
    let count = findings.len();
    assert!(findings.is_empty(), "{rule}: {count} found\n  {}\n", findings.join("\n  "));
}

/// Fails unless the rule finds exactly one thing, and says so in these words.
#[track_caller]
fn expect_one(findings: Vec<String>, words: &str) {
    assert_eq!(findings.len(), 1, "one finding was wanted: {findings:#?}");
    assert!(findings[0].contains(words), "{:?} does not contain {words:?}", findings[0]);
}

#[test]
fn the_tree_is_found() {
    let tree = Tree::load();
    assert!(tree.file("sync/src/shim/mod.rs").is_some(), "the shim is not where it should be");
    assert!(tree.files.len() > 20, "only {} sources were found", tree.files.len());
}
