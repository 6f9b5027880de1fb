//! The lines of a stream, one after the other.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{ReadLine, StreamReader};
use crate::made::Made;
use crate::stream::ahead::ReadAhead;
use crate::stream::error::ReadError;

/// The lines of a stream; made by [`StreamReader::lines`] and its like of `BufReader`.
#[derive(Debug)]
#[must_use = "lines do nothing unless they are awaited"]
pub struct Lines<'a, R = StreamReader> {
    pub(crate) reader: &'a mut R,
}

impl<R> Lines<'_, R> {
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
    pub fn next_line(&mut self) -> NextLine<'_, R> {
        let made = Made::here("Lines::next_line");
        NextLine { line: ReadLine { reader: self.reader, scanned: 0, made } }
    }
}

/// Future of [`Lines::next_line`]: `Option<Result<Vec<u8>, ReadError>>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct NextLine<'a, R = StreamReader> {
    line: ReadLine<'a, R>,
}

impl<R: ReadAhead> Future for NextLine<'_, R> {
    type Output = Option<Result<Vec<u8>, ReadError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let line = ready!(Pin::new(&mut self.line).poll(cx));
        Poll::Ready(match line {
            Ok(line) if line.is_empty() => None,
            line => Some(line),
        })
    }
}

impl<R: ReadAhead> futures_core::Stream for Lines<'_, R> {
    type Item = Result<Vec<u8>, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.next_line()).poll(cx)
    }
}
