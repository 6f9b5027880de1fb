//! Channels with tokio's names: [`oneshot`].

pub mod oneshot;
