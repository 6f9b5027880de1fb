//! Requests that were taken and wait to be passed on.
//!
//! A wait for tasks passes a request on to them and goes on with it outwards when they have ended; a
//! group, a `join!` and a clean-up keep it in the same way. If such a wait is *dropped* meanwhile, by
//! a `select!` that something else has won, the request was delivered to nobody: it comes back, and
//! is delivered at the next wait.
//!
//! ```text
//! taken --keep--> kept --raise, a value, handed to code elsewhere--> answered
//!                   |--dropped by a scope that a cancel ends--> joined with that cancel
//!                   `--dropped otherwise, the last of those that keep it--> pending again
//! ```
//! A wait that is carried off and dropped on another thread, or polled in another task, gives the
//! cancel back to the task that it was taken in. The request of a limit or a group, which is only
//! for a part of that task, is then forgotten: the part has let the wait go, and is not where it is.

use std::fmt;
use std::sync::Arc;

use super::frame::{Here, current, return_request, tree};
use super::levels;
use super::share::Share;
use crate::error::{BY_HAND, Cancelled, FROM_TASK};
use crate::task::raw::TaskPtr;
use crate::task::registry::TaskRef;
use crate::task::silent::SilentRef;

/// What was asked, and no scope in it: no scope has this id.
const ALL: u32 = 0;

/// Requests that were taken and not passed on, first taken first, one of each origin.
#[derive(Default)]
pub(crate) struct Kept(Vec<Keep>);

/// One of them; dropped, it comes back.
struct Keep {
    request: Cancelled,
    /// Where it was taken.
    task: Option<SilentRef>,
    /// Shared with others that have taken it, inside of each scope around, by its id, and in all of what was
    /// asked ([`ALL`]); without any nobody else is to pass it on.
    shares: Vec<(u32, Arc<Share>)>,
    /// It is passed on even if others that have taken it have answered it.
    owes: bool,
    /// It has gone on, or was answered.
    answered: bool,
}

impl Kept {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Keeps a request that was offered and taken just now; others may have taken it, too.
    pub(crate) fn keep_taken(&mut self, request: Cancelled) {
        self.keep_shared(request, false);
    }

    /// As [`Kept::keep_taken`], for who passes it on even if others have answered it.
    pub(crate) fn keep_owed(&mut self, request: Cancelled) {
        self.keep_shared(request, true);
    }

    fn keep_shared(&mut self, request: Cancelled, owes: bool) {
        let mut shares = Vec::new();
        if let Some(task) = current() {
            shares = levels::shares(task, request.origin());
            shares.extend(tree(task).share_of(request.origin()).map(|share| (ALL, share)));
        }
        shares.iter().for_each(|(_, share)| share.join());
        self.keep(request, shares, owes);
    }

    /// Keeps a request that was raised to here: it is in nobody else's hands.
    pub(crate) fn keep_raised(&mut self, request: Cancelled) {
        self.keep(request, Vec::new(), true);
    }

    fn keep(&mut self, request: Cancelled, shares: Vec<(u32, Arc<Share>)>, owes: bool) {
        let task = current().map(|task| SilentRef::new(TaskRef::new(task)));
        self.add(Keep { request, shares, task, owes, answered: false });
    }

    fn add(&mut self, mut keep: Keep) {
        match self.0.iter_mut().find(|it| it.request.origin() == keep.request.origin()) {
            // The two go on as one, which is in nobody else's hands from now on.
            Some(first) => {
                keep.answer();
                first.answer();
                first.answered = false;
            }
            None => self.0.push(keep),
        }
    }

