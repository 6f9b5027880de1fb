//! Linux: one system call per wait, one `write` per wake-up.
//!
//! `polling` has no part in it: its poller would come with an eventfd and a timerfd of its own,
//! which its wait needs and ours does not, thirteen system calls to make and close instead of five.
//! Timeouts are exact to the nanosecond with `epoll_pwait2`, which also makes a timerfd unnecessary. It
//! came with Linux 5.11, and some seccomp filters refuse it: then `epoll_pwait` serves, rounded up
//! to milliseconds. Where there is nothing to round, without a timeout or with none to wait, it
//! serves anyway: reading the timeout from memory makes `epoll_pwait2` the slower of the two.
//!
//! Descriptors are registered by `epoll_ctl` and not through `polling`, which asks for no
//! `EPOLLRDHUP`: without that flag the end of a stream that comes with the last bytes would be
//! forgotten when a short read clears the readiness (docs/decisions/061).
//!
//! The eventfd is registered edge-triggered and never read: each write is an edge. Measured
//! against a level-triggered one that is read: 440 ns per wake-up instead of 620.
use std::ffi::{c_int, c_long};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicBool;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

use super::super::key::Key;
use super::super::readiness::Ready;
use super::{CAPACITY, Event, Events, Interest};

#[derive(Debug)]
pub(in super::super) struct Poller {
    epoll: OwnedFd,
    bell: OwnedFd,
    /// False once the kernel has refused `epoll_pwait2`.
    precise: AtomicBool,
}

impl Poller {
    pub(super) fn new() -> io::Result<Self> {
        let bell =
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(
                |error| match error {
                    Errno::NOSYS | Errno::PERM => io::ErrorKind::Unsupported.into(),
                    other => io::Error::from(other),
                },
            )?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let key = EventData::new_u64(Key::Wake.encode() as u64);
        epoll::add(epoll.as_fd(), &bell, key, EventFlags::IN | EventFlags::ET)?;
        let precise = AtomicBool::new(NR_EPOLL_PWAIT2.is_some());
        Ok(Self { epoll, bell, precise })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    pub(super) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(timespec);
        let mut buffer = [MaybeUninit::<epoll::Event>::uninit(); CAPACITY];
        let raw = match self.wait_raw(&mut buffer, timeout.as_ref()) {
            Err(Errno::INTR) => return Ok(()),
            other => other?,
        };
        events.fill(raw.iter().map(|event| Event {
            // The key was made from a `usize`.
            key: event.data.u64() as usize,
            ready: decode(event.flags),
        }));
        Ok(())
    }

    fn wait_raw<'a>(
        &self,
        buffer: &'a mut [MaybeUninit<epoll::Event>; CAPACITY],
        timeout: Option<&Timespec>,
    ) -> Result<&'a [epoll::Event], Errno> {
        let exact = timeout.filter(|timeout| timeout.tv_sec != 0 || timeout.tv_nsec != 0);
        // Relaxed, like the store: a hint. Being wrong costs a system call that is refused.
        if let (Some(timeout), true) = (exact, self.precise.load(Relaxed)) {
            match epoll_pwait2(self.epoll.as_fd(), buffer, timeout) {
                Ok(n) => {
                    let written = ptr::from_ref(&buffer[..n]) as *const [epoll::Event];
                    // SAFETY: the kernel has written this many events.
                    return Ok(unsafe { &*written });
                }
                Err(Errno::NOSYS | Errno::PERM) => self.precise.store(false, Relaxed),
                Err(error) => return Err(error),
            }
        }
        let timeout = timeout.map(in_milliseconds);
        epoll::wait(self.epoll.as_fd(), &mut buffer[..], timeout.as_ref())
            .map(|(events, _)| &*events)
    }

    pub(super) fn ring(&self) {
        // Fails only if the counter, which is never read, reaches 2^64 - 1.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    pub(super) fn add(&self, fd: BorrowedFd<'_>, key: Key, interest: Interest) -> io::Result<()> {
        let data = EventData::new_u64(key.encode() as u64);
        Ok(epoll::add(self.epoll.as_fd(), fd, data, flags(interest))?)
    }

    pub(super) fn modify(
        &self,
        fd: BorrowedFd<'_>,
        key: Key,
        interest: Interest,
    ) -> io::Result<()> {
        let data = EventData::new_u64(key.encode() as u64);
        Ok(epoll::modify(self.epoll.as_fd(), fd, data, flags(interest))?)
    }

    pub(super) fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(self.epoll.as_fd(), fd)?)
    }
}

fn flags(interest: Interest) -> EventFlags {
    let read = EventFlags::ET | EventFlags::IN | EventFlags::RDHUP | EventFlags::PRI;
    match interest {
        Interest::Read => read,
        Interest::Both => read | EventFlags::OUT,
    }
}

