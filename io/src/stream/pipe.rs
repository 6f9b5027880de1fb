//! Streams over pipes, terminals and other descriptors that are no sockets.
//!
//! A pipe goes one way only, and its end is a closed descriptor, where a socket is shut down. So a
//! writer and the task that sends for it share the descriptor: it is closed when both have let go
//! of it.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll};

use corio_runtime::reactor::{Direction, SourceKind};
use corio_sync::place::WaitKind;
use rustix::fs::FileType;

use super::connection::{Connection, Socket};
use super::reader::StreamReader;
use super::writer::StreamWriter;
use crate::source::{Registered, step};
use crate::sys;

/// Most pieces that one call takes; the system refuses more (`IOV_MAX`).
const PIECES_MAX: usize = 1024;

/// One end of a pipe, or a socket used as one.
#[derive(Debug)]
pub(super) struct Pipe {
    end: Registered<OwnedFd>,
    is_socket: bool,
}

impl Pipe {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
        if !matches!(kind, FileType::Fifo | FileType::Socket | FileType::CharacterDevice) {
            let message = "only pipes, sockets and character devices can be waited for";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        rustix::io::ioctl_fionbio(&fd, true)?;
        let is_socket = kind == FileType::Socket;
        Ok(Self { end: Registered::new(fd, SourceKind::Other), is_socket })
    }

    /// Reads into the room behind what a vector holds.
    pub(super) fn poll_read_vec(
        &self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let fd = self.end.fd();
        let read = || Ok(rustix::io::read(fd, rustix::buffer::spare_capacity(buf))?);
        step(WaitKind::Read, at, cx, |cx| self.end.source().poll_io(fd, Direction::Read, cx, read))
    }

    pub(super) fn poll_write_vectored(
        &self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = || self.write(parts);
        step(WaitKind::Write, at, cx, |cx| {
            self.end.source().poll_io(self.end.fd(), Direction::Write, cx, write)
        })
    }

    pub(super) fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.end.source().try_io(Direction::Write, || self.write(parts))
    }

    fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.is_socket {
            return sys::send_vectored(self.end.fd(), parts);
        }
        Ok(rustix::io::writev(self.end.fd(), &parts[..parts.len().min(PIECES_MAX)])?)
    }
}

/// Makes a reader of the reading end of a pipe, of a terminal, or of a socket. It becomes
/// non-blocking, for everybody who has it: so this is not for the standard input of a shell's
/// program, whose output would fail with it.
///
/// asyncio: `loop.connect_read_pipe`.
///
/// # Errors
///
/// `InvalidInput` for ordinary files and folders, which cannot be waited for: see
/// [`fs`](crate::fs). One that says so outside a runtime. Else the system's.
///
/// # Examples
///
/// ```
/// use std::os::fd::OwnedFd;
/// use std::os::unix::net::UnixStream;
///
/// use corio_io::stream::{connect_read_pipe, connect_write_pipe};
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let (ours, theirs) = UnixStream::pair()?;
/// let mut writer = connect_write_pipe(theirs)?;
/// writer.write(b"one\n");
/// writer.close();
/// let mut reader = connect_read_pipe(OwnedFd::from(ours))?;
/// assert_eq!(reader.read(None).await?, b"one\n");
/// # Ok(())
/// # })
/// # }
/// ```
pub fn connect_read_pipe(fd: impl Into<OwnedFd>) -> io::Result<StreamReader> {
    pipe_reader(fd.into(), super::DEFAULT_LIMIT)
}

/// Makes a writer of the writing end of a pipe, of a terminal, or of a socket. It becomes
/// non-blocking, for everybody who has it. Closing the writer, or
/// [`write_eof`](StreamWriter::write_eof), closes the descriptor after what is queued is written.
///
/// A write to a pipe that nobody reads any more is an error if SIGPIPE is ignored, which it is in
/// Rust programs; else the signal does what the program wants. Writes to sockets never raise it.
///
/// asyncio: `loop.connect_write_pipe`.
///
/// See [`connect_read_pipe`] for an example.
///
/// # Errors
///
/// As [`connect_read_pipe`].
pub fn connect_write_pipe(fd: impl Into<OwnedFd>) -> io::Result<StreamWriter> {
    pipe_writer(fd.into())
}

/// As [`connect_read_pipe`], with a limit of its own.
pub(crate) fn pipe_reader(fd: OwnedFd, limit: usize) -> io::Result<StreamReader> {
    let connection = Connection::new(Socket::Reading(Pipe::new(fd)?))?;
    Ok(StreamReader::new(connection, limit))
}

/// As [`connect_write_pipe`].
pub(crate) fn pipe_writer(fd: OwnedFd) -> io::Result<StreamWriter> {
    let pipe = Arc::new(Pipe::new(fd)?);
    let connection = Connection::new(Socket::Writing(Arc::downgrade(&pipe)))?;
    Ok(StreamWriter::of_pipe(connection, pipe))
}
