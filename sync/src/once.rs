//! [`OnceCell`] and [`SetOnce`]: a value that is made once.
//!
//! *Protocol of the cell.* One permit stands for the right to make the value. Whoever has it and is
//! dropped, fails or panics gives it to the next waiter. Whoever succeeds publishes the value and
//! opens the permits: everybody who waits or comes gets one, and finds the value.

use crate::place::{Made, WaitKind};
use crate::shim::atomic::AtomicUsize;
use crate::shim::cell::UnsafeCell;
use crate::shim::{Ordering, ord};
use crate::wait::line::{Line, OnFlag};
use crate::wait::permits::Permits;
use crate::wait::queue::Place;
use pin_project_lite::pin_project;
use std::fmt;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

const EMPTY: usize = 0;
const WRITING: usize = 1;
const READY: usize = 2;

/// A value and the word that says whether it is there.
struct Slot<T> {
    state: AtomicUsize,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value may be dropped on another thread.
unsafe impl<T: Send> Send for Slot<T> {}
// SAFETY: once READY the value is shared; it came from whichever thread made it.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

const_fn! {
    impl<T> Slot<T> {
        fn new() -> Self {
            let state = AtomicUsize::new(EMPTY);
            Self { state, value: UnsafeCell::new(MaybeUninit::uninit()) }
        }
    }
}

impl<T> Slot<T> {
    // Ordering(once.get): Acquire; pairs with Ordering(once.set): the value is visible.
    #[inline]
    fn get(&self) -> Option<&T> {
        if self.state.load(ord("once.get", Ordering::Acquire)) != READY {
            return None;
        }
        let value = self.value.with(|value| value);
        // SAFETY: READY: written, and not written again while `self` is shared.
        let value = unsafe { &*value };
        // SAFETY: as above.
        Some(unsafe { value.assume_init_ref() })
    }

    /// Claims the right to write.
    fn claim(&self) -> bool {
        // Ordering(once.claim): Relaxed. The claim publishes nothing.
        let (ok, err) = (Ordering::Relaxed, Ordering::Relaxed);
        self.state.compare_exchange(EMPTY, WRITING, ok, err).is_ok()
    }

    /// Writes the value; the caller claimed.
    // Ordering(once.set): Release; pairs with Ordering(once.get).
    fn fill(&self, value: T) {
        self.value.with_mut(|slot| {
            // SAFETY: claimed by the caller, and not READY: exclusive.
            let slot = unsafe { &mut *slot };
            slot.write(value);
        });
        self.state.store(READY, ord("once.set", Ordering::Release));
    }

    fn take(&mut self) -> Option<T> {
        // Ordering(once.take): Relaxed, both. `&mut self` is exclusive.
        if self.state.load(Ordering::Relaxed) != READY {
            return None;
        }
        self.state.store(EMPTY, Ordering::Relaxed);
        self.value.with_mut(|slot| {
            // SAFETY: exclusive.
            let slot = unsafe { &mut *slot };
            // SAFETY: was READY, and is EMPTY now.
            Some(unsafe { slot.assume_init_read() })
        })
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// A cell that is filled once, by the first task that needs it.
///
/// asyncio has no counterpart; tokio's `OnceCell`.
///
/// # Progress
///
/// `get` is one load. Filling is lock-free; waiting depends on the task that makes the value, and on
/// the thread that is telling those who wait of it. If that task fails, panics or is dropped, the next
/// one in order of arrival tries.
///
/// # Examples
///
/// ```
/// use corio_sync::{OnceCell, park::block_on};
///
/// static CONFIG: OnceCell<String> = OnceCell::new();
/// let value = block_on(CONFIG.get_or_init(|| async { "loaded".to_string() }));
/// assert_eq!(value, "loaded");
/// assert_eq!(CONFIG.get().map(String::as_str), Some("loaded"));
/// ```
///
/// ```
/// use corio_sync::{OnceCell, park::block_on};
///
/// let cell = OnceCell::new();
/// block_on(async {
///     assert_eq!(cell.get_or_try_init(|| async { Err("not yet") }).await, Err("not yet"));
///     assert_eq!(cell.get_or_try_init(|| async { Ok::<_, &str>(1) }).await, Ok(&1));
/// });
/// assert_eq!((cell.set(2), cell.into_inner()), (Err(2), Some(1)));
/// ```
pub struct OnceCell<T> {
    slot: Slot<T>,
    permits: Permits,
}

const_fn! {
    impl<T> OnceCell<T> {
        /// An empty cell.
        pub fn new() -> Self {
            Self { slot: Slot::new(), permits: Permits::new(1) }
        }
    }
}

impl<T> OnceCell<T> {
    /// The value, if it was made.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.slot.get()
    }

    /// Fills the cell.
    ///
    /// # Errors
    ///
    /// The value comes back if the cell is filled, or somebody is about to fill it.
    pub fn set(&self, value: T) -> Result<(), T> {
        if self.get().is_some() || !self.permits.try_acquire() {
            return Err(value);
        }
        self.settle(value)
    }

    /// For whoever has the permit.
    fn settle(&self, value: T) -> Result<(), T> {
        if !self.slot.claim() {
            return Err(value);
        }
        self.slot.fill(value);
        self.permits.open();
        Ok(())
    }

    /// The value; made by `init` if nobody has, while others wait.
    ///
    /// # Cancel safety
    ///
    /// Loses place: a dropped future drops what `init` has begun, and the right to make the value
    /// goes to the next one.
    #[track_caller]
    pub fn get_or_init<F, Fut>(&self, init: F) -> GetOrInit<'_, T, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        let caller = Made::here(WaitKind::OnceCell);
        GetOrInit { cell: self, init: Some(init), step: Step::new(), caller }
    }

