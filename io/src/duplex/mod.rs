//! Two connected streams in memory, for tests of what speaks a protocol, and for tasks that speak
//! one with each other.

mod lane;
mod moves;

use std::io::{self, IoSlice};
use std::panic::Location;
use std::task::{Context, Poll};

use crate::made::Made;

#[cfg(feature = "tls")]
pub(crate) use lane::lane;
pub use lane::{DuplexReader, DuplexWriter};
pub use moves::{DuplexRead, DuplexReadExact, DuplexWrite, DuplexWriteAll};

/// Two streams: what is written to one is read from the other. Each direction holds at most
/// `max_buf` bytes that were not read yet; a writer that is ahead by so much waits.
///
/// They have the traits of sockets: futures-io's, tokio's and hyper's by feature, and
/// [`copy`](crate::copy::copy) takes them. Nothing of the system is used, so they work in a
/// simulation and outside a runtime. asyncio has no counterpart.
///
/// # Panics
///
/// If `max_buf` is 0.
///
/// # Examples
///
/// ```
/// use corio_io::duplex::duplex;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let (mut client, mut server) = duplex(64);
/// client.write_all(b"ping").await?;
/// let mut buf = [0; 4];
/// server.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"ping");
/// drop(client);
/// assert_eq!(server.read(&mut buf).await?, 0);
/// # Ok(())
/// # })
/// # }
/// ```
#[track_caller]
#[must_use]
pub fn duplex(max_buf: usize) -> (DuplexStream, DuplexStream) {
    assert!(max_buf > 0, "a stream that holds 0 bytes never moves any");
    let at = Location::caller();
    let (forth, there) = lane::lane(max_buf, at);
    let (back, here) = lane::lane(max_buf, at);
    (DuplexStream { reader: here, writer: forth }, DuplexStream { reader: there, writer: back })
}

/// One of the two streams of [`duplex`]. Dropping it ends what the other one reads, and fails what
/// it writes.
///
/// # Examples
///
/// ```
/// use corio_io::duplex::duplex;
///
/// # corio_runtime::run(async {
/// let (mut client, server) = duplex(4);
/// let (mut reads, mut writes) = server.into_split();
/// let echo = corio_runtime::create_task(async move {
///     let mut buf = [0; 4];
///     while let Ok(n @ 1..) = reads.read(&mut buf).await {
///         writes.write_all(&buf[..n]).await.unwrap();
///     }
///     writes.shutdown();
/// });
/// assert_eq!(client.write(b"hello").await?, 4, "there is room for no more");
/// let mut answer = [0; 4];
/// client.read_exact(&mut answer).await?;
/// client.shutdown();
/// let (reader, _writer) = client.split();
/// assert_eq!((&answer, reader.read(&mut [0; 1]).await?), (b"hell", 0));
/// # echo.await.unwrap();
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct DuplexStream {
    pub(crate) reader: DuplexReader,
    pub(crate) writer: DuplexWriter,
}

impl DuplexStream {
    /// The two halves, to be used beside each other in one task.
    pub fn split(&mut self) -> (&mut DuplexReader, &mut DuplexWriter) {
        (&mut self.reader, &mut self.writer)
    }

    /// The two halves, for two tasks.
    #[must_use]
    pub fn into_split(self) -> (DuplexReader, DuplexWriter) {
        (self.reader, self.writer)
    }

