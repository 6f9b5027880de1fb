//! The parsers of files against oracles: modes, lines and text.

use std::io::{Seek, SeekFrom, Write};

use super::core::Core;
use super::mode::Mode;
use super::temp::TempBuilder;
use super::text::decode::{DecodeErrors, Decoded, Format, Goal};
use super::{DecodeError, Newline};
use crate::fuzz::Input;

/// Modes: all that are valid can be counted.
pub fn modes(input: &[u8]) {
    let mode = Input(input).text(5, b"rwax+bt");
    let mut sorted: Vec<char> = mode.chars().collect();
    sorted.sort_unstable();
    // In this order: + a b r w x.
    let valid = ["a", "r", "w", "x"].into_iter().find_map(|kind| {
        let forms = [kind.to_owned(), format!("+{kind}"), format!("b{kind}"), format!("+b{kind}")];
        forms.into_iter().find_map(|form| {
            let mut letters: Vec<char> = form.chars().collect();
            letters.sort_unstable();
            (letters == sorted).then_some((kind, form.contains('+')))
        })
    });
    match (Mode::parse(&mode), valid) {
        (Ok(parsed), Some((kind, plus))) => {
            assert_eq!(parsed.read, kind == "r" || plus, "{mode}");
            assert_eq!(parsed.write, kind != "r" || plus, "{mode}");
            assert_eq!(parsed.append, kind == "a", "{mode}");
            let name = format!("{kind}b{}", if plus { "+" } else { "" });
            assert_eq!(parsed.name(), name, "{mode}");
        }
        (Err(error), None) => assert!(error.to_string().contains(&format!("{mode:?}"))),
        (parsed, valid) => panic!("{mode:?} is {parsed:?}, and should be {valid:?}"),
    }
}

/// Decodes bytes in pieces, by lines or by characters, and compares with what std makes of them.
pub fn decoding(input: &[u8]) {
    let mut input = Input(input);
    let newline = [Newline::Universal, Newline::Keep, Newline::Lf, Newline::Cr, Newline::CrLf];
    let newline = newline[input.below(5)];
    let errors = [DecodeErrors::Strict, DecodeErrors::Ignore, DecodeErrors::Replace];
    let errors = errors[input.below(3)];
    let goal = match input.below(3) {
        0 => Goal { limit: usize::MAX, line: true },
        1 => Goal { limit: usize::MAX, line: false },
        _ => Goal { limit: 1 + input.below(5), line: false },
    };
    let pieces: Vec<usize> = (0..input.below(8)).map(|_| 1 + input.below(5)).collect();
    let bytes = input.0;
    let found = read_all(bytes, &pieces, Format { newline, errors }, goal);
    match (found, errors) {
        (Ok(parts), _) => {
            let whole = decoded(bytes, errors).expect("what was read is no error");
            let translated = translate(&whole, newline);
            assert_eq!(parts.concat(), translated);
            if goal.line {
                assert_eq!(parts, lines(&translated, newline));
            } else if goal.limit < usize::MAX {
                let (_last, full) = parts.split_last().unwrap_or((&translated, &[]));
                assert!(full.iter().all(|part| part.chars().count() == goal.limit));
            }
        }
        (Err((parts, error)), DecodeErrors::Strict) => {
            let wrong = std::str::from_utf8(bytes).expect_err("what is right is no error");
            let before = &bytes[..wrong.valid_up_to()];
            let before = translate(std::str::from_utf8(before).expect("it is valid"), newline);
            assert_eq!(parts.concat() + &error.before, before);
            let length = wrong.error_len().unwrap_or(bytes.len() - wrong.valid_up_to());
            assert_eq!(error.bytes, &bytes[wrong.valid_up_to()..][..length]);
        }
        (Err(_), _) => panic!("only a strict read fails"),
    }
}

/// Reads a file by lines, and in other ways between them, each against what it should find; the size of
/// the buffer is part of the input.
pub fn file_lines(input: &[u8]) {
    let mut input = Input(input);
    let buffer = [0, 1, 2, 3, 5, 8, 64, 4096][input.below(8)];
    let plan: Vec<u8> = input.bytes(8).to_vec();
    // Ends of lines are to come up.
    let bytes: Vec<u8> = input.0.iter().map(|&byte| if byte < 40 { b'\n' } else { byte }).collect();
    let mut core = Core::new(file_of(&bytes), buffer, Mode::parse("r").expect("a mode"));
    let mut rest = &bytes[..];
    for step in plan.iter().cycle().take(2 * bytes.len() + 2) {
        let n = usize::from(step >> 3);
        match step % 8 {
            0 | 1 => line(&mut core, None, &mut rest),
            2 => line(&mut core, Some(n), &mut rest),
            3 | 4 => several(&mut core, Some(n), &mut rest),
            5 => assert_eq!(core.read(Some(n)).expect("it is read"), take(&mut rest, n)),
            6 => {
                let found = core.some(Some(n), false).expect("it is read");
                assert!(n == 0 || rest.is_empty() || !found.is_empty());
                assert_eq!(found, take(&mut rest, found.len()));
            }
            // Nobody has heard of it.
            _ => {
                let found = core.line(None).expect("it is read");
                core.unread(&found);
            }
        }
        let at = core.tell().expect("it has positions");
        assert_eq!(at, (bytes.len() - rest.len()) as u64);
        if n == 31 {
            let back = SeekFrom::Current(-(at.min(3) as i64));
            assert_eq!(core.seek(back).expect("it has positions"), at - at.min(3));
            rest = &bytes[(at - at.min(3)) as usize..];
        }
    }
    several(&mut core, None, &mut rest);
    assert_eq!(rest, b"");
}

