//! Binary files.

use std::fmt;
use std::future::Future;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::{Handle, Job};
use corio_sync::oneshot;
use corio_sync::place::{self, WaitKind};

use super::BUFFER;
use super::core::Core;
use super::finish::{FileTell, ReadInto};
use super::lines::FileLines;
use super::mode::Mode;
use super::op::{FileOp, Started, Step, settle};
use super::open::OpenOptions;
use super::operations::ReadIntoOp;
use crate::made::Made;

/// A file of bytes, buffered.
///
/// Every operation takes `&mut self` and is a future that does nothing before it is polled. Dropping
/// one lets what has begun run to its end; the next operation waits for that, and gets its error, or
/// the bytes that it has read.
///
/// asyncio has no files; this is aiofiles' `AsyncBufferedReader`, `AsyncBufferedIOBase` and, with a
/// buffer of 0 bytes, `AsyncFileIO`.
///
/// # Traits
///
/// `AsyncRead`, `AsyncBufRead`, `AsyncWrite` and `AsyncSeek` of futures-io and of tokio, by the features
/// `futures-io` and `tokio-io`. A `poll_write` is ready when the file has taken the bytes, at most 2 MiB
/// of them; if they do not fit into the buffer, a thread has begun to write them, and an error of that is
/// told by the next call, `poll_flush` for one. A file that is dropped meanwhile is written to its end all
/// the same, but nobody hears of an error: flush it. futures-io's `poll_close` closes the file, as
/// [`close`](Self::close) does; tokio's `poll_shutdown` is a flush, as for tokio's own files.
///
/// # Examples
///
/// ```
/// use std::io::SeekFrom;
///
/// use corio_io::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// # let path = std::env::temp_dir().join(format!("corio-doc-{}", std::process::id()));
/// let mut file = fs::open(&path, "w+").await?;
/// file.write("one\ntwo\n").await?;
/// file.seek(SeekFrom::Start(0)).await?;
/// let mut lines = file.lines();
/// while let Some(line) = lines.next_line().await {
///     print!("{}", String::from_utf8_lossy(&line?));
/// }
/// file.close().await?;
/// # fs::remove(path).await
/// # })
/// # }
/// ```
pub struct File {
    pub(super) state: State,
    /// What is to be done with the file when it comes back from its thread.
    pub(super) unheard: Option<Unheard>,
    pub(super) path: PathBuf,
    mode: Mode,
    /// Where it was opened: what dumps say when a trait's method waits, which does not know its
    /// caller.
    pub(super) opened_at: &'static Location<'static>,
    /// What tokio's `start_seek` was asked for.
    #[cfg(feature = "tokio-io")]
    pub(crate) seeking: Option<io::SeekFrom>,
}

type Unheard = Box<dyn FnOnce(&mut Core) + Send + Sync>;

pub(super) enum State {
    Idle(Box<Core>),
    /// Lent to a thread.
    Busy(Job<Box<Core>>),
    Closed,
}

/// What an operation does: at once with the buffer, or on a thread.
pub trait Operation: Unpin {
    /// What it results in.
    type Output: Send + Sync + 'static;

