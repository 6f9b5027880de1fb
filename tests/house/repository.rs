//! What holds for every file: size, words that announce unfinished work, paths of one machine.

use std::collections::BTreeSet;
use std::fs;

use crate::source::{File, Tree, root, walk};
use crate::{expect_none, expect_one};

/// A longer file is two files.
const LINES_MAX: usize = 600;

/// Files whose words are ours.
const CHECKED: [&str; 8] = ["rs", "md", "toml", "sh", "py", "txt", "yml", "yaml"];

/// Where models and named sites are.
pub(crate) const PROTOCOLS: [&str; 3] = ["sync/src/", "runtime/src/", "io/src/"];

/// Words in capitals that announce unfinished work. Put together here, so that this file is clean.
fn unfinished() -> [String; 4] {
    [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["HA", "CK"]].map(|halves| halves.concat())
}

/// Code that does the same.
fn stubs() -> [String; 5] {
    [
        ["to", "do!("],
        ["unimple", "mented!("],
        ["db", "g!("],
        ["#[ign", "ore"],
        ["allow(", "warnings"],
    ]
    .map(|halves| halves.concat())
}

/// Roots of absolute paths that exist on one machine only.
fn machine_roots() -> [String; 4] {
    ["work", "root", "home", "Users"].map(|name| format!("/{name}/"))
}

fn is_word_at(line: &str, at: usize, len: usize) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !part(line[..at].chars().next_back()) && !part(line[at + len..].chars().next())
}

fn words(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let place = format!("{path}:{}", i + 1);
        for word in unfinished() {
            if line.match_indices(&word).any(|(at, w)| is_word_at(line, at, w.len())) {
                found
                    .push(format!("{place}: {word}; finish it, or open an issue and say so there"));
            }
        }
        for stub in stubs().iter().filter(|_| path.ends_with(".rs")) {
            let code = line.trim_start();
            if !code.starts_with("//") && code.contains(stub.as_str()) {
                found.push(format!("{place}: {stub}..; it has no place on this branch"));
            }
        }
        for root in machine_roots() {
            let absolute = |at: usize| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || "._-*}>/)".contains(c))
            };
            if line.match_indices(&root).any(|(at, _)| absolute(at)) {
                found.push(format!("{place}: a path of one machine ({root}..); make it relative"));
            }
        }
    }
    found
}

fn too_long(tree: &Tree) -> Vec<String> {
    let lines = |f: &File| f.text.lines().count();
    tree.files
        .iter()
        .filter(|f| lines(f) > LINES_MAX)
        .map(|f| format!("{}: {} lines; split it, {LINES_MAX} is the limit", f.path, lines(f)))
        .collect()
}

/// The modules of the named sites in a file: `idle` for `ord("idle.claim", ..)`.
pub(crate) fn site_modules(file: &File) -> impl Iterator<Item = &str> {
    let calls = ["ord(\"", "fence_at(\"", "mutant(\""];
    calls
        .into_iter()
        .flat_map(|call| file.text.split(call).skip(1).filter_map(|rest| rest.split('.').next()))
}

/// The names of a file's module and of those that it lies in.
fn modules(file: &File) -> impl Iterator<Item = &str> {
    let path = file.path.trim_end_matches(".rs").split('/').skip(2);
    path.map(|module| module.trim_end_matches("_tests"))
}

/// Models must begin with the name of a module, or of the sites that they exercise: the mutants
/// try those first.
fn model_names(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let files = || tree.below(&PROTOCOLS);
    let names: BTreeSet<&str> =
        files().flat_map(site_modules).chain(files().flat_map(modules)).collect();
    for file in tree.below(&PROTOCOLS) {
        let tokens = file.tokens();
        // Doc comments are blanked, so the name is the first word.
        for five in tokens.windows(5) {
            if five[..3].iter().map(|t| t.text).ne(["model", "!", "{"]) || five[4].text != "(" {
                continue;
            }
            let name = five[3];
            let named = names
                .iter()
                .any(|m| name.text.strip_prefix(m).is_some_and(|rest| rest.starts_with('_')));
            if !named {
                found.push(format!(
                    "{}: model {} begins neither with a module's name and `_` nor with that of a \
                     site, by which .ci/mutants.sh finds it soon",
                    file.place(name.at),
                    name.text
                ));
            }
        }
    }
    found
}

