//! `timeout_scope`: a limit that may be moved from inside.
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use corio_sync::place::{self, Made, WaitKind};
use pin_project_lite::pin_project;

use super::timeout::{Limit, TimeoutError, note, stop, stopped_later};
use crate::alarm::{self, Alarm};
use crate::cancel::Limited;
use crate::error::InvalidState;
use crate::task::scope::Asks;
use crate::timer::clock;
use crate::timer::deadline::{Deadline, Phase};
use crate::timer::wheel::NEVER;

/// Awaits what `body` makes for at most `limit`, which the body may move; `None` is no limit.
///
/// The body gets a [`TimeoutScope`] and may ask it when the limit is, move it, and see whether it
/// has come. The time counts from this call. Otherwise it is like [`timeout`](super::timeout()): the
/// body is polled first, a value that is ready wins, and at the limit what waits inside is
/// cancelled, and nothing else of the task.
///
/// asyncio: `async with timeout(delay) as scope`. There the object is made first and entered later;
/// here the scope begins with the call, so it cannot be used twice or before it is entered.
///
/// # Errors
///
/// [`TimeoutError`] if the limit came first.
///
/// # Panics
///
/// When polled outside a corio runtime, if it has to wait and has a limit.
///
/// # Cancel safety
///
/// That of the body: the limit itself loses nothing.
///
/// # Examples
///
/// ```
/// # use corio_runtime::{run, time as corio};
/// # async fn more() -> Option<u8> { None }
/// use std::time::Duration;
///
/// # run(async {
/// let quiet = Duration::from_secs(5);
/// let read = corio::timeout_scope(quiet, async |limit| {
///     let mut read = Vec::new();
///     while let Some(byte) = more().await {
///         read.push(byte);
///         // Each byte buys five more seconds.
///         limit.reschedule(Some(corio::now() + quiet)).unwrap();
///     }
///     read
/// });
/// assert!(read.await.unwrap().is_empty());
/// # });
/// ```
#[track_caller]
pub fn timeout_scope<T, Fut>(
    limit: impl Into<Option<Duration>>,
    body: impl FnOnce(TimeoutScope) -> Fut,
) -> TimeoutScoped<Fut>
where
    Fut: Future<Output = T>,
{
    let limit = limit.into();
    let deadline = limit.map_or(NEVER, |limit| clock::after(alarm::now(), limit));
    let scope = TimeoutScope(Arc::new(Deadline::new(deadline)));
    TimeoutScoped {
        inside: Limited::new(body(scope.clone())),
        scope: Ends(scope),
        limit: limit.map_or(Limit::None, Limit::After),
        alarm: None,
        made: Made::here(WaitKind::Timeout),
    }
}

/// The limit of a [`timeout_scope`]; clones are the same limit.
///
/// May be sent elsewhere: any task or thread may move the limit.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use std::time::Duration;
///
/// # corio::run(async {
/// let work = corio::time::timeout_scope(None, async |limit| {
///     assert_eq!(limit.when(), None);
///     limit.reschedule(Some(corio::time::now() + Duration::from_millis(1))).unwrap();
///     assert!(!limit.expired());
///     let cleaned_up = limit.clone();
///     corio::finally(std::future::pending::<()>(), async move {
///         assert!(cleaned_up.expired() && cleaned_up.reschedule(None).is_err());
///     })
///     .await
/// });
/// assert!(work.await.is_err());
/// # });
/// ```
#[derive(Clone)]
pub struct TimeoutScope(Arc<Deadline>);

impl TimeoutScope {
    /// When the limit is; `None` if there is none.
    #[must_use]
    pub fn when(&self) -> Option<Instant> {
        let (at, _) = self.0.get();
        (at != NEVER).then(|| clock::to_instant(at))
    }

    /// Moves the limit; `None` takes it away. One that has passed ends the body at its next wait.
    ///
    /// # Errors
    ///
    /// [`InvalidState`] if the limit has come or the body has ended.
    pub fn reschedule(&self, at: Option<Instant>) -> Result<(), InvalidState> {
        self.0.set(at.map_or(NEVER, clock::from_instant)).map_err(|_| InvalidState(()))
    }

