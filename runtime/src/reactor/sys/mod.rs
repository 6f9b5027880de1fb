//! Waiting on the operating system.
//!
//! On Linux an epoll instance of our own (see `linux.rs`): `polling` spends five system calls per
//! wait, we spend one. Elsewhere, and on Linux with `CORIO_POLLER=portable`, `polling` waits and is
//! notified by its own means.
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::ptr;
use std::time::Duration;

#[cfg(target_os = "linux")]
mod linux;
mod portable;
mod slack;

use super::key::Key;
use super::readiness::Ready;
pub(crate) use slack::{set_timer_slack, set_timer_slack_for_good};

/// How many events one wait can return.
pub(super) const CAPACITY: usize = 256;

/// One event: whom it is for and what it says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) key: usize,
    pub(super) ready: Ready,
}

/// The events of one wait, on the stack of who waits. Not zeroed: 4 KiB per poll would show.
///
/// # Safety
///
/// The first `len` places of `list` are initialized.
pub(super) struct Events {
    list: [MaybeUninit<Event>; CAPACITY],
    len: usize,
}

impl Events {
    pub(super) const fn new() -> Self {
        Self { list: [const { MaybeUninit::uninit() }; CAPACITY], len: 0 }
    }

    pub(super) fn as_slice(&self) -> &[Event] {
        let written = ptr::from_ref(&self.list[..self.len]) as *const [Event];
        // SAFETY: `fill` has written the first `len` places.
        unsafe { &*written }
    }

    /// True if there may be more events than these.
    pub(super) const fn is_full(&self) -> bool {
        self.len == CAPACITY
    }

    /// Replaces the events. Those beyond the capacity are left out: no back end has them.
    fn fill(&mut self, events: impl IntoIterator<Item = Event>) {
        self.len = 0;
        for (place, event) in self.list.iter_mut().zip(events) {
            place.write(event);
            self.len += 1;
        }
    }
}

/// What a source wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// Readable only.
    Read,
    /// Readable and writable.
    Both,
}

/// The operating system's poller.
///
/// One thread at a time may [`wait`](Self::wait); that is what `Ownership` sees to. Everything
/// else may be called from any thread at any time.
#[derive(Debug)]
pub(super) enum System {
    #[cfg(target_os = "linux")]
    Linux(linux::Poller),
    Portable(portable::Poller),
}

impl System {
    /// The best poller this system has, unless `CORIO_POLLER` asks for the portable one.
    pub(super) fn new() -> io::Result<Self> {
        let portable = std::env::var_os("CORIO_POLLER").is_some_and(|value| value == "portable");
        if portable { Self::portable() } else { Self::native() }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn native() -> io::Result<Self> {
        match linux::Poller::new() {
            // Some sandboxes have no eventfd. `polling` then uses a pipe.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Self::portable(),
            poller => poller.map(Self::Linux),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn native() -> io::Result<Self> {
        Self::portable()
    }

    pub(super) fn portable() -> io::Result<Self> {
        portable::Poller::new().map(Self::Portable)
    }

    /// True if the end of a stream is announced by a flag of its own, so that a short read on a
    /// stream without it proves that nothing is left.
    pub(super) const fn announces_end(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(_) => true,
            Self::Portable(_) => false,
        }
    }

    /// Waits for events, at most for `timeout`; may return early and with none. A wait that fails may
    /// have taken events all the same.
    pub(super) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(poller) => poller.wait(events, timeout),
            Self::Portable(poller) => poller.wait(events, timeout),
        }
    }

    /// Ends the present wait or the next one.
    pub(super) fn ring(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(poller) => poller.ring(),
            Self::Portable(poller) => poller.ring(),
        }
    }

    /// Registers a descriptor, edge-triggered. What it is ready for now is announced at once.
    pub(super) fn add(&self, fd: BorrowedFd<'_>, key: Key, interest: Interest) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(poller) => poller.add(fd, key, interest),
            Self::Portable(poller) => poller.add(fd, key, interest),
        }
    }

    /// Changes the interest. What the descriptor is ready for now is announced again.
    pub(super) fn modify(
        &self,
        fd: BorrowedFd<'_>,
        key: Key,
        interest: Interest,
    ) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(poller) => poller.modify(fd, key, interest),
            Self::Portable(poller) => poller.modify(fd, key, interest),
        }
    }

    /// Ends a registration.
    pub(super) fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(poller) => poller.delete(fd),
            Self::Portable(poller) => poller.delete(fd),
        }
    }

    /// The descriptor that becomes readable when this poller has events.
    fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(poller) => Ok(poller.as_fd()),
            Self::Portable(poller) => poller.as_fd(),
        }
    }

    /// Announces in this poller that `other` has events, under `key`.
    ///
    /// # Errors
    ///
    /// `ELOOP` if `other` announces this one, directly or not, or if five are nested.
    pub(super) fn nest(&self, other: &Self, key: Key) -> io::Result<()> {
        self.add(other.as_fd()?, key, Interest::Read)
    }

    /// Announces it once more if it has events now.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not announced here.
    pub(super) fn renest(&self, other: &Self, key: Key) -> io::Result<()> {
        let (fd, interest) = (other.as_fd()?, Interest::Read);
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(poller) => poller.modify(fd, key, interest),
            Self::Portable(poller) => poller.modify(fd, key, interest),
        }
    }

    /// Undoes [`nest`](Self::nest).
    pub(super) fn unnest(&self, other: &Self) -> io::Result<()> {
        self.delete(other.as_fd()?)
    }
}
