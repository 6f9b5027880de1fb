//! Readiness: one poller per worker and the sources registered with it.

pub(crate) mod ownership;
pub(crate) mod readiness;
mod record;
mod waiters;
mod waker_cell;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod poller;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod source;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod sys;

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use poller::Poller;
