//! TCP connections.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::panic::Location;
use std::task::{Context, Poll};
use std::time::Duration;

use corio_runtime::reactor::{Direction, SourceKind};
use socket2::SockRef;

use super::addrs::ToAddrs;
use super::connect::Connect;
use super::options::{Keepalive, StreamBuilder};
use super::socket::Ready;
use super::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::transfer::{Peek, Read, ReadExact, ReadVectored, Write, WriteAll, WriteVectored};
use super::wire::{Connected, StreamSocket, Wire, stream_methods};
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

stream_methods!(TcpStream, std::net::TcpStream);

impl TcpStream {
    /// Connects. Of several addresses the first that answers is taken: the next one is tried when
    /// one has failed or has not answered for 250 ms, IPv6 and IPv4 in turn ("Happy Eyeballs",
    /// RFC 8305; see [`StreamBuilder::happy_eyeballs`]).
    ///
    /// # Errors
    ///
    /// The system's, with the address in the message, such as `connect 127.0.0.1:1: Connection
    /// refused (os error 111)`; of several addresses all of them. There is no time limit but
    /// the system's: put a `timeout` around it.
    ///
    /// # Cancel safety
    ///
    /// Strict: an unfinished connection is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// // Of several addresses the first that answers.
    /// let both = [stream.local_addr()?, listener.local_addr()?];
    /// assert_eq!(TcpStream::connect(both).await?.peer_addr()?, both[1]);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[doc(alias = "sock_connect")]
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

    pub(crate) fn new(stream: std::net::TcpStream, at: &'static Location<'static>) -> Self {
        Self { io: Registered::new(stream, SourceKind::Stream), at }
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
