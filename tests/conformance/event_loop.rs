//! Event loop core: test_base_events.py and test_events.py. The order of things is in `loop_order`.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use corio::{
    CallHandle, ErrorContext, Handle, RunError, get_event_loop, get_running_loop, new_event_loop,
    set_event_loop,
};
use corio_tests::kit::Signal;
use corio_tests::{PATIENCE, open_descriptors, within};

use crate::support::{alone, turn, with_loop};

fn bounded<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    within(PATIENCE, "the test", body)
}

// conforms: 19 BaseEventLoopTests.test_close
// conforms: 19 EventLoopTestsMixin.test_close
// differs: what returns no Result gives a cancelled handle or task
#[test]
fn a_closed_loop_takes_nothing() {
    with_loop(|event_loop| {
        assert!(!event_loop.is_closed());
        event_loop.close().unwrap();
        event_loop.close().unwrap();
        assert!(event_loop.is_closed() && !event_loop.is_running());
        let closed = |result| matches!(result, Err(RunError::Closed));
        assert!(closed(event_loop.run_until_complete(async {})));
        assert!(closed(event_loop.run_forever()));
        assert!(event_loop.call_soon(|| panic!("closed")).cancelled());
        assert!(event_loop.call_soon_threadsafe(|| panic!("closed")).is_err());
        assert!(event_loop.call_later(Duration::ZERO, || panic!("closed")).cancelled());
        assert!(event_loop.call_at(Instant::now(), || panic!("closed")).cancelled());
        assert!(event_loop.create_task(async { panic!("closed") }).cancelled());
        let handle: Handle = (**event_loop).clone();
        assert!(handle.try_create_task(async { panic!("closed") }).is_err());
        let job = handle.run_in_executor(None, || panic!("closed"));
        assert!(corio_tests::kit::block_on(job).is_err_and(|error| error.is_cancelled()));
    });
}

#[test]
fn a_loop_that_closes_drops_what_it_holds() {
    with_loop(|event_loop| {
        let held = Rc::new(());
        let (one, two, three) = (held.clone(), held.clone(), held.clone());
        event_loop.call_soon(move || drop(one));
        event_loop.call_later(Duration::from_secs(60), move || drop(two));
        let task = event_loop.create_task(async move {
            std::future::pending::<()>().await;
            drop(three);
        });
        assert_eq!(Rc::strong_count(&held), 4);
        // The handler keeps the loop that keeps it.
        let (in_handler, itself) = (Arc::new(()), (**event_loop).clone());
        let kept = (in_handler.clone(), itself);
        event_loop.set_exception_handler(Some(Arc::new(move |_, _| {
            let _kept = &kept;
        })));
        event_loop.close().unwrap();
        assert_eq!((Rc::strong_count(&held), Arc::strong_count(&in_handler)), (1, 1));
        assert!(task.cancelled());
    });
}

// conforms: 19 test_close_running_event_loop
#[test]
fn a_running_loop_is_not_closed() {
    with_loop(|event_loop| {
        event_loop.run_until_complete(async { assert!(event_loop.close().is_err()) }).unwrap();
        event_loop.close().unwrap();
    });
}

#[test]
fn a_loop_that_is_dropped_inside_itself_is_closed_after_its_run() {
    bounded(|| {
        let event_loop = new_event_loop().unwrap();
        let handle: Handle = (*event_loop).clone();
        let inside = handle.clone();
        let mut kept = Some(event_loop);
        handle
            .run_until_complete(async move {
                drop(kept.take());
                assert!(inside.is_running() && !inside.is_closed());
                turn().await;
            })
            .unwrap();
        assert!(handle.is_closed());
    });
}

// conforms: 19 test_run_until_complete
#[test]
fn test_run_until_complete() {
    with_loop(|event_loop| {
        let start = event_loop.time();
        let value = event_loop.run_until_complete(async {
            corio::sleep(Duration::from_millis(20)).await;
            7
        });
        assert_eq!(value.unwrap(), 7);
        assert!(event_loop.time() - start >= Duration::from_millis(20));
    });
}

// conforms: 19 test_run_until_complete_nesting
// conforms: 19 test_running_loop_within_a_loop
// conforms: 19 test_get_running_loop_already_running
#[test]
fn loops_do_not_nest() {
    with_loop(|event_loop| {
        event_loop
            .run_until_complete(async {
                let other = new_event_loop().unwrap();
                let nested = |result| matches!(result, Err(RunError::Nested { .. }));
                assert!(nested(event_loop.run_forever()));
                assert!(nested(other.run_forever()));
                assert!(nested(other.run_until_complete(async {})));
                assert!(get_running_loop().unwrap() == **event_loop, "the same as before");
                turn().await;
            })
            .unwrap();
        assert!(get_running_loop().is_err());
    });
}

