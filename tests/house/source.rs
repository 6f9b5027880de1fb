//! The sources as the rules see them: text, code without comments and literals, tokens, paths.
//!
//! This is no parser. It knows comments, literals, braces and paths, which is as much as the rules
//! need, and it errs towards silence: what it does not understand it does not report.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::lexer::{Comment, strip};

/// Folders that hold no source of ours.
const SKIPPED: [&str; 3] = [".git", "target", "node_modules"];

/// All Rust sources of the workspace.
pub struct Tree {
    pub files: Vec<File>,
}

/// One source.
pub struct File {
    /// Relative to the root, with forward slashes.
    pub path: String,
    pub text: String,
    /// The text with comments and the insides of literals blanked, byte for byte.
    pub code: String,
    /// One entry per line that holds a comment.
    pub comments: Vec<Comment>,
    /// Byte ranges that exist only in tests.
    tests: Vec<Range<usize>>,
    line_starts: Vec<usize>,
}

/// A word or a mark of the code.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    pub at: usize,
    pub text: &'a str,
}

/// A path as written, with groups taken apart: `a::{b, c}` is two of them.
#[derive(Debug)]
pub struct CodePath<'a> {
    pub at: usize,
    pub segments: Vec<&'a str>,
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_path_buf()
}

/// Calls `visit` with every file below `folder`: its path from the root, and its real path.
pub fn walk(folder: &Path, visit: &mut dyn FnMut(String, &Path)) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).expect("a folder of ours can be read").flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if SKIPPED.contains(&name.as_str()) || name.starts_with("target-") {
            continue;
        }
        if path.is_dir() {
            walk(&path, visit);
        } else {
            let shown = path.strip_prefix(root()).unwrap_or(&path);
            visit(shown.to_string_lossy().replace('\\', "/"), &path);
        }
    }
}

impl Tree {
    /// The workspace, read once.
    pub fn load() -> &'static Self {
        static TREE: OnceLock<Tree> = OnceLock::new();
        TREE.get_or_init(|| {
            let mut files = Vec::new();
            walk(&root(), &mut |shown, path| {
                if shown.ends_with(".rs") {
                    let text = fs::read_to_string(path).expect("a source is UTF-8");
                    files.push(File::new(shown, text));
                }
            });
            Self::with(files)
        })
    }

    /// A tree of snippets, to test a rule with.
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self::with(files.iter().map(|(p, t)| File::new((*p).into(), (*t).into())).collect())
    }

    fn with(mut files: Vec<File>) -> Self {
        // A file is test code if the line that declares it says so; so are the files below it.
        let mut declared: Vec<String> = files.iter().flat_map(File::test_files).collect();
        while let Some(path) = declared.pop() {
            let stem = path.trim_end_matches("/mod.rs").trim_end_matches(".rs").to_owned();
            for file in &mut files {
                if file.path == path || file.path.starts_with(&format!("{stem}/")) {
                    file.tests.push(0..file.text.len());
                }
            }
        }
        Self { files }
    }

    /// A file by its path from the root.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|f| f.path == path)
    }

    /// The files below any of these folders.
    pub fn below<'a>(&'a self, folders: &'a [&str]) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(|f| folders.iter().any(|folder| f.path.starts_with(folder)))
    }
}

