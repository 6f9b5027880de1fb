//! TCP connections.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::time::Duration;

use corio_runtime::reactor::{Direction, SourceKind};
use socket2::SockRef;

use super::addrs::ToAddrs;
use super::connect::Connect;
use super::options::{Keepalive, StreamBuilder};
use super::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::transfer::{Peek, Read, ReadExact, ReadVectored, Ready, Write, WriteAll, WriteVectored};
use crate::source::Registered;
use crate::sys;

/// A TCP connection. Dropping it closes it.
///
/// Reads and writes take `&self`: any number of tasks may use one connection, each of them waits
/// for itself. For two owners there is [`into_split`](Self::into_split).
///
/// asyncio: `open_connection`, whose pair of streams buffers; here each call is at most one system
/// call, and none while the socket is known not to be ready.
///
/// # Examples
///
/// ```no_run
/// use corio_io::net::TcpStream;
///
/// # async fn example() -> std::io::Result<()> {
/// let stream = TcpStream::connect("127.0.0.1:8080").await?;
/// stream.write_all(b"hello\n").await?;
/// let mut answer = [0; 1024];
/// let n = stream.read(&mut answer).await?;
/// println!("{}", String::from_utf8_lossy(&answer[..n]));
/// # Ok(())
/// # }
/// ```
pub struct TcpStream {
    pub(super) io: Registered<std::net::TcpStream>,
    /// Where the connection was made: what dumps say when a trait's method waits, which does not
    /// know its caller.
    pub(super) at: &'static Location<'static>,
}

impl TcpStream {
    /// Connects. Of several addresses each is tried after the one before has failed.
    ///
    /// # Errors
    ///
    /// The system's, with the address in the message, such as `connect 127.0.0.1:1: Connection
    /// refused (os error 111)`; of several addresses that of the last. There is no time limit but
    /// the system's: put a `timeout` around it.
    ///
    /// # Cancel safety
    ///
    /// Strict: an unfinished connection is closed.
    #[track_caller]
    pub fn connect(address: impl ToAddrs) -> Connect {
        StreamBuilder::default().connect(address)
    }

    /// Settings to connect with: the local address, options of the socket.
    pub fn builder() -> StreamBuilder {
        StreamBuilder::default()
    }

