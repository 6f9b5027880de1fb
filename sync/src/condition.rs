//! [`Condition`]: wait, under a lock, until the data has changed.

use crate::debug;
use crate::lock::{Acquiring, Lock, LockGuard};
use crate::place::{WaitKind, noted};
use crate::shim::mutant;
use crate::wait::line::{Line, OnFlag};
use crate::wait::queue::Place;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Lets tasks wait, under a [`Lock`], until another task has changed the data.
///
/// asyncio: `Condition`. `wait` releases the lock, waits for a notification, and always has the lock
/// again when it returns. Differences: the lock is not inside the condition but comes with the
/// guard, so several conditions may share one lock and the compiler checks that it is held; waiting
/// is for at least one notification, and notifications are exact (`notify(n)` wakes `n` waiters
/// that are still there).
///
/// A wait whose future is **dropped** midway cannot wait for the lock: it leaves a guard that is not
/// held (see [`LockGuard::is_held`]). A notification that had reached it goes to the next waiter.
/// To end a wait early *with* the lock, tell it to [give up](ConditionWait::give_up) and await it:
/// corio's own `Condition`, which is this one and knows tasks, does so when a task is cancelled.
///
/// All calls on one condition should come with guards of the same lock; with guards of different
/// locks everything stays memory-safe, but a notification may come too early to be seen.
///
/// # Progress
///
/// Lock-free, apart from waiting for the lock itself. A thread that is descheduled while it notifies
/// delays only the waiters that it has chosen: one, or 32 at a time.
///
/// # Examples
///
/// ```
/// use corio_sync::{Condition, Lock, park::block_on};
/// use std::sync::Arc;
///
/// let shared = Arc::new((Lock::new(Vec::new()), Condition::new()));
/// let other = shared.clone();
/// let producer = std::thread::spawn(move || block_on(async {
///     let (items, changed) = &*other;
///     let mut guard = items.acquire().await;
///     guard.push(7);
///     changed.notify(&guard, 1);
/// }));
/// let item = block_on(async {
///     let (items, changed) = &*shared;
///     let mut guard = items.acquire().await;
///     changed.wait_for(&mut guard, |items| !items.is_empty()).await;
///     guard.pop()
/// });
/// assert_eq!(item, Some(7));
/// producer.join().unwrap();
/// ```
pub struct Condition {
    line: Line,
}

const_fn! {
    impl Condition {
        /// Nobody waits.
        pub fn new() -> Self {
            Self { line: Line::new() }
        }
    }
}

impl Condition {
    /// Releases the lock, waits for a notification, and takes the lock again.
    ///
    /// The first poll joins the queue and then releases the lock, so no notification is missed.
    ///
    /// # Cancel safety
    ///
    /// Lossy: dropped after its first poll, the future leaves `guard` not held. A notification that
    /// it had received goes to the next waiter.
    ///
    /// # Panics
    ///
    /// The first poll panics if `guard` is not held.
    #[track_caller]
    pub fn wait<'g, T>(&'g self, guard: &'g mut LockGuard<'_, T>) -> ConditionWait<'g, T> {
        ConditionWait {
            condition: self,
            lock: guard.lock,
            held: &mut guard.held,
            step: Step::Start,
            gave_up: false,
            caller: Location::caller(),
        }
    }

    /// Waits until `predicate` holds; returns at once if it does already.
    ///
    /// asyncio returns the predicate's value; here it is always true.
    ///
    /// # Cancel safety
    ///
    /// As [`Condition::wait`]; dropped before the first wait it leaves the guard held.
    ///
    /// # Panics
    ///
    /// A poll panics if `guard` is not held, or if the predicate does.
    #[track_caller]
    pub fn wait_for<'g, T, P>(
        &'g self,
        guard: &'g mut LockGuard<'_, T>,
        predicate: P,
    ) -> ConditionWaitFor<'g, T, P>
    where
        P: FnMut(&mut T) -> bool + Unpin,
    {
        ConditionWaitFor { wait: self.wait(guard), predicate }
    }

    /// As [`Condition::wait`], on a thread that may block, for `d` at the most (`None` for no
    /// limit); false if nobody has notified by then. The guard holds the lock again in any case.
    ///
    /// # Panics
    ///
    /// If `guard` is not held.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::{Condition, Lock};
    /// use std::time::Duration;
    ///
    /// let (lock, changed) = (Lock::new(1), Condition::new());
    /// let mut guard = lock.blocking_acquire();
    /// assert!(!changed.wait_blocking(&mut guard, Some(Duration::from_millis(1))));
    /// assert_eq!(*guard, 1);
    /// ```
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn wait_blocking<T>(
        &self,
        guard: &mut LockGuard<'_, T>,
        d: Option<std::time::Duration>,
    ) -> bool {
        let mut wait = self.wait(guard);
        let notified = crate::park::block_on_timeout(&mut wait, d).is_some();
        if !notified {
            wait.give_up();
            crate::park::block_on(wait);
        }
        notified
    }

    /// Wakes up to `n` waiters, in order of arrival; each still has to wait for the lock.
    ///
    /// # Panics
    ///
    /// If `guard` is not held.
    #[track_caller]
    pub fn notify<T>(&self, guard: &LockGuard<'_, T>, n: usize) {
        assert!(guard.held, "notify needs the lock: this guard does not hold it");
        let limit = self.line.entered();
        for _ in 0..n {
            if !self.line.grant_one(limit) {
                return;
            }
        }
    }

    /// Wakes everybody who waits; each still has to wait for the lock.
    ///
    /// # Panics
    ///
    /// If `guard` is not held.
    #[track_caller]
    pub fn notify_all<T>(&self, guard: &LockGuard<'_, T>) {
        assert!(guard.held, "notify_all needs the lock: this guard does not hold it");
        self.line.grant_all(self.line.entered(), 0);
    }

    /// A notified waiter leaves: the next one shall have it.
    fn pass_on(&self) {
        // Whoever waits now will do, even if it came after the notification.
        self.line.grant_one(self.line.entered());
    }
}

