//! From one stream to another.
//!
//! *Invariant.* What was read and not yet written lies in the future's buffer, between `start` and
//! its end; a direction reads only into an empty buffer, so a slow writer slows its reader.

mod ends;

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::made::Made;

pub use ends::{ByteSink, ByteSource};

/// Size of the buffer of one direction in bytes. Twice as much gains nothing on a local connection.
pub const BUFFER: usize = 32 << 10;

/// Copies everything until the end of `from`, and returns how many bytes. `to` is flushed, and
/// neither ended nor closed.
///
/// A slow sink slows the source: one with a buffer is waited for as [`drain`] does it.
///
/// [`drain`]: crate::stream::StreamWriter::drain
///
/// # Errors
///
/// Those of the two streams.
///
/// # Cancel safety
///
/// Lossy: what was read and not yet written is in [`Copy::unwritten`].
///
/// # Examples
///
/// ```
/// use corio_io::net::{Shutdown, UnixStream};
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let (source, feed) = UnixStream::pair()?;
/// let (target, sink) = UnixStream::pair()?;
/// feed.write_all(b"hello").await?;
/// feed.shutdown(Shutdown::Write)?;
/// assert_eq!(corio_io::copy::copy(&mut &source, &mut &target).await?, 5);
/// let mut buf = [0; 5];
/// sink.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"hello");
/// # Ok(())
/// # })
/// # }
/// ```
#[track_caller]
pub fn copy<'a, R: ByteSource, W: ByteSink>(from: &'a mut R, to: &'a mut W) -> Copy<'a, R, W> {
    let made = Made::here("copy");
    Copy { from, to, lane: Lane::new(made.at()), made }
}

/// Copies both ways until both streams have ended. When one ends, the other's outgoing direction is
/// ended, as a proxy has to. Returns how many bytes went from `a` to `b`, and from `b` to `a`.
///
/// It reads and writes by a buffer of [`BUFFER`] bytes for each direction, also between sockets; for
/// long streams one way [`splice`](crate::net::splice) takes less CPU time, for short messages more.
///
/// # Errors
///
/// Those of the two streams: the first ends both directions.
///
/// # Cancel safety
///
/// Lossy: what was read and not yet written is lost.
///
/// # Examples
///
/// ```
/// use corio_io::net::{Shutdown, UnixStream};
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let (client, mut front) = UnixStream::pair()?;
/// let (mut back, server) = UnixStream::pair()?;
/// client.write_all(b"ping").await?;
/// client.shutdown(Shutdown::Write)?;
/// server.write_all(b"hello").await?;
/// server.shutdown(Shutdown::Write)?;
/// let moved = corio_io::copy::copy_bidirectional(&mut front, &mut back).await?;
/// assert_eq!(moved, (4, 5));
/// # Ok(())
/// # })
/// # }
/// ```
#[track_caller]
pub fn copy_bidirectional<'a, A, B>(a: &'a mut A, b: &'a mut B) -> CopyBidirectional<'a, A, B>
where
    A: ByteSource + ByteSink,
    B: ByteSource + ByteSink,
{
    let made = Made::here("copy_bidirectional");
    let way = || Way::Copying(Lane::new(made.at()));
    CopyBidirectional { a, b, forth: way(), back: way(), made }
}

/// One direction.
///
/// ```text
/// copying --(the source ends)--> ended --(the buffer is empty)--> done
/// ```
struct Lane {
    buffer: Vec<u8>,
    start: usize,
    copied: u64,
    ended: bool,
    at: &'static Location<'static>,
}

impl Lane {
    const fn new(at: &'static Location<'static>) -> Self {
        Self { buffer: Vec::new(), start: 0, copied: 0, ended: false, at }
    }

