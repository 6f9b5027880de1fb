//! A temporary file that lies in memory while it is small: Python's `SpooledTemporaryFile`.
//!
//! On Linux the memory is a file too (`memfd_create`), so it is read and written like any other, and
//! **rolling over** means to copy it to the disk and to take the copy's place. Where the system has
//! no such files it lies on the disk from the beginning.

use std::fs;
use std::io::{self, Seek, SeekFrom};
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use super::BUFFER;
use super::copying::copy_all;
use super::core::Core;
use super::file::{Call, CoreAccess, File, Operation};
use super::mode::Mode;
use super::op::FileOp;
use super::task::run_blocking;
use super::temp::{MakeTemp, TempBuilder};

/// Makes a temporary file without a name, that lies in memory until a write goes beyond `max_size`
/// bytes. 0: it stays in memory until [`SpooledFile::rollover`].
///
/// # Errors
///
/// The system's.
///
/// # Cancel safety
///
/// Strict: what was made in vain is gone.
///
/// # Examples
///
/// ```
/// use std::io::SeekFrom;
///
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let mut file = corio_io::fs::spooled_temporary_file(1024).await?;
/// file.write("small").await?;
/// file.seek(SeekFrom::Start(0)).await?;
/// assert_eq!(file.read(None).await?, b"small");
/// # Ok(())
/// # })
/// # }
/// ```
#[doc(alias = "SpooledTemporaryFile")]
#[track_caller]
pub fn spooled_temporary_file(max_size: u64) -> MakeTemp<SpooledFile> {
    MakeTemp::new(run_blocking(move || {
        let mode = Mode::parse("w+b").expect("a mode of Python's");
        let core = match in_memory() {
            Some(file) => {
                let max = if max_size == 0 { u64::MAX } else { max_size };
                Core::new(file, BUFFER, mode).spooled(max)
            }
            None => Core::new(TempBuilder::new().make_unnamed()?, BUFFER, mode),
        };
        Ok(SpooledFile(File::new(core, PathBuf::new(), mode)))
    }))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn in_memory() -> Option<fs::File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    rustix::fs::memfd_create("corio-spooled", flags).ok().map(Into::into)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn in_memory() -> Option<fs::File> {
    None
}

/// A temporary file that lies in memory while it is small; otherwise a [`File`].
///
/// # Examples
///
/// ```
/// # corio_runtime::run(async {
/// let mut file = corio_io::fs::spooled_temporary_file(4).await?;
/// file.write("hi").await?;
/// assert!(!file.is_rolled(), "it lies in memory");
/// file.rollover().await?; // which a fifth byte would do, too
/// assert!(file.is_rolled() || cfg!(not(target_os = "linux")));
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct SpooledFile(File);

impl SpooledFile {
    /// Whether it lies on the disk. False while a thread has the file.
    #[must_use]
    pub fn is_rolled(&self) -> bool {
        self.0.idle().is_some_and(|core| core.spool().is_none())
    }

    /// Moves it to the disk, if it is not there yet.
    ///
    /// # Errors
    ///
    /// The system's; it stays in memory then.
    ///
    /// # Cancel safety
    ///
    /// Lossy: what has begun runs to its end.
    #[track_caller]
    pub fn rollover(&mut self) -> FileOp<'_, RolloverOp> {
        self.0.operation(RolloverOp(()))
    }
}

impl Deref for SpooledFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for SpooledFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

/// The operation of [`SpooledFile::rollover`].
#[derive(Debug)]
pub struct RolloverOp(());

impl Operation for RolloverOp {
    type Output = ();

    fn at_once(&mut self, core: &mut CoreAccess<'_>) -> Option<()> {
        core.0.spool().is_none().then_some(())
    }

    fn on_thread(self) -> Call<()> {
        Call(Box::new(Core::roll))
    }
}

impl Core {
    /// Whether a write of so many bytes would be too much for memory.
    pub(super) fn outgrows(&mut self, more: usize) -> bool {
        let Some(max) = self.spool() else { return false };
        self.tell().is_ok_and(|at| at.saturating_add(more as u64) > max)
    }

    /// Moves a file from memory to the disk; the position stays.
    pub(super) fn roll(&mut self) -> io::Result<()> {
        if self.spool().is_none() {
            return Ok(());
        }
        self.flush()?;
        self.forget_ahead()?;
        let at = self.tell()?;
        // Whatever fails, the file in memory is what it was, and so is its position.
        let mut copy = TempBuilder::new().make_unnamed()?;
        copy_all(self.file(), &copy)?;
        copy.seek(SeekFrom::Start(at))?;
        self.replace(copy);
        Ok(())
    }
}
