//! A channel that holds one value, of which receivers see the latest.
//!
//! asyncio has no counterpart; names are tokio's. Difference: [`Receiver::borrow`] gives a snapshot,
//! not a lock: holding it blocks nobody, and the sender may send meanwhile.
//!
//! *How.* The value and its version lie in a shared node behind a pointer; sending swaps the
//! pointer, and epochs keep the old node while somebody is about to count a reference to it. Small
//! values that own nothing share a node, and sending swaps its word; see `watch::runs`. Then
//! the version is published in a word of its own. A receiver keeps the node that it has looked at,
//! and looks at it again without writing anything shared while the word says that it is the latest,
//! or lies beside it.
//! Who finds a newer value than the word says moves the word on before telling anybody, so nobody
//! who is told of a value can find an older one. A receiver that waits leaves its waker on a seat
//! that it keeps; see `wait::seats`.
//!
//! The price: a value may live until every receiver that has looked at it looks again.
//!
//! # Progress
//!
//! Looking at the value is wait-free, sending lock-free plus time in proportion to the receivers
//! that have ever waited; a thread that is descheduled while it wakes them delays those that it has
//! not reached, until it goes on or another one sends.
//!
//! # Examples
//!
//! ```
//! use corio_sync::{park::block_on, watch};
//!
//! let (sender, mut receiver) = watch::channel(1);
//! sender.send(2).unwrap();
//! block_on(async {
//!     receiver.changed().await.unwrap();
//!     assert_eq!(*receiver.borrow_and_update(), 2);
//! });
//! ```

mod closed;
mod error;
mod runs;
mod snapshot;

pub use self::closed::SenderClosed;
pub use self::error::{RecvError, SendError};
use self::runs::{Kept, Run};
pub use self::snapshot::Ref;
use self::snapshot::{Node, Seen, Snapshot};
use crate::coop;
use crate::place::{Made, WaitKind};
use crate::shim::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};
use crate::shim::{Ordering, fence_at, mutant, ord};
use crate::wait::line::Line;
use crate::wait::queue::Place;
use crate::wait::reclaim::{Domain, Guard, Managed, pin};
use crate::wait::seats::{Roster, Seat};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

struct Shared<T> {
    latest: AtomicPtr<Node<T>>,
    /// The version of `latest`, or for a moment one before it.
    version: AtomicU64,
    domain: Domain,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// Receivers that have waited for a change.
    roster: Roster,
    /// The senders are gone.
    over: AtomicBool,
    /// Senders that wait for the receivers to go.
    deserted: Line,
}

