//! What collects the bytes of who writes few at a time.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::CAPACITY;
use crate::copy::ByteSink;
use crate::made::Made;

/// A buffer before a stream: few bytes at a time are collected, and written when the buffer is full or
/// [flushed](Self::flush).
///
/// Whatever of it is dropped or cancelled, nothing is written twice, and what was taken and not yet
/// written stays in the buffer. It is lost if the writer is dropped without a flush: unlike a
/// [`StreamWriter`](crate::stream::StreamWriter), which needs no buffer before it, it has no task that
/// writes.
///
/// [`copy`](crate::copy::copy) takes it, and flushes it whenever its source has nothing; it has
/// `AsyncWrite` of futures-io and of tokio, by the features `futures-io` and `tokio-io`.
///
/// # Examples
///
/// ```
/// use corio_io::buffered::BufWriter;
/// use corio_io::net::UnixStream;
///
/// # corio_runtime::run(async {
/// let (near, far) = UnixStream::pair()?;
/// let mut writer = BufWriter::new(&near);
/// writer.write_all(b"one\n").await?;
/// assert_eq!(writer.write(b"two\n").await?, 4);
/// assert_eq!(writer.buffer(), b"one\ntwo\n");
/// assert!(far.try_read(&mut [0; 8]).is_err(), "nothing is written before a flush");
/// writer.flush().await?;
/// assert!(writer.buffer().is_empty());
/// let mut seen = [0; 8];
/// far.read_exact(&mut seen).await?;
/// assert_eq!(&seen, b"one\ntwo\n");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub struct BufWriter<W> {
    inner: W,
    /// What was taken; the part before `start` was written.
    buffer: Vec<u8>,
    start: usize,
    capacity: usize,
    /// What dumps say when a trait's method waits, which does not know its caller.
    at: &'static Location<'static>,
}

impl<W: ByteSink> BufWriter<W> {
    /// A buffer of 8 KiB.
    #[track_caller]
    pub fn new(inner: W) -> Self {
        Self::with_capacity(CAPACITY, inner)
    }

