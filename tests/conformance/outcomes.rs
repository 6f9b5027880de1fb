//! How tasks end and what is told of it, where it spans files of CPython's suite: errors and their
//! sources, cancels and their messages, what nobody retrieved, what holds what.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;

use corio::sync::{Deferred, DeferredError};
use corio::{
    CoroError, CoroState, Coroutine, GroupError, JoinSet, Task, TaskError, TaskGroup, TaskRef,
    create_task, shield,
};
use corio_tests::kit::{Ledger, Signal, poll_once};

use crate::cancellation::{for_ever, said};
use crate::future::told;
use crate::support::sync::oneshot;
use crate::support::{Trace, on_loop, task, turn, turns, with_loop};

/// A task that is given its own handle, by value or behind an `Arc`.
async fn its_own<T>(take: oneshot::Receiver<T>) -> T {
    take.await.unwrap()
}

// conforms: 1 test_task_awaits_on_itself
// differs: the error is a panic, as for every misuse
#[test]
fn a_task_that_awaits_itself_is_refused() {
    on_loop(|| async {
        let (give, take) = oneshot::channel::<Arc<Task<()>>>();
        let looks = corio::task().name("narcissus").spawn(async move {
            let _ = (&*its_own(take).await).await;
        });
        let looks = Arc::new(looks);
        give.send(looks.clone()).unwrap();
        turns(3).await;
        assert!(looks.done(), "it waits for itself");
        let error = looks.exception().unwrap().unwrap();
        let message = error.panic_message().unwrap();
        assert!(message.starts_with("task 'narcissus' cannot await itself"), "{message}");
        assert!(message.contains("outcomes.rs:"), "{message}");
        // By value nobody is left to look at it, and a callback tells.
        let (give, take) = oneshot::channel::<Task<()>>();
        let ended = Deferred::new();
        let owns = create_task(async move { drop(its_own(take).await.await) });
        let tells = ended.clone();
        owns.add_done_callback(move |_| tells.set_result(()).unwrap());
        give.send(owns).unwrap();
        ended.await.unwrap();
    });
}

/// An error with the one that it was raised for.
#[derive(Debug)]
struct Raised<E>(&'static str, E);

impl<E> fmt::Display for Raised<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl<E: Error + 'static> Error for Raised<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.1)
    }
}

/// What an error and all its sources say.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut at = error.source();
    while let Some(source) = at {
        texts.push(source.to_string());
        assert!(texts.len() < 10, "a circle: {texts:?}");
        at = source.source();
    }
    texts
}

// conforms: 1 test_exception_chaining_after_await
// conforms: 1 test_exception_chaining_after_await_with_context_cycle
// differs: the one who raises says what for; no error is chained by itself
#[test]
fn an_error_that_crosses_awaits_keeps_its_sources() {
    on_loop(|| async {
        let inner = Deferred::<()>::new();
        inner.set_exception(Box::new(Raised("disk", std::io::Error::other("dust")))).unwrap();
        let middle = task!([inner] inner.await.map_err(|error| Raised("page", error)));
        let outer = create_task(async move {
            let error = middle.await.unwrap().unwrap_err();
            Err::<(), _>(Raised("site", error))
        });
        let error = outer.await.unwrap().unwrap_err();
        // A deferred's error shows what it was given, which is its source, too.
        assert_eq!(chain(&error), ["site", "page", "disk", "disk", "dust"]);
        assert_eq!(chain(&inner.result().unwrap_err()), ["disk", "disk", "dust"]);
    });
}

// conforms: 1 test_register_task_resurrection
#[test]
fn a_task_that_could_not_be_made_is_in_no_list() {
    let event_loop = corio::new_event_loop().unwrap();
    let closed = corio::Handle::clone(&event_loop);
    event_loop.close().unwrap();
    on_loop(move || async move {
        let before = corio::all_tasks();
        for eager in [false, true] {
            let refused = corio::task().eager(eager).spawn_on(&closed, for_ever());
            assert!(refused.cancelled() && closed.all_tasks().is_empty());
        }
        // One that ends inside its own making.
        let ended: Task<()> =
            corio::task().eager(true).spawn(async { std::panic::resume_unwind(Box::new("early")) });
        assert!(ended.done());
        assert_eq!(corio::all_tasks(), before);
        assert!(ended.await.unwrap_err().is_panic());
    });
}

