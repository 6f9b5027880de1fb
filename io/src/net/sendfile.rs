//! A file, or a part of it, to a socket, without a detour through this process where the system can
//! do that.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::reactor::{Direction, Waiter};
use corio_sync::place::WaitKind;
use rustix::fs::{FileType, SeekFrom};

use super::wire::{StreamSocket, Wire};
use crate::fs::{FsTask, run_blocking};
use crate::made::Made;
#[cfg(target_os = "linux")]
use crate::sigpipe::Sigpipe;
use crate::source::step;
use crate::sys;

/// Most bytes of one system call: a task that sends a large file lets others run in between.
const CHUNK: u64 = 256 << 10;
/// Bytes that are read at a time where the system cannot send from a file.
const FALLBACK_CHUNK: usize = 64 << 10;

/// Sends `count` bytes of a file from `offset` on, or all until its end, and returns how many.
/// Afterwards the file's position is behind what was sent, also if the future is dropped.
///
/// On Linux it is `sendfile(2)`, called by the task itself: a file that is not in the page cache
/// keeps the worker waiting for the disk, as it does asyncio's loop. Where the system has no such
/// call, or does not take this file, the file is read by a thread of the default executor.
///
/// Nothing else may be written to the socket meanwhile. asyncio: `loop.sock_sendfile`.
///
/// # Errors
///
/// Those of the socket, such as `BrokenPipe`, and of the file; `InvalidInput` if it is no ordinary
/// file, or if the system cannot send it and [`fallback`](SendFile::fallback) is off.
///
/// # Cancel safety
///
/// Lossy: a part was sent; [`SendFile::sent`] tells how much.
///
/// # Examples
///
/// ```no_run
/// # async fn example(socket: corio_io::net::TcpStream) -> std::io::Result<()> {
/// let file = std::fs::File::open("index.html")?;
/// let sent = corio_io::net::sendfile(&socket, &file, 0, None).await?;
/// println!("{sent} bytes");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "sock_sendfile")]
#[track_caller]
pub fn sendfile<'a, S: StreamSocket, F: AsFd>(
    socket: &'a S,
    file: &'a F,
    offset: u64,
    count: Option<u64>,
) -> SendFile<'a> {
    SendFile {
        wire: socket.wire(),
        waiter: Waiter::default(),
        file: file.as_fd(),
        offset,
        left: count.unwrap_or(u64::MAX),
        sent: 0,
        fallback: true,
        how: How::New,
        made: Made::here("sendfile"),
    }
}

/// Future of [`sendfile`]: `io::Result<u64>`.
///
/// # Examples
///
/// ```
/// use corio_io::net::{UnixStream, sendfile};
/// use std::io::Write;
///
/// # corio_runtime::run(async {
/// let (ours, theirs) = UnixStream::pair()?;
/// let mut file = corio_io::fs::temporary_file().await?.into_std().await?;
/// file.write_all(b"hello")?;
/// let mut send = sendfile(&ours, &file, 1, None).fallback(true);
/// assert_eq!((&mut send).await?, 4);
/// assert_eq!(send.sent(), 4);
/// let mut buf = [0; 4];
/// theirs.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"ello");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[must_use = "nothing is sent unless this is awaited"]
pub struct SendFile<'a> {
    wire: Wire<'a>,
    waiter: Waiter,
    file: BorrowedFd<'a>,
    offset: u64,
    left: u64,
    sent: u64,
    fallback: bool,
    how: How,
    made: Made,
}

/// ```text
/// New --(checked)--> Native --(refused)--> Reading <--> Writing
/// ```
enum How {
    New,
    /// By the system alone.
    #[cfg(target_os = "linux")]
    Native(Sigpipe),
    /// A thread reads the next chunk.
    Reading(FsTask<Vec<u8>>),
    /// The chunk, and how much of it is sent.
    Writing(Vec<u8>, usize),
}

