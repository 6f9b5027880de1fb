//! The channel without a limit.

use super::blocks::Pop;
use super::chan::Chan;
use super::receive::{Recv, RecvMany, SenderClosed, ends};
use super::{SendError, TryRecvError};
use crate::place::{Made, WaitKind};
use crate::wait::queue::Place;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A channel without a limit: sending never waits.
#[doc(alias = "unbounded_channel")]
#[must_use]
pub fn unbounded<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let chan = Chan::new(0);
    (UnboundedSender { chan: chan.clone() }, UnboundedReceiver { chan })
}

/// A sending end of [`unbounded`].
pub struct UnboundedSender<T> {
    chan: Arc<Chan<T>>,
}

/// The receiving end of [`unbounded`].
pub struct UnboundedReceiver<T> {
    chan: Arc<Chan<T>>,
}

ends!(UnboundedReceiver, UnboundedSender, WeakUnboundedSender);

impl<T> UnboundedSender<T> {
    /// Sends a value.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the value if the receiver is gone or has closed.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.chan.push(value).map_err(SendError)
    }
}
