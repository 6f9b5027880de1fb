//! `Condition`: a wait that takes its lock again before a cancel goes on.
//!
//! corio-sync's condition knows no tasks. A wait there can be told to give up: then it wants its lock
//! and no notification. Here a cancel tells it so:
//!
//! ```text
//! open --(1) a cancel is delivered: give up--> masked --(2) the lock is held--> raising
//! ```
//! (1) and (2) [`Waiting::poll`]. While the lock is taken again the wait is a mask, as
//! [`defer_cancel`] is: a second cancel waits behind the first. The wait keeps its place in the
//! lock's queue all the time.
//!
//! *Rejected.* Leaving the request where it is and being a mask from then on: whether there still is
//! one, when the lock is back, would depend on what other branches and `uncancel` have done
//! meanwhile, and a predicate that does not hold would have to be passed off as true if there is
//! none.
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corio_sync as sync;
use corio_sync::LockGuard;
use corio_sync::place::{self, WaitKind};

use super::defer::DeferCancel;
use super::raise::Raising;
use crate::task::scope::{Kept, Kind, Scope};

/// Lets tasks wait, under a [`Lock`](corio_sync::Lock), until another task has changed the data.
///
/// asyncio: `Condition`. `wait` releases the lock, waits for a notification, and always has the lock
/// again when control goes on after it: also if the task is cancelled or a limit comes meanwhile. The
/// cancel is delivered at the wait, which takes the lock again and then passes the cancel on; a
/// notification that had reached it goes to the next waiter. A second cancel waits until then.
/// Differences: the lock is not inside the condition but comes with the guard, so several conditions
/// may share one lock and the compiler checks that it is held; a wait that returns has been
/// notified, and `notify(n)` wakes `n` waiters that are still there.
///
/// A wait whose future is *dropped* half-way (`abort`, a branch of a `select!` that loses) cannot
/// wait for the lock: it leaves a guard that is not held, see
/// [`LockGuard::is_held`](corio_sync::LockGuard::is_held).
///
/// All calls on one condition should come with guards of the same lock; with guards of different
/// locks everything stays memory-safe, but a notification may come too early to be seen.
///
/// Works outside of tasks, too, and under any executor; nobody cancels it there. It is
/// [`corio_sync::Condition`], which knows no tasks, and what corio's cancel asks for.
///
/// # Progress
///
/// Lock-free, apart from waiting for the lock itself.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # use {corio_runtime::Condition, corio_sync::Lock};
/// use std::sync::Arc;
///
/// # corio::run(async {
/// let shared = Arc::new((Lock::new(0), Condition::new()));
/// let other = shared.clone();
/// let task = corio::create_task(async move {
///     let (count, changed) = &*other;
///     let mut count = count.acquire().await;
///     let waited = corio::catch_cancel(changed.wait(&mut count)).await;
///     // The lock is held, whichever it was.
///     *count += 1;
///     waited.is_err()
/// });
/// corio::time::yield_now().await;
/// task.cancel();
/// assert!(task.await.unwrap());
/// assert_eq!(*shared.0.acquire().await, 1);
/// # });
/// ```
#[doc(alias = "Condvar")]
#[derive(Default)]
pub struct Condition {
    inner: sync::Condition,
}

impl Condition {
    /// Nobody waits.
    #[must_use]
    pub const fn new() -> Self {
        Self { inner: sync::Condition::new() }
    }

    /// Releases the lock, waits for a notification, and takes the lock again.
    ///
    /// The first poll joins the queue and then releases the lock, so no notification is missed. A
    /// cancel goes on when the lock has been taken again.
    ///
    /// # Cancel safety
    ///
    /// Lossy: *dropped* after its first poll, the future leaves `guard` not held. A notification, or
    /// a cancel, that it had received is passed on.
    ///
    /// # Panics
    ///
    /// The first poll panics if `guard` is not held.
    #[track_caller]
    pub fn wait<'g, T>(&'g self, guard: &'g mut LockGuard<'_, T>) -> ConditionWait<'g, T> {
        ConditionWait { waiting: Waiting::new(self.inner.wait(guard)), at: Location::caller() }
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # use {corio_runtime::Condition, corio_sync::Lock};
    /// use std::time::Duration;
    ///
    /// # corio::run(async {
    /// let (ready, changed) = (Lock::new(false), Condition::new());
    /// let mut ready = ready.acquire().await;
    /// let waits = changed.wait_for(&mut ready, |ready| *ready);
    /// assert!(corio::time::timeout(Duration::from_millis(1), waits).await.is_err());
    /// // Held, as in asyncio: a limit is a cancel.
    /// assert!(!*ready);
    /// # });
    /// ```
    #[track_caller]
    pub fn wait_for<'g, T, P>(
        &'g self,
        guard: &'g mut LockGuard<'_, T>,
        predicate: P,
    ) -> ConditionWaitFor<'g, T, P>
    where
        P: FnMut(&mut T) -> bool + Unpin,
    {
        let waiting = Waiting::new(self.inner.wait_for(guard, predicate));
        ConditionWaitFor { waiting, at: Location::caller() }
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
    /// # use {corio_runtime::Condition, corio_sync::Lock};
    /// use std::time::Duration;
    ///
    /// let (ready, changed) = (Lock::new(false), Condition::new());
    /// let mut ready = ready.try_acquire().unwrap();
    /// assert!(!changed.wait_blocking(&mut ready, Some(Duration::from_millis(1))));
    /// assert!(!*ready, "nobody has notified, and the lock is held again");
    /// ```
    #[track_caller]
    pub fn wait_blocking<T>(
        &self,
        guard: &mut LockGuard<'_, T>,
        d: Option<std::time::Duration>,
    ) -> bool {
        self.inner.wait_blocking(guard, d)
    }

    /// Wakes up to `n` waiters, in order of arrival; each still has to wait for the lock.
    ///
    /// # Panics
    ///
    /// If `guard` is not held.
    ///
    /// # Examples
    ///
    /// ```
    /// # use corio_runtime as corio;
    /// # use {corio_runtime::Condition, corio_sync::Lock, std::sync::Arc};
    /// # corio::run(async {
    /// let state = Arc::new((Lock::new(0), Condition::new()));
    /// let waits = state.clone();
    /// let waiter = corio::create_task(async move {
    ///     let (number, changed) = &*waits;
    ///     let mut number = number.acquire().await;
    ///     changed.wait_for(&mut number, |number| *number == 1).await;
    /// });
    /// let (number, changed) = &*state;
    /// let mut number = number.acquire().await;
    /// *number = 1;
    /// changed.notify(&number, 1); // or notify_all(&number)
    /// drop(number);
    /// waiter.await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn notify<T>(&self, guard: &LockGuard<'_, T>, n: usize) {
        self.inner.notify(guard, n);
    }

    /// Wakes everybody who waits; each still has to wait for the lock.
    ///
    /// See [`notify`](Self::notify) for an example.
    ///
    /// # Panics
    ///
    /// If `guard` is not held.
    #[track_caller]
    pub fn notify_all<T>(&self, guard: &LockGuard<'_, T>) {
        self.inner.notify_all(guard);
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

/// A wait that can be told to want its lock only.
trait GiveUp: Future<Output = ()> + Unpin {
    fn give_up(&mut self);
}

impl<T> GiveUp for sync::ConditionWait<'_, T> {
    fn give_up(&mut self) {
        sync::ConditionWait::give_up(self);
    }
}

