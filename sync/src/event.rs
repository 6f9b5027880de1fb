//! [`Event`]: a flag that tasks and threads wait for.

use crate::place::{Made, WaitKind};
use crate::wait::line::{Line, OnFlag};
use crate::wait::queue::Place;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A flag that tasks wait for; setting it wakes everybody who waits.
///
/// asyncio: `Event`. Differences: usable from any thread and under any executor, not only inside
/// one loop. As there, `set()` directly followed by `clear()` still wakes everybody who was
/// waiting, and whoever starts to wait after `clear()` waits.
///
/// 16 bytes and no heap until somebody waits.
///
/// # Progress
///
/// `is_set` and `clear` are wait-free. The first poll of `wait` and each step of `set` are
/// lock-free; `set` takes time in proportion to the number of waiters. A thread that is descheduled
/// inside the `set` that set the flag delays those waiters that it has not woken yet: nobody else
/// wakes them. It delays no newcomer.
///
/// # Examples
///
/// ```
/// use corio_sync::{Event, park::block_on};
/// use std::sync::Arc;
///
/// let ready = Arc::new(Event::new());
/// let other = ready.clone();
/// let thread = std::thread::spawn(move || other.set());
/// block_on(ready.wait());
/// assert!(ready.is_set());
/// thread.join().unwrap();
/// ```
pub struct Event {
    line: Line,
}

const_fn! {
    impl Event {
        /// An event that is not set.
        pub fn new() -> Self {
            Self { line: Line::new() }
        }
    }
}

impl Event {
    /// Sets the flag and wakes everybody who waits, in the order of arrival.
    ///
    /// What was done before `set` is visible to whoever returns from `wait`.
    pub fn set(&self) {
        self.line.set_flag();
    }

    /// Clears the flag; from now on `wait` waits for the next `set`.
    ///
    /// See [`wait_blocking`](Self::wait_blocking) for an example.
    pub fn clear(&self) {
        self.line.clear_flag();
    }

    /// Whether the flag is set.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.line.flag()
    }

    /// Waits until the flag is set; returns at once if it is.
    ///
    /// The waiter is enlisted by the first poll, not by the call.
    ///
    /// # Cancel safety
    ///
    /// Strict: dropping the future and waiting again misses nothing but a `set` that was cleared
    /// in between.
    #[track_caller]
    pub fn wait(&self) -> EventWait<'_> {
        EventWait { event: self, at: Place::Idle, caller: Made::here(WaitKind::Event) }
    }

    /// Waits on a thread that may block, for `d` at the most (`None` for no limit); false if that
    /// was not enough.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::Event;
    /// use std::time::Duration;
    ///
    /// let ready = Event::new();
    /// assert!(!ready.wait_blocking(Some(Duration::from_millis(1))));
    /// ready.set();
    /// assert!(ready.wait_blocking(None));
    /// ready.clear();
    /// assert!(!ready.is_set());
    /// ```
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn wait_blocking(&self, d: Option<std::time::Duration>) -> bool {
        crate::park::block_on_timeout(self.wait(), d).is_some()
    }

    #[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
    pub(crate) fn live_segments(&self) -> usize {
        self.line.live_segments()
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("is_set", &self.is_set()).finish()
    }
}

/// The future of [`Event::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct EventWait<'a> {
    event: &'a Event,
    at: Place,
    caller: Made,
}

future_debug!([<'a>] EventWait<'a>, "EventWait");

impl EventWait<'_> {
    /// A part of another future, which tells if nobody has awaited it.
    #[doc(hidden)]
    pub fn inside(mut self) -> Self {
        self.caller.begin();
        self
    }
}

impl Future for EventWait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.caller.begin();
        let line = &this.event.line;
        if matches!(this.at, Place::Idle)
            && (line.flag() || !line.enter(&mut this.at, OnFlag::Keep))
        {
            this.at = Place::Done;
            return Poll::Ready(());
        }
        this.caller.noted(line.poll_granted(&mut this.at, cx)).map(drop)
    }
}

impl Drop for EventWait<'_> {
    fn drop(&mut self) {
        // A grant that came already needs no heir: everybody else got one too.
        let _ = self.event.line.leave(&mut self.at);
    }
}

#[cfg(test)]
mod tests;
