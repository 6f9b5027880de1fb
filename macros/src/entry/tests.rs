//! The rules of entry points, on tokens cut from text.

use super::*;

/// Cuts text into tokens as the compiler would: words, marks, and groups as one.
fn cut(text: &str) -> Vec<Token<String>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '(' | '[' | '{' => group_end(rest),
            '"' => rest[1..].find('"').expect("a closed string") + 2,
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            _ => 1,
        };
        let (token, after) = rest.split_at(end);
        let shown = match first {
            '(' if token[1..end - 1].trim().is_empty() => "()".to_owned(),
            '(' => "(..)".to_owned(),
            '[' => "[..]".to_owned(),
            '{' => "{..}".to_owned(),
            _ => token.to_owned(),
        };
        tokens.push(Token { text: shown, origin: token.to_owned() });
        rest = after.trim_start();
    }
    tokens
}

fn group_end(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    panic!("no end of the group in {text:?}");
}

fn show(out: &[Out<String>]) -> String {
    let shown = |one: &Out<String>| match one {
        Out::Origin(text) | Out::Text(text) => text.clone(),
        Out::Braces(inner) => format!("{{ {} }}", show(inner)),
        Out::Parentheses(inner) => format!("({})", show(inner)),
    };
    out.iter().map(shown).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn expansion(kind: Kind, arguments: &str, item: &str) -> String {
    let entry = Entry::read(kind, &cut(arguments), &cut(item)).expect("it is an entry point");
    show(&entry.write())
}

#[track_caller]
fn fault(arguments: &str, item: &str) -> Fault<String> {
    Entry::read(Kind::Main, &cut(arguments), &cut(item)).expect_err("it is no entry point")
}

#[test]
fn main_without_arguments_is_run() {
    assert_eq!(
        expansion(Kind::Main, "", "async fn main() { body }"),
        "fn main () { async fn main () { body } ::corio::run (main ()) }"
    );
}

#[test]
fn attributes_visibility_and_output_stay() {
    let item = "#[doc = \"x\"] #[allow(dead_code)] pub(crate) async fn go() -> Result<(), E> { b }";
    assert_eq!(
        expansion(Kind::Main, "", item),
        "# [doc = \"x\"] # [allow(dead_code)] pub (crate) fn go () - > Result < () , E > { \
         async fn go () - > Result < () , E > { b } ::corio::run (go ()) }"
    );
}

#[test]
fn arguments_go_to_the_builder() {
    assert_eq!(
        expansion(Kind::Main, "workers = 4, debug = true,", "async fn main() { b }"),
        "fn main () { async fn main () { b } ::corio::Builder::new() .workers (4) .debug (true) \
         .run (main ()) .unwrap_or_else(|error| ::core::panic!(\"corio: {}\", error)) }"
    );
    let tokio = expansion(Kind::Main, "tokio_context = true", "async fn main() { b }");
    assert!(tokio.contains("Builder::new() .tokio_context (true) .run (main ())"), "{tokio}");
    let shown = expansion(Kind::Main, "debug_socket = true", "async fn main() { b }");
    assert!(shown.contains("Builder::new() .debug_socket (true) .run (main ())"), "{shown}");
    let moved = expansion(Kind::Main, "crate = \"crate::mine\"", "async fn main() { b }");
    assert!(moved.contains("crate::mine::run (main ())"), "{moved}");
}

#[test]
fn a_test_has_two_workers() {
    let test = expansion(Kind::Test, "", "#[should_panic] async fn t() { b }");
    assert!(test.starts_with("#[::core::prelude::v1::test] # [should_panic] fn t ()"), "{test}");
    assert!(test.contains(".workers (2) .run (t ())"), "{test}");
    let test = expansion(Kind::Test, "workers = 1_0usize", "async fn t() { b }");
    assert!(test.contains(".workers (1_0usize)"), "{test}");
}

#[test]
fn what_is_no_entry_point_is_explained() {
    for (item, at, words) in [
        ("fn main() { b }", Some("fn"), "write `async fn`"),
        ("struct X;", Some("struct"), "goes before an `async fn`"),
        ("async unsafe fn main() { b }", Some("unsafe"), "goes before an `async fn`"),
        ("async fn main<T>() { b }", Some("<"), "choose the parameters"),
        ("async fn main(a: u8) { b }", Some("(a: u8)"), "std::env::args()"),
        ("async fn main();", None, "no body"),
        ("", None, "goes before an `async fn`"),
    ] {
        let fault = fault("", item);
        assert_eq!(fault.at.as_deref(), at, "{item}: {}", fault.message);
        assert!(fault.message.contains(words), "{item}: {}", fault.message);
        let has_name = item.contains("main");
        assert_eq!(fault.name.as_deref(), has_name.then_some("main"), "{item}");
    }
}

#[test]
fn wrong_arguments_are_explained() {
    for (arguments, at, words) in [
        ("workers = 0", "0", "0 workers run nothing"),
        ("workers = \"4\"", "\"4\"", "a number such as 4"),
        ("workers = N", "N", "corio::Builder"),
        ("workers", "workers", "`workers = ..`"),
        ("workers =", "workers", "`workers = ..`"),
        ("workers(4)", "workers", "`workers = ..`"),
        ("workers = 4 debug = true", "debug", "a comma"),
        ("workers = 4, workers = 2", "workers", "given twice"),
        ("worker_threads = 4", "worker_threads", "called `workers`"),
        ("flavor = \"x\"", "flavor", "knows no `flavor`"),
        ("debug = 1", "1", "true or false"),
        ("debug_socket = 7", "7", "true or false"),
        ("debug_socket = true, debug_socket = true", "debug_socket", "given twice"),
        ("tokio_context = on", "on", "true or false"),
        ("crate = corio", "corio", "a path in quotes"),
        ("crate = \"a b\"", "\"a b\"", "a path in quotes"),
    ] {
        let fault = fault(arguments, "async fn main() { b }");
        assert_eq!(fault.at.as_deref(), Some(at), "{arguments}: {}", fault.message);
        assert!(fault.message.contains(words), "{arguments}: {}", fault.message);
        assert_eq!(fault.name.as_deref(), Some("main"), "{arguments}");
    }
}
