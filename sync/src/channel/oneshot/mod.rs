//! A channel for one value.
//!
//! asyncio: a `Future` that one side sets and the other awaits (see `SetOnce` for
//! the form with several waiters).
//!
//! # Examples
//!
//! ```
//! use corio_sync::{oneshot, park::block_on};
//!
//! let (sender, receiver) = oneshot::channel();
//! let thread = std::thread::spawn(move || sender.send(7));
//! assert_eq!(block_on(receiver), Ok(7));
//! thread.join().unwrap().unwrap();
//! ```

mod state;

use crate::place::{Made, WaitKind, noted};
use state::Shared;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Why a [`Receiver`] got no value: the [`Sender`] was dropped without sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender was dropped without sending")
    }
}

impl std::error::Error for RecvError {}

/// Why [`Receiver::try_recv`] got no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing has been sent yet.
    Empty,
    /// Nothing will be sent any more, or the value was taken before.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "nothing was sent yet",
            Self::Closed => "the channel is closed",
        })
    }
}

impl std::error::Error for TryRecvError {}

/// Creates the two ends of a channel; one allocation.
///
/// # Progress
///
/// Every operation of both ends is lock-free; sending to a receiver that does not wait yet is one
/// exchange, receiving what has been sent none.
///
/// # Examples
///
/// ```
/// use corio_sync::oneshot::{self, TryRecvError};
/// use corio_sync::park::block_on;
/// use std::time::Duration;
///
/// let (sender, mut receiver) = oneshot::channel();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// assert!(!sender.is_closed());
/// sender.send(1).unwrap();
/// assert_eq!(receiver.blocking_recv_timeout(Duration::from_secs(1)), Ok(1));
/// assert!(receiver.is_terminated());
///
/// let (mut sender, mut receiver) = oneshot::channel();
/// receiver.close();
/// block_on(sender.closed());
/// assert_eq!(sender.send(2), Err(2));
/// assert!(receiver.blocking_recv().is_err());
/// ```
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Shared::new();
    (
        Sender { shared: Some(shared) },
        Receiver { shared: Some(shared), made_at: Location::caller() },
    )
}

/// The end that sends.
///
/// See [`channel`] for an example.
pub struct Sender<T> {
    /// Gone once the value is sent.
    shared: Option<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends the value.
    ///
    /// # Errors
    ///
    /// The value comes back if the receiver is gone or has closed.
    pub fn send(mut self, value: T) -> Result<(), T> {
        let shared = self.shared.take().expect("a sender sends once");
        shared.send(value)
    }

    /// Whether the receiver is gone or has closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.as_ref().is_some_and(Shared::is_closed)
    }

    /// Waits until the receiver is gone or has closed.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn closed(&mut self) -> SenderClosed<'_, T> {
        SenderClosed { sender: self, caller: Made::here(WaitKind::ChannelClosed) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.sender_leaves();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// The future of [`Sender::closed`].
#[must_use = "futures do nothing unless awaited"]
pub struct SenderClosed<'a, T> {
    sender: &'a mut Sender<T>,
    caller: Made,
}

future_debug!([<'a, T>] SenderClosed<'a, T>, "SenderClosed");

impl<T> Future for SenderClosed<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.caller.begin();
        match &self.sender.shared {
            Some(shared) => self.caller.noted(shared.poll_closed(cx)),
            None => Poll::Ready(()),
        }
    }
}

/// The end that receives: a future of the value.
///
/// See [`channel`] for an example.
///
/// # Cancel safety
///
/// Strict: poll it by reference, and a dropped wait loses nothing. Dropping the receiver drops a
/// value that was sent.
#[must_use = "futures do nothing unless awaited"]
pub struct Receiver<T> {
    /// Gone once the value is received.
    shared: Option<Shared<T>>,
    /// Where the channel was made: awaiting the receiver is no call that could know its place.
    made_at: &'static Location<'static>,
}

impl<T> Receiver<T> {
    /// Receives the value if it is here.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let shared = self.shared.take().ok_or(TryRecvError::Closed)?;
        match shared.try_recv() {
            Some(received) => received.map_err(|RecvError(())| TryRecvError::Closed),
            None => {
                self.shared = Some(shared);
                Err(TryRecvError::Empty)
            }
        }
    }

    /// Receives on a thread that may block.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if the sender is gone without having sent.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        crate::park::block_on(self)
    }

    /// Receives on a thread that may block, for `d` at the most.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`]; `Empty` if nothing came in time.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_recv_timeout(&mut self, d: std::time::Duration) -> Result<T, TryRecvError> {
        if self.shared.is_none() {
            return Err(TryRecvError::Closed);
        }
        match crate::park::block_on_timeout(self, Some(d)) {
            Some(received) => received.map_err(|RecvError(())| TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Refuses a value that has not been sent yet. One that has can still be received.
    pub fn close(&mut self) {
        if let Some(shared) = &self.shared {
            shared.close();
        }
    }

    /// Whether the value was received or cannot come any more.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.shared.is_none()
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.shared.expect("a receiver was polled after it had completed");
        // Only then: a waker may panic while it is cloned, and the channel is still ours.
        let received = shared.poll_recv(cx);
        let received = ready!(noted(received, WaitKind::Oneshot, self.made_at));
        self.shared = None;
        Poll::Ready(received)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.receiver_leaves();
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
