//! corio for the rest of the ecosystem: the streams of `net`, and those in memory, in three families
//! of traits, one body each, and what hyper, quinn and hickory ask of a runtime.
//!
//! The bodies are `TcpStream::poll_read` and its siblings, in `net/wire.rs`. The traits' methods do
//! not know their caller, so dumps show where the stream was made.

#[cfg(any(feature = "futures-io", feature = "hyper", feature = "tokio-io"))]
mod duplex;
#[cfg(feature = "futures-io")]
mod futures;
#[cfg(feature = "hickory_0_26")]
pub(crate) mod hickory;
#[cfg(feature = "hyper")]
pub(crate) mod hyper;
#[cfg(feature = "quinn_0_11")]
pub(crate) mod quinn;
#[cfg(feature = "tokio-io")]
pub(crate) mod tokio;