// SAFETY: values are shared between threads and dropped on any.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    // Ordering(watch.latest): Acquire; pairs with Ordering(watch.replace): the node is looked into.
    fn latest<'g>(&self, guard: &'g Guard) -> Seen<'g, T> {
        let node = self.latest.load(ord("watch.latest", Ordering::Acquire));
        // SAFETY: read from the shared pointer since the pin; it is never null.
        let run = unsafe { guard.get(node) };
        Seen { node, run, newest: run.newest() }
    }

    // Ordering(watch.version): Acquire; pairs with Ordering(watch.publish): whoever knows of a
    // version finds its node or a later one, and sees what was done before it was sent.
    #[inline]
    fn version(&self) -> u64 {
        self.version.load(ord("watch.version", Ordering::Acquire))
    }

    /// Says that there is this version.
    // Ordering(watch.publish): Release; pairs with Ordering(watch.version).
    fn publish(&self, version: u64) {
        // Ordering: Relaxed; a guess. If it is old, the step below changes nothing.
        if self.version.load(Ordering::Relaxed) < version {
            self.version.fetch_max(version, ord("watch.publish", Ordering::Release));
        }
    }

    /// The latest value, and nobody finds an older one afterwards.
    fn snapshot(&self) -> Kept<T> {
        let kept = self.latest(&pin()).keep();
        self.help(&kept);
        kept
    }

    /// Says that there is this value, in case that its sender has not.
    fn help(&self, kept: &Kept<T>) {
        if !mutant("watch.help") {
            self.publish(kept.get().version);
        }
    }

    /// Shows `value` as the successor of `seen`, unless that was overtaken; then it comes back.
    // Ordering(watch.replace): Release; pairs with Ordering(watch.latest).
    fn try_replace(&self, guard: &Guard, seen: &Seen<'_, T>, value: T) -> Result<Kept<T>, T> {
        let value = match seen.run.append(seen.newest, value) {
            Ok(()) => return Ok(seen.keep()),
            Err(refused) => refused,
        };
        if !mutant("watch.close_first") && !seen.run.close(seen.newest) {
            return Err(value);
        }
        let before = seen.keep();
        let new = self.domain.alloc(Arc::new(Run::new(before.get().version + 1, value)));
        let (ok, err) = (ord("watch.replace", Ordering::Release), Ordering::Relaxed);
        if self.latest.compare_exchange(seen.node, new, ok, err).is_ok() {
            // SAFETY: replaced by us, so out of reach for later pins; once.
            unsafe { guard.retire(&self.domain, seen.node) };
            return Ok(before);
        }
        // SAFETY: never published, so ours.
        let shared = unsafe { Managed::get(new) }.clone();
        // SAFETY: as above; the clone keeps the value.
        unsafe { self.domain.free(new) };
        Err(Arc::into_inner(shared).expect("never published").into_first())
    }

    /// Makes a new value of the latest one until that is not overtaken; `Err` leaves it.
    fn replace<E>(&self, mut make: impl FnMut(&T) -> Result<T, E>) -> Result<Kept<T>, E> {
        let before = {
            let guard = pin();
            loop {
                let seen = self.latest(&guard);
                let value = make(seen.value())?;
                if let Ok(before) = self.try_replace(&guard, &seen, value) {
                    break before;
                }
            }
        };
        self.announce(before.get().version + 1);
        Ok(before)
    }

    /// Replaces the latest value.
    fn replace_with(&self, mut value: T) -> Kept<T> {
        let before = {
            let guard = pin();
            loop {
                match self.try_replace(&guard, &self.latest(&guard), value) {
                    Ok(before) => break before,
                    Err(refused) => value = refused,
                }
            }
        };
        self.announce(before.get().version + 1);
        before
    }

    fn announce(&self, version: u64) {
        self.publish(version);
        // The pointer or the run's word was exchanged; who has not moved the word has seen it moved.
        self.roster.wake_all_behind_rmw();
    }

    // Ordering(watch.peek_over): Acquire; pairs with Ordering(watch.over): who finds the senders
    // gone sees all that they sent.
    #[inline]
    fn is_over(&self) -> bool {
        self.over.load(ord("watch.peek_over", Ordering::Acquire))
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Ordering(watch.drop): Relaxed. `&mut self` has been ordered after all uses.
        let node = self.latest.load(Ordering::Relaxed);
        // SAFETY: exclusive; the latest node was not retired.
        unsafe { self.domain.free(node) };
    }
}

/// A channel that holds `value` until another one is sent. See [`Ref`] for an example.
///
/// A value that was replaced is dropped when no thread can be looking at it any more, on whichever
/// thread finds that out: so `T` is `Send` and borrows nothing.
#[must_use]
pub fn channel<T: Send + 'static>(value: T) -> (Sender<T>, Receiver<T>) {
    let domain = Domain::new();
    let node = domain.alloc(Arc::new(Run::new(0, value)));
    let shared = Arc::new(Shared {
        latest: AtomicPtr::new(node),
        version: AtomicU64::new(0),
        domain,
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
        roster: Roster::new(),
        over: AtomicBool::new(false),
        deserted: Line::new(),
    });
    (Sender { shared: shared.clone() }, Receiver { shared, kept: None, seen: 0, seat: None })
}

