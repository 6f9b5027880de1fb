//! What pages and comments name must be there: files, links, environment variables, examples and
//! decisions. A rename would else leave a sentence behind that is wrong.

use std::collections::BTreeSet;
use std::fs;

use crate::source::{Tree, root, walk};
use crate::{expect_none, expect_one};

/// Ends of the names of our files. CPython's tests, which rows name, end in `.py`.
const KINDS: [&str; 7] = [".rs", ".md", ".sh", ".toml", ".txt", ".supp", ".svg"];

/// Made from rows, whose words are checked where they stand.
const GENERATED: &str = "docs/conformance.md";

/// Prefix of our environment variables, put together here so that this file names none.
const VARIABLES: [&str; 2] = ["CORIO", "_"];

/// The paths of the repository, with `/` in front of each, and all text that may use a variable.
struct Repository {
    paths: BTreeSet<String>,
    code: String,
}

impl Repository {
    fn load() -> Self {
        let (mut paths, mut code) = (BTreeSet::new(), String::new());
        walk(&root(), &mut |shown, path| {
            let is_page = shown.ends_with(".md");
            if !is_page && (has_kind(&shown) || shown.starts_with(".ci/")) {
                code += &fs::read_to_string(path).unwrap_or_default();
            }
            paths.insert(format!("/{shown}"));
        });
        Self { paths, code }
    }

    fn of(paths: &[&str], code: &str) -> Self {
        let paths = paths.iter().map(|path| format!("/{path}")).collect();
        Self { paths, code: code.to_owned() }
    }

    /// True for a file's whole path and for its end: pages of a crate name files from their folder.
    fn has(&self, path: &str) -> bool {
        let end = format!("/{path}");
        self.paths.iter().any(|known| known.ends_with(&end))
    }
}

fn has_kind(path: &str) -> bool {
    KINDS.iter().any(|kind| path.len() > kind.len() && path.ends_with(kind))
}

/// What stands in backticks in a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The paths of files in a line's quotes, without the number of a line behind them.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let words = quoted(line).flat_map(str::split_whitespace);
    words.map(|word| word.split(':').next().unwrap_or_default()).filter(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        // Capitals stand for what the reader fills in.
        let template = word.contains("NAME") || word.contains("NN_") || word.contains("name-");
        has_kind(word) && word.chars().all(plain) && !word.starts_with('/') && !template
    })
}

/// The names of files in one line that are nowhere.
fn missing(repository: &Repository, place: &str, line: &str) -> Vec<String> {
    paths(line)
        .filter(|path| !repository.has(path))
        .map(|path| format!("{place}: there is no {path}; name it as it is called now"))
        .collect()
}

/// Everything that a page names: `shown` is its path, which links start from.
fn page(repository: &Repository, shown: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let folder = shown.rsplit_once('/').map_or("", |(folder, _)| folder);
    let prefix = VARIABLES.concat();
    for (i, line) in text.lines().enumerate() {
        let place = format!("{shown}:{}", i + 1);
        found.extend(missing(repository, &place, line));
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let local = !target.is_empty() && !target.contains(':');
            if local && !root().join(folder).join(target).exists() {
                found.push(format!("{place}: the link leads nowhere: {link}"));
            }
        }
        for rest in line.split(&prefix).skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_');
            let name = format!("{prefix}{}", &rest[..end.unwrap_or(rest.len())]);
            if !repository.code.contains(&name) {
                found.push(format!("{place}: nothing reads {name}"));
            }
        }
        for rest in line.split("--example ").skip(1) {
            let name = rest.split(|c: char| c.is_whitespace() || c == '`').next().unwrap_or("");
            let is_there =
                repository.has(&format!("{name}.rs")) || repository.has(&format!("{name}/main.rs"));
            if !is_there && name != "NAME" {
                found.push(format!("{place}: there is no example {name}"));
            }
        }
    }
    found
}

/// Decisions by number, `decision 002`, in any text of a line.
fn decisions(repository: &Repository, place: &str, line: &str) -> Vec<String> {
    let numbers = line.split("ecision ").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        &rest[..end]
    });
    numbers
        .filter(|number| number.len() == 3)
        .filter(|number| {
            let start = format!("/docs/decisions/{number}-");
            !repository.paths.iter().any(|path| path.starts_with(&start))
        })
        .map(|number| format!("{place}: there is no decision {number}"))
        .collect()
}

#[test]
fn what_pages_name_is_there() {
    let repository = Repository::load();
    let mut found = Vec::new();
    walk(&root(), &mut |shown, path| {
        if shown.ends_with(".md") && shown != GENERATED {
            let text = fs::read_to_string(path).expect("a page is UTF-8");
            found.extend(page(&repository, &shown, &text));
            for (i, line) in text.lines().enumerate() {
                found.extend(decisions(&repository, &format!("{shown}:{}", i + 1), line));
            }
        }
    });
    expect_none("pages", found);
}

#[test]
fn what_comments_name_is_there() {
    let repository = Repository::load();
    let mut found = Vec::new();
    for file in &Tree::load().files {
        for comment in &file.comments {
            let place = format!("{}:{}", file.path, comment.line);
            found.extend(missing(&repository, &place, &comment.text));
            found.extend(decisions(&repository, &place, &comment.text));
        }
    }
    expect_none("comments", found);
}

#[test]
fn a_stale_name_is_found() {
    let prefix = VARIABLES.concat();
    let code = format!("env::var(\"{prefix}SEED\")");
    let repository = Repository::of(
        &["runtime/src/task/raw.rs", "examples/web.rs", "docs/decisions/002-two-passes.md"],
        &code,
    );
    let page = |text: &str| page(&repository, "docs/x.md", text);
    expect_one(page("ok\n`task/row.rs` says"), "docs/x.md:2: there is no task/row.rs");
    expect_one(page("`sk/raw.rs`"), "there is no sk/raw.rs");
    expect_none("an end of a path", page("`task/raw.rs:12` and raw.md, `{a}.rs`, `x.py`"));
    expect_one(page("[a page](no-such-page.md)"), "leads nowhere");
    expect_none("good links", page("[a](../README.md) [b](https://a.b/c.md) [c](#here)"));
    expect_one(page(&format!("set {prefix}SEEDS=1")), "nothing reads");
    expect_none("a variable", page(&format!("set {prefix}SEED=1")));
    expect_one(page("`cargo run --example wab`"), "there is no example wab");
    expect_none("an example", page("cargo run --example web # serves"));
    expect_one(decisions(&repository, "a.rs:1", "see decision 003."), "no decision 003");
    expect_none("a decision", decisions(&repository, "a.rs:1", "Decision 002 says so"));
}
