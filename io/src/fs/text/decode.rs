//! From bytes to text: UTF-8, ends of lines, and what to do with bytes that are neither.

use std::error::Error;
use std::fmt;
use std::io;
use std::str;

/// What ends a line, and what becomes of it. Python: `newline`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Newline {
    /// Reading: `\n`, `\r` and `\r\n` end a line, and all become `\n`. Writing: as it is. Python:
    /// `None`.
    #[default]
    Universal,
    /// Reading: the same end a line, and stay as they are. Writing: as it is. Python: `''`.
    Keep,
    /// Only `\n` ends a line. Nothing is translated.
    Lf,
    /// Only `\r` ends a line; a `\n` is written as `\r`.
    Cr,
    /// Only `\r\n` ends a line; a `\n` is written as `\r\n`.
    CrLf,
}

/// What becomes of bytes that are no UTF-8. Python: `errors`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DecodeErrors {
    /// The read fails with a [`DecodeError`].
    #[default]
    Strict,
    /// They are left out.
    Ignore,
    /// U+FFFD stands for them.
    Replace,
}

/// Bytes that are no UTF-8. Python: `UnicodeDecodeError`. It comes inside an [`io::Error`] of kind
/// `InvalidData`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeError {
    /// What the same read found before them; it is not read again.
    pub before: String,
    /// The bytes. The position is behind them.
    pub bytes: Vec<u8>,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the bytes {:02x?} are no UTF-8", self.bytes)
    }
}

impl Error for DecodeError {}

impl From<DecodeError> for io::Error {
    fn from(error: DecodeError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// How to decode.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::fs) struct Format {
    pub(in crate::fs) newline: Newline,
    pub(in crate::fs) errors: DecodeErrors,
}

/// What a read is after.
#[derive(Clone, Copy, Debug)]
pub(in crate::fs) struct Goal {
    /// So many characters at most.
    pub(in crate::fs) limit: usize,
    /// Not beyond the end of the line.
    pub(in crate::fs) line: bool,
}

/// A read in the making.
#[derive(Debug, Default)]
pub(in crate::fs) struct Decoded {
    pub(in crate::fs) text: String,
    count: usize,
    /// The last character was a `\r`, and what it is part of is not known yet.
    carriage: bool,
    done: bool,
}

/// One step of decoding.
enum Step {
    /// So many bytes are this character.
    Char(usize, char),
    /// So many bytes are no UTF-8.
    Bad(usize),
    /// More bytes are needed to tell.
    More,
}

impl Decoded {
    /// Whether the goal is reached.
    pub(in crate::fs) fn is_done(&self, goal: Goal) -> bool {
        self.done || self.count >= goal.limit
    }

    /// Decodes until the goal or the end of `bytes`, and returns how many bytes were used. `last`:
    /// no bytes will follow.
    pub(in crate::fs) fn feed(
        &mut self,
        bytes: &[u8],
        last: bool,
        format: Format,
        goal: Goal,
    ) -> Result<usize, (usize, DecodeError)> {
        let mut used = 0;
        while !self.is_done(goal) {
            let rest = &bytes[used..];
            if self.carriage {
                let skipped = ignored(rest, last, format);
                used += skipped;
                match self.after_carriage(&rest[skipped..], last, format, goal) {
                    Some(more) => used += more,
                    None => break,
                }
                continue;
            }
            match next(rest, last) {
                Step::More => break,
                Step::Bad(n) => {
                    match format.errors {
                        DecodeErrors::Strict => {
                            let before = std::mem::take(&mut self.text);
                            let bytes = rest[..n].to_vec();
                            return Err((used + n, DecodeError { before, bytes }));
                        }
                        DecodeErrors::Ignore => {}
                        DecodeErrors::Replace => self.push(char::REPLACEMENT_CHARACTER),
                    }
                    used += n;
                }
                Step::Char(n, '\r') => {
                    self.carriage = true;
                    used += n;
                }
                Step::Char(n, c) => {
                    self.push(c);
                    used += n;
                    // After `\r\n` only where that is what ends a line; see `after_carriage`.
                    let ends = c == '\n' && !matches!(format.newline, Newline::Cr | Newline::CrLf);
                    self.done = goal.line && ends;
                }
            }
        }
        Ok(used)
    }

    fn push(&mut self, c: char) {
        self.text.push(c);
        self.count += 1;
    }

