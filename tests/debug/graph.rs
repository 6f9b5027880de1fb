//! Who awaits whom, through each of the compositions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use corio::{ReturnWhen, Runtime, Task, TaskRef, capture_call_graph};
use corio_tests::eventually;

use crate::support::{HOUR, bounded, waits};

fn rt() -> Runtime {
    corio::Builder::new().workers(2).build().expect("a runtime")
}

fn sleeper(runtime: &Runtime, name: &'static str) -> Task<()> {
    corio::task().name(name).spawn_on(runtime.handle(), async { corio::sleep(HOUR).await })
}

fn awaiters(task: &TaskRef) -> BTreeSet<String> {
    let graph = capture_call_graph(Some(task)).expect("a task was given");
    graph.awaited_by().map(|task| task.name().to_string()).collect()
}

/// Waits until just these tasks await `task`.
#[track_caller]
fn awaited_by(task: &TaskRef, names: &[&str]) {
    let wanted: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
    eventually(&format!("the awaiters {names:?}"), || (awaiters(task) == wanted).then_some(()));
}

#[test]
fn each_composition_leaves_its_edge() {
    bounded(|| {
        let runtime = rt();
        macro_rules! edge {
            ($name:literal, $child:ident => $body:expr) => {{
                let $child = sleeper(&runtime, "child");
                let child = $child.task_ref();
                let parent = corio::task().name($name).spawn_on(runtime.handle(), async move {
                    let _ended = $body.await;
                });
                awaited_by(&child, &[$name]);
                parent.abort();
                awaited_by(&child, &[]);
                child.abort();
            }};
        }
        edge!("plain", child => child);
        edge!("gather", child => corio::gather([child]));
        edge!("gather_all", child => corio::gather_all([child]));
        edge!("wait", child => corio::wait(vec![child], ReturnWhen::AllCompleted, None));
        edge!("shield", child => corio::shield(child));
        edge!("timeout", child => corio::timeout(HOUR, child));
        edge!("wait_for", child => corio::wait_for(child, HOUR));
        edge!("observe", child => async move { (&child).await.is_ok() });
        edge!("as_completed", child => async move {
            drop(corio::as_completed([child]).next().await);
        });
    });
}

#[test]
fn the_children_of_a_group_are_awaited_by_its_task() {
    bounded(|| {
        let runtime = rt();
        let (give, take) = std::sync::mpsc::channel();
        let line = line!() + 2;
        let parent = corio::task().name("group").spawn_on(runtime.handle(), async move {
            let group = corio::task_group(async move |group: corio::TaskGroup<()>| {
                let child = group.create_task(async { corio::sleep(HOUR).await }).unwrap();
                give.send(child.task_ref()).unwrap();
                Ok(())
            });
            drop(group.await);
        });
        let child = take.recv().unwrap();
        awaited_by(&child, &["group"]);
        let frame = waits(&parent.task_ref());
        assert_eq!((frame.what, frame.at.line()), ("a task group", line));
        parent.cancel();
        eventually("the end", || parent.done().then_some(()));
        assert!(child.done());
    });
}

#[test]
fn what_survives_a_gather_is_awaited_by_nobody() {
    bounded(|| {
        let runtime = rt();
        let survivor = sleeper(&runtime, "survivor");
        let task = survivor.task_ref();
        let parent = corio::task().name("gone").spawn_on(runtime.handle(), async move {
            let fails = corio::create_task(async {
                corio::sleep(Duration::from_millis(5)).await;
                std::panic::resume_unwind(Box::new("fails"));
            });
            assert!(corio::gather([survivor, fails]).await.is_err());
            corio::sleep(HOUR).await;
        });
        awaited_by(&task, &[]);
        eventually("the parent's last wait", || {
            let waits = parent.stack(Some(1)).first().is_some_and(|frame| frame.what == "sleep");
            waits.then_some(())
        });
        assert!(!task.done(), "it goes on");
        awaited_by(&task, &[]);
        drop((parent, task));
    });
}

