//! Models of the heap: no item is taken while it is compared, none twice, none lost.

use super::Priority;
use crate::model;
use crate::queue::sealed::Sealed;
use crate::queue::{Prioritized, PriorityQueue};
use crate::shim::{sync::Arc, thread};
use crate::testing::{block_on, join_all, poll_once};
use std::pin::pin;
use std::task::Poll;

type Heap = Arc<Priority<u64>>;

/// A heap with these items.
fn heap<const N: usize>(items: [u64; N]) -> Heap {
    let heap = Arc::new(Priority::new());
    for item in items {
        put(&heap, item);
    }
    heap
}

fn put(heap: &Heap, item: u64) {
    // Items are their own numbers: no two are equal.
    assert!(heap.push(|| Some(item), || 0, &mut Some(item)));
}

fn get(heap: &Heap) -> u64 {
    loop {
        if let Some(item) = heap.pop(|| {}) {
            return item;
        }
        thread::yield_now();
    }
}

fn spawn<R: Send + 'static>(
    heap: &Heap,
    body: impl FnOnce(&Heap) -> R + Send + 'static,
) -> thread::JoinHandle<R> {
    let heap = heap.clone();
    thread::spawn(move || body(&heap))
}

model! {
    /// The put compares the item that the get takes.
    priority_put_vs_get(threads = 2, bound = 3, claim = "no item is taken while it is compared, or compared once taken") {
        let heap = heap([2]);
        let putting = spawn(&heap, |heap| put(heap, 1));
        let first = get(&heap);
        putting.join().unwrap();
        assert_eq!(first + get(&heap), 3);
    }
}

model! {
    /// A put comes below the item that a get takes meanwhile.
    priority_put_below(threads = 2, bound = 3, claim = "an empty top does not hide what lies below") {
        let heap = heap([1]);
        let putting = spawn(&heap, |heap| put(heap, 2));
        assert_eq!(get(&heap), 1);
        putting.join().unwrap();
        assert_eq!(get(&heap), 2);
    }
}

model! {
    /// Two versions are built on the same one.
    priority_two_puts(threads = 3, bound = 2, claim = "of two puts none undoes the other") {
        let heap = heap([2]);
        let threads = [1, 3].map(|item| spawn(&heap, move |heap| put(heap, item)));
        join_all(threads);
        assert_eq!([(); 3].map(|()| get(&heap)), [1, 2, 3]);
    }
}

model! {
    /// Two gets claim the same top, remove it, and go on to what the other has built.
    priority_two_gets(threads = 3, bound = 2, claim = "two gets take two items, the smallest ones") {
        let heap = heap([1, 2, 3]);
        let threads = [spawn(&heap, get), spawn(&heap, get)];
        let mut gotten = threads.map(|thread| thread.join().unwrap());
        gotten.sort_unstable();
        assert_eq!(gotten, [1, 2]);
        assert_eq!(get(&heap), 3);
    }
}

model! {
    /// A get of several, beside a put: in order, but for what came in between.
    priority_order(threads = 2, bound = 3, claim = "gets come in order, but for a smaller item that came later") {
        let heap = heap([1, 2, 3]);
        let putting = spawn(&heap, |heap| put(heap, 0));
        let gotten = [(); 3].map(|()| get(&heap));
        putting.join().unwrap();
        let last = get(&heap);
        let mut rest = gotten.to_vec();
        rest.push(last);
        rest.retain(|&item| item != 0);
        assert_eq!(rest, [1, 2, 3]);
    }
}

model! {
    /// Two gets and the put whose item may become the top between them.
    priority_two_gets_and_a_put(threads = 3, bound = 2, claim = "removal and insertion do not undo each other") {
        let heap = heap([1, 2]);
        let threads = [spawn(&heap, |heap| put(heap, 3)), spawn(&heap, |heap| assert_eq!(get(heap), 1))];
        join_all(threads);
        assert_eq!([(); 2].map(|()| get(&heap)), [2, 3]);
    }
}

model! {
    /// Both kinds of change at once, on both ends of the order.
    priority_two_by_two(threads = 4, bound = 2, claim = "of two gets one has what was smallest before, whatever comes meanwhile") {
        let heap = heap([2, 4]);
        let putting = [1, 3].map(|item| spawn(&heap, move |heap| put(heap, item)));
        let getting = spawn(&heap, get);
        let here = get(&heap);
        let there = getting.join().unwrap();
        join_all(putting);
        // At most one smaller item comes before it.
        assert!((here == 2) != (there == 2), "{here} and {there}");
        let mut all = [here, there, get(&heap), get(&heap)];
        assert!(all[2] < all[3], "what is left comes in order");
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4]);
    }
}

model! {
    /// The whole queue: a get leaves, also one whose item is being compared.
    priority_get_leaves(threads = 3, bound = 2, claim = "an item promised to a get that leaves stays in the queue") {
        let kept = Arc::new(());
        let queue = Arc::new(PriorityQueue::new(0));
        queue.put_nowait(Prioritized::new(2, kept.clone())).unwrap();
        let (leaving, putting, item) = (queue.clone(), queue.clone(), kept.clone());
        let threads = [
            thread::spawn(move || {
                let mut get = pin!(leaving.get());
                if let Poll::Ready(item) = poll_once(|cx| get.as_mut().poll(cx)) {
                    leaving.put_nowait(item.unwrap()).unwrap();
                }
            }),
            thread::spawn(move || putting.put_nowait(Prioritized::new(1, item)).unwrap()),
        ];
        let first = *block_on(queue.get()).unwrap().priority();
        let second = *block_on(queue.get()).unwrap().priority();
        assert_eq!(first + second, 3);
        join_all(threads);
        assert!(queue.empty());
        drop(queue);
        assert_eq!(Arc::strong_count(&kept), 1);
    }
}
