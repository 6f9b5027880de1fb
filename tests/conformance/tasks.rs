//! Tasks: identity, results, names, repr: test_tasks.py.

use std::collections::HashSet;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use corio::sync::{Deferred, Event};
use corio::{Cancelled, CoroError, ResultError, Task, TaskRef, current_task};
use corio_tests::kit::Signal;

use crate::future::told;
use crate::support::{Trace, on_loop, on_single_loop, task, turn, turns, with_loop};

// conforms: 1 test_task_class
// conforms: 1 test_future_subclass
#[test]
fn test_task_class() {
    on_single_loop(|| async {
        let task = corio::create_task(async { "ok" });
        assert!(!task.done() && !task.cancelled());
        assert!(matches!(task.result(), Err(ResultError::NotReady)));
        assert!(matches!(task.exception(), Err(ResultError::NotReady)));
        let called = Arc::new(AtomicUsize::new(0));
        let calls = called.clone();
        task.add_done_callback(move |task| {
            assert!(task.done());
            calls.fetch_add(1, Ordering::Relaxed);
        });
        turns(3).await;
        assert!(task.done() && !task.cancelled());
        assert_eq!(task.result().unwrap(), &"ok");
        assert!(task.exception().unwrap().is_none());
        assert!(task.get_loop() == corio::Handle::current());
        assert_eq!(called.load(Ordering::Relaxed), 1);
        assert_eq!(task.await.unwrap(), "ok");
    });
}

// conforms: 1 test_task_basics
#[test]
fn test_task_basics() {
    async fn inner(n: u32) -> u32 {
        n
    }
    async fn outer() -> u32 {
        inner(1).await + inner(10).await + inner(100).await
    }
    on_loop(|| async {
        let before = corio::all_tasks().len();
        assert_eq!(outer().await, 111);
        assert_eq!(corio::all_tasks().len(), before);
    });
}

// conforms: 1 test_other_loop_future
// differs: it works, because a deferred may be used on any thread
#[test]
fn a_deferred_of_another_loop_is_awaited() {
    with_loop(|event_loop| {
        let foreign = event_loop.run_until_complete(async { Deferred::new() }).unwrap();
        let setter = foreign.clone();
        let other = std::thread::spawn(move || {
            let other = corio::new_event_loop().unwrap();
            other.run_until_complete(foreign.into_future()).unwrap().unwrap()
        });
        setter.set_result(5).unwrap();
        assert_eq!(other.join().unwrap(), 5);
    });
}

// conforms: 1 test_ensure_future_coroutine
#[test]
fn test_ensure_future_coroutine() {
    on_loop(|| async {
        let task = corio::ensure_future(async { "ok" });
        assert!(task.get_loop() == corio::Handle::current());
        assert_eq!(task.await.unwrap(), "ok");
    });
    let refused = std::panic::catch_unwind(|| drop(corio::ensure_future(async {})));
    assert!(refused.is_err(), "without a loop there is nowhere to run");
}

// conforms: 1 test_ensure_future_task
#[test]
fn test_ensure_future_task() {
    on_loop(|| async {
        let task = corio::create_task(async { "ok" });
        let before = task.task_ref();
        let same = corio::ensure_future(task);
        assert!(same.task_ref() == before);
        assert_eq!(same.await.unwrap(), "ok");
    });
}

/// A future written by hand.
struct Handmade(u32);

