//! [`Queue`], [`LifoQueue`] and [`PriorityQueue`]: asyncio's queues, for tasks and threads.
//!
//! *Parts.* A queue is a **store** of items between two counters with waiters: **slots** (room for
//! puts, if bounded) and **items** (gets). A put takes a slot, is *admitted*, stores its item and
//! releases one of `items`; a get takes one of `items`, takes an item out of the store and releases
//! a slot. So nobody waits inside the store, and order is that of the counters: first come, first
//! served on both sides.
//!
//! *Admission* is one read-modify-write of `puts`, whose bit 0 says that the queue is shut down. It
//! decides whether a put came before the shutdown; for the FIFO store it is the item's position,
//! too.
//!
//! *What waits for whom.* A get that finds the queue shut down while an admitted put has not yet
//! stored its item asks to be polled again until it has. So does a get of a priority queue whose
//! item is being compared. Everything else is lock-free.

mod core;
mod fifo;
mod future;
mod lifo;
mod prioritized;
mod priority;
mod strip;

pub use fifo::Fifo;
pub use future::{Get, GetTracked, Items, Join, Put, Tracked};
pub use lifo::Lifo;
pub use prioritized::Prioritized;
pub use priority::Priority;

use self::core::Core;
use crate::error::TooManyDone;
#[cfg(not(any(corio_loom, corio_shuttle)))]
use crate::park;
use crate::wait::queue::Place;
use std::fmt;
use std::panic::Location;
#[cfg(not(any(corio_loom, corio_shuttle)))]
use std::time::Duration;

/// What keeps the items of a queue; sealed.
pub trait Store<T>: sealed::Sealed<T> {}

pub(crate) mod sealed {
    /// The operations of a store.
    pub trait Sealed<T> {
        /// The store counts its gets itself: see [`Sealed::gets`].
        const COUNTS_GETS: bool = false;
        /// An empty store.
        fn new() -> Self;
        /// Takes the item out of `value`, where there is one, and stores it. `admit` is called once
        /// per attempt and gives the put's number, or none if the queue is shut down. `value` still
        /// has the item if this is false, because `admit` declined, or if it unwinds, which it may
        /// do only after an admission. `admitted` gives how many numbers were given: what a put
        /// did before that call is seen by those that are admitted behind it.
        fn push(
            &self,
            admit: impl Fn() -> Option<u64>,
            admitted: impl Fn() -> u64,
            value: &mut Option<T>,
        ) -> bool;
        /// Takes an item out; the caller holds one of `items`, so there is one. `void` is called
        /// for each number that is given up because its put was too slow. None if the item cannot
        /// be had at this moment; may unwind, and has taken nothing then.
        fn pop(&self, void: impl Fn()) -> Option<T>;
        /// Numbers of puts that gets have come to, those that were given up included.
        fn gets(&self) -> u64 {
            0
        }
    }
}

/// Why a put was refused; the item comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PutError<T> {
    /// No room, or others wait for it (asyncio: `QueueFull`).
    #[doc(alias = "QueueFull")]
    Full(T),
    /// The queue was shut down (asyncio: `QueueShutDown`).
    ShutDown(T),
    /// No room in time.
    Timeout(T),
}

impl<T> PutError<T> {
    /// The item.
    ///
    /// See [`BaseQueue`] for an example.
    pub fn into_inner(self) -> T {
        let (Self::Full(value) | Self::ShutDown(value) | Self::Timeout(value)) = self;
        value
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::ShutDown(_) => "ShutDown(..)",
            Self::Timeout(_) => "Timeout(..)",
        })
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the queue is full",
            Self::ShutDown(_) => "the queue was shut down",
            Self::Timeout(_) => "the queue stayed full for too long",
        })
    }
}

impl<T> std::error::Error for PutError<T> {}

/// Why a get got nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GetError {
    /// No item, or others wait for it (asyncio: `QueueEmpty`).
    #[doc(alias = "QueueEmpty")]
    Empty,
    /// The queue was shut down and is empty (asyncio: `QueueShutDown`).
    ShutDown,
    /// No item in time.
    Timeout,
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the queue is empty",
            Self::ShutDown => "the queue was shut down",
            Self::Timeout => "the queue stayed empty for too long",
        })
    }
}

