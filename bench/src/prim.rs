//! The synchronization primitives that the rows of [`crate::rows::sync`] compare, and the files of
//! [`crate::rows::files`].
//!
//! A row of primitives is written once, against one of the traits here, and measured for each
//! library that has a counterpart: corio's under corio, tokio's under tokio, and those of libraries
//! without a runtime under tokio. `corio@tokio` is corio's primitive under tokio: what separates
//! the primitive's share of a figure from the runtime's.

mod channels;
mod files;
mod locks;
mod signals;

pub use channels::{Bounded, Broadcast, Chan, Oneshot, Queued, Settled, TryRecv, Unbounded, Watch};
pub use files::{Positional, Sequential};
pub use locks::{Lock, RwLock, Semaphore, Unfair};
pub use signals::{Barrier, Event, Token};

/// corio's primitives.
pub struct Corio;

/// tokio's, and those of tokio-util.
pub struct Tokio;

/// tokio's files behind a buffer.
pub struct TokioBuffered;

/// std's files, which block their worker.
pub struct Std;

/// Those of the crate async-lock.
pub struct AsyncLock;

/// The channel of the crate async-channel.
pub struct AsyncChannel;

/// The channel of the crate flume.
pub struct Flume;

/// The channel of the crate kanal.
pub struct Kanal;
