//! What docs/from-asyncio.md says in code: the Python of it is run here by CPython, the Rust of it by
//! the facade's doctests; and what its tables name stands in one of these programs.

use std::collections::BTreeSet;
use std::process::Command;

use crate::{PYTHON, lines, root, want_python};

/// Names in the tables that no program of the page uses: why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("PYTHONASYNCIODEBUG", "an environment variable"),
    ("CORIO_DEBUG", "an environment variable"),
    ("PID", "an argument in a shell: tests/debug/top"),
    ("capture_call_graph", "Python 3.14"),
    ("print_call_graph", "Python 3.14"),
    ("Stopped", "examples/porting/09_event_loop stops a loop; an error only if it comes first"),
    ("connect_read_pipe", "wants a pipe of a process: tests/io/copies.rs"),
    ("sock_sendfile", "wants sockets and files: tests/io/copies.rs"),
    ("sendfile", "wants sockets and files: tests/io/copies.rs"),
    ("happy_eyeballs", "wants a host with two addresses: tests/io/eyeballs.rs"),
    ("open", "aiofiles is no part of Python: examples/porting/15_files"),
    ("NamedTemporaryFile", "as above"),
    ("stdin", "as above"),
    ("stdout", "as above"),
    ("stderr", "as above"),
    ("temporary_file", "tests/io/temp.rs"),
    ("spooled_temporary_file", "tests/io/temp.rs"),
    ("temporary_directory", "tests/io/temp.rs"),
    ("TempBuilder", "tests/io/temp.rs"),
    ("get_extra_info", "tests/io/ssl"),
    ("socket", "tests/io/asyncio_sockets.rs"),
    ("start_unix_server", "tests/io/asyncio_servers.rs"),
    ("cleanup_socket", "tests/io/asyncio_servers.rs"),
    ("local_addr", "tests/io/endpoints.rs"),
    ("remote_addr", "tests/io/endpoints.rs"),
    ("reuse_port", "tests/io/endpoints.rs"),
    ("create_datagram_endpoint", "tests/io/endpoints.rs"),
    ("getaddrinfo", "wants names that the machine knows: tests/io/asyncio_sockets.rs"),
    ("getnameinfo", "as above"),
    ("lookup_host", "as above"),
    ("lookup_addr", "as above"),
    ("add_reader", "tests/io/asyncio_sockets.rs"),
    ("readable", "tests/io/asyncio_sockets.rs"),
    ("ssl", "wants certificates: tests/io/ssl"),
    ("server_hostname", "as above"),
    ("create_default_context", "as above"),
    ("load_cert_chain", "as above"),
    ("with_cert_chain", "as above"),
    ("start_tls", "as above"),
    ("peercert", "as above"),
    ("cipher", "as above"),
    ("close_notify", "a message of the protocol"),
    ("UnexpectedEof", "wants certificates: tests/io/ssl"),
    ("connect_accepted_socket", "tests/io/asyncio_servers.rs"),
    ("f", "the user's own name"),
    ("item", "the user's own name"),
    ("T", "a type's parameter"),
    ("Ord", "a trait of the standard library"),
    ("g", "the user's own name"),
    ("t", "the user's own name"),
];

fn page() -> String {
    std::fs::read_to_string(root().join("docs/from-asyncio.md")).expect("the page is there")
}

/// The blocks of code of the page: their language, and their text.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body = lines.by_ref().take_while(|line| *line != "```");
            found.push((language, body.map(|line| format!("{line}\n")).collect()));
        }
    }
    found
}

/// The identifiers of a text.
fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    parts.filter(|part| part.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

/// The names that a cell of a table is about: of each piece of code in it, what is called, or else the
/// last word.
fn names(cell: &str) -> Vec<&str> {
    let code = cell.split('`').skip(1).step_by(2);
    let each = code.flat_map(|code| {
        let ends = code.match_indices('(').map(|(at, _)| &code[..at]);
        let called = ends.filter(|before| !before.ends_with([' ', ',', '|']));
        let called: Vec<_> = called.filter_map(|before| identifiers(before).last()).collect();
        if called.is_empty() { identifiers(code).last().into_iter().collect() } else { called }
    });
    each.collect()
}

/// The rows of the tables that compare, less the heads: asyncio's cell and corio's.
fn rows(page: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        inside = line.starts_with('|') && (inside || line.contains("| corio | differences |"));
        if inside && !line.contains("| corio | differences |") && !line.starts_with("|---") {
            let cells: Vec<_> = line.split(" | ").collect();
            found.push((cells[0], cells[1]));
        }
    }
    found
}

#[test]
fn the_python_of_the_page_runs() {
    want_python();
    let text = page();
    let pythons = blocks(&text).iter().filter(|(language, _)| *language == "python").count();
    let runner = root().join("tests/porting/snippets.py");
    let page = root().join("docs/from-asyncio.md");
    let ran = lines(Command::new(PYTHON).arg("-B").arg(runner).arg(page));
    assert_eq!(ran.last().expect("it says how many"), &format!("ran {pythons}"));
}

#[test]
fn each_program_in_python_has_one_in_rust_behind_it() {
    let page = page();
    let blocks = blocks(&page);
    assert!(blocks.iter().all(|(language, _)| ["python", "rust"].contains(language)));
    let nothing = ("", String::new());
    let behind = blocks.iter().skip(1).chain([&nothing]);
    for ((language, code), (next, _)) in blocks.iter().zip(behind) {
        assert!(*language != "python" || *next == "rust", "no Rust follows this:\n{code}");
    }
    let (facade, page) = ("src/lib.rs", "docs/from-asyncio.md");
    let facade = std::fs::read_to_string(root().join(facade)).expect("the facade is there");
    assert!(facade.contains(page), "the Rust of {page} is run by the facade's doctests");
}

#[test]
fn what_the_tables_name_is_used_by_a_program() {
    let page = page();
    let used = |wanted: &str| {
        let blocks = blocks(&page);
        let code = blocks.iter().filter(|(language, _)| *language == wanted);
        let code: String = code.map(|(_, code)| code.as_str()).collect();
        identifiers(&code).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let (python, rust) = (used("python"), used("rust"));
    let elsewhere = |name: &str| ELSEWHERE.iter().any(|(known, _)| *known == name);
    let mut missing = Vec::new();
    let rows = rows(&page);
    assert!(rows.len() > 60, "the tables are found");
    for (theirs, ours) in rows {
        for (cell, used, whose) in [(theirs, &python, "asyncio"), (ours, &rust, "corio")] {
            let names = names(cell).into_iter();
            missing.extend(
                names
                    .filter(|name| !used.contains(*name) && !elsewhere(name))
                    .map(|name| format!("{whose}'s {name}")),
            );
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}
