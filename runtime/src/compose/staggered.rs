//! `staggered_race`: attempts that start one after the other until one succeeds.
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use corio_sync::place::{Made, WaitKind};
use pin_project_lite::pin_project;

use super::branch::{Branch, Next, Progress, Stopping};
use crate::cancel::Limited;
use crate::error::Cancelled;
use crate::task::scope::Landing;
use crate::time::{Sleep, sleep};

/// Starts attempts one after the other, in the calling task, until one succeeds; gives its place and
/// its value.
///
/// The next attempt starts when the latest one has failed, or has not ended within `delay`; those
/// before it go on. `None` is no limit: each waits for the failure of the one before. The first that
/// succeeds wins: the others are asked to stop and their ends awaited, which without a cancellation
/// scope inside means that they are dropped. What a loser returns then is dropped.
///
/// If the task is cancelled, so are all attempts that run, and no further one starts; when they have
/// ended the cancel goes on.
///
/// asyncio: `staggered.staggered_race(coro_fns, delay)`, which is how `open_connection` tries the
/// addresses of a host ("happy eyeballs", RFC 8305). There the attempts are tasks and the errors are
/// given beside the winner, too.
///
/// # Errors
///
/// All errors, in the order of the attempts, if none succeeded; none if there were no attempts.
///
/// # Panics
///
/// With a `delay`, when polled outside a corio runtime; and with the panic of an attempt.
///
/// # Cancel safety
///
/// That of the attempts: dropping the race drops them.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// use std::time::Duration;
///
/// # corio::run(async {
/// let attempt = |host: &'static str| move || async move {
///     match host {
///         "slow" => std::future::pending().await,
///         "down" => Err("refused"),
///         _ => Ok(host),
///     }
/// };
/// let hosts = ["down", "slow", "up"].map(attempt);
/// let race = corio::staggered_race(hosts, Some(Duration::from_millis(5)));
/// assert_eq!(race.await, Ok((2, "up")));
/// # });
/// ```
#[track_caller]
pub fn staggered_race<I, F, Fut, T, E>(
    attempts: I,
    delay: Option<Duration>,
) -> StaggeredRace<I::IntoIter, Fut, T, E>
where
    I: IntoIterator<Item = F>,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    StaggeredRace {
        attempts: attempts.into_iter(),
        started: 0,
        running: Vec::new(),
        delay,
        alarm: None,
        due: false,
        asked: false,
        winner: None,
        errors: Vec::new(),
        stopping: Stopping::default(),
        made: Made::here(WaitKind::StaggeredRace),
    }
}

/// Future of [`staggered_race`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct StaggeredRace<I, Fut, T, E> {
    attempts: I,
    started: usize,
    running: Vec<Running<Fut>>,
    delay: Option<Duration>,
    /// Starts the next attempt.
    alarm: Option<Sleep>,
    /// It has come.
    due: bool,
    /// An attempt has taken a request from further out: asyncio's race is over with a cancel, here that one
    /// may answer it, and cleans up first.
    asked: bool,
    winner: Option<(usize, T)>,
    errors: Vec<(usize, E)>,
    stopping: Stopping,
    made: Made,
}

// The attempts are pinned in boxes of their own.
impl<I, Fut, T, E> Unpin for StaggeredRace<I, Fut, T, E> {}

/// An attempt that has not ended.
struct Running<Fut> {
    index: usize,
    branch: Pin<Box<Branch<Attempt<Fut>>>>,
}

pin_project! {
    struct Attempt<Fut> {
        #[pin]
        inside: Limited<Fut>,
        // Where the race was made, once the attempt has lost and is to stop.
        lost: Option<&'static Location<'static>>,
    }
}

impl<Fut: Future> Future for Attempt<Fut> {
    /// `None` if it was stopped.
    type Output = Option<Fut::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.inside.is_asked() {
            return this.inside.poll_asked(cx);
        }
        if let Poll::Ready(value) = this.inside.as_mut().poll_freely(cx, None) {
            return Poll::Ready(Some(value));
        }
        match *this.lost {
            None => Poll::Pending,
            Some(at) => this.inside.stop(cx, false, || {
                Cancelled::from_parts(Some("another attempt has won".into()), Some(at))
            }),
        }
    }
}

