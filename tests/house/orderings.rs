//! The comments that justify memory orderings, and whether they still refer to something.
//!
//! A comment reads `// Ordering(name): Release; pairs with Ordering(other). What becomes visible;
//! what breaks without it.` It begins its line and may go on for several. Every name is given
//! once in the whole workspace, every partner exists and names the first one back, and every
//! function that touches an atomic has such a comment. So a rename cannot leave a comment behind.

use std::collections::BTreeMap;

use crate::source::{File, Tree};
use crate::{expect_none, expect_one};

const FOLDERS: [&str; 3] = ["sync/src/", "runtime/src/", "io/src/"];
/// The shim passes orderings on; it relies on none.
const SHIM: &str = "sync/src/shim/";
const WORDS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// One `Ordering(name): ..` comment.
#[derive(Debug)]
struct Claim {
    name: String,
    place: String,
    /// What it says up to the first stop or semicolon.
    kind: String,
    partners: Vec<String>,
}

fn files(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.below(&FOLDERS).filter(|f| !f.path.starts_with(SHIM))
}

/// Names in a list such as `a.b, c.d`.
fn names(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(|n| n.trim().trim_matches('`').to_owned()).filter(|n| !n.is_empty())
}

/// The names in the `Ordering(..)` of a text.
fn references(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("Ordering(") {
        let Some((inside, behind)) = after.split_once(')') else { break };
        found.extend(names(inside));
        rest = behind;
    }
    found
}

/// The sentence that begins at `text`: up to a stop or semicolon before a space, or to the end.
fn sentence(text: &str) -> &str {
    let ends = [". ", "; "].iter().filter_map(|stop| text.find(stop)).min();
    &text[..ends.unwrap_or(text.len())]
}

/// Partners: every reference in a sentence that says `pair`.
fn partners(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("pair") {
        let said = sentence(&rest[at..]);
        found.extend(references(said));
        rest = &rest[at + said.len().max("pair".len())..];
    }
    found
}

fn claims(file: &File) -> Vec<Claim> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut last_line = 0;
    let mut open = false;
    for comment in &file.comments {
        let starts = comment.text.strip_prefix("Ordering(").is_some_and(|rest| {
            rest.split_once(')').is_some_and(|(_, behind)| behind.starts_with(':'))
        });
        if starts {
            found.push((comment.line, comment.text.clone()));
            open = true;
        } else if open && comment.line == last_line + 1 && !comment.text.is_empty() {
            let (_, text) = found.last_mut().expect("an open comment was pushed");
            text.push(' ');
            text.push_str(&comment.text);
        } else {
            open = false;
        }
        last_line = comment.line;
    }
    let mut claims = Vec::new();
    for (line, text) in found {
        let rest = text.strip_prefix("Ordering(").expect("it begins so");
        let (inside, said) = rest.split_once("):").expect("it goes on so");
        for name in names(inside) {
            let kind = sentence(said).split(", pair").next().unwrap_or_default().to_owned();
            let place = format!("{}:{line}", file.path);
            claims.push(Claim { name, place, kind, partners: partners(said) });
        }
    }
    claims
}

fn pairs(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let mut by_name: BTreeMap<String, Claim> = BTreeMap::new();
    for claim in files(tree).flat_map(claims) {
        if let Some(first) = by_name.get(&claim.name) {
            found.push(format!(
                "{}: Ordering({}) is already at {}; give each comment a name of its own",
                claim.place, claim.name, first.place
            ));
        } else {
            by_name.insert(claim.name.clone(), claim);
        }
    }
    for claim in by_name.values() {
        let (name, place) = (&claim.name, &claim.place);
        let strong = WORDS[1..].iter().chain(&["fence"]).any(|w| claim.kind.contains(w));
        if !strong && !claim.kind.contains("elaxed") {
            found.push(format!(
                "{place}: Ordering({name}) does not begin with an ordering: {:?}",
                claim.kind.trim()
            ));
        } else if strong && claim.partners.is_empty() {
            found.push(format!(
                "{place}: Ordering({name}) names no partner; say `pairs with Ordering(other)`"
            ));
        }
        for partner in &claim.partners {
            match by_name.get(partner) {
                None => found.push(format!(
                    "{place}: Ordering({name}) pairs with Ordering({partner}), which is nowhere; \
                     name the other side as its own comment does"
                )),
                Some(other) if !other.partners.contains(name) => found.push(format!(
                    "{place}: Ordering({name}) pairs with Ordering({partner}), but {} does not \
                     name it back",
                    other.place
                )),
                Some(_) => {}
            }
        }
    }
    found
}

