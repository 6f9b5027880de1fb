//! The comments that justify memory orderings, and whether they still refer to something.
//!
//! A comment reads `// Ordering(name): Release; pairs with Ordering(other). What becomes visible;
//! what breaks without it.` It begins its line and may go on for several. Every name is given
//! once in the whole workspace, every partner exists and names the first one back, and every
//! function that touches an atomic has such a comment. So a rename cannot leave a comment behind.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{File, Tree, matching};
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
    /// True if it begins with more than Relaxed; none if it begins with no ordering at all.
    strong: Option<bool>,
    /// What it says behind the name.
    said: String,
    /// Names in `Ordering(..)`: the other sides.
    partners: Vec<String>,
    /// Other names, as in `as Ordering(..)`: comments that say more.
    likened: Vec<String>,
    /// Names in backticks: fences.
    fences: Vec<String>,
}

fn files(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.below(&FOLDERS).filter(|f| !f.path.starts_with(SHIM))
}

/// Names in a list such as `a.b, c.d`.
fn names(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(|n| n.trim().trim_matches('`').to_owned()).filter(|n| !n.is_empty())
}

/// The first ordering that a text begins with.
fn first_ordering(text: &str) -> Option<&'static str> {
    let word: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric()).collect();
    WORDS.iter().chain(&["fence"]).find(|w| w.eq_ignore_ascii_case(&word)).copied()
}

impl Claim {
    fn read(name: String, place: String, said: &str) -> Self {
        let strong = first_ordering(said).map(|word| word != "Relaxed");
        let (mut partners, mut likened) = (Vec::new(), Vec::new());
        for one in said.split(". ") {
            // A sentence that pairs may also say what it is like: `pairs with .., as Ordering(x)`.
            let pairs_from = one.to_ascii_lowercase().find("pair").unwrap_or(one.len());
            let mut at = 0;
            while let Some(found) = one[at..].find("Ordering(") {
                let start = at + found;
                let Some(inside) = one[start + "Ordering(".len()..].split(')').next() else {
                    break;
                };
                let word = one[..start].trim_end().rsplit(' ').next().unwrap_or_default();
                let likens = ["as", "as,", "at", "like", "unlike", "than"];
                let pairs = start > pairs_from && !likens.contains(&word.to_lowercase().as_str());
                if pairs { &mut partners } else { &mut likened }.extend(names(inside));
                at = start + "Ordering(".len();
            }
        }
        if said.contains("with itself") {
            partners.push(name.clone());
        }
        let fences = said.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Self { name, place, strong, said: said.to_owned(), partners, likened, fences }
    }
}

