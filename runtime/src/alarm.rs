//! A deadline that wakes one task: what sleeps, intervals and timeouts are made of.
//!
//! An alarm is at first only a number. The first poll that finds the deadline ahead arms a
//! [`Timer`] with the *home* of the polling thread: its own timers if it is a worker, else those of
//! the worker that serves it. From then on a poll is one load, as long as the waker stays the same.
//!
//! A timer stays where it was armed when its task moves to another worker: it fires there, and
//! wakes the task wherever that is. `set` brings it home again.
//!
//! No user's code runs while the thread's drivers are borrowed: wakers are cloned before and
//! dropped after.
use std::num::NonZeroU64;
use std::panic::Location;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::context::{self, Driver};
use crate::timer::{Clock, Expiry, Timer, Timers, clock};

/// Nanoseconds since the clock's base, by the calling thread's clock.
#[inline]
pub(crate) fn now() -> u64 {
    let here = with_home(|home| home.map(|home| home.timers().clock().now()));
    here.unwrap_or_else(|| Clock::real().now())
}

/// The time from which a wait counts that begins now; see [`Clock::start`].
#[inline]
pub(crate) fn start() -> u64 {
    let here = with_home(|home| home.map(|home| home.timers().clock().start()));
    here.unwrap_or_else(|| Clock::real().start())
}

/// The timers that serve the calling thread.
struct Home<'a> {
    driver: &'a Driver,
    /// True on the worker that they belong to.
    is_worker: bool,
}

impl<'a> Home<'a> {
    #[inline]
    fn timers(&self) -> &'a Timers {
        &self.driver.timers
    }

    #[inline]
    fn arm(&self, deadline: u64, waker: Waker) -> Result<Timer, Waker> {
        if self.is_worker {
            Ok(self.timers().insert(deadline, waker))
        } else {
            self.timers().try_post(deadline, waker, || self.driver.poller.wake())
        }
    }

    #[inline]
    fn cancel(&self, timer: Timer) -> Option<Waker> {
        if self.is_worker { self.timers().cancel(timer) } else { timer.recall() }
    }
}

