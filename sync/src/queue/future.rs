//! The futures of the queues.

use super::{BaseQueue, Fifo, QueueShutDown, Store};
use crate::debug;
use crate::place::{WaitKind, noted};
use crate::wait::queue::Place;
use crate::wait::weighted::Shut;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The future of [`BaseQueue::put`].
#[must_use = "futures do nothing unless awaited"]
pub struct Put<'a, T, S: Store<T> = Fifo<T>> {
    pub(super) queue: &'a BaseQueue<T, S>,
    pub(super) value: Option<T>,
    pub(super) at: Place,
    pub(super) caller: &'static Location<'static>,
}

future_debug!([<T, S: Store<T>>] Put<'_, T, S>, "Put");

impl<T, S: Store<T>> Put<'_, T, S> {
    /// Takes the item back, and leaves the queue; `None` if it was put.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::{Queue, park::block_on};
    ///
    /// let queue = Queue::new(1);
    /// let mut put = queue.put("late");
    /// assert_eq!(put.take(), Some("late"));
    /// block_on(queue.put("first")).unwrap();
    /// ```
    pub fn take(&mut self) -> Option<T> {
        self.queue.core.leave_slots(&mut self.at);
        self.value.take()
    }
}

// The value is moved, never pinned.
impl<T, S: Store<T>> Unpin for Put<'_, T, S> {}

impl<T, S: Store<T>> Future for Put<'_, T, S> {
    type Output = Result<(), QueueShutDown<T>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        assert!(this.value.is_some(), "a put was polled after it had completed");
        let unit = ready!(this.at.proceed(cx));
        let slot = this.queue.core.poll_slot(&mut this.at, cx);
        let slot = ready!(noted(slot, WaitKind::QueuePut, this.caller));
        unit.made_progress();
        if slot.is_ok() && this.queue.core.store(&mut this.value) {
            return Poll::Ready(Ok(()));
        }
        let refused = this.value.take().expect("looked at above, and not stored");
        Poll::Ready(Err(QueueShutDown(refused)))
    }
}

impl<T, S: Store<T>> Drop for Put<'_, T, S> {
    fn drop(&mut self) {
        if let (Place::Idle, Some(_)) = (&self.at, &self.value) {
            debug::never_awaited(WaitKind::QueuePut, self.caller);
        }
        self.queue.core.leave_slots(&mut self.at);
    }
}

/// The future of [`BaseQueue::get`].
#[must_use = "futures do nothing unless awaited"]
pub struct Get<'a, T, S: Store<T> = Fifo<T>> {
    pub(super) queue: &'a BaseQueue<T, S>,
    pub(super) at: Place,
    /// An item has been promised, but could not be taken yet.
    pub(super) promised: bool,
    pub(super) caller: &'static Location<'static>,
}

future_debug!([<T, S: Store<T>>] Get<'_, T, S>, "Get");

impl<T, S: Store<T>> Future for Get<'_, T, S> {
    type Output = Result<T, QueueShutDown>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let unit = ready!(this.at.proceed(cx));
        let got = this.queue.core.poll_get(&mut this.at, &mut this.promised, cx);
        let got = ready!(noted(got, WaitKind::QueueGet, this.caller));
        unit.made_progress();
        Poll::Ready(got.map_err(|Shut| QueueShutDown(())))
    }
}

impl<T, S: Store<T>> Drop for Get<'_, T, S> {
    fn drop(&mut self) {
        if let Place::Idle = self.at {
            debug::never_awaited(WaitKind::QueueGet, self.caller);
        }
        self.queue.core.leave_items(&mut self.at, &mut self.promised);
    }
}

/// The items of a queue as a stream; ends when the queue is shut down and empty.
#[must_use = "streams do nothing unless polled"]
pub struct Items<'a, T, S: Store<T> = Fifo<T>> {
    get: Get<'a, T, S>,
}

impl<'a, T, S: Store<T>> Items<'a, T, S> {
    #[track_caller]
    pub(super) fn new(queue: &'a BaseQueue<T, S>) -> Self {
        let mut get = queue.get();
        // Between two items nothing is asked for.
        get.at = Place::Done;
        Self { get }
    }
}

impl<T, S: Store<T>> fmt::Debug for Items<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Items").field(&self.get).finish()
    }
}

impl<T, S: Store<T>> futures_core::Stream for Items<'_, T, S> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Place::Done = self.get.at {
            self.get.at = Place::Idle;
        }
        let got = ready!(Pin::new(&mut self.get).poll(cx));
        Poll::Ready(got.ok())
    }
}

/// The future of [`BaseQueue::get_tracked`].
#[must_use = "futures do nothing unless awaited"]
pub struct GetTracked<'a, T, S: Store<T> = Fifo<T>> {
    pub(super) get: Get<'a, T, S>,
}

impl<T, S: Store<T>> fmt::Debug for GetTracked<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GetTracked").field(&self.get).finish()
    }
}

impl<'a, T, S: Store<T>> Future for GetTracked<'a, T, S> {
    type Output = Result<Tracked<'a, T, S>, QueueShutDown>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let queue = self.get.queue;
        let got = ready!(Pin::new(&mut self.get).poll(cx));
        Poll::Ready(got.map(|value| Tracked { queue, value: Some(value) }))
    }
}

/// An item that reports [`BaseQueue::task_done`] when it is dropped.
pub struct Tracked<'a, T, S: Store<T> = Fifo<T>> {
    queue: &'a BaseQueue<T, S>,
    /// Gone only in `into_inner`.
    value: Option<T>,
}

impl<T, S: Store<T>> Tracked<'_, T, S> {
    /// Reports the item as done now and gives it away.
    ///
    /// # Examples
    ///
    /// ```
    /// use corio_sync::{Queue, park::block_on};
    ///
    /// let queue = Queue::new(0);
    /// queue.put_nowait(1).unwrap();
    /// let item = block_on(queue.get_tracked()).unwrap().into_inner();
    /// block_on(queue.join());
    /// assert_eq!(item, 1);
    /// ```
    #[must_use]
    pub fn into_inner(mut self) -> T {
        self.value.take().expect("a live item has its value")
    }
}

impl<T, S: Store<T>> Deref for Tracked<'_, T, S> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("a live item has its value")
    }
}

impl<T, S: Store<T>> DerefMut for Tracked<'_, T, S> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a live item has its value")
    }
}

impl<T, S: Store<T>> Drop for Tracked<'_, T, S> {
    fn drop(&mut self) {
        // An error would mean that somebody else reported our item; there is nobody to tell.
        let _ = self.queue.task_done();
    }
}

impl<T: fmt::Debug, S: Store<T>> fmt::Debug for Tracked<'_, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The future of [`BaseQueue::join`].
#[must_use = "futures do nothing unless awaited"]
pub struct Join<'a, T, S: Store<T> = Fifo<T>> {
    pub(super) queue: &'a BaseQueue<T, S>,
    pub(super) at: Place,
    pub(super) caller: &'static Location<'static>,
}

future_debug!([<T, S: Store<T>>] Join<'_, T, S>, "Join");

impl<T, S: Store<T>> Future for Join<'_, T, S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let joined = this.queue.core.poll_join(&mut this.at, cx);
        noted(joined, WaitKind::QueueJoin, this.caller)
    }
}

impl<T, S: Store<T>> Drop for Join<'_, T, S> {
    fn drop(&mut self) {
        if let Place::Idle = self.at {
            debug::never_awaited(WaitKind::QueueJoin, self.caller);
        }
        self.queue.core.leave_joining(&mut self.at);
    }
}
