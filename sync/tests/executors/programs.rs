//! The programs that every executor runs: the same tasks, the same results.
//!
//! The file is part of two test programs, one for each name of the primitives: corio-sync's and the
//! facade's. Each says which executors it has (`executors`) and what the primitives are (`sync`).

use super::executors;
use super::sync::{
    Barrier, BoundedSemaphore, CancelToken, Condition, Event, LifoQueue, Lock, Notify, OnceCell,
    PriorityQueue, Queue, RwLock, Semaphore, SetOnce, broadcast, mpsc, oneshot, watch,
};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs tasks at the same time until all are done; a panic in one fails the test.
pub trait Executor: Send {
    fn run(&self, tasks: Vec<Task>);
}

/// Calls a test with each executor.
fn everywhere(test: impl Fn(&dyn Executor)) {
    for executor in executors() {
        test(&*executor);
    }
}

/// Runs what `tasks` makes on all executors at the same time.
fn at_once(mut tasks: impl FnMut(usize) -> Vec<Task>) {
    std::thread::scope(|scope| {
        for (number, executor) in executors().into_iter().enumerate() {
            let tasks = tasks(number);
            scope.spawn(move || executor.run(tasks));
        }
    });
}

/// Clones of a shared value, one per task.
fn tasks<T: Send + Sync + 'static, F>(
    count: usize,
    shared: &Arc<T>,
    task: fn(usize, Arc<T>) -> F,
) -> Vec<Task>
where
    F: Future<Output = ()> + Send + 'static,
{
    (0..count).map(|number| Box::pin(task(number, shared.clone())) as Task).collect()
}

