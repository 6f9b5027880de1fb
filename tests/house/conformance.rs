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
/// Where functions stand that need not be tests: the example that must not compile is.
const REFUSED: &str = "tests/refused/";
/// Rows that run, at the least, and rows that do not apply, at the most.
const ENOUGH: usize = 560;
const TOO_MANY: usize = 90;
/// Where the figures stand as well.
const EVIDENCE: &str = "docs/evidence/asyncio.md";

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
    runs: bool,
}

/// How many rows there are, run, are for later, and do not apply.
#[derive(Clone, Copy)]
struct Figures {
    all: usize,
    run: usize,
    later: usize,
    never: usize,
}

impl Figures {
    fn of(rows: &[Line<'_>]) -> Self {
        let notes = || {
            rows.iter().filter_map(|l| if let Line::Row(row) = l { Some(row.note) } else { None })
        };
        let noted = |word: &str| notes().filter(|note| note.starts_with(word)).count();
        let (all, later, never) = (notes().count(), noted(NOTES[0]), noted(NOTES[1]));
        Self { all, run: all - later - never, later, never }
    }

    /// What is short of the promise, or is said otherwise in [`EVIDENCE`].
    fn wrong(self, evidence: &str) -> Vec<String> {
        let Self { all, run, later, never } = self;
        let mut found = Vec::new();
        if run < ENOUGH {
            found.push(format!("{ROWS}: {run} rows run; {ENOUGH} are promised"));
        }
        if never > TOO_MANY {
            found
                .push(format!("{ROWS}: {never} rows do not apply; {TOO_MANY} at the most may not"));
        }
        if later > 0 {
            found.push(format!("{ROWS}: {later} rows are for later; write their tests"));
        }
        let [all, run, never] = [all, run, never].map(thousands);
        let said = format!("{all} rows, {run} run, {never} are not applicable");
        if !evidence.contains(&said) {
            found.push(format!("{EVIDENCE}: it does not say {said:?}; correct its figures"));
        }
        found
    }
}

/// A number below a million as pages have it.
fn thousands(n: usize) -> String {
    if n < 1000 { n.to_string() } else { format!("{},{:03}", n / 1000, n % 1000) }
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
        // What stands above the function: does it run, and is it left out?
        let (mut tested, mut ignored) = (false, false);
        for (i, line) in file.text.lines().enumerate() {
            if let Some(row) = line.strip_prefix("// conforms: ") {
                let (section, row) = row.split_once(' ').unwrap_or((row, ""));
                open.push((format!("{}:{}", file.path, i + 1), section.into(), row.into()));
            } else if let Some(words) = line.strip_prefix("// differs: ") {
                words.clone_into(&mut differs);
            } else if is_run(folder, line) {
                tested = true;
            } else if line.trim_start().starts_with("#[") && line.contains("ignore") {
                ignored = true;
            } else if let Some(name) = function(line) {
                let runs = std::mem::take(&mut tested) & !std::mem::take(&mut ignored);
                let test = format!("{module}::{}", name.split('(').next().unwrap_or(name));
                let differs = std::mem::take(&mut differs);
                found.extend(open.drain(..).map(|(place, section, row)| Claim {
                    place,
                    section,
                    row,
                    test: test.clone(),
                    differs: differs.clone(),
                    runs,
                }));
            }
        }
    }
    found
}

/// Whether a line makes the function below it run.
fn is_run(folder: &str, line: &str) -> bool {
    let refused = folder == REFUSED && line.starts_with("/// ```compile_fail");
    refused || line.trim() == "#[test]"
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
        if !claim.runs {
            found.push(format!("{}: {} is no test that runs", claim.place, claim.test));
        }
    }
    found
}

fn page(rows: &[Line<'_>], claims: &[Claim]) -> String {
    let all = || rows.iter().filter_map(|l| if let Line::Row(row) = l { Some(row) } else { None });
    let Figures { run, later, never, .. } = Figures::of(rows);
    let differ = claims.iter().filter(|claim| !claim.differs.is_empty()).count();
    let mut page = format!(
        "# Conformance with asyncio\n\n\
         Made from `{ROWS}` and the tests beside it by `{UPDATE}`; a house test keeps it fresh.\n\n\
         Each row is a test of CPython's own suite (3.14) or a measured behaviour. Tags: **A** carries \
         over as it is; **R** is the same behaviour in Rust's terms; **L** is an order that holds \
         exactly on one worker without a LIFO slot, and for each object on every runtime; **D** \
         deviates. What asyncio does was recorded from CPython 3.11 where it is not obvious \
         (`{RECORDED}`).\n\n\
         {} rows: {run} run ({differ} with a stated difference), {later} later, {never} not \
         applicable.\n",
        all().count(),
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
    let evidence = fs::read_to_string(root().join(EVIDENCE)).expect("the page is there");
    expect_none("conformance", Figures::of(&rows).wrong(&evidence));
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

#[test]
fn rows_that_nothing_runs_for_are_found() {
    let found = |path, above: &str| {
        let text =
            format!("#[test]\nfn before() {{}}\n// conforms: 8 test_a\n{above}fn ours() {{}}\n");
        wrong(&lines("8 | test_a | A | does a\n"), &claims(&Tree::of(&[(path, &text)])))
    };
    let here = "tests/conformance/lock.rs";
    expect_none("a test", found(here, "#[test]\n#[should_panic]\n"));
    expect_one(found(here, ""), "lock.rs:3: lock::ours is no test that runs");
    expect_one(found(here, "// #[test]\n"), "no test that runs");
    // Another rule looks for the attribute itself, here as well.
    for ignored in ["ignore", "ignore = \"slow\""] {
        expect_one(found(here, &format!("#[test]\n#[{ignored}]\n")), "no test that runs");
    }
    expect_one(found(here, "#[cfg_attr(miri, ignore)]\n#[test]\n"), "no test that runs");
    let example = "/// ```compile_fail,E0277\n/// x\n/// ```\n";
    expect_none("an example", found("tests/refused/sync.rs", example));
    expect_one(found("tests/refused/sync.rs", "/// ```\n/// x\n/// ```\n"), "no test that runs");
    expect_one(found(here, example), "no test that runs");
}

#[test]
fn figures_that_fall_short_are_found() {
    let good = Figures { all: 1085, run: 1017, later: 0, never: 68 };
    let said = "of CPython's; 1,085 rows, 1,017 run, 68 are not applicable, each";
    expect_none("good figures", good.wrong(said));
    expect_one(good.wrong("1,085 rows, 1,016 run, 69 are not applicable"), "1,017 run");
    let figures = |run, later, never| Figures { all: run + later + never, run, later, never };
    let few = figures(559, 0, 90);
    expect_one(few.wrong("649 rows, 559 run, 90 are not applicable"), "559 rows run");
    let many = figures(560, 0, 91);
    expect_one(many.wrong("651 rows, 560 run, 91 are not applicable"), "91 rows do not apply");
    let later = figures(560, 1, 0);
    expect_one(later.wrong("561 rows, 560 run, 0 are not applicable"), "1 rows are for later");
    let rows = "8 | a | A | a\n8 | b | A | b | later: x\n8 | c | A | c | not applicable: x\n";
    let Figures { all, run, later, never } = Figures::of(&lines(rows));
    assert_eq!((all, run, later, never), (3, 1, 1, 1));
}
