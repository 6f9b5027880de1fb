//! Files by threads of the default executor: aiofiles' surface, and functions on paths.
//!
//! A [`File`] has a buffer of [`BUFFER`] bytes, so small reads and writes need no thread. `write` gives
//! bytes to the buffer; `flush` and `close` give them to the system, `sync_all` to the disk. A file
//! that is dropped is flushed by a thread, and errors of that are lost: call `close`. An operation
//! that is dropped half-way is finished by the next one.
//!
//! # Examples
//!
//! ```
//! use corio::fs;
//!
//! # fn main() -> std::io::Result<()> {
//! # let path = std::env::temp_dir().join(format!("corio-fs-{}", std::process::id()));
//! corio::run(async {
//!     let mut file = fs::open(&path, "w").await?;
//!     file.write("hello\n").await?;
//!     file.close().await?;
//!     assert_eq!(fs::read(&path).await?, b"hello\n");
//!     fs::remove(&path).await
//! })
//! # }
//! ```
pub use corio_io::fs::*;
