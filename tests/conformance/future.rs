//! Future, here `Deferred`: test_futures.py.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use corio::sync::{Deferred, DeferredError};
use corio::{BoxError, ErrorContext, EventLoop, Handle};
use corio_tests::kit::poll_once;

use crate::support::{Trace, on_loop, on_single_loop, task, turn, turns, with_loop};

/// What the loop's exception handler is told, from now on.
pub fn told(handle: &Handle) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let tell = lines.clone();
    handle.set_exception_handler(Some(Arc::new(move |_, context: &ErrorContext| {
        tell.lock().unwrap().push(context.to_string());
    })));
    lines
}

fn error(text: &str) -> BoxError {
    text.into()
}

/// Runs one iteration after another until nothing is ready.
fn settle(event_loop: &EventLoop) {
    event_loop.run_until_complete(turns(5)).unwrap();
}

// conforms: 7 test_initial_state
#[test]
fn test_initial_state() {
    let deferred = Deferred::<()>::new();
    assert!(!deferred.cancelled() && !deferred.done());
    assert!(deferred.cancel());
    assert!(deferred.cancelled() && deferred.done());
}

// conforms: 7 test_constructor_use_running_loop
// conforms: 7 test_constructor_use_global_loop
// differs: a loop that is set but does not run is not the deferred's
#[test]
fn a_deferred_made_in_a_loop_belongs_to_it() {
    with_loop(|event_loop| {
        let deferred = event_loop.run_until_complete(async { Deferred::<()>::new() }).unwrap();
        let home = deferred.get_loop().unwrap();
        assert!(home.loops() == event_loop.loops());
    });
}

// conforms: 7 test_constructor_without_loop
// differs: it can be made without a loop, and only callbacks need one
#[test]
fn a_deferred_made_outside_of_loops_has_none() {
    let deferred = Deferred::new();
    assert!(deferred.get_loop().is_err());
    let adds = std::panic::AssertUnwindSafe(|| deferred.add_done_callback(|_| ()));
    let refused = std::panic::catch_unwind(adds);
    let message = refused.unwrap_err();
    let message = message.downcast_ref::<&str>().unwrap();
    assert!(message.contains("outside an event loop"), "{message}");
    deferred.set_result(1).unwrap();
    assert!(matches!(poll_once(deferred.clone().into_future()), Poll::Ready(Ok(1))));
}

// conforms: 7 test_cancel
#[test]
fn test_cancel() {
    let deferred = Deferred::new();
    assert!(deferred.cancel_with("enough"));
    assert!(deferred.cancelled() && deferred.done());
    let said = |error: DeferredError| match error {
        DeferredError::Cancelled(said) => said.msg().map(str::to_owned),
        other => panic!("{other}"),
    };
    assert_eq!(said(deferred.result().unwrap_err()).as_deref(), Some("enough"));
    assert_eq!(said(deferred.exception().unwrap_err()).as_deref(), Some("enough"));
    assert_eq!(deferred.set_result(5).unwrap_err().0, 5);
    assert_eq!(deferred.set_exception(error("late")).unwrap_err().0.to_string(), "late");
    assert!(!deferred.cancel());
}

// conforms: 7 test_result
#[test]
fn test_result() {
    let deferred = Deferred::new();
    assert!(matches!(deferred.result(), Err(DeferredError::NotReady)));
    deferred.set_result(42).unwrap();
    assert!(!deferred.cancelled() && deferred.done());
    assert_eq!(deferred.result().unwrap(), &42);
    assert!(deferred.exception().unwrap().is_none());
    assert_eq!(deferred.set_result(43).unwrap_err().0, 43);
    assert!(deferred.set_exception(error("late")).is_err());
    assert!(!deferred.cancel());
    assert_eq!(deferred.result().unwrap(), &42);
}

