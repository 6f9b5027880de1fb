//! The poller of one worker.

/// The poller of one worker.
#[derive(Debug)]
pub(crate) struct Poller;

impl Poller {
    /// Ends the current wait, or the next.
    pub(crate) fn wake(&self) {}
}