impl<I, F, Fut, T, E> StaggeredRace<I, Fut, T, E>
where
    I: Iterator<Item = F>,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    /// Starts the next attempt, if there is one.
    fn start(&mut self) -> bool {
        let Some(attempt) = self.attempts.next() else {
            self.alarm = None;
            return false;
        };
        let attempt = Attempt { inside: Limited::new(attempt()), lost: None };
        let branch = Box::pin(Branch::new(Some(attempt)));
        self.running.push(Running { index: self.started, branch });
        self.started += 1;
        (self.alarm, self.due) = (self.delay.map(|delay| sleep(delay).inside()), false);
        true
    }

    /// Polls the attempts from the `from`th of those that run; `None` when one has won.
    fn poll_running(
        &mut self,
        mut from: usize,
        cx: &mut Context<'_>,
        found: &Progress<'_>,
    ) -> Option<()> {
        while let Some(running) = self.running.get_mut(from) {
            let entered = found.enter();
            let ended = running.branch.as_mut().poll(cx, found);
            drop(entered);
            if ended.is_none() && !running.branch.has_ended() {
                from += 1;
                continue;
            }
            let ended_one = self.running.remove(from);
            self.asked |= ended_one.branch.has_felt();
            let index = ended_one.index;
            match ended.flatten() {
                Some(Ok(value)) if self.winner.is_none() => {
                    self.winner = Some((index, value));
                    return None;
                }
                Some(Err(error)) if self.winner.is_none() => {
                    self.errors.push((index, error));
                    if index + 1 == self.started && self.may_start(found) {
                        self.start();
                    }
                }
                _ => {}
            }
        }
        Some(())
    }

    /// True while nobody is stopped or asked.
    fn may_start(&mut self, found: &Progress<'_>) -> bool {
        self.asked |= found.felt.get() || self.running.iter().any(|it| it.branch.has_felt());
        let asks = self.asked || self.running.iter().any(|it| it.branch.is_asked());
        !asks && !self.stopping.has_stopped(found)
    }

    fn poll_race(&mut self, cx: &mut Context<'_>, found: &Progress<'_>) {
        if self.started == 0 {
            self.start();
        }
        let mut from = 0;
        while self.winner.is_none() {
            if self.poll_running(from, cx, found).is_none() {
                return self.stop_the_others();
            }
            // Looked at once: a sleep that has passed costs a unit of the poll's budget each time.
            if self.alarm.as_mut().is_some_and(|it| Pin::new(it).poll(cx).is_ready()) {
                (self.alarm, self.due) = (None, true);
            }
            if !self.due {
                return;
            }
            if !self.may_start(found) {
                // Nobody tells when what a mask holds back is taken back.
                if !self.asked && !self.stopping.has_stopped(found) {
                    let look = self.alarm.insert(sleep(Duration::from_millis(1)).inside());
                    if Pin::new(look).poll(cx).is_ready() {
                        cx.waker().wake_by_ref();
                    }
                }
                return;
            }
            from = self.running.len();
            if !self.start() {
                return;
            }
        }
    }

    fn stop_the_others(&mut self) {
        self.alarm = None;
        for running in &mut self.running {
            if let Some(attempt) = running.branch.as_mut().future() {
                *attempt.project().lost = Some(self.made.at());
            }
        }
    }
}

impl<I, F, Fut, T, E> Future for StaggeredRace<I, Fut, T, E>
where
    I: Iterator<Item = F>,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<(usize, T), Vec<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.made.begin();
        if this.stopping.is_raising() {
            return Poll::Pending;
        }
        let landing = Landing::default();
        let found = Progress::new(&landing);
        this.poll_race(cx, &found);
        if this.winner.is_some() {
            // In this same poll, if they were told only now.
            found.begin_again();
            let _all_lose = this.poll_running(0, cx, &found);
        }
        match this.stopping.look(&found) {
            Next::Ended => {
                if let Some(winner) = this.winner.take() {
                    return Poll::Ready(Ok(winner));
                }
                this.errors.sort_by_key(|(index, _)| *index);
                Poll::Ready(Err(this.errors.drain(..).map(|(_, error)| error).collect()))
            }
            Next::Wait(has_scopes) => {
                if has_scopes {
                    for running in &mut this.running {
                        running.branch.as_mut().suspend(cx, &found);
                    }
                }
                Poll::Pending
            }
        }
    }
}

impl<I, Fut, T, E> fmt::Debug for StaggeredRace<I, Fut, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaggeredRace")
            .field("started", &self.started)
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}