// conforms: 7 test_exception
#[test]
fn test_exception() {
    let deferred = Deferred::<u32>::new();
    assert!(matches!(deferred.exception(), Err(DeferredError::NotReady)));
    deferred.set_exception(error("bad")).unwrap();
    assert!(!deferred.cancelled() && deferred.done());
    let failed = deferred.result().unwrap_err();
    assert_eq!((failed.to_string().as_str(), failed.source().is_some()), ("bad", true));
    assert_eq!(deferred.exception().unwrap().unwrap().to_string(), "bad");
    assert_eq!(deferred.set_result(1).unwrap_err().0, 1);
    assert!(deferred.set_exception(error("worse")).is_err() && !deferred.cancel());
}

// conforms: 7 test_exception_class
// differs: the error is a value of any type that converts, and not a class to be called
#[test]
fn an_error_may_be_of_any_type() {
    let deferred = Deferred::<u32>::new();
    deferred.set_exception(std::io::Error::other("disk").into()).unwrap();
    let found = deferred.exception().unwrap().unwrap();
    assert_eq!(found.downcast_ref::<std::io::Error>().unwrap().to_string(), "disk");
}

// conforms: 7 test_yield_from_twice
#[test]
fn test_yield_from_twice() {
    let deferred = Deferred::new();
    deferred.set_result("done").unwrap();
    assert_eq!(
        poll_once(async { ((&deferred).await.unwrap(), (&deferred).await.unwrap()) }),
        Poll::Ready((&"done", &"done"))
    );
}

// conforms: 7 test_future_repr
// differs: callbacks are counted, not named
#[test]
fn test_future_repr() {
    on_loop(|| async {
        let deferred = Deferred::<u32>::new();
        let text = format!("{deferred:?}");
        assert!(text.starts_with("<Deferred pending") && text.contains("future.rs:"), "{text}");
        for _ in 0..10 {
            deferred.add_done_callback(|_| ());
        }
        assert!(format!("{deferred:?}").contains("callbacks: 10"), "{deferred:?}");
        assert!(format!("{deferred:?}").len() < 200, "{deferred:?}");
        deferred.set_result(1).unwrap();
        assert!(format!("{deferred:?}").starts_with("<Deferred finished"), "{deferred:?}");
        let failed = Deferred::<u32>::new();
        failed.set_exception(error("bad")).unwrap();
        assert!(format!("{failed:?}").starts_with("<Deferred failed: bad"), "{failed:?}");
        assert!(failed.exception().is_ok());
        let cancelled = Deferred::<u32>::new();
        cancelled.cancel_with("why");
        assert!(format!("{cancelled:?}").starts_with("<Deferred cancelled: why"), "{cancelled:?}");
    });
}

/// Hands what one deferred ends with on to another, as asyncio's `_copy_future_state`.
fn chain(from: &Deferred<u32>, to: &Deferred<u32>) {
    let to = to.clone();
    from.add_done_callback(move |from| match from.result() {
        Ok(value) => to.set_result(*value).unwrap(),
        Err(DeferredError::Failed(error)) => to.set_exception(Box::new(Shared(error))).unwrap(),
        Err(DeferredError::Cancelled(said)) => {
            assert!(to.cancel_with(said.msg().unwrap_or_default()));
        }
        Err(DeferredError::NotReady) => panic!("called before the end"),
    });
}

#[derive(Debug)]
struct Shared(Arc<BoxError>);

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Shared {}

// conforms: 7 test_copy_state
// conforms: 7 test_copy_state_from_concurrent_futures
#[test]
fn test_copy_state() {
    on_loop(|| async {
        let pair = || (Deferred::new(), Deferred::new());
        let (from, to) = pair();
        chain(&from, &to);
        from.set_result(10).unwrap();
        assert_eq!((&to).await.unwrap(), &10);
        let (from, to) = pair();
        chain(&from, &to);
        from.set_exception(error("bad")).unwrap();
        assert_eq!((&to).await.unwrap_err().to_string(), "bad");
        let (from, to) = pair();
        chain(&from, &to);
        from.cancel_with("why");
        assert!(
            matches!((&to).await, Err(DeferredError::Cancelled(said)) if said.msg() == Some("why"))
        );
    });
}

