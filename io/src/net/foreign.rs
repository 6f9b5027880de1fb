//! Descriptors of other libraries.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_runtime::reactor::{Direction, SourceKind, Waiter};
use corio_sync::place::WaitKind;

use crate::made::Made;
use crate::source::{Registered, step};

/// Anything with a descriptor that the system can wait for: a pipe, a raw socket, an inotify
/// descriptor, the socket of a C library.
///
/// `T` is what owns the descriptor: a type of std's or of another crate with [`AsFd`], or a bare
/// [`OwnedFd`](std::os::fd::OwnedFd). A [`BorrowedFd`] will do if something else keeps the descriptor
/// open for as long; one descriptor is to be in one `Async` only, as each of them registers it. The
/// descriptor is registered when something has to wait for the first time, and deregistered before it
/// is closed or given back. For whole streams over pipes see
/// [`connect_read_pipe`](crate::stream::connect_read_pipe).
///
/// asyncio: `loop.add_reader` and `loop.add_writer`.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// use corio_io::net::{Async, Direction};
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let (ours, mut theirs) = UnixStream::pair()?;
/// let ours = Async::new(ours)?;
/// theirs.write_all(b"hi")?;
/// let mut buf = [0; 8];
/// let n = ours.io(Direction::Read, |mut socket| socket.read(&mut buf)).await?;
/// assert_eq!(n, 2);
/// # Ok(())
/// # })
/// # }
/// ```
///
/// Readiness alone, for calls that a library makes:
///
/// ```
/// use corio_io::net::{Async, Direction};
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// # corio_runtime::run(async {
/// let (ours, mut theirs) = UnixStream::pair()?;
/// let ours = Async::new(ours)?;
/// ours.writable().await?;
/// theirs.write_all(b"hi")?;
/// ours.readable().await?;
/// assert_eq!(ours.try_io(Direction::Read, |mut socket| socket.read(&mut [0; 8]))?, 2);
/// assert!(ours.get_ref().peer_addr()?.is_unnamed());
/// let back: UnixStream = ours.into_inner()?;
/// # drop(back);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[doc(alias("AsyncFd", "add_reader", "add_writer"))]
pub struct Async<T: AsFd> {
    io: Registered<T>,
}

impl<T: AsFd> Async<T> {
    /// Takes a descriptor over, and makes it non-blocking.
    ///
    /// # Errors
    ///
    /// The system's. That it cannot wait for the descriptor, as for an ordinary file, is said by
    /// the first call that has to wait.
    pub fn new(io: T) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&io, true)?;
        Ok(Self { io: Registered::new(io, SourceKind::Other) })
    }

    /// Makes a system call, and again after waiting whenever it fails with `WouldBlock`.
    ///
    /// # Errors
    ///
    /// Those of `op`; or, if it has to wait outside a runtime, one that says so.
    ///
    /// # Cancel safety
    ///
    /// Loses place: a call is made or not.
    #[track_caller]
    pub fn io<R, F>(&self, direction: Direction, op: F) -> AsyncIo<'_, T, F>
    where
        F: FnMut(&T) -> io::Result<R>,
    {
        let made = Made::here("Async::io");
        AsyncIo { io: self, direction, op, waiter: Waiter::default(), made }
    }

    /// Waits until a read is worth trying.
    ///
    /// # Errors
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn readable(&self) -> AsyncReady<'_, T> {
        self.ready(Direction::Read, Made::here("Async::readable"))
    }

    /// Waits until a write is worth trying.
    ///
    /// # Errors
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn writable(&self) -> AsyncReady<'_, T> {
        self.ready(Direction::Write, Made::here("Async::writable"))
    }

    fn ready(&self, direction: Direction, made: Made) -> AsyncReady<'_, T> {
        AsyncReady { io: self, direction, waiter: Waiter::default(), made }
    }

    /// Tries a system call once. If it fails with `WouldBlock`, the next wait is for an event.
    ///
    /// # Errors
    ///
    /// Those of `op`; `WouldBlock` without a call while the descriptor is known not to be ready.
    pub fn try_io<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.io.source().try_io(direction, || op(self.io.get()))
    }

    /// What is inside. Do not make it blocking.
    pub fn get_ref(&self) -> &T {
        self.io.get()
    }

    /// Gives the descriptor back; it stays non-blocking.
    ///
    /// # Errors
    ///
    /// The system's, if it does not let go of it.
    pub fn into_inner(self) -> io::Result<T> {
        self.io.into_inner()
    }
}

impl<T: AsFd> AsFd for Async<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.fd()
    }
}

impl<T: AsFd> AsRawFd for Async<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.io.fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Async<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Async").field(&self.io).finish()
    }
}

fn kind(direction: Direction) -> WaitKind {
    match direction {
        Direction::Read => WaitKind::Read,
        Direction::Write => WaitKind::Write,
    }
}

/// Future of [`Async::readable`] and [`Async::writable`]: `io::Result<()>`.
#[must_use = "nothing is awaited unless this is"]
pub struct AsyncReady<'a, T: AsFd> {
    io: &'a Async<T>,
    direction: Direction,
    waiter: Waiter,
    made: Made,
}

impl<T: AsFd> Future for AsyncReady<'_, T> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { io: Async { io }, direction, waiter, made } = self.get_mut();
        step(kind(*direction), made.begin(), cx, |cx| {
            io.source().poll_ready_with(io.fd(), *direction, waiter, cx)
        })
    }
}

/// Future of [`Async::io`]: what the system call returns.
#[must_use = "no call is made unless this is awaited"]
pub struct AsyncIo<'a, T: AsFd, F> {
    io: &'a Async<T>,
    direction: Direction,
    op: F,
    waiter: Waiter,
    made: Made,
}

/// Nothing in it is pinned.
impl<T: AsFd, F> Unpin for AsyncIo<'_, T, F> {}

impl<T: AsFd, R, F: FnMut(&T) -> io::Result<R>> Future for AsyncIo<'_, T, F> {
    type Output = io::Result<R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { io: Async { io }, direction, op, waiter, made } = self.get_mut();
        step(kind(*direction), made.begin(), cx, |cx| {
            let op = || op(io.get());
            io.source().poll_io_with(io.fd(), *direction, waiter, cx, op)
        })
    }
}

impl<T: AsFd, F> fmt::Debug for AsyncIo<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncIo")
            .field("at", &format_args!("{}", self.made.at()))
            .finish_non_exhaustive()
    }
}

impl<T: AsFd> fmt::Debug for AsyncReady<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncReady")
            .field("at", &format_args!("{}", self.made.at()))
            .finish_non_exhaustive()
    }
}
