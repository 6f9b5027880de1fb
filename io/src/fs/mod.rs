//! Files, by threads of the default executor: what aiofiles has, under its names.
//!
//! *How.* A file's buffer lives with the file. What the buffer can answer is answered at once, the
//! rest is a job on a thread, to which the file is lent; so 4 KiB pieces cost one job per
//! [`BUFFER`]. An operation that is dropped while its job runs is finished by the next one, which
//! also gets its error, or the bytes that it has read.
//!
//! *What is promised.* `write` has given the bytes to the buffer; `flush` and `close` have given
//! them to the system, where they outlive this process; `sync_all` has given them to the disk. A
//! file that is dropped is flushed by a thread, and errors of that are lost: call `close`.

mod copying;
mod core;
mod file;
mod finish;
#[cfg(any(test, feature = "__fuzz"))]
pub(crate) mod fuzz;
mod lines;
mod mode;
mod op;
mod open;
mod operations;
mod ops;
#[cfg(any(feature = "futures-io", feature = "tokio-io"))]
mod polls;
mod spooled;
mod task;
mod temp;
mod text;
mod walk;

pub use file::{File, Operation};
pub use finish::{CloseFile, FileTell, IntoStd, ReadInto};
pub use lines::{FileLines, NextFileLine};
pub use op::FileOp;
pub use open::{Open, OpenOptions, open};
pub use operations::{
    FinishWritesOp, FlushOp, PeekOp, Read1Op, ReadAllOp, ReadAtOp, ReadIntoOp, ReadLineOp,
    ReadLinesOp, ReadOp, SeekOp, SyncAllOp, SyncDataOp, TruncateOp, WriteAtOp, WriteOp,
};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use ops::sendfile;
pub use ops::{
    Access, DirEntry, StatVfs, abspath, access, canonicalize, copy, exists, getatime, getctime,
    getcwd, getmtime, getsize, isdir, isfile, islink, ismount, link, listdir, makedirs, mkdir,
    read, read_to_string, readlink, remove, remove_dir_all, removedirs, rename, renames, replace,
    rmdir, samefile, sameopenfile, scandir, set_permissions, stat, statvfs, symlink,
    symlink_metadata, unlink, write,
};
pub use spooled::{RolloverOp, SpooledFile, spooled_temporary_file};
pub use task::{FsTask, run_blocking};
pub use temp::{
    CloseTempFile, MakeTemp, NamedTempFile, TempBuilder, TempDir, named_temporary_file,
    temporary_directory, temporary_file,
};
pub use text::{
    DecodeError, DecodeErrors, Newline, NextTextLine, OpenText, ReadTextLinesOp, ReadTextOp,
    SeekTextOp, TextFile, TextLines, WriteTextOp, open_text,
};
pub use walk::{NextFolder, Walk, WalkStep, walk};

/// Size of a file's buffer in bytes unless it is said otherwise. Python's is 8 KiB, on the caller's
/// thread; here each filling is a trip to another thread, which eight times as much pays for.
pub const BUFFER: usize = 64 << 10;
