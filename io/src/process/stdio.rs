//! Where a child's input comes from and its output goes to.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Where one of a child's three streams leads.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Stdio {
    /// Where this process' own leads. asyncio: `None`.
    #[default]
    Inherit,
    /// Into a pipe, whose other end is a stream of the [`Child`](super::Child). asyncio: `PIPE`.
    #[doc(alias = "piped")]
    Pipe,
    /// Nowhere: reading finds the end, what is written is dropped. asyncio: `DEVNULL`.
    Null,
    /// For the standard error only: where the standard output leads. asyncio: `STDOUT`.
    Stdout,
    /// To a file, socket or pipe of yours; it should be a blocking one, as most programs expect.
    Fd(OwnedFd),
}

impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Self {
        Self::Fd(fd)
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        Self::Fd(file.into())
    }
}

/// The child's end of a stream, as std takes it, and ours if it is a pipe.
pub(super) struct Ends {
    pub(super) theirs: std::process::Stdio,
    pub(super) ours: Option<OwnedFd>,
    /// For the standard error to follow.
    copy: Copy,
}

/// How a second stream gets to the same place.
enum Copy {
    Same(OwnedFd),
    Inherit,
    Null,
}

/// Which way the bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    ToChild,
    FromChild,
}

impl Stdio {
    /// Opens what is to be opened.
    pub(super) fn open(self, way: Way, stdout: Option<&Ends>) -> io::Result<Ends> {
        match self {
            Self::Inherit => Ok(Ends::inherit()),
            Self::Null => Ok(Ends::null()),
            Self::Fd(fd) => Ends::same(fd, None),
            Self::Pipe => {
                let (read, write) = pipe()?;
                let (theirs, ours) = match way {
                    Way::ToChild => (read, write),
                    Way::FromChild => (write, read),
                };
                Ends::same(theirs, Some(ours))
            }
            Self::Stdout => match stdout.map(|stdout| &stdout.copy) {
                Some(Copy::Same(fd)) => Ends::same(fd.try_clone()?, None),
                // Descriptor 1 of this process, not 2.
                Some(Copy::Inherit) => Ends::same(io::stdout().as_fd().try_clone_to_owned()?, None),
                Some(Copy::Null) => Ok(Ends::null()),
                None => Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "Stdio::Stdout is for the standard error only",
                )),
            },
        }
    }
}

impl Ends {
    fn inherit() -> Self {
        Self { theirs: std::process::Stdio::inherit(), ours: None, copy: Copy::Inherit }
    }

    fn null() -> Self {
        Self { theirs: std::process::Stdio::null(), ours: None, copy: Copy::Null }
    }

    fn same(fd: OwnedFd, ours: Option<OwnedFd>) -> io::Result<Self> {
        let copy = Copy::Same(fd.try_clone()?);
        Ok(Self { theirs: fd.into(), ours, copy })
    }
}

/// A pipe, closed when a process executes another program: the reading end first.
#[cfg(not(target_vendor = "apple"))]
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// A pipe, closed when a process executes another program: the reading end first.
#[cfg(target_vendor = "apple")]
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe()?;
    rustix::io::fcntl_setfd(&read, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::fcntl_setfd(&write, rustix::io::FdFlags::CLOEXEC)?;
    Ok((read, write))
}
