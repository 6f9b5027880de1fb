//! Copies of whole files. They block.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use rustix::io::retry_on_intr;

/// As std's, which returns with the signals that interrupt it.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

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
pub(super) fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
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