    /// True once the limit has come before the body ended, also while the body still cleans up and
    /// if it gives a value all the same.
    #[must_use]
    pub fn expired(&self) -> bool {
        matches!(self.0.get().1, Phase::Expiring | Phase::Expired)
    }
}

impl fmt::Debug for TimeoutScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0.get().1 {
            Phase::Active => "active",
            Phase::Expiring => "expiring",
            Phase::Expired => "expired",
            Phase::Finished => "finished",
        };
        f.debug_struct("TimeoutScope")
            .field("state", &format_args!("{state}"))
            .field("when", &self.when())
            .finish()
    }
}

/// Tells the handles that the body has ended, however it did.
struct Ends(TimeoutScope);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.0.conclude();
        self.0.0.unwatch();
    }
}

pin_project! {
    /// Future of [`timeout_scope`].
    #[must_use = "a timeout does nothing unless it is awaited"]
    pub struct TimeoutScoped<F> {
        #[pin]
        inside: Limited<F>,
        scope: Ends,
        limit: Limit,
        // Present once the body has had to wait under a limit.
        alarm: Option<Alarm>,
        made: Made,
    }
}

impl<F: Future> Future for TimeoutScoped<F> {
    type Output = Result<F::Output, TimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        this.made.begin();
        let deadline = &*this.scope.0.0;
        let (at, limit) = (this.made.at(), *this.limit);
        if this.inside.is_asked() {
            let ended = stopped_later(this.inside.poll_asked(cx), limit, at);
            return conclude(deadline, ended);
        }
        let outer = place::take();
        // What this very poll moves is seen below.
        deadline.unwatch();
        let polled = this.inside.as_mut().poll_freely(cx, Some(deadline));
        let inner = place::take();
        if let Poll::Ready(value) = polled {
            note(outer);
            return conclude(deadline, Poll::Ready(Ok(value)));
        }
        deadline.watch(cx.waker());
        let begins = this.alarm.is_none();
        if wait(deadline, this.alarm, cx, at).is_ready() {
            note(outer);
            return conclude(deadline, stop(this.inside, cx, begins, (limit, at), inner));
        }
        this.inside.as_mut().not_yet();
        match inner {
            Some(_) => note(inner),
            None => this.made.note(),
        }
        Poll::Pending
    }
}

impl Asks for Deadline {
    fn is_due(&self) -> bool {
        let (time, phase) = self.get();
        phase == Phase::Expiring || time <= alarm::now()
    }
}

/// Waits until the deadline has come, wherever it is moved meanwhile.
fn wait(
    deadline: &Deadline,
    alarm: &mut Option<Alarm>,
    cx: &Context<'_>,
    at: &'static Location<'static>,
) -> Poll<()> {
    loop {
        let (time, phase) = deadline.get();
        if phase == Phase::Expiring {
            // It came in a poll in which a cancel of the whole task went first.
            return Poll::Ready(());
        }
        if time == NEVER {
            *alarm = None;
            return Poll::Pending;
        }
        match alarm {
            Some(alarm) if alarm.deadline() != time => alarm.set(time),
            Some(_) => {}
            None => *alarm = Some(Alarm::new(time)),
        }
        let alarm = alarm.as_mut().expect("it was set just now");
        if alarm.poll(cx.waker(), "timeout_scope()", at).is_pending() {
            return Poll::Pending;
        }
        if deadline.expire(time) {
            return Poll::Ready(());
        }
    }
}

/// Tells the handles first that the body has ended, if it has.
fn conclude<T>(deadline: &Deadline, ended: Poll<T>) -> Poll<T> {
    if ended.is_ready() {
        deadline.conclude();
    }
    ended
}

impl<F> fmt::Debug for TimeoutScoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutScoped").field("scope", &self.scope.0).finish_non_exhaustive()
    }
}
