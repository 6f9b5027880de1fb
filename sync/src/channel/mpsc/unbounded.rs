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
///
/// # Examples
///
/// ```
/// use corio_sync::mpsc::{self, TryRecvError};
/// use corio_sync::park::block_on;
/// use std::{future::poll_fn, time::Duration};
///
/// let (sender, mut receiver) = mpsc::unbounded();
/// let weak = sender.downgrade();
/// let other = weak.upgrade().unwrap();
/// assert!(other.same_channel(&sender));
/// other.send(1).unwrap();
/// assert_eq!(block_on(poll_fn(|cx| receiver.poll_recv(cx))), Some(1));
/// let limit = Duration::from_millis(1);
/// assert_eq!(receiver.blocking_recv_timeout(limit), Err(TryRecvError::Empty));
///
/// receiver.close();
/// assert!(receiver.is_closed() && sender.is_closed() && sender.send(2).is_err());
/// block_on(sender.closed());
/// drop((sender, other));
/// assert!(weak.upgrade().is_none());
/// ```
#[doc(alias = "unbounded_channel")]
#[must_use]
pub fn unbounded<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let chan = Chan::new(0);
    (UnboundedSender { chan: chan.clone() }, UnboundedReceiver { chan })
}

/// A sending end of [`unbounded`].
///
/// See [`unbounded`](fn@unbounded) for an example.
pub struct UnboundedSender<T> {
    chan: Arc<Chan<T>>,
}

/// The receiving end of [`unbounded`].
///
/// See [`channel`](super::channel) and [`unbounded`](fn@unbounded) for an example.
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