// conforms: 19 test_run_until_complete_type_error
// conforms: 19 test_run_until_complete_loop
// differs: only a future compiles, and a task of another loop can be awaited
#[test]
fn a_task_of_another_loop_can_be_awaited() {
    with_loop(|event_loop| {
        let other = new_event_loop().unwrap();
        let mut task = other.create_task(async { 5 });
        other.run_until_complete(async {}).unwrap();
        assert_eq!(event_loop.run_until_complete(&mut task).unwrap().unwrap(), 5);
    });
}

// conforms: 19 test_run_until_complete_loop_orphan_future_close_loop
// conforms: 19 test_run_until_complete_baseexception
// conforms: 19 test_run_forever_keyboard_interrupt
#[test]
fn a_panic_of_main_leaves_no_stray_stop() {
    with_loop(|event_loop| {
        let failed = catch_unwind(AssertUnwindSafe(|| {
            let _ = event_loop.run_until_complete(async { panic!("of main") });
        }));
        assert_eq!(failed.unwrap_err().downcast_ref::<&str>(), Some(&"of main"));
        assert!(!event_loop.is_running() && get_running_loop().is_err());
        let (calls, stops) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (first, second) = (calls.clone(), stops.clone());
        let stop: Handle = (**event_loop).clone();
        event_loop.call_soon(move || {
            first.fetch_add(1, Ordering::Relaxed);
            corio::Handle::current().call_soon(move || {
                second.fetch_add(1, Ordering::Relaxed);
                stop.stop();
            });
        });
        event_loop.run_forever().unwrap();
        let seen = (calls.load(Ordering::Relaxed), stops.load(Ordering::Relaxed));
        assert_eq!(seen, (1, 1), "the run took one iteration more than the first callback");
    });
}

#[test]
fn a_stopped_main_leaves_no_stray_stop() {
    with_loop(|event_loop| {
        event_loop.stop();
        let stopped = event_loop.run_until_complete(std::future::pending::<()>());
        assert!(matches!(stopped, Err(RunError::Stopped)));
        let turns = event_loop.run_until_complete(async {
            for _ in 0..5 {
                turn().await;
            }
            5
        });
        assert_eq!(turns.unwrap(), 5);
        assert!(event_loop.all_tasks().is_empty());
    });
}

// conforms: 19 test_custom_run_forever_integration
#[test]
fn a_loop_can_be_driven_step_by_step() {
    with_loop(|event_loop| {
        let task = event_loop.create_task(async {
            for _ in 0..3 {
                turn().await;
            }
        });
        let mut steps = 0;
        while !task.done() {
            event_loop.stop();
            event_loop.run_forever().unwrap();
            steps += 1;
        }
        assert_eq!(steps, 4);
    });
}

// conforms: 19 BaseEventLoopTests.test_call_later
// conforms: 19 EventLoopTestsMixin.test_call_later
// conforms: 19 TimerTests.test_when
#[test]
fn test_call_later() {
    with_loop(|event_loop| {
        let delay = Duration::from_millis(15);
        let (start, called) = (event_loop.time(), Rc::new(Cell::new(None)));
        let (seen, handle) = (called.clone(), (**event_loop).clone());
        let timer = event_loop.call_later(delay, move || {
            assert!(seen.replace(Some(handle.time())).is_none());
            handle.stop();
        });
        event_loop.run_forever().unwrap();
        let called: Instant = called.get().unwrap();
        assert!(timer.when() - start >= delay && called >= timer.when());
        assert!(!timer.cancelled());
    });
}

// conforms: 19 test_time_and_call_at
#[test]
fn test_time_and_call_at() {
    with_loop(|event_loop| {
        let when = event_loop.time() + Duration::from_millis(10);
        let handle: Handle = (**event_loop).clone();
        let timer = event_loop.call_at(when, move || handle.stop());
        assert_eq!(timer.when(), when);
        event_loop.run_forever().unwrap();
        assert!(event_loop.time() >= when);
    });
}

// conforms: 19 test_timeout_rounding
#[test]
fn tiny_sleeps_do_not_spin() {
    with_loop(|event_loop| {
        let before = event_loop.metrics().workers[0].parks;
        event_loop
            .run_until_complete(async {
                for nanos in [1, 1_000, 100_000, 1_000_000] {
                    corio::sleep(Duration::from_nanos(nanos)).await;
                }
            })
            .unwrap();
        let parks = event_loop.metrics().workers[0].parks - before;
        assert!(parks <= 20, "{parks} sleeps of the loop for 4 of the task");
    });
}

