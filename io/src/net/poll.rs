//! Reading and writing for hand-written futures, and for the traits of `compat`.
//!
//! There is one place per direction here: of several tasks that wait for one stream in one
//! direction by these calls, the last one is woken. The futures of `transfer` bring a place of
//! their own. What is noted for dumps is the line that made the stream.

use std::io::{self, IoSlice, IoSliceMut};
#[cfg(any(feature = "tokio-io", feature = "hyper"))]
use std::mem::MaybeUninit;
use std::task::{Context, Poll};

use corio_runtime::reactor::Direction;
use corio_sync::place::WaitKind;

use super::tcp::TcpStream;
use crate::source::step;
use crate::sys;

/// For hand-written futures. Of several tasks that wait in one direction by these the last one is
/// woken; the errors are those of [`read`](Self::read) and [`write`](Self::write).
impl TcpStream {
    /// As [`read`](Self::read).
    #[inline]
    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let (fd, want) = (self.io.fd(), buf.len());
        self.transfer(Direction::Read, want, cx, || sys::recv_init(fd, buf))
    }

    /// As [`read_vectored`](Self::read_vectored).
    pub fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let want = bufs.iter().map(|buf| buf.len()).sum();
        if want == 0 {
            return Poll::Ready(Ok(0));
        }
        let fd = self.io.fd();
        self.transfer(Direction::Read, want, cx, || sys::recv_vectored(fd, bufs))
    }

    /// As [`write`](Self::write).
    #[inline]
    pub fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let fd = self.io.fd();
        self.transfer(Direction::Write, buf.len(), cx, || sys::send(fd, buf))
    }

    /// As [`write_vectored`](Self::write_vectored).
    #[inline]
    pub fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let want = bufs.iter().map(|buf| buf.len()).sum();
        let fd = self.io.fd();
        self.transfer(Direction::Write, want, cx, || sys::send_vectored(fd, bufs))
    }

    /// As [`readable`](Self::readable).
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io = &self.io;
        step(WaitKind::Read, self.at, cx, |cx| io.source().poll_ready(io.fd(), Direction::Read, cx))
    }

    /// As [`writable`](Self::writable).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io = &self.io;
        step(WaitKind::Write, self.at, cx, |cx| {
            io.source().poll_ready(io.fd(), Direction::Write, cx)
        })
    }

    /// As [`read`](Self::read), into memory that need not be initialized; the first bytes are.
    #[cfg(any(feature = "tokio-io", feature = "hyper"))]
    #[inline]
    pub(crate) fn poll_read_uninit(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let (fd, want) = (self.io.fd(), buf.len());
        self.transfer(Direction::Read, want, cx, || sys::recv(fd, buf).map(|read| read.len()))
    }

    #[inline]
    fn transfer(
        &self,
        direction: Direction,
        want: usize,
        cx: &mut Context<'_>,
        op: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let kind = match direction {
            Direction::Read => WaitKind::Read,
            Direction::Write => WaitKind::Write,
        };
        let io = &self.io;
        step(kind, self.at, cx, |cx| io.source().poll_transfer(io.fd(), direction, want, cx, op))
    }
}
