//! Context variables: test_tasks.py, test_context.py, test_futures2.py.

use std::sync::{Arc, Mutex};

use corio::sync::Deferred;
use corio::{Context, ContextVar, ErrorContext, copy_context};

use crate::support::{on_loop, turn, turns, with_loop};

static WORD: ContextVar<&str> = ContextVar::with_default("word", "nope");
static NUMBER: ContextVar<usize> = ContextVar::new("number");

fn word() -> &'static str {
    WORD.get().unwrap()
}

// conforms: 5 test_context_1
#[test]
fn test_context_1() {
    on_loop(|| async {
        let sub = || async {
            turn().await;
            assert_eq!(word(), "nope");
            WORD.set("something else");
            turn().await;
            assert_eq!(word(), "something else");
        };
        assert_eq!(word(), "nope");
        let task = corio::create_task(sub());
        WORD.set("yes");
        assert_eq!(word(), "yes");
        task.await.unwrap();
        assert_eq!(word(), "yes");
    });
}

// conforms: 5 test_context_2
#[test]
fn test_context_2() {
    on_loop(|| async {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let deferred = Deferred::new();
        let (says, setter) = (heard.clone(), deferred.clone());
        let task = corio::create_task(async move {
            assert_eq!(word(), "nope");
            WORD.set("in main");
            let inside = says.clone();
            deferred.add_done_callback(move |_| {
                inside.lock().unwrap().push(word());
                WORD.set("in a callback");
                inside.lock().unwrap().push(word());
            });
            WORD.set("after the callback was added");
            (&deferred).await.unwrap();
            turns(3).await;
            says.lock().unwrap().push(word());
        });
        turn().await;
        corio::Handle::current().call_soon(move || setter.set_result(()).unwrap());
        task.await.unwrap();
        assert_eq!(
            *heard.lock().unwrap(),
            ["in main", "in a callback", "after the callback was added"]
        );
    });
}

// conforms: 5 test_context_3
// conforms: 5 test_asyncio_task_decimal_context
#[test]
fn test_context_3() {
    on_loop(|| async {
        let sub = |number: usize| async move {
            NUMBER.set(number);
            for round in 0..10 {
                assert_eq!(NUMBER.get(), Some(number + round));
                NUMBER.set(number + round + 1);
                turn().await;
            }
            NUMBER.get()
        };
        let tasks: Vec<_> = (0..100).map(|i| corio::create_task(sub(i * 100))).collect();
        for (i, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), Some(i * 100 + 10));
        }
        assert_eq!(NUMBER.get(), None);
    });
}

// conforms: 5 test_context_4
// conforms: 5 test_context_5
// conforms: 5 test_context_6
#[test]
fn an_explicit_context_is_shared() {
    on_loop(|| async {
        let context = copy_context();
        let sub = |new: &'static str| async move {
            let old = word();
            WORD.set(new);
            turn().await;
            old
        };
        let spawn = |new| corio::task().context(context.clone()).spawn(sub(new));
        assert_eq!(spawn("first").await.unwrap(), "nope");
        assert_eq!((context.get(&WORD), word()), (Some("first"), "nope"));
        assert_eq!(spawn("second").await.unwrap(), "first");
        context.run(|| WORD.set("third"));
        let local = corio::task().context(context.clone()).spawn_local(sub("fourth"));
        assert_eq!(local.await.unwrap(), "third");
        assert_eq!(context.get(&WORD), Some("fourth"));
    });
}

/// The word that the exception handler sees, for each call.
fn words_of_the_handler(handle: &corio::Handle) -> Arc<Mutex<Vec<&'static str>>> {
    let words = Arc::new(Mutex::new(Vec::new()));
    let says = words.clone();
    handle.set_exception_handler(Some(Arc::new(move |_, _: &ErrorContext| {
        says.lock().unwrap().push(word());
    })));
    words
}

