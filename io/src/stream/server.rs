//! Servers that hand each connection to a function.
//!
//! One task accepts, on all addresses, and keeps the list of clients: whoever wants something of the
//! server sends it a command. Each client is a task of its own. Only the listening sockets are closed by
//! whoever asks for it: see `listeners`.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use corio_runtime::time::{Sleep, sleep};
use corio_runtime::{ErrorContext, Handle, task};
use corio_sync::shim::Ordering;
use corio_sync::shim::atomic::AtomicBool;
use corio_sync::{Event, EventWait, Queue};

use super::connection::{Connection, Socket};
use super::open::check_limit;
use super::reader::StreamReader;
use super::writer::StreamWriter;
use crate::made::Made;
use crate::net::{Addrs, ListenerBuilder, TcpListener, ToAddrs, UnixListener};
use crate::sys;

mod forever;
mod listeners;
mod unix_path;

pub use forever::{ServeForever, ServerClosed};
use listeners::{Listeners, Source};
use unix_path::SocketFile;

/// How long accepting pauses when the system has no room for another connection: asyncio's.
const PAUSE: Duration = Duration::from_secs(1);
/// Connections that one turn accepts from one listener, so that clients get their turns too.
const ACCEPTS: usize = 64;

/// What a server is asked for.
enum Command {
    Serve,
    Close,
    CloseClients,
    AbortClients,
    /// A client's connection is closed, and its handler has ended.
    Left,
    /// A client's handler was ended by a panic or a cancel; its connection is not closed yet.
    LeftOpen(Arc<Connection>),
}

struct Shared {
    listeners: Listeners,
    commands: Queue<Command>,
    serving: AtomicBool,
    /// The listening sockets are closed.
    stopped: Event,
    /// They are, and no connection is left.
    closed: Event,
}

/// A server. Dropping it closes its listening sockets; its connections live on.
///
/// asyncio: `Server`.
/// See [`open_connection`](super::open_connection) for an example.
pub struct Server {
    shared: Arc<Shared>,
    runtime: Handle,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// The addresses that it listens on; none for a Unix socket.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// The runtime that it was started on, which runs its handlers. asyncio: `Server.get_loop`.
    #[must_use]
    pub fn get_loop(&self) -> Handle {
        self.runtime.clone()
    }

    /// Begins to accept, if it does not yet.
    pub fn start_serving(&self) {
        self.shared.tell(Command::Serve);
    }

    /// Accepts until the server is closed. Dropping the future, as by cancelling its task, closes
    /// the server and its clients, after what is queued for them was sent.
    ///
    /// # Errors
    ///
    /// [`ServerClosed`] if the server was closed before.
    ///
    /// # Cancel safety
    ///
    /// Lossy: it closes the server.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use corio_io::stream::{StreamReader, StreamWriter, start_server};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let greets = async |_: StreamReader, mut writer: StreamWriter| writer.write(b"welcome\n");
    /// let server = Arc::new(start_server(greets, "127.0.0.1:0").await?);
    /// let serving = server.clone();
    /// let task = corio_runtime::create_task(async move { serving.serve_forever().await });
    /// corio_runtime::time::sleep(Duration::from_millis(1)).await;
    /// task.cancel();
    /// server.wait_closed().await;
    /// assert!(!server.is_serving());
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn serve_forever(&self) -> ServeForever<'_> {
        ServeForever::new(self)
    }

    /// Whether it accepts connections.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        // Ordering(server.serving): Relaxed. A flag for whoever asks.
        self.shared.serving.load(Ordering::Relaxed) && !self.shared.stopped.is_set()
    }

    /// Closes the listening sockets; connections live on. Their addresses are free when it returns, and
    /// the file of a Unix socket is gone.
    pub fn close(&self) {
        self.shared.stop();
        self.shared.tell(Command::Close);
    }

    /// Closes every connection after what is queued in it was sent.
    pub fn close_clients(&self) {
        self.shared.tell(Command::CloseClients);
    }

    /// Closes every connection at once; what is queued is lost.
    pub fn abort_clients(&self) {
        self.shared.tell(Command::AbortClients);
    }

    /// Waits until the server is closed and no connection is left.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn wait_closed(&self) -> EventWait<'_> {
        self.shared.closed.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.is_serving() {
            corio_runtime::debug::unclosed(&format_args!("Server on {:?}", self.addresses));
        }
        self.close();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses)
            .field("serving", &self.is_serving())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Closes the listening sockets.
    fn stop(&self) {
        // Ordering(server.close): Relaxed. A flag for whoever asks.
        self.serving.store(false, Ordering::Relaxed);
        self.listeners.close();
        self.stopped.set();
    }

    fn tell(&self, command: Command) {
        // A queue that is shut belongs to a server that is over.
        let _ = self.commands.put_nowait(command);
    }
}