// conforms: 19 test__run_once_cancelled_event_cleanup
// differs: a cancelled timer goes at once
#[test]
fn a_cancelled_timer_goes_at_once() {
    with_loop(|event_loop| {
        let held = Rc::new(());
        let timers: Vec<_> = (0..200)
            .map(|_| {
                let held = held.clone();
                event_loop.call_later(Duration::from_secs(3600), move || drop(held))
            })
            .collect();
        assert_eq!(Rc::strong_count(&held), 201);
        for timer in &timers {
            timer.cancel();
            assert!(timer.cancelled());
        }
        assert_eq!(Rc::strong_count(&held), 1);
    });
}

// conforms: 19 test_call_soon_threadsafe
#[test]
fn another_thread_wakes_a_sleeping_loop() {
    with_loop(|event_loop| {
        let (tell, told) = mpsc::channel();
        let handle: Handle = (**event_loop).clone();
        let other = thread::spawn(move || {
            for n in 0..10 {
                let tell = tell.clone();
                handle.call_soon_threadsafe(move || tell.send(n).unwrap()).unwrap();
            }
            handle.stop();
        });
        event_loop.run_forever().unwrap();
        other.join().unwrap();
        assert_eq!(told.try_iter().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    });
}

// conforms: 19 test_call_soon_threadsafe_handle_block_check_cancelled
// conforms: 19 test_call_soon_threadsafe_handle_block_cancellation
// differs: cancel and cancelled never wait for the callback; what they decide is the same
#[test]
fn a_handle_beside_its_running_callback() {
    with_loop(|event_loop| {
        let (inside, go_on) = (Signal::new(), Signal::new());
        let (enter, wait) = (inside.clone(), go_on.clone());
        let handle: Handle = (**event_loop).clone();
        let call = handle.call_soon_threadsafe(move || {
            enter.set();
            wait.wait_blocking("the other thread");
        });
        let call: CallHandle = call.unwrap();
        let other = thread::spawn(move || {
            inside.wait_blocking("the callback");
            call.cancel();
            let cancelled = call.cancelled();
            go_on.set();
            cancelled
        });
        event_loop.run_until_complete(async {}).unwrap();
        assert!(!other.join().unwrap(), "it had begun");
    });
}

// conforms: 19 test_call_soon_threadsafe_handle_cancel_same_thread
// conforms: 19 test_call_soon_threadsafe_handle_cancel_other_thread
#[test]
fn a_handle_is_cancelled_by_its_callback_or_before_it() {
    with_loop(|event_loop| {
        let handle: Handle = (**event_loop).clone();
        let own = Arc::new(Mutex::new(None::<CallHandle>));
        let (mine, ran) = (own.clone(), Arc::new(Mutex::new(false)));
        let end = ran.clone();
        let call = handle.call_soon_threadsafe(move || {
            mine.lock().unwrap().as_ref().unwrap().cancel();
            *end.lock().unwrap() = true;
        });
        *own.lock().unwrap() = Some(call.unwrap());
        let never = handle.call_soon_threadsafe(|| panic!("it was cancelled")).unwrap();
        let told = never.clone();
        thread::spawn(move || told.cancel()).join().unwrap();
        event_loop.run_until_complete(async {}).unwrap();
        assert!(*ran.lock().unwrap() && never.cancelled());
    });
}

/// Collects what the exception handler hears.
fn hear(handle: &Handle) -> Arc<Mutex<Vec<ErrorContext>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let list = heard.clone();
    // A handler may keep its own loop: the loop's end lets go of it.
    let here = handle.clone();
    handle.set_exception_handler(Some(Arc::new(move |from, context| {
        assert!(*from == here);
        list.lock().unwrap().push(context.clone());
    })));
    heard
}

// conforms: 19 test_default_exc_handler_callback
// conforms: 19 HandleTests.test_callback_with_exception
// conforms: 19 test_handle_source_traceback
#[test]
fn a_failing_callback_is_reported_with_its_handle_and_place() {
    with_loop(|event_loop| {
        let heard = hear(event_loop);
        let line = line!() + 1;
        let call = event_loop.call_soon(|| panic!("no luck"));
        event_loop.run_until_complete(async {}).unwrap();
        let heard = heard.lock().unwrap();
        let [context] = heard.as_slice() else { panic!("{heard:?}") };
        assert_eq!(context.message(), "a callback panicked");
        assert_eq!(context.get_exception(), Some("no luck"));
        assert_eq!(context.get_handle(), Some(&call));
        let source = context.get_source().unwrap();
        assert_eq!((source.file(), source.line()), (file!(), line));
    });
}