/// An end that sends. See [`Ref`] for an example.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends a value to all receivers.
    ///
    /// # Errors
    ///
    /// The value comes back if there is no receiver.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Sends a value, also if nobody is there to receive it; returns the one before.
    pub fn send_replace(&self, value: T) -> Ref<'_, T> {
        Ref(Snapshot::Own(self.shared.replace_with(value)))
    }

    /// Sends a changed copy of the value.
    pub fn send_modify(&self, mut modify: impl FnMut(&mut T))
    where
        T: Clone,
    {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// Sends a changed copy of the value if `modify` says so; returns what it said.
    ///
    /// `modify` runs again if another sender was faster.
    pub fn send_if_modified(&self, mut modify: impl FnMut(&mut T) -> bool) -> bool
    where
        T: Clone,
    {
        let make = |value: &T| {
            let mut value = value.clone();
            if modify(&mut value) { Ok(value) } else { Err(()) }
        };
        self.shared.replace(make).is_ok()
    }

    /// A snapshot of the value.
    #[must_use]
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref(Snapshot::Own(self.shared.snapshot()))
    }

    /// A receiver that has seen the present value.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        // Ordering(watch.receivers): Relaxed. The count carries no data.
        self.shared.receivers.fetch_add(1, Ordering::Relaxed);
        let seen = self.shared.version();
        Receiver { seen, kept: None, shared: self.shared.clone(), seat: None }
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        // Ordering: Relaxed; a number for people.
        self.shared.receivers.load(Ordering::Relaxed)
    }

    /// Whether there is no receiver.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn closed(&self) -> SenderClosed<'_, T> {
        SenderClosed { sender: self, at: Place::Idle, caller: Made::here(WaitKind::ChannelClosed) }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        // Ordering(watch.senders): Relaxed. The caller holds a sender.
        self.shared.senders.fetch_add(1, Ordering::Relaxed);
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // Ordering(watch.last_sender): AcqRel; pairs with itself: the flag comes after all that all
        // senders did, so a receiver that sees it sees that, too.
        // Ordering(watch.over): Release; pairs with Ordering(watch.peek_over), for the same purpose.
        let order = ord("watch.last_sender", Ordering::AcqRel);
        if self.shared.senders.fetch_sub(1, order) == 1 {
            self.shared.over.store(true, ord("watch.over", Ordering::Release));
            self.shared.roster.wake_all();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("value", &self.borrow()).finish()
    }
}

/// An end that receives. See [`Ref`] for an example.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The value that this receiver has last looked at.
    kept: Option<Kept<T>>,
    /// The version that this receiver has seen.
    seen: u64,
    /// Where its waker lies while it waits; taken when it waits for the first time.
    seat: Option<Seat>,
}

impl<T> Receiver<T> {
    /// A snapshot of the value; does not mark it as seen.
    #[inline]
    #[must_use]
    pub fn borrow(&self) -> Ref<'_, T> {
        match &self.kept {
            Some(kept) if kept.get().version == self.shared.version() => {
                Ref(Snapshot::Kept(kept.get()))
            }
            _ => Ref(Snapshot::Own(self.shared.snapshot())),
        }
    }

    /// A snapshot of the value, which counts as seen from now on.
    ///
    /// The receiver keeps the value until it looks again: looking at one that has not changed
    /// costs a load.
    #[inline]
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let version = self.shared.version();
        if self.kept.as_ref().is_none_or(|kept| kept.get().version != version) {
            self.renew();
        }
        let kept = self.kept.as_ref().expect("renewed if there was none").get();
        self.seen = kept.version;
        Ref(Snapshot::Kept(kept))
    }

    /// Keeps the latest value.
    #[inline(never)]
    fn renew(&mut self) {
        if let Some(kept) = &mut self.kept {
            if kept.renew() {
                return self.shared.help(kept);
            }
        }
        self.renew_run();
    }

    #[cold]
    fn renew_run(&mut self) {
        // The old value is dropped last: that is user code.
        let _before = self.kept.replace(self.shared.snapshot());
    }

    /// Whether there is a value that was not seen.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if the senders are gone.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        if self.shared.is_over() {
            return Err(RecvError(()));
        }
        Ok(self.shared.version() != self.seen)
    }

    /// Makes the next [`Receiver::changed`] return at once.
    pub fn mark_changed(&mut self) {
        self.seen = u64::MAX;
    }

    /// Counts the present value as seen.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.version();
    }

    /// Waits for a value that was not seen, and counts it as seen.
    ///
    /// The receiver keeps that value, as after [`Receiver::borrow_and_update`].
    ///
    /// # Errors
    ///
    /// [`RecvError`] if the senders are gone and the latest value was seen.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn changed(&mut self) -> Changed<'_, T> {
        Changed { receiver: self, waits: false, caller: Made::here(WaitKind::WatchChanged) }
    }

    /// As [`Receiver::changed`], on a thread that may block, for `d` at the most (`None` for no
    /// limit); `None` if that was not enough.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn changed_blocking(
        &mut self,
        d: Option<std::time::Duration>,
    ) -> Option<Result<(), RecvError>> {
        crate::park::block_on_timeout(self.changed(), d)
    }

    /// Waits until the value satisfies `predicate`; returns at once if it does.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if the senders are gone before it does.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn wait_for<P: FnMut(&T) -> bool + Unpin>(&mut self, predicate: P) -> WaitFor<'_, T, P> {
        WaitFor { changed: self.changed(), predicate, refused: false }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        // Ordering(watch.clone): Relaxed. The caller holds a receiver.
        self.shared.receivers.fetch_add(1, Ordering::Relaxed);
        let (kept, seen) = (self.kept.clone(), self.seen);
        Self { shared: self.shared.clone(), kept, seen, seat: None }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Ordering(watch.last_receiver): Relaxed. The count carries no data.
        if self.shared.receivers.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Either we see who waits for this, or they see the count: pairs with
            // fence(watch.waits_closed).
            fence_at("watch.deserted");
            self.shared.deserted.grant_all(self.shared.deserted.entered(), 0);
        }
        if let Some(seat) = self.seat.take() {
            self.shared.roster.leave(seat);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("value", &self.borrow()).finish()
    }
}

