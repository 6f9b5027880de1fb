//! [`Semaphore`] and [`BoundedSemaphore`]: a number of permits, in order of arrival.

mod bounded;
mod permit;

pub use bounded::BoundedSemaphore;
pub use permit::{OwnedPermit, Permit};

use permit::Owner;

use crate::debug::{self, LockId};
use crate::error::{Closed, TryAcquireError};
use crate::place::{self, WaitKind};
use crate::wait::queue::Place;
use crate::wait::weighted::{MOST, Shut, Weighted};
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A counter of permits that tasks wait for, strictly in order of arrival.
///
/// asyncio: `Semaphore`. Differences: usable from any thread; permits are given back by a guard
/// ([`Permit::forget`] keeps them); `acquire_many`; `close`. As there, a released permit goes to the
/// waiter that has waited longest in the same call, and a newcomer never overtakes, even if the
/// permits it wants are fewer: a large demand is not starved by small ones.
///
/// 16 bytes and no heap until somebody waits.
///
/// # Progress
///
/// Releasing with nobody waiting is wait-free. Everything else is lock-free; of several releasers
/// that meet at the foremost waiter one always succeeds. What waits for whom: a waiter waits for the
/// `release` that owes it permits, and those that others release meanwhile do not replace them; and
/// those behind the foremost wait while it is just joining or leaving the queue.
///
/// # Examples
///
/// ```
/// use corio_sync::{Semaphore, park::block_on};
///
/// let connections = Semaphore::new(2);
/// block_on(async {
///     let one = connections.acquire().await?;
///     let _two = connections.acquire().await?;
///     assert!(connections.locked());
///     drop(one);
///     assert_eq!(connections.available_permits(), 1);
///     Ok::<_, corio_sync::Closed>(())
/// })
/// .unwrap();
/// ```
///
/// ```
/// use corio_sync::{Semaphore, TryAcquireError, park::block_on};
/// use std::{sync::Arc, time::Duration};
///
/// let seats = Arc::new(Semaphore::new(3));
/// let one = seats.try_acquire().unwrap();
/// let two = seats.try_acquire_many(2).unwrap();
/// assert!(seats.clone().try_acquire_owned().is_err());
/// let late = seats.acquire_blocking(Some(Duration::from_millis(1)));
/// assert_eq!(late.unwrap_err(), TryAcquireError::NoPermits);
/// drop((one, two));
/// block_on(async {
///     let two = seats.acquire_many(2).await.unwrap();
///     let one = seats.clone().acquire_owned().await.unwrap();
///     drop((one, two));
///     drop(seats.clone().acquire_many_owned(3).await.unwrap());
/// });
/// seats.release(1); // tokio's name is add_permits(1)
/// assert_eq!(seats.available_permits(), 4);
/// seats.close();
/// assert!(seats.is_closed() && block_on(seats.acquire()).is_err());
/// ```
pub struct Semaphore {
    permits: Weighted,
}

const_fn! {
    impl Semaphore {
        /// A semaphore with `value` permits.
        ///
        /// # Panics
        ///
        /// If `value` exceeds [`Semaphore::MAX_PERMITS`].
        #[track_caller]
        pub fn new(value: usize) -> Self {
            assert!(value <= MOST, "a semaphore holds at most Semaphore::MAX_PERMITS permits");
            Self { permits: Weighted::new(value) }
        }
    }
}

impl Semaphore {
    /// The most permits that a semaphore can hold, and that one call may ask for.
    pub const MAX_PERMITS: usize = MOST;

