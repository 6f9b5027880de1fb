//! Waiting and waking: the synchronization layer of corio.
//!
//! This crate knows no runtime. Everything in it depends on [`std::task::Waker`] alone and works
//! under corio, tokio, smol or a bare `block_on`.
//!
//! All atomics, cells and threads come from [`shim`], so that every protocol in corio can be
//! model-checked with loom (plain and with sequential loads) and explored with shuttle.

#[macro_use]
mod macros;

#[doc(hidden)]
pub mod shim;

mod error;
mod event;
mod lock;
mod wait;

pub use error::{BrokenBarrier, Closed, NotLocked, TooManyDone, TooManyReleases, TryAcquireError};
pub use event::{Event, EventWait};
pub use lock::{Acquire, AcquireOwned, Lock, LockGuard, OwnedLockGuard};

#[doc(hidden)]
pub mod coop;
#[doc(hidden)]
pub mod park;
#[doc(hidden)]
pub mod waker_slot;

#[cfg(test)]
mod shim_tests;
#[cfg(test)]
mod testing;
