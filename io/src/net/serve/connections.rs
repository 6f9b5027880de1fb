//! The connections of a server: started, counted, told to end.
//!
//! Vocabulary: the *server* is the task that accepts; a connection is *live* until its future is
//! dropped, also by a panic.
//!
//! Protocol: the server sets `closing` and then takes the waker of each connection; a connection
//! leaves its waker and then looks at `closing`. A connection that ends counts `live` down and then
//! takes the server's waker; the server leaves its waker and then looks at `live`. Both are what
//! `WakerSlot` is made for: whoever comes second sees what the other has done.
//!
//! Ended connections are swept from the server's list when it has doubled, so that a connection
//! costs O(1) and the list holds at most twice the live ones.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use corio_runtime::time::sleep;
use corio_runtime::{Task, task};
use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::{AtomicBool, AtomicUsize};
use corio_sync::waker_slot::WakerSlot;
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::{Request, Response, Version};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::make::ForPeer;
use super::streams::{EndsStreams, Streams, Told};
use super::{BoxError, ServeReport};
use crate::compat::hyper::CorioTimer;

/// A list shorter than this is not swept.
const SWEEP_MIN: usize = 64;

/// The address of the peer, in a request's extensions; see
/// [`Serve::add_peer`](super::Serve::add_peer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer<A>(pub A);

pub(super) struct Connections {
    shared: Arc<Shared>,
    all: Vec<Connection>,
    sweep_at: usize,
    accepted: u64,
    add_peer: bool,
    grace: Duration,
    at: &'static Location<'static>,
}

struct Connection {
    task: Task<()>,
    told: Arc<Told>,
}

/// What the server and its connections share.
struct Shared {
    closing: AtomicBool,
    live: AtomicUsize,
    server: WakerSlot,
}

/// One live connection.
struct Live(Arc<Shared>);

impl Live {
    fn new(shared: &Arc<Shared>) -> Self {
        // Ordering: Relaxed; a count that only the server raises and looks at.
        shared.live.fetch_add(1, Relaxed);
        Self(shared.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Ordering: Relaxed; the slot orders it, see the protocol above.
        self.0.live.fetch_sub(1, Relaxed);
        self.0.server.wake();
    }
}

impl Connections {
    pub(super) fn new(add_peer: bool, grace: Duration, at: &'static Location<'static>) -> Self {
        let shared = Shared {
            closing: AtomicBool::new(false),
            live: AtomicUsize::new(0),
            server: WakerSlot::new(),
        };
        Self {
            shared: Arc::new(shared),
            all: Vec::new(),
            sweep_at: SWEEP_MIN,
            accepted: 0,
            add_peer,
            grace,
            at,
        }
    }

    /// How many connections are live.
    pub(super) fn live(&self) -> usize {
        // Ordering: Relaxed; a count.
        self.shared.live.load(Relaxed)
    }