    /// Waits for a permit. The task joins the queue at its first poll.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the semaphore was closed before or while waiting.
    ///
    /// # Cancel safety
    ///
    /// Loses place: permits that had reached a dropped future go to the next waiter in the same
    /// call.
    #[track_caller]
    pub fn acquire(&self) -> SemAcquire<'_> {
        self.acquire_many(1)
    }

    /// Waits for `n` permits at once.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the semaphore was closed before or while waiting.
    ///
    /// # Panics
    ///
    /// If `n` exceeds [`Semaphore::MAX_PERMITS`].
    ///
    /// # Cancel safety
    ///
    /// As [`Semaphore::acquire`].
    #[track_caller]
    pub fn acquire_many(&self, n: usize) -> SemAcquire<'_> {
        check(n);
        SemAcquire { semaphore: self, n, at: Place::Idle, caller: Location::caller() }
    }

    /// Waits for a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the semaphore was closed before or while waiting.
    ///
    /// # Cancel safety
    ///
    /// As [`Semaphore::acquire`].
    #[track_caller]
    pub fn acquire_owned(self: Arc<Self>) -> SemAcquireOwned {
        self.acquire_many_owned(1)
    }

    /// Waits for `n` permits that keep the semaphore alive.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the semaphore was closed before or while waiting.
    ///
    /// # Panics
    ///
    /// If `n` exceeds [`Semaphore::MAX_PERMITS`].
    ///
    /// # Cancel safety
    ///
    /// As [`Semaphore::acquire`].
    #[track_caller]
    pub fn acquire_many_owned(self: Arc<Self>, n: usize) -> SemAcquireOwned {
        check(n);
        SemAcquireOwned::new(Owner::Plain(self), n)
    }

    /// Waits for a permit on a thread that may block, for `d` at the most; `None` for no limit.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::NoPermits`] if that was not enough, [`TryAcquireError::Closed`].
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn acquire_blocking(
        &self,
        d: Option<std::time::Duration>,
    ) -> Result<Permit<'_>, TryAcquireError> {
        match crate::park::block_on_timeout(self.acquire(), d) {
            Some(Ok(permit)) => Ok(permit),
            Some(Err(Closed(()))) => Err(TryAcquireError::Closed),
            None => Err(TryAcquireError::NoPermits),
        }
    }

    /// Takes a permit if one is free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`].
    #[inline]
    #[track_caller]
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits if they are free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`].
    ///
    /// # Panics
    ///
    /// If `n` exceeds [`Semaphore::MAX_PERMITS`].
    #[inline]
    #[track_caller]
    pub fn try_acquire_many(&self, n: usize) -> Result<Permit<'_>, TryAcquireError> {
        self.try_take(n)?;
        Ok(Permit::new(self, n))
    }

    /// Takes a permit that keeps the semaphore alive, if one is free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`].
    #[track_caller]
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedPermit, TryAcquireError> {
        self.try_take(1)?;
        Ok(OwnedPermit::new(Owner::Plain(self), 1))
    }

    #[inline]
    #[track_caller]
    fn try_take(&self, n: usize) -> Result<(), TryAcquireError> {
        check(n);
        match self.permits.try_take(n) {
            Ok(true) => {
                self.holds(n, Location::caller());
                Ok(())
            }
            Ok(false) => Err(TryAcquireError::NoPermits),
            Err(Shut) => Err(TryAcquireError::Closed),
        }
    }

    /// Adds `n` permits, to the waiters first; asyncio's `release` with a number.
    ///
    /// No permit needs to have been acquired: as in asyncio the value may grow above the initial
    /// one. See [`BoundedSemaphore`] for the form that refuses it.
    ///
    /// # Panics
    ///
    /// If there would be more than [`Semaphore::MAX_PERMITS`].
    #[inline]
    #[track_caller]
    pub fn release(&self, n: usize) {
        check(n);
        let available = self.permits.available();
        assert!(
            n <= MOST - available.min(MOST),
            "{n} permits more than {available}, Semaphore::MAX_PERMITS is {MOST}"
        );
        self.permits.release(n);
    }

    /// tokio's name for [`Semaphore::release`].
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        self.release(n);
    }

    /// Whether an `acquire` would have to wait: no permit is free, or others wait.
    #[must_use]
    pub fn locked(&self) -> bool {
        self.permits.available() == 0
    }

    /// The permits that are free; zero while somebody waits.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Closes the semaphore: everybody who waits, and everybody who comes, gets [`Closed`].
    ///
    /// Permits that are held stay valid and may be given back; one that comes back before a waiter
    /// has been polled again may still reach that waiter. A closed semaphore cannot be opened again.
    pub fn close(&self) {
        self.permits.shut();
    }

    /// Whether [`Semaphore::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.permits.is_shut()
    }
}

/// What debug mode hears of who has permits.
impl Semaphore {
    #[inline(always)]
    fn id(&self) -> LockId {
        LockId::of(&self.permits)
    }

