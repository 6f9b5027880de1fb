//! Which process listens at a socket. std's `peer_cred` is not stable, and rustix's type cannot hold
//! the 0 of a process that is in another PID namespace.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The process at the other end, which the kernel vouches for; 0 if it is in a PID namespace that this
/// process does not see.
pub fn pid(socket: impl AsFd) -> io::Result<i32> {
    let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    let (fd, cred_at) = (socket.as_fd().as_raw_fd(), (&raw mut cred).cast());
    // SAFETY: the descriptor is open; `cred` is valid for writes of `len` bytes, all of them numbers.
    match unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, cred_at, &mut len) } {
        0 => Ok(cred.pid),
        _ => Err(io::Error::last_os_error()),
    }
}
