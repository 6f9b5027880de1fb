//! Locks, events, and what is counted. Nothing that was granted is lost: whoever comes next gets
//! what the operation was promised and did not take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corio::sync::{
    Barrier, BoundedSemaphore, CancelToken, Condition, Deferred, Event, Lock, Notify, OnceCell,
    RwLock, Semaphore, SetOnce,
};
use corio::{create_task, yield_now};

use crate::driver::{Case, Make, awaits, case, until};
use crate::support::{poll_once, turns};

/// Takes a turn with something that is held; another task does the same behind it. Whatever becomes
/// of the first, the other one gets its turn, and the thing is free at the end.
fn turn<T: Send + Sync + 'static, F: Future<Output = ()> + Send + 'static>(
    thing: Arc<T>,
    held: impl Send + 'static,
    take: impl Fn(Arc<T>) -> F,
    free: impl Fn(&T) -> bool + 'static,
) -> Case {
    let (mine, theirs) = (take(thing.clone()), take(thing.clone()));
    let stimulus = async move {
        let behind = create_task(theirs);
        turns().await;
        drop(held);
        behind.await.expect("it gets its turn");
    };
    case(mine, stimulus, async move |_| assert!(free(&thing)))
}

fn locked<F: Future<Output = ()> + Send + 'static>(take: impl Fn(Arc<Lock<()>>) -> F) -> Case {
    let lock = Arc::new(Lock::new(()));
    let held = lock.clone().try_acquire_owned().expect("it is new");
    turn(lock, held, take, |lock| !lock.locked())
}

async fn read_locked<F: Future<Output = ()> + Send + 'static>(
    take: impl Fn(Arc<RwLock<()>>) -> F,
) -> Case {
    let lock = Arc::new(RwLock::new(()));
    let held = lock.clone().write_owned().await;
    turn(lock, held, take, |lock| lock.try_write().is_some())
}

/// All three permits are out.
async fn permits<F: Future<Output = ()> + Send + 'static>(
    take: impl Fn(Arc<Semaphore>) -> F,
) -> Case {
    let semaphore = Arc::new(Semaphore::new(3));
    let held = semaphore.clone().acquire_many_owned(3).await;
    turn(semaphore, held, take, |semaphore| semaphore.available_permits() == 3)
}

async fn bounded_permits<F: Future<Output = ()> + Send + 'static>(
    take: impl Fn(Arc<BoundedSemaphore>) -> F,
) -> Case {
    let semaphore = Arc::new(BoundedSemaphore::new(3));
    let held = semaphore.clone().acquire_many_owned(3).await;
    turn(semaphore, held, take, |semaphore| {
        semaphore.available_permits() == 3 && semaphore.release(1).is_err()
    })
}

/// A condition whose lock guards a number; the operation holds the lock again at its end.
fn condition<F: Future<Output = bool> + Send + 'static>(
    wait: impl FnOnce(Arc<(Condition, Lock<u32>)>) -> F,
) -> Case {
    let both = Arc::new((Condition::new(), Lock::new(0)));
    let other = both.clone();
    let stimulus = async move {
        let (condition, lock) = &*other;
        turns().await;
        let mut guard = lock.acquire().await;
        *guard = 1;
        condition.notify_all(&guard);
    };
    let waiting = wait(both.clone());
    case(waiting, stimulus, async move |held: Option<bool>| {
        assert!(held.unwrap_or(true), "a wait ends with the lock");
        assert_eq!(*both.1.try_acquire().expect("nobody holds the lock"), 1);
    })
}

/// A cell that somebody else is about to fill, and fails to.
fn cell<F: Future<Output = u32> + Send + 'static>(
    fill: impl FnOnce(Arc<OnceCell<u32>>, Arc<AtomicUsize>) -> F,
) -> Case {
    let (cell, calls) = (Arc::new(OnceCell::new()), Arc::new(AtomicUsize::new(0)));
    let filling = fill(cell.clone(), calls.clone());
    case(filling, async {}, async move |got: Option<u32>| {
        let before = calls.load(Ordering::SeqCst);
        assert_eq!(got.is_some(), cell.get().is_some());
        let value = *cell.get_or_init(|| async { 8 }).await;
        assert_eq!(value, got.unwrap_or(8));
        assert!(before <= 1, "the operation's own call is made once");
    })
}