    /// The caller has a permit object more, of `n` permits.
    #[inline]
    fn holds(&self, n: usize, caller: &'static Location<'static>) {
        if n > 0 {
            debug::holds(self.id(), WaitKind::Semaphore, caller);
        }
    }

    /// A permit object of `n` permits is gone, and its permits with it.
    #[inline]
    fn forgets(&self, n: usize) {
        if n > 0 {
            debug::gave_back(self.id());
        }
    }

    /// A permit object is dropped.
    #[inline]
    fn gives_back(&self, n: usize) {
        debug::gave_back(self.id());
        self.permits.release(n);
    }

    /// Polls for `n` permits, and says who has them or waits for them.
    #[inline]
    fn poll_take(
        &self,
        at: &mut Place,
        n: usize,
        caller: &'static Location<'static>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Shut>> {
        let unit = ready!(at.proceed(cx));
        let polled = self.permits.poll_take(at, n, cx);
        match polled {
            Poll::Pending => {
                place::note(WaitKind::Semaphore, caller);
                debug::waits(self.id(), WaitKind::Semaphore, caller);
                return Poll::Pending;
            }
            Poll::Ready(Ok(())) => self.holds(n, caller),
            Poll::Ready(Err(Shut)) => debug::gave_up(self.id()),
        }
        unit.made_progress();
        polled
    }

    /// The future that waited is dropped.
    #[inline]
    fn dropped(&self, at: &mut Place, n: usize, caller: &'static Location<'static>) {
        match at {
            Place::Yielded | Place::Done => {}
            Place::Idle => debug::never_awaited(WaitKind::Semaphore, caller),
            Place::Waiting(_) => {
                debug::gave_up(self.id());
                self.permits.leave(at, n);
            }
        }
    }
}

#[track_caller]
#[inline]
fn check(n: usize) {
    assert!(n <= MOST, "{n} permits asked for, Semaphore::MAX_PERMITS is {MOST}");
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Semaphore");
        out.field("available", &self.available_permits()).field("closed", &self.is_closed());
        out.finish()
    }
}

/// The future of [`Semaphore::acquire`] and [`Semaphore::acquire_many`].
#[must_use = "futures do nothing unless awaited"]
pub struct SemAcquire<'a> {
    semaphore: &'a Semaphore,
    n: usize,
    at: Place,
    caller: &'static Location<'static>,
}

future_debug!([<'a>] SemAcquire<'a>, "SemAcquire");

impl<'a> Future for SemAcquire<'a> {
    type Output = Result<Permit<'a>, Closed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let taken = ready!(this.semaphore.poll_take(&mut this.at, this.n, this.caller, cx));
        Poll::Ready(match taken {
            Ok(()) => Ok(Permit::new(this.semaphore, this.n)),
            Err(Shut) => Err(Closed(())),
        })
    }
}

impl Drop for SemAcquire<'_> {
    fn drop(&mut self) {
        self.semaphore.dropped(&mut self.at, self.n, self.caller);
    }
}

/// The future of [`Semaphore::acquire_owned`] and [`Semaphore::acquire_many_owned`].
#[must_use = "futures do nothing unless awaited"]
pub struct SemAcquireOwned {
    owner: Owner,
    n: usize,
    at: Place,
    caller: &'static Location<'static>,
}

future_debug!([] SemAcquireOwned, "SemAcquireOwned");

impl SemAcquireOwned {
    #[track_caller]
    fn new(owner: Owner, n: usize) -> Self {
        Self { owner, n, at: Place::Idle, caller: Location::caller() }
    }
}

impl Future for SemAcquireOwned {
    type Output = Result<OwnedPermit, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let semaphore = this.owner.semaphore();
        let taken = ready!(semaphore.poll_take(&mut this.at, this.n, this.caller, cx));
        Poll::Ready(match taken {
            Ok(()) => Ok(OwnedPermit::new(this.owner.clone(), this.n)),
            Err(Shut) => Err(Closed(())),
        })
    }
}

impl Drop for SemAcquireOwned {
    fn drop(&mut self) {
        self.owner.semaphore().dropped(&mut self.at, self.n, self.caller);
    }
}

#[cfg(not(any(corio_loom, corio_shuttle)))]
const _: () = assert!(size_of::<Semaphore>() == 16 && size_of::<crate::Event>() == 16);

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