impl Future for Handmade {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        if self.0 == 0 {
            return Poll::Ready(42);
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

// conforms: 1 test_ensure_future_awaitable
// conforms: 1 test_ensure_future_task_awaitable
// conforms: 1 test_create_task_with_asynclike_function
#[test]
fn futures_of_any_type_become_tasks() {
    on_loop(|| async {
        let task = corio::ensure_future(Handmade(2));
        assert!(task.get_coro().is_some());
        assert_eq!(task.await.unwrap(), 42);
        assert_eq!(corio::create_task(Handmade(0)).await.unwrap(), 42);
    });
}

// conforms: 1 test_get_stack
// differs: of a waiting task; what runs is on the thread's stack
#[test]
fn test_get_stack() {
    on_loop(|| async {
        let task = corio::create_task(std::future::pending::<()>());
        assert_eq!(task.stack(Some(1)).len(), 1);
        let mut text = Vec::new();
        task.print_stack(Some(1), Some(&mut text)).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("Stack for <Task") && text.contains("tasks.rs:"), "{text}");
        task.abort();
    });
}

// conforms: 1 test_task_repr
// differs: callbacks and results are not shown
#[test]
fn test_task_repr() {
    on_loop(|| async {
        let event = Arc::new(Event::new());
        let waiter = event.clone();
        let task = corio::task().name("TestTask").spawn(async move { waiter.wait().await });
        assert!(format!("{task:?}").contains("name='TestTask' scheduled"), "{task:?}");
        turn().await;
        assert!(format!("{task:?}").contains("name='TestTask' waiting"), "{task:?}");
        event.set();
        turns(2).await;
        assert!(format!("{task:?}").contains("name='TestTask' finished"), "{task:?}");
    });
}

// conforms: 1 test_task_repr_autogenerated
// differs: the number is the task's id, which is unique and says where the task lies
#[test]
fn test_task_repr_autogenerated() {
    on_loop(|| async {
        let (first, second) = (corio::create_task(async {}), corio::create_task(async {}));
        let (one, two) = (first.name(), second.name());
        assert!(one.starts_with("Task-") && two.starts_with("Task-"), "{one} {two}");
        assert_ne!(one, two);
        assert!(one.contains(&first.id().to_string()), "{one}");
        assert!(one.contains("test_task_repr_autogenerated"), "{one}");
        assert_eq!(one, first.name(), "the name changed");
        assert!(format!("{first:?}").contains(&*one), "{first:?}");
        first.await.unwrap();
        assert_eq!(two, second.name(), "the name changed at the end");
    });
}

// conforms: 1 test_task_set_name_pylong
// conforms: 1 test_task_repr_name_not_str
// differs: a name is text; other values are made into text first
#[test]
fn names_are_made_of_anything_that_has_text() {
    on_loop(|| async {
        let task = corio::task().name(987_654.to_string()).spawn(async {});
        assert_eq!(&*task.name(), "987654");
        task.set_name(format!("{:?}", [1, 2]));
        assert_eq!(&*task.name(), "[1, 2]");
        assert!(format!("{task:?}").contains("name='[1, 2]'"));
    });
}

// conforms: 1 test_task_repr_wait_for
#[test]
fn test_task_repr_wait_for() {
    on_loop(|| async {
        let deferred = Deferred::<()>::new();
        let task = task!([deferred](&deferred).await.is_ok());
        turn().await;
        let text = format!("{task:?}");
        assert!(text.contains("waiting for") && text.contains("tasks.rs:"), "{text}");
        deferred.set_result(()).unwrap();
        assert!(task.await.unwrap());
    });
}

// conforms: 1 test_bare_create_task
// conforms: 1 test_create_task_with_async_function
#[test]
fn test_bare_create_task() {
    async fn coro() -> u32 {
        123
    }
    on_loop(|| async {
        for _ in 0..3 {
            let task = corio::create_task(coro());
            assert!(task.get_loop() == corio::Handle::current());
            assert_eq!(task.await.unwrap(), 123);
        }
    });
}

// conforms: 1 test_bare_create_named_task
#[test]
fn test_bare_create_named_task() {
    on_loop(|| async {
        let task = corio::task().name("No").spawn(async { current_task().unwrap().name() });
        assert_eq!(&*task.name(), "No");
        assert_eq!(&*task.await.unwrap(), "No");
    });
}

// conforms: 1 test_coroutine_non_gen_function_return_future
#[test]
fn what_a_body_returns_is_not_awaited() {
    on_loop(|| async {
        let deferred = Deferred::<u32>::new();
        let returned = deferred.clone();
        let given = corio::create_task(async move { returned }).await.unwrap();
        assert!(given == deferred && !given.done());
        deferred.set_result(1).unwrap();
        assert_eq!(given.await.unwrap(), 1);
    });
}

// conforms: 1 test_step_result_future
// conforms: 1 test_subclasses_ctask_cfuture
#[test]
fn a_wait_registers_once() {
    on_loop(|| async {
        let deferred = Deferred::new();
        let waiter = task!([deferred] * (&deferred).await.unwrap());
        turns(3).await;
        assert!(format!("{deferred:?}").contains("waits: 1"), "{deferred:?}");
        let setter = deferred.clone();
        corio::Handle::current().call_soon(move || setter.set_result(10).unwrap());
        assert_eq!(waiter.await.unwrap(), 10);
        assert!(!format!("{deferred:?}").contains("waits"), "{deferred:?}");
    });
}

// conforms: 1 test_get_coro
#[test]
fn test_get_coro() {
    on_loop(|| async {
        let task = corio::create_task(std::future::pending::<()>());
        let coro = task.get_coro().unwrap();
        assert!(matches!(coro.send(), Err(CoroError::OwnedByTask)));
        assert!(matches!(coro.throw(Cancelled::new("no")), Err(CoroError::OwnedByTask)));
        coro.close();
        let ended = task.task_ref();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(matches!(ended.get_coro().unwrap().send(), Err(CoroError::Finished)));
        let own = || current_task().unwrap().get_coro().unwrap().send();
        let inside = corio::create_task(async move { own() });
        assert!(matches!(inside.await.unwrap(), Err(CoroError::Running)));
    });
}

// conforms: 1 test_get_context
#[test]
fn test_get_context() {
    static WORD: corio::ContextVar<&str> = corio::ContextVar::new("word");
    on_loop(|| async {
        let context = corio::Context::new();
        context.run(|| WORD.set("given"));
        let task = corio::task().context(context.clone()).spawn(async { WORD.get() });
        assert_eq!(task.get_context().get(&WORD), Some("given"));
        task.get_context().run(|| WORD.set("the same context"));
        assert_eq!(context.get(&WORD), Some("the same context"));
        assert_eq!(task.await.unwrap(), Some("the same context"));
    });
}

// conforms: 1 test_exception_traceback
// conforms: 1 test_task_source_traceback
#[test]
fn an_error_says_where_it_was_spawned_and_raised() {
    on_loop(|| async {
        let (task, line): (Task<()>, u32) =
            (corio::create_task(async { panic!("no luck") }), Location::caller().line());
        let error = task.await.unwrap_err();
        assert_eq!(error.panic_message(), Some("no luck"));
        assert!(error.spawned_at().file().ends_with("tasks.rs"));
        assert_eq!(error.spawned_at().line(), line);
        let at = error.panicked_at().expect("corio's hook is in place");
        assert!(at.contains(&format!("tasks.rs:{line}:")), "{at}");
        assert!(error.to_string().contains(at), "{error}");
    });
}

// conforms: 1 test_current_task
// conforms: 1 test_current_task_no_running_loop_implicit
#[test]
fn test_current_task() {
    on_single_loop(|| async {
        let task = corio::create_task(async { current_task().unwrap() });
        let expected = task.task_ref();
        assert!(task.await.unwrap() == expected);
        let (said, hears) = std::sync::mpsc::channel();
        corio::Handle::current().call_soon(move || said.send(current_task().is_none()).unwrap());
        turns(3).await;
        assert!(hears.recv().unwrap(), "a callback is no task");
    });
    assert!(std::panic::catch_unwind(|| drop(current_task())).is_err());
}

// conforms: 1 test_current_task_with_interleaving_tasks
#[test]
fn test_current_task_with_interleaving_tasks() {
    on_loop(|| async {
        let spawn = || {
            corio::create_task(async {
                let mut seen = Vec::new();
                for _ in 0..3 {
                    seen.push(current_task().unwrap());
                    turn().await;
                }
                seen
            })
        };
        let tasks = [spawn(), spawn()];
        for task in tasks {
            let expected = task.task_ref();
            assert!(task.await.unwrap().iter().all(|seen| *seen == expected));
        }
    });
}

// conforms: 1 test__register_task_1
// conforms: 1 test__register_task_2
// conforms: 1 test__register_task_3
#[test]
fn all_tasks_are_those_of_the_loop_that_have_not_ended() {
    with_loop(|event_loop| {
        let other = corio::new_event_loop().unwrap();
        let foreign = other.create_task(std::future::pending::<()>());
        let pending = event_loop.create_task(std::future::pending::<()>());
        let ended = event_loop.create_task(async {});
        event_loop.run_until_complete(turns(2)).unwrap();
        let all = event_loop.all_tasks();
        assert!(all.contains(&pending.task_ref()));
        assert!(!all.contains(&ended.task_ref()) && !all.contains(&foreign.task_ref()));
        assert_eq!(other.all_tasks(), [foreign.task_ref()]);
    });
}

// conforms: 1 test_error_in_call_soon
#[test]
fn a_closed_loop_takes_no_task() {
    with_loop(|event_loop| {
        event_loop.close().unwrap();
        assert!(event_loop.try_create_task(async {}).is_err());
        assert!(event_loop.all_tasks().is_empty());
    });
}

// conforms: 1 test_tb_logger_not_called_after_cancel
// conforms: 19 test_default_exc_handler_coro
#[test]
fn panics_are_told_if_nobody_has_seen_them() {
    with_loop(|event_loop| {
        let lines = told(event_loop);
        let unlucky = || corio::task().name("unlucky").spawn(async { panic!("no luck") });
        event_loop
            .run_until_complete(async move {
                let tasks: Vec<Task<()>> = (0..5).map(|_| unlucky()).collect();
                turns(3).await;
                assert!(!tasks[0].cancel());
                assert!(tasks[1].result().is_err());
                assert!(tasks[2].exception().unwrap().unwrap().is_panic());
                assert!((&tasks[3]).await.is_err());
                let mut tasks = tasks;
                assert!(tasks.pop().unwrap().await.is_err());
                drop(tasks);
                let ended = corio::create_task(async { 1 });
                turn().await;
                drop(ended);
                let cancelled = corio::create_task(std::future::pending::<()>());
                cancelled.cancel();
                turns(2).await;
                drop(cancelled);
            })
            .unwrap();
        assert!(lines.lock().unwrap().is_empty(), "{lines:?}");
        event_loop
            .run_until_complete(async move {
                drop(unlucky());
                let dropped_later = unlucky();
                turns(3).await;
                drop(dropped_later);
            })
            .unwrap();
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
        for line in &*lines {
            assert!(line.starts_with("task exception was never retrieved: no luck"), "{line}");
            assert!(line.contains("unlucky") && line.contains("tasks.rs:"), "{line}");
        }
    });
}

// conforms: 1 test_all_tasks_race
// conforms: 1 test_all_tasks_different_thread
#[test]
fn all_tasks_are_listed_while_they_come_and_go() {
    on_loop(|| async {
        let handle = corio::Handle::current();
        let lasting: HashSet<_> = corio::all_tasks().iter().map(TaskRef::id).collect();
        assert_eq!(lasting.len(), 2, "main and this");
        assert!(lasting.contains(&current_task().unwrap().id()));
        let (stop, lasts) = (Signal::new(), lasting.clone());
        let (looked, stopped) = (Signal::new(), stop.clone());
        let first_look = looked.clone();
        let looker = std::thread::spawn(move || {
            let mut seen = HashSet::new();
            while !stopped.is_set() {
                // A look takes a while, so it may list tasks of several waves; but each once, and
                // those that live all the while.
                let tasks = handle.all_tasks();
                let listed: HashSet<_> = tasks.iter().map(TaskRef::id).collect();
                assert_eq!(listed.len(), tasks.len(), "a task was listed twice: {tasks:?}");
                assert!(listed.is_superset(&lasts), "a task is missing: {tasks:?}");
                seen.extend(listed);
                first_look.set();
            }
            seen
        });
        let mut spawned = lasting.clone();
        let mut waves = 0;
        while waves < 50 || !(looked.is_set() || looker.is_finished()) {
            let tasks: Vec<_> = (0..20).map(|_| corio::create_task(turn())).collect();
            spawned.extend(tasks.iter().map(Task::id));
            for task in tasks {
                task.await.unwrap();
            }
            waves += 1;
        }
        stop.set();
        let seen = looker.join().unwrap();
        assert!(seen.is_subset(&spawned), "it listed what was never spawned: {seen:?}");
        let left: HashSet<_> = corio::all_tasks().iter().map(TaskRef::id).collect();
        assert_eq!(left, lasting, "what has ended was listed");
    });
}

// conforms: 1 test_task_different_thread_finalized
#[test]
fn the_last_handle_goes_on_another_thread() {
    on_loop(|| async {
        let task = corio::create_task(async { vec![1, 2, 3] });
        let untyped = task.task_ref();
        turns(2).await;
        std::thread::spawn(move || drop((task, untyped))).join().unwrap();
    });
}

// Beyond the rows: tasks that wait, by value and by reference, and callbacks, in one order.
#[test]
fn callbacks_and_waits_share_one_order() {
    let trace = Trace::default();
    let said = trace.clone();
    with_loop(move |event_loop| {
        let main = async move {
            let deferred = Deferred::new();
            let target = Arc::new(task!([deferred] deferred.await.unwrap()));
            turn().await;
            let callback = |word: &'static str| {
                let trace = trace.clone();
                target.add_done_callback(move |_| trace.say(word));
            };
            callback("first callback");
            let waiter = task!([target, trace] {
                (&*target).await.unwrap();
                trace.say("task");
            });
            turn().await;
            callback("second callback");
            let removed = target.add_done_callback(|_| panic!("it was removed"));
            assert!(target.remove_done_callback(removed));
            assert!(!target.remove_done_callback(removed));
            deferred.set_result(()).unwrap();
            waiter.await.unwrap();
            callback("late callback");
            trace.say("nothing is called where it is added");
            turns(2).await;
        };
        event_loop.run_until_complete(main).unwrap();
    });
    let late = ["nothing is called where it is added", "late callback"];
    said.expect(&[["first callback", "task", "second callback"].as_slice(), &late].concat());
}

