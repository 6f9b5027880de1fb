//! Threads and eager tasks: test_threads.py, test_eager_task_factory.py, test_tasks.py.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use corio::sync::Deferred;
use corio::{ContextVar, Task, current_task};

use crate::support::{Trace, on_loop, task, turn, turns, with_loop};

static WORD: ContextVar<&str> = ContextVar::new("word");

fn eagerly<F>(future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    corio::task().eager(true).spawn(future)
}

// conforms: 18 test_to_thread
// conforms: 18 test_to_thread_once
#[test]
fn test_to_thread_once() {
    on_loop(|| async {
        let calls = Arc::new(AtomicUsize::new(0));
        let counts = calls.clone();
        let here = std::thread::current().id();
        let sum = corio::to_thread(move || {
            counts.fetch_add(1, Ordering::Relaxed);
            assert_ne!(std::thread::current().id(), here);
            40 + 2
        });
        assert_eq!(sum.await.unwrap(), 42);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    });
}

// conforms: 18 test_to_thread_exception
#[test]
fn test_to_thread_exception() {
    on_loop(|| async {
        let error = corio::to_thread(|| panic!("test")).await.map(|()| 0).unwrap_err();
        assert_eq!(error.panic_message(), Some("test"));
    });
}

// conforms: 18 test_to_thread_concurrent
#[test]
fn test_to_thread_concurrent() {
    on_loop(|| async {
        let calls = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<_> = (0..10)
            .map(|_| {
                let calls = calls.clone();
                corio::to_thread(move || calls.fetch_add(1, Ordering::Relaxed))
            })
            .collect();
        let mut seen = Vec::new();
        for job in jobs {
            seen.push(job.await.unwrap());
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    });
}

// conforms: 18 test_to_thread_args_kwargs
// differs: a closure has its arguments with it
#[test]
fn test_to_thread_args_kwargs() {
    on_loop(|| async {
        let (text, times) = (String::from("ab"), 2);
        assert_eq!(corio::to_thread(move || text.repeat(times)).await.unwrap(), "abab");
    });
}

// conforms: 18 test_to_thread_contextvars
#[test]
fn test_to_thread_contextvars() {
    on_loop(|| async {
        WORD.set("parrot");
        let seen = corio::to_thread(|| {
            let seen = WORD.get();
            WORD.set("dead parrot");
            seen
        });
        assert_eq!(seen.await.unwrap(), Some("parrot"));
        assert_eq!(WORD.get(), Some("parrot"));
        let plain = corio::run_in_executor(None, || WORD.get());
        assert_eq!(plain.await.unwrap(), None, "an executor's function does not inherit");
    });
}

// conforms: 18 test_await_future_during_eager_step
#[test]
fn test_await_future_during_eager_step() {
    on_loop(|| async {
        let deferred = Deferred::new();
        let setter = deferred.clone();
        let child = eagerly(async move { setter.set_result(42).is_ok() });
        assert!(deferred.done(), "the child has not run");
        assert_eq!(deferred.await.unwrap(), 42);
        assert!(child.await.unwrap());
    });
}

// conforms: 18 test_eager_completion
// conforms: 18 test_eager_start_true_with_default_factory
// conforms: 1 test_eager_start_true
#[test]
fn test_eager_completion() {
    on_loop(|| async {
        let task = eagerly(async { (current_task().unwrap(), "done") });
        assert!(task.done());
        let untyped = task.task_ref();
        let (inside, value) = task.await.unwrap();
        assert!(inside == untyped);
        assert_eq!(value, "done");
    });
}

// conforms: 1 test_eager_start_true_no_loop
// differs: where no loop runs the task starts as usual, or there is no loop to spawn it on
#[test]
fn an_eager_start_elsewhere_is_a_usual_one() {
    assert!(std::panic::catch_unwind(|| drop(eagerly(async {}))).is_err());
    let runtime = corio::Builder::new().workers(1).build().unwrap();
    let here = std::thread::current().id();
    let task =
        corio::task().eager(true).spawn_on(runtime.handle(), async { std::thread::current().id() });
    assert_ne!(runtime.block_on(async { task.await.unwrap() }), here);
}

// conforms: 18 test_eager_start_false
// conforms: 1 test_eager_start_false
#[test]
fn test_eager_start_false() {
    on_loop(|| async {
        let ran = Arc::new(AtomicUsize::new(0));
        let runs = ran.clone();
        let task =
            corio::task().eager(false).spawn(async move { runs.fetch_add(1, Ordering::Relaxed) });
        assert!(!task.done());
        assert_eq!(ran.load(Ordering::Relaxed), 0);
        turn().await;
        assert!(task.done());
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    });
}

// conforms: 18 test_block_after_eager_step
#[test]
fn test_block_after_eager_step() {
    let trace = Trace::default();
    let said = trace.clone();
    with_loop(move |event_loop| {
        let main = async move {
            let says = trace.clone();
            let task = eagerly(async move {
                says.say("first step");
                turn().await;
                says.say("second step");
                "finished"
            });
            trace.say("spawned");
            assert!(!task.done());
            assert_eq!(task.await.unwrap(), "finished");
        };
        event_loop.run_until_complete(main).unwrap();
    });
    said.expect(&["first step", "spawned", "second step"]);
}

// conforms: 18 test_cancellation_after_eager_completion
#[test]
fn test_cancellation_after_eager_completion() {
    on_loop(|| async {
        let task = eagerly(async { "finished without blocking" });
        assert!(task.done() && !task.cancel() && !task.cancelled());
        assert_eq!(task.await.unwrap(), "finished without blocking");
    });
}

// conforms: 18 test_cancellation_after_eager_step_blocks
#[test]
fn test_cancellation_after_eager_step_blocks() {
    on_loop(|| async {
        let task = eagerly(std::future::pending::<()>());
        assert!(!task.done());
        assert!(task.cancel_with("cancelled"));
        let error = task.await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().msg(), Some("cancelled"));
    });
}