/// Orderings handed to an atomic operation or a fence: where, and which.
fn sites(file: &File) -> Vec<(usize, &str)> {
    let tokens = file.tokens();
    let mut found = Vec::new();
    let mut in_use = false;
    for (i, token) in tokens.iter().enumerate() {
        match token.text {
            "use" => in_use = true,
            ";" => in_use = false,
            // `Acquire` is also the name of a future: an ordering is an argument.
            word if !in_use && WORDS.contains(&word) => {
                let before = i.checked_sub(1).map_or("", |b| tokens[b].text);
                let after = tokens.get(i + 1).map_or("", |t| t.text);
                if matches!(before, "(" | "," | "::") && matches!(after, ")" | ",") {
                    found.push((token.at, word));
                }
            }
            _ => {}
        }
    }
    found
}

fn silent(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in files(tree) {
        let functions = file.functions();
        for (at, word) in sites(file).into_iter().filter(|(at, _)| !file.is_test(*at)) {
            // The outermost function: a closure or a nested one shares its comments.
            let Some(function) = functions.iter().find(|f| f.contains(&at)) else { continue };
            let (first, last) = (header_line(file, function.start), file.line(function.end));
            let relaxed_only = word == "Relaxed";
            let said = file.comments.iter().filter(|c| (first..=last).contains(&c.line)).any(|c| {
                c.text.contains("Ordering(")
                    || relaxed_only && (c.text.contains("Ordering:") || c.text.contains("elaxed"))
            });
            if !said {
                found.push(format!(
                    "{}: {word} without a word; write `// Ordering(name): {word}; ..`",
                    file.place(at)
                ));
            }
        }
    }
    found
}

/// The first line of the comments and attributes above a function.
fn header_line(file: &File, start: usize) -> usize {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut line = file.line(start);
    while line > 1 {
        let above = lines[line - 2].trim_start();
        if !above.starts_with("//") && !above.starts_with("#[") {
            break;
        }
        line -= 1;
    }
    line
}

/// SeqCst accesses are weaker in models than in programs; the fence is not.
fn sequential(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|f| !f.path.starts_with("bench/")) {
        for (at, word) in sites(file) {
            let before = file.code[..at].trim_end().trim_end_matches("Ordering::");
            let fence = before.trim_end().ends_with("fence(");
            if word == "SeqCst" && !fence && !file.is_test(at) {
                found.push(format!(
                    "{}: SeqCst outside a fence; use acquire and release, and \
                     shim::fence_at(\"module.site\") where a store must come before a load",
                    file.place(at)
                ));
            }
        }
    }
    found
}

#[test]
fn orderings_pair_up() {
    expect_none("ordering comments", pairs(&Tree::load()));
}

#[test]
fn orderings_are_explained() {
    expect_none("orderings without a comment", silent(&Tree::load()));
}

#[test]
fn sequential_consistency_stays_in_fences() {
    expect_none("SeqCst", sequential(&Tree::load()));
}

/// A tree of one file in the runtime.
fn one(text: &str) -> Tree {
    Tree::of(&[("runtime/src/task/x.rs", text)])
}

#[test]
fn a_broken_pair_is_found() {
    let good = "// Ordering(a.x): Release; pairs with\n// Ordering(b.y) and Ordering(b.z). Data.\n\
                let a;\n// Ordering(b.y, b.z): Acquire, pairs with Ordering(a.x); sees it.\n\
                // Ordering(c): Relaxed; a hint.";
    expect_none("a good file", pairs(&one(good)));
    expect_one(pairs(&one("// Ordering(a): Acquire; sees it.")), "names no partner");
    expect_one(pairs(&one("// Ordering(a): Release; pairs with Ordering(b).")), "is nowhere");
    let bad = "// Ordering(a): Release; pairs with Ordering(b).\n\n// Ordering(b): Relaxed; hint.";
    expect_one(pairs(&one(bad)), "does not name it back");
    expect_one(pairs(&one("// Ordering(a): Relaxed.\n// Ordering(a): Relaxed.")), "already at");
    expect_one(pairs(&one("// Ordering(a): because.")), "does not begin with an ordering");
}

#[test]
fn a_silent_site_is_found() {
    let bad = "/// Doc.\nfn f() {\n    x.store(1, Ordering::Release);\n}";
    expect_one(silent(&one(bad)), "x.rs:3: Release without a word");
    let good = "fn f() {\n    // Ordering(x): Release; pairs ..\n    x.store(1, Release);\n}\n\
                // Relaxed: a statistic.\nfn g() { n.fetch_add(1, Relaxed); }\n\
                fn h() -> Acquire<'_> { Acquire { lock } }\n\
                #[cfg(test)] mod tests { fn i() { x.load(Acquire); } }";
    expect_none("a good file", silent(&one(good)));
}

#[test]
fn sequential_consistency_is_found() {
    expect_one(sequential(&one("fn f() { x.load(Ordering::SeqCst); }")), "x.rs:1: SeqCst");
    expect_none("a fence", sequential(&one("fn f() { fence(Ordering::SeqCst); fence(SeqCst) }")));
}
