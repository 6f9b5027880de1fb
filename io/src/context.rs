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
    /// What can be done about it, or nothing.
    remedy: &'static str,
}

/// For an address that somebody has, and for a path at which something lies.
const PORT_IN_USE: &str =
    "; stop who has it, or bind another port (0 lets the system choose one that is free)";
const PATH_IN_USE: &str = "; remove the file if nobody serves it any more, or bind another path";

/// Adds an operation and an address to an error: `bind 127.0.0.1:80: permission denied`.
pub(crate) fn failed(
    operation: &'static str,
    address: impl fmt::Display,
    source: io::Error,
) -> io::Error {
    advised(operation, address, source, PORT_IN_USE)
}

/// As [`failed`], where the address is a path.
pub(crate) fn failed_at_path(
    operation: &'static str,
    path: impl fmt::Display,
    source: io::Error,
) -> io::Error {
    advised(operation, path, source, PATH_IN_USE)
}

fn advised(
    operation: &'static str,
    address: impl fmt::Display,
    source: io::Error,
    if_in_use: &'static str,
) -> io::Error {
    let kind = source.kind();
    let in_use = operation == "bind" && kind == io::ErrorKind::AddrInUse;
    let remedy = if in_use { if_in_use } else { "" };
    io::Error::new(kind, Failed { operation, address: address.to_string(), source, remedy })
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, address, source, remedy } = self;
        write!(f, "{operation} {address}: {source}{remedy}")
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
