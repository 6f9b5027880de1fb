//! The channel with a limit.

use super::blocks::Pop;
use super::chan::Chan;
use super::receive::{Recv, RecvMany, SenderClosed, ends};
use super::{SendError, TryRecvError, TrySendError};
use crate::debug;
use crate::place::{Made, WaitKind, noted};
use crate::wait::queue::Place;
use crate::wait::room::At;
use crate::wait::weighted::Shut;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A channel with room for `capacity` values.
///
/// # Panics
///
/// If `capacity` is zero or above [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
///
/// # Examples
///
/// ```
/// use corio_sync::{mpsc, park::block_on};
/// use std::time::Duration;
///
/// let (sender, mut receiver) = mpsc::channel(2);
/// assert_eq!((sender.capacity(), sender.max_capacity()), (2, 2));
/// sender.try_send(1).unwrap();
/// sender.try_reserve().unwrap().send(2);
/// let full = sender.blocking_send_timeout(3, Duration::from_millis(1)).unwrap_err();
/// assert_eq!(full.into_inner(), 3);
/// assert_eq!((receiver.try_recv(), receiver.blocking_recv()), (Ok(1), Some(2)));
///
/// block_on(async {
///     sender.send(4).await.unwrap();
///     sender.reserve().await.unwrap().send(5);
///     assert_eq!(receiver.recv().await, Some(4));
///     let mut more = Vec::new();
///     assert_eq!(receiver.recv_many(&mut more, 10).await, 1);
/// });
/// let sender = sender.try_reserve_owned().unwrap().send(6);
/// sender.blocking_send(7).unwrap();
/// ```
#[must_use]
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a bounded channel needs room for one value at least");
    let most = crate::Semaphore::MAX_PERMITS;
    assert!(capacity <= most, "room for {capacity} values, Semaphore::MAX_PERMITS is {most}");
    let chan = Chan::new(u32::try_from(capacity).expect("looked at above"));
    (Sender { chan: chan.clone() }, Receiver { chan })
}

/// A sending end of [`channel`].
///
/// See [`channel`] and [`unbounded`](fn@super::unbounded) for an example.
pub struct Sender<T> {
    chan: Arc<Chan<T>>,
}

/// The receiving end of [`channel`].
///
/// See [`channel`] and [`unbounded`](fn@super::unbounded) for an example.
pub struct Receiver<T> {
    chan: Arc<Chan<T>>,
}

ends!(Receiver, Sender, WeakSender);

impl<T> Sender<T> {
    /// Sends a value, waiting for room.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the value if the receiver is gone or has closed.
    ///
    /// # Cancel safety
    ///
    /// Loses place: a dropped future has not sent anything, and drops its value; see
    /// [`Sender::reserve`] to keep it.
    #[track_caller]
    pub fn send(&self, value: T) -> Send<'_, T> {
        Send { reserve: self.reserve(), value: Some(value) }
    }

    /// Sends a value if there is room.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the value.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.chan.room.try_take() {
            Ok(true) => self.chan.push(value).map_err(TrySendError::Closed),
            Ok(false) => Err(TrySendError::Full(value)),
            Err(Shut) => Err(TrySendError::Closed(value)),
        }
    }

    /// Waits for room; the permit sends without waiting.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the receiver is gone or has closed.
    ///
    /// # Cancel safety
    ///
    /// Loses place.
    #[track_caller]
    pub fn reserve(&self) -> Reserve<'_, T> {
        Reserve { sender: self, at: At::default(), caller: Location::caller() }
    }

    /// Takes room if there is some.
    ///
    /// # Errors
    ///
    /// [`TrySendError`].
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        match self.chan.room.try_take() {
            Ok(true) => Ok(Permit { chan: Some(&self.chan) }),
            Ok(false) => Err(TrySendError::Full(())),
            Err(Shut) => Err(TrySendError::Closed(())),
        }
    }

    /// Takes room if there is some; the permit takes the sender along.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the sender.
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.chan.room.try_take() {
            Ok(true) => Ok(OwnedPermit { sender: Some(self) }),
            Ok(false) => Err(TrySendError::Full(self)),
            Err(Shut) => Err(TrySendError::Closed(self)),
        }
    }

    /// Sends from a thread that may block.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the value if the receiver is gone or has closed.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        crate::park::block_on(self.send(value))
    }

    /// Sends from a thread that may block, for `d` at the most.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the value; `Full` if no room came in time.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_send_timeout(
        &self,
        value: T,
        d: std::time::Duration,
    ) -> Result<(), TrySendError<T>> {
        match crate::park::block_on_timeout(self.reserve(), Some(d)) {
            Some(Ok(permit)) => permit.into_chan().push(value).map_err(TrySendError::Closed),
            Some(Err(SendError(()))) => Err(TrySendError::Closed(value)),
            None => Err(TrySendError::Full(value)),
        }
    }

    /// The room that is left; 0 while somebody waits for some.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.chan.room.available()
    }

    /// The room of the empty channel.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.chan.room.most as usize
    }
}