#[test]
fn a_task_lists_all_that_await_it_and_the_chain_above_them() {
    bounded(|| {
        let runtime = rt();
        let shared = Arc::new(sleeper(&runtime, "shared"));
        let child = shared.task_ref();
        let middle = |name| {
            let shared = shared.clone();
            corio::task()
                .name(name)
                .spawn_on(runtime.handle(), async move { (&*shared).await.is_ok() })
        };
        let (one, two) = (middle("one"), middle("two"));
        let top = corio::task().name("top").spawn_on(runtime.handle(), async move {
            drop(one.await);
        });
        awaited_by(&child, &["one", "two"]);
        let graph = eventually("the whole graph", || {
            let graph = capture_call_graph(Some(&child))?;
            (graph.entries().len() == 4).then_some(graph)
        });
        let depths: Vec<_> =
            graph.entries().iter().map(|e| (e.depth, e.task.name().to_string())).collect();
        assert_eq!(depths[0], (0, "shared".to_owned()));
        let at = depths.iter().position(|(_, name)| name == "one").unwrap();
        assert_eq!(depths[at + 1], (2, "top".to_owned()));
        assert!(depths.contains(&(1, "two".to_owned())));
        waits(&child);
        let text = corio::format_call_graph(Some(&child));
        let first: Vec<&str> = text.lines().take(4).collect();
        assert_eq!(first[0], format!("* Task(name='shared', id={})", child.id()));
        assert_eq!(first[1], "  + Call stack:");
        assert!(first[2].starts_with("  |   sleep at tests/debug/graph.rs:"), "{text}");
        assert!(first[3].starts_with("  |   spawned at tests/debug/graph.rs:"), "{text}");
        assert!(text.contains("\n  + Awaited by:\n    * Task(name='"), "{text}");
        assert!(text.contains("\n      + Awaited by:\n        * Task(name='top', "), "{text}");
        let mut printed = Vec::new();
        corio::print_call_graph(Some(&child), Some(&mut printed)).unwrap();
        assert_eq!(String::from_utf8(printed).unwrap(), corio::format_call_graph(Some(&child)));
        drop((top, two));
    });
}

#[test]
fn a_circle_ends_where_it_began() {
    bounded(|| {
        let runtime = rt();
        let make = |name: &'static str| {
            let (give, take) = corio::sync::oneshot::channel::<Arc<Task<()>>>();
            let task = corio::task().name(name).spawn_on(runtime.handle(), async move {
                let other = take.await.unwrap();
                (&*other).await.unwrap();
            });
            (give, Arc::new(task))
        };
        let ((give_one, one), (give_two, two)) = (make("one"), make("two"));
        give_one.send(two.clone()).unwrap();
        give_two.send(one.clone()).unwrap();
        awaited_by(&one.task_ref(), &["two"]);
        awaited_by(&two.task_ref(), &["one"]);
        let graph = capture_call_graph(Some(&one.task_ref())).unwrap();
        let again: Vec<_> = graph.entries().iter().map(|entry| entry.again).collect();
        assert_eq!(again, [false, false, true]);
        assert!(graph.to_string().ends_with("+ as above\n"), "{graph}");
        one.abort();
        two.abort();
    });
}

#[test]
fn an_ended_task_has_a_name_and_no_stack() {
    bounded(|| {
        let runtime = rt();
        let task = corio::task().name("ended").spawn_on(runtime.handle(), async {});
        eventually("its end", || task.done().then_some(()));
        assert_eq!(task.stack(None), []);
        let mut printed = Vec::new();
        task.print_stack(None, Some(&mut printed)).unwrap();
        let printed = String::from_utf8(printed).unwrap();
        assert!(printed.starts_with("No stack for <Task ") && printed.contains("'ended'"));
        let graph = capture_call_graph(Some(&task.task_ref())).unwrap();
        assert_eq!(graph.to_string(), format!("* Task(name='ended', id={})\n", task.id()));
    });
}

#[test]
fn a_task_captures_its_own_chain_and_a_callback_has_none() {
    bounded(|| {
        let runtime = rt();
        let (said, heard) = std::sync::mpsc::channel();
        runtime.handle().call_soon(move || said.send(capture_call_graph(None).is_none()).unwrap());
        assert!(heard.recv().unwrap());
        let chain = runtime.block_on(async {
            let inner = corio::task().name("inner").spawn(async {
                corio::sleep(Duration::from_millis(1)).await;
                eventually("the awaiter", || {
                    let graph = capture_call_graph(None)?;
                    let by = graph.awaited_by().next().map(|task| task.name().to_string());
                    by.map(|by| (graph.task().name().to_string(), by))
                })
            });
            let outer = corio::task().name("outer").spawn(async { inner.await.unwrap() });
            outer.await.unwrap()
        });
        assert_eq!(chain, ("inner".to_owned(), "outer".to_owned()));
    });
}