    /// As [`DuplexReader::read`].
    ///
    /// # Cancel safety
    ///
    /// Loses place: what was not read stays in the stream.
    #[track_caller]
    pub fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> DuplexRead<'a> {
        self.reader.read(buf)
    }

    /// As [`DuplexReader::read_exact`].
    ///
    /// # Cancel safety
    ///
    /// Lossy: what was read is in `buf`, and [`DuplexReadExact::filled`] tells how much.
    #[track_caller]
    pub fn read_exact<'a>(&'a mut self, buf: &'a mut [u8]) -> DuplexReadExact<'a> {
        self.reader.read_exact(buf)
    }

    /// As [`DuplexWriter::write`].
    ///
    /// # Cancel safety
    ///
    /// Loses place: nothing was written if the future was not ready.
    #[track_caller]
    pub fn write<'a>(&'a mut self, buf: &'a [u8]) -> DuplexWrite<'a> {
        self.writer.write(buf)
    }

    /// As [`DuplexWriter::write_all`].
    ///
    /// # Cancel safety
    ///
    /// Lossy: a part may have been written, and [`DuplexWriteAll::written`] tells how much.
    #[track_caller]
    pub fn write_all<'a>(&'a mut self, buf: &'a [u8]) -> DuplexWriteAll<'a> {
        self.writer.write_all(buf)
    }

    /// As [`DuplexWriter::shutdown`].
    pub fn shutdown(&mut self) {
        self.writer.shutdown();
    }
}

impl DuplexReader {
    /// Reads what is there, at least one byte; 0 at the end of the stream, or if `buf` is empty.
    ///
    /// # Errors
    ///
    /// None; it is an `io::Result` as for sockets.
    ///
    /// # Cancel safety
    ///
    /// Loses place: what was not read stays in the stream.
    #[track_caller]
    pub fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> DuplexRead<'a> {
        DuplexRead { reader: self, buf, made: Made::here("DuplexReader::read") }
    }

    /// Reads until `buf` is full.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the stream ends before.
    ///
    /// # Cancel safety
    ///
    /// Lossy: what was read is in `buf`, and [`DuplexReadExact::filled`] tells how much.
    #[track_caller]
    pub fn read_exact<'a>(&'a mut self, buf: &'a mut [u8]) -> DuplexReadExact<'a> {
        let made = Made::here("DuplexReader::read_exact");
        DuplexReadExact { reader: self, buf, filled: 0, made }
    }

    /// As [`read`](Self::read), for hand-written futures.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::poll_fn, io::IoSlice};
    ///
    /// # corio_runtime::run(async {
    /// let (one, other) = corio_io::duplex::duplex(16);
    /// let ((_, mut writes), (mut reads, _)) = (one.into_split(), other.into_split());
    /// let parts = [IoSlice::new(b"one"), IoSlice::new(b"two")];
    /// assert_eq!(poll_fn(|cx| writes.poll_write_vectored(cx, &parts)).await?, 6);
    /// let mut buf = [0; 16];
    /// assert_eq!(poll_fn(|cx| reads.poll_read(cx, &mut buf)).await?, 6);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        moves::poll_slice(self, self.at, cx, buf)
    }

    /// Hands out up to `room` bytes.
    #[cfg(any(feature = "tokio-io", feature = "hyper"))]
    pub(crate) fn poll_put_into(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        put: impl FnMut(&[u8]),
    ) -> Poll<io::Result<()>> {
        self.poll_get(self.at, cx, room, put).map_ok(drop)
    }
}

impl DuplexWriter {
    /// Writes what there is room for, at least one byte unless `buf` is empty.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if the other end is gone, or after [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    ///
    /// Loses place: nothing was written if the future was not ready.
    #[track_caller]
    pub fn write<'a>(&'a mut self, buf: &'a [u8]) -> DuplexWrite<'a> {
        DuplexWrite { writer: self, buf, made: Made::here("DuplexWriter::write") }
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    ///
    /// Lossy: a part may have been written, and [`DuplexWriteAll::written`] tells how much.
    #[track_caller]
    pub fn write_all<'a>(&'a mut self, buf: &'a [u8]) -> DuplexWriteAll<'a> {
        let made = Made::here("DuplexWriter::write_all");
        DuplexWriteAll { writer: self, buf, written: 0, made }
    }

    /// Ends the stream: the other end reads what was written, and then its end.
    pub fn shutdown(&mut self) {
        self.end();
    }

    /// As [`write`](Self::write), for several buffers and for hand-written futures.
    ///
    /// See [`DuplexReader::poll_read`] for an example.
    pub fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_put(self.at, cx, bufs)
    }
}