    /// As [`OnceCell::get_or_init`] with an `init` that can fail.
    ///
    /// # Errors
    ///
    /// That of `init`; the next waiter tries then.
    ///
    /// # Cancel safety
    ///
    /// Loses place: a dropped future drops what `init` has begun, and the right to make the value
    /// goes to the next one.
    #[track_caller]
    pub fn get_or_try_init<F, Fut, E>(&self, init: F) -> GetOrTryInit<'_, T, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let caller = Made::here(WaitKind::OnceCell);
        GetOrTryInit { cell: self, init: Some(init), step: Step::new(), caller }
    }

    /// Unwraps the value.
    pub fn into_inner(mut self) -> Option<T> {
        self.slot.take()
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}

/// The permit of a cell, from the first poll on; gives it back or leaves the queue when dropped.
struct Turn<'a> {
    permits: &'a Permits,
    at: Place,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        match self.at {
            Place::Done => self.permits.release(),
            Place::Idle | Place::Yielded | Place::Waiting(_) => self.permits.abandon(&mut self.at),
        }
    }
}

pin_project! {
    /// The two halves of making a value: the turn, then the future.
    struct Step<'a, Fut> {
        turn: Option<Turn<'a>>,
        #[pin]
        making: Option<Fut>,
    }
}

impl<'a, Fut: Future> Step<'a, Fut> {
    fn new() -> Self {
        Self { turn: None, making: None }
    }

    /// Waits for the turn, then for the value. `None`: the cell was filled meanwhile.
    fn poll_make<T>(
        self: Pin<&mut Self>,
        cell: &'a OnceCell<T>,
        init: &mut Option<impl FnOnce() -> Fut>,
        made: &mut Made,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Fut::Output>> {
        made.begin();
        let mut this = self.project();
        if cell.get().is_some() {
            // Whoever filled the cell opened the permits: there is none to give back.
            this.making.set(None);
            if let Some(mut turn) = this.turn.take() {
                cell.permits.abandon(&mut turn.at);
                std::mem::forget(turn);
            }
            return Poll::Ready(None);
        }
        let turn = this.turn.get_or_insert(Turn { permits: &cell.permits, at: Place::Idle });
        if !matches!(turn.at, Place::Done) {
            let polled = cell.permits.poll_acquire(&mut turn.at, cx);
            ready!(made.noted(polled));
            if cell.get().is_some() {
                std::mem::forget(this.turn.take());
                return Poll::Ready(None);
            }
        }
        if this.making.is_none() {
            let init = init.take().expect("a once-cell future was polled after it had completed");
            this.making.set(Some(init()));
        }
        let making = this.making.as_mut().as_pin_mut().expect("made above");
        let made = ready!(making.poll(cx));
        this.making.set(None);
        Poll::Ready(Some(made))
    }

    /// The turn ends with a value.
    fn succeed<T>(self: Pin<&mut Self>, cell: &'a OnceCell<T>, value: T) {
        // The permits are opened instead of giving one back.
        std::mem::forget(self.project().turn.take());
        let settled = cell.settle(value);
        debug_assert!(settled.is_ok(), "only the holder of the permit fills the cell");
    }
}

pin_project! {
    /// The future of [`OnceCell::get_or_init`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct GetOrInit<'a, T, F, Fut> {
        cell: &'a OnceCell<T>,
        init: Option<F>,
        #[pin]
        step: Step<'a, Fut>,
        caller: Made,
    }
}

future_debug!([<T, F, Fut>] GetOrInit<'_, T, F, Fut>, "GetOrInit");

impl<'a, T, F, Fut> Future for GetOrInit<'a, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T>,
{
    type Output = &'a T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let cell = *this.cell;
        if let Some(value) = ready!(this.step.as_mut().poll_make(cell, this.init, this.caller, cx))
        {
            this.step.succeed(cell, value);
        }
        Poll::Ready(cell.get().expect("filled by us or by others"))
    }
}

