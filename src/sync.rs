//! Locks, queues, channels, and everything else that waits for another task.
//!
//! asyncio's `Lock`, `Event`, `Condition`, `Semaphore`, `Barrier` and `Queue` under their own names,
//! and beside them what Rust's users expect: [`RwLock`], [`Notify`], [`OnceCell`], [`CancelToken`]
//! and the channels [`oneshot`], [`mpsc`], [`broadcast`] and [`watch`].
//!
//! All of it may be shared between tasks of any loop, plain threads, and tasks of other runtimes:
//! nothing here knows which executor polls it. Waiters are served in order of arrival, and a waiter
//! that is cancelled or dropped passes on what had been promised to it. None of it contains a lock;
//! each type says under *Progress* what it does contain.
//!
//! Futures are named types that say where they wait, and can be dropped at any time. What this
//! costs, if anything, stands under *Cancel safety* of the method: *strict* means nothing, *loses
//! place* means a place in the queue.
//!
//! # Examples
//!
//! A lock keeps its data inside, so nobody forgets to take it:
//!
//! ```
//! use corio::sync::Lock;
//! use std::sync::Arc;
//!
//! corio::run(async {
//!     let total = Arc::new(Lock::new(0));
//!     let tasks: Vec<_> = (1..=4)
//!         .map(|number| {
//!             let total = total.clone();
//!             corio::create_task(async move { *total.acquire().await += number })
//!         })
//!         .collect();
//!     for task in tasks {
//!         task.await.unwrap();
//!     }
//!     assert_eq!(*total.acquire().await, 10);
//! });
//! ```
//!
//! A queue between workers and whoever feeds them; `join` waits until all work is done:
//!
//! ```
//! use corio::sync::Queue;
//! use std::sync::Arc;
//!
//! corio::run(async {
//!     let queue = Arc::new(Queue::new(2));
//!     let workers: Vec<_> = (0..2)
//!         .map(|_| {
//!             let queue = queue.clone();
//!             corio::create_task(async move {
//!                 let mut sum = 0;
//!                 while let Ok(number) = queue.get_tracked().await {
//!                     sum += *number;
//!                 }
//!                 sum
//!             })
//!         })
//!         .collect();
//!     for number in 1..=10 {
//!         queue.put(number).await.unwrap();
//!     }
//!     queue.join().await;
//!     queue.shutdown(false);
//!     let mut sum = 0;
//!     for worker in workers {
//!         sum += worker.await.unwrap();
//!     }
//!     assert_eq!(sum, 55);
//! });
//! ```
//!
//! What matters most comes first; what is carried needs no order of its own:
//!
//! ```
//! use corio::sync::{Prioritized, PriorityQueue};
//!
//! corio::run(async {
//!     let jobs = PriorityQueue::new(0);
//!     for (priority, job) in [(2, "feed the cat"), (1, "put out the fire"), (2, "feed the dog")] {
//!         jobs.put(Prioritized::new(priority, job)).await.unwrap();
//!     }
//!     let mut done = Vec::new();
//!     while let Ok(job) = jobs.get_nowait() {
//!         done.push(job.into_item());
//!     }
//!     assert_eq!(done, ["put out the fire", "feed the cat", "feed the dog"]);
//! });
//! ```
//!
//! An event tells everybody; a thread may wait for it, too:
//!
//! ```
//! use corio::sync::Event;
//! use std::sync::Arc;
//!
//! let ready = Arc::new(Event::new());
//! let seen = ready.clone();
//! let thread = std::thread::spawn(move || seen.wait_blocking(None));
//! corio::run(async {
//!     ready.set();
//!     ready.wait().await;
//! });
//! assert!(thread.join().unwrap());
//! ```
//!
//! Channels have tokio's method names:
//!
//! ```
//! use corio::sync::{mpsc, oneshot};
//!
//! corio::run(async {
//!     let (requests, mut inbox) = mpsc::channel::<(u32, oneshot::Sender<u32>)>(8);
//!     let server = corio::create_task(async move {
//!         while let Some((number, answer)) = inbox.recv().await {
//!             let _ = answer.send(number * number);
//!         }
//!     });
//!     let (answer, square) = oneshot::channel();
//!     requests.send((7, answer)).await.unwrap();
//!     assert_eq!(square.await.unwrap(), 49);
//!     drop(requests);
//!     server.await.unwrap();
//! });
//! ```

// Locks and events.
pub use corio_runtime::{Condition, ConditionWait, ConditionWaitFor};
pub use corio_sync::{
    Acquire, AcquireOwned, Event, EventWait, Lock, LockGuard, NotLocked, Notified, Notify,
    OwnedLockGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, RwLockRead,
    RwLockReadGuard, RwLockReadOwned, RwLockWrite, RwLockWriteGuard, RwLockWriteOwned,
};

// Counting.
pub use corio_sync::{
    Barrier, BarrierWait, BarrierWaitResult, BoundedSemaphore, BrokenBarrier, Closed, OwnedPermit,
    Permit, SemAcquire, SemAcquireOwned, Semaphore, TooManyReleases, TryAcquireError,
};

// asyncio's future.
pub use corio_runtime::{Deferred, DeferredError, DeferredObserve, DeferredWait};

// What happens once.
pub use corio_sync::{
    CancelToken, GetOrInit, GetOrTryInit, OnceCell, SetOnce, SetOnceWait, TokenCancelled,
};

// Queues.
pub use corio_sync::{
    BaseQueue, Fifo, Get, GetError, GetTracked, Items, Join, Lifo, LifoQueue, Prioritized,
    Priority, PriorityQueue, Put, PutError, Queue, QueueShutDown, Store, TooManyDone, Tracked,
};

// Channels.
pub use corio_sync::{broadcast, mpsc, oneshot, watch};

// What asyncio's future is made of; measured by the benchmarks.
#[doc(hidden)]
pub use corio_sync::deferred;
