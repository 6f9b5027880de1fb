//! The lines of a stream, one after the other.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{ReadLine, StreamReader};
use crate::made::Made;
use crate::stream::error::ReadError;

/// The lines of a stream; made by [`StreamReader::lines`].
#[derive(Debug)]
#[must_use = "lines do nothing unless they are awaited"]
pub struct Lines<'a> {
    pub(super) reader: &'a mut StreamReader,
}

impl Lines<'_> {
    /// The next line, with its `\n`; `None` at the end.
    ///
    /// See [`StreamReader::lines`] for an example.
    ///
    /// # Errors
    ///
    /// As [`StreamReader::read_line`].
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn next_line(&mut self) -> NextLine<'_> {
        let made = Made::here("Lines::next_line");
        NextLine { line: ReadLine { reader: self.reader, scanned: 0, made } }
    }
}

/// Future of [`Lines::next_line`]: `Option<Result<Vec<u8>, ReadError>>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct NextLine<'a> {
    line: ReadLine<'a>,
}

impl Future for NextLine<'_> {
    type Output = Option<Result<Vec<u8>, ReadError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let line = ready!(Pin::new(&mut self.line).poll(cx));
        Poll::Ready(match line {
            Ok(line) if line.is_empty() => None,
            line => Some(line),
        })
    }
}

impl futures_core::Stream for Lines<'_> {
    type Item = Result<Vec<u8>, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.next_line()).poll(cx)
    }
}
