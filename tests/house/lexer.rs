//! Telling code from comments and literals.

/// The comment on one line, without its slashes.
pub struct Comment {
    /// Counted from 1.
    pub line: usize,
    pub text: String,
}

/// Blanks comments and literals; collects the comments line by line.
pub fn strip(text: &str) -> (String, Vec<Comment>) {
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
    let text = "let a = \"// no \\\" comment\"; // yes 'x'\n\
                let b: &'static str = r#\"\"/*\"#; /* two\nlines */ let c = '\"'; let d = '\\'';";
    let (code, comments) = strip(text);
    assert_eq!(code.len(), text.len());
    assert!(!code.contains("comment") && !code.contains("lines"), "{code}");
    assert!(code.contains("'static") && code.contains("let d"), "{code}");
    let texts: Vec<_> = comments.iter().map(|c| (c.line, c.text.as_str())).collect();
    assert_eq!(texts, [(1, "yes 'x'"), (2, "two"), (3, "lines")]);
}