/// Lets others run: an executor may have one thread.
async fn step_back() {
    let mut first = true;
    std::future::poll_fn(|cx| {
        if std::mem::take(&mut first) {
            cx.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(())
    })
    .await;
}

const TASKS: usize = 8;
const ROUNDS: usize = 500;

#[test]
fn locks_exclude() {
    everywhere(|executor| {
        for lock in [Lock::new(0), Lock::new_unfair(0)] {
            let lock = Arc::new(lock);
            executor.run(tasks(TASKS, &lock, |_, lock| async move {
                for _ in 0..ROUNDS {
                    let mut guard = lock.acquire().await;
                    let seen = *guard;
                    *guard = std::hint::black_box(seen) + 1;
                }
            }));
            assert_eq!(*lock.try_acquire().unwrap(), TASKS * ROUNDS);
        }
    });
}

#[test]
fn readers_share_and_writers_exclude() {
    everywhere(|executor| {
        let lock = Arc::new(RwLock::new((0, 0)));
        executor.run(tasks(TASKS, &lock, |number, lock| async move {
            for _ in 0..ROUNDS {
                if number < 2 {
                    let mut guard = lock.write().await;
                    guard.0 += 1;
                    guard.1 += 1;
                } else {
                    let guard = lock.read().await;
                    assert_eq!(guard.0, guard.1);
                }
            }
        }));
        assert_eq!(*lock.try_read().unwrap(), (2 * ROUNDS, 2 * ROUNDS));
    });
}

#[test]
fn semaphores_conserve_permits() {
    everywhere(|executor| {
        let shared = Arc::new((Semaphore::new(3), AtomicUsize::new(0)));
        executor.run(tasks(TASKS, &shared, |number, shared| async move {
            let (semaphore, inside) = &*shared;
            for round in 0..ROUNDS {
                let n = 1 + (number + round) % 3;
                let permits = semaphore.acquire_many(n).await.unwrap();
                assert!(inside.fetch_add(n, Relaxed) + n <= 3);
                inside.fetch_sub(n, Relaxed);
                drop(permits);
            }
        }));
        assert_eq!(shared.0.available_permits(), 3);
    });
}

#[test]
fn bounded_semaphores_refuse_what_is_too_much() {
    everywhere(|executor| {
        let semaphore = Arc::new(BoundedSemaphore::new(2));
        executor.run(tasks(TASKS, &semaphore, |number, semaphore| async move {
            for _ in 0..ROUNDS {
                let mut permits =
                    semaphore.clone().acquire_many_owned(1 + number % 2).await.unwrap();
                let one = permits.split(1).unwrap();
                drop(permits);
                one.forget();
                semaphore.release(1).unwrap();
            }
        }));
        assert_eq!(semaphore.available_permits(), 2);
        assert!(semaphore.release(1).is_err());
    });
}

#[test]
fn barriers_meet_in_rounds() {
    everywhere(|executor| {
        let shared = Arc::new((Barrier::new(TASKS), AtomicUsize::new(0)));
        executor.run(tasks(TASKS, &shared, |_, shared| async move {
            let (barrier, leaders) = &*shared;
            for round in 1..=50 {
                let result = barrier.wait().await.unwrap();
                leaders.fetch_add(usize::from(result.is_leader()), Relaxed);
                barrier.wait().await.unwrap();
                assert_eq!(leaders.load(Relaxed), round);
            }
        }));
    });
}

#[test]
fn conditions_hand_items_over() {
    everywhere(|executor| {
        let shared = Arc::new((Lock::new(0), Condition::new()));
        executor.run(tasks(TASKS, &shared, |number, shared| async move {
            let (items, changed) = &*shared;
            for _ in 0..ROUNDS {
                let mut guard = items.acquire().await;
                if number % 2 == 0 {
                    *guard += 1;
                    changed.notify(&guard, 1);
                } else {
                    changed.wait_for(&mut guard, |items| *items > 0).await;
                    *guard -= 1;
                }
            }
        }));
        assert_eq!(*shared.0.try_acquire().unwrap(), 0);
    });
}

#[test]
fn events_and_tokens_reach_everybody() {
    everywhere(|executor| {
        let shared = Arc::new((Event::new(), CancelToken::new(), SetOnce::new()));
        let token = shared.1.clone();
        executor.run(tasks(TASKS, &shared, |number, shared| async move {
            let (event, token, answer) = &*shared;
            if number == 0 {
                event.set();
                answer.set(7).unwrap();
                token.cancel();
            } else {
                event.wait().await;
                assert_eq!(*answer.wait().await, 7);
                token.child().cancelled().await;
            }
        }));
        assert!(token.is_cancelled());
    });
}

#[test]
fn notifications_are_conserved() {
    everywhere(|executor| {
        let shared = Arc::new((Notify::new(), AtomicUsize::new(0)));
        executor.run(tasks(2, &shared, |number, shared| async move {
            let (notify, received) = &*shared;
            for round in 0..ROUNDS {
                if number == 0 {
                    notify.notify_one();
                    while received.load(Relaxed) <= round {
                        step_back().await;
                    }
                } else {
                    notify.notified().await;
                    received.fetch_add(1, Relaxed);
                }
            }
        }));
    });
}

#[test]
fn cells_are_filled_once() {
    everywhere(|executor| {
        let shared = Arc::new((OnceCell::new(), AtomicUsize::new(0)));
        executor.run(tasks(TASKS, &shared, |number, shared| async move {
            let (cell, made) = &*shared;
            let init = || async {
                made.fetch_add(1, Relaxed);
                number
            };
            let value = *cell.get_or_init(init).await;
            assert_eq!(cell.get(), Some(&value));
        }));
        assert_eq!(shared.1.load(Relaxed), 1);
    });
}

#[test]
fn queues_conserve_items() {
    everywhere(|executor| {
        for maxsize in [0, 1, 7] {
            let shared =
                Arc::new((Queue::new(maxsize), LifoQueue::new(maxsize), AtomicUsize::new(0)));
            executor.run(tasks(TASKS, &shared, |number, shared| async move {
                let (fifo, lifo, sum) = &*shared;
                for round in 0..ROUNDS {
                    if number % 2 == 0 {
                        fifo.put(round).await.unwrap();
                        lifo.put(round).await.unwrap();
                    } else {
                        sum.fetch_add(fifo.get().await.unwrap(), Relaxed);
                        sum.fetch_add(lifo.get().await.unwrap(), Relaxed);
                        fifo.task_done().unwrap();
                    }
                }
                fifo.join().await;
            }));
            assert_eq!(shared.2.load(Relaxed), TASKS * ROUNDS * (ROUNDS - 1) / 2);
            assert!(shared.0.empty() && shared.1.empty());
        }
    });
}

#[test]
fn priority_queues_give_the_smallest_first() {
    everywhere(|executor| {
        let shared = Arc::new((PriorityQueue::new(0), AtomicUsize::new(0)));
        executor.run(tasks(TASKS, &shared, |number, shared| async move {
            let (queue, sum) = &*shared;
            for round in 0..ROUNDS {
                if number % 2 == 0 {
                    queue.put(round).await.unwrap();
                } else {
                    sum.fetch_add(queue.get().await.unwrap(), Relaxed);
                }
            }
        }));
        assert_eq!(shared.1.load(Relaxed), TASKS / 2 * ROUNDS * (ROUNDS - 1) / 2);
        let shared = Arc::new(PriorityQueue::new(0));
        executor.run(tasks(TASKS, &shared, |number, queue| async move {
            for round in 0..ROUNDS {
                queue.put(round * TASKS + number).await.unwrap();
            }
        }));
        for expected in 0..TASKS * ROUNDS {
            assert_eq!(shared.get_nowait(), Ok(expected));
        }
    });
}

#[test]
fn channels_deliver() {
    everywhere(|executor| {
        let (sender, mut receiver) = mpsc::channel(3);
        let (free, mut unlimited) = mpsc::unbounded();
        let (done, ended) = oneshot::channel();
        let mut tasks: Vec<Task> = Vec::new();
        for _ in 0..4 {
            let (sender, free) = (sender.clone(), free.clone());
            tasks.push(Box::pin(async move {
                for number in 0..ROUNDS {
                    sender.send(number).await.unwrap();
                    free.send(number).unwrap();
                }
            }));
        }
        drop((sender, free));
        tasks.push(Box::pin(async move {
            let mut sum = 0;
            while let Some(number) = receiver.recv().await {
                sum += number;
            }
            while let Some(number) = unlimited.recv().await {
                sum += number;
            }
            done.send(sum).unwrap();
        }));
        tasks.push(Box::pin(async move {
            assert_eq!(ended.await, Ok(8 * ROUNDS * (ROUNDS - 1) / 2));
        }));
        executor.run(tasks);
    });
}

#[test]
fn watchers_and_listeners_see_the_end() {
    everywhere(|executor| {
        let (sender, receiver) = watch::channel(0);
        let (announcer, listener) = broadcast::channel(16);
        let mut tasks: Vec<Task> = Vec::new();
        for _ in 0..3 {
            let (mut receiver, mut listener) = (receiver.clone(), listener.resubscribe());
            tasks.push(Box::pin(async move {
                while receiver.changed().await.is_ok() {}
                assert_eq!(*receiver.borrow(), ROUNDS);
                let mut seen = 0;
                loop {
                    match listener.recv().await {
                        Ok(_) => seen += 1,
                        Err(broadcast::RecvError::Lagged(missed)) => seen += missed,
                        Err(broadcast::RecvError::Closed) => break,
                    }
                }
                assert_eq!(seen, ROUNDS as u64);
            }));
        }
        tasks.push(Box::pin(async move {
            for number in 1..=ROUNDS {
                sender.send(number).unwrap();
                announcer.send(number).unwrap();
            }
        }));
        executor.run(tasks);
    });
}

/// Guards and permits that a task may keep, or take elsewhere.
#[test]
fn what_is_owned_excludes_as_well() {
    type Shared = (Arc<Lock<usize>>, Arc<RwLock<usize>>, Arc<Semaphore>, AtomicUsize);
    everywhere(|executor| {
        let (lock, data) = (Arc::new(Lock::new(0)), Arc::new(RwLock::new(0)));
        let shared: Arc<Shared> =
            Arc::new((lock, data, Arc::new(Semaphore::new(2)), AtomicUsize::new(0)));
        executor.run(tasks(TASKS, &shared, |_, shared| async move {
            let (lock, data, semaphore, inside) = &*shared;
            for _ in 0..ROUNDS / 5 {
                let permit = semaphore.clone().acquire_owned().await.unwrap();
                assert!(inside.fetch_add(1, Relaxed) < 2);
                let mut count = lock.clone().acquire_owned().await;
                let mut written = data.clone().write_owned().await;
                *count += 1;
                *written += 1;
                let read = written.downgrade();
                assert_eq!(*count, *read);
                drop((count, read));
                assert!(*data.clone().read_owned().await > 0);
                inside.fetch_sub(1, Relaxed);
                drop(permit);
            }
        }));
        assert_eq!(*shared.0.try_acquire().unwrap(), TASKS * ROUNDS / 5);
        assert_eq!(shared.2.available_permits(), 2);
    });
}

/// Reservations, several values at a time, and senders that do not keep a channel open.
#[test]
fn channels_reserve_and_deliver_several() {
    everywhere(|executor| {
        let (sender, mut receiver) = mpsc::channel(3);
        let mut tasks: Vec<Task> = Vec::new();
        for _ in 0..4 {
            let sender = sender.clone();
            tasks.push(Box::pin(async move {
                let weak = sender.downgrade();
                for number in 0..ROUNDS {
                    drop(sender.reserve().await.unwrap());
                    sender.reserve().await.unwrap().send(number);
                }
                assert!(weak.upgrade().is_some());
                drop(sender);
                // Nothing that is left here keeps the receiver from the end.
                drop(weak);
            }));
        }
        drop(sender);
        tasks.push(Box::pin(async move {
            let (mut sum, mut values) = (0, Vec::new());
            while receiver.recv_many(&mut values, 5).await > 0 {
                assert!(values.len() <= 5);
                sum += values.drain(..).sum::<usize>();
            }
            assert_eq!(sum, 4 * ROUNDS * (ROUNDS - 1) / 2);
        }));
        executor.run(tasks);
    });
}

/// Workers take tracked items until the queue is shut down; whoever joins hears of the last one.
#[test]
fn queues_are_joined_and_shut_down() {
    everywhere(|executor| {
        let shared = Arc::new((Queue::new(3), PriorityQueue::new(3), AtomicUsize::new(0)));
        executor.run(tasks(TASKS, &shared, |number, shared| async move {
            let (queue, urgent, done) = &*shared;
            if number == 0 {
                for round in 0..ROUNDS {
                    queue.put(round).await.unwrap();
                    urgent.put(round).await.unwrap();
                }
                queue.join().await;
                urgent.join().await;
                assert_eq!(done.load(Relaxed), 2 * ROUNDS);
                queue.shutdown(false);
                urgent.shutdown(false);
                assert!(queue.put(0).await.is_err());
            } else if number % 2 == 0 {
                while let Ok(_item) = queue.get_tracked().await {
                    step_back().await;
                    done.fetch_add(1, Relaxed);
                }
            } else {
                while let Ok(_item) = urgent.get_tracked().await {
                    done.fetch_add(1, Relaxed);
                }
            }
        }));
    });
}

/// Tasks of different executors, and threads that block, at one object.
#[test]
fn executors_and_threads_meet_at_one_object() {
    type Shared = (Lock<usize>, Condition, Semaphore, Queue<usize>, Event);
    let all = executors().len();
    let shared: Arc<Shared> =
        Arc::new((Lock::new(0), Condition::new(), Semaphore::new(2), Queue::new(1), Event::new()));
    let thread = {
        let shared = shared.clone();
        std::thread::spawn(move || {
            let (lock, changed, semaphore, queue, event) = &*shared;
            let mut sum = 0;
            for _ in 0..all * TASKS * ROUNDS / 10 {
                sum += queue.get_blocking(None).unwrap();
                let _permit = semaphore.acquire_blocking(None).unwrap();
                *lock.blocking_acquire() += 1;
            }
            let mut count = lock.blocking_acquire();
            while *count < 2 * all * TASKS * ROUNDS / 10 {
                assert!(changed.wait_blocking(&mut count, None));
            }
            drop(count);
            event.set();
            sum
        })
    };
    at_once(|_| {
        tasks(TASKS, &shared, |number, shared| async move {
            let (lock, changed, semaphore, queue, event) = &*shared;
            for _ in 0..ROUNDS / 10 {
                queue.put(number).await.unwrap();
                let _permit = semaphore.acquire().await.unwrap();
                let mut count = lock.acquire().await;
                *count += 1;
                changed.notify_all(&count);
            }
            event.wait().await;
        })
    });
    assert_eq!(thread.join().unwrap(), all * (0..TASKS).sum::<usize>() * ROUNDS / 10);
}
