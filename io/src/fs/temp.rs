//! Files and folders that go away by themselves: Python's `tempfile`, as aiofiles has it.
//!
//! *Invariant.* What was made is removed by whoever owns it last: by `close`, or by the drop, on a
//! thread. Names are made with `O_EXCL` and 64 random bits, so nobody can have prepared them; only
//! the owner may read and write.

use std::fmt;
use std::fs;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_runtime::Handle;

use super::BUFFER;
use super::core::Core;
use super::file::File;
use super::finish::CloseFile;
use super::mode::Mode;
use super::task::{FsTask, run_blocking};
use crate::context::failed;

/// Names that are tried before it is given up: a clash of 64 random bits is no accident.
const ATTEMPTS: usize = 16;
/// Who may use what is made: the owner. Python: `0o600` and `0o700`.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// How names of temporary files and folders are made.
///
/// # Examples
///
/// ```
/// use corio_io::fs::{self, TempBuilder};
///
/// # corio_runtime::run(async {
/// let folder = TempBuilder::new().prefix("work-").directory().await?;
/// let names = TempBuilder::new().folder(folder.path()).prefix("page-").suffix(".html");
/// let file = names.clone().named().await?;
/// let name = file.path().file_name().unwrap().to_str().unwrap();
/// assert!(name.starts_with("page-") && name.ends_with(".html"), "{name}");
/// let kept = names.clone().delete(false).named().await?;
/// drop(kept);
/// assert!(fs::listdir(folder.path()).await?.len() >= 1);
/// let mut nameless = names.unnamed().await?;
/// nameless.write("gone when it is closed").await?;
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is made unless it is asked for"]
pub struct TempBuilder {
    folder: Option<PathBuf>,
    prefix: String,
    suffix: String,
    delete: bool,
}

impl Default for TempBuilder {
    fn default() -> Self {
        Self { folder: None, prefix: "tmp".into(), suffix: String::new(), delete: true }
    }
}

impl TempBuilder {
    /// Names that begin with `tmp`, in the system's folder for such files (`TMPDIR`, or `/tmp`).
    pub fn new() -> Self {
        Self::default()
    }

    /// The folder. Python: `dir`.
    pub fn folder(mut self, path: impl AsRef<Path>) -> Self {
        self.folder = Some(path.as_ref().into());
        self
    }

    /// What names begin with. Default: `tmp`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// What names end with. Default: nothing.
    pub fn suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = suffix.into();
        self
    }

    /// Whether it is removed in the end. Default: yes.
    pub fn delete(mut self, on: bool) -> Self {
        self.delete = on;
        self
    }

    /// A file without a name; see [`temporary_file`].
    ///
    /// # Cancel safety
    ///
    /// Strict: what was made in vain is removed.
    #[track_caller]
    pub fn unnamed(self) -> MakeTemp<File> {
        MakeTemp(run_blocking(move || Ok(opened(self.make_unnamed()?, PathBuf::new()))))
    }

    /// Makes a file and takes its name away. Blocks.
    pub(super) fn make_unnamed(&self) -> io::Result<fs::File> {
        let (file, path) = self.make(make_file)?;
        fs::remove_file(&path)?;
        Ok(file)
    }

    /// A file with a name; see [`named_temporary_file`].
    ///
    /// # Cancel safety
    ///
    /// Strict: what was made in vain is removed.
    #[track_caller]
    pub fn named(self) -> MakeTemp<NamedTempFile> {
        MakeTemp(run_blocking(move || {
            let (file, path) = self.make(make_file)?;
            let remove = Remove::file(&path, self.delete);
            Ok(NamedTempFile { file: opened(file, path), remove })
        }))
    }

    /// A folder; see [`temporary_directory`].
    ///
    /// # Cancel safety
    ///
    /// Strict: what was made in vain is removed.
    #[track_caller]
    pub fn directory(self) -> MakeTemp<TempDir> {
        MakeTemp(run_blocking(move || {
            let ((), path) =
                self.make(|path| fs::DirBuilder::new().mode(FOLDER_MODE).create(path))?;
            Ok(TempDir { remove: Remove::folder(&path, self.delete), delete: self.delete, path })
        }))
    }

    fn make<T>(&self, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(T, PathBuf)> {
        let folder = self.folder.clone().unwrap_or_else(std::env::temp_dir);
        for _ in 0..ATTEMPTS {
            // Two keys of std's hasher come from the system's randomness; each pair is used once.
            let random = RandomState::new().hash_one(std::process::id());
            let path = folder.join(format!("{}{random:016x}{}", self.prefix, self.suffix));
            match make(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed("make", path.display(), error)),
                Ok(made) => return Ok((made, path)),
            }
        }
        let message = format!("no free name in {}", folder.display());
        Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
    }
}