    /// Behind a `\r`; returns how many bytes of what follows belong to it. `None`: too little follows.
    fn after_carriage(
        &mut self,
        follows: &[u8],
        last: bool,
        format: Format,
        goal: Goal,
    ) -> Option<usize> {
        let pairs = matches!(format.newline, Newline::Universal | Newline::Keep | Newline::CrLf);
        // Bytes of which it is not known yet whether they are left out are too little, too.
        let unknown = match format.errors {
            DecodeErrors::Ignore => matches!(next(follows, last), Step::More),
            DecodeErrors::Strict | DecodeErrors::Replace => follows.is_empty(),
        };
        if pairs && unknown && !last {
            return None;
        }
        self.carriage = false;
        let pair = pairs && follows.first() == Some(&b'\n');
        match format.newline {
            Newline::Universal => self.push('\n'),
            _ => self.push('\r'),
        }
        // A pair that is kept counts as two characters, as Python has it: a limit may part it.
        let second = pair && format.newline != Newline::Universal;
        let fits = self.count < goal.limit;
        if second && fits {
            self.push('\n');
        }
        let ends = match format.newline {
            Newline::Universal | Newline::Keep | Newline::Cr => true,
            Newline::Lf => false,
            Newline::CrLf => pair,
        };
        self.done = goal.line && ends;
        Some(usize::from(pair && (!second || fits)))
    }
}

/// How many of these bytes are left out before the first character: for Python, which decodes before
/// it looks for ends of lines, they part no pair.
fn ignored(bytes: &[u8], last: bool, format: Format) -> usize {
    let mut n = 0;
    if format.errors == DecodeErrors::Ignore {
        while let Step::Bad(more) = next(&bytes[n..], last) {
            n += more;
        }
    }
    n
}

/// The next character of some bytes.
fn next(bytes: &[u8], last: bool) -> Step {
    let Some(&first) = bytes.first() else { return Step::More };
    if first.is_ascii() {
        return Step::Char(1, char::from(first));
    }
    // No character is longer than four bytes.
    let head = &bytes[..bytes.len().min(4)];
    let valid = match str::from_utf8(head) {
        Ok(valid) => valid,
        Err(error) if error.valid_up_to() > 0 => {
            str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(error) => match error.error_len() {
            Some(n) => return Step::Bad(n),
            None if last => return Step::Bad(head.len()),
            None => return Step::More,
        },
    };
    valid.chars().next().map_or(Step::More, |c| Step::Char(c.len_utf8(), c))
}

/// Text as it is written.
pub(in crate::fs) fn encode(text: &str, newline: Newline) -> Vec<u8> {
    match newline {
        Newline::Universal | Newline::Keep | Newline::Lf => text.into(),
        Newline::Cr => text.replace('\n', "\r").into(),
        Newline::CrLf => text.replace('\n', "\r\n").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines, fed in pieces of every size.
    fn lines(bytes: &[u8], newline: Newline) -> Vec<String> {
        let format = Format { newline, errors: DecodeErrors::Strict };
        let goal = Goal { limit: usize::MAX, line: true };
        let mut first = None;
        for size in 1..=bytes.len().max(1) {
            let (mut all, mut held, mut fed) = (Vec::new(), Vec::new(), 0);
            let mut line = Decoded::default();
            loop {
                let used = line.feed(&held, fed == bytes.len(), format, goal).unwrap();
                held.drain(..used);
                if line.is_done(goal) {
                    all.push(std::mem::take(&mut line).text);
                } else if fed == bytes.len() {
                    break;
                } else {
                    let end = (fed + size).min(bytes.len());
                    held.extend_from_slice(&bytes[fed..end]);
                    fed = end;
                }
            }
            assert!(held.is_empty());
            all.extend(Some(line.text).filter(|rest| !rest.is_empty()));
            assert_eq!(*first.get_or_insert(all.clone()), all, "pieces of {size}");
        }
        first.unwrap_or_default()
    }

    #[test]
    fn lines_end_as_python_says() {
        let bytes = b"a\nb\rc\r\nd\r\r\n\ne";
        assert_eq!(lines(bytes, Newline::Universal), ["a\n", "b\n", "c\n", "d\n", "\n", "\n", "e"]);
        assert_eq!(lines(bytes, Newline::Keep), ["a\n", "b\r", "c\r\n", "d\r", "\r\n", "\n", "e"]);
        assert_eq!(lines(bytes, Newline::Lf), ["a\n", "b\rc\r\n", "d\r\r\n", "\n", "e"]);
        assert_eq!(lines(bytes, Newline::Cr), ["a\nb\r", "c\r", "\nd\r", "\r", "\n\ne"]);
        assert_eq!(lines(bytes, Newline::CrLf), ["a\nb\rc\r\n", "d\r\r\n", "\ne"]);
        assert_eq!(lines(b"end\r", Newline::Universal), ["end\n"]);
        assert_eq!(lines("\u{e9}\u{20ac}\u{1d11e}\n".as_bytes(), Newline::Lf).len(), 1);
    }

    fn all(bytes: &[u8], errors: DecodeErrors) -> Result<String, DecodeError> {
        let goal = Goal { limit: usize::MAX, line: false };
        let mut read = Decoded::default();
        let format = Format { newline: Newline::Keep, errors };
        let used = read.feed(bytes, true, format, goal).map_err(|(_, error)| error)?;
        assert_eq!(used, bytes.len());
        Ok(read.text)
    }

    #[test]
    fn bad_bytes_are_treated_as_asked() {
        // A lone continuation, a cut sequence in the middle, and one at the end.
        let bad = b"a\x80b\xe2\x82c\xf0\x9d";
        assert_eq!(all(bad, DecodeErrors::Ignore).unwrap(), "abc");
        assert_eq!(all(bad, DecodeErrors::Replace).unwrap(), "a\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(all(bad, DecodeErrors::Replace).unwrap(), String::from_utf8_lossy(bad));
        let error = all(bad, DecodeErrors::Strict).unwrap_err();
        assert_eq!((error.before.as_str(), &error.bytes[..]), ("a", &b"\x80"[..]));
        assert_eq!(error.to_string(), "the bytes [80] are no UTF-8");
    }

    /// Found by fuzzing. CPython 3.11: `TextIOWrapper(BytesIO(b"a\r\xff\n\r\xe2\x82\nb"), errors="ignore")`.
    #[test]
    fn ignored_bytes_part_no_end_of_a_line() {
        let bytes = b"a\r\xff\n\r\xe2\x82\nb";
        let format = Format { newline: Newline::Universal, errors: DecodeErrors::Ignore };
        let goal = Goal { limit: usize::MAX, line: false };
        for cut in 0..=bytes.len() {
            let mut read = Decoded::default();
            let used = read.feed(&bytes[..cut], false, format, goal).unwrap();
            let rest = read.feed(&bytes[used..], true, format, goal).unwrap();
            assert_eq!((read.text.as_str(), used + rest), ("a\n\nb", bytes.len()), "cut at {cut}");
        }
    }

    /// Else each piece would be looked at again with all those before it.
    #[test]
    fn ignored_bytes_behind_a_carriage_return_are_not_kept() {
        let format = Format { newline: Newline::Universal, errors: DecodeErrors::Ignore };
        let goal = Goal { limit: usize::MAX, line: true };
        let (mut read, mut held) = (Decoded::default(), vec![b'\r']);
        for _ in 0..100 {
            held.push(0xff);
            held.drain(..read.feed(&held, false, format, goal).unwrap());
            assert!(held.len() <= 1 && !read.is_done(goal), "{held:?}");
        }
        held.push(b'\n');
        assert_eq!(read.feed(&held, false, format, goal).unwrap(), held.len());
        assert_eq!((read.text.as_str(), read.is_done(goal)), ("\n", true));
    }

    #[test]
    fn characters_are_counted() {
        let format = Format { newline: Newline::Universal, errors: DecodeErrors::Strict };
        let goal = Goal { limit: 3, line: false };
        let mut read = Decoded::default();
        let used = read.feed("\u{e9}\r\n\u{20ac}x".as_bytes(), false, format, goal).unwrap();
        assert_eq!((read.text.as_str(), used), ("\u{e9}\n\u{20ac}", 7));
        assert!(read.is_done(goal));
    }

    #[test]
    fn newlines_are_written_as_asked() {
        assert_eq!(encode("a\nb", Newline::Universal), b"a\nb");
        assert_eq!(encode("a\nb", Newline::Cr), b"a\rb");
        assert_eq!(encode("a\nb", Newline::CrLf), b"a\r\nb");
    }
}
