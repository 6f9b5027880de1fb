//! `join!` and `try_join!`: several futures of one task, awaited together.
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::branch::{Branch, Due, Next, Progress, Stopping};
use crate::task::scope::Landing;

/// Awaits several futures at once, in the calling task, and gives a tuple of their values.
///
/// They may borrow. None runs beside another on a second core: for that make tasks, and see
/// [`gather!`](crate::gather!). Each poll begins with another branch, so that none is starved by
/// those before it.
///
/// If the task is cancelled, every branch is: where it has a cancellation scope inside, that gets the
/// request and may clean up; a branch without is dropped at once. When all have ended the cancel
/// goes on, even if some gave values; only if all did they have answered it. In
/// [`defer_cancel`](crate::defer_cancel) a branch is not reached if another one takes the request
/// meanwhile. A request that is raised by hand in a branch drops the others.
///
/// asyncio: `gather` of coroutines, which runs them as tasks.
///
/// # Cancel safety
///
/// That of the branches.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let words = vec!["join", "borrows"];
/// let first = async { words[0].len() };
/// let (first, second) = corio::join!(first, async { words[1].len() });
/// assert_eq!((first, second), (4, 7));
/// # });
/// ```
#[macro_export]
macro_rules! join {
    ($($future:expr),* $(,)?) => {
        $crate::__join!(join [] () $($future,)*)
    };
}

/// Awaits several futures that give `Result`s at once, in the calling task: a tuple of their values,
/// or the first error.
///
/// As [`join!`](crate::join!), except that the first `Err` is the result, and the other branches are
/// dropped.
///
/// # Examples
///
/// ```
/// # use corio_runtime as corio;
/// # corio::run(async {
/// let both = corio::try_join!(async { Ok::<_, &str>(1) }, async { Ok("two") });
/// assert_eq!(both, Ok((1, "two")));
/// let never = std::future::pending::<Result<(), &str>>();
/// assert_eq!(corio::try_join!(never, async { Err::<(), _>("no") }), Err("no"));
/// # });
/// ```
#[macro_export]
macro_rules! try_join {
    ($($future:expr),+ $(,)?) => {
        $crate::__join!(try_join [] () $($future,)+)
    };
}

/// Names the values one after the other, so that the list becomes a tuple.
#[doc(hidden)]
#[macro_export]
macro_rules! __join {
    ($kind:ident [$($made:expr,)*] ($($value:ident)*) $future:expr, $($rest:tt)*) => {
        $crate::__join!($kind [$($made,)* $future,] ($($value)* value) $($rest)*)
    };
    (join [$($future:expr,)*] ($($value:ident)*)) => {{
        let $crate::__list!(plain $($value,)*) =
            $crate::__private::join($crate::__list!(branch $($future,)*)).await;
        ($($value,)*)
    }};
    (try_join [$($future:expr,)*] ($($value:ident)*)) => {
        match $crate::__private::try_join($crate::__list!(branch $($future,)*)).await {
            Ok($crate::__list!(plain $($value,)*)) => Ok(($($value,)*)),
            Err(error) => Err(error),
        }
    };
}

pin_project! {
    /// A branch and those after it.
    #[derive(Debug)]
    #[doc(hidden)]
    pub struct Cons<F: Future, R> {
        #[pin]
        branch: Branch<F>,
        value: Option<F::Output>,
        #[pin]
        rest: R,
    }
}

#[inline]
#[doc(hidden)]
pub fn join_branch<F: IntoFuture, R>(future: F, rest: R) -> Cons<F::IntoFuture, R> {
    Cons { branch: Branch::new(Some(future.into_future())), value: None, rest }
}

/// Branches one after the other.
#[doc(hidden)]
pub trait Branches {
    /// Their values as pairs.
    type Values;
    /// How many there are.
    const LEN: usize;

    /// Polls those that are due and have not ended.
    fn poll_due(self: Pin<&mut Self>, due: Due, cx: &mut Context<'_>, all: &Progress<'_>);
    fn suspend(self: Pin<&mut Self>, cx: &Context<'_>, all: &Progress<'_>);
    /// The values of branches that have all given one.
    fn values(self: Pin<&mut Self>) -> Self::Values;
}

/// Branches that give `Result`s of one error.
#[doc(hidden)]
pub trait TryBranches<E>: Branches {
    /// What they give if all go well.
    type Oks;

    /// The error of the first branch that has one.
    fn error(self: Pin<&mut Self>) -> Option<E>;
    fn oks(self: Pin<&mut Self>) -> Self::Oks;
}

impl Branches for () {
    type Values = ();
    const LEN: usize = 0;

    #[inline]
    fn poll_due(self: Pin<&mut Self>, _: Due, _: &mut Context<'_>, _: &Progress<'_>) {}

    fn suspend(self: Pin<&mut Self>, _: &Context<'_>, _: &Progress<'_>) {}

    #[inline]
    fn values(self: Pin<&mut Self>) {}
}

