//! `gather!`: a fixed number of tasks of different types.
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use corio_sync::place::{Made, WaitKind};

use super::into_task::IntoTask;
use super::passing::Passing;
use super::turns::{Look, Turns};
use crate::error::{Cancelled, TaskError};
use crate::task::awaited::Awaiter;
use crate::task::join::Task;
use crate::task::ready::ends::{Ended, Errors, refuses};

/// Runs all at once and gives a tuple of their values; the first failure is the result, and the
/// others go on.
///
/// As [`gather`](crate::gather()), for arguments of different types. Gives a future: await it.
///
/// asyncio: `gather(a, b, c)`. There the same task may be given twice; here the compiler refuses,
/// because a task's value can be moved out once.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let name = corio::create_task(async { "corio" });
/// let (name, year) = corio::gather!(name, async { 2026 }).await?;
/// assert_eq!(format!("{name} {year}"), "corio 2026");
/// # Ok::<(), corio::TaskError>(())
/// # }).unwrap();
/// ```
#[macro_export]
macro_rules! gather {
    ($($task:expr),* $(,)?) => {
        $crate::__gather!([] () $($task,)*)
    };
}

/// Names the values one after the other, so that the list becomes a tuple.
#[doc(hidden)]
#[macro_export]
macro_rules! __gather {
    ([$($made:expr,)*] ($($value:ident)*) $task:expr, $($rest:tt)*) => {
        $crate::__gather!([$($made,)* $task,] ($($value)* value) $($rest)*)
    };
    ([$($made:expr,)*] ($($value:ident)*)) => {
        $crate::__private::gather_list(
            $crate::__list!(part $($made,)*),
            |$crate::__list!(plain $($value,)*)| ($($value,)*),
        )
    };
}

/// A list as pairs: `(a, (b, ()))`.
#[doc(hidden)]
#[macro_export]
macro_rules! __list {
    (plain) => { () };
    (plain $first:ident, $($rest:tt)*) => { ($first, $crate::__list!(plain $($rest)*)) };
    (branch) => { () };
    (branch $first:expr, $($rest:tt)*) => {
        $crate::__private::join_branch($first, $crate::__list!(branch $($rest)*))
    };
    (part) => { () };
    (part $first:expr, $($rest:tt)*) => {
        ($crate::__private::gather_part($first), $crate::__list!(part $($rest)*))
    };
}

/// One task of a [`gather!`].
#[derive(Debug)]
#[doc(hidden)]
pub struct Part<T> {
    task: Option<Task<T>>,
    result: Option<Result<T, TaskError>>,
    /// True if the task was made for this, and is cancelled with it.
    made: bool,
}

#[doc(hidden)]
#[track_caller]
pub fn gather_part<A: IntoTask>(a: A) -> Part<A::Output> {
    Part { task: Some(a.into_task()), result: None, made: A::MAKES }
}

#[doc(hidden)]
#[track_caller]
pub fn gather_list<L: List, M>(list: L, map: M) -> Gather<L, M> {
    let made = Made::here(WaitKind::Gather);
    let (passing, turns) = (Passing::new(), Turns::default());
    Gather { list, map: Some(map), failed: false, passing, turns, made }
}

/// What a look at all has found.
#[derive(Clone, Copy, Debug, Default)]
#[doc(hidden)]
pub struct Found {
    pending: bool,
    failed: bool,
}

/// Tasks as pairs.
#[doc(hidden)]
pub trait List {
    /// Their values as pairs.
    type Values;

    fn look(&mut self, look: &mut Look<'_, '_>) -> Found;
    /// Nobody awaits those that have not ended.
    fn let_go(&self);
    /// The handle of this number belongs to somebody else.
    fn forget(&mut self, index: usize);
    /// As that of a task, of any of them.
    fn was_asked_in_vain(&self) -> bool;
    /// `made_only`: those that were made for this.
    fn cancel(&self, said: &Cancelled, at: &'static Location<'static>, made_only: bool);
    /// True if the task of this number, which has ended, has failed.
    fn has_failed(index: usize, task: Ended) -> bool;
    /// The values, or the first error; those that have not ended are left alone.
    fn values(&mut self) -> Result<Self::Values, TaskError>;
    /// An error, if one is there.
    fn error(&mut self) -> Option<TaskError>;
}

impl List for () {
    type Values = ();

    fn look(&mut self, _: &mut Look<'_, '_>) -> Found {
        Found::default()
    }

    fn let_go(&self) {}

    fn forget(&mut self, _: usize) {}

    fn was_asked_in_vain(&self) -> bool {
        false
    }

    fn cancel(&self, _: &Cancelled, _: &'static Location<'static>, _: bool) {}

    fn has_failed(_: usize, _: Ended) -> bool {
        false
    }

    fn values(&mut self) -> Result<(), TaskError> {
        Ok(())
    }

    fn error(&mut self) -> Option<TaskError> {
        None
    }
}

impl<T, L: List> List for (Part<T>, L) {
    type Values = (T, L::Values);

