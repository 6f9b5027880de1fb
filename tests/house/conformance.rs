//! docs/conformance.md is made from tests/conformance: from the rows, which say what asyncio does,
//! and from the tests that carry `// conforms: SECTION TEST`.
//!
//! `CORIO_UPDATE=1 cargo test -p corio-tests --test house conformance` writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use crate::source::{Tree, root};
use crate::{expect_none, expect_one};

const ROWS: &str = "tests/conformance/rows.txt";
/// Where tests carry rows, and what stands before their modules on the page.
const TESTS: [(&str, &str); 4] = [
    ("tests/conformance/", ""),
    ("tests/io/", "io::"),
    ("tests/debug/", "debug::"),
    ("tests/refused/", "refused::"),
];
const RECORDED: &str = "tests/conformance/recorded";
const PAGE: &str = "docs/conformance.md";
const UPDATE: &str = "CORIO_UPDATE=1 cargo test -p corio-tests --test house conformance";

/// What a row may say instead of having a test.
const NOTES: [&str; 2] = ["later: ", "not applicable: "];

/// One behaviour.
struct Row<'a> {
    section: &'a str,
    test: &'a str,
    tag: &'a str,
    behaviour: &'a str,
    note: &'a str,
}

/// One test of ours, for one row.
struct Claim {
    place: String,
    section: String,
    row: String,
    test: String,
    differs: String,
}

/// Headings and rows in order.
enum Line<'a> {
    Heading(&'a str),
    Row(Row<'a>),
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            found.push(Line::Heading(heading));
        } else if !line.is_empty() && !line.starts_with('#') {
            let mut cells = line.split(" | ").map(str::trim);
            let mut next = || cells.next().unwrap_or("");
            let [section, test, tag, behaviour, note] = [(); 5].map(|()| next());
            found.push(Line::Row(Row { section, test, tag, behaviour, note }));
        }
    }
    found
}

/// The markers above each test, with the difference that the test states.
fn claims(tree: &Tree) -> Vec<Claim> {
    let mut found = Vec::new();
    for file in &tree.files {
        let place = TESTS.iter().find(|(folder, _)| file.path.starts_with(folder));
        let Some((folder, prefix)) = place else { continue };
        let module = format!("{prefix}{}", file.path[folder.len()..].trim_end_matches(".rs"));
        let (mut open, mut differs) = (Vec::new(), String::new());
        for (i, line) in file.text.lines().enumerate() {
            if let Some(row) = line.strip_prefix("// conforms: ") {
                let (section, row) = row.split_once(' ').unwrap_or((row, ""));
                open.push((format!("{}:{}", file.path, i + 1), section.into(), row.into()));
            } else if let Some(words) = line.strip_prefix("// differs: ") {
                words.clone_into(&mut differs);
            } else if let Some(name) = function(line) {
                let test = format!("{module}::{}", name.split('(').next().unwrap_or(name));
                let differs = std::mem::take(&mut differs);
                found.extend(open.drain(..).map(|(place, section, row)| Claim {
                    place,
                    section,
                    row,
                    test: test.clone(),
                    differs: differs.clone(),
                }));
            }
        }
    }
    found
}

/// The name of the function that a line begins, and what follows it.
fn function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("pub ").unwrap_or(line).strip_prefix("fn ")
}

