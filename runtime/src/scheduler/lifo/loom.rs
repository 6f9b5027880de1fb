//! Models of the LIFO slot: an owner that pushes and pops against thieves.

use super::LifoSlot;
use corio_sync::model;
use corio_sync::shim::cell::UnsafeCell;
use corio_sync::shim::sync::Arc;
use corio_sync::shim::thread;
use std::ptr::NonNull;

/// A task: its number and how often it ran. Written by the owner before the push and by who runs
/// it, so loom sees a thief that took it without the owner's writes, and two that run it.
struct Task(UnsafeCell<(usize, usize)>);

fn spawn(number: usize) -> NonNull<Task> {
    let task = NonNull::from(Box::leak(Box::new(Task(UnsafeCell::new((0, 0))))));
    // SAFETY: the box was just leaked and nobody else knows its address.
    let cell = unsafe { task.as_ref() };
    // SAFETY: as above; loom watches the access.
    cell.0.with_mut(|value| unsafe { *value = (number, 0) });
    task
}

/// Runs and frees a task; returns its number.
fn run(task: NonNull<Task>) -> usize {
    // SAFETY: `spawn` leaked the box, and who took the pointer out of the slot owns it alone.
    let task = unsafe { Box::from_raw(task.as_ptr()) };
    task.0.with_mut(|value| {
        // SAFETY: loom checks that no other access overlaps; that is the claim of the models.
        let value = unsafe { &mut *value };
        value.1 += 1;
        assert_eq!(value.1, 1, "run twice");
        value.0
    })
}

/// Pushes tasks 1 to `pushes`, popping after each in `pops`, while `thieves` steal twice each.
fn contend(pushes: usize, pops: &[usize], thieves: usize) {
    let slot = Arc::new(LifoSlot::new());
    let thieves: Vec<_> = (0..thieves)
        .map(|_| {
            let slot = slot.clone();
            thread::spawn(move || [slot.steal().map(run), slot.steal().map(run)])
        })
        .collect();
    let mut ran = Vec::new();
    for number in 1..=pushes {
        ran.extend(slot.push(spawn(number)).map(run));
        if pops.contains(&number) {
            ran.extend(slot.pop().map(run));
        }
    }
    for thief in thieves {
        ran.extend(thief.join().unwrap().into_iter().flatten());
    }
    ran.extend(slot.pop().map(run));
    ran.sort_unstable();
    assert_eq!(ran, (1..=pushes).collect::<Vec<_>>(), "each task runs once");
}

model! {
    /// The owner stores into a slot that it saw empty, and swaps otherwise.
    lifo_push_vs_thief(threads = 2, bound = 3, claim = "a push beside a thief loses no task") {
        contend(3, &[1], 1);
    }
}

model! {
    /// Both take by swap.
    lifo_pop_vs_thief(threads = 2, bound = 3, claim = "owner and thief never run the same task") {
        contend(2, &[1, 2], 1);
    }
}

model! {
    /// Thieves also compete with each other.
    lifo_two_thieves(threads = 3, bound = 3, claim = "two thieves and the owner run each task once") {
        contend(2, &[2], 2);
    }
}
