//! `macro_rules!` taken apart: the functions that a macro defines are functions, too.
//!
//! Tokens of an expansion keep the place where they were written, so that a finding names it. Knows
//! the fragments that the sources use; an invocation that it cannot expand is a finding of its own.

use std::collections::BTreeMap;

use crate::source::{File, is_word};

/// A token and where it was written.
#[derive(Clone, Copy)]
pub struct Piece<'a> {
    pub file: &'a File,
    pub at: usize,
    pub text: &'a str,
}

/// A macro: patterns with what they become.
pub struct Macro<'a> {
    rules: Vec<(Vec<Part<'a>>, Vec<Part<'a>>)>,
}

/// A part of a pattern or of a body.
enum Part<'a> {
    Token(Piece<'a>),
    /// `$name` or `$name:fragment`.
    Variable(&'a str, &'a str),
    /// `$(..)separator*`; `?` repeats at most once.
    Repeat(Vec<Part<'a>>, Option<&'a str>, bool),
}

/// What a variable stands for.
#[derive(Clone)]
enum Bound<'a> {
    One(Vec<Piece<'a>>),
    Many(Vec<Bound<'a>>),
}

type Bindings<'a> = BTreeMap<&'a str, Bound<'a>>;

/// The pieces of a file.
pub fn pieces(file: &File) -> Vec<Piece<'_>> {
    file.tokens().iter().map(|token| Piece { file, at: token.at, text: token.text }).collect()
}

/// The index of the bracket that closes the one at `open`.
pub fn closing(pieces: &[Piece<'_>], open: usize) -> usize {
    let mut depth = 0usize;
    for (i, piece) in pieces.iter().enumerate().skip(open) {
        match piece.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    pieces.len()
}

/// The index of the first piece from `at` on that `ends` and is in no brackets of any kind.
pub fn until(pieces: &[Piece<'_>], mut at: usize, ends: impl Fn(&str) -> bool) -> usize {
    let mut angles = 0usize;
    while let Some(piece) = pieces.get(at) {
        match piece.text {
            text if angles == 0 && ends(text) => return at,
            "(" | "[" | "{" => at = closing(pieces, at),
            "<" => angles += 1,
            // The arrow of a function type is no bracket.
            ">" if pieces[at - 1].text != "-" => {
                if angles == 0 {
                    return at;
                }
                angles -= 1;
            }
            ")" | "]" | "}" => return at,
            _ => {}
        }
        at += 1;
    }
    pieces.len()
}

impl<'a> Macro<'a> {
    /// From what stands in the braces of `macro_rules!`.
    pub fn new(body: &[Piece<'a>]) -> Self {
        let (mut rules, mut at) = (Vec::new(), 0);
        while at < body.len() {
            let end = closing(body, at);
            // Past `=>`.
            let open = end + 3;
            if open >= body.len() {
                break;
            }
            let close = closing(body, open);
            rules.push((parts(&body[at + 1..end], true), parts(&body[open + 1..close], false)));
            at = close + 2;
        }
        Self { rules }
    }

    /// What an invocation becomes; `None` if no rule fits.
    pub fn expand(&self, input: &[Piece<'a>]) -> Option<Vec<Piece<'a>>> {
        self.rules.iter().find_map(|(pattern, body)| {
            let mut bound = Bindings::new();
            let end = fit(pattern, input, 0, &mut bound)?;
            (end == input.len()).then(|| {
                let mut out = Vec::new();
                write(body, &bound, &mut out);
                out
            })
        })
    }
}

fn parts<'a>(pieces: &[Piece<'a>], pattern: bool) -> Vec<Part<'a>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < pieces.len() {
        let next = pieces.get(at + 1).map_or("", |piece| piece.text);
        if pieces[at].text != "$" {
            found.push(Part::Token(pieces[at]));
            at += 1;
        } else if next == "(" {
            let close = closing(pieces, at + 1);
            let inner = parts(&pieces[at + 2..close], pattern);
            let operator = |i: usize| pieces.get(i).map_or("", |piece| piece.text);
            let bare = matches!(operator(close + 1), "*" | "+" | "?");
            let separator = (!bare).then(|| operator(close + 1));
            let end = if bare { close + 1 } else { close + 2 };
            found.push(Part::Repeat(inner, separator, operator(end) == "?"));
            at = end + 1;
        } else if next == "crate" {
            found.push(Part::Token(pieces[at + 1]));
            at += 2;
        } else if pattern {
            found.push(Part::Variable(next, pieces.get(at + 3).map_or("", |piece| piece.text)));
            at += 4;
        } else {
            found.push(Part::Variable(next, ""));
            at += 2;
        }
    }
    found
}

/// Fits a pattern to the input from `at` on; returns where it ends.
fn fit<'a>(
    pattern: &[Part<'a>],
    input: &[Piece<'a>],
    mut at: usize,
    bound: &mut Bindings<'a>,
) -> Option<usize> {
    for part in pattern {
        match part {
            Part::Token(token) => {
                (input.get(at)?.text == token.text).then_some(())?;
                at += 1;
            }
            Part::Variable(name, fragment) => {
                let end = fragment_end(fragment, input, at)?;
                bound.insert(name, Bound::One(input[at..end].to_vec()));
                at = end;
            }
            Part::Repeat(inner, separator, once) => {
                let mut all: BTreeMap<_, Vec<_>> =
                    variables(inner).into_iter().map(|name| (name, Vec::new())).collect();
                for round in 0.. {
                    let separated = round > 0 && separator.is_some();
                    if separated && input.get(at).map(|piece| piece.text) != *separator {
                        break;
                    }
                    let mut these = Bindings::new();
                    let start = at + usize::from(separated);
                    let end = fit(inner, input, start, &mut these).filter(|end| *end > at);
                    let Some(end) = end else { break };
                    at = end;
                    for (name, value) in these {
                        all.entry(name).or_default().push(value);
                    }
                    if *once {
                        break;
                    }
                }
                bound.extend(all.into_iter().map(|(name, values)| (name, Bound::Many(values))));
            }
        }
    }
    Some(at)
}

fn variables<'a>(parts: &[Part<'a>]) -> Vec<&'a str> {
    let names = parts.iter().flat_map(|part| match part {
        Part::Token(_) => Vec::new(),
        Part::Variable(name, _) => vec![*name],
        Part::Repeat(inner, ..) => variables(inner),
    });
    names.collect()
}