/// What an event says.
///
/// An error wakes both directions, since either may be the one that learns of it. Urgent data
/// makes a read stop short of it: like an error it must not be cleared by a short read.
fn decode(flags: EventFlags) -> Ready {
    let table = [
        (EventFlags::IN, Ready::READ),
        (EventFlags::OUT, Ready::WRITE),
        (EventFlags::PRI, Ready::READ.and(Ready::ALERT)),
        (EventFlags::RDHUP, Ready::READ.and(Ready::READ_CLOSED)),
        (EventFlags::HUP, Ready::BOTH.and(Ready::READ_CLOSED).and(Ready::WRITE_CLOSED)),
        (EventFlags::ERR, Ready::BOTH.and(Ready::ALERT)),
    ];
    table
        .into_iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .fold(Ready::NONE, |ready, (_, bits)| ready.and(bits))
}

fn timespec(timeout: Duration) -> Timespec {
    Timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    }
}

/// The longest timeout `epoll_pwait` takes: it may end early, so it may be cut.
fn in_milliseconds(timeout: &Timespec) -> Timespec {
    const LIMIT_S: i64 = i32::MAX as i64 / 1_000 - 1;
    if timeout.tv_sec > LIMIT_S { Timespec { tv_sec: LIMIT_S, tv_nsec: 0 } } else { *timeout }
}

/// The number of `epoll_pwait2`; the same on all architectures whose table is the common one.
const NR_EPOLL_PWAIT2: Option<c_long> = if cfg!(any(
    all(target_arch = "x86_64", target_pointer_width = "64"),
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "loongarch64",
    target_arch = "s390x",
    target_arch = "powerpc64",
)) {
    Some(441)
} else {
    None
};

// SAFETY: this is how libc declares it on every Linux.
unsafe extern "C" {
    /// libc's system call by number. `rustix` offers `epoll_pwait2` only by a feature that drops
    /// the fallback for older kernels, for every user of `rustix` in the program.
    fn syscall(number: c_long, ...) -> c_long;
}

/// Fills `buffer` from its start and returns how many events were written.
fn epoll_pwait2(
    epoll: BorrowedFd<'_>,
    buffer: &mut [MaybeUninit<epoll::Event>; CAPACITY],
    timeout: &Timespec,
) -> Result<usize, Errno> {
    let Some(number) = NR_EPOLL_PWAIT2 else { return Err(Errno::NOSYS) };
    let epoll: c_int = epoll.as_raw_fd();
    let timeout = ptr::from_ref(timeout);
    let (no_mask, mask_size) = (ptr::null::<()>(), 8_usize);
    // SAFETY: `rustix`'s event and timespec have the kernel's layout, the buffer is as long as we
    // say, and there is no signal mask. The kernel writes nothing else.
    let n = unsafe {
        syscall(number, epoll, buffer.as_mut_ptr(), CAPACITY as c_int, timeout, no_mask, mask_size)
    };
    usize::try_from(n)
        .map_err(|_| Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn without_pwait2_timeouts_are_rounded_up() {
        let poller = Poller::new().unwrap();
        for precise in [true, false] {
            poller.precise.store(precise, Relaxed);
            for timeout in [Duration::from_micros(300), Duration::from_millis(3)] {
                let start = Instant::now();
                poller.wait(&mut Events::new(), Some(timeout)).unwrap();
                assert!(start.elapsed() >= timeout, "came back early, precise: {precise}");
            }
            assert_eq!(poller.precise.load(Relaxed), precise);
        }
    }

    #[test]
    fn endless_timeouts_are_cut_not_refused() {
        let poller = Poller::new().unwrap();
        for precise in [true, false] {
            poller.precise.store(precise, Relaxed);
            poller.ring();
            poller.wait(&mut Events::new(), Some(Duration::MAX)).unwrap();
        }
    }

    #[test]
    fn each_ring_ends_one_wait() {
        let poller = Poller::new().unwrap();
        let mut events = Events::new();
        for _ in 0..3 {
            poller.ring();
            poller.ring();
            poller.wait(&mut events, None).unwrap();
            assert_eq!(events.as_slice().len(), 1);
            assert_eq!(Key::decode(events.as_slice()[0].key), Key::Wake);
            poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
            assert!(events.as_slice().is_empty());
        }
    }

    #[test]
    fn flags_are_decoded() {
        assert_eq!(decode(EventFlags::IN), Ready::READ);
        assert_eq!(decode(EventFlags::OUT), Ready::WRITE);
        let fin = decode(EventFlags::IN | EventFlags::RDHUP);
        assert!(fin.intersects(Ready::READ_CLOSED) && !fin.intersects(Ready::WRITE));
        let reset = decode(EventFlags::HUP | EventFlags::ERR);
        for bit in [Ready::READ, Ready::WRITE, Ready::WRITE_CLOSED, Ready::ALERT] {
            assert!(reset.intersects(bit));
        }
    }
}
