//! The streams of `net` for the rest of the ecosystem: three families of traits, one body each.
//!
//! The bodies are `TcpStream::poll_read` and its siblings, in `net/wire.rs`. The traits' methods do
//! not know their caller, so dumps show where the stream was made.

#[cfg(feature = "futures-io")]
mod futures;
#[cfg(feature = "hyper")]
pub(crate) mod hyper;
#[cfg(feature = "tokio-io")]
mod tokio;
