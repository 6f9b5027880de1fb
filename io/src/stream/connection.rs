//! The socket that a reader and a writer share, or the pipe that one of them has, and the task that
//! sends what is queued.
//!
//! *Protocol.* The writer is the only one who adds to `queued`. While it is zero, nothing is on its
//! way, and the writer may try the system call itself. Otherwise it hands pieces to the sender,
//! a task that is started when it is first needed and lives as long as the connection.
//!
//! ```text
//! open --(1) close, writer dropped--> closing --(2) all sent, or lost--> closed
//!   |                                                                      ^
//!   +--------------------------(3) abort, error------------------> lost --+
//! ```
//! (1) [`Connection::close`], (2) [`Connection::end`], (3) [`Connection::lose`]. With TLS the sender
//! owns the session and the socket's reading side too: see `ssl`.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::BorrowedFd;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use corio_runtime::Handle;
use corio_runtime::reactor::Direction;
use corio_sync::shim::Ordering;
use corio_sync::shim::atomic::{AtomicBool, AtomicU8, AtomicUsize, fence};
use corio_sync::{Event, Notify, Queue, SetOnce};

use super::pipe::Pipe;
use super::ssl::{self, Upgrade};
use crate::net::{Connected, TcpStream, UnixStream, Wire};
use crate::sys;

/// Queued bytes above which `drain` waits: asyncio's.
const HIGH_WATER: usize = 64 << 10;
/// Pieces that go out in one system call; more would only make the list long.
const GATHER: usize = 64;

/// Either kind of socket, or an end of a pipe.
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Reading(Pipe),
    /// The writer and the sender have it open; it is gone when both let go of it.
    Writing(Weak<Pipe>),
}

/// Something for the sender to do, in order.
pub(super) enum Outgoing {
    Bytes(Vec<u8>),
    /// Ends the outgoing stream.
    Eof,
    /// Secures the connection, after what was queued before.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "nobody can ask for it"))]
    StartTls(Box<Upgrade>),
}

/// What goes over the socket: bytes as they are, a handshake, records of TLS.
const PLAIN: u8 = 0;
#[cfg(feature = "tls")]
const SHAKING: u8 = 1;
#[cfg(feature = "tls")]
const SECURED: u8 = 2;

/// A connection.
pub(super) struct Connection {
    socket: Socket,
    runtime: Handle,
    outgoing: Queue<Outgoing>,
    /// Bytes that the sender has still to send.
    queued: AtomicUsize,
    high: AtomicUsize,
    low: AtomicUsize,
    /// Whether the sender runs.
    sending: AtomicBool,
    /// [`PLAIN`], or what came after it.
    phase: AtomicU8,
    closing: AtomicBool,
    /// `queued` has fallen to `low` or to nothing, or nothing will be sent any more.
    drained: Notify,
    /// What ended the connection before all was sent.
    lost: SetOnce<(io::ErrorKind, Arc<str>)>,
    /// Nothing is queued and nothing will be: the socket is shut down.
    closed: Event,
}

/// What is known about a connection. asyncio: `get_extra_info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtraInfo {
    /// The address of the other end; `None` for Unix sockets. asyncio: `peername`.
    pub peer_addr: Option<SocketAddr>,
    /// The address of this end; `None` for Unix sockets. asyncio: `sockname`.
    pub local_addr: Option<SocketAddr>,
    /// The path of the listener, for Unix sockets that have one.
    pub path: Option<std::path::PathBuf>,
    /// What the peers have agreed upon, if the connection is secured. asyncio: `ssl_object`,
    /// `peercert` and `cipher`.
    #[cfg(feature = "tls")]
    pub ssl_object: Option<ssl::SslObject>,
}