// conforms: 3 test_shield_cancel_outer_exception_never_retrieved
#[test]
fn an_error_behind_a_shield_is_told_if_nobody_asks_for_it() {
    with_loop(|event_loop| {
        let lines = told(event_loop);
        let go = Signal::new();
        let fails = go.clone();
        let main = async move {
            let inner = create_task(async move {
                fails.wait().await;
                std::panic::resume_unwind(Box::new("behind the shield"));
            });
            let watched = inner.task_ref();
            let outer = create_task(shield(inner));
            turn().await;
            outer.cancel();
            let cancelled: Result<Result<(), TaskError>, _> = outer.await;
            assert!(cancelled.unwrap_err().is_cancelled());
            go.set();
            while !watched.done() {
                turn().await;
            }
            turns(3).await;
        };
        event_loop.run_until_complete(main).unwrap();
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("task exception was never retrieved"), "{lines:?}");
    });
}

// conforms: 14 test_taskgroup_without_parent_task
// differs: the group itself needs no task; its children need a runtime, as all tasks do
#[test]
fn a_group_outside_of_tasks_has_no_children() {
    let alone = corio::task_group(async |_: TaskGroup<&str>| Ok::<_, &str>(42));
    assert_eq!(corio_tests::kit::block_on(alone), Ok(42));
    let spawns = corio::task_group(async |group: TaskGroup<&str>| {
        drop(group.create_task(async {}));
        Ok::<_, &str>(())
    });
    let panic = std::panic::AssertUnwindSafe(|| corio_tests::kit::block_on(spawns));
    let message = std::panic::catch_unwind(panic).unwrap_err();
    let message = message.downcast_ref::<String>().expect("a message");
    assert!(message.contains("corio::run"), "{message}");
}

// conforms: 14 test_taskgroup_task_context
#[test]
fn a_child_of_a_group_runs_in_the_context_of_who_adds_it() {
    static WORD: corio::ContextVar<&str> = corio::ContextVar::new("word");
    on_loop(|| async {
        WORD.set("outside");
        let ended: Result<_, GroupError<&str>> = corio::task_group(async |group: TaskGroup<_>| {
            let inherits = group.create_task(async { Ok::<_, &str>(WORD.get()) }).unwrap();
            let context = corio::copy_context();
            context.run(|| WORD.set("given"));
            let body = async {
                let seen = WORD.get();
                WORD.set("changed inside");
                Ok::<_, &str>(seen)
            };
            let given = context.run(|| group.create_task(body)).unwrap();
            given.set_name("given");
            assert_eq!(&*given.name(), "given");
            Ok((inherits.await.unwrap(), given.await.unwrap(), context.get(&WORD)))
        })
        .await;
        // The child has a copy: what it sets is its own.
        assert_eq!(ended.unwrap(), (Some("outside"), Some("given"), Some("given")));
        assert_eq!(WORD.get(), Some("outside"));
    });
}

// conforms: 29 X1
#[test]
fn setting_a_result_runs_nothing_and_queues_all_in_order() {
    let trace = Trace::default();
    let said = trace.clone();
    with_loop(move |event_loop| {
        let main = async move {
            let deferred = Deferred::new();
            let callback = |number: u32| {
                let trace = trace.clone();
                deferred.add_done_callback(move |_| trace.say(format!("callback {number}")));
            };
            callback(1);
            let waits = task!([deferred, trace] {
                (&deferred).await.unwrap();
                trace.say("waiter");
            });
            turn().await;
            callback(2);
            deferred.set_result(()).unwrap();
            trace.say("set");
            callback(3);
            turn().await;
            trace.say("main");
            waits.await.unwrap();
        };
        event_loop.run_until_complete(main).unwrap();
    });
    said.expect_recorded("event_loop result_of_a_future");
}

