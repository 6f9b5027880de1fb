//! The order in which a single loop does things: each test is a scenario of
//! `recorded/event_loop.py`, and its trace is what CPython said there.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use corio::net::UnixStream;
use corio::{EventLoop, Handle, RunError, current_task};

use crate::support::sync::Event;
use crate::support::{Trace, py, turn, with_loop};

/// Plays a scenario on a loop and compares its trace with the recorded one.
#[track_caller]
fn plays(scenario: &str, body: impl FnOnce(&EventLoop, Trace) + Send + 'static) {
    let trace = Trace::default();
    let said = trace.clone();
    with_loop(move |event_loop| body(event_loop, trace));
    said.expect_recorded(&format!("event_loop {scenario}"));
}

async fn turns(trace: Trace, name: &'static str, count: usize) {
    for n in 0..count {
        trace.say(format!("{name} {n}"));
        turn().await;
    }
    trace.say(format!("{name} end"));
}

/// The loop that runs.
fn here() -> Handle {
    corio::get_running_loop().expect("inside a loop")
}

/// A callback that says a word.
fn says(trace: &Trace, word: &'static str) -> impl FnOnce() + Send + 'static {
    let trace = trace.clone();
    move || trace.say(word)
}

/// A callback that says a word and submits another callback.
fn says_and(
    trace: &Trace,
    word: &'static str,
    next: impl FnOnce() + Send + 'static,
) -> impl FnOnce() + Send + 'static {
    let trace = trace.clone();
    move || {
        trace.say(word);
        here().call_soon(next);
    }
}

// conforms: 19 BaseEventLoopTests.test_call_soon
// conforms: 19 EventLoopTestsMixin.test_call_soon
#[test]
fn one_queue() {
    plays("one_queue", |event_loop, trace| {
        let main = async move {
            trace.say("main");
            here().call_soon(says(&trace, "a"));
            let first = corio::create_task(turns(trace.clone(), "first", 3));
            here().call_soon(says(&trace, "b"));
            let second = corio::create_task(turns(trace.clone(), "second", 2));
            here().call_soon(says_and(&trace, "c", says(&trace, "c2")));
            turn().await;
            trace.say("main again");
            here().call_soon(says(&trace, "d"));
            first.await.unwrap();
            second.await.unwrap();
            trace.say("main end");
        };
        event_loop.run_until_complete(main).unwrap();
    });
}

#[test]
fn wakeups() {
    plays("wakeups", |event_loop, trace| {
        let main = async move {
            let event = Arc::new(Event::new());
            let waiter = |name: &'static str| {
                let (event, trace) = (event.clone(), trace.clone());
                corio::create_task(async move {
                    event.wait().await;
                    trace.say(name);
                    turn().await;
                    trace.say(format!("{name} again"));
                })
            };
            let tasks = ["a", "b", "c"].map(waiter);
            turn().await;
            here().call_soon(says(&trace, "before"));
            let (set, said) = (event.clone(), trace.clone());
            here().call_soon(move || {
                set.set();
                said.say("set");
            });
            here().call_soon(says(&trace, "after"));
            turn().await;
            trace.say("main");
            here().call_soon(says(&trace, "late"));
            for task in tasks {
                task.await.unwrap();
            }
        };
        event_loop.run_until_complete(main).unwrap();
    });
}

// conforms: 19 test__run_once
// conforms: 19 test__run_once_schedule_handle
// conforms: 19 test_call_later_negative_delays
// differs: a Duration is never negative; a time in the past stands for it
#[test]
fn timers_after_ready() {
    plays("timers_after_ready", |event_loop, trace| {
        let main = async move {
            let now = here().time();
            let ago = |seconds| now - Duration::from_secs(seconds);
            here().call_at(ago(1), says(&trace, "a second ago"));
            here().call_at(ago(3), says_and(&trace, "three ago", says(&trace, "from a timer")));
            here().call_at(ago(2), says(&trace, "two ago"));
            here().call_soon(says(&trace, "soon"));
            here().call_later(Duration::ZERO, says(&trace, "later"));
            here().call_soon(says(&trace, "soon too"));
            turn().await;
            trace.say("main");
            turn().await;
            trace.say("main again");
            turn().await;
        };
        event_loop.run_until_complete(main).unwrap();
    });
}

#[test]
fn stop_ends_the_iteration() {
    plays("stop_ends_the_iteration", |event_loop, trace| {
        event_loop.call_soon(says(&trace, "first"));
        let said = trace.clone();
        event_loop.call_soon(move || {
            said.say("stop");
            here().stop();
            here().call_soon(says(&said, "for the next run"));
        });
        event_loop.call_soon(says_and(&trace, "last", says(&trace, "next run too")));
        event_loop.run_forever().unwrap();
        trace.say("stopped");
        event_loop.stop();
        event_loop.run_forever().unwrap();
        trace.say("stopped again");
        event_loop.stop();
        event_loop.run_forever().unwrap();
    });
}

