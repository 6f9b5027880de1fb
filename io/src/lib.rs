//! Sockets, streams, files, processes and signals of corio.
//!
//! Users depend on the facade crate `corio`. Read in this order: `source` (a descriptor and its
//! readiness), `sys` (the system calls), `net` (listeners, streams, name resolution, `serve`),
//! `compat` (the same streams for futures-io, tokio's traits and hyper), `stream` (asyncio's
//! streams, over sockets and pipes, and TLS), `copy` and `buffered`, `fs`, `process`, `signal`.

mod compat;
mod context;
mod made;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod sigpipe;
mod source;
mod sys;

pub mod buffered;
pub mod copy;
pub mod duplex;
pub mod fs;
#[cfg(any(test, feature = "__fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod net;
pub mod process;
pub mod signal;
pub mod stdio;
pub mod stream;

#[cfg(feature = "axum_0_8")]
pub use net::serve::{serve, serve_make_service};

#[cfg(feature = "tls")]
pub use stream::ssl;

/// What quinn 0.11 asks of a runtime: tasks, timers, and UDP sockets that many connections share.
#[cfg(feature = "quinn_0_11")]
pub mod quinn_0_11 {
    pub use crate::compat::quinn::CorioRuntime;
}

/// What hickory 0.26 asks of a runtime: sockets, timers, tasks.
#[cfg(feature = "hickory_0_26")]
pub mod hickory_0_26 {
    pub use crate::compat::hickory::{CorioRuntimeProvider, CorioSpawn, CorioTime};
}

/// What hyper asks of a runtime: an executor and a timer.
#[cfg(feature = "hyper")]
pub mod hyper {
    pub use crate::compat::hyper::{CorioExecutor, CorioTimer};
}
