//! `interval`: ticks at a steady pace.
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use corio_sync::coop;
use corio_sync::place::{self, Made, WaitKind};
use futures_core::Stream;

use crate::alarm::{self, Alarm};
use crate::timer::clock;

/// A tick that comes later than this counts as missed, unless the period is shorter still. As in
/// tokio: programs that move over keep their rhythm.
const LATENESS_ALLOWED: u64 = 5_000_000;

/// Ticks every `period`, the first time at once.
///
/// asyncio: no counterpart; a loop around `sleep(period)` drifts by the time that its body takes,
/// an interval does not.
///
/// # Panics
///
/// If `period` is zero.
///
/// # Examples
///
/// ```
/// # use corio_runtime::{run, time as corio};
/// # run(async {
/// use std::time::Duration;
///
/// let mut heartbeat = corio::interval(Duration::from_millis(5));
/// for _ in 0..3 {
///     heartbeat.tick().await;
///     println!("still alive");
/// }
/// # });
/// ```
#[track_caller]
#[must_use]
pub fn interval(period: Duration) -> Interval {
    Interval::new(alarm::now(), period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
///
/// If `period` is zero.
///
/// # Examples
///
/// ```
/// # use corio_runtime::time as corio;
/// use std::time::Duration;
///
/// let period = Duration::from_secs(60);
/// let first_in_a_minute = corio::interval_at(corio::now() + period, period);
/// assert_eq!(first_in_a_minute.period(), period);
/// ```
#[track_caller]
#[must_use]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    Interval::new(clock::from_instant(start), period)
}

/// When to tick next after ticks were missed because nobody awaited them in time.
#[doc(alias = "MissedTickBehavior")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MissedTick {
    /// Make up for them as fast as possible: the number of ticks stays right.
    #[default]
    Burst,
    /// Start anew from now: at least a period lies between two ticks.
    Delay,
    /// Leave them out: the next tick comes at a multiple of the period from the start.
    Skip,
}

/// A steady series of ticks; made by [`interval`] and [`interval_at`].
pub struct Interval {
    /// Its deadline is the next tick.
    alarm: Alarm,
    period: Duration,
    missed: MissedTick,
    at: &'static Location<'static>,
}

impl Interval {
    #[track_caller]
    fn new(start: u64, period: Duration) -> Self {
        assert!(
            !period.is_zero(),
            "the period of an interval is {period:?} and must be longer: use yield_now() in a loop \
             to run as often as possible"
        );
        let at = Location::caller();
        Self { alarm: Alarm::new(start), period, missed: MissedTick::default(), at }
    }

    /// Waits for the next tick. Its output is the instant for which the tick was due.
    ///
    /// # Panics
    ///
    /// When polled outside a corio runtime, if it has to wait.
    ///
    /// # Cancel safety
    ///
    /// Strict: dropping the future loses no tick.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime::{run, time as corio};
    /// # run(async {
    /// use std::time::Duration;
    ///
    /// let mut interval = corio::interval(Duration::from_millis(10));
    /// let first = interval.tick().await;
    /// let second = interval.tick().await;
    /// assert_eq!(second - first, Duration::from_millis(10));
    /// # });
    /// ```
    #[track_caller]
    pub fn tick(&mut self) -> Tick<'_> {
        Tick { made: Made::here(WaitKind::Interval), interval: self }
    }

    /// Like [`Interval::tick`], for hand-written futures.
    ///
    /// # Panics
    ///
    /// When polled outside a corio runtime, if it has to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::{future::poll_fn, time::Duration};
    ///
    /// # corio::run(async {
    /// let mut interval = corio::time::interval(Duration::from_millis(1));
    /// let first = poll_fn(|cx| interval.poll_tick(cx)).await;
    /// assert!(poll_fn(|cx| interval.poll_tick(cx)).await > first);
    /// # });
    /// ```
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        self.poll_tick_at(cx, self.at)
    }

    #[inline]
    fn poll_tick_at(
        &mut self,
        cx: &mut Context<'_>,
        at: &'static Location<'static>,
    ) -> Poll<Instant> {
        let elapsed = self.alarm.poll(cx.waker(), "Interval::tick()", at);
        if elapsed.is_pending() {
            place::note(WaitKind::Interval, at);
        }
        ready!(elapsed);
        // Ticks that are made up for must let others run, too.
        ready!(coop::poll_proceed(cx)).made_progress();
        let due = self.alarm.deadline();
        self.alarm.set(self.missed.next(due, alarm::now(), clock::nanos(self.period)));
        Poll::Ready(clock::to_instant(due))
    }

    /// Lets the next tick come one period from now.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::time::Duration;
    ///
    /// # corio::run(async {
    /// let minute = Duration::from_secs(60);
    /// let mut interval = corio::time::interval(minute);
    /// interval.reset();
    /// let early = corio::time::timeout(Duration::from_millis(1), interval.tick()).await;
    /// assert!(early.is_err(), "the first tick is a minute away");
    /// # });
    /// ```
    pub fn reset(&mut self) {
        self.alarm.set(clock::after(alarm::now(), self.period));
    }

    /// The time between two ticks.
    ///
    /// See [`interval_at`] for an example.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// What happens after ticks were missed; [`MissedTick::Burst`] at first.
    ///
    /// See [`set_missed_tick`](Self::set_missed_tick) for an example.
    #[doc(alias = "missed_tick_behavior")]
    #[must_use]
    pub fn missed_tick(&self) -> MissedTick {
        self.missed
    }

    /// Sets what happens after ticks were missed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use corio::time::MissedTick;
    /// use std::time::Duration;
    ///
    /// # corio::run(async {
    /// let mut interval = corio::time::interval(Duration::from_millis(1));
    /// assert_eq!(interval.missed_tick(), MissedTick::Burst);
    /// interval.set_missed_tick(MissedTick::Delay);
    /// let first = interval.tick().await;
    /// std::thread::sleep(Duration::from_millis(20));
    /// let late = interval.tick().await;
    /// assert!(interval.tick().await >= first + Duration::from_millis(21) && late > first);
    /// # });
    /// ```
    #[doc(alias = "set_missed_tick_behavior")]
    pub fn set_missed_tick(&mut self, missed: MissedTick) {
        self.missed = missed;
    }
}

/// The ticks, without an end: what asyncio's users write as `async for` over a generator that sleeps.
impl Stream for Interval {
    type Item = Instant;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.get_mut().poll_tick(cx).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("next", &clock::to_instant(self.alarm.deadline()))
            .field("period", &self.period)
            .field("missed_tick", &self.missed)
            .field("at", &format_args!("{}", self.at))
            .finish_non_exhaustive()
    }
}

impl MissedTick {
    /// The tick after the one that was due at `due` and is taken `now`.
    fn next(self, due: u64, now: u64, period: u64) -> u64 {
        let steady = due.saturating_add(period);
        if now.saturating_sub(due) <= LATENESS_ALLOWED.min(period) {
            return steady;
        }
        match self {
            MissedTick::Burst => steady,
            MissedTick::Delay => now.saturating_add(period),
            MissedTick::Skip => {
                let since_last = (now - due) % period;
                now.saturating_add(period - since_last)
            }
        }
    }
}

/// Future of [`Interval::tick`]; its output is the instant for which the tick was due.
#[derive(Debug)]
#[must_use = "a tick does nothing unless it is awaited"]
pub struct Tick<'a> {
    interval: &'a mut Interval,
    made: Made,
}

impl Future for Tick<'_> {
    type Output = Instant;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        self.made.begin();
        let at = self.made.at();
        self.interval.poll_tick_at(cx, at)
    }
}
