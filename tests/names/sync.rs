//! `corio::sync`.

use std::sync::Arc;
use std::time::Duration;

use corio::sync::*;
use corio::{BoxError, CallbackId, Cancelled, InvalidState};

use crate::{gives, is, some};

pub fn names() {
    locks();
    semaphores();
    signals();
    conditions();
    deferreds();
    queues();
    channels();
}

static LOCK: Lock<u32> = Lock::new(1);
static UNFAIR: Lock<u32> = Lock::new_unfair(1);
static RW_LOCK: RwLock<u32> = RwLock::new(1);
static SEMAPHORE: Semaphore = Semaphore::new(1);
static EVENT: Event = Event::new();
static NOTIFY: Notify = Notify::new();
static CONDITION: Condition = Condition::new();
static ONCE: OnceCell<u32> = OnceCell::new();

fn locks() {
    gives::<LockGuard<'_, u32>>(LOCK.acquire());
    gives::<LockGuard<'_, u32>>(UNFAIR.lock());
    gives::<OwnedLockGuard<u32>>(Arc::new(Lock::new(1)).acquire_owned());
    drop::<Option<LockGuard<'_, u32>>>(LOCK.try_acquire());
    is::<bool>(LOCK.locked());
    drop::<LockGuard<'_, u32>>(LOCK.blocking_acquire());
    is::<u32>(Lock::new(1).into_inner());
    is::<Result<(), NotLocked>>(Lock::new(()).release());
    gives::<RwLockReadGuard<'_, u32>>(RW_LOCK.read());
    gives::<RwLockWriteGuard<'_, u32>>(RW_LOCK.write());
    drop::<Option<RwLockReadGuard<'_, u32>>>(RW_LOCK.try_read());
    if let Some(writer) = RW_LOCK.try_write() {
        drop::<RwLockReadGuard<'_, u32>>(writer.downgrade());
    }
    gives::<OwnedRwLockReadGuard<u32>>(Arc::new(RwLock::new(1)).read_owned());
    gives::<OwnedRwLockWriteGuard<u32>>(Arc::new(RwLock::new(1)).write_owned());
    is::<Option<&u32>>(ONCE.get());
    is::<Result<(), u32>>(ONCE.set(1));
    gives::<&u32>(ONCE.get_or_init(async || 1));
    gives::<Result<&u32, String>>(ONCE.get_or_try_init(async || Ok(1)));
}

fn semaphores() {
    gives::<Result<Permit<'_>, Closed>>(SEMAPHORE.acquire());
    gives::<Result<Permit<'_>, Closed>>(SEMAPHORE.acquire_many(2));
    gives::<Result<OwnedPermit, Closed>>(Arc::new(Semaphore::new(1)).acquire_owned());
    let permit: Result<Permit<'_>, TryAcquireError> = SEMAPHORE.try_acquire();
    permit.unwrap().forget();
    SEMAPHORE.release(1);
    SEMAPHORE.add_permits(1);
    is::<bool>(SEMAPHORE.locked());
    is::<usize>(SEMAPHORE.available_permits());
    SEMAPHORE.close();
    let bounded = BoundedSemaphore::new(1);
    is::<Result<(), TooManyReleases>>(bounded.release(1));
    gives::<Result<Permit<'_>, Closed>>(bounded.acquire());
}

fn signals() {
    EVENT.set();
    EVENT.clear();
    is::<bool>(EVENT.is_set());
    drop(EVENT.wait());
    is::<bool>(EVENT.wait_blocking(Some(Duration::ZERO)));
    gives::<()>(NOTIFY.notified());
    NOTIFY.notify_one();
    NOTIFY.notify_waiters();
    let token = CancelToken::new();
    is::<CancelToken>(token.child());
    token.cancel();
    is::<bool>(token.is_cancelled());
    gives::<()>(token.cancelled());
    let barrier = Barrier::new(1);
    gives::<Result<BarrierWaitResult, BrokenBarrier>>(barrier.wait());
    barrier.reset();
    barrier.abort();
    is::<(usize, usize)>((barrier.parties(), barrier.n_waiting()));
    is::<bool>(barrier.broken());
    let place = some::<BarrierWaitResult>();
    is::<(usize, bool)>((place.index(), place.is_leader()));
}

fn conditions() {
    let mut guard = LOCK.blocking_acquire();
    drop(CONDITION.wait(&mut guard));
    drop(CONDITION.wait_for(&mut guard, |value: &mut u32| *value == 1));
    CONDITION.notify(&guard, 1);
    CONDITION.notify_all(&guard);
    is::<bool>(guard.is_held());
}

fn deferreds() {
    let deferred: Deferred<String> = Deferred::new();
    is::<Result<(), InvalidState<String>>>(deferred.set_result(String::new()));
    is::<Result<(), InvalidState<BoxError>>>(deferred.set_exception("an error".into()));
    is::<bool>(deferred.done());
    is::<Result<&String, DeferredError>>(deferred.result());
    is::<Result<Option<&BoxError>, DeferredError>>(deferred.exception());
    is::<(bool, bool)>((deferred.cancel(), deferred.cancelled()));
    let id: CallbackId = deferred.add_done_callback(|_| ());
    is::<bool>(deferred.remove_done_callback(id));
    gives::<Result<&String, DeferredError>>(&deferred);
    gives::<Result<String, DeferredError>>(deferred.clone());
    match some::<DeferredError>() {
        DeferredError::NotReady => {}
        DeferredError::Cancelled(cancelled) => is::<Cancelled>(cancelled),
        DeferredError::Failed(error) => is::<Arc<BoxError>>(error),
    }
}

/// The methods of each kind of queue.
macro_rules! queue {
    ($queue:expr) => {
        let queue = $queue;
        let mut put = queue.put(1);
        is::<Option<u32>>(put.take());
        gives::<Result<(), QueueShutDown<u32>>>(put);
        gives::<Result<u32, QueueShutDown>>(queue.get());
        is::<Result<(), PutError<u32>>>(queue.put_nowait(1));
        is::<Result<(), PutError<u32>>>(queue.try_put(1));
        is::<Result<u32, GetError>>(queue.get_nowait());
        is::<Result<u32, GetError>>(queue.try_get());
        is::<Result<(), PutError<u32>>>(queue.put_blocking(1, None));
        is::<Result<u32, GetError>>(queue.get_blocking(None));
        is::<Result<(), TooManyDone>>(queue.task_done());
        gives::<()>(queue.join());
        drop(queue.get_tracked());
        is::<(usize, usize)>((queue.qsize(), queue.maxsize()));
        is::<(bool, bool)>((queue.empty(), queue.full()));
        queue.shutdown(true);
    };
}

fn queues() {
    queue!(Queue::<u32>::new(0));
    queue!(LifoQueue::<u32>::new(0));
    queue!(PriorityQueue::<u32>::new(0));
    let QueueShutDown(value) = some::<QueueShutDown<u32>>();
    is::<u32>(value);
    match some::<PutError<u32>>() {
        PutError::Full(value) | PutError::ShutDown(value) | PutError::Timeout(value) => {
            is::<u32>(value);
        }
    }
    match some::<GetError>() {
        GetError::Empty | GetError::ShutDown | GetError::Timeout => {}
    }
}

fn channels() {
    drop(oneshot::channel::<u32>());
    drop(mpsc::channel::<u32>(1));
    drop(mpsc::unbounded::<u32>());
    drop(broadcast::channel::<u32>(1));
    drop(watch::channel::<u32>(1));
}
