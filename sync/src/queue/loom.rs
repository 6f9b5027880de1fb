//! Models of the queues: nothing lost, nothing twice, whoever leaves or shuts down.

use super::sealed::Sealed;
use super::{Fifo, GetError, LifoQueue, Queue};
use crate::model;
use crate::shim::Ordering;
use crate::shim::atomic::AtomicU64;
use crate::shim::cell::UnsafeCell;
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
    /// A put comes when runs were left and freed.
    queue_late_put(threads = 2, bound = 3, claim = "a put does not start where nobody may come any more") {
        let queue = Arc::new(Queue::new(0));
        let other = spawn(&queue, |queue| queue.put_nowait((1, Arc::new(()))).unwrap());
        for _ in 0..2 {
            queue.put_nowait((1, Arc::new(()))).unwrap();
        }
        for _ in 0..3 {
            block_on(queue.get()).unwrap();
        }
        other.join().unwrap();
        assert!(queue.empty());
    }
}

model! {
    /// Two gets, one of which frees a run that the other has been in.
    queue_get_frees(threads = 2, bound = 3, claim = "a run is freed after the last use of its cells") {
        let queue = Arc::new(Queue::new(0));
        for _ in 0..3 {
            queue.put_nowait((1, Arc::new(()))).unwrap();
        }
        let other = spawn(&queue, |queue| drop(queue.get_nowait().unwrap()));
        for _ in 0..2 {
            queue.get_nowait().unwrap();
        }
        other.join().unwrap();
        assert!(queue.empty());
    }
}

model! {
    /// A put that has drawn its position and stopped there, two more behind it, and two gets.
    queue_slow_put(threads = 3, bound = 3, claim = "a run with a position that was given up is freed after the get's last use, too") {
        let (fifo, drawn) = (Arc::new(Fifo::<u8>::new()), Arc::new(AtomicU64::new(0)));
        let draw = || Some(drawn.fetch_add(1, Ordering::Acquire));
        let count = || drawn.fetch_or(0, Ordering::Release);
        let threads = std::cell::Cell::new(Vec::new());
        let first = || {
            let position = draw();
            if position == Some(0) {
                (1..3).for_each(|item| assert!(fifo.push(draw, count, &mut Some(item))));
                threads.set([(); 2].map(|()| {
                    let fifo = fifo.clone();
                    thread::spawn(move || fifo.pop(|| ()).unwrap())
                }).into());
            }
            position
        };
        assert!(fifo.push(first, count, &mut Some(4)));
        let mut sum: u8 = threads.take().into_iter().map(|thread| thread.join().unwrap()).sum();
        sum += fifo.pop(|| ()).unwrap();
        assert_eq!(sum, 7);
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
        while block_on(queue.get()).is_ok() {
            gotten += 1;
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
    /// What was done for an item is there for whoever joins, with or without having waited.
    queue_join_sees(threads = 3, bound = 2, claim = "whoever joins sees the work of all who reported") {
        struct Work([UnsafeCell<usize>; 2]);
        // SAFETY: each worker writes its own cell before it reports; the join comes after both.
        unsafe impl Sync for Work {}
        // SAFETY: as above.
        unsafe impl Send for Work {}
        let work = Arc::new(Work([UnsafeCell::new(0), UnsafeCell::new(0)]));
        let queue = Arc::new(Queue::new(0));
        for _ in 0..2 {
            queue.put_nowait((0, Arc::new(()))).unwrap();
            queue.get_nowait().unwrap();
        }
        let threads = [0, 1].map(|number| {
            let work = work.clone();
            spawn(&queue, move |queue| {
                // SAFETY: the model's claim.
                work.0[number].with_mut(|done| unsafe { *done = 1 });
                queue.task_done().unwrap();
            })
        });
        block_on(queue.join());
        for done in &work.0 {
            // SAFETY: the model's claim.
            done.with(|done| assert_eq!(unsafe { *done }, 1));
        }
        join_all(threads);
    }
}

model! {
    /// Another thread's item is reported while this one's is not.
    line_queue_join(threads = 2, bound = 3, claim = "a join does not end while an item is unfinished, before or after it waits") {
        let queue = Arc::new(Queue::new(0));
        assert!(queue.core.admit().is_some());
        let other = spawn(&queue, |queue| queue.task_done().unwrap());
        assert!(queue.core.admit().is_some());
        let mut join = Box::pin(queue.join());
        assert!(poll_once(|cx| join.as_mut().poll(cx)).is_pending());
        other.join().unwrap();
        assert!(poll_once(|cx| join.as_mut().poll(cx)).is_pending(), "granted too early");
    }
}

model! {
    /// The same before it waits, without the store.
    queue_join_early(threads = 2, bound = 3, claim = "a join that does not wait has counted every item") {
        let queue = Arc::new(Queue::new(0));
        let other = spawn(&queue, |queue| {
            assert!(queue.core.admit().is_some());
            queue.task_done().unwrap();
        });
        assert!(queue.core.admit().is_some());
        assert!(queue.core.unfinished() > 0);
        other.join().unwrap();
    }
}

model! {
    /// Two workers put, get and report side by side.
    queue_done_counts(threads = 2, bound = 3, claim = "a report for an item that was taken out is never one too many") {
        let queue = Arc::new(Queue::new(0));
        let round = |queue: &Queue<Item>| {
            queue.put_nowait((1, Arc::new(()))).unwrap();
            queue.get_nowait().unwrap();
            queue.task_done().unwrap();
        };
        let other = spawn(&queue, round);
        round(&queue);
        other.join().unwrap();
        assert!(queue.task_done().is_err());
    }
}

model! {
    /// A put was admitted and is slow; another one comes after the shutdown.
    queue_over_late(threads = 2, bound = 3, claim = "a put that came too late does not hide one that is still storing") {
        let queue = Arc::new(Queue::new(0));
        let late = spawn(&queue, |queue| { let _ = queue.put_nowait((2, Arc::new(()))); });
        assert!(queue.core.admit().is_some());
        queue.core.shut();
        assert!(!queue.core.is_over(), "an admitted item was given up");
        assert!(queue.core.unfinished() > 0, "a join would end");
        late.join().unwrap();
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
