//! The poller of one worker.

/// The poller of one worker.
#[derive(Debug)]
pub(crate) struct Poller;