fn wrong(rows: &[Line<'_>], claims: &[Claim]) -> Vec<String> {
    let mut found = Vec::new();
    let mut known = BTreeMap::new();
    for line in rows {
        let Line::Row(row) = line else { continue };
        let name = (row.section, row.test);
        if known.insert(name, ()).is_some() {
            found.push(format!("{ROWS}: {name:?} stands there twice"));
        }
        if !matches!(row.tag, "A" | "R" | "D" | "L") || row.behaviour.is_empty() {
            found.push(format!("{ROWS}: {name:?} lacks a tag or a behaviour"));
        }
        let tested = claims.iter().any(|c| (c.section.as_str(), c.row.as_str()) == name);
        let noted = NOTES.iter().any(|note| row.note.starts_with(note));
        if tested && !row.note.is_empty() {
            found.push(format!("{ROWS}: {name:?} has a test; drop the note"));
        } else if !tested && !noted {
            found.push(format!(
                "{ROWS}: {name:?} has no test; write one with `// conforms: {} {}`, or a note \
                 (`later: why`, `not applicable: why`)",
                row.section, row.test
            ));
        }
    }
    for claim in claims {
        let name = (claim.section.as_str(), claim.row.as_str());
        if !known.contains_key(&name) {
            found.push(format!("{}: {name:?} is no row of {ROWS}", claim.place));
        }
    }
    found
}

fn page(rows: &[Line<'_>], claims: &[Claim]) -> String {
    let all = || rows.iter().filter_map(|l| if let Line::Row(row) = l { Some(row) } else { None });
    let noted = |note: &str| all().filter(|row| row.note.starts_with(note)).count();
    let (later, never) = (noted(NOTES[0]), noted(NOTES[1]));
    let differ = claims.iter().filter(|claim| !claim.differs.is_empty()).count();
    let mut page = format!(
        "# Conformance with asyncio\n\n\
         Made from `{ROWS}` and the tests beside it by `{UPDATE}`; a house test keeps it fresh.\n\n\
         Each row is a test of CPython's own suite (3.14) or a measured behaviour. Tags: **A** carries \
         over as it is; **R** is the same behaviour in Rust's terms; **L** is an order that holds \
         exactly on one worker without a LIFO slot, and for each object on every runtime; **D** \
         deviates. What asyncio does was recorded from CPython 3.11 where it is not obvious \
         (`{RECORDED}`).\n\n\
         {} rows: {} run ({differ} with a stated difference), {later} later, {never} not \
         applicable.\n",
        all().count(),
        all().count() - later - never,
    );
    for line in rows {
        match line {
            Line::Heading(heading) => {
                let head = "| asyncio's test | tag | behaviour | corio |\n|---|---|---|---|";
                let _ = write!(page, "\n## {heading}\n\n{head}\n");
            }
            Line::Row(row) => {
                let ours = claims.iter().filter(|c| c.section == row.section && c.row == row.test);
                let mut cells: Vec<_> = ours.map(cell).collect();
                if !row.note.is_empty() {
                    cells.push(row.note.to_owned());
                }
                let Row { test, tag, behaviour, .. } = row;
                let _ = writeln!(page, "| {test} | {tag} | {behaviour} | {} |", cells.join("; "));
            }
        }
    }
    page
}

fn cell(claim: &Claim) -> String {
    let Claim { test, differs, .. } = claim;
    if differs.is_empty() { format!("`{test}`") } else { format!("`{test}`; differs: {differs}") }
}

#[test]
fn conformance_has_a_test_or_a_reason_for_each_row() {
    let text = fs::read_to_string(root().join(ROWS)).expect("the rows are there");
    let (rows, claims) = (lines(&text), claims(Tree::load()));
    expect_none("conformance", wrong(&rows, &claims));
    let page = page(&rows, &claims);
    let path = root().join(PAGE);
    if std::env::var_os("CORIO_UPDATE").is_some() {
        fs::write(&path, &page).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "{PAGE} is stale; run `{UPDATE}`");
}

#[test]
fn conformance_findings_are_found() {
    let tests = "// conforms: 8 test_a\n// differs: a little\n#[test]\nfn ours() {}\n\
                 // conforms: 8 test_x\n#[test]\nfn other() {}\n";
    let tree = Tree::of(&[("tests/conformance/lock.rs", tests)]);
    let claims = claims(&tree);
    let rows = "## 8. Lock\n8 | test_a | A | does a\n8 | test_x | L | does x\n";
    expect_none("good rows", wrong(&lines(rows), &claims));
    let made = page(&lines(rows), &claims);
    assert!(made.contains("| test_a | A | does a | `lock::ours`; differs: a little |"), "{made}");
    assert!(made.contains("2 rows: 2 run (1 with a stated difference), 0 later"), "{made}");
    let with = |more: &str| wrong(&lines(&format!("{rows}{more}")), &claims);
    expect_one(with("8 | test_b | A | does b\n"), "has no test");
    expect_one(with("8 | test_b | A | does b | some day\n"), "has no test");
    expect_none("a reason", with("8 | test_b | A | does b | later: because\n"));
    expect_one(with("8 | test_a | A | does a\n"), "twice");
    expect_one(with("8 | test_b | X | does b | later: because\n"), "lacks a tag");
    let noted = "8 | test_a | A | does a | later: why\n8 | test_x | L | does x\n";
    expect_one(wrong(&lines(noted), &claims), "drop the note");
    expect_one(wrong(&lines("8 | test_a | A | does a\n"), &claims), "lock.rs:5");
}
