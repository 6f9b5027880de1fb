//! Unix datagrams.

use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_runtime::reactor::{Direction, SourceKind};

use super::{Shown, address};
use crate::context::failed;
use crate::net::datagram::{
    DatagramPeek, DatagramRecv, DatagramRecvFrom, DatagramSend, DatagramSocket, Messages,
    addressed_methods, datagram_methods,
};
use crate::net::socket::{Ready, Wait};
use crate::net::wire::Wire;
use crate::source::Registered;
use crate::sys;

/// A Unix datagram socket: messages arrive whole, in order, or are refused; none is lost on the way.
/// Dropping it closes it and leaves its file where it is.
///
/// asyncio: `create_datagram_endpoint` with `family=AF_UNIX`.
///
/// # Examples
///
/// ```
/// use corio_io::net::UnixDatagram;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let (a, b) = UnixDatagram::pair()?;
/// a.send(b"one").await?;
/// a.send(b"two").await?;
/// let mut buf = [0; 16];
/// let n = b.recv(&mut buf).await?;
/// assert_eq!(&buf[..n], b"one");
/// # Ok(())
/// # })
/// # }
/// ```
pub struct UnixDatagram {
    io: Registered<std::os::unix::net::UnixDatagram>,
    at: &'static Location<'static>,
}

impl Messages for UnixDatagram {
    type Address = SocketAddr;

    fn wire(&self) -> Wire<'_> {
        Wire::of(&self.io, self.at)
    }

    fn recv_from_now(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.get().recv_from(buf)
    }
}

datagram_methods!(UnixDatagram, std::os::unix::net::UnixDatagram);
addressed_methods!(UnixDatagram, SocketAddr);

impl UnixDatagram {
    /// Binds a path, so that others can send here.
    ///
    /// # Errors
    ///
    /// The system's, with the path in the message: `AddrInUse` also if a file is left there.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let address = address(path.as_ref())?;
        let socket = std::os::unix::net::UnixDatagram::bind_addr(&address)
            .map_err(|error| failed("bind", Shown(&address), error))?;
        Self::from_std(socket)
    }

    /// A socket without an address, to send from.
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        Self::from_std(std::os::unix::net::UnixDatagram::unbound()?)
    }

    /// Two connected sockets.
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (a, b) = std::os::unix::net::UnixDatagram::pair()?;
        Ok((Self::from_std(a)?, Self::from_std(b)?))
    }

    /// Takes a socket of std's over, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn from_std(socket: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { io: Registered::new(socket, SourceKind::Datagram), at: Location::caller() })
    }

    /// Sets whom [`send`](Self::send) sends to and whose messages are received.
    ///
    /// # Errors
    ///
    /// The system's, with the path in the message.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let address = address(path.as_ref())?;
        let connected = self.io.get().connect_addr(&address);
        connected.map_err(|error| failed("connect", Shown(&address), error))
    }

    /// Sends a message to the socket at a path. It waits while that socket's queue is full.
    ///
    /// # Errors
    ///
    /// The system's, with the path in the message.
    ///
    /// # Cancel safety
    ///
    /// Strict: the message is sent or not.
    #[track_caller]
    pub fn send_to<'a>(&'a self, buf: &'a [u8], path: impl AsRef<Path>) -> UnixSendTo<'a> {
        let wait = Wait::new(self.wire(), Location::caller());
        UnixSendTo { wait, socket: self, buf, target: address(path.as_ref()) }
    }

    /// Sends to the socket at a path without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as [`send_to`](Self::send_to).
    pub fn try_send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        self.try_io(Direction::Write, || self.io.get().send_to(buf, path))
    }

    /// Ends one direction or both.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.get().shutdown(how)
    }
}

/// Future of [`UnixDatagram::send_to`]: `io::Result<usize>`.
#[derive(Debug)]
#[must_use = "nothing is sent unless this is awaited"]
pub struct UnixSendTo<'a> {
    wait: Wait<'a>,
    socket: &'a UnixDatagram,
    buf: &'a [u8],
    target: io::Result<SocketAddr>,
}

impl Future for UnixSendTo<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, socket, buf, target } = self.get_mut();
        wait.begin();
        let target = match target {
            Ok(target) => target,
            Err(error) => {
                return Poll::Ready(Err(io::Error::new(error.kind(), error.to_string())));
            }
        };
        let sent =
            wait.poll_message(Direction::Write, cx, || socket.io.get().send_to_addr(buf, target));
        sent.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => error,
            _ => failed("send to", Shown(target), error),
        })
    }
}
