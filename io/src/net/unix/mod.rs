//! Unix sockets: streams, datagrams, and connections that keep messages apart (seqpacket).
//!
//! Addresses are paths, or std's [`SocketAddr`] for names that are no paths (Linux's abstract ones,
//! made by `std::os::linux::net::SocketAddrExt`).

mod connect;
mod datagram;
mod listener;
mod seqpacket;
mod stream;

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::SocketAddr;
use std::path::Path;

#[cfg(any(target_os = "linux", target_os = "android"))]
use corio_runtime::sys::{Peer, peer};
use socket2::SockAddr;

pub use connect::UnixConnect;
pub use datagram::{UnixDatagram, UnixSendTo};
pub use listener::{UnixAccept, UnixListener};
pub use seqpacket::{
    UnixSeqpacket, UnixSeqpacketAccept, UnixSeqpacketConnect, UnixSeqpacketListener,
};
pub use stream::UnixStream;

/// Who is at the other end of a Unix connection, as the system saw it when the connection was made.
///
/// # Examples
///
/// ```
/// use corio_io::net::UnixStream;
///
/// # corio_runtime::run(async {
/// let (a, _b) = UnixStream::pair()?;
/// let peer = a.peer_cred()?;
/// assert_eq!(peer.pid(), i32::try_from(std::process::id()).ok());
/// println!("user {}, group {}", peer.uid(), peer.gid());
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UCred {
    pid: Option<i32>,
    uid: u32,
    gid: u32,
}

impl UCred {
    /// The process, if the system tells.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// The effective user.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The effective group.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.gid
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let Peer { pid, uid, gid } = peer(fd)?;
        Ok(Self { pid, uid, gid })
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn of(_fd: BorrowedFd<'_>) -> io::Result<Self> {
        let message = "peer credentials are read on Linux only";
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }
}

/// An address for messages: its path, its abstract name, or neither.
struct Shown<'a>(&'a SocketAddr);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_pathname() {
            Some(path) => path.display().fmt(f),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// A path as an address.
fn address(path: &Path) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(path)
        .map_err(|error| crate::context::failed("use the socket path", path.display(), error))
}

/// An address of std's for socket2, which knows no abstract names of std's.
fn sock_addr(address: &SocketAddr) -> io::Result<SockAddr> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        #[cfg(target_os = "android")]
        use std::os::android::net::SocketAddrExt;
        #[cfg(target_os = "linux")]
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::ffi::OsStrExt;

        if let Some(name) = address.as_abstract_name() {
            let mut bytes = Vec::with_capacity(name.len() + 1);
            bytes.push(0);
            bytes.extend_from_slice(name);
            return SockAddr::unix(std::ffi::OsStr::from_bytes(&bytes));
        }
    }
    SockAddr::unix(address.as_pathname().unwrap_or_else(|| Path::new("")))
}
