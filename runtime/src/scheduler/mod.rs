//! Workers, their queues and who sleeps.

pub(crate) mod baton;
pub(crate) mod callback;
pub(crate) mod calling;
pub(crate) mod hog;
pub(crate) mod idle;
pub(crate) mod inbox;
pub(crate) mod life;
pub(crate) mod lifo;
pub(crate) mod once_slot;
pub(crate) mod queue;
pub(crate) mod watch_sleep;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod adopted;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod block_in_place;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod call_later;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod exception;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod kinds;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod lost;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod shared;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod shutdown;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod watch;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) mod worker;
