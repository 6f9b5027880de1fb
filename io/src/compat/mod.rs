//! corio for the rest of the ecosystem: the streams of `net`, and those in memory, in three families
//! of traits, one body each; files and asyncio's streams in those of futures-io and tokio; and what
//! hyper, quinn and hickory ask of a runtime.
//!
//! The bodies are `TcpStream::poll_read` and its siblings, in `net/wire.rs`, those of `fs/polls.rs`,
//! and those of `StreamReader` and `StreamWriter`. The traits' methods do not know their caller, so dumps show where the stream
//! was made, or the file opened.

#[cfg(any(feature = "futures-io", feature = "hyper", feature = "tokio-io"))]
mod duplex;
#[cfg(any(feature = "futures-io", feature = "tokio-io"))]
mod files;
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