// conforms: 7 test_iter
// conforms: 7 test_futureiter_send_after_throw_no_crash
// conforms: 7 test_futureiter_send_after_close_no_crash
#[test]
fn a_wait_is_polled_and_dropped_at_any_time() {
    let deferred = Deferred::new();
    let mut wait = Box::pin((&deferred).into_future());
    assert!(poll_once(&mut wait).is_pending());
    assert!(poll_once(&mut wait).is_pending());
    deferred.set_result(1).unwrap();
    assert_eq!(poll_once(&mut wait).map(Result::unwrap), Poll::Ready(&1));
    // Polled once more it gives the same; nothing is left half-done.
    assert_eq!(poll_once(&mut wait).map(Result::unwrap), Poll::Ready(&1));
    drop(wait);
    drop((&deferred).into_future());
    assert_eq!(deferred.result().unwrap(), &1);
}

// conforms: 7 test_tb_logger_abandoned
// conforms: 7 test_tb_logger_result_unretrieved
// conforms: 7 test_tb_logger_result_retrieved
// conforms: 7 test_tb_logger_not_called_after_cancel
// conforms: 7 test_tb_logger_exception_retrieved
// conforms: 7 test_tb_logger_exception_result_retrieved
#[test]
fn what_need_not_be_told_is_not() {
    with_loop(|event_loop| {
        let lines = told(event_loop);
        event_loop
            .run_until_complete(async {
                drop(Deferred::<u32>::new());
                let unseen = Deferred::new();
                unseen.set_result(1).unwrap();
                drop(unseen);
                let seen = Deferred::new();
                seen.set_result(1).unwrap();
                assert!(seen.result().is_ok());
                drop(seen);
                let failed = || {
                    let deferred = Deferred::<u32>::new();
                    deferred.set_exception(error("seen")).unwrap();
                    deferred
                };
                assert!(!failed().cancel());
                assert!(failed().exception().is_ok());
                assert!(failed().result().is_err());
                assert!(failed().await.is_err());
            })
            .unwrap();
        assert!(lines.lock().unwrap().is_empty(), "{lines:?}");
    });
}

// conforms: 7 test_tb_logger_exception_unretrieved
// conforms: 7 test_future_exception_never_retrieved
// conforms: 7 test_future_exception_never_retrieved_debug
// conforms: 7 test_future_source_traceback
// differs: the place where it was made is told in every mode
#[test]
fn an_error_that_nobody_has_seen_is_told() {
    with_loop(|event_loop| {
        let lines = told(event_loop);
        let deferred = event_loop.run_until_complete(async { Deferred::<u32>::new() }).unwrap();
        deferred.set_exception(error("unseen")).unwrap();
        let other = deferred.clone();
        drop(deferred);
        assert!(lines.lock().unwrap().is_empty(), "told while somebody can still look");
        drop(other);
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert!(line.starts_with("deferred exception was never retrieved: unseen"), "{line}");
        assert!(line.contains("future.rs:"), "{line}");
    });
}

// conforms: 7 test_wrap_future
#[test]
fn test_wrap_future() {
    on_loop(|| async {
        let here = std::thread::current().id();
        let job = corio::run_in_executor(None, move || {
            assert_ne!(std::thread::current().id(), here);
            "oi"
        });
        assert_eq!(job.await.unwrap(), "oi");
    });
}

// conforms: 7 test_wrap_future_future
// differs: a task is returned as it is; a deferred need not be wrapped
#[test]
fn test_wrap_future_future() {
    on_loop(|| async {
        let task = corio::create_task(async { 1 });
        let id = task.id();
        let same = corio::ensure_future(task);
        assert_eq!((same.id(), same.await.unwrap()), (id, 1));
    });
}

// conforms: 7 test_wrap_future_cancel
#[test]
fn test_wrap_future_cancel() {
    on_loop(|| async {
        let executor = corio::ThreadPoolExecutor::new(1);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let busy = corio::run_in_executor(Some(&executor), move || wait.recv().is_ok());
        let ran = Arc::new(AtomicBool::new(false));
        let runs = ran.clone();
        let queued =
            corio::run_in_executor(Some(&executor), move || runs.store(true, Ordering::Relaxed));
        assert!(queued.cancel());
        assert!(queued.await.unwrap_err().is_cancelled());
        go.send(()).unwrap();
        assert!(busy.await.unwrap());
        corio::run_in_executor(Some(&executor), || ()).await.unwrap();
        assert!(!ran.load(Ordering::Relaxed), "a cancelled job ran");
    });
}

