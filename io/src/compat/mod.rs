//! The streams of `net`, and those in memory, for the rest of the ecosystem: three families of traits, one body each.
//!
//! The bodies are `TcpStream::poll_read` and its siblings, in `net/poll.rs`. The traits' methods do not know their
//! caller, so dumps show where the stream was made.

#[cfg(any(feature = "futures-io", feature = "hyper", feature = "tokio-io"))]
mod duplex;
#[cfg(feature = "futures-io")]
mod futures;
#[cfg(feature = "hyper")]
pub(crate) mod hyper;
#[cfg(feature = "tokio-io")]
pub(crate) mod tokio;
