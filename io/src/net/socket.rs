//! What sockets of all kinds have in common: how a future waits for one, the future of its
//! readiness, and the methods and traits that move no bytes.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_runtime::debug::never_awaited;
use corio_runtime::reactor::{Direction, Waiter};
use corio_sync::place::WaitKind;

use super::wire::{Wire, kind};
use crate::source::step;
use crate::sys;

/// A future's own place among those that wait for a socket: any number of them may.
pub(super) struct Wait<'a> {
    /// With the place of the call in place of the socket's.
    wire: Wire<'a>,
    waiter: Waiter,
    /// Its future was polled.
    begun: bool,
}

impl<'a> Wait<'a> {
    /// For a call at `at`.
    pub(super) fn new(wire: Wire<'a>, at: &'static Location<'static>) -> Self {
        Self { wire: Wire { at, ..wire }, waiter: Waiter::default(), begun: false }
    }

    /// Its future is polled.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    pub(super) fn fd(&self) -> BorrowedFd<'a> {
        self.wire.fd
    }

    pub(super) fn at(&self) -> &'static Location<'static> {
        self.wire.at
    }

    /// One transfer of up to `want` bytes.
    #[inline]
    pub(super) fn poll_transfer(
        &mut self,
        direction: Direction,
        want: usize,
        cx: &mut Context<'_>,
        op: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Self { wire: Wire { fd, source, at }, waiter, .. } = self;
        step(kind(direction), at, cx, |cx| {
            source.poll_transfer_with(*fd, direction, want, waiter, cx, op)
        })
    }

    /// One call of which a short result proves nothing: a message, a peek.
    pub(super) fn poll_message<R>(
        &mut self,
        direction: Direction,
        cx: &mut Context<'_>,
        op: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_call(kind(direction), direction, cx, op)
    }

    /// As [`poll_message`](Self::poll_message), for a call that may find no room elsewhere than in
    /// this socket: if `now`, it is made whatever is known of the socket.
    pub(super) fn poll_message_now<R>(
        &mut self,
        now: bool,
        direction: Direction,
        cx: &mut Context<'_>,
        mut op: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let Self { wire: Wire { fd, source, at }, waiter, .. } = self;
        step(kind(direction), at, cx, |cx| {
            if now {
                match sys::uninterrupted(&mut op) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            }
            source.poll_io_with(*fd, direction, waiter, cx, op)
        })
    }

    /// One connection.
    pub(super) fn poll_accept<R>(
        &mut self,
        cx: &mut Context<'_>,
        op: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_call(WaitKind::Accept, Direction::Read, cx, op)
    }

    fn poll_call<R>(
        &mut self,
        kind: WaitKind,
        direction: Direction,
        cx: &mut Context<'_>,
        op: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let Self { wire: Wire { fd, source, at }, waiter, .. } = self;
        step(kind, at, cx, |cx| source.poll_io_with(*fd, direction, waiter, cx, op))
    }

    fn poll_ready(&mut self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { wire: Wire { fd, source, at }, waiter, .. } = self;
        step(kind(direction), at, cx, |cx| source.poll_ready_with(*fd, direction, waiter, cx))
    }
}

impl Drop for Wait<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.begun {
            never_awaited("an operation of a socket", self.at());
        }
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("fd", &self.fd())
            .field("at", &format_args!("{}", self.at()))
            .finish_non_exhaustive()
    }
}

/// `Debug` for futures with a `wait`: it and nothing of their buffers.
macro_rules! debug_by_wait {
    ($($future:ident)*) => {$(
        impl std::fmt::Debug for $future<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($future))
                    .field("wait", &self.wait)
                    .finish_non_exhaustive()
            }
        }
    )*};
}
pub(super) use debug_by_wait;

/// Future of `readable` and `writable`, such as
/// [`TcpStream::readable`](super::TcpStream::readable): `io::Result<()>`.
#[must_use = "nothing is awaited unless this is"]
pub struct Ready<'a> {
    wait: Wait<'a>,
    direction: Direction,
}

impl<'a> Ready<'a> {
    pub(super) fn new(
        wire: Wire<'a>,
        direction: Direction,
        at: &'static Location<'static>,
    ) -> Self {
        Self { wait: Wait::new(wire, at), direction }
    }
}

impl Future for Ready<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, direction } = self.get_mut();
        wait.begin();
        wait.poll_ready(*direction, cx)
    }
}

