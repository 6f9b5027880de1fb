//! Whether the end of a part is what the owner waits for.
//!
//! On a single loop an end is told in a turn of its own (see `scheduler::worker::hops`). There asyncio's
//! done-callback completes the future that the waiting task awaits, or it does not: a `gather` waits for
//! the last end or the first that has failed, `as_completed` for any. Where it does, the step of the task
//! is due, and a cancel that comes before the step is delivered by it and changes nothing about its place.
//! So the loop has to know that when it tells the end, and before the owner looks.

use std::task::Waker;

use corio_sync::shim::Ordering::Relaxed;
use corio_sync::shim::atomic::{AtomicBool, AtomicUsize};

use super::reads::{Read, Reads};
use super::{Hub, Ready, Slot, VTABLE};
use crate::error::TaskError;
use crate::quiet::quietly;
use crate::task::raw::TaskPtr;

/// Whether the end of a task, which is the part of this number, ends the wait though others are to come. Its
/// output is there.
pub(crate) type Fails = fn(usize, Ended) -> bool;

/// A task that has just ended.
#[derive(Debug)]
#[doc(hidden)]
pub struct Ended(TaskPtr);

/// Which results of a `Result<T, TaskError>` end the wait though others are to come.
pub(crate) trait Refuse<T> {
    /// False: none does.
    const ANY: bool = true;

    fn refuses(result: &Result<T, TaskError>) -> bool;
}

/// No result.
pub(crate) struct Nothing;
/// The errors of tasks.
pub(crate) struct Errors;
/// Panics only.
pub(crate) struct Panics;

impl<T> Refuse<T> for Nothing {
    const ANY: bool = false;

    fn refuses(_: &Result<T, TaskError>) -> bool {
        false
    }
}

impl<T> Refuse<T> for Errors {
    fn refuses(result: &Result<T, TaskError>) -> bool {
        result.is_err()
    }
}

impl<T> Refuse<T> for Panics {
    fn refuses(result: &Result<T, TaskError>) -> bool {
        result.as_ref().is_err_and(TaskError::is_panic)
    }
}

/// [`Fails`] of a part that stands for a task of a `T`.
pub(crate) fn refuses<T, R: Refuse<T>>(task: Ended) -> bool {
    // SAFETY: the task has just ended, so the caller's reference keeps the cell.
    let output = unsafe { task.0.output() };
    // SAFETY: the output is a `Result<T, TaskError>`. Nobody takes or drops it before reads are over.
    R::refuses(unsafe { &*output.cast::<Result<T, TaskError>>() })
}

/// In place of a number of ends; see [`make_late`].
const LATE: usize = usize::MAX;

/// What a hub knows of the wait.
pub(super) struct Ends {
    /// How many ends are to be told until the owner has what it waits for.
    left: AtomicUsize,
    /// It has been polled since it was made.
    waits: AtomicBool,
    fails: Option<Fails>,
    /// All ends are awaited, whatever they are.
    all: AtomicBool,
    reads: Reads,
}

/// What the end of a part is to its owner.
pub(crate) enum Due {
    /// Nobody knows.
    Unknown,
    /// It waits for more.
    NotYet,
    /// That was it; the waker that the owner has left, if it was not woken since.
    Now(Option<Waker>),
    /// It has what it waits for, and will see that.
    Seen,
}

impl Ready {
    /// As [`with_capacity`](Self::with_capacity), for an owner that says for how many ends it waits;
    /// before it does, for none.
    pub(crate) fn telling(len: usize, fails: Option<Fails>) -> Self {
        let (left, reads) = (AtomicUsize::new(0), Reads::new());
        let (waits, all) = (AtomicBool::new(false), AtomicBool::new(false));
        Self::new(len, Some(Box::new(Ends { left, waits, fails, all, reads })))
    }

    /// The owner waits for so many ends from now on.
    pub(crate) fn await_ends(&self, count: usize) {
        if let Some(ends) = &self.hub().ends {
            // Ordering: Relaxed; the ends are told on the thread of the owner's loop. Elsewhere the
            // number is of no account.
            ends.left.store(count, Relaxed);
        }
    }

