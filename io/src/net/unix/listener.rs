//! Listening Unix sockets.

use std::future::Future;
use std::io;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::reactor::SourceKind;

use super::{Shown, UnixStream, address};
use crate::context::failed_at_path;
use crate::net::socket::{Wait, as_descriptor};
use crate::net::wire::Wire;
use crate::source::Registered;
use crate::sys;

/// A socket that accepts Unix stream connections. Dropping it closes it and leaves its file where it
/// is: a path must be removed before it is bound again.
///
/// asyncio: `start_unix_server`, whose accept loop is its own; here the loop is yours.
///
/// # Examples
///
/// ```
/// use corio_io::net::{UnixListener, UnixStream};
///
/// # fn main() -> std::io::Result<()> {
/// corio_runtime::run(async {
///     let path = std::env::temp_dir().join(format!("corio-listener-{}", std::process::id()));
///     let listener = UnixListener::bind(&path)?;
///     let client = UnixStream::connect(&path).await?;
///     let (server, _) = listener.accept().await?;
///     client.write_all(b"hello").await?;
///     let mut greeting = [0; 5];
///     server.read_exact(&mut greeting).await?;
///     assert_eq!(&greeting, b"hello");
///     std::fs::remove_file(&path)
/// })
/// # }
/// ```
pub struct UnixListener {
    io: Registered<std::os::unix::net::UnixListener>,
}

impl UnixListener {
    /// Binds a path and listens.
    ///
    /// # Errors
    ///
    /// The system's, with the path in the message: `AddrInUse` also if a file is left from a server
    /// that is gone; `InvalidInput` for a path that is too long.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_addr(&address(path.as_ref())?)
    }

    /// As [`bind`](Self::bind), to an address of std's, which need not be a path.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::{UnixListener, UnixStream};
    ///
    /// # corio_runtime::run(async {
    /// # let path = std::env::temp_dir().join(format!("corio-bind-addr-{}", std::process::id()));
    /// let address = std::os::unix::net::SocketAddr::from_pathname(&path)?;
    /// let listener = UnixListener::bind_addr(&address)?;
    /// let client = UnixStream::connect_addr(&address).await?;
    /// assert_eq!(client.peer_addr()?.as_pathname(), Some(&*path));
    /// assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
    /// assert!(client.local_addr()?.is_unnamed());
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        let listener = std::os::unix::net::UnixListener::bind_addr(address)
            .map_err(|error| failed_at_path("bind", Shown(address), error))?;
        Self::from_std(listener)
    }

    /// Takes a listener of std's over, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixListener;
    ///
    /// # corio_runtime::run(async {
    /// # let path = std::env::temp_dir().join(format!("corio-from-std-{}", std::process::id()));
    /// let listener = UnixListener::from_std(std::os::unix::net::UnixListener::bind(&path)?)?;
    /// assert!(listener.take_error()?.is_none());
    /// let back: std::os::unix::net::UnixListener = listener.into_std()?;
    /// # drop(back);
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { io: Registered::new(listener, SourceKind::Listener) })
    }

    /// Gives the listener to std; it stays non-blocking.
    ///
    /// See [`from_std`](Self::from_std) for an example.
    ///
    /// # Errors
    ///
    /// The system's, if it does not let go of the socket.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixListener> {
        self.io.into_inner()
    }

    /// Waits for a connection. Many tasks may wait; each connection is given to one of them.
    ///
    /// # Errors
    ///
    /// The system's, as for [`TcpListener::accept`](crate::net::TcpListener::accept).
    ///
    /// # Cancel safety
    ///
    /// Loses place: no connection is lost.
    #[track_caller]
    pub fn accept(&self) -> UnixAccept<'_> {
        let at = Location::caller();
        UnixAccept { wait: Wait::new(Wire::of(&self.io, at), at) }
    }

    /// [`accept`](Self::accept) for a hand-written future. Of several tasks that wait by this call
    /// the last one is woken.
    ///
    /// # Errors
    ///
    /// As `accept`.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::{UnixListener, UnixStream};
    ///
    /// # corio_runtime::run(async {
    /// # let path = std::env::temp_dir().join(format!("corio-poll-accept-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let _client = UnixStream::connect(&path).await?;
    /// let (_server, peer) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await?;
    /// assert!(peer.is_unnamed());
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let wire = Wire::of(&self.io, Location::caller());
        let (stream, peer) = ready!(wire.poll_accept(cx, || sys::accept_unix(wire.fd)))?;
        Poll::Ready(Ok((UnixStream::new(stream.into(), wire.at), peer)))
    }

    /// The address that this socket is bound to.
    ///
    /// See [`bind_addr`](Self::bind_addr) for an example.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The pending error of the socket, and clears it.
    ///
    /// See [`from_std`](Self::from_std) for an example.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.get().take_error()
    }
}

as_descriptor!(UnixListener);

/// Future of [`UnixListener::accept`]: `io::Result<(UnixStream, SocketAddr)>`.
#[derive(Debug)]
#[must_use = "nothing is accepted unless this is awaited"]
pub struct UnixAccept<'a> {
    wait: Wait<'a>,
}

impl Future for UnixAccept<'_> {
    type Output = io::Result<(UnixStream, SocketAddr)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait } = self.get_mut();
        wait.begin();
        let fd = wait.fd();
        let (stream, peer) = ready!(wait.poll_accept(cx, || sys::accept_unix(fd)))?;
        Poll::Ready(Ok((UnixStream::new(stream.into(), wait.at()), peer)))
    }
}