    /// Takes a connection of std's over, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self::new(stream, Location::caller()))
    }

    /// Gives the connection to std; it stays non-blocking.
    ///
    /// # Errors
    ///
    /// The system's, if it does not let go of the socket.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.io.into_inner()
    }

    pub(crate) fn new(stream: std::net::TcpStream, at: &'static Location<'static>) -> Self {
        Self { io: Registered::new(stream, SourceKind::Stream), at }
    }

    /// Reads what is there, at least one byte; 0 at the end of the stream, or if `buf` is empty.
    ///
    /// asyncio: `loop.sock_recv_into`.
    ///
    /// # Errors
    ///
    /// The system's, such as `ConnectionReset`; or, if it has to wait outside a runtime, one that
    /// says so.
    ///
    /// # Cancel safety
    ///
    /// Loses place: what was not read stays in the socket.
    #[track_caller]
    pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> Read<'a> {
        Read::new(self, buf, Location::caller())
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
    #[track_caller]
    pub fn read_exact<'a>(&'a self, buf: &'a mut [u8]) -> ReadExact<'a> {
        ReadExact::new(self, buf, Location::caller())
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
        ReadVectored::new(self, bufs, Location::caller())
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
    #[track_caller]
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Peek<'a> {
        Peek::new(self, buf, Location::caller())
    }

    /// Writes what the system takes, at least one byte unless `buf` is empty.
    ///
    /// # Errors
    ///
    /// The system's, such as `BrokenPipe`; or, if it has to wait outside a runtime, one that says
    /// so.
    ///
    /// # Cancel safety
    ///
    /// Loses place: nothing was written if the future was not ready.
    #[track_caller]
    pub fn write<'a>(&'a self, buf: &'a [u8]) -> Write<'a> {
        Write::new(self, buf, Location::caller())
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
    #[track_caller]
    pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> WriteAll<'a> {
        WriteAll::new(self, buf, Location::caller())
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
    #[track_caller]
    pub fn write_vectored<'a>(&'a self, bufs: &'a [IoSlice<'a>]) -> WriteVectored<'a> {
        WriteVectored::new(self, bufs, Location::caller())
    }

    /// Waits until a read is worth trying: there is data, an error, or the end of the stream.
    ///
    /// It may be ready without reason; use [`try_read`](Self::try_read) after it.
    ///
    /// # Errors
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn readable(&self) -> Ready<'_> {
        Ready::new(self, Direction::Read, Location::caller())
    }

    /// Waits until a write is worth trying.
    ///
    /// # Errors
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn writable(&self) -> Ready<'_> {
        Ready::new(self, Direction::Write, Location::caller())
    }

    /// Reads without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing to read; else as [`read`](Self::read).
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

    /// Tries a system call of yours on this socket, once. If it fails with `WouldBlock`, the next
    /// [`readable`](Self::readable) or [`writable`](Self::writable) waits for an event.
    ///
    /// # Errors
    ///
    /// Those of `op`; `WouldBlock` without a call while the socket is known not to be ready.
    pub fn try_io<R>(
        &self,
        direction: Direction,
        op: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.io.source().try_io(direction, op)
    }

    /// Two halves that borrow the stream, to be used beside each other in one task.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::borrowed(self)
    }

    /// Two halves that own the stream together, for two tasks. Dropping the writing half ends the
    /// outgoing stream.
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split::owned(self)
    }

    /// Ends one direction or both: after `Write` the peer reads the end of the stream.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the peer was faster; else the system's.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.get().shutdown(how)
    }

    /// Ends the outgoing stream, also if the peer has closed the connection before.
    pub(crate) fn close_write(&self) -> io::Result<()> {
        match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// `NotConnected` once the connection is gone; else the system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// The pending error of the socket, and clears it.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.get().take_error()
    }
}

/// Options of the socket; the errors are the system's.
impl TcpStream {
    /// Whether small writes are sent at once (`TCP_NODELAY`), not gathered.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.io.get().set_nodelay(on)
    }

    /// Whether small writes are sent at once.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.get().nodelay()
    }

    /// How many routers a packet may pass (`IP_TTL`).
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.io.get().set_ttl(hops)
    }

    /// How many routers a packet may pass.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// What closing does with unsent data (`SO_LINGER`): zero drops it and resets the connection,
    /// another time *blocks the thread that closes* for so long, `None` leaves it to the system.
    pub fn set_linger(&self, wait: Option<Duration>) -> io::Result<()> {
        SockRef::from(self).set_linger(wait)
    }

    /// What closing does with unsent data.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self).linger()
    }

    /// Probes of a silent connection; `None` turns them off.
    pub fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        let socket = SockRef::from(self);
        match keepalive {
            Some(keepalive) => socket.set_tcp_keepalive(&keepalive.params()),
            None => socket.set_keepalive(false),
        }
    }

    /// Whether a silent connection is probed.
    pub fn keepalive(&self) -> io::Result<bool> {
        SockRef::from(self).keepalive()
    }

    /// Size of the system's send buffer in bytes; Linux takes twice what is asked for.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        SockRef::from(self).set_send_buffer_size(bytes)
    }

    /// Size of the system's send buffer in bytes.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        SockRef::from(self).send_buffer_size()
    }

    /// Size of the system's receive buffer in bytes; Linux takes twice what is asked for.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        SockRef::from(self).set_recv_buffer_size(bytes)
    }

    /// Size of the system's receive buffer in bytes.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        SockRef::from(self).recv_buffer_size()
    }
}

/// So that a stream and its halves can be used alike.
impl AsRef<TcpStream> for TcpStream {
    fn as_ref(&self) -> &TcpStream {
        self
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.io.fd().as_raw_fd()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.fmt(f)
    }
}