    /// The result, if the buffer has it.
    #[doc(hidden)]
    fn at_once(&mut self, core: &mut CoreAccess<'_>) -> Option<Self::Output>;

    /// The call for a thread.
    #[doc(hidden)]
    fn on_thread(self) -> Call<Self::Output>;

    /// Whether it is done although one before it has failed that nobody waited for, and tells so.
    #[doc(hidden)]
    const IN_ANY_CASE: bool = false;

    /// What becomes of a result that nobody waited for. Reads give their bytes back.
    #[doc(hidden)]
    fn unheard(_core: &mut CoreAccess<'_>, _output: Self::Output) {}
}

/// The file of an operation.
#[doc(hidden)]
pub struct CoreAccess<'a>(pub(super) &'a mut Core);

/// What a thread does with the file.
#[doc(hidden)]
pub struct Call<R>(pub(super) Lent<R>);

pub(super) type Lent<R> = Box<dyn FnOnce(&mut Core) -> io::Result<R> + Send>;

impl File {
    /// How to open a file that [`open`](super::open)'s modes do not say.
    ///
    /// See [`OpenOptions`] for an example.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes a file of std's over, for reading and writing as far as the system allows it.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::fs::File;
    ///
    /// # corio_runtime::run(async {
    /// let file = File::from_std(std::fs::File::open("/dev/null")?);
    /// assert!(file.readable() && file.writable(), "as far as the system allows it");
    /// assert!(!file.is_terminal());
    /// let back: std::fs::File = file.into_std().await?;
    /// assert_eq!(back.metadata()?.len(), 0);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    #[track_caller]
    pub fn from_std(file: std::fs::File) -> Self {
        let mode = Mode::CLOSED.with(|mode| (mode.read, mode.write) = (true, true));
        Self::new(Core::new(file, BUFFER, mode), PathBuf::new(), mode)
    }

    /// The same without a buffer: a write is ready when the system has all of it.
    #[track_caller]
    pub(crate) fn from_std_written_through(file: std::fs::File) -> Self {
        let mode = Mode::CLOSED.with(|mode| (mode.read, mode.write) = (true, true));
        Self::new(Core::new(file, 0, mode).written_through(), PathBuf::new(), mode)
    }

    /// The descriptor. Python: `fileno`. What is buffered is not in it: flush before it is written
    /// to.
    ///
    /// # Errors
    ///
    /// If the file is closed, or a thread has it because an operation was dropped half-way.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::fs;
    ///
    /// # corio_runtime::run(async {
    /// # let folder = fs::temporary_directory().await?;
    /// # let path = folder.path().join("file");
    /// let mut file = fs::open(&path, "w+").await?;
    /// assert!(fs::sameopenfile(file.fileno()?, std::fs::File::open(&path)?)?);
    /// assert_eq!((file.path(), file.mode()), (&*path, "wb+"));
    /// assert!(file.readable() && file.writable() && file.seekable());
    /// file.close().await?;
    /// assert!(file.closed() && file.fileno().is_err());
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn fileno(&self) -> io::Result<BorrowedFd<'_>> {
        self.idle().map(|core| core.file().as_fd()).ok_or_else(|| closed(&self.path))
    }

    #[track_caller]
    pub(super) fn new(core: Core, path: PathBuf, mode: Mode) -> Self {
        let state = State::Idle(Box::new(core));
        Self {
            state,
            unheard: None,
            path,
            mode,
            opened_at: Location::caller(),
            #[cfg(feature = "tokio-io")]
            seeking: None,
        }
    }

    /// Waits until no thread has the file; `None` if it is closed.
    pub(super) fn poll_idle(
        &mut self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<io::Result<Option<&mut Core>>> {
        if let State::Busy(job) = &mut self.state {
            let Poll::Ready(back) = Pin::new(job).poll(cx) else {
                place::note(WaitKind::Executor, at);
                return Poll::Pending;
            };
            self.state = match back {
                Ok(mut core) => {
                    if let Some(settle) = self.unheard.take() {
                        settle(&mut core);
                    }
                    State::Idle(core)
                }
                Err(error) => {
                    self.state = State::Closed;
                    return Poll::Ready(Err(io::Error::other(error)));
                }
            };
        }
        Poll::Ready(Ok(match &mut self.state {
            State::Idle(core) => Some(core),
            State::Busy(_) | State::Closed => None,
        }))
    }

    /// The file when no thread has it, or what went wrong before.
    pub(super) fn poll_usable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Core>> {
        let at = self.opened_at;
        ready!(self.poll_idle(cx, at))?;
        Poll::Ready(match &mut self.state {
            State::Idle(core) => match core.deferred.take() {
                Some(error) => Err(error),
                None => Ok(core),
            },
            State::Busy(_) | State::Closed => Err(closed(&self.path)),
        })
    }

    /// Lends the file to a thread; the next poll hears of an error.
    pub(super) fn lend(
        &mut self,
        handle: &Handle,
        call: impl FnOnce(&mut Core) -> io::Result<()> + Send + 'static,
    ) {
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::Idle(mut core) => State::Busy(handle.run_in_executor(None, move || {
                if let Err(error) = call(&mut core) {
                    core.deferred.get_or_insert(error);
                }
                core
            })),
            other => other,
        };
    }

