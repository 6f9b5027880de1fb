//! What a thread notes of the run of a task that it is inside.
//!
//! **A reference to lend.** Most polls that end in a wait leave one clone of the task's waker behind. The
//! step of the state word that makes a thread the runner adds a reference at no cost; the first clone
//! in that run, on that thread, takes it, and the step that ends the run gives it back if nobody has.
//! So such a clone is no step of the word. That the runner may hold a reference too many is of no
//! account: nobody asks for their number but of a task that waits.
//!
//! **Another poll.** `yield_now` has its task polled once more, behind the others, and any executor
//! understands a wake of the waker. But inside the task whose waker that is, the thread is about to see
//! the poll return: a note says the same, and the step that ends the run schedules the task as well. A
//! note lasts to the end of the run, whatever has happened to the future that left it: a wake cannot be
//! taken back either.
//!
//! **An unwind that is to end the task.** The task is run once more for that: at once, behind nobody.
//!
//! **A cancel that is passed on.** On a single loop who is woken by that takes the place of the task that
//! the run is of, and does not queue behind what has come since the cancel: in asyncio the request is at
//! the last one of a chain of tasks at once. Not if the run has polled the body before: then the wait may
//! be one that has begun in it, and the request, like asyncio's, no older than this run.
//!
//! A thread may be inside several runs, one in the middle of another: an eager start. Each puts the notes
//! of the one around aside, but for the last one: what is started by a poll that is no run's first passes
//! nothing on either.

use std::cell::Cell;
use std::task::Context;

use super::raw::{Header, TaskPtr};
use super::state::Woken;
use super::waker::task_of;

/// The run has a reference to lend.
const LENDS: usize = 1 << 0;
/// The task is to be polled again.
const AGAIN: usize = 1 << 1;
/// What was raised has reached the task. No address has the bit, so that the run is nobody's for all who
/// do not look for it. (Where one has, the task waits for its next run.)
const RAISED: usize = 1 << (usize::BITS - 1);

const _: () = assert!(align_of::<Header>() > LENDS | AGAIN);

thread_local! {
    /// The address of the task that the innermost run is of, and the notes; zero outside.
    static RUN: Cell<usize> = const { Cell::new(0) };
    static POLL: Cell<Poll> = const { Cell::new(Poll::First) };
    /// The address of the task that starts eagerly.
    static STARTING: Cell<usize> = const { Cell::new(0) };
}

/// The poll of the run that the thread is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Poll {
    First,
    Repeated,
    /// The first, which passes a cancel on.
    Passing,
}

/// The notes of the run around.
pub(super) struct Outer(usize);

/// A run of `task` has begun.
#[inline]
pub(super) fn begin(task: TaskPtr) -> Outer {
    Outer(RUN.replace(task.as_raw().addr() | LENDS))
}

/// The run is over.
#[inline]
pub(super) fn end(outer: Outer) {
    RUN.set(outer.0);
}

/// True if the thread is inside a run of `task`, and not in another's in the middle of it.
#[inline]
fn is_of(run: usize, task: TaskPtr) -> bool {
    run & !(LENDS | AGAIN) == task.as_raw().addr()
}

/// Takes the reference that the run of `task` has to lend. False if there is none, or the thread is not
/// inside that run.
#[inline]
pub(super) fn borrow(task: TaskPtr) -> bool {
    let run = RUN.get();
    let lends = run & LENDS != 0 && is_of(run, task);
    if lends {
        RUN.set(run & !LENDS);
    }
    lends
}

/// Has the task of `cx` polled once more, behind the others: as `wake_by_ref` of its waker.
#[inline]
pub(crate) fn poll_again(cx: &Context<'_>) {
    let run = RUN.get();
    match task_of(cx.waker()) {
        Some(task) if is_of(run, task) => RUN.set(run | AGAIN),
        _ => cx.waker().wake_by_ref(),
    }
}

/// True if the run of `task` is to be followed by another: the poll counts as one in which the task was
/// woken, for whoever asks that before the run has ended.
#[inline]
pub(crate) fn asks_again(task: TaskPtr) -> bool {
    let run = RUN.get();
    run & AGAIN != 0 && is_of(run, task)
}

/// What was raised inside `task` has found no scope to take it. The run has no other notes any more.
pub(super) fn raised(task: TaskPtr) {
    let run = RUN.get();
    if !is_of(run, task) {
        return;
    }
    if run & AGAIN != 0 {
        let (woken, _) = task.header().state.wake_seeing();
        debug_assert!(matches!(woken, Woken::Nothing), "the task runs");
    }
    if run & LENDS != 0 {
        task.release();
    }
    RUN.set(task.as_raw().addr() | RAISED);
}

/// True if that was said in the run of `task`, which has paused. Once.
pub(super) fn was_raised(task: TaskPtr) -> bool {
    let run = RUN.get();
    let raised = run & RAISED != 0 && is_of(run & !RAISED, task);
    if raised {
        RUN.set(0);
    }
    raised
}

/// Until this is dropped a run of the task is its eager start.
pub(crate) struct Starting(usize);

impl Starting {
    pub(crate) fn begin(task: TaskPtr) -> Self {
        Self(STARTING.replace(task.as_raw().addr()))
    }
}

/// Sets it back.
impl Drop for Starting {
    fn drop(&mut self) {
        STARTING.set(self.0);
    }
}

/// True in the eager start of `task`.
pub(super) fn is_starting(task: TaskPtr) -> bool {
    STARTING.get() == task.as_raw().addr()
}

/// Until this is dropped the run polls a body, or a part of it, once more.
pub(crate) struct Repeating(Poll);

impl Repeating {
    pub(crate) fn begin() -> Self {
        Self(POLL.replace(Poll::Repeated))
    }
}