impl<E> TryBranches<E> for () {
    type Oks = ();

    fn error(self: Pin<&mut Self>) -> Option<E> {
        None
    }

    fn oks(self: Pin<&mut Self>) {}
}

const GIVEN: &str = "all branches have given their values, and give them once";

impl<F: Future, R: Branches> Branches for Cons<F, R> {
    type Values = (F::Output, R::Values);
    const LEN: usize = 1 + R::LEN;

    #[inline]
    fn poll_due(self: Pin<&mut Self>, due: Due, cx: &mut Context<'_>, all: &Progress<'_>) {
        let this = self.project();
        if due.has(R::LEN) {
            if let Some(value) = this.branch.poll(cx, all) {
                *this.value = Some(value);
            }
        }
        this.rest.poll_due(due, cx, all);
    }

    fn suspend(self: Pin<&mut Self>, cx: &Context<'_>, all: &Progress<'_>) {
        let this = self.project();
        this.branch.suspend(cx, all);
        this.rest.suspend(cx, all);
    }

    #[inline]
    fn values(self: Pin<&mut Self>) -> Self::Values {
        let this = self.project();
        (this.value.take().expect(GIVEN), this.rest.values())
    }
}

impl<F, T, E, R> TryBranches<E> for Cons<F, R>
where
    F: Future<Output = Result<T, E>>,
    R: TryBranches<E>,
{
    type Oks = (T, R::Oks);

    fn error(self: Pin<&mut Self>) -> Option<E> {
        let this = self.project();
        match this.value.take() {
            Some(Err(error)) => Some(error),
            value => {
                *this.value = value;
                this.rest.error()
            }
        }
    }

    fn oks(self: Pin<&mut Self>) -> Self::Oks {
        let this = self.project();
        let value = this.value.take().and_then(Result::ok);
        (value.expect(GIVEN), this.rest.oks())
    }
}

pin_project! {
    /// Future of [`join!`](crate::join!).
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[doc(hidden)]
    pub struct Join<B> {
        #[pin]
        branches: B,
        stopping: Stopping,
    }
}

pin_project! {
    /// Future of [`try_join!`](crate::try_join!).
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[doc(hidden)]
    pub struct TryJoin<B, E> {
        #[pin]
        all: Join<B>,
        error: std::marker::PhantomData<fn() -> E>,
    }
}

#[inline]
#[doc(hidden)]
pub fn join<B: Branches>(branches: B) -> Join<B> {
    Join { branches, stopping: Stopping::default() }
}

#[inline]
#[doc(hidden)]
pub fn try_join<E, B: TryBranches<E>>(branches: B) -> TryJoin<B, E> {
    TryJoin { all: join(branches), error: std::marker::PhantomData }
}

impl<B: Branches> Join<B> {
    /// Polls each branch once.
    #[inline]
    fn poll_all(self: Pin<&mut Self>, cx: &mut Context<'_>, found: &Progress<'_>) {
        let mut this = self.project();
        let mut turn = this.stopping.turn(Due::firsts(B::LEN));
        let mut due = Due::from(turn, B::LEN);
        let _entered = found.enter();
        loop {
            this.branches.as_mut().poll_due(due, cx, found);
            if turn == 0 {
                return;
            }
            (due, turn) = (due.others(), 0);
        }
    }

    /// True if all have ended, and none was stopped.
    #[inline]
    fn have_ended(self: Pin<&mut Self>, found: &Progress<'_>, cx: &mut Context<'_>) -> bool {
        let this = self.project();
        match this.stopping.look(found) {
            Next::Ended => true,
            Next::Wait(has_scopes) => {
                if has_scopes {
                    this.branches.suspend(cx, found);
                }
                false
            }
        }
    }
}

impl<B: Branches> Future for Join<B> {
    type Output = B::Values;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Values> {
        if self.stopping.is_raising() {
            return Poll::Pending;
        }
        let landing = Landing::default();
        let found = Progress::new(&landing);
        self.as_mut().poll_all(cx, &found);
        if self.as_mut().have_ended(&found, cx) {
            Poll::Ready(self.project().branches.values())
        } else {
            Poll::Pending
        }
    }
}

impl<E, B: TryBranches<E>> Future for TryJoin<B, E> {
    type Output = Result<B::Oks, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut all = self.project().all;
        if all.stopping.is_raising() {
            return Poll::Pending;
        }
        let landing = Landing::default();
        let found = Progress::new(&landing);
        all.as_mut().poll_all(cx, &found);
        let error = all.as_mut().project().branches.error();
        if let Some(error) = error {
            all.project().stopping.give_back(&found);
            return Poll::Ready(Err(error));
        }
        if all.as_mut().have_ended(&found, cx) {
            Poll::Ready(Ok(all.project().branches.oks()))
        } else {
            Poll::Pending
        }
    }
}

impl<B> fmt::Debug for Join<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Join")
    }
}

impl<B, E> fmt::Debug for TryJoin<B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TryJoin")
    }
}
