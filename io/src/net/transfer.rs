//! The futures of reading and writing a stream.
//!
//! Each has a waiter of its own, so that any number of them may wait for one stream, and borrows
//! the stream and its buffer: nothing is copied, and dropping one is all that cancelling it takes.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::reactor::Direction;

use super::socket::{Wait, debug_by_wait};
use super::wire::Wire;
use crate::sys;

/// Future of [`TcpStream::read`](super::TcpStream::read): `io::Result<usize>`.
#[must_use = "nothing is read unless this is awaited"]
pub struct Read<'a> {
    wait: Wait<'a>,
    buf: &'a mut [u8],
}

impl<'a> Read<'a> {
    pub(super) fn new(wire: Wire<'a>, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { wait: Wait::new(wire, at), buf }
    }
}

impl Future for Read<'_> {
    type Output = io::Result<usize>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, buf } = self.get_mut();
        wait.begin();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let (fd, want) = (wait.fd(), buf.len());
        wait.poll_transfer(Direction::Read, want, cx, || sys::recv_init(fd, buf))
    }
}

/// Future of [`TcpStream::read_exact`](super::TcpStream::read_exact): `io::Result<()>`.
#[must_use = "nothing is read unless this is awaited"]
pub struct ReadExact<'a> {
    wait: Wait<'a>,
    buf: &'a mut [u8],
    filled: usize,
}

impl<'a> ReadExact<'a> {
    pub(super) fn new(wire: Wire<'a>, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { wait: Wait::new(wire, at), buf, filled: 0 }
    }

    /// How much of the buffer is filled so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_runtime::time::timeout;
    ///
    /// # corio_runtime::run(async {
    /// let (a, b) = UnixStream::pair()?;
    /// a.write_all(b"hel").await?;
    /// let mut buf = [0; 5];
    /// let mut read = b.read_exact(&mut buf);
    /// let late = timeout(std::time::Duration::from_millis(1), &mut read).await;
    /// assert!(late.is_err());
    /// assert_eq!(read.filled(), 3);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn filled(&self) -> usize {
        self.filled
    }
}

impl Future for ReadExact<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, buf, filled } = self.get_mut();
        wait.begin();
        let fd = wait.fd();
        while *filled < buf.len() {
            let rest = &mut buf[*filled..];
            let n = ready!(wait.poll_transfer(
                Direction::Read,
                rest.len(),
                cx,
                || sys::recv_init(fd, rest)
            ))?;
            if n == 0 {
                return Poll::Ready(Err(ended(*filled, buf.len())));
            }
            *filled += n;
        }
        Poll::Ready(Ok(()))
    }
}

#[cold]
fn ended(filled: usize, expected: usize) -> io::Error {
    let message = format!("the stream ended after {filled} of {expected} bytes");
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

/// Future of [`TcpStream::read_vectored`](super::TcpStream::read_vectored): `io::Result<usize>`.
#[must_use = "nothing is read unless this is awaited"]
pub struct ReadVectored<'a> {
    wait: Wait<'a>,
    bufs: &'a mut [IoSliceMut<'a>],
}

impl<'a> ReadVectored<'a> {
    pub(super) fn new(
        wire: Wire<'a>,
        bufs: &'a mut [IoSliceMut<'a>],
        at: &'static Location<'static>,
    ) -> Self {
        Self { wait: Wait::new(wire, at), bufs }
    }
}

impl Future for ReadVectored<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, bufs } = self.get_mut();
        wait.begin();
        let want = sys::room(bufs);
        if want == 0 {
            return Poll::Ready(Ok(0));
        }
        let fd = wait.fd();
        wait.poll_transfer(Direction::Read, want, cx, || sys::recv_vectored(fd, bufs))
    }
}

/// Future of [`TcpStream::peek`](super::TcpStream::peek): `io::Result<usize>`.
#[must_use = "nothing is looked at unless this is awaited"]
pub struct Peek<'a> {
    wait: Wait<'a>,
    buf: &'a mut [u8],
}

impl<'a> Peek<'a> {
    pub(super) fn new(wire: Wire<'a>, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { wait: Wait::new(wire, at), buf }
    }
}

impl Future for Peek<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, buf } = self.get_mut();
        wait.begin();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let fd = wait.fd();
        wait.poll_message(Direction::Read, cx, || sys::peek(fd, buf))
    }
}

/// Future of [`TcpStream::write`](super::TcpStream::write): `io::Result<usize>`.
#[must_use = "nothing is written unless this is awaited"]
pub struct Write<'a> {
    wait: Wait<'a>,
    buf: &'a [u8],
}

impl<'a> Write<'a> {
    pub(super) fn new(wire: Wire<'a>, buf: &'a [u8], at: &'static Location<'static>) -> Self {
        Self { wait: Wait::new(wire, at), buf }
    }
}

impl Future for Write<'_> {
    type Output = io::Result<usize>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, buf } = self.get_mut();
        wait.begin();
        let fd = wait.fd();
        wait.poll_transfer(Direction::Write, buf.len(), cx, || sys::send(fd, buf))
    }
}

/// Future of [`TcpStream::write_all`](super::TcpStream::write_all): `io::Result<()>`.
#[must_use = "nothing is written unless this is awaited"]
pub struct WriteAll<'a> {
    wait: Wait<'a>,
    buf: &'a [u8],
    written: usize,
}

impl<'a> WriteAll<'a> {
    pub(super) fn new(wire: Wire<'a>, buf: &'a [u8], at: &'static Location<'static>) -> Self {
        Self { wait: Wait::new(wire, at), buf, written: 0 }
    }

    /// How much has been written so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_runtime::time::timeout;
    ///
    /// # corio_runtime::run(async {
    /// let (a, _b) = UnixStream::pair()?;
    /// let all = vec![0; 16 << 20];
    /// let mut write = a.write_all(&all);
    /// let late = timeout(std::time::Duration::from_millis(1), &mut write).await;
    /// assert!(late.is_err());
    /// assert!(write.written() > 0 && write.written() < all.len());
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn written(&self) -> usize {
        self.written
    }
}

impl Future for WriteAll<'_> {
    type Output = io::Result<()>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, buf, written } = self.get_mut();
        wait.begin();
        let fd = wait.fd();
        while *written < buf.len() {
            let rest = &buf[*written..];
            let n = ready!(
                wait.poll_transfer(Direction::Write, rest.len(), cx, || sys::send(fd, rest))
            )?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += n;
        }
        Poll::Ready(Ok(()))
    }
}

/// Future of [`TcpStream::write_vectored`](super::TcpStream::write_vectored): `io::Result<usize>`.
#[must_use = "nothing is written unless this is awaited"]
pub struct WriteVectored<'a> {
    wait: Wait<'a>,
    bufs: &'a [IoSlice<'a>],
}

impl<'a> WriteVectored<'a> {
    pub(super) fn new(
        wire: Wire<'a>,
        bufs: &'a [IoSlice<'a>],
        at: &'static Location<'static>,
    ) -> Self {
        Self { wait: Wait::new(wire, at), bufs }
    }
}

impl Future for WriteVectored<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, bufs } = self.get_mut();
        wait.begin();
        let fd = wait.fd();
        let want = sys::room(bufs);
        wait.poll_transfer(Direction::Write, want, cx, || sys::send_vectored(fd, bufs))
    }
}

debug_by_wait!(Read ReadExact ReadVectored Peek Write WriteAll WriteVectored);
