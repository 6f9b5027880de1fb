//! Functions on paths, each one trip to a thread: Python's `os` and `os.path`, as aiofiles has them.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::io::retry_on_intr;

use super::copying::copy_file;
use super::task::{FsTask, run_blocking};
use crate::context::failed;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::sigpipe::Sigpipe;

/// An entry of a folder.
///
/// # Examples
///
/// Folders, and what is in them:
///
/// ```
/// use corio_io::fs;
///
/// # corio_runtime::run(async {
/// let top = fs::temporary_directory().await?;
/// let top = top.path();
/// fs::mkdir(top.join("a")).await?;
/// fs::makedirs(top.join("b/c")).await?;
/// fs::write(top.join("a/file"), "text").await?;
/// fs::symlink("file", top.join("a/link")).await?;
/// let mut entries = fs::scandir(top.join("a")).await?;
/// entries.sort_by(|one, other| one.name().cmp(other.name()));
/// assert!(entries[0].is_file() && !entries[0].is_dir() && entries[1].is_symlink());
/// assert_eq!(entries[0].path(), top.join("a/file"));
/// assert_eq!(fs::listdir(top.join("b")).await?, ["c"]);
///
/// // With the folders above it that are left empty; or alone; or with everything in it.
/// fs::renames(top.join("a/file"), top.join("d/e/file")).await?;
/// fs::rmdir(top.join("b/c")).await?;
/// fs::makedirs(top.join("b/c")).await?;
/// fs::removedirs(top.join("b/c")).await?;
/// assert!(!fs::exists(top.join("b")).await?);
/// fs::remove_dir_all(top.join("d")).await?;
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    name: OsString,
    path: PathBuf,
    kind: Option<fs::FileType>,
}

/// What [`access`] asks for. Python: `os.F_OK`, `R_OK`, `W_OK`, `X_OK`.
///
/// # Examples
///
/// What there is at a path:
///
/// ```
/// use corio_io::fs::{self, Access};
/// use std::os::unix::fs::PermissionsExt;
///
/// # corio_runtime::run(async {
/// # let folder = fs::temporary_directory().await?;
/// # let path = folder.path().join("file");
/// fs::write(&path, "text").await?;
/// assert!(fs::exists(&path).await? && fs::isfile(&path).await? && !fs::isdir(&path).await?);
/// assert!(fs::access(&path, Access::Read).await?);
/// fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).await?;
/// assert_eq!(fs::stat(&path).await?.permissions().mode() & 0o777, 0o600);
/// assert_eq!(fs::getsize(&path).await?, 4);
/// let (changed, read) = (fs::getmtime(&path).await?, fs::getatime(&path).await?);
/// assert!(fs::getctime(&path).await?.max(read) >= changed);
/// assert!(fs::statvfs(&path).await?.name_max > 0);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// That it is there.
    Exists,
    /// To read it.
    Read,
    /// To write it.
    Write,
    /// To execute a file, or to go into a folder.
    Execute,
}

/// A file system, as [`statvfs`] finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatVfs {
    /// Size of a block in bytes.
    pub block_size: u64,
    /// Blocks there are.
    pub blocks: u64,
    /// Blocks that are free.
    pub free_blocks: u64,
    /// Free blocks that ordinary users may take.
    pub available_blocks: u64,
    /// Files there can be.
    pub files: u64,
    /// Files that could still be made.
    pub free_files: u64,
    /// Bytes in the longest name.
    pub name_max: u64,
}

impl DirEntry {
    /// The name in the folder.
    #[must_use]
    pub fn name(&self) -> &std::ffi::OsStr {
        &self.name
    }

    /// The folder's path with the name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a folder. Links are not followed.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_dir())
    }

    /// Whether it is an ordinary file. Links are not followed.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_file())
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_symlink())
    }
}

