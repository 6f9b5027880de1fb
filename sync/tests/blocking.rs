//! The blocking forms: in time, too late, and with limits that no clock can say.
#![cfg(not(any(corio_loom, corio_shuttle)))]

use corio_sync::{
    Barrier, BoundedSemaphore, CancelToken, Condition, Event, GetError, LifoQueue, Lock, Notify,
    PriorityQueue, PutError, Queue, RwLock, Semaphore, SetOnce, TryAcquireError, broadcast, mpsc,
    oneshot, watch,
};
use std::thread;
use std::time::{Duration, Instant};

const SHORT: Option<Duration> = Some(Duration::from_millis(2));

/// More than a clock can say: no limit.
const EVER: Duration = Duration::MAX;

/// Calls a wait that cannot end, and looks whether it took as long as it may.
fn too_late<R>(wait: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = wait();
    assert!(start.elapsed() >= SHORT.unwrap_or_default(), "it gave up too early");
    result
}

/// Waits on this thread while another one acts.
fn meanwhile<R>(act: impl FnOnce() + Send, wait: impl FnOnce() -> R) -> R {
    thread::scope(|scope| {
        scope.spawn(act);
        wait()
    })
}

#[test]
fn locks() {
    let lock = Lock::new(1);
    let guard = lock.blocking_acquire();
    assert!(too_late(|| lock.blocking_acquire_timeout(SHORT.unwrap())).is_none());
    let got = meanwhile(|| drop(guard), || lock.blocking_acquire_timeout(EVER).map(|it| *it));
    assert_eq!(got, Some(1));
    assert_eq!(*lock.blocking_lock(), 1);
    let lock = RwLock::new(2);
    let reader = lock.blocking_read();
    assert!(lock.blocking_read_timeout(SHORT.unwrap()).is_some());
    assert!(too_late(|| lock.blocking_write_timeout(SHORT.unwrap())).is_none());
    let writer = meanwhile(|| drop(reader), || lock.blocking_write_timeout(EVER));
    assert!(too_late(|| lock.blocking_read_timeout(SHORT.unwrap())).is_none());
    drop(writer);
    *lock.blocking_write() += 1;
    assert_eq!(*lock.blocking_read(), 3);
}

#[test]
fn permits() {
    let semaphore = Semaphore::new(0);
    let none = too_late(|| semaphore.acquire_blocking(SHORT).map(drop));
    assert_eq!(none, Err(TryAcquireError::NoPermits));
    let got = meanwhile(|| semaphore.release(1), || semaphore.acquire_blocking(Some(EVER)));
    assert_eq!(got.unwrap().count(), 1);
    let bounded = BoundedSemaphore::new(1);
    let permit = bounded.acquire_blocking(None).unwrap();
    assert!(too_late(|| bounded.acquire_blocking(SHORT)).is_err());
    drop(permit);
    bounded.close();
    assert_eq!(bounded.acquire_blocking(None).map(drop), Err(TryAcquireError::Closed));
}

#[test]
fn flags() {
    let (event, notify) = (Event::new(), Notify::new());
    assert!(!too_late(|| event.wait_blocking(SHORT)));
    assert!(meanwhile(|| event.set(), || event.wait_blocking(Some(EVER))));
    assert!(!too_late(|| notify.notified_blocking(SHORT)));
    assert!(meanwhile(|| notify.notify_one(), || notify.notified_blocking(Some(EVER))));
    let (token, answer) = (CancelToken::new(), SetOnce::new());
    let child = token.child();
    assert!(!too_late(|| child.cancelled_blocking(SHORT)));
    assert!(meanwhile(|| token.cancel(), || child.cancelled_blocking(Some(EVER))));
    assert_eq!(too_late(|| answer.wait_blocking(SHORT)), None);
    let got = meanwhile(|| answer.set(7).unwrap(), || answer.wait_blocking(Some(EVER)).copied());
    assert_eq!(got, Some(7));
}

#[test]
fn barriers() {
    let barrier = Barrier::new(2);
    assert!(too_late(|| barrier.wait_blocking(SHORT)).is_none());
    assert_eq!(barrier.n_waiting(), 0, "who gives up is not counted");
    let other = || _ = barrier.wait_blocking(Some(EVER)).expect("no limit").expect("not broken");
    assert!(meanwhile(other, || barrier.wait_blocking(Some(EVER))).unwrap().is_ok());
    barrier.abort();
    assert!(barrier.wait_blocking(None).expect("no limit").is_err());
}

#[test]
fn queues() {
    let queue = Queue::new(1);
    assert_eq!(too_late(|| queue.get_blocking(SHORT)), Err(GetError::Timeout));
    let put = || queue.put_blocking(1, Some(EVER)).unwrap();
    assert_eq!(meanwhile(put, || queue.get_blocking(Some(EVER))), Ok(1));
    assert!(!too_late(|| queue.join_blocking(SHORT)), "the item was not reported");
    assert!(meanwhile(|| queue.task_done().unwrap(), || queue.join_blocking(Some(EVER))));
    assert!(queue.join_blocking(None), "nothing is outstanding");
    queue.put_blocking(2, None).unwrap();
    assert_eq!(too_late(|| queue.put_blocking(3, SHORT)), Err(PutError::Timeout(3)));
    let get = || assert_eq!(queue.get_blocking(None), Ok(2));
    assert_eq!(meanwhile(get, || queue.put_blocking(4, Some(EVER))), Ok(()));
    queue.shutdown(true);
    assert_eq!(queue.put_blocking(5, Some(EVER)), Err(PutError::ShutDown(5)));
    assert_eq!(queue.get_blocking(Some(EVER)), Err(GetError::ShutDown));
    let (lifo, smallest) = (LifoQueue::new(0), PriorityQueue::new(0));
    for item in [1, 2] {
        lifo.put_blocking(item, Some(EVER)).unwrap();
        smallest.put_blocking(item, Some(EVER)).unwrap();
    }
    assert_eq!(lifo.get_blocking(Some(EVER)), Ok(2));
    assert_eq!(smallest.get_blocking(Some(EVER)), Ok(1));
    assert!(!lifo.join_blocking(SHORT) && !smallest.join_blocking(SHORT));
}

