//! A channel in which every receiver gets every value, or is told how many it missed.
//!
//! asyncio has no counterpart; names are tokio's. Differences: a value stays until later ones have
//! pushed it out, even if all receivers have seen it; receivers take no lock.
//!
//! *How.* A sender draws a number and writes the value with that number into a ring of runs of
//! values; see `runs`. A receiver looks at the number that it expects: the value is there, or has
//! not come yet, or was pushed out by a later one. It keeps the run that it reads, so that a look at
//! the next value of the same run costs two loads. It looks for a further run only if its first
//! number was drawn, and remembers how many were: a look at the end costs no pin. A receiver that
//! waits leaves its waker on a seat that it keeps; see `wait::seats`.
//!
//! The price: up to a quarter of the capacity, but no more than 32 values, live until the receiver
//! that has looked at one of them looks on.
//!
//! *Rejected.* Counting the readers of each slot, so that senders may write in place: two
//! read-modify-writes per value and receiver on a line that all of them share. A node for each
//! value, reached under a pin: a fence per value and receiver.
//!
//! # Progress
//!
//! Sending and receiving are lock-free. A sender that is descheduled between drawing its number and
//! putting its value delays the values behind it for receivers that have not lagged past it, not the
//! other senders. One that is descheduled while it wakes receivers delays those it has not reached,
//! until it goes on or another one sends. Sending takes time in proportion to the receivers.
//!
//! # Examples
//!
//! ```
//! use corio_sync::{broadcast, park::block_on};
//!
//! let (sender, mut one) = broadcast::channel(4);
//! let mut two = sender.subscribe();
//! assert_eq!(sender.send("hello"), Ok(2));
//! block_on(async {
//!     assert_eq!(one.recv().await, Ok("hello"));
//!     assert_eq!(two.recv().await, Ok("hello"));
//! });
//! ```

mod runs;

use self::runs::{Found, Look, Ring, Run};
use crate::coop;
use crate::place::{Made, WaitKind};
use crate::shim::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use crate::shim::{Ordering, mutant, ord};
use crate::wait::reclaim::pin;
use crate::wait::seats::{Roster, Seat};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// There is no receiver; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no receiver")
    }
}

impl<T> std::error::Error for SendError<T> {}

/// Why a receiver got no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvError {
    /// All senders are gone, and all values were received.
    Closed,
    /// The receiver was too slow and missed so many values; the next call goes on with the oldest
    /// that is left.
    Lagged(u64),
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the channel is closed"),
            Self::Lagged(missed) => write!(f, "the receiver missed {missed} values"),
        }
    }
}

impl std::error::Error for RecvError {}

/// Why [`Receiver::try_recv`] got no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing new.
    Empty,
    /// As [`RecvError::Closed`].
    Closed,
    /// As [`RecvError::Lagged`].
    Lagged(u64),
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the channel is empty"),
            Self::Closed => RecvError::Closed.fmt(f),
            Self::Lagged(missed) => RecvError::Lagged(*missed).fmt(f),
        }
    }
}

impl std::error::Error for TryRecvError {}

struct Shared<T> {
    ring: Ring<T>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// Receivers that have waited.
    roster: Roster,
    tail: Tail,
}

/// What senders write with each value, apart from what receivers read with each.
#[repr(align(64))]
struct Tail {
    /// Numbers drawn so far.
    drawn: AtomicU64,
    /// The senders are gone.
    over: AtomicBool,
}

// SAFETY: values are shared between threads and dropped on any.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn of(ring: Ring<T>) -> Arc<Self> {
        Arc::new(Self {
            ring,
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
            roster: Roster::new(),
            tail: Tail { drawn: AtomicU64::new(0), over: AtomicBool::new(false) },
        })
    }

    fn put(&self, value: T) {
        // Ordering(broadcast.draw): Relaxed. Only a number; the run publishes.
        let number = self.tail.drawn.fetch_add(1, Ordering::Relaxed);
        // If the ring went round while this thread was away, all receivers have lagged; the value is
        // dropped without a pin, as that is user code.
        let put = self.ring.put(number, value, &pin());
        match put {
            // The value's flag was exchanged last.
            Ok(()) => self.roster.wake_all_behind_rmw(),
            Err(_overtaken) => self.roster.wake_all(),
        }
    }
}