#[inline(always)]
fn with_home<R>(f: impl FnOnce(Option<Home<'_>>) -> R) -> R {
    context::with_home(|home| f(home.map(|(driver, is_worker)| Home { driver, is_worker })))
}

/// A deadline; see the module.
#[derive(Debug)]
pub(crate) struct Alarm {
    /// Never zero, so that an alarm that is not there takes no word to say so.
    deadline: NonZeroU64,
    /// A time at which the deadline lay ahead; 0 if none is known.
    ahead_at: u64,
    /// Present from the first poll that had to wait until the deadline is set anew.
    timer: Option<Timer>,
}

/// The deadline, or the nanosecond after the clock's base in place of the base: both are long past.
#[inline]
const fn never_zero(deadline: u64) -> NonZeroU64 {
    match NonZeroU64::new(deadline) {
        Some(deadline) => deadline,
        None => NonZeroU64::MIN,
    }
}

impl Alarm {
    #[inline]
    pub(crate) const fn new(deadline: u64) -> Self {
        Self { deadline: never_zero(deadline), ahead_at: 0, timer: None }
    }

    /// An alarm whose deadline lies ahead, seen from `now`, which the caller has just read.
    #[inline]
    pub(crate) const fn new_ahead(deadline: u64, now: u64) -> Self {
        Self { deadline: never_zero(deadline), ahead_at: now, timer: None }
    }

    /// An alarm for so long from now, which the caller waits for already; `None` if that is now. One
    /// look at the thread's home serves the clock and the timer.
    ///
    /// # Panics
    ///
    /// As [`poll`](Self::poll).
    #[inline]
    pub(crate) fn after(
        limit: Duration,
        waker: &Waker,
        what: &str,
        at: &'static Location<'static>,
    ) -> Option<Self> {
        let waker = waker.clone();
        let armed = with_home(|home| {
            let Some(home) = home else { outside(what, at) };
            let now = home.timers().clock().start();
            let deadline = clock::after(now, limit);
            if deadline == now {
                return Err((true, waker));
            }
            match home.arm(deadline, waker) {
                Ok(timer) => {
                    let timer = Some(timer);
                    Ok(Self { deadline: never_zero(deadline), ahead_at: now, timer })
                }
                Err(waker) => Err((false, waker)),
            }
        });
        match armed {
            Ok(alarm) => Some(alarm),
            Err((true, _waker)) => None,
            Err((false, _waker)) => too_late(what, at),
        }
    }

    #[inline]
    pub(crate) const fn deadline(&self) -> u64 {
        self.deadline.get()
    }

    /// Waits for the deadline. Once it has come, stays ready. `what` and `at` name the future in
    /// the message of a panic.
    ///
    /// # Panics
    ///
    /// On a thread that is in no runtime, or in one that has shut down, unless the timer is armed
    /// already.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        waker: &Waker,
        what: &str,
        at: &'static Location<'static>,
    ) -> Poll<()> {
        if let Some(timer) = &mut self.timer {
            match timer.poll(waker) {
                Expiry::Pending => return Poll::Pending,
                Expiry::Fired => return Poll::Ready(()),
                // The runtime that it was armed in is gone. Perhaps there is another.
                Expiry::Closed => self.timer = None,
            }
        }
        self.arm(waker.clone(), what, at)
    }

    /// Arms the timer, unless the deadline has passed.
    #[inline]
    fn arm(&mut self, waker: Waker, what: &str, at: &'static Location<'static>) -> Poll<()> {
        let mut waker = Some(waker);
        let polled = with_home(|home| {
            let Some(home) = home else { outside(what, at) };
            if !self.is_ahead(&home) {
                return Poll::Ready(());
            }
            if let Some(Err(refused)) = waker.take().map(|waker| self.arm_at(&home, waker)) {
                waker = Some(refused);
            }
            Poll::Pending
        });
        if polled.is_pending() && self.timer.is_none() {
            too_late(what, at);
        }
        polled
    }

    fn arm_at(&mut self, home: &Home<'_>, waker: Waker) -> Result<(), Waker> {
        self.timer = Some(home.arm(self.deadline(), waker)?);
        Ok(())
    }

    /// True if the deadline lies ahead. A sleep that was made after its worker last looked at its
    /// timers does not need a second look at the clock: had it been armed when it was made, it
    /// would not have fired either.
    #[inline]
    fn is_ahead(&self, home: &Home<'_>) -> bool {
        let seen = home.is_worker && home.timers().last_look() < self.ahead_at;
        seen || home.timers().clock().now() < self.deadline()
    }

    /// Changes the deadline. An alarm that somebody waits for stays armed: the task is woken at the
    /// new deadline, even if it does not poll again.
    pub(crate) fn set(&mut self, deadline: u64) {
        self.deadline = never_zero(deadline);
        self.ahead_at = 0;
        let Some(timer) = self.timer.take() else { return };
        let moved = with_home(|home| match home {
            Some(home) if home.is_worker => home.timers().reset(timer, deadline),
            _ => Err(timer.recall()),
        });
        match moved {
            Ok(timer) => self.timer = Some(timer),
            // It fired: who waits for the new deadline has yet to poll.
            Err(None) => {}
            Err(Some(waker)) => self.follow(waker),
        }
    }

    /// Arms a timer that waited with another worker where its task is now.
    #[cold]
    fn follow(&mut self, waker: Waker) {
        let mut waker = Some(waker);
        with_home(|home| {
            let Some(home) = home else { return };
            if let Some(Err(refused)) = waker.take().map(|waker| self.arm_at(&home, waker)) {
                waker = Some(refused);
            }
        });
        // Outside a runtime nothing can be armed: let the task poll again, where it can.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Alarm {
    #[inline]
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            let waker = with_home(|home| match home {
                Some(home) => home.cancel(timer),
                None => timer.recall(),
            });
            drop(waker);
        }
    }
}

#[cold]
fn outside(what: &str, at: &'static Location<'static>) -> ! {
    panic!(
        "{what} needs a corio runtime, and this thread is in none: await it inside of corio::run \
         or a task, or enter a runtime with Handle::enter (created at {at})"
    )
}

#[cold]
fn too_late(what: &str, at: &'static Location<'static>) -> ! {
    panic!(
        "{what} needs a corio runtime, and the one that this thread has entered has shut down: await \
         it before the shutdown, or enter a runtime that still runs with Handle::enter (created at {at})"
    )
}