    /// Begins an operation on an idle file; after an error it is still there.
    pub(super) fn start<O: Operation>(
        &mut self,
        operation: &mut Option<O>,
    ) -> io::Result<Started<O::Output>> {
        let State::Idle(core) = &mut self.state else { return Err(closed(&self.path)) };
        if !O::IN_ANY_CASE {
            core.deferred.take().map_or(Ok(()), Err)?;
        }
        core.told = None;
        let begun = operation.as_mut().expect("a file operation is polled until it is ready");
        if let Some(output) = begun.at_once(&mut CoreAccess(core)) {
            *operation = None;
            return Ok(Started::Done(output));
        }
        let handle = handle()?;
        let Some(Call(call)) = operation.take().map(O::on_thread) else { return Err(lost()) };
        let State::Idle(mut core) = std::mem::replace(&mut self.state, State::Closed) else {
            return Err(closed(&self.path));
        };
        let (sender, receiver) = oneshot::channel();
        self.state = State::Busy(handle.run_in_executor(None, move || {
            if let Err(unheard) = sender.send(call(&mut core)) {
                settle::<O>(&mut core, unheard);
            }
            core
        }));
        Ok(Started::Running(receiver))
    }

    #[track_caller]
    pub(super) fn operation<O: Operation>(&mut self, operation: O) -> FileOp<'_, O> {
        FileOp { file: self, step: Step::new(operation) }
    }

    /// The path that it was opened by. Python: `name`.
    ///
    /// See [`fileno`](Self::fileno) for an example.
    #[must_use]
    #[doc(alias = "name")]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The mode as Python writes it, such as `"rb+"`.
    ///
    /// See [`fileno`](Self::fileno) for an example.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        self.mode.name()
    }

    /// Whether it was opened for reading.
    ///
    /// See [`fileno`](Self::fileno) for an example.
    #[must_use]
    pub fn readable(&self) -> bool {
        self.mode.read
    }

    /// Whether it was opened for writing.
    ///
    /// See [`fileno`](Self::fileno) for an example.
    #[must_use]
    pub fn writable(&self) -> bool {
        self.mode.write
    }

    /// Whether it has positions; a pipe has none. False while a thread has the file.
    ///
    /// See [`fileno`](Self::fileno) for an example.
    #[must_use]
    pub fn seekable(&self) -> bool {
        self.idle().is_some_and(|core| rustix::fs::tell(core.file()).is_ok())
    }

    /// Whether it is a terminal. Python: `isatty`. False while a thread has the file.
    ///
    /// See [`from_std`](Self::from_std) for an example.
    #[must_use]
    #[doc(alias = "isatty")]
    pub fn is_terminal(&self) -> bool {
        self.idle().is_some_and(|core| core.file().is_terminal())
    }

    /// Whether it was closed.
    ///
    /// See [`fileno`](Self::fileno) for an example.
    #[must_use]
    pub fn closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    pub(super) fn idle(&self) -> Option<&Core> {
        match &self.state {
            State::Idle(core) => Some(core),
            State::Busy(_) | State::Closed => None,
        }
    }

    /// The lines of the file from here on; Python's `async for`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::SeekFrom;
    ///
    /// use corio_io::fs;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let mut file = fs::temporary_file().await?;
    /// file.write("one\ntwo\n").await?;
    /// file.seek(SeekFrom::Start(0)).await?;
    /// let mut lines = file.lines();
    /// assert_eq!(lines.next_line().await.unwrap()?, b"one\n");
    /// assert_eq!(lines.next_line().await.unwrap()?, b"two\n");
    /// assert!(lines.next_line().await.is_none());
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    pub fn lines(&mut self) -> FileLines<'_> {
        FileLines { file: self }
    }

    /// Where the next byte is read or written.
    ///
    /// # Errors
    ///
    /// The system's, as for a pipe.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::fs;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let mut file = fs::temporary_file().await?;
    /// file.write("hello").await?;
    /// assert_eq!(file.tell().await?, 5);
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    #[track_caller]
    pub fn tell(&mut self) -> FileTell<'_> {
        FileTell { file: self, made: Made::here("File::tell") }
    }

    /// Reads into a buffer of yours, up to its length, and gives it back with how much was read,
    /// less only at the end of the file. It goes to the thread and back: large reads are copied
    /// nowhere else, and no memory is allocated for them.
    ///
    /// # Errors
    ///
    /// The system's; that the file is closed; or what an operation failed with that was dropped
    /// before. The buffer comes back all the same, unless the executor was shut down meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Lossy: the buffer is gone. The bytes are not: the next read gets them.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::SeekFrom;
    ///
    /// use corio_io::fs;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # corio_runtime::run(async {
    /// let mut file = fs::temporary_file().await?;
    /// file.write("hello").await?;
    /// file.seek(SeekFrom::Start(0)).await?;
    /// let (n, buffer) = file.read_into(vec![0; 3]).await;
    /// assert_eq!((n?, &buffer[..]), (3, &b"hel"[..]));
    /// # Ok(())
    /// # })
    /// # }
    /// ```
    ///
    /// The other ways to read:
    ///
    /// ```
    /// use std::io::SeekFrom;
    ///
    /// # corio_runtime::run(async {
    /// let mut file = corio_io::fs::temporary_file().await?;
    /// file.write("one\ntwo\nthree\n").await?;
    /// file.seek(SeekFrom::Start(0)).await?;
    /// assert_eq!(file.read(Some(2)).await?, b"on");
    /// assert_eq!(file.peek(Some(1)).await?, b"e");
    /// assert_eq!(file.read_line(None).await?, b"e\n");
    /// assert_eq!(file.read1(Some(1)).await?, b"t");
    /// assert_eq!(file.read_lines(None).await?, [b"wo\n".to_vec(), b"three\n".to_vec()]);
    /// assert!(file.read_all().await?.is_empty());
    /// let (n, buffer) = file.read_at(4, vec![0; 3]).await?;
    /// assert_eq!((n, &buffer[..]), (3, &b"two"[..]));
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[doc(alias = "readinto")]
    #[track_caller]
    pub fn read_into(&mut self, buffer: Vec<u8>) -> ReadInto<'_> {
        ReadInto { read: self.operation(ReadIntoOp { buffer }) }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if !matches!(self.state, State::Closed) {
            corio_runtime::debug::unclosed(&format_args!("file {:?}", self.path));
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Idle(core) if core.is_dirty() => {
                // Writing may block. Without a runtime it is done here.
                if let Ok(handle) = Handle::try_current() {
                    drop(handle.run_in_executor(None, move || drop(core)));
                }
            }
            // What was begun is done, also if it still waits for a thread.
            State::Busy(job) => job.detach(),
            State::Idle(_) | State::Closed => {}
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("mode", &self.mode.name())
            .field("closed", &self.closed())
            .finish_non_exhaustive()
    }
}

/// Whose threads files are lent to.
pub(super) fn handle() -> io::Result<Handle> {
    Handle::try_current().map_err(io::Error::other)
}

#[cold]
pub(super) fn closed(path: &Path) -> io::Error {
    io::Error::other(format!("I/O operation on closed file {}", path.display()))
}

#[cold]
pub(super) fn lost() -> io::Error {
    io::Error::other("the thread that had the file ended without a result")
}
