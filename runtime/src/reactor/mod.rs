//! Readiness: one poller per worker and the sources registered with it.
//!
//! Read in this order: `source` (what a socket calls), `record` (where a task and an event meet),
//! `readiness` and `waker_cell` (the protocols of that meeting), `poller` (parking, waking,
//! harvesting), `ownership` (who may wait), `sys` (the operating system).

mod lazy;
pub(crate) mod ownership;
pub(crate) mod readiness;
mod record;
mod slots;
mod waiters;
mod waker_cell;

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod batch;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod home;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod key;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod poller;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod registration;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod source;
#[cfg(not(any(corio_loom, corio_shuttle)))]
mod sys;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod testing;

#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use batch::WakeBatch;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use home::{Pollers, Seeded, random, set_pollers};
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use poller::Poller;
pub use readiness::Direction;
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub use source::{Source, SourceKind, Waiter};
#[cfg(not(any(corio_loom, corio_shuttle)))]
pub(crate) use sys::{set_timer_slack, set_timer_slack_for_good};
