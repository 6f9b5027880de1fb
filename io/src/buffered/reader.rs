//! What reads ahead of who reads few bytes at a time.

use std::fmt;
use std::io;
use std::panic::Location;
use std::task::{Context, Poll, ready};

use super::CAPACITY;
use crate::copy::ByteSource;
use crate::made::Made;
#[cfg(any(feature = "futures-io", feature = "tokio-io"))]
use crate::stream::ahead::polls;
use crate::stream::ahead::{Ahead, ReadAhead};
use crate::stream::{
    DEFAULT_LIMIT, Lines, ReadExactly, ReadLine, ReadSome, ReadUntil, check_limit,
};

/// A buffer before a stream that has none: a socket, one of its halves, a stream in memory. It reads
/// as [`StreamReader`](crate::stream::StreamReader) does, which has one of its own.
///
/// Every read is strict when it is cancelled: what was not returned is there for the next one.
/// [`copy`](crate::copy::copy) takes it, and begins with what is in the buffer, also both ways; it has
/// `AsyncRead` and `AsyncBufRead` of futures-io and of tokio, by the features `futures-io` and `tokio-io`.
///
/// # Examples
///
/// ```
/// use corio_io::buffered::BufReader;
/// use corio_io::net::UnixStream;
///
/// # corio_runtime::run(async {
/// let (near, far) = UnixStream::pair()?;
/// far.write_all(b"GET /\nHost: here\n\nbody").await?;
/// let (read, write) = near.into_split();
/// let mut reader = BufReader::new(read);
/// assert_eq!(reader.read_line().await.unwrap(), b"GET /\n");
/// let mut lines = reader.lines();
/// while let Some(line) = lines.next_line().await {
///     if line.unwrap() == b"\n" {
///         break;
///     }
/// }
/// // What was read ahead is not lost on who reads from the stream itself.
/// assert_eq!(reader.buffer(), b"body");
/// let (read, ahead) = reader.into_inner();
/// assert_eq!(ahead, b"body");
/// # drop((read, write));
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub struct BufReader<R> {
    inner: R,
    ahead: Ahead,
    /// What dumps say when a trait's method waits, which does not know its caller.
    at: &'static Location<'static>,
}

impl<R: ByteSource> BufReader<R> {
    /// A buffer of 8 KiB.
    #[track_caller]
    pub fn new(inner: R) -> Self {
        Self::with_capacity(CAPACITY, inner)
    }

