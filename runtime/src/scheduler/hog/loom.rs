//! Models of the marks: they end with the poll, and a stale one harms nobody.

use super::HogLine;
use crate::scheduler::lifo::LifoSlot;
use corio_sync::model;
use corio_sync::shim::atomic::Ordering::*;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;
use std::ptr::NonNull;

model! {
    /// The Watch marks a poll that it saw twice, while the owner goes on.
    hog_marks_end(threads = 2, bound = 3, claim = "a mark that is set late ends at the owner's next boundary") {
        let line = Arc::new(HogLine::new());
        line.unpark();
        line.begin_poll();
        let watch = line.clone();
        let watch = thread::spawn(move || {
            let first = watch.sight();
            if first.in_poll() && watch.sight() == first {
                watch.mark();
            }
        });
        line.end_poll();
        line.begin_poll();
        line.end_poll();
        watch.join().unwrap();
        line.begin_poll();
        assert!(!line.is_hog() && !line.preempt().load(Relaxed));
    }
}

/// A task of the LIFO slot: written by the owner, then run by who takes it.
type Task = UnsafeCell<usize>;

fn task(number: usize) -> NonNull<Task> {
    let task = Task::new(0);
    // SAFETY: nobody else knows the cell yet; loom watches the access.
    task.with_mut(|value| unsafe { *value = number });
    NonNull::from(Box::leak(Box::new(task)))
}

fn run(task: NonNull<Task>) -> usize {
    // SAFETY: `task` leaked the box, and who took the pointer out of the slot owns it alone.
    let task = unsafe { Box::from_raw(task.as_ptr()) };
    // SAFETY: loom checks that the write happened before; that is the claim of the model.
    task.with(|value| unsafe { *value })
}

model! {
    /// The thief trusts the mark; the owner returns from the stuck poll at the same time.
    hog_stale_mark(threads = 3, bound = 3, claim = "a thief that trusts a stale mark loses no task and runs none twice") {
        let shared = Arc::new((HogLine::new(), LifoSlot::<Task>::new()));
        let (line, slot) = &*shared;
        line.begin_poll();
        assert_eq!(slot.push(task(1)), None);
        let watch = shared.clone();
        let watch = thread::spawn(move || watch.0.mark());
        let thief = shared.clone();
        let thief = thread::spawn(move || {
            if thief.0.is_hog() { thief.1.steal().map(run) } else { None }
        });
        line.end_poll();
        let mut ran: Vec<usize> = slot.pop().map(run).into_iter().collect();
        line.begin_poll();
        ran.extend(slot.push(task(2)).map(run));
        watch.join().unwrap();
        ran.extend(thief.join().unwrap());
        ran.extend(slot.pop().map(run));
        ran.sort_unstable();
        assert_eq!(ran, [1, 2]);
    }
}
