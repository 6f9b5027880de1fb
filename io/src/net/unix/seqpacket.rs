//! Unix connections that keep messages apart.
//!
//! std has no such socket, so the descriptor is an [`OwnedFd`].

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::reactor::{Direction, SourceKind};
use socket2::{SockRef, Socket, Type};

use super::connect::Attempt;
use super::{Shown, UCred, address, sock_addr};
use crate::context::failed_at_path;
use crate::made::Made;
use crate::net::datagram::{DatagramPeek, DatagramRecv, DatagramSend, datagram_methods};
use crate::net::socket::{Ready, Wait, as_descriptor};
use crate::net::wire::Wire;
use crate::source::Registered;
use crate::sys;

/// Connections that the system completes before they are accepted.
const BACKLOG: i32 = 1024;

/// A Unix connection whose messages arrive whole and in order (`SOCK_SEQPACKET`). Receiving 0 bytes
/// is the end of the connection, or an empty message. Dropping it closes it.
///
/// # Examples
///
/// ```
/// use corio_io::net::UnixSeqpacket;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let (a, b) = UnixSeqpacket::pair()?;
/// a.send(b"one").await?;
/// a.send(b"two").await?;
/// let mut buf = [0; 16];
/// assert_eq!(b.recv(&mut buf).await?, 3);
/// assert_eq!(&buf[..3], b"one");
/// # Ok(())
/// # })
/// # }
/// ```
pub struct UnixSeqpacket {
    io: Registered<OwnedFd>,
    at: &'static Location<'static>,
}

datagram_methods!(UnixSeqpacket, OwnedFd);

impl UnixSeqpacket {
    /// Connects to the listener at a path; as [`UnixStream::connect`](super::UnixStream::connect).
    ///
    /// See [`UnixSeqpacketListener`] for an example.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// Strict: an unfinished connection is closed.
    #[track_caller]
    pub fn connect(path: impl AsRef<Path>) -> UnixSeqpacketConnect {
        let attempt = Attempt::new(address(path.as_ref()), Type::SEQPACKET);
        UnixSeqpacketConnect { attempt, made: Made::here("UnixSeqpacket::connect") }
    }

    /// Two connected sockets.
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = sys::seqpacket_pair()?;
        let at = Location::caller();
        Ok((Self::new(a.into(), at), Self::new(b.into(), at)))
    }

    fn new(fd: OwnedFd, at: &'static Location<'static>) -> Self {
        Self { io: Registered::new(fd, SourceKind::Datagram), at }
    }

    fn wire(&self) -> Wire<'_> {
        Wire::of(&self.io, self.at)
    }

    /// Who is at the other end.
    ///
    /// See [`UnixSeqpacketListener`] for an example.
    ///
    /// # Errors
    ///
    /// The system's; `Unsupported` on systems other than Linux.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        UCred::of(self.io.fd())
    }

    /// Ends one direction or both: after `Write` the peer receives 0 bytes.
    ///
    /// See [`UnixSeqpacketListener`] for an example.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn shutdown(&self, how: std::net::Shutdown) -> io::Result<()> {
        SockRef::from(self).shutdown(how)
    }
}

/// Future of [`UnixSeqpacket::connect`]: `io::Result<UnixSeqpacket>`.
#[must_use = "nothing is connected unless this is awaited"]
pub struct UnixSeqpacketConnect {
    attempt: Attempt,
    made: Made,
}

impl Future for UnixSeqpacketConnect {
    type Output = io::Result<UnixSeqpacket>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let at = self.made.begin();
        let connected = ready!(self.attempt.poll(cx))?;
        Poll::Ready(Ok(UnixSeqpacket::new(connected, at)))
    }
}

impl fmt::Debug for UnixSeqpacketConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixSeqpacketConnect")
            .field("at", &format_args!("{}", self.made.at()))
            .finish_non_exhaustive()
    }
}

/// A socket that accepts [`UnixSeqpacket`] connections. Dropping it closes it and leaves its file
/// where it is.
///
/// # Examples
///
/// ```
/// use corio_io::net::{UnixSeqpacket, UnixSeqpacketListener};
/// use std::net::Shutdown;
///
/// # corio_runtime::run(async {
/// # let path = std::env::temp_dir().join(format!("corio-seqpacket-{}", std::process::id()));
/// let listener = UnixSeqpacketListener::bind(&path)?;
/// let client = UnixSeqpacket::connect(&path).await?;
/// let (server, _) = listener.accept().await?;
/// assert_eq!(server.peer_cred()?.pid(), i32::try_from(std::process::id()).ok());
/// client.send(b"hello").await?;
/// client.shutdown(Shutdown::Write)?;
/// let mut buf = [0; 16];
/// assert_eq!((server.recv(&mut buf).await?, server.recv(&mut buf).await?), (5, 0));
/// # std::fs::remove_file(path)?;
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub struct UnixSeqpacketListener {
    io: Registered<Socket>,
}

impl UnixSeqpacketListener {
    /// Binds a path and listens.
    ///
    /// # Errors
    ///
    /// The system's, with the path in the message: `AddrInUse` also if a file is left there.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let address = address(path.as_ref())?;
        let listen = || {
            let socket = sys::unix_socket(Type::SEQPACKET)?;
            socket.bind(&sock_addr(&address)?)?;
            socket.listen(BACKLOG)?;
            Ok(socket)
        };
        let socket = listen().map_err(|error| failed_at_path("bind", Shown(&address), error))?;
        Ok(Self { io: Registered::new(socket, SourceKind::Listener) })
    }

    /// Waits for a connection. Many tasks may wait; each connection is given to one of them.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// # Cancel safety
    ///
    /// Loses place: no connection is lost.
    #[track_caller]
    pub fn accept(&self) -> UnixSeqpacketAccept<'_> {
        let at = Location::caller();
        UnixSeqpacketAccept { wait: Wait::new(Wire::of(&self.io, at), at) }
    }
}

as_descriptor!(UnixSeqpacketListener);

/// Future of [`UnixSeqpacketListener::accept`]: `io::Result<(UnixSeqpacket, SocketAddr)>`.
#[derive(Debug)]
#[must_use = "nothing is accepted unless this is awaited"]
pub struct UnixSeqpacketAccept<'a> {
    wait: Wait<'a>,
}

impl Future for UnixSeqpacketAccept<'_> {
    type Output = io::Result<(UnixSeqpacket, SocketAddr)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait } = self.get_mut();
        wait.begin();
        let fd = wait.fd();
        let (connection, peer) = ready!(wait.poll_accept(cx, || sys::accept_unix(fd)))?;
        Poll::Ready(Ok((UnixSeqpacket::new(connection, wait.at()), peer)))
    }
}