pin_project! {
    /// The future of [`OnceCell::get_or_try_init`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct GetOrTryInit<'a, T, F, Fut> {
        cell: &'a OnceCell<T>,
        init: Option<F>,
        #[pin]
        step: Step<'a, Fut>,
        caller: Made,
    }
}

future_debug!([<T, F, Fut>] GetOrTryInit<'_, T, F, Fut>, "GetOrTryInit");

impl<'a, T, E, F, Fut> Future for GetOrTryInit<'a, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<&'a T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let cell = *this.cell;
        match ready!(this.step.as_mut().poll_make(cell, this.init, this.caller, cx)) {
            None => {}
            Some(Ok(value)) => this.step.succeed(cell, value),
            Some(Err(error)) => {
                // The turn goes to the next waiter.
                drop(this.step.project().turn.take());
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(cell.get().expect("filled by us or by others")))
    }
}

/// A value that one side sets and many wait for: what a future is made of.
///
/// asyncio: the core of `Future` (`set_result`, `await`); the runtime's `Deferred` adds errors,
/// cancellation and callbacks.
///
/// # Progress
///
/// `get` is one load, `set` lock-free, in time proportional to the number of waiters. A thread that is
/// descheduled inside the `set` that came first delays all who wait until it has stored the value,
/// and then those who waited and that it has not woken yet; who comes then finds the value.
///
/// # Examples
///
/// ```
/// use corio_sync::{SetOnce, park::block_on};
///
/// let answer = SetOnce::new();
/// assert_eq!(answer.set(42), Ok(()));
/// assert_eq!(answer.set(43), Err(43));
/// assert_eq!(*block_on(answer.wait()), 42);
/// ```
///
/// ```
/// use corio_sync::SetOnce;
/// use std::time::Duration;
///
/// let once = SetOnce::new();
/// assert!(!once.is_set() && once.get().is_none());
/// assert_eq!(once.wait_blocking(Some(Duration::from_millis(1))), None);
/// once.set(1).unwrap();
/// assert_eq!(once.wait_blocking(None), Some(&1));
/// assert_eq!(once.into_inner(), Some(1));
/// ```
pub struct SetOnce<T> {
    slot: Slot<T>,
    line: Line,
}

const_fn! {
    impl<T> SetOnce<T> {
        /// Nothing is set.
        pub fn new() -> Self {
            Self { slot: Slot::new(), line: Line::new() }
        }
    }
}

impl<T> SetOnce<T> {
    /// The value, if it was set.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.slot.get()
    }

    /// Whether the value was set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.get().is_some()
    }

    /// Sets the value and wakes everybody who waits.
    ///
    /// # Errors
    ///
    /// The value comes back if another one was set, or is being set.
    pub fn set(&self, value: T) -> Result<(), T> {
        if !self.slot.claim() {
            return Err(value);
        }
        self.slot.fill(value);
        self.line.set_flag();
        Ok(())
    }

    /// Waits for the value.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn wait(&self) -> SetOnceWait<'_, T> {
        SetOnceWait { cell: self, at: Place::Idle, caller: Made::here(WaitKind::SetOnce) }
    }

    /// Waits on a thread that may block, for `d` at the most (`None` for no limit); no value comes
    /// back if that was not enough.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn wait_blocking(&self, d: Option<std::time::Duration>) -> Option<&T> {
        crate::park::block_on_timeout(self.wait(), d)
    }

    /// Unwraps the value.
    pub fn into_inner(mut self) -> Option<T> {
        self.slot.take()
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetOnce").field(&self.get()).finish()
    }
}

/// The future of [`SetOnce::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct SetOnceWait<'a, T> {
    cell: &'a SetOnce<T>,
    at: Place,
    caller: Made,
}

future_debug!([<'a, T>] SetOnceWait<'a, T>, "SetOnceWait");

impl<'a, T> Future for SetOnceWait<'a, T> {
    type Output = &'a T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.caller.begin();
        let cell = this.cell;
        if let Some(value) = cell.get() {
            return Poll::Ready(value);
        }
        let idle = matches!(this.at, Place::Idle);
        if !idle || cell.line.enter(&mut this.at, OnFlag::Keep) {
            let polled = cell.line.poll_granted(&mut this.at, cx);
            ready!(this.caller.noted(polled));
        }
        Poll::Ready(cell.get().expect("the flag and every grant come after the value"))
    }
}

impl<T> Drop for SetOnceWait<'_, T> {
    fn drop(&mut self) {
        // A grant needs no heir: everybody got one.
        let _ = self.cell.line.leave(&mut self.at);
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
