//! What reading from a stream fails with.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a read did not deliver what was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream ended before. asyncio: `IncompleteReadError`.
    Incomplete {
        /// What came until the end.
        partial: Vec<u8>,
        /// How many bytes were asked for; `None` if a separator was.
        expected: Option<usize>,
    },
    /// There was no separator within the limit. asyncio: `LimitOverrunError`, and for lines
    /// `ValueError`.
    LimitOverrun {
        /// How many bytes can be read without losing a separator. They are still in the buffer,
        /// unless a line was asked for: that removes the line, as asyncio does.
        consumed: usize,
    },
    /// The system's error.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { partial, expected: Some(expected) } => {
                write!(f, "{} bytes read on a total of {expected} expected bytes", partial.len())
            }
            Self::Incomplete { partial, expected: None } => {
                write!(f, "the stream ended after {} bytes without a separator", partial.len())
            }
            Self::LimitOverrun { consumed } => {
                write!(f, "no separator within the limit: {consumed} bytes are in the buffer")
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Incomplete { .. } | Self::LimitOverrun { .. } => None,
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error,
            ReadError::Incomplete { .. } => Self::new(io::ErrorKind::UnexpectedEof, error),
            ReadError::LimitOverrun { .. } => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}