/// Listens on TCP addresses, on all of them, and hands each connection to `handler`, in a task of
/// its own.
///
/// A handler that panics ends its own connection only. A connection is closed when its writer is
/// dropped, which is when the handler ends unless it was given away.
///
/// # Errors
///
/// The system's, with the address in the message, if one of them cannot be bound; none is then. Or
/// one that says so outside a runtime.
///
/// # Cancel safety
///
/// Strict: nothing listens unless it was ready.
///
/// # Examples
///
/// ```
/// use corio_io::stream::{StreamReader, StreamWriter, open_connection, start_server};
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let greets = async |_: StreamReader, mut writer: StreamWriter| writer.write(b"welcome\n");
/// let server = start_server(greets, "127.0.0.1:0").await?;
/// let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await?;
/// assert_eq!(reader.read_line().await.unwrap(), b"welcome\n");
/// server.close();
/// server.wait_closed().await;
/// # Ok(())
/// # })
/// # }
/// ```
#[doc(alias = "create_server")]
#[track_caller]
pub fn start_server<F, Fut>(handler: F, address: impl ToAddrs) -> StartServer<F>
where
    F: Fn(StreamReader, StreamWriter) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let addresses = address.to_addrs();
    let made = Made::here("start_server");
    StartServer { handler: Some(handler), addresses, options: Options::new(), made }
}

/// Listens on the Unix socket at a path; else as [`start_server`]. A socket file that is left there
/// from before is replaced, and the server's own is removed when it closes, unless
/// [`cleanup_socket`](StartUnixServer::cleanup_socket) says otherwise.
/// See [`open_unix_connection`](super::open_unix_connection) for an example.
///
/// # Errors
///
/// As [`start_server`].
///
/// # Cancel safety
///
/// Strict: it never waits.
#[doc(alias = "create_unix_server")]
#[track_caller]
pub fn start_unix_server<F, Fut>(handler: F, path: impl AsRef<Path>) -> StartUnixServer<F>
where
    F: Fn(StreamReader, StreamWriter) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let path = path.as_ref().into();
    let made = Made::here("start_unix_server");
    StartUnixServer { handler: Some(handler), path, cleanup: true, options: Options::new(), made }
}

#[derive(Clone, Debug)]
struct Options {
    limit: usize,
    start: bool,
    #[cfg(feature = "tls")]
    ssl: Option<super::ssl::SslOptions>,
    at: &'static Location<'static>,
}

impl Options {
    #[track_caller]
    fn new() -> Self {
        Self {
            limit: super::DEFAULT_LIMIT,
            start: true,
            #[cfg(feature = "tls")]
            ssl: None,
            at: Location::caller(),
        }
    }
}

/// Future of [`start_server`]: `io::Result<Server>`.
#[must_use = "nothing is served unless this is awaited"]
pub struct StartServer<F> {
    /// Taken when it starts.
    handler: Option<F>,
    addresses: Addrs,
    options: Options,
    made: Made,
}

/// Future of [`start_unix_server`]: `io::Result<Server>`.
#[must_use = "nothing is served unless this is awaited"]
pub struct StartUnixServer<F> {
    handler: Option<F>,
    path: std::path::PathBuf,
    /// Whether the file goes with the socket.
    cleanup: bool,
    options: Options,
    made: Made,
}

impl<F> StartUnixServer<F> {
    /// Whether the socket's file is removed when the server closes. Default: yes, if it is still the
    /// server's own then.
    /// See [`open_unix_connection`](super::open_unix_connection) for an example.
    pub fn cleanup_socket(mut self, on: bool) -> Self {
        self.cleanup = on;
        self
    }
}

