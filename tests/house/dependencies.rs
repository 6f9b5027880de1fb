//! What a user of corio builds: few crates, no parser of Rust, no runtime of somebody else's.
//!
//! The default build is what `cargo add corio` gives; a feature adds its own library and no more.

use std::collections::BTreeMap;
use std::env;
use std::process::Command;

use crate::source::root;
use crate::{expect_none, expect_one};

/// The most crates of other people in the default build; `docs/decisions/001-dependencies.md` is to
/// be looked at again when it is passed.
const CRATES_MAX: usize = 20;

/// Crates of our own, which are counted apart.
const OURS: &str = "corio";

/// What no build of the library may contain unless the user's feature needs it.
const UNWANTED: [&str; 5] = ["syn", "proc-macro2", "openssl-sys", "async-io", "mio"];

/// Features of tokio that are a runtime, and not only traits.
const RUNTIME: [&str; 4] = ["rt", "net", "time", "rt-multi-thread"];

/// The packages of the library's build by name, each with its features.
fn packages(features: &[&str]) -> String {
    let library = ["--package", OURS, "--edges", "normal,build"];
    tree(&[&library[..], features].concat())
}

/// What `cargo tree` prints for `selection`.
fn tree(selection: &[&str]) -> String {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--prefix", "none", "--format", "{p}|{f}"])
        .args(selection)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree failed: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Names and features, once each; repeated packages end in `(*)`.
fn parse(tree: &str) -> BTreeMap<&str, Vec<&str>> {
    let lines = tree.lines().filter(|line| !line.is_empty());
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines {
        let (package, features) = line.split_once('|').unwrap_or((line, ""));
        let name = package.split(' ').next().unwrap_or(package);
        let features = features.trim_end_matches("(*)").trim();
        found.entry(name).or_default().extend(features.split(',').filter(|f| !f.is_empty()));
    }
    found
}

fn too_much(tree: &str) -> Vec<String> {
    let packages = parse(tree);
    let mut found = Vec::new();
    let theirs: Vec<_> = packages.keys().filter(|name| !name.starts_with(OURS)).collect();
    if theirs.len() > CRATES_MAX {
        found.push(format!("{} crates, {CRATES_MAX} is the limit: {theirs:?}", theirs.len()));
    }
    for name in UNWANTED.iter().filter(|name| packages.contains_key(*name)) {
        found.push(format!("{name} has no place in the default build"));
    }
    for feature in packages.get("tokio").into_iter().flatten().filter(|f| RUNTIME.contains(f)) {
        found.push(format!("tokio's feature {feature} brings its runtime into the default build"));
    }
    found
}

#[test]
fn the_default_build_is_small() {
    let tree = packages(&[]);
    assert!(parse(&tree).contains_key("corio-sync"), "no tree was printed: {tree}");
    expect_none("default build", too_much(&tree));
}

/// The README's first command names no package. Were there `default-members` in the workspace's
/// manifest, it would build the union of their features: rustls and ring for a server without TLS.
#[test]
fn the_first_command_builds_what_its_example_needs() {
    let tree = tree(&["--edges", "normal,build,dev"]);
    let packages = parse(&tree);
    assert!(packages.contains_key("axum"), "no tree of the examples was printed: {tree}");
    let foreign = ["rustls", "ring", "quinn", "hickory-resolver", "loom"];
    let found: Vec<_> = foreign.iter().filter(|name| packages.contains_key(*name)).collect();
    assert!(found.is_empty(), "`cargo run --example web` builds {found:?} for nothing");
}

#[test]
fn quic_and_hyper_need_no_runtime_of_tokios() {
    for features in ["hyper", "axum_0_8", "quinn_0_11", "hickory_0_26"] {
        let tree = packages(&["--features", features]);
        let packages = parse(&tree);
        let tokio = packages.get("tokio").expect("its traits are in the default build");
        let runtime = tokio.iter().filter(|feature| RUNTIME.contains(feature));
        assert_eq!(runtime.count(), 0, "{features} turns on {tokio:?}");
    }
}

#[test]
fn too_much_is_found() {
    let good = "corio v0.1.0 (/p)|default,macros\n\ntokio v1.54.1|\nslab v0.4.12|std (*)\n";
    assert_eq!(too_much(good), [""; 0]);
    expect_one(too_much(&format!("{good}syn v3.0.9|full\n")), "syn has no place");
    expect_one(too_much(&format!("{good}tokio v1.54.1|sync,rt\n")), "feature rt");
    let many: String = (0..CRATES_MAX).map(|n| format!("crate-{n} v1.0.0|\n")).collect();
    expect_one(too_much(&format!("{good}{many}")), "22 crates, 20 is the limit");
}