impl Default for Condition {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition").finish_non_exhaustive()
    }
}

/// Where a wait stands.
enum Step {
    /// The lock is held, nothing has happened.
    Start,
    /// The lock is released, the notification has not been collected.
    Waiting(Place),
    /// Notified; waiting for the lock.
    Reacquiring(Acquiring),
    /// The lock is held again.
    Done,
}

/// The future of [`Condition::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct ConditionWait<'g, T> {
    condition: &'g Condition,
    lock: &'g Lock<T>,
    held: &'g mut bool,
    step: Step,
    /// It no longer waits for a notification, nor keeps one.
    gave_up: bool,
    caller: &'static Location<'static>,
}

future_debug!([<'g, T>] ConditionWait<'g, T>, "ConditionWait");

impl<T> ConditionWait<'_, T> {
    /// Stops waiting for a notification: what is left to wait for is the lock.
    ///
    /// asyncio does this when a task is cancelled in `wait`: the lock is taken again before the
    /// cancel goes on. Here whoever ends a wait early says so (a task's runtime, for instance) and
    /// awaits it once more, and has the lock then. A notification that had reached it goes to the next waiter.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::{Condition, Lock, park::block_on};
    /// use std::future::{poll_fn, Future};
    /// use std::pin::Pin;
    /// use std::task::Poll;
    ///
    /// let (lock, changed) = (Lock::new(1), Condition::new());
    /// block_on(async {
    ///     let mut guard = lock.acquire().await;
    ///     let mut wait = changed.wait(&mut guard);
    ///     // Nobody notifies within one poll.
    ///     poll_fn(|cx| Poll::Ready(Pin::new(&mut wait).poll(cx).is_pending())).await;
    ///     wait.give_up();
    ///     wait.await;
    ///     assert_eq!(*guard, 1);
    /// });
    /// ```
    pub fn give_up(&mut self) {
        if std::mem::replace(&mut self.gave_up, true) {
            return;
        }
        let notified = match &mut self.step {
            Step::Start | Step::Done => return,
            Step::Waiting(place) => {
                let notified = self.condition.line.leave(place).is_some();
                self.step = Step::Reacquiring(Acquiring::default());
                notified
            }
            Step::Reacquiring(_) => true,
        };
        if notified && !mutant("line.give_up") {
            self.condition.pass_on();
        }
    }
}

impl<T> Future for ConditionWait<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let line = &this.condition.line;
        loop {
            match &mut this.step {
                Step::Start if this.gave_up && *this.held => {
                    this.step = Step::Done;
                    return Poll::Ready(());
                }
                Step::Start => {
                    assert!(*this.held, "wait needs the lock: this guard does not hold it");
                    let mut place = Place::Idle;
                    line.enter(&mut place, OnFlag::Ignore);
                    this.step = Step::Waiting(place);
                    *this.held = false;
                    this.lock.raw.release();
                }
                Step::Waiting(place) => {
                    let polled = line.poll_granted(place, cx);
                    ready!(noted(polled, WaitKind::Condition, this.caller));
                    this.step = Step::Reacquiring(Acquiring::default());
                }
                Step::Reacquiring(at) => {
                    ready!(this.lock.raw.poll_traced(at, cx, this.caller));
                    *this.held = true;
                    this.step = Step::Done;
                    return Poll::Ready(());
                }
                Step::Done => panic!("a wait was polled after it had completed"),
            }
        }
    }
}

impl<T> Drop for ConditionWait<'_, T> {
    fn drop(&mut self) {
        match &mut self.step {
            Step::Start if !self.gave_up => {
                debug::never_awaited(WaitKind::Condition, self.caller);
            }
            Step::Start | Step::Done => {}
            Step::Waiting(place) => {
                if self.condition.line.leave(place).is_some() {
                    self.condition.pass_on();
                }
            }
            Step::Reacquiring(at) => {
                self.lock.raw.abandon(at);
                if !self.gave_up {
                    self.condition.pass_on();
                }
            }
        }
    }
}

/// The future of [`Condition::wait_for`].
#[must_use = "futures do nothing unless awaited"]
pub struct ConditionWaitFor<'g, T, P> {
    wait: ConditionWait<'g, T>,
    predicate: P,
}

impl<T, P> ConditionWaitFor<'_, T, P> {
    /// As [`ConditionWait::give_up`]: when it then returns, the lock is held, and the predicate has
    /// not been asked again.
    pub fn give_up(&mut self) {
        self.wait.give_up();
    }
}

impl<T, P> fmt::Debug for ConditionWaitFor<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ConditionWaitFor");
        out.field("created_at", &self.wait.caller).finish_non_exhaustive()
    }
}

impl<T, P: FnMut(&mut T) -> bool + Unpin> Future for ConditionWaitFor<'_, T, P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            if let Step::Waiting(_) | Step::Reacquiring(_) = this.wait.step {
                ready!(Pin::new(&mut this.wait).poll(cx));
            }
            assert!(*this.wait.held, "wait_for needs the lock: this guard does not hold it");
            if this.wait.gave_up {
                this.wait.step = Step::Done;
                return Poll::Ready(());
            }
            let data = this.wait.lock.data.with_mut(|data| data);
            // SAFETY: the guard that this future borrows mutably holds the lock.
            let data = unsafe { &mut *data };
            if (this.predicate)(data) {
                this.wait.step = Step::Done;
                return Poll::Ready(());
            }
            this.wait.step = Step::Start;
            ready!(Pin::new(&mut this.wait).poll(cx));
        }
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
