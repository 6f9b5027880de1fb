//! Tasks that await each other in a circle: a cancel goes round in it, and ends them.

use std::sync::{Arc, Mutex};

use corio::{
    Task, TaskError, TaskRef, catch_cancel, create_task, gather, gather_all, sleep, sync::Barrier,
};

use crate::support::ms;

type Slot = Arc<Mutex<Option<Task<()>>>>;

/// How a task of the circle awaits the next one.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Await,
    Gather,
    Macro,
    Scope,
}

async fn awaits(next: Slot, by: By) -> Result<(), TaskError> {
    let next = next.lock().unwrap().take().expect("each is awaited once");
    match by {
        By::Await => next.await,
        By::Gather => gather([next]).await.map(drop),
        By::Macro => corio::gather!(next).await.map(drop),
        By::Scope => match catch_cancel(next).await {
            Ok(ended) => ended,
            Err(cancelled) => cancelled.raise().await,
        },
    }
}

/// A circle of so many tasks.
async fn circle(count: usize, by: By) -> Vec<TaskRef> {
    // Another worker may have begun the first before the last is there.
    let all_there = Arc::new(Barrier::new(count + 1));
    let slots: Vec<Slot> = (0..count).map(|_| Slot::default()).collect();
    let mut tasks = Vec::new();
    for (i, slot) in slots.iter().enumerate() {
        let next = slots[(i + 1) % count].clone();
        let here = all_there.clone();
        let task = create_task(async move {
            here.wait().await.expect("nobody breaks it");
            _ = awaits(next, by).await;
        });
        tasks.push(task.task_ref());
        *slot.lock().unwrap() = Some(task);
    }
    all_there.wait().await.expect("nobody breaks it");
    tasks
}

async fn ends_by_a_cancel(by: By) {
    for count in [2, 3, 10] {
        let tasks = circle(count, by).await;
        sleep(ms(1)).await;
        assert!(tasks.iter().all(|task| !task.done()));
        assert!(tasks[0].cancel());
        for _ in 0..10_000 {
            if tasks.iter().all(TaskRef::done) {
                break;
            }
            sleep(ms(1)).await;
        }
        for (i, task) in tasks.iter().enumerate() {
            assert!(task.done(), "number {i} of {count} waits for ever");
        }
        assert!(tasks.iter().any(TaskRef::cancelled));
    }
}

#[test]
fn a_cancel_ends_a_circle() {
    for by in [By::Await, By::Gather, By::Macro, By::Scope] {
        for seed in 0..4 {
            corio::sim::run(seed, ends_by_a_cancel(by));
        }
        let event_loop = &mut corio::new_event_loop().unwrap();
        event_loop.run_until_complete(ends_by_a_cancel(by)).unwrap();
        corio::run(ends_by_a_cancel(by));
    }
}

#[test]
fn a_runtime_ends_with_a_circle_in_it() {
    for by in [By::Await, By::Gather, By::Macro, By::Scope] {
        corio::run(async move {
            circle(3, by).await;
            sleep(ms(1)).await;
        });
    }
}

#[test]
fn a_stubborn_task_is_awaited_however_often_it_takes_a_cancel_back() {
    corio::sim::run(1, async {
        let stubborn = create_task(async {
            for _ in 0..200 {
                if let Err(cancelled) = catch_cancel(std::future::pending::<()>()).await {
                    cancelled.suppress();
                }
            }
            7
        });
        let waits = create_task(async { gather_all([stubborn]).await.remove(0).unwrap() });
        sleep(ms(1)).await;
        for _ in 0..200 {
            assert!(waits.cancel());
            sleep(ms(1)).await;
        }
        let error = waits.await.unwrap_err();
        assert!(error.is_cancelled(), "a gather goes on with the cancel when all have ended");
    });
}
