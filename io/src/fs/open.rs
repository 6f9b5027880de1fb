//! Opening files.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::BUFFER;
use super::core::Core;
use super::file::File;
use super::mode::Mode;
use super::task::{FsTask, poll_task, run_blocking};
use crate::context::failed;

/// Opens a file as Python does: `"r"` reads, `"w"` creates or empties, `"a"` appends, `"x"` creates
/// and fails if it is there; `+` also does the other direction. A `b` changes nothing. The position of
/// `"a"` is the end of the file.
///
/// # Errors
///
/// The system's, with the path; `IsADirectory` for a folder, which [`File::options`] opens for reading;
/// `InvalidInput` for another mode.
///
/// # Cancel safety
///
/// Strict: a file that was opened in vain is closed (but `"w"` may have emptied it).
///
/// # Examples
///
/// ```
/// use corio_io::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// # let folder = fs::temporary_directory().await?;
/// # let path = folder.path().join("file");
/// let mut file = fs::open(&path, "w").await?;
/// file.write("one\n").await?;
/// file.close().await?;
/// let mut file = fs::open(&path, "a").await?;
/// assert_eq!(file.tell().await?, 4);
/// file.write("two\n").await?;
/// file.close().await?;
/// let mut file = fs::open(&path, "r").await?;
/// assert_eq!(file.read(None).await?, b"one\ntwo\n");
/// file.close().await?;
/// # Ok(())
/// # })
/// # }
/// ```
#[doc(alias = "aiofiles")]
#[track_caller]
pub fn open(path: impl AsRef<Path>, mode: &str) -> Open {
    Open::file(path.as_ref(), Mode::parse(mode))
}

/// How to open a file; see [`File::options`].
///
/// # Examples
///
/// ```
/// use corio_io::fs::{self, File};
///
/// # corio_runtime::run(async {
/// # let folder = fs::temporary_directory().await?;
/// # let path = folder.path().join("file");
/// let new = File::options().write(true).create_new(true);
/// new.clone().open(&path).await?.write("one\n").await?;
/// assert!(new.open(&path).await.is_err(), "it is there");
///
/// let mut log = File::options().append(true).create(true).buffer(0).open(&path).await?;
/// log.write("two\n").await?;
/// assert!(fs::read(&path).await?.ends_with(b"two\n"), "nothing is held back");
///
/// let both = File::options().read(true).write(true).truncate(true).open(&path).await?;
/// assert_eq!((both.mode(), fs::getsize(&path).await?), ("wb+", 0));
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `open`"]
pub struct OpenOptions {
    mode: Mode,
    buffer: usize,
}

impl OpenOptions {
    pub(super) fn new() -> Self {
        Self { mode: Mode::CLOSED, buffer: BUFFER }
    }

    /// Whether it can be read.
    pub fn read(mut self, on: bool) -> Self {
        self.mode.read = on;
        self
    }

    /// Whether it can be written.
    pub fn write(mut self, on: bool) -> Self {
        self.mode.write = on;
        self
    }

    /// Whether each write goes to the end.
    pub fn append(mut self, on: bool) -> Self {
        self.mode.append = on;
        self.mode.write |= on;
        self
    }

    /// Whether it is emptied.
    pub fn truncate(mut self, on: bool) -> Self {
        self.mode = self.mode.with(|mode| mode.set_truncate(on));
        self
    }

    /// Whether it is made if it is not there.
    pub fn create(mut self, on: bool) -> Self {
        self.mode = self.mode.with(|mode| mode.set_create(on));
        self
    }

    /// Whether it must not be there.
    pub fn create_new(mut self, on: bool) -> Self {
        self.mode = self.mode.with(|mode| mode.set_create_new(on));
        self
    }

    /// Size of the buffer in bytes; 0 makes each call a system call. Default: [`BUFFER`].
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes;
        self
    }

    /// Opens; see [`open`].
    ///
    /// # Cancel safety
    ///
    /// As [`open`].
    #[track_caller]
    pub fn open(self, path: impl AsRef<Path>) -> Open {
        Open::new(path.as_ref(), Ok(self.mode), self.buffer, Ok)
    }
}

/// Future of [`open`] and [`OpenOptions::open`]: `io::Result<File>`.
#[derive(Debug)]
#[must_use = "nothing is opened unless this is awaited"]
pub struct Open {
    task: FsTask<std::fs::File>,
    path: PathBuf,
    mode: Mode,
    pub(super) buffer: usize,
}

/// As Python, which looks before it hands out a file that cannot be read.
fn no_folder(opened: std::fs::File) -> io::Result<std::fs::File> {
    if opened.metadata()?.is_dir() {
        return Err(rustix::io::Errno::ISDIR.into());
    }
    Ok(opened)
}

/// As Python, for which a file that is appended to is at its end. A pipe has none.
fn at_its_end(opened: std::fs::File) -> io::Result<std::fs::File> {
    let opened = no_folder(opened)?;
    match rustix::fs::seek(&opened, rustix::fs::SeekFrom::End(0)) {
        Ok(_) | Err(rustix::io::Errno::SPIPE) => Ok(opened),
        Err(error) => Err(error.into()),
    }
}

impl Open {
    #[track_caller]
    pub(super) fn file(path: &Path, mode: io::Result<Mode>) -> Self {
        let append = mode.as_ref().is_ok_and(|mode| mode.append);
        Self::new(path, mode, BUFFER, if append { at_its_end } else { no_folder })
    }

    #[track_caller]
    fn new(
        path: &Path,
        mode: io::Result<Mode>,
        buffer: usize,
        check: fn(std::fs::File) -> io::Result<std::fs::File>,
    ) -> Self {
        let owned = path.to_owned();
        let known = mode.as_ref().copied().unwrap_or(Mode::CLOSED);
        let task = run_blocking(move || {
            let opened = mode?.options().open(&owned).and_then(check);
            opened.map_err(|error| failed("open", owned.display(), error))
        });
        Self { task, path: path.into(), mode: known, buffer }
    }
}

impl Future for Open {
    type Output = io::Result<File>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let file = ready!(poll_task(&mut this.task, cx))?;
        let core = Core::new(file, this.buffer, this.mode);
        let mut file = File::new(core, std::mem::take(&mut this.path), this.mode);
        file.opened_at = this.task.at();
        Poll::Ready(Ok(file))
    }
}