macro_rules! starting {
    ($start:ident) => {
        impl<F> $start<F> {
            /// The most that a line, or a chunk before a separator, may be long, in bytes. Default:
            /// [`DEFAULT_LIMIT`](super::DEFAULT_LIMIT).
            /// See [`open_connection`](super::open_connection) for an example.
            ///
            /// # Panics
            ///
            /// If it is 0.
            #[track_caller]
            pub fn limit(mut self, bytes: usize) -> Self {
                self.options.limit = check_limit(bytes);
                self
            }

            /// Whether it accepts at once, or only from [`Server::start_serving`] or
            /// [`Server::serve_forever`] on. Default: at once.
            /// See [`open_connection`](super::open_connection) for an example.
            pub fn start_serving(mut self, at_once: bool) -> Self {
                self.options.start = at_once;
                self
            }

            #[cfg(feature = "tls")]
            pub(super) fn secure_with(&mut self, ssl: &super::ssl::SslOptions) {
                self.options.ssl = Some(ssl.clone());
            }
        }

        /// Nothing in it is pinned.
        impl<F> Unpin for $start<F> {}

        impl<F> fmt::Debug for $start<F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($start))
                    .field("options", &self.options)
                    .finish_non_exhaustive()
            }
        }
    };
}

starting!(StartServer);
starting!(StartUnixServer);

impl<F, Fut> Future for StartServer<F>
where
    F: Fn(StreamReader, StreamWriter) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    type Output = io::Result<Server>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.made.begin();
        let addresses: Vec<SocketAddr> = ready!(this.addresses.poll_all(cx))?;
        // Both families of one port can be bound only if IPv6 keeps to itself.
        let builder = ListenerBuilder::new().only_v6(addresses.len() > 1);
        let listeners = addresses.iter().map(|&address| builder.listener(address));
        let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let handler = this.handler.take().expect("polled once after it was ready");
        let sources = listeners.into_iter().map(Source::Tcp).collect();
        Poll::Ready(start(handler, sources, addresses, this.options.clone()))
    }
}

impl<F, Fut> Future for StartUnixServer<F>
where
    F: Fn(StreamReader, StreamWriter) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    type Output = io::Result<Server>;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.made.begin();
        sys::remove_stale_socket(&self.path)?;
        let listener = UnixListener::bind(&self.path)?;
        let file = if self.cleanup { Some(SocketFile::new(&self.path)?) } else { None };
        let handler = self.handler.take().expect("polled once after it was ready");
        let sources = vec![Source::Unix(file, listener)];
        Poll::Ready(start(handler, sources, Vec::new(), self.options.clone()))
    }
}

fn start<F, Fut>(
    handler: F,
    sources: Vec<Source>,
    addresses: Vec<SocketAddr>,
    options: Options,
) -> io::Result<Server>
where
    F: Fn(StreamReader, StreamWriter) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let runtime = Handle::try_current().map_err(io::Error::other)?;
    let shared = Arc::new(Shared {
        listeners: Listeners::new(sources),
        commands: Queue::new(0),
        serving: AtomicBool::new(options.start),
        stopped: Event::new(),
        closed: Event::new(),
    });
    let acceptor = Acceptor {
        shared: shared.clone(),
        handler: Arc::new(handler),
        clients: Vec::new(),
        count: 0,
        serving: options.start,
        pause: None,
        options,
    };
    let over = Over(shared.clone());
    drop(runtime.create_task(acceptor.run(over)));
    Ok(Server { shared, runtime, addresses })
}

/// The task that accepts has ended, however it did: it may be cancelled like any other, as by the end
/// of `run`. Nobody waits for it after that.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.stop();
        self.0.closed.set();
        self.0.commands.shutdown(true);
    }
}

/// The task that accepts.
struct Acceptor<F> {
    shared: Arc<Shared>,
    handler: Arc<F>,
    clients: Vec<Weak<Connection>>,
    /// Connections that are not closed yet, or whose handler has not ended.
    count: usize,
    serving: bool,
    /// While the system has no room for a connection.
    pause: Option<Pin<Box<Sleep>>>,
    options: Options,
}

