//! From one socket to another without a copy in this process.
//!
//! The bytes go through a pipe: the system moves pages into it from the one socket and out of it
//! into the other (Linux, splice(2)).
//!
//! *Invariant.* `held` bytes lie in the pipe. A direction reads only into an empty pipe, so
//! `WouldBlock` there speaks of the socket alone.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::reactor::{Direction, Waiter};
use corio_sync::place::WaitKind;
use rustix::pipe::{PipeFlags, SpliceFlags};

use super::wire::{StreamSocket, Wire};
use crate::made::Made;
use crate::sigpipe::Sigpipe;
use crate::source::step;

/// Size of the pipe in bytes, if the system allows it: four times its default, since a packet takes
/// a whole page of it however short it is.
const PIPE: usize = 256 << 10;

/// Copies everything until the end of `from`, and returns how many bytes; `to` is neither ended nor
/// closed. The bytes do not pass through this process. Linux only; elsewhere use
/// [`copy`](crate::copy::copy).
///
/// It pays for long streams: an own pipe is made for each call, and every step is two system calls,
/// as with `copy`. asyncio has no counterpart.
///
/// # Errors
///
/// Those of the two sockets; that no pipe can be made.
///
/// # Cancel safety
///
/// Lossy: up to [`Splice::held`] bytes that were read and not yet written are lost.
///
/// # Examples
///
/// ```
/// use corio_io::net::{Shutdown, UnixStream, splice};
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let (source, feed) = UnixStream::pair()?;
/// let (target, sink) = UnixStream::pair()?;
/// feed.write_all(b"hello").await?;
/// feed.shutdown(Shutdown::Write)?;
/// assert_eq!(splice(&source, &target).await?, 5);
/// let mut buf = [0; 5];
/// sink.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"hello");
/// # Ok(())
/// # })
/// # }
/// ```
#[track_caller]
pub fn splice<'a, A: StreamSocket, B: StreamSocket>(from: &'a A, to: &'a B) -> Splice<'a> {
    Splice {
        from: End::new(from.wire()),
        to: End::new(to.wire()),
        pipe: None,
        held: 0,
        copied: 0,
        ended: false,
        made: Made::here("splice"),
    }
}

/// Future of [`splice`]: `io::Result<u64>`.
///
/// # Examples
///
/// ```
/// use corio_io::net::{UnixStream, splice};
/// use corio_runtime::time::timeout;
///
/// # corio_runtime::run(async {
/// let ((source, feed), (target, _sink)) = (UnixStream::pair()?, UnixStream::pair()?);
/// feed.write_all(b"hello").await?;
/// let mut splice = splice(&source, &target);
/// let endless = timeout(std::time::Duration::from_millis(1), &mut splice).await;
/// assert!(endless.is_err(), "the source has not ended");
/// assert_eq!((splice.copied(), splice.held()), (5, 0));
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[must_use = "nothing is copied unless this is awaited"]
pub struct Splice<'a> {
    from: End<'a>,
    to: End<'a>,
    /// Its reading and its writing end, and how it is emptied.
    pipe: Option<(OwnedFd, OwnedFd, Sigpipe)>,
    held: usize,
    copied: u64,
    ended: bool,
    made: Made,
}

/// A socket, and a place of its own among those that wait for it.
struct End<'a> {
    wire: Wire<'a>,
    waiter: Waiter,
}

impl<'a> End<'a> {
    fn new(wire: Wire<'a>) -> Self {
        Self { wire, waiter: Waiter::default() }
    }

    /// One call. A short result proves nothing: the pipe may have been full.
    fn poll(
        &mut self,
        (direction, kind): (Direction, WaitKind),
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        op: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Self { wire, waiter } = self;
        step(kind, at, cx, |cx| wire.source.poll_io_with(wire.fd, direction, waiter, cx, op))
    }
}

impl Splice<'_> {
    /// Bytes that were written so far.
    #[must_use]
    pub fn copied(&self) -> u64 {
        self.copied
    }

    /// Bytes that were read and not yet written.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }
}

fn new_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let pipe = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    // A user who has many pipes may not have larger ones: then it stays as it is.
    let _ = rustix::pipe::fcntl_setpipe_size(&pipe.1, PIPE);
    Ok(pipe)
}

impl Future for Splice<'_> {
    type Output = io::Result<u64>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { from, to, pipe, held, copied, ended, made } = self.get_mut();
        let at = made.begin();
        let (outlet, inlet, sigpipe) = match pipe {
            Some(pipe) => pipe,
            None => {
                let (outlet, inlet) = new_pipe()?;
                pipe.insert((outlet, inlet, Sigpipe::look()))
            }
        };
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        loop {
            while *held > 0 {
                let fd = to.wire.fd;
                let n = ready!(to.poll((Direction::Write, WaitKind::Write), at, cx, || {
                    sigpipe
                        .call(|| Ok(rustix::pipe::splice(&*outlet, None, fd, None, *held, flags)?))
                }))?;
                if n == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                *held -= n;
                *copied += n as u64;
            }
            if *ended {
                return Poll::Ready(Ok(*copied));
            }
            let fd = from.wire.fd;
            *held = ready!(from.poll((Direction::Read, WaitKind::Read), at, cx, || {
                Ok(rustix::pipe::splice(fd, None, &*inlet, None, PIPE, flags)?)
            }))?;
            *ended = *held == 0;
        }
    }
}

impl fmt::Debug for Splice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Splice")
            .field("copied", &self.copied)
            .field("held", &self.held)
            .field("at", &format_args!("{}", self.made.at()))
            .finish_non_exhaustive()
    }
}