// conforms: 19 test_run_forever_pre_stopped
// conforms: 19 test_run_once
#[test]
fn stopped_before() {
    plays("stopped_before", |event_loop, trace| {
        event_loop.stop();
        event_loop.call_soon(says_and(&trace, "a", says(&trace, "c")));
        event_loop.call_soon(says(&trace, "b"));
        event_loop.run_forever().unwrap();
        trace.say("ran");
        event_loop.stop();
        event_loop.run_forever().unwrap();
    });
}

#[test]
fn main_ends() {
    plays("main_ends", |event_loop, trace| {
        let said = trace.clone();
        let main = async move {
            let two = says_and(&said, "two", says(&said, "three"));
            here().call_soon(says_and(&said, "one", two));
            drop(corio::create_task(turns(said.clone(), "task", 3)));
            said.say("main");
        };
        event_loop.run_until_complete(main).unwrap();
        trace.say("between");
        event_loop.run_until_complete(turns(trace.clone(), "second", 1)).unwrap();
        trace.say("between");
        event_loop.run_until_complete(turns(trace, "third", 2)).unwrap();
    });
}

#[test]
fn main_ends_after_a_wait() {
    plays("main_ends_after_a_wait", |event_loop, trace| {
        let main = async {
            drop(corio::create_task(turns(trace.clone(), "task", 4)));
            turn().await;
            trace.say("main");
            here().call_soon(says(&trace, "soon"));
        };
        event_loop.run_until_complete(main).unwrap();
        trace.say("between");
        event_loop.run_until_complete(turns(trace.clone(), "second", 1)).unwrap();
    });
}

// conforms: 19 test_run_until_complete_stopped
// conforms: 19 test_stop_while_run_in_complete
#[test]
fn stopped_in_main() {
    plays("stopped_in_main", |event_loop, trace| {
        let event = Rc::new(Event::new());
        let (wait, said) = (event.clone(), trace.clone());
        let mut task = event_loop.create_task(async move {
            said.say("work");
            let stopped = here();
            here().call_soon(move || stopped.stop());
            wait.wait().await;
            said.say("work end");
            5
        });
        match event_loop.run_until_complete(&mut task) {
            Err(RunError::Stopped) => trace.say("Event loop stopped before Future completed."),
            other => panic!("{other:?}"),
        }
        trace.say(py(task.done()));
        event_loop.call_soon(move || event.set());
        trace.say(event_loop.run_until_complete(&mut task).unwrap().unwrap());
    });
}

// conforms: 19 test__add_callback_handle
// conforms: 19 test__add_callback_cancelled_handle
// conforms: 19 HandleTests.test_handle
// conforms: 19 TimerTests.test_timer
#[test]
fn cancelled_handles() {
    plays("cancelled_handles", |event_loop, trace| {
        let handles = Rc::new(RefCell::new(Vec::new()));
        let (timers, kept) = (Rc::new(RefCell::new(Vec::new())), handles.clone());
        let (first, second) = (handles.clone(), timers.clone());
        let said = trace.clone();
        event_loop.call_soon(move || {
            said.say("a");
            let handles: std::cell::Ref<'_, Vec<corio::CallHandle>> = first.borrow();
            let timers: std::cell::Ref<'_, Vec<corio::TimerHandle>> = second.borrow();
            handles[0].cancel();
            timers[0].cancel();
        });
        handles.borrow_mut().push(event_loop.call_soon(says(&trace, "b")));
        timers.borrow_mut().push(event_loop.call_later(Duration::ZERO, says(&trace, "timer")));
        handles.borrow_mut().push(event_loop.call_soon(says(&trace, "c")));
        let main = async {
            turn().await;
            turn().await;
            let told = [kept.borrow()[0].cancelled(), timers.borrow()[0].cancelled()];
            let told = told.map(py).join(" ");
            trace.say(format!("{told} {}", py(kept.borrow()[1].cancelled())));
            kept.borrow()[0].cancel();
            trace.say(py(kept.borrow()[0].cancelled()));
        };
        event_loop.run_until_complete(main).unwrap();
    });
}

// conforms: 19 test_call_soon_threadsafe_same_thread
#[test]
fn threadsafe_on_the_same_thread() {
    plays("threadsafe_on_the_same_thread", |event_loop, trace| {
        let main = async {
            here().call_soon(says(&trace, "1"));
            here().call_soon_threadsafe(says(&trace, "2")).unwrap();
            here().call_soon(says(&trace, "3"));
            drop(corio::create_task(turns(trace.clone(), "task", 1)));
            here().call_soon_threadsafe(says(&trace, "4")).unwrap();
            turn().await;
            trace.say("main");
        };
        event_loop.run_until_complete(main).unwrap();
    });
}

