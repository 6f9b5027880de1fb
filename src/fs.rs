//! Files by threads of the default executor: aiofiles' surface, and functions on paths.
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
