//! Bytes that were read ahead, and the ways to take them: the body of `StreamReader` and of
//! `io::BufReader`.
//!
//! *Invariant.* What is in the buffer has not been returned yet. Every read leaves the buffer as it
//! was until the poll that returns, so dropping one loses nothing.

use std::io;
use std::panic::Location;
use std::task::{Context, Poll, ready};

use memchr::memmem;

use super::DEFAULT_LIMIT;
use super::error::ReadError;

/// Room that is made for a read from the system, at least: a few packets. A read that asks for more
/// gets more.
pub(crate) const CHUNK: usize = 8 << 10;

/// A buffer, and what is known of the stream behind it.
#[derive(Debug)]
pub struct Ahead {
    /// What was read from the stream; the part before `start` was returned.
    buffer: Vec<u8>,
    start: usize,
    /// The most that a line, or a chunk before a separator, may be long.
    pub(crate) limit: usize,
    /// Room that is made for a read, at least.
    chunk: usize,
    pub(crate) eof: bool,
}

impl Ahead {
    pub(crate) const fn new(limit: usize, chunk: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, limit, chunk, eof: false }
    }

    /// What is in the buffer.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Nothing is there, and nothing will come.
    pub(crate) fn is_over(&self) -> bool {
        self.eof && self.rest().is_empty()
    }

    /// Takes the first `n` bytes of the buffer.
    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        if n == self.rest().len() && self.start == 0 {
            return std::mem::take(&mut self.buffer);
        }
        let taken = self.rest()[..n].to_vec();
        self.skip(n);
        taken
    }

    /// Takes the whole buffer.
    pub(crate) fn take_all(&mut self) -> Vec<u8> {
        self.take(self.rest().len())
    }

    pub(crate) fn skip(&mut self, n: usize) {
        self.start += n;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    /// The buffer, with room for at least `want` bytes behind what it holds.
    fn with_room(&mut self, want: usize) {
        if self.start > 0 && self.buffer.capacity() - self.buffer.len() < want {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        if self.buffer.is_empty() {
            self.buffer.reserve_exact(want);
        } else {
            // Twice as much each time, so that a long line costs few copies.
            self.buffer.reserve(want);
        }
    }

    /// What a read from the stream puts its bytes behind.
    pub(crate) fn target(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Room for a read that wants `n` bytes: a peer that promises much and sends little does not get
    /// the memory for all of it.
    fn room_for(&self, n: usize) -> usize {
        n.min(DEFAULT_LIMIT).max(self.chunk)
    }

    /// Looks for the end of the first separator; `scanned` bytes were searched before.
    fn find(&self, separators: &[&[u8]], scanned: &mut usize) -> Option<(usize, usize)> {
        let rest = self.rest();
        let mut best: Option<(usize, usize)> = None;
        for separator in separators {
            let from = scanned.saturating_sub(separator.len() - 1).min(rest.len());
            if let Some(at) = memmem::find(&rest[from..], separator) {
                let (start, end) = (from + at, from + at + separator.len());
                if best.is_none_or(|(s, e)| end < e || end == e && start > s) {
                    best = Some((start, end));
                }
            }
        }
        *scanned = rest.len();
        best
    }
}

/// What reads ahead.
pub trait ReadAhead {
    #[doc(hidden)]
    fn ahead(&mut self) -> &mut Ahead;

    /// Reads once from the stream, into the room behind what the buffer holds.
    #[doc(hidden)]
    fn poll_append(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>>;

    /// Reads from the stream, once; with room for at least `want` bytes.
    #[doc(hidden)]
    fn poll_more(
        &mut self,
        want: usize,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let room = self.ahead().room_for(want);
        self.ahead().with_room(room);
        let n = ready!(self.poll_append(at, cx))?;
        self.ahead().eof |= n == 0;
        Poll::Ready(Ok(()))
    }

    /// Something is there, unless the stream has ended; `want` is what the caller has room for.
    #[doc(hidden)]
    fn poll_some(
        &mut self,
        want: usize,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead().rest().is_empty() && !self.ahead().eof {
            ready!(self.poll_more(want, at, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads everything to the end of the stream into the buffer.
    #[doc(hidden)]
    fn poll_to_end(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.ahead().eof {
            // Twice as much each time, so that a long stream costs few copies.
            let room = self.ahead().rest().len();
            self.ahead().with_room(room);
            ready!(self.poll_more(room, at, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// `n` bytes are there, or the end of the stream.
    #[doc(hidden)]
    fn poll_at_least(
        &mut self,
        n: usize,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.ahead().rest().len() < n && !self.ahead().eof {
            let missing = n - self.ahead().rest().len();
            ready!(self.poll_more(missing, at, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Where the chunk up to a separator ends.
    #[doc(hidden)]
    fn poll_until(
        &mut self,
        separators: &[&[u8]],
        scanned: &mut usize,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, ReadError>> {
        let longest = separators.iter().map(|separator| separator.len()).max().unwrap_or(1);
        loop {
            let ahead = self.ahead();
            if let Some((start, end)) = ahead.find(separators, scanned) {
                if start > ahead.limit {
                    return Poll::Ready(Err(ReadError::LimitOverrun { consumed: start }));
                }
                return Poll::Ready(Ok(end));
            }
            // What could still be the beginning of a separator is not consumed.
            let consumed = (ahead.rest().len() + 1).saturating_sub(longest);
            if consumed > ahead.limit {
                return Poll::Ready(Err(ReadError::LimitOverrun { consumed }));
            }
            if ahead.eof {
                let partial = ahead.take_all();
                return Poll::Ready(Err(ReadError::Incomplete { partial, expected: None }));
            }
            ready!(self.poll_more(0, at, cx))?;
        }
    }
}

/// What the traits of futures-io and of tokio ask of what reads ahead.
#[cfg(any(feature = "futures-io", feature = "tokio-io"))]
pub(crate) mod polls {
    use super::{Context, Location, Poll, ReadAhead, io, ready};

    /// What is there, at least one byte unless the stream ends.
    pub(crate) fn fill<'a, R: ReadAhead>(
        reader: &'a mut R,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<&'a [u8]>> {
        ready!(reader.poll_some(0, at, cx))?;
        Poll::Ready(Ok(reader.ahead().rest()))
    }

    /// Gives at most `room` bytes to `put`.
    pub(crate) fn read<R: ReadAhead>(
        reader: &mut R,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        room: usize,
        put: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if room > 0 {
            ready!(reader.poll_some(room, at, cx))?;
        }
        let ahead = reader.ahead();
        let n = ahead.rest().len().min(room);
        put(&ahead.rest()[..n]);
        ahead.skip(n);
        Poll::Ready(Ok(n))
    }

    /// Takes bytes of [`fill`].
    pub(crate) fn consume<R: ReadAhead>(reader: &mut R, n: usize) {
        let ahead = reader.ahead();
        ahead.skip(n.min(ahead.rest().len()));
    }
}
