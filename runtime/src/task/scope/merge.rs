//! Scopes around one another that ask their parts to stop at one time.
//!
//! asyncio counts two cancels of a task that come before its next step, and delivers one: the block that
//! was entered first, a timeout or a task group, tells of itself, and those inside pass the cancel on. Here
//! each scope asks its own part, so an inner one gives way:
//!
//! - one that is to ask looks outwards for one that [is about to](Asks::is_due), and lets that go first.
//!   It does so a few times, and is polled again soon: who was to ask may be moved, or its poll may not end;
//! - when something inside takes what a scope around asks, those in between that are about to ask are
//!   *merged*: their parts were asked with that voice. They ask no more while it is polled.
//!
//! A mask parts them: what is asked outside is not felt inside, so a scope inside asks on its own. So does
//! one that is beside what takes the request. A cancel of the whole task merges nobody: it goes first, and
//! a limit bounds its clean-up. Nor does what `Coroutine::throw` asks, which is none of the task's cancels.
//!
//! Rejected: timestamps of what was taken, and a look at the clock for each poll.

use std::task::Waker;

use super::frame::{Frame, Scope, current, frames, tree};
use super::node::Kind;
use crate::error::FROM_TASK;
use crate::task::raw::TaskPtr;
use crate::task::waker::task_of;

/// What tells a scope to ask its part to stop.
pub(crate) trait Asks {
    /// True if it does so as soon as the poll of the part is over, or its timer has fired, which is due.
    fn is_due(&self) -> bool;
}

impl Frame<'_> {
    fn is_due(&self) -> bool {
        self.asks.is_some_and(Asks::is_due)
    }

    fn is_merged(&self) -> bool {
        self.known().is_some_and(|node| node.merged.get())
    }

    /// True if the part was asked.
    fn has_asked(&self) -> bool {
        self.kind.asks() && self.asks.is_none() && self.unwind.is_some()
    }
}

/// The frames around the caller, out to a mask.
fn unmasked() -> impl Iterator<Item = &'static Frame<'static>> {
    let all = current().into_iter().flat_map(frames);
    all.take_while(|frame| frame.kind != Kind::Mask)
}

/// True if a scope around the caller, and within the same mask, is about to ask its part to stop.
pub(crate) fn is_outdone() -> bool {
    unmasked().any(|frame| frame.is_due() && !frame.is_merged())
}

/// True inside a mask: what is asked of the whole task is not felt there.
pub(crate) fn is_in_mask() -> bool {
    current().is_some_and(|task| frames(task).any(|frame| frame.kind == Kind::Mask))
}

/// True inside a task for the waker of that.
pub(crate) fn is_of_task(waker: &Waker) -> bool {
    current().is_some_and(|task| task_of(waker) == Some(task))
}

/// Something inside takes the request of this mark: merges those in between.
#[cold]
pub(super) fn merge(task: TaskPtr, mark: u32) {
    if mark == FROM_TASK {
        return;
    }
    let owner = |frame: &Frame<'_>| frame.known().filter(|node| node.id.get() == mark);
    if !frames(task).find_map(owner).is_some_and(|node| node.counted.get()) {
        return;
    }
    let between = frames(task).take_while(|frame| owner(frame).is_none());
    for frame in between.filter(|frame| frame.is_due()) {
        if let Some(node) = frame.known() {
            node.merged.set(true);
        }
    }
}

impl Scope {
    /// True if the scope was merged, and what it was merged with is polled around it. `heard` is what this
    /// said last: the scope may have gone to another task since, with the one around.
    pub(crate) fn is_merged(&self, heard: bool) -> bool {
        let merged = heard || self.node.is_some_and(|node| node.merged.get());
        merged && unmasked().any(Frame::has_asked)
    }

    /// True if something inside has taken a request from further out.
    pub(crate) fn has_felt(&self) -> bool {
        self.node.is_some_and(|node| node.felt.get())
    }

    /// True while a mask inside holds one back.
    pub(crate) fn is_owed(&self) -> bool {
        let (Some(node), Some(task)) = (self.node, current()) else { return false };
        tree(task).is_owed(node, &task.header().state)
    }

    /// True while it is owed a request, or something inside is, or is offered one.
    pub(crate) fn is_asked(&self) -> bool {
        let (Some(node), Some(task)) = (self.node, current()) else { return false };
        tree(task).is_asked(node, &task.header().state)
    }

    /// It is not about to ask after all.
    pub(crate) fn unmerge(&self) {
        if let Some(node) = self.node {
            node.merged.set(false);
        }
    }
}