impl std::error::Error for GetError {}

/// The queue was shut down; a refused item comes back in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueShutDown<T = ()>(pub T);

impl<T> fmt::Debug for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueShutDown")
    }
}

impl<T> fmt::Display for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue was shut down")
    }
}

impl<T> std::error::Error for QueueShutDown<T> {}

/// First in, first out; see [`BaseQueue`] for the methods.
pub type Queue<T> = BaseQueue<T, Fifo<T>>;

/// Last in, first out; see [`BaseQueue`] for the methods.
pub type LifoQueue<T> = BaseQueue<T, Lifo<T>>;

/// Smallest first, equal items in order of insertion; see [`BaseQueue`] for the methods.
///
/// asyncio: `PriorityQueue`. Differences: an item needs no tie-breaker, for equal ones stand in the
/// order in which they were put; and those that usually need one, because a priority comes with
/// something that has no order, are made by [`Prioritized`].
///
/// Threads compare items that lie in the queue at the same time, so a queue that threads share asks
/// for `T: Sync`. A [`Prioritized`] is `Sync` whatever it carries.
///
/// # Progress
///
/// A put is lock-free. A get is lock-free with one exception: while another thread is inside the
/// comparison of the very item that is due, the get waits for that comparison. `get` and
/// [`stream`](BaseQueue::stream) ask to be polled again; [`get_nowait`](BaseQueue::get_nowait) and
/// [`shutdown`](BaseQueue::shutdown) yield the thread. A comparison that never returns keeps the
/// item for ever, and a comparison must not get from the queue that it is called by. All comparisons
/// and allocations count as steps: a put or get compares at most about log2(n) items, unless others
/// come first, which makes it start again.
///
/// # Panics
///
/// A put panics if `T`'s comparison does: nothing was put, and [`Put::take`] has the item
/// ([`put_nowait`](BaseQueue::put_nowait), to which it was given, drops it). A get may panic for the
/// same reason, with items that were never compared before: nothing was taken, and those two are
/// left in order of insertion, so that the next get goes on.
///
/// If the order of `T` is not a total one, or changes while items are in the queue, they come in
/// some order.
///
/// # Examples
///
/// ```
/// use corio_sync::{PriorityQueue, park::block_on};
///
/// let queue = PriorityQueue::new(0);
/// block_on(async {
///     for job in [(2, "code"), (1, "eat"), (3, "sleep")] {
///         queue.put(job).await.unwrap();
///     }
///     assert_eq!(queue.get().await, Ok((1, "eat")));
///     assert_eq!(queue.get().await, Ok((2, "code")));
/// });
/// ```
pub type PriorityQueue<T> = BaseQueue<T, Priority<T>>;

