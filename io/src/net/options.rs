//! Settings of sockets that have to be made before `bind`, `listen` or `connect`.

use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::time::Duration;

use socket2::{Socket, TcpKeepalive};

use super::addrs::ToAddrs;
use super::connect::{ATTEMPT_DELAY, Connect};
use super::listener::{Bind, TcpListener};
use crate::context::failed;
use crate::made::Made;
use crate::sys;

/// Connections that the system completes before they are accepted, unless the builder says
/// otherwise. The system's own limit (`net.core.somaxconn`) still holds.
const BACKLOG: u32 = 1024;

/// Settings of a listener; see [`TcpListener::builder`](super::TcpListener::builder).
///
/// # Examples
///
/// ```
/// use corio_io::net::TcpListener;
///
/// # corio_runtime::run(async {
/// let builder = TcpListener::builder().reuse_addr(true).reuse_port(true).backlog(64);
/// let first = builder.clone().bind("127.0.0.1:0").await?;
/// let second = builder.bind(first.local_addr()?).await?;
/// assert_eq!(first.local_addr()?, second.local_addr()?);
/// // Leaves IPv4 to another socket; there may be no IPv6 here.
/// let only = TcpListener::builder().only_v6(true).bind("[::1]:0").await;
/// assert!(only.is_err() || only?.local_addr()?.is_ipv6());
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `bind`"]
pub struct ListenerBuilder {
    reuse_addr: bool,
    reuse_port: bool,
    only_v6: Option<bool>,
    backlog: u32,
}

impl ListenerBuilder {
    pub(crate) fn new() -> Self {
        Self { reuse_addr: cfg!(unix), reuse_port: false, only_v6: None, backlog: BACKLOG }
    }

    /// Whether an address can be bound while old connections to it linger in `TIME_WAIT`.
    /// Default on Unix: yes, so that a server can be restarted at once. asyncio: `reuse_address`.
    pub fn reuse_addr(mut self, on: bool) -> Self {
        self.reuse_addr = on;
        self
    }

    /// Whether several sockets may listen on one address; the system spreads connections among
    /// them. Default: no.
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// Whether an IPv6 socket serves IPv6 alone. Default: what the system is set to; on Linux a
    /// listener on `[::]` usually serves IPv4 too.
    pub fn only_v6(mut self, on: bool) -> Self {
        self.only_v6 = Some(on);
        self
    }

    /// How many connections the system completes before they are accepted. Default: 1024.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Binds and listens; see [`TcpListener::bind`](super::TcpListener::bind).
    ///
    /// # Cancel safety
    ///
    /// As [`TcpListener::bind`].
    #[track_caller]
    pub fn bind(self, address: impl ToAddrs) -> Bind {
        Bind::new(self, address.to_addrs(), Made::here("TcpListener::bind"))
    }

    /// Binds one address and listens.
    pub(crate) fn listener(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let listener = self.listen(address).map_err(|error| failed("bind", address, error))?;
        Ok(TcpListener::new(listener))
    }

    pub(super) fn listen(&self, address: SocketAddr) -> io::Result<std::net::TcpListener> {
        let socket = sys::tcp_socket(&address)?;
        if self.reuse_addr {
            socket.set_reuse_address(true)?;
        }
        if self.reuse_port {
            reuse_port(&socket)?;
        }
        if let (Some(only), true) = (self.only_v6, address.is_ipv6()) {
            socket.set_only_v6(only)?;
        }
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        Ok(socket.into())
    }
}

#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
pub(super) fn reuse_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(all(unix, not(any(target_os = "solaris", target_os = "illumos")))))]
pub(super) fn reuse_port(_socket: &Socket) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system cannot share a listening port"))
}

/// Settings of a connection; see [`TcpStream::builder`](super::TcpStream::builder).
///
/// # Examples
///
/// ```
/// use corio_io::net::{Keepalive, TcpListener, TcpStream};
///
/// # corio_runtime::run(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let stream = TcpStream::builder()
///     .local_addr("127.0.0.1:0".parse().unwrap())
///     .nodelay(true)
///     .keepalive(Keepalive::default())
///     .send_buffer_size(32 << 10)
///     .recv_buffer_size(32 << 10)
///     .happy_eyeballs(None)
///     .connect(listener.local_addr()?)
///     .await?;
/// assert!(stream.nodelay()?);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct StreamBuilder {
    attempt_delay: Option<Duration>,
    /// At most one of each family.
    local_v4: Option<SocketAddr>,
    local_v6: Option<SocketAddr>,
    nodelay: bool,
    keepalive: Option<Keepalive>,
    send_buffer: Option<usize>,
    recv_buffer: Option<usize>,
}

