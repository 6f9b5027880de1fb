//! The event: asyncio's `EventTests` by name, and models.

use super::*;
use crate::testing::poll_once;

fn waiting(event: &Event) -> std::pin::Pin<Box<EventWait<'_>>> {
    let mut future = Box::pin(event.wait());
    assert!(poll_once(|cx| future.as_mut().poll(cx)).is_pending());
    future
}

#[cfg(not(any(corio_loom, corio_shuttle)))]
mod sequential {
    use super::*;

    #[test]
    fn test_clear_with_waiters_wakes_all_once() {
        let event = Event::new();
        let mut first = waiting(&event);
        let mut second = waiting(&event);
        event.set();
        event.clear();
        assert!(poll_once(|cx| first.as_mut().poll(cx)).is_ready());
        assert!(poll_once(|cx| second.as_mut().poll(cx)).is_ready());
        assert!(!event.is_set());
        let mut late = waiting(&event);
        event.set();
        assert!(poll_once(|cx| late.as_mut().poll(cx)).is_ready());
    }

    #[test]
    fn test_wait_on_set_does_not_suspend() {
        let event = Event::new();
        event.set();
        let mut future = std::pin::pin!(event.wait());
        assert!(poll_once(|cx| future.as_mut().poll(cx)).is_ready());
    }

    #[test]
    fn a_million_waiters_that_left_leave_no_memory() {
        let event = Event::new();
        let mut stays = waiting(&event);
        for _ in 0..1_000_000 {
            drop(waiting(&event));
        }
        assert!(event.live_segments() <= 6, "{} segments", event.live_segments());
        event.set();
        assert!(poll_once(|cx| stays.as_mut().poll(cx)).is_ready());
    }

    #[test]
    fn one_set_wakes_a_thousand_in_order() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        use std::sync::{Arc, Mutex};
        struct Number(usize, Arc<Mutex<Vec<usize>>>);
        impl std::task::Wake for Number {
            fn wake(self: Arc<Self>) {
                self.1.lock().unwrap().push(self.0);
            }
        }
        let event = Event::new();
        let order = Arc::new(Mutex::new(Vec::new()));
        let polls = AtomicUsize::new(0);
        let mut waits: Vec<_> = (0..1000).map(|_| Box::pin(event.wait())).collect();
        for (number, wait) in waits.iter_mut().enumerate() {
            let waker = std::task::Waker::from(Arc::new(Number(number, order.clone())));
            assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            polls.fetch_add(1, Ordering::Relaxed);
        }
        event.set();
        assert!(order.lock().unwrap().iter().copied().eq(0..1000));
        for wait in &mut waits {
            assert!(poll_once(|cx| wait.as_mut().poll(cx)).is_ready());
        }
    }

    #[test]
    fn a_panicking_waker_costs_nobody_a_wake_up() {
        struct Panics;
        impl std::task::Wake for Panics {
            fn wake(self: std::sync::Arc<Self>) {
                panic!("a waker of the test");
            }
        }
        let event = Event::new();
        let mut bad = Box::pin(event.wait());
        let waker = std::task::Waker::from(std::sync::Arc::new(Panics));
        assert!(bad.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let mut rest: Vec<_> = (0..70).map(|_| waiting(&event)).collect();
        let set = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| event.set()));
        assert!(set.is_err());
        for wait in &mut rest {
            assert!(poll_once(|cx| wait.as_mut().poll(cx)).is_ready());
        }
    }
}

#[cfg(any(corio_loom, corio_shuttle))]
mod models {
    use super::*;
    use crate::model;
    use crate::shim::atomic::{AtomicUsize, Ordering::Acquire};
    use crate::shim::{cell::UnsafeCell, sync::Arc, thread};
    use crate::testing::{block_on, join_all};

    struct Published(Event, UnsafeCell<usize>);
    // SAFETY: the cell is written before `set` and read after `wait`; loom checks it.
    unsafe impl Sync for Published {}
    // SAFETY: as above.
    unsafe impl Send for Published {}

    model! {
        /// What was written before `set` is read after `wait`.
        line_event_publishes(threads = 3, bound = 2, claim = "set wakes all and publishes") {
            let event = Arc::new(Published(Event::new(), UnsafeCell::new(0)));
            let threads = [(); 2].map(|()| {
                let event = event.clone();
                thread::spawn(move || {
                    block_on(event.0.wait());
                    // SAFETY: the model's claim.
                    event.1.with(|value| assert_eq!(unsafe { *value }, 7));
                })
            });
            // SAFETY: the model's claim.
            event.1.with_mut(|value| unsafe { *value = 7 });
            event.0.set();
            join_all(threads);
        }
    }

    model! {
        /// `set` then `clear`: who waited before is woken, who came after waits.
        line_event_set_clear(threads = 3, bound = 2, claim = "a waiter from before the set is never missed, one from after the clear never woken") {
            let event = Arc::new(Event::new());
            let cleared = Arc::new(AtomicUsize::new(0));
            let mut before = waiting(&event);
            let (late, seen) = (event.clone(), cleared.clone());
            let newcomer = thread::spawn(move || {
                let was_cleared = seen.load(Acquire) == 1;
                let mut wait = Box::pin(late.wait());
                let ready = poll_once(|cx| wait.as_mut().poll(cx)).is_ready()
                    || poll_once(|cx| wait.as_mut().poll(cx)).is_ready();
                assert!(!(was_cleared && ready), "woken by a set that was over");
            });
            let leaver = event.clone();
            let leaving = thread::spawn(move || {
                let mut wait = Box::pin(leaver.wait());
                let _ = poll_once(|cx| wait.as_mut().poll(cx));
            });
            event.set();
            event.clear();
            cleared.store(1, crate::shim::Ordering::Release);
            assert!(poll_once(|cx| before.as_mut().poll(cx)).is_ready(), "missed");
            join_all([newcomer, leaving]);
        }
    }

    model! {
        /// Two threads set at once.
        line_event_two_setters(threads = 3, bound = 2, claim = "two setters grant each place once") {
            let event = Arc::new(Event::new());
            let setters = [(); 2].map(|()| {
                let event = event.clone();
                thread::spawn(move || { event.set(); event.clear(); event.set() })
            });
            block_on(event.wait());
            join_all(setters);
            assert!(event.is_set());
        }
    }
}
