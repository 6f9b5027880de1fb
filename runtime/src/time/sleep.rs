//! `sleep`, `sleep_until`, `yield_now`.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use corio_sync::coop;
use corio_sync::place::{Made, WaitKind};

use crate::alarm::{self, Alarm};
use crate::task::inside;
use crate::timer::clock;

/// Waits until `duration` has passed since this call.
///
/// The task is woken at the deadline, never before it; on an idle machine less than a tenth of a
/// millisecond after it, there is no rounding to milliseconds. A duration too long for the clock
/// (584 years) never ends.
///
/// asyncio: `sleep(delay)`. As there, a delay of zero gives all other ready tasks one turn. Python
/// counts from the first `await`, corio from the call.
///
/// # Panics
///
/// When polled outside a corio runtime, unless the duration is zero.
///
/// # Cancel safety
///
/// Strict: a dropped sleep leaves nothing behind; polling the same one again waits for the same
/// deadline.
///
/// # Examples
///
/// ```
/// # use corio_runtime::{run, time as corio};
/// # run(async {
/// use std::time::Duration;
///
/// let start = corio::now();
/// corio::sleep(Duration::from_millis(10)).await;
/// assert!(corio::now() >= start + Duration::from_millis(10));
/// # });
/// ```
#[track_caller]
#[inline]
pub fn sleep(duration: Duration) -> Sleep {
    let turn = if duration.is_zero() { Turn::Owed } else { Turn::None };
    let now = alarm::start();
    Sleep::new(Alarm::new_ahead(clock::after(now, duration), now), turn)
}

/// Waits until `deadline`; ready at once if that has passed.
///
/// asyncio: no counterpart; `loop.call_at` takes such a time.
///
/// # Panics
///
/// When polled outside a corio runtime.
///
/// # Cancel safety
///
/// Strict, as [`sleep`].
///
/// # Examples
///
/// ```
/// # use corio_runtime::{run, time as corio};
/// # run(async {
/// use std::time::Duration;
///
/// let deadline = corio::now() + Duration::from_millis(10);
/// corio::sleep_until(deadline).await;
/// assert!(corio::now() >= deadline);
/// # });
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(Alarm::new(clock::from_instant(deadline)), Turn::None)
}

/// Future of [`sleep`] and [`sleep_until`].
///
/// It can be moved at any time, stored, and used again after [`Sleep::reset`]; it stays ready once
/// its deadline has come.
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    alarm: Alarm,
    turn: Turn,
    made: Made,
}

/// A sleep of zero gives others one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It has a deadline to wait for.
    None,
    Owed,
    Given,
}

impl Sleep {
    #[track_caller]
    #[inline]
    fn new(alarm: Alarm, turn: Turn) -> Self {
        Self { alarm, turn, made: Made::here(WaitKind::Sleep) }
    }

    /// A part of another future, which tells if nobody has awaited it.
    #[doc(hidden)]
    pub fn inside(mut self) -> Self {
        self.made.begin();
        self
    }

    /// When the sleep ends. Centuries away if it never does.
    ///
    /// See [`reset`](Self::reset) for an example.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        clock::to_instant(self.alarm.deadline())
    }

    /// True if the deadline has passed, by the clock of the caller's runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::time::Duration;
    ///
    /// let deadline = corio::time::now();
    /// assert!(corio::time::sleep_until(deadline).is_elapsed());
    /// assert!(!corio::time::sleep(Duration::from_secs(60)).is_elapsed());
    /// ```
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        alarm::now() >= self.alarm.deadline()
    }

    /// Changes the deadline, to later or earlier, before or after the old one has come.
    ///
    /// If a task waits for this sleep, it is woken at the new deadline, even if it does not poll
    /// again before. Costs an unlink and a link on the worker where the task waits.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime::time as corio;
    /// use std::time::Duration;
    ///
    /// let mut idle = corio::sleep(Duration::from_secs(30));
    /// // A request came in: start over.
    /// let deadline = corio::now() + Duration::from_secs(30);
    /// idle.reset(deadline);
    /// assert_eq!(idle.deadline(), deadline);
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.turn = Turn::None;
        self.made.begin();
        self.alarm.set(clock::from_instant(deadline));
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.made.begin();
        let ready = match this.turn {
            Turn::None => this.alarm.poll(cx.waker(), "sleep()", this.made.at()),
            Turn::Given => Poll::Ready(()),
            Turn::Owed => {
                this.turn = Turn::Given;
                inside::poll_again(cx);
                Poll::Pending
            }
        };
        if ready.is_pending() {
            this.made.note();
            return Poll::Pending;
        }
        // A loop over sleeps that have passed must let others run, too.
        coop::poll_proceed(cx).map(|unit| unit.made_progress())
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline())
            .field("at", &format_args!("{}", self.made.at()))
            .finish_non_exhaustive()
    }
}

/// Gives all other ready tasks of this worker one turn, then goes on.
///
/// asyncio: `sleep(0)`. Works under any executor.
///
/// # Cancel safety
///
/// Strict.
///
/// # Examples
///
/// ```
/// # use corio_runtime::{run, time as corio};
/// # run(async {
/// for _ in 0..1_000 {
///     // .. a piece of work ..
///     corio::yield_now().await;
/// }
/// # });
/// ```
#[track_caller]
pub fn yield_now() -> YieldNow {
    YieldNow { turn: Turn::Owed, made: Made::here(WaitKind::Yield) }
}

/// Future of [`yield_now`].
#[derive(Debug)]
#[must_use = "yield_now does nothing unless it is awaited"]
pub struct YieldNow {
    turn: Turn,
    made: Made,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.turn == Turn::Given {
            return Poll::Ready(());
        }
        self.turn = Turn::Given;
        self.made.begin();
        inside::poll_again(cx);
        self.made.note();
        Poll::Pending
    }
}