    /// All that `other` keeps, too.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        other.0.drain(..).for_each(|keep| self.add(keep));
    }

    pub(crate) fn first(&self) -> Option<&Cancelled> {
        self.0.first().map(|keep| &keep.request)
    }

    /// That of the first one, if it was taken in this task.
    pub(crate) fn origin(&self) -> Option<u32> {
        let first = self.0.first().filter(|keep| !keep.is_of_another_task());
        first.map(|keep| keep.request.origin())
    }

    pub(super) fn last(&self) -> Option<&Cancelled> {
        self.0.last().map(|keep| &keep.request)
    }

    /// The first one, which the caller passes on. A cancel of another task goes back there; here it is as if it
    /// was made by hand.
    pub(crate) fn take_first(&mut self) -> Option<Cancelled> {
        let first = self.0.first_mut()?;
        let request = first.request.clone();
        let request = if request.origin() == FROM_TASK && first.is_of_another_task() {
            request.with_origin(BY_HAND)
        } else {
            first.answer();
            request
        };
        drop(self.0.remove(0));
        Some(request)
    }

    /// Those of an origin are passed on by the caller; false if there is none.
    pub(super) fn answer_those_of(&mut self, origin: u32) -> bool {
        let mut of_it = self.0.iter_mut().filter(|keep| keep.request.origin() == origin);
        of_it.next().map(Keep::answer).is_some()
    }

    /// A value came in their place.
    pub(super) fn answer(&mut self) {
        self.0.drain(..).for_each(|mut keep| keep.answer());
    }

    /// All are delivered again at the next wait, whoever else has taken them.
    pub(crate) fn give_back(&mut self) {
        for mut keep in self.0.drain(..) {
            keep.answer();
            if !keep.returns_elsewhere(true) {
                return_request(keep.request.clone());
            }
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|keep| &keep.request)).finish()
    }
}

impl Keep {
    fn is_of_another_task(&self) -> bool {
        self.task.as_ref().is_some_and(|task| current() != Some(task.ptr()))
    }

    /// Gives a cancel of another task than the one around back to it, if it `is_last`. False if it is of this
    /// one.
    fn returns_elsewhere(&self, is_last: bool) -> bool {
        let Some(taken_in) = self.task.as_ref().filter(|_| self.is_of_another_task()) else {
            return false;
        };
        if self.request.origin() == FROM_TASK && is_last {
            taken_in.return_cancel();
        }
        true
    }

    fn answer(&mut self) {
        self.answered = true;
        for (_, share) in self.shares.drain(..) {
            share.answer();
            let _ = share.leave(false);
        }
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let mut last_in = if self.shares.is_empty() { Some(ALL) } else { None };
        for (id, share) in self.shares.drain(..) {
            // The innermost, unless it is the last one in all of what was asked.
            if share.leave(self.owes) && (last_in.is_none() || id == ALL) {
                last_in = Some(id);
            }
        }
        let (Some(last_in), Some(taken_in)) = (last_in, &self.task) else { return };
        let origin = self.request.origin();
        if self.returns_elsewhere(last_in == ALL) || Covering::covers(taken_in.ptr(), origin) {
            return;
        }
        if last_in == ALL {
            return_request(self.request.clone());
        } else {
            levels::ask(last_in, origin);
        }
    }
}

/// The request was handed to code: nobody who has taken it, too, and is dropped gives it back.
#[inline]
pub(crate) fn answered(request: &Cancelled) {
    if let Some(task) = current() {
        levels::answer(task, request.origin());
    }
}

/// A scope drops what is inside of it because a request ends it. What was kept in there is joined
/// with that request, unless that is one of a limit or a group and not the same; until this is dropped.
pub(crate) struct Covering(Option<(TaskPtr, u32)>);

impl Covering {
    #[inline]
    pub(crate) fn begin(request: &Cancelled) -> Self {
        let now = current().map(|task| (task, request.origin()));
        Self(Here::with(|here| here.covering.replace(now)))
    }

    fn covers(task: TaskPtr, origin: u32) -> bool {
        let covering = Here::with(|here| here.covering.get());
        let joins = |by: u32| by == FROM_TASK || by == BY_HAND || by == origin;
        covering.is_some_and(|(of, by)| of == task && joins(by))
    }
}

impl Drop for Covering {
    #[inline]
    fn drop(&mut self) {
        Here::with(|here| here.covering.set(self.0));
    }
}
