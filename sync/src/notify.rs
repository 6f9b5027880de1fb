//! [`Notify`]: wake one waiter, or remember to.

use crate::place::{WaitKind, noted};
use crate::shim::atomic::AtomicUsize;
use crate::shim::{Ordering, fence_at, ord};
use crate::wait::line::{Line, OnFlag};
use crate::wait::queue::Place;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The note of a grant that everybody got: nobody inherits it.
const TO_ALL: u64 = 1;

/// Wakes one waiter per notification, and stores one notification if nobody waits; tokio's
/// `Notify`.
///
/// asyncio: has no counterpart; it is [`Event`](crate::Event) where only one waiter passes and the
/// flag clears itself.
///
/// `notify_waiters` reaches every [`Notified`] that was *created* before it, polled or not, and
/// none that is created later.
///
/// # Progress
///
/// Lock-free. `notify_waiters` takes time in proportion to the number of waiters. A thread that is
/// descheduled inside delays only the waiters that it has chosen: one, or 32 at a time.
///
/// A waiter that a `notify_one` and a `notify_waiters` reach at the same moment may take the latter
/// and hand the former on: nobody is notified less for it.
///
/// # Examples
///
/// ```
/// use corio_sync::{Notify, park::block_on};
///
/// let notify = Notify::new();
/// notify.notify_one(); // nobody waits: stored
/// notify.notify_one(); // one is enough
/// block_on(notify.notified());
/// ```
pub struct Notify {
    line: Line,
    /// Calls of `notify_waiters`; wraps.
    broadcasts: AtomicUsize,
}

const_fn! {
    impl Notify {
        /// Nobody waits, and no notification is stored.
        pub fn new() -> Self {
            Self { line: Line::new(), broadcasts: AtomicUsize::new(0) }
        }
    }
}

impl Notify {
    /// Waits for a notification.
    ///
    /// `notify_waiters` counts from this call, `notify_one` from the first poll or
    /// [`Notified::enable`].
    ///
    /// # Cancel safety
    ///
    /// Loses place: a notification that had reached a dropped future goes to the next waiter, or
    /// is stored.
    #[track_caller]
    pub fn notified(&self) -> Notified<'_> {
        Notified {
            notify: self,
            at: Place::Idle,
            broadcasts: self.broadcasts(),
            caller: Location::caller(),
        }
    }

    // Ordering(notify.broadcasts): Acquire; pairs with Ordering(notify.broadcast): a waiter that
    // finds a broadcast sees what was done before it.
    fn broadcasts(&self) -> usize {
        self.broadcasts.load(ord("notify.broadcasts", Ordering::Acquire))
    }

    /// Waits on a thread that may block, for `d` at the most (`None` for no limit); false if that
    /// was not enough.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::Notify;
    /// use std::time::Duration;
    ///
    /// let notify = Notify::new();
    /// assert!(!notify.notified_blocking(Some(Duration::from_millis(1))));
    /// notify.notify_one();
    /// assert!(notify.notified_blocking(None));
    /// ```
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn notified_blocking(&self, d: Option<std::time::Duration>) -> bool {
        crate::park::block_on_timeout(self.notified(), d).is_some()
    }

    /// Wakes the waiter that has waited longest, or stores the notification for the next one.
    pub fn notify_one(&self) {
        self.line.grant_one_or_flag();
    }

    /// Wakes everybody who waits; stores nothing.
    ///
    /// See [`Notified::enable`] for an example.
    pub fn notify_waiters(&self) {
        // Ordering(notify.broadcast): Release; pairs with Ordering(notify.broadcasts).
        self.broadcasts.fetch_add(1, ord("notify.broadcast", Ordering::Release));
        // Either this call sees the place of a waiter that was created before it, or that waiter,
        // having taken its place, sees this call: pairs with fence(notify.enlisted).
        fence_at("notify.counted");
        self.line.grant_all(self.line.entered(), TO_ALL);
    }

    #[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
    pub(crate) fn live_segments(&self) -> usize {
        self.line.live_segments()
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").field("stored", &self.line.flag()).finish_non_exhaustive()
    }
}

/// The future of [`Notify::notified`].
#[must_use = "futures do nothing unless awaited"]
pub struct Notified<'a> {
    notify: &'a Notify,
    at: Place,
    /// The broadcasts that had happened when this future was created.
    broadcasts: usize,
    caller: &'static Location<'static>,
}

future_debug!([<'a>] Notified<'a>, "Notified");

impl Notified<'_> {
    /// Joins the queue without polling; true if the notification is here already.
    ///
    /// From now on a `notify_one` may choose this future.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::{Notify, park::block_on};
    /// use std::pin::pin;
    ///
    /// let notify = Notify::new();
    /// let mut waits = pin!(notify.notified());
    /// assert!(!waits.as_mut().enable());
    /// notify.notify_waiters();
    /// block_on(waits);
    /// ```
    pub fn enable(mut self: Pin<&mut Self>) -> bool {
        let this = &mut *self;
        if let Place::Idle = this.at {
            return this.enlist();
        }
        matches!(this.at, Place::Done) || this.notify.line.is_granted(&this.at)
    }

    /// Takes a place; true if there is no need to wait.
    fn enlist(&mut self) -> bool {
        if self.notify.broadcasts() != self.broadcasts
            || !self.notify.line.enter(&mut self.at, OnFlag::Take)
        {
            self.at = Place::Done;
            return true;
        }
        // Pairs with fence(notify.counted).
        fence_at("notify.enlisted");
        let missed = self.notify.broadcasts() != self.broadcasts;
        if missed {
            self.leave();
        }
        missed
    }

    fn leave(&mut self) {
        if self.notify.line.leave(&mut self.at) == Some(0) {
            self.notify.notify_one();
        }
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if matches!(this.at, Place::Idle) {
            if this.enlist() {
                return Poll::Ready(());
            }
        } else if matches!(this.at, Place::Done) {
            return Poll::Ready(());
        }
        let polled = this.notify.line.poll_granted(&mut this.at, cx);
        noted(polled, WaitKind::Notify, this.caller).map(drop)
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