/// A channel whose receivers may lag behind by `capacity` values.
///
/// A value that was overwritten is dropped when no thread can be looking at it any more, on
/// whichever thread finds that out: so `T` is `Send` and borrows nothing.
///
/// # Panics
///
/// If `capacity` is zero.
///
/// # Examples
///
/// ```
/// use corio_sync::broadcast::{self, TryRecvError};
/// use corio_sync::park::block_on;
/// use std::time::Duration;
///
/// let (sender, mut one) = broadcast::channel(4);
/// assert_eq!(one.try_recv(), Err(TryRecvError::Empty));
/// let mut two = sender.subscribe();
/// assert_eq!((sender.send("a"), sender.receiver_count()), (Ok(2), 2));
/// assert_eq!((one.blocking_recv(), block_on(two.recv())), (Ok("a"), Ok("a")));
/// let mut three = one.resubscribe();
/// let limit = Duration::from_millis(1);
/// assert_eq!(three.blocking_recv_timeout(limit), Err(TryRecvError::Empty));
/// ```
#[must_use]
#[track_caller]
pub fn channel<T: Clone + Send + 'static>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a broadcast channel needs room for one value at least");
    ends(Ring::new(capacity))
}

fn ends<T>(ring: Ring<T>) -> (Sender<T>, Receiver<T>) {
    let shared = Shared::of(ring);
    let sender = Sender { shared: shared.clone() };
    (sender, Receiver { shared, next: 0, drawn: 0, kept: None, seat: None })
}

/// An end that sends.
///
/// See [`channel`] for an example.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends a value to all receivers; returns how many there are. Never waits.
    ///
    /// # Errors
    ///
    /// The value comes back if there is no receiver.
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let receivers = self.receiver_count();
        if receivers == 0 {
            return Err(SendError(value));
        }
        self.shared.put(value);
        Ok(receivers)
    }

    /// A receiver of what is sent from now on.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::of(&self.shared)
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        // Ordering: Relaxed; a number for people.
        self.shared.receivers.load(Ordering::Relaxed)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        // Ordering(broadcast.clone): Relaxed. The caller holds a sender.
        self.shared.senders.fetch_add(1, Ordering::Relaxed);
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // Ordering(broadcast.last_sender): AcqRel; pairs with itself: the flag comes after all that
        // all senders did, so a receiver that sees it sees that, too.
        // Ordering(broadcast.over): Release; pairs with Ordering(broadcast.peek_over), for the same
        // purpose.
        let order = ord("broadcast.last_sender", Ordering::AcqRel);
        if self.shared.senders.fetch_sub(1, order) == 1 {
            self.shared.tail.over.store(true, ord("broadcast.over", Ordering::Release));
            self.shared.roster.wake_all();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// An end that receives.
///
/// See [`channel`] for an example.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The number of the value it expects.
    next: u64,
    /// At least so many numbers were drawn.
    drawn: u64,
    /// The run in which it has looked last, if runs are worth keeping.
    kept: Option<Arc<Run<T>>>,
    /// Where its waker lies while it waits; taken when it waits for the first time.
    seat: Option<Seat>,
}