// Beyond the rows: the place of a join among callbacks is that of its registration.
#[test]
fn a_join_has_its_place_among_callbacks() {
    let trace = Trace::default();
    let said = trace.clone();
    with_loop(move |event_loop| {
        let main = async move {
            let deferred = Deferred::new();
            let target = task!([deferred] deferred.await.unwrap());
            let untyped = target.task_ref();
            let callback = |word: &'static str| {
                let trace = trace.clone();
                untyped.add_done_callback(move |_| trace.say(word));
            };
            callback("first callback");
            let joiner = task!([trace] {
                target.await.unwrap();
                trace.say("join");
            });
            turn().await;
            callback("second callback");
            deferred.set_result(()).unwrap();
            joiner.await.unwrap();
            turn().await;
        };
        event_loop.run_until_complete(main).unwrap();
    });
    said.expect(&["first callback", "join", "second callback"]);
}

// Beyond the rows: a panic in a callback is told, and the others are called.
#[test]
fn a_panic_in_a_callback_is_told() {
    with_loop(|event_loop| {
        let lines = told(event_loop);
        let called = Arc::new(Mutex::new(false));
        let calls = called.clone();
        event_loop
            .run_until_complete(async move {
                let task = corio::create_task(async {});
                task.add_done_callback(|_| panic!("in a callback"));
                task.add_done_callback(move |_| *calls.lock().unwrap() = true);
                task.await.unwrap();
                turns(2).await;
            })
            .unwrap();
        assert!(*called.lock().unwrap());
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("in a callback") && lines[0].contains("tasks.rs:"), "{lines:?}");
    });
}