#[test]
fn outside_of_the_run() {
    plays("outside_of_the_run", |event_loop, trace| {
        let event = Rc::new(Event::new());
        let (wait, said) = (event.clone(), trace.clone());
        let task = event_loop.create_task(async move {
            said.say("waiter");
            wait.wait().await;
            said.say("woken");
        });
        event_loop.call_soon(says(&trace, "a"));
        event_loop.run_until_complete(turns(trace.clone(), "main", 1)).unwrap();
        event_loop.call_soon(says(&trace, "b"));
        event.set();
        event_loop.call_soon(says(&trace, "c"));
        event_loop.call_soon_threadsafe(says(&trace, "d")).unwrap();
        trace.say("standing");
        event_loop.run_until_complete(turns(trace.clone(), "main", 2)).unwrap();
        trace.say(py(task.done()));
    });
}

#[test]
fn yields_do_not_starve() {
    plays("yields_do_not_starve", |event_loop, trace| {
        let done = Rc::new(std::cell::Cell::new(false));
        let (busy, said) = (done.clone(), trace.clone());
        let task = event_loop.create_task(async move {
            while !busy.get() {
                turn().await;
            }
            said.say("busy end");
        });
        let said = trace.clone();
        event_loop.call_later(Duration::from_millis(10), move || {
            said.say("timer");
            done.set(true);
        });
        let main = async {
            task.await.unwrap();
            corio::sleep(Duration::from_millis(10)).await;
            trace.say("main");
        };
        event_loop.run_until_complete(main).unwrap();
    });
}

/// What `add_reader` calls in the recorded scenarios: a task that waits for the socket.
async fn reads(near: UnixStream, then: impl FnOnce() + 'static) {
    near.readable().await.unwrap();
    then();
}

#[test]
fn io_before_timers() {
    plays("io_before_timers", |event_loop, trace| {
        let (near, far) = UnixStream::pair().unwrap();
        let said = trace.clone();
        let reader = event_loop.create_task(reads(near, move || said.say("readable")));
        let main = async {
            turn().await;
            trace.say("main");
            assert_eq!(far.try_write(b"x").unwrap(), 1);
            here().call_later(Duration::ZERO, says(&trace, "timer"));
            here().call_soon(says(&trace, "soon"));
            turn().await;
            trace.say("main again");
            turn().await;
            trace.say("main ends");
        };
        event_loop.run_until_complete(main).unwrap();
        assert!(reader.done());
    });
}

#[test]
fn yields_do_not_starve_io() {
    plays("yields_do_not_starve_io", |event_loop, trace| {
        let (near, far) = UnixStream::pair().unwrap();
        let done = Rc::new(std::cell::Cell::new(false));
        let (busy, said) = (done.clone(), trace.clone());
        let task = event_loop.create_task(async move {
            while !busy.get() {
                turn().await;
            }
            said.say("busy end");
        });
        let said = trace.clone();
        drop(event_loop.create_task(reads(near, move || {
            said.say("readable");
            done.set(true);
        })));
        let main = async {
            turn().await;
            trace.say("main");
            assert_eq!(far.try_write(b"x").unwrap(), 1);
            task.await.unwrap();
            trace.say("main again");
        };
        event_loop.run_until_complete(main).unwrap();
    });
}

#[test]
fn current_task_in_callbacks() {
    plays("current_task_in_callbacks", |event_loop, trace| {
        let main = async {
            let task = current_task();
            trace.say(py(task.is_none()));
            let said = trace.clone();
            here().call_soon(move || said.say(py(current_task().is_none())));
            turn().await;
            trace.say(py(current_task() == task));
        };
        event_loop.run_until_complete(main).unwrap();
    });
}

// conforms: 19 test_set_exc_handler_custom
#[test]
fn failing_callbacks() {
    plays("failing_callbacks", |event_loop, trace| {
        let said = trace.clone();
        event_loop.set_exception_handler(Some(Arc::new(move |_, context| {
            said.say(format!("handler {}", context.get_exception().unwrap()));
        })));
        let main = async {
            here().call_soon(|| panic!("one"));
            here().call_soon(says(&trace, "between"));
            here().call_later(Duration::ZERO, || panic!("two"));
            turn().await;
            turn().await;
            trace.say("main");
        };
        event_loop.run_until_complete(main).unwrap();
    });
}

#[test]
fn cancel_in_order() {
    plays("cancel_in_order", |event_loop, trace| {
        let main = async {
            let work = |name: &'static str| {
                let trace = trace.clone();
                corio::create_task(async move {
                    let slept = corio::catch_cancel(corio::sleep(Duration::from_secs(10))).await;
                    if let Err(cancelled) = slept {
                        trace.say(format!("{name} cancelled"));
                        cancelled.raise::<()>().await;
                    }
                })
            };
            let tasks = ["x", "y"].map(work);
            turn().await;
            here().call_soon(says(&trace, "a"));
            tasks[1].cancel();
            here().call_soon(says(&trace, "b"));
            tasks[0].cancel();
            here().call_soon(says(&trace, "c"));
            turn().await;
            trace.say("main");
            for task in tasks {
                if task.await.is_err_and(|error| error.is_cancelled()) {
                    trace.say("seen");
                }
            }
        };
        event_loop.run_until_complete(main).unwrap();
    });
}
