//! Channels with tokio's names: [`oneshot`], [`mpsc`].

pub mod mpsc;
pub mod oneshot;
