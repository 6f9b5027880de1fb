//! The futures of streams in memory.

use std::future::Future;
use std::io::{self, IoSlice};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::lane::{DuplexReader, DuplexWriter};
use crate::made::Made;

/// Future of [`DuplexReader::read`]: `io::Result<usize>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct DuplexRead<'a> {
    pub(super) reader: &'a mut DuplexReader,
    pub(super) buf: &'a mut [u8],
    pub(super) made: Made,
}

impl Future for DuplexRead<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, buf, made } = self.get_mut();
        let at = made.begin();
        poll_slice(reader, at, cx, buf)
    }
}

/// Future of [`DuplexReader::read_exact`]: `io::Result<()>`.
#[derive(Debug)]
#[must_use = "nothing is read unless this is awaited"]
pub struct DuplexReadExact<'a> {
    pub(super) reader: &'a mut DuplexReader,
    pub(super) buf: &'a mut [u8],
    pub(super) filled: usize,
    pub(super) made: Made,
}

impl DuplexReadExact<'_> {
    /// Bytes that were read so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::duplex::duplex;
    /// use corio_runtime::time::timeout;
    ///
    /// # corio_runtime::run(async {
    /// let (mut one, mut other) = duplex(16);
    /// one.write_all(b"hel").await?;
    /// let mut buf = [0; 5];
    /// let mut read = other.read_exact(&mut buf);
    /// assert!(timeout(std::time::Duration::from_millis(1), &mut read).await.is_err());
    /// assert_eq!(read.filled(), 3);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn filled(&self) -> usize {
        self.filled
    }
}

impl Future for DuplexReadExact<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, buf, filled, made } = self.get_mut();
        let at = made.begin();
        while *filled < buf.len() {
            match ready!(poll_slice(reader, at, cx, &mut buf[*filled..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                n => *filled += n,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Future of [`DuplexWriter::write`]: `io::Result<usize>`.
#[derive(Debug)]
#[must_use = "nothing is written unless this is awaited"]
pub struct DuplexWrite<'a> {
    pub(super) writer: &'a mut DuplexWriter,
    pub(super) buf: &'a [u8],
    pub(super) made: Made,
}

impl Future for DuplexWrite<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { writer, buf, made } = self.get_mut();
        writer.poll_put(made.begin(), cx, &[IoSlice::new(buf)])
    }
}

/// Future of [`DuplexWriter::write_all`]: `io::Result<()>`.
#[derive(Debug)]
#[must_use = "nothing is written unless this is awaited"]
pub struct DuplexWriteAll<'a> {
    pub(super) writer: &'a mut DuplexWriter,
    pub(super) buf: &'a [u8],
    pub(super) written: usize,
    pub(super) made: Made,
}

impl DuplexWriteAll<'_> {
    /// Bytes that were written so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::duplex::duplex;
    /// use corio_runtime::time::timeout;
    ///
    /// # corio_runtime::run(async {
    /// let (mut one, _other) = duplex(3);
    /// let mut write = one.write_all(b"hello");
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

impl Future for DuplexWriteAll<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { writer, buf, written, made } = self.get_mut();
        let at = made.begin();
        while *written < buf.len() {
            *written += ready!(writer.poll_put(at, cx, &[IoSlice::new(&buf[*written..])]))?;
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads into initialized memory.
pub(super) fn poll_slice(
    reader: &mut DuplexReader,
    at: &'static Location<'static>,
    cx: &mut Context<'_>,
    buf: &mut [u8],
) -> Poll<io::Result<usize>> {
    let (room, mut filled) = (buf.len(), 0);
    reader.poll_get(at, cx, room, |bytes| {
        buf[filled..filled + bytes.len()].copy_from_slice(bytes);
        filled += bytes.len();
    })
}
