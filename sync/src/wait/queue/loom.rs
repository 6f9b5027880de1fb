//! Models of the waiter queue without a counter: places and grants only.

use super::{Granted, Place, Queue, WaitQueue};
use crate::model;
use crate::shim::{sync::Arc, thread};
use crate::testing::{join_all, poll_once};
use crate::wait::segment::use_cells;

fn spawn(
    queue: &Arc<WaitQueue>,
    body: impl FnOnce(&Queue) + Send + 'static,
) -> thread::JoinHandle<()> {
    let queue = queue.clone();
    thread::spawn(move || body(queue.get()))
}

fn new() -> Arc<WaitQueue> {
    let queue = Arc::new(WaitQueue::new());
    queue.get();
    queue
}

fn enter(queue: &Queue) -> Place {
    Place::Waiting(Some(queue.enter()))
}

/// Grants the next place, which nobody may have left.
fn grant(queue: &Queue) {
    match queue.grant(0) {
        Granted::Yes(waker) => drop(waker),
        Granted::Absent(_) => panic!("nobody left"),
    }
}

fn collect(queue: &Queue, mut place: Place) -> bool {
    let Place::Waiting(waiter) = &mut place else { unreachable!("entered") };
    poll_once(|cx| queue.poll(waiter, cx)).is_ready()
}

fn leave(queue: &Queue, mut place: Place) -> bool {
    queue.cancel(place.leave().expect("entered")).is_some()
}

model! {
    /// Granters ahead of all waiters make the segments themselves.
    wait_grants_first(threads = 2, bound = 3, claim = "a granter sees the segment to which another one moved the head") {
        let queue = new();
        let other = spawn(&queue, grant);
        grant(queue.get());
        grant(queue.get());
        other.join().unwrap();
        for _ in 0..3 {
            let place = enter(queue.get());
            assert!(collect(queue.get(), place), "a grant was lost");
        }
    }
}

model! {
    /// Waiters make the segments side by side.
    wait_enters_first(threads = 2, bound = 3, claim = "a waiter sees the segment to which another one moved the tail") {
        let queue = new();
        let other = spawn(&queue, |queue| { let place = enter(queue); leave(queue, place); });
        let places = [enter(queue.get()), enter(queue.get())];
        for _ in 0..3 {
            let _ = queue.get().grant(0);
        }
        assert!(places.map(|place| collect(queue.get(), place)).into_iter().all(|got| got));
        other.join().unwrap();
    }
}

model! {
    /// The two owners of one segment finish at the same time, after both ends went on.
    wait_last_owner(threads = 2, bound = 3, claim = "whoever retires a segment has seen all its owners go") {
        use_cells(2);
        let queue = new();
        let [first, second, third] = [(); 3].map(|()| enter(queue.get()));
        for _ in 0..3 {
            grant(queue.get());
        }
        let other = spawn(&queue, |queue| assert!(collect(queue, first)));
        assert!(collect(queue.get(), second));
        other.join().unwrap();
        assert!(collect(queue.get(), third));
        assert_eq!(queue.live_segments(), 1);
    }
}

model! {
    /// An owner finishes while the head leaves its segment.
    wait_last_mover(threads = 2, bound = 3, claim = "a mover that retires a segment has seen its owner go") {
        let queue = new();
        let [first, second] = [(); 2].map(|()| enter(queue.get()));
        grant(queue.get());
        let other = spawn(&queue, |queue| assert!(collect(queue, first)));
        grant(queue.get());
        other.join().unwrap();
        assert!(collect(queue.get(), second));
        assert_eq!(queue.live_segments(), 1);
    }
}

model! {
    /// A mover finds that another one went beyond its target, whose owner has left meanwhile.
    wait_late_mover(threads = 2, bound = 3, claim = "a mover that comes too late retires the segment that it held") {
        let queue = new();
        let [first, second, third] = [(); 3].map(|()| enter(queue.get()));
        grant(queue.get());
        assert!(collect(queue.get(), first));
        let late = spawn(&queue, |queue| { let _ = queue.grant(0); });
        let _ = queue.get().grant(0);
        let handed_on = leave(queue.get(), second);
        late.join().unwrap();
        assert!(collect(queue.get(), third), "handed on: {handed_on}");
        assert_eq!(queue.live_segments(), 1);
    }
}

model! {
    /// Waiters of half a segment leave, others stay, a granter passes: each segment has two cells.
    wait_half_left(threads = 3, bound = 2, claim = "a segment with one waiter left is neither swept nor skipped") {
        use_cells(2);
        let queue = new();
        let [front, second, third, fourth] = [(); 4].map(|()| enter(queue.get()));
        let last = enter(queue.get());
        let threads = [
            spawn(&queue, |queue| assert!(!leave(queue, second) | !leave(queue, fourth))),
            spawn(&queue, |queue| queue.grant_all_below(3, 0)),
        ];
        let left = leave(queue.get(), third);
        join_all(threads);
        assert!(collect(queue.get(), front), "the front starves; the third was granted: {left}");
        assert!(!leave(queue.get(), last), "granted beyond the limit");
    }
}

model! {
    /// The sweeper comes between the last step of an owner and its account of it.
    wait_sweep_owner(threads = 2, bound = 3, claim = "a sweeper that retires a segment has seen its owner go") {
        let queue = new();
        let [front, second, third, fourth, last] = [(); 5].map(|()| enter(queue.get()));
        let other = spawn(&queue, |queue| assert!(!leave(queue, second)));
        assert!(!leave(queue.get(), third));
        assert!(!leave(queue.get(), fourth));
        other.join().unwrap();
        grant(queue.get());
        assert!(collect(queue.get(), front));
        while let Granted::Absent(_) = queue.get().grant(0) {}
        assert!(collect(queue.get(), last), "the last starves");
    }
}
