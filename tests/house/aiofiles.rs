//! Who looks for a function of aiofiles finds it: by its name, or by an alias that the documentation's
//! search knows.

use crate::source::Tree;
use crate::{expect_none, expect_one};

/// aiofiles' surface (25.1), by where it is there.
const SURFACE: [(&str, &[&str]); 5] = [
    (
        "its files",
        &[
            "open",
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
        ],
    ),
    (
        "its os",
        &[
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
        ],
    ),
    (
        "its os.path",
        &[
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
        ],
    ),
    (
        "its tempfile",
        &["NamedTemporaryFile", "SpooledTemporaryFile", "TemporaryDirectory", "TemporaryFile"],
    ),
    ("its streams", &["stdin", "stdout", "stderr"]),
];

const FOLDERS: [&str; 2] = ["io/src/fs/", "io/src/stdio.rs"];

fn missing(tree: &Tree) -> Vec<String> {
    let has = |name: &str| {
        tree.below(&FOLDERS).any(|file| {
            let named = file.text.contains(&format!("fn {name}("));
            named
                || file.text.contains(&format!("#[doc(alias = \"{name}\")]"))
                || file.text.contains(&format!("fn {name}<"))
        })
    };
    let names = SURFACE.iter().flat_map(|(part, names)| names.iter().map(move |name| (part, name)));
    names
        .filter(|(_, name)| !has(name))
        .map(|(part, name)| format!("io/src/fs: {part} have {name}; add it, or an alias"))
        .collect()
}

#[test]
fn functions_of_aiofiles_are_found() {
    expect_none("aiofiles' functions by name", missing(Tree::load()));
}

#[test]
fn a_missing_function_is_found() {
    let every = SURFACE.iter().flat_map(|(_, names)| names.iter());
    let all: String = every.map(|name| format!("pub fn {name}(\n")).collect();
    expect_none("all", missing(&Tree::of(&[("io/src/fs/a.rs", &all)])));
    let one_less = all.replace("pub fn readall(\n", "");
    expect_one(missing(&Tree::of(&[("io/src/fs/a.rs", &one_less)])), "readall");
}