/// Where a fragment of the input ends.
fn fragment_end(fragment: &str, input: &[Piece<'_>], at: usize) -> Option<usize> {
    let text = |i: usize| input.get(i).map_or("", |piece| piece.text);
    let whole = |i: usize| closing(input, i) + 1;
    let end = match fragment {
        "ident" if is_word(text(at)) => at + 1,
        "lifetime" if text(at) == "'" => at + 2,
        "literal" if text(at) == "\"" => at + 2,
        "literal" if is_word(text(at)) => at + 1,
        "tt" | "block" if matches!(text(at), "(" | "[" | "{") => whole(at),
        "tt" if !matches!(text(at), "" | ")" | "]" | "}") => at + 1,
        "vis" if text(at) == "pub" => {
            if text(at + 1) == "(" {
                whole(at + 1)
            } else {
                at + 1
            }
        }
        "vis" => return Some(at),
        "meta" => until(input, at, |text| text == ","),
        "ty" | "path" => until(input, at, |text| matches!(text, "," | ";" | "=" | "{" | "where")),
        // A comparison is no bracket.
        "expr" | "pat" => {
            let mut i = at;
            while i < input.len() && !matches!(text(i), "," | ";" | ")" | "]" | "}") {
                if text(i) == "=" && text(i + 1) == ">" {
                    break;
                }
                i = if matches!(text(i), "(" | "[" | "{") { whole(i) } else { i + 1 };
            }
            i
        }
        _ => return None,
    };
    (end > at).then_some(end)
}

/// Writes a body with what is bound in it.
fn write<'a>(body: &[Part<'a>], bound: &Bindings<'a>, out: &mut Vec<Piece<'a>>) {
    for part in body {
        match part {
            Part::Token(token) => out.push(*token),
            Part::Variable(name, _) => {
                if let Some(Bound::One(pieces)) = bound.get(name) {
                    out.extend(pieces);
                }
            }
            Part::Repeat(inner, separator, _) => {
                let names = variables(inner);
                let rounds = names.iter().filter_map(|name| match bound.get(name) {
                    Some(Bound::Many(values)) => Some(values.len()),
                    _ => None,
                });
                for round in 0..rounds.max().unwrap_or(0) {
                    let mut these = bound.clone();
                    for name in &names {
                        if let Some(Bound::Many(values)) = bound.get(name) {
                            if let Some(value) = values.get(round) {
                                these.insert(name, value.clone());
                            }
                        }
                    }
                    if let (Some(text), 1..) = (separator, round) {
                        // Its place is nobody's: any piece of the body serves.
                        let near = out.last().copied();
                        out.extend(near.map(|piece| Piece { text, ..piece }));
                    }
                    write(inner, &these, out);
                }
            }
        }
    }
}