/// The future of [`Receiver::changed`].
#[must_use = "futures do nothing unless awaited"]
pub struct Changed<'a, T> {
    receiver: &'a mut Receiver<T>,
    /// A waker was left on the receiver's seat.
    waits: bool,
    caller: Made,
}

future_debug!([<T>] Changed<'_, T>, "Changed");

impl<T> Changed<'_, T> {
    /// The flag is read before the last look: with it all values are visible.
    #[inline]
    fn news(&mut self) -> Option<Result<(), RecvError>> {
        if self.look() {
            return Some(Ok(()));
        }
        if !self.receiver.shared.is_over() {
            return None;
        }
        let last = self.look() && !mutant("watch.look_again");
        Some(if last { Ok(()) } else { Err(RecvError(())) })
    }

    #[inline]
    fn look(&mut self) -> bool {
        if self.receiver.shared.version() == self.receiver.seen {
            return false;
        }
        // The next thing to do is to look at the value.
        self.receiver.borrow_and_update();
        true
    }

    #[inline]
    fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
        match self.news() {
            Some(news) => Poll::Ready(news),
            None => self.poll_wait(cx),
        }
    }

    #[inline(never)]
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
        self.waits = true;
        let receiver = &mut *self.receiver;
        let roster = &receiver.shared.roster;
        let seat = receiver.seat.get_or_insert_with(|| roster.join());
        roster.wait(seat, cx.waker());
        let news = if mutant("watch.recheck") { None } else { self.news() };
        news.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Future for Changed<'_, T> {
    type Output = Result<(), RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.caller.begin();
        let unit = ready!(coop::poll_proceed(cx));
        let news = self.poll_news(cx);
        let news = ready!(self.caller.noted(news));
        unit.made_progress();
        Poll::Ready(news)
    }
}

impl<T> Drop for Changed<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let (true, Some(seat)) = (self.waits, &self.receiver.seat) {
            seat.clear();
        }
    }
}

/// The future of [`Receiver::wait_for`].
#[must_use = "futures do nothing unless awaited"]
pub struct WaitFor<'a, T, P> {
    changed: Changed<'a, T>,
    predicate: P,
    /// The predicate has seen the latest value that this future knows of.
    refused: bool,
}

impl<T, P> fmt::Debug for WaitFor<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor").field("changed", &self.changed).finish_non_exhaustive()
    }
}

impl<'a, T, P: FnMut(&T) -> bool + Unpin> Future for WaitFor<'a, T, P> {
    type Output = Result<Ref<'a, T>, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.changed.caller.begin();
        loop {
            let receiver = &mut *this.changed.receiver;
            if !this.refused && (this.predicate)(&receiver.borrow_and_update()) {
                let value = receiver.kept.clone().expect("looked at above");
                return Poll::Ready(Ok(Ref(Snapshot::Own(value))));
            }
            this.refused = true;
            let news = this.changed.poll_news(cx);
            ready!(this.changed.caller.noted(news))?;
            this.refused = false;
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