impl SendFile<'_> {
    /// Whether the file is read and written by this process if the system cannot send it. Default:
    /// yes.
    pub fn fallback(mut self, on: bool) -> Self {
        self.fallback = on;
        self
    }

    /// Bytes that were sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    fn check(&self) -> io::Result<How> {
        let found = rustix::fs::fstat(self.file)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            let message = "sendfile sends ordinary files only";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        #[cfg(target_os = "linux")]
        return Ok(How::Native(Sigpipe::look()));
        #[cfg(not(target_os = "linux"))]
        self.refused()
    }

    /// The system does not send this file.
    fn refused(&self) -> io::Result<How> {
        if !self.fallback {
            let message = "the system cannot send this file by itself";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let file: OwnedFd = self.file.try_clone_to_owned()?;
        let at = self.offset + self.sent;
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(FALLBACK_CHUNK);
        Ok(How::Reading(run_blocking(move || {
            let mut chunk = vec![0; want];
            let n = loop {
                match rustix::io::pread(&file, &mut chunk[..], at) {
                    Err(rustix::io::Errno::INTR) => {}
                    read => break read?,
                }
            };
            chunk.truncate(n);
            Ok(chunk)
        })))
    }

    fn count(&mut self, n: usize) {
        self.sent += n as u64;
        self.left -= n as u64;
    }

    #[cfg(target_os = "linux")]
    fn poll_native(&mut self, sigpipe: Sigpipe, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { wire, waiter, file, offset, left, sent, made, .. } = self;
        let want = usize::try_from((*left).min(CHUNK)).unwrap_or(usize::MAX);
        let mut from = *offset + *sent;
        step(WaitKind::Write, made.at(), cx, |cx| {
            // A short result may be the end of the file, so this is no transfer.
            wire.source.poll_io_with(wire.fd, Direction::Write, waiter, cx, || {
                sigpipe.call(|| Ok(rustix::fs::sendfile(wire.fd, *file, Some(&mut from), want)?))
            })
        })
    }

    /// Sends a part of a chunk.
    fn poll_chunk(
        wire: Wire<'_>,
        waiter: &mut Waiter,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        rest: &[u8],
    ) -> Poll<io::Result<usize>> {
        step(WaitKind::Write, at, cx, |cx| {
            let send = || sys::send(wire.fd, rest);
            wire.source.poll_transfer_with(wire.fd, Direction::Write, rest.len(), waiter, cx, send)
        })
    }
}

/// Whether the system says that it cannot send this file by itself.
#[cfg(target_os = "linux")]
fn cannot(error: &io::Error) -> bool {
    use rustix::io::Errno;

    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(code, Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::OVERFLOW))
}

impl Future for SendFile<'_> {
    type Output = io::Result<u64>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let at = this.made.begin();
        loop {
            if this.left == 0 {
                return Poll::Ready(Ok(this.sent));
            }
            match &mut this.how {
                How::New => this.how = this.check()?,
                #[cfg(target_os = "linux")]
                &mut How::Native(sigpipe) => match ready!(this.poll_native(sigpipe, cx)) {
                    Ok(0) => return Poll::Ready(Ok(this.sent)),
                    Ok(n) => this.count(n),
                    Err(error) if this.sent == 0 && cannot(&error) => this.how = this.refused()?,
                    Err(error) => return Poll::Ready(Err(error)),
                },
                How::Reading(read) => {
                    let chunk = ready!(Pin::new(read).poll(cx))?;
                    if chunk.is_empty() {
                        return Poll::Ready(Ok(this.sent));
                    }
                    this.how = How::Writing(chunk, 0);
                }
                How::Writing(chunk, done) => {
                    let rest = &chunk[*done..];
                    if rest.is_empty() {
                        this.how = this.refused()?;
                        continue;
                    }
                    let polled = Self::poll_chunk(this.wire, &mut this.waiter, at, cx, rest);
                    let n = ready!(polled)?;
                    *done += n;
                    this.count(n);
                }
            }
        }
    }
}

impl Drop for SendFile<'_> {
    fn drop(&mut self) {
        if self.sent > 0 {
            // An ordinary file has positions; asyncio leaves it there too.
            let _ = rustix::fs::seek(self.file, SeekFrom::Start(self.offset + self.sent));
        }
    }
}

impl fmt::Debug for SendFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFile")
            .field("sent", &self.sent)
            .field("at", &format_args!("{}", self.made.at()))
            .finish_non_exhaustive()
    }
}