/// Functions of one path or two; errors get the name of the call and the first path.
macro_rules! calls {
    ($(
        $(#[$doc:meta])*
        fn $name:ident($first:ident $(, $second:ident)? $(; $arg:ident: $type:ty)?) -> $output:ty
            $body:block
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// The system's, with the path; or one that says that there is no runtime.
        ///
        /// # Cancel safety
        ///
        /// Lossy: a call that has begun runs on.
        #[track_caller]
        pub fn $name(
            $first: impl AsRef<Path>,
            $($second: impl AsRef<Path>,)?
            $($arg: $type,)?
        ) -> FsTask<$output> {
            let owned = $first.as_ref().to_owned();
            $(let $second = $second.as_ref().to_owned();)?
            run_blocking(move || {
                let $first: &Path = &owned;
                $(let $second: &Path = &$second;)?
                let call = || -> io::Result<$output> { $body };
                call().map_err(|error| failed(stringify!($name), owned.display(), error))
            })
        }
    )*};
}

calls! {
    /// Reads a whole file.
    ///
    /// See [`write()`] for an example.
    fn read(path) -> Vec<u8> { fs::read(path) }

    /// Reads a whole file of UTF-8, with its newlines as they are. Python: `Path.read_text`.
    ///
    /// See [`write()`] for an example.
    #[doc(alias = "read_text")]
    fn read_to_string(path) -> String { fs::read_to_string(path) }

    /// What the system knows about a file. Links are followed.
    ///
    /// See [`Access`] for an example.
    #[doc(alias = "metadata")]
    fn stat(path) -> fs::Metadata { fs::metadata(path) }

    /// As [`stat`], of a link itself. Python: `lstat`.
    ///
    /// See [`getcwd`] for an example.
    #[doc(alias = "lstat")]
    fn symlink_metadata(path) -> fs::Metadata { fs::symlink_metadata(path) }

    /// What the system knows about the file system of a path.
    ///
    /// See [`Access`] for an example.
    fn statvfs(path) -> StatVfs {
        let found = retry_on_intr(|| rustix::fs::statvfs(path))?;
        Ok(StatVfs {
            block_size: found.f_frsize,
            blocks: found.f_blocks,
            free_blocks: found.f_bfree,
            available_blocks: found.f_bavail,
            files: found.f_files,
            free_files: found.f_ffree,
            name_max: found.f_namemax,
        })
    }

    /// Removes a file.
    ///
    /// See [`write()`] for an example.
    #[doc(alias = "remove_file")]
    fn remove(path) -> () { fs::remove_file(path) }

    /// Removes a file; another name of [`remove`].
    ///
    /// See [`write()`] for an example.
    fn unlink(path) -> () { fs::remove_file(path) }

    /// Renames a file or folder; what is there is replaced, as Unix has it.
    ///
    /// See [`write()`] for an example.
    fn rename(from, to) -> () { fs::rename(from, to) }

    /// Renames a file or folder, and replaces what is there.
    ///
    /// See [`write()`] for an example.
    fn replace(from, to) -> () { fs::rename(from, to) }

    /// Renames; makes the folders above `to`, and removes those above `from` that are left empty.
    ///
    /// See [`DirEntry`] for an example.
    fn renames(from, to) -> () {
        if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent)?;
        }
        fs::rename(from, to)?;
        remove_empty(from.parent());
        Ok(())
    }

    /// Makes a folder.
    ///
    /// See [`DirEntry`] for an example.
    #[doc(alias = "create_dir")]
    fn mkdir(path) -> () { fs::create_dir(path) }

    /// Makes a folder and those above it. As Python's with `exist_ok`: it may be there.
    ///
    /// See [`DirEntry`] for an example.
    #[doc(alias = "create_dir_all")]
    fn makedirs(path) -> () { fs::create_dir_all(path) }

    /// Removes an empty folder.
    ///
    /// See [`DirEntry`] for an example.
    #[doc(alias = "remove_dir")]
    fn rmdir(path) -> () { fs::remove_dir(path) }

    /// Removes a folder and all that is in it; links are removed and not followed. Python:
    /// `shutil.rmtree`.
    ///
    /// See [`DirEntry`] for an example.
    #[doc(alias = "rmtree")]
    fn remove_dir_all(path) -> () { fs::remove_dir_all(path) }

    /// Removes an empty folder, and those above it that are left empty.
    ///
    /// See [`DirEntry`] for an example.
    fn removedirs(path) -> () {
        fs::remove_dir(path)?;
        remove_empty(path.parent());
        Ok(())
    }

    /// Gives a file another name.
    ///
    /// See [`getcwd`] for an example.
    #[doc(alias = "hard_link")]
    fn link(original, link) -> () { fs::hard_link(original, link) }

    /// Makes a symbolic link to `original`.
    ///
    /// See [`getcwd`] for an example.
    fn symlink(original, link) -> () { std::os::unix::fs::symlink(original, link) }

    /// Where a symbolic link leads.
    ///
    /// See [`getcwd`] for an example.
    #[doc(alias = "read_link")]
    fn readlink(path) -> PathBuf { fs::read_link(path) }

    /// The path without links, dots and relative parts. Python: `realpath`.
    ///
    /// See [`getcwd`] for an example.
    #[doc(alias = "realpath")]
    fn canonicalize(path) -> PathBuf { fs::canonicalize(path) }

    /// The path from the root, without a look at the disk.
    ///
    /// See [`getcwd`] for an example.
    fn abspath(path) -> PathBuf { std::path::absolute(path) }

    /// The names in a folder, in the system's order.
    ///
    /// See [`DirEntry`] for an example.
    #[doc(alias = "read_dir")]
    fn listdir(path) -> Vec<OsString> {
        read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// The entries of a folder, in the system's order.
    ///
    /// See [`DirEntry`] for an example.
    #[doc(alias = "read_dir")]
    fn scandir(path) -> Vec<DirEntry> { entries(path) }

    /// Size of a file in bytes.
    ///
    /// See [`Access`] for an example.
    fn getsize(path) -> u64 { Ok(fs::metadata(path)?.len()) }

    /// When a file was last changed.
    ///
    /// See [`Access`] for an example.
    fn getmtime(path) -> SystemTime { fs::metadata(path)?.modified() }

    /// When a file was last read, as far as the system keeps it.
    ///
    /// See [`Access`] for an example.
    fn getatime(path) -> SystemTime { fs::metadata(path)?.accessed() }

    /// When a file's metadata was last changed.
    ///
    /// See [`Access`] for an example.
    fn getctime(path) -> SystemTime {
        let found = fs::metadata(path)?;
        let since = std::time::Duration::new(found.ctime().unsigned_abs(), found.ctime_nsec() as u32);
        Ok(SystemTime::UNIX_EPOCH + since)
    }

    /// Whether two paths lead to one file.
    ///
    /// See [`getcwd`] for an example.
    fn samefile(one, other) -> bool {
        let (one, other) = (fs::metadata(one)?, fs::metadata(other)?);
        Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
    }

    /// Copies a file's contents and permissions; returns how many bytes.
    ///
    /// See [`write()`] for an example.
    fn copy(from, to) -> u64 { copy_file(from, to) }

    /// Sets a file's permissions. Python: `chmod`.
    ///
    /// See [`Access`] for an example.
    #[doc(alias = "chmod")]
    fn set_permissions(path; permissions: fs::Permissions) -> () {
        fs::set_permissions(path, permissions.clone())
    }

    /// Whether this process may use a file so.
    ///
    /// See [`Access`] for an example.
    fn access(path; how: Access) -> bool {
        let how = match how {
            Access::Exists => rustix::fs::Access::EXISTS,
            Access::Read => rustix::fs::Access::READ_OK,
            Access::Write => rustix::fs::Access::WRITE_OK,
            Access::Execute => rustix::fs::Access::EXEC_OK,
        };
        match rustix::fs::access(path, how) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::NOENT | rustix::io::Errno::ROFS) => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether there is something at the path. Links are followed.
    ///
    /// See [`Access`] for an example.
    #[doc(alias = "try_exists")]
    fn exists(path) -> bool { fs::exists(path) }

    /// Whether there is an ordinary file. Links are followed.
    ///
    /// See [`Access`] for an example.
    fn isfile(path) -> bool { Ok(path.is_file()) }

    /// Whether there is a folder. Links are followed.
    ///
    /// See [`Access`] for an example.
    fn isdir(path) -> bool { Ok(path.is_dir()) }

    /// Whether there is a symbolic link.
    ///
    /// See [`getcwd`] for an example.
    fn islink(path) -> bool { Ok(path.is_symlink()) }

    /// Whether another file system begins here.
    ///
    /// See [`getcwd`] for an example.
    fn ismount(path) -> bool {
        let Ok(here) = fs::symlink_metadata(path) else { return Ok(false) };
        if here.is_symlink() {
            return Ok(false);
        }
        let above = fs::metadata(path.join(".."))?;
        Ok(here.dev() != above.dev() || here.ino() == above.ino())
    }
}