#[test]
fn no_file_announces_unfinished_work() {
    let mut found = Vec::new();
    walk(&root(), &mut |shown, path| {
        if CHECKED.iter().any(|e| shown.ends_with(&format!(".{e}"))) || shown == ".ci/run" {
            let text = fs::read_to_string(path).unwrap_or_default();
            found.extend(words(&shown, &text));
        }
    });
    expect_none("words", found);
}

#[test]
fn files_are_short() {
    expect_none("long files", too_long(Tree::load()));
}

#[test]
fn models_are_named_after_their_module() {
    expect_none("model names", model_names(Tree::load()));
}

/// The README's commands are what CI runs; a newcomer's first try is not left to chance.
#[test]
fn the_readme_and_ci_agree() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("it is there");
    let (readme, run) = (read("README.md"), read(".ci/run"));
    assert!(readme.contains("cargo test --workspace"), "the README names the test command");
    assert!(run.contains("cargo test --workspace"), ".ci/run runs the README's test command");
    assert!(readme.contains("cargo run --release --example web"), "the README names the main job");
}

/// What tests may be skipped for: the first word of each call.
fn needs(text: &str) -> BTreeSet<&str> {
    let said =
        text.split("skipped(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    said.filter_map(|rest| rest.split('"').next()).collect()
}

/// The words that `.ci/run` looks for: the keys of its table.
fn looked_for(run: &str) -> BTreeSet<&str> {
    let table = run.split("declare -A lacking=(").nth(1).and_then(|rest| rest.split("\n)").next());
    let keys = table.unwrap_or("").split('[').skip(1);
    keys.filter_map(|rest| rest.split(']').next()).collect()
}

/// A test that is skipped for a reason that CI does not look for is skipped there unseen. `none`: what
/// is not promised under a sanitizer or on the other poller.
#[test]
fn ci_looks_for_all_that_tests_need() {
    let run = fs::read_to_string(root().join(".ci/run")).expect("it is there");
    let tree = Tree::load();
    let tests = tree.below(&["tests/"]).filter(|f| !f.path.starts_with("tests/house/"));
    let mut needs: BTreeSet<&str> = tests.flat_map(|f| needs(&f.text)).collect();
    assert!(needs.remove("none") && needs.len() > 5, "{needs:?}");
    assert_eq!(needs, looked_for(&run), "tests on the left, .ci/run on the right");
}

#[test]
fn needs_are_found() {
    let texts =
        ["return skipped(\"wrk\", test)", "skipped(\n    \"wrk\",", "fn skipped(need: &str)"];
    assert_eq!(texts.map(|text| needs(text).len()), [1, 1, 0]);
    let table = "declare -A lacking=(\n  [wrk]=\"no [x\"\n  [files]=\"few\"\n)\n[other]=1";
    assert!(looked_for(table).is_superset(&BTreeSet::from(["wrk", "files"])));
    assert!(!looked_for(table).contains("other"));
}

#[test]
fn unfinished_work_is_found() {
    let [first, ..] = unfinished();
    expect_one(words("a.md", &format!("ok\n{first}: later")), "a.md:2");
    expect_none("inside a word", words("a.md", &format!("x{first}x")));
    let [stub, ..] = stubs();
    expect_one(words("a.rs", &format!("fn f() {{ {stub}) }}")), "a.rs:1");
    let [machine, ..] = machine_roots();
    expect_one(words("a.sh", &format!("cd {machine}x")), "a path of one machine");
    expect_none("a relative path", words("a.sh", &format!("cd runtime{machine}x")));
}

#[test]
fn a_long_file_is_found() {
    expect_one(too_long(&Tree::of(&[("a.rs", &"\n".repeat(601))])), "a.rs: 601 lines");
}

#[test]
fn a_misnamed_model_is_found() {
    let text = "model! {\n    /// Doc.\n    other_x(threads = 2) { }\n}";
    expect_one(model_names(&Tree::of(&[("sync/src/idle.rs", text)])), "idle.rs:3: model other_x");
    expect_none("good", model_names(&Tree::of(&[("sync/src/other/loom.rs", text)])));
    let good = [("sync/src/idle.rs", text), ("sync/src/o.rs", "mutant(\"other.step\")")];
    expect_none("named after a site", model_names(&Tree::of(&good)));
}
