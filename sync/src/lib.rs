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

mod barrier;
mod cancel_token;
mod channel;
mod condition;
mod error;
mod event;
mod lock;
mod notify;
mod once;
mod queue;
mod rwlock;
mod semaphore;
mod wait;

pub use barrier::{Barrier, BarrierWait, BarrierWaitResult};
pub use cancel_token::{CancelToken, TokenCancelled};
pub use channel::{broadcast, mpsc, oneshot, watch};
pub use condition::{Condition, ConditionWait, ConditionWaitFor};
pub use coop::{Unconstrained, unconstrained};
pub use error::{BrokenBarrier, Closed, NotLocked, TooManyDone, TooManyReleases, TryAcquireError};
pub use event::{Event, EventWait};
pub use lock::{Acquire, AcquireOwned, Lock, LockGuard, OwnedLockGuard};
pub use notify::{Notified, Notify};
pub use once::{GetOrInit, GetOrTryInit, OnceCell, SetOnce, SetOnceWait};
pub use queue::{
    BaseQueue, Fifo, Get, GetError, GetTracked, Items, Join, Lifo, LifoQueue, Prioritized,
    Priority, PriorityQueue, Put, PutError, Queue, QueueShutDown, Store, Tracked,
};
pub use rwlock::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, RwLockRead, RwLockReadGuard,
    RwLockReadOwned, RwLockWrite, RwLockWriteGuard, RwLockWriteOwned,
};
pub use semaphore::{
    BoundedSemaphore, OwnedPermit, Permit, SemAcquire, SemAcquireOwned, Semaphore,
};

#[doc(hidden)]
pub mod coop;
#[doc(hidden)]
pub mod debug;
#[doc(hidden)]
pub mod deferred;
#[doc(hidden)]
pub mod park;
#[doc(hidden)]
pub mod place;
#[doc(hidden)]
pub mod spin;
#[doc(hidden)]
pub mod waker_slot;
#[doc(hidden)]
pub mod waking;

// The programs of tests/linear name the crate as its users do.
#[cfg(all(test, corio_shuttle, not(corio_loom)))]
extern crate self as corio_sync;
#[cfg(all(test, corio_shuttle, not(corio_loom)))]
mod linear_tests;
#[cfg(test)]
mod shim_tests;
#[cfg(all(test, corio_shuttle, not(corio_loom)))]
mod stall_tests;
#[cfg(all(test, corio_shuttle, not(corio_loom)))]
mod storms;
#[cfg(test)]
mod testing;
