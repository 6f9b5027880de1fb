//! Errors that say what was tried, and where.

use std::error::Error;
use std::fmt;
use std::io;

/// What an operation on an address failed with. Its kind is that of the system's error, which is
/// the source; so `raw_os_error` is to be asked of the source.
#[derive(Debug)]
struct Failed {
    operation: &'static str,
    address: String,
    source: io::Error,
}

/// Adds an operation and an address to an error: `bind 127.0.0.1:80: permission denied`.
pub(crate) fn failed(
    operation: &'static str,
    address: impl fmt::Display,
    source: io::Error,
) -> io::Error {
    let kind = source.kind();
    io::Error::new(kind, Failed { operation, address: address.to_string(), source })
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, address, source } = self;
        write!(f, "{operation} {address}: {source}")
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_source_survive() {
        let error = failed("bind", "127.0.0.1:80", io::ErrorKind::PermissionDenied.into());
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(error.to_string(), "bind 127.0.0.1:80: permission denied");
        let source = error.get_ref().and_then(|e| e.source()).expect("the system's error");
        assert!(source.downcast_ref::<io::Error>().is_some());
    }
}