impl File {
    fn new(path: String, text: String) -> Self {
        let (code, comments) = strip(&text);
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1))
            .collect();
        let mut file = Self { path, text, code, comments, tests: Vec::new(), line_starts };
        file.tests = file.test_ranges();
        file
    }

    /// The line of a byte, counted from 1.
    pub fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    /// `path:line`, as editors like it.
    pub fn place(&self, at: usize) -> String {
        format!("{}:{}", self.path, self.line(at))
    }

    /// True if the byte is part of a test or a model.
    pub fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// Words and marks; `::` is one mark.
    pub fn tokens(&self) -> Vec<Token<'_>> {
        tokens(&self.code)
    }

    /// Every path of at least two segments.
    pub fn paths(&self) -> Vec<CodePath<'_>> {
        paths(&self.tokens())
    }

    /// The ranges of functions with a body, from `fn` to the closing brace.
    pub fn functions(&self) -> Vec<Range<usize>> {
        let tokens = self.tokens();
        let mut found = Vec::new();
        for (i, pair) in tokens.windows(2).enumerate() {
            if pair[0].text == "fn" && is_word(pair[1].text) {
                let end = item_end(&tokens, i + 1);
                if tokens.get(end).is_some_and(|t| t.text == "}") {
                    found.push(pair[0].at..tokens[end].at + 1);
                }
            }
        }
        found
    }

    /// Modules written inside this file: name and range.
    pub fn inline_modules(&self) -> Vec<(&str, Range<usize>)> {
        let tokens = self.tokens();
        let mut found = Vec::new();
        for (i, three) in tokens.windows(3).enumerate() {
            if three[0].text == "mod" && three[2].text == "{" {
                let end = item_end(&tokens, i + 1);
                let last = tokens.get(end).map_or(self.code.len(), |t| t.at);
                found.push((three[1].text, three[0].at..last));
            }
        }
        found
    }

    /// Ranges of items under `#[test]`, `#[cfg(test)]` and the like, and of models.
    fn test_ranges(&self) -> Vec<Range<usize>> {
        let tokens = self.tokens();
        let mut ranges = Vec::new();
        for i in 0..tokens.len() {
            let end = match tokens[i].text {
                "#" => {
                    let Some((body, after)) = attribute(&tokens, i) else { continue };
                    if !means_test(body) {
                        continue;
                    }
                    if tokens[i + 1].text == "!" { tokens.len() } else { item_end(&tokens, after) }
                }
                "model" if tokens.get(i + 1).is_some_and(|t| t.text == "!") => item_end(&tokens, i),
                _ => continue,
            };
            ranges.push(tokens[i].at..tokens.get(end).map_or(self.code.len(), |t| t.at + 1));
        }
        ranges
    }

    /// Paths of the files that this one declares as test modules.
    fn test_files(&self) -> Vec<String> {
        let (own_folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let folder = match name {
            "mod.rs" | "lib.rs" | "main.rs" => own_folder.to_owned(),
            _ => format!("{own_folder}/{}", name.trim_end_matches(".rs")),
        };
        let tokens = self.tokens();
        let mut found = Vec::new();
        for three in tokens.windows(3) {
            if three[0].text == "mod" && three[2].text == ";" && self.is_test(three[0].at) {
                match self.path_attribute(three[0].at) {
                    Some(path) => found.push(format!("{own_folder}/{path}")),
                    None => {
                        found.push(format!("{folder}/{}.rs", three[1].text));
                        found.push(format!("{folder}/{}/mod.rs", three[1].text));
                    }
                }
            }
        }
        found
    }

    /// The file that `#[path = ".."]` right above an item names.
    fn path_attribute(&self, item: usize) -> Option<&str> {
        let above = self.text[..item].trim_end().trim_end_matches("pub(crate)").trim_end();
        let quoted = above.strip_suffix("\"]")?;
        let (before, path) = quoted.rsplit_once('"')?;
        before.ends_with("#[path = ").then_some(path)
    }
}

/// True for an identifier, a keyword or a number.
pub fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

/// The words of an attribute that starts at `#`, and the index after its bracket.
fn attribute<'t, 'a>(tokens: &'t [Token<'a>], hash: usize) -> Option<(&'t [Token<'a>], usize)> {
    let open = if tokens.get(hash + 1)?.text == "!" { hash + 2 } else { hash + 1 };
    if tokens.get(open)?.text != "[" {
        return None;
    }
    let close = matching(tokens, open);
    Some((tokens.get(open + 1..close)?, close + 1))
}

/// True for `test`, `corio::test`, and a `cfg(..)` that no program fulfils: one that asks for
/// tests or for a model checker.
fn means_test(attribute: &[Token<'_>]) -> bool {
    let words: Vec<&str> = attribute.iter().map(|t| t.text).collect();
    match words.as_slice() {
        ["test"] | ["corio", "::", "test", ..] => true,
        ["cfg", "(", rest @ ..] => holds_in_programs(rest, &mut 0) == Some(false),
        _ => false,
    }
}

/// Whether the `cfg` predicate at `at` holds in a program; `None` if that depends on what is not
/// known here. Moves `at` behind it.
fn holds_in_programs(words: &[&str], at: &mut usize) -> Option<bool> {
    let name = *words.get(*at)?;
    *at += 1;
    if words.get(*at) != Some(&"(") {
        while words.get(*at).is_some_and(|word| !matches!(*word, "," | ")")) {
            *at += 1;
        }
        let only_in_tests = matches!(name, "test" | "corio_loom" | "corio_sc" | "corio_shuttle");
        return if only_in_tests { Some(false) } else { None };
    }
    let mut held = Vec::new();
    while matches!(words.get(*at), Some(&("(" | ","))) && words.get(*at + 1) != Some(&")") {
        *at += 1;
        held.push(holds_in_programs(words, at));
    }
    *at += 1;
    match name {
        "not" => held.first().copied().flatten().map(|h| !h),
        "all" if held.contains(&Some(false)) => Some(false),
        "any" if held.contains(&Some(true)) => Some(true),
        _ if held.contains(&None) => None,
        _ => Some(name == "all"),
    }
}

/// The index of the token that ends the item starting at `from`: its `;` or its closing brace.
pub fn item_end(tokens: &[Token<'_>], from: usize) -> usize {
    let mut i = from;
    while i < tokens.len() {
        match tokens[i].text {
            ";" => return i,
            "{" => return matching(tokens, i),
            "(" | "[" => i = matching(tokens, i),
            _ => {}
        }
        i += 1;
    }
    tokens.len()
}

/// The index of the bracket that closes the one at `open`.
pub fn matching(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    tokens.len()
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        at += 1;
        if bytes[start].is_ascii_whitespace() {
            continue;
        }
        if bytes[start].is_ascii_alphanumeric() || bytes[start] == b'_' {
            while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_') {
                at += 1;
            }
        } else if bytes[start] == b':' && bytes.get(at) == Some(&b':') {
            at += 1;
        }
        found.push(Token { at: start, text: &code[start..at] });
    }
    found
}

