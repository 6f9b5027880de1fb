//! The writing end of a stream.

mod polls;

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use corio_sync::place::{self, WaitKind};
use corio_sync::{EventWait, Notified};

use super::connection::{Connection, ExtraInfo};
use super::pipe::Pipe;
use crate::made::Made;

use polls::{Polled, Until};

/// The writing end of a stream. Dropping it closes the connection after what was written is sent.
///
/// It has `AsyncWrite` of futures-io and of tokio, by the features `futures-io` and `tokio-io`. A
/// `poll_write` waits as [`drain`](Self::drain) does, and then takes bytes into the queue, so they are
/// sent also if the writer is dropped; `poll_flush` waits until the system has them all. `poll_close`
/// and `poll_shutdown` flush, and end the outgoing stream as [`write_eof`](Self::write_eof) does.
/// [`copy`](crate::copy::copy) and [`BufWriter`](crate::buffered::BufWriter) write to it in the same way.
///
/// asyncio: `StreamWriter`.
///
/// # Examples
///
/// ```
/// use corio_io::net::UnixStream;
/// use corio_io::stream::connect_accepted_socket;
///
/// # corio_runtime::run(async {
/// let (ours, theirs) = UnixStream::pair()?;
/// let (_reader, mut writer) = connect_accepted_socket(ours)?;
/// assert!(writer.socket().is_some() && !writer.is_closing());
/// writer.set_write_buffer_limits(Some(1 << 10), None);
/// assert_eq!(writer.get_write_buffer_limits(), (256, 1 << 10));
/// writer.write(&[0; 16 << 20]);
/// assert!(writer.queued() > 1 << 10, "nobody reads");
/// writer.abort(); // close() would send it first
/// assert!(writer.is_closing());
/// writer.close();
/// # drop(theirs);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub struct StreamWriter {
    connection: Arc<Connection>,
    info: ExtraInfo,
    /// The pipe that it writes to, until it is closed.
    pipe: Option<Arc<Pipe>>,
    eof: Eof,
    /// What a poll without a future of its own waits for.
    polled: Option<(Until, Polled)>,
}

/// Whether the outgoing stream was ended, while the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eof {
    No,
    Asked,
    /// And somebody has tried to write after that.
    WrittenAfter,
}

impl Eof {
    /// What drains say of a write that was refused. asyncio raises it at the write.
    fn refusal(self) -> Option<io::Error> {
        (self == Self::WrittenAfter).then(after_eof)
    }
}

fn after_eof() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "cannot write after write_eof")
}