// conforms: 5 test_task_exc_handler_correct_context
// conforms: 5 test_handle_exc_handler_correct_context
#[test]
fn an_exception_handler_runs_in_the_context_of_what_failed() {
    with_loop(|event_loop| {
        let words = words_of_the_handler(event_loop);
        event_loop
            .run_until_complete(async {
                let task = corio::create_task(async {
                    WORD.set("of the task");
                    panic!("no luck");
                });
                drop(task);
                turns(2).await;
                WORD.set("of the callback");
                corio::Handle::current().call_soon(|| panic!("no luck either"));
                WORD.set("of main");
                turns(2).await;
            })
            .unwrap();
        assert_eq!(*words.lock().unwrap(), ["of the task", "of the callback"]);
    });
}

// conforms: 5 test_future_traceback
#[test]
fn an_error_is_the_same_however_often_it_is_awaited() {
    on_loop(|| async {
        let task = corio::create_task(async { panic!("no luck") });
        let first: Result<&(), _> = (&task).await;
        let first = first.unwrap_err().to_string();
        for _ in 0..3 {
            let again: Result<&(), _> = (&task).await;
            assert_eq!(again.unwrap_err().to_string(), first);
        }
    });
}

// conforms: 5 test_recursive_repr_for_pending_tasks
#[test]
fn what_holds_itself_is_shown() {
    on_loop(|| async {
        let task = corio::create_task(std::future::pending::<()>());
        let own = task.task_ref();
        task.add_done_callback(move |_| drop(own));
        let deferred = Deferred::<()>::new();
        let own = deferred.clone();
        let callback = deferred.add_done_callback(move |_| drop(own));
        assert!(format!("{task:?} {deferred:?}").len() < 500);
        assert!(deferred.remove_done_callback(callback));
        task.abort();
    });
}

// Beyond the rows: tokens, callbacks, threads and nested contexts.
#[test]
fn tokens_set_back_in_their_own_context_alone() {
    on_loop(|| async {
        let first = WORD.set("one");
        let second = WORD.set("two");
        assert_eq!((first.old_value(), second.old_value()), (None, Some("one")));
        let other = ContextVar::<&str>::new("other");
        let refused = other.reset(second).unwrap_err();
        assert!(refused.to_string().contains("another variable"), "{refused}");
        let token = refused.into_token();
        let refused = Context::new().run(|| WORD.reset(token)).unwrap_err();
        assert!(refused.to_string().contains("another context"), "{refused}");
        WORD.reset(refused.into_token()).unwrap();
        assert_eq!(word(), "one");
        WORD.reset(first).unwrap();
        assert_eq!((word(), Context::current().len()), ("nope", 0));
    });
}

#[test]
fn each_callback_has_a_context_of_its_own() {
    on_loop(|| async {
        let words = Arc::new(Mutex::new(Vec::new()));
        let says = |set: &'static str| {
            let words = words.clone();
            move || {
                words.lock().unwrap().push(word());
                WORD.set(set);
                words.lock().unwrap().push(word());
            }
        };
        let handle = corio::Handle::current();
        handle.call_soon(says("first"));
        handle.call_later(std::time::Duration::ZERO, says("second"));
        WORD.set("of main");
        handle.call_soon(says("third"));
        // The timer's call comes when the loop looks at its timers, which need not be in three turns.
        while words.lock().unwrap().len() < 6 {
            corio::sleep(std::time::Duration::from_millis(1)).await;
        }
        turns(3).await;
        let mut words = words.lock().unwrap().clone();
        words.sort_unstable();
        assert_eq!(words, ["first", "nope", "nope", "of main", "second", "third"]);
        assert_eq!(word(), "of main");
    });
}

#[test]
fn a_block_in_place_stays_in_the_tasks_context() {
    corio::run(async {
        let task = corio::create_task(async {
            WORD.set("outside");
            corio::block_in_place(|| {
                assert_eq!(word(), "outside");
                WORD.set("inside");
            });
            word()
        });
        assert_eq!(task.await.unwrap(), "inside");
    });
}

#[test]
fn a_shared_context_is_set_by_many_threads() {
    let context = Context::new();
    let vars: Vec<_> = (0..4).map(|_| Arc::new(ContextVar::new("v"))).collect();
    let threads: Vec<_> = vars
        .iter()
        .map(|var| {
            let (context, var) = (context.clone(), Arc::clone(var));
            std::thread::spawn(move || {
                for i in 0..100 {
                    context.run(|| var.set(i));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(vars.iter().all(|var| context.get(var) == Some(99)));
    assert_eq!(context.len(), 4);
}