fn make_file(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// As Python opens it: `"w+b"`.
fn opened(file: fs::File, path: PathBuf) -> File {
    let mode = Mode::parse("w+b").expect("a mode of Python's");
    File::new(Core::new(file, BUFFER, mode), path, mode)
}

/// Makes a file that has no name and is gone when it is closed. Python: `TemporaryFile`.
///
/// # Errors
///
/// The system's, with the path.
///
/// # Cancel safety
///
/// Strict: what was made in vain is removed.
///
/// # Examples
///
/// ```
/// use std::io::SeekFrom;
///
/// # corio_runtime::run(async {
/// let mut file = corio_io::fs::temporary_file().await?;
/// file.write("hello").await?;
/// file.seek(SeekFrom::Start(0)).await?;
/// assert_eq!(file.read(None).await?, b"hello");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[doc(alias = "TemporaryFile")]
#[track_caller]
pub fn temporary_file() -> MakeTemp<File> {
    TempBuilder::new().unnamed()
}

/// Makes a file that is removed when it is closed or dropped. Python: `NamedTemporaryFile`.
///
/// # Errors
///
/// The system's, with the path.
///
/// # Cancel safety
///
/// Strict: what was made in vain is removed.
///
/// # Examples
///
/// ```
/// use corio_io::fs;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let mut file = fs::named_temporary_file().await?;
/// file.write("hello").await?;
/// file.flush().await?;
/// let path = file.path().to_owned();
/// assert_eq!(fs::read(&path).await?, b"hello");
/// file.close().await?;
/// assert!(!fs::exists(&path).await?);
/// # Ok(())
/// # })
/// # }
/// ```
#[doc(alias = "NamedTemporaryFile")]
#[track_caller]
pub fn named_temporary_file() -> MakeTemp<NamedTempFile> {
    TempBuilder::new().named()
}

/// Makes a folder that is removed with everything in it when it is closed or dropped. Python:
/// `TemporaryDirectory`.
///
/// # Errors
///
/// The system's, with the path.
///
/// # Cancel safety
///
/// Strict: what was made in vain is removed.
///
/// # Examples
///
/// ```
/// use corio_io::fs;
///
/// # corio_runtime::run(async {
/// let mut folder = fs::temporary_directory().await?;
/// fs::write(folder.path().join("file"), "text").await?;
/// folder.close().await?;
/// assert!(!fs::exists(folder.path()).await?);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[doc(alias = "TemporaryDirectory")]
#[track_caller]
pub fn temporary_directory() -> MakeTemp<TempDir> {
    TempBuilder::new().directory()
}

/// Future of the functions that make temporary files and folders: `io::Result<T>`.
#[derive(Debug)]
#[must_use = "nothing is made unless this is awaited"]
pub struct MakeTemp<T>(FsTask<T>);

impl<T> MakeTemp<T> {
    pub(super) fn new(task: FsTask<T>) -> Self {
        Self(task)
    }
}

impl<T: Send + 'static> Future for MakeTemp<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// A temporary file that can be found by its [`path`](File::path); otherwise a [`File`].
#[derive(Debug)]
pub struct NamedTempFile {
    // Before `remove`: what is buffered goes to the file, although it is about to be removed.
    file: File,
    remove: Remove,
}

impl NamedTempFile {
    /// Flushes, closes, and removes the file.
    ///
    /// See [`named_temporary_file`] for an example.
    ///
    /// # Errors
    ///
    /// The system's; another call tries again to remove it, and so does the drop. That the file is gone
    /// already is none.
    ///
    /// # Cancel safety
    ///
    /// Strict: the drop does the rest.
    #[track_caller]
    pub fn close(&mut self) -> CloseTempFile<'_> {
        let removal = self.remove.task().inside();
        CloseTempFile { close: self.file.close(), closed: None, removal, remove: &mut self.remove }
    }

    /// Keeps the file; it is an ordinary one from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_io::fs;
    ///
    /// # corio_runtime::run(async {
    /// let file = fs::named_temporary_file().await?;
    /// let mut kept = file.keep();
    /// kept.close().await?;
    /// assert!(fs::exists(kept.path()).await?);
    /// # fs::remove(kept.path()).await?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn keep(mut self) -> File {
        self.remove.what = None;
        // The file leaves by value; nothing is left for `remove` to do.
        let Self { file, .. } = self;
        file
    }
}