// conforms: 7 test_wrap_future_cancel2
#[test]
fn test_wrap_future_cancel2() {
    on_loop(|| async {
        let from = Deferred::new();
        let to = Deferred::<u32>::new();
        from.set_result(42).unwrap();
        assert!(to.cancel());
        assert_eq!(from.result().unwrap(), &42);
        assert!(to.cancelled());
    });
}

// conforms: 7 test_set_result_unless_cancelled
#[test]
fn test_set_result_unless_cancelled() {
    let deferred = Deferred::new();
    assert!(deferred.cancel());
    assert_eq!(deferred.set_result(2).unwrap_err().0, 2);
    assert!(deferred.cancelled());
}

/// A deferred with callbacks that say their numbers.
fn with_callbacks(trace: &Trace, count: usize) -> (Deferred<u32>, Vec<corio::CallbackId>) {
    let deferred = Deferred::new();
    let ids = (0..count)
        .map(|number| {
            let trace = trace.clone();
            deferred.add_done_callback(move |deferred| {
                assert!(deferred.done());
                trace.say(number);
            })
        })
        .collect();
    (deferred, ids)
}

// conforms: 7 test_callbacks_invoked_on_set_result
// conforms: 7 test_callbacks_invoked_on_set_exception
#[test]
fn callbacks_run_after_the_end_and_in_order() {
    let trace = Trace::default();
    let said = trace.clone();
    with_loop(move |event_loop| {
        let made = trace.clone();
        let (deferred, _) =
            event_loop.run_until_complete(async move { with_callbacks(&made, 2) }).unwrap();
        trace.say("set");
        deferred.set_result(1).unwrap();
        trace.say("was set");
        settle(event_loop);
        let made = trace.clone();
        let (deferred, _) =
            event_loop.run_until_complete(async move { with_callbacks(&made, 1) }).unwrap();
        deferred.set_exception(error("bad")).unwrap();
        trace.say("failed");
        settle(event_loop);
        assert!(deferred.exception().is_ok());
        deferred.add_done_callback(|_| ());
        let late = trace.clone();
        deferred.add_done_callback(move |_| late.say("late"));
        trace.say("added");
        settle(event_loop);
    });
    said.expect(&["set", "was set", "0", "1", "failed", "0", "added", "late"]);
}

fn removing(removed: &'static [usize], left: &[&str]) {
    let trace = Trace::default();
    let said = trace.clone();
    on_single_loop(move || async move {
        let (deferred, ids) = with_callbacks(&trace, 3);
        for number in removed {
            assert!(deferred.remove_done_callback(ids[*number]));
            assert!(!deferred.remove_done_callback(ids[*number]), "removed twice");
        }
        deferred.set_result(1).unwrap();
        turns(5).await;
        assert!(ids.iter().all(|id| !deferred.remove_done_callback(*id)), "removed after its call");
    });
    said.expect(left);
}

// conforms: 7 test_callbacks_remove_first_callback
#[test]
fn test_callbacks_remove_first_callback() {
    removing(&[0], &["1", "2"]);
}

// conforms: 7 test_callbacks_remove_first_and_second_callback
#[test]
fn test_callbacks_remove_first_and_second_callback() {
    removing(&[0, 1], &["2"]);
}

// conforms: 7 test_callbacks_remove_third_callback
#[test]
fn test_callbacks_remove_third_callback() {
    removing(&[2], &["0", "1"]);
}

// conforms: 7 test_remove_done_callback
// differs: closures have no equality, so each is removed by its own id
#[test]
fn test_remove_done_callback() {
    removing(&[1, 2, 0], &[]);
}

