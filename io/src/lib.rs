//! Sockets, streams, files, processes and signals of corio.
//!
//! Users depend on the facade crate `corio`. Read in this order: `source` (a descriptor and its
//! readiness), `sys` (the system calls), `net` (listeners, streams, name resolution, `serve`),
//! `compat` (the same streams for futures-io, tokio's traits and hyper), `stream` (asyncio's
//! streams, over sockets and pipes), `fs`, `process`, `signal`.

mod compat;
mod context;
mod source;
mod sys;

pub mod copy;
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

/// What hyper asks of a runtime: an executor and a timer.
#[cfg(feature = "hyper")]
pub mod hyper {
    pub use crate::compat::hyper::{CorioExecutor, CorioTimer};
}
