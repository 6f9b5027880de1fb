//! Channels with tokio's names: [`oneshot`], [`mpsc`], [`broadcast`], [`watch`].

pub mod broadcast;
pub mod mpsc;
pub mod oneshot;
pub mod watch;
