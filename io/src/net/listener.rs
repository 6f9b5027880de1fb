//! Listening sockets.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::reactor::SourceKind;

use super::addrs::{Addrs, ToAddrs, no_address};
use super::options::ListenerBuilder;
use super::socket::{Wait, as_descriptor};
use super::tcp::TcpStream;
use super::wire::Wire;
use crate::context::failed;
use crate::made::Made;
use crate::source::Registered;
use crate::sys;

/// A socket that accepts TCP connections. Dropping it closes it; those that wait are not told, so
/// keep it where they can see it.
///
/// asyncio: `start_server`, whose accept loop is its own; here the loop is yours.
///
/// # Examples
///
/// ```no_run
/// use corio_io::net::TcpListener;
///
/// # async fn example() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// loop {
///     let (stream, peer) = listener.accept().await?;
///     drop(corio_runtime::create_task(async move {
///         let _ = stream.write_all(format!("hello, {peer}\n").as_bytes()).await;
///     }));
/// }
/// # }
/// ```
pub struct TcpListener {
    io: Registered<std::net::TcpListener>,
}

impl TcpListener {
    /// Binds an address and listens. Of several addresses the first that can be bound is taken.
    /// Port 0 lets the system choose; [`local_addr`](Self::local_addr) tells.
    ///
    /// # Errors
    ///
    /// The system's, with the address in the message, such as `bind 127.0.0.1:80: Permission
    /// denied (os error 13)`; of several addresses that of the last.
    ///
    /// # Cancel safety
    ///
    /// Strict. Unless a host name has to be looked up, the future is ready at its first poll.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let address = listener.local_addr()?;
    /// let taken = TcpListener::bind(address).await.unwrap_err();
    /// assert!(taken.to_string().starts_with(&format!("bind {address}: ")));
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn bind(address: impl ToAddrs) -> Bind {
        ListenerBuilder::new().bind(address)
    }

    /// Settings to bind with: reuse of addresses and ports, the length of the queue, IPv6 alone.
    ///
    /// See [`ListenerBuilder`] for an example.
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder::new()
    }

    /// Waits for a connection. Many tasks may wait; each connection is given to one of them.
    ///
    /// asyncio: `loop.sock_accept`.
    ///
    /// # Errors
    ///
    /// The system's. After some of them it is worth going on, such as "too many open files", or a
    /// connection that was reset before it was accepted; `corio::serve` does so.
    ///
    /// # Cancel safety
    ///
    /// Loses place: no connection is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let client = TcpStream::connect(listener.local_addr()?).await?;
    /// let (server, peer) = listener.accept().await?;
    /// assert_eq!(peer, client.local_addr()?);
    /// server.write_all(b"welcome").await?;
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[doc(alias = "sock_accept")]
    #[track_caller]
    pub fn accept(&self) -> Accept<'_> {
        let at = Location::caller();
        Accept { listener: self.io.get(), wait: Wait::new(Wire::of(&self.io, at), at) }
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
    /// use corio_io::net::{TcpListener, TcpStream};
    ///
    /// # corio_runtime::run(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let client = TcpStream::connect(listener.local_addr()?).await?;
    /// let (_server, peer) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await?;
    /// assert_eq!(peer, client.local_addr()?);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.poll_accept_at(cx, Location::caller())
    }

    pub(crate) fn poll_accept_at(
        &self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let wire = Wire::of(&self.io, at);
        let (stream, peer) = ready!(wire.poll_accept(cx, || sys::accept(self.io.get())))?;
        Poll::Ready(Ok((TcpStream::new(stream, at), peer)))
    }

    /// The address that this socket is bound to.
    ///
    /// See [`bind`](Self::bind) for an example.
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

    /// Takes a listener of std's over, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::TcpListener;
    ///
    /// # corio_runtime::run(async {
    /// let listener = TcpListener::from_std(std::net::TcpListener::bind("127.0.0.1:0")?)?;
    /// assert!(listener.take_error()?.is_none());
    /// let back: std::net::TcpListener = listener.into_std()?;
    /// back.set_nonblocking(false)?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::new(listener))
    }

    /// Gives the listener to std; it stays non-blocking.
    ///
    /// See [`from_std`](Self::from_std) for an example.
    ///
    /// # Errors
    ///
    /// The system's, if it does not let go of the socket.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        self.io.into_inner()
    }

    pub(super) fn new(listener: std::net::TcpListener) -> Self {
        Self { io: Registered::new(listener, SourceKind::Listener) }
    }
}

as_descriptor!(TcpListener);

/// Future of [`TcpListener::bind`]: `io::Result<TcpListener>`.
#[derive(Debug)]
#[must_use = "nothing is bound unless this is awaited"]
pub struct Bind {
    builder: ListenerBuilder,
    addresses: Addrs,
    /// The host name that was given, for messages.
    name: Option<String>,
    made: Made,
}

impl Bind {
    pub(super) fn new(builder: ListenerBuilder, addresses: Addrs, made: Made) -> Self {
        let name = addresses.host();
        Self { builder, addresses, name, made }
    }

    fn try_each(&self, addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpListener> {
        let mut last = None;
        for address in addresses {
            match self.builder.listen(address) {
                Ok(listener) => return Ok(TcpListener::new(listener)),
                Err(error) => {
                    last = Some(failed("bind", Named(self.name.as_deref(), address), error))
                }
            }
        }
        Err(last.unwrap_or_else(no_address))
    }
}

impl Future for Bind {
    type Output = io::Result<TcpListener>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.made.begin();
        let addresses = ready!(this.addresses.poll(cx))?;
        Poll::Ready(this.try_each(addresses))
    }
}

/// An address, and the host name it was found by.
pub(super) struct Named<'a>(pub(super) Option<&'a str>, pub(super) SocketAddr);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "{} ({name})", self.1),
            None => self.1.fmt(f),
        }
    }
}

/// Future of [`TcpListener::accept`]: `io::Result<(TcpStream, SocketAddr)>`.
#[derive(Debug)]
#[must_use = "nothing is accepted unless this is awaited"]
pub struct Accept<'a> {
    listener: &'a std::net::TcpListener,
    wait: Wait<'a>,
}

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { listener, wait } = self.get_mut();
        wait.begin();
        let (stream, peer) = ready!(wait.poll_accept(cx, || sys::accept(listener)))?;
        Poll::Ready(Ok((TcpStream::new(stream, wait.at()), peer)))
    }
}
