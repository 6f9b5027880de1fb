//! The system calls of sockets: one each, without a wait, and without SIGPIPE. And what errors mean.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
#[cfg(any(feature = "tokio-io", feature = "hyper"))]
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::path::Path;

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use socket2::{Domain, Protocol, Socket, Type};

use crate::context::failed;

/// Reads into memory that need not be initialized; the first part of the result is what was read.
#[cfg(any(feature = "tokio-io", feature = "hyper"))]
#[inline]
pub(crate) fn recv<'a>(
    fd: BorrowedFd<'_>,
    buf: &'a mut [MaybeUninit<u8>],
) -> io::Result<&'a mut [u8]> {
    let ((read, _rest), _) = rustix::net::recv(fd, buf, RecvFlags::empty())?;
    Ok(read)
}

/// Reads into initialized memory.
#[inline]
pub(crate) fn recv_init(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    let (read, _) = rustix::net::recv(fd, buf, RecvFlags::empty())?;
    Ok(read)
}

/// Reads into the room behind what a vector holds.
pub(crate) fn recv_vec(fd: BorrowedFd<'_>, buf: &mut Vec<u8>) -> io::Result<usize> {
    let (read, _) = rustix::net::recv(fd, rustix::buffer::spare_capacity(buf), RecvFlags::empty())?;
    Ok(read)
}

/// Reads and leaves what was read where it is.
pub(crate) fn peek(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    let (read, _) = rustix::net::recv(fd, buf, RecvFlags::PEEK)?;
    Ok(read)
}

/// Most buffers that one call takes; the system refuses more (`IOV_MAX`).
const BUFFERS_MAX: usize = 1024;

/// How many bytes one call may move: those of the buffers that it takes. The others must not count:
/// a call that has filled all that it took says nothing of what the system has left.
pub(crate) fn room(bufs: &[impl Deref<Target = [u8]>]) -> usize {
    bufs.iter().take(BUFFERS_MAX).map(|buf| buf.len()).sum()
}

pub(crate) fn recv_vectored(fd: BorrowedFd<'_>, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let count = bufs.len().min(BUFFERS_MAX);
    Ok(rustix::io::readv(fd, &mut bufs[..count])?)
}

/// Apple's systems have no such flag; there std sets an option on each socket instead.
#[cfg(not(target_vendor = "apple"))]
const QUIET: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const QUIET: SendFlags = SendFlags::empty();

#[inline]
pub(crate) fn send(fd: BorrowedFd<'_>, buf: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(fd, buf, QUIET)?)
}

pub(crate) fn send_vectored(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let bufs = &bufs[..bufs.len().min(BUFFERS_MAX)];
    Ok(rustix::net::sendmsg(fd, bufs, &mut SendAncillaryBuffer::default(), QUIET)?)
}

/// Accepts a connection: non-blocking, and closed when the process executes another program.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    use rustix::net::SocketFlags;

    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (fd, peer) = rustix::net::acceptfrom_with(listener, flags)?;
    let stream = TcpStream::from(fd);
    match peer.map(SocketAddr::try_from) {
        Some(Ok(peer)) => Ok((stream, peer)),
        _ => stream.peer_addr().map(|peer| (stream, peer)),
    }
}

/// Accepts a connection: non-blocking, and closed when the process executes another program.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, peer))
}

/// A TCP socket: non-blocking, and closed when the process executes another program.
pub(crate) fn tcp_socket(address: &SocketAddr) -> io::Result<Socket> {
    new_socket(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP))
}

/// A UDP socket: non-blocking, and closed when the process executes another program.
pub(crate) fn udp_socket(address: &SocketAddr) -> io::Result<Socket> {
    new_socket(Domain::for_address(*address), Type::DGRAM, Some(Protocol::UDP))
}

