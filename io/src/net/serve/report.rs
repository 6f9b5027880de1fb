//! What a server tells people.

use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;

use corio_runtime::{ErrorContext, Handle};

/// What a graceful shutdown has left.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServeReport {
    /// How many connections were accepted in all.
    pub accepted: u64,
    /// The names of the connections that had not ended at the deadline.
    pub left: Vec<Arc<str>>,
    /// How many HTTP/2 streams these connections had under way: a task each, one for a request,
    /// and one under what an upgraded stream has become.
    pub streams_left: usize,
}

impl ServeReport {
    /// True if all connections had ended in time.
    ///
    /// See [`Serve`](super::Serve) for an example.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.left.is_empty()
    }
}

impl fmt::Display for ServeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More names are no help.
        const NAMES_MAX: usize = 10;

        let left = self.left.len();
        write!(f, "{} connections served, ", self.accepted)?;
        if left == 0 {
            return f.write_str("none was left");
        }
        write!(f, "{left} were left")?;
        if self.streams_left > 0 {
            write!(f, ", with {} streams under way", self.streams_left)?;
        }
        f.write_str(":")?;
        for name in self.left.iter().take(NAMES_MAX) {
            write!(f, "\n  {name}")?;
        }
        if left > NAMES_MAX {
            write!(f, "\n  and {} more", left - NAMES_MAX)?;
        }
        Ok(())
    }
}

/// Tells the exception handler that accepting pauses.
pub(super) fn exhausted(error: &io::Error, live: usize, at: &'static Location<'static>) {
    let message = format!(
        "cannot accept with {live} connections open; accepting goes on as soon as one is closed \
         (see `ulimit -n` for the number of files)"
    );
    let context = ErrorContext::new(message).exception(error.to_string()).source(at);
    Handle::current().call_exception_handler(&context);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_reports_are_cut() {
        let left = (0..12).map(|i| Arc::from(format!("c{i}"))).collect();
        let mut report = ServeReport { accepted: 20, left, streams_left: 0 };
        let text = report.to_string();
        assert!(text.starts_with("20 connections served, 12 were left:\n  c0\n"), "{text}");
        assert!(text.ends_with("c9\n  and 2 more"), "{text}");
        report.streams_left = 5;
        let text = report.to_string();
        assert!(text.contains(" 12 were left, with 5 streams under way:\n  c0\n"), "{text}");
        let clean = ServeReport::default();
        assert!(clean.is_clean() && clean.to_string().ends_with("none was left"));
    }
}
