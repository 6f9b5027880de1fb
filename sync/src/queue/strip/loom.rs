//! Models of the strip: each position is one cell, and a run goes when both ends are beyond it.

use super::{Cell, Strip};
use crate::model;
use crate::shim::atomic::{AtomicU8, AtomicU64};
use crate::shim::cell::UnsafeCell;
use crate::shim::sync::Arc;
use crate::shim::{Ordering, thread};
use crate::testing::join_all;

/// One side's part of a cell, and the other's: used once each.
#[derive(Default)]
struct Sides {
    put: UnsafeCell<usize>,
    gotten: UnsafeCell<usize>,
    /// How many sides are finished.
    finished: AtomicU8,
}

impl Cell for Sides {
    fn is_over(&self) -> bool {
        self.finished.load(Ordering::Acquire) == 2
    }
}

impl Sides {
    fn use_part(&self, part: &UnsafeCell<usize>) {
        mark(part);
        self.finished.fetch_add(1, Ordering::AcqRel);
    }
}

// SAFETY: a model; loom tells if a part is used by two threads at once.
unsafe impl Sync for Sides {}
// SAFETY: as above.
unsafe impl Send for Sides {}

fn mark(part: &UnsafeCell<usize>) {
    part.with_mut(|count| {
        // SAFETY: the one user of this part; loom tells otherwise.
        let count = unsafe { &mut *count };
        *count += 1;
        assert_eq!(*count, 1, "one position for two");
    });
}

struct Row {
    strip: Strip<Sides>,
    drawn: AtomicU64,
}

impl Row {
    fn new() -> Arc<Self> {
        Arc::new(Self { strip: Strip::new(), drawn: AtomicU64::new(0) })
    }

    fn put(&self) {
        let draw = || Some(self.drawn.fetch_add(1, Ordering::Acquire));
        let drawn = || self.drawn.fetch_or(0, Ordering::Release);
        let put = self.strip.enter(draw, drawn, |cell| cell.use_part(&cell.put));
        put.expect("a position was drawn");
    }

    fn get(&self) {
        self.strip.claim(|cell| cell.use_part(&cell.gotten));
    }
}

fn spawn(row: &Arc<Row>, body: impl FnOnce(&Row) + Send + 'static) -> thread::JoinHandle<()> {
    let row = row.clone();
    thread::spawn(move || body(&row))
}

model! {
    /// One puts, one gets, each as fast as it can.
    queue_strip_ends(threads = 2, bound = 3, claim = "a run is freed once, and not while somebody may come to it") {
        let row = Row::new();
        let other = spawn(&row, |row| (0..3).for_each(|_| row.put()));
        (0..3).for_each(|_| row.get());
        other.join().unwrap();
    }
}

model! {
    /// Two append runs side by side.
    queue_strip_puts(threads = 3, bound = 2, claim = "two puts have two cells") {
        let row = Row::new();
        let threads = [spawn(&row, Row::put), spawn(&row, |row| { row.put(); row.put() })];
        row.put();
        join_all(threads);
        (0..4).for_each(|_| row.get());
    }
}

model! {
    /// Two move the head side by side.
    queue_strip_gets(threads = 3, bound = 2, claim = "two gets have two cells") {
        let row = Row::new();
        (0..2).for_each(|_| row.put());
        let threads = [spawn(&row, Row::get), spawn(&row, |row| { row.get(); row.put() })];
        row.get();
        join_all(threads);
    }
}

model! {
    /// Both ends leave the same runs behind, and a third thread comes.
    queue_strip_behind(threads = 3, bound = 2, claim = "who comes after a run was freed does not start there") {
        let row = Row::new();
        let threads = [spawn(&row, |row| { row.put(); row.put() }), spawn(&row, |row| { row.get(); row.get() })];
        row.put();
        row.get();
        join_all(threads);
    }
}
