//! Timer entries.

/// The timers of one worker.
#[derive(Debug)]
pub(crate) struct Timers;
