//! Functions on paths, each one trip to a thread: Python's `os` and `os.path`, as aiofiles has them.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::io::retry_on_intr;

use super::task::{FsTask, run_blocking};
use crate::context::failed;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::sigpipe::Sigpipe;

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    name: OsString,
    path: PathBuf,
    kind: Option<fs::FileType>,
}

/// What [`access`] asks for. Python: `os.F_OK`, `R_OK`, `W_OK`, `X_OK`.
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
    fn read(path) -> Vec<u8> { fs::read(path) }

    /// Reads a whole file of UTF-8, with its newlines as they are. Python: `Path.read_text`.
    #[doc(alias = "read_text")]
    fn read_to_string(path) -> String { fs::read_to_string(path) }

    /// What the system knows about a file. Links are followed.
    #[doc(alias = "metadata")]
    fn stat(path) -> fs::Metadata { fs::metadata(path) }

    /// As [`stat`], of a link itself. Python: `lstat`.
    #[doc(alias = "lstat")]
    fn symlink_metadata(path) -> fs::Metadata { fs::symlink_metadata(path) }

    /// What the system knows about the file system of a path.
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
    #[doc(alias = "remove_file")]
    fn remove(path) -> () { fs::remove_file(path) }

    /// Removes a file; another name of [`remove`].
    fn unlink(path) -> () { fs::remove_file(path) }

    /// Renames a file or folder; what is there is replaced, as Unix has it.
    fn rename(from, to) -> () { fs::rename(from, to) }

    /// Renames a file or folder, and replaces what is there.
    fn replace(from, to) -> () { fs::rename(from, to) }

    /// Renames; makes the folders above `to`, and removes those above `from` that are left empty.
    fn renames(from, to) -> () {
        if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent)?;
        }
        fs::rename(from, to)?;
        remove_empty(from.parent());
        Ok(())
    }

    /// Makes a folder.
    #[doc(alias = "create_dir")]
    fn mkdir(path) -> () { fs::create_dir(path) }

    /// Makes a folder and those above it. As Python's with `exist_ok`: it may be there.
    #[doc(alias = "create_dir_all")]
    fn makedirs(path) -> () { fs::create_dir_all(path) }

    /// Removes an empty folder.
    #[doc(alias = "remove_dir")]
    fn rmdir(path) -> () { fs::remove_dir(path) }

    /// Removes a folder and all that is in it; links are removed and not followed. Python:
    /// `shutil.rmtree`.
    #[doc(alias = "rmtree")]
    fn remove_dir_all(path) -> () { fs::remove_dir_all(path) }

    /// Removes an empty folder, and those above it that are left empty.
    fn removedirs(path) -> () {
        fs::remove_dir(path)?;
        remove_empty(path.parent());
        Ok(())
    }

    /// Gives a file another name.
    #[doc(alias = "hard_link")]
    fn link(original, link) -> () { fs::hard_link(original, link) }

    /// Makes a symbolic link to `original`.
    fn symlink(original, link) -> () { std::os::unix::fs::symlink(original, link) }

    /// Where a symbolic link leads.
    #[doc(alias = "read_link")]
    fn readlink(path) -> PathBuf { fs::read_link(path) }

    /// The path without links, dots and relative parts. Python: `realpath`.
    #[doc(alias = "realpath")]
    fn canonicalize(path) -> PathBuf { fs::canonicalize(path) }

    /// The path from the root, without a look at the disk.
    fn abspath(path) -> PathBuf { std::path::absolute(path) }

    /// The names in a folder, in the system's order.
    #[doc(alias = "read_dir")]
    fn listdir(path) -> Vec<OsString> {
        read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// The entries of a folder, in the system's order.
    #[doc(alias = "read_dir")]
    fn scandir(path) -> Vec<DirEntry> { entries(path) }

    /// Size of a file in bytes.
    fn getsize(path) -> u64 { Ok(fs::metadata(path)?.len()) }

    /// When a file was last changed.
    fn getmtime(path) -> SystemTime { fs::metadata(path)?.modified() }

    /// When a file was last read, as far as the system keeps it.
    fn getatime(path) -> SystemTime { fs::metadata(path)?.accessed() }

    /// When a file's metadata was last changed.
    fn getctime(path) -> SystemTime {
        let found = fs::metadata(path)?;
        let since = std::time::Duration::new(found.ctime().unsigned_abs(), found.ctime_nsec() as u32);
        Ok(SystemTime::UNIX_EPOCH + since)
    }

    /// Whether two paths lead to one file.
    fn samefile(one, other) -> bool {
        let (one, other) = (fs::metadata(one)?, fs::metadata(other)?);
        Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
    }

    /// Copies a file's contents and permissions; returns how many bytes.
    fn copy(from, to) -> u64 { copy_file(from, to) }

    /// Sets a file's permissions. Python: `chmod`.
    #[doc(alias = "chmod")]
    fn set_permissions(path; permissions: fs::Permissions) -> () {
        fs::set_permissions(path, permissions.clone())
    }

    /// Whether this process may use a file so.
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
    #[doc(alias = "try_exists")]
    fn exists(path) -> bool { fs::exists(path) }

    /// Whether there is an ordinary file. Links are followed.
    fn isfile(path) -> bool { Ok(path.is_file()) }

    /// Whether there is a folder. Links are followed.
    fn isdir(path) -> bool { Ok(path.is_dir()) }

    /// Whether there is a symbolic link.
    fn islink(path) -> bool { Ok(path.is_symlink()) }

    /// Whether another file system begins here.
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

/// As std's, which returns with the signals that interrupt it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
    use std::os::unix::fs::OpenOptionsExt;

    let source = fs::File::open(from)?;
    let found = source.metadata()?;
    if !found.is_file() {
        let message = "the source path is neither a regular file nor a symlink to a regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut options = fs::OpenOptions::new();
    // Nobody else reads what only some may read, at no time.
    options.write(true).create(true).truncate(true).mode(found.mode());
    let target = options.open(to)?;
    if target.metadata()?.is_file() {
        target.set_permissions(found.permissions())?;
    }
    copy_all(&source, &target)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
    fs::copy(from, to)
}

/// Copies one file to the position of another, which `io::copy` does not do if a signal interrupts it.
/// The position of the first one stays. Blocks.
pub(super) fn copy_all(from: &fs::File, mut to: &fs::File) -> io::Result<u64> {
    use std::os::unix::fs::FileExt;

    let mut copied = 0;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    loop {
        const MOST: usize = 1 << 30;
        // The place moves along with what is copied.
        match retry_on_intr(|| rustix::fs::copy_file_range(from, Some(&mut copied), to, None, MOST))
        {
            Ok(n) if n > 0 => {}
            Ok(_) if copied > 0 => return Ok(copied),
            Err(error) if copied > 0 => return Err(error.into()),
            // Not between these two; or it says nothing, as of a file that has no size.
            Ok(_) | Err(_) => break,
        }
    }
    let mut memory = vec![0; super::BUFFER];
    loop {
        match from.read_at(&mut memory, copied) {
            Ok(0) => return Ok(copied),
            Ok(n) => {
                to.write_all(&memory[..n])?;
                copied += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
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
