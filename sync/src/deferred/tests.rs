//! The core on one thread; asyncio's `test_futures` by name.

use super::*;
use crate::testing::{block_on, poll_once};
use std::pin::Pin;
use std::task::{Wake, Waker};

type Core = DeferredCore<u8, &'static str, &'static str>;

#[test]
fn test_initial_state() {
    let core = Core::new();
    assert!(!core.done() && !core.cancelled());
    assert_eq!(core.get(), None);
    assert_eq!(format!("{core:?}"), "Pending");
}

#[test]
fn test_cancel() {
    let core = Core::new();
    assert!(core.cancel(|| "enough"));
    assert!(core.done() && core.cancelled());
    assert_eq!(core.get(), Some(&Outcome::Cancelled("enough")));
    assert_eq!(core.set_result(1), Err(1));
    assert_eq!(core.set_exception("no"), Err("no"));
    assert!(!core.cancel(|| unreachable!("it has ended")));
}

#[test]
fn test_result() {
    let core = Core::new();
    assert_eq!(core.set_result(1), Ok(()));
    assert_eq!(core.get(), Some(&Outcome::Value(1)));
    assert_eq!(core.set_result(2), Err(2));
    assert_eq!(core.set_exception("no"), Err("no"));
    assert!(!core.cancel(|| "late") && !core.cancelled());
    assert_eq!(core.into_outcome(), Some(Outcome::Value(1)));
}

#[test]
fn test_exception() {
    let core = Core::new();
    assert_eq!(core.set_exception("no"), Ok(()));
    assert_eq!(core.set_result(2), Err(2));
    assert!(!core.cancel(|| "late"));
    assert_eq!(format!("{core:?}"), "Failed(\"no\")");
}

#[test]
fn test_yield_from_twice() {
    let core = Core::new();
    core.set_result(1).unwrap();
    for _ in 0..2 {
        let mut wait = core.wait();
        let mut poll = || poll_once(|cx| Pin::new(&mut wait).poll(cx));
        assert_eq!(poll(), Poll::Ready(&Outcome::Value(1)));
        assert_eq!(poll(), Poll::Ready(&Outcome::Value(1)), "no poll is one too many");
    }
}

#[test]
fn test_tb_logger_exception_unretrieved_and_retrieved() {
    let failed = || {
        let core = Core::new();
        core.set_exception("no").unwrap();
        core
    };
    assert_eq!(failed().unretrieved(), Some(&"no"));
    let mut core = failed();
    let _ = core.peek();
    assert_eq!(core.unretrieved(), Some(&"no"), "a peek does not count");
    let mut core = failed();
    let _ = core.get();
    assert_eq!(core.unretrieved(), None);
    let mut core = failed();
    block_on(core.wait());
    assert_eq!(core.unretrieved(), None);
    // test_tb_logger_not_called_after_cancel
    let mut core = failed();
    assert!(!core.cancel(|| "late"));
    assert_eq!(core.unretrieved(), None);
    // test_tb_logger_result_unretrieved, test_tb_logger_abandoned
    let mut core = Core::new();
    assert_eq!(core.unretrieved(), None);
    core.set_result(1).unwrap();
    assert_eq!(core.unretrieved(), None);
}

/// A callback, as the layer above makes them: a waiter whose waker queues it.
struct Callback(u8, Arc<std::sync::Mutex<Vec<u8>>>);

impl Wake for Callback {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

#[test]
fn waiters_and_callbacks_are_woken_in_one_order_and_may_leave() {
    let (core, queued) = (Core::new(), Arc::default());
    let wakers =
        [1, 2, 3].map(|number| Waker::from(Arc::new(Callback(number, Arc::clone(&queued)))));
    let mut waits = [(); 3].map(|()| Some(core.wait()));
    for (wait, waker) in waits.iter_mut().flatten().zip(&wakers) {
        assert!(Pin::new(wait).poll(&mut Context::from_waker(waker)).is_pending());
    }
    waits[1] = None;
    core.set_result(1).unwrap();
    assert_eq!(*queued.lock().unwrap(), [1, 3]);
}

#[test]
fn the_first_waiter_is_woken_by_its_latest_waker_and_leaves_none_behind() {
    let (core, queued) = (Arc::new(Core::new()), Arc::default());
    let wakers = [1, 2].map(|number| Waker::from(Arc::new(Callback(number, Arc::clone(&queued)))));
    let mut wait = core.clone().wait_owned();
    for waker in [&wakers[0], &wakers[1], &wakers[1]] {
        assert!(Pin::new(&mut wait).poll(&mut Context::from_waker(waker)).is_pending());
    }
    core.set_result(1).unwrap();
    assert_eq!(*queued.lock().unwrap(), [2]);
    assert_eq!(block_on(wait).get(), Some(&Outcome::Value(1)));
    drop(wakers);
    // Forgotten, left, and never polled again.
    let core = Arc::new(Core::new());
    let waker = Waker::from(Arc::new(Callback(3, Arc::clone(&queued))));
    let mut wait = core.wait();
    assert!(Pin::new(&mut wait).poll(&mut Context::from_waker(&waker)).is_pending());
    std::mem::forget(wait);
    drop(core);
    let core = Core::new();
    assert!(Pin::new(&mut core.wait()).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    assert_eq!(Arc::strong_count(&queued), 1);
}

#[test]
fn outcomes_are_dropped_once() {
    let item = Arc::new(());
    let core = DeferredCore::<_, (), ()>::new();
    core.set_result(item.clone()).unwrap();
    assert!(core.set_result(item.clone()).is_err());
    drop(core);
    assert_eq!(Arc::strong_count(&item), 1);
    let core = DeferredCore::<_, (), ()>::new();
    core.set_result(item.clone()).unwrap();
    drop(core.into_outcome());
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn a_hundred_thousand_waiters_that_leave_keep_no_memory() {
    let core = Core::new();
    for _ in 0..100_000 {
        let mut wait = core.wait();
        assert!(poll_once(|cx| Pin::new(&mut wait).poll(cx)).is_pending());
    }
    assert!(core.line.live_segments() <= 4);
}