// conforms: 29 X17
// differs: exclusive access takes the place of the error of a coroutine that resumes itself
#[test]
fn what_a_coroutines_handle_may_do() {
    on_loop(|| async {
        // Of a task: only closing does anything, and ends it.
        let task = create_task(for_ever());
        turn().await;
        let coro = task.get_coro().unwrap();
        assert!(matches!(coro.send(), Err(CoroError::OwnedByTask)));
        assert!(matches!(coro.throw(corio::Cancelled::new("x")), Err(CoroError::OwnedByTask)));
        assert!(!task.done(), "neither has wedged or ended it");
        coro.close();
        assert!(task.await.unwrap_err().is_cancelled());
        let unstarted = create_task(async { panic!("it was closed before it began") });
        unstarted.get_coro().unwrap().close();
        let ended: Result<(), TaskError> = unstarted.await;
        assert!(ended.unwrap_err().is_cancelled());
        // Of its own: it ends once, and is not resumed after that.
        let mut coroutine = Coroutine::new(async { 5 });
        assert_eq!(coroutine.send(()).unwrap(), CoroState::Complete(5));
        assert!(matches!(coroutine.send(()), Err(CoroError::Finished)));
        let mut closed = Coroutine::new(async { 5 });
        closed.close().unwrap();
        assert!(matches!(closed.send(()), Err(CoroError::Finished)));
    });
}

// conforms: 30 test_coroutine_non_gen_function
#[test]
fn a_plain_function_runs_to_its_end() {
    async fn func() -> &'static str {
        "test"
    }
    on_loop(|| async {
        let mut coroutine = Coroutine::new(func());
        assert_eq!(coroutine.send(()).unwrap(), CoroState::Complete("test"), "without a wait");
        assert_eq!(create_task(func()).await.unwrap(), "test");
    });
}

// conforms: 30 test_future_cancel_message_getter
// conforms: 30 test_future_cancel_message_setter
// differs: the message is given to cancel, and read from the error; it is not changed afterwards
#[test]
fn a_deferred_keeps_the_message_of_its_cancel() {
    on_loop(|| async {
        let message = |error: DeferredError| match error {
            DeferredError::Cancelled(said) => said.msg().map(str::to_owned),
            other => panic!("{other}"),
        };
        for (given, expected) in [(None, None), (Some("my message"), Some("my message"))] {
            let deferred = Deferred::<()>::new();
            assert!(match given {
                None => deferred.cancel(),
                Some(text) => deferred.cancel_with(text),
            });
            assert!(!deferred.cancel_with("another"));
            let expected = expected.map(str::to_owned);
            assert_eq!(message(deferred.result().unwrap_err()), expected);
            assert_eq!(message((&deferred).await.unwrap_err()), expected);
        }
        // A task's own reaches whoever awaits it.
        let task = create_task(for_ever());
        turn().await;
        task.cancel_with("for the task");
        assert_eq!(said(&task.await.unwrap_err()), Some("for the task"));
    });
}

// conforms: 30 test_context_not_a_context_leaves_loop_usable
// conforms: 30 test_context_already_entered_leaves_loop_usable
// differs: a context may be entered while it is entered elsewhere, so nothing fails
#[test]
fn a_context_that_is_entered_twice_leaves_the_loop_usable() {
    static WORD: corio::ContextVar<&str> = corio::ContextVar::new("word");
    on_loop(|| async {
        let context = corio::Context::new();
        context.run(|| WORD.set("once"));
        let seen = context.run(|| {
            let inner = context.clone();
            context.run(|| corio::task().context(inner).eager(true).spawn(async { WORD.get() }))
        });
        assert_eq!(seen.await.unwrap(), Some("once"));
        assert_eq!(create_task(async { 5 }).await.unwrap(), 5);
    });
}