// conforms: 19 test_set_exc_handler_invalid
// conforms: 19 test_set_exc_handler_broken
// conforms: 19 test_default_exc_handler_broken
// differs: a handler is a function by its type
#[test]
fn a_panicking_handler_does_not_end_the_loop() {
    with_loop(|event_loop| {
        event_loop.set_exception_handler(Some(Arc::new(|_, _| panic!("the handler"))));
        event_loop.call_soon(|| panic!("the callback"));
        event_loop.run_until_complete(async { turn().await }).unwrap();
        event_loop.set_exception_handler(None);
        event_loop.call_soon(|| panic!("for the default one"));
        assert_eq!(event_loop.run_until_complete(async { 5 }).unwrap(), 5);
        let heard = hear(event_loop);
        event_loop.call_exception_handler(&ErrorContext::new("by hand"));
        assert_eq!(heard.lock().unwrap()[0].to_string(), "by hand");
    });
}

// conforms: 19 test_create_named_task_with_default_factory
#[test]
fn names_pass_through() {
    with_loop(|event_loop| {
        let name = event_loop.run_until_complete(async {
            corio::task()
                .name("the name")
                .spawn(async { corio::current_task().unwrap().name() })
                .await
        });
        assert_eq!(&*name.unwrap().unwrap(), "the name");
    });
}

// conforms: 19 test_handle_repr
// conforms: 19 test_handle_repr_debug
// conforms: 19 test_timer_repr
// conforms: 19 test_timer_repr_debug
#[test]
fn debug_tells_a_handles_state_and_place() {
    with_loop(|event_loop| {
        let call = event_loop.call_soon(|| ());
        let waiting = format!("{call:?}");
        assert!(waiting.starts_with("<Handle waiting submitted at ") && waiting.contains(file!()));
        call.cancel();
        assert!(format!("{call:?}").starts_with("<Handle cancelled"));
        let timer = event_loop.call_later(Duration::ZERO, || ());
        event_loop.run_until_complete(async {}).unwrap();
        let called = format!("{timer:?}");
        assert!(called.contains("when: ") && called.contains("<Handle called"), "{called}");
    });
}

// conforms: 19 test_get_event_loop_returns_running_loop
// conforms: 19 test_get_event_loop_returns_running_loop2
// conforms: 19 PolicyTests.test_get_event_loop
// conforms: 19 test_get_event_loop_after_set_none
// conforms: 19 test_get_event_loop_thread
// conforms: 19 test_get_event_loop_does_not_call_set_event_loop
// conforms: 19 PolicyTests.test_new_event_loop
// conforms: 19 PolicyTests.test_set_event_loop
#[test]
fn each_thread_has_its_loop() {
    with_loop(|event_loop| {
        assert!(get_event_loop().is_err(), "a new loop does not install itself");
        let other = new_event_loop().unwrap();
        set_event_loop(Some(&other));
        assert!(get_event_loop().unwrap() == *other);
        thread::spawn(|| assert!(get_event_loop().is_err())).join().unwrap();
        event_loop
            .run_until_complete(async {
                assert!(get_event_loop().unwrap() == **event_loop, "the running one");
                assert!(get_running_loop().unwrap() == **event_loop);
            })
            .unwrap();
        assert!(get_event_loop().unwrap() == *other);
        set_event_loop(None);
        assert!(get_event_loop().is_err() && get_running_loop().is_err());
    });
}

// conforms: 19 test_internal_fds
#[test]
fn loops_leak_no_descriptors() {
    alone("event_loop::loops_leak_no_descriptors", || {
        let round = || {
            let event_loop = new_event_loop().unwrap();
            event_loop.run_until_complete(corio::sleep(Duration::from_millis(1))).unwrap();
            event_loop.close().unwrap();
        };
        round();
        let before = open_descriptors();
        (0..20).for_each(|_| round());
        assert_eq!(open_descriptors(), before);
    });
}

// conforms: 19 test_prompt_cancellation
#[test]
fn a_cancel_of_pending_io_takes_effect_in_the_next_step() {
    with_loop(|event_loop| {
        let main = async {
            let listener = corio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let accept = corio::create_task(async move { listener.accept().await.map(drop) });
            turn().await;
            turn().await;
            accept.cancel();
            turn().await;
            assert!(accept.cancelled());
        };
        event_loop.run_until_complete(main).unwrap();
    });
}

#[test]
fn a_loop_of_another_thread_is_not_run_here() {
    with_loop(|event_loop| {
        let handle: Handle = (**event_loop).clone();
        thread::spawn(move || {
            let wrong = |result| matches!(result, Err(RunError::WrongThread));
            assert!(wrong(handle.run_forever()) && wrong(handle.run_until_complete(async {})));
            assert!(handle.close().is_err());
        })
        .join()
        .unwrap();
        let runtime = corio::Runtime::new().unwrap();
        let on_runtime = runtime.handle().run_forever();
        assert!(matches!(on_runtime, Err(RunError::WrongThread)));
        assert!(runtime.handle().close().is_err());
    });
}