/// The future of [`Sender::reserve`].
#[must_use = "futures do nothing unless awaited"]
pub struct Reserve<'a, T> {
    sender: &'a Sender<T>,
    at: At,
    caller: &'static Location<'static>,
}

future_debug!([<T>] Reserve<'_, T>, "Reserve");

impl<'a, T> Future for Reserve<'a, T> {
    type Output = Result<Permit<'a, T>, SendError<()>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let unit = ready!(this.at.proceed(cx));
        let taken = this.sender.chan.room.poll_take(&mut this.at, cx);
        let taken = ready!(noted(taken, WaitKind::ChannelSend, this.caller));
        unit.made_progress();
        Poll::Ready(match taken {
            Ok(()) => Ok(Permit { chan: Some(&this.sender.chan) }),
            Err(Shut) => {
                // What was on its way here has gone back.
                this.sender.chan.room_came_back();
                Err(SendError(()))
            }
        })
    }
}

impl<T> Drop for Reserve<'_, T> {
    fn drop(&mut self) {
        match self.at {
            At::Place(Place::Idle) => debug::never_awaited(WaitKind::ChannelSend, self.caller),
            At::Seat(_) | At::Place(Place::Waiting(_)) => {
                self.sender.chan.room.leave(&mut self.at);
                self.sender.chan.room_came_back();
            }
            At::Place(Place::Yielded | Place::Done) => {}
        }
    }
}

/// The future of [`Sender::send`].
#[must_use = "futures do nothing unless awaited"]
pub struct Send<'a, T> {
    reserve: Reserve<'a, T>,
    value: Option<T>,
}

// The value is moved, never pinned.
impl<T> Unpin for Send<'_, T> {}

impl<T> fmt::Debug for Send<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send").field("reserve", &self.reserve).finish_non_exhaustive()
    }
}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        assert!(this.value.is_some(), "a send was polled after it had completed");
        let permit = ready!(Pin::new(&mut this.reserve).poll(cx));
        let value = this.value.take().expect("looked at above");
        Poll::Ready(match permit {
            Ok(permit) => permit.into_chan().push(value).map_err(SendError),
            Err(SendError(())) => Err(SendError(value)),
        })
    }
}

/// Room for one value.
///
/// See [`channel`] for an example.
#[must_use = "dropping the permit gives the room back at once"]
pub struct Permit<'a, T> {
    /// Gone once it is used.
    chan: Option<&'a Chan<T>>,
}

impl<'a, T> Permit<'a, T> {
    fn into_chan(mut self) -> &'a Chan<T> {
        self.chan.take().expect("a live permit has its channel")
    }

    /// Sends the value; if the receiver is gone meanwhile, it is dropped.
    pub fn send(self, value: T) {
        drop(self.into_chan().push(value));
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        if let Some(chan) = self.chan {
            chan.give_room_back();
        }
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// Room for one value, and a sender.
///
/// See [`channel`] for an example.
#[must_use = "dropping the permit gives the room back at once"]
pub struct OwnedPermit<T> {
    /// Gone once it is used.
    sender: Option<Sender<T>>,
}

impl<T> OwnedPermit<T> {
    /// Sends the value and gives the sender back; if the receiver is gone meanwhile, the value is
    /// dropped.
    pub fn send(mut self, value: T) -> Sender<T> {
        let sender = self.sender.take().expect("a live permit has its sender");
        drop(sender.chan.push(value));
        sender
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = &self.sender {
            sender.chan.give_room_back();
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}
