//! The standard streams of this process, as files: aiofiles' `stdin`, `stdout` and `stderr`, and
//! their `_bytes` kin, which here are the same.
//!
//! They are read and written by threads, like other files: the descriptors stay blocking, because
//! they are shared with whoever started this process. Each call takes a copy of the descriptor, so
//! closing one does not close the stream.

use std::io;
use std::os::fd::AsFd;

use crate::fs::File;

/// The standard input, buffered. A read that is dropped while a thread waits for input does not lose
/// what comes: the next read gets it. Use one for the whole program: a second one does not see what
/// the first has read ahead.
///
/// # Errors
///
/// The system's, if it has no room for another descriptor.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let mut input = corio_io::stdio::stdin()?;
/// let line = input.read_line(None).await?;
/// # Ok(())
/// # }
/// ```
pub fn stdin() -> io::Result<File> {
    Ok(File::from_std(copy(io::stdin())?))
}

/// The standard output. Nothing is held back: what was written is there when the write is ready, all of
/// it. Every write is a system call, at least one: join small pieces.
///
/// # Errors
///
/// As [`stdin`].
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # corio_runtime::run(async {
/// let mut output = corio_io::stdio::stdout()?;
/// assert_eq!(output.write("hello\n").await?, 6);
/// # Ok(())
/// # })
/// # }
/// ```
pub fn stdout() -> io::Result<File> {
    Ok(File::from_std_written_through(copy(io::stdout())?))
}

/// The standard error; as [`stdout`].
///
/// # Errors
///
/// As [`stdin`].
///
/// # Examples
///
/// ```
/// # corio_runtime::run(async {
/// let mut errors = corio_io::stdio::stderr()?;
/// assert_eq!(errors.write("no such thing\n").await?, 14);
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub fn stderr() -> io::Result<File> {
    Ok(File::from_std_written_through(copy(io::stderr())?))
}

fn copy(of: impl AsFd) -> io::Result<std::fs::File> {
    of.as_fd().try_clone_to_owned().map(Into::into)
}