/// Writes a whole file: makes it, or replaces what is in it.
///
/// # Errors
///
/// The system's, with the path; or one that says that there is no runtime.
///
/// # Cancel safety
///
/// Lossy: a call that has begun runs on.
///
/// # Examples
///
/// ```
/// use corio_io::fs;
///
/// # corio_runtime::run(async {
/// # let folder = fs::temporary_directory().await?;
/// # let (one, two) = (folder.path().join("one"), folder.path().join("two"));
/// fs::write(&one, "text").await?;
/// assert_eq!(fs::copy(&one, &two).await?, 4);
/// assert_eq!(fs::read(&one).await?, b"text");
/// assert_eq!(fs::read_to_string(&two).await?, "text");
/// fs::rename(&one, &two).await?; // or replace(&one, &two)
/// fs::remove(&two).await?;       // or unlink(&two)
/// assert!(fs::read(&two).await.unwrap_err().to_string().contains("two"), "errors name the path");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[track_caller]
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> FsTask<()> {
    let (path, bytes) = (path.as_ref().to_owned(), bytes.as_ref().to_owned());
    run_blocking(move || {
        fs::write(&path, bytes).map_err(|error| failed("write", path.display(), error))
    })
}

/// The folder that relative paths begin at.
///
/// # Errors
///
/// The system's.
///
/// # Cancel safety
///
/// Strict: nothing is changed.
///
/// # Examples
///
/// ```
/// use corio_io::fs;
///
/// # corio_runtime::run(async {
/// assert_eq!(fs::abspath("file").await?, fs::getcwd().await?.join("file"));
/// assert!(fs::ismount("/").await? && !fs::islink("/").await?);
///
/// # let folder = fs::temporary_directory().await?;
/// # let (file, soft) = (folder.path().join("file"), folder.path().join("soft"));
/// # let hard = folder.path().join("hard");
/// fs::write(&file, "text").await?;
/// fs::symlink("file", &soft).await?;
/// fs::link(&file, &hard).await?;
/// assert_eq!(fs::readlink(&soft).await?.to_str(), Some("file"));
/// assert_eq!(fs::canonicalize(&soft).await?, fs::canonicalize(&file).await?);
/// assert!(fs::symlink_metadata(&soft).await?.is_symlink());
/// assert!(fs::samefile(&file, &hard).await?);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[track_caller]
pub fn getcwd() -> FsTask<PathBuf> {
    run_blocking(std::env::current_dir)
}