impl StreamWriter {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        let info = connection.extra_info();
        Self { connection, info, pipe: None, eof: Eof::No, polled: None }
    }

    pub(super) fn of_pipe(connection: Arc<Connection>, pipe: Arc<Pipe>) -> Self {
        let mut writer = Self::new(connection);
        writer.pipe = Some(pipe);
        writer
    }

    #[cfg(feature = "tls")]
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The handshake is done.
    #[cfg(feature = "tls")]
    pub(super) fn secured(&mut self, object: super::ssl::SslObject) {
        self.info.ssl_object = Some(object);
    }

    /// Writes. What the system takes at once is sent at once; the rest is queued and sent by a task
    /// of the connection, so nothing waits here: await [`drain`](Self::drain) after it, or the
    /// queue grows without end.
    ///
    /// Nothing happens after [`close`](Self::close) or [`write_eof`](Self::write_eof), or once the
    /// connection is lost; `drain` tells.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_io::stream::connect_accepted_socket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (_reader, mut writer) = connect_accepted_socket(ours)?;
    /// writer.write(b"hello");
    /// writer.drain().await?;
    /// let mut seen = [0; 5];
    /// theirs.read_exact(&mut seen).await?;
    /// assert_eq!(&seen, b"hello");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn write(&mut self, bytes: &[u8]) {
        if self.may_write() {
            self.connection.write(&[IoSlice::new(bytes)]);
        }
    }

    /// The peer was told of the end; the system would refuse more, and take the connection for lost.
    fn may_write(&mut self) -> bool {
        if self.eof != Eof::No {
            self.eof = Eof::WrittenAfter;
        }
        self.eof == Eof::No
    }

    /// Writes several pieces, in one system call if it can be.
    ///
    /// asyncio: `writelines`.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_io::stream::connect_accepted_socket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (_reader, mut writer) = connect_accepted_socket(ours)?;
    /// writer.write_lines(["one\n".as_bytes(), b"two\n"]);
    /// let mut seen = [0; 8];
    /// theirs.read_exact(&mut seen).await?;
    /// assert_eq!(&seen, b"one\ntwo\n");
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[doc(alias = "writelines")]
    pub fn write_lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a [u8]>) {
        let lines: Vec<IoSlice<'_>> =
            lines.into_iter().filter(|line| !line.is_empty()).map(IoSlice::new).collect();
        if self.may_write() {
            self.connection.write(&lines);
        }
    }

    /// Waits until the queue is short enough for more: if more is queued than the high-water mark
    /// (64 KiB), until it is no more than the low one (16 KiB). Any number of tasks may wait.
    ///
    /// # Errors
    ///
    /// What the connection was lost with; `ConnectionReset` after [`close`](Self::close); `BrokenPipe`
    /// if something was written after [`write_eof`](Self::write_eof), which asyncio's `write` raises.
    ///
    /// # Cancel safety
    ///
    /// Strict: what is queued is sent all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_io::stream::connect_accepted_socket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (_reader, mut writer) = connect_accepted_socket(ours)?;
    /// corio_runtime::create_task(async move {
    ///     let mut buf = vec![0; 1 << 16];
    ///     while theirs.read(&mut buf).await.is_ok_and(|n| n > 0) {}
    /// });
    /// for _ in 0..100 {
    ///     writer.write(&[7; 10_000]);
    ///     // The queue stays short, however slow the other end is.
    ///     writer.drain().await?;
    ///     assert!(writer.queued() <= 64 << 10);
    /// }
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[doc(alias = "flush")]
    #[track_caller]
    pub fn drain(&self) -> Drain<'_> {
        let made = Made::here("StreamWriter::drain");
        Drain { connection: &self.connection, eof: self.eof, waiting: None, all: false, made }
    }

    /// Ends the outgoing stream after what is queued; reading goes on. A pipe is closed by it. With
    /// TLS the peer is told so (`close_notify`); asyncio refuses that.
    ///
    /// # Errors
    ///
    /// What the connection was lost with; the system's, if it refuses to end the stream: then the
    /// connection is lost with that.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_io::stream::connect_accepted_socket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (_reader, mut writer) = connect_accepted_socket(ours)?;
    /// writer.write(b"bye");
    /// writer.write_eof()?;
    /// let mut buf = [0; 8];
    /// assert_eq!(theirs.read(&mut buf).await?, 3);
    /// assert_eq!(theirs.read(&mut buf).await?, 0);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[doc(alias = "shutdown")]
    pub fn write_eof(&mut self) -> io::Result<()> {
        match self.connection.error() {
            Some(error) => Err(error),
            None if self.connection.is_pipe() => {
                self.close();
                Ok(())
            }
            None => {
                if self.eof == Eof::No {
                    self.eof = Eof::Asked;
                }
                self.connection.write_eof()
            }
        }
    }

    /// Closes the connection after what is queued was sent; the reader finds its end then.
    pub fn close(&mut self) {
        self.connection.close();
        self.pipe = None;
    }

    /// Closes the connection at once; what is queued is lost. asyncio: `transport.abort`.
    pub fn abort(&mut self) {
        self.connection.abort();
        self.pipe = None;
    }

    /// Waits until the connection is closed, after [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// What the connection was lost with before everything was sent.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::UnixStream;
    /// use corio_io::stream::connect_accepted_socket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let (ours, theirs) = UnixStream::pair()?;
    /// let (_reader, mut writer) = connect_accepted_socket(ours)?;
    /// writer.write(b"bye");
    /// writer.close();
    /// writer.wait_closed().await?;
    /// let mut buf = [0; 8];
    /// assert_eq!(theirs.read(&mut buf).await?, 3);
    /// assert_eq!(theirs.read(&mut buf).await?, 0);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn wait_closed(&self) -> WaitClosed<'_> {
        WaitClosed { connection: &self.connection, wait: self.connection.closed().wait() }
    }

    /// Whether the connection is closed or being closed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.connection.is_closing()
    }

    /// What the connection was lost with.
    pub(crate) fn lost(&self) -> Option<io::Error> {
        self.connection.error()
    }

    /// The addresses of the connection, and what is known of its TLS.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::net::TcpListener;
    /// use corio_io::stream::open_connection;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let (_reader, writer) = open_connection(listener.local_addr()?).await?;
    /// assert_eq!(writer.get_extra_info().peer_addr, Some(listener.local_addr()?));
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[must_use]
    pub fn get_extra_info(&self) -> &ExtraInfo {
        &self.info
    }

    /// The socket, for its options; `None` for pipes. What is read from or written to it past the
    /// streams confuses them.
    ///
    /// asyncio: `get_extra_info("socket")`.
    #[must_use]
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.connection.socket()
    }

    /// Bytes that are queued. asyncio: `transport.get_write_buffer_size`.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.connection.queued()
    }

    /// When [`drain`](Self::drain) waits, in bytes: asyncio's `set_write_buffer_limits`. `low` is a
    /// quarter of `high` unless it is given, `high` four times `low`; both by default as at first.
    ///
    /// # Panics
    ///
    /// If `low` is above `high`.
    #[track_caller]
    pub fn set_write_buffer_limits(&mut self, high: Option<usize>, low: Option<usize>) {
        let high = high.unwrap_or_else(|| low.map_or(64 << 10, |low| low.saturating_mul(4)));
        let low = low.unwrap_or(high / 4);
        assert!(low <= high, "high ({high}) must be >= low ({low})");
        self.connection.set_limits(high, low);
    }

    /// The low and the high mark. asyncio: `get_write_buffer_limits`.
    #[must_use]
    pub fn get_write_buffer_limits(&self) -> (usize, usize) {
        self.connection.limits()
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        if self.connection.is_left_open() {
            corio_runtime::debug::unclosed(&format_args!("StreamWriter {:?}", self.info));
        }
        self.connection.close();
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter").field("connection", &self.connection).finish()
    }
}