    /// A buffer that asks the stream for at least `capacity` bytes at a time. It holds more if more is
    /// asked for: a long line, or many bytes.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::buffered::BufReader;
    /// use corio_io::duplex::duplex;
    ///
    /// # corio_runtime::run(async {
    /// let (mut feed, stream) = duplex(64);
    /// feed.write_all(b"0123456789").await?;
    /// let mut reader = BufReader::with_capacity(4, stream);
    /// assert_eq!(reader.read(Some(1)).await?, b"0");
    /// assert_eq!(reader.buffer(), b"123");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        assert!(capacity > 0, "a buffer of 0 bytes never holds any");
        Self { inner, ahead: Ahead::new(DEFAULT_LIMIT, capacity), at: Location::caller() }
    }

    /// How long a line, or a chunk before a separator, may be: 64 KiB unless it is said otherwise.
    ///
    /// # Panics
    ///
    /// If `bytes` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::buffered::BufReader;
    /// use corio_io::duplex::duplex;
    /// use corio_io::stream::ReadError;
    ///
    /// # corio_runtime::run(async {
    /// let (mut feed, stream) = duplex(64);
    /// feed.write_all(b"too long\n").await?;
    /// let mut reader = BufReader::new(stream).limit(4);
    /// assert!(matches!(reader.read_line().await, Err(ReadError::LimitOverrun { .. })));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    #[track_caller]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.ahead.limit = check_limit(bytes);
        self
    }

    /// Reads at most `n` bytes, at least one unless the stream ends; with `None` all until the end.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::buffered::BufReader;
    /// use corio_io::duplex::duplex;
    ///
    /// # corio_runtime::run(async {
    /// let (mut feed, stream) = duplex(64);
    /// feed.write_all(b"hello").await?;
    /// drop(feed);
    /// let mut reader = BufReader::new(stream);
    /// assert_eq!(reader.read(Some(2)).await?, b"he");
    /// assert_eq!(reader.read(None).await?, b"llo");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn read(&mut self, n: Option<usize>) -> ReadSome<'_, Self> {
        ReadSome { reader: self, n, made: Made::here("BufReader::read") }
    }

    /// Reads a line with its `\n`; what is left at the end of the stream, which may be nothing.
    ///
    /// # Errors
    ///
    /// [`ReadError::LimitOverrun`](crate::stream::ReadError::LimitOverrun) for a line that is longer
    /// than the limit; as much of it as is there is removed. Else those of the stream.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::buffered::BufReader;
    /// use corio_io::duplex::duplex;
    ///
    /// # corio_runtime::run(async {
    /// let (mut feed, stream) = duplex(64);
    /// feed.write_all(b"one\ntwo").await?;
    /// drop(feed);
    /// let mut reader = BufReader::new(stream);
    /// assert_eq!(reader.read_line().await.unwrap(), b"one\n");
    /// assert_eq!(reader.read_line().await.unwrap(), b"two");
    /// assert_eq!(reader.read_line().await.unwrap(), b"", "the end");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    #[doc(alias = "readline")]
    pub fn read_line(&mut self) -> ReadLine<'_, Self> {
        ReadLine { reader: self, scanned: 0, made: Made::here("BufReader::read_line") }
    }

    /// Reads exactly `n` bytes. The limit does not hold for it.
    ///
    /// # Errors
    ///
    /// [`ReadError::Incomplete`](crate::stream::ReadError::Incomplete) with what came before the end;
    /// else those of the stream.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::buffered::BufReader;
    /// use corio_io::duplex::duplex;
    /// use corio_io::stream::ReadError;
    ///
    /// # corio_runtime::run(async {
    /// let (mut feed, stream) = duplex(64);
    /// feed.write_all(b"hello").await?;
    /// drop(feed);
    /// let mut reader = BufReader::new(stream);
    /// assert_eq!(reader.read_exact(4).await.unwrap(), b"hell");
    /// let Err(ReadError::Incomplete { partial, .. }) = reader.read_exact(4).await else {
    ///     panic!("there was less")
    /// };
    /// assert_eq!(partial, b"o");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    #[doc(alias = "readexactly")]
    pub fn read_exact(&mut self, n: usize) -> ReadExactly<'_, Self> {
        ReadExactly { reader: self, n, made: Made::here("BufReader::read_exact") }
    }

    /// Reads until the first of some separators, which is returned too: the first that ends. If
    /// several end at one place, the limit holds for what is before the shortest.
    ///
    /// # Errors
    ///
    /// [`ReadError::Incomplete`](crate::stream::ReadError::Incomplete) with what came before the end;
    /// [`ReadError::LimitOverrun`](crate::stream::ReadError::LimitOverrun) if the chunk before the
    /// separator is longer than the limit: it stays in the buffer. Else those of the stream.
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
    /// use corio_io::buffered::BufReader;
    /// use corio_io::duplex::duplex;
    ///
    /// # corio_runtime::run(async {
    /// let (mut feed, stream) = duplex(64);
    /// feed.write_all(b"a=1;b=2&").await?;
    /// let mut reader = BufReader::new(stream);
    /// let ends: [&[u8]; 2] = [b";", b"&"];
    /// assert_eq!(reader.read_until(&ends).await.unwrap(), b"a=1;");
    /// assert_eq!(reader.read_until(&ends).await.unwrap(), b"b=2&");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    #[doc(alias = "readuntil")]
    pub fn read_until<'a>(&'a mut self, separators: &'a [&'a [u8]]) -> ReadUntil<'a, Self> {
        ReadUntil::new(self, separators, "BufReader::read_until")
    }

    /// The lines of the stream, one after the other; also as a `Stream`.
    ///
    /// See [`BufReader`] for an example.
    pub fn lines(&mut self) -> Lines<'_, Self> {
        Lines { reader: self }
    }

    /// Hands out what was read ahead, or reads past the buffer if there is nothing.
    pub(crate) fn poll_pass(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        to: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let n = self.ahead.rest().len();
        if n > 0 || self.ahead.eof {
            to.extend_from_slice(self.ahead.rest());
            self.ahead.skip(n);
            return Poll::Ready(Ok(n));
        }
        let n = ready!(self.inner.poll_give(at, cx, to))?;
        self.ahead.eof = n == 0;
        Poll::Ready(Ok(n))
    }
}

