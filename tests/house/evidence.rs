//! docs/evidence says which test shows which promise; what it names must be there.
//!
//! A reference stands in backticks in the last cell of a row:
//!
//! - `PATH::function`: a test, or an example that the compiler must refuse
//! - `loom:name`, `shuttle:name`: a model; `name_*` for all whose names begin so
//! - `mutants:module.`: the seeded bugs of a module's named sites
//! - `row:name`: a row of the comparison
//! - `PATH`, `PATH --option`: a file, a folder or a script

use std::fs;

use crate::repository::{PROTOCOLS, site_modules};
use crate::source::{Tree, root, walk};
use crate::{expect_none, expect_one};

const PAGES: &str = "docs/evidence/";
const ROWS: &str = "bench/src/rows/";
/// Attributes, and lines of documentation, that a test may have between its mark and its name.
const MARK_WITHIN: usize = 40;

/// What references may name.
struct Known<'a> {
    tree: &'a Tree,
    /// `.ci/models.txt`.
    models: String,
    /// `.ci/run`, which tries the seeded bugs.
    run: String,
}

impl Known<'_> {
    fn has_model(&self, engine: &str, name: &str) -> bool {
        let names = self.models.lines().filter_map(|line| {
            let mut words = line.split(' ');
            (words.next() == Some(engine)).then(|| words.nth(1))?
        });
        match name.strip_suffix('*') {
            Some(start) => names.into_iter().any(|known| known.starts_with(start)),
            None => names.into_iter().any(|known| known == name),
        }
    }

    fn has_row(&self, name: &str) -> bool {
        let word = format!("\"{name}\"");
        self.tree.below(&[ROWS]).any(|file| file.text.contains(&word))
    }

    /// True if the file has a test of that name.
    fn has_test(&self, path: &str, name: &str) -> bool {
        let Some(file) = self.tree.file(path) else { return false };
        let lines: Vec<_> = file.text.lines().collect();
        let begins = format!("fn {name}(");
        let functions = (0..lines.len()).filter(|&at| lines[at].contains(&begins));
        functions.into_iter().any(|at| {
            let above = lines[..at].iter().rev().take(MARK_WITHIN).map(|line| line.trim());
            let own = above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
            let marks = ["#[test]", "#[corio::test", "```compile_fail"];
            own.into_iter().any(|line| marks.iter().any(|mark| line.contains(mark)))
        })
    }

    fn has(&self, reference: &str) -> bool {
        if let Some((path, name)) = reference.split_once("::") {
            return self.has_test(path, name);
        }
        match reference.split_once(':') {
            Some((engine @ ("loom" | "shuttle"), name)) => self.has_model(engine, name),
            // All of them, every time.
            Some(("mutants", module)) => {
                let mut sites = self.tree.below(&PROTOCOLS).flat_map(site_modules);
                self.run.contains("mutants.sh --all")
                    && sites.any(|site| module.strip_suffix('.') == Some(site))
            }
            Some(("row", name)) => self.has_row(name),
            Some(_) => false,
            None => {
                let path = reference.split(' ').next().unwrap_or_default();
                path.contains('/') && root().join(path).exists()
            }
        }
    }
}

/// What is wrong with the tables of a page.
fn wrong(known: &Known<'_>, page: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let place = format!("{page}:{}", i + 1);
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else {
            continue;
        };
        let Some((promise, shown)) = row.rsplit_once(" | ") else {
            found.push(format!("{place}: a row is a promise and what shows it"));
            continue;
        };
        if shown == "shown by" {
            continue;
        }
        let references: Vec<_> = shown.split('`').skip(1).step_by(2).collect();
        let links = shown.contains("](");
        if references.is_empty() && !links {
            found.push(format!("{place}: nothing shows {promise:?}; name a test, or say why not"));
        }
        for reference in references.into_iter().filter(|reference| !known.has(reference)) {
            found.push(format!("{place}: there is no {reference}; name it as it is called now"));
        }
    }
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("a file of ours is UTF-8")
}

#[test]
fn evidence_names_what_is_there() {
    let known = Known { tree: Tree::load(), models: read(".ci/models.txt"), run: read(".ci/run") };
    let (mut found, mut rows) = (Vec::new(), 0);
    walk(&root().join(PAGES), &mut |shown, path| {
        let text = fs::read_to_string(path).expect("a page is UTF-8");
        rows += text.lines().filter(|line| line.starts_with("| ")).count();
        found.extend(wrong(&known, &shown, &text));
    });
    assert!(rows > 100, "{rows} rows only");
    expect_none("evidence", found);
}

#[test]
fn evidence_that_is_gone_is_found() {
    let tree = Tree::of(&[
        ("a/b.rs", "#[test]\nfn shows() {}\nfn helps() {}\n#[test]\n#[cfg(unix)]\nfn too() {}\n"),
        ("a/c.rs", "/// ```compile_fail,E0277\n/// no();\n/// ```\npub fn refused() {}\n"),
        ("bench/src/rows/x.rs", "Row::new(\"echo\", \"\")"),
        ("sync/src/x.rs", "ord(\"idle.claim\", Acquire); fence_at(\"last.fence\")"),
    ]);
    let known = Known {
        tree: &tree,
        models: "loom a one_two\nshuttle a two_one\n".to_owned(),
        run: "bash .ci/mutants.sh --all\n".to_owned(),
    };
    let row = |shown: &str| wrong(&known, "p.md", &format!("| it holds | {shown} |"));
    let head = "| promise | shown by |\n|---|---|\n";
    expect_none("a head", wrong(&known, "p.md", head));
    expect_none(
        "good ones",
        row("`a/b.rs::shows`, `a/b.rs::too`, `a/c.rs::refused`, `loom:one_two`, `loom:one_*`, \
             `shuttle:two_one`, `mutants:idle.`, `mutants:last.`, `row:echo`, `tests/house`, \
             `tests/Cargo.toml --option`"),
    );
    expect_none("a reason", row("missed: [why](../performance.md)"));
    expect_one(row("trust us"), "nothing shows");
    expect_one(row("`a/b.rs::gone`"), "there is no a/b.rs::gone");
    expect_one(row("`a/b.rs::helps`"), "there is no a/b.rs::helps");
    expect_one(row("`a/z.rs::shows`"), "there is no a/z.rs::shows");
    expect_one(row("`loom:two_one`"), "there is no loom:two_one");
    expect_one(row("`shuttle:t_*`"), "there is no shuttle:t_*");
    expect_one(row("`mutants:deque.`"), "there is no mutants:deque.");
    expect_one(row("`row:echo_1`"), "there is no row:echo_1");
    expect_one(row("`tests/no-such-folder`"), "there is no tests/no-such-folder");
    expect_one(row("`cargo test`"), "there is no cargo test");
    expect_one(wrong(&known, "p.md", "| alone |"), "a row is a promise");
}
