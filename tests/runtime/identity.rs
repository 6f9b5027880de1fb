//! Names, numbers and lists of tasks.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;

use corio::{Handle, TaskRef};
use corio_tests::eventually;
use corio_tests::kit::Signal;

use crate::support::{bounded, on_runtime, one_worker, rt, variant, wait};

#[test]
fn a_name_is_the_bodys_type_until_one_is_given() {
    async fn fetch_a_page() {}
    on_runtime(|| async {
        let task = corio::spawn(fetch_a_page());
        assert!(task.name().contains("fetch_a_page"), "{}", task.name());
        task.set_name("first");
        assert_eq!(&*task.name(), "first");
        task.set_name("second".to_owned());
        assert_eq!((&*task.name(), &*task.task_ref().name()), ("second", "second"));
        assert!(format!("{task:?}").contains("name='second'"), "{task:?}");
        task.await.unwrap();
        let built =
            corio::task().name("built").spawn(async { corio::current_task().unwrap().name() });
        assert_eq!((&*built.name(), &*built.await.unwrap()), ("built", "built"));
    });
}

/// asyncio: pending, cancelling, cancelled, finished; what is pending says what it does.
#[test]
fn a_task_shows_how_far_it_is() {
    bounded(|| {
        let runtime = one_worker().build().unwrap();
        let gate = Signal::new();
        let shows = |task: &TaskRef, what: &str| {
            eventually(what, || format!("{task:?}").contains(what).then_some(()));
        };
        let masked = runtime.create_task(corio::defer_cancel(gate.wait()));
        let watched = masked.task_ref();
        shows(&watched, "' waiting");
        watched.cancel();
        shows(&watched, "' cancelling, waiting");
        gate.set();
        assert!(wait(&runtime, masked).is_err());
        shows(&watched, "' cancelled spawned");
        let finished = runtime.create_task(async {});
        let watched = finished.task_ref();
        wait(&runtime, finished).unwrap();
        shows(&watched, "' finished spawned");
    });
}

#[test]
fn a_name_that_was_replaced_is_freed() {
    bounded(|| {
        let runtime = rt();
        let gate = Signal::new();
        let task = runtime.create_task(gate.wait());
        let names: Vec<Arc<str>> = (0..100).map(|i| Arc::from(format!("name {i}"))).collect();
        for name in &names {
            task.set_name(name.clone());
        }
        let (last, replaced) = names.split_last().unwrap();
        for name in replaced {
            assert_eq!(Arc::strong_count(name), 1, "{name} is kept");
        }
        assert_eq!((Arc::strong_count(last), &*task.name()), (2, &**last));
        gate.set();
        wait(&runtime, task).unwrap();
    });
}

#[test]
fn names_may_be_set_and_read_by_many_threads() {
    bounded(|| {
        let runtime = rt();
        let gate = Signal::new();
        let task = runtime.create_task(gate.wait());
        thread::scope(|scope| {
            for i in 0..4 {
                let task = task.task_ref();
                scope.spawn(move || {
                    for j in 0..200 {
                        task.set_name(format!("name {i} {j}"));
                        assert!(task.name().starts_with("name "));
                    }
                });
            }
        });
        gate.set();
        wait(&runtime, task).unwrap();
    });
}

#[test]
fn ids_are_never_used_twice() {
    bounded(|| {
        let runtime = rt();
        let seen = runtime.block_on(async {
            let mut seen = HashSet::new();
            for round in 0..50 {
                let tasks: Vec<_> =
                    (0..100).map(|i| corio::spawn(async move { i + round })).collect();
                for task in tasks {
                    assert!(seen.insert(task.id()), "{} came again", task.id());
                    assert_eq!(task.id(), task.task_ref().id());
                    task.await.unwrap();
                }
            }
            seen
        });
        assert_eq!(seen.len(), 5000);
        // Nor by tasks of a loop's own arena, or of a runtime that is closed.
        let handle = runtime.handle().clone();
        let mut seen = seen;
        for one in handle.loops() {
            let from_within = one.create_pinned_task(|| async {
                (0..100).map(|_| corio::spawn(async {}).id()).collect::<Vec<_>>()
            });
            for id in wait(&runtime, from_within).unwrap() {
                assert!(seen.insert(id), "{id} came again");
            }
        }
        drop(runtime);
        let late: Vec<_> = (0..10).map(|_| handle.create_task(async {})).collect();
        for task in late {
            assert!(seen.insert(task.id()), "{} of a closed runtime came again", task.id());
        }
    });
}