/// A queue between any number of producers and consumers: [`Queue`], [`LifoQueue`] or
/// [`PriorityQueue`].
///
/// asyncio: `Queue`, `LifoQueue`, `PriorityQueue`. Differences: usable from any thread; order of arrival is strict
/// for puts and gets that wait (in asyncio a running task may overtake a woken one); a refused item
/// comes back in the error; `get_tracked` calls `task_done` by itself.
///
/// # Progress
///
/// Lock-free, as [`Semaphore`](crate::Semaphore): a get that waits, waits for the put that owes it an
/// item, and a put that waits for the get that owes it room. Two exceptions. A get whose item is being
/// stored by a put that was descheduled takes the next item instead, and that put has to store again.
/// After a shutdown a get may have to wait for a put that was admitted before it and has not finished.
/// A [`PriorityQueue`] has one more. Memory: an item's place in a [`Queue`] is freed in runs of 16; a
/// put or get that is descheduled inside keeps the runs behind its own from being freed, and nobody
/// waiting.
///
/// # Examples
///
/// ```
/// use corio_sync::{Queue, park::block_on};
/// use std::sync::Arc;
///
/// let queue = Arc::new(Queue::new(2));
/// let producer = queue.clone();
/// let thread = std::thread::spawn(move || block_on(async {
///     for number in 0..5 {
///         producer.put(number).await.unwrap();
///     }
///     producer.shutdown(false);
/// }));
/// let sum = block_on(async {
///     let mut sum = 0;
///     while let Ok(number) = queue.get().await {
///         sum += number;
///         queue.task_done().unwrap();
///     }
///     queue.join().await;
///     sum
/// });
/// assert_eq!(sum, 10);
/// thread.join().unwrap();
/// ```
///
/// ```
/// use corio_sync::{Queue, park::block_on};
/// use std::pin::pin;
/// use std::time::Duration;
///
/// let queue = Queue::new(2);
/// assert!(queue.empty() && queue.maxsize() == 2);
/// queue.put_nowait(1).unwrap();
/// queue.put_blocking(2, None).unwrap();
/// assert!(queue.full() && queue.qsize() == 2);
/// let full = queue.try_put(3).unwrap_err(); // as put_nowait()
/// assert_eq!(full.into_inner(), 3);
///
/// assert_eq!((queue.try_get(), queue.get_blocking(None)), (Ok(1), Ok(2)));
/// assert!(queue.get_nowait().is_err());
/// assert!(!queue.join_blocking(Some(Duration::from_millis(1))), "nothing was done");
/// block_on(queue.put(4)).unwrap();
/// drop(block_on(queue.get_tracked()).unwrap());
/// queue.put_nowait(5).unwrap();
/// let mut items = pin!(queue.stream());
/// let next = std::future::poll_fn(|cx| futures_core::Stream::poll_next(items.as_mut(), cx));
/// assert_eq!(block_on(next), Some(5));
/// ```
#[doc(alias = "mpmc")]
pub struct BaseQueue<T, S: Store<T> = Fifo<T>> {
    core: Core<T, S>,
}

impl<T, S: Store<T>> BaseQueue<T, S> {
    /// A queue with room for `maxsize` items; 0 for no limit.
    ///
    /// # Panics
    ///
    /// If `maxsize` exceeds [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    #[must_use]
    #[track_caller]
    pub fn new(maxsize: usize) -> Self {
        Self { core: Core::new(maxsize) }
    }

