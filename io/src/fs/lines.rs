//! Lines of bytes: how they are found in the buffer.

use std::io;

use super::core::Core;

impl Core {
    /// A line if it was read ahead.
    pub(super) fn try_line(&mut self, limit: Option<usize>) -> Option<Vec<u8>> {
        self.readable_ahead()?;
        self.find_line(limit, &mut 0)
    }

    /// A line that was read ahead; `searched` bytes hold no end of one, and those that were searched
    /// now are added.
    fn find_line(&mut self, limit: Option<usize>, searched: &mut usize) -> Option<Vec<u8>> {
        let limit = limit.unwrap_or(usize::MAX);
        let ahead = self.ahead();
        let seen = &ahead[..ahead.len().min(limit)];
        match newline(&seen[*searched..]) {
            Some(at) => Some(self.take(*searched + at + 1)),
            None if seen.len() == limit => Some(self.take(limit)),
            None => {
                *searched = seen.len();
                None
            }
        }
    }

    /// A line with its `\n`, or `limit` bytes of it, or what is left at the end of the file.
    pub(super) fn line(&mut self, limit: Option<usize>) -> io::Result<Vec<u8>> {
        self.begin_read()?;
        let mut searched = 0;
        loop {
            if let Some(line) = self.find_line(limit, &mut searched) {
                return Ok(line);
            }
            if self.fill()? == 0 {
                return Ok(self.take(self.ahead().len()));
            }
        }
    }

    /// All lines; with a hint only until more than so many bytes are together. If it fails, what it
    /// has read is there for the next read.
    pub(super) fn lines(&mut self, hint: Option<usize>) -> io::Result<Vec<Vec<u8>>> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut total = 0;
        loop {
            let line = match self.line(None) {
                Ok(line) => line,
                Err(error) => {
                    self.unread(&lines.concat());
                    return Err(error);
                }
            };
            total += line.len();
            if line.is_empty() {
                return Ok(lines);
            }
            lines.push(line);
            if hint.is_some_and(|hint| hint > 0 && total > hint) {
                return Ok(lines);
            }
        }
    }
}

/// Where a line ends.
fn newline(bytes: &[u8]) -> Option<usize> {
    #[cfg(test)]
    tests::SEARCHED.set(tests::SEARCHED.get() + bytes.len());
    memchr::memchr(b'\n', bytes)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{Seek, Write};

    use super::*;
    use crate::fs::mode::Mode;
    use crate::fs::temp::TempBuilder;

    thread_local! {
        /// Bytes that were searched on this thread.
        pub(super) static SEARCHED: Cell<usize> = const { Cell::new(0) };
    }

    fn file(contents: &[u8], buffer: usize) -> Core {
        let mut file = TempBuilder::new().make_unnamed().expect("a temporary file");
        file.write_all(contents).expect("there is room");
        file.rewind().expect("it has positions");
        Core::new(file, buffer, Mode::parse("r").expect("a mode"))
    }

    /// What a line costs does not grow with its square: each byte is looked at once, however small
    /// the pieces are that it comes in.
    #[test]
    fn a_long_line_is_searched_once() {
        const LENGTH: usize = 20_000;
        let contents = [&vec![b'a'; LENGTH][..], b"\nnext"].concat();
        for buffer in [0, 1, 7, 4096] {
            let mut core = file(&contents, buffer);
            SEARCHED.set(0);
            assert_eq!(core.line(None).expect("a line"), contents[..=LENGTH]);
            let searched = SEARCHED.get();
            assert!(searched <= contents.len(), "{searched} bytes with a buffer of {buffer}");
            assert_eq!(core.line(None).expect("a line"), b"next");
        }
    }

    #[test]
    fn limits_hold_in_pieces_of_every_size() {
        let contents = b"0123456789\nab\n";
        for buffer in 0..20 {
            let mut core = file(contents, buffer);
            let line = core.line(Some(4)).expect("a line");
            assert_eq!(line, b"0123", "with a buffer of {buffer}");
            assert_eq!(core.line(Some(7)).expect("a line"), b"456789\n");
            assert_eq!(core.lines(None).expect("lines"), [b"ab\n"]);
        }
    }
}