impl<T, P: FnMut(&mut T) -> bool + Unpin> GiveUp for sync::ConditionWaitFor<'_, T, P> {
    fn give_up(&mut self) {
        sync::ConditionWaitFor::give_up(self);
    }
}

/// Where a wait stands.
enum Waiting<W> {
    /// For a notification and the lock; a cancel is delivered here.
    Open { wait: W, scope: Scope },
    /// For the lock, behind a cancel.
    Masked { wait: DeferCancel<W>, kept: Kept },
    /// The lock is held, and the cancel is on its way out.
    Raising(Raising),
    /// Only while it goes from one to the next, and at the end.
    Over,
}

impl<W: GiveUp> Waiting<W> {
    fn new(wait: W) -> Self {
        Self::Open { wait, scope: Scope::new() }
    }

    /// Edge (1), if a cancel is delivered here.
    fn take_cancel(&mut self) {
        let Self::Open { scope, .. } = self else { return };
        scope.leave_elsewhere();
        let Some(request) = scope.take() else { return };
        let Self::Open { mut wait, scope } = std::mem::replace(self, Self::Over) else { return };
        drop(scope);
        let mut kept = Kept::new();
        kept.keep_taken(request);
        wait.give_up();
        *self = Self::Masked { wait: DeferCancel::inside(wait), kept };
    }

    fn poll(&mut self, cx: &mut Context<'_>, at: &'static Location<'static>) -> Poll<()> {
        self.take_cancel();
        loop {
            match self {
                Self::Open { wait, scope } => {
                    if Pin::new(wait).poll(cx).is_pending() {
                        scope.suspend(Kind::Catch, cx);
                        return Poll::Pending;
                    }
                    *self = Self::Over;
                    return Poll::Ready(());
                }
                Self::Masked { wait, kept } => {
                    ready!(Pin::new(wait).poll(cx));
                    let request = kept.take_first().expect("kept until it is raised");
                    // Edge (2). A limit that has come says what it was that took too long.
                    place::note(WaitKind::Condition, at);
                    *self = Self::Raising(request.raising());
                }
                Self::Raising(raise) => {
                    raise.go();
                    return Poll::Pending;
                }
                Self::Over => panic!("a condition's wait was polled after it had completed"),
            }
        }
    }
}

/// The future of [`Condition::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct ConditionWait<'g, T> {
    waiting: Waiting<sync::ConditionWait<'g, T>>,
    at: &'static Location<'static>,
}

impl<T> Future for ConditionWait<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.waiting.poll(cx, this.at)
    }
}

/// The future of [`Condition::wait_for`].
#[must_use = "futures do nothing unless awaited"]
pub struct ConditionWaitFor<'g, T, P> {
    waiting: Waiting<sync::ConditionWaitFor<'g, T, P>>,
    at: &'static Location<'static>,
}

impl<T, P: FnMut(&mut T) -> bool + Unpin> Future for ConditionWaitFor<'_, T, P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.waiting.poll(cx, this.at)
    }
}

impl<W> fmt::Debug for Waiting<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open { .. } => "for a notification",
            Self::Masked { .. } => "for the lock, cancelled",
            Self::Raising(_) => "cancelled",
            Self::Over => "over",
        })
    }
}

impl<T> fmt::Debug for ConditionWait<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ConditionWait");
        out.field("created_at", &self.at).field("waits", &self.waiting).finish()
    }
}

impl<T, P> fmt::Debug for ConditionWaitFor<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ConditionWaitFor");
        out.field("created_at", &self.at).field("waits", &self.waiting).finish()
    }
}
