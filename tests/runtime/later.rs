//! Plain callbacks on the loops of a runtime: now, later, at a time, and not at all.

use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use corio::{ErrorContext, ExceptionHandler, Handle, current_task};
use corio_tests::PATIENCE;
use corio_tests::kit::{Ledger, Signal};

use crate::support::{bounded, burn, here, on_runtime, rt, wait};

/// The number of a callback, its place among those of one time, and the thread that called it.
type Called = (u64, u32, ThreadId);

/// Makes callbacks for times that begin `lead` milliseconds from now; what is called, in order, or
/// `None` if the first time had passed before all were made.
fn called_back(one: &Handle, lead: u64) -> Option<Vec<Called>> {
    let (tell, told) = mpsc::channel();
    let at = one.time() + Duration::from_millis(lead);
    for n in [3, 1, 2, 0] {
        for again in 0..2 {
            let tell = tell.clone();
            one.call_at(at + Duration::from_micros(n), move || {
                assert!(current_task().is_none());
                tell.send((n, again, thread::current().id())).unwrap();
            });
        }
    }
    let in_time = one.time() < at;
    drop(tell);
    let told = told.iter().collect();
    in_time.then_some(told)
}

/// The callbacks of one loop are called there, in the order of their times and then of their making.
#[test]
fn later_callbacks_of_one_loop_come_in_order() {
    bounded(|| {
        let runtime = rt();
        for one in runtime.handle().loops() {
            let home = wait(&runtime, one.create_task(here())).unwrap();
            let told = [5, 50, 500, 5_000].into_iter().find_map(|lead| called_back(&one, lead));
            let told = told.expect("5 s are enough to make eight callbacks");
            let order: Vec<_> = told.iter().map(|&(n, again, _)| (n, again)).collect();
            assert_eq!(order, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)]);
            assert!(told.iter().all(|&(_, _, thread)| thread == home));
        }
    });
}

#[test]
fn a_worker_is_called_back_on_its_own_loop() {
    on_runtime(|| async {
        let here = thread::current().id();
        let (tell, told) = mpsc::channel();
        let other = tell.clone();
        let handle = Handle::current();
        handle.call_soon(move || other.send(thread::current().id()).unwrap());
        handle.call_later(Duration::ZERO, move || tell.send(thread::current().id()).unwrap());
        let told = corio::to_thread(move || told.iter().collect::<Vec<_>>()).await.unwrap();
        assert_eq!(told, [here, here], "main is on worker 0");
    });
}

#[test]
fn a_cancelled_callback_is_dropped_at_once() {
    bounded(|| {
        let runtime = rt();
        let held = Arc::new(());
        for _ in 0..100 {
            let kept = held.clone();
            let timer = runtime.handle().call_later(Duration::from_secs(3600), move || drop(kept));
            assert_eq!(Arc::strong_count(&held), 2);
            timer.cancel();
            assert!(timer.cancelled());
            assert_eq!(Arc::strong_count(&held), 1);
        }
    });
}

#[test]
fn cancel_against_call_decides_once() {
    bounded(|| {
        let runtime = rt();
        for round in 0..300 {
            let called = Arc::new(Mutex::new(false));
            let mark = called.clone();
            let delay = Duration::from_micros(round % 50);
            let timer = runtime.handle().call_later(delay, move || *mark.lock().unwrap() = true);
            burn(Duration::from_micros(round % 70));
            timer.cancel();
            // Once the loop has come round, nothing of this round is on its way.
            let passed = Signal::new();
            let pass = passed.clone();
            runtime.handle().call_later(delay, move || pass.set());
            passed.wait_blocking("the callback behind it");
            assert_ne!(*called.lock().unwrap(), timer.cancelled());
        }
    });
}

#[test]
fn a_shutdown_drops_what_was_not_called() {
    bounded(|| {
        let runtime = rt();
        let handle = runtime.handle().clone();
        let held = Arc::new(());
        let kept = held.clone();
        let timer = handle.call_later(Duration::from_secs(3600), move || drop(kept));
        drop(runtime);
        assert_eq!(Arc::strong_count(&held), 1);
        timer.cancel();
        let late = held.clone();
        assert!(handle.call_later(Duration::ZERO, move || drop(late)).cancelled());
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
fn a_panic_in_a_callback_goes_to_the_handler() {
    bounded(|| {
        let runtime = rt();
        let (tell, told) = mpsc::channel();
        let heard = move |_: &Handle, context: &ErrorContext| tell.send(context.clone()).unwrap();
        runtime.handle().set_exception_handler(Some(Arc::new(heard)));
        let line = line!() + 1;
        runtime.handle().call_later(Duration::ZERO, || panic!("no luck"));
        let context = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(context.get_exception(), Some("no luck"));
        assert_eq!(context.get_source().unwrap().line(), line);
    });
}

/// A handler that keeps a token and its own runtime.
fn keeps(handle: &Handle, ledger: &Ledger) -> Option<ExceptionHandler> {
    let kept = (handle.clone(), ledger.token());
    Some(Arc::new(move |_, _| {
        let _kept = &kept;
    }))
}

#[test]
fn a_handler_lives_until_another_takes_its_place_or_its_runtime_ends() {
    bounded(|| {
        let ledger = Ledger::new();
        let runtime = rt();
        let handle = runtime.handle().clone();
        handle.set_exception_handler(keeps(&handle, &ledger));
        handle.set_exception_handler(keeps(&handle, &ledger));
        assert_eq!((ledger.made(), ledger.live()), (2, 1), "the first was replaced");
        handle.set_exception_handler(None);
        assert_eq!(ledger.live(), 0, "none took its place");
        handle.set_exception_handler(keeps(&handle, &ledger));
        drop(runtime);
        assert_eq!(ledger.live(), 0, "the runtime has ended");
        handle.set_exception_handler(keeps(&handle, &ledger));
        assert_eq!((ledger.made(), ledger.live()), (4, 0), "it comes too late");
        // Without a handler this is a line on standard error.
        handle.call_exception_handler(&ErrorContext::new("of a runtime that has ended"));
    });
}

#[test]
fn a_handler_that_is_replaced_while_it_runs_lives_until_it_returns() {
    bounded(|| {
        let ledger = Ledger::new();
        let runtime = rt();
        let (tell, told) = mpsc::channel();
        let (token, seen) = (ledger.token(), ledger.clone());
        let replaces = move |handle: &Handle, _: &ErrorContext| {
            let _token = &token;
            handle.set_exception_handler(None);
            tell.send(seen.live()).unwrap();
        };
        runtime.handle().set_exception_handler(Some(Arc::new(replaces)));
        runtime.handle().call_exception_handler(&ErrorContext::new("replace yourself"));
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), 1, "it was running");
        assert_eq!(ledger.live(), 0);
    });
}

#[test]
fn a_handler_whose_drop_panics_does_not_hinder_the_end() {
    struct Unlucky(mpsc::Sender<()>);
    impl Drop for Unlucky {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
            panic!("in the drop of a handler");
        }
    }
    bounded(|| {
        let runtime = rt();
        let (tell, told) = mpsc::channel();
        let unlucky = Unlucky(tell);
        runtime.handle().set_exception_handler(Some(Arc::new(move |_, _| {
            let _unlucky = &unlucky;
        })));
        assert!(runtime.shutdown(Some(PATIENCE)).is_clean());
        assert_eq!(told.try_recv(), Ok(()));
    });
}
