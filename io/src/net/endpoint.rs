//! Datagram sockets that are made with everything at once: both addresses and their options.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::addrs::{Addrs, ToAddrs};
use super::options::reuse_port;
use super::udp::UdpSocket;
use super::unix::UnixDatagram;
use crate::context::failed;
use crate::made::Made;
use crate::sys;

/// Makes a UDP socket. Nothing is done before it is awaited; a host name is looked up then.
///
/// Of several addresses the first pair is taken that the system accepts; both are of one family.
///
/// asyncio: `loop.create_datagram_endpoint`, which makes a transport and a protocol of it.
///
/// # Errors
///
/// `InvalidInput` if there is no address at all, or no pair of one family. Else the system's, with
/// the address in the message; of several pairs that of the first. No socket is left open.
///
/// # Cancel safety
///
/// Strict.
///
/// # Examples
///
/// ```
/// use corio_io::net::create_datagram_endpoint;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let server = create_datagram_endpoint().local_addr("127.0.0.1:0").await?;
/// let client = create_datagram_endpoint().remote_addr(server.local_addr()?).await?;
/// client.send(b"hello").await?;
/// let mut buf = [0; 16];
/// let (n, from) = server.recv_from(&mut buf).await?;
/// assert_eq!((&buf[..n], from), (&b"hello"[..], client.local_addr()?));
/// # Ok(())
/// # })
/// # }
/// ```
#[track_caller]
pub fn create_datagram_endpoint() -> CreateDatagramEndpoint {
    CreateDatagramEndpoint {
        local: Side::None,
        remote: Side::None,
        reuse_port: false,
        broadcast: false,
        made: Made::here("create_datagram_endpoint"),
    }
}

/// Makes a Unix datagram socket that is bound to `local` and connected to `remote`, as far as they
/// are given. A socket file that is left at `local` from before is replaced; anything else that lies
/// there is not.
///
/// asyncio: `loop.create_datagram_endpoint` with `family=AF_UNIX`.
///
/// # Errors
///
/// The system's, with the path in the message. No socket is left open.
///
/// # Examples
///
/// ```
/// use corio_io::net::{UnixDatagram, create_unix_datagram_endpoint};
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// # let path = std::env::temp_dir().join(format!("corio-endpoint-{}", std::process::id()));
/// let server = create_unix_datagram_endpoint(Some(&path), None)?;
/// let client = create_unix_datagram_endpoint(None, Some(&path))?;
/// client.send(b"hello").await?;
/// let mut buf = [0; 16];
/// assert_eq!(server.recv(&mut buf).await?, 5);
/// # std::fs::remove_file(path)
/// # })
/// # }
/// ```
#[track_caller]
pub fn create_unix_datagram_endpoint(
    local: Option<&Path>,
    remote: Option<&Path>,
) -> io::Result<UnixDatagram> {
    let socket = match local {
        Some(path) => {
            sys::remove_stale_socket(path)?;
            UnixDatagram::bind(path)?
        }
        None => UnixDatagram::unbound()?,
    };
    if let Some(path) = remote {
        socket.connect(path)?;
    }
    Ok(socket)
}

/// Future of [`create_datagram_endpoint`]: `io::Result<UdpSocket>`.
///
/// # Examples
///
/// ```
/// use corio_io::net::create_datagram_endpoint;
///
/// # corio_runtime::run(async {
/// let shared = || create_datagram_endpoint().reuse_port(true).allow_broadcast(true);
/// let one = shared().local_addr("127.0.0.1:0").await?;
/// let two = shared().local_addr(one.local_addr()?).remote_addr("127.0.0.1:9").await?;
/// assert!(one.broadcast()? && two.peer_addr()?.port() == 9);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[must_use = "nothing is made unless this is awaited"]
pub struct CreateDatagramEndpoint {
    local: Side,
    remote: Side,
    reuse_port: bool,
    broadcast: bool,
    made: Made,
}

/// The addresses of one side.
enum Side {
    None,
    Asked(Addrs),
    Found(Vec<SocketAddr>),
}

impl Side {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Asked(addresses) = self {
            *self = Self::Found(ready!(addresses.poll_all(cx))?);
        }
        Poll::Ready(Ok(()))
    }

    /// Each address, or one time none.
    fn each(&self) -> Vec<Option<SocketAddr>> {
        match self {
            Self::Found(addresses) => addresses.iter().copied().map(Some).collect(),
            Self::None | Self::Asked(_) => vec![None],
        }
    }
}

impl CreateDatagramEndpoint {
    /// Where messages are received. Default: the system chooses when the first message is sent.
    #[track_caller]
    pub fn local_addr(mut self, address: impl ToAddrs) -> Self {
        self.local = Side::Asked(address.to_addrs());
        self
    }

    /// Whom [`UdpSocket::send`] sends to, and whose messages alone are received. asyncio leaves it
    /// at the first with `allow_broadcast`; for answers from other addresses leave it out here and
    /// use [`UdpSocket::send_to`].
    #[track_caller]
    pub fn remote_addr(mut self, address: impl ToAddrs) -> Self {
        self.remote = Side::Asked(address.to_addrs());
        self
    }

    /// Whether several sockets may be bound to one address. Default: no.
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// Whether messages may be sent to broadcast addresses. Default: no.
    pub fn allow_broadcast(mut self, on: bool) -> Self {
        self.broadcast = on;
        self
    }

    fn open(&self, local: Option<SocketAddr>, remote: Option<SocketAddr>) -> io::Result<UdpSocket> {
        let any = local.or(remote).ok_or_else(no_address)?;
        let socket = sys::udp_socket(&any).map_err(|error| failed("open", any, error))?;
        if self.reuse_port {
            reuse_port(&socket)?;
        }
        if self.broadcast {
            socket.set_broadcast(true)?;
        }
        if let Some(local) = local {
            socket.bind(&local.into()).map_err(|error| failed("bind", local, error))?;
        }
        if let Some(remote) = remote {
            // It is done at once, or not at all.
            let connected = sys::uninterrupted(|| socket.connect(&remote.into()));
            connected.map_err(|error| failed("connect", remote, error))?;
        }
        Ok(UdpSocket::new(socket.into(), self.made.at()))
    }
}

impl Future for CreateDatagramEndpoint {
    type Output = io::Result<UdpSocket>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.made.begin();
        ready!(self.local.poll(cx))?;
        ready!(self.remote.poll(cx))?;
        let mut first = None;
        for local in self.local.each() {
            for remote in self.remote.each() {
                let fits = local.zip(remote).is_none_or(|(l, r)| l.is_ipv4() == r.is_ipv4());
                if !fits {
                    continue;
                }
                match self.open(local, remote) {
                    Ok(socket) => return Poll::Ready(Ok(socket)),
                    Err(error) => first = first.or(Some(error)),
                }
            }
        }
        let message = "the two addresses are of different families";
        Poll::Ready(Err(
            first.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, message))
        ))
    }
}

fn no_address() -> io::Error {
    let message = "an endpoint needs a local address, a remote one, or both";
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

impl fmt::Debug for CreateDatagramEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateDatagramEndpoint")
            .field("reuse_port", &self.reuse_port)
            .field("allow_broadcast", &self.broadcast)
            .field("at", &format_args!("{}", self.made.at()))
            .finish_non_exhaustive()
    }
}
