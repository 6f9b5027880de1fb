//! A server for HTTP/1 and HTTP/2 from a listener and a tower service.
//!
//! One task accepts, see `running`; each connection is a task of its own, with a name that says
//! whose it is, and a clone of the service. hyper speaks the protocols. See `connections` for how
//! they are told to end, and counted.

mod connections;
mod make;
mod report;
mod running;
mod streams;

use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use corio_runtime::time::sleep;
use corio_sync::place::{self, WaitKind};
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use tower_service::Service;

use super::listener::TcpListener;
use super::tcp::TcpStream;
use crate::context::failed;
use crate::made;
use crate::sys;
use connections::Connections;
pub use connections::Peer;
pub use make::{ForPeer, Made, Same};
pub use report::ServeReport;
pub use running::ServeReporting;

/// How long accepting pauses when the system has no room for another connection, unless one is
/// closed before. Long enough not to spin, short enough not to be noticed by a client that retries.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves HTTP/1 and HTTP/2 (also with upgrades, such as WebSocket) on a listener.
///
/// `service` is an axum `Router` or any other tower service that is `Clone`: each connection gets
/// a clone. The future never ends unless a shutdown is asked for by
/// [`with_graceful_shutdown`](Serve::with_graceful_shutdown). Dropping it ends the accepting soon
/// after; connections live on, also if that is in the middle of a shutdown: then each ends after the
/// requests that it serves, without a deadline.
///
/// The streams of an HTTP/2 connection, one for each request, are tasks that end with it: when the
/// client hangs up, or the drain deadline passes, their handlers and bodies are dropped, as those of
/// HTTP/1 are.
///
/// An HTTP/1 connection that was upgraded, say to WebSocket, is the server's no longer: a shutdown
/// neither tells nor awaits it, and its deadline does not end it, as with axum's own `serve` on
/// tokio. It belongs to the task that the handler has given it, and ends with that or with the
/// runtime; let that task hear of the shutdown if it has to say farewell. An upgraded stream of
/// HTTP/2 (RFC 8441) is still one of its connection's: a shutdown waits for it, and the deadline ends
/// it.
///
/// A task of its own accepts, so that a handler that blocks the loop of whoever awaits this keeps no
/// new connection out.
///
/// asyncio has no HTTP server; the accept loop is that of `start_server(..).serve_forever()`.
///
/// # Errors
///
/// That of the listener, if it cannot accept any more. It goes on after all that passes by: a
/// connection that was reset before it was accepted, or too many open files. The latter is told to
/// the runtime's [exception handler] (without one, to standard error), once a minute; then it pauses
/// until a connection is closed, 1 s at most.
///
/// [exception handler]: corio_runtime::Handle::set_exception_handler
///
/// A handler that panics closes its connection (over HTTP/2, its stream) and nothing else.
///
/// # Cancel safety
///
/// Lossy: it ends the accepting; connections live on.
///
/// # Examples
///
/// ```no_run
/// # use corio_io::{net::TcpListener, serve, signal};
/// # async fn example<S, B>(router: S) -> std::io::Result<()>
/// # where
/// #     S: tower_service::Service<
/// #             hyper::Request<hyper::body::Incoming>,
/// #             Response = hyper::Response<B>,
/// #             Error = std::convert::Infallible,
/// #         > + Clone + Send + 'static,
/// #     S::Future: Send,
/// #     B: hyper::body::Body<Data: Send, Error = std::convert::Infallible> + Send + 'static,
/// # {
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// serve(listener, router).with_graceful_shutdown(signal::ctrl_c()).await
/// # }
/// ```
#[track_caller]
pub fn serve<L: Listener, S>(listener: L, service: S) -> Serve<L, Same<S>> {
    Serve::new(listener, Same(service))
}

/// As [`serve`], with a service made for each connection, from the address of its peer: by axum's
/// `into_make_service` and `into_make_service_with_connect_info`, or any tower service from an
/// address to a service.
///
/// It is made by the connection's task; where that fails, the connection is closed.
///
/// # Errors
///
/// As [`serve`].
///
/// # Cancel safety
///
/// As [`serve`].
///
/// # Examples
///
/// ```no_run
/// # use std::{convert::Infallible, net::SocketAddr};
/// # use corio_io::{net::TcpListener, serve_make_service};
/// # async fn example<M, S, B>(make_service: M) -> std::io::Result<()>
/// # where
/// #     M: tower_service::Service<SocketAddr, Response = S, Error = Infallible>
/// #         + Clone + Send + 'static,
/// #     M::Future: Send,
/// #     S: tower_service::Service<
/// #             hyper::Request<hyper::body::Incoming>,
/// #             Response = hyper::Response<B>,
/// #             Error = Infallible,
/// #         > + Clone + Send + 'static,
/// #     S::Future: Send,
/// #     B: hyper::body::Body<Data: Send, Error = Infallible> + Send + 'static,
/// # {
/// // `make_service` is `router.into_make_service_with_connect_info::<SocketAddr>()`.
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// serve_make_service(listener, make_service).await
/// # }
/// ```
#[track_caller]
pub fn serve_make_service<L: Listener, M>(listener: L, make_service: M) -> Serve<L, Made<M>> {
    Serve::new(listener, Made(make_service))
}

