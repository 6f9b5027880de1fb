//! `timeout` and `wait_for`: a limit on how long a future may take.
//!
//! A future that holds no cancellation scope is simply dropped at its limit. One that does is asked
//! to stop: the request goes to the innermost scopes *inside* of it, which may clean up, and to no
//! other part of the task. The rules are those of the task's tree of scopes; this file only says
//! when.
use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use corio_sync::place::{self, Made, Place, WaitKind};
use pin_project_lite::pin_project;

use crate::alarm::{self, Alarm};
use crate::cancel::Limited;
use crate::error::Cancelled;
use crate::task::scope::Asks;
use crate::timer::clock;

/// Awaits `future` for at most `limit`; `None` is no limit.
///
/// The future is polled first, and the time counts from the first poll that finds it waiting: a
/// future that is ready at once costs neither a timer nor a look at the clock. When the value and
/// the limit come together, the value wins. A limit of zero polls the future once.
///
/// When the limit is reached, what waits inside is cancelled, and nothing else of the task: scopes
/// inside ([`catch_cancel`](crate::catch_cancel) and its kin) get a request and may clean up, a task
/// that is awaited inside is cancelled and its end awaited. A future without any of these is dropped
/// with the `Timeout`. If the future gives a value all the same, that is the result.
///
/// A cancel of the whole task goes first: if one comes while the future stops, it goes on outwards
/// in place of the error.
///
/// asyncio: `timeout(delay)`. There the cancel goes to the whole task; here the other branches of a
/// `join!` feel nothing.
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
    Timeout::new(future.into_future(), limit)
}

/// Awaits `future` for at most `limit`; asyncio's other spelling of [`timeout`].
///
/// asyncio: `wait_for(aw, timeout)`. There a limit of zero keeps the coroutine from starting; here
/// it is polled once, as with [`timeout`], and a value that is ready wins.
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
/// That of `future`.
///
/// # Examples
///
/// ```
/// # use corio_runtime::{self as corio, time};
/// use std::time::Duration;
///
/// # corio::run(async {
/// let task = corio::create_task(std::future::pending::<()>());
/// let watched = task.task_ref();
/// // The task is cancelled, and its end awaited.
/// assert!(time::wait_for(task, Duration::from_millis(1)).await.is_err());
/// assert!(watched.done());
/// # });
/// ```
#[track_caller]
pub fn wait_for<F: IntoFuture>(
    future: F,
    limit: impl Into<Option<Duration>>,
) -> Timeout<F::IntoFuture> {
    timeout(limit, future)
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
    Timeout::new(future.into_future(), Limit::Until(clock::from_instant(deadline)))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    None,
    After(Duration),
    /// By the clock.
    Until(u64),
}

// Every timeout is moved and dropped, and few come: no part takes a word of its own to say that it is
// not there.
const _: () = assert!(size_of::<Limit>() == size_of::<Duration>());
const _: () = assert!(size_of::<Option<Alarm>>() == size_of::<Alarm>());

pin_project! {
    /// Future of [`timeout`], [`timeout_at`] and [`wait_for`].
    #[derive(Debug)]
    #[must_use = "a timeout does nothing unless it is awaited"]
    pub struct Timeout<F> {
        #[pin]
        inside: Limited<F>,
        comes: Comes,
        made: Made,
    }
}

/// When a limit comes.
#[derive(Debug)]
struct Comes {
    limit: Limit,
    /// Present once the future has had to wait.
    alarm: Option<Alarm>,
}

impl Comes {
    /// The first time that the future has to wait: sets the alarm, unless the limit has come. Kept out
    /// of the poll, which would otherwise be too large to have the alarm's own steps inlined.
    #[inline(never)]
    fn start(&mut self, cx: &Context<'_>, at: &'static Location<'static>) -> Poll<()> {
        match self.limit {
            Limit::None => Poll::Pending,
            // That needs no runtime.
            Limit::After(Duration::ZERO) => Poll::Ready(()),
            Limit::After(limit) => match Alarm::after(limit, cx.waker(), "timeout()", at) {
                Some(armed) => {
                    self.alarm.get_or_insert(armed);
                    Poll::Pending
                }
                None => Poll::Ready(()),
            },
            Limit::Until(deadline) => {
                let alarm = self.alarm.get_or_insert(Alarm::new(deadline));
                let elapsed = alarm.poll(cx.waker(), "timeout()", at);
                if elapsed.is_ready() {
                    self.alarm = None;
                }
                elapsed
            }
        }
    }
}

impl Asks for Comes {
    fn is_due(&self) -> bool {
        match (&self.alarm, self.limit) {
            (Some(alarm), _) => alarm.deadline() <= alarm::now(),
            (None, Limit::None) => false,
            (None, Limit::After(limit)) => limit.is_zero(),
            (None, Limit::Until(deadline)) => deadline <= alarm::now(),
        }
    }
}