impl<R> BufReader<R> {
    /// What was read ahead and not yet returned.
    ///
    /// See [`BufReader`] for an example.
    #[must_use]
    pub fn buffer(&self) -> &[u8] {
        self.ahead.rest()
    }

    /// True if the stream has ended and everything was read.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::buffered::BufReader;
    /// use corio_io::duplex::duplex;
    ///
    /// # corio_runtime::run(async {
    /// let (mut feed, stream) = duplex(64);
    /// feed.write_all(b"hi").await?;
    /// drop(feed);
    /// let mut reader = BufReader::new(stream);
    /// assert_eq!(reader.read_exact(2).await.unwrap(), b"hi");
    /// assert!(!reader.at_eof(), "nobody has looked");
    /// assert_eq!(reader.read(Some(1)).await?, b"");
    /// assert!(reader.at_eof());
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn at_eof(&self) -> bool {
        self.ahead.is_over()
    }

    /// The stream, for its options and addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::buffered::BufReader;
    /// use corio_io::duplex::duplex;
    ///
    /// # corio_runtime::run(async {
    /// let (mut near, stream) = duplex(64);
    /// near.write_all(b"ping\n").await?;
    /// let mut reader = BufReader::new(stream);
    /// assert_eq!(reader.read_line().await.unwrap(), b"ping\n");
    /// reader.get_mut().write_all(b"pong").await?;
    /// near.read_exact(&mut [0; 4]).await?;
    /// assert!(format!("{:?}", reader.get_ref()).starts_with("DuplexStream"));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The stream, to write to it. What is read from it past the buffer comes after what is in there.
    ///
    /// See [`get_ref`](Self::get_ref) for an example.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The stream, and what was read ahead.
    ///
    /// See [`BufReader`] for an example.
    #[must_use]
    pub fn into_inner(mut self) -> (R, Vec<u8>) {
        let ahead = self.ahead.take_all();
        (self.inner, ahead)
    }
}

impl<R: ByteSource> ReadAhead for BufReader<R> {
    fn ahead(&mut self) -> &mut Ahead {
        &mut self.ahead
    }

    fn poll_append(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_give(at, cx, self.ahead.target())
    }
}

/// The bodies of `compat/files.rs`.
#[cfg(any(feature = "futures-io", feature = "tokio-io"))]
impl<R: ByteSource> BufReader<R> {
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let at = self.at;
        polls::fill(self, at, cx)
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        put: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let at = self.at;
        polls::read(self, at, cx, room, put)
    }

    pub(crate) fn consume_ahead(&mut self, n: usize) {
        polls::consume(self, n);
    }
}

impl<R: fmt::Debug> fmt::Debug for BufReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufReader")
            .field("inner", &self.inner)
            .field("buffered", &self.buffer().len())
            .field("made", &format_args!("{}", self.at))
            .finish_non_exhaustive()
    }
}
