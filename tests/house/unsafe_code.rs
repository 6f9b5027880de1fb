//! Unsafe code: only where it is listed, and never without its reason.

use crate::allow::Allowed;
use crate::source::{File, Tree, is_word};
use crate::{expect_none, expect_one};

/// A reason stands at most this many lines above its block.
const LINES_ABOVE_MAX: usize = 16;
/// The documentation of an unsafe function or trait may be longer.
const DOC_LINES_MAX: usize = 80;

/// What follows the word `unsafe`.
#[derive(PartialEq)]
enum Kind {
    /// A block or an `impl`: somebody vouches for something.
    Vouches,
    /// A function or a trait: somebody demands something.
    Demands,
    /// A type such as `unsafe fn(*const ())`, or an attribute.
    Type,
}

fn uses(file: &File) -> Vec<(usize, Kind)> {
    let tokens = file.tokens();
    let mut found = Vec::new();
    for (i, token) in tokens.iter().enumerate().filter(|(_, t)| t.text == "unsafe") {
        let mut after = tokens[i + 1..].iter().map(|t| t.text).filter(|t| *t != "\"");
        let kind = match after.find(|t| *t != "extern" && *t != "C") {
            Some("{" | "impl") => Kind::Vouches,
            Some("fn") if after.next().is_some_and(is_word) => Kind::Demands,
            Some("trait") => Kind::Demands,
            _ => Kind::Type,
        };
        found.push((token.at, kind));
    }
    found
}

fn reasons(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in &tree.files {
        let lines: Vec<&str> = file.text.lines().collect();
        // A safety comment may serve the few lines below it, not code behind an empty line.
        let above = |line: usize, max: usize, word: &str| {
            let first = line.saturating_sub(max);
            lines[first..line].iter().rev().take_while(|l| !l.trim().is_empty()).any(|l| {
                let l = l.trim_start();
                l.contains(word) && (l.starts_with("//") || l.contains("// SAFETY"))
            })
        };
        for (at, kind) in uses(file) {
            let line = file.line(at);
            let place = file.place(at);
            match kind {
                Kind::Vouches if !above(line, LINES_ABOVE_MAX, "SAFETY:") => {
                    found.push(format!(
                        "{place}: no `// SAFETY:` above; name the invariant and who upholds it, or \
                         in a model take a shim::Witness"
                    ));
                }
                Kind::Demands
                    if !above(line, DOC_LINES_MAX, "# Safety")
                        && !above(line, LINES_ABOVE_MAX, "SAFETY:") =>
                {
                    found.push(format!("{place}: no `# Safety` section; say what the caller owes"));
                }
                _ => {}
            }
        }
    }
    found
}

fn listed(tree: &Tree, allowed: &Allowed) -> Vec<String> {
    // A model or a test reaches into what it checks; its file needs no line of its own.
    let is_unsafe =
        |file: &File| uses(file).iter().any(|(at, kind)| *kind != Kind::Type && !file.is_test(*at));
    let mut found: Vec<String> = tree
        .files
        .iter()
        .filter(|file| is_unsafe(file) && !allowed.has(&file.path))
        .map(|file| {
            let path = &file.path;
            let place = file.place(uses(file)[0].0);
            format!(
                "{place}: unsafe code; do without, or add `{path}: why` to tests/house/unsafe.txt"
            )
        })
        .collect();
    found.extend(allowed.findings(tree, |path| tree.file(path).is_some_and(is_unsafe)));
    found
}

#[test]
fn unsafe_code_is_listed() {
    expect_none("files with unsafe code", listed(Tree::load(), &Allowed::load("unsafe.txt")));
}

#[test]
fn unsafe_code_gives_its_reasons() {
    expect_none("reasons of unsafe code", reasons(Tree::load()));
}

#[test]
fn unlisted_and_stale_are_found() {
    let tree = Tree::of(&[("sync/src/a.rs", "fn f() { unsafe { g() } }")]);
    expect_one(listed(&tree, &Allowed::parse("l", "")), "sync/src/a.rs:1: unsafe code");
    expect_none("listed", listed(&tree, &Allowed::parse("l", "sync/src/a.rs: it must")));
    expect_one(listed(&tree, &Allowed::parse("l", "sync/src/a.rs:")), "gives no reason");
    let tree = Tree::of(&[("sync/src/a.rs", "type V = unsafe fn(*const ());")]);
    expect_one(listed(&tree, &Allowed::parse("l", "sync/src/a.rs: it must")), "no longer needs");
    expect_one(listed(&tree, &Allowed::parse("l", "sync/src/b.rs: gone")), "there is no");
}

#[test]
fn a_missing_reason_is_found() {
    let bad = Tree::of(&[("a.rs", "fn f() {\n    // SAFETY: old.\n\n    unsafe { g() }\n}")]);
    expect_one(reasons(&bad), "a.rs:4: no `// SAFETY:`");
    let bad = Tree::of(&[("a.rs", "/// Does.\npub unsafe fn f() {}")]);
    expect_one(reasons(&bad), "a.rs:2: no `# Safety`");
    let bad = Tree::of(&[("a.rs", "unsafe impl Send for X {}")]);
    expect_one(reasons(&bad), "a.rs:1");
    let once = "#![cfg(test)]\n// SAFETY: loom watches.\n\nfn f() { unsafe { g() } }";
    expect_one(reasons(&Tree::of(&[("a.rs", once)])), "a.rs:4");
    let good = Tree::of(&[(
        "a.rs",
        "/// # Safety\n///\n/// Mind the gap.\nunsafe fn f() {}\n// SAFETY: g is sound.\nlet x = unsafe { g() };",
    )]);
    expect_none("a good file", reasons(&good));
}
