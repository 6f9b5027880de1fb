//! Where a task is: status, stack, and what is printed of it.

use std::time::Duration;

use corio::TaskStatus;
use corio_tests::eventually;
use corio_tests::kit::Signal;

use crate::support::{bounded, on_one_worker, rt};

/// The status of a task once it waits.
#[track_caller]
fn waiting_at(task: &corio::TaskRef) -> Option<corio::Frame> {
    eventually("the task's wait", || match task.status() {
        TaskStatus::Waiting(frame) => Some(frame),
        _ => None,
    })
}

#[test]
fn a_waiting_task_tells_what_it_waits_for_and_where() {
    bounded(|| {
        let runtime = rt();
        let hour = Duration::from_secs(3600);
        let line = line!() + 1;
        let sleeper = runtime.create_task(async move { corio::sleep(hour).await });
        let frame = waiting_at(&sleeper.task_ref()).expect("a sleep says where it is");
        assert_eq!((frame.what, frame.at.file(), frame.at.line()), ("sleep", file!(), line));
        let stack = sleeper.stack(None);
        assert_eq!((stack.len(), stack[0]), (2, frame));
        assert_eq!((stack[1].what, stack[1].at.line()), ("spawned", line));
        assert_eq!((sleeper.stack(Some(1)), sleeper.stack(Some(0)).len()), (vec![frame], 0));
        let mut printed = Vec::new();
        sleeper.print_stack(None, Some(&mut printed)).unwrap();
        let printed = String::from_utf8(printed).unwrap();
        assert!(printed.starts_with("Stack for <Task "), "{printed}");
        assert!(printed.contains(&format!("sleep at {}:{line}:", file!())), "{printed}");
        assert!(printed.contains("spawned at "), "{printed}");
        let debug = format!("{:?}", sleeper.task_ref());
        assert!(debug.contains("waiting for sleep at "), "{debug}");
    });
}

#[test]
fn waits_for_tasks_and_ticks_are_named_too() {
    bounded(|| {
        let runtime = rt();
        let mut waits = Vec::new();
        let inner = runtime.create_task(std::future::pending::<()>());
        let seen = std::sync::Arc::new(runtime.create_task(std::future::pending::<()>()));
        waits.push(runtime.create_task(async move { drop(inner.await) }));
        waits.push(runtime.create_task(async move { assert!((&*seen).await.is_ok()) }));
        waits.push(runtime.create_task(async {
            let mut interval = corio::interval(Duration::from_secs(3600));
            interval.tick().await;
            interval.tick().await;
        }));
        waits.push(runtime.create_task(async {
            let limit = Duration::from_secs(3600);
            let _ = corio::timeout(limit, std::future::pending::<()>()).await;
        }));
        let mut kinds = Vec::new();
        for task in &waits {
            let frame = waiting_at(&task.task_ref()).expect("the wait says where it is");
            assert_eq!(frame.at.file(), file!());
            kinds.push(frame.what);
        }
        assert_eq!(kinds[0], kinds[1], "both wait for a task");
        let distinct: std::collections::HashSet<_> = kinds.iter().collect();
        assert_eq!(distinct.len(), 3, "{kinds:?}");
    });
}

#[test]
fn a_wait_of_somebody_elses_future_has_no_place() {
    bounded(|| {
        let runtime = rt();
        let gate = Signal::new();
        let task = runtime.create_task(gate.wait());
        assert_eq!(waiting_at(&task.task_ref()), None);
        assert_eq!(task.stack(None).len(), 1);
        gate.set();
        eventually("its end", || (task.task_ref().status() == TaskStatus::Done).then_some(()));
        assert!(format!("{task:?}").contains(" finished "), "{task:?}");
    });
}

#[test]
fn an_old_place_is_not_told_of_a_later_wait() {
    bounded(|| {
        let runtime = rt();
        let gate = Signal::new();
        let wait = gate.wait();
        let task = runtime.create_task(async move {
            corio::sleep(Duration::from_millis(1)).await;
            wait.await;
        });
        eventually("the second wait", || {
            (task.task_ref().status() == TaskStatus::Waiting(None)).then_some(())
        });
    });
}

#[test]
fn ready_and_running_tasks_are_told_apart() {
    on_one_worker(|| async {
        let task = corio::spawn(async { corio::current_task().unwrap().status() });
        assert_eq!(task.task_ref().status(), TaskStatus::Scheduled);
        assert_eq!(task.await.unwrap(), TaskStatus::Running);
    });
}