impl Deref for NamedTempFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl DerefMut for NamedTempFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.file
    }
}

/// Future of [`NamedTempFile::close`]: `io::Result<()>`.
#[must_use = "nothing is closed before this is awaited or dropped with the file"]
pub struct CloseTempFile<'a> {
    close: CloseFile<'a>,
    /// What closing has come to; the removal follows in any case.
    closed: Option<io::Result<()>>,
    removal: FsTask<()>,
    remove: &'a mut Remove,
}

impl Future for CloseTempFile<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.closed.is_none() {
            this.closed = Some(ready!(Pin::new(&mut this.close).poll(cx)));
        }
        let removed = ready!(Pin::new(&mut this.removal).poll(cx));
        if removed.is_ok() {
            this.remove.what = None;
        }
        Poll::Ready(this.closed.take().unwrap_or(Ok(())).and(removed))
    }
}

impl fmt::Debug for CloseTempFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseTempFile").field("remove", self.remove).finish_non_exhaustive()
    }
}

/// A temporary folder.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
    /// Whether it is to be removed at all.
    delete: bool,
    remove: Remove,
}

impl TempDir {
    /// Its path. Python: `name`.
    ///
    /// See [`temporary_directory`] for an example.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with everything in it. Python: `cleanup`.
    ///
    /// See [`temporary_directory`] for an example.
    ///
    /// # Errors
    ///
    /// The system's; another call tries again. That the folder is gone already is none.
    ///
    /// # Cancel safety
    ///
    /// Strict: the folder is removed all the same.
    #[track_caller]
    pub fn close(&mut self) -> FsTask<()> {
        // Moves into the call, so that a call that never begins removes by its drop. A second call
        // makes a second attempt.
        self.remove.what = None;
        let mut remove = Remove::folder(&self.path, self.delete);
        run_blocking(move || remove.what.take().map_or(Ok(()), |what| what.remove()))
    }
}

/// What is to be removed.
#[derive(Clone, Debug)]
enum What {
    File(PathBuf),
    Folder(PathBuf),
}

impl What {
    fn remove(&self) -> io::Result<()> {
        let (removed, path) = match self {
            Self::File(path) => (fs::remove_file(path), path),
            Self::Folder(path) => (fs::remove_dir_all(path), path),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| failed("remove", path.display(), error)),
        }
    }
}

/// Removes when it is dropped.
#[derive(Debug)]
struct Remove {
    what: Option<What>,
}

impl Remove {
    fn file(path: &Path, on: bool) -> Self {
        Self { what: on.then(|| What::File(path.into())) }
    }

    fn folder(path: &Path, on: bool) -> Self {
        Self { what: on.then(|| What::Folder(path.into())) }
    }

    /// Removes it by hand. The drop tries again unless it is told that it is done.
    #[track_caller]
    fn task(&self) -> FsTask<()> {
        let what = self.what.clone();
        run_blocking(move || what.map_or(Ok(()), |what| what.remove()))
    }
}

impl Drop for Remove {
    fn drop(&mut self) {
        let Some(what) = self.what.take() else { return };
        // Nobody hears of an error here: `close` tells. Removing may block; without a runtime it
        // is done here.
        match Handle::try_current() {
            Ok(handle) => drop(handle.run_in_executor(None, move || what.remove())),
            Err(_) => drop(what.remove()),
        }
    }
}