/// What [`serve`] accepts connections from: a [`TcpListener`], or one of yours, for TLS or Unix
/// sockets.
///
/// # Examples
///
/// ```
/// use corio_io::net::{Listener, UnixListener, UnixStream};
/// use std::io;
/// use std::task::{Context, Poll};
///
/// /// Serves clients on this machine.
/// struct Local(UnixListener);
///
/// impl Listener for Local {
///     type Io = UnixStream;
///     type Addr = &'static str;
///
///     fn poll_accept(
///         &mut self,
///         cx: &mut Context<'_>,
///     ) -> Poll<io::Result<(UnixStream, &'static str)>> {
///         self.0.poll_accept(cx).map_ok(|(stream, _)| (stream, "a local client"))
///     }
/// }
/// ```
pub trait Listener: Send + 'static {
    /// A connection.
    type Io: Read + Write + Unpin + Send + 'static;
    /// The address of a peer, for names and reports.
    type Addr: fmt::Display + Clone + Send + Sync + 'static;

    /// The next connection.
    ///
    /// # Errors
    ///
    /// The system's. Hand the errors of the `accept` call on as they are: `serve` knows which of
    /// them pass by.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Self::Io, Self::Addr)>>;
}

impl Listener for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    /// Connections send small writes at once: a response in several parts would otherwise wait
    /// for the peer's acknowledgement, up to 40 ms.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        TcpListener::poll_accept(self, cx).map_ok(|(stream, peer)| {
            // It fails if the peer is gone already, which the first read will say.
            let _ = stream.set_nodelay(true);
            (stream, peer)
        })
    }
}

/// A lack of room that goes on, or comes and goes, is reported this often.
const REPORT_EVERY: Duration = Duration::from_secs(60);

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;
type BoxError = Box<dyn Error + Send + Sync>;

/// A server that has not started; made by [`serve`], started by `.await`.
///
/// # Examples
///
/// ```no_run
/// # use corio_io::{net::TcpListener, serve, signal};
/// # use std::time::Duration;
/// # async fn example<S, B>(router: S) -> std::io::Result<()>
/// # where
/// #     S: tower_service::Service<
/// #             hyper::Request<hyper::body::Incoming>,
/// #             Response = hyper::Response<B>,
/// #             Error = std::convert::Infallible,
/// #         > + Clone + Send + 'static,
/// #     S::Future: Send,
/// #     B: hyper::body::Body<Data: Send, Error = std::convert::Infallible> + Send + 'static,
/// # {
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// let report = serve(listener, router)
///     .with_graceful_shutdown(signal::ctrl_c())
///     .keep_alive_grace(Duration::from_secs(1))
///     .drain_deadline(Duration::from_secs(10))
///     .add_peer(true)
///     .report()
///     .await?;
/// assert!(report.is_clean(), "{report}");
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is served unless this is awaited"]
pub struct Serve<L, M> {
    listener: L,
    maker: M,
    signal: Option<Signal>,
    grace: Duration,
    deadline: Option<Duration>,
    add_peer: bool,
    made: made::Made,
}

impl<L, M> Serve<L, M> {
    #[track_caller]
    fn new(listener: L, maker: M) -> Self {
        let made = made::Made::here("serve");
        let (signal, grace, deadline) = (None, Duration::ZERO, None);
        Self { listener, maker, signal, grace, deadline, add_peer: false, made }
    }

    /// When `signal` is ready, closes the listener, tells each connection to end after the request
    /// that it serves, and waits for all of them.
    pub fn with_graceful_shutdown<F>(mut self, signal: F) -> Self
    where
        F: IntoFuture,
        F::IntoFuture: Send + 'static,
    {
        let signal = signal.into_future();
        self.signal = Some(Box::pin(async {
            signal.await;
        }));
        self
    }

    /// How long a connection on which no request is under way when a graceful shutdown begins may
    /// still send one. Default: not at all.
    ///
    /// HTTP/1 has no way to refuse a request that is on its way while its connection is closed: the
    /// client sees a reset. During this time every response says `connection: close`, so busy
    /// clients go to another server by themselves, and only those are cut off that say nothing for
    /// all of it. A shutdown without lost requests takes a little longer than clients pause between
    /// two of them. HTTP/2 needs none of this: its GOAWAY says which requests are still served.
    pub fn keep_alive_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long a graceful shutdown waits; then the bodies of the connections that are left are
    /// dropped, and those of their HTTP/2 streams. Default: as long as it takes.
    pub fn drain_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Whether each request carries the peer's address in its extensions, as a [`Peer`]. Costs an
    /// allocation per request. Default: no.
    pub fn add_peer(mut self, on: bool) -> Self {
        self.add_peer = on;
        self
    }

