//! Timers: one wheel per worker.

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod clock;
pub(crate) mod entry;
pub(crate) mod wheel;

pub(crate) use entry::Timers;
