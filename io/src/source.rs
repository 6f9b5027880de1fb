//! A descriptor and its readiness, as one value.
//!
//! Invariant: the source is registered for this descriptor only, and deregistered before the
//! descriptor is closed or given away.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::task::{Context, Poll};

use corio_runtime::reactor::{Source, SourceKind};
use corio_sync::coop;
use corio_sync::place::{self, WaitKind};

/// A descriptor that a task can wait for.
pub(crate) struct Registered<T: AsFd> {
    source: Source,
    /// `None` only in `into_inner`, on the way out.
    io: Option<T>,
}

impl<T: AsFd> Registered<T> {
    /// The descriptor must be non-blocking.
    pub(crate) fn new(io: T, kind: SourceKind) -> Self {
        Self { source: Source::new(kind), io: Some(io) }
    }

    #[inline]
    pub(crate) fn get(&self) -> &T {
        self.io.as_ref().expect("it leaves with into_inner only")
    }

    #[inline]
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.get().as_fd()
    }

    #[inline]
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Gives the descriptor away; it stays non-blocking.
    pub(crate) fn into_inner(mut self) -> io::Result<T> {
        let io = self.io.take().expect("it leaves once");
        self.source.deregister(io.as_fd())?;
        Ok(io)
    }
}

impl<T: AsFd> Drop for Registered<T> {
    fn drop(&mut self) {
        if let Some(io) = &self.io {
            // The system may have dropped the registration by itself; nobody waits any more.
            let _ = self.source.deregister(io.as_fd());
        }
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Registered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.fmt(f)
    }
}

/// One step of a waiting call: takes a unit of the task's budget if it makes progress, and notes
/// what the task waits for if it does not.
#[inline]
pub(crate) fn step<R>(
    kind: WaitKind,
    at: &'static Location<'static>,
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
) -> Poll<R> {
    if let Poll::Ready(unit) = coop::poll_proceed(cx) {
        if let Poll::Ready(result) = poll(cx) {
            unit.made_progress();
            return Poll::Ready(result);
        }
    }
    place::note(kind, at);
    Poll::Pending
}