// conforms: 19 test_asyncgen_finalization_by_gc
// conforms: 19 test_asyncgen_finalization_by_gc_in_other_thread
// differs: destructors run at once, on the thread that drops, and there is no collector to wait for
#[test]
fn what_is_dropped_half_consumed_cleans_up() {
    on_loop(|| async {
        let ledger = Ledger::new();
        for elsewhere in [false, true] {
            // A stream of tasks that has given one of three, and a coroutine that has yielded.
            let mut tasks = JoinSet::new();
            for n in 0..3 {
                let token = ledger.token();
                tasks.spawn(async move {
                    let _token = token;
                    if n > 0 {
                        for_ever().await;
                    }
                });
            }
            tasks.join_next().await.unwrap().unwrap();
            let token = ledger.token();
            let mut coroutine = Coroutine::new(async move {
                let _token = token;
                for_ever().await;
            });
            assert_eq!(coroutine.send(()).unwrap(), CoroState::Yielded);
            assert_eq!(ledger.live(), 3);
            let drops = move || drop((tasks, coroutine));
            if elsewhere {
                corio::to_thread(drops).await.unwrap();
            } else {
                drops();
            }
            while ledger.live() > 0 {
                turn().await;
            }
        }
        assert_eq!(ledger.made(), 8);
    });
}

/// Something that an error carries, and who sees that it has gone.
fn payload() -> (Arc<()>, Weak<()>) {
    let payload = Arc::new(());
    let gone = Arc::downgrade(&payload);
    (payload, gone)
}

/// Waits until it has gone; fails if somebody keeps it.
async fn forgotten(gone: &Weak<()>, what: &str) {
    for _ in 0..1000 {
        if gone.upgrade().is_none() {
            return;
        }
        turn().await;
    }
    panic!("{what}");
}

/// An error that carries something.
#[derive(Debug)]
struct Carries(#[expect(dead_code, reason = "it is there to be dropped")] Arc<()>);

impl fmt::Display for Carries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("carries")
    }
}

impl Error for Carries {}

// conforms: 30 test_future_cancelled_result_refcycles
// conforms: 30 test_future_cancelled_exception_refcycles
// conforms: 30 test_exception_refcycles_parent_task_wr
#[test]
fn an_outcome_that_was_looked_at_holds_nobody() {
    on_loop(|| async {
        // A cancelled deferred, looked at in both ways, with a callback that owns something.
        let (held, gone) = payload();
        let deferred = Deferred::<()>::new();
        deferred.add_done_callback(move |_| drop(held));
        deferred.cancel();
        let errors = (deferred.result().unwrap_err(), deferred.exception().unwrap_err());
        drop(deferred);
        // Its loop calls the callback, and nothing else keeps that.
        forgotten(&gone, "a cancelled deferred keeps its callback").await;
        drop(errors);
        // An error that has crossed a child and its parent.
        let (held, gone) = payload();
        let parent = create_task(async move {
            let child = create_task(async move {
                let failed = Deferred::<()>::new();
                failed.set_exception(Box::new(Carries(held))).unwrap();
                failed.await.unwrap_err()
            });
            child.await.unwrap()
        });
        let watched = parent.task_ref();
        let error = parent.await.unwrap();
        assert_eq!(error.to_string(), "carries");
        drop(error);
        assert!(watched.done());
        forgotten(&gone, "somebody keeps the error").await;
        // A task that is cancelled, and keeps its own handle meanwhile.
        let (held, gone) = payload();
        let (give, take) = oneshot::channel();
        let task = create_task(async move {
            let _own: TaskRef = take.await.unwrap();
            for_ever().await;
            drop(held);
        });
        give.send(task.task_ref()).unwrap();
        turn().await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        forgotten(&gone, "a task that knows itself stays").await;
    });
}

/// A tree of plain awaits that never has to wait; at each leaf only these tasks are there.
fn tree(depth: u32, tasks: Vec<TaskRef>) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    Box::pin(async move {
        if depth == 0 {
            assert_eq!(corio::all_tasks(), tasks);
            return 1;
        }
        let part = || tree(depth - 1, tasks.clone());
        let (one, two, three) = corio::join!(part(), part(), part());
        one + two + three + 1
    })
}

// conforms: 18 test_awaitables_chain
// conforms: 18 test_recursive_gather
// differs: it is join! that makes no task; gather spawns one for each part, unless it is given tasks
#[test]
fn a_tree_that_never_waits_makes_no_task() {
    on_loop(|| async {
        let tasks = corio::all_tasks();
        assert_eq!(poll_once(tree(5, tasks.clone())), Poll::Ready(364));
        assert_eq!(tree(5, tasks).await, 364);
    });
}