fn claims(file: &File) -> Vec<Claim> {
    let mut found: Vec<(usize, String)> = Vec::new();
    // Whether the last line belongs to a claim, and whether it ended a sentence.
    let (mut last_line, mut open, mut ended) = (0, false, true);
    for comment in &file.comments {
        let text = comment.text.as_str();
        let follows = open && comment.line == last_line + 1 && !text.is_empty();
        let said = text.strip_prefix("Ordering(").and_then(|rest| rest.split_once("):"));
        // A line may also begin with a partner, wherever the one before was full.
        let starts =
            said.is_some_and(|(_, said)| !follows || ended || first_ordering(said).is_some());
        if starts {
            found.push((comment.line, text.to_owned()));
        } else if follows {
            let (_, claim) = found.last_mut().expect("an open claim was pushed");
            claim.push(' ');
            claim.push_str(text);
        }
        open = starts || follows;
        ended = text.ends_with('.');
        last_line = comment.line;
    }
    let mut claims = Vec::new();
    for (line, text) in found {
        let rest = text.strip_prefix("Ordering(").expect("it begins so");
        let (inside, said) = rest.split_once("):").expect("it goes on so");
        let place = format!("{}:{line}", file.path);
        claims.extend(names(inside).map(|name| Claim::read(name, place.clone(), said)));
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
    let fences: BTreeSet<&str> = files(tree).flat_map(fence_sites).map(|(_, name)| name).collect();
    for claim in by_name.values() {
        let (name, place) = (&claim.name, &claim.place);
        let mut say = |what: String| found.push(format!("{place}: Ordering({name}) {what}"));
        let by_fence = claim.fences.iter().any(|f| fences.contains(f.as_str()));
        match claim.strong {
            None => say("does not begin with an ordering; say which, then why".into()),
            Some(true) if claim.partners.is_empty() && claim.likened.is_empty() && !by_fence => {
                say("names no partner; say `pairs with Ordering(other)`".into());
            }
            Some(_) => {}
        }
        for other in claim.likened.iter().filter(|o| !by_name.contains_key(*o)) {
            say(format!("refers to Ordering({other}), which is nowhere"));
        }
        for partner in claim.partners.iter() {
            match by_name.get(partner) {
                None => say(format!(
                    "pairs with Ordering({partner}), which is nowhere; name the other side as its \
                     own comment does"
                )),
                Some(other) if !other.partners.contains(name) => say(format!(
                    "pairs with Ordering({partner}), but {} does not name it back; if it says the \
                     same as that one, write `as Ordering({partner})`",
                    other.place
                )),
                Some(_) => {}
            }
        }
    }
    found
}

/// Calls of `ord("name", ..)`: where, the name, and the ordering if it is a plain one.
fn named_sites(file: &File) -> Vec<(usize, &str, Option<&str>)> {
    let tokens = file.tokens();
    let mut found = Vec::new();
    for (i, three) in tokens.windows(3).enumerate() {
        let call = three[0].text == "ord" && three[1].text == "(" && three[2].text == "\"";
        if !call || file.is_test(three[0].at) {
            continue;
        }
        let name = file.text[three[2].at + 1..].split('"').next().unwrap_or_default();
        let end = matching(&tokens, i + 1);
        let order = tokens[..end].last().map(|t| t.text).filter(|t| WORDS.contains(t));
        found.push((three[0].at, name, order));
    }
    found
}

/// Named sites without a comment of their name, and comments that say another ordering.
fn named_silently(tree: &Tree) -> Vec<String> {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for claim in files(tree).flat_map(claims) {
        said.entry(claim.name).or_default().push_str(&claim.said);
    }
    let mut found = Vec::new();
    for file in files(tree) {
        for (at, name, order) in named_sites(file) {
            let place = file.place(at);
            match (said.get(name), order) {
                (None, _) => found.push(format!(
                    "{place}: ord({name:?}) has no comment; write `// Ordering({name}): ..`"
                )),
                (Some(said), Some(order)) if !said.contains(order) => found.push(format!(
                    "{place}: ord({name:?}) is {order}, and its comment does not say so"
                )),
                _ => {}
            }
        }
    }
    found
}

/// Sequentially consistent fences by name: where, and which.
fn fence_sites(file: &File) -> Vec<(usize, &str)> {
    let tokens = file.tokens();
    let mut found = Vec::new();
    for three in tokens.windows(3) {
        if three[0].text == "fence_at" && three[1].text == "(" && three[2].text == "\"" {
            let rest = &file.text[three[2].at + 1..];
            let name = rest.split('"').next().unwrap_or_default();
            if !file.is_test(three[0].at) {
                found.push((three[0].at, name));
            }
        }
    }
    found
}

/// Fences whose comment does not name the fence on the other side, or that are not named back.
fn lonely_fences(tree: &Tree) -> Vec<String> {
    /// A fence's comment begins at most this many lines above it.
    const LINES_ABOVE_MAX: usize = 16;
    let mut sites: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
    for file in files(tree) {
        for (at, name) in fence_sites(file) {
            let line = file.line(at);
            let near = (line.saturating_sub(LINES_ABOVE_MAX))..=line;
            let comments = file.comments.iter().filter(|c| near.contains(&c.line));
            let said = comments.map(|c| c.text.as_str()).collect::<Vec<_>>().join(" ");
            sites.entry(name).or_default().push((file.place(at), said));
        }
    }
    let names_of = |name: &str| -> BTreeSet<&str> {
        let said = sites[name].iter().map(|(_, said)| said.as_str());
        let words = said.flat_map(|s| s.split(|c: char| !c.is_alphanumeric() && !"._".contains(c)));
        words.map(|w| w.trim_end_matches('.')).filter(|w| sites.contains_key(w)).collect()
    };
    let mut found = Vec::new();
    for (name, places) in &sites {
        let place = &places[0].0;
        let others = names_of(name);
        if !others.iter().any(|o| o != name || places.len() > 1) {
            found.push(format!(
                "{place}: the fence `{name}` names no other; a store is ordered before a load by \
                 two fences: say which is the other, and what each side then sees"
            ));
        }
        if !others.is_empty() && !others.iter().any(|o| o == name || names_of(o).contains(name)) {
            let back = sites[others.iter().next().expect("one is there")][0].0.as_str();
            found.push(format!("{place}: the fence `{name}` is not named back at {back}"));
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

/// SeqCst accesses are weaker in models than in programs; the fence is not. In a test they order
/// what the code under test is to order, and so hide that it does not.
fn sequential(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let folders = ["sync/", "runtime/", "io/"];
    for file in tree.below(&folders).filter(|f| !f.path.starts_with(SHIM)) {
        for (at, word) in sites(file) {
            let before = file.code[..at].trim_end().trim_end_matches("Ordering::");
            let fence = before.trim_end().ends_with("fence(");
            if word == "SeqCst" && !fence {
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
    expect_none("ordering comments", pairs(Tree::load()));
}

#[test]
fn named_orderings_are_what_their_comments_say() {
    expect_none("named orderings", named_silently(Tree::load()));
}

#[test]
fn fences_come_in_pairs() {
    expect_none("fences", lonely_fences(Tree::load()));
}

#[test]
fn orderings_are_explained() {
    expect_none("orderings without a comment", silent(Tree::load()));
}

#[test]
fn sequential_consistency_stays_in_fences() {
    expect_none("SeqCst", sequential(Tree::load()));
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
    expect_one(pairs(&one("// Ordering(a): AcqRel, as Ordering(b).")), "which is nowhere");
}

#[test]
fn other_forms_of_a_pair_are_read() {
    let wrapped = "// Ordering(a): AcqRel; pairs with Ordering(b) and\n// Ordering(c): who sees it.\n\
                   let x;\n// Ordering(b): Acquire. Pairs with Ordering(a): data; as Ordering(c).\n\
                   // Ordering(c): Release; pairs with Ordering(a), and with Ordering(d): both.\n\n\
                   // Ordering(d): AcqRel; pairs with itself and Ordering(c).";
    expect_none("wrapped lines", pairs(&one(wrapped)));
    let fence =
        "// Ordering(a): Acquire; pairs with the fence `m.f`.\nfn f() { fence_at(\"m.f\"); }";
    expect_none("a fence", pairs(&one(fence)));
}

#[test]
fn a_comment_that_says_otherwise_is_found() {
    let bad = "fn f() {\n    // Ordering(a.x): AcqRel; ..\n    x.swap(1, ord(\"a.x\", Ordering::Release));\n}";
    expect_one(named_silently(&one(bad)), "x.rs:3: ord(\"a.x\") is Release");
    expect_one(named_silently(&one("fn f() { x.load(ord(\"a.y\", Acquire)) }")), "has no comment");
    expect_none("a good site", named_silently(&one(&bad.replace("Release", "AcqRel"))));
}

#[test]
fn a_lonely_fence_is_found() {
    let one_side = "// Dekker.\nfn f() { fence_at(\"m.f\"); }";
    expect_one(lonely_fences(&one(one_side)), "the fence `m.f` names no other");
    let not_back = "// Dekker with `m.g`.\nfn f() { fence_at(\"m.f\"); }\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\
                    // Dekker with `m.h`, `m.g`.\nfn g() { fence_at(\"m.g\"); fence_at(\"m.h\"); }";
    expect_one(lonely_fences(&one(not_back)), "`m.f` is not named back");
    let good = "// Dekker with `m.g`.\nfn f() { fence_at(\"m.f\"); }\n// With `m.f`.\nfn g() { fence_at(\"m.g\"); }";
    expect_none("two fences", lonely_fences(&one(good)));
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
    expect_one(sequential(&one("#[cfg(test)]\nmod t { fn f() { x.swap(1, SeqCst) } }")), "x.rs:2");
    expect_none("a fence", sequential(&one("fn f() { fence(Ordering::SeqCst); fence(SeqCst) }")));
}
