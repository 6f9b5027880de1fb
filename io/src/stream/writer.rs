//! The writing end of a stream.

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

/// The writing end of a stream. Dropping it closes the connection after what was written is sent.
///
/// asyncio: `StreamWriter`.
pub struct StreamWriter {
    connection: Arc<Connection>,
    info: ExtraInfo,
    /// The pipe that it writes to, until it is closed.
    pipe: Option<Arc<Pipe>>,
}

impl StreamWriter {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        let info = connection.extra_info();
        Self { connection, info, pipe: None }
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
    /// Nothing happens after [`close`](Self::close), or once the connection is lost; `drain` tells.
    pub fn write(&mut self, bytes: &[u8]) {
        self.connection.write(&[IoSlice::new(bytes)]);
    }

    /// Writes several pieces, in one system call if it can be.
    ///
    /// asyncio: `writelines`.
    #[doc(alias = "writelines")]
    pub fn write_lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a [u8]>) {
        let lines: Vec<IoSlice<'_>> =
            lines.into_iter().filter(|line| !line.is_empty()).map(IoSlice::new).collect();
        self.connection.write(&lines);
    }

    /// Waits until the queue is short enough for more: if more is queued than the high-water mark
    /// (64 KiB), until it is no more than the low one (16 KiB). Any number of tasks may wait.
    ///
    /// # Errors
    ///
    /// What the connection was lost with; `ConnectionReset` after [`close`](Self::close).
    ///
    /// # Cancel safety
    ///
    /// Strict: what is queued is sent all the same.
    #[doc(alias = "flush")]
    #[track_caller]
    pub fn drain(&self) -> Drain<'_> {
        let made = Made::here("StreamWriter::drain");
        Drain { connection: &self.connection, waiting: None, made }
    }

    /// Ends the outgoing stream after what is queued; reading goes on. A pipe is closed by it. With
    /// TLS the peer is told so (`close_notify`); asyncio refuses that.
    ///
    /// # Errors
    ///
    /// What the connection was lost with.
    #[doc(alias = "shutdown")]
    pub fn write_eof(&mut self) -> io::Result<()> {
        match self.connection.error() {
            Some(error) => Err(error),
            None if self.connection.is_pipe() => {
                self.close();
                Ok(())
            }
            None => {
                self.connection.write_eof();
                Ok(())
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
        if !self.is_closing() {
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
    /// Made before the look at the queue that follows, so that no news is missed.
    waiting: Option<Notified<'a>>,
    made: Made,
}

impl Future for Drain<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { connection, waiting, made } = self.get_mut();
        let at = made.begin();
        loop {
            if let Some(error) = connection.error() {
                return Poll::Ready(Err(error));
            }
            if connection.is_closing() {
                let message = "the connection is closed";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, message)));
            }
            let (low, high) = connection.limits();
            let enough = if waiting.is_some() { low } else { high };
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