    /// The owner waits.
    #[inline]
    pub(super) fn begin_wait(&self) {
        if let Some(ends) = &self.hub().ends {
            // Ordering: Relaxed; as above. Written once: the parts' wakers use what lies beside it.
            if !ends.waits.load(Relaxed) {
                ends.waits.store(true, Relaxed);
            }
        }
    }

    /// It waits for one more.
    pub(crate) fn await_one_more(&self) {
        if let Some(ends) = &self.hub().ends {
            // Ordering: Relaxed; as above.
            ends.left.fetch_add(1, Relaxed);
        }
    }

    /// It waits for all ends, whatever they are.
    pub(crate) fn await_all(&self) {
        if let Some(ends) = &self.hub().ends {
            // Ordering: Relaxed; as above.
            ends.all.store(true, Relaxed);
        }
    }

    /// Nobody reads outputs any more, but that of the part whose number this gives: the handle of its
    /// task is to be forgotten, it belongs to the reader. The owner drops its tasks.
    #[must_use]
    pub(crate) fn end_reads(&self) -> Option<usize> {
        self.reads()?.end()
    }

    /// As [`end_reads`](Self::end_reads), for an owner that gives its tasks away. False, and nothing has
    /// happened, while a task is being read, which is on another thread.
    #[must_use]
    pub(crate) fn try_end_reads(&self) -> bool {
        self.reads().is_none_or(Reads::try_end)
    }

    fn reads(&self) -> Option<&Reads> {
        let ends = self.hub().ends.as_ref().filter(|ends| ends.fails.is_some())?;
        Some(&ends.reads)
    }
}

/// A part's slot, if the waker is one of ours.
fn slot_of(waker: &Waker) -> Option<&Slot> {
    std::ptr::eq(waker.vtable(), &raw const VTABLE).then(|| {
        // SAFETY: the vtable is ours, and the waker keeps the slot.
        unsafe { super::slot_of(waker.data()) }
    })
}

fn hub_of(slot: &Slot) -> &Hub {
    // SAFETY: who lends the slot keeps the hub.
    unsafe { slot.hub.as_ref() }
}

/// The task that a part stands for has ended. It is still to be told.
pub(crate) fn note(waker: &Waker, task: TaskPtr) {
    let Some(slot) = slot_of(waker) else { return };
    let Some(ends) = &hub_of(slot).ends else { return };
    if let Some(fails) = ends.fails {
        // The owner takes the output when the part was told, or ends reads before.
        let failed = ends.reads.read(slot.index, || fails(slot.index, Ended(task)));
        // Ordering: Relaxed; for this thread.
        slot.failed.store(matches!(failed, Read::Done(true)), Relaxed);
        if matches!(failed, Read::Left) {
            quietly(|| task.drop_handle());
        }
    }
}

/// It was [`Due::Now`], but is not seen before its turn: nor are those that come after it.
pub(crate) fn make_late(waker: &Waker) {
    if let Some(ends) = slot_of(waker).and_then(|slot| hub_of(slot).ends.as_ref()) {
        // Ordering: Relaxed, as above.
        ends.left.store(LATE, Relaxed);
    }
}

/// That is told now, on a single loop.
pub(crate) fn tell(waker: &Waker) -> Due {
    let Some(slot) = slot_of(waker) else { return Due::Unknown };
    let hub = hub_of(slot);
    let Some(ends) = &hub.ends else { return Due::Unknown };
    // Ordering: Relaxed, as above.
    let left = ends.left.load(Relaxed);
    if left == 0 {
        return Due::Seen;
    }
    if left == LATE {
        return Due::NotYet;
    }
    ends.left.store(left - 1, Relaxed);
    let fails = || !ends.all.load(Relaxed) && !ends.reads.are_over();
    if left == 1 || slot.failed.load(Relaxed) && fails() {
        let owner = hub.owner.take();
        let unpolled = owner.is_none() && !ends.waits.load(Relaxed);
        return if unpolled { Due::Seen } else { Due::Now(owner) };
    }
    Due::NotYet
}