fn file_of(bytes: &[u8]) -> std::fs::File {
    thread_local! {
        /// One for all inputs: to make one takes longer than to read it.
        static FILE: std::fs::File = TempBuilder::new().make_unnamed().expect("a file");
    }
    let mut file = FILE.with(std::fs::File::try_clone).expect("a descriptor");
    file.set_len(0).expect("a file can be cut");
    file.rewind().expect("it has positions");
    file.write_all(bytes).expect("there is room");
    file.rewind().expect("it has positions");
    file
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, more) = rest.split_at(n.min(rest.len()));
    *rest = more;
    taken
}

/// What a line should be.
fn expected<'a>(rest: &mut &'a [u8], limit: Option<usize>) -> &'a [u8] {
    let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
    take(rest, end.min(limit.unwrap_or(usize::MAX)))
}

fn line(core: &mut Core, limit: Option<usize>, rest: &mut &[u8]) {
    // As an operation does: at once, or on a thread.
    let found = core.try_line(limit).map_or_else(|| core.line(limit), Ok);
    assert_eq!(found.expect("it is read"), expected(rest, limit));
}

fn several(core: &mut Core, hint: Option<usize>, rest: &mut &[u8]) {
    let mut total = 0;
    for line in core.lines(hint).expect("they are read") {
        assert!(hint.is_none_or(|hint| hint == 0 || total <= hint), "one line more than asked for");
        assert_eq!(line, expected(rest, None));
        total += line.len();
    }
    let enough = hint.is_some_and(|hint| hint > 0 && total > hint);
    assert!(enough || rest.is_empty(), "{} bytes are left", rest.len());
}

type Parts = Vec<String>;

/// Reads until the end, each time until the goal.
fn read_all(
    bytes: &[u8],
    pieces: &[usize],
    format: Format,
    goal: Goal,
) -> Result<Parts, (Parts, DecodeError)> {
    let mut sizes = pieces.iter().copied().chain([bytes.len()]).cycle();
    let (mut parts, mut held, mut rest) = (Vec::new(), Vec::new(), bytes);
    let mut part = Decoded::default();
    loop {
        match part.feed(&held, rest.is_empty(), format, goal) {
            Ok(used) => drop(held.drain(..used)),
            Err((_, error)) => return Err((parts, error)),
        }
        if part.is_done(goal) {
            parts.push(std::mem::take(&mut part).text);
        } else if rest.is_empty() {
            assert!(held.is_empty(), "{held:?} was left");
            parts.extend(Some(part.text).filter(|text| !text.is_empty()));
            return Ok(parts);
        } else {
            let (piece, more) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
            held.extend_from_slice(piece);
            rest = more;
        }
    }
}

/// All of it at once, by std.
fn decoded(bytes: &[u8], errors: DecodeErrors) -> Option<String> {
    match errors {
        DecodeErrors::Strict => std::str::from_utf8(bytes).ok().map(Into::into),
        DecodeErrors::Ignore => Some(bytes.utf8_chunks().map(|chunk| chunk.valid()).collect()),
        DecodeErrors::Replace => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

fn translate(text: &str, newline: Newline) -> String {
    match newline {
        Newline::Universal => text.replace("\r\n", "\n").replace('\r', "\n"),
        _ => text.into(),
    }
}

/// Lines with their ends, after the translation.
fn lines(text: &str, newline: Newline) -> Parts {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = match newline {
            Newline::Universal | Newline::Lf => rest.find('\n').map(|at| at + 1),
            Newline::Cr => rest.find('\r').map(|at| at + 1),
            Newline::CrLf => rest.find("\r\n").map(|at| at + 2),
            Newline::Keep => rest
                .find(['\r', '\n'])
                .map(|at| at + if rest[at..].starts_with("\r\n") { 2 } else { 1 }),
        };
        let (line, more) = rest.split_at(end.unwrap_or(rest.len()));
        parts.push(line.into());
        rest = more;
    }
    parts
}