// conforms: 7 test_remove_done_callbacks_list_mutation
// conforms: 7 test_remove_done_callbacks_list_clear
// conforms: 7 test_schedule_callbacks_list_mutation_1
// conforms: 7 test_schedule_callbacks_list_mutation_2
// conforms: 7 test_evil_call_soon_list_mutation
#[test]
fn callbacks_come_and_go_inside_of_removals_and_calls() {
    let trace = Trace::default();
    let said = trace.clone();
    on_single_loop(|| async move {
        /// What a callback owns does this when it goes.
        struct OnDrop(Deferred<u32>, Trace);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                let trace = self.1.clone();
                self.0.add_done_callback(move |_| trace.say("added by a removal"));
            }
        }
        let (deferred, ids) = with_callbacks(&trace, 2);
        let evil = OnDrop(deferred.clone(), trace.clone());
        let id = deferred.add_done_callback(move |_| drop(evil));
        assert!(deferred.remove_done_callback(id));
        let (adds, said) = (deferred.clone(), trace.clone());
        deferred.add_done_callback(move |_| {
            assert!(!adds.remove_done_callback(ids[0]), "its loop has it");
            adds.add_done_callback(move |_| said.say("added by a call"));
        });
        deferred.set_result(1).unwrap();
        turns(5).await;
    });
    said.expect(&["0", "1", "added by a removal", "added by a call"]);
}

// conforms: 7 test_future_del_collect
// conforms: 7 test_task_del_collect
#[test]
fn results_may_use_what_they_were_results_of_when_they_go() {
    on_loop(|| async {
        static DROPPED: AtomicUsize = AtomicUsize::new(0);
        #[derive(Clone)]
        struct Evil(Deferred<u32>);
        impl Drop for Evil {
            fn drop(&mut self) {
                DROPPED.fetch_add(1, Ordering::Relaxed);
                self.0.cancel();
            }
        }
        let other = Deferred::new();
        let deferred = Deferred::new();
        assert!(deferred.set_result(Evil(other.clone())).is_ok());
        drop(deferred);
        assert!(other.cancelled());
        let again = Deferred::new();
        let evil = Evil(again.clone());
        drop(corio::create_task(async move { evil }));
        turns(3).await;
        assert!(again.cancelled());
        assert_eq!(DROPPED.load(Ordering::Relaxed), 2);
    });
}

// Beyond the rows: one order for tasks that wait and for callbacks.
#[test]
fn tasks_and_callbacks_share_one_order() {
    let trace = Trace::default();
    let said = trace.clone();
    with_loop(move |event_loop| {
        let main = async move {
            let deferred = Deferred::new();
            let callback = |word: &'static str| {
                let trace = trace.clone();
                deferred.add_done_callback(move |_| trace.say(word));
            };
            callback("first callback");
            let first = task!([deferred, trace] {
                (&deferred).await.unwrap();
                trace.say("first task");
            });
            turn().await;
            callback("second callback");
            let second = task!([deferred, trace] {
                deferred.await.unwrap();
                trace.say("second task");
            });
            turn().await;
            deferred.set_result(()).unwrap();
            callback("late callback");
            first.await.unwrap();
            second.await.unwrap();
            turn().await;
        };
        event_loop.run_until_complete(main).unwrap();
    });
    said.expect(&[
        "first callback",
        "first task",
        "second callback",
        "second task",
        "late callback",
    ]);
}

// Beyond the rows: by value a cancel reaches the deferred, by reference it does not.
#[test]
fn only_a_wait_by_value_cancels_the_deferred() {
    on_loop(|| async {
        let deferred = Deferred::<u32>::new();
        let observer = task!([deferred](&deferred).await.is_ok());
        turn().await;
        assert!(observer.cancel() && observer.await.unwrap_err().is_cancelled());
        assert!(!deferred.done());
        let never_polled = deferred.clone().into_future();
        drop(never_polled);
        assert!(!deferred.done());
        let owner = task!([deferred] deferred.await.is_ok());
        let other = task!([deferred](&deferred).await.copied());
        turn().await;
        assert!(owner.cancel() && owner.await.unwrap_err().is_cancelled());
        assert!(deferred.cancelled() && deferred.set_result(1).is_err());
        assert!(matches!(other.await.unwrap(), Err(DeferredError::Cancelled(_))));
    });
}
