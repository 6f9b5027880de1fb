//! Where a future was made, and whether anybody has polled it.

use std::panic::Location;

use corio_runtime::debug::never_awaited;

/// The place of a future. Dropped before [`begin`](Self::begin) it tells, in debug mode, that nobody
/// has awaited the future.
#[derive(Debug)]
pub(crate) struct Made {
    what: &'static str,
    at: &'static Location<'static>,
    begun: bool,
}

impl Made {
    /// A future that was made where this is called, unless that says who has called it.
    #[track_caller]
    pub(crate) fn here(what: &'static str) -> Self {
        Self { what, at: Location::caller(), begun: false }
    }

    /// Of a part of another future, which has a place of its own and tells.
    pub(crate) fn inside(at: &'static Location<'static>) -> Self {
        Self { what: "a part of a future", at, begun: true }
    }

    #[inline]
    pub(crate) fn at(&self) -> &'static Location<'static> {
        self.at
    }

    /// The future is polled; the place.
    #[inline]
    pub(crate) fn begin(&mut self) -> &'static Location<'static> {
        self.begun = true;
        self.at
    }
}

impl Drop for Made {
    #[inline]
    fn drop(&mut self) {
        if !self.begun {
            never_awaited(self.what, self.at);
        }
    }
}
