//! The system calls of sockets: one each, without a wait, and without SIGPIPE.

use std::io::{self, IoSlice, IoSliceMut};
#[cfg(any(feature = "tokio-io", feature = "hyper"))]
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::BorrowedFd;

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use socket2::{Domain, Protocol, Socket, Type};

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

/// Reads and leaves what was read where it is.
pub(crate) fn peek(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    let (read, _) = rustix::net::recv(fd, buf, RecvFlags::PEEK)?;
    Ok(read)
}

/// Most buffers that one call takes; the system refuses more (`IOV_MAX`).
const BUFFERS_MAX: usize = 1024;

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
    let domain = Domain::for_address(*address);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
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

/// True if the system has no room for one more descriptor.
#[cfg(feature = "axum_0_8")]
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;

    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS))
}
