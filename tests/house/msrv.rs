//! What corio is built from builds with the Rust that corio promises, as far as it says itself.
//!
//! That corio's own code calls nothing newer is for clippy (`incompatible_msrv`, on by default). Of
//! the language clippy does not know, so `let` in a chain of conditions (Rust 1.88) is looked for
//! here; `bash .ci/run msrv` builds the library and its examples with the promised compiler.

use std::env;
use std::process::Command;

use crate::source::{File, Tree, is_word, root};
use crate::{expect_none, expect_one};

/// The lowest Rust that builds corio: `rust-version` of the workspace.
const PROMISED: (u32, u32) = (1, 85);

/// What only the benchmarks are built from. Nobody who depends on corio builds these.
const BENCHMARKS: [&str; 2] = ["corio-bench", "criterion"];

/// Features of corio whose own library asks for more than the promise, and how much: the README
/// says so. `.ci/run msrv` leaves the same ones out.
const NEWER: [(&str, &str); 1] = [("hickory_0_26", "1.88")];

/// The features of the facade that are held to the promise: all but [`NEWER`].
fn held_features(manifest: &str) -> Vec<&str> {
    let (_, features) = manifest.split_once("\n[features]\n").expect("the facade has features");
    let lines = features.lines().take_while(|line| !line.starts_with('['));
    let names =
        lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    names
        .map(|(name, _)| name)
        .filter(|name| NEWER.iter().all(|(newer, _)| name != newer))
        .collect()
}

/// `1.85` or `1.85.0`, without the last number.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The string after the last (or first) `"key":` of a text, if it is one. A quote inside a string
/// stands behind a backslash, so what is found is a key.
fn string_after<'a>(text: &'a str, key: &str, last: bool) -> Option<&'a str> {
    let key = format!("\"{key}\":\"");
    let at = if last { text.rfind(&key) } else { text.find(&key) }?;
    text[at + key.len()..].split('"').next()
}

/// The packages among cargo's metadata that ask for more. In each package the path of its manifest
/// comes before its `rust_version`, and ends in `name-version/Cargo.toml`.
fn too_new(metadata: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = metadata;
    let mut checked = 0;
    while let Some(at) = rest.find("\"rust_version\":") {
        let path = string_after(&rest[..at], "manifest_path", true).unwrap_or("?/?");
        let package = path.rsplit(['/', '\\']).nth(1).unwrap_or(path);
        let needs = &rest[at..];
        let needs = &needs[..needs.find([',', '}']).unwrap_or(needs.len())];
        if let Some(text) = string_after(needs, "rust_version", false) {
            checked += 1;
            let needs = version(text);
            let exempt = BENCHMARKS
                .iter()
                .any(|name| package.starts_with(name) || path.ends_with("/bench/Cargo.toml"));
            if !exempt && needs.is_none_or(|needs| needs > PROMISED) {
                found.push(format!("{package} needs Rust {text}"));
            }
        }
        rest = &rest[at + 1..];
    }
    assert!(checked > 0, "no package says which Rust it needs");
    found
}

/// Conditions with `&&` beside a `let`.
fn let_chains(file: &File) -> Vec<String> {
    let tokens = file.tokens();
    let texts: Vec<_> = tokens.iter().map(|token| token.text).collect();
    let mut found = Vec::new();
    for at in (1..texts.len()).filter(|&at| matches!(texts[at - 1], "if" | "while")) {
        let mut depth = 0;
        let mut condition = Vec::new();
        for &text in &texts[at..] {
            match text {
                "{" | ")" | "]" | "}" if depth == 0 => break,
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            // What stands in brackets is another expression.
            if depth == 0 {
                condition.push(text);
            }
        }
        // Two marks after a value; before one they borrow it twice.
        let chained = condition.windows(3).any(|three| {
            let after_value = is_word(three[0]) || matches!(three[0], ")" | "]" | "}" | "?" | "\"");
            after_value && three[0] != "let" && three[1..] == ["&", "&"]
        });
        if chained && condition.contains(&"let") {
            let place = file.place(tokens[at].at);
            found.push(format!("{place}: `let` in a chain of conditions needs Rust 1.88"));
        }
    }
    found
}

#[test]
fn no_let_stands_in_a_chain() {
    let own = Tree::load().files.iter().filter(|file| !file.path.starts_with("bench/"));
    expect_none("chains of conditions", own.flat_map(let_chains).collect());
}

#[test]
fn a_chain_is_found() {
    let found = |code: &str| let_chains(&Tree::of(&[("runtime/src/a.rs", code)]).files[0]);
    for good in [
        "fn f() { if a && b { } }",
        "fn f() { if let Some(a) = b { a && c } else { false }; }",
        "fn f() { while let Some(a) = b.filter(|c| *c && d) { } }",
        "fn f() { if let Some(a) = &&b { } }",
        "fn f() { if matches!(a, B if c && d) { let e = 1; } }",
    ] {
        assert_eq!(found(good), [""; 0], "{good}");
    }
    for bad in [
        "fn f() { if a && let Some(b) = c { } }",
        "fn f() { if let Some(a) = b && a { } }",
        "fn f() { while let Some(a) = b() && let Some(c) = a { } }",
    ] {
        expect_one(found(bad), "runtime/src/a.rs:1: `let` in a chain");
    }
}

#[test]
fn no_dependency_needs_a_newer_rust() {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("it is there");
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--format-version", "1", "--features"])
        .arg(held_features(&manifest).join(","))
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata failed: {errors}");
    expect_none("packages that are too new", too_new(&String::from_utf8_lossy(&output.stdout)));
}

#[test]
fn what_is_not_held_to_the_promise_is_said() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).expect("it is there");
    let (manifest, readme, run) = (read("Cargo.toml"), read("README.md"), read(".ci/run"));
    let held = held_features(&manifest);
    assert!(held.len() >= 8 && held.contains(&"default"), "{held:?}");
    for (feature, needs) in NEWER {
        assert!(manifest.contains(&format!("\n{feature} = ")), "there is no feature {feature}");
        let said = readme.lines().any(|line| line.contains(feature) && line.contains(needs));
        assert!(said, "the README does not say that {feature} needs Rust {needs}");
        assert!(run.contains(feature), ".ci/run does not leave {feature} out");
    }
    let all = "\n[features]\ndefault = [\"a\"]\n# why\na = []\nhickory_0_26 = []\n\n[dependencies]\nb = 1\n";
    assert_eq!(held_features(all), ["default", "a"]);
}

#[test]
fn the_promise_is_what_the_manifest_says() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("it is there");
    let (_, text) = manifest.split_once("rust-version = \"").expect("the workspace promises one");
    assert_eq!(version(text.split('"').next().expect("it ends")), Some(PROMISED));
}

#[test]
fn a_newer_package_is_found() {
    let package = |name: &str, needs: &str| {
        format!(r#"{{"manifest_path":"/r/{name}-1.0/Cargo.toml","rust_version":{needs}}},"#)
    };
    let good = package("old", "\"1.63\"") + &package("silent", "null");
    assert_eq!(too_new(&good), [""; 0]);
    assert_eq!(too_new(&(good.clone() + &package("same", "\"1.85.1\""))), [""; 0]);
    assert_eq!(too_new(&(good.clone() + &package("criterion", "\"1.99\""))), [""; 0]);
    expect_one(too_new(&(good.clone() + &package("new", "\"1.86\""))), "new-1.0 needs Rust 1.86");
    expect_one(too_new(&(good + &package("odd", "\"2\""))), "odd-1.0 needs Rust 2");
}
