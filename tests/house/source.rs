//! The sources as the rules see them: text, code without comments and literals, tokens, paths.
//!
//! This is no parser. It knows comments, literals, braces and paths, which is as much as the rules
//! need, and it errs towards silence: what it does not understand it does not report.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

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

/// The comment on one line, without its slashes.
pub struct Comment {
    /// Counted from 1.
    pub line: usize,
    pub text: String,
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
    /// Reads the workspace.
    pub fn load() -> Self {
        let mut files = Vec::new();
        walk(&root(), &mut |shown, path| {
            if shown.ends_with(".rs") {
                let text = fs::read_to_string(path).expect("a source is UTF-8");
                files.push(File::new(shown, text));
            }
        });
        Self::with(files)
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
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let folder = match name {
            "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
            _ => format!("{folder}/{}", name.trim_end_matches(".rs")),
        };
        let tokens = self.tokens();
        let mut found = Vec::new();
        for three in tokens.windows(3) {
            if three[0].text == "mod" && three[2].text == ";" && self.is_test(three[0].at) {
                found.push(format!("{folder}/{}.rs", three[1].text));
                found.push(format!("{folder}/{}/mod.rs", three[1].text));
            }
        }
        found
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

/// True for `test`, `corio::test` and any `cfg(..)` that asks for `test` other than by `not`.
fn means_test(attribute: &[Token<'_>]) -> bool {
    let words: Vec<&str> = attribute.iter().map(|t| t.text).collect();
    match words.as_slice() {
        ["test"] | ["corio", "::", "test", ..] => true,
        ["cfg", "(", rest @ ..] => {
            (0..rest.len()).any(|i| rest[i] == "test" && !(i >= 2 && rest[i - 2] == "not"))
        }
        _ => false,
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

/// Blanks comments and literals; collects the comments line by line.
fn strip(text: &str) -> (String, Vec<Comment>) {
    let bytes = text.as_bytes();
    let mut code: Vec<u8> = bytes.to_vec();
    let mut comments = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let (end, keep) = literal_or_comment(bytes, at);
        if end == at {
            line += usize::from(bytes[at] == b'\n');
            at += 1;
            continue;
        }
        if bytes[at] == b'/' {
            for (i, one) in text[at..end].lines().enumerate() {
                let bare = one.trim().trim_start_matches(['/', '!', '*']).trim_end_matches("*/");
                comments.push(Comment { line: line + i, text: bare.trim().to_owned() });
            }
        }
        line += bytes[at..end].iter().filter(|b| **b == b'\n').count();
        for byte in &mut code[at + keep..end - keep] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    for byte in &mut code {
        if !byte.is_ascii() {
            *byte = b'_';
        }
    }
    (String::from_utf8(code).expect("only ASCII is left"), comments)
}

/// The end of a literal or comment that starts at `at` (or `at`), and how many of its bytes stay at
/// each side: quotes do, so that a call keeps its argument.
fn literal_or_comment(bytes: &[u8], at: usize) -> (usize, usize) {
    let rest = &bytes[at..];
    let word_before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => (at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()), 0),
        [b'/', b'*', ..] => (at + block_comment(rest), 0),
        [b'"', ..] => (at + quoted(rest), 1),
        [b'r', b'"' | b'#', ..] if !word_before => (at + raw_string(rest), 0),
        [b'b', b'r', b'"' | b'#', ..] if !word_before => (at + 1 + raw_string(&rest[1..]), 0),
        // A lifetime has no closing quote right behind its first letter.
        [b'\'', b'\\', ..] => {
            let body = rest.iter().skip(3).position(|b| *b == b'\'');
            (at + body.map_or(1, |n| n + 4), 0)
        }
        [b'\'', first, ..] => {
            let width = match first {
                0xF0.. => 4,
                0xE0.. => 3,
                0xC0.. => 2,
                _ => 1,
            };
            (if rest.get(width + 1) == Some(&b'\'') { at + width + 2 } else { at }, 0)
        }
        _ => (at, 0),
    }
}

fn quoted(rest: &[u8]) -> usize {
    let mut i = 1;
    while i < rest.len() {
        match rest[i] {
            b'\\' => i += 1,
            b'"' => return i + 1,
            _ => {}
        }
        i += 1;
    }
    rest.len()
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i + 1 < rest.len() {
        match &rest[i..i + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
        if depth == 0 {
            return i;
        }
    }
    rest.len()
}

/// The length of `r"..."` or `r#"..."#`; 0 for a raw identifier.
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = 2 + hashes;
    let end = rest[body..].windows(close.len()).position(|w| w == close);
    end.map_or(rest.len(), |n| body + n + close.len())
}

#[test]
fn comments_and_literals_are_blanked() {
    let tree = Tree::of(&[(
        "a.rs",
        "let a = \"// no \\\" comment\"; // yes 'x'\nlet b: &'static str = r#\"\"/*\"#; /* two\nlines */ let c = '\"'; let d = '\\'';",
    )]);
    let file = &tree.files[0];
    assert_eq!(file.code.len(), file.text.len());
    assert!(!file.code.contains("comment") && !file.code.contains("lines"), "{}", file.code);
    assert!(file.code.contains("'static") && file.code.contains("let d"), "{}", file.code);
    let texts: Vec<_> = file.comments.iter().map(|c| (c.line, c.text.as_str())).collect();
    assert_eq!(texts, [(1, "yes 'x'"), (2, "two"), (3, "lines")]);
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