    /// A buffer that holds `capacity` bytes. As many or more at a time go past it.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::buffered::BufWriter;
    /// use corio_io::duplex::duplex;
    ///
    /// # corio_runtime::run(async {
    /// let (near, mut far) = duplex(64);
    /// let mut writer = BufWriter::with_capacity(4, near);
    /// writer.write_all(b"abc").await?;
    /// // There is no room for these: what is in the buffer goes first.
    /// writer.write_all(b"de").await?;
    /// assert_eq!(writer.buffer(), b"de");
    /// far.read_exact(&mut [0; 3]).await?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn with_capacity(capacity: usize, inner: W) -> Self {
        assert!(capacity > 0, "a buffer of 0 bytes never holds any");
        Self { inner, buffer: Vec::new(), start: 0, capacity, at: Location::caller() }
    }

    /// Takes `bytes`, all of them if there is room in the buffer; else it writes what is in there
    /// first. Of many bytes, which go past the buffer, it takes what the stream takes.
    ///
    /// # Errors
    ///
    /// Those of the stream: nothing of `bytes` was taken, and what is in the buffer stays there.
    ///
    /// # Cancel safety
    ///
    /// Loses place: nothing of `bytes` was taken if the future was not ready. Of what is in the buffer
    /// some may have been written, which is no longer in there.
    ///
    /// See [`BufWriter`] for an example.
    #[track_caller]
    pub fn write<'a>(&'a mut self, bytes: &'a [u8]) -> BufWrite<'a, W> {
        BufWrite { writer: self, bytes, made: Made::here("BufWriter::write") }
    }

    /// Takes all of `bytes`.
    ///
    /// # Errors
    ///
    /// Those of the stream; [`BufWriteAll::written`] tells how much was taken.
    ///
    /// # Cancel safety
    ///
    /// Lossy: a part may have been taken, and [`BufWriteAll::written`] tells how much. That part is
    /// written, or in the buffer.
    ///
    /// See [`BufWriter`] for an example.
    #[track_caller]
    pub fn write_all<'a>(&'a mut self, bytes: &'a [u8]) -> BufWriteAll<'a, W> {
        let made = Made::here("BufWriter::write_all");
        BufWriteAll { writer: self, bytes, written: 0, made }
    }

    /// Writes what is in the buffer. A stream that queues is waited for, until the system has
    /// everything.
    ///
    /// # Errors
    ///
    /// Those of the stream: what was not written stays in the buffer, for another attempt.
    ///
    /// # Cancel safety
    ///
    /// Strict: what was not written stays in the buffer.
    ///
    /// See [`BufWriter`] for an example.
    #[track_caller]
    pub fn flush(&mut self) -> BufFlush<'_, W> {
        BufFlush { writer: self, made: Made::here("BufWriter::flush") }
    }

    /// Writes what is in the buffer.
    fn poll_empty(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.buffer().is_empty() {
            let n = ready!(self.inner.poll_take(at, cx, &self.buffer[self.start..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.start += n;
        }
        self.buffer.clear();
        self.start = 0;
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_put(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.len() > self.capacity - self.buffer().len() {
            ready!(self.poll_empty(at, cx))?;
        }
        if bytes.len() >= self.capacity {
            return self.inner.poll_take(at, cx, bytes);
        }
        if self.buffer.len() + bytes.len() > self.capacity {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// Writes what is in the buffer, and waits until the system has everything.
    pub(crate) fn poll_sent(
        &mut self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_empty(at, cx))?;
        self.inner.poll_flush(at, cx)
    }
}

/// The bodies of `compat/files.rs`.
#[cfg(any(feature = "futures-io", feature = "tokio-io"))]
impl<W: ByteSink> BufWriter<W> {
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_put(self.at, cx, bytes)
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(self.at, cx)
    }

    /// Ends the outgoing stream when all is written.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(self.at, cx))?;
        Poll::Ready(self.inner.end())
    }
}

impl<W> BufWriter<W> {
    /// What was taken and not yet written.
    ///
    /// See [`BufWriter`] for an example.
    #[must_use]
    pub fn buffer(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// The stream, for its options and addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::buffered::BufWriter;
    /// use corio_io::duplex::duplex;
    ///
    /// # corio_runtime::run(async {
    /// let (near, mut far) = duplex(64);
    /// let mut writer = BufWriter::new(near);
    /// writer.write_all(b"later").await?;
    /// writer.get_mut().write_all(b"sooner").await?;
    /// assert!(format!("{:?}", writer.get_ref()).starts_with("DuplexStream"));
    /// let (mut near, unwritten) = writer.into_inner();
    /// assert_eq!(unwritten, b"later");
    /// near.write_all(&unwritten).await?;
    /// let mut seen = [0; 11];
    /// far.read_exact(&mut seen).await?;
    /// assert_eq!(&seen, b"soonerlater");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The stream. What is written to it past the buffer overtakes what is in there.
    ///
    /// See [`get_ref`](Self::get_ref) for an example.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The stream, and what was not yet written.
    ///
    /// See [`get_ref`](Self::get_ref) for an example.
    #[must_use]
    pub fn into_inner(mut self) -> (W, Vec<u8>) {
        self.buffer.drain(..self.start);
        (self.inner, self.buffer)
    }
}

impl<W: fmt::Debug> fmt::Debug for BufWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufWriter")
            .field("inner", &self.inner)
            .field("buffered", &self.buffer().len())
            .field("made", &format_args!("{}", self.at))
            .finish_non_exhaustive()
    }
}

/// Future of [`BufWriter::write`]: `io::Result<usize>`.
#[derive(Debug)]
#[must_use = "nothing is written unless this is awaited"]
pub struct BufWrite<'a, W> {
    writer: &'a mut BufWriter<W>,
    bytes: &'a [u8],
    made: Made,
}

impl<W: ByteSink> Future for BufWrite<'_, W> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { writer, bytes, made } = self.get_mut();
        writer.poll_put(made.begin(), cx, bytes)
    }
}

/// Future of [`BufWriter::write_all`]: `io::Result<()>`.
#[derive(Debug)]
#[must_use = "nothing is written unless this is awaited"]
pub struct BufWriteAll<'a, W> {
    writer: &'a mut BufWriter<W>,
    bytes: &'a [u8],
    written: usize,
    made: Made,
}

impl<W> BufWriteAll<'_, W> {
    /// How many bytes were taken so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::buffered::BufWriter;
    /// use corio_io::duplex::duplex;
    /// use corio_runtime::time::timeout;
    ///
    /// # corio_runtime::run(async {
    /// let (near, _far) = duplex(3);
    /// let mut writer = BufWriter::with_capacity(2, near);
    /// let mut write = writer.write_all(b"hello");
    /// assert!(timeout(std::time::Duration::from_millis(1), &mut write).await.is_err());
    /// assert_eq!(write.written(), 3);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn written(&self) -> usize {
        self.written
    }
}

impl<W: ByteSink> Future for BufWriteAll<'_, W> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { writer, bytes, written, made } = self.get_mut();
        let at = made.begin();
        while *written < bytes.len() {
            let n = ready!(writer.poll_put(at, cx, &bytes[*written..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += n;
        }
        Poll::Ready(Ok(()))
    }
}

/// Future of [`BufWriter::flush`]: `io::Result<()>`.
#[derive(Debug)]
#[must_use = "nothing is written unless this is awaited"]
pub struct BufFlush<'a, W> {
    writer: &'a mut BufWriter<W>,
    made: Made,
}

impl<W: ByteSink> Future for BufFlush<'_, W> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { writer, made } = self.get_mut();
        writer.poll_sent(made.begin(), cx)
    }
}
