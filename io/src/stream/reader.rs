//! The reading end of a stream.
//!
//! *Invariant.* What is in the buffer has not been returned yet. Every read leaves the buffer as it
//! was until the poll that returns, so dropping one loses nothing.

mod lines;

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use memchr::memmem;

use super::connection::Connection;
use super::error::ReadError;
#[cfg(feature = "tls")]
use crate::duplex::DuplexReader;
use crate::made::Made;

pub use lines::{Lines, NextLine};

/// Room that is made for a read from the socket, at least: a few packets. A read that asks for more
/// gets more.
const CHUNK: usize = 8 << 10;

/// The reading end of a stream.
///
/// Every read is strict when it is cancelled: what was not returned is there for the next one.
///
/// It has `AsyncRead` and `AsyncBufRead` of futures-io and of tokio, by the features `futures-io` and
/// `tokio-io`, for what wants a stream of bytes: both kinds of reading share the buffer, and may take
/// turns.
///
/// asyncio: `StreamReader`.
pub struct StreamReader {
    connection: Arc<Connection>,
    /// Where the bytes of a secured connection come from.
    #[cfg(feature = "tls")]
    decrypted: Option<DuplexReader>,
    /// What was read from the socket; the part before `start` was returned.
    buffer: Vec<u8>,
    start: usize,
    limit: usize,
    eof: bool,
}

impl StreamReader {
    pub(super) fn new(connection: Arc<Connection>, limit: usize) -> Self {
        Self {
            connection,
            #[cfg(feature = "tls")]
            decrypted: None,
            buffer: Vec::new(),
            start: 0,
            limit,
            eof: false,
        }
    }

