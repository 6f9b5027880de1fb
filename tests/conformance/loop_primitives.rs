//! How many turns of a single loop lie between those that a lock, a queue and their kin let go on: as
//! `loop_hops.rs`.

use std::sync::Arc;

use corio::sync::{Barrier, Condition, Event, Lock, Queue, Semaphore};
use corio::{Task, catch_cancel, wait_for};

use crate::cancellation::ms;
use crate::loop_hops::{plays, ticks};
use crate::support::{task, turn, turns};

async fn all(tasks: impl IntoIterator<Item = Task<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn conditions() {
    plays("conditions", |trace| async move {
        let shared = Arc::new((Lock::new(()), Condition::new()));
        let tasks = ["one", "two", "three"].map(|name| {
            task!([shared, trace] {
                let (lock, condition) = &*shared;
                let mut guard = lock.acquire().await;
                trace.say(format!("{name} waits"));
                condition.wait(&mut guard).await;
                trace.say(format!("{name} goes on"));
            })
        });
        turns(2).await;
        let (lock, condition) = &*shared;
        let guard = lock.acquire().await;
        condition.notify_all(&guard);
        ticks(&trace, 8);
        drop(guard);
        trace.say("released");
        all(tasks).await;
    });
}

#[test]
fn locks_in_turn() {
    plays("locks_in_turn", |trace| async move {
        let lock = Arc::new(Lock::new(()));
        let tasks = ["one", "two", "three"].map(|name| {
            task!([lock, trace] {
                let _guard = lock.acquire().await;
                trace.say(name);
                turn().await;
                trace.say(format!("{name} leaves"));
            })
        });
        ticks(&trace, 8);
        all(tasks).await;
    });
}

#[test]
fn a_lock_whose_next_is_cancelled() {
    plays("a_lock_whose_next_is_cancelled", |trace| async move {
        let lock = Arc::new(Lock::new(()));
        let guard = lock.clone().acquire_owned().await;
        let tasks = ["one", "two"].map(|name| {
            task!([lock, trace] match catch_cancel(lock.acquire()).await {
                Ok(_guard) => trace.say(name),
                Err(_cancelled) => trace.say(format!("{name} cancelled")),
            })
        });
        turn().await;
        drop(guard);
        tasks[0].cancel();
        ticks(&trace, 5);
        all(tasks).await;
    });
}

#[test]
fn a_full_queue() {
    plays("a_full_queue", |trace| async move {
        let queue = Arc::new(Queue::new(1));
        let mut tasks = Vec::from(["one", "two", "three"].map(|name| {
            task!([queue, trace] {
                queue.put(name).await.unwrap();
                trace.say(format!("{name} is in"));
            })
        }));
        turn().await;
        tasks.push(task!([queue, trace] {
            for _ in 0..3 {
                trace.say(format!("got {}", queue.get().await.unwrap()));
            }
        }));
        ticks(&trace, 8);
        all(tasks).await;
    });
}

#[test]
fn a_queue_is_done() {
    plays("a_queue_is_done", |trace| async move {
        let queue = Arc::new(Queue::new(0));
        queue.put_nowait(1).unwrap();
        let tasks = ["one", "two"].map(|name| {
            task!([queue, trace] {
                queue.join().await;
                trace.say(format!("{name} joined"));
            })
        });
        turn().await;
        queue.task_done().unwrap();
        ticks(&trace, 4);
        all(tasks).await;
    });
}

#[test]
fn barriers() {
    plays("barriers", |trace| async move {
        let barrier = Arc::new(Barrier::new(3));
        let passes = |name: &'static str| {
            task!([barrier, trace] {
                barrier.wait().await.unwrap();
                trace.say(format!("{name} passes"));
            })
        };
        let mut tasks = vec![passes("one"), passes("two")];
        turn().await;
        tasks.push(passes("three"));
        ticks(&trace, 6);
        all(tasks).await;
    });
}

#[test]
fn semaphores_in_turn() {
    plays("semaphores_in_turn", |trace| async move {
        let semaphore = Arc::new(Semaphore::new(2));
        let tasks = [0, 1, 2, 3, 4].map(|n| {
            task!([semaphore, trace] {
                let _permit = semaphore.acquire().await.unwrap();
                trace.say(n.to_string());
                turn().await;
            })
        });
        ticks(&trace, 8);
        all(tasks).await;
    });
}

#[test]
fn wait_for_of_an_event() {
    plays("wait_for_of_an_event", |trace| async move {
        let event = Arc::new(Event::new());
        let waiting = task!([event, trace] {
            wait_for(event.wait(), ms(10_000)).await.unwrap();
            trace.say("waited");
        });
        turn().await;
        event.set();
        ticks(&trace, 4);
        waiting.await.unwrap();
        trace.say("main");
    });
}
