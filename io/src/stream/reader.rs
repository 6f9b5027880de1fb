//! The reading end of a stream, and the futures of whatever reads ahead.

mod lines;

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

#[cfg(any(feature = "futures-io", feature = "tokio-io"))]
use super::ahead::polls;
use super::ahead::{Ahead, CHUNK, ReadAhead};
use super::connection::Connection;
use super::error::ReadError;
#[cfg(feature = "tls")]
use crate::duplex::DuplexReader;
use crate::made::Made;

pub use lines::{Lines, NextLine};

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
    ahead: Ahead,
}

impl StreamReader {
    pub(super) fn new(connection: Arc<Connection>, limit: usize) -> Self {
        Self {
            connection,
            #[cfg(feature = "tls")]
            decrypted: None,
            ahead: Ahead::new(limit, CHUNK),
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
        ReadUntil::new(self, separators, "StreamReader::read_until")
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
        self.ahead.is_over()
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

    /// Takes the whole buffer.
    pub(crate) fn take_all(&mut self) -> Vec<u8> {
        self.ahead.take_all()
    }

    /// Moves what is there to another buffer, at least one byte unless the stream ends.
    pub(crate) fn poll_move(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        to: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_some(0, at, cx))?;
        let n = self.ahead.rest().len();
        to.extend_from_slice(self.ahead.rest());
        self.ahead.skip(n);
        Poll::Ready(Ok(n))
    }
}

/// The bodies of `compat/files.rs`.
#[cfg(any(feature = "futures-io", feature = "tokio-io"))]
impl StreamReader {
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let at = self.connection.made_at();
        polls::fill(self, at, cx)
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        put: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let at = self.connection.made_at();
        polls::read(self, at, cx, room, put)
    }

    pub(crate) fn consume_ahead(&mut self, n: usize) {
        polls::consume(self, n);
    }
}

impl ReadAhead for StreamReader {
    fn ahead(&mut self) -> &mut Ahead {
        &mut self.ahead
    }

    fn poll_append(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        #[cfg(feature = "tls")]
        if let Some(decrypted) = &mut self.decrypted {
            return decrypted.poll_read_vec(at, cx, self.ahead.target());
        }
        self.connection.poll_read_vec(at, cx, self.ahead.target())
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReader")
            .field("buffered", &self.ahead.rest().len())
            .field("limit", &self.ahead.limit)
            .field("eof", &self.ahead.eof)
            .field("connection", &self.connection)
            .finish()
    }
}

/// Future of [`StreamReader::read`] and its like of `BufReader`: `io::Result<Vec<u8>>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct ReadSome<'a, R = StreamReader> {
    pub(crate) reader: &'a mut R,
    pub(crate) n: Option<usize>,
    pub(crate) made: Made,
}

impl<R: ReadAhead> Future for ReadSome<'_, R> {
    type Output = io::Result<Vec<u8>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, n, made } = self.get_mut();
        let at = made.begin();
        match *n {
            Some(n) => {
                if n > 0 {
                    ready!(reader.poll_some(n, at, cx))?;
                }
                let ahead = reader.ahead();
                Poll::Ready(Ok(ahead.take(n.min(ahead.rest().len()))))
            }
            None => {
                ready!(reader.poll_to_end(at, cx))?;
                Poll::Ready(Ok(reader.ahead().take_all()))
            }
        }
    }
}

/// Future of [`StreamReader::read_line`] and its like of `BufReader`: `Result<Vec<u8>, ReadError>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct ReadLine<'a, R = StreamReader> {
    pub(crate) reader: &'a mut R,
    pub(crate) scanned: usize,
    pub(crate) made: Made,
}

impl<R: ReadAhead> Future for ReadLine<'_, R> {
    type Output = Result<Vec<u8>, ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, scanned, made } = self.get_mut();
        let at = made.begin();
        let found = ready!(reader.poll_until(&[b"\n"], scanned, at, cx));
        let ahead = reader.ahead();
        Poll::Ready(match found {
            Ok(end) => Ok(ahead.take(end)),
            Err(ReadError::Incomplete { partial, .. }) => Ok(partial),
            Err(ReadError::LimitOverrun { consumed }) => {
                // The end of the line, if it is there, goes with it.
                let ended = ahead.rest().get(consumed) == Some(&b'\n');
                ahead.skip(if ended { consumed + 1 } else { ahead.rest().len() });
                Err(ReadError::LimitOverrun { consumed })
            }
            Err(error) => Err(error),
        })
    }
}

/// Future of [`StreamReader::read_exact`] and its like of `BufReader`: `Result<Vec<u8>, ReadError>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct ReadExactly<'a, R = StreamReader> {
    pub(crate) reader: &'a mut R,
    pub(crate) n: usize,
    pub(crate) made: Made,
}

impl<R: ReadAhead> Future for ReadExactly<'_, R> {
    type Output = Result<Vec<u8>, ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, n, made } = self.get_mut();
        ready!(reader.poll_at_least(*n, made.begin(), cx))?;
        let ahead = reader.ahead();
        if ahead.rest().len() < *n {
            let partial = ahead.take_all();
            return Poll::Ready(Err(ReadError::Incomplete { partial, expected: Some(*n) }));
        }
        Poll::Ready(Ok(ahead.take(*n)))
    }
}

/// Future of [`StreamReader::read_until`] and its like of `BufReader`: `Result<Vec<u8>, ReadError>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct ReadUntil<'a, R = StreamReader> {
    reader: &'a mut R,
    separators: &'a [&'a [u8]],
    scanned: usize,
    made: Made,
}

impl<'a, R> ReadUntil<'a, R> {
    /// # Panics
    ///
    /// If there is no separator, or one of them is empty.
    #[track_caller]
    pub(crate) fn new(reader: &'a mut R, separators: &'a [&'a [u8]], what: &'static str) -> Self {
        assert!(!separators.is_empty(), "read_until needs at least one separator");
        let empty = separators.iter().position(|separator| separator.is_empty());
        assert!(empty.is_none(), "separator {} of read_until is empty", empty.unwrap_or(0));
        Self { reader, separators, scanned: 0, made: Made::here(what) }
    }
}

impl<R: ReadAhead> Future for ReadUntil<'_, R> {
    type Output = Result<Vec<u8>, ReadError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, separators, scanned, made } = self.get_mut();
        let at = made.begin();
        let end = ready!(reader.poll_until(separators, scanned, at, cx))?;
        Poll::Ready(Ok(reader.ahead().take(end)))
    }
}
