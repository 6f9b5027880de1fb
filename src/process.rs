//! Child processes: [`create_subprocess_exec`], [`create_subprocess_shell`], [`Command`], [`Child`].
//!
//! A child that is dropped runs on, unless [`Command::kill_on_drop`] says otherwise, and is reaped all
//! the same. A spawn that is cancelled half-way kills what it has started.
//!
//! # Examples
//!
//! ```
//! use corio::process::{Stdio, create_subprocess_exec};
//!
//! # fn main() -> std::io::Result<()> {
//! corio::run(async {
//!     let mut echo = create_subprocess_exec("echo", ["hello"]).stdout(Stdio::Pipe).await?;
//!     let mut lines = echo.stdout.take().expect("it is a pipe");
//!     assert_eq!(lines.read(None).await?, b"hello\n");
//!     assert_eq!(echo.wait().await?.code(), Some(0));
//!     Ok(())
//! })
//! # }
//! ```
pub use corio_io::process::*;
