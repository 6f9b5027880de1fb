//! UDP.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::reactor::{Direction, SourceKind};

use super::addrs::{Addrs, Known, ToAddrs, no_address};
use super::datagram::{
    DatagramPeek, DatagramRecv, DatagramRecvFrom, DatagramSend, DatagramSocket, Messages,
    addressed_methods, datagram_methods,
};
use super::listener::Named;
use super::socket::{Ready, Wait};
use super::wire::Wire;
use crate::context::failed;
use crate::made::Made;
use crate::source::Registered;
use crate::sys;

/// A UDP socket. Dropping it closes it.
///
/// Any number of tasks may send and receive on it at a time; each message goes to one of them.
///
/// For options that have to be set before it is bound see
/// [`create_datagram_endpoint`](super::create_datagram_endpoint).
///
/// asyncio: `create_datagram_endpoint`, whose protocol is called back; here you await. An ICMP error
/// about an earlier message is the result of one call, and the socket goes on.
///
/// # Examples
///
/// ```
/// use corio_io::net::UdpSocket;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let here = UdpSocket::bind("127.0.0.1:0").await?;
/// let there = UdpSocket::bind("127.0.0.1:0").await?;
/// here.send_to(b"hello", there.local_addr()?).await?;
/// let mut buf = [0; 1500];
/// let (n, from) = there.recv_from(&mut buf).await?;
/// assert_eq!((&buf[..n], from), (&b"hello"[..], here.local_addr()?));
/// # Ok(())
/// # })
/// # }
/// ```
pub struct UdpSocket {
    io: Registered<std::net::UdpSocket>,
    at: &'static Location<'static>,
}

impl Messages for UdpSocket {
    type Address = SocketAddr;

    fn wire(&self) -> Wire<'_> {
        Wire::of(&self.io, self.at)
    }

    fn recv_from_now(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.get().recv_from(buf)
    }
}

datagram_methods!(UdpSocket, std::net::UdpSocket);
addressed_methods!(UdpSocket, SocketAddr);

impl UdpSocket {
    /// Binds an address. Of several addresses the first that can be bound is taken. Port 0 lets the
    /// system choose; [`local_addr`](Self::local_addr) tells.
    ///
    /// # Errors
    ///
    /// The system's, with the address in the message; of several addresses that of the last.
    ///
    /// # Cancel safety
    ///
    /// Strict. Unless a host name has to be looked up, the future is ready at its first poll.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").await?;
    /// assert_ne!(socket.local_addr()?.port(), 0, "the system has chosen one");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn bind(address: impl ToAddrs) -> UdpBind {
        let addresses = address.to_addrs();
        let name = addresses.host();
        UdpBind { addresses, name, made: Made::here("UdpSocket::bind") }
    }

    /// Takes a socket of std's over, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UdpSocket;
    ///
    /// # corio_runtime::run(async {
    /// let socket = UdpSocket::from_std(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
    /// let own = socket.local_addr()?;
    /// assert_eq!(socket.send_to(b"hello", own).await?, 5);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::new(socket, Location::caller()))
    }

    pub(super) fn new(socket: std::net::UdpSocket, at: &'static Location<'static>) -> Self {
        Self { io: Registered::new(socket, SourceKind::Datagram), at }
    }

    /// Sets whom [`send`](Self::send) sends to and whose messages are received. Of several addresses
    /// the first that the system accepts is taken.
    ///
    /// # Errors
    ///
    /// The system's, with the address in the message.
    ///
    /// # Cancel safety
    ///
    /// Strict. Unless a host name has to be looked up, the future is ready at its first poll.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let a = UdpSocket::bind("127.0.0.1:0").await?;
    /// let b = UdpSocket::bind("127.0.0.1:0").await?;
    /// a.connect(b.local_addr()?).await?;
    /// assert_eq!(a.peer_addr()?, b.local_addr()?);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn connect(&self, address: impl ToAddrs) -> UdpConnect<'_> {
        let addresses = address.to_addrs();
        let name = addresses.host();
        UdpConnect { socket: self, addresses, name, made: Made::here("UdpSocket::connect") }
    }

    /// Sends a message to an address; of several the first.
    ///
    /// asyncio: `loop.sock_sendto`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Strict: the message is sent or not.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let a = UdpSocket::bind("127.0.0.1:0").await?;
    /// let b = UdpSocket::bind("127.0.0.1:0").await?;
    /// assert_eq!(a.send_to(b"hello", b.local_addr()?).await?, 5);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn send_to<'a>(&'a self, buf: &'a [u8], target: impl ToAddrs) -> UdpSendTo<'a> {
        let wait = Wait::new(self.wire(), Location::caller());
        UdpSendTo { wait, socket: self, buf, target: Target::Unknown(target.to_addrs()) }
    }

    /// Sends to an address without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as [`send`](Self::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UdpSocket;
    ///
    /// # corio_runtime::run(async {
    /// let a = UdpSocket::bind("127.0.0.1:0").await?;
    /// let b = UdpSocket::bind("127.0.0.1:0").await?;
    /// assert_eq!(a.try_send_to(b"hello", b.local_addr()?)?, 5);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.try_io(Direction::Write, || self.io.get().send_to(buf, target))
    }

    /// For hand-written futures: as [`send_to`](Self::send_to).
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UdpSocket;
    ///
    /// # corio_runtime::run(async {
    /// let a = UdpSocket::bind("127.0.0.1:0").await?;
    /// let to = a.local_addr()?;
    /// let sent = std::future::poll_fn(|cx| a.poll_send_to(cx, b"hello", to)).await?;
    /// assert_eq!(sent, 5);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.wire().poll_message(Direction::Write, cx, || self.io.get().send_to(buf, target))
    }
}

