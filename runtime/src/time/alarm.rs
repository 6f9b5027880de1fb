//! A deadline that wakes one task: what sleeps, intervals and timeouts are made of.
//!
//! An alarm is at first only a number. The first poll that finds the deadline ahead arms a
//! [`Timer`] with the *home* of the polling thread: its own timers if it is a worker, else those of
//! the worker that serves it. From then on a poll is one load, as long as the waker stays the same.
//!
//! A timer stays where it was armed when its task moves to another worker: it fires there, and wakes
//! the task wherever that is. `set` brings it home again.
//!
//! No user's code runs while the thread's drivers are borrowed: wakers are cloned before and dropped
//! after.
use std::panic::Location;
use std::task::{Poll, Waker};

use crate::context::with_drivers;
use crate::timer::{Clock, Expiry, Timer, Timers};

/// Nanoseconds since the clock's base, by the calling thread's clock.
#[inline]
pub(super) fn now() -> u64 {
    try_now().unwrap_or_else(|| Clock::real().now())
}

#[inline]
fn try_now() -> Option<u64> {
    with_home(|home| home.map(|home| home.timers.clock().now()))
}

/// The timers that serve the calling thread.
pub(super) struct Home<'a> {
    pub(super) timers: &'a Timers,
    /// True on the worker that they belong to.
    pub(super) is_worker: bool,
    /// Wakes that worker's poller.
    pub(super) wake: &'a dyn Fn(),
}

impl Home<'_> {
    #[inline]
    fn arm(&self, deadline: u64, waker: Waker) -> Timer {
        if self.is_worker {
            self.timers.insert(deadline, waker)
        } else {
            self.timers.post(deadline, waker, self.wake)
        }
    }

    #[inline]
    fn cancel(&self, timer: Timer) -> Option<Waker> {
        if self.is_worker { self.timers.cancel(timer) } else { timer.recall() }
    }
}

#[inline]
fn with_home<R>(f: impl FnOnce(Option<Home<'_>>) -> R) -> R {
    #[cfg(test)]
    if let Some(home) = super::tests::TestHome::current() {
        return home.lend(|home| f(Some(home)));
    }
    with_drivers(|drivers| {
        let Some(drivers) = drivers else { return f(None) };
        let driver = &drivers.all[drivers.mine];
        let wake = || driver.poller.wake();
        f(Some(Home { timers: &driver.timers, is_worker: drivers.is_worker, wake: &wake }))
    })
}

/// A deadline; see the module.
#[derive(Debug)]
pub(super) struct Alarm {
    deadline: u64,
    /// Present from the first poll that had to wait until the deadline is set anew.
    timer: Option<Timer>,
}

impl Alarm {
    #[inline]
    pub(super) const fn new(deadline: u64) -> Self {
        Self { deadline, timer: None }
    }

    #[inline]
    pub(super) const fn deadline(&self) -> u64 {
        self.deadline
    }

    /// Waits for the deadline. Once it has come, stays ready. `what` and `at` name the future in
    /// the message of a panic.
    ///
    /// # Panics
    ///
    /// On a thread that is in no runtime, when it has to wait.
    #[inline]
    pub(super) fn poll(
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
        let Some(now) = try_now() else { outside(what, at) };
        if now >= self.deadline {
            return Poll::Ready(());
        }
        self.arm(waker, what, at);
        Poll::Pending
    }

    /// Arms the timer of an alarm that the caller knows to lie ahead.
    #[inline]
    pub(super) fn arm(&mut self, waker: &Waker, what: &str, at: &'static Location<'static>) {
        let waker = waker.clone();
        let armed = with_home(|home| home.map(|home| home.arm(self.deadline, waker)));
        match armed {
            Some(timer) => self.timer = Some(timer),
            None => outside(what, at),
        }
    }

    /// Changes the deadline. An alarm that somebody waits for stays armed: the task is woken at the
    /// new deadline, even if it does not poll again.
    pub(super) fn set(&mut self, deadline: u64) {
        self.deadline = deadline;
        let Some(timer) = self.timer.take() else { return };
        let recalled = with_home(|home| {
            let Some(home) = home else { return timer.recall() };
            if home.is_worker && home.timers.reset(&timer, deadline) {
                self.timer = Some(timer);
                return None;
            }
            home.cancel(timer)
        });
        // It waited with another worker. It follows its task, which is here.
        let mut waker = recalled;
        if waker.is_none() {
            return;
        }
        with_home(|home| {
            let Some(home) = home else { return };
            self.timer = waker.take().map(|waker| home.arm(deadline, waker));
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
