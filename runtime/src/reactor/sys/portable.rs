//! Any Unix: `polling` waits and is notified.
//!
//! Edge-triggered as on Linux. What `polling` does not tell apart is assumed: the end of a stream
//! is not announced by a flag, so a short read proves nothing here.
//!
//! # A wait that fails
//!
//! `polling` waits, and then arms its bell anew. If the system refuses the second, the wait fails
//! although it has taken events, which will not come again: they are passed on with the error. And
//! until a wait succeeds the bell is dead, for `polling` and for the system: no ring would end a
//! sleep. So the waits that follow do not sleep until one has succeeded.
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
/// `taken` is touched by [`Poller::wait`] only, which one thread at a time calls.
pub(in super::super) struct Poller {
    poller: polling::Poller,
    taken: UnsafeCell<Taken>,
}

/// What the last wait has left.
struct Taken {
    buffer: polling::Events,
    /// It failed: the bell may be dead.
    failed: bool,
}

// SAFETY: `polling::Poller` is `Sync`, and `taken` is used by one thread at a time.
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
        let buffer = polling::Events::with_capacity(capacity);
        Ok(Self { poller, taken: UnsafeCell::new(Taken { buffer, failed: false }) })
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
        self.taken.with_mut(|taken| {
            // SAFETY: `Ownership` lets one thread at a time wait, and orders one after the other.
            let Taken { buffer, failed } = unsafe { &mut *taken };
            buffer.clear();
            let timeout = if *failed { Some(Duration::ZERO) } else { timeout };
            let waited = self.poller.wait(buffer, timeout);
            *failed = waited.is_err();
            events.fill(buffer.iter().map(|event| Event { key: event.key, ready: decode(&event) }));
            waited.map(drop)
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

#[cfg(all(test, target_os = "linux"))]
impl Poller {
    /// Takes the bell out of the system's list while `during` runs, so that arming it is refused, and
    /// puts it back as a refusal leaves it: unarmed.
    pub(in super::super) fn without_bell(&self, during: impl FnOnce()) {
        use rustix::event::epoll::{self, EventData, EventFlags};

        let epoll = self.as_fd().unwrap();
        let info = format!("/proc/self/fdinfo/{}", epoll.as_raw_fd());
        let info = std::fs::read_to_string(info).unwrap();
        let watched = info.lines().filter_map(|line| line.strip_prefix("tfd:"));
        let mut watched = watched.map(|line| line.split_whitespace().next().unwrap());
        let is_eventfd = |fd: &&str| {
            let what = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
            what.to_str() == Some("anon_inode:[eventfd]")
        };
        let bell = watched.find(is_eventfd).expect("the bell is an eventfd").parse().unwrap();
        // SAFETY: it is open for as long as the poller that we borrow.
        let bell = unsafe { BorrowedFd::borrow_raw(bell) };
        epoll::delete(epoll, bell).unwrap();
        during();
        // `polling` has this key for itself.
        let key = EventData::new_u64(u64::MAX);
        epoll::add(epoll, bell, key, EventFlags::ONESHOT).unwrap();
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
