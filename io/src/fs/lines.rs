//! Lines of bytes: how they are found in the buffer, and one after the other.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::core::{Core, Told};
use super::file::{File, handle};
use super::op::FileOp;
use super::operations::ReadLineOp;

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

    /// Reads ahead until there is a line, or all that is left, for a poll that takes it then.
    fn line_ahead(&mut self) -> io::Result<()> {
        self.begin_read()?;
        let mut searched = 0;
        while newline(&self.ahead()[searched..]).is_none() {
            searched = self.ahead().len();
            if self.fill()? == 0 {
                self.told = Some(Told::End);
                break;
            }
        }
        Ok(())
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

/// The lines of a file; made by [`File::lines`].
#[derive(Debug)]
#[must_use = "lines do nothing unless they are awaited"]
pub struct FileLines<'a> {
    pub(super) file: &'a mut File,
}

impl FileLines<'_> {
    /// The next line, with its `\n`; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`File::read_line`].
    ///
    /// # Cancel safety
    ///
    /// Strict, as [`File::read_line`].
    ///
    /// See [`File::lines`] for an example.
    #[track_caller]
    pub fn next_line(&mut self) -> NextFileLine<'_> {
        NextFileLine { line: self.file.read_line(None) }
    }
}

/// Future of [`FileLines::next_line`]: `Option<io::Result<Vec<u8>>>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct NextFileLine<'a> {
    line: FileOp<'a, ReadLineOp>,
}

impl Future for NextFileLine<'_> {
    type Output = Option<io::Result<Vec<u8>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let line = ready!(Pin::new(&mut self.line).poll(cx));
        Poll::Ready(match line {
            Ok(line) if line.is_empty() => None,
            line => Some(line),
        })
    }
}

/// A poll that is not repeated loses nothing: a line is taken when there is somebody to take it.
impl futures_core::Stream for FileLines<'_> {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let file = &mut *self.file;
        loop {
            let core = ready!(file.poll_usable(cx))?;
            core.may_read()?;
            let line = core.try_line(None);
            if line.is_some() {
                return Poll::Ready(line.map(Ok));
            }
            if let Some(Told::End) = core.told.take() {
                let rest = core.take(core.ahead().len());
                return Poll::Ready((!rest.is_empty()).then_some(Ok(rest)));
            }
            file.lend(&handle()?, Core::line_ahead);
        }
    }
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
