//! QUIC with quinn 0.11: [`CorioRuntime`] for `quinn::Endpoint::new`.
pub use corio_io::quinn_0_11::CorioRuntime;