    /// Ready when at most `n` connections are live. One task at a time may wait.
    pub(super) fn poll_at_most(&self, n: usize, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.server.register(cx.waker());
        if self.live() <= n { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Starts the task of a connection.
    pub(super) fn spawn<I, A, M, S, B>(&mut self, io: I, peer: A, maker: M)
    where
        I: Read + Write + Unpin + Send + 'static,
        A: fmt::Display + Clone + Send + Sync + 'static,
        M: ForPeer<A, Service = S>,
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        self.accepted += 1;
        if self.all.len() >= self.sweep_at {
            self.all.retain(|connection| !connection.task.done());
            self.sweep_at = SWEEP_MIN.max(2 * self.all.len());
        }
        let told = Told::new();
        let name = format!("http connection from {peer}");
        let added = self.add_peer.then(|| peer.clone());
        let shared = self.shared.clone();
        let service = async {
            let service = TowerToHyperService::new(maker.service_for(peer).await?);
            Some(ForConnection { service, peer: added, shared })
        };
        let end = End { live: Live::new(&self.shared), told: told.clone(), grace: self.grace };
        let body = drive(end, self.at, io, service);
        let task = task().name(name).spawned_at(self.at).spawn(body);
        self.all.push(Connection { task, told });
    }

    /// Tells all connections to end and waits for them, until the deadline if there is one. What
    /// is left then is dropped.
    pub(super) async fn drain(self, deadline: Option<Duration>) -> ServeReport {
        // Ordering: Relaxed; the slots order it, see the protocol above.
        self.shared.closing.store(true, Relaxed);
        for connection in &self.all {
            connection.told.waker.wake();
        }
        let mut limit = deadline.map(sleep);
        poll_fn(|cx| {
            if self.poll_at_most(0, cx).is_ready() {
                return Poll::Ready(());
            }
            match &mut limit {
                Some(limit) => Pin::new(limit).poll(cx),
                None => Poll::Pending,
            }
        })
        .await;
        let mut report = ServeReport { accepted: self.accepted, ..ServeReport::default() };
        for Connection { task, told } in self.all.iter().filter(|c| !c.task.done()) {
            // One that has just ended is not done yet, but has no body any more.
            if self.live() > 0 {
                report.left.push(task.name());
                report.streams_left += told.streams();
                task.abort();
            }
        }
        report
    }
}

/// How a connection is told to end.
///
/// ```text
/// open --(closing is set)--> grace --(it is over)--> told --(the last response)--> gone
/// ```
struct End {
    live: Live,
    told: Arc<Told>,
    grace: Duration,
}

/// The body of a connection's task. A connection without a service is closed.
async fn drive<I, A, S, B>(
    end: End,
    at: &'static Location<'static>,
    io: I,
    service: impl Future<Output = Option<ForConnection<S, A>>>,
) where
    I: Read + Write + Unpin + Send + 'static,
    A: Clone + Send + Sync + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let Some(service) = service.await else { return };
    let mut builder = auto::Builder::new(Streams { told: end.told.clone(), at });
    builder.http1().timer(CorioTimer);
    builder.http2().timer(CorioTimer).enable_connect_protocol();
    let mut connection = pin!(builder.serve_connection_with_upgrades(io, service));
    // Dropped before the connection: see `streams`.
    let _ends_streams = EndsStreams(end.told.clone());
    let (mut grace, mut told) = (None, false);
    // What a connection ends with concerns its peer alone: resets, malformed requests, timeouts.
    let _ = poll_fn(|cx| {
        if grace.is_none() {
            end.told.waker.register(cx.waker());
            // Ordering: Relaxed; the slot orders it, see the protocol above.
            if end.live.0.closing.load(Relaxed) {
                grace = Some(sleep(end.grace).inside());
            }
        }
        if let Some(grace) = grace.as_mut().filter(|_| !told) {
            // Without a grace the clock is not asked.
            if end.grace.is_zero() || Pin::new(grace).poll(cx).is_ready() {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
        }
        connection.as_mut().poll(cx)
    })
    .await;
}

/// A tower service as hyper wants it, that adds the peer's address if asked to, and says that the
/// connection ends when the server does.
struct ForConnection<S, A> {
    service: TowerToHyperService<S>,
    peer: Option<A>,
    shared: Arc<Shared>,
}

impl<S, A, B> hyper::service::Service<Request<Incoming>> for ForConnection<S, A>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    A: Clone + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future =
        Answer<<TowerToHyperService<S> as hyper::service::Service<Request<Incoming>>>::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(peer) = &self.peer {
            request.extensions_mut().insert(Peer(peer.clone()));
        }
        // The header is one of HTTP/1.
        let shared = (request.version() <= Version::HTTP_11).then(|| self.shared.clone());
        Answer { inner: self.service.call(request), shared }
    }
}

pin_project! {
    // The response to a request.
    struct Answer<F> {
        #[pin]
        inner: F,
        // The server, if the response can say that the connection ends.
        shared: Option<Arc<Shared>>,
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.inner.poll(cx))?;
        // Ordering: Relaxed; a response that misses it is followed by another, or by the end.
        if this.shared.as_ref().is_some_and(|shared| shared.closing.load(Relaxed)) {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(answer))
    }
}