debug_by_wait!(Ready);

/// The traits of a type whose field `io` is the registered descriptor.
macro_rules! as_descriptor {
    ($socket:ident) => {
        impl std::os::fd::AsFd for $socket {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.io.fd()
            }
        }

        impl std::os::fd::AsRawFd for $socket {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                std::os::fd::AsRawFd::as_raw_fd(&self.io.fd())
            }
        }

        impl std::fmt::Debug for $socket {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.io.fmt(f)
            }
        }
    };
}
pub(super) use as_descriptor;

/// The methods that streams and message sockets share. They go by `self.wire()` and `self.io`.
macro_rules! socket_methods {
    ($socket:ident, $std:ty) => {
        $crate::net::socket::as_descriptor!($socket);

        impl $socket {
            /// Waits until a read or receive is worth trying: there is something, an error, or the
            /// end. It may be ready without reason.
            ///
            /// # Errors
            ///
            /// If it has to wait outside a runtime.
            ///
            /// # Cancel safety
            ///
            /// Strict.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixStream;
            ///
            /// # fn main() -> std::io::Result<()> {
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixStream::pair()?;
            /// a.write_all(b"hi").await?;
            /// b.readable().await?;
            /// assert_eq!(b.try_read(&mut [0; 8])?, 2);
            /// # Ok(())
            /// # })
            /// # }
            /// ```
            #[track_caller]
            pub fn readable(&self) -> Ready<'_> {
                Ready::new(self.wire(), Direction::Read, Location::caller())
            }

            /// Waits until a write or send is worth trying. It may be ready without reason.
            ///
            /// # Errors
            ///
            /// If it has to wait outside a runtime.
            ///
            /// # Cancel safety
            ///
            /// Strict.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixStream;
            ///
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixStream::pair()?;
            /// // As much as goes without waiting.
            /// while a.try_write(&[0; 4096]).is_ok() {}
            /// b.read(&mut vec![0; 1 << 20]).await?;
            /// a.writable().await?;
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            #[track_caller]
            pub fn writable(&self) -> Ready<'_> {
                Ready::new(self.wire(), Direction::Write, Location::caller())
            }

            /// Tries a system call of yours on this socket, once. If it fails with `WouldBlock`,
            /// the next [`readable`](Self::readable) or [`writable`](Self::writable) waits for an
            /// event.
            ///
            /// # Errors
            ///
            /// Those of `op`; `WouldBlock` without a call while the socket is known not to be
            /// ready.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::{Direction, UnixStream};
            /// use std::io::ErrorKind;
            ///
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixStream::pair()?;
            /// let nothing = || Err::<(), _>(ErrorKind::WouldBlock.into());
            /// let refused = b.try_io(Direction::Read, nothing).unwrap_err();
            /// assert_eq!(refused.kind(), ErrorKind::WouldBlock);
            /// a.write_all(b"hello").await?;
            /// b.readable().await?;
            /// assert_eq!(b.try_io(Direction::Read, || Ok(5))?, 5);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn try_io<R>(
                &self,
                direction: Direction,
                op: impl FnMut() -> io::Result<R>,
            ) -> io::Result<R> {
                self.io.source().try_io(direction, op)
            }

            /// The pending error of the socket, and clears it.
            ///
            /// # Errors
            ///
            /// If the system does not tell.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixStream;
            ///
            /// # corio_runtime::run(async {
            /// let (a, _b) = UnixStream::pair()?;
            /// assert!(a.take_error()?.is_none());
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                socket2::SockRef::from(self).take_error()
            }

            /// Gives the socket to std; it stays non-blocking.
            ///
            /// # Errors
            ///
            /// The system's, if it does not let go of the socket.
            ///
            /// # Examples
            ///
            /// ```
            /// use corio_io::net::UnixDatagram;
            ///
            /// # corio_runtime::run(async {
            /// let (a, b) = UnixDatagram::pair()?;
            /// a.send(b"hello").await?;
            /// let b = b.into_std()?;
            /// b.set_nonblocking(false)?;
            /// assert_eq!(b.recv(&mut [0; 16])?, 5);
            /// # std::io::Result::Ok(())
            /// # }).unwrap();
            /// ```
            pub fn into_std(self) -> io::Result<$std> {
                self.io.into_inner()
            }
        }
    };
}
pub(super) use socket_methods;
