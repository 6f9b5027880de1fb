//! When a `gather!` hears that its tasks have ended.
//!
//! It awaits few tasks, of different types, and its task's own waker is in the join slot of each: an end
//! wakes the task, which looks at all. On a single loop that would be a turn too early, and all ends of
//! one turn would be seen at the first of them: the loop tells a composition of each end in a turn of its
//! own (see `scheduler::worker::hops`), if the waker in the slot is not a task's. So the parts have such
//! wakers there, and a part is looked at when its own has come.

use std::mem;
use std::panic::Location;
use std::task::{Context, Poll};

use crate::error::TaskError;
use crate::scheduler::worker::hops;
use crate::task::awaited::Awaiter;
use crate::task::join::Task;
use crate::task::ready::Ready;
use crate::task::ready::ends::Fails;
use crate::task::waker::task_of;

/// Decided by the first poll: where that is, the others are.
#[derive(Debug, Default)]
pub(super) enum Turns {
    #[default]
    Unpolled,
    /// An end is seen at once.
    Mixed,
    /// On a single loop.
    Single(Told),
}

/// Which parts of a `gather!` are to be looked at.
#[derive(Debug)]
pub(super) struct Told {
    ready: Ready,
    /// By their numbers; all of them before the first look.
    told: Vec<bool>,
    /// Whom the parts know as the one who awaits them.
    awaiter: Awaiter,
}

impl Turns {
    /// A look at the parts, one after the other. `fails` says whose end ends the wait.
    pub(super) fn look<'a, 'b>(
        &'a mut self,
        cx: &'a mut Context<'b>,
        at: &'static Location<'static>,
        fails: Fails,
    ) -> Look<'a, 'b> {
        if let Self::Unpolled = self {
            // Who blocks the loop inside of a task is not kept waiting for its turns.
            let single = hops::is_in_single() && task_of(cx.waker()).is_some();
            *self = if single { Self::Single(Told::new(fails)) } else { Self::Mixed };
        }
        let told = match self {
            Self::Single(told) => Some(told),
            _ => None,
        };
        let mut look = Look { cx, at, told, next: 0, moved: false };
        look.begin();
        look
    }

    /// All ends are awaited, whatever they are.
    pub(super) fn await_all(&self) {
        if let Self::Single(told) = self {
            told.ready.await_all();
        }
    }

    /// The parts are dropped. The handle of the one whose number this gives is to be forgotten: see
    /// [`Ready::end_reads`].
    pub(super) fn end_reads(&self) -> Option<usize> {
        match self {
            Self::Single(told) => told.ready.end_reads(),
            _ => None,
        }
    }

    /// True if the parts know who awaits them by what the look has told them.
    pub(super) fn has_told_parts(&self) -> bool {
        matches!(self, Self::Single(_))
    }
}

impl Told {
    fn new(fails: Fails) -> Self {
        let ready = Ready::telling(0, Some(fails));
        Self { ready, told: Vec::new(), awaiter: Awaiter::none() }
    }
}

/// A look at the parts of a `gather!`, in order.
#[derive(Debug)]
#[doc(hidden)]
pub struct Look<'a, 'b> {
    cx: &'a mut Context<'b>,
    at: &'static Location<'static>,
    told: Option<&'a mut Told>,
    /// The number of the next part.
    next: usize,
    /// Another task than before awaits the parts.
    moved: bool,
}

impl Look<'_, '_> {
    fn begin(&mut self) {
        let Some(Told { ready, told, awaiter }) = self.told.as_deref_mut() else { return };
        let here = Awaiter::here();
        self.moved = mem::replace(awaiter, here) != here;
        ready.watch(self.cx.waker());
        while let Some(index) = ready.take() {
            told[index] = true;
        }
    }

    /// The next part, whose result is still to come.
    pub(super) fn poll<T>(&mut self, task: &mut Task<T>) -> Poll<Result<T, TaskError>> {
        let Some(Told { ready, told, awaiter }) = self.told.as_deref_mut() else {
            return task.poll_slot(self.cx, self.at);
        };
        let index = self.next;
        self.next += 1;
        let first = index == told.len();
        if first {
            task.ptr().refuse_itself(self.cx.waker(), self.at);
            told.push(true);
            let _same = ready.add();
        }
        let mut polled = Poll::Pending;
        if mem::take(&mut told[index]) {
            let waker = ready.waker(index);
            polled = task.poll_slot(&mut Context::from_waker(&waker), self.at);
        }
        if first && polled.is_pending() {
            ready.await_one_more();
        }
        if self.moved && polled.is_pending() {
            awaiter.awaits(task.ptr());
        }
        polled
    }

    /// The next part, whose result is there.
    pub(super) fn skip(&mut self) {
        self.next += 1;
    }
}
