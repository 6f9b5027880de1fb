//! Sockets that this process was started with: the protocol of systemd's socket activation
//! (sd_listen_fds(3)).
//!
//! Whoever starts the process binds the sockets, hands them over as descriptors 3 and on, and says
//! so in the environment: `LISTEN_FDS` is how many, `LISTEN_PID` is whom they are for,
//! `LISTEN_FDNAMES` names them, separated by colons. So a server can be replaced while its socket
//! stays: connections that come meanwhile wait in the socket's queue and are refused by nobody.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::AtomicBool;

use socket2::{SockRef, Type};

use super::listener::TcpListener;
use super::unix::UnixListener;

/// The first descriptor that is handed over; those before it are the standard streams.
const FIRST: RawFd = 3;
/// More than this is a mistake, not a server.
const MAX: usize = 1024;

/// A socket that this process was started with; made by [`inherited_sockets`].
///
/// # Examples
///
/// ```
/// use corio_io::net::inherited_sockets;
/// use std::os::fd::OwnedFd;
///
/// # corio_runtime::run(async {
/// for socket in inherited_sockets()? {
///     match socket.name() {
///         Some("web") => drop(socket.into_tcp()?),
///         Some("control") => drop(socket.into_unix()?),
///         _ => drop::<OwnedFd>(socket.into_fd()),
///     }
/// }
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Inherited {
    name: Option<String>,
    fd: OwnedFd,
}

/// The sockets that this process was started with, by systemd or by a predecessor. They are handed
/// out once: a second call returns none. Programs that this one executes do not get them.
///
/// # Errors
///
/// `InvalidData` if the environment says something else than sd_listen_fds(3), or names a descriptor
/// that is not there.
///
/// # Examples
///
/// ```
/// use corio_io::net::{TcpListener, inherited_sockets};
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let listener = match inherited_sockets()?.pop() {
///     Some(socket) => socket.into_tcp()?,
///     None => TcpListener::bind("127.0.0.1:0").await?,
/// };
/// # drop(listener);
/// # Ok(())
/// # })
/// # }
/// ```
pub fn inherited_sockets() -> io::Result<Vec<Inherited>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);

    // Ordering: Relaxed; a flag of its own: one caller finds it unset.
    if TAKEN.swap(true, Relaxed) {
        return Ok(Vec::new());
    }
    let var = |name: &str| std::env::var(name).ok();
    let names = names(
        std::process::id(),
        var("LISTEN_PID").as_deref(),
        var("LISTEN_FDS").as_deref(),
        var("LISTEN_FDNAMES").as_deref(),
    )?;
    (FIRST..).zip(names).map(|(fd, name)| Ok(Inherited { name, fd: take(fd)? })).collect()
}

/// The name of each descriptor that is handed over; none if they are for somebody else.
pub(super) fn names(
    own: u32,
    pid: Option<&str>,
    count: Option<&str>,
    names: Option<&str>,
) -> io::Result<Vec<Option<String>>> {
    let (Some(pid), Some(count)) = (pid, count) else { return Ok(Vec::new()) };
    let invalid = |what: &str, found: &str| {
        let message = format!("{what}={found}: see sd_listen_fds(3)");
        io::Error::new(io::ErrorKind::InvalidData, message)
    };
    if pid.parse::<u32>().map_err(|_| invalid("LISTEN_PID", pid))? != own {
        return Ok(Vec::new());
    }
    let found = count.parse::<usize>().ok().filter(|found| *found <= MAX);
    let found = found.ok_or_else(|| invalid("LISTEN_FDS", count))?;
    let mut all: Vec<_> = match names {
        Some(names) => names.split(':').map(|name| Some(name.to_owned())).collect(),
        None => Vec::new(),
    };
    if all.len() > found {
        return Err(invalid("LISTEN_FDNAMES", names.unwrap_or_default()));
    }
    all.resize(found, None);
    Ok(all)
}

/// Takes a descriptor over, and keeps it from programs that this one executes.
fn take(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the environment says that whoever started this process has left the descriptor to
    // it, and `inherited_sockets` takes it once.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    match rustix::io::fcntl_setfd(&owned, rustix::io::FdFlags::CLOEXEC) {
        Ok(()) => Ok(owned),
        Err(error) => {
            // It is not open: there is nothing to close either.
            let _ = owned.into_raw_fd();
            let message = format!("descriptor {fd} was announced, but it is not there: {error}");
            Err(io::Error::new(io::ErrorKind::InvalidData, message))
        }
    }
}

impl Inherited {
    /// Its name in `LISTEN_FDNAMES`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// As a listener for TCP.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is something else.
    pub fn into_tcp(self) -> io::Result<TcpListener> {
        let listener = std::net::TcpListener::from(self.fd);
        match listener.local_addr().and_then(|_| listens(&listener)) {
            Ok(()) => TcpListener::from_std(listener),
            Err(error) => Err(other_kind("for TCP", &error)),
        }
    }

    /// As a listener for Unix streams.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is something else.
    pub fn into_unix(self) -> io::Result<UnixListener> {
        let listener = std::os::unix::net::UnixListener::from(self.fd);
        match listener.local_addr().and_then(|_| listens(&listener)) {
            Ok(()) => UnixListener::from_std(listener),
            Err(error) => Err(other_kind("for Unix streams", &error)),
        }
    }

    /// The descriptor, for other kinds of sockets.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Inherited {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// That it is a socket of streams, and accepts connections: an address tells the family alone.
fn listens(socket: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(socket);
    if socket.r#type()? != Type::STREAM {
        return Err(io::Error::other("it is no socket of streams"));
    }
    // Where the system does not tell, the first accept does.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if !socket.is_listener()? {
        return Err(io::Error::other("it does not listen"));
    }
    Ok(())
}

fn other_kind(wanted: &str, error: impl fmt::Display) -> io::Error {
    let message = format!("the inherited socket is no listener {wanted}: {error}");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn the_environment_is_read_as_systemd_writes_it() {
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(names(7, None, None, None).unwrap(), []);
        assert_eq!(names(7, Some("8"), Some("2"), None).unwrap(), [], "for somebody else");
        assert_eq!(names(7, None, Some("2"), None).unwrap(), [], "for nobody");
        assert_eq!(names(7, Some("7"), Some("2"), None).unwrap(), [None, None]);
        let both = names(7, Some("7"), Some("2"), Some("http:")).unwrap();
        assert_eq!(both, [some("http"), some("")]);
        let one = names(7, Some("7"), Some("2"), Some("http")).unwrap();
        assert_eq!(one, [some("http"), None]);
        for (pid, count, list) in
            [("x", "1", None), ("7", "-1", None), ("7", "9999", None), ("7", "1", Some("a:b"))]
        {
            let error = names(7, Some(pid), Some(count), list).unwrap_err();
            assert!(error.to_string().contains("sd_listen_fds"), "{error}");
        }
    }
}
