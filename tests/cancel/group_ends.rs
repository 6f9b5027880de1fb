//! A group that has ended, or is gone: what has become of its tasks.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use corio::{Builder, TaskGroup, task_group};
use corio_tests::{PATIENCE, eventually, within};

type Outcome<T = ()> = Result<T, &'static str>;
type Group = TaskGroup<&'static str>;

/// A waker that says that it was woken, and keeps who wakes it until somebody has looked.
struct Keeps {
    woken: Sender<()>,
    /// Ends when the sender is dropped.
    looked: Mutex<Receiver<()>>,
}

impl Wake for Keeps {
    fn wake(self: Arc<Self>) {
        // Whoever no longer listens has seen what it wanted to see.
        self.woken.send(()).ok();
        self.looked.lock().unwrap().recv().ok();
    }
}

/// The group is polled while the worker is still inside the last child, whose body is gone.
#[test]
fn a_group_ends_when_its_last_task_is_done() {
    within(PATIENCE, "a group of one task", || {
        let runtime = Builder::new().workers(1).build().unwrap();
        let _entered = runtime.enter();
        let (open, gate) = corio::sync::oneshot::channel::<i32>();
        let (says, woken) = channel();
        let (looked, looks) = channel::<()>();
        let waker = Waker::from(Arc::new(Keeps { woken: says, looked: Mutex::new(looks) }));
        let cx = &mut Context::from_waker(&waker);
        let mut group = pin!(task_group(async |group: Group| {
            Ok(group.create_task(async { Outcome::Ok(gate.await.unwrap()) }).unwrap())
        }));
        assert!(group.as_mut().poll(cx).is_pending(), "its task waits");
        open.send(7).unwrap();
        woken.recv().unwrap();
        let mut ended = group.as_mut().poll(cx);
        if let Poll::Ready(Ok(task)) = &ended {
            assert!(task.done(), "the group has ended before its task");
        }
        drop(looked);
        while ended.is_pending() {
            woken.recv().unwrap();
            ended = group.as_mut().poll(cx);
        }
        let Poll::Ready(Ok(task)) = ended else { panic!("{ended:?}") };
        assert!(task.done());
        assert!(!task.cancel(), "there is nothing to cancel");
        assert_eq!(task.result().ok(), Some(&7));
    });
}

/// Counts.
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A poll of a group is one of its whole task, and the end of one of many children is no news to it.
#[test]
fn a_group_that_waits_is_not_woken_for_each_end() {
    const CHILDREN: usize = 256;
    within(PATIENCE, "a group of many tasks", || {
        let runtime = Builder::new().workers(1).build().unwrap();
        let _entered = runtime.enter();
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let waker = Waker::from(wakes.clone());
        let cx = &mut Context::from_waker(&waker);
        let (gates, waits): (Vec<_>, Vec<_>) =
            (0..CHILDREN).map(|_| corio::sync::oneshot::channel::<()>()).unzip();
        let tasks = Mutex::new(Vec::new());
        let mut group = pin!(task_group(async |group: Group| {
            let child = |wait: corio::sync::oneshot::Receiver<()>| {
                group.create_task(async {
                    wait.await.unwrap();
                    Outcome::Ok(())
                })
            };
            *tasks.lock().unwrap() = waits.into_iter().map(|wait| child(wait).unwrap()).collect();
            Ok(())
        }));
        assert!(group.as_mut().poll(cx).is_pending(), "its tasks wait");
        let mut ended = Poll::Pending;
        for (gate, task) in gates.into_iter().zip(tasks.lock().unwrap().iter()) {
            gate.send(()).unwrap();
            eventually("the end of a child", || task.done().then_some(()));
            // It leaves its waker again, and may be woken for the next end.
            ended = group.as_mut().poll(cx);
        }
        assert!(matches!(ended, Poll::Ready(Ok(()))), "{ended:?}");
        let woken = wakes.0.load(Ordering::Relaxed);
        // For those that have come, and where 128, 64, .. 1 are left, and none.
        assert_eq!(woken, 10, "it was woken {woken} times for {CHILDREN} ends");
    });
}
