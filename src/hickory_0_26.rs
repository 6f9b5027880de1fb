//! DNS with hickory 0.26: [`CorioRuntimeProvider`] for its resolver and clients. Needs Rust 1.88.
pub use corio_io::hickory_0_26::{CorioRuntimeProvider, CorioSpawn, CorioTime};
