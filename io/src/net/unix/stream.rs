//! Unix stream connections.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::task::{Context, Poll};

use corio_runtime::reactor::{Direction, SourceKind};

use super::{UCred, UnixConnect, address};
use crate::made::Made;
use crate::net::socket::Ready;
use crate::net::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::net::transfer::{Peek, Read, ReadExact, ReadVectored, Write, WriteAll, WriteVectored};
use crate::net::wire::{Connected, StreamSocket, Wire, stream_methods};
use crate::source::Registered;
use crate::sys;

/// A Unix stream connection. Dropping it closes it.
///
/// Everything that moves bytes is as in [`TcpStream`](crate::net::TcpStream).
///
/// asyncio: `open_unix_connection`, whose pair of streams buffers.
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
/// let mut buf = [0; 5];
/// b.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"hello");
/// # Ok(())
/// # })
/// # }
/// ```
///
/// Each call has a form that does not wait, and one for futures that are written by hand:
///
/// ```
/// use corio_io::net::UnixStream;
/// use std::future::poll_fn;
/// use std::io::{IoSlice, IoSliceMut};
///
/// # corio_runtime::run(async {
/// let (client, server) = UnixStream::pair()?;
/// assert_eq!(client.write(b"a").await?, 1);
/// client.writable().await?;
/// assert_eq!(client.try_write(b"b")?, 1);
/// poll_fn(|cx| client.poll_write_ready(cx)).await?;
/// assert_eq!(poll_fn(|cx| client.poll_write(cx, b"c")).await?, 1);
/// assert_eq!(poll_fn(|cx| client.poll_write_vectored(cx, &[IoSlice::new(b"d")])).await?, 1);
///
/// let (mut a, mut b, mut c) = ([0; 1], [0; 1], [0; 1]);
/// server.read_vectored(&mut [IoSliceMut::new(&mut a)]).await?;
/// poll_fn(|cx| server.poll_read_ready(cx)).await?;
/// poll_fn(|cx| server.poll_read(cx, &mut b)).await?;
/// poll_fn(|cx| server.poll_read_vectored(cx, &mut [IoSliceMut::new(&mut c)])).await?;
/// assert_eq!([a, b, c], [*b"a", *b"b", *b"c"]);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub struct UnixStream {
    io: Registered<std::os::unix::net::UnixStream>,
    at: &'static Location<'static>,
}

stream_methods!(UnixStream, std::os::unix::net::UnixStream);

impl UnixStream {
    /// Connects to the listener at a path. While its queue is full, it is tried again after 1 ms,
    /// then after longer rests up to 64 ms.
    ///
    /// # Errors
    ///
    /// The system's, with the path in the message; `InvalidInput` for a path that is too long.
    ///
    /// # Cancel safety
    ///
    /// Strict: an unfinished connection is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::{UnixListener, UnixStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// # let path = std::env::temp_dir().join(format!("corio-connect-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let client = UnixStream::connect(&path).await?;
    /// let (server, _) = listener.accept().await?;
    /// assert_eq!(server.peer_cred()?.pid(), i32::try_from(std::process::id()).ok());
    /// # drop(client);
    /// # std::fs::remove_file(path)?;
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn connect(path: impl AsRef<Path>) -> UnixConnect {
        UnixConnect::new(address(path.as_ref()), Made::here("UnixStream::connect"))
    }

    /// As [`connect`](Self::connect), to an address of std's, which need not be a path.
    ///
    /// See [`UnixListener::bind_addr`](crate::net::UnixListener::bind_addr) for an example.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// As [`connect`](Self::connect).
    #[track_caller]
    pub fn connect_addr(address: &SocketAddr) -> UnixConnect {
        UnixConnect::new(Ok(address.clone()), Made::here("UnixStream::connect_addr"))
    }

    /// Two connected sockets.
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = std::os::unix::net::UnixStream::pair()?;
        Ok((Self::from_std(a)?, Self::from_std(b)?))
    }

    /// Takes a connection of std's over, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    ///
    /// # corio_runtime::run(async {
    /// let (a, mut b) = std::os::unix::net::UnixStream::pair()?;
    /// UnixStream::from_std(a)?.write_all(b"hello").await?;
    /// let mut all = String::new();
    /// std::io::Read::read_to_string(&mut b, &mut all)?;
    /// assert_eq!(all, "hello");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self::new(stream, Location::caller()))
    }

    pub(super) fn new(
        stream: std::os::unix::net::UnixStream,
        at: &'static Location<'static>,
    ) -> Self {
        Self { io: Registered::new(stream, SourceKind::UnixStream), at }
    }

    /// Who is at the other end.
    ///
    /// See [`UCred`] for an example.
    ///
    /// # Errors
    ///
    /// The system's; `Unsupported` on systems other than Linux.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        UCred::of(self.io.fd())
    }

    /// The address of this end; that of most clients is unnamed.
    ///
    /// See [`UnixListener::bind_addr`](crate::net::UnixListener::bind_addr) for an example.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The address of the other end.
    ///
    /// See [`UnixListener::bind_addr`](crate::net::UnixListener::bind_addr) for an example.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }
}
