//! Sleeping, intervals and timeouts.
//!
//! Each waiting future holds an `alarm`: a deadline that is registered with a worker's timers at
//! the first poll that has to wait. Before that it is a number: a timeout around something that is
//! ready at once costs next to nothing.

mod interval;
mod scoped;
mod sleep;
mod timeout;

use std::time::Instant;

pub use interval::{Interval, MissedTick, Tick, interval, interval_at};
pub use scoped::{TimeoutScope, TimeoutScoped, timeout_scope};
pub use sleep::{Sleep, YieldNow, sleep, sleep_until, yield_now};
pub use timeout::{Timeout, TimeoutError, WaitFor, timeout, timeout_at, wait_for};

/// The current time by the clock of the runtime that the caller is in: the real one, or the virtual
/// one of a simulation. Outside a runtime it is `Instant::now()`.
///
/// asyncio: `loop.time()`.
///
/// # Examples
///
/// ```
/// # use corio_runtime::time as corio;
/// let start = corio::now();
/// assert!(corio::now() >= start);
/// ```
#[must_use]
pub fn now() -> Instant {
    crate::timer::clock::to_instant(crate::alarm::now())
}

#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
