//! A channel of many senders and one receiver, with tokio's names.
//!
//! asyncio: a `Queue` with one consumer. [`Queue`](crate::Queue) is the form for several.
//!
//! # Progress
//!
//! Sending is lock-free; with a limit, who has to wait for room gets it in order of arrival, and waits
//! for the thread that owes it: the receiver of a value, or whoever drops a permit; a close is told
//! by the receiver alone. Receiving is wait-free but for giving room to a sender that waits, and for
//! those that have left since. Values are received in the order in which their sends drew a place: a
//! thread that is descheduled between drawing and filling it keeps those behind it back, and
//! meanwhile `try_recv` finds nothing; and it is the send of the next value that wakes a receiver
//! that waits, so one that is descheduled right after it has filled its place keeps it asleep.
//! Memory: blocks of 16 values that are used again; an empty channel has none.
//!
//! # Examples
//!
//! ```
//! use corio_sync::{mpsc, park::block_on};
//!
//! let (sender, mut receiver) = mpsc::channel(2);
//! let thread = std::thread::spawn(move || block_on(async {
//!     for number in 0..5 {
//!         sender.send(number).await.unwrap();
//!     }
//! }));
//! let sum = block_on(async {
//!     let mut sum = 0;
//!     while let Some(number) = receiver.recv().await {
//!         sum += number;
//!     }
//!     sum
//! });
//! assert_eq!(sum, 10);
//! thread.join().unwrap();
//! ```

mod blocks;
mod bounded;
mod chan;
mod receive;
mod rx_waker;
mod unbounded;

pub use bounded::{OwnedPermit, Permit, Receiver, Reserve, Send, Sender, WeakSender, channel};
pub use receive::{Recv, RecvMany, SenderClosed};
pub use unbounded::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded};

use std::fmt;

/// The receiver is gone or has closed; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed")
    }
}

impl<T> std::error::Error for SendError<T> {}

/// Why a value was not sent; it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// No room, or others wait for it.
    Full(T),
    /// The receiver is gone or has closed.
    Closed(T),
}

impl<T> TrySendError<T> {
    /// The value.
    ///
    /// See [`channel`] for an example.
    pub fn into_inner(self) -> T {
        let (Self::Full(value) | Self::Closed(value)) = self;
        value
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the channel is full",
            Self::Closed(_) => "the channel is closed",
        })
    }
}

impl<T> std::error::Error for TrySendError<T> {}

/// Why [`Receiver::try_recv`] got nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing is here.
    Empty,
    /// Nothing is here, and nothing will come.
    Disconnected,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the channel is empty",
            Self::Disconnected => "the channel is closed",
        })
    }
}

impl std::error::Error for TryRecvError {}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
