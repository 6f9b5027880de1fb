//! Models of the queues: nothing lost, nothing twice, whoever leaves or shuts down.

use super::{GetError, LifoQueue, Queue, QueueShutDown};
use crate::model;
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};
use std::pin::pin;

/// An item that shows a leak or a double drop.
type Item = (usize, Arc<()>);

fn spawn(
    queue: &Arc<Queue<Item>>,
    body: impl FnOnce(&Queue<Item>) + Send + 'static,
) -> thread::JoinHandle<()> {
    let queue = queue.clone();
    thread::spawn(move || body(&queue))
}

model! {
    /// Two producers, one consumer: a slow put gives its position up.
    queue_two_puts(threads = 3, bound = 2, claim = "two puts are two gets, also if one is slow") {
        let kept = Arc::new(());
        let queue = Arc::new(Queue::new(0));
        let (a, b) = (kept.clone(), kept.clone());
        let threads = [
            spawn(&queue, move |queue| queue.put_nowait((1, a)).unwrap()),
            spawn(&queue, move |queue| queue.put_nowait((2, b)).unwrap()),
        ];
        let first = block_on(queue.get()).unwrap().0;
        let second = block_on(queue.get()).unwrap().0;
        join_all(threads);
        assert_eq!(first + second, 3);
        assert!(queue.empty());
        drop(queue);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

model! {
    /// Two consumers, one of which leaves.
    queue_get_leaves(threads = 3, bound = 2, claim = "an item promised to a get that leaves stays in the queue") {
        let kept = Arc::new(());
        let queue = Arc::new(Queue::new(0));
        let item = kept.clone();
        let threads = [
            spawn(&queue, |queue| {
                let mut get = pin!(queue.get());
                if let std::task::Poll::Ready(item) = poll_once(|cx| get.as_mut().poll(cx)) {
                    queue.put_nowait(item.unwrap()).unwrap();
                }
            }),
            spawn(&queue, move |queue| queue.put_nowait((1, item)).unwrap()),
        ];
        assert_eq!(block_on(queue.get()).unwrap().0, 1);
        join_all(threads);
        drop(queue);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

model! {
    /// Room for one: a put waits and leaves, another goes on.
    queue_put_leaves(threads = 3, bound = 2, claim = "room promised to a put that leaves goes to the next") {
        let kept = Arc::new(());
        let queue = Arc::new(Queue::new(1));
        queue.put_nowait((0, kept.clone())).unwrap();
        let (a, b) = (kept.clone(), kept.clone());
        let threads = [
            spawn(&queue, move |queue| {
                let mut put = pin!(queue.put((10, a)));
                let _ = poll_once(|cx| put.as_mut().poll(cx));
            }),
            spawn(&queue, move |queue| block_on(queue.put((1, b))).unwrap()),
        ];
        let mut sum = block_on(queue.get()).unwrap().0;
        while sum % 10 == 0 {
            sum += block_on(queue.get()).unwrap().0;
        }
        join_all(threads);
        drop(queue);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

model! {
    /// A shutdown meets a put and a get.
    queue_shutdown_put(threads = 3, bound = 2, claim = "an admitted put is gotten, a refused one comes back") {
        let kept = Arc::new(());
        let queue = Arc::new(Queue::new(0));
        let (admitted, item) = (Arc::new(crate::shim::atomic::AtomicUsize::new(0)), kept.clone());
        let told = admitted.clone();
        let threads = [
            spawn(&queue, move |queue| if queue.put_nowait((1, item)).is_ok() {
                told.store(1, crate::shim::Ordering::Relaxed);
            }),
            spawn(&queue, |queue| queue.shutdown(false)),
        ];
        let mut gotten = 0;
        loop {
            match block_on(queue.get()) {
                Ok(_) => gotten += 1,
                Err(QueueShutDown(())) => break,
            }
        }
        join_all(threads);
        assert_eq!(gotten, admitted.load(crate::shim::Ordering::Relaxed));
        assert!(matches!(queue.get_nowait(), Err(GetError::ShutDown)));
        drop(queue);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}

model! {
    /// A join meets the last report.
    queue_join(threads = 3, bound = 2, claim = "a join is not missed by the last report") {
        let queue = Arc::new(Queue::new(0));
        for number in 0..2 {
            queue.put_nowait((number, Arc::new(()))).unwrap();
            queue.get_nowait().unwrap();
        }
        let done = |queue: &Queue<Item>| queue.task_done().unwrap();
        let threads = [spawn(&queue, done), spawn(&queue, done)];
        block_on(queue.join());
        assert!(queue.task_done().is_err());
        join_all(threads);
    }
}

model! {
    /// The stack under two pushes and a pop.
    lifo_two_puts(threads = 3, bound = 2, claim = "two pushes are two pops") {
        let kept = Arc::new(());
        let queue = Arc::new(LifoQueue::new(0));
        let threads = [1, 2].map(|number| {
            let (queue, item) = (queue.clone(), kept.clone());
            thread::spawn(move || queue.put_nowait((number, item)).unwrap())
        });
        let first = block_on(queue.get()).unwrap().0;
        let second = block_on(queue.get()).unwrap().0;
        join_all(threads);
        assert_eq!(first + second, 3);
        drop(queue);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}