fn paths<'a>(tokens: &[Token<'a>]) -> Vec<CodePath<'a>> {
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        if is_word(tokens[i].text) && tokens.get(i + 1).is_some_and(|t| t.text == "::") {
            i = branch(tokens, i, &mut Vec::new(), &mut found);
        } else {
            i += 1;
        }
    }
    found
}

/// Reads one branch of a path; returns the index after it.
fn branch<'a>(
    tokens: &[Token<'a>],
    mut i: usize,
    prefix: &mut Vec<&'a str>,
    found: &mut Vec<CodePath<'a>>,
) -> usize {
    let depth = prefix.len();
    let at = tokens[i].at;
    loop {
        match tokens.get(i).map(|t| t.text) {
            Some("{") => {
                let close = matching(tokens, i);
                i += 1;
                while i < close {
                    i = if is_word(tokens[i].text) || tokens[i].text == "*" {
                        branch(tokens, i, prefix, found)
                    } else {
                        i + 1
                    };
                }
                prefix.truncate(depth);
                return close + 1;
            }
            Some(word) if is_word(word) || word == "*" => {
                prefix.push(word);
                i += 1;
            }
            // A turbofish, or a path that a macro cuts short: what stands is still a path.
            _ => break,
        }
        if tokens.get(i).is_none_or(|t| t.text != "::") {
            break;
        }
        i += 1;
    }
    if prefix.len() > 1 {
        found.push(CodePath { at, segments: prefix.clone() });
    }
    // `use a::b as c`: the new name is not a path of its own.
    if tokens.get(i).is_some_and(|t| t.text == "as") {
        i += 2;
    }
    prefix.truncate(depth);
    i
}

#[test]
fn paths_are_taken_apart() {
    let tree = Tree::of(&[("a.rs", "use a::{b::{c, d as e}, f}; x::<T>::y(); g::h(crate::i);")]);
    let found: Vec<String> = tree.files[0].paths().iter().map(|p| p.segments.join("::")).collect();
    assert_eq!(found, ["a::b::c", "a::b::d", "a::f", "g::h", "crate::i"]);
}

#[test]
fn test_code_is_told_apart() {
    let tree = Tree::of(&[
        (
            "k/src/lib.rs",
            "#[cfg(test)]\nmod t;\n#[cfg(not(test))]\nmod u;\nmod v { fn real() {} }\n\
             #[cfg(all(test, x))]\nmod w { fn fake() {} }\nmodel! { m(a = 1) { body } }\nfn end() {}",
        ),
        ("k/src/t.rs", "fn all() {}"),
        ("k/src/u.rs", "fn none() {}"),
    ]);
    let lib = &tree.files[0];
    let is_test = |word: &str| lib.is_test(lib.text.find(word).expect("the word is there"));
    assert!(is_test("fake") && is_test("body"));
    assert!(!is_test("real") && !is_test("end"));
    assert!(tree.files[1].is_test(0) && !tree.files[2].is_test(0));
}

#[test]
fn model_code_is_told_apart() {
    let tree = Tree::of(&[
        (
            "k/src/a.rs",
            "#[cfg(any(corio_loom, corio_shuttle))]\n#[path = \"twin.rs\"]\nmod imp;\n\
             #[cfg(not(any(corio_loom, corio_shuttle)))]\nmod real { fn real() {} }\n\
             #[cfg(all(unix, any(test, corio_loom)))]\nfn fake() {}\n\
             #[cfg(any(feature = \"x\", test))]\nfn both() {}",
        ),
        ("k/src/twin.rs", "fn all() {}"),
    ]);
    let file = &tree.files[0];
    let is_test = |word: &str| file.is_test(file.text.find(word).expect("the word is there"));
    assert!(is_test("fake") && !is_test("fn real") && !is_test("both"));
    assert!(tree.files[1].is_test(0));
}
