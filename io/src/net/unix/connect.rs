//! Making Unix connections.
//!
//! A Unix connection stands at once, or fails at once, or the listener's queue is full. Linux does
//! not announce that the queue has room again, so the last case is tried again after a rest that
//! grows.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use corio_runtime::time::{Sleep, sleep};
use socket2::Type;

use super::stream::UnixStream;
use super::{Shown, sock_addr};
use crate::context::failed;
use crate::made::Made;
use crate::sys;

/// The first rest while the queue of a listener, or of a receiver of datagrams, is full.
pub(super) const REST: Duration = Duration::from_millis(1);
/// The longest rest: a server that was busy for long is found again after at most so much.
pub(super) const REST_MAX: Duration = Duration::from_millis(64);

/// A connection of either type that is being made.
pub(super) struct Attempt {
    address: io::Result<SocketAddr>,
    kind: Type,
    rest: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Attempt {
    pub(super) fn new(address: io::Result<SocketAddr>, kind: Type) -> Self {
        Self { address, kind, rest: REST, sleep: None }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<OwnedFd>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            match self.attempt() {
                // The socket of that attempt is closed.
                Err(error) if is_interrupted(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.sleep = Some(Box::pin(sleep(self.rest)));
                    self.rest = (self.rest * 2).min(REST_MAX);
                }
                result => return Poll::Ready(result),
            }
        }
    }

    fn attempt(&self) -> io::Result<OwnedFd> {
        let address = match &self.address {
            Ok(address) => address,
            Err(error) => return Err(io::Error::new(error.kind(), error.to_string())),
        };
        let socket = sys::unix_socket(self.kind)?;
        match socket.connect(&sock_addr(address)?) {
            Ok(()) => Ok(socket.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(error) => Err(failed("connect", Shown(address), error)),
        }
    }
}

/// Whether a signal came: the kind is that of the system's error.
fn is_interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

/// Future of [`UnixStream::connect`]: `io::Result<UnixStream>`.
#[must_use = "nothing is connected unless this is awaited"]
pub struct UnixConnect {
    attempt: Attempt,
    made: Made,
}

impl UnixConnect {
    pub(super) fn new(address: io::Result<SocketAddr>, made: Made) -> Self {
        Self { attempt: Attempt::new(address, Type::STREAM), made }
    }
}

impl Future for UnixConnect {
    type Output = io::Result<UnixStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let at = self.made.begin();
        let connected = ready!(self.attempt.poll(cx))?;
        Poll::Ready(Ok(UnixStream::new(connected.into(), at)))
    }
}

impl fmt::Debug for UnixConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixConnect")
            .field("address", &self.attempt.address)
            .field("at", &format_args!("{}", self.made.at()))
            .finish_non_exhaustive()
    }
}
