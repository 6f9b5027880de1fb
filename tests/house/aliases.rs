//! What asyncio calls otherwise is found under asyncio's name in the search of the documentation.

use crate::source::Tree;

/// asyncio's names whose things have another name here, beside those that are names or methods.
const ASYNCIOS: [&str; 19] = [
    "BrokenBarrierError",
    "CancelledError",
    "ExceptionGroup",
    "Future",
    "IncompleteReadError",
    "InvalidStateError",
    "LimitOverrunError",
    "QueueEmpty",
    "QueueFull",
    "add_reader",
    "add_writer",
    "create_future",
    "get_name",
    "get_stack",
    "readexactly",
    "readline",
    "readuntil",
    "return_exceptions",
    "writelines",
];

/// Names that no public item has for an alias.
fn missing(tree: &Tree) -> Vec<String> {
    let has = |name: &str| {
        let alias = format!("#[doc(alias = \"{name}\")]");
        tree.files.iter().any(|file| file.text.contains(&alias))
    };
    let lost = ASYNCIOS.iter().filter(|name| !has(name));
    lost.map(|name| format!("{name} is no alias; write `#[doc(alias = ..)]` at what it is here"))
        .collect()
}

#[test]
fn asyncios_names_are_found() {
    crate::expect_none("aliases", missing(Tree::load()));
}

#[test]
fn a_name_without_an_alias_is_found() {
    let tree = Tree::of(&[("a.rs", "#[doc(alias = \"Future\")]\npub struct Deferred;")]);
    let findings = missing(&tree);
    assert_eq!(findings.len(), ASYNCIOS.len() - 1, "{findings:?}");
    assert!(!findings.iter().any(|finding| finding.starts_with("Future ")), "{findings:?}");
}
