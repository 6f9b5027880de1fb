//! Timers: one wheel per worker.
//!
//! - [`clock`]: what time it is, real or virtual.
//! - [`wheel`]: deadlines in order; owned by one thread at a time, knows no atomics.
//! - [`entry`]: what a sleeper and a wheel share of one timer, and who may touch it when.
//! - [`deadline`]: a deadline that others may move while somebody waits for it.
//! - [`mail`]: how other threads hand entries to the wheel's owner.
//! - [`owner`]: [`Timers`], the wheel behind its ownership word.
//!
//! `time` builds the public futures on top.

pub(crate) mod clock;
pub(crate) mod deadline;
pub(crate) mod entry;
mod mail;
pub(crate) mod owner;
pub(crate) mod wheel;

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;

pub(crate) use clock::Clock;
pub(crate) use entry::{Expiry, Timer};
pub(crate) use owner::{Role, Timers};