#[test]
fn channels() {
    const SOON: Duration = Duration::from_millis(2);
    let (sender, mut receiver) = mpsc::channel(1);
    assert_eq!(too_late(|| receiver.blocking_recv_timeout(SOON)), Err(mpsc::TryRecvError::Empty));
    let send = || sender.blocking_send_timeout(1, EVER).unwrap();
    assert_eq!(meanwhile(send, || receiver.blocking_recv_timeout(EVER)), Ok(1));
    sender.blocking_send(2).unwrap();
    let full = too_late(|| sender.blocking_send_timeout(3, SOON));
    assert_eq!(full, Err(mpsc::TrySendError::Full(3)));
    let receive = || assert_eq!(receiver.blocking_recv(), Some(2));
    assert_eq!(meanwhile(receive, || sender.blocking_send_timeout(4, EVER)), Ok(()));
    receiver.close();
    assert_eq!(sender.blocking_send_timeout(5, EVER), Err(mpsc::TrySendError::Closed(5)));
    let (sender, mut receiver) = mpsc::unbounded();
    assert_eq!(too_late(|| receiver.blocking_recv_timeout(SOON)), Err(mpsc::TryRecvError::Empty));
    let send = || sender.send(1).unwrap();
    assert_eq!(meanwhile(send, || receiver.blocking_recv_timeout(EVER)), Ok(1));
    drop(sender);
    let over = receiver.blocking_recv_timeout(EVER);
    assert_eq!(over, Err(mpsc::TryRecvError::Disconnected));
}

#[test]
fn channels_for_one_value_and_for_all() {
    const SOON: Duration = Duration::from_millis(2);
    let (sender, mut receiver) = oneshot::channel();
    let none = too_late(|| receiver.blocking_recv_timeout(SOON));
    assert_eq!(none, Err(oneshot::TryRecvError::Empty));
    let send = || sender.send(1).unwrap();
    assert_eq!(meanwhile(send, || receiver.blocking_recv_timeout(EVER)), Ok(1));
    assert_eq!(receiver.blocking_recv_timeout(EVER), Err(oneshot::TryRecvError::Closed));
    let (sender, receiver) = oneshot::channel();
    assert_eq!(meanwhile(|| sender.send(2).unwrap(), || receiver.blocking_recv()), Ok(2));

    let (sender, mut receiver) = broadcast::channel(1);
    let none = too_late(|| receiver.blocking_recv_timeout(SOON));
    assert_eq!(none, Err(broadcast::TryRecvError::Empty));
    let send = || _ = sender.send(1).unwrap();
    assert_eq!(meanwhile(send, || receiver.blocking_recv_timeout(EVER)), Ok(1));
    (2..4).for_each(|value| _ = sender.send(value).unwrap());
    let lagged = receiver.blocking_recv_timeout(EVER);
    assert_eq!(lagged, Err(broadcast::TryRecvError::Lagged(1)));
    assert_eq!(receiver.blocking_recv(), Ok(3));
    drop(sender);
    assert_eq!(receiver.blocking_recv_timeout(EVER), Err(broadcast::TryRecvError::Closed));

    let (sender, mut receiver) = watch::channel(0);
    assert!(too_late(|| receiver.changed_blocking(SHORT)).is_none());
    let send = || sender.send(1).unwrap();
    assert!(meanwhile(send, || receiver.changed_blocking(Some(EVER))).unwrap().is_ok());
    assert_eq!(*receiver.borrow(), 1);
    drop(sender);
    assert!(receiver.changed_blocking(None).expect("no limit").is_err());
}

#[test]
fn a_condition_has_its_lock_again_in_any_case() {
    let (lock, changed) = (Lock::new(0), Condition::new());
    let mut guard = lock.blocking_acquire();
    assert!(!too_late(|| changed.wait_blocking(&mut guard, SHORT)));
    assert!(guard.is_held());
    let notify = || {
        let mut guard = lock.blocking_acquire();
        *guard = 5;
        changed.notify(&guard, 1);
    };
    assert!(meanwhile(notify, || changed.wait_blocking(&mut guard, Some(EVER))));
    assert_eq!(*guard, 5);
    // Its time is over while another one holds the lock.
    let hold = || {
        let _guard = lock.blocking_acquire();
        thread::sleep(Duration::from_millis(20));
    };
    meanwhile(hold, || {
        assert!(!changed.wait_blocking(&mut guard, Some(Duration::from_millis(5))));
        assert!(guard.is_held() && *guard == 5);
        drop(guard);
    });
}
