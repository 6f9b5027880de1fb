//! Tasks, compositions, loops and callbacks.

use std::time::Duration;

use corio::{Builder, Context, ReturnWhen, ThreadPoolExecutor, new_event_loop};

// conforms: 1 test_ensure_future_neither
// conforms: 1 test_create_task_with_noncoroutine
/// A number is no future, and nothing that becomes a task.
///
/// ```compile_fail,E0277
/// corio::run(async { corio::create_task(42).await.unwrap() });
/// ```
///
/// ```compile_fail,E0277
/// corio::run(async { corio::ensure_future(42).await.unwrap() });
/// ```
pub fn a_task_is_made_of_a_future() {
    assert_eq!(corio::run(async { corio::create_task(async { 42 }).await.unwrap() }), 42);
    assert_eq!(corio::run(async { corio::ensure_future(async { 42 }).await.unwrap() }), 42);
}

// conforms: 1 test_task_set_methods
// conforms: 2 test_set_result_causes_invalid_state
// conforms: 2 test_set_exception_causes_invalid_state
/// Only its body ends a task with a value; what is set from outside is a `Deferred`.
///
/// ```compile_fail,E0599
/// corio::run(async { corio::create_task(async { 42 }).set_result(43) });
/// ```
///
/// ```compile_fail,E0599
/// corio::run(async { corio::create_task(async { 42 }).set_exception("no".into()) });
/// ```
pub fn a_task_takes_no_result_from_outside() {
    corio::run(async {
        let other = corio::sync::Deferred::new();
        other.set_result(43).unwrap();
        assert_eq!(corio::create_task(async { 42 }).await.unwrap(), 42);
    });
}

// conforms: 4 test_wait_invalid_args
// conforms: 4 test_as_completed_invalid_args
// conforms: 4 test_issue46672
/// A single task is no collection of tasks, and a number is no future.
///
/// ```compile_fail,E0308
/// use corio::ReturnWhen;
/// corio::run(async {
///     let task = corio::create_task(async { 42 });
///     corio::wait(task, ReturnWhen::AllCompleted, None).await.is_ok()
/// });
/// ```
///
/// ```compile_fail,E0277
/// corio::run(async {
///     let task = corio::create_task(async { 42 });
///     corio::as_completed(task).next().await.is_some()
/// });
/// ```
///
/// ```compile_fail,E0277
/// corio::run(async { corio::gather([42]).await.is_ok() });
/// ```
pub fn compositions_take_collections_of_futures() {
    corio::run(async {
        let task = || corio::create_task(async { 42 });
        assert!(corio::wait(vec![task()], ReturnWhen::AllCompleted, None).await.is_ok());
        assert!(corio::as_completed([task()]).next().await.is_some());
        assert!(corio::gather([task()]).await.is_ok());
    });
}

// conforms: 4 test_sleep_when_delay_is_nan
/// A number of seconds that is none cannot be asked for.
///
/// ```compile_fail,E0308
/// corio::run(async { corio::sleep(f64::NAN).await });
/// ```
///
/// What is made of one is refused too, before anybody sleeps:
///
/// ```
/// assert!(std::time::Duration::try_from_secs_f64(f64::NAN).is_err());
/// ```
pub fn a_sleep_lasts_a_duration() {
    corio::run(async { corio::sleep(Duration::from_secs_f64(0.0)).await });
}

// conforms: 17 test_asyncio_run_only_coro
// conforms: 17 test_run_non_coro
/// Neither a number nor a function is a future.
///
/// ```compile_fail,E0277
/// corio::run(42);
/// ```
///
/// ```compile_fail,E0277
/// corio::Builder::new().runner().run(|| 42).unwrap();
/// ```
pub fn a_run_takes_a_future() {
    assert_eq!(corio::run(async { 42 }), 42);
    assert_eq!(Builder::new().runner().run(async { 42 }).unwrap(), 42);
}

// conforms: 19 test_call_soon_non_callable
// conforms: 19 test_call_coroutine
/// A text is not called, and neither is a future, nor what a function returns.
///
/// ```compile_fail,E0277
/// corio::new_event_loop().unwrap().call_soon("not callable");
/// ```
///
/// ```compile_fail,E0277
/// corio::new_event_loop().unwrap().call_soon(async {});
/// ```
///
/// ```compile_fail,E0277
/// use std::time::Duration;
/// corio::new_event_loop().unwrap().call_later(Duration::ZERO, async {});
/// ```
///
/// ```compile_fail,E0271
/// corio::new_event_loop().unwrap().call_soon(|| async {});
/// ```
pub fn a_callback_is_a_function() {
    new_event_loop().unwrap().call_soon(|| {});
    new_event_loop().unwrap().call_later(Duration::ZERO, || {});
}

// conforms: 19 test_check_thread
/// The loop itself is bound to its thread, and only its handle may go elsewhere:
///
/// ```compile_fail,E0277
/// let event_loop = corio::new_event_loop().unwrap();
/// std::thread::spawn(move || event_loop.call_soon(|| {})).join().unwrap();
/// ```
///
/// ```
/// let event_loop = corio::new_event_loop().unwrap();
/// let handle = corio::Handle::clone(&event_loop);
/// std::thread::spawn(move || handle.call_soon(|| {})).join().unwrap();
/// ```
pub fn a_loop_stays_on_its_thread() {
    let event_loop = new_event_loop().unwrap();
    event_loop.call_soon(|| {});
}

/// What stays on one thread is in no task that another worker may take, and in no callback that another
/// thread submits; a task of this loop may hold it.
///
/// ```compile_fail,E0277
/// corio::run(async {
///     let here = std::rc::Rc::new(1);
///     corio::create_task(async move { *here }).await.unwrap()
/// });
/// ```
///
/// ```compile_fail,E0277
/// corio::run(async {
///     let here = std::rc::Rc::new(1);
///     corio::Handle::current().call_soon(move || drop(here));
/// });
/// ```
///
/// ```compile_fail,E0277
/// corio::run(async {
///     let here = std::rc::Rc::new(1);
///     corio::to_thread(move || *here).await.unwrap()
/// });
/// ```
pub fn what_stays_on_its_thread_is_in_local_tasks() {
    let value = corio::run(async {
        let here = std::rc::Rc::new(1);
        corio::create_local_task(async move { *here }).await.unwrap()
    });
    assert_eq!(value, 1);
}

// conforms: 19 test_set_default_executor_error
/// Work is handed to executors alone.
///
/// ```compile_fail,E0308
/// corio::new_event_loop().unwrap().set_default_executor("not an executor");
/// ```
pub fn an_executor_is_one() {
    new_event_loop().unwrap().set_default_executor(ThreadPoolExecutor::new(1));
}

// conforms: 30 test_context_not_a_context
/// A context is no text.
///
/// ```compile_fail,E0308
/// corio::run(async { corio::task().context("not a context").spawn(async {}).await.unwrap() });
/// ```
pub fn a_context_is_one() {
    corio::run(async { corio::task().context(Context::new()).spawn(async {}).await.unwrap() });
}