/// Future of [`StreamWriter::drain`]: `io::Result<()>`.
#[must_use = "nothing is awaited unless this is"]
pub struct Drain<'a> {
    connection: &'a Connection,
    eof: Eof,
    /// Made before the look at the queue that follows, so that no news is missed.
    waiting: Option<Notified<'a>>,
    /// Whether nothing may be left.
    all: bool,
    made: Made,
}

impl Future for Drain<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { connection, eof, waiting, all, made } = self.get_mut();
        let at = made.begin();
        loop {
            if let Some(error) = connection.error() {
                return Poll::Ready(Err(error));
            }
            if connection.is_closing() {
                let message = "the connection is closed";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, message)));
            }
            if let Some(error) = eof.refusal() {
                return Poll::Ready(Err(error));
            }
            let (low, high) = connection.limits();
            let enough = match (&all, &waiting) {
                (true, _) => 0,
                (false, Some(_)) => low,
                (false, None) => high,
            };
            if connection.queued() <= enough {
                return Poll::Ready(Ok(()));
            }
            if let Some(notified) = waiting {
                if Pin::new(notified).poll(cx).is_pending() {
                    place::note(WaitKind::Write, at);
                    return Poll::Pending;
                }
            }
            *waiting = Some(connection.drained().notified());
        }
    }
}

impl fmt::Debug for Drain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("at", &format_args!("{}", self.made.at()))
            .finish_non_exhaustive()
    }
}

/// Future of [`StreamWriter::wait_closed`]: `io::Result<()>`.
#[must_use = "nothing is awaited unless this is"]
pub struct WaitClosed<'a> {
    connection: &'a Connection,
    wait: EventWait<'a>,
}

impl Future for WaitClosed<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(Pin::new(&mut self.wait).poll(cx));
        Poll::Ready(match self.connection.error() {
            Some(error) => Err(error),
            None => Ok(()),
        })
    }
}

impl fmt::Debug for WaitClosed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitClosed").finish_non_exhaustive()
    }
}