/// Some polls, then a value; counts its beginnings.
async fn made(calls: Arc<AtomicUsize>) -> u32 {
    calls.fetch_add(1, Ordering::SeqCst);
    turns().await;
    7
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "sync::Lock::acquire" => locked(|lock| async move { drop(lock.acquire().await) });
    "sync::Lock::lock" => locked(|lock| async move { drop(lock.lock().await) });
    "sync::Lock::acquire_owned" => locked(|lock| async move { drop(lock.acquire_owned().await) });

    "sync::RwLock::read" => read_locked(|lock| async move { drop(lock.read().await) }).await;
    "sync::RwLock::write" => read_locked(|lock| async move { drop(lock.write().await) }).await;
    "sync::RwLock::read_owned" => {
        read_locked(|lock| async move { drop(lock.read_owned().await) }).await
    };
    "sync::RwLock::write_owned" => {
        read_locked(|lock| async move { drop(lock.write_owned().await) }).await
    };

    "sync::Semaphore::acquire" => permits(|s| async move { drop(s.acquire().await) }).await;
    "sync::Semaphore::acquire_many" => {
        permits(|s| async move { drop(s.acquire_many(2).await) }).await
    };
    "sync::Semaphore::acquire_owned" => {
        permits(|s| async move { drop(s.acquire_owned().await) }).await
    };
    "sync::Semaphore::acquire_many_owned" => {
        permits(|s| async move { drop(s.acquire_many_owned(2).await) }).await
    };
    "sync::BoundedSemaphore::acquire" => {
        bounded_permits(|s| async move { drop(s.acquire().await) }).await
    };
    "sync::BoundedSemaphore::acquire_many" => {
        bounded_permits(|s| async move { drop(s.acquire_many(2).await) }).await
    };
    "sync::BoundedSemaphore::acquire_owned" => {
        bounded_permits(|s| async move { drop(s.acquire_owned().await) }).await
    };
    "sync::BoundedSemaphore::acquire_many_owned" => {
        bounded_permits(|s| async move { drop(s.acquire_many_owned(2).await) }).await
    };

    "sync::Condition::wait" => condition(|both| async move {
        let mut guard = both.1.acquire().await;
        while *guard == 0 {
            both.0.wait(&mut guard).await;
        }
        guard.is_held()
    });
    "sync::Condition::wait_for" => condition(|both| async move {
        let mut guard = both.1.acquire().await;
        both.0.wait_for(&mut guard, |number| *number > 0).await;
        guard.is_held()
    });

    "sync::Event::wait" => {
        let event = Arc::new(Event::new());
        let (mine, other) = (event.clone(), event.clone());
        let stimulus = async move { other.set() };
        case(async move { mine.wait().await; }, stimulus, async move |_| event.wait().await)
    };
    // One notification for one of two: if the operation was not there to take it, the other has it.
    "sync::Notify::notified" => {
        let notify = Arc::new(Notify::new());
        let (mine, other) = (notify.clone(), notify.clone());
        let stimulus = async move {
            turns().await;
            other.notify_one();
        };
        case(async move { mine.notified().await; }, stimulus, async move |got: Option<()>| {
            let mut another = Box::pin(notify.notified());
            // What has no budget left says that it waits.
            yield_now().await;
            let left = poll_once(&mut another).await.is_some();
            assert_eq!(left, got.is_none(), "one notification is for one");
        })
    };
    // It needs two parties, and a third one comes if the operation has left.
    "sync::Barrier::wait" => {
        let barrier = Arc::new(Barrier::new(2));
        let (mine, other) = (barrier.clone(), barrier.clone());
        let behind = Arc::new(Lock::new(None));
        let kept = behind.clone();
        let stimulus = async move {
            let task = create_task(async move { other.wait().await.map(|place| place.index()) });
            *kept.acquire().await = Some(task);
            turns().await;
        };
        let operation = async move { mine.wait().await.map(|place| place.index()) };
        case(operation, stimulus, async move |got: Option<Result<usize, _>>| {
            let task = behind.acquire().await.take().expect("the stimulus has run");
            until("it waits", || task.done() || barrier.n_waiting() > 0).await;
            if got.is_none() && !task.done() {
                let third = barrier.wait().await;
                assert!(third.is_ok(), "a party that leaves makes room");
            }
            assert!(task.await.expect("it is not cancelled").is_ok());
            until("the barrier is empty", || barrier.n_waiting() == 0).await;
            assert!(!barrier.broken());
        })
    };

    "sync::OnceCell::get_or_init" => cell(|cell, calls| async move {
        *cell.get_or_init(|| made(calls)).await
    });
    "sync::OnceCell::get_or_try_init" => cell(|cell, calls| async move {
        *cell.get_or_try_init(|| async { Ok::<_, ()>(made(calls).await) }).await.unwrap()
    });
    "sync::SetOnce::wait" => {
        let once = Arc::new(SetOnce::new());
        let (mine, other) = (once.clone(), once.clone());
        let stimulus = async move { other.set(7).unwrap() };
        case(async move { *mine.wait().await }, stimulus, async move |got: Option<i32>| {
            assert!(got.is_none_or(|got| got == 7));
            assert_eq!(*once.wait().await, 7);
        })
    };
    "sync::CancelToken::cancelled" => {
        let token = CancelToken::new();
        let (mine, other) = (token.child(), token.clone());
        let operation = async move { mine.cancelled().await; };
        case(operation, async move { other.cancel() }, async move |_| token.cancelled().await)
    };

    // By value a wait that has begun takes the deferred with it; by reference it only looks.
    "sync::Deferred as Future" => {
        let deferred = Deferred::new();
        let (mine, other) = (deferred.clone(), deferred.clone());
        let stimulus = async move {
            yield_now().await;
            let _ = other.set_result(7);
        };
        case(async move { mine.await }, stimulus, async move |got: Option<Result<i32, _>>| {
            assert!(got.is_none_or(|got| got.is_ok_and(|got| got == 7)));
            assert!(deferred.done());
        })
    };
    "&sync::Deferred" => {
        let deferred = Deferred::new();
        let (mine, other) = (deferred.clone(), deferred.clone());
        let stimulus = async move {
            yield_now().await;
            other.set_result(7).expect("nobody cancels it");
        };
        let operation = async move { (&mine).await.copied() };
        case(operation, stimulus, async move |got: Option<Result<i32, _>>| {
            assert!(got.is_none_or(|got| got.is_ok_and(|got| got == 7)));
            assert_eq!(*deferred.result().expect("it was set"), 7);
        })
    };
};