/// Future of [`wait_for`].
pub type WaitFor<F> = Timeout<F>;

impl<F> Timeout<F> {
    /// A part of another future, which tells if nobody has awaited it.
    #[doc(hidden)]
    pub fn inside(mut self) -> Self {
        self.made.begin();
        self
    }

    #[track_caller]
    fn new(future: F, limit: Limit) -> Self {
        let made = Made::here(WaitKind::Timeout);
        Self { inside: Limited::new(future), comes: Comes { limit, alarm: None }, made }
    }

    /// The future that is awaited.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::{future::ready, time::Duration};
    ///
    /// let mut limited = corio::time::timeout(Duration::from_secs(1), ready(1));
    /// assert_eq!(format!("{:?}", limited.get_ref()), "Ready(Some(1))");
    /// *limited.get_mut() = ready(2);
    /// assert_eq!(limited.into_inner().into_inner(), 2);
    /// ```
    #[must_use]
    pub fn get_ref(&self) -> &F {
        self.inside.get_ref()
    }

    /// The future that is awaited.
    ///
    /// See [`get_ref`](Self::get_ref) for an example.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut F {
        self.inside.get_mut()
    }

    /// The future without its limit.
    ///
    /// See [`get_ref`](Self::get_ref) for an example.
    #[must_use]
    pub fn into_inner(mut self) -> F {
        self.made.begin();
        self.inside.into_inner()
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimeoutError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        this.made.begin();
        if this.inside.is_asked() {
            return stopped_later(this.inside.poll_asked(cx), this.comes.limit, this.made.at());
        }
        let outer = place::take();
        let polled = this.inside.as_mut().poll_freely(cx, Some(&*this.comes));
        let inner = place::take();
        if let Poll::Ready(value) = polled {
            note(outer);
            return Poll::Ready(Ok(value));
        }
        let elapsed = match &mut this.comes.alarm {
            Some(alarm) => alarm.poll(cx.waker(), "timeout()", this.made.at()),
            None => this.comes.start(cx, this.made.at()),
        };
        if elapsed.is_ready() {
            note(outer);
            let at = this.made.at();
            let begins = this.comes.alarm.is_none();
            return stop(this.inside, cx, begins, (this.comes.limit, at), inner);
        }
        // The future knows better than its limit where the task waits, if it says so.
        match inner {
            Some(_) => note(inner),
            None => this.made.note(),
        }
        Poll::Pending
    }
}

/// What a request to stop says.
#[cold]
fn timed_out(at: &'static Location<'static>) -> Cancelled {
    Cancelled::from_parts(Some("timed out".into()), Some(at))
}

/// Asks `inside` to stop, which has waited at `inner`, if that is known.
#[cold]
pub(super) fn stop<F: Future>(
    mut inside: Pin<&mut Limited<F>>,
    cx: &mut Context<'_>,
    begins: bool,
    (limit, at): (Limit, &'static Location<'static>),
    inner: Option<Place>,
) -> Poll<Result<F::Output, TimeoutError>> {
    let stopping = match inside.as_mut().gives_way(cx) {
        true => Poll::Pending,
        false => inside.as_mut().stop(cx, begins, || timed_out(at)),
    };
    if stopping.is_pending() && !inside.is_asked() {
        note(inner);
    }
    stopped(stopping, limit, at, inner)
}

/// What a future that was asked to stop comes to; it waited at `inner` then, if that is known.
fn stopped<T>(
    ended: Poll<Option<T>>,
    limit: Limit,
    at: &'static Location<'static>,
    inner: Option<Place>,
) -> Poll<Result<T, TimeoutError>> {
    ended.map(|value| value.ok_or_else(|| TimeoutError::new(limit, at, inner)))
}

/// What a future that was asked to stop in an earlier poll comes to.
#[cold]
pub(super) fn stopped_later<T>(
    ended: Poll<Option<T>>,
    limit: Limit,
    at: &'static Location<'static>,
) -> Poll<Result<T, TimeoutError>> {
    let inner = if ended.is_ready() { place::take() } else { None };
    stopped(ended, limit, at, inner)
}

/// Leaves a note for the dump.
#[inline]
pub(super) fn note(place: Option<Place>) {
    if let Some(place) = place {
        place.note_again();
    }
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
#[doc(alias = "Elapsed")]
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// use std::time::Duration;
    ///
    /// # corio::run(async {
    /// let limit = Duration::from_millis(1);
    /// let error = corio::time::timeout(limit, std::future::pending::<()>()).await.unwrap_err();
    /// assert_eq!(error.limit(), Some(limit));
    /// assert_eq!(error.at().file(), file!());
    /// # });
    /// ```
    #[must_use]
    pub fn limit(&self) -> Option<Duration> {
        match self.limit {
            Limit::After(limit) => Some(limit),
            Limit::None | Limit::Until(_) => None,
        }
    }

    /// The place where the limit was set.
    ///
    /// See [`limit`](Self::limit) for an example.
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