/// A Unix socket: non-blocking, and closed when the process executes another program.
pub(crate) fn unix_socket(kind: Type) -> io::Result<Socket> {
    new_socket(Domain::UNIX, kind, None)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn new_socket(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    Socket::new(domain, kind.nonblocking(), protocol)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn new_socket(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    let socket = Socket::new(domain, kind, protocol)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Removes a socket's file that is left from before; anything else stays, and binding fails. So does
/// what this process may not look at: it may be allowed to make a file there all the same.
pub(crate) fn remove_stale_socket(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Ok(()),
            _ => Err(error),
        },
    };
    removed.map_err(|error| failed("bind", path.display(), error))
}

/// Two connected sockets that keep messages apart.
pub(crate) fn seqpacket_pair() -> io::Result<(Socket, Socket)> {
    let (a, b) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
    a.set_nonblocking(true)?;
    b.set_nonblocking(true)?;
    Ok((a, b))
}

/// Accepts a Unix connection: non-blocking, and closed when the process executes another program.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn accept_unix(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, UnixAddr)> {
    use rustix::net::{SocketAddrUnix, SocketFlags};

    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (fd, peer) = rustix::net::acceptfrom_with(listener, flags)?;
    // A path may fill its room to the last byte, without an end mark: rustix panics at it, and std
    // makes no such address, but takes it from the system.
    let full = size_of::<libc::sockaddr_un>() as libc::socklen_t;
    let peer = peer.filter(|peer| peer.addr_len() < full);
    let peer = peer.and_then(|peer| SocketAddrUnix::try_from(peer).ok());
    if let Some(Ok(peer)) = peer.map(|peer| unix_addr(&peer)) {
        return Ok((fd, peer));
    }
    let socket = std::os::unix::net::UnixStream::from(fd);
    let peer = socket.peer_addr().or_else(|_| UnixAddr::from_pathname(""))?;
    Ok((socket.into(), peer))
}

/// A Unix address as std has it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn unix_addr(address: &rustix::net::SocketAddrUnix) -> io::Result<UnixAddr> {
    use std::ffi::OsStr;
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;

    // An unnamed peer comes as an empty abstract name.
    if let Some(name) = address.abstract_name().filter(|name| !name.is_empty()) {
        return UnixAddr::from_abstract_name(name);
    }
    let path = address.path();
    UnixAddr::from_pathname(OsStr::from_bytes(path.as_deref().unwrap_or_default().to_bytes()))
}

/// Accepts a Unix connection: non-blocking, and closed when the process executes another program.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn accept_unix(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, UnixAddr)> {
    let (socket, peer) = socket2::SockRef::from(&listener).accept()?;
    socket.set_nonblocking(true)?;
    let peer = peer.as_pathname().map_or_else(std::path::PathBuf::new, Into::into);
    Ok((socket.into(), UnixAddr::from_pathname(peer)?))
}

/// Begins to connect: `Ok(false)` if the end of it has to be awaited.
pub(crate) fn connect(socket: &Socket, address: SocketAddr) -> io::Result<bool> {
    match socket.connect(&address.into()) {
        Ok(()) => Ok(true),
        Err(error) if in_progress(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn in_progress(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    // A signal does not stop a connection that is being made (POSIX, connect).
    matches!(code, Some(rustix::io::Errno::INPROGRESS | rustix::io::Errno::INTR))
}

/// Makes a call again for as long as signals interrupt it.
pub(crate) fn uninterrupted<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// True if the system has no room for one more descriptor, or (ENOSPC) none to watch it.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;

    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS | Errno::NOSPC))
}

/// True if `accept` hands over an error of one connection (accept(2), "Error handling"), and not of
/// the listener: the next call may do well.
pub(crate) fn is_of_a_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    use rustix::io::Errno;

    let kind = matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | NetworkDown
            | NetworkUnreachable
            | HostUnreachable
            | PermissionDenied
            | TimedOut
    );
    // Those that std has no kind for.
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if code == Some(Errno::NONET) {
        return true;
    }
    let others = [Errno::PROTO, Errno::NOPROTOOPT, Errno::HOSTDOWN, Errno::OPNOTSUPP];
    kind || code.is_some_and(|code| others.contains(&code))
}
