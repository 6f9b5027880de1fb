//! What a connected stream socket is to the code that moves bytes: a descriptor and its readiness.
//!
//! One body per operation, for TCP and Unix streams, for futures, hand-written polls and the
//! traits of `compat`. There is one place per direction in the `poll_` calls: of several tasks
//! that wait for one stream in one direction by these, the last one is woken. Futures bring a
//! place of their own (`socket::Wait`).

use std::io::{self, IoSlice, IoSliceMut};
#[cfg(any(feature = "tokio-io", feature = "hyper"))]
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::task::{Context, Poll};

use corio_runtime::reactor::{Direction, Source};
use corio_sync::place::WaitKind;

use crate::source::{Registered, step};
use crate::sys;

/// A connected stream socket: [`TcpStream`](super::TcpStream) or [`UnixStream`](super::UnixStream).
///
/// It is here so that halves and futures serve both; nobody else can implement it.
pub trait StreamSocket: Connected {}

/// What a [`StreamSocket`] is made of.
pub trait Connected {
    /// The descriptor and its readiness.
    #[doc(hidden)]
    fn wire(&self) -> Wire<'_>;

    /// Ends the outgoing stream, also if the peer has closed the connection before.
    #[doc(hidden)]
    fn close_write(&self) -> io::Result<()>;
}

impl<S: Connected> Connected for &S {
    #[inline]
    fn wire(&self) -> Wire<'_> {
        (**self).wire()
    }

    fn close_write(&self) -> io::Result<()> {
        (**self).close_write()
    }
}

/// A borrowed stream socket.
#[derive(Clone, Copy, Debug)]
pub struct Wire<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) source: &'a Source,
    /// Where the socket was made: what dumps say when a trait's method waits, which does not know
    /// its caller.
    pub(crate) at: &'static Location<'static>,
}

impl<'a> Wire<'a> {
    /// A socket that was made at `at`.
    #[inline]
    pub(crate) fn of<T: AsFd>(io: &'a Registered<T>, at: &'static Location<'static>) -> Self {
        Self { fd: io.fd(), source: io.source(), at }
    }

    /// Reads what is there into initialized memory.
    #[inline]
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.transfer(Direction::Read, buf.len(), cx, || sys::recv_init(self.fd, buf))
    }

    /// Reads into the room behind what a vector holds.
    pub(crate) fn poll_read_vec(
        &self,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let want = buf.capacity() - buf.len();
        self.transfer(Direction::Read, want, cx, || sys::recv_vec(self.fd, buf))
    }

    pub(crate) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let want = sys::room(bufs);
        if want == 0 {
            return Poll::Ready(Ok(0));
        }
        self.transfer(Direction::Read, want, cx, || sys::recv_vectored(self.fd, bufs))
    }

    #[inline]
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.transfer(Direction::Write, buf.len(), cx, || sys::send(self.fd, buf))
    }

    #[inline]
    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let want = sys::room(bufs);
        self.transfer(Direction::Write, want, cx, || sys::send_vectored(self.fd, bufs))
    }

    /// One message, sent or received whole.
    pub(crate) fn poll_message<R>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        op: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        step(kind(direction), self.at, cx, |cx| self.source.poll_io(self.fd, direction, cx, op))
    }

    /// One connection.
    pub(crate) fn poll_accept<R>(
        &self,
        cx: &mut Context<'_>,
        op: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let Self { fd, source, at } = *self;
        step(WaitKind::Accept, at, cx, |cx| source.poll_io(fd, Direction::Read, cx, op))
    }

    pub(crate) fn poll_ready(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        step(kind(direction), self.at, cx, |cx| self.source.poll_ready(self.fd, direction, cx))
    }

    /// Reads into memory that need not be initialized; the first bytes are.
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
        let want = buf.len();
        let recv = || sys::recv(self.fd, buf).map(|read| read.len());
        self.transfer(Direction::Read, want, cx, recv)
    }

    #[inline]
    fn transfer(
        &self,
        direction: Direction,
        want: usize,
        cx: &mut Context<'_>,
        op: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        step(kind(direction), self.at, cx, |cx| {
            self.source.poll_transfer(self.fd, direction, want, cx, op)
        })
    }
}

/// What a wait in this direction is called in dumps.
pub(super) fn kind(direction: Direction) -> WaitKind {
    match direction {
        Direction::Read => WaitKind::Read,
        Direction::Write => WaitKind::Write,
    }
}

