//! The whole suite again with other settings, each in a process of its own.

use std::env;
use std::process::Command;

use crate::support::{VARIANT, VARIANTS};

/// Runs this test program with one variant; its output is shown if it fails.
#[track_caller]
fn run_variant(name: &str) {
    if env::var_os(VARIANT).is_some() {
        // The inner process runs everything but the variants.
        return;
    }
    assert!(VARIANTS.iter().any(|variant| variant.name == name));
    let program = env::current_exe().expect("the path of this program");
    let output = Command::new(program)
        .args(["--skip", "variants::", "--test-threads", "4"])
        .env(VARIANT, name)
        .output()
        .expect("this program runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "variant {name} failed:\n{text}\n{errors}");
}

#[test]
fn with_one_worker() {
    run_variant("one-worker");
}

#[test]
fn without_stealing() {
    run_variant("no-stealing");
}

#[test]
fn without_the_lifo_slot() {
    run_variant("no-lifo");
}

#[test]
fn with_a_budget_of_one() {
    run_variant("budget-1");
}

#[test]
fn without_watch() {
    run_variant("no-watch");
}