#[test]
fn a_task_knows_itself() {
    on_runtime(|| async {
        let main = corio::current_task().unwrap();
        assert_eq!(&*main.name(), "main");
        let task = corio::spawn(async {
            let before = corio::current_task().unwrap();
            corio::yield_now().await;
            assert_eq!(before, corio::current_task().unwrap());
            before
        });
        let outside = task.task_ref();
        let inside = task.await.unwrap();
        assert!(inside == outside && inside != main && inside.done());
        assert_eq!(HashSet::from([inside.clone(), outside]).len(), 1);
        assert_eq!(main, corio::current_task().unwrap());
        assert_eq!(inside.spawned_at().file(), file!());
    });
}

#[test]
fn there_is_no_task_in_a_callback_nor_in_block_on() {
    bounded(|| {
        let runtime = rt();
        assert!(runtime.block_on(async { corio::current_task() }).is_none());
        let (send, receive) = std::sync::mpsc::channel();
        runtime.handle().call_soon(move || {
            let here = corio::Handle::current();
            send.send((corio::current_task().is_none(), here)).unwrap();
        });
        let (none, here) = receive.recv().unwrap();
        assert!(none && here == *runtime.handle());
    });
}

#[test]
fn all_tasks_lists_those_that_have_not_ended() {
    bounded(|| {
        let runtime = rt();
        let gate = Signal::new();
        let tasks: Vec<_> = (0..300).map(|_| runtime.create_task(gate.wait())).collect();
        let done = runtime.create_task(async {});
        eventually("a task's end", || done.done().then_some(()));
        let expected: HashSet<TaskRef> = tasks.iter().map(|task| task.task_ref()).collect();
        let listed: HashSet<TaskRef> = runtime.handle().all_tasks().into_iter().collect();
        assert_eq!(listed, expected);
        assert_eq!(runtime.handle().metrics().tasks, 300);
        let inside = runtime.create_task(async { corio::all_tasks().len() });
        assert_eq!(wait(&runtime, inside).unwrap(), 301, "and the one that asks");
        gate.set();
        for task in tasks {
            wait(&runtime, task).unwrap();
        }
        assert!(runtime.handle().all_tasks().is_empty());
    });
}

#[test]
fn all_tasks_of_a_loop_are_those_pinned_to_it() {
    bounded(|| {
        let runtime = rt();
        let gate = Signal::new();
        let loops = runtime.handle().loops();
        assert_eq!(loops.len(), variant().workers);
        drop(runtime.create_task(gate.wait()));
        for (i, one) in loops.iter().enumerate() {
            for _ in 0..=i {
                drop(one.create_task(gate.wait()));
            }
        }
        for (i, one) in loops.iter().enumerate() {
            assert_eq!(one.all_tasks().len(), i + 1);
            assert!(*one != *runtime.handle() && *one == one.clone());
        }
    });
}

#[test]
fn walkers_and_spawners_do_not_harm_each_other() {
    bounded(|| {
        let runtime = rt();
        let stop = Signal::new();
        let walkers: Vec<_> = (0..2)
            .map(|_| {
                let (handle, stop) = (runtime.handle().clone(), stop.clone());
                thread::spawn(move || {
                    let mut seen = 0;
                    while !stop.is_set() {
                        for task in handle.all_tasks() {
                            seen += usize::from(!task.name().is_empty());
                            let _ = (task.status(), task.stack(None), task.spawned_at());
                        }
                    }
                    seen
                })
            })
            .collect();
        for round in 0..300 {
            let tasks: Vec<_> = (0..20)
                .map(|i| {
                    let padding = vec![0_u8; i];
                    runtime.create_task(async move {
                        corio::task().name("child").spawn(async move {
                            corio::yield_now().await;
                            padding.len()
                        })
                    })
                })
                .collect();
            for task in tasks {
                let child = wait(&runtime, task).unwrap();
                if round % 2 == 0 {
                    wait(&runtime, child).unwrap();
                }
            }
        }
        stop.set();
        assert!(walkers.into_iter().map(|walker| walker.join().unwrap()).sum::<usize>() > 0);
    });
}

#[test]
fn a_task_names_its_runtime() {
    bounded(|| {
        let (one, other) = (rt(), rt());
        let task = one.create_task(async { Handle::current() });
        assert!(task.get_loop() == *one.handle() && task.get_loop() != *other.handle());
        assert!(wait(&one, task).unwrap() == *one.handle());
        assert!(Handle::try_current().is_err());
        assert_eq!(Handle::try_current().unwrap_err(), Handle::try_current().unwrap_err());
    });
}