/// Sets it back.
impl Drop for Repeating {
    fn drop(&mut self) {
        POLL.set(self.0);
    }
}

/// Calls `f`, which passes on the cancel of the task that the thread is inside of.
pub(crate) fn passing<R>(f: impl FnOnce() -> R) -> R {
    let poll = POLL.get();
    let _before = Repeating(poll);
    if poll == Poll::First && RUN.get() != 0 {
        POLL.set(Poll::Passing);
    }
    f()
}

/// True if who is woken now takes the place of the task that the thread is inside of.
pub(crate) fn is_passing() -> bool {
    POLL.get() == Poll::Passing
}

/// What the step that ends a run has to do.
#[derive(Clone, Copy)]
pub(super) struct Left {
    /// Give the reference back.
    pub(super) lent: bool,
    /// Schedule the task.
    pub(super) again: bool,
}

/// The step that ends the run of `task` comes next: there are no more notes. None were there for who has
/// the body without a run, as a shutdown does.
#[inline]
pub(super) fn leave(task: TaskPtr) -> Left {
    let run = RUN.get();
    let own = is_of(run, task);
    if own {
        RUN.set(0);
    }
    Left { lent: own && run & LENDS != 0, again: own && run & AGAIN != 0 }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;
    use std::task::{Poll, Waker};

    use crate::builder::Builder;
    use crate::error::Cancelled;
    use crate::spawn::create_task;
    use crate::task::scope;
    use crate::time::yield_now;

    /// References of the running task.
    fn refs() -> u64 {
        scope::current().expect("inside a task").header().state.load().refs()
    }

    #[test]
    fn a_poll_lends_one_reference_and_gets_it_back() {
        // The runtime's, the handle's, and that of the run.
        const RUNNING: u64 = 3;
        let run = Builder::new().workers(1).run(async {
            let mut kept: Vec<Waker> = Vec::new();
            let mut polls = 0;
            let task = create_task(poll_fn(move |cx| {
                let before = kept.len() as u64;
                assert_eq!(refs(), RUNNING + before, "poll {polls}");
                polls += 1;
                if polls == 8 {
                    return Poll::Ready(());
                }
                // None, one that is kept or dropped at once, and several.
                match polls % 4 {
                    0 => {}
                    1 => kept.push(cx.waker().clone()),
                    2 => drop(cx.waker().clone()),
                    _ => kept.extend([(); 3].map(|()| cx.waker().clone())),
                }
                let took = match polls % 4 {
                    0 => RUNNING,
                    1 => RUNNING,
                    2 => RUNNING - 1,
                    _ => RUNNING + 2,
                };
                assert_eq!(refs(), took + before);
                cx.waker().wake_by_ref();
                Poll::Pending
            }));
            task.await.unwrap();
        });
        run.unwrap();
    }

    /// A task that is polled in the middle of another one's poll lends its own, and each its own again.
    #[test]
    fn runs_inside_runs_lend_their_own() {
        let run = Builder::new().workers(1).run(async {
            let outer = create_task(async {
                let mut first = true;
                poll_fn(|cx| {
                    if !std::mem::take(&mut first) {
                        return Poll::Ready(());
                    }
                    let before = refs();
                    let waker = cx.waker().clone();
                    let inner = crate::spawn::task().eager(true).spawn(async move {
                        let inner = refs();
                        let outer = waker.clone();
                        assert_eq!(refs(), inner, "that was another task's");
                        poll_fn(|cx| {
                            drop(cx.waker().clone());
                            Poll::Ready(())
                        })
                        .await;
                        assert_eq!(refs(), inner - 1);
                        outer.wake();
                        drop(waker);
                    });
                    drop(inner);
                    assert_eq!(refs(), before - 1, "the loan, which both of them took");
                    Poll::Pending
                })
                .await;
            });
            outer.await.unwrap();
        });
        run.unwrap();
    }

    /// What is raised ends the task in the poll that has raised it, whatever that did with its loan.
    #[test]
    fn an_unwind_ends_its_run() {
        let run = Builder::new().workers(1).run(async {
            for clones in 0..3 {
                let polls = Arc::new(AtomicU32::new(0));
                let counted = polls.clone();
                let mut task = create_task(async move {
                    yield_now().await;
                    let mut raise = pin!(Cancelled::new("enough").raise::<()>());
                    let mut kept = Vec::new();
                    poll_fn(|cx| {
                        counted.fetch_add(1, Relaxed);
                        kept.extend((0..clones).map(|_| cx.waker().clone()));
                        raise.as_mut().poll(cx)
                    })
                    .await;
                });
                let error = (&mut task).await.unwrap_err();
                assert_eq!(error.cancelled().unwrap().msg(), Some("enough"));
                // Only the handle's is left.
                let left = task.ptr().header().state.load().refs();
                assert_eq!((polls.load(Relaxed), left), (1, 1), "{clones} clones");
            }
        });
        run.unwrap();
    }

    /// A request that was raised and then dropped is delivered again, and the notes that the run had left
    /// before are not forgotten.
    #[test]
    fn an_unwind_that_is_taken_back_comes_again() {
        let run = Builder::new().workers(1).run(async {
            let mut task = create_task(async {
                let mut yields = pin!(yield_now());
                poll_fn(|cx| {
                    let yielded = yields.as_mut().poll(cx);
                    let mut raise = pin!(Cancelled::new("enough").raise::<()>());
                    assert!(raise.as_mut().poll(cx).is_pending());
                    yielded
                })
                .await;
            });
            let error = (&mut task).await.unwrap_err();
            assert_eq!(error.cancelled().unwrap().msg(), Some("enough"));
            assert_eq!(task.ptr().header().state.load().refs(), 1);
        });
        run.unwrap();
    }
}