    fn poll<R: ByteSource, W: ByteSink>(
        &mut self,
        from: &mut R,
        to: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<u64>> {
        loop {
            while self.start < self.buffer.len() {
                let n = ready!(to.poll_take(self.at, cx, &self.buffer[self.start..]))?;
                if n == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.start += n;
                self.copied += n as u64;
            }
            if self.ended {
                ready!(to.poll_flush(self.at, cx))?;
                return Poll::Ready(Ok(self.copied));
            }
            self.buffer.clear();
            self.start = 0;
            self.buffer.reserve(BUFFER);
            match from.poll_give(self.at, cx, &mut self.buffer) {
                Poll::Ready(n) => self.ended = n? == 0,
                Poll::Pending => {
                    // What came before may be what the source's other end waits for an answer to.
                    if to.holds_back() {
                        if let Poll::Ready(Err(error)) = to.poll_flush(self.at, cx) {
                            return Poll::Ready(Err(error));
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

/// Future of [`copy`]: `io::Result<u64>`.
///
/// # Examples
///
/// ```
/// use corio_io::net::UnixStream;
/// use corio_runtime::time::timeout;
///
/// # corio_runtime::run(async {
/// let ((source, feed), (target, _sink)) = (UnixStream::pair()?, UnixStream::pair()?);
/// feed.write_all(b"hello").await?;
/// let (mut from, mut to) = (&source, &target);
/// let mut copy = corio_io::copy::copy(&mut from, &mut to);
/// let endless = timeout(std::time::Duration::from_millis(1), &mut copy).await;
/// assert!(endless.is_err(), "the source has not ended");
/// assert_eq!((copy.copied(), copy.unwritten()), (5, &b""[..]));
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[must_use = "nothing is copied unless this is awaited"]
pub struct Copy<'a, R, W> {
    from: &'a mut R,
    to: &'a mut W,
    lane: Lane,
    made: Made,
}

impl<R, W> Copy<'_, R, W> {
    /// What was read and not yet written.
    #[must_use]
    pub fn unwritten(&self) -> &[u8] {
        &self.lane.buffer[self.lane.start..]
    }

    /// Bytes that were written so far.
    #[must_use]
    pub fn copied(&self) -> u64 {
        self.lane.copied
    }
}

impl<R: ByteSource, W: ByteSink> Future for Copy<'_, R, W> {
    type Output = io::Result<u64>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { from, to, lane, made } = self.get_mut();
        made.begin();
        lane.poll(*from, *to, cx)
    }
}

/// Future of [`copy_bidirectional`]: `io::Result<(u64, u64)>`.
#[must_use = "nothing is copied unless this is awaited"]
pub struct CopyBidirectional<'a, A, B> {
    a: &'a mut A,
    b: &'a mut B,
    forth: Way,
    back: Way,
    made: Made,
}

/// A direction and what comes after it.
enum Way {
    Copying(Lane),
    Done(u64),
}

impl Way {
    fn poll<R: ByteSource, W: ByteSink>(
        &mut self,
        from: &mut R,
        to: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<u64>> {
        if let Self::Copying(lane) = self {
            let copied = ready!(lane.poll(from, to, cx))?;
            to.end()?;
            *self = Self::Done(copied);
        }
        match self {
            Self::Done(copied) => Poll::Ready(Ok(*copied)),
            Self::Copying(_) => Poll::Pending,
        }
    }
}

impl<A, B> Future for CopyBidirectional<'_, A, B>
where
    A: ByteSource + ByteSink,
    B: ByteSource + ByteSink,
{
    type Output = io::Result<(u64, u64)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { a, b, forth, back, made } = self.get_mut();
        made.begin();
        let forth = forth.poll(*a, *b, cx)?;
        let back = back.poll(*b, *a, cx)?;
        match (forth, back) {
            (Poll::Ready(forth), Poll::Ready(back)) => Poll::Ready(Ok((forth, back))),
            _ => Poll::Pending,
        }
    }
}

macro_rules! debug {
    ($($future:ident)*) => {$(
        impl<A, B> fmt::Debug for $future<'_, A, B> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($future)).finish_non_exhaustive()
            }
        }
    )*};
}

debug!(Copy CopyBidirectional);