impl Connection {
    pub(super) fn new(socket: Socket) -> io::Result<Arc<Self>> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        Ok(Arc::new(Self {
            socket,
            runtime,
            outgoing: Queue::new(0),
            queued: AtomicUsize::new(0),
            high: AtomicUsize::new(HIGH_WATER),
            low: AtomicUsize::new(HIGH_WATER / 4),
            sending: AtomicBool::new(false),
            phase: AtomicU8::new(PLAIN),
            closing: AtomicBool::new(false),
            drained: Notify::new(),
            lost: SetOnce::new(),
            closed: Event::new(),
        }))
    }

    /// The socket, with the place that dumps show.
    fn wire<'a>(socket: &'a impl Connected, at: &'static Location<'static>) -> Wire<'a> {
        Wire { at, ..socket.wire() }
    }

    /// Where the socket was made: what dumps say when a trait's method waits.
    #[cfg(any(feature = "futures-io", feature = "tokio-io"))]
    #[track_caller]
    pub(super) fn made_at(&self) -> &'static Location<'static> {
        match &self.socket {
            Socket::Tcp(socket) => socket.wire().at,
            Socket::Unix(socket) => socket.wire().at,
            Socket::Reading(_) | Socket::Writing(_) => Location::caller(),
        }
    }

    /// Reads into the room behind what a vector holds.
    pub(super) fn poll_read_vec(
        &self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        match &self.socket {
            Socket::Tcp(socket) => Self::wire(socket, at).poll_read_vec(cx, buf),
            Socket::Unix(socket) => Self::wire(socket, at).poll_read_vec(cx, buf),
            Socket::Reading(pipe) => pipe.poll_read_vec(at, cx, buf),
            Socket::Writing(_) => Poll::Ready(Ok(0)),
        }
    }

    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let at = Location::caller();
        match &self.socket {
            Socket::Tcp(socket) => Self::wire(socket, at).poll_write_vectored(cx, parts),
            Socket::Unix(socket) => Self::wire(socket, at).poll_write_vectored(cx, parts),
            Socket::Writing(pipe) => match pipe.upgrade() {
                Some(pipe) => pipe.poll_write_vectored(at, cx, parts),
                None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            },
            Socket::Reading(_) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn try_write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let try_wire = |wire: Wire<'_>| {
            wire.source.try_io(Direction::Write, || sys::send_vectored(wire.fd, parts))
        };
        match &self.socket {
            Socket::Tcp(socket) => try_wire(socket.wire()),
            Socket::Unix(socket) => try_wire(socket.wire()),
            Socket::Writing(pipe) => match pipe.upgrade() {
                Some(pipe) => pipe.try_write_vectored(parts),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
            Socket::Reading(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    pub(super) fn extra_info(&self) -> ExtraInfo {
        match &self.socket {
            Socket::Tcp(socket) => ExtraInfo {
                peer_addr: socket.peer_addr().ok(),
                local_addr: socket.local_addr().ok(),
                ..ExtraInfo::default()
            },
            Socket::Unix(socket) => {
                let named = |address: io::Result<std::os::unix::net::SocketAddr>| {
                    address.ok()?.as_pathname().map(Into::into)
                };
                let path = named(socket.peer_addr()).or_else(|| named(socket.local_addr()));
                ExtraInfo { path, ..ExtraInfo::default() }
            }
            Socket::Reading(_) | Socket::Writing(_) => ExtraInfo::default(),
        }
    }

    /// The socket, unless it is a pipe.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        match &self.socket {
            Socket::Tcp(socket) => Some(socket.wire().fd),
            Socket::Unix(socket) => Some(socket.wire().fd),
            Socket::Reading(_) | Socket::Writing(_) => None,
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let done = match &self.socket {
            Socket::Tcp(socket) => socket.shutdown(how),
            Socket::Unix(socket) => socket.shutdown(how),
            // A pipe ends when it is closed.
            Socket::Reading(_) | Socket::Writing(_) => Ok(()),
        };
        // The peer may have closed the connection already; there is nobody to tell.
        done.or_else(|e| if e.kind() == io::ErrorKind::NotConnected { Ok(()) } else { Err(e) })
    }

    // Ordering(stream.queued): Acquire; pairs with Ordering(stream.sent). Zero lets the writer send
    // by itself: its bytes must not overtake the sender's. Not killable: sockets are not built for
    // models, and the order of two calls is kept by the kernel's own lock on the socket; this keeps the
    // second from being made before the first has returned.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Acquire)
    }

    // Ordering(stream.limits): Relaxed. Two settings that only steer when `drain` waits.
    pub(super) fn set_limits(&self, high: usize, low: usize) {
        self.high.store(high, Ordering::Relaxed);
        self.low.store(low, Ordering::Relaxed);
    }

    pub(super) fn limits(&self) -> (usize, usize) {
        // Ordering(stream.limits_read): Relaxed. Settings, as above.
        (self.low.load(Ordering::Relaxed), self.high.load(Ordering::Relaxed))
    }

    // Ordering(stream.closing): Relaxed. A flag of its own; what goes with it is in the queue.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed) || self.lost.is_set()
    }

    /// True if nobody has closed it, and it was not lost but for the end of its event loop.
    pub(super) fn is_left_open(&self) -> bool {
        // Ordering: Relaxed; as in `is_closing`.
        let over = |(_, why): &(io::ErrorKind, Arc<str>)| **why != *NO_SENDER;
        !self.closing.load(Ordering::Relaxed) && !self.lost.get().is_some_and(over)
    }

    pub(super) fn closed(&self) -> &Event {
        &self.closed
    }

    pub(super) fn drained(&self) -> &Notify {
        &self.drained
    }

    /// Why the connection was lost, if it was.
    pub(super) fn error(&self) -> Option<io::Error> {
        let (kind, message) = self.lost.get()?;
        Some(io::Error::new(*kind, message.to_string()))
    }

    /// Sends `parts`, or queues what the system does not take.
    pub(super) fn write(self: &Arc<Self>, parts: &[IoSlice<'_>]) {
        if self.is_closing() {
            return;
        }
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let mut sent = 0;
        if self.is_plain() && self.queued() == 0 && total > 0 {
            match self.try_write(parts) {
                Ok(n) => sent = n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Somebody else has closed it meanwhile, and nothing was sent: as after a close.
                Err(_) if self.is_closing() => return,
                Err(error) => return self.lose(&error),
            }
        }
        if sent < total && !self.queue(rest(parts, sent)) && sent > 0 {
            // Somebody else has closed it meanwhile: what was begun cannot be finished.
            let message = "the connection was closed in the middle of a write";
            self.lose(&io::Error::new(io::ErrorKind::ConnectionAborted, message));
        }
    }

    /// False if the connection was closed before.
    fn queue(self: &Arc<Self>, bytes: Vec<u8>) -> bool {
        let n = bytes.len();
        // Ordering(stream.queue): Relaxed. The queue shows the bytes to the sender.
        self.queued.fetch_add(n, Ordering::Relaxed);
        let queued = self.tell(Outgoing::Bytes(bytes));
        if !queued {
            // Ordering(stream.unqueue): Relaxed. Nobody sends them.
            self.queued.fetch_sub(n, Ordering::Relaxed);
        }
        queued
    }

    // Ordering(stream.plain): Relaxed. The writer reads what it has written itself.
    pub(super) fn is_plain(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == PLAIN
    }

    /// Whether the outgoing stream ends by closing.
    pub(super) fn is_pipe(&self) -> bool {
        matches!(self.socket, Socket::Reading(_) | Socket::Writing(_))
    }

    /// Ends the outgoing stream after what is queued.
    pub(super) fn write_eof(self: &Arc<Self>) -> io::Result<()> {
        if !self.is_plain() || self.queued() > 0 {
            self.tell(Outgoing::Eof);
            return Ok(());
        }
        // A peer that is never told of the end would wait for it.
        self.shutdown(Shutdown::Write).inspect_err(|error| self.lose(error))
    }

    /// Gives the sender something to do. False for a connection that is closed or over: its queue is
    /// shut.
    ///
    /// A server may close the connection at the same time, see [`close`](Self::close). So it is said
    /// that there is a sender **before** something is queued, and the closer shuts the queue and
    /// **then** looks for a sender: what is queued is sent, or refused.
    fn tell(self: &Arc<Self>, what: Outgoing) -> bool {
        // Ordering(stream.sending): Relaxed. Whoever sets it first starts the sender; the queue orders
        // what the sender sees.
        let first = !self.sending.swap(true, Ordering::Relaxed);
        if first {
            // Ordering(stream.fence_tell): SeqCst; pairs with Ordering(stream.fence_close).
            // Not killable: connections are not built for models; the pattern, each side announces
            // and then looks with a fence in between, is that of the scheduler's idle workers, which
            // are.
            fence(Ordering::SeqCst);
        }
        let told = self.outgoing.put_nowait(what).is_ok();
        if first {
            // Also if nothing was queued: who has closed the queue leaves the end to it.
            self.start_sender();
        }
        told
    }

    fn start_sender(self: &Arc<Self>) {
        let mut sender = Sender { connection: self.clone(), done: false };
        let open = match &self.socket {
            Socket::Writing(pipe) => pipe.upgrade(),
            _ => None,
        };
        drop(self.runtime.create_task(async move {
            sender.connection.send_all().await;
            sender.done = true;
            drop((sender, open));
        }));
    }

    async fn send_all(self: &Arc<Self>) {
        while let Ok(first) = self.outgoing.get().await {
            let sent = match self.send(first).await {
                Ok(None) => continue,
                // In a box, so that a connection without TLS has no room for it.
                Ok(Some(upgrade)) => Box::pin(ssl::run(self, *upgrade)).await,
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                self.lose(&error);
            }
            break;
        }
    }

    /// Sends one piece, and those that follow it if it is bytes; returns what is to come after them.
    async fn send(&self, first: Outgoing) -> io::Result<Option<Box<Upgrade>>> {
        let mut pieces = Vec::new();
        let (mut eof, mut upgrade) = (false, None);
        let mut next = Some(first);
        while let Some(piece) = next {
            match piece {
                Outgoing::Bytes(bytes) => pieces.push(bytes),
                Outgoing::Eof => eof = true,
                Outgoing::StartTls(asked) => upgrade = Some(asked),
            }
            let full = eof || upgrade.is_some() || pieces.len() == GATHER;
            next = if full { None } else { self.outgoing.get_nowait().ok() };
        }
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = &mut slices[..];
        // Made when there is something to wait for.
        let mut over = None;
        while !left.is_empty() {
            let n = std::future::poll_fn(|cx| match self.poll_write(cx, left) {
                // A pipe tells nobody that the connection was aborted.
                Poll::Pending => {
                    let over = over.get_or_insert_with(|| self.closed.wait());
                    Pin::new(over).poll(cx).map(|()| Ok(0))
                }
                written => written,
            });
            let n = n.await?;
            if n == 0 && self.closed.is_set() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            IoSlice::advance_slices(&mut left, n);
            self.sent(n);
        }
        if eof {
            self.shutdown(Shutdown::Write)?;
        }
        Ok(upgrade)
    }

    pub(super) fn sent(&self, n: usize) {
        // Ordering(stream.sent): Release; pairs with Ordering(stream.queued): the system call came
        // before. Not killable: as there.
        let before = self.queued.fetch_sub(n, Ordering::Release);
        let (low, left) = (self.limits().0, before - n);
        // Some wait for room, and some until all is sent.
        if before > low && left <= low || left == 0 {
            self.drained.notify_waiters();
        }
    }

    /// Closes after what is queued was sent.
    pub(super) fn close(self: &Arc<Self>) {
        // Ordering(stream.close): Relaxed. See `is_closing`.
        if self.closing.swap(true, Ordering::Relaxed) {
            return;
        }
        #[cfg(feature = "tls")]
        if self.is_shaking() {
            // Nothing was promised yet, and the peer may take its time.
            return self.abort();
        }
        self.outgoing.shutdown(false);
        // Ordering(stream.fence_close): SeqCst; pairs with Ordering(stream.fence_tell). If no sender is
        // seen here, what its writer is about to queue is refused. Not killable: as there.
        fence(Ordering::SeqCst);
        // A sender that runs ends the connection when its queue is empty.
        // Ordering(stream.closing_sender): Relaxed. The fence orders it.
        if !self.sending.load(Ordering::Relaxed) {
            self.end();
        }
    }

    /// Drops what is queued and closes at once.
    pub(super) fn abort(&self) {
        self.lose(&io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was aborted"));
        self.end();
    }

    /// Remembers why the connection is lost, unless it is already.
    pub(super) fn lose(&self, error: &io::Error) {
        let _ = self.lost.set((error.kind(), error.to_string().into()));
        self.outgoing.shutdown(true);
        // Ordering(stream.losing_sender): Relaxed. A sender that is seen late ends it once more.
        if !self.sending.load(Ordering::Relaxed) {
            self.end();
        }
    }

    /// Nothing will be sent any more.
    fn end(&self) {
        // If it fails, the socket ends where the last owner drops it.
        let _ = self.shutdown(Shutdown::Both);
        self.closed.set();
        self.drained.notify_waiters();
    }
}

/// Why a connection is lost whose sender was stopped.
const NO_SENDER: &str = "the task that sends was cancelled";

/// The task that sends has ended, however it did: it may be cancelled like any other, as by the end of
/// `run`. Nobody waits for it after that.
struct Sender {
    connection: Arc<Connection>,
    done: bool,
}

impl Drop for Sender {
    fn drop(&mut self) {
        if !self.done {
            self.connection.lose(&io::Error::new(io::ErrorKind::ConnectionAborted, NO_SENDER));
        }
        self.connection.end();
    }
}

/// What TLS needs of a connection.
#[cfg(feature = "tls")]
impl Connection {
    // Ordering(stream.shaking): Relaxed. As `is_plain`.
    fn is_shaking(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == SHAKING
    }

    // Ordering(stream.secure): Relaxed. The queue shows the sender what it is asked for, and the
    // writer that comes after it is the one that calls this.
    pub(super) fn start_tls(self: &Arc<Self>, upgrade: Upgrade) {
        self.phase.store(SHAKING, Ordering::Relaxed);
        self.tell(Outgoing::StartTls(Box::new(upgrade)));
    }

    // Ordering(stream.secured): Relaxed. Only whether a close has to wait depends on it.
    pub(super) fn secured(&self) {
        self.phase.store(SECURED, Ordering::Relaxed);
    }

    pub(super) fn outgoing(&self) -> &Queue<Outgoing> {
        &self.outgoing
    }

    /// The socket itself; pipes have none.
    pub(super) fn plain(&self, at: &'static Location<'static>) -> Option<Wire<'_>> {
        match &self.socket {
            Socket::Tcp(socket) => Some(Self::wire(socket, at)),
            Socket::Unix(socket) => Some(Self::wire(socket, at)),
            Socket::Reading(_) | Socket::Writing(_) => None,
        }
    }

    pub(super) fn end_outgoing(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// What is left of some parts after the first `skip` bytes.
fn rest(parts: &[IoSlice<'_>], mut skip: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        let gone = skip.min(part.len());
        skip -= gone;
        bytes.extend_from_slice(&part[gone..]);
    }
    bytes
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket: &dyn fmt::Debug = match &self.socket {
            Socket::Tcp(socket) => socket,
            Socket::Unix(socket) => socket,
            Socket::Reading(pipe) => pipe,
            Socket::Writing(pipe) => pipe,
        };
        f.debug_struct("Connection")
            .field("socket", socket)
            .field("queued", &self.queued())
            .field("closing", &self.is_closing())
            .finish()
    }
}