    /// Puts an item, waiting for room.
    ///
    /// # Errors
    ///
    /// [`QueueShutDown`] with the item.
    ///
    /// # Cancel safety
    ///
    /// Loses place: a dropped future has not put anything, and drops its item; [`Put::take`] takes
    /// it back before.
    #[track_caller]
    pub fn put(&self, value: T) -> Put<'_, T, S> {
        Put { queue: self, value: Some(value), at: Place::Idle, caller: Location::caller() }
    }

    /// Gets an item, waiting for one.
    ///
    /// # Errors
    ///
    /// [`QueueShutDown`] once the queue is shut down and empty.
    ///
    /// # Cancel safety
    ///
    /// Loses place: a dropped future takes no item.
    #[track_caller]
    pub fn get(&self) -> Get<'_, T, S> {
        Get { queue: self, at: Place::Idle, promised: false, caller: Location::caller() }
    }

    /// As [`BaseQueue::get`]; the item calls [`BaseQueue::task_done`] when it is dropped.
    ///
    /// # Errors
    ///
    /// [`QueueShutDown`] once the queue is shut down and empty.
    ///
    /// # Cancel safety
    ///
    /// Loses place.
    #[track_caller]
    pub fn get_tracked(&self) -> GetTracked<'_, T, S> {
        GetTracked { get: self.get() }
    }

    /// The items as a stream, until the queue is shut down and empty.
    #[track_caller]
    pub fn stream(&self) -> Items<'_, T, S> {
        Items::new(self)
    }

    /// Puts an item if there is room.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`] or [`PutError::ShutDown`] with the item.
    #[inline]
    pub fn put_nowait(&self, value: T) -> Result<(), PutError<T>> {
        match self.core.try_slot() {
            Ok(true) => {
                let mut value = Some(value);
                if self.core.store(&mut value) {
                    return Ok(());
                }
                Err(PutError::ShutDown(value.expect("not stored")))
            }
            Ok(false) => Err(PutError::Full(value)),
            Err(_) => Err(PutError::ShutDown(value)),
        }
    }

    /// Rust's name for [`BaseQueue::put_nowait`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_put(&self, value: T) -> Result<(), PutError<T>> {
        self.put_nowait(value)
    }

    /// Gets an item if there is one.
    ///
    /// # Errors
    ///
    /// [`GetError::Empty`], or [`GetError::ShutDown`] once the queue is shut down and empty.
    #[inline]
    pub fn get_nowait(&self) -> Result<T, GetError> {
        match self.core.try_get() {
            Some(value) => Ok(value),
            None if self.core.is_over() => Err(GetError::ShutDown),
            None => Err(GetError::Empty),
        }
    }

    /// Rust's name for [`BaseQueue::get_nowait`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_get(&self) -> Result<T, GetError> {
        self.get_nowait()
    }

    /// Puts an item from a thread that may block, for `d` at the most; `None` for no limit.
    ///
    /// # Errors
    ///
    /// [`PutError::Timeout`] or [`PutError::ShutDown`] with the item.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn put_blocking(&self, value: T, d: Option<Duration>) -> Result<(), PutError<T>> {
        let mut put = self.put(value);
        match park::block_on_timeout(&mut put, d) {
            Some(Ok(())) => Ok(()),
            Some(Err(QueueShutDown(value))) => Err(PutError::ShutDown(value)),
            None => Err(PutError::Timeout(put.take().expect("not put in time"))),
        }
    }

    /// Gets an item from a thread that may block, for `d` at the most; `None` for no limit.
    ///
    /// # Errors
    ///
    /// [`GetError::Timeout`] or [`GetError::ShutDown`].
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn get_blocking(&self, d: Option<Duration>) -> Result<T, GetError> {
        match park::block_on_timeout(self.get(), d) {
            Some(Ok(value)) => Ok(value),
            Some(Err(QueueShutDown(()))) => Err(GetError::ShutDown),
            None => Err(GetError::Timeout),
        }
    }

    /// Says that the work on an item that was gotten is done; see [`BaseQueue::join`].
    ///
    /// # Errors
    ///
    /// [`TooManyDone`] if called more often than items were put; nothing changes then.
    pub fn task_done(&self) -> Result<(), TooManyDone> {
        self.core.task_done()
    }

    /// Waits until every item that was put has been reported by [`BaseQueue::task_done`].
    ///
    /// Returns at once if none is outstanding.
    ///
    /// # Cancel safety
    ///
    /// Strict.
    #[track_caller]
    pub fn join(&self) -> Join<'_, T, S> {
        Join { queue: self, at: Place::Idle, caller: Location::caller() }
    }

    /// As [`BaseQueue::join`], on a thread that may block, for `d` at the most (`None` for no
    /// limit); true if every item was reported in time.
    #[cfg(not(any(corio_loom, corio_shuttle)))]
    #[track_caller]
    pub fn join_blocking(&self, d: Option<Duration>) -> bool {
        park::block_on_timeout(self.join(), d).is_some()
    }

    /// Items that a get could take now.
    #[must_use]
    pub fn qsize(&self) -> usize {
        self.core.len()
    }

    /// Whether a get would wait.
    #[must_use]
    pub fn empty(&self) -> bool {
        self.core.len() == 0
    }

    /// Whether a put would wait; never, if there is no limit.
    #[must_use]
    pub fn full(&self) -> bool {
        self.core.is_full()
    }

    /// The limit; 0 for none.
    #[must_use]
    pub fn maxsize(&self) -> usize {
        self.core.maxsize
    }

    /// Shuts the queue down: puts are refused from now on, and those that wait fail.
    ///
    /// Items that are in the queue can still be gotten; then gets fail, too. With `immediate` those
    /// items are dropped and count as done.
    pub fn shutdown(&self, immediate: bool) {
        self.core.shut();
        if immediate {
            while let Some(value) = self.core.try_get() {
                self.core.count_done();
                drop(value);
            }
        }
    }
}

impl<T, S: Store<T>> fmt::Debug for BaseQueue<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Queue");
        out.field("maxsize", &self.maxsize()).field("items", &self.qsize());
        out.field("unfinished", &self.core.unfinished())
            .field("shut", &self.core.is_shut())
            .finish()
    }
}

#[cfg(all(test, any(corio_loom, corio_shuttle)))]
mod loom;
#[cfg(all(test, not(any(corio_loom, corio_shuttle))))]
mod tests;
