//! What a handler rings and a listener hears.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Both ends of a bell, neither of which waits. On Linux a counter: to ring takes no memory of the
/// system, so no signal is lost where there is none left.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn bell() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::event::{EventfdFlags, eventfd};

    let ours = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
    let theirs = ours.try_clone()?;
    Ok((ours, theirs))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn bell() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    Ok((ours.into(), theirs.into()))
}

/// Rings, by one system call that may be made in a handler.
pub(super) fn ring(theirs: &OwnedFd) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let rung = rustix::io::write(theirs, &1_u64.to_ne_bytes());
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let rung = crate::sys::send(std::os::fd::AsFd::as_fd(theirs), &[0]);
    // If there is no room, the listener has signals to take already.
    let _ = rung;
}

/// Takes all signals that have come, unless there are very many; fails with `WouldBlock` if none has.
pub(super) fn take(ours: BorrowedFd<'_>) -> io::Result<usize> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return Ok(rustix::io::read(ours, &mut [0; 8])?);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    crate::sys::recv_init(ours, &mut [0; 64])
}
