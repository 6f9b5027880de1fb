//! Why a program's `main`, or a runtime, did not come to its end or its beginning.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;

use super::Cancelled;

/// Why a runtime could not be started. Nothing of it is left behind.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A number that makes no sense.
    Invalid {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        value: usize,
        /// What it may be.
        allowed: &'static str,
    },
    /// The operating system gave no thread.
    Thread(io::Error),
    /// The operating system gave no poller.
    Poller(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { setting, value, allowed } => {
                write!(f, "{setting}({value}) is not possible: it must be {allowed}")
            }
            Self::Thread(error) => write!(f, "could not start a worker thread: {error}"),
            Self::Poller(error) => write!(f, "could not create a poller: {error}"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Invalid { .. } => None,
            Self::Thread(error) | Self::Poller(error) => Some(error),
        }
    }
}

impl From<BuildError> for io::Error {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Invalid { .. } => io::Error::new(io::ErrorKind::InvalidInput, error),
            BuildError::Thread(error) | BuildError::Poller(error) => error,
        }
    }
}

/// Why `run` gave no value.
///
/// # Examples
///
/// ```
/// use corio_runtime::{Builder, Cancelled, RunError};
///
/// let ended = Builder::new().run(async { Cancelled::new("enough").raise::<()>().await });
/// assert!(matches!(ended, Err(RunError::Cancelled(_))));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The calling thread is inside another `run`.
    Nested {
        /// Where that one was called, or where the runtime of the calling worker was built.
        outer: &'static Location<'static>,
    },
    /// `main` was cancelled.
    Cancelled(Cancelled),
    /// An interrupt ended `main`.
    #[doc(alias = "KeyboardInterrupt")]
    Interrupted,
    /// The loop was stopped before the future ended.
    Stopped,
    /// The loop is closed.
    Closed,
    /// The loop belongs to another thread.
    WrongThread,
    /// The runtime could not be started.
    Build(BuildError),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nested { outer } => write!(
                f,
                "run() was called inside the runtime that was started at {outer}; use `.await`, or \
                 `to_thread` for blocking code"
            ),
            Self::Cancelled(cancelled) => write!(f, "main was cancelled: {cancelled}"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Stopped => f.write_str("the event loop stopped before the future ended"),
            Self::Closed => f.write_str("the event loop is closed"),
            Self::WrongThread => f.write_str(
                "the event loop belongs to another thread, which alone can run it; submit to it \
                 with `run_coroutine_threadsafe`, or use Runtime::block_on",
            ),
            Self::Build(error) => error.fmt(f),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Build(error) => Some(error),
            _ => None,
        }
    }
}
