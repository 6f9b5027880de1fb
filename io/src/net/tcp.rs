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
///
/// Each call has a form that does not wait, and one for futures that are written by hand:
///
/// ```
/// use corio_io::net::{TcpListener, TcpStream};
/// use std::future::poll_fn;
/// use std::io::{IoSlice, IoSliceMut};
///
/// # corio_runtime::run(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (server, _) = listener.accept().await?;
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
    ///
    /// See [`StreamBuilder`] for an example.
    pub fn builder() -> StreamBuilder {
        StreamBuilder::default()
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
    /// use corio_io::net::TcpStream;
    ///
    /// # corio_runtime::run(async {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let stream = TcpStream::from_std(stream)?;
    /// stream.write_all(b"hello").await?;
    /// // And back again, where it blocks if it is told to.
    /// stream.into_std()?.set_nonblocking(false)?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
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
    /// See [`connect`](Self::connect) for an example.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The address of the other end.
    ///
    /// See [`connect`](Self::connect) for an example.
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
    ///
    /// See [`keepalive`](Self::keepalive) for an example.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.io.get().set_nodelay(on)
    }

    /// Whether small writes are sent at once.
    ///
    /// See [`keepalive`](Self::keepalive) for an example.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.get().nodelay()
    }

    /// How many routers a packet may pass (`IP_TTL`).
    ///
    /// See [`keepalive`](Self::keepalive) for an example.
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.io.get().set_ttl(hops)
    }

    /// How many routers a packet may pass.
    ///
    /// See [`keepalive`](Self::keepalive) for an example.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// What closing does with unsent data (`SO_LINGER`): zero drops it and resets the connection,
    /// another time *blocks the thread that closes* for so long, `None` leaves it to the system.
    ///
    /// See [`keepalive`](Self::keepalive) for an example.
    pub fn set_linger(&self, wait: Option<Duration>) -> io::Result<()> {
        SockRef::from(self).set_linger(wait)
    }

    /// What closing does with unsent data.
    ///
    /// See [`keepalive`](Self::keepalive) for an example.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self).linger()
    }

    /// Probes of a silent connection; `None` turns them off.
    ///
    /// See [`keepalive`](Self::keepalive) for an example.
    pub fn set_keepalive(&self, keepalive: Option<Keepalive>) -> io::Result<()> {
        let socket = SockRef::from(self);
        match keepalive {
            Some(keepalive) => socket.set_tcp_keepalive(&keepalive.params()),
            None => socket.set_keepalive(false),
        }
    }

    /// Whether a silent connection is probed.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::{Keepalive, TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// # corio_runtime::run(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_nodelay(true)?;
    /// stream.set_ttl(32)?;
    /// stream.set_linger(Some(Duration::ZERO))?;
    /// let probe = Keepalive { idle: Some(Duration::from_secs(60)), ..Keepalive::default() };
    /// stream.set_keepalive(Some(probe))?;
    /// assert!(stream.nodelay()? && stream.keepalive()?);
    /// assert_eq!((stream.ttl()?, stream.linger()?), (32, Some(Duration::ZERO)));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn keepalive(&self) -> io::Result<bool> {
        SockRef::from(self).keepalive()
    }

    /// Size of the system's send buffer in bytes; Linux takes twice what is asked for.
    ///
    /// See [`recv_buffer_size`](Self::recv_buffer_size) for an example.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        SockRef::from(self).set_send_buffer_size(bytes)
    }

    /// Size of the system's send buffer in bytes.
    ///
    /// See [`recv_buffer_size`](Self::recv_buffer_size) for an example.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        SockRef::from(self).send_buffer_size()
    }

    /// Size of the system's receive buffer in bytes; Linux takes twice what is asked for.
    ///
    /// See [`recv_buffer_size`](Self::recv_buffer_size) for an example.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        SockRef::from(self).set_recv_buffer_size(bytes)
    }

    /// Size of the system's receive buffer in bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::{TcpListener, TcpStream};
    ///
    /// # corio_runtime::run(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_send_buffer_size(32 << 10)?;
    /// stream.set_recv_buffer_size(32 << 10)?;
    /// assert!(stream.send_buffer_size()? >= 32 << 10);
    /// assert!(stream.recv_buffer_size()? >= 32 << 10);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        SockRef::from(self).recv_buffer_size()
    }
}