/// Whether two descriptors are of the same file; [`File::fileno`](super::File::fileno) lends one. The
/// system knows without the disk, so nothing waits here.
///
/// # Errors
///
/// The system's.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let (one, other) = (std::fs::File::open("/")?, std::fs::File::open("/dev/null")?);
/// assert!(!corio_io::fs::sameopenfile(&one, &other)?);
/// assert!(corio_io::fs::sameopenfile(&one, one.try_clone()?)?);
/// # Ok(())
/// # }
/// ```
pub fn sameopenfile(one: impl AsFd, other: impl AsFd) -> io::Result<bool> {
    let (one, other) = (rustix::fs::fstat(one)?, rustix::fs::fstat(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

/// Copies a part of one file, from `offset` on, to the position of another, or to a socket or pipe;
/// returns how many bytes. It blocks its thread, so the target should be a blocking one; for corio's
/// sockets there is [`net::sendfile`](crate::net::sendfile). Python: `os.sendfile`.
///
/// # Errors
///
/// The system's.
///
/// # Cancel safety
///
/// Lossy: a call that has begun runs on.
///
/// # Examples
///
/// ```
/// use corio_io::fs;
/// use std::io::{Read, Seek, Write};
///
/// # corio_runtime::run(async {
/// let mut from = fs::temporary_file().await?.into_std().await?;
/// let mut to = fs::temporary_file().await?.into_std().await?;
/// from.write_all(b"hello world")?;
/// assert_eq!(fs::sendfile(&to, &from, 6, 100).await?, 5);
/// to.rewind()?;
/// let mut text = String::new();
/// to.read_to_string(&mut text)?;
/// assert_eq!(text, "world");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[cfg(any(target_os = "linux", target_os = "android"))]
#[track_caller]
pub fn sendfile(out: &impl AsFd, from: &impl AsFd, offset: u64, count: usize) -> FsTask<usize> {
    let owned = |fd: BorrowedFd<'_>| fd.try_clone_to_owned();
    let both = owned(out.as_fd()).and_then(|out| Ok((out, owned(from.as_fd())?)));
    run_blocking(move || {
        let (out, from) = both?;
        let mut offset = offset;
        let mut send = || rustix::fs::sendfile(&out, &from, Some(&mut offset), count);
        Sigpipe::look().call(|| Ok(retry_on_intr(&mut send)?))
    })
}

/// Opens a folder. std's function returns with the signals that interrupt it, as no other one does.
fn read_dir(path: &Path) -> io::Result<fs::ReadDir> {
    loop {
        match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            opened => return opened,
        }
    }
}

/// The entries of a folder. Blocks.
pub(super) fn entries(path: &Path) -> io::Result<Vec<DirEntry>> {
    let found = read_dir(path)?.map(|entry| {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        Ok(DirEntry { name, path, kind: entry.file_type().ok() })
    });
    found.collect()
}

/// Removes folders upwards until one is not empty.
fn remove_empty(mut folder: Option<&Path>) {
    while let Some(path) = folder.filter(|path| fs::remove_dir(path).is_ok()) {
        folder = path.parent();
    }
}