impl<F, Fut> Acceptor<F>
where
    F: Fn(StreamReader, StreamWriter) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    async fn run(mut self, over: Over) {
        let shared = &over.0;
        let mut open = true;
        while open || self.count > 0 {
            let mut command = shared.commands.get();
            let told = poll_fn(|cx| {
                if let Poll::Ready(told) = Pin::new(&mut command).poll(cx) {
                    return Poll::Ready(told);
                }
                self.poll_accepts(cx);
                Poll::Pending
            });
            let Ok(told) = told.await else { break };
            match told {
                Command::Serve => self.serving = open,
                Command::Close => {
                    open = false;
                    self.serving = false;
                }
                Command::CloseClients => self.each_client(Connection::close),
                Command::AbortClients => self.each_client(|client| client.abort()),
                Command::Left => self.count -= 1,
                Command::LeftOpen(connection) => self.leave(connection),
            }
            // Ordering(server.told): Relaxed. A flag for whoever asks.
            shared.serving.store(self.serving, Ordering::Relaxed);
        }
    }

    fn each_client(&mut self, act: impl Fn(&Arc<Connection>)) {
        self.clients.retain(|client| client.upgrade().inspect(|client| act(client)).is_some());
    }

    /// Accepts what is there; it is polled again when there is more.
    fn poll_accepts(&mut self, cx: &mut Context<'_>) {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return;
            }
            self.pause = None;
        }
        for index in 0.. {
            for turn in 0.. {
                if !self.serving || self.pause.is_some() {
                    return;
                }
                if turn == ACCEPTS {
                    cx.waker().wake_by_ref();
                    break;
                }
                // That was the last one, or the server is closed, and the command that says so on its way.
                let Some(accepted) = self.shared.listeners.poll_accept(index, cx) else { return };
                match accepted {
                    Poll::Ready(Ok((socket, peer))) => self.client(socket, &peer),
                    Poll::Ready(Err(error)) => self.refused(&error, cx),
                    Poll::Pending => break,
                }
            }
        }
    }

    /// An error of one connection passes by. A lack of room is waited out, and told to the exception
    /// handler, as asyncio does; so is what a listener fails with that is no good any more, which may
    /// fail in the same way for ever.
    fn refused(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        if !sys::is_of_a_connection(error) {
            let context = ErrorContext::new("the server cannot accept; it tries again in 1 s");
            let context = context.exception(error.to_string()).source(self.options.at);
            Handle::current().call_exception_handler(&context);
            let mut pause = Box::pin(sleep(PAUSE));
            let _ = pause.as_mut().poll(cx);
            self.pause = Some(pause);
        }
    }

    fn client(&mut self, socket: Socket, peer: &str) {
        let Ok(connection) = Connection::new(socket) else { return };
        self.count += 1;
        if self.clients.len() == self.clients.capacity() {
            self.clients.retain(|client| client.strong_count() > 0);
        }
        self.clients.push(Arc::downgrade(&connection));
        let streams = (
            StreamReader::new(connection.clone(), self.options.limit),
            StreamWriter::new(connection.clone()),
        );
        #[cfg(feature = "tls")]
        let ssl = self.options.ssl.clone();
        let handler = self.handler.clone();
        let leaving = Leaving { shared: self.shared.clone(), connection: connection.clone() };
        drop(task().name(format!("client {peer}")).spawn(async move {
            let _leaving = leaving;
            #[cfg(feature = "tls")]
            let streams = super::ssl::secured(streams, ssl).await;
            #[cfg(not(feature = "tls"))]
            let streams = Some(streams);
            if let Some((reader, writer)) = streams {
                handler(reader, writer).await;
            }
            connection.closed().wait().await;
        }));
    }

    /// Counts a client that has no handler any more until what is queued for it was sent.
    fn leave(&self, connection: Arc<Connection>) {
        let leaving = Leaving { shared: self.shared.clone(), connection };
        drop(task().name("client without a handler").spawn(async move {
            leaving.connection.closed().wait().await;
        }));
    }
}

/// Tells the server that a client's task is over, however it ended.
struct Leaving {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let closed = self.connection.closed().is_set();
        self.shared.tell(if closed {
            Command::Left
        } else {
            Command::LeftOpen(self.connection.clone())
        });
    }
}
