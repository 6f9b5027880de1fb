//! Unix datagrams.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use corio_runtime::reactor::{Direction, SourceKind};
use corio_runtime::time::{self, Sleep};

use super::connect::{REST, REST_MAX};
use super::{Shown, address};
use crate::context::{failed, failed_at_path};
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
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixDatagram;
    ///
    /// # corio_runtime::run(async {
    /// # let path = std::env::temp_dir().join(format!("corio-datagram-{}", std::process::id()));
    /// let server = UnixDatagram::bind(&path)?;
    /// let client = UnixDatagram::unbound()?;
    /// client.send_to(b"one", &path).await?;
    /// client.try_send_to(b"two", &path)?;
    /// client.connect(&path)?;
    /// client.send(b"three").await?;
    /// let mut buf = [0; 16];
    /// assert_eq!((server.recv(&mut buf).await?, server.recv(&mut buf).await?), (3, 3));
    /// assert_eq!(server.recv(&mut buf).await?, 5);
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let address = address(path.as_ref())?;
        let socket = std::os::unix::net::UnixDatagram::bind_addr(&address)
            .map_err(|error| failed_at_path("bind", Shown(&address), error))?;
        Self::from_std(socket)
    }

    /// A socket without an address, to send from.
    ///
    /// See [`bind`](Self::bind) for an example.
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
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixDatagram;
    /// use std::net::Shutdown;
    ///
    /// # corio_runtime::run(async {
    /// let (a, b) = std::os::unix::net::UnixDatagram::pair()?;
    /// let a = UnixDatagram::from_std(a)?;
    /// a.send(b"hello").await?;
    /// assert_eq!(b.recv(&mut [0; 16])?, 5);
    /// a.shutdown(Shutdown::Write)?;
    /// assert!(a.send(b"hello").await.is_err());
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_std(socket: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { io: Registered::new(socket, SourceKind::Datagram), at: Location::caller() })
    }

    /// Sets whom [`send`](Self::send) sends to and whose messages are received.
    ///
    /// See [`bind`](Self::bind) for an example.
    ///
    /// # Errors
    ///
    /// The system's, with the path in the message.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let address = address(path.as_ref())?;
        // It is done at once, or not at all.
        let connected = sys::uninterrupted(|| self.io.get().connect_addr(&address));
        connected.map_err(|error| failed("connect", Shown(&address), error))
    }

    /// Sends a message to the socket at a path. It waits while that socket's queue is full; if it is
    /// full of others' messages, it is tried again after 1 ms, then after longer rests up to 64 ms.
    ///
    /// See [`bind`](Self::bind) for an example.
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
        let target = address(path.as_ref());
        UnixSendTo { wait, socket: self, buf, target, due: true, rest: REST, sleep: None }
    }

    /// Sends to the socket at a path without waiting.
    ///
    /// See [`bind`](Self::bind) for an example.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room; else as [`send_to`](Self::send_to).
    pub fn try_send_to(&self, buf: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        // Not by the source: that there is no room at one receiver says nothing of the next.
        let target = address(path.as_ref())?;
        let sent = sys::uninterrupted(|| self.io.get().send_to_addr(buf, &target));
        sent.map_err(|error| named(error, &target))
    }

    /// Ends one direction or both.
    ///
    /// See [`from_std`](Self::from_std) for an example.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.get().shutdown(how)
    }
}

/// Future of [`UnixDatagram::send_to`]: `io::Result<usize>`.
///
/// The system announces room in this socket, and room at the receiver if the two are connected. When
/// others' messages have been received there, it tells nobody (unix(7), `unix_dgram_poll` in the kernel):
/// hence the rests.
#[must_use = "nothing is sent unless this is awaited"]
pub struct UnixSendTo<'a> {
    wait: Wait<'a>,
    socket: &'a UnixDatagram,
    buf: &'a [u8],
    target: io::Result<SocketAddr>,
    /// It is to be tried, whatever is known of the socket.
    due: bool,
    /// The next rest, and the one that is under way.
    rest: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Future for UnixSendTo<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, socket, buf, target, due, rest, sleep } = self.get_mut();
        wait.begin();
        let target = match target {
            Ok(target) => target,
            Err(error) => {
                return Poll::Ready(Err(io::Error::new(error.kind(), error.to_string())));
            }
        };
        loop {
            if sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready()) {
                (*due, *sleep) = (true, None);
            }
            let mut tried = false;
            let sent = wait.poll_message_now(*due, Direction::Write, cx, || {
                tried = true;
                socket.io.get().send_to_addr(buf, target)
            });
            if let Poll::Ready(sent) = sent {
                return Poll::Ready(sent.map_err(|error| named(error, target)));
            }
            // Else the task has to let others run first.
            *due &= !tried;
            if *due || sleep.is_some() {
                return Poll::Pending;
            }
            *sleep = Some(Box::pin(time::sleep(*rest).inside()));
            *rest = (*rest * 2).min(REST_MAX);
        }
    }
}

/// The error with the path, unless it only says to try again.
fn named(error: io::Error, target: &SocketAddr) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => error,
        _ => failed("send to", Shown(target), error),
    }
}

impl fmt::Debug for UnixSendTo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixSendTo")
            .field("wait", &self.wait)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