// conforms: 18 test_current_task
#[test]
fn current_task_switches_during_the_eager_step_and_back() {
    on_loop(|| async {
        let outer = current_task().unwrap();
        let task = eagerly(async {
            let first = current_task().unwrap();
            turn().await;
            (first, current_task().unwrap())
        });
        assert!(current_task().unwrap() == outer);
        let inner = task.task_ref();
        let (first, second) = task.await.unwrap();
        assert!(first == inner && second == inner && inner != outer);
        assert!(current_task().unwrap() == outer);
    });
}

// conforms: 18 test_all_tasks_with_eager_completion
// conforms: 18 test_all_tasks_with_blocking
// conforms: 1 test_all_tasks_from_other_thread_includes_eager_tasks
#[test]
fn all_tasks_has_a_task_in_its_eager_step() {
    on_loop(|| async {
        let handle = corio::Handle::current();
        let task = eagerly(async move {
            let own = current_task().unwrap();
            let here = corio::all_tasks().contains(&own);
            let elsewhere = {
                let own = own.clone();
                std::thread::spawn(move || handle.all_tasks().contains(&own)).join().unwrap()
            };
            (here, elsewhere)
        });
        assert!(!corio::all_tasks().contains(&task.task_ref()), "it has ended");
        assert_eq!(task.await.unwrap(), (true, true));
        let blocked = eagerly(std::future::pending::<()>());
        assert!(corio::all_tasks().contains(&blocked.task_ref()));
        blocked.abort();
    });
}

// conforms: 18 test_context_vars
#[test]
fn an_eager_step_runs_in_the_childs_context() {
    on_loop(|| async {
        WORD.set("outer");
        let task = eagerly(async {
            let inherited = WORD.get();
            WORD.set("inner");
            turn().await;
            (inherited, WORD.get())
        });
        assert_eq!(WORD.get(), Some("outer"));
        assert_eq!(task.await.unwrap(), (Some("outer"), Some("inner")));
        let inside = corio::copy_context().run(|| eagerly(async { WORD.set("lost").old_value() }));
        assert_eq!((inside.await.unwrap(), WORD.get()), (Some("outer"), Some("outer")));
    });
}

// conforms: 18 test_name
#[test]
fn a_name_is_there_in_the_eager_step() {
    on_loop(|| async {
        let named = corio::task().name("test name").eager(true);
        let task = named.spawn(async { current_task().unwrap().name() });
        assert_eq!(&*task.await.unwrap(), "test name");
    });
}

// conforms: 18 test_issue122332
#[test]
fn test_issue122332() {
    on_loop(|| async {
        let task = eagerly(async {});
        assert!(task.done() && task.get_coro().is_none());
        let blocked = eagerly(turn());
        assert!(blocked.get_coro().is_some());
        let untyped = blocked.task_ref();
        blocked.await.unwrap();
        assert!(untyped.get_coro().is_some());
        let raised = eagerly(corio::Cancelled::new("raised").raise::<()>());
        assert!(raised.done() && raised.get_coro().is_none());
        let raised = eagerly(async {
            turn().await;
            corio::Cancelled::new("raised").raise::<()>().await;
        });
        turns(3).await;
        assert!(raised.done() && raised.get_coro().is_some());
    });
}

// Beyond the rows: what the poll around knows of itself is not disturbed.
#[test]
fn an_eager_step_is_a_step_of_its_own() {
    on_loop(|| async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let says = order.clone();
        let deep = eagerly(async move {
            let inner = says.clone();
            let task = eagerly(async move {
                inner.lock().unwrap().push("inner");
                panic!("no luck");
            });
            assert!(task.done(), "a panic stays in the task");
            says.lock().unwrap().push("outer");
            let failed: Result<(), _> = task.await;
            failed.unwrap_err().is_panic()
        });
        assert!(deep.done());
        assert!(deep.await.unwrap());
        assert_eq!(*order.lock().unwrap(), ["inner", "outer"]);
        let cancelled = task!([] {
            let child = eagerly(async { corio::catch_cancel(std::future::pending::<()>()).await.is_err() });
            let own = corio::catch_cancel(std::future::pending::<()>()).await.is_err();
            (child.cancel(), own)
        });
        turn().await;
        assert!(cancelled.cancel());
        assert_eq!(cancelled.await.unwrap(), (true, true));
        let local = std::rc::Rc::new(5);
        let unsendable = corio::create_local_task(async move {
            let again = local.clone();
            corio::task().eager(true).spawn_local(async move { *again }).await.unwrap() + *local
        });
        assert_eq!(unsendable.await.unwrap(), 10);
        turns(2).await;
    });
}