    /// Reads at most `n` bytes, at least one unless the stream ends; with `None` all until the end.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_io::stream::connect_accepted_socket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (mut reader, _writer) = connect_accepted_socket(ours)?;
    /// theirs.write_all(b"hello").await?;
    /// drop(theirs);
    /// assert_eq!(reader.read(Some(2)).await?, b"he");
    /// assert_eq!(reader.read(None).await?, b"llo");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn read(&mut self, n: Option<usize>) -> ReadSome<'_> {
        ReadSome { reader: self, n, made: Made::here("StreamReader::read") }
    }

    /// Reads a line with its `\n`; what is left at the end of the stream, which may be nothing.
    ///
    /// asyncio: `readline`.
    ///
    /// # Errors
    ///
    /// [`ReadError::LimitOverrun`] for a line that is longer than the limit; as much of it as is
    /// there is removed. Else the system's.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_io::stream::connect_accepted_socket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (mut reader, _writer) = connect_accepted_socket(ours)?;
    /// theirs.write_all(b"one\ntwo").await?;
    /// drop(theirs);
    /// assert_eq!(reader.read_line().await.unwrap(), b"one\n");
    /// assert_eq!(reader.read_line().await.unwrap(), b"two");
    /// assert_eq!(reader.read_line().await.unwrap(), b"", "the end");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    #[doc(alias = "readline")]
    pub fn read_line(&mut self) -> ReadLine<'_> {
        ReadLine { reader: self, scanned: 0, made: Made::here("StreamReader::read_line") }
    }

    /// Reads exactly `n` bytes. The limit does not hold for it.
    ///
    /// asyncio: `readexactly`.
    ///
    /// # Errors
    ///
    /// [`ReadError::Incomplete`] with what came before the end; else the system's.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_io::stream::{ReadError, connect_accepted_socket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (mut reader, _writer) = connect_accepted_socket(ours)?;
    /// theirs.write_all(b"hello").await?;
    /// drop(theirs);
    /// assert_eq!(reader.read_exact(4).await.unwrap(), b"hell");
    /// let Err(ReadError::Incomplete { partial, .. }) = reader.read_exact(4).await else {
    ///     panic!("there was less")
    /// };
    /// assert_eq!(partial, b"o");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    #[doc(alias = "readexactly")]
    pub fn read_exact(&mut self, n: usize) -> ReadExactly<'_> {
        ReadExactly { reader: self, n, made: Made::here("StreamReader::read_exact") }
    }

    /// Reads until the first of some separators, which is returned too: the first that ends. If
    /// several end at one place, the limit holds for what is before the shortest.
    ///
    /// asyncio: `readuntil`, with a tuple for several.
    ///
    /// # Errors
    ///
    /// [`ReadError::Incomplete`] with what came before the end; [`ReadError::LimitOverrun`] if the
    /// chunk before the separator is longer than the limit: it stays in the buffer. Else the
    /// system's.
    ///
    /// # Panics
    ///
    /// If there is no separator, or one of them is empty.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_io::stream::connect_accepted_socket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (mut reader, _writer) = connect_accepted_socket(ours)?;
    /// theirs.write_all(b"a=1;b=2&").await?;
    /// drop(theirs);
    /// let ends: [&[u8]; 2] = [b";", b"&"];
    /// assert_eq!(reader.read_until(&ends).await.unwrap(), b"a=1;");
    /// assert_eq!(reader.read_until(&ends).await.unwrap(), b"b=2&");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    #[doc(alias = "readuntil")]
    pub fn read_until<'a>(&'a mut self, separators: &'a [&'a [u8]]) -> ReadUntil<'a> {
        assert!(!separators.is_empty(), "read_until needs at least one separator");
        let empty = separators.iter().position(|separator| separator.is_empty());
        assert!(empty.is_none(), "separator {} of read_until is empty", empty.unwrap_or(0));
        ReadUntil {
            reader: self,
            separators,
            scanned: 0,
            made: Made::here("StreamReader::read_until"),
        }
    }

    /// The lines of the stream, one after the other; asyncio's `async for`.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_io::stream::connect_accepted_socket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (mut reader, _writer) = connect_accepted_socket(ours)?;
    /// theirs.write_all(b"one\ntwo\n").await?;
    /// drop(theirs);
    /// let mut lines = reader.lines();
    /// let mut count = 0;
    /// while let Some(line) = lines.next_line().await {
    ///     assert!(line.unwrap().ends_with(b"\n"));
    ///     count += 1;
    /// }
    /// assert_eq!(count, 2);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn lines(&mut self) -> Lines<'_> {
        Lines { reader: self }
    }

    /// True if the stream has ended and everything was read.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_io::stream::connect_accepted_socket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (mut reader, _writer) = connect_accepted_socket(ours)?;
    /// theirs.write_all(b"hi").await?;
    /// drop(theirs);
    /// assert_eq!(reader.read_exact(2).await.unwrap(), b"hi");
    /// assert!(!reader.at_eof(), "nobody has looked");
    /// assert_eq!(reader.read(Some(1)).await?, b"");
    /// assert!(reader.at_eof());
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[must_use]
    pub fn at_eof(&self) -> bool {
        self.eof && self.rest().is_empty()
    }

    /// What is in the buffer.
    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Takes the first `n` bytes of the buffer.
    fn take(&mut self, n: usize) -> Vec<u8> {
        if n == self.rest().len() && self.start == 0 {
            return std::mem::take(&mut self.buffer);
        }
        let taken = self.rest()[..n].to_vec();
        self.skip(n);
        taken
    }

    fn skip(&mut self, n: usize) {
        self.start += n;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    /// Reads from the socket, once; with room for at least `want` bytes.
    fn poll_more(
        &mut self,
        want: usize,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start > 0 && self.buffer.capacity() - self.buffer.len() < want {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(want);
        let n = ready!(self.poll_append(at, cx))?;
        self.eof |= n == 0;
        Poll::Ready(Ok(()))
    }

    fn poll_append(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        #[cfg(feature = "tls")]
        if let Some(decrypted) = &mut self.decrypted {
            return decrypted.poll_read_vec(at, cx, &mut self.buffer);
        }
        self.connection.poll_read_vec(at, cx, &mut self.buffer)
    }

    /// Reads what a session decrypts from now on; returns what was read of its handshake.
    #[cfg(feature = "tls")]
    pub(super) fn secure(&mut self, decrypted: DuplexReader) -> Vec<u8> {
        self.decrypted = Some(decrypted);
        self.take_all()
    }

    #[cfg(feature = "tls")]
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Reads everything to the end of the stream into the buffer.
    pub(crate) fn poll_to_end(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.eof {
            // Twice as much each time, so that a long stream costs few copies.
            let room = self.rest().len().max(CHUNK);
            ready!(self.poll_more(room, at, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Moves what is there to another buffer, at least one byte unless the stream ends.
    pub(crate) fn poll_move(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        to: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        if self.rest().is_empty() && !self.eof {
            ready!(self.poll_more(CHUNK, at, cx))?;
        }
        let n = self.rest().len();
        to.extend_from_slice(self.rest());
        self.skip(n);
        Poll::Ready(Ok(n))
    }

    /// What is there, at least one byte unless the stream ends; for a trait's method.
    #[cfg(any(feature = "futures-io", feature = "tokio-io"))]
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        ready!(self.poll_ahead(cx, CHUNK))?;
        Poll::Ready(Ok(self.rest()))
    }

    #[cfg(any(feature = "futures-io", feature = "tokio-io"))]
    fn poll_ahead(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<()>> {
        if self.rest().is_empty() && !self.eof {
            let at = self.connection.made_at();
            ready!(self.poll_more(room.clamp(CHUNK, super::DEFAULT_LIMIT), at, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Gives at most `room` bytes to `put`; for a trait's method.
    #[cfg(any(feature = "futures-io", feature = "tokio-io"))]
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        put: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        if room > 0 {
            ready!(self.poll_ahead(cx, room))?;
        }
        let n = self.rest().len().min(room);
        put(&self.rest()[..n]);
        self.skip(n);
        Poll::Ready(Ok(n))
    }

    /// Takes bytes of [`StreamReader::poll_fill`].
    #[cfg(any(feature = "futures-io", feature = "tokio-io"))]
    pub(crate) fn consume_ahead(&mut self, n: usize) {
        self.skip(n.min(self.rest().len()));
    }

    /// Takes the whole buffer.
    pub(crate) fn take_all(&mut self) -> Vec<u8> {
        self.take(self.rest().len())
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

    /// Where the chunk up to a separator ends.
    fn poll_until(
        &mut self,
        separators: &[&[u8]],
        scanned: &mut usize,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, ReadError>> {
        let longest = separators.iter().map(|separator| separator.len()).max().unwrap_or(1);
        loop {
            if let Some((start, end)) = self.find(separators, scanned) {
                if start > self.limit {
                    return Poll::Ready(Err(ReadError::LimitOverrun { consumed: start }));
                }
                return Poll::Ready(Ok(end));
            }
            // What could still be the beginning of a separator is not consumed.
            let consumed = (self.rest().len() + 1).saturating_sub(longest);
            if consumed > self.limit {
                return Poll::Ready(Err(ReadError::LimitOverrun { consumed }));
            }
            if self.eof {
                let partial = self.take(self.rest().len());
                return Poll::Ready(Err(ReadError::Incomplete { partial, expected: None }));
            }
            ready!(self.poll_more(CHUNK, at, cx))?;
        }
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReader")
            .field("buffered", &self.rest().len())
            .field("limit", &self.limit)
            .field("eof", &self.eof)
            .field("connection", &self.connection)
            .finish()
    }
}

/// Future of [`StreamReader::read`]: `io::Result<Vec<u8>>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct ReadSome<'a> {
    reader: &'a mut StreamReader,
    n: Option<usize>,
    made: Made,
}

impl Future for ReadSome<'_> {
    type Output = io::Result<Vec<u8>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, n, made } = self.get_mut();
        let at = made.begin();
        match *n {
            Some(n) => {
                if n > 0 && reader.rest().is_empty() && !reader.eof {
                    ready!(reader.poll_more(n.clamp(CHUNK, super::DEFAULT_LIMIT), at, cx))?;
                }
                Poll::Ready(Ok(reader.take(n.min(reader.rest().len()))))
            }
            None => {
                ready!(reader.poll_to_end(at, cx))?;
                Poll::Ready(Ok(reader.take_all()))
            }
        }
    }
}

/// Future of [`StreamReader::read_line`]: `Result<Vec<u8>, ReadError>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct ReadLine<'a> {
    reader: &'a mut StreamReader,
    scanned: usize,
    made: Made,
}

impl Future for ReadLine<'_> {
    type Output = Result<Vec<u8>, ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, scanned, made } = self.get_mut();
        let at = made.begin();
        Poll::Ready(match ready!(reader.poll_until(&[b"\n"], scanned, at, cx)) {
            Ok(end) => Ok(reader.take(end)),
            Err(ReadError::Incomplete { partial, .. }) => Ok(partial),
            Err(ReadError::LimitOverrun { consumed }) => {
                // The end of the line, if it is there, goes with it.
                let ended = reader.rest().get(consumed) == Some(&b'\n');
                reader.skip(if ended { consumed + 1 } else { reader.rest().len() });
                Err(ReadError::LimitOverrun { consumed })
            }
            Err(error) => Err(error),
        })
    }
}

/// Future of [`StreamReader::read_exact`]: `Result<Vec<u8>, ReadError>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct ReadExactly<'a> {
    reader: &'a mut StreamReader,
    n: usize,
    made: Made,
}

impl Future for ReadExactly<'_> {
    type Output = Result<Vec<u8>, ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, n, made } = self.get_mut();
        let at = made.begin();
        while reader.rest().len() < *n {
            if reader.eof {
                let partial = reader.take(reader.rest().len());
                return Poll::Ready(Err(ReadError::Incomplete { partial, expected: Some(*n) }));
            }
            // A peer that promises much and sends little does not get the memory for all of it.
            let missing = *n - reader.rest().len();
            ready!(reader.poll_more(missing.clamp(CHUNK, super::DEFAULT_LIMIT), at, cx))?;
        }
        Poll::Ready(Ok(reader.take(*n)))
    }
}

/// Future of [`StreamReader::read_until`]: `Result<Vec<u8>, ReadError>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct ReadUntil<'a> {
    reader: &'a mut StreamReader,
    separators: &'a [&'a [u8]],
    scanned: usize,
    made: Made,
}

impl Future for ReadUntil<'_> {
    type Output = Result<Vec<u8>, ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, separators, scanned, made } = self.get_mut();
        let at = made.begin();
        let end = ready!(reader.poll_until(separators, scanned, at, cx))?;
        Poll::Ready(Ok(reader.take(end)))
    }
}
