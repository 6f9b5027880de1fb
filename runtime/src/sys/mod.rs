//! What only the operating system can say.

pub mod interrupt;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod peer;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use peer::{Peer, peer};