impl<T: Clone> Receiver<T> {
    /// Receives the next value.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv { receiver: self, waits: false, caller: Made::here(WaitKind::ChannelReceive) }
    }

    /// Receives the next value if it is here.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.next_kept() {
            Some(value) => Ok(value),
            None => self.try_slowly(),
        }
    }

    /// The next value if it lies in the run that this receiver keeps.
    #[inline]
    fn next_kept(&mut self) -> Option<T> {
        let value = self.kept.as_ref()?.value(self.next)?;
        self.next += 1;
        Some(value)
    }

    #[inline(never)]
    fn try_slowly(&mut self) -> Result<T, TryRecvError> {
        if let Some(news) = self.look() {
            return news;
        }
        if !self.is_over() {
            return Err(TryRecvError::Empty);
        }
        // With the flag all values are visible: the last may have come since we looked.
        let last = if mutant("broadcast.look_again") { None } else { self.look() };
        last.unwrap_or(Err(TryRecvError::Closed))
    }

    // Ordering(broadcast.peek_over): Acquire; pairs with Ordering(broadcast.over): who finds the
    // senders gone sees all that they sent.
    #[inline]
    fn is_over(&self) -> bool {
        self.shared.tail.over.load(ord("broadcast.peek_over", Ordering::Acquire))
    }

    /// Leaves a waker; the caller looks once more.
    #[inline]
    fn wait(&mut self, cx: &mut Context<'_>) {
        let roster = &self.shared.roster;
        let seat = self.seat.get_or_insert_with(|| roster.join());
        roster.wait(seat, cx.waker());
    }

    /// What lies where the next value is expected; none if that has not come.
    fn look(&mut self) -> Option<Result<T, TryRecvError>> {
        match self.kept.as_ref().and_then(|run| run.look(self.next)) {
            Some(seen) => self.news(seen),
            None => self.look_further(),
        }
    }

    /// As `look`, if the value is in none of the runs that this receiver knows.
    // Ordering(broadcast.drawn): Relaxed. A number that is not seen yet belongs to a sender whose
    // value need not be seen either: by the flag or by fence(seats.waits) it would be.
    fn look_further(&mut self) -> Option<Result<T, TryRecvError>> {
        if self.next >= self.drawn {
            self.drawn = self.shared.tail.drawn.load(Ordering::Relaxed);
            if self.next >= self.drawn {
                return None;
            }
        }
        let guard = pin();
        let seen = match self.shared.ring.find(self.next, &guard) {
            Found::Missing => Look::Missing,
            Found::Replaced => Look::Passed,
            Found::Here(run) => {
                let seen = run.look(self.next).expect("the run was found by the number");
                if self.shared.ring.has_long_runs() {
                    let before = self.kept.replace(run.clone());
                    drop(guard);
                    // Dropped without a pin: that may be user code.
                    drop(before);
                }
                seen
            }
        };
        self.news(seen)
    }

    fn news(&mut self, seen: Look<T>) -> Option<Result<T, TryRecvError>> {
        match seen {
            Look::Value(value) => {
                self.next += 1;
                Some(Ok(value))
            }
            Look::Passed => Some(Err(self.lagged())),
            Look::Missing => None,
        }
    }

    /// Goes on with the oldest value that may be left: the one that was expected is not.
    #[cold]
    fn lagged(&mut self) -> TryRecvError {
        let capacity = self.shared.ring.capacity();
        // Ordering: Relaxed; an older count only means that another round may be needed.
        let drawn = self.shared.tail.drawn.load(Ordering::Relaxed);
        let oldest = drawn.saturating_sub(capacity).max(self.next + 1);
        let missed = oldest - self.next;
        self.next = oldest;
        TryRecvError::Lagged(missed)
    }

    /// Receives from a thread that may block.
    ///
    /// # Errors
    ///
    /// [`RecvError`].
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        crate::park::block_on(self.recv())
    }

    /// Receives from a thread that may block, for `d` at the most.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`]; `Empty` if nothing came in time.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn blocking_recv_timeout(&mut self, d: std::time::Duration) -> Result<T, TryRecvError> {
        match crate::park::block_on_timeout(self.recv(), Some(d)) {
            Some(Ok(value)) => Ok(value),
            Some(Err(RecvError::Lagged(missed))) => Err(TryRecvError::Lagged(missed)),
            Some(Err(RecvError::Closed)) => Err(TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    /// A receiver of what is sent from now on.
    #[must_use]
    pub fn resubscribe(&self) -> Self {
        Self::of(&self.shared)
    }
}

impl<T> Receiver<T> {
    /// A receiver of what is sent from now on.
    // Ordering(broadcast.subscribe): Relaxed, both. The count carries no data; a number that is
    // drawn at the same moment may or may not be received.
    fn of(shared: &Arc<Shared<T>>) -> Self {
        shared.receivers.fetch_add(1, Ordering::Relaxed);
        let drawn = shared.tail.drawn.load(Ordering::Relaxed);
        Self { next: drawn, drawn, kept: None, shared: shared.clone(), seat: None }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Ordering(broadcast.last_receiver): Relaxed. The count carries no data.
        self.shared.receivers.fetch_sub(1, Ordering::Relaxed);
        if let Some(seat) = self.seat.take() {
            self.shared.roster.leave(seat);
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("next", &self.next).finish_non_exhaustive()
    }
}

/// The future of [`Receiver::recv`].
#[must_use = "futures do nothing unless awaited"]
pub struct Recv<'a, T: Clone> {
    receiver: &'a mut Receiver<T>,
    /// A waker was left on the receiver's seat.
    waits: bool,
    caller: Made,
}

future_debug!([<T: Clone>] Recv<'_, T>, "Recv");

impl<T: Clone> Recv<'_, T> {
    fn news(&mut self) -> Option<Result<T, RecvError>> {
        match self.receiver.try_slowly() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Lagged(missed)) => Some(Err(RecvError::Lagged(missed))),
            Err(TryRecvError::Closed) => Some(Err(RecvError::Closed)),
            Err(TryRecvError::Empty) => None,
        }
    }

    #[inline(never)]
    fn poll_slowly(
        &mut self,
        cx: &mut Context<'_>,
        unit: coop::Restore,
    ) -> Poll<Result<T, RecvError>> {
        let news = self.news().or_else(|| {
            self.waits = true;
            self.receiver.wait(cx);
            if mutant("broadcast.recheck") { None } else { self.news() }
        });
        let news = ready!(self.caller.noted(news.map_or(Poll::Pending, Poll::Ready)));
        unit.made_progress();
        Poll::Ready(news)
    }
}

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.caller.begin();
        let unit = ready!(coop::poll_proceed(cx));
        match self.receiver.next_kept() {
            Some(value) => {
                unit.made_progress();
                Poll::Ready(Ok(value))
            }
            None => self.poll_slowly(cx, unit),
        }
    }
}

impl<T: Clone> Drop for Recv<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let (true, Some(seat)) = (self.waits, &self.receiver.seat) {
            seat.clear();
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