impl Default for StreamBuilder {
    fn default() -> Self {
        Self {
            attempt_delay: Some(ATTEMPT_DELAY),
            local_v4: None,
            local_v6: None,
            nodelay: false,
            keepalive: None,
            send_buffer: None,
            recv_buffer: None,
        }
    }
}

impl StreamBuilder {
    /// How long one address of several is tried alone before the next one is tried too; the
    /// families are tried in turn then (RFC 8305). `None`: one after the other has failed, in the
    /// given order. Default: 250 ms. asyncio: `happy_eyeballs_delay`, and `None` by default.
    pub fn happy_eyeballs(mut self, delay: Option<Duration>) -> Self {
        self.attempt_delay = delay;
        self
    }

    pub(super) fn attempt_delay(&self) -> Option<Duration> {
        self.attempt_delay
    }

    /// The local address to connect from. Called again with an address of the other family, it gives
    /// one for each; peers of a family that has none are not tried then. Default: the system chooses.
    ///
    /// asyncio: `local_addr`, where a name may stand for addresses of both families.
    pub fn local_addr(mut self, address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => self.local_v4 = Some(address),
            SocketAddr::V6(_) => self.local_v6 = Some(address),
        }
        self
    }

    /// The local address for a peer.
    fn local_for(&self, peer: &SocketAddr) -> io::Result<Option<SocketAddr>> {
        let (own, other, family) = match peer {
            SocketAddr::V4(_) => (self.local_v4, self.local_v6, "IPv4"),
            SocketAddr::V6(_) => (self.local_v6, self.local_v4, "IPv6"),
        };
        if own.is_none() && other.is_some() {
            let message = format!("no local address of family {family} was given");
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, message));
        }
        Ok(own)
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`). Default: no, as the system has it;
    /// asyncio's transports turn it on.
    pub fn nodelay(mut self, on: bool) -> Self {
        self.nodelay = on;
        self
    }

    /// Probes of a silent connection. Default: none.
    pub fn keepalive(mut self, keepalive: Keepalive) -> Self {
        self.keepalive = Some(keepalive);
        self
    }

    /// Size of the system's send buffer in bytes. Default: the system adapts it.
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// Size of the system's receive buffer in bytes. Default: the system adapts it.
    pub fn recv_buffer_size(mut self, bytes: usize) -> Self {
        self.recv_buffer = Some(bytes);
        self
    }

    /// Connects; see [`TcpStream::connect`](super::TcpStream::connect).
    ///
    /// # Cancel safety
    ///
    /// As [`TcpStream::connect`](super::TcpStream::connect).
    #[track_caller]
    pub fn connect(self, address: impl ToAddrs) -> Connect {
        Connect::new(self, address.to_addrs(), Location::caller())
    }

    pub(super) fn socket(&self, peer: &SocketAddr) -> io::Result<Socket> {
        let local = self.local_for(peer)?;
        let socket = sys::tcp_socket(peer)?;
        if self.nodelay {
            socket.set_tcp_nodelay(true)?;
        }
        if let Some(keepalive) = &self.keepalive {
            socket.set_tcp_keepalive(&keepalive.params())?;
        }
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.recv_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(local) = local {
            socket.bind(&local.into()).map_err(|error| failed("bind", local, error))?;
        }
        Ok(socket)
    }
}

/// When the system probes a silent connection; what is not set is the system's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "settings do nothing until a socket has them"]
pub struct Keepalive {
    /// How long a connection is silent before the first probe; whole seconds.
    pub idle: Option<Duration>,
    /// The time between probes; whole seconds.
    pub interval: Option<Duration>,
    /// How many probes remain unanswered until the connection is given up.
    pub retries: Option<u32>,
}

impl Keepalive {
    pub(super) fn params(&self) -> TcpKeepalive {
        let mut params = TcpKeepalive::new();
        if let Some(idle) = self.idle {
            params = params.with_time(idle);
        }
        if let Some(interval) = self.interval {
            params = params.with_interval(interval);
        }
        if let Some(retries) = self.retries {
            params = params.with_retries(retries);
        }
        params
    }
}
