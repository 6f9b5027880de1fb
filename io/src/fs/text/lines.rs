//! Lines of text, one after the other.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::decode::{Decoded, Format, Goal};
use super::{ReadTextOp, TextFile};
use crate::fs::core::{Core, Told};
use crate::fs::file::handle;
use crate::fs::op::FileOp;

/// The lines of a text file; made by [`TextFile::lines`].
#[derive(Debug)]
#[must_use = "lines do nothing unless they are awaited"]
pub struct TextLines<'a> {
    pub(super) file: &'a mut TextFile,
}

impl TextLines<'_> {
    /// The next line with its end; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// As [`TextFile::read`].
    ///
    /// # Cancel safety
    ///
    /// As [`TextFile::read`].
    ///
    /// See [`TextFile`] for an example.
    #[track_caller]
    pub fn next_line(&mut self) -> NextTextLine<'_> {
        NextTextLine { line: self.file.read_line(None) }
    }
}

/// Future of [`TextLines::next_line`]: `Option<io::Result<String>>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct NextTextLine<'a> {
    line: FileOp<'a, ReadTextOp>,
}

impl Future for NextTextLine<'_> {
    type Output = Option<io::Result<String>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let line = ready!(Pin::new(&mut self.line).poll(cx));
        Poll::Ready(Some(line).filter(|line| !line.as_ref().is_ok_and(String::is_empty)))
    }
}

/// A poll that is not repeated loses nothing: a line is taken when there is somebody to take it.
impl futures_core::Stream for TextLines<'_> {
    type Item = io::Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let TextFile { file, format, .. } = &mut *self.file;
        let format = *format;
        loop {
            let core = ready!(file.poll_usable(cx))?;
            core.may_read()?;
            let last = matches!(core.told.take(), Some(Told::End));
            match core.take_line(format, last) {
                Some(Ok(line)) if line.is_empty() => return Poll::Ready(None),
                Some(line) => return Poll::Ready(Some(line)),
                None => file.lend(&handle()?, move |core| core.text_ahead(format)),
            }
        }
    }
}

const LINE: Goal = Goal { limit: usize::MAX, line: true };

impl Core {
    /// A line that was read ahead; `last`: or what is there.
    fn take_line(&mut self, format: Format, last: bool) -> Option<io::Result<String>> {
        let mut read = Decoded::default();
        match read.feed(self.ahead(), last, format, LINE) {
            Ok(used) if last || read.is_done(LINE) => {
                self.skip(used);
                Some(Ok(read.text))
            }
            Ok(_) => None,
            Err((used, error)) => {
                self.skip(used);
                Some(Err(error.into()))
            }
        }
    }

    /// Reads ahead until there is a line, or bytes that are none, or all that is left.
    fn text_ahead(&mut self, format: Format) -> io::Result<()> {
        self.begin_read()?;
        let (mut read, mut used) = (Decoded::default(), 0);
        // Who takes it finds the bytes that are no text.
        while let Ok(more) = read.feed(&self.ahead()[used..], false, format, LINE) {
            used += more;
            if read.is_done(LINE) {
                break;
            }
            if self.fill()? == 0 {
                self.told = Some(Told::End);
                break;
            }
        }
        Ok(())
    }
}