/// Options of the socket; the errors are the system's.
impl UdpSocket {
    /// Whether messages may be sent to broadcast addresses (`SO_BROADCAST`).
    ///
    /// See [`ttl`](Self::ttl) for an example.
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.io.get().set_broadcast(on)
    }

    /// Whether messages may be sent to broadcast addresses.
    ///
    /// See [`ttl`](Self::ttl) for an example.
    pub fn broadcast(&self) -> io::Result<bool> {
        self.io.get().broadcast()
    }

    /// How many routers a packet may pass (`IP_TTL`).
    ///
    /// See [`ttl`](Self::ttl) for an example.
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.io.get().set_ttl(hops)
    }

    /// How many routers a packet may pass.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UdpSocket;
    ///
    /// # corio_runtime::run(async {
    /// let socket = UdpSocket::bind("127.0.0.1:0").await?;
    /// socket.set_ttl(32)?;
    /// socket.set_broadcast(true)?;
    /// assert_eq!((socket.ttl()?, socket.broadcast()?), (32, true));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// Whether this host receives what it sends to IPv4 groups (`IP_MULTICAST_LOOP`).
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4) for an example.
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.io.get().set_multicast_loop_v4(on)
    }

    /// How many routers a packet to an IPv4 group may pass (`IP_MULTICAST_TTL`).
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4) for an example.
    pub fn set_multicast_ttl_v4(&self, hops: u32) -> io::Result<()> {
        self.io.get().set_multicast_ttl_v4(hops)
    }

    /// Joins an IPv4 group on the interface with that address; unspecified lets the system choose.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UdpSocket;
    /// use std::net::Ipv4Addr;
    ///
    /// # corio_runtime::run(async {
    /// let socket = UdpSocket::bind("0.0.0.0:0").await?;
    /// let group = Ipv4Addr::new(224, 0, 0, 251);
    /// socket.set_multicast_loop_v4(true)?;
    /// socket.set_multicast_ttl_v4(1)?;
    /// // On the loopback interface; there may be none that takes part.
    /// if socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST).is_ok() {
    ///     socket.leave_multicast_v4(group, Ipv4Addr::LOCALHOST)?;
    /// }
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.get().join_multicast_v4(&group, &interface)
    }

    /// Leaves an IPv4 group.
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4) for an example.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.get().leave_multicast_v4(&group, &interface)
    }

    /// Joins an IPv6 group on the interface with that index; 0 lets the system choose.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UdpSocket;
    ///
    /// # corio_runtime::run(async {
    /// // There may be no IPv6 here.
    /// if let Ok(socket) = UdpSocket::bind("[::1]:0").await {
    ///     let group = "ff02::fb".parse().unwrap();
    ///     if socket.join_multicast_v6(group, 0).is_ok() {
    ///         socket.leave_multicast_v6(group, 0)?;
    ///     }
    /// }
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get().join_multicast_v6(&group, interface)
    }

    /// Leaves an IPv6 group.
    ///
    /// See [`join_multicast_v6`](Self::join_multicast_v6) for an example.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.get().leave_multicast_v6(&group, interface)
    }
}

/// Future of [`UdpSocket::bind`]: `io::Result<UdpSocket>`.
#[derive(Debug)]
#[must_use = "nothing is bound unless this is awaited"]
pub struct UdpBind {
    addresses: Addrs,
    name: Option<String>,
    made: Made,
}

impl Future for UdpBind {
    type Output = io::Result<UdpSocket>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let at = this.made.begin();
        let addresses = ready!(this.addresses.poll(cx))?;
        Poll::Ready(first(addresses, "bind", this.name.as_deref(), |address| {
            let socket = std::net::UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            Ok(UdpSocket::new(socket, at))
        }))
    }
}

/// Future of [`UdpSocket::connect`]: `io::Result<()>`.
#[derive(Debug)]
#[must_use = "nothing is connected unless this is awaited"]
pub struct UdpConnect<'a> {
    socket: &'a UdpSocket,
    addresses: Addrs,
    name: Option<String>,
    made: Made,
}

impl Future for UdpConnect<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.made.begin();
        let addresses = ready!(this.addresses.poll(cx))?;
        let socket = this.socket.io.get();
        Poll::Ready(first(addresses, "connect", this.name.as_deref(), |address| {
            socket.connect(address)
        }))
    }
}

/// The first address that `op` does well with, or what the last one failed with.
fn first<R>(
    addresses: Known,
    operation: &'static str,
    name: Option<&str>,
    op: impl Fn(SocketAddr) -> io::Result<R>,
) -> io::Result<R> {
    let mut last = None;
    for address in addresses {
        match op(address) {
            Ok(done) => return Ok(done),
            Err(error) => last = Some(failed(operation, Named(name, address), error)),
        }
    }
    Err(last.unwrap_or_else(no_address))
}

/// Future of [`UdpSocket::send_to`]: `io::Result<usize>`.
#[derive(Debug)]
#[must_use = "nothing is sent unless this is awaited"]
pub struct UdpSendTo<'a> {
    wait: Wait<'a>,
    socket: &'a UdpSocket,
    buf: &'a [u8],
    target: Target,
}

#[derive(Debug)]
enum Target {
    Unknown(Addrs),
    Known(SocketAddr),
}

impl Future for UdpSendTo<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, socket, buf, target } = self.get_mut();
        wait.begin();
        let address = match target {
            Target::Known(address) => *address,
            Target::Unknown(addresses) => {
                let Some(address) = ready!(addresses.poll(cx))?.next() else {
                    return Poll::Ready(Err(no_address()));
                };
                *target = Target::Known(address);
                address
            }
        };
        wait.poll_message(Direction::Write, cx, || socket.io.get().send_to(buf, address))
    }
}
