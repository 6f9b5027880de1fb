//! Who looks for a function of aiofiles finds it: by its name, or by an alias that the documentation's
//! search knows.

use crate::source::Tree;
use crate::{expect_none, expect_one};

/// Those of its files of bytes.
const BYTES: &[&str] = &[
    "close",
    "closed",
    "detach",
    "fileno",
    "flush",
    "isatty",
    "mode",
    "name",
    "peek",
    "read",
    "read1",
    "readable",
    "readall",
    "readinto",
    "readline",
    "readlines",
    "seek",
    "seekable",
    "tell",
    "truncate",
    "writable",
    "write",
    "writelines",
];

/// Those of its files of text. Not here: `encoding`, which is always UTF-8; `errors`, `line_buffering`
/// and `newlines`, which who opens the file has said; `reconfigure`, as it may be opened anew.
const TEXT: &[&str] = &[
    "buffer",
    "close",
    "closed",
    "detach",
    "fileno",
    "flush",
    "isatty",
    "mode",
    "name",
    "read",
    "readable",
    "readline",
    "readlines",
    "seek",
    "seekable",
    "tell",
    "truncate",
    "writable",
    "write",
    "writelines",
];

/// Its `os`, `os.path`, `tempfile` and standard streams.
const FUNCTIONS: &[&str] = &[
    "open",
    "access",
    "getcwd",
    "link",
    "listdir",
    "makedirs",
    "mkdir",
    "readlink",
    "remove",
    "removedirs",
    "rename",
    "renames",
    "replace",
    "rmdir",
    "scandir",
    "sendfile",
    "stat",
    "statvfs",
    "symlink",
    "unlink",
    "abspath",
    "exists",
    "getatime",
    "getctime",
    "getmtime",
    "getsize",
    "isdir",
    "isfile",
    "islink",
    "ismount",
    "samefile",
    "sameopenfile",
    "NamedTemporaryFile",
    "SpooledTemporaryFile",
    "TemporaryDirectory",
    "TemporaryFile",
    "stdin",
    "stdout",
    "stderr",
];

/// What has which names: a type's methods, or the functions of no type.
const SURFACE: [(Option<&str>, &[&str]); 3] =
    [(Some("File"), BYTES), (Some("TextFile"), TEXT), (None, FUNCTIONS)];

/// Options by the functions that take them: aiofiles' `open` and CPython's.
const OPTIONS: [(&str, &[&str]); 2] =
    [("OpenOptions", &["buffer"]), ("OpenText", &["buffer", "buffering", "errors", "newline"])];

const FOLDERS: [&str; 2] = ["io/src/fs/", "io/src/stdio.rs"];

/// The bodies of the `impl TYPE {` of a file, as rustfmt has them, also within a macro; without a type
/// what is in none.
fn bodies(text: &str, of: Option<&str>) -> String {
    let (mut found, mut until) = (String::new(), None);
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let code = line.trim_start();
        if until.is_none() && code.starts_with("impl") && code.ends_with('{') {
            let subject = code.trim_end_matches('{').trim();
            let ours = of.is_some_and(|of| {
                subject == format!("impl {of}") || subject == format!("impl {of}<'_>")
            });
            until = Some((indent, ours));
            continue;
        }
        match until {
            Some((begun, _)) if indent == begun && code == "}" => until = None,
            Some((_, ours)) if !ours => {}
            None if of.is_some() => {}
            _ => {
                found.push_str(code);
                found.push('\n');
            }
        }
    }
    found
}

/// The methods of files that a macro makes: they are those of `File`.
fn of_macros(text: &str) -> String {
    let begin = text.find("\noperations! {\n").map_or(text.len(), |at| at + 1);
    let end = text[begin..].find("\n}\n").map_or(text.len(), |at| begin + at);
    text[begin..end].lines().map(|line| format!("{}\n", line.trim_start())).collect()
}

fn missing(tree: &Tree) -> Vec<String> {
    let options = OPTIONS.iter().map(|(of, names)| (Some(*of), *names));
    let mut found = Vec::new();
    for (of, names) in SURFACE.iter().copied().chain(options) {
        let mut text = String::new();
        for file in tree.below(&FOLDERS) {
            text.push_str(&bodies(&file.text, of));
            if of == Some("File") {
                text.push_str(&of_macros(&file.text));
            }
        }
        let has = |name: &str| {
            let alias = format!("#[doc(alias = \"{name}\")]");
            let public = |start: &str| {
                text.contains(&format!("{start}fn {name}("))
                    || text.contains(&format!("{start}fn {name}<"))
            };
            // Macros say `pub` for all of theirs.
            public("pub ") || public("\n") || text.contains(&alias)
        };
        let where_ = of.unwrap_or("functions");
        found.extend(
            names
                .iter()
                .filter(|name| !has(name))
                .map(|name| format!("io/src/fs: {where_} have no {name}; add it, or an alias")),
        );
    }
    found
}

#[test]
fn functions_of_aiofiles_are_found() {
    expect_none("aiofiles' functions by name", missing(Tree::load()));
}

#[test]
fn a_missing_function_is_found() {
    let list = |names: &[&str]| -> String {
        names.iter().map(|name| format!("    pub fn {name}(\n")).collect()
    };
    let of = |of: &str, names: &[&str]| format!("impl {of} {{\n{}}}\n", list(names));
    let all = |text: &[&str]| {
        let functions = list(FUNCTIONS);
        let options: String = OPTIONS.iter().map(|(name, names)| of(name, names)).collect();
        format!("{}{}{functions}{options}", of("File", BYTES), of("TextFile", text))
    };
    expect_none("all", missing(&Tree::of(&[("io/src/fs/a.rs", &all(TEXT))])));
    let one_less: Vec<&str> = TEXT.iter().copied().filter(|name| *name != "readline").collect();
    // That files of bytes have one does not count.
    expect_one(missing(&Tree::of(&[("io/src/fs/a.rs", &all(&one_less))])), "readline");
}
