//! Any Unix: `polling` waits and is notified.
//!
//! Edge-triggered as on Linux. What `polling` does not tell apart is assumed: the end of a stream
//! is not announced by a flag, so a short read proves nothing here.
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use corio_sync::shim::cell::UnsafeCell;
use polling::PollMode;

use super::super::key::Key;
use super::super::readiness::Ready;
use super::{CAPACITY, Event, Events, Interest};

/// # Safety
///
/// `buffer` is touched by [`Poller::wait`] only, which one thread at a time calls.
pub(in super::super) struct Poller {
    poller: polling::Poller,
    buffer: UnsafeCell<polling::Events>,
}

// SAFETY: `polling::Poller` is `Sync`, and the buffer is used by one thread at a time.
unsafe impl Sync for Poller {}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let poller = polling::Poller::new()?;
        if !poller.supports_edge() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this system has no edge-triggered poller",
            ));
        }
        let capacity = const { NonZeroUsize::new(CAPACITY).unwrap() };
        Ok(Self { poller, buffer: UnsafeCell::new(polling::Events::with_capacity(capacity)) })
    }

    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly",
    ))]
    #[expect(clippy::unnecessary_wraps, reason = "other systems have no descriptor")]
    pub(super) fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(std::os::fd::AsFd::as_fd(&self.poller))
    }

    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "dragonfly",
    )))]
    pub(super) fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        self.buffer.with_mut(|buffer| {
            // SAFETY: `Ownership` lets one thread at a time wait, and orders one after the other.
            let buffer = unsafe { &mut *buffer };
            buffer.clear();
            self.poller.wait(buffer, timeout)?;
            events.fill(buffer.iter().map(|event| Event { key: event.key, ready: decode(&event) }));
            Ok(())
        })
    }

    pub(super) fn ring(&self) {
        // Fails only if the descriptor were closed, which we own.
        let _ = self.poller.notify();
    }

    pub(super) fn add(&self, fd: BorrowedFd<'_>, key: Key, interest: Interest) -> io::Result<()> {
        // SAFETY: `Source` deregisters before its descriptor is closed, and siblings are pollers
        // that unnest or outlive us. Where that is neglected, epoll and kqueue forget the
        // descriptor by themselves.
        unsafe { self.poller.add_with_mode(fd.as_raw_fd(), event(key, interest), PollMode::Edge) }
    }

    pub(super) fn modify(
        &self,
        fd: BorrowedFd<'_>,
        key: Key,
        interest: Interest,
    ) -> io::Result<()> {
        self.poller.modify_with_mode(fd, event(key, interest), PollMode::Edge)
    }

    pub(super) fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.poller.delete(fd)
    }
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.poller.fmt(f)
    }
}

fn event(key: Key, interest: Interest) -> polling::Event {
    polling::Event::new(key.encode(), true, interest == Interest::Both)
}

fn decode(event: &polling::Event) -> Ready {
    let table = [
        (event.readable, Ready::READ),
        (event.writable, Ready::WRITE),
        (event.is_interrupt(), Ready::BOTH.and(Ready::READ_CLOSED).and(Ready::WRITE_CLOSED)),
        (event.is_err() == Some(true), Ready::BOTH.and(Ready::ALERT)),
    ];
    table.into_iter().filter(|(set, _)| *set).fold(Ready::NONE, |ready, (_, bits)| ready.and(bits))
}