    fn look(&mut self, look: &mut Look<'_, '_>) -> Found {
        let (part, rest) = self;
        let mut found = Found::default();
        match &mut part.task {
            None => look.skip(),
            Some(task) => match look.poll(task) {
                Poll::Pending => found.pending = true,
                Poll::Ready(result) => {
                    found.failed = result.is_err();
                    part.result = Some(result);
                    part.task = None;
                }
            },
        }
        let others = rest.look(look);
        Found { pending: found.pending | others.pending, failed: found.failed | others.failed }
    }

    fn let_go(&self) {
        let (part, rest) = self;
        if let Some(task) = part.task.as_ref().filter(|task| !task.done()) {
            Awaiter::none().awaits(task.ptr());
        }
        rest.let_go();
    }

    fn forget(&mut self, index: usize) {
        let (part, rest) = self;
        match index.checked_sub(1) {
            None => mem::forget(part.task.take()),
            Some(index) => rest.forget(index),
        }
    }

    fn was_asked_in_vain(&self) -> bool {
        let (part, rest) = self;
        let in_vain = part.task.as_ref().is_some_and(|task| task.as_ref().was_asked_in_vain());
        in_vain || rest.was_asked_in_vain()
    }

    fn cancel(&self, said: &Cancelled, at: &'static Location<'static>, made_only: bool) {
        let (part, rest) = self;
        if let Some(task) = part.task.as_ref().filter(|_| part.made || !made_only) {
            task.as_ref().request(said.shared_msg(), at);
        }
        rest.cancel(said, at, made_only);
    }

    fn has_failed(index: usize, task: Ended) -> bool {
        match index.checked_sub(1) {
            None => refuses::<T, Errors>(task),
            Some(index) => L::has_failed(index, task),
        }
    }

    fn values(&mut self) -> Result<Self::Values, TaskError> {
        let (part, rest) = self;
        let value = part.result.take().expect("all have ended, and are given once")?;
        Ok((value, rest.values()?))
    }

    fn error(&mut self) -> Option<TaskError> {
        let (part, rest) = self;
        match part.result.take() {
            Some(Err(error)) => Some(error),
            _ => rest.error(),
        }
    }
}

/// Future of `gather!`.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Gather<L: List, M> {
    list: L,
    /// Turns the pairs into a tuple; gone once the result was given.
    map: Option<M>,
    /// One has, before a cancel was passed on.
    failed: bool,
    passing: Passing,
    turns: Turns,
    made: Made,
}

impl<L: List, M> Unpin for Gather<L, M> {}

impl<L: List, M> Gather<L, M> {
    fn finish<R>(&mut self, result: R) -> Poll<(M, R)> {
        self.passing.release();
        let map = self.map.take().expect("gather! was polled after it gave its result");
        Poll::Ready((map, result))
    }

    fn poll_list(&mut self, cx: &mut Context<'_>) -> Poll<(M, Result<L::Values, TaskError>)> {
        self.made.begin();
        let mut looked = None;
        if self.passing.is_addressed() {
            // What had ended before counts, and if one has failed the others are left alone.
            let pending = *looked.insert(self.look(cx));
            let (list, turns, at) = (&self.list, &self.turns, self.made.at());
            let failed = self.failed;
            let raises = self.passing.is_raising(cx, |said| {
                if failed || list.was_asked_in_vain() {
                    return false;
                }
                list.cancel(said, said.requested_at().unwrap_or(at), false);
                turns.await_all();
                // All ends are awaited, also of those that have ended and are still to be told.
                pending
            });
            if raises {
                return Poll::Pending;
            }
        }
        let pending = looked.unwrap_or_else(|| self.look(cx));
        if self.failed {
            let error = self.list.error().expect("one has failed");
            return self.finish(Err(error));
        }
        if pending {
            self.passing.suspend(cx);
            return Poll::Pending;
        }
        if self.passing.goes_on_outwards() {
            return Poll::Pending;
        }
        let values = self.list.values();
        self.finish(values)
    }

    /// Looks at all; true if some have not ended, or are still to be told.
    fn look(&mut self, cx: &mut Context<'_>) -> bool {
        let found = self.list.look(&mut self.turns.look(cx, self.made.at(), L::has_failed));
        self.failed |= found.failed && !self.passing.has_passed_on();
        found.pending
    }
}

impl<L: List, M, R> Future for Gather<L, M>
where
    M: FnOnce(L::Values) -> R,
{
    type Output = Result<R, TaskError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let listed = this.poll_list(cx);
        this.made.noted(listed).map(|(map, values)| values.map(map))
    }
}

impl<L: List, M> Drop for Gather<L, M> {
    fn drop(&mut self) {
        if self.turns.has_told_parts() {
            if let Some(index) = self.turns.end_reads() {
                self.list.forget(index);
            }
            self.list.let_go();
        }
        // Not if a result was given, or was about to be: those that have not ended go on.
        if self.map.is_some() && !self.failed {
            self.list.cancel(&Cancelled::from_parts(None, None), self.made.at(), true);
        }
    }
}

impl<L: List, M> fmt::Debug for Gather<L, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("at", &self.made).finish_non_exhaustive()
    }
}