    /// As `.await`, but a graceful shutdown tells what was left.
    ///
    /// # Cancel safety
    ///
    /// As awaiting the server itself: see [`serve`].
    pub fn report<S, B>(mut self) -> ServeReporting
    where
        L: Listener,
        M: ForPeer<L::Addr, Service = S>,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let at = self.made.begin();
        ServeReporting::new(Box::pin(run(self)), at)
    }
}

impl<L, M, S, B> IntoFuture for Serve<L, M>
where
    L: Listener,
    M: ForPeer<L::Addr, Service = S>,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Output = io::Result<()>;
    type IntoFuture = ServeFuture;

    fn into_future(self) -> ServeFuture {
        ServeFuture(self.report())
    }
}

/// A running server; made by awaiting [`Serve`]: `io::Result<()>`.
#[derive(Debug)]
#[must_use = "nothing is served unless this is awaited"]
pub struct ServeFuture(ServeReporting);

impl Future for ServeFuture {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_ok(drop)
    }
}

/// What the accept loop has to react to.
enum Event<I, A> {
    Connection(I, A),
    /// Nothing to tell: a connection failed before it was one.
    Lost,
    /// No room for another connection.
    Exhausted(io::Error),
    Broken(io::Error),
    Stop,
}

async fn run<L, M, S, B>(serve: Serve<L, M>) -> io::Result<ServeReport>
where
    L: Listener,
    M: ForPeer<L::Addr, Service = S>,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let Serve { mut listener, maker, mut signal, grace, deadline, add_peer, made } = serve;
    let at = made.at();
    let mut connections = Connections::new(add_peer, grace, at);
    let mut reported: Option<Instant> = None;
    loop {
        match next(&mut listener, signal.as_mut(), at).await {
            Event::Connection(io, peer) => {
                connections.spawn(io, peer, maker.clone());
            }
            Event::Lost => {}
            Event::Exhausted(error) => {
                if reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
                    reported = Some(Instant::now());
                    report::exhausted(&error, connections.live(), at);
                }
                if pause(&connections, signal.as_mut()).await {
                    break;
                }
            }
            Event::Broken(error) => return Err(failed("serve", "a listener", error)),
            Event::Stop => break,
        }
    }
    drop(listener);
    Ok(connections.drain(deadline).await)
}

/// The next event. The shutdown goes first: a flood of connections must not hide it.
async fn next<L: Listener>(
    listener: &mut L,
    mut signal: Option<&mut Signal>,
    at: &'static Location<'static>,
) -> Event<L::Io, L::Addr> {
    poll_fn(|cx| {
        if poll_signal(&mut signal, cx).is_ready() {
            return Poll::Ready(Event::Stop);
        }
        let accepted = listener.poll_accept(cx);
        if accepted.is_pending() {
            place::note(WaitKind::Accept, at);
        }
        accepted.map(|accepted| match accepted {
            Ok((io, peer)) => Event::Connection(io, peer),
            Err(error) if sys::is_exhausted(&error) => Event::Exhausted(error),
            Err(error) if sys::is_of_a_connection(&error) => Event::Lost,
            Err(error) => Event::Broken(error),
        })
    })
    .await
}

fn poll_signal(signal: &mut Option<&mut Signal>, cx: &mut Context<'_>) -> Poll<()> {
    match signal {
        Some(signal) => signal.as_mut().poll(cx),
        None => Poll::Pending,
    }
}

/// Waits until a connection is closed, for [`PAUSE`] at most. True if the shutdown came meanwhile.
///
/// Without a connection there is none to be closed: others hold what there is no room for.
async fn pause(connections: &Connections, mut signal: Option<&mut Signal>) -> bool {
    let before = connections.live();
    let mut limit = sleep(PAUSE).inside();
    poll_fn(|cx| {
        if poll_signal(&mut signal, cx).is_ready() {
            return Poll::Ready(true);
        }
        if before > 0 && connections.poll_at_most(before - 1, cx).is_ready() {
            return Poll::Ready(false);
        }
        Pin::new(&mut limit).poll(cx).map(|()| false)
    })
    .await
}

impl<L, M> fmt::Debug for Serve<L, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("graceful", &self.signal.is_some())
            .field("deadline", &self.deadline)
            .field("at", &format_args!("{}", self.made.at()))
            .finish_non_exhaustive()
    }
}
