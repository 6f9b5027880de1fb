//! The file of a listening Unix socket: it goes with the socket, if it is still the socket's.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A socket file that we made.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: another server may have put its own file there meanwhile.
    identity: (u64, u64),
}

impl SocketFile {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        let made = fs::symlink_metadata(path)?;
        Ok(Self { path: path.into(), identity: (made.dev(), made.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let now = fs::symlink_metadata(&self.path).map(|now| (now.dev(), now.ino()));
        if now.is_ok_and(|now| now == self.identity) {
            // Somebody may remove it at the same time; either way it is gone.
            let _ = fs::remove_file(&self.path);
        }
    }
}