/// The methods that every stream socket has: reading, writing, readiness, halves.
macro_rules! stream_methods {
    ($socket:ident, $std:ty) => {
        impl Connected for $socket {
            #[inline]
            fn wire(&self) -> Wire<'_> {
                Wire::of(&self.io, self.at)
            }

            fn close_write(&self) -> io::Result<()> {
                match self.shutdown(Shutdown::Write) {
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
                    result => result,
                }
            }
        }

        impl StreamSocket for $socket {}

        /// So that a stream and its halves can be used alike.
        impl AsRef<$socket> for $socket {
            fn as_ref(&self) -> &$socket {
                self
            }
        }

        $crate::net::socket::socket_methods!($socket, $std);

        impl $socket {
            /// Reads what is there, at least one byte; 0 at the end of the stream, or if `buf` is
            /// empty.
            ///
            /// asyncio: `loop.sock_recv_into`.
            ///
            /// # Errors
            ///
            /// The system's, such as `ConnectionReset`; or, if it has to wait outside a runtime,
            /// one that says so.
            ///
            /// # Cancel safety
            ///
            /// Loses place: what was not read stays in the socket.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixStream;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixStream::pair()?;
            /// a.write_all(b"hello").await?;
            /// let mut buf = [0; 16];
            /// let n = b.read(&mut buf).await?;
            /// assert_eq!(&buf[..n], b"hello");
            /// drop(a);
            /// assert_eq!(b.read(&mut buf).await?, 0);
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            #[track_caller]
            pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> Read<'a> {
                Read::new(self.wire(), buf, Location::caller())
            }

            /// Reads until `buf` is full.
            ///
            /// asyncio: `StreamReader.readexactly`.
            ///
            /// # Errors
            ///
            /// As [`read`](Self::read); `UnexpectedEof` if the stream ends before.
            ///
            /// # Cancel safety
            ///
            /// Lossy: what was read is in `buf`, and [`ReadExact::filled`] tells how much.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixStream;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixStream::pair()?;
            /// a.write_all(b"hello").await?;
            /// let mut head = [0; 2];
            /// b.read_exact(&mut head).await?;
            /// assert_eq!(&head, b"he");
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            #[track_caller]
            pub fn read_exact<'a>(&'a self, buf: &'a mut [u8]) -> ReadExact<'a> {
                ReadExact::new(self.wire(), buf, Location::caller())
            }

            /// Reads into several buffers, one after the other, by one system call.
            ///
            /// # Errors
            ///
            /// As [`read`](Self::read).
            ///
            /// # Cancel safety
            ///
            /// Loses place, as [`read`](Self::read).
            #[track_caller]
            pub fn read_vectored<'a>(&'a self, bufs: &'a mut [IoSliceMut<'a>]) -> ReadVectored<'a> {
                ReadVectored::new(self.wire(), bufs, Location::caller())
            }

            /// As [`read`](Self::read), but what was read stays in the socket.
            ///
            /// # Errors
            ///
            /// As [`read`](Self::read).
            ///
            /// # Cancel safety
            ///
            /// Loses place, as [`read`](Self::read).
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixStream;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixStream::pair()?;
            /// a.write_all(b"hello").await?;
            /// let mut first = [0; 1];
            /// b.peek(&mut first).await?;
            /// let mut all = [0; 5];
            /// b.read_exact(&mut all).await?;
            /// assert_eq!((&first, &all), (b"h", b"hello"));
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            #[track_caller]
            pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Peek<'a> {
                Peek::new(self.wire(), buf, Location::caller())
            }

            /// Writes what the system takes, at least one byte unless `buf` is empty.
            ///
            /// # Errors
            ///
            /// The system's, such as `BrokenPipe`; or, if it has to wait outside a runtime, one
            /// that says so.
            ///
            /// # Cancel safety
            ///
            /// Loses place: nothing was written if the future was not ready.
            #[track_caller]
            pub fn write<'a>(&'a self, buf: &'a [u8]) -> Write<'a> {
                Write::new(self.wire(), buf, Location::caller())
            }

            /// Writes all of `buf`.
            ///
            /// asyncio: `loop.sock_sendall`.
            ///
            /// # Errors
            ///
            /// As [`write`](Self::write).
            ///
            /// # Cancel safety
            ///
            /// Lossy: a part may have been written, and [`WriteAll::written`] tells how much.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixStream;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixStream::pair()?;
            /// let sends = corio_runtime::create_task(async move { a.write_all(&[7; 1 << 20]).await });
            /// let mut all = vec![0; 1 << 20];
            /// b.read_exact(&mut all).await?;
            /// sends.await.unwrap()?;
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            #[track_caller]
            pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> WriteAll<'a> {
                WriteAll::new(self.wire(), buf, Location::caller())
            }

            /// Writes several buffers, one after the other, by one system call.
            ///
            /// # Errors
            ///
            /// As [`write`](Self::write).
            ///
            /// # Cancel safety
            ///
            /// Loses place, as [`write`](Self::write).
            ///
            /// # Examples
            ///
            /// ```
            /// use std::io::IoSlice;
            ///
            /// use corio_io::net::UnixStream;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixStream::pair()?;
            /// let parts = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
            /// assert_eq!(a.write_vectored(&parts).await?, 5);
            /// let mut all = [0; 5];
            /// b.read_exact(&mut all).await?;
            /// assert_eq!(&all, b"hello");
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            #[track_caller]
            pub fn write_vectored<'a>(&'a self, bufs: &'a [IoSlice<'a>]) -> WriteVectored<'a> {
                WriteVectored::new(self.wire(), bufs, Location::caller())
            }

            /// Reads without waiting.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is nothing to read; else as [`read`](Self::read).
            ///
            /// # Examples
            ///
            /// ```
            /// use std::io::ErrorKind;
            ///
            /// use corio_io::net::UnixStream;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixStream::pair()?;
            /// let mut buf = [0; 8];
            /// assert_eq!(b.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
            /// a.write_all(b"hi").await?;
            /// b.readable().await?;
            /// assert_eq!(b.try_read(&mut buf)?, 2);
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.try_io(Direction::Read, || sys::recv_init(self.io.fd(), buf))
            }

            /// Writes without waiting.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is no room; else as [`write`](Self::write).
            pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                self.try_io(Direction::Write, || sys::send(self.io.fd(), buf))
            }

            /// Two halves that borrow the stream, to be used beside each other in one task.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixStream;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let (mut a, b) = UnixStream::pair()?;
            /// let (reader, writer) = a.split();
            /// writer.write_all(b"ping").await?;
            /// b.write_all(b"pong").await?;
            /// let mut buf = [0; 4];
            /// reader.read_exact(&mut buf).await?;
            /// assert_eq!(&buf, b"pong");
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            pub fn split(&mut self) -> (ReadHalf<'_, Self>, WriteHalf<'_, Self>) {
                split::borrowed(self)
            }

            /// Two halves that own the stream together, for two tasks. Dropping the writing half
            /// ends the outgoing stream.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixStream;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixStream::pair()?;
            /// let (reader, writer) = a.into_split();
            /// let writes = corio_runtime::create_task(async move { writer.write_all(b"bye").await });
            /// writes.await.unwrap()?;
            /// // The writing half is gone: that was the end of the stream.
            /// let mut buf = [0; 8];
            /// assert_eq!(b.read(&mut buf).await?, 3);
            /// assert_eq!(b.read(&mut buf).await?, 0);
            /// drop(reader);
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            #[must_use]
            pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
                split::owned(self)
            }

            /// Ends one direction or both: after `Write` the peer reads the end of the stream.
            ///
            /// # Errors
            ///
            /// `NotConnected` if the peer was faster; else the system's.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::{Shutdown, UnixStream};
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixStream::pair()?;
            /// a.shutdown(Shutdown::Write)?;
            /// assert_eq!(b.read(&mut [0]).await?, 0);
            /// // The other direction goes on.
            /// b.write_all(b"x").await?;
            /// assert_eq!(a.read(&mut [0]).await?, 1);
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                self.io.get().shutdown(how)
            }
        }

        /// For hand-written futures. Of several tasks that wait in one direction by these the last
        /// one is woken; the errors are those of [`read`](Self::read) and [`write`](Self::write).
        impl $socket {
            /// As [`read`](Self::read).
            #[inline]
            pub fn poll_read(
                &self,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.wire().poll_read(cx, buf)
            }

            /// As [`read_vectored`](Self::read_vectored).
            pub fn poll_read_vectored(
                &self,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                self.wire().poll_read_vectored(cx, bufs)
            }

            /// As [`write`](Self::write).
            #[inline]
            pub fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.wire().poll_write(cx, buf)
            }

            /// As [`write_vectored`](Self::write_vectored).
            #[inline]
            pub fn poll_write_vectored(
                &self,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.wire().poll_write_vectored(cx, bufs)
            }

            /// As [`readable`](Self::readable).
            pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.wire().poll_ready(Direction::Read, cx)
            }

            /// As [`writable`](Self::writable).
            pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.wire().poll_ready(Direction::Write, cx)
            }
        }
    };
}
pub(super) use stream_methods;
