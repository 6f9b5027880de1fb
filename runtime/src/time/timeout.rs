//! `timeout`: a limit on how long a future may take, kept by dropping it.
use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use corio_sync::place::{self, Place, WaitKind};
use pin_project_lite::pin_project;

use super::alarm::{self, Alarm};
use crate::timer::clock;

/// Awaits `future` for at most `limit`; `None` is no limit.
///
/// The future is polled first, and the time counts from the first poll that finds it waiting: a
/// future that is ready at once costs neither a timer nor a look at the clock. When the value and
/// the limit come together, the value wins. A limit of zero polls the future once.
///
/// When the limit is reached, the result is an error and the future is dropped with the `Timeout`:
/// it gets no chance to clean up other than by its destructors.
///
/// asyncio: `timeout(delay)` cancels the body and lets it clean up; corio's `timeout_scope` and
/// `wait_for` do that. Use this one for futures that may simply be dropped.
///
/// # Errors
///
/// [`TimeoutError`] if the limit came first.
///
/// # Panics
///
/// When polled outside a corio runtime, if it has to wait.
///
/// # Cancel safety
///
/// That of `future`: the limit itself loses nothing.
///
/// # Examples
///
/// ```
/// # use corio_runtime::{run, time as corio};
/// # async fn fetch() -> u8 { 7 }
/// use std::time::Duration;
///
/// # run(async {
/// match corio::timeout(Duration::from_secs(5), fetch()).await {
///     Ok(answer) => assert_eq!(answer, 7),
///     Err(error) => eprintln!("{error}"),
/// }
/// # });
/// ```
#[track_caller]
pub fn timeout<F: IntoFuture>(
    limit: impl Into<Option<Duration>>,
    future: F,
) -> Timeout<F::IntoFuture> {
    let limit = limit.into().map_or(Limit::None, Limit::After);
    Timeout { future: future.into_future(), limit, alarm: None, at: Location::caller() }
}

/// Awaits `future` until `deadline`. Otherwise like [`timeout`].
///
/// asyncio: `timeout_at(when)`, with the difference that [`timeout`] has.
///
/// # Errors
///
/// [`TimeoutError`] if the deadline came first.
///
/// # Panics
///
/// When polled outside a corio runtime, if it has to wait.
///
/// # Cancel safety
///
/// That of `future`.
///
/// # Examples
///
/// ```
/// # use corio_runtime::{run, time as corio};
/// # async fn step(_: u8) {}
/// use std::time::Duration;
///
/// # run(async {
/// // One deadline for both.
/// let deadline = corio::now() + Duration::from_secs(5);
/// corio::timeout_at(deadline, step(1)).await?;
/// corio::timeout_at(deadline, step(2)).await?;
/// # Ok::<(), corio::TimeoutError>(())
/// # }).unwrap();
/// ```
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    let limit = Limit::Until(deadline);
    Timeout { future: future.into_future(), limit, alarm: None, at: Location::caller() }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    None,
    After(Duration),
    Until(Instant),
}

pin_project! {
    /// Future of [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "a timeout does nothing unless it is awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        limit: Limit,
        // Present once the future has had to wait.
        alarm: Option<Alarm>,
        at: &'static Location<'static>,
    }
}

impl<F> Timeout<F> {
    /// The future that is awaited.
    #[must_use]
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// The future that is awaited.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// The future without its limit.
    #[must_use]
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimeoutError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outer = place::take();
        let polled = this.future.poll(cx);
        let inner = place::take();
        if let Poll::Ready(value) = polled {
            note(outer);
            return Poll::Ready(Ok(value));
        }
        let elapsed = match this.alarm {
            Some(alarm) => alarm.poll(cx.waker(), "timeout()", this.at),
            None => start(this.alarm, *this.limit, cx, this.at),
        };
        if elapsed.is_ready() {
            note(outer);
            return Poll::Ready(Err(TimeoutError::new(*this.limit, this.at, inner)));
        }
        // The future knows better than its limit where the task waits, if it says so.
        note(inner.or(Some(Place::new(WaitKind::Timeout, this.at))));
        Poll::Pending
    }
}

/// Leaves a note for the dump.
#[inline]
fn note(place: Option<Place>) {
    if let Some(place) = place {
        place::note(place.kind(), place.at());
    }
}

/// The first time that the future has to wait: sets the alarm.
fn start(
    alarm: &mut Option<Alarm>,
    limit: Limit,
    cx: &Context<'_>,
    at: &'static Location<'static>,
) -> Poll<()> {
    let next = match limit {
        Limit::None => return Poll::Pending,
        Limit::After(limit) => {
            let now = alarm::start();
            let deadline = clock::after(now, limit);
            if deadline == now {
                return Poll::Ready(());
            }
            Alarm::new_ahead(deadline, now)
        }
        Limit::Until(deadline) => Alarm::new(clock::from_instant(deadline)),
    };
    alarm.insert(next).poll(cx.waker(), "timeout()", at)
}

/// A future was not ready in time.
///
/// Says what the limit was, where it was set, and what the future was waiting for, if that is one
/// of corio's own:
///
/// ```text
/// timed out after 5s (limit set at src/a.rs:10:5) while waiting for Lock::acquire at src/b.rs:4:9
/// ```
///
/// Turns into an `io::Error` of the kind `TimedOut`, so that `?` works in functions that return
/// `io::Result`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TimeoutError {
    limit: Limit,
    at: &'static Location<'static>,
    waiting: Option<Place>,
}

impl TimeoutError {
    fn new(limit: Limit, at: &'static Location<'static>, waiting: Option<Place>) -> Self {
        Self { limit, at, waiting }
    }

    /// The error of a limit that was set elsewhere in this crate; `None` was a deadline.
    pub(crate) fn of(limit: Option<Duration>, at: &'static Location<'static>) -> Self {
        Self::new(limit.map_or(Limit::None, Limit::After), at, None)
    }

    /// How long the future was given; `None` if it was given a deadline.
    #[must_use]
    pub fn limit(&self) -> Option<Duration> {
        match self.limit {
            Limit::After(limit) => Some(limit),
            Limit::None | Limit::Until(_) => None,
        }
    }

    /// The place where the limit was set.
    #[must_use]
    pub fn at(&self) -> &'static Location<'static> {
        self.at
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit() {
            Some(limit) => write!(f, "timed out after {limit:?} (limit set at {})", self.at)?,
            None => write!(f, "not ready by its deadline (set at {})", self.at)?,
        }
        match self.waiting {
            Some(place) => {
                write!(f, " while waiting for {} at {}", place.kind().name(), place.at())
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeoutError({self})")
    }
}

impl Error for TimeoutError {}

impl From<TimeoutError> for io::Error {
    fn from(error: TimeoutError) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, error)
    }
}
