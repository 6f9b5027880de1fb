//! A group that has ended, or is gone: what has become of its tasks.

use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use corio::{Builder, TaskGroup, task_group};
use corio_tests::{PATIENCE, within};

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
